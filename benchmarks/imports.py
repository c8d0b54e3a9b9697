"""How long do `import rimlib` and `rim --help` take, and do they load torch?

    python benchmarks/imports.py

Each is started several times in a process of its own; medians. The last line is one JSON object: rimlib_seconds (the
import alone, by that process's own clock), rim_help_seconds (the whole command, as somebody waits for it), torch_loaded
(must be false), core_extras (packages of an extra that `rim matte` imports; must be empty).
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import rimlib

TIMES = 7
IMPORT = "import time; started = time.perf_counter(); import rimlib; print(time.perf_counter() - started)"
EXTRAS = {"IPython", "ipywidgets", "joblib", "matplotlib", "nltk", "psutil", "transformers", "webcolors", "wordcloud"}
HEAVY = ("torch", "cv2", "open_clip", "transformers", "matplotlib")
HELP = """
import contextlib, io, sys
from rimlib.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(["--help"])
print(*sys.modules)
"""
# open_clip imports transformers wherever it is installed, and has no need of it: it is hidden here.
MATTE = """
import sys
sys.modules["transformers"] = None
import rimlib.cli
status = rimlib.cli.main(sys.argv[1:])
assert status == 0, status
print(*(name for name, module in sys.modules.items() if module))
"""


def output(*options: str) -> str:
    return subprocess.run([sys.executable, *options], check=True, stdout=subprocess.PIPE, text=True).stdout


def several(once) -> float:
    once()  # what has to be read from disk
    return median(once() for _ in range(TIMES))


def helped() -> float:
    started = time.perf_counter()
    output("-m", "rimlib", "--help")
    return time.perf_counter() - started


def main() -> None:
    imported, help_seconds = several(lambda: float(output("-c", IMPORT))), several(helped)
    loaded = [name for name in HEAVY if name in output("-c", HELP).split()]
    photograph = str(Path(rimlib.__file__).parent / "rwmini" / "image" / "beach.jpg")
    with tempfile.TemporaryDirectory() as folder:
        printed = output("-c", MATTE, "matte", photograph, "the beach", "--cutout", "--json", "-o", folder)
    beside = sorted(EXTRAS & set(printed.splitlines()[-1].split()))
    print(
        f"import rimlib {imported:.4f} s, rim --help {help_seconds:.3f} s; loads {', '.join(loaded) or 'nothing heavy'}"
    )
    figures = {"rimlib_seconds": round(imported, 4), "rim_help_seconds": round(help_seconds, 3)}
    print(json.dumps(figures | {"torch_loaded": "torch" in loaded, "core_extras": beside}))


if __name__ == "__main__":
    main()
