"""Forms with a photo: read and checked, and described by an OpenAPI schema."""

import hashlib
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from fourfold.catalog import load as catalog
from fourfold.core.errors import PictureError, UsageError, near
from fourfold.core.options import TASKS
from fourfold.core.params import Param, Parameter, checked, parameters
from fourfold.imaging import files
from fourfold.imaging.formats import FORMATS
from fourfold.serve.limits import ServeOptions
from fourfold.serve.problems import Problem

_ROOM = 256 << 20
"""Bytes that are left free on the disk."""

_LONGEST = 100
"""Letters of a photo's name that are kept."""


@dataclass(frozen=True)
class Form:
    """A form as it was sent.

    Attributes:
        fields: texts by name; a text that came as a file is one of them.
        given: ``set`` as often as it came.
        photo: the upload, None if there is none.
    """

    fields: Mapping[str, str]
    given: tuple[str, ...]
    photo: UploadFile | None

    def options(self, task: str = "") -> tuple[str, dict[str, Any]]:
        """The task, a field itself unless it is given, and its options among the fields, checked.

        Raises:
            UsageError: a field is none, or its value is not allowed. ModelError: the catalog has no such network.
        """
        given = dict(self.fields)
        kind = TASKS[task or str(_task().parse(given.pop("task", "upscale")))]
        known = _fields(kind)
        values = {name: _known(known, name).parse(text) for name, text in given.items()}
        checked(kind, values)
        if values.get("model") is not None:
            catalog.card(str(values["model"]), kind.catalog_task)  # never a file, which the command line takes as well
        return kind.task, values

    def settings(self) -> dict[str, str]:
        """``set`` as names and values; raises ``UsageError`` for one without an equals sign."""
        pairs = [one.partition("=") for one in self.given]
        if any(not middle for _, middle, _ in pairs):
            raise UsageError("expected set as NAME=VALUE, for example scale=2")
        return {name: value for name, _, value in pairs}


def _task() -> Parameter:
    return Parameter("task", str, tuple(TASKS), "upscale", Param("What is to be done to the photo."))


def _fields(kind: type) -> dict[str, Parameter]:
    """What a job may be asked for: as it makes one picture, of ``pages`` only one."""
    return {name: replace(one, param=replace(one.param, words=())) for name, one in parameters(kind).items()}


def _known(known: Mapping[str, Parameter], name: str) -> Parameter:
    if name not in known:
        near_miss = near(name, [*known])
        raise UsageError(f"unknown field {name[:40]!r}; expected photo or one of {', '.join(known)}.{near_miss}")
    return known[name]


async def read(request: Request, texts: Iterable[str] = ()) -> Form:
    """The form of a request; fields named in ``texts`` may come as files, too.

    Raises:
        Problem: it is no form, or has other files or several photos.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Problem(415, "form", "expected a form as multipart/form-data with the photo in the field photo")
    form = await request.form(max_files=3, max_fields=100)
    fields: dict[str, str] = {}
    given: list[str] = []
    photo = None
    for name, value in form.multi_items():
        if isinstance(value, str):
            given += [value] if name == "set" else []
            fields |= {} if name == "set" else {name: value}
        elif name in texts:
            fields[name] = (await value.read(1 << 20)).decode("utf-8", "replace")
        elif name == "photo" and photo is None:
            photo = value
        else:
            raise Problem(422, "parameter", f"expected one file in the field photo, got one in {name[:40]!r}")
    if "\0" in "".join([*fields, *fields.values(), *given]):
        raise Problem(422, "parameter", "expected text, got a field with a zero byte in it")
    return Form(fields, tuple(given), photo)


@dataclass(frozen=True)
class Kept:
    """A photo on disk: the job it will be of, its SHA-256, and what its person calls it."""

    job: str
    digest: str
    name: str


async def keep(photo: UploadFile | None, options: ServeOptions) -> Kept:
    """Put an upload into the folder of a new job; without one, only the folder is made.

    Raises:
        Problem: it is no picture, or too large, or the disk is full.
    """
    return await run_in_threadpool(_keep, photo, options)


def _keep(photo: UploadFile | None, options: ServeOptions) -> Kept:
    job = secrets.token_hex(16)
    folder = options.place / "jobs" / job
    if shutil.disk_usage(options.place).free < _ROOM:
        raise Problem(507, "not-enough", "the server's disk is full; try again later")
    folder.mkdir(parents=True)
    if photo is None:
        return Kept(job, "", "")
    try:
        part = folder / "upload"
        with part.open("wb") as stream:
            shutil.copyfileobj(photo.file, stream, 1 << 20)
        part.rename(folder / f"photo{_suffix(part, options)}")
        with next(folder.glob("photo.*")).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except BaseException:
        discard(job, options)
        raise
    return Kept(job, digest, _named(photo.filename or ""))


def _suffix(path: Path, options: ServeOptions) -> str:
    """What the file's name is to end in, by what it is; nothing is decoded."""
    try:
        header = files.probe(path)
    except PictureError as error:
        raise Problem(415, "not-a-picture", str(error).replace(str(path), "the photo")) from error
    if header.height * header.width > options.max_pixels:
        raise Problem(
            413, "too-many-pixels", f"expected at most {options.max_megapixels:g} megapixels, got {header.width}×"
            f"{header.height} ({header.height * header.width / 1e6:.1f}); make the photo smaller first",
        )  # fmt: skip
    return FORMATS[header.format].suffixes[0]


def _named(name: str) -> str:
    """The last part of a name that a browser sent, as far as it can be shown; it is never used as a path."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in last if letter.isprintable()).strip(". ")
    return shown[-_LONGEST:] or "photo"


def discard(job: str, options: ServeOptions) -> None:
    """Remove everything of a job from the disk."""
    shutil.rmtree(options.place / "jobs" / job, ignore_errors=True)


def schema(*, photo: bool, required: bool, texts: Mapping[str, str], options: Sequence[type] = ()) -> dict[str, Any]:
    """The request body of a route in words of OpenAPI, made from the described parameters.

    Args:
        photo: whether it takes one; required: whether it must have one; texts: other fields and what they are.
        options: whose fields it takes, and of several the task; of fields of one name, the first is described.
    """
    fields: dict[str, Any] = {}
    if photo:
        about = "JPEG, PNG, WebP, TIFF, AVIF, HEIC, BMP or GIF."
        fields["photo"] = {"type": "string", "contentMediaType": "application/octet-stream", "description": about}
    if len(options) > 1:
        fields["task"] = _task().schema()
    for kind in options:
        fields |= {name: one.schema() for name, one in _fields(kind).items() if name not in fields}
    fields |= {name: {"type": "string", "description": about} for name, about in texts.items()}
    if "set" in fields:
        fields["set"] = {"type": "array", "items": fields["set"], "description": fields["set"]["description"]}
    form: dict[str, Any] = {"type": "object", "properties": fields, "additionalProperties": False}
    if required:
        form["required"] = ["photo"]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}
