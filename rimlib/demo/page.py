"""The page: what its controls ask for, and how they are kept in step with what is being worked on."""

from __future__ import annotations

import html
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rimlib import show
from rimlib.demo.answers import Answered, Answers, views
from rimlib.demo.controls import BLURRED, ONE_COLOR, SAMPLE, Controls, uploaded, when
from rimlib.demo.request import BLUR, EDITS, Newest, Request, Source
from rimlib.demo.saved import files, links
from rimlib.demo.views import VIEWS, attended, picture
from rimlib.errors import RimError
from rimlib.examples import Example, examples
from rimlib.io import images
from rimlib.io.files import write_atomically
from rimlib.sentences import short

if TYPE_CHECKING:
    from rimlib.entities.pool import Pool
    from rimlib.prediction.methods import Predictor
    from rimlib.prediction.result import Result


class Demo(Controls):
    """The page (`widget`) and what it shows (`image`, `sentence`, `result`, `error`).

    A control only says what is wanted; a thread finds it, and the newest wish wins. The methods wait for it.

    Args:
        predictor: with the shipped model if None; other methods whose weights are on this machine are offered too.
        pool: where the example scenes and the backgrounds come from; the shipped pool if None.
        scenes: the images to begin with; composed from the pool if None.

    Raises:
        RimError: the model, the pool or ipywidgets is missing.

    Example:
        >>> demo = Demo()                          # doctest: +SKIP
        >>> demo.widget                            # doctest: +SKIP
        >>> demo.result.alpha                      # doctest: +SKIP
    """

    def __init__(
        self, predictor: Predictor | None = None, pool: Pool | None = None, scenes: list[Example] | None = None
    ):
        from rimlib.entities import starter
        from rimlib.prediction import methods
        from rimlib.prediction.predictor import MattingPredictor

        self.pool = pool or starter.load()
        self.answers = Answers(predictor or MattingPredictor.shipped())
        begin = examples(self.pool) if scenes is None else scenes
        self.scenes = [Source(one.name, one.image, one.sentences) for one in begin]
        self._places = {one.name: self._place(one.name) for one in self.pool.backgrounds}
        offered = ["clipmat", *(name for name in methods.here() if name != "clipmat")]
        super().__init__([one.name for one in self.scenes], list(self._places), offered)
        self.error = ""  # the line of the page, where something is wrong
        self.failure: Exception | None = None  # the last one that the reader could not correct
        self._lock = threading.Lock()
        self._newest: Newest[Request] = Newest(self._work)
        self._shown = Request(self.scenes[0])
        self._wanted = Request(Source("nothing yet", self._shown.source.image))
        self._found: Answered | None = None
        self._connect()
        self._want_scene(0)

    # What is shown.

    @property
    def image(self) -> np.ndarray:
        """Uint8 (H, W, 3)."""
        return self._shown.source.image

    @property
    def sentence(self) -> str:
        """Of the matte that is shown; empty before the first of an image."""
        return self._shown.sentence

    @property
    def result(self) -> Result | None:
        """Of that sentence."""
        return None if self._found is None else self._found.result

    def views(self) -> dict[str, np.ndarray]:
        """The four pictures, by title: uint8 (H, W, 3) each."""
        return views(self._shown, self._found)

    # What the controls do; a notebook or a test may call these as well.

    def wait(self) -> None:
        """Until the page shows what was asked for last."""
        self._newest.wait()

    def choose(self, number: int) -> None:
        """Begin with one of the example scenes and its first sentence."""
        self._want_scene(number)
        self.wait()

    def upload(self, name: str, content: bytes) -> None:
        """Begin with a file of one's own; where it cannot be read, the image before it stays."""
        self._want(source=Source(name, content), sentence="")
        self.wait()

    def use(self, method: str) -> None:
        """Go on with another method, image and sentence as they are; where it cannot be used, the one before stays."""
        self._want(method=method)
        self.wait()

    def predict(self, sentence: str) -> None:
        """Find what a sentence refers to; where it cannot be used, the result before it stays."""
        self._want_sentence(sentence)
        self.wait()

    def edit(self, how: str, background: Any = None) -> None:
        """Make something else of the matte.

        how: one of `EDITS`; background: of the first, a colour's name, "blur", a name of the list, or an image.
        """
        place = self._places.get(background, background) if isinstance(background, str) else background
        if not isinstance(place, (str, Source, type(None))):
            place = Source("the background", lambda: images.read_image(background))
        self._want(edit=how, background=place or self._wanted.background)
        self.wait()

    def save(self, folder: str | Path) -> list[Path]:
        """Write the matte, the cut-out and the edited image as PNG files. Raises RimError where nothing is shown."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return [write_atomically(folder / name, data) for name, data in self._files().items()]

    def figure(self, sentences: list[str] | None = None, alt: str | None = None) -> Any:
        """A still of the page for a book or a paper: a row for each sentence (the current one if None)."""
        panels: list[np.ndarray] = []
        titles: list[str] = []
        for sentence in sentences or [self.sentence]:
            self.predict(sentence)
            panels += self.views().values()
            titles += [f"“{self.sentence}”", *VIEWS[1:-1], self._shown.edit]
        return show.grid(panels, titles, columns=4, alt=alt)

    # From a control to a request. All of this takes no time.

    def _want(self, **changes: Any) -> None:
        with self._lock:
            before, self._wanted = self._wanted, replace(self._wanted, **{"save": False, **changes})
            wanted = self._wanted
        self._report(f"Looking for “{short(wanted.sentence)}” …" if wanted.sentence else "Looking at the image …")
        self.sentence_box.value = wanted.sentence
        self._follow(wanted, before)
        self._newest.submit(wanted)

    def _want_scene(self, number: int) -> None:
        self._want(source=self.scenes[number], sentence=self.scenes[number].sentences[0])

    def _want_sentence(self, sentence: str) -> None:
        text = " ".join(sentence.split())
        if text:
            self._want(sentence=text)
        else:
            self._report(f"sentence: it is empty; write what you want, such as “{SAMPLE}”", wrong=True)

    def _want_place(self) -> None:
        name = self.background_box.value
        fixed = {ONE_COLOR: self.color_box.value, BLURRED: BLUR}
        place = fixed.get(name) or self._places.get(name)
        if place and place != self._wanted.background:
            self._want(background=place)

    def _place(self, name: str) -> Source:
        return Source(name, lambda: self.pool.background(name))

    def _follow(self, wanted: Request, before: Request) -> None:
        """Set the controls to what is wanted. They then ask for it, which is no change."""
        self.scene_box.value = self.scenes.index(wanted.source) if wanted.source in self.scenes else None
        self.method_box.value = wanted.method
        self.edit_box.value = wanted.edit
        self.background_controls.layout.display = "" if wanted.edit == EDITS[0] else "none"
        if wanted.source is not before.source:
            texts = wanted.source.sentences
            self.example_buttons.children = self.buttons(texts, self._want_sentence, texts)

    def _connect(self) -> None:
        when(self.scene_box, lambda n: n is not None and self.scenes[n] is not self._wanted.source, self._want_scene)
        when(self.method_box, lambda name: name != self._wanted.method, lambda name: self._want(method=name))
        when(self.sentence_box, lambda text: text != self._wanted.sentence, self._want_sentence)
        when(self.edit_box, lambda edit: edit != self._wanted.edit, lambda edit: self._want(edit=edit))
        self.background_box.observe(lambda change: self._want_place(), "value")
        self.color_box.observe(lambda change: self._want_place(), "value")
        self.predict_button.on_click(lambda button: self._want_sentence(self.sentence_box.value))
        self.save_button.on_click(lambda button: self._want(save=True))
        uploaded(self.upload_box, lambda name, content: self._want(source=Source(name, content), sentence=""))
        uploaded(self.background_upload_box, lambda name, content: self._want(background=Source(name, content)))

    # In the thread.

    def _work(self, request: Request) -> None:
        try:
            found = self.answers.answer(request, lambda: request != self._wanted)
            if request != self._wanted:
                return
            self._show(request, found, views(request, found))
        except RimError as error:
            self._fail(request, str(error))
        except Exception as error:
            self.failure = error
            self._fail(request, str(RimError(f"{type(error).__name__}: {error}"))[:300])

    def _show(self, request: Request, found: Answered | None, made: dict[str, np.ndarray]) -> None:
        self._shown, self._found = request, found
        for name, view in made.items():
            self.panels[name].value = picture(name, view, request.sentence)
        self.words.value = attended(found.words) if found else ""
        self.links.value = links(self._files()) if request.save and found else ""
        past = list(self.answers.history.items())[::-1]
        texts = [f"{short(key.sentence, 40)} ({one.result.score:.2f})" for key, one in past]
        self.history_buttons.children = self.buttons(
            texts, lambda key: self._want(**key._asdict()), [key for key, _ in past]
        )
        self._report(f"“{short(request.sentence)}”: {found.line}" if found else "Type a sentence and press Enter.")

    def _fail(self, request: Request, line: str) -> None:
        """One line on the page, and all but the sentence's own box as before."""
        with self._lock:
            if request != self._wanted:
                return
            self._wanted = self._shown
        self._follow(self._shown, request)
        self._report(line, wrong=True)

    def _files(self) -> dict[str, bytes]:
        if self._found is None:
            raise RimError("nothing has been found yet that could be saved; give a sentence first", setting="sentence")
        return files(self._found.result.alpha, self._found.colors, self.views()[VIEWS[-1]])

    def _report(self, text: str, wrong: bool = False) -> None:
        self.error = text if wrong else ""
        role = 'role="alert" style="color: #b00020"' if wrong else 'role="status"'
        self.message.value = f"<span {role}>{html.escape(text)}</span>"
