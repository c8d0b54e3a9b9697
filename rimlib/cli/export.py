"""The `rim export` command: a trained model as ONNX, for programs without Python."""

from __future__ import annotations

import argparse

from rimlib.cli.output import Add, Commands

EPILOG = """
Writes image.onnx, text.onnx, matte.onnx and model.json. image.onnx runs once for an image, text.onnx once for a
sentence, matte.onnx for each pair. model.json has what else a program must know: sizes, the tokenizer's merges, how a
sentence is normalised, the threshold and the calibration of the score. The folder is a model of `rim matte` too,
computed by ONNX Runtime on the CPU:

  rim export --to exported
  rim matte photo.jpg "the brown dog" --model exported
"""


def add_command(commands: Commands, add: Add) -> None:
    """Add the command to a parser's; `add(commands, name, function, text)` makes one and returns its parser."""
    parser = add(commands, "export", _export, "write a trained model as ONNX")
    parser.epilog, parser.formatter_class = EPILOG.strip("\n"), argparse.RawDescriptionHelpFormatter
    help = "a checkpoint of a CLIPMat, or a folder of one (default: the shipped model)"
    parser.add_argument("model", metavar="MODEL", nargs="?", help=help)
    parser.add_argument("--to", metavar="DIR", required=True, help="the folder to write to")
    help = "store weights as float32, twice the size (default: as float16; the arithmetic is float32 either way)"
    parser.add_argument("--float32", action="store_true", help=help)


def _export(options: argparse.Namespace) -> None:
    from rimlib.clipmat.model import CLIPMat
    from rimlib.errors import require
    from rimlib.prediction.onnx_model import EXTRA

    for package in ("onnx", "onnxscript"):  # before the model is loaded
        require(package, EXTRA)
    from rimlib.export.write import write

    model = CLIPMat.shipped() if options.model is None else CLIPMat.load(options.model)
    paths = write(model, options.to, half=not options.float32)
    sizes = [path.stat().st_size for path in paths]
    for path, size in zip(paths, sizes):
        print(f"{path}: {size / 1e6:.1f} MB")
    print(f"{sum(sizes) / 1e6:.1f} MB altogether")
