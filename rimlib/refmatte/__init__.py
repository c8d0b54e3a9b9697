"""RefMatte's engine: from entities to scenes with sentences, on disk (Paper: Sec. 3.2 and 3.3)."""
