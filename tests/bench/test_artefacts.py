import numpy as np
import pytest

from fourfold.bench.artefacts import artefacts

ROWS, COLUMNS = np.mgrid[0:128, 0:160]
RAMP = 60 + 0.3 * COLUMNS
DRAWN = np.random.default_rng(3)


def picture(plane):
    return np.repeat(np.rint(np.clip(plane, 0, 255)).astype(np.uint8)[..., None], 3, axis=2)


def test_the_truth_has_what_the_truth_has():
    truth = picture(RAMP + DRAWN.normal(0, 2, RAMP.shape))
    ours, its = artefacts(truth, truth)
    assert ours == its


@pytest.mark.parametrize(
    ("added", "raised"),
    [
        (DRAWN.normal(0, 6, RAMP.shape), "noise"),
        (4 * np.sin((COLUMNS + ROWS) / 3), "worms"),
        (2 * (COLUMNS % 4 == 0) + 2 * (ROWS % 4 == 0), "grid"),
    ],
    ids=["noise", "stripes", "every fourth pixel"],
)
def test_each_artefact_raises_its_own_figure_most(added, raised):
    truth = picture(RAMP + DRAWN.normal(0, 1, RAMP.shape))
    ours, its = artefacts(picture(truth[..., 0] + added), truth)
    ratios = {name: getattr(ours, name) / getattr(its, name) for name in ours._fields}
    assert max(ratios, key=ratios.get) == raised
    assert ratios[raised] > 2


def test_edges_of_the_truth_are_not_looked_at():
    truth = picture(np.where(COLUMNS < 80, 60, 200) + DRAWN.normal(0, 1, RAMP.shape))
    soft = truth.copy()
    soft[:, 78:82] = 130
    ours, its = artefacts(soft, truth)
    assert ours.noise == pytest.approx(its.noise, rel=0.05)
