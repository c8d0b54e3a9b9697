"""The trimap of a matte, pixel by pixel, and kernels brought to another resolution."""

import cv2
import numpy as np
import pytest

from rimlib.errors import RimError
from rimlib.matting.trimap import kernel_for, trimap_from_alpha


@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_trimap_matches_a_loop_over_the_ellipse(kernel):
    rng = np.random.default_rng(3)
    noise = cv2.GaussianBlur((rng.random((40, 40)) > 0.6).astype(np.float32) * 3 - 1, (0, 0), 4)
    alpha, radius = np.clip(8 * noise, 0, 1), kernel // 2
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    found = trimap_from_alpha(alpha, kernel)
    assert set(np.unique(found)) == {0, 128, 255}
    for row, column in np.ndindex(*alpha.shape):
        near = [
            round(255 * alpha[row + i - radius, column + j - radius])
            for i, j in np.ndindex(kernel, kernel)
            if ellipse[i, j] and 0 <= row + i - radius < 40 and 0 <= column + j - radius < 40
        ]
        assert found[row, column] == (0 if max(near) == 0 else 255 if min(near) == 255 else 128)


@pytest.mark.parametrize("kernel", [0, 4, -3])
def test_kernel_without_a_centre_is_refused(kernel):
    with pytest.raises(RimError) as caught:
        trimap_from_alpha(np.zeros((8, 8), np.float32), kernel)
    assert caught.value.setting == "train.trimap_kernel" and str(kernel) in str(caught.value)


def test_scaled_kernels_are_odd_and_near_the_width_that_is_meant():
    for width in np.linspace(0, 90, 400):
        kernel = kernel_for(width)
        assert kernel % 2 == 1 and abs(kernel - width) <= 2
        assert kernel_for(width, least=5) == max(5, kernel)
