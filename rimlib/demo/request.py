"""What the page is to show, and the thread that works on the newest request while the page stays alive."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from rimlib.io import images

LONGER_SIDE = 1024  # pixels; a larger image is made smaller, since four of that size go to the browser
COLOR = "#2a6f97"
BLUR = "blur"
EDITS = ("new background", "highlight", "overlay", "remove")

Wanted = TypeVar("Wanted")


@dataclass(frozen=True, eq=False)
class Source:
    """An image that was chosen.

    Attributes:
        name: for its reader, such as the file's.
        content: pixels, a file's bytes, or what gives pixels when it is called.
        sentences: that fit something in it.
    """

    name: str
    content: np.ndarray | bytes | Callable[[], np.ndarray]
    sentences: tuple[str, ...] = ()

    @cached_property
    def image(self) -> np.ndarray:
        """Uint8 (H, W, 3), of a file at most `LONGER_SIDE` on a side. Raises RimError for one that cannot be read."""
        if not isinstance(self.content, bytes):
            return self.content if isinstance(self.content, np.ndarray) else self.content()
        stream = io.BytesIO(self.content)
        stream.name = self.name or "the file"  # for the message of a refusal
        image = images.read_image(stream, (LONGER_SIDE, LONGER_SIDE))
        scale = LONGER_SIDE / max(image.shape[:2])
        if scale < 1:
            image = images.resize(image, tuple(max(1, round(length * scale)) for length in image.shape[:2]))
        return image


@dataclass(frozen=True)
class Request:
    """What is wanted.

    Attributes:
        source: the image.
        sentence: with single spaces; empty where the image is only to be encoded.
        method: of `prediction.methods`.
        edit: one of `EDITS`.
        background: of the first edit: a colour, `BLUR`, or an image.
        save: whether files are to be offered.
    """

    source: Source
    sentence: str = ""
    method: str = "clipmat"
    edit: str = EDITS[0]
    background: str | Source = COLOR
    save: bool = False


class Newest(Generic[Wanted]):
    """A thread that works on one request at a time, and then on the newest that came meanwhile; others are dropped.

    work: is called in the thread; it must not raise.

    >>> done = []
    >>> newest = Newest(done.append)
    >>> newest.submit("a")
    >>> newest.wait()
    >>> done
    ['a']
    """

    def __init__(self, work: Callable[[Wanted], None]):
        self._work = work
        self._lock = threading.Lock()
        self._waiting: list[Wanted] = []  # one at most
        self._running = False
        self._idle = threading.Event()
        self._idle.set()

    def submit(self, request: Wanted) -> None:
        """Work on this, after what is being worked on, and on nothing that was waiting."""
        with self._lock:
            self._waiting = [request]
            self._idle.clear()
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, daemon=True, name="rimlib.demo").start()

    def wait(self) -> None:
        """Until there is nothing left to do."""
        self._idle.wait()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    self._idle.set()
                    return
                request = self._waiting.pop()
            self._work(request)
