"""Adapting the recogniser to a folder of photos: what comes of it, what is said, stopping and going back."""

import json

import numpy as np
import pytest
import skimage.data
from PIL import Image

import fourfold
from fourfold.api import adapt_recogniser
from fourfold.catalog import load
from fourfold.cli.main import main
from fourfold.core.errors import MissingExtra, UsageError
from fourfold.core.options import AdaptOptions, UpscaleOptions
from fourfold.imaging import degrade
from fourfold.models import recogniser


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The person's data and cache folders."""
    monkeypatch.setattr(recogniser, "adapted_in", lambda: tmp_path / "home" / "adapted")
    monkeypatch.setattr(
        adapt_recogniser.platformdirs, "user_cache_dir", lambda *_names, **_more: str(tmp_path / "cache")
    )
    return tmp_path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve small photos, half of them noisy, a third compressed, and a file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    whole = np.concatenate([skimage.data.astronaut(), skimage.data.coffee()[:, :512]])
    for number in range(12):
        part = whole[70 * number : 70 * number + 128, :160]
        if number % 2:
            part = degrade.noise(part, 20, np.random.default_rng(number))
        elif number % 3:
            part = degrade.jpeg(part, 12)
        Image.fromarray(part).save(folder / f"{number:02}.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


OPTIONS = AdaptOptions(passes=3)


def test_it_is_adapted_said_and_used_by_upscale_until_it_is_reset(photos):
    report = adapt_recogniser.adapt(photos, OPTIONS)
    assert (report.photos, report.skipped) == (12, 1)
    assert sum(report.before.values()) == sum(report.after.values()) == 12
    assert report.before["a noisy photo"] >= 6
    assert any("12 photos are few" in warning for warning in report.warnings)
    stated, content = recogniser.read()
    assert stated.photos == 12
    assert report.file.endswith(f"{stated.sha256}.onnx")
    assert content != fourfold.engines.weights.read(load.recogniser(), "onnx")
    small = np.asarray(Image.open(photos / "00.png"))[:40, :40]
    options = UpscaleOptions(route="little")
    named = fourfold.Session(options).upscale(small).report.condition.recogniser
    assert named == f"{load.recogniser().id}, adapted to 12 photos on {stated.date}"
    assert adapt_recogniser.reset_adapted()
    assert fourfold.Session(options).upscale(small).report.condition.recogniser == load.recogniser().id
    assert not adapt_recogniser.reset_adapted()


@pytest.mark.parametrize("tune", ["model", "prompt"])
def test_stopped_anywhere_it_goes_on_to_the_same_weights(photos, home, tune, monkeypatch):
    options = AdaptOptions(passes=4, tune=tune)
    whole = adapt_recogniser.adapt(photos, options).file.rpartition("/")[2]
    recogniser.reset()
    read, probed = [], adapt_recogniser.files.read

    def reading(path):
        read.append(path)
        return probed(path)

    monkeypatch.setattr(adapt_recogniser.files, "read", reading)
    for what, after in (("reading", 5), ("adapting", 2)):

        def stop(name, what=what, after=after):
            def watch(done, _all):
                if name == what and done == after:
                    raise KeyboardInterrupt

            return watch

        with pytest.raises(KeyboardInterrupt):
            adapt_recogniser.adapt(photos, options, stop)
        assert recogniser.load().name == load.recogniser().id
    passes = []
    report = adapt_recogniser.adapt(photos, options, lambda name: lambda done, _all: passes.append((name, done)))
    assert report.file.endswith(whole)
    assert len(read) == len(set(read)) == 13
    assert [done for name, done in passes if name == "adapting"] == [3, 4]
    assert not list((home / "cache" / "adapting").iterdir())


def test_where_one_condition_dominates_the_answers_are_drawn_to_it_and_that_is_said(tmp_path):
    photo = skimage.data.astronaut()
    for number in range(6):
        noisy = degrade.noise(photo[:96, 60 * number : 60 * number + 96], 25, np.random.default_rng(number))
        Image.fromarray(noisy).save(tmp_path / f"{number}.png")
    even, found, auto = (
        adapt_recogniser.adapt(tmp_path, AdaptOptions(passes=20, prior=prior)) for prior in ("even", "found", None)
    )
    assert "6 of 6 photos look like a noisy photo; the method takes all" in even.warnings[-1]
    assert "6 of 6 photos look like a noisy photo, so answers were drawn" in auto.warnings[-1]
    assert len(found.warnings) == 1
    assert auto.file == found.file != even.file
    assert auto.after["a noisy photo"] == 6


def test_more_photos_than_asked_for_are_thinned_out(photos):
    report = adapt_recogniser.adapt(photos, AdaptOptions(passes=1, most=4))
    assert report.photos + report.skipped == 4


def test_too_few_photos_and_a_missing_library_are_said(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="at least two and better 100, got 0"):
        adapt_recogniser.adapt(tmp_path)
    monkeypatch.setattr(adapt_recogniser, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=r"fourfold\[torch\]"):
        adapt_recogniser.adapt(tmp_path)


def test_the_command_adapts_tells_and_goes_back(photos, capsys):
    assert main(["adapt", "--photos", str(photos), "--passes", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["photos"] == 12
    assert main(["adapt", "--photos", str(photos), "--passes", "2"]) == 0
    told = capsys.readouterr().out
    assert "12 photos in" in told
    assert "a noisy photo" in told
    assert main(["adapt", "--reset"]) == 0
    assert "is used again" in capsys.readouterr().out
    assert main(["adapt"]) == 2
    assert main(["adapt", "--reset", "--photos", str(photos)]) == 2
