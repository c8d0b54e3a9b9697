"""The one error that a user of rimlib meets: a single line that names what is wrong and what would be right."""

import re


class RimError(ValueError):
    """A file, a setting or a sentence that cannot be used.

    The message is one line: it names the file or the setting, what was found, and what would be right.
    A line break in it (from a file name, or from another library's message) becomes a space.

    >>> str(RimError("profile.yaml: batch is -1,\\n it must be 1 or more"))
    'profile.yaml: batch is -1, it must be 1 or more'
    """

    def __init__(self, message):
        super().__init__(re.sub(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*", " ", str(message)).strip())

    def _render_traceback_(self):
        """The lines that a notebook shows in place of a traceback: the frames inside rimlib say nothing to its user."""
        return [f"RimError: {self}"]
