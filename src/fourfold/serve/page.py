"""Serve the page for a phone: its own files, those of reports, the little networks, and the engine that runs them."""

import hashlib
import mimetypes
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

from fourfold.catalog import load as catalog
from fourfold.core.options import UpscaleOptions
from fourfold.engines import weights

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}
_SHARED = ("report.css", "answer.css", "report.js")


@dataclass(frozen=True)
class Asset:
    """A file of the page: where it lies, what it is, whether it is compressed, and the digest of it."""

    path: Path
    media: str
    encoding: str | None
    digest: str

    @classmethod
    def of(cls, path: Path) -> "Asset":
        """The file at a path; one that ends in ``.gz`` is sent as what it holds."""
        name = path.name.removesuffix(".gz")
        media = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return cls(path, media, "gzip" if path.suffix == ".gz" else None, digest)


def assets() -> dict[str, Asset]:
    """Every file of the page by its address."""
    folder = Path(str(files("fourfold.serve") / "web"))
    found = {str(path.relative_to(folder).as_posix()): path for path in folder.rglob("*") if path.is_file()}
    found |= {name: Path(str(files("fourfold.pages") / name)) for name in _SHARED}
    task = UpscaleOptions.catalog_task
    little = [card for card in catalog.all_cards() if (card.task, card.tier) == (task, "little")]
    found |= {f"networks/{card.style}.onnx": weights.locate(card, "onnx") for card in little}
    return {address.removesuffix(".gz"): Asset.of(path) for address, path in found.items()}


def install(app: FastAPI) -> None:
    """Serve the page at the root of an application; to be called after its other routes are there."""
    known = assets()
    listed = {address: found.digest for address, found in known.items()}
    known[""] = known["index.html"]

    @app.get("/assets.json", include_in_schema=False)
    async def list_assets() -> dict[str, str]:
        return listed

    @app.api_route("/{address:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def asset(request: Request, address: str) -> Response:
        found = known.get(address)
        if found is None:
            raise HTTPException(404)
        headers = {"ETag": f'"{found.digest}"', "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        if found.encoding:
            headers["Content-Encoding"] = found.encoding
        return FileResponse(found.path, headers=headers, media_type=found.media)
