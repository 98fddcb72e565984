import json
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image as Pillow

from fourfold.bench.datasets import BenchmarkSet, ReferencePair, benchmark_sets
from fourfold.bench.quality import BICUBIC, LANCZOS, Contender, QualityReport, score, table
from fourfold.core.errors import InvalidInput
from fourfold.imaging.metrics import psnr_y, ssim_y


@pytest.fixture
def small_set(tmp_path):
    random = np.random.default_rng(6)
    pairs = []
    for name, size in (("one", (8, 6)), ("two", (7, 9))):
        low = random.integers(0, 256, (*size, 3)).astype(np.uint8)
        Pillow.fromarray(low).save(tmp_path / f"{name}-low.png")
        high = np.clip(low.repeat(4, 0).repeat(4, 1).astype(int) + random.integers(-9, 9), 0, 255).astype(np.uint8)
        Pillow.fromarray(high).save(tmp_path / f"{name}-high.png")
        pairs.append(ReferencePair(name, tmp_path / f"{name}-low.png", tmp_path / f"{name}-high.png"))
    return BenchmarkSet("Tiny", tuple(pairs))


def nearest(low):
    return low.repeat(4, 0).repeat(4, 1)


def test_scores_are_the_means_over_the_pictures(small_set):
    seen = []
    result = score(Contender("nearest", nearest, "numpy"), [small_set], lambda done, of: seen.append((done, of)))
    pictures = [pair.load() for pair in small_set.pairs]
    (tiny,) = result.sets
    assert (result.contender, result.how, tiny.set, tiny.pictures) == ("nearest", "numpy", "Tiny", 2)
    assert tiny.psnr_y == pytest.approx(np.mean([psnr_y(nearest(low), high) for low, high in pictures]))
    assert tiny.ssim_y == pytest.approx(np.mean([ssim_y(nearest(low), high) for low, high in pictures]))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    "wrong", [lambda low: low, lambda low: nearest(low)[..., :1], lambda low: nearest(low).astype(np.float32)]
)
def test_a_wrong_answer_names_the_contender(small_set, wrong):
    with pytest.raises(InvalidInput, match="crooked: expected"):
        score(Contender("crooked", wrong), [small_set])


def test_the_table_and_the_document_hold_every_figure(small_set):
    report = QualityReport(tuple(score(one, [small_set]) for one in (BICUBIC, LANCZOS)))
    lines = table(report).splitlines()
    assert lines[0].split() == ["PSNR-Y", "dB", "/", "SSIM-Y", "Tiny", "(2)"]
    assert lines[2].startswith("bicubic")
    tiny = report.scores[1].sets[0]
    assert lines[3].endswith(f"{tiny.psnr_y:.2f} / {tiny.ssim_y:.4f}")
    assert len({len(line) for line in lines}) == 1
    document = json.loads(json.dumps(asdict(report)))
    assert document["scores"][0]["sets"][0]["pictures"] == 2


def test_an_empty_table_is_only_its_header():
    assert table(QualityReport(())).splitlines()[0] == "PSNR-Y dB / SSIM-Y"


def test_interpolation_scores_as_published_on_set5(shared):
    sets = benchmark_sets(shared / "data")[:1]
    scores = {one.name: score(one, sets).sets[0] for one in (BICUBIC, LANCZOS)}
    assert scores["bicubic"].psnr_y == pytest.approx(28.43, abs=0.02)
    assert scores["bicubic"].ssim_y == pytest.approx(0.811, abs=0.002)
    assert 28 < scores["Lanczos"].psnr_y < 29
