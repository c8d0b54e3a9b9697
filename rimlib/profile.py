"""All settings of a run, in one tree, read from one YAML file and checked by pydantic.

A profile holds how large the data, the model and the training are. `tiny` runs anywhere in minutes, `small` wants a
GPU. `tiny-long` began the shipped model, and `tiny-lookalikes`, `tiny-192`, `tiny-192-long` and `tiny-192-finish` go on
from it. `paper-*` are the paper's, setting by setting (see `protocol`). A file of one's own may build on any of them.
The defaults below are those of `tiny`; comments give the paper's. The range of a setting stands beside it; a value out
of range or of another type and an unknown name are RimErrors that name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from rimlib import settings, settings_file
from rimlib.sections import Data, Model
from rimlib.settings import BelowOne, Count, Kernel, NotNegative, Positive, Share, Size, Sizes, Template, need, section

FOLDER = Path(__file__).parent / "profiles"
SETTINGS = ("both", "expression", "keyword")  # of a training


@section("")
class Loop:
    """What every training here has: how long it is, and the optimizer's numbers."""

    steps: Size | None = 1000
    epochs: Positive | None = None  # passes over the images, in place of `steps` (Paper: 50)
    minutes: Positive | None = None  # at most; None: the steps alone decide, and any machine has the same result
    lr: Positive = 1e-3
    optimizer: Literal["adam", "adamw"] = "adamw"
    weight_decay: NotNegative = 0.01
    clip_norm: NotNegative = 1.0  # of the gradient, at most; 0: as it is
    ema: BelowOne = 0.998  # decay of the weights' average, which is what is stored; 0: the last weights
    schedule: Literal["cosine", "fixed"] = "cosine"  # the rates fall by half a cosine, or stay (Paper: S4.1)
    warmup: Share = 0.03  # share of the run
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"  # auto: bfloat16 where the hardware multiplies it
    accumulate: Size = 1  # parts that a device's share of a step goes through the model in
    compile: bool = False  # by torch.compile
    workers: Count = 1  # processes of each device that prepare batches; 0: none
    checkpoint_seconds: Positive = 60.0  # between two states at least, and so that they take 1 % of the time at most
    snapshot_epochs: Count = 0  # weights that can be scored are kept every so many epochs; 0: only the last
    validation_images: Count = 0  # kept out of the training; the weights that are best on them are kept too
    validate_epochs: Positive = 1.0  # between two looks at them

    def __post_init__(self) -> None:
        need(bool(self.steps or self.epochs or self.minutes), "set, or else epochs or minutes", self.steps, "steps")


@section("clip")
class Clip(Loop):
    """Contrastive pre-training of the small CLIP (not in the paper, which starts from OpenAI's)."""

    steps: Size | None = 1500
    batch: Size = 24  # images; each gives two or three regions
    regions: NotNegative = 1.0  # weight of the regions' contrast …
    images: NotNegative = 0.25  # … and of the whole images'
    lr: Positive = 7e-4
    weight_decay: NotNegative = 0.1
    seed: int = 1


@section("train.losses")
class Losses:
    """Weights of the terms (the paper gives none: all 1 is its plain reading)."""

    ce: NotNegative = 1.0
    alpha_unknown: NotNegative = 1.0
    laplacian_unknown: NotNegative = 1.0
    alpha: NotNegative = 1.0
    laplacian: NotNegative = 1.0
    score_map: NotNegative = 2.0  # of the score map, where `model.score_map` is on (not in the paper)


@section("train")
class Train(Loop):
    """Training of CLIPMat (Paper: Sec. 5.1, S4.1)."""

    images: Size = 16  # a step encodes these …
    sentences: Size = 2  # … and so many sentences of each of them
    grounding_steps: Count = 0  # the first, in which trimap and score map learn and the details do not (ours) …
    grounding_sentences: Size = 4  # … from so many sentences of each image
    setting: Literal["both", "expression", "keyword"] = "both"  # Paper: Sec. 3.3; the paper trains once for each
    keyword_share: Share = 0.5  # of the sentences that are keywords: 0 in the setting expression, 1 in keyword
    no_target: Share = 0.1  # of the sentences that fit nothing in their image, where the data have such (ours)
    several: Share = 0.0  # of the sentences that mean several entities at once, where the data have such (ours)
    lr_image: NotNegative = 5e-4
    lr_text: NotNegative = 5e-4  # 0 freezes the text encoder
    frozen_image_blocks: Count = 0  # the first of the image encoder, with the patch embedding (not in the paper)
    all_sentences: bool = False  # those too that the data say to fit several entities (Paper: yes, unchecked)
    flip: Share = 0.5
    augmentation: Literal["light", "rssn"] = "light"  # see rimlib/training/augment.py (Paper: RSSN's)
    noise: Share = 0.5  # the chance of each of its changes
    crops: tuple[Size, ...] = ()  # with rssn: heights of windows in pixels of the image, one drawn; (): no windows
    trimap_at: Literal["model", "image"] = "model"  # the size that trimaps are made at (Paper: the image's own) …
    trimap_kernel: Kernel = 5  # … and how many pixels of it (Paper: 25)
    cache: Annotated[str, Field(min_length=1)] = "auto"  # "auto" (beside the data), "never", or a folder; see cache.py
    losses: Losses = field(default_factory=Losses)

    def __post_init__(self) -> None:
        Loop.__post_init__(self)
        share = {"expression": 0.0, "keyword": 1.0}.get(self.setting, self.keyword_share)
        wanted = f"{share} where train.setting is {self.setting}"
        need(self.keyword_share == share, wanted, self.keyword_share, "keyword_share")


