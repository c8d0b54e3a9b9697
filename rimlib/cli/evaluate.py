"""The `rim evaluate` command: a method's mattes scored on a data set, and the record of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rimlib import baselines
from rimlib.cli.output import Add, Commands
from rimlib.errors import RimError

if TYPE_CHECKING:
    import torch

    from rimlib.clipmat.refiner import Refiner
    from rimlib.profile import Profile
    from rimlib.refmatte.dataset import RefMatte

EPILOG = """
What is scored: each entity of the split, at its image's own size. In the setting `keyword` its keyword, put into the
template, and only images whose keywords are clear. In the setting `expression` one of its sentences: that of the
evaluation index or of the label where there is one, else one drawn evenly by a hash of the mask's name. Where it is
drawn, every sentence is scored and the mean of all is given beside it as `all`, since the paper's scores of RefMatte's
test set are that of its four kinds; --no-every leaves it out. With --every all sentences count, as in the paper's
Table 9, and `scored` is the mean of the one. `scored_by` in the result is the rule that was used.

What comes out: SAD (in thousands), MSE and MAD over the whole image, the (E) forms, Grad, Conn and the error in the
band of the true edge; apart from them `localised`, the share of entities that were found at all; the means by kind of
sentence and entity, by relation, transparency and number of entities; and 95 % intervals, by drawing images again and
again. With --refiner each matte is scored before and after it. With --failures each matte is named: right, a part,
merged with more than is meant, a wrong instance, missed. The result is one line of JSON.

With --out RECORD.json the rows of every matte lie beside the record in RECORD.rows.jsonl and are written as they come:
the same command resumes an evaluation that was interrupted. Several GPUs share one: start the same command on each by
torchrun or srun, or give --part 1/4, --part 2/4 and so on in an array of jobs; the last to end writes the record.

  rim evaluate --data data/tiny --model runs/tiny --out runs/tiny-test.json
  rim evaluate --data RefMatte --setting keyword --model runs/b16-keyword --refiner runs/refiner --out keyword.json
  rim evaluate --data RefMatte_RW_100 --split rw100 --model runs/b16 --every --out rw100.json
  torchrun --nproc_per_node 8 -m rimlib evaluate --data RefMatte --model runs/b16 --out test.json
"""


def add_command(commands: Commands, add: Add) -> None:
    """Add the command to a parser's; `add(commands, name, function, text)` makes one and returns its parser."""
    parser = add(commands, "evaluate", _evaluate, "score a method's mattes on a data set")
    parser.epilog, parser.formatter_class = EPILOG.strip("\n"), argparse.RawDescriptionHelpFormatter
    option = parser.add_argument
    option("--data", required=True, metavar="DIR", help="the data set, ours or a released one")
    option("--split", default="test", help="such as test, seen, rw100 (default: test)")
    help = "which sentences (default: what the model was trained in; expression for one that learnt both)"
    option("--setting", choices=("expression", "keyword"), help=help)
    option("--method", default="clipmat", choices=baselines.METHODS, help="what is scored (default: clipmat)")
    option("--size", default="tiny", choices=("tiny", "paper"), help="of a method that is not loaded from --model")
    option(
        "--model", metavar="PATH", help="trained weights (default: the shipped CLIPMat, or a baseline's public ones)"
    )
    option("--refiner", metavar="PATH", help="score each matte after this refiner too: a path, or shipped")
    option("--template", help="of keywords, with {keyword} (default: the model's)")
    help = "score every expression of an entity (default: beside the scored one, where that is drawn)"
    option("--every", action=argparse.BooleanOptionalAction, help=help)
    option("--limit", type=int, metavar="N", help="the first so many images")
    help = "leave out Grad, Conn and the band: a tenth of the time on each matte"
    option("--no-edges", dest="edges", action="store_false", help=help)
    help = "name the kind of each matte too: right, part, merged, wrong instance, missed"
    option("--failures", action="store_true", help=help)
    option("--out", metavar="RECORD", help="write the record to this JSON file, and the rows beside it")
    option("--mattes", metavar="DIR", help="keep the predicted mattes in this folder")
    option("--device", help="such as cuda, mps or cpu (default: the best one here)")
    option(
        "--workers", type=int, metavar="N", help="threads that read and score (default: one for each core, at most 8)"
    )
    option("--part", metavar="R/N", help="score part R of N, counted from 1, where neither torchrun nor srun sets it")
    option("--fresh", action="store_true", help="begin anew where an earlier evaluation left rows")


