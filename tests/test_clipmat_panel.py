"""The product of small matrices that compiled loops call, on this processor and as it is cut for others."""

import os
import subprocess
import sys
import textwrap

import numba
import numpy as np
import pytest
import torch

from rimlib.clipmat import panel
from rimlib.clipmat.winograd import Convolution

# What is run for another processor: a convolution, or, which compiles more quickly, one product.
CONVOLVES = """
    x, weight, bias = torch.randn(1, 48, 30, 70), torch.randn(41, 48, 3, 3) / 20, torch.randn(41)
    with torch.inference_mode():
        torch.testing.assert_close(Convolution(weight, bias)(x), F.conv2d(x, weight, bias, padding=1), atol=2e-5, rtol=0)
"""
MULTIPLIES = """
    left, right = np.random.rand(30, 7).astype("f"), np.random.rand(7, panel.COLUMNS).astype("f")
    out = np.zeros((30, panel.COLUMNS), "f")
    numba.njit(lambda *arrays: panel.multiply(*arrays, 2))(left, right, out)
    assert np.allclose(out[2 : 2 + panel.ROWS], (left @ right)[2 : 2 + panel.ROWS], atol=1e-5)
    assert not out[:2].any() and not out[2 + panel.ROWS :].any()
"""


@pytest.mark.parametrize(
    "features, machine, lanes, rows, task",
    [("+avx,+avx2", "x86_64", 8, 6, CONVOLVES), ("", "x86_64", 4, 6, MULTIPLIES), ("", "arm64", 4, 12, MULTIPLIES)],
)
def test_another_processor_answers_alike(features, machine, lanes, rows, task, tmp_path):
    """The products of matrices are cut to the vectors of the processor that Numba makes code for."""
    code = f"""
        import platform
        platform.machine = lambda: {machine!r}
        import numba, torch
        import numpy as np
        import torch.nn.functional as F
        from rimlib.clipmat import panel
        from rimlib.clipmat.winograd import Convolution
        assert (panel.LANES, panel.ROWS) == ({lanes}, {rows}), (panel.LANES, panel.ROWS)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code) + textwrap.dedent(task)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "NUMBA_CACHE_DIR": str(tmp_path),
            "NUMBA_CPU_NAME": "generic",
            "NUMBA_CPU_FEATURES": features,
        },
    )
    assert run.returncode == 0, run.stderr


def test_a_product_takes_nothing_else():
    product = numba.njit(lambda *arrays: panel.multiply(*arrays, 0))
    good = (
        np.zeros((12, 4), np.float32),
        np.zeros((4, panel.COLUMNS), np.float32),
        np.zeros((12, panel.COLUMNS), np.float32),
    )
    product(*good)
    for at, array in (
        (0, good[0].astype(np.float64)),
        (1, np.asfortranarray(good[1])),
        (2, np.broadcast_to(good[2], good[2].shape)),
    ):
        with pytest.raises(numba.TypingError):
            product(*good[:at], array, *good[at + 1 :])


def test_machine_code_for_another_processor_is_not_used():
    x, convolution = torch.randn(1, 48, 16, 16), Convolution(torch.randn(32, 48, 3, 3), torch.zeros(32))
    vars(convolution)["taps"] = convolution.taps[..., : panel.COLUMNS // 2].copy()
    with torch.inference_mode(), pytest.raises(ValueError, match="make clean"):
        convolution(x)
