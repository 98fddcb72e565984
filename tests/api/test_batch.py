"""Batches: what is planned, done, written down and left, with one worker that runs in this process."""

import os
from pathlib import Path

import numpy as np
import pytest
from batches import OPTIONS, Here, done, names, save
from PIL import Image

from fourfold.api.batch import run as module
from fourfold.api.batch.places import Folder
from fourfold.api.batch.pool import Pool
from fourfold.api.batch.run import Batch
from fourfold.core.errors import NotEnough, PictureError, UsageError
from fourfold.core.options import UpscaleOptions


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.setattr(module, "Pool", Here)


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    for index, name in enumerate(("a.png", "B.JPG", "2024/summer/c.webp", "2024/d.tif")):
        save(folder / name, index)
    (folder / "notes.txt").write_text("no picture")
    save(folder / ".hidden.png")
    return folder


def test_the_tree_is_mirrored_and_everything_told(photos, tmp_path):
    batch = Batch(str(photos), str(tmp_path / "large"), OPTIONS)
    outcomes = done(batch)
    assert names(tmp_path / "large") == ["2024/d_x4.tif", "2024/summer/c_x4.webp", "B_x4.JPG", "a_x4.png"]
    assert (batch.done, batch.failed, batch.full) == (4, 0, False)
    one = outcomes["2024/d.tif"]
    assert one.figures["output_size"] == (64, 48)
    assert one.figures["input"] == "2024/d.tif"
    assert one.bytes == (tmp_path / "large" / one.target).stat().st_size
    assert not (tmp_path / "large/.fourfold/parts").exists() or not any((tmp_path / "large/.fourfold/parts").iterdir())


def test_a_second_run_does_only_what_is_left(photos, tmp_path):
    target = str(tmp_path / "large")
    done(Batch(str(photos), target, OPTIONS))
    (tmp_path / "large/a_x4.png").unlink()
    save(photos / "new.png", 7)
    changed = save(photos / "B.JPG", 8)
    again = Batch(str(photos), target, OPTIONS)
    assert set(done(again)) == {"a.png", "new.png", changed.name}
    assert again.plan().skipped == 5


def test_a_file_of_others_is_left_alone_unless_told(photos, tmp_path):
    theirs = tmp_path / "large/a_x4.png"
    theirs.parent.mkdir()
    theirs.write_text("mine")
    assert "a.png" not in done(Batch(str(photos), str(tmp_path / "large"), OPTIONS))
    assert theirs.read_text() == "mine"
    assert "a.png" in done(Batch(str(photos), str(tmp_path / "large"), OPTIONS, overwrite=True))
    assert theirs.read_bytes().startswith(b"\x89PNG")


def test_resuming_takes_the_options_and_finishes_an_overwriting_run(photos, tmp_path):
    target = str(tmp_path / "large")
    done(Batch(str(photos), target, OPTIONS))
    first = Batch(str(photos), target, OPTIONS.changed(scale=2), name="{stem}_{style}", overwrite=True)
    next(first.run(first.plan()))
    resumed = Batch(str(photos), target, UpscaleOptions(threads=1), resume=True)
    assert set(done(resumed)) == {"2024/summer/c.webp", "B.JPG", "a.png"}
    assert opened(tmp_path / "large/a_faithful.png") == (32, 24)
    assert not Batch(str(photos), target, resume=True).plan().jobs


