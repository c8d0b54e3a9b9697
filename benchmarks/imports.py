"""How long do `import rimlib` and `rim --help` take, and do they load torch?

    python benchmarks/imports.py

Each is started several times in a process of its own; medians. The last line is one JSON object: rimlib_seconds (the import alone, by
that process's own clock), rim_help_seconds (the whole command, as somebody waits for it), torch_loaded (must be false).
"""

import json
import subprocess
import sys
import time
from statistics import median

TIMES = 7
IMPORT = "import time; started = time.perf_counter(); import rimlib; print(time.perf_counter() - started)"
HEAVY = "[name for name in ('torch', 'cv2', 'open_clip', 'transformers', 'matplotlib') if name in sys.modules]"


def output(*options: str) -> str:
    return subprocess.run([sys.executable, *options], check=True, stdout=subprocess.PIPE, text=True).stdout


def several(once) -> float:
    once()  # what the disk has to be asked for
    return median(once() for _ in range(TIMES))


def helped() -> float:
    started = time.perf_counter()
    output("-m", "rimlib.cli", "--help")
    return time.perf_counter() - started


def main() -> None:
    imported, help_seconds = several(lambda: float(output("-c", IMPORT))), several(helped)
    code = f"import sys, contextlib, io, rimlib, rimlib.cli\nwith contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): rimlib.cli.main(['--help'])\nprint(*{HEAVY})"
    loaded = output("-c", code).split()
    print(
        f"import rimlib {imported:.4f} s, rim --help {help_seconds:.3f} s; heavy packages loaded: {', '.join(loaded) or 'none'}"
    )
    print(
        json.dumps(
            {
                "rimlib_seconds": round(imported, 4),
                "rim_help_seconds": round(help_seconds, 3),
                "torch_loaded": "torch" in loaded,
            }
        )
    )


if __name__ == "__main__":
    main()
