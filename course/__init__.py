"""The course around the package: running chapters, building the book. Not in the wheel."""
