"""Fixtures shared by every test folder, and the promise of CI that nothing is skipped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

import fourfold
from fourfold.catalog import load
from fourfold.catalog.card import Card

SKIPPED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPPED] = []
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell has it for jobs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped:
        item.config.stash[SKIPPED].append(f"{item.nodeid}: {report.longrepr[2]}")
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("FOURFOLD_NOTHING_SKIPPED") and session.config.stash[SKIPPED]:
        print("\nFOURFOLD_NOTHING_SKIPPED is set, but these were:", *session.config.stash[SKIPPED], sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of designs, data and reference tensors beside the project; without it these tests are skipped."""
    folder = Path(os.environ.get("FOURFOLD_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    if not (folder / "data" / "benchmark").is_dir():
        pytest.skip(f"needs the shared data folder, expected at {folder}")
    return folder


@pytest.fixture(scope="session")
def _library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small random deblurring network, imported as a person would."""
    import torch

    from fourfold.convert.importing import import_checkpoint
    from fourfold.networks.mssnet import MSSNet

    folder = tmp_path_factory.mktemp("library")
    torch.manual_seed(11)
    network = MSSNet(4, 0, 2)
    with torch.no_grad():
        network.tail3_3.weight.mul_(0.1)
    torch.save({"model_state_dict": network.state_dict()}, folder / "tiny.pt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(folder))
        import_checkpoint(folder / "tiny.pt", "imported-tiny")
    return folder / "models"


@pytest.fixture
def brought(_library: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """The card of an imported deblurring network, which is found while the test runs."""
    monkeypatch.setenv("FOURFOLD_MODEL_PATH", str(_library))
    (card,) = load.imported()
    return card


@dataclass(frozen=True)
class Sealed:
    """What a sealed run left: its exit code, output, attempts to reach the network, and files in its home folder."""

    code: int
    output: str
    attempts: str
    files: list[str]


@pytest.fixture
def sealed(tmp_path: Path) -> Callable[[str], Sealed]:
    """Runs Python source in a fresh process that can reach no network; see ``sealed/sitecustomize.py``."""
    source = Path(fourfold.__file__).parents[1]
    home, log = tmp_path / "home", tmp_path / "attempts"
    home.mkdir()
    log.touch()
    environment = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{Path(__file__).parent / 'sealed'}{os.pathsep}{source}",
        "SEALED_LOG": str(log),
    }

    def run(code: str) -> Sealed:
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        files = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())
        return Sealed(done.returncode, done.stdout + done.stderr, log.read_text(), files)

    return run


@pytest.fixture
def s3(_s3: dict[str, str]) -> dict[str, str]:
    """What it takes to reach a server process that speaks S3, and that holds nothing yet."""
    urlopen(f"{_s3['AWS_ENDPOINT_URL']}/moto-api/reset", b"").close()
    return _s3


@pytest.fixture(scope="session")
def _s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    pytest.importorskip("s3fs", reason="needs the extra batch")
    pytest.importorskip("moto.server", reason="needs the extra dev, with a server that speaks S3")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(3000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert server.poll() is None
        time.sleep(0.02)
    yield {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "one", "AWS_SECRET_ACCESS_KEY": "two",
        "AWS_DEFAULT_REGION": "us-east-1", "XDG_STATE_HOME": str(tmp_path_factory.mktemp("state")),
    }  # fmt: skip
    server.kill()
    server.wait()