def _evaluate(options: argparse.Namespace) -> int:
    try:
        print(json.dumps(_run(options)))
    except KeyboardInterrupt:
        left = f"; the same command resumes from {options.out}" if options.out else ""
        print(f"stopped{left}", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> dict[str, Any]:
    from rimlib import profile as profiles
    from rimlib.baselines.clipmat import PROFILES
    from rimlib.clipmat import prompt
    from rimlib.evaluation.definitions import names
    from rimlib.evaluation.evaluate import evaluate
    from rimlib.evaluation.rows import Rows
    from rimlib.refmatte.dataset import RefMatte
    from rimlib.training import record

    _check(options)
    rank, world = _part(options.part)
    if world > 1 and not options.out:
        raise RimError("--out: several processes share an evaluation through its rows; name a record", setting="out")
    RefMatte(options.data, options.split)  # what cannot be used is refused before the model is loaded
    device, stages = _device(options.device), record.Stages()
    model = baselines.get(options.method, options.size, options.model)
    profile = getattr(model, "profile", None) or profiles.load(PROFILES[options.size])
    options.setting = options.setting or ("keyword" if profile.train.setting == "keyword" else "expression")
    refmatte = RefMatte(options.data, options.split, options.setting)
    template = options.template or prompt.template(profile)
    is_drawn = options.setting == "expression" and not all(target.indexed for target in refmatte.targets)
    beside = is_drawn and options.every is None
    every = bool(options.every) and options.setting == "expression"
    about = _about(options, refmatte, profile, template, every or beside)
    run = record.new("evaluate", profile, **about, definitions=names())
    rows = Rows(options.out, about, rank, world, options.fresh) if options.out else None
    with stages("evaluation"):
        found = evaluate(
            model,
            refmatte,
            limit=options.limit,
            batch=profile.evaluate.batch,
            template=template,
            every=every,
            beside=beside,
            device=device,
            progress=rank == 0,
            profile=profile,
            refiner=_refiner(options.refiner, device),
            edges=options.edges,
            workers=_workers() if options.workers is None else options.workers,
            mattes=options.mattes,
            rows=rows,
            rank=rank,
            world=world,
            failures=options.failures,
        )
    if cut := sum(row.get("cut", False) for row in found["rows"]):
        text = f"{cut} of {len(found['rows'])} sentences are longer than the model reads, and were cut"
        print(f"{text}; `cut` in the rows has which", file=sys.stderr)
    if found["missing"]:
        print(
            f"{found['missing']} images are left to the other processes; the last to end writes the record",
            file=sys.stderr,
        )
        return {"missing": found["missing"]}
    if rows is not None:
        stages.seconds["evaluation"] = sum(row["seconds"] for row in found["rows"])  # of all processes and parts
        facts = {"rows": rows.path.name, "processes": world, "dtype": "float32"}
        record.write(options.out, record.finish(run, stages, found["metrics"], device, **facts))
    return found["metrics"]


def _check(options: argparse.Namespace) -> None:
    if options.template is not None and "{keyword}" not in options.template:
        raise RimError(f"--template {options.template!r}: it must have {{keyword}} in it", setting="template")
    if options.out and Path(options.out).suffix != ".json":
        raise RimError(f"--out {options.out}: a record is a .json file", path=options.out, setting="out")
    for name in ("limit", "workers"):
        value = getattr(options, name)
        if value is not None and value < (name == "limit"):
            raise RimError(f"--{name} {value}: must be {int(name == 'limit')} or more", setting=name)


def _part(text: str | None) -> tuple[int, int]:
    """(rank, world) of `--part R/N`, or of the process's surroundings."""
    from rimlib.evaluation.rows import process

    if text is None:
        return process()
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise RimError(f"--part {text!r}: expected such as 2/8, the second of eight", setting="part")
    return int(number) - 1, int(count)


def _device(name: str | None) -> torch.device:
    import torch

    from rimlib.device import pick_device

    local = os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", ""))
    if name in (None, "cuda") and local.isdecimal() and torch.cuda.is_available():
        return pick_device(f"cuda:{int(local) % torch.cuda.device_count()}")
    return pick_device(name)


def _workers() -> int:
    """Threads for this process: its share of the cores, where several processes run on the machine."""
    here = os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("SLURM_NTASKS_PER_NODE", "1"))
    return max(1, min(8, (os.cpu_count() or 1) // max(1, int(here) if here.isdecimal() else 1)))


def _refiner(name: str | None, device: torch.device) -> Refiner | None:
    from rimlib.clipmat.refiner import Refiner

    if name is None:
        return None
    return (Refiner.shipped() if name == "shipped" else Refiner.load(name)).to(device)


def _about(
    options: argparse.Namespace, refmatte: RefMatte, profile: Profile, template: str, every: bool
) -> dict[str, Any]:
    """What is evaluated on what: rows of two evaluations may be joined where these are equal."""
    import rimlib
    from rimlib import provenance
    from rimlib.evaluation.evaluate import band_kernel
    from rimlib.training.state import settings_key

    index = settings_key([target.extra.get("eval_index") for target in refmatte.targets])
    return {
        "method": options.method,
        "size": options.size,
        "model": _weights(options.model),
        "refiner": _weights(options.refiner),
        "data": {
            "fingerprint": refmatte.fingerprint,
            "split": options.split,
            "setting": options.setting,
            "index": index,
        },
        "scored_by": refmatte.scored_by,
        "every": every,
        "template": template,
        "mattes": bool(options.mattes),
        "failures": options.failures,
        "edges": options.edges and f"band of {band_kernel((1000, 1000), profile)} pixels in an image of 1000",
        "version": rimlib.__version__,
        "code": provenance.source_hash(),
    }


def _weights(name: str | None) -> dict[str, str] | str | None:
    """The hash of a file of weights, by whatever path it is reached; a name that is no file stays."""
    from rimlib.io.files import sha256

    if name is None or not os.path.exists(name):
        return name
    path = Path(name)
    found = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    return {file.name: sha256(file) for file in found}
