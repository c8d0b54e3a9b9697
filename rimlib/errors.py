"""The one error that a user of rimlib meets: a single line that names what is wrong and what would be right."""

import difflib
import os
import re
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType


class RimError(ValueError):
    r"""A file, a setting or a sentence that cannot be used.

    The message is one line: it names the file or the setting, what was found, and what would be right. A line break in
    it (from a file name, or from another library's message) becomes a space. Programs read the fields, people the
    message.

    Attributes:
        path: the file or folder that cannot be used, or None.
        setting: the setting, option or argument that cannot be used, such as `train.images`, or None.

    >>> error = RimError("profile.yaml: train.images is -1,\n it must be 1 or more", setting="train.images")
    >>> str(error), error.setting
    ('profile.yaml: train.images is -1, it must be 1 or more', 'train.images')
    """

    def __init__(self, message: object, *, path: str | os.PathLike[str] | None = None, setting: str | None = None):
        super().__init__(re.sub(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*", " ", str(message)).strip())
        self.path = None if path is None else os.fspath(path)
        self.setting = setting

    def _render_traceback_(self) -> list[str]:
        """The lines that a notebook shows in place of a traceback; the frames inside rimlib help no user."""
        return [f"RimError: {self}"]


def nearest(word: str, known: Iterable[str]) -> str:
    """The hint of a message that refuses a word: the known word nearest to it, or an empty string where none is near.

    >>> nearest("tinny", ["tiny", "small"]), nearest("xyz", ["tiny", "small"])
    (' (did you mean tiny?)', '')
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def require(module: str, extra: str) -> ModuleType:
    """Import a package that is not among those of `pip install rimlib`, but of one of its extras.

    Raises RimError, which names the package and the extra that brings it.

    >>> require("no_such_package", "course")
    Traceback (most recent call last):
    rimlib.errors.RimError: this needs the package no_such_package: pip install 'rimlib[course]'
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise  # the package is here, and what is missing is another one
        raise RimError(f"this needs the package {package}: pip install 'rimlib[{extra}]'") from None
