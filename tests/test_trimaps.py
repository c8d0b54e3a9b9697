"""Drawings of trimaps: what is refused, what each mark does, and that the matting leaves the known pixels alone."""

import numpy as np
import pytest

from rimlib.errors import RimError
from rimlib.io import files
from tools import trimaps


def test_an_outline_leaves_a_band_open_on_both_sides():
    trimap = trimaps.draw({"band": 3, "outline": ["10,10 30,10 30,30 10,30"]}, 40, 40)
    assert trimap[20].tolist() == [0] * 7 + [128] * 6 + [255] * 15 + [128] * 6 + [0] * 6


def test_a_thing_cut_by_the_edge_is_sure_up_to_the_edge():
    trimap = trimaps.draw({"band": 2, "outline": ["10,-9 30,-9 30,20 10,20"]}, 40, 40)
    assert (trimap[:15, 20] == 255).all()


def test_holes_and_paint_are_laid_over_in_their_order():
    drawing = {
        "band": 1,
        "outline": ["0,0 39,0 39,39 0,39"],
        "holes": ["15,15 25,15 25,25 15,25"],
        "paint": [
            {"label": "unknown", "width": 5, "stroke": "5,5 5,30"},
            {"label": "background", "polygon": "4,20 6,20 6,25 4,25"},
            {"label": "foreground", "width": 1, "stroke": "20,20 20,21"},
        ],
    }
    trimap = trimaps.draw(drawing, 40, 40)
    assert (
        trimap[10, 5] == 128
        and trimap[22, 5] == 0
        and trimap[18, 18] == 0
        and trimap[20, 20] == 255
        and trimap[30, 30] == 255
    )


@pytest.mark.parametrize(
    "drawing",
    [
        {"band": 2, "outline": []},
        {"band": 2, "outline": ["1,1 2,2 3,1"], "paint": [{"label": "maybe", "stroke": "1,1"}]},
        {"band": 2, "outline": ["1,1 2,2 3,1"], "paint": [{"label": "unknown"}]},
    ],
)
def test_a_drawing_that_cannot_be_used_is_refused_by_name(tmp_path, drawing):
    files.write_json(tmp_path / "one.json", drawing)
    with pytest.raises(RimError) as caught:
        trimaps.read(tmp_path / "one.json")
    assert caught.value.path == str(tmp_path / "one.json")


def test_an_empty_trimap_has_an_empty_matte():
    assert not trimaps.matte(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8)).any()


def test_the_matting_finds_a_soft_edge_and_keeps_what_is_known():
    true = np.clip((np.arange(60, dtype=np.float32) - 25) / 10, 0, 1)[None].repeat(40, 0)  # (H, W)
    image = np.round(255 * (true[..., None] * [0.9, 0.3, 0.1] + (1 - true[..., None]) * [0.1, 0.4, 0.8])).astype(
        np.uint8
    )
    trimap = np.full((40, 60), 128, np.uint8)
    trimap[:, :15], trimap[:, 45:] = 0, 255
    alpha = trimaps.matte(image, trimap, margin=4)
    assert alpha.dtype == np.float32 and np.abs(alpha - true).max() < 0.06
    assert (alpha[:, :15] == 0).all() and (alpha[:, 45:] == 1).all()
