"""numpy's linear algebra keeps to one thread wherever a photo passes."""

import os

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from fourfold.imaging import blas, blur, fidelity, metrics, resize, spectra, traces

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (130, 140, 3)).astype(np.uint8)


def numpys_threads():
    """Of numpy's own library: in one process with others there may be several."""
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas" and "numpy" in one["filepath"]]


def fidelity_measured():
    measured = fidelity.FidelityMeter(PHOTO, (520, 560))
    measured.push(np.zeros((520, 560, 3), np.uint8))


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="there is but one processor")
@pytest.mark.parametrize(
    ("module", "inside", "act"),
    [
        (spectra, "_bins", lambda: blur.estimate(PHOTO)),
        (spectra, "_bins", lambda: traces.traces(traces.windows(PHOTO))),
        (resize, "_blocks", lambda: resize.bicubic(PHOTO, (50, 60))),
        (metrics, "peak", lambda: metrics.luma(PHOTO)),
        (fidelity, "peak", fidelity_measured),
    ],
)
def test_no_threads_of_blas_are_woken(module, inside, act, monkeypatch):
    threads = []
    real = getattr(module, inside)

    def counted(*args):
        threads.extend(numpys_threads())
        return real(*args)

    monkeypatch.setattr(module, inside, counted)
    before = numpys_threads()
    act()
    assert threads
    assert set(threads) == {1}
    assert numpys_threads() == before


def test_threads_that_overlap_leave_blas_as_it_was():
    before = numpys_threads()
    first, second = blas.one_thread(), blas.one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(numpys_threads()) == {1}
    second.__exit__(None, None, None)
    assert numpys_threads() == before
