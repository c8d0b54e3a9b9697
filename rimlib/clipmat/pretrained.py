"""Where a CLIPMat comes from and where it is kept: a profile, a checkpoint, a folder, the Hugging Face hub.

A checkpoint is a safetensors file whose header holds format, profile and model card, so that it is whole by itself; the
JSON beside it is for people. `save_pretrained` writes the same file under the hub's name, with a `config.json` and a
`README.md`. But for the weights, which are never a pickle, folders and hub are huggingface_hub's own mixin.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Self

import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin
from timm.layers import resample_abs_pos_embed
from torch import nn

from rimlib.clipmat.clip_weights import create_clip
from rimlib.clipmat.tokenizer import CONFIGS
from rimlib.errors import RimError
from rimlib.io import hub, weights
from rimlib.io.files import reason, write_json
from rimlib.profile import Profile

FORMAT = "rimlib-clipmat-1"
FILE = "clipmat.safetensors"  # of `save`
POSITIONS = "backbone.visual.positional_embedding"
NEW = ("coordinates.", "popup.more.")  # modules of ours that a trained model may lack
HUB_FILE, HUB_CONFIG = "model.safetensors", "config.json"  # of `save_pretrained`


class Pretrained(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="rimlib",
    pipeline_tag="image-segmentation",
    model_card_template=(CONFIGS / "model_card.md").read_text(encoding="utf-8"),
    tags=["referring-image-matting", "image-matting", "clip"],
    paper_url="https://arxiv.org/abs/2206.05149",
):
    """A model with a `profile` and a `card` (data, scores, licence, whatever its maker stored)."""

    def __init__(self) -> None:
        super().__init__()
        self.profile: Profile | None = None
        self.card: dict[str, Any] = {}

    @classmethod
    def from_profile(cls, profile: Profile, weights: str | Path = "clip") -> Self:
        """A model to train.

        `weights` are those of its backbone: "clip" (pretrained), "random", or a file of a CLIP. Or they are those of a
        trained model, which goes on from there: "shipped", or a checkpoint of `save`. What that model lacks starts
        anew; of another image size its positions are resampled. Raises RimError.
        """
        trained = _trained(weights)
        model = cls(profile.model, *create_clip(profile.model, "random" if trained else weights))  # type: ignore[call-arg]
        model.profile = profile
        if trained:
            model.load_state_dict(_adapted(trained, model.state_dict()))
        return model.to(memory_format=torch.channels_last)

    @classmethod
    def shipped(cls, name: str = "tiny") -> Self:
        """The trained model that comes with the package."""
        return cls.load(shipped_file(name))

    @classmethod
    def load(cls, path: str | Path, profile: Profile | None = None) -> Self:
        """A saved model, in float32 and in evaluation mode on the CPU. Raises RimError for what is no whole checkpoint.

        Args:
            path: a checkpoint, or the folder that holds it.
            profile: if given, a checkpoint with other model settings is refused.
        """
        path = file_of(path)
        stored, card = _read_header(path)
        if profile is not None and profile.model != stored.model:
            ours, theirs = profile.to_dict()["model"], stored.to_dict()["model"]
            other = [f"{name} is {theirs[name]}, not {ours[name]}" for name in ours if ours[name] != theirs[name]]
            raise RimError(f"{path}: a checkpoint of another model ({stored.name}): {'; '.join(other)}", path=path)
        try:
            # Without memory and random numbers: settings and tensors are compared before any memory is taken.
            with torch.device("meta"):
                model = cls.from_profile(stored, "random")
        except (RimError, RuntimeError) as error:  # sizes that do not fit each other, or that no tensor can have
            why = str(error).splitlines()[0][:200]
            raise RimError(f"{path}: no model can be built of its settings ({why})", path=path) from None
        model.load_state_dict(weights.read_tensors(path, model.state_dict()), assign=True)
        model.card = card
        return model.to(memory_format=torch.channels_last).eval()

    def save(self, path: str | Path, half: bool = False, **card: Any) -> Path:
        """Write a checkpoint and a JSON beside it; returns its path. Raises RimError.

        Args:
            path: a folder (then `clipmat.safetensors` in it), or a name that ends in .safetensors.
            half: store float16, half the size; reading gives float32 again, off by the rounding.
            card: the model card: data, metrics, licence, …, anything that JSON can hold.
        """
        path = Path(path)
        path = path if path.suffix == ".safetensors" else path / FILE
        return weights.write(path, self.state_dict(), self._header(path, card), half, beside=True)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        profile: Profile | None = None,
        map_location: Any = "cpu",
        **options: Any,
    ) -> Self:
        """`load`, from a folder or by its name on the hub, on the device `map_location`.

        `options` are the hub's: revision, cache_dir, force_download, local_files_only, token. Without a network its
        cache is used. Raises RimError, also for a repository that has only pickles: they are never opened.
        """
        path, name = Path(pretrained_model_name_or_path), str(pretrained_model_name_or_path)
        if not path.exists():
            instead = "there is no such folder either: give one of save_pretrained, or OWNER/MODEL where a network is"
            path = hub.fetch(name, (HUB_CONFIG, HUB_FILE), instead, **options)
        return cls.load(path, profile).to(map_location)

    def save_pretrained(self, save_directory: str | Path, **options: Any) -> str | None:
        """Write weights, config and README with the model's `card`; a README that is there already stays.

        `options` are the mixin's; for half the size call the model's `half()` first. Raises RimError.
        """
        try:
            return super().save_pretrained(save_directory, **options)
        except OSError as error:
            where = str(save_directory)
            raise RimError(f"{where}: cannot be written: {reason(error)}", path=where) from error

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Upload what `save_pretrained` writes; returns the commit's address. `options` are the mixin's."""
        try:
            return super().push_to_hub(repo_id, **options)
        except (RimError, TypeError):
            raise
        except Exception as error:  # the hub fails in many ways: no network, no token, no right to write
            todo = "see `hf auth login`, or save_pretrained for a folder"
            raise RimError(f"{repo_id}: it cannot be pushed ({hub.reason(error)}); {todo}", path=repo_id) from None

    def generate_model_card(self, *_: Any, **facts: Any) -> ModelCard:
        """The README: what the model is, its settings, its card and more `facts`."""
        settings = self.profile.to_dict() if self.profile else {}
        return super().generate_model_card(profile=settings, facts=self.card | facts)

    def _save_pretrained(self, save_directory: Path) -> None:
        header = self._header(save_directory, self.card)
        weights.write(save_directory / HUB_FILE, self.state_dict(), header)
        write_json(save_directory / HUB_CONFIG, header)

    def _header(self, path: Path, card: dict[str, Any]) -> dict[str, Any]:
        if self.profile is None:
            raise RimError(f"{path}: a model without a profile cannot be stored; set its `profile`", setting="profile")
        return {"format": FORMAT, "profile": self.profile.to_dict(), "card": card}


