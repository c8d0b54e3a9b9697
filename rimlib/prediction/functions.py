"""The library in one line: an image and a sentence in, a matte or a result out, by any method."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from rimlib.prediction import methods, prompts
from rimlib.prediction.excluded import Excluded
from rimlib.prediction.methods import Predictor
from rimlib.prediction.predictor import MattingPredictor
from rimlib.prediction.result import Result
from rimlib.sentences import as_list, clean, short


class NothingFound(UserWarning):
    """The sentence fits nothing in the image; the matte is empty."""


Sentences = str | Sequence[str]


def predict(
    image: Any, sentence: Sentences, method: str = "clipmat", without: Sentences | None = (), **options: Any
) -> Result | list[Result]:
    """The `Result` for a sentence, or a list of them for a list of sentences.

    The networks stay in memory for the next call. For more sentences about the same image, make a predictor, which
    encodes the image once: `MattingPredictor`, or `methods.predictor` for any method. Raises RimError.

    Args:
        image: a path, a Pillow image, an array or a tensor (see `rimlib.io.images`).
        sentence: what to find.
        method: of `methods.NAMES`; the shipped model if "clipmat".
        without: a sentence or several: what they find is taken out, see `Result.without`. One that finds nothing gives
            a `NothingFound` warning.
        options: `weights`, `device`, `refine`, `threshold`, `depth` and `by_place` of `methods.predictor`.

    >>> import rimlib
    >>> rimlib.predict("street.jpg", "the dog").over("white")     # doctest: +SKIP
    >>> rimlib.predict("lions.jpg", "the left lion", method="grounded").message     # doctest: +SKIP
    """
    results = _predict(image, sentence, method, without, options)
    return results[0] if isinstance(sentence, str) else results


def matte(
    image: Any, sentence: Sentences, method: str = "clipmat", without: Sentences | None = (), **options: Any
) -> np.ndarray:
    """The alpha matte of what `sentence` refers to in `image`, float32 (H, W) in [0, 1].

    For a list of n sentences (n, H, W). Empty, with a `NothingFound` warning, where nothing fits. See `predict`, which
    takes the same and whose result has the score too. Raises RimError.
    """
    results = _predict(image, sentence, method, without, options)
    _warn_if_empty(results)
    return results[0].alpha if isinstance(sentence, str) else np.stack([result.alpha for result in results])


def cut_out(
    image: Any, sentence: str, method: str = "clipmat", without: Sentences | None = (), **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """What `sentence` refers to, without its background: its own colours, uint8 (H, W, 3), and its alpha as of `matte`.

    >>> import rimlib
    >>> rimlib.write_cutout("dog.png", *rimlib.cut_out("street.jpg", "the dog"))    # doctest: +SKIP
    """
    results = _predict(image, clean(sentence), method, without, options)
    _warn_if_empty(results)
    return results[0].cutout()


def _predict(
    image: Any, sentence: Sentences, method: str, without: Sentences | None, options: dict[str, Any]
) -> list[Result]:
    sentences = _listed(sentence)  # before anything is loaded
    others = _listed(without) if isinstance(without, str) or (without is not None and len(without)) else []
    predictor = _predictor(method, **options)
    predictor.set_image(image)

    def encoded(asked: list[str]) -> Any:
        if isinstance(predictor, MattingPredictor):
            return prompts.encode(predictor.model, asked, stacklevel=4)  # the caller of `matte`
        return predictor.encode_text(asked)

    text = encoded(sentences)
    excluded = Excluded.of(predictor, encoded(others)) if others else Excluded(None)
    for missed in excluded.missed:
        message = f"nothing in this image fits “{short(missed)}”, so nothing is taken out for it"
        warnings.warn(message, NothingFound, stacklevel=3)  # the caller of `matte`
    return [excluded.taken_out_of(result) for result in predictor.predict_many(text)]


def _listed(sentences: Sentences) -> list[str]:
    return [clean(sentences)] if isinstance(sentences, str) else as_list(sentences)


def _warn_if_empty(results: list[Result]) -> None:
    for result in results:
        if not result.found:
            warnings.warn(result.message, NothingFound, stacklevel=3)  # the caller of `matte`


def _predictor(method: str, threshold: float | None = None, by_place: bool = False, **options: Any) -> Predictor:
    """A predictor for an image of its own, whichever thread calls, of networks that stay for the next call."""
    predictor = _shared(method, **options).another(threshold)
    if isinstance(predictor, MattingPredictor):
        predictor.by_place = by_place
    return predictor


@lru_cache(1)
def _shared(method: str, **options: Any) -> Predictor:
    """options: those that networks are loaded by; the threshold and the like may change from call to call."""
    return methods.predictor(method, **options)
