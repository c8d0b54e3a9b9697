"""The controls of the page and their places; what they do is in `page`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rimlib.demo.request import COLOR, EDITS
from rimlib.demo.views import VIEWS
from rimlib.errors import require

ONE_COLOR = "one colour"
BLURRED = "the image, blurred"
SAMPLE = "the left dog"


class Controls:
    """The controls, and `widget` around them.

    Args:
        scenes: titles of the images to begin with.
        backgrounds: names of images to put the object on.
        methods: names of those that can be used here; with one alone there is no choice.
    """

    def __init__(self, scenes: Sequence[str], backgrounds: Sequence[str], methods: Sequence[str]):
        widgets: Any = require("ipywidgets", "course")
        self._widgets, layout = widgets, widgets.Layout
        wide = layout(width="auto", flex="1 1 auto")
        hidden = {} if len(methods) > 1 else {"display": "none"}
        self.method_box = widgets.Dropdown(
            options=methods, description="Method", layout=layout(width="200px", **hidden)
        )
        options = [(name, number) for number, name in enumerate(scenes)]
        self.scene_box = widgets.Dropdown(
            options=options, description="Image", layout=layout(width="430px", max_width="100%")
        )
        self.upload_box = self._upload("your own")
        self.sentence_box = widgets.Text(
            description="Sentence", placeholder=f"{SAMPLE}, then Enter", continuous_update=False, layout=wide
        )
        self.predict_button = widgets.Button(description="Find it", button_style="primary")
        self.example_buttons = self._row()
        self.message = widgets.HTML(layout=wide)
        self.words = widgets.HTML(layout=wide)
        self.edit_box = widgets.ToggleButtons(
            options=EDITS, description="Edit", style={"button_width": "auto"}, layout=layout(max_width="100%")
        )
        self.background_box = widgets.Dropdown(options=[ONE_COLOR, BLURRED, *backgrounds], description="Background")
        self.color_box = widgets.ColorPicker(
            value=COLOR, concise=True, tooltip="The colour of the new background", layout=layout(width="60px")
        )
        self.background_upload_box = self._upload("your own")
        self.background_controls = self._row(self.background_box, self.color_box, self.background_upload_box)
        self.panels = {name: widgets.HTML(layout=layout(width="100%", margin="0")) for name in VIEWS}
        self.history_buttons = self._row()
        self.save_button = widgets.Button(description="Make PNG files", tooltip="Links to save them appear beside it")
        self.links = widgets.HTML()
        # without hidden overflow, the margins of JupyterLab's theme give every box a scroll bar
        frame = layout(width="calc(25% - 8px)", min_width="160px", margin="0 8px 0 0", overflow="hidden")
        panels = [
            widgets.VBox([widgets.HTML(f"<b>{name}</b>"), panel], layout=frame) for name, panel in self.panels.items()
        ]
        rows = [
            self._row(self.scene_box, self.upload_box, self.method_box),
            widgets.HBox([self.sentence_box, self.predict_button]),
            self.example_buttons,
            self.message,
            self._row(*panels),
            self.words,
            self.edit_box,
            self.background_controls,
            self._row(self.save_button, self.links),
            self._row(widgets.HTML("Sentences so far"), self.history_buttons),
        ]
        self.widget = widgets.VBox(rows)

    def buttons(self, texts: Sequence[str], do: Callable[[Any], Any], given: Sequence[Any]) -> tuple[Any, ...]:
        """A button for each text, which is never read as HTML; pressed, it does something with what is given for it."""
        layout = self._widgets.Layout(width="auto")
        found = tuple(self._widgets.Button(description=text, layout=layout) for text in texts)
        for button, one in zip(found, given):
            button.on_click(lambda _, one=one: do(one))
        return found

    def _row(self, *parts: Any) -> Any:
        """A box with a layout of its own, since one row is hidden at times."""
        return self._widgets.HBox(parts, layout=self._widgets.Layout(flex_flow="row wrap", overflow="hidden"))

    def _upload(self, description: str) -> Any:
        return self._widgets.FileUpload(accept="image/*", multiple=False, description=description)


def when(box: Any, differs: Callable[[Any], bool], do: Callable[[Any], Any]) -> None:
    """Do something with a control's new value where that differs from what is wanted already."""
    box.observe(lambda change: do(change["new"]) if differs(change["new"]) else None, "value")


def uploaded(box: Any, do: Callable[[str, bytes], Any]) -> None:
    """Do something with the name and the bytes of a chosen file."""

    def take(change: dict) -> None:
        if change["new"]:
            file = change["new"][0]
            do(file["name"], bytes(file["content"]))
            box.value = ()  # so that the same file can be chosen again

    box.observe(take, "value")
