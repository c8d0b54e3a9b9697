"""The methods that a user may choose: what each is good for, its licences, and a predictor of it.

`clipmat` is the model of this repository. The others are made of public models (`parts`), of which
nothing ships with rimlib: `rim download` fetches them, once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rimlib.errors import RimError, nearest, require
from rimlib.io import public
from rimlib.io.from_folder import load
from rimlib.io.public import NotHere, Part
from rimlib.prediction import loading
from rimlib.prediction.parts import CLIPSEG, DEPTH, DEPTH_NAME, DETECTOR, MATTER, SAM3, SEGMENTER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rimlib.prediction.engines import Engine
    from rimlib.prediction.result import Result


class Predictor(Protocol):
    """What every method gives: an image once, and sentences after it."""

    def another(self, threshold: float | None = None) -> Predictor: ...  # noqa: D102
    def set_image(self, source: Any) -> None: ...  # noqa: D102
    def encode_text(self, sentences: Sequence[str]) -> Any: ...  # noqa: D102
    def predict(self, sentence: str) -> Result: ...  # noqa: D102
    def predict_many(self, sentences: Any) -> Iterator[Result]: ...  # noqa: D102


@dataclass(frozen=True)
class MethodInfo:
    """A method, for people.

    Attributes:
        name: as `method=` takes it.
        how: its steps.
        good_for: which photographs, and which not.
        code: licence of the code that runs.
        parts: the public models that it is made of; none for one that ships.
        engine: builds the engine of the folders of all parts but the matting network.
    """

    name: str
    how: str
    good_for: str
    code: str
    parts: tuple[Part, ...] = ()
    engine: Callable[..., Engine] | None = None

    @property
    def megabytes(self) -> int:
        """Of what `rim download` fetches."""
        return sum(part.megabytes for part in self.parts)

    @property
    def licence(self) -> str:
        """Of its weights."""
        return ", ".join(dict.fromkeys(part.licence for part in self.parts)) or "MIT"


METHODS = {
    info.name: info
    for info in (
        MethodInfo(
            "clipmat",
            "one network, from image and sentence to the matte",
            "composed scenes of the shipped photographs, and whatever you train it on; weak on other photographs",
            "MIT",
        ),
        MethodInfo(
            "grounded",
            "Grounding DINO → SAM 2 → automatic trimap → ViTMatte",
            "any photograph with things that have a name; the one to begin with",
            "Apache-2.0 (transformers)",
            (DETECTOR, SEGMENTER, MATTER),
            loading.grounded,
        ),
        MethodInfo(
            "sam3",
            "SAM 3 → automatic trimap → ViTMatte",
            "many instances of the same thing, and rare things; wants a GPU; its weights alone take 3.4 GB of memory",
            "Apache-2.0 (transformers)",
            (SAM3, MATTER),
            loading.sam3,
        ),
        MethodInfo(
            "clipseg",
            "CLIPSeg → connected parts → automatic trimap → ViTMatte",
            "stuff without a clear outline (sky, grass), and old computers; what touches its like is one with it",
            "Apache-2.0 (transformers)",
            (CLIPSEG, MATTER),
            loading.clipseg,
        ),
    )
}
NAMES = tuple(METHODS)


def get(name: str) -> MethodInfo:
    """A method by its name.

    >>> get("grounde")
    Traceback (most recent call last):
    rimlib.errors.RimError: method 'grounde' (did you mean grounded?): must be one of clipmat, grounded, sam3, clipseg
    """
    if name not in METHODS:
        hint = nearest(str(name), NAMES)
        raise RimError(f"method {name!r}{hint}: must be one of {', '.join(NAMES)}", setting="method")
    return METHODS[name]


def state(name: str, weights: str | Path | None = None) -> str:
    """Whether a method can be used on this machine: "here", "no", or what is wrong with what is here."""
    states = [state_of(part, weights) for part in get(name).parts]
    wrong = [one for one in states if one not in ("here", "no")]
    return wrong[0] if wrong else "no" if "no" in states else "here"


def state_of(part: Part, weights: str | Path | None = None) -> str:
    """The same of a part."""
    try:
        public.find(part, weights)
    except NotHere:
        return "no"
    except RimError as error:
        return str(error)
    return "here"


def here() -> tuple[str, ...]:
    """The methods whose weights are on this machine and whose packages are installed."""
    from importlib.util import find_spec

    ready = find_spec("transformers") is not None
    return tuple(name for name, info in METHODS.items() if not info.parts or (ready and state(name) == "here"))


def predictor(
    method: str = "clipmat",
    weights: str | Path | None = None,
    device: str | None = None,
    refine: bool = True,
    threshold: float | None = None,
    depth: str | Path | None = None,
    by_place: bool = False,
) -> Predictor:
    """A predictor of a method.

    Args:
        method: of `NAMES`.
        weights: of clipmat a checkpoint, a folder of one or of `rim export`, or OWNER/NAME on the hub (the shipped
            model if None); of the others a folder that `rim download METHOD --to` made (the hub's cache if None).
        device: such as "cpu"; the best one here if None.
        refine: mattes at the image's own size; otherwise they are only enlarged.
        threshold: the least score that counts as found; the method's own if None; 0 keeps every matte.
        depth: a depth model that decides what is in front, see `depth.Nearness.load`; not of clipmat.
        by_place: of a matte of clipmat in several parts keep those that the sentence's place means, see
            `MattingPredictor`; the other methods reason about places anyway.

    Raises:
        RimError: no such method; its package or its weights are not here, are not whole, or are of something else.
    """
    info = get(method)
    if info.engine is None:
        if depth is not None:
            raise RimError("depth: clipmat takes no depth model; name another method", setting="depth")
        return _clipmat(weights, device, refine, threshold, by_place)
    require("transformers", "baselines")
    folders = _folders(info, weights)
    from rimlib.baselines.vitmatte import ViTMatte
    from rimlib.device import pick_device
    from rimlib.prediction.depth import Nearness
    from rimlib.prediction.reasoned import ReasonedPredictor

    where = pick_device(device)
    *others, last = folders
    kind = require("transformers", "baselines").VitMatteForImageMatting
    nearness = None if depth is None else Nearness.load(depth, weights, where)
    engine = info.engine(*others, where)
    engine.depth = nearness
    return ReasonedPredictor(engine, ViTMatte(load(kind, last)).to(where), refine, threshold)


def download(method: str, to: str | Path | None = None) -> list[Path]:
    """Fetch the weights of a method, or of `DEPTH_NAME`: the folder of each part. Raises RimError."""
    parts = parts_of(method)
    if not parts:
        raise RimError(f"{method}: its weights come with rimlib; there is nothing to download", setting="method")
    command = f"rim download {method} --to DIR"
    instead = (
        f"run `{command}` where a network is, copy DIR here, and give it: rim matte --method {method} --weights DIR"
    )
    return [public.fetch(part, to, instead) for part in parts]


def parts_of(name: str) -> tuple[Part, ...]:
    """What `download` fetches of a name."""
    return (DEPTH,) if name == DEPTH_NAME else get(name).parts


def _folders(info: MethodInfo, weights: str | Path | None) -> list[Path]:
    """The folder of each part."""
    folders, missing = [], []
    for part in info.parts:
        try:
            folders.append(public.find(part, weights))
        except NotHere as error:
            missing.append((part, error))
    if not missing:
        return folders
    if weights is not None:
        advice = f"`rim download {info.name} --to {weights}` fetches what is missing"
        raise RimError(f"{info.name}: {missing[0][1]}; {advice}", path=weights, setting="weights")
    names = ", ".join(part.repository for part, _ in missing)
    size = sum(part.megabytes for part, _ in missing)
    message = (
        f"{info.name}: its weights are not on this machine ({names}; {size:,} MB); run `rim download {info.name}` once "
        f"where a network is, or `rim download {info.name} --to DIR` there, and give a copy of DIR by --weights DIR"
    )
    raise RimError(message, setting="weights")


def _clipmat(
    weights: str | Path | None, device: str | None, refine: bool, threshold: float | None, by_place: bool
) -> Predictor:
    from rimlib.clipmat.model import CLIPMat
    from rimlib.prediction import onnx_model
    from rimlib.prediction.predictor import MattingPredictor

    model: Any
    if weights is None:
        model = CLIPMat.shipped()
    elif onnx_model.is_exported(weights):
        model, device = onnx_model.load(weights), device or "cpu"
    elif isinstance(weights, Path) or Path(weights).exists() or Path(weights).suffix or weights.count("/") != 1:
        model = CLIPMat.load(weights)
    else:
        model = CLIPMat.from_pretrained(weights)  # OWNER/NAME
    refiner = "shipped" if refine else None
    return MattingPredictor(model, device, refiner=refiner, threshold=threshold, by_place=by_place)
