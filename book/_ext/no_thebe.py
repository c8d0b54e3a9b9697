"""Pages without thebe. Jupyter Book adds it to each of them, twice: an error in the console, a script from outside."""


def leave_out(app, page, template, context, doctree) -> None:
    """Take what belongs to thebe out of a page's scripts and styles."""
    for files in ("script_files", "css_files"):
        context[files] = [one for one in context.get(files, ()) if "thebe" not in _text(one)]


def _text(entry) -> str:
    """Name and content of a script or style."""
    attributes = getattr(entry, "attributes", {})
    return f"{getattr(entry, 'filename', None) or entry} {attributes.get('body', '')}".lower()


def setup(app):
    """Register with Sphinx, behind what adds the scripts."""
    app.connect("html-page-context", leave_out, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