@section("refiner")
class Refiner(Loop):
    """The refiner's network and its training (Paper: Sec. 5.1, S4.1)."""

    widths: tuple[Size, Size, Size, Size, Size] = (16, 16, 24, 32, 48)  # P3M, and so the paper: 64, 64, 128, 256, 512
    blocks: Sizes = (3, 4, 6, 3)
    follow: bool = True  # the network predicts a change of the coarse alpha (P3M: the alpha itself)
    encoder: Annotated[str, Field(min_length=1)] = (
        "random"  # its weights: random, imagenet, or a file (P3M: ImageNet's)
    )
    steps: Size | None = 2500
    crops: tuple[tuple[Size, Size], ...] = ((128, 8), (192, 4))  # (side in pixels, how many in a batch), in turns
    scales: tuple[Positive, Positive] = (0.5, 1.0)  # of the scene, before it is cropped …
    larger: Share = 0.15  # … and how many crops are of a scene enlarged to at most twice
    windows: tuple[Size, ...] = ()  # in their place: sides of windows of the scene, one drawn (P3M: 512, 768, 1024)
    around: Share = 0.9  # of the crops that are around an edge or an error, the rest are anywhere (P3M: 0.5)
    predictions: Count = 2500  # images of which CLIPMat's mattes are made, beforehand
    predicted: Share = 0.7  # of the coarse alphas that are CLIPMat's, the rest are the degraded truth
    trimap_at: Literal["crop", "image"] = "crop"  # the size that trimaps are made at (P3M: the image's own) …
    trimap_kernel: Kernel = 7  # … and how many pixels of it (P3M: 15 to 30, one drawn)
    trimap_kernel_most: Kernel | None = None  # one is drawn from trimap_kernel to this; None: always that
    lr: Positive = 4e-3
    warmup: Share = 0.02
    noise: Share = 0.4  # see augment.photometric
    seed: int = 1

    def __post_init__(self) -> None:
        Loop.__post_init__(self)
        least, most = self.trimap_kernel, self.trimap_kernel_most
        need(most is None or most >= least, f"at least {least}, refiner.trimap_kernel", most, "trimap_kernel_most")


@section("baselines")
class Changes:
    """What differs from `train` for a method that CLIPMat is compared with (None: nothing)."""

    images: Size | None = None
    steps: Size | None = None
    lr: Positive | None = None
    clip_norm: Positive | None = None
    alpha: NotNegative = 0.0  # the weight of the matte's mean absolute error beside the method's own loss (ours)


@section("baselines")
class Baselines:
    """The training of the methods that CLIPMat is compared with (Paper: Sec. 5.1, S4.1)."""

    clipseg: Changes = field(default_factory=lambda: Changes(lr=1e-3, alpha=4.0))  # `rim experiment tuning`
    mdetr: Changes = field(default_factory=lambda: Changes(lr=4e-4, clip_norm=0.1))  # MDETR's norm: its loss jumps


@section("evaluate")
class Evaluate:
    """How the model is scored (Paper: Sec. 5.1, S4.2)."""

    template: Template = "a photo of a {keyword}"  # of keywords (Paper: S4.3.2)
    batch: Size = 16


@section("")
class Profile:
    """One run's settings. `load("tiny")` makes one."""

    name: str = "tiny"
    seed: int = 1
    data: Data = field(default_factory=Data)
    clip: Clip = field(default_factory=Clip)
    model: Model = field(default_factory=Model)
    train: Train = field(default_factory=Train)
    refiner: Refiner = field(default_factory=Refiner)
    baselines: Baselines = field(default_factory=Baselines)
    evaluate: Evaluate = field(default_factory=Evaluate)

    def to_dict(self) -> dict[str, Any]:
        """The tree as plain dicts, lists and numbers (for records and checkpoints)."""
        return settings.plain(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str = "profile") -> Profile:
        """The opposite of `to_dict`. Raises RimError, which begins with `where` and names the setting."""
        return settings.read(cls, values, where)


def names() -> list[str]:
    """The profiles that ship with rimlib."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def with_settings(profile: Profile, texts: Sequence[str]) -> Profile:
    """A profile with settings replaced as a command line names them. Raises RimError, which names the setting.

    >>> with_settings(load("tiny"), ["train.images=24", "train.lr=1e-4"]).train.images
    24
    """
    return settings_file.changed(Profile, profile.to_dict(), texts) if texts else profile


def in_setting(profile: Profile, setting: str) -> Profile:
    """A profile that trains in one of `SETTINGS`; the length of a text is left as it is.

    >>> in_setting(load("tiny"), "keyword").train.keyword_share
    1.0
    """
    share = {"expression": 0.0, "keyword": 1.0}.get(setting, profile.train.keyword_share)
    return replace(profile, train=replace(profile.train, setting=setting, keyword_share=share))  # type: ignore[arg-type]


def load(name: str | Path = "tiny", **changes: Any) -> Profile:
    """Read a profile by its name or from a YAML file of your own. Raises RimError, which names the setting.

    Args:
        name: `tiny`, `small`, …, or a path that ends in `.yaml`. Such a file may begin with `base: small` and then
            names only what differs.
        changes: settings to replace, dots written as double underscores: `train__steps=3`.
    """
    return settings_file.load(Profile, name, FOLDER, changes)
