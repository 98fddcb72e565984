"""The engine for browsers gets into a wheel only as the very files that were expected, and never in silence."""

import importlib.util
import io
import os
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def hatch_build(monkeypatch):
    monkeypatch.setitem(sys.modules, "hatchling.builders.hooks.plugin.interface", None)  # as a script finds it
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Puts an npm on the path that answers ``pack`` as told."""

    def of(script: str) -> None:
        program = tmp_path / "bin" / "npm"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    return of


@pytest.fixture
def hook(hatch_build, tmp_path):
    """The hook as hatchling would call it, with what it warned of."""
    made = object.__new__(hatch_build.CustomBuildHook)
    warnings: list[str] = []

    class App:
        display_warning = staticmethod(warnings.append)

    made.__dict__ |= {"root": str(tmp_path), "app": App()}
    return made, warnings


def test_without_the_registry_the_wheel_is_made_and_says_what_it_lacks(hook, npm, monkeypatch):
    npm("exit 1")
    monkeypatch.delenv("FOURFOLD_WEB", raising=False)
    built, warnings = hook
    data = {"force_include": {}}
    built.initialize("standard", data)
    assert data == {"force_include": {}}
    assert "not work on a phone alone" in warnings[0]


def test_where_it_is_required_the_build_fails_without_it(hatch_build, hook, npm, monkeypatch):
    npm("exit 1")
    monkeypatch.setenv("FOURFOLD_WEB", "require")
    with pytest.raises(hatch_build.Missing, match="npm could not fetch"):
        hook[0].initialize("standard", {"force_include": {}})


def test_another_file_than_the_expected_one_is_refused(hatch_build, npm, tmp_path):
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:
        for name in hatch_build.FILES:
            info = tarfile.TarInfo(f"package/dist/{name}")
            info.size = 4
            archive.addfile(info, io.BytesIO(b"evil"))
    npm(f"cp {tmp_path}/other.tgz .")
    with pytest.raises(hatch_build.Missing, match="not the file that was expected"):
        hatch_build.fetch(tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()


def test_an_editable_install_fetches_nothing(hook, npm):
    npm("touch called; exit 1")
    built, warnings = hook
    built.initialize("editable", {"force_include": {}})
    assert warnings == []
