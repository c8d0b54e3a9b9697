"""The demo: choose an image, type a sentence, see the matte, the cut-out, and the object on another background.

A page of ipywidgets' own controls, so it works wherever a notebook has ipywidgets. The image is encoded once, when it
is chosen; each sentence costs the rest (Paper: Sec. 4; see `prediction.predictor`). What goes wrong is one line on the
page.
"""

from __future__ import annotations

import html
import io
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from rimlib import show
from rimlib.errors import RimError, require
from rimlib.examples import Example, examples
from rimlib.io import images
from rimlib.prediction.answer import Answer

if TYPE_CHECKING:
    from rimlib.entities.pool import Pool
    from rimlib.prediction.methods import Predictor
    from rimlib.prediction.result import Result

LONGER_SIDE = 1024  # pixels; a larger upload is made smaller, since four images of that size go to the browser
COLOR = "one colour"
VIEWS = ("image", "matte", "cut-out", "in another place")


class Demo:
    """The page (`widget`) and what it shows (`image`, `sentence`, `result`, `error`).

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
        self._widgets: Any = require("ipywidgets", "course")
        if predictor is None:
            from rimlib.prediction.predictor import MattingPredictor

            predictor = MattingPredictor.shipped()
        if pool is None:
            from rimlib.entities import starter

            pool = starter.load()
        self.predictor, self.pool = predictor, pool
        self._predictors = {"clipmat": predictor}
        self.scenes = examples(pool) if scenes is None else scenes
        self.image = self.scenes[0].image  # uint8 (H, W, 3)
        self.sentence, self.error = "", ""
        self.result: Result | None = None
        self._colors: np.ndarray | None = None  # of the result's foreground
        self._build()
        self.choose(0)

    # What the controls do; a notebook or a test may call these as well.

    def choose(self, number: int) -> None:
        """Begin with one of the example scenes and its first sentence."""
        example = self.scenes[number]
        with self._quietly():
            self.scene_box.value = number
        if self._take(lambda: example.image, example.sentences):
            self.predict(example.sentences[0])

    def upload(self, name: str, content: bytes) -> None:
        """Begin with a file of one's own; where it cannot be read, the image before it stays."""
        if self._take(lambda: _decode(name, content), ()):
            with self._quietly():
                self.scene_box.value = None  # so that the scene chosen last can be chosen again

    def use(self, method: str) -> None:
        """Go on with another method, image and sentence as they are; where it cannot be used, the one before stays."""
        from rimlib.prediction import methods

        with self._reporting():
            predictor = self._predictors.get(method) or methods.predictor(method)
            predictor.set_image(self.image)
            self._predictors[method] = self.predictor = predictor
            self._report(f"{method}: {methods.get(method).how}")
            if self.sentence:
                self.predict(self.sentence)
        with self._quietly():
            self.method_box.value = next(name for name, one in self._predictors.items() if one is self.predictor)

    def predict(self, sentence: str) -> None:
        """Find what a sentence refers to; where it cannot be used, the result before it stays."""
        if self.sentence_box.value != sentence:
            with self._quietly():
                self.sentence_box.value = sentence
        with self._reporting():
            started = time.perf_counter()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.result, self._colors = self.predictor.predict(sentence), None
            milliseconds = 1000 * (time.perf_counter() - started)
            self.sentence = " ".join(sentence.split())
            self._draw()
            notes = [f"{milliseconds:.0f} ms", *(str(item.message) for item in caught)]
            self._report(" · ".join([f"“{self.sentence}”: {_summary(self.result)}", *notes]))

    def views(self) -> dict[str, np.ndarray]:
        """What the page shows, by title: uint8 (H, W, 3) each."""
        shape = self.image.shape[:2]
        alpha = np.zeros(shape, np.float32) if self.result is None else self.result.alpha
        foreground = self._foreground(alpha)
        placed = show.over(foreground, alpha, self._background(shape))
        return dict(zip(VIEWS, (self.image, show.gray(alpha), show.over(foreground, alpha), placed)))

    def figure(self, sentences: list[str] | None = None, alt: str | None = None) -> Any:
        """A still of the page for a book or a paper: a row for each sentence (the current one if None)."""
        panels: list[np.ndarray] = []
        titles: list[str] = []
        for sentence in sentences or [self.sentence]:
            self.predict(sentence)
            panels += self.views().values()
            titles += [f"“{self.sentence}”", *VIEWS[1:]]
        return show.grid(panels, titles, columns=4, alt=alt)

    # How the page is made and kept in step.

    def _build(self) -> None:
        widgets, layout = self._widgets, self._widgets.Layout
        from rimlib.prediction import methods

        offered = ["clipmat", *(name for name in methods.here() if name != "clipmat")]
        hidden = {} if len(offered) > 1 else {"display": "none"}
        self.method_box = widgets.Dropdown(
            options=offered, description="Method", layout=layout(width="200px", **hidden)
        )
        wide, fill = layout(width="auto", flex="1 1 auto"), layout(width="100%", margin="0")
        scenes = [(example.name, number) for number, example in enumerate(self.scenes)]
        self.scene_box = widgets.Dropdown(options=scenes, description="Image", layout=layout(width="430px"))
        self.upload_box = widgets.FileUpload(accept="image/*", multiple=False, description="your own")
        self.sentence_box = widgets.Text(
            description="Sentence", placeholder="the left dog, then Enter", continuous_update=False, layout=wide
        )
        self.predict_button = widgets.Button(description="cut out", button_style="primary")
        self.example_buttons = widgets.HBox(layout=layout(flex_flow="row wrap"))
        backgrounds = [COLOR, *(item.name for item in self.pool.backgrounds)]
        self.background_box = widgets.Dropdown(options=backgrounds, description="New place")
        self.color_box = widgets.ColorPicker(value="#2a6f97", concise=True)
        self.message = widgets.HTML(layout=wide)
        kinds = {name: "png" if name == "matte" else "jpeg" for name in VIEWS}
        self.panels = {name: widgets.Image(format=kind, layout=fill) for name, kind in kinds.items()}
        # without hidden overflow, the margins of JupyterLab's theme give every box a scroll bar
        frame = layout(width="calc(25% - 8px)", min_width="160px", margin="0 8px 0 0", overflow="hidden")
        titled = {widgets.HTML(f"<b>{name}</b>"): panel for name, panel in self.panels.items()}
        wrap = layout(flex_flow="row wrap", overflow="hidden")
        boxes = [self.scene_box, self.upload_box, self.method_box, self.background_box, self.color_box]
        above = widgets.HBox(boxes, layout=wrap)
        typed = widgets.HBox([self.sentence_box, self.predict_button])
        below = widgets.HBox([widgets.VBox(pair, layout=frame) for pair in titled.items()], layout=wrap)
        self.widget = widgets.VBox([above, typed, self.example_buttons, self.message, below])
        self._quiet = False  # true while the page itself, and not its reader, sets a control
        self.scene_box.observe(lambda change: None if self._quiet else self.choose(change["new"]), "value")
        self.upload_box.observe(self._on_upload, "value")
        self.method_box.observe(lambda change: None if self._quiet else self.use(change["new"]), "value")
        self.sentence_box.observe(lambda change: None if self._quiet else self.predict(change["new"]), "value")
        self.predict_button.on_click(lambda button: self.predict(self.sentence_box.value))
        for box in (self.background_box, self.color_box):
            box.observe(self._on_background, "value")

    def _on_background(self, change: dict) -> None:
        with self._reporting():
            self._draw()

    def _on_upload(self, change: dict) -> None:
        if change["new"]:
            file = change["new"][0]
            self.upload(file["name"], bytes(file["content"]))
            self.upload_box.value = ()  # so that the same file can be chosen again

    def _take(self, read: Callable[[], np.ndarray], sentences: tuple[str, ...]) -> bool:
        with self._reporting():
            image = read()
            self.predictor.set_image(image)
            self.image, self.result, self._colors, self.sentence = image, None, None, ""
            layout = self._widgets.Layout(width="auto")
            buttons = [self._widgets.Button(description=sentence, layout=layout) for sentence in sentences]
            for button in buttons:
                button.on_click(lambda button: self.predict(button.description))
            self.example_buttons.children = buttons
            with self._quietly():
                self.sentence_box.value = ""
            self._draw()
            self._report("Type a sentence and press Enter.")
            return True
        return False

    def _draw(self) -> None:
        for name, view in self.views().items():
            self.panels[name].value = images.encode(view, self.panels[name].format, quality=90)

    def _foreground(self, alpha: np.ndarray) -> np.ndarray:
        """The object's own colours, without those of the old background at its edge; estimated once for a result."""
        from rimlib.prediction import cutout

        if self._colors is None:
            self._colors = cutout.colors(self.image, alpha)
        return self._colors

    def _background(self, shape: tuple[int, int]) -> Any:
        from rimlib.prediction import cutout

        if self.background_box.value == COLOR:
            return cutout.background(self.color_box.value, shape)
        return cutout.background(self.pool.background(self.background_box.value), shape)

    def _report(self, text: str, wrong: bool = False) -> None:
        self.error = text if wrong else ""
        role = 'role="alert" style="color: #b00020"' if wrong else 'role="status"'
        self.message.value = f"<span {role}>{html.escape(text)}</span>"

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Errors become one line of the page. One that its reader cannot correct is raised as well, for the log."""
        try:
            yield
        except RimError as error:
            self._report(str(error), wrong=True)
        except Exception as error:
            self._report(str(RimError(f"{type(error).__name__}: {error}"))[:300], wrong=True)
            raise


def _summary(result: Result) -> str:
    covered = float(result.alpha.mean())
    found = f"{100 * covered:.0f} % of the image, score {result.score:.2f}"
    if result.message:
        return f"{found}; {result.message}" if result.found else result.message
    if covered < 0.001:
        return f"nothing in this image seems to fit; the matte is empty, score {result.score:.2f}"
    if result.answer == Answer.AMBIGUOUS:
        return f"{found}; it has several parts: if you mean one of them, give its side or order"
    return found


def _decode(name: str, content: bytes) -> np.ndarray:
    """An uploaded file, uint8 (H, W, 3), through the same reader and refusals as any file."""
    stream = io.BytesIO(content)
    stream.name = name or "the file"  # for the message of a refusal
    image = images.read_image(stream)
    scale = LONGER_SIDE / max(image.shape[:2])
    if scale < 1:
        image = images.resize(image, tuple(max(1, round(length * scale)) for length in image.shape[:2]))
    return image
