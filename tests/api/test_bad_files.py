"""One bad file, name or moment never ends a run: every other file is done, and nothing half done is left behind."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fourfold.api import restore
from fourfold.api.names import listing
from fourfold.api.restore import guarded, of_the_caller, restore_files
from fourfold.api.targets import Failure
from fourfold.cli import main as cli
from fourfold.core import atomic
from fourfold.core.errors import NotEnough, PictureError, Unexpected, UsageError
from fourfold.core.options import DeblurOptions, UpscaleOptions
from fourfold.imaging import files

SMALL = UpscaleOptions(model="fourfold-little-x4", threads=1)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (9, 12, 3), np.uint8)).save(path)
    return path


def command(*words: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    given = {"capture_output": True, "timeout": 120, "check": False, **options}
    return subprocess.run([sys.executable, "-m", "fourfold", *words], **given)  # type: ignore[call-overload,no-any-return]


def parts(folder: Path) -> list[Path]:
    return [*folder.rglob("*.part")]


# --- the guard ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [SMALL, DeblurOptions()])
def test_bugs_and_refusals_are_reported_for_their_file_and_the_others_go_on(
    photo: Path, monkeypatch: pytest.MonkeyPatch, task: UpscaleOptions
) -> None:
    read, calls = files.read, []

    def sometimes(*args: object, **options: object) -> object:
        calls.append(args)
        raised = {1: ZeroDivisionError("boom"), 2: OSError(errno.EIO, "Input/output error"), 3: MemoryError()}
        if len(calls) in raised:
            raise raised[len(calls)]
        return read(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(restore.files, "read", sometimes)
    copies = [str(photo.with_name(f"{n}.png")) for n in range(4)]
    for copy in copies:
        Path(copy).write_bytes(photo.read_bytes())
    outcomes = list(restore_files(copies, options=task))
    kinds = [type(one.error) if isinstance(one, Failure) else None for one in outcomes]
    assert kinds == [Unexpected, PictureError, NotEnough, None]
    assert [type(one.error).exit_code for one in outcomes if isinstance(one, Failure)] == [1, 3, 6]
    for name, one in zip(copies, outcomes[:3], strict=False):
        assert isinstance(one, Failure)
        assert name in str(one.error)
    assert isinstance(outcomes[0], Failure)
    assert "ZeroDivisionError: boom at test_bad_files.py" in str(outcomes[0].error)


def test_what_the_caller_raises_ends_the_run() -> None:
    class Stopped(Exception):
        pass

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        guarded("a.png", of_the_caller(stop))
    with pytest.raises(KeyboardInterrupt):
        guarded("a.png", lambda: (_ for _ in ()).throw(KeyboardInterrupt()))
    assert isinstance(guarded("a.png", stop), Failure)


def test_every_failure_names_its_file(photo: Path) -> None:
    for options in (SMALL.changed(width=4), SMALL.changed(min_consistency=900.0, format="jpg")):
        (outcome,) = restore_files([str(photo)], options=options)
        assert isinstance(outcome, Failure)
        assert str(outcome.error).startswith(str(photo))
    (outcome,) = restore_files(["-"], options=SMALL) if sys.stdin is None else [None]
    assert outcome is None or isinstance(outcome, Failure)


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["가", "a", "é", "🌄"])
def test_a_name_that_is_too_long_for_its_result_is_shortened_and_said(tmp_path: Path, photo: Path, letter: str) -> None:
    room = 255 - len(".png")
    long = [tmp_path / (letter * (room // len(letter.encode()) - extra) + f"{extra}.png")[-255:] for extra in (1, 2)]
    long = [path for path in long if len(os.fsencode(path.name)) <= 255]
    for path in long:
        path.write_bytes(photo.read_bytes())
    outcomes = list(restore_files([*map(str, long), str(photo)], options=SMALL))
    assert not [one for one in outcomes if isinstance(one, Failure)]
    names = {Path(one.output).name for one in outcomes if not isinstance(one, Failure)}
    assert len(names) == len(outcomes)
    for path, one in zip(long, outcomes, strict=False):
        assert not isinstance(one, Failure)
        result = Path(one.output).name
        assert len(os.fsencode(result)) <= 255
        assert result.endswith("_x4.png")
        cut = path.stem not in result
        assert cut == any("holds only a part of the photo's" in warning for warning in one.warnings)
    assert any(path.stem not in name for path in long for name in names)


def test_names_that_cannot_be_opened_are_refused(photo: Path) -> None:
    outcomes = list(restore_files(["x" * 300 + ".png", "null\0.png", str(photo)], options=SMALL))
    assert [isinstance(one, Failure) for one in outcomes] == [True, True, False]
    assert "Check its name" in str(outcomes[0].error)  # type: ignore[union-attr]


def test_a_result_is_named_after_what_it_holds(photo: Path) -> None:
    odd = photo.with_name("photo.HEIC")
    Image.open(photo).save(odd, "JPEG")
    (outcome,) = restore_files([str(odd)], options=SMALL)
    assert not isinstance(outcome, Failure)
    assert outcome.output.endswith("photo_x4.jpg")


@pytest.mark.parametrize("name", ["missing [/b].png", "a [bold].png", "x[.png", "[red]y[0].png"])
def test_markup_in_names_is_a_name(tmp_path: Path, photo: Path, name: str) -> None:
    pty = pytest.importorskip("pty", reason="needs a terminal, which Windows has in another way")
    folder = tmp_path / "odd ["
    folder.mkdir()
    if "/" not in name:
        (folder / name).write_bytes(photo.read_bytes())
    ours, theirs = pty.openpty()
    words = ["upscale", str(folder / name), str(folder), "-m", "fourfold-little-x4", "-o", f"{tmp_path / 'out'}/"]
    process = subprocess.Popen([sys.executable, "-m", "fourfold", *words], stderr=theirs, stdout=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:
            break
        if not shown:
            break
    assert process.wait(60) in (0, 3)
    assert b"Traceback" not in shown
    assert os.fsencode(name) in shown.replace(b"\r\n", b"\n")


# --- listing -----------------------------------------------------------------------------------------------------


def test_one_rule_says_what_in_a_folder_is_a_photo() -> None:
    names = ["a.jpg", "a_x4.jpg", "a_x4_x4.jpg", "a_p2_x4.jpg", "a_deblurred.png", "a_w1600.jpg", "b_x4.jpg", "c.TIF"]
    names += ["._a.jpg", ".hidden/d.jpg", "@eaDir/a.jpg", "sub/@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg", "notes.txt"]
    names += ["sub/e.png", "sub/e_x2.5.png", "raw.dng", "raw.CR3", "._raw.dng"]
    found = listing(names)
    assert found.photos == ("a.jpg", "b_x4.jpg", "c.TIF", "sub/e.png")
    assert (found.results, found.raws) == (6, 2)
    assert found.note == "passed over 6 results of earlier runs and 2 camera raws, which have to be developed first"


def test_a_folder_done_twice_does_not_enlarge_its_own_results(photo: Path) -> None:
    photo.with_name("._photo.png").write_bytes(b"\0\5\x16\7")
    photo.with_name("raw.nef").write_bytes(b"MM\0*")
    said: list[str] = []
    first = list(restore_files([str(photo.parent)], options=SMALL))
    second = list(restore_files([str(photo.parent)], options=SMALL, overwrite=True, note=said.append))
    assert len(first) == len(second) == 1
    assert not isinstance(second[0], Failure)
    assert said == [
        f"{photo.parent}: passed over 1 results of earlier runs and 1 camera raws, which have to be developed first"
    ]
    assert sorted(p.name for p in photo.parent.glob("*.png")) == ["._photo.png", "photo.png", "photo_x4.png"]


def test_pages_go_into_files_of_their_own(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((6, 8 + n), 40 * n, np.uint8)) for n in range(3)]
    path = tmp_path / "scan.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    outcomes = list(restore_files([str(path)], options=SMALL.changed(pages="all")))
    names = [Path(one.output).name for one in outcomes if not isinstance(one, Failure)]
    assert names == ["scan_p1_x4.tif", "scan_p2_x4.tif", "scan_p3_x4.tif"]
    assert [files.probe(tmp_path / name).width for name in names] == [32, 36, 40]
    (second,) = restore_files([str(path)], options=SMALL.changed(pages=2), overwrite=True)
    assert not isinstance(second, Failure)
    assert second.output.endswith("scan_p2_x4.tif")
    assert list(listing(path.name for path in tmp_path.iterdir()).photos) == ["scan.tif"]
    with pytest.raises(UsageError, match="expected a folder for several pages"):
        list(restore_files([str(path)], str(tmp_path / "one.tif"), SMALL.changed(pages="all")))


# --- pipes and closed streams ------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_work_as_a_dash_does(photo: Path, tmp_path: Path) -> None:
    with photo.open("rb") as stream:
        want = command("upscale", "-", "-m", "fourfold-little-x4", stdin=stream)
    assert want.returncode == 0
    assert want.stdout[:4] == b"\x89PNG"
    with subprocess.Popen(["cat", photo], stdout=subprocess.PIPE) as piped:
        given = command("upscale", "/dev/stdin", "-m", "fourfold-little-x4", stdin=piped.stdout)
    assert (given.returncode, given.stdout) == (0, want.stdout)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = subprocess.Popen(["sh", "-c", f"cat '{photo}' > '{fifo}'"])
    named = command("upscale", str(fifo), "-m", "fourfold-little-x4", "-o", f"{tmp_path / 'out'}/")
    writer.wait()
    assert named.returncode == 0
    assert (tmp_path / "out" / "stdin_x4.png").read_bytes() == want.stdout
    zeros = command("upscale", "/dev/zero", "-m", "fourfold-little-x4")
    assert zeros.returncode == 3
    assert b"/dev/zero: expected a picture" in zeros.stderr


@pytest.mark.skipif(os.name == "nt", reason="closes streams as a Unix shell does")
def test_closed_streams_are_said(photo: Path) -> None:
    words = f"'{sys.executable}' -m fourfold upscale '{photo}' -m fourfold-little-x4 -o -"
    closed = subprocess.run(["sh", "-c", f"{words} >&-"], capture_output=True, check=False, timeout=120)
    assert closed.returncode == 3
    assert b"standard output is closed" in closed.stderr
    assert b"Traceback" not in closed.stderr
    silent = subprocess.run(["sh", "-c", f"{words} 2>&-"], capture_output=True, check=False, timeout=120)
    assert silent.returncode == 0
    assert silent.stdout[:4] == b"\x89PNG"


# --- races, signals and what is left behind ----------------------------------------------------------------------


def test_of_two_runs_to_one_name_only_one_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    spec = files.Spec("PNG", 2, 2, 3)
    rows = np.zeros((2, 2, 3), np.uint8)

    def both() -> None:
        with files.open_writer(target, spec, overwrite=False) as first:
            first.write(rows)
            with files.open_writer(target, spec, overwrite=False) as second:
                second.write(rows + 255)

    with pytest.raises(PictureError, match="exists already; give --overwrite"):
        both()
    assert files.read(target).pixels.min() == 1
    assert not parts(tmp_path)


@pytest.mark.parametrize("linkable", [True, False])
def test_a_name_is_taken_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linkable: bool) -> None:
    if not linkable:
        monkeypatch.setattr(Path, "hardlink_to", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    target = tmp_path / "file"
    with atomic.replacing(target, overwrite=False) as stream:
        stream.write(b"mine")
    with pytest.raises(FileExistsError), atomic.replacing(target, overwrite=False) as stream:
        stream.write(b"another's")
    assert target.read_bytes() == b"mine"
    with atomic.replacing(target) as stream:
        stream.write(b"new")
    assert target.read_bytes() == b"new"
    assert not parts(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="there a file that is written cannot be removed anyway")
def test_parts_that_nobody_writes_are_swept_and_others_are_not(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f".fourfold-{dead.pid}-00.part", ".fourfold-0123456789abcdef.part"):
        (tmp_path / name).write_bytes(b"left")
    young = tmp_path / f".fourfold-{os.getppid()}-00.part"
    young.write_bytes(b"about to be locked")
    with atomic.replacing(tmp_path / "one") as stream:
        atomic._swept.clear()
        atomic.sweep(tmp_path)
        assert {*parts(tmp_path)} == {young, Path(stream.name) if isinstance(stream.name, str) else _own(tmp_path)}
    assert (tmp_path / "one").exists()


@pytest.mark.skipif(os.name == "nt", reason="there a file that is written cannot be removed anyway")
def test_parts_are_swept_by_a_run_that_finds_every_result_there(photo: Path) -> None:
    out = photo.parent / "out"
    list(restore_files([str(photo)], f"{out}/", SMALL))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (out / f".fourfold-{dead.pid}-00.part").write_bytes(b"left")
    atomic._swept.clear()  # as a new process begins
    (refused,) = restore_files([str(photo)], f"{out}/", SMALL)
    assert isinstance(refused, Failure)
    assert not parts(out)


def _own(folder: Path) -> Path:
    (own,) = (path for path in parts(folder) if f"-{os.getpid()}-" in path.name)
    return own


@pytest.mark.skipif(os.name == "nt", reason="needs the signals of Unix")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
def test_killed_at_any_moment_nothing_half_done_stays(tmp_path: Path, name: str) -> None:
    """Three moments each; ``scripts/killed.py`` takes many more."""
    rng = np.random.default_rng(1)
    (tmp_path / "in").mkdir()
    for n in range(4):
        Image.fromarray(rng.integers(0, 256, (160, 200, 3), np.uint8)).save(tmp_path / "in" / f"{n}.png")
    words = ["upscale", str(tmp_path / "in"), "-m", "fourfold-little-x4", "-j", "1", "-o", f"{tmp_path / 'out'}/"]
    rounds = random.Random(name)
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "fourfold", *words, "--overwrite"], stderr=subprocess.PIPE, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while not parts(tmp_path) and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rounds.random() * 0.3)
        number = getattr(signal, name)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert process.returncode in ((-signal.SIGKILL,) if name == "SIGKILL" else (130, 0, -signal.SIGINT, -number))
        assert b"Traceback" not in said
        if process.returncode in (130, -signal.SIGINT):
            assert not parts(tmp_path)
        for made in (tmp_path / "out").glob("*.png"):
            assert files.read(made).size == (640, 800)
    done = list(restore_files([str(tmp_path / "in" / "0.png")], f"{tmp_path / 'out'}/", SMALL, overwrite=True))
    assert not isinstance(done[0], Failure)
    atomic._swept.clear()
    atomic.sweep(tmp_path / "out")
    assert not parts(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="needs the signals of Unix")
def test_handlers_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Callable[..., object] | int | None] = []
    monkeypatch.setattr(cli, "commands", lambda: {"doctor": cli.Verb(cli.doctor)})
    monkeypatch.setattr(cli.Verb, "run", lambda *_: seen.append(signal.getsignal(signal.SIGTERM)) or 0, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    with cli._ended_like_ctrl_c():
        assert signal.getsignal(signal.SIGTERM) is cli._interrupt
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of address space is a thing of Linux")
def test_too_little_memory_is_said(photo: Path) -> None:
    words = f"ulimit -v 600000; '{sys.executable}' -m fourfold upscale '{photo}' -m fourfold-little-x4 -j 1"
    done = subprocess.run(["sh", "-c", words], capture_output=True, check=False, timeout=120)
    assert (done.returncode, b"MiB of memory" in done.stderr) == (6, True), done.stderr
