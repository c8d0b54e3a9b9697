"""Programs of the maintainers: they build what the package ships. Not in the wheel."""
