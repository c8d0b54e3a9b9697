"""The demo: choose a picture, type a sentence, see the matte, the cut-out, and the thing in another place.

A page of ipywidgets' own controls, so it works wherever a notebook has ipywidgets. The picture is encoded once, when it is
chosen; each sentence costs the rest (Paper: Sec. 4; see `asking.matting`). What goes wrong is one line in the page.
"""

from __future__ import annotations

import html
import io
import tempfile
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rimlib import show
from rimlib.errors import RimError
from rimlib.io import images

LONGER_SIDE = 1024  # pixels; a larger upload is made smaller, since four pictures of it go to the browser
SCENES = (  # seed, split and number in its plan; those of `test` hold entities that training never saw
    (8, "seen", 2),
    (12, "seen", 0),
    (2, "seen", 0),
    (10, "seen", 0),
    (8, "test", 0),
    (3, "test", 2),
)
COLOR = "one colour"


@dataclass(frozen=True)
class Example:
    """A picture to begin with, uint8 (H, W, 3), what to call it, and sentences that fit something in it."""

    name: str
    picture: np.ndarray
    sentences: tuple[str, ...]


def examples(pool, scenes=SCENES, canvas: tuple[int, int] = (240, 320)) -> list[Example]:
    """Scenes composed from a pool by the engine of RefMatte, each with a keyword and a description for every entity.

    scenes: (seed, split, number) of each, see `refmatte.plan`; canvas: (height, width) in pixels.
    """
    from rimlib.profile import Data
    from rimlib.refmatte.plan import plan
    from rimlib.refmatte.render import render

    found = []
    for seed, split, number in scenes:
        settings = Data(height=canvas[0], width=canvas[1], groups_test=0, extra_test=number + 1, seed=seed)
        scene = plan(pool, settings, split)[number]
        keywords = [pool[name].category for name in scene.entities] if scene.keyword_clear else []
        descriptions = [four[0].text for four in scene.sentences]
        title = ", ".join(pool[name].category for name in scene.entities) + " (not in the training pictures)" * (
            split == "test"
        )
        found.append(Example(title, render(pool, scene, canvas)[0], (*keywords, *descriptions)))
    return found


