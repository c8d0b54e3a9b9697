"""All settings of a run, in one tree, read from one YAML file.

A profile says how large the data, the model and the training are. `tiny` runs anywhere in minutes, `small` wants a GPU;
`tiny-long` made the shipped model. The defaults below are those of `tiny`; comments give the paper's. An unknown key, a wrong type or a number out of range
is refused by name, with the nearest name that exists.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path

from rimlib.errors import RimError

FOLDER = Path(__file__).parent / "profiles"


@dataclass(frozen=True)
class Data:
    """The data set that the engine builds (Paper: Sec. 3.2 and 3.3)."""

    pool: str = "starter"  # which cut-outs: "starter" (shipped photographs) or "drawn"
    height: int = 240  # of a scene, pixels
    width: int = 320
    groups_train: int = 200  # a group: five people, one animal, one thing
    images_per_group_train: int = 20  # Paper: 20
    extra_train: int = 2000  # scenes of entities drawn from all, outside the groups
    groups_test: int = 12
    images_per_group_test: int = 10  # Paper: 10
    extra_test: int = 80
    relation_shares: tuple[int, ...] = (7, 2, 1)  # left-right : top-bottom : front-behind
    three_share: float = (
        0.5  # of the scenes side by side or above each other, those with three entities (Paper: 0.5557 by Table 1)
    )
    mixed_shares: tuple[float, ...] = (
        0.0,
        0.0,
    )  # of a group's scenes with two and with three, those of mixed kinds (Paper: 0.17, 0.77 by Table 1)
    enlarge: float = 2.0  # a cut-out grows to no more than this times its own pixels
    fullness: float = 0.7  # chance of an attribute to be spoken; some are likelier, see expressions.py
    unique: bool = True  # re-draw a sentence until it singles out its entity (Paper: not done)
    no_target: int = 2  # sentences that fit nothing, so many for each scene (not in the paper)
    seed: int = 1


@dataclass(frozen=True)
class Clip:
    """Contrastive pre-training of the small CLIP (not in the paper, which starts from OpenAI's)."""

    minutes: float = 14.0
    batch: int = 24  # pictures; each gives two or three regions
    lr: float = 7e-4
    weight_decay: float = 0.1
    warmup: float = 0.03  # share of the run
    seed: int = 1


@dataclass(frozen=True)
class Model:
    """Sizes and switches of CLIPMat (Paper: Sec. 4, Table 11)."""

    backbone: str = "rim-tiny"
    image_size: int = 128
    text_length: int = 48  # tokens of the sentence, before the learnable context
    context: int = 8  # learnable tokens after them (Paper: 8)
    popup_width: int = 128  # D of TSP (Paper: 256)
    popup_heads: int = 4
    dropout: float = 0.1
    popup_out: int = 64  # D' (Paper: 64)
    popup_residual: bool = True  # add the image tokens to the cross-attention's answer (Eq. 3: not)
    semantic_width: int = 32
    details_width: int | None = 32  # channels of each half of MDE; None: half the ViT's width
    details_channels: tuple[int, ...] = (96, 64, 32, 16)  # inputs of D4 to D1
    details_out: tuple[int, ...] = (64, 32, 16, 16)  # outputs of D4 to D1
    match: bool = True  # feed how well each patch fits the sentence (not in the paper; see clipmat/match.py)
    details_text: bool = True  # does TSP's feature join the first stage of the details decoder
    tsp: bool = True  # switches of the ablation, Paper: Table 3
    mde: bool = True
    pre_context: bool = True
    post_context: bool = True


@dataclass(frozen=True)
class Losses:
    """Weights of the terms (the paper gives none: all 1 is its plain reading)."""

    ce: float = 1.0
    alpha_unknown: float = 1.0
    laplacian_unknown: float = 1.0
    alpha: float = 1.0
    laplacian: float = 1.0
    match: float = 2.0  # of the match, where `model.match` is on (not in the paper)


@dataclass(frozen=True)
class Train:
    """Training of CLIPMat (Paper: Sec. 5.1, S4.1)."""

    minutes: float | None = 11.5  # by the clock …
    steps: int | None = None  # … or by steps; with both, whichever ends first
    images: int = 16  # a step encodes these …
    sentences: int = 2  # … and asks each of them so many sentences
    keyword_share: float = 0.5  # of the sentences that are keywords
    no_target: float = (
        0.1  # of the sentences that fit nothing in their picture, where the data have such (not in the paper)
    )
    lr: float = 1e-3
    lr_image: float = 5e-4
    lr_text: float = 5e-4
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.998
    schedule: str = "cosine"  # the rates fall by half a cosine, or stay `fixed` (Paper: S4.1)
    warmup: float = 0.03
    flip: float = 0.5
    noise: float = 0.5
    trimap_kernel: int = 5  # pixels at the model's size
    checkpoint_seconds: float = 60.0
    losses: Losses = field(default_factory=Losses)


@dataclass(frozen=True)
class Evaluate:
    """How the model is scored (Paper: Sec. 5.1, S4.2)."""

    template: str = "a photo of a {keyword}"  # of the keyword setting (Paper: S4.3.2)
    batch: int = 16


@dataclass(frozen=True)
class Profile:
    """One run's settings. `load("tiny")` makes one."""

    name: str = "tiny"
    seed: int = 1
    data: Data = field(default_factory=Data)
    clip: Clip = field(default_factory=Clip)
    model: Model = field(default_factory=Model)
    train: Train = field(default_factory=Train)
    evaluate: Evaluate = field(default_factory=Evaluate)

    def to_dict(self) -> dict:
        """The tree as plain dicts, lists and numbers (for records and checkpoints)."""
        return _plain(dataclasses.asdict(self))

    @classmethod
    def from_dict(cls, values: dict, where: str = "profile") -> Profile:
        """The opposite of `to_dict`.

        Raises:
            RimError: an unknown key, a wrong type or a value out of range, named with its place.
        """
        profile = _build(cls, values, where, "")
        _check(profile, where)
        return profile


def names() -> list[str]:
    """The profiles that ship with rimlib."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str | Path = "tiny", **changes) -> Profile:
    """Read a profile by its name or from a YAML file of your own.

    Args:
        name: `tiny`, `small`, …, or a path that ends in `.yaml`.
        changes: settings to replace, dots written as double underscores: `train__minutes=3`.

    Raises:
        RimError: no such profile, a key that does not exist, or a value of the wrong type.

    Example:
        >>> load("tiny", train__minutes=3).train.minutes
        3.0
    """
    import yaml

    path = Path(name) if str(name).endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        if path.parent != FOLDER:
            raise RimError(f"profile {path}: no such file; give a path to a YAML file or one of {', '.join(names())}")
        raise RimError(
            f"profile {name!r}: there is none of this name{_nearest(str(name), names())}; there are: {', '.join(names())}"
        )
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        place = f", line {line + 1}" if line is not None else ""
        raise RimError(
            f"profile {path}{place}: not readable as YAML ({getattr(error, 'problem', None) or 'bad encoding'})"
        ) from None
    if not isinstance(values, dict):
        raise RimError(f"profile {path}: expected settings as `key: value` lines, found {type(values).__name__}")
    for key, value in changes.items():
        *sections, last = key.split("__")
        branch = values
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[last] = value
    return Profile.from_dict(values, f"profile {path.name if path.parent == FOLDER else path}")


def _build(kind, values, where: str, prefix: str):
    if not isinstance(values, dict):
        raise RimError(f"{where}: {prefix.rstrip('.') or 'top level'} must hold settings, found {values!r}")
    fields = {item.name: item for item in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    result = {}
    for key, value in values.items():
        if key not in fields:
            raise RimError(f"{where}: unknown setting {prefix}{key}{_nearest(str(key), list(fields))}")
        hint = hints[key]
        result[key] = (
            _build(hint, value, where, f"{prefix}{key}.")
            if dataclasses.is_dataclass(hint)
            else _typed(hint, value, where, prefix + key)
        )
    return kind(**result)


def _typed(hint, value, where: str, name: str):
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for option in options:
        if option is types.NoneType and value is None:
            return None
        if option is bool and isinstance(value, bool):
            return value
        if option is int and isinstance(value, int) and not isinstance(value, bool):
            return value
        if option is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if option is str and isinstance(value, str):
            return value
        if typing.get_origin(option) is tuple and isinstance(value, (list, tuple)):
            return tuple(_typed(typing.get_args(option)[0], item, where, name) for item in value)
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", types.NoneType: "nothing"}
    wanted = " or ".join(words.get(option, "a list of numbers") for option in options)
    raise RimError(f"{where}: {name} must be {wanted}, found {value!r}")


def _check(profile: Profile, where: str) -> None:
    """Refuse what no run could use, before anything is built with it."""

    def need(condition: bool, name: str, value, wanted: str) -> None:
        if not condition:
            raise RimError(f"{where}: {name} must be {wanted}, found {value!r}")

    data, model, train = profile.data, profile.model, profile.train
    need(
        data.pool in ("starter", "drawn") or Path(data.pool).suffix == "",
        "data.pool",
        data.pool,
        "`starter`, `drawn` or a folder",
    )
    for name in ("height", "width"):
        need(getattr(data, name) >= 64, f"data.{name}", getattr(data, name), "at least 64 pixels")
    for name in ("groups_train", "extra_train", "groups_test", "extra_test"):
        need(getattr(data, name) >= 0, f"data.{name}", getattr(data, name), "0 or more")
    need(
        len(data.relation_shares) == 3 and min(data.relation_shares) >= 0 and sum(data.relation_shares) > 0,
        "data.relation_shares",
        list(data.relation_shares),
        "three shares, left-right : top-bottom : front-behind",
    )
    need(0 <= data.three_share <= 1, "data.three_share", data.three_share, "between 0 and 1")
    need(0 <= data.fullness <= 2, "data.fullness", data.fullness, "between 0 and 2, where every attribute is certain")
    need(
        len(data.mixed_shares) == 2 and all(0 <= share <= 1 for share in data.mixed_shares),
        "data.mixed_shares",
        list(data.mixed_shares),
        "two shares between 0 and 1, of scenes with two and with three entities",
    )
    need(data.enlarge > 0, "data.enlarge", data.enlarge, "above 0")
    need(data.no_target >= 0, "data.no_target", data.no_target, "0 or more")
    need(
        model.image_size >= 32 and model.image_size % 16 == 0,
        "model.image_size",
        model.image_size,
        "a multiple of 16, at least 32",
    )
    need(
        len(model.details_channels) == 4 and len(model.details_out) == 4,
        "model.details_channels",
        list(model.details_channels),
        "four widths",
    )
    need(0 <= model.dropout < 1, "model.dropout", model.dropout, "at least 0 and below 1")
    need(train.minutes is not None or train.steps is not None, "train.minutes", None, "set, or else train.steps")
    need(train.minutes is None or train.minutes > 0, "train.minutes", train.minutes, "above 0")
    need(train.steps is None or train.steps > 0, "train.steps", train.steps, "above 0")
    for name in ("images", "sentences"):
        need(getattr(train, name) >= 1, f"train.{name}", getattr(train, name), "at least 1")
    for name in ("keyword_share", "no_target", "flip", "noise", "warmup"):
        need(0 <= getattr(train, name) <= 1, f"train.{name}", getattr(train, name), "between 0 and 1")
    need(train.lr > 0, "train.lr", train.lr, "above 0")
    need(0 <= train.ema < 1, "train.ema", train.ema, "at least 0 and below 1")
    need(
        train.trimap_kernel >= 1 and train.trimap_kernel % 2 == 1,
        "train.trimap_kernel",
        train.trimap_kernel,
        "an odd number of pixels",
    )
    need(train.optimizer in ("adam", "adamw"), "train.optimizer", train.optimizer, "`adam` or `adamw`")
    need(train.schedule in ("cosine", "fixed"), "train.schedule", train.schedule, "`cosine` or `fixed`")
    need(
        "{keyword}" in profile.evaluate.template,
        "evaluate.template",
        profile.evaluate.template,
        "a text with {keyword} in it",
    )


def _nearest(name: str, options: list[str]) -> str:
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
