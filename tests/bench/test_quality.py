import json
import sys
from dataclasses import asdict
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from fourfold.bench.artefacts import artefacts
from fourfold.bench.datasets import BenchmarkSet, Damage, ReferencePair, benchmark_sets
from fourfold.bench.perceptual import st_lpips
from fourfold.bench.quality import BICUBIC, LANCZOS, Contender, QualityReport, score, table
from fourfold.core.errors import InvalidInput, MissingExtra
from fourfold.imaging.metrics import psnr_y, ssim_y
from fourfold.imaging.resize import bicubic


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


def test_degraded_sets_have_artefacts_compared_with_the_truths(tmp_path):
    high = np.repeat(np.random.default_rng(2).normal(120, 2, (128, 160, 1)), 3, axis=2).round().astype(np.uint8)
    Pillow.fromarray(high).save(tmp_path / "high.png")
    Pillow.fromarray(bicubic(high, (32, 40))).save(tmp_path / "low.png")
    pair = ReferencePair("p", tmp_path / "low.png", tmp_path / "high.png", (Damage(1, (1, 1), (9, 9), (90, 90)), 0))
    report = QualityReport((score(Contender("nearest", nearest), [BenchmarkSet("Spoiled", (pair,))]),))
    ours, its = artefacts(nearest(pair.load()[0]), high)
    found = report.scores[0].sets[0].artefacts
    assert found == pytest.approx([mine / true for mine, true in zip(ours, its, strict=True)])
    assert found.noise > 2
    assert table(report).splitlines()[-1].split()[-5:] == " / ".join(f"{value:.2f}" for value in found).split()


def test_st_lpips_joins_where_asked_for_and_says_what_is_missing(small_set, monkeypatch):
    """At the seam: the package is given planes in -1..1, the output first, and what it prints is not shown."""

    class Lpips(torch.nn.Module):
        def __init__(self, net, variant):
            super().__init__()
            assert (net, variant) == ("alex", "shift_tolerant")

        def forward(self, output, truth):
            assert output.min() >= -1
            assert truth.max() <= 1
            return (output - truth).abs().mean()

    package = ModuleType("stlpips_pytorch")
    package.stlpips = SimpleNamespace(LPIPS=Lpips)
    monkeypatch.setitem(sys.modules, "stlpips_pytorch", package)
    result = score(Contender("nearest", nearest), [small_set], st_lpips=st_lpips())
    pictures = [pair.load() for pair in small_set.pairs]
    wanted = np.mean([np.abs(nearest(low).astype(float) - high).mean() / 127.5 for low, high in pictures])
    assert result.sets[0].st_lpips == pytest.approx(wanted, abs=1e-4)
    assert table(QualityReport((result,))).splitlines()[2].endswith(f" / {wanted:.3f}")
    monkeypatch.setitem(sys.modules, "stlpips_pytorch", None)
    with pytest.raises(MissingExtra, match="perceptual"):
        st_lpips()


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
