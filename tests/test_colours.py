"""Colours as people write them, and what is no colour."""

import pytest

from rimlib.errors import RimError
from rimlib.prediction.colours import color_of, hint


@pytest.mark.parametrize(
    "text, color",
    [
        ("white", (255, 255, 255)),
        (" WHITE ", (255, 255, 255)),
        ("light grey", (211, 211, 211)),
        ("Light-Gray", (211, 211, 211)),
        ("dark_slate_grey", (47, 79, 79)),
        ("lightgoldenrodyellow", (250, 250, 210)),
        ("#abc", (170, 187, 204)),
        ("#2a6f97", (42, 111, 151)),
        ("2A6F97", (42, 111, 151)),
        ("#2a6f97ff", (42, 111, 151)),
        ("rgb(42,111,151)", (42, 111, 151)),
        ("RGB( 42, 111, 151 )", (42, 111, 151)),
        ("rgb(100%, 0%, 50%)", (255, 0, 128)),
        ("hsl(120, 100%, 50%)", (0, 255, 0)),
        ("255,0,0", (255, 0, 0)),
        ("255 0 0", (255, 0, 0)),
        ("rgb(42 111 151)", (42, 111, 151)),
        ("(255,0,0)", (255, 0, 0)),
        ("( 255 0 0 )", (255, 0, 0)),
        ("rgb (1, 2, 3)", (1, 2, 3)),
        ("gray50", (127, 127, 127)),
        ("grey100", (255, 255, 255)),
    ],
)
def test_spellings(text, color):
    assert color_of(text) == color


@pytest.mark.parametrize(
    "text",
    [
        "beach.jpg",
        "",
        "no-such-colour",
        "2a6f9",
        "(1,2,3",
        "photo(-1).png",
        "1 2 3 4",
        "gray101",
        "white house.png",
        "1,2",
        "#12",
    ],
)
def test_what_is_no_colour_may_be_a_file(text):
    assert color_of(text) is None


@pytest.mark.parametrize(
    "text, word",
    [
        ("transparent", "write a cut-out"),
        ("None", "write a cut-out"),
        ("#ff000080", "has an alpha"),
        ("rgba(255, 0, 0, 128)", "has an alpha"),
        ("rgb(300,0,0)", "0 to 255"),
        ("300,0,0", "0 to 255"),
        ("rgb(-1,0,0)", "0 to 255"),
        ("-1, 0, 0", "0 to 255"),
        ("(1000 0 0)", "0 to 255"),
        ("rgb(-10%, 0%, 0%)", "not below 0"),
        ("hsl(120, -100%, 50%)", "not below 0"),
    ],
)
def test_colours_that_cannot_be_a_background(text, word):
    with pytest.raises(RimError, match=word) as caught:
        color_of(text)
    assert caught.value.setting == "background"


def test_the_nearest_name_is_given():
    assert hint("navyblu") and hint("light gry") == " (did you mean lightgrey?)" and hint("photos/beach.jpg") == ""
