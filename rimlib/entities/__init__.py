"""Cut-out things, animals and people, with their attributes (Paper: Sec. 3.1)."""
