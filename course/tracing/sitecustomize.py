"""Writes down what a chapter's processes read. Python imports this file by itself where its folder is on PYTHONPATH.

`course.inputs` puts it there. Each line of the file that COURSE_READS names is one path, after `f` for a file and `d`
for a folder that was listed, and `c` where it was read as code. What native code opens by itself is not seen.
"""

import os
import sys

_CODE = ("<frozen importlib", f"{os.path.dirname(os.__file__)}{os.sep}tokenize.py")  # who reads code as code


def _install(log: str, root: str) -> None:
    stream = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    seen: set[str] = set()

    def note(event: str, arguments: tuple) -> None:
        if event not in ("open", "os.listdir", "os.scandir"):
            return
        path = arguments[0]
        if path is None or isinstance(path, int):
            return
        kind = "f" if event == "open" else "d"
        code = sys._getframe(1).f_code.co_filename.startswith(_CODE)
        if kind == "d" and code:  # the importer's look into each folder
            return
        if kind == "f" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
        line = f"{kind}{'c' if code else ' '}{os.path.abspath(os.fsdecode(path))}\n"
        if line not in seen and line[2:].startswith(root):
            seen.add(line)
            os.write(stream, line.encode("utf-8", "surrogateescape"))

    sys.addaudithook(note)


if os.environ.get("COURSE_READS") and os.environ.get("COURSE_ROOT"):
    _install(os.environ["COURSE_READS"], os.environ["COURSE_ROOT"])