class Demo:
    """The page (`widget`) and what it shows (`picture`, `sentence`, `result`, `error`).

    Args:
        matting: a `Matting`; the shipped model if None.
        pool: where the example scenes and the backgrounds come from; the shipped pool if None.
        scenes: the pictures to begin with, a list of `Example`; composed from the pool if None.

    Raises:
        RimError: the model or the pool is missing.

    Example:
        >>> demo = Demo()                          # doctest: +SKIP
        >>> demo.widget                            # doctest: +SKIP
        >>> demo.result.alpha                      # doctest: +SKIP
    """

    def __init__(self, matting=None, pool=None, scenes: list[Example] | None = None):
        if matting is None:
            from rimlib.predict.predictor import Matting

            matting = Matting.shipped()
        if pool is None:
            from rimlib.entities import starter

            pool = starter.load()
        self.matting, self.pool = matting, pool
        self.scenes = examples(pool) if scenes is None else scenes
        self.picture: np.ndarray | None = None  # uint8 (H, W, 3)
        self.sentence, self.result, self.error = "", None, ""
        self._build()
        self.choose(0)

    # What the controls do; a notebook or a test may call these as well.

    def choose(self, number: int) -> None:
        """Begin with one of the example scenes, and ask its first sentence."""
        example = self.scenes[number]
        with self._quietly():
            self.scene_box.value = number
        if self._take(lambda: example.picture, example.sentences):
            self.ask(example.sentences[0])

    def upload(self, name: str, content: bytes) -> None:
        """Begin with a file of one's own; what can't be read leaves the old picture standing."""
        if self._take(lambda: _decode(name, content), ()):
            with self._quietly():
                self.scene_box.value = None  # so that the scene chosen last can be chosen again

    def ask(self, sentence: str) -> None:
        """Find what a sentence speaks of; what can't be asked leaves the old answer standing."""
        if self.sentence_box.value != sentence:
            with self._quietly():
                self.sentence_box.value = sentence
        with self._reporting():
            started = time.perf_counter()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.result = self.matting.matte(sentence)
            self.sentence = " ".join(sentence.split())
            self._draw()
            self._say(self._verdict(time.perf_counter() - started, [str(item.message) for item in caught]))

    def views(self) -> dict[str, np.ndarray]:
        """What the page shows, by title: uint8 (H, W, 3) each."""
        shape = self.picture.shape[:2]
        alpha = np.zeros(shape, np.float32) if self.result is None else self.result.alpha
        return {
            "picture": self.picture,
            "matte": show.gray(alpha),
            "cut-out": show.over(self.picture, alpha),
            "in another place": show.over(self.picture, alpha, self._background(shape)),
        }

    def figure(self, sentences: list[str] | None = None, alt: str | None = None):
        """A still of the page for a book or a paper: a row for each sentence (the current one if None)."""
        pictures, titles = [], []
        for sentence in sentences or [self.sentence]:
            self.ask(sentence)
            views = self.views()
            pictures += views.values()
            titles += [f"“{self.sentence}”", *list(views)[1:]]
        return show.grid(pictures, titles, columns=4, alt=alt)

    # How the page is made and kept in step.

    def _build(self) -> None:
        import ipywidgets

        wide, fill = ipywidgets.Layout(width="auto", flex="1 1 auto"), ipywidgets.Layout(width="100%", margin="0")
        self.scene_box = ipywidgets.Dropdown(
            options=[(example.name, number) for number, example in enumerate(self.scenes)],
            description="Picture",
            layout=ipywidgets.Layout(width="430px"),
        )
        self.upload_box = ipywidgets.FileUpload(accept="image/*", multiple=False, description="your own")
        self.sentence_box = ipywidgets.Text(
            description="Sentence", placeholder="the brown dog, then Enter", continuous_update=False, layout=wide
        )
        self.ask_button = ipywidgets.Button(description="cut out", button_style="primary")
        self.example_buttons = ipywidgets.HBox(layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.background_box = ipywidgets.Dropdown(
            options=[COLOR, *(item.name for item in self.pool.backgrounds)], description="New place"
        )
        self.color_box = ipywidgets.ColorPicker(value="#2a6f97", concise=True)
        self.message = ipywidgets.HTML(layout=wide)
        self.pictures = {
            name: ipywidgets.Image(format="png" if name == "matte" else "jpeg", layout=fill)
            for name in ("picture", "matte", "cut-out", "in another place")
        }
        # without hidden overflow, the margins of JupyterLab's theme give every box a scroll bar
        frame = ipywidgets.Layout(width="calc(25% - 8px)", min_width="160px", margin="0 8px 0 0", overflow="hidden")
        frames = [
            ipywidgets.VBox([ipywidgets.HTML(f"<b>{name}</b>"), picture], layout=frame)
            for name, picture in self.pictures.items()
        ]
        wrap = ipywidgets.Layout(flex_flow="row wrap", overflow="hidden")
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HBox([self.scene_box, self.upload_box, self.background_box, self.color_box], layout=wrap),
                ipywidgets.HBox([self.sentence_box, self.ask_button]),
                self.example_buttons,
                self.message,
                ipywidgets.HBox(frames, layout=wrap),
            ]
        )
        self._quiet = False  # true while the page itself, and not its reader, sets a control
        self.scene_box.observe(lambda change: None if self._quiet else self.choose(change["new"]), "value")
        self.upload_box.observe(self._on_upload, "value")
        self.sentence_box.observe(lambda change: None if self._quiet else self.ask(change["new"]), "value")
        self.ask_button.on_click(lambda button: self.ask(self.sentence_box.value))
        for box in (self.background_box, self.color_box):
            box.observe(self._on_place, "value")

    def _on_place(self, change) -> None:
        with self._reporting():
            self._draw()

    def _on_upload(self, change) -> None:
        if change["new"]:
            file = change["new"][0]
            self.upload(file["name"], bytes(file["content"]))
            self.upload_box.value = ()  # so that the same file can be chosen again

    def _take(self, read, sentences: tuple[str, ...]) -> bool:
        import ipywidgets

        with self._reporting():
            picture = read()
            self.matting.set_image(picture)
            self.picture, self.result, self.sentence = picture, None, ""
            buttons = [
                ipywidgets.Button(description=sentence, layout=ipywidgets.Layout(width="auto"))
                for sentence in sentences
            ]
            for button in buttons:
                button.on_click(lambda button: self.ask(button.description))
            self.example_buttons.children = buttons
            with self._quietly():
                self.sentence_box.value = ""
            self._draw()
            self._say("Type a sentence and press Enter.")
            return True
        return False

    def _draw(self) -> None:
        for name, view in self.views().items():
            self.pictures[name].value = _encode(view, self.pictures[name].format)

    def _background(self, shape: tuple[int, int]):
        from PIL import ImageColor

        from rimlib.matting.composition import fit_background

        if self.background_box.value == COLOR:
            return ImageColor.getrgb(self.color_box.value)[:3]
        return fit_background(self.pool.background(self.background_box.value), shape)

    def _verdict(self, seconds: float, warned: list[str]) -> str:
        covered = float(self.result.alpha.mean())
        if covered < 0.001:
            found = f"nothing in this picture seems to fit; the matte is empty, score {self.result.score:.2f}"
        else:
            found = f"{100 * covered:.0f} % of the picture, score {self.result.score:.2f}"
        return " · ".join([f"“{self.sentence}”: {found}", f"{1000 * seconds:.0f} ms", *warned])

    def _say(self, text: str, wrong: bool = False) -> None:
        self.error = text if wrong else ""
        self.message.value = (
            f'<span role="alert" style="color: #b00020">{html.escape(text)}</span>'
            if wrong
            else f'<span role="status">{html.escape(text)}</span>'
        )

    @contextmanager
    def _quietly(self):
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

    @contextmanager
    def _reporting(self):
        """Errors become one line of the page. One that is not the reader's to mend is raised as well, for the log."""
        try:
            yield
        except RimError as error:
            self._say(str(error), wrong=True)
        except Exception as error:
            self._say(str(RimError(f"{type(error).__name__}: {error}"))[:300], wrong=True)
            raise


def _decode(name: str, content: bytes) -> np.ndarray:
    """An uploaded file, uint8 (H, W, 3), through the same reader and refusals as any file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"  # the given name may be no name for a file here
        path.write_bytes(content)
        try:
            picture = images.read_image(path)
        except RimError as error:
            raise RimError(str(error).replace(str(path), name or "the file")) from None
    scale = LONGER_SIDE / max(picture.shape[:2])
    if scale < 1:
        picture = images.resize(picture, tuple(max(1, round(length * scale)) for length in picture.shape[:2]))
    return picture


def _encode(picture: np.ndarray, kind: str) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, kind, quality=90)
    return stream.getvalue()
