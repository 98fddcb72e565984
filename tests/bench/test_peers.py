import sys

import numpy as np
import pytest

from fourfold.bench import peers
from fourfold.bench.datasets import benchmark_sets
from fourfold.bench.quality import BICUBIC, checked
from fourfold.core.errors import MissingExtra, ModelError
from fourfold.imaging.metrics import psnr_y

BUILDERS = {"cv2": peers.fsrcnn, "ncnn": peers.real_esrgan}


@pytest.fixture(scope="module")
def weights(shared):
    return shared / "data" / "peers"


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_missing_weights_are_named(tmp_path, build):
    with pytest.raises(ModelError, match=r"peers/"):
        build(tmp_path, 1)


@pytest.mark.parametrize(("engine", "build"), BUILDERS.items(), ids=BUILDERS)
def test_a_missing_engine_names_the_extra(weights, monkeypatch, engine, build):
    monkeypatch.setitem(sys.modules, engine, None)
    with pytest.raises(MissingExtra, match=r"pip install 'fourfold\[bench\]'"):
        build(weights, 1)


def test_damaged_weights_are_refused(tmp_path):
    pytest.importorskip("ncnn", reason="needs the extra bench")
    for suffix in ("param", "bin"):
        (tmp_path / f"RealESRGAN_General_x4_v3.{suffix}").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="expected a network"):
        peers.real_esrgan(tmp_path, 1)


@pytest.mark.parametrize(
    ("engine", "build", "least"),
    [
        ("cv2", lambda folder: peers.fsrcnn(folder, 1), 27),
        ("ncnn", lambda folder: peers.real_esrgan(folder, 1), 24),
        ("ncnn", lambda folder: peers.real_esrgan(folder, 1, "bf16"), 24),
    ],
)
def test_peers_enlarge_colour_pictures_truthfully(shared, weights, engine, build, least):
    """Swapped channels or a wrong range would cost ten decibels."""
    pytest.importorskip(engine, reason="needs the extra bench")
    contender = build(weights)
    low, high = benchmark_sets(shared / "data")[0].pairs[1].load()
    output = checked(contender, low[:40, :48])
    assert psnr_y(output, high[:160, :192]) > least
    plain = checked(BICUBIC, low[:40, :48])
    assert np.abs(output.mean((0, 1)) - plain.mean((0, 1))).max() < 4


def test_all_peers_say_how_they_are_run(shared):
    for engine in BUILDERS:
        pytest.importorskip(engine, reason="needs the extra bench")
    found = peers.peers(shared / "data", threads=1)
    assert len({one.name for one in found}) == 3
    assert all("threads: 1" in one.how for one in found)
