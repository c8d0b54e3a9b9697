"""The box of what is visible, against a search pixel by pixel."""

import numpy as np
import pytest

from rimlib.matting.boxes import visible_box


@pytest.mark.parametrize("threshold", [0.0, 0.5])
@pytest.mark.parametrize("margin", [0, 2, 50])
def test_the_box_is_the_smallest_that_holds_all_that_is_visible(threshold, margin):
    rng = np.random.default_rng(3)
    for _ in range(20):
        alpha = np.where(rng.random((9, 13)) < 0.04, rng.random((9, 13)), 0)
        places = [(row, column) for row in range(9) for column in range(13) if alpha[row, column] > threshold]
        box = visible_box(alpha, threshold, margin)
        if not places:
            assert box is None
            continue
        rows, columns = [row for row, _ in places], [column for _, column in places]
        assert (box[0].start, box[0].stop) == (max(0, min(rows) - margin), min(9, max(rows) + 1 + margin))
        assert (box[1].start, box[1].stop) == (max(0, min(columns) - margin), min(13, max(columns) + 1 + margin))
