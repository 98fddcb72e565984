"""Fixtures shared by every test folder, and the promise of CI that nothing is skipped."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import fourfold
from fourfold.catalog import load
from fourfold.catalog.card import Card

SKIPPED = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPPED] = []


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

    from fourfold.networks.mssnet import MSSNet
    from fourfold.runtimes.importing import import_checkpoint

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