def opened(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_resuming_the_same_names_over_old_results(photos, tmp_path):
    target = tmp_path / "large"
    done(Batch(str(photos), str(target), OPTIONS))
    before = {name: (target / name).stat().st_mtime_ns for name in names(target)}
    first = Batch(str(photos), str(target), OPTIONS, overwrite=True)
    made = next(first.run(first.plan())).target
    left = Batch(str(photos), str(target), resume=True)
    assert {job.target for job in left.plan().jobs} == set(before) - {made}


def test_what_failed_when_made_again_is_not_done(photos, tmp_path):
    target = tmp_path / "large"
    done(Batch(str(photos), str(target), OPTIONS))
    (photos / "a.png").write_text("no picture")
    assert done(Batch(str(photos), str(target), OPTIONS))["a.png"].error
    assert (target / "a_x4.png").read_bytes().startswith(b"\x89PNG")
    for again in (Batch(str(photos), str(target), OPTIONS), Batch(str(photos), str(target), resume=True)):
        assert [job.source for job in again.plan().jobs] == ["a.png"]
    save(photos / "a.png", 11)
    assert not done(Batch(str(photos), str(target), OPTIONS))["a.png"].error
    assert not Batch(str(photos), str(target), OPTIONS).plan().jobs


def test_old_results_of_an_interrupted_overwriting_run_are_not_done(photos, tmp_path):
    """Whether the next run says ``--overwrite``, ``--resume`` or neither, two kinds of results never mix."""
    target = str(tmp_path / "large")
    done(Batch(str(photos), target, OPTIONS))
    other = OPTIONS.changed(style="natural")
    first = Batch(str(photos), target, other, overwrite=True)
    made = next(first.run(first.plan())).source
    plan = Batch(str(photos), target, other).plan()
    assert {job.source for job in plan.jobs} == {"2024/d.tif", "2024/summer/c.webp", "B.JPG", "a.png"} - {made}
    assert plan.skipped == 1


def test_another_batch_into_the_same_target_is_refused(photos, tmp_path):
    target = str(tmp_path / "large")
    done(Batch(str(photos), target, OPTIONS))
    with pytest.raises(UsageError, match=r"options was .* --resume"):
        Batch(str(photos), target, OPTIONS.changed(scale=2))
    with pytest.raises(UsageError, match="source was"):
        Batch(str(save(tmp_path / "other/a.png").parent), target, OPTIONS)
    with pytest.raises(UsageError, match="leave out all but --threads"):
        Batch(str(photos), target, OPTIONS, resume=True)
    with pytest.raises(UsageError, match="there is none"):
        Batch(str(photos), str(tmp_path / "empty"), resume=True)


def test_places_that_cannot_be_used_so(photos, tmp_path):
    with pytest.raises(UsageError, match="own"):
        Batch(str(photos), str(photos) + "/")
    with pytest.raises(PictureError, match="there is none"):
        Batch(str(tmp_path / "gone"), str(tmp_path / "large")).plan()
    with pytest.raises(UsageError, match="URL"):
        Batch("nonsense://x", str(tmp_path / "large"))


@pytest.mark.parametrize("url", ["sftp://host/large", "ftp://host/large", "simplecache::s3://album/large"])
def test_results_go_only_where_they_appear_whole(photos, url, monkeypatch):
    monkeypatch.setattr("fourfold.api.batch.places._opened", lambda url: (None, url))
    with pytest.raises(UsageError, match=r"half of one.* mounted.* s3://"):
        Batch(str(photos), url, OPTIONS)
    assert Batch(url, str(photos.parent / "large"), OPTIONS).source.url == url


def test_a_folder_may_be_a_url(photos, tmp_path):
    for kind in ("file", "local"):
        assert isinstance(Batch(str(photos), f"{kind}://{tmp_path}/large", OPTIONS).target, Folder)


def test_results_inside_the_source_are_not_photos(photos):
    batch = Batch(str(photos), str(photos / "large"), OPTIONS)
    assert len(done(batch)) == 4
    assert not batch.plan().jobs


def test_two_batches_on_one_target_at_once_are_refused(photos, tmp_path):
    first, second = (Batch(str(photos), str(tmp_path / "large"), OPTIONS) for _ in range(2))
    running = first.run(first.plan())
    next(running)
    with pytest.raises(UsageError, match="another batch is at work"):
        next(second.run(second.plan()))
    running.close()
    assert len(done(second)) == 3


def test_two_photos_with_one_result_are_told(tmp_path):
    for name in ("a.png", "a.jpg"):
        save(tmp_path / "photos" / name)
    options = OPTIONS.changed(format="png")
    outcomes = done(Batch(str(tmp_path / "photos"), str(tmp_path / "large"), options))
    assert "{input_ext}" in outcomes["a.png"].error
    assert not outcomes["a.jpg"].error
    outcomes = done(Batch(str(tmp_path / "photos"), str(tmp_path / "both"), options, name="{stem}-{input_ext}-{size}"))
    assert sorted(one.target for one in outcomes.values()) == ["a-jpg-x4.png", "a-png-x4.png"]


def test_a_result_stays_that_of_its_photo_while_there_is_one(tmp_path):
    source, target = tmp_path / "photos", tmp_path / "large"
    save(source / "b.png")
    options = OPTIONS.changed(format="png")
    done(Batch(str(source), str(target), options))
    before = (target / "b_x4.png").read_bytes()
    save(source / "b.jpg", 1)  # which sorts first
    outcomes = done(Batch(str(source), str(target), options))
    assert "is the result of b.png" in outcomes.pop("b.jpg").error
    assert not outcomes
    assert (target / "b_x4.png").read_bytes() == before
    (source / "b.png").unlink()
    assert not done(Batch(str(source), str(target), options))["b.jpg"].error
    assert (target / "b_x4.png").read_bytes() != before


def test_watching_says_what_it_refuses(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_POLL", 0.05)
    batch = Batch(str(photos), str(tmp_path / "large"), OPTIONS.changed(format="png"))
    seen = []
    for outcome in batch.run(batch.plan(), watch=True):
        seen.append((outcome.source, bool(outcome.error)))
        if len(seen) == 4:
            save(photos / "a.jpg", 9)
        if len(seen) == 5:
            save(photos / "later.jpg", 10)
        if len(seen) == 6:
            break
    assert seen[4:] == [("a.jpg", True), ("later.jpg", False)]


def test_unreadable_files_among_others_are_told_and_passed_over(photos, tmp_path):
    (photos / "bad.jpg").write_text("no picture")
    (photos / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    whole = (photos / "a.png").read_bytes()
    (photos / "2024/cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "empty.webp").touch()
    batch = Batch(str(photos), str(tmp_path / "large"), OPTIONS)
    failed = {source: one for source, one in done(batch).items() if one.error}
    assert set(failed) == {"bad.jpg", "dangling.png", "2024/cut.png", "empty.webp"}
    assert all(source in one.error and one.code == 3 for source, one in failed.items())
    assert (batch.done, batch.failed) == (4, 4)
    again = Batch(str(photos), str(tmp_path / "large"), OPTIONS)
    assert {job.source for job in again.plan().jobs} == set(failed)


def test_the_estimate_is_near_and_refuses_what_does_not_fit(photos, tmp_path, monkeypatch):
    for index in range(20):
        save(photos / f"more/{index}.png", index)
    batch = Batch(str(photos / "more"), str(tmp_path / "large"), OPTIONS, workers=1)
    plan = batch.plan()
    about = batch.estimate(plan.jobs)
    assert (about.photos, about.sampled) == (20, 3)
    assert about.bytes_in == sum(path.stat().st_size for path in (photos / "more").iterdir())
    made = sum(outcome.bytes for outcome in batch.run(plan))
    assert made / 1.5 < about.bytes_out < made * 1.5
    about.require_room("large")
    with pytest.raises(NotEnough, match="make room"):
        type(about)(**{**vars(about), "free": 1000}).require_room("large")


@pytest.mark.parametrize("wanted", [{"width": 1200}, {"height": 900}, {"width": 600, "height": 900}])
def test_the_estimate_of_a_wanted_size(tmp_path, wanted):
    """Only the middle of a large photo is upscaled for it, which must grow as the whole will."""
    rows, columns = np.indices((450, 600)) // 3 % 256
    levels = np.stack([rows, columns, rows ^ columns], axis=2).astype(np.uint8)
    (tmp_path / "photos").mkdir()
    Image.fromarray(levels).save(tmp_path / "photos/a.png")
    batch = Batch(str(tmp_path / "photos"), str(tmp_path / "large"), OPTIONS.changed(**wanted), workers=1)
    plan = batch.plan()
    about = batch.estimate(plan.jobs)
    (made,) = batch.run(plan)
    assert made.bytes / 1.5 < about.bytes_out < made.bytes * 1.5


def test_watching_takes_what_comes_and_what_changes(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_POLL", 0.05)
    batch = Batch(str(photos), str(tmp_path / "large"), OPTIONS)
    seen = []
    for outcome in batch.run(batch.plan(), watch=True):
        seen.append(outcome.source)
        if len(seen) == 4:
            save(photos / "later/e.png", 9)
            (photos / "bad.png").write_text("no picture")
        if len(seen) == 6:
            save(photos / "a.png", 10)
        if len(seen) == 7:
            break
    assert set(seen[4:6]) == {"later/e.png", "bad.png"}
    assert seen[6] == "a.png"


def test_a_worker_that_dies_over_a_photo_is_replaced(photos, tmp_path, monkeypatch):
    """The real pool: one photo always kills its worker, the others are done."""
    killer = tmp_path / "killer"
    killer.mkdir()
    (killer / "sitecustomize.py").write_text(
        "import os\nfrom fourfold.api import restore\nreal = restore.files.probe\n"
        "def probe(data, **options):\n    if str(data).endswith('a.png'):\n        os._exit(9)\n"
        "    return real(data, **options)\n"
        "restore.files.probe = probe\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(killer), prepend=os.pathsep)
    monkeypatch.setattr(module, "Pool", Pool)
    outcomes = done(Batch(str(photos), str(tmp_path / "large"), OPTIONS, workers=2))
    assert "one worker after the other died over this photo" in outcomes.pop("a.png").error
    assert not [one for one in outcomes.values() if one.error]
    assert len(outcomes) == 3


def test_what_nobody_expected_is_told_with_the_photo(photos, tmp_path, monkeypatch):
    def break_down(image, options):
        raise ZeroDivisionError("no such thing")

    monkeypatch.setattr("fourfold.api.upscaling.choose_style", break_down)
    outcomes = done(Batch(str(photos), str(tmp_path / "large"), OPTIONS))
    for name, outcome in outcomes.items():
        assert name in outcome.error
        assert "ZeroDivisionError: no such thing" in outcome.error
        assert "bug" in outcome.error


def test_nothing_left_to_do_writes_nothing(photos, tmp_path):
    done(Batch(str(photos), str(tmp_path / "large"), OPTIONS))
    before = (tmp_path / "large/.fourfold/batch.jsonl").read_bytes()
    again = Batch(str(photos), str(tmp_path / "large"), OPTIONS)
    assert not done(again)
    assert not list(again.outcomes())
    assert (tmp_path / "large/.fourfold/batch.jsonl").read_bytes() == before


def test_the_memory_of_a_worker_is_its_own(photos, tmp_path, monkeypatch):
    """The system also counts what the process that started it had taken, which may be far more."""
    monkeypatch.setattr(module, "Pool", Pool)
    ballast = np.ones(900 << 17)  # 900 MiB
    outcomes = done(Batch(str(photos), str(tmp_path / "large"), OPTIONS, workers=1))
    assert max(one.figures["peak_memory_mb"] for one in outcomes.values()) < ballast.nbytes >> 20


def test_watching_makes_nothing_anew_twice(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_POLL", 0.05)
    done(Batch(str(photos), str(tmp_path / "large"), OPTIONS))
    batch = Batch(str(photos), str(tmp_path / "large"), OPTIONS, overwrite=True)
    seen = []
    for outcome in batch.run(batch.plan(), watch=True):
        seen.append(outcome.source)
        if len(seen) == 4:
            save(photos / "later.png", 9)
        if len(seen) == 5:
            break
    assert seen[4] == "later.png"
