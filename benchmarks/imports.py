"""How long do `import rimlib` and `rim --help` take, and do they load torch?

    python benchmarks/imports.py

Each is started several times in a process of its own; medians, less what an empty Python takes for the first. The last line is one
JSON object: rimlib_seconds, rim_help_seconds (the whole command, as somebody waits for it), torch_loaded (must be false).
"""
import json
import subprocess
import sys
import time
from statistics import median

TIMES = 7
HEAVY = "[name for name in ('torch', 'cv2', 'open_clip', 'transformers', 'matplotlib') if name in sys.modules]"


def seconds(*command: str) -> float:
    def once() -> float:
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started

    once()      # what the disk has to be asked for
    return median(once() for _ in range(TIMES))


def main() -> None:
    empty = seconds(sys.executable, "-c", "pass")
    imported = seconds(sys.executable, "-c", "import rimlib")
    helped = seconds(sys.executable, "-m", "rimlib.cli", "--help")
    code = f"import sys, contextlib, io, rimlib, rimlib.cli\nwith contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): rimlib.cli.main(['--help'])\nprint(*{HEAVY})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    print(f"an empty Python {empty:.3f} s, import rimlib {imported:.3f} s, rim --help {helped:.3f} s; heavy packages loaded: {', '.join(loaded) or 'none'}")
    print(json.dumps({"rimlib_seconds": round(imported - empty, 3), "rim_help_seconds": round(helped, 3), "torch_loaded": "torch" in loaded}))


if __name__ == "__main__":
    main()
