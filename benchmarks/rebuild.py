"""How long does the book take, the first time and again, and which chapters does a change in one module touch?

    python benchmarks/rebuild.py                                  # the whole book: ten minutes and more
    python benchmarks/rebuild.py --chapters 08_audit 03c_semantic_popup --module rimlib/clipmat/popup.py

It works in a copy of the files that git does not ignore, in a temporary folder. With --chapters these alone are run,
and no pages are made, since the pages lead to all of them. The last line is one JSON object: cold_seconds (nothing
there), warm_seconds (again, nothing changed), ran_again (chapters that the second build has run; 0), module (the file
that gets one more comment), touched (the chapters that the next build would run for it) and chapters (of how many).
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rimlib.repository import repository

LISTED = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
RUN = """
import sys
from course import build, live
names = sys.argv[1:] or None
ran = build.execute(only=names)
if names is None:
    build.build()
    live.into_the_book()
print(len(ran))
"""
STALE = """
import json, sys
from course import build, chapters
names = [chapters.find(name).stem for name in sys.argv[1:]] or build.chapters()
print(json.dumps({name: build.stale(name) for name in names}))
"""


def copy_to(target: Path) -> None:
    root = repository()
    listed = subprocess.run([*LISTED], cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout
    for name in filter(None, listed.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, target / name)


def last_line(code: str, names: list[str], where: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code, *names], cwd=where, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout[-3000:]}\nrebuild: the book has not been built, see above")
    return done.stdout.splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--chapters", nargs="+", default=[], metavar="NAME", help="these alone, without pages")
    parser.add_argument("--module", default="rimlib/clipmat/popup.py", metavar="FILE", help="the module to change")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve()
        copy_to(copy)
        module = copy / options.module
        if not module.is_file():
            sys.exit(f"rebuild: {options.module} is not there; a file of the repository is expected")
        times, ran = [], []
        for _ in range(2):
            started = time.perf_counter()
            ran.append(int(last_line(RUN, options.chapters, copy)))
            times.append(round(time.perf_counter() - started, 1))
            print(f"{times[-1]} s, {ran[-1]} chapters run")
        with open(module, "a", encoding="utf-8") as file:
            file.write("# one more line\n")
        why = json.loads(last_line(STALE, options.chapters, copy))
    for name, reason in why.items():
        print(f"{name}: {reason or 'kept'}")
    figures = {"cold_seconds": times[0], "warm_seconds": times[1], "ran_again": ran[1]}
    touched = [name for name, reason in why.items() if reason]
    print(json.dumps(figures | {"module": options.module, "touched": touched, "chapters": len(why)}))


if __name__ == "__main__":
    main()
