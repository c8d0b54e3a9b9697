"""Weights in folders and on the Hugging Face hub, as safetensors only.

`save_pretrained` writes three files: `model.safetensors`, which is this project's checkpoint under the hub's name;
`config.json`, its format, profile and card, which people and the hub can read without the weights; `README.md`, the model
card. `from_pretrained` takes such a folder, or its name on the hub, whole or not at all. Both are those of
huggingface_hub's mixin; its own fallback, which unpickles a `pytorch_model.bin`, is not among what is done here.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import ModelCard, PyTorchModelHubMixin

from rimlib.clipmat import checkpoint
from rimlib.errors import RimError
from rimlib.io.files import read_json, reason, write_json

WEIGHTS, CONFIG, README = "model.safetensors", "config.json", "README.md"

CARD = """---
{{ card_data }}
---

# CLIPMat ({{ profile.name }})

One picture and one sentence go in, one alpha matte comes out: the model of
[Referring Image Matting]({{ paper_url }}) (Li, Zhang, Tao, CVPR 2023) in the form of its profile `{{ profile.name }}`, made and stored by rimlib.

```python
from rimlib import CLIPMat, MattingPredictor

predictor = MattingPredictor(CLIPMat.from_pretrained("this folder, or its name on the hub"))
predictor.set_image("picture.jpg")
alpha = predictor.predict("the brown dog").alpha
```

## Settings
{% for name, value in profile.model.items() %}
- `{{ name }}`: {{ value }}
{%- endfor %}