def shipped_file(name: str = "tiny") -> Path:
    """The checkpoint of the trained model that comes with the package."""
    return weights.CHECKPOINTS / f"clipmat-{name}.safetensors"


def trained_card(name: str | Path) -> dict[str, Any] | None:
    """The card of the trained model that the `weights` of `from_profile` name; None where they are a CLIP's."""
    path = _trained(name)
    return None if path is None else _read_header(path)[1]


def file_of(path: str | Path) -> Path:
    """A checkpoint, or that of a folder: `save`'s, or `save_pretrained`'s."""
    path = Path(path)
    if path.is_dir():
        return path / (FILE if (path / FILE).exists() or not (path / HUB_FILE).exists() else HUB_FILE)
    return path


def _trained(name: str | Path) -> Path | None:
    """The checkpoint of a trained model that `weights` names; None for a CLIP's."""
    if name == "shipped":
        return shipped_file()
    path = file_of(name)
    is_ours = path.suffix == ".safetensors" and path.is_file() and weights.read_header(path).get("format") == FORMAT
    return path if is_ours else None


def _adapted(path: Path, expected: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint for a model of perhaps another image size, and perhaps with `NEW` modules."""
    found = weights.read_tensors(path)
    if POSITIONS in found and found[POSITIONS].shape != expected[POSITIONS].shape:
        side = math.isqrt(len(expected[POSITIONS]) - 1)
        found[POSITIONS] = resample_abs_pos_embed(found[POSITIONS][None].float(), [side, side])[0]
    new = {name: tensor for name, tensor in expected.items() if name.startswith(NEW)}
    return weights.fit(path, new | found, expected)


def _read_header(path: Path) -> tuple[Profile, dict[str, Any]]:
    """Profile and card of a checkpoint."""
    header = weights.read_header(path, FORMAT)
    settings = header.get("profile")
    if not isinstance(settings, dict):
        raise RimError(f"{path}: its header has no profile", path=path)
    try:
        stored = Profile.from_dict(settings, str(path))
    except RimError:  # how another version trained must not keep the weights from being read
        known = {key: settings[key] for key in ("name", "seed", "model") if key in settings}
        stored = Profile.from_dict(known, str(path))
    return stored, header.get("card") or {}
