"""A data set scored image by image: files are read ahead and mattes scored by threads, while the model predicts.

Only the images of one step and of the next, and the mattes that are being scored, are in memory, so that it does not
grow with the data set. Truths are read where they are scored, and what does not depend on the prediction (the band, the
gradient) is computed once for all sentences about an entity.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rimlib.baselines.clipmat import CLIPMatMethod
from rimlib.clipmat import prompt
from rimlib.clipmat.refiner import Refiner
from rimlib.errors import RimError
from rimlib.evaluation.queries import Query, facts, queries_of
from rimlib.io.images import resize, write_matte
from rimlib.matting import failures, metrics
from rimlib.refmatte.dataset import RefMatte
from rimlib.refmatte.format import Target


@dataclass(frozen=True)
class Scoring:
    """How mattes are made and scored.

    Attributes:
        model: a CLIPMat, or any method of `baselines`.
        refmatte: the data set, in one of the two settings.
        template: of keywords, with {keyword} (Paper: Table 8).
        every: score each of an entity's expressions (Paper: Table 9), not its fixed one alone.
        refiner: each matte is scored a second time after it (Paper: Tables 2 and 6).
        kernel: width in pixels of the true edge's band, by the image's (height, width).
        edges: measure Grad, Conn and the error in the band too, which take nine tenths of the time.
        failures: name the kind of each matte too, `failure` in its row, and whose a wrong one is (see `failures`).
        mattes: folder to keep the predicted mattes in.
        batch: images encoded together.
        device: None is where the model is.
        workers: threads that read and score; 0: none beside this one.
    """

    model: Any
    refmatte: RefMatte
    template: str = prompt.DEFAULT
    every: bool = False
    refiner: Refiner | None = None
    kernel: Callable[[Sequence[int]], int] = lambda shape: 25
    edges: bool = True
    failures: bool = False
    mattes: Path | None = None
    batch: int = 16
    device: str | torch.device | None = None
    workers: int = 0

    def queries(self, name: str) -> list[Query]:
        """The queries of an image."""
        return queries_of(self.refmatte, name, self.template, self.every)

    def expected(self, name: str) -> int:
        """How many rows an image has."""
        return len(self.queries(name)) * (1 if self.refiner is None else 2)

    def rows(self, names: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """The rows of each image, in the order of `names`. Raises RimError for a file that cannot be used."""
        batch = self.batch if hasattr(self.model, "image_size") else 1  # the others take one image at a time anyway
        steps = [names[start : start + batch] for start in range(0, len(names), batch)]
        with _Threads(self.workers) as threads:
            read = threads.ahead(self.refmatte.image, names, batch)
            try:
                for part in steps:
                    images = [next(read) for _ in part]
                    for shape, targets, queries, found in self._predict(part, images):
                        threads.put(self._score, shape, targets, queries, found)
                        yield from threads.ready()
            except (RimError, KeyboardInterrupt):
                yield from threads.rest()  # what was predicted before is not lost
                raise
            yield from threads.rest()

    def _predict(self, names: Sequence[str], images: list[np.ndarray]) -> Iterator[tuple]:
        """For each image its size, targets, queries, and of each query its facts, alpha and refined alpha or None."""
        wanted = [self.queries(name) for name in names]
        index = [number for number, some in enumerate(wanted) for _ in some]
        sentences = [query.sentence for some in wanted for query in some]
        alphas, confidences = predict(self.model, images, index, sentences, self.device)
        found = deque(zip(alphas, confidences))
        del alphas
        cut = getattr(getattr(getattr(self.model, "model", self.model), "tokenizer", None), "cut", None)
        for name, image, some in zip(names, images, wanted):
            targets = self.refmatte.targets_of(name)  # labels are read when they are needed: not in threads
            rows = []
            for query in some:
                alpha, score = found.popleft()
                row = {**facts(query, targets), "score": float(score)}
                if cut is not None:
                    row["cut"] = bool(cut(query.sentence)[1])  # is it longer than the model reads
                rows.append((row, alpha, None if self.refiner is None else self.refiner.refine(image, alpha)))
            yield image.shape[:2], targets, some, rows

    def _score(
        self, shape: tuple[int, int], targets: Sequence[Target], queries: list[Query], found: list[tuple]
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        truths: dict[str, metrics.Truth] = {}
        if self.failures:  # all of the image at once: a matte may be of any of them
            truths = {target.mask_id: metrics.Truth(read_truth(self.refmatte, target, shape)) for target in targets}
        for query, (known, alpha, refined) in zip(queries, found):
            mask_id = query.target.mask_id
            if mask_id not in truths:
                truths = {mask_id: metrics.Truth(read_truth(self.refmatte, query.target, shape))}
            for matte, is_refined in ((alpha, False), (refined, True)):
                if matte is not None:
                    try:
                        measures = self._measures(query, matte, truths, is_refined)
                    except RimError as error:
                        raise RimError(f"{mask_id}, {query.sentence!r}: {error}", path=error.path) from None
                    rows.append({**known, "refined": is_refined, **measures})
        return rows

    def _measures(
        self, query: Query, matte: np.ndarray, truths: dict[str, metrics.Truth], is_refined: bool
    ) -> dict[str, Any]:
        truth = truths[query.target.mask_id]
        alpha = resize(matte, truth.alpha.shape)
        if self.mattes is not None:
            parts = ("refined",) * is_refined + (str(query.number),) * self.every
            path = self.mattes.joinpath(*parts, f"{query.target.mask_id}.png")
            write_matte(path, np.clip(alpha, 0, 1), durable=False)
        row = metrics.score(alpha, truth, self.kernel(alpha.shape) if self.edges else None, self.edges)
        if self.failures:
            others = [name for name in truths if name != query.target.mask_id]
            found = failures.failure(alpha, truth, [truths[name] for name in others])
            row |= {"failure": found.kind, "gives": None if found.gives is None else others[found.gives]}
        return row


def predict(
    model: Any, images: list[np.ndarray], index: list[int], sentences: list[str], device: Any = None
) -> tuple[list[np.ndarray], np.ndarray]:
    """Mattes of a CLIPMat or any method of `baselines` at its own size, and scores; see `Method.predict`.

    Args:
        model: it is moved to `device`, if that is given.
        images: uint8 (H, W, 3), any sizes.
        index: for each sentence, its image's number.
        sentences: texts.
        device: of torch.
    """
    method = model if hasattr(model, "predict") else CLIPMatMethod(model)
    if device is not None:
        method.to(device)
    with torch.inference_mode():
        return method.predict(images, index, sentences)


def read_truth(refmatte: RefMatte, target: Target, shape: tuple[int, int]) -> np.ndarray:
    """A true matte, float32 (H, W) in [0, 1].

    Raises RimError for one that cannot be used, and where its size is not `shape`, its image's.
    """
    path, alpha = refmatte.layout.mask(target.mask_id), refmatte.matte(target.mask_id)
    if alpha.shape != shape:
        sizes = f"{alpha.shape[0]} x {alpha.shape[1]} pixels, its image {target.image_name} has {shape[0]} x {shape[1]}"
        hint = "" if alpha.shape != shape[::-1] else " (turned by its EXIF, as the matte must be too)"
        raise RimError(f"{path}: {sizes}{hint}; a matte has the size of its image", path=path)
    return alpha


class _Threads:
    """Calls in threads, some of them ahead and never more than a few open; without threads, each where it is needed."""

    def __init__(self, workers: int):
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers, "evaluate") if workers else None
        self._open: deque[Future] = deque()

    def __enter__(self) -> _Threads:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def ahead(self, function: Callable, arguments: Iterable[Any], count: int) -> Iterator[Any]:
        """The result for each argument, in their order; `count` of them are begun before they are needed."""
        waiting: deque[Future] = deque()
        for argument in arguments:
            waiting.append(self._submit(function, argument))
            if len(waiting) > (count if self.workers else 0):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def put(self, function: Callable, *arguments: Any) -> None:
        """Begin a call, whose result `ready` or `rest` gives."""
        self._open.append(self._submit(function, *arguments))

    def ready(self) -> Iterator[Any]:
        """Results in the order of `put`: what has ended, and what must end before more may be begun."""
        while self._open and (len(self._open) > 2 * self.workers or self._open[0].done()):
            yield self._open.popleft().result()

    def rest(self) -> Iterator[Any]:
        """All other results."""
        while self._open:
            yield self._open.popleft().result()

    def _submit(self, function: Callable, *arguments: Any) -> Future:
        if self._pool is not None:
            return self._pool.submit(function, *arguments)
        done: Future = Future()
        done.set_result(function(*arguments))
        return done