## What its maker says of it
{% for name, value in facts.items() %}
- {{ name }}: {{ value }}
{%- else %}
Nothing: neither its data, nor its scores, nor its licence.
{%- endfor %}
"""


class Hosted(
    PyTorchModelHubMixin,
    library_name="rimlib",
    pipeline_tag="image-segmentation",
    model_card_template=CARD,
    tags=["referring-image-matting", "image-matting", "clip"],
    paper_url="https://arxiv.org/abs/2206.05149",
):
    """What a CLIPMat can do with folders and with the hub: `save_pretrained`, `from_pretrained`, `push_to_hub`."""

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        half: bool | None = None,
        model_card_kwargs: dict | None = None,
        config: None = None,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        **options,
    ) -> str | None:
        """Write `model.safetensors`, `config.json` and `README.md` into a folder; a README that is there already stays.

        `half`: store float16, half the size. `model_card_kwargs`: what the card should say (data, scores, licence, …),
        anything that JSON can hold. `push_to_hub`, `repo_id` and `options`: as in the mixin. There is no other `config`
        than the model's profile. Raises RimError when the folder cannot be written; what was there then stays as it was.
        """
        if config is not None or (options and not push_to_hub):
            raise RimError(
                f"save_pretrained: it takes no {', '.join(options) or 'config'}; the model's profile is its config"
            )
        folder, facts = Path(save_directory), dict(model_card_kwargs or {})
        self._pending = (getattr(self, "_half", False) if half is None else half, facts)
        try:
            with _replaced(folder) as new:
                super().save_pretrained(new, model_card_kwargs=facts)
        finally:
            del self._pending
        if push_to_hub:
            return self.push_to_hub(repo_id or folder.name, half=bool(half), model_card_kwargs=facts, **options)
        return None

    def push_to_hub(self, repo_id: str, *, half: bool = False, **options) -> str:
        """Upload what `save_pretrained` writes. `half` as there; `options` as in the mixin (private, token, branch, …).

        Returns the address of the commit. Raises RimError where the hub cannot be reached or says no.
        """
        self._half = half  # the mixin calls save_pretrained with arguments of its own
        try:
            return super().push_to_hub(repo_id, **options)
        except (RimError, TypeError):
            raise
        except Exception as error:  # the hub fails in many ways: no network, no token, no right to write
            raise RimError(
                f"{repo_id}: it cannot be pushed to the hub ({why(error)}); see `hf auth login`, or save_pretrained for "
                "a folder"
            ) from None
        finally:
            del self._half

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, *, profile=None, map_location="cpu", **options):
        """A saved model, in float32 and in evaluation mode, from a folder or by its name on the hub.

        `profile`: if given, weights of a model with other settings are refused. `map_location`: the device. `options` are
        for the hub: revision, cache_dir, force_download, local_files_only, token. What is in the hub's cache is used where
        there is no network. Raises RimError, one line, for anything that is not a whole CLIPMat, and for a name that cannot be had.
        """
        name = str(pretrained_model_name_or_path)
        if Path(name).is_file():
            raise RimError(
                f"{name}: a file; from_pretrained takes the folder that holds it, or a name on the hub "
                "(CLIPMat.load reads a single .safetensors file)"
            )
        folder = Path(name)
        if not folder.is_dir():
            folder = fetch(
                name,
                (CONFIG, WEIGHTS),
                "there is no such folder here either: name one that save_pretrained wrote, "
                "or OWNER/MODEL where a network is",
                **options,
            )
        _check(folder)
        try:
            return super().from_pretrained(folder, profile=profile, map_location=map_location)
        except json.JSONDecodeError as error:  # the mixin is stricter with it than `read_json`
            raise RimError(f"{folder / CONFIG}: cannot be read ({error})") from None

    def generate_model_card(self, **facts) -> ModelCard:
        """The README: what the model is, its settings, and `facts`."""
        return super().generate_model_card(profile=self.profile.to_dict(), facts=facts)

    def _save_pretrained(self, save_directory: Path) -> None:
        half, facts = self._pending
        write_json(save_directory / CONFIG, checkpoint.write(self, save_directory / WEIGHTS, half, facts))

    @classmethod
    def _from_pretrained(cls, *, model_id: str, config: dict, profile=None, map_location="cpu", **_):
        weights = Path(model_id) / WEIGHTS
        about = checkpoint.read_about(weights)
        if about["profile"] != config["profile"]:
            raise RimError(
                f"{model_id}: {CONFIG} is of another model than {WEIGHTS}, whose own header says "
                f"{_difference(about['profile'], config['profile'])}; keep the two files of one save together"
            )
        return checkpoint.load(weights, profile).to(map_location)


def fetch(name: str, files: Sequence[str], instead: str, cached: bool = False, **options) -> Path:
    """The folder with `files` of a repository on the hub: from the network, or where there is none from the hub's cache.

    `instead`: what the error says to do. `cached`: a cache that has them all is taken without asking the network.
    `options`: of `huggingface_hub.snapshot_download`. Raises RimError where the repository cannot be had; which of the
    files it holds is for the caller to see.
    """
    from huggingface_hub import snapshot_download

    with quiet("huggingface_hub"):
        if cached:
            try:
                folder = Path(
                    snapshot_download(name, allow_patterns=list(files), **options | {"local_files_only": True})
                )
                if all((folder / file).is_file() for file in files):
                    return folder
            except Exception:  # not there, or not whole: what is wrong is told by the second try
                pass
        try:
            return Path(snapshot_download(name, allow_patterns=list(files), **options))
        except Exception as error:  # the hub fails in many ways: no network, no such name, a proxy's refusal
            raise RimError(f"{name}: it cannot be had from the hub ({why(error)}); {instead}") from None


def why(error: Exception) -> str:
    """What the hub said no with, in a few words."""
    from huggingface_hub import errors

    if isinstance(error, errors.HFValidationError):
        return "not a name that it could have"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "it has none of this name, or keeps it closed: see `hf auth login`"
    if isinstance(error, errors.RevisionNotFoundError):
        return "it has no such revision"
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def _check(folder: Path) -> None:
    """Refuse a folder that `save_pretrained` did not write, before anything large in it is read."""
    if not (folder / WEIGHTS).is_file():
        pickles = [path.name for path in sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt*"))]
        found = f"only {pickles[0]}, a pickle, and pickles are never opened here" if pickles else "it is missing"
        own = (folder / "clipmat.safetensors").is_file()
        todo = "CLIPMat.load reads the clipmat.safetensors beside it" if own else "write the folder by save_pretrained"
        raise RimError(f"{folder / WEIGHTS}: {found}; {todo}")
    if not (folder / CONFIG).is_file():
        raise RimError(
            f"{folder / CONFIG}: it is missing, so the folder is not whole; write it by save_pretrained "
            f"(CLIPMat.load reads {WEIGHTS} alone)"
        )
    config = read_json(folder / CONFIG)
    if (
        not isinstance(config, dict)
        or config.get("format") != checkpoint.FORMAT
        or not isinstance(config.get("profile"), dict)
    ):
        raise RimError(f"{folder / CONFIG}: not of a CLIPMat (it does not say {checkpoint.FORMAT})")


def _difference(ours: dict, theirs: dict, prefix: str = "") -> str:
    """The first setting in which two profiles differ, in words."""
    for name in [*ours, *theirs]:
        one, other = ours.get(name), theirs.get(name)
        if one != other:
            both = isinstance(one, dict) and isinstance(other, dict)
            return _difference(one, other, f"{prefix}{name}.") if both else f"{prefix}{name} is {one}, not {other}"
    return "the same"


@contextmanager
def _replaced(folder: Path):
    """An empty folder to write into, whose files then take the place of those in `folder`, where all could be written."""
    new, made = folder / f".{secrets.token_hex(8)}.part", not folder.exists()
    try:
        new.mkdir(parents=True)
        yield new
        for file in sorted(new.iterdir()):
            if file.name != README or not (folder / README).exists():
                file.replace(folder / file.name)
    except RimError as error:  # of one file, by the name that nobody knows
        raise RimError(str(error).replace(str(new), str(folder))) from error
    except OSError as error:
        raise RimError(f"{folder}: cannot be written: {reason(error)}") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if made and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


@contextmanager
def quiet(*names: str):
    """Without the warnings of these libraries: what they say is said once, in the error."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
