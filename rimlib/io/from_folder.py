"""Models and processors of transformers, made of a folder of public weights; see `public`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rimlib.errors import RimError

FEW = 0.1  # share of a model's tensors that a file may lack: those that are derived or shared


def load(kind: Any, folder: Path, weights: bool = True) -> Any:
    """`kind.from_pretrained` of a folder, never of the network.

    kind: a class of transformers; weights: of a model, which comes in float32 and in evaluation mode, or a processor.
    Raises RimError for what the class cannot be made of, and for weights that lack much of it.
    """
    from rimlib.io.hub import quiet

    options: dict[str, Any] = {"use_safetensors": True, "output_loading_info": True} if weights else {}
    try:
        with quiet("transformers"), _without_bars():
            found = kind.from_pretrained(str(folder), local_files_only=True, **options)
    except Exception as error:  # a library's, of any type
        why = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise RimError(f"{folder}: no {kind.__name__} can be made of it ({why})", path=folder) from None
    if not weights:
        return found
    model, about = found
    missing = sorted(about["missing_keys"])
    if len(missing) > FEW * len(model.state_dict()):
        message = f"{folder}: {len(missing)} tensors of {kind.__name__} are missing, the first is {missing[0]}"
        raise RimError(message, path=folder)
    return model.float().eval()


class _without_bars:
    """Without the progress bars of transformers, which would stand between the lines of a command."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self._shown = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging

        if self._shown:
            logging.enable_progress_bar()
