"""Which files are photos, and how results are named: the same rules for one photo, a folder and a batch."""

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from string import Formatter

from fourfold.core.errors import PictureError, UsageError, near
from fourfold.core.options import TASKS, RestoreOptions
from fourfold.imaging.formats import FORMATS, RAW_SUFFIXES, Format, format_of, writable_like

TEMPLATE = "{stem}_{size}{ext}"
FIELDS = ("stem", "size", "ext", "input_ext", "model", "style")
_FORBIDDEN = set('/\\\0:*?"<>|')
_SUFFIXES = {suffix for row in FORMATS.values() for suffix in row.suffixes}
_BESIDE = {"@eaDir", ".@__thumb", "__MACOSX", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
SHORTENED = "The name of the result, {}, holds only a part of the photo's, which is too long."
_LONGEST = 255
"""Bytes of a file's name on nearly every file system."""


def is_picture(name: str) -> bool:
    """Whether a file's name, with folders or without, is that of a picture fourfold reads.

    Hidden files do not count, nor what file servers and systems keep for themselves: thumbnails, recycle bins.
    """
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part in _BESIDE for part in path.parts if part not in (".", ".."))
    return path.suffix.lower() in _SUFFIXES and not hidden


@dataclass(frozen=True)
class Listing:
    """What is in a folder: names of photos, in order, and how many results of earlier runs and camera raws beside."""

    photos: tuple[str, ...]
    results: int
    raws: int

    @property
    def note(self) -> str:
        """What was passed over, empty if nothing was."""
        parts = [f"{self.results} results of earlier runs"] if self.results else []
        parts += [f"{self.raws} camera raws, which have to be developed first"] if self.raws else []
        return f"passed over {' and '.join(parts)}" if parts else ""


def listing(names: Iterable[str]) -> Listing:
    """Which of the names of a folder's files, with folders or without, are those of photos.

    What is named like the result of a photo that is there, too, is its result.
    """
    every = sorted(names)
    pictures = [name for name in every if is_picture(name)]
    stems = {str(PurePosixPath(name).with_suffix("")) for name in pictures}
    results = {name for name in pictures if (made := _origin(name)) and made in stems}
    raws = sum(PurePosixPath(name).suffix.lower() in RAW_SUFFIXES and is_picture(f"{name}.png") for name in every)
    return Listing(tuple(name for name in pictures if name not in results), len(results), raws)


def _origin(name: str) -> str:
    """The name without suffix of the photo that a result is named after, empty if it is not named like a result."""
    path, done = PurePosixPath(name), "|".join(one.done for one in TASKS.values())
    found = re.fullmatch(rf"(.+?)(?:_p\d+)?_(?:x\d+(?:\.\d+)?|[wh]\d+|\d+x\d+|{done})", path.stem)
    return str(path.with_name(found[1])) if found else ""


def shortened(stem: str, room: int) -> str:
    """The start of a name as far as it fits into so many bytes, with a checksum of the whole; itself if it fits."""
    if len(os.fsencode(stem)) <= room:
        return stem
    mark = "~" + hashlib.sha256(os.fsencode(stem)).hexdigest()[:6]
    return os.fsencode(stem)[: room - len(mark)].decode(errors="ignore") + mark


def was_shortened(photo: PurePath, name: str) -> bool:
    """Whether the name of a result holds only a part of its photo's, because it would be too long."""
    return photo.stem not in name


@dataclass(frozen=True)
class Names:
    """From the name of a photo to that of its result.

    Attributes:
        template: with any of ``FIELDS`` in braces: ``{stem}`` of the photo's name, ``{size}`` as ``x4``, ``w1600`` or,
            where sizes stay, what was done, as ``deblurred``; ``{ext}`` of the result with its dot (at the end if left
            out), ``{input_ext}`` of the photo without, ``{model}`` and ``{style}`` as asked for.
        options: of the run.

    Raises:
        UsageError: the template is not valid.
    """

    template: str
    options: RestoreOptions

    def __post_init__(self) -> None:
        try:
            parts = list(Formatter().parse(self.template))
        except ValueError as error:
            raise UsageError(f"--name {self.template!r} is no template: {error}. Give one as {TEMPLATE}") from error
        for text, name, spec, conversion in parts:
            if name is not None and (name not in FIELDS or spec or conversion):
                known = ", ".join(f"{{{one}}}" for one in FIELDS)
                raise UsageError(f"--name knows {known}; got {{{name}}}.{near(name, list(FIELDS))}")
            if bad := _FORBIDDEN & set(text):
                raise UsageError(
                    f"expected --name as a file's name, without {' '.join(sorted(bad))}; got {self.template!r}"
                )
        if not any(name == "stem" for _, name, _, _ in parts):
            raise UsageError(f"--name needs {{stem}}, so that results have names of their own; got {self.template!r}")

    def relative(self, photo: str, page: int | None = None) -> str:
        """The result's name relative to the target, folders kept; the photo's suffix gives its format.

        ``page`` as for ``result``.

        Raises:
            PictureError: the photo's name would lead out of the target.
        """
        path = PurePosixPath(photo)
        if path.is_absolute() or ".." in path.parts or "\\" in photo:
            raise PictureError(f"{photo}: expected a name that stays inside the target; rename the photo")
        own = format_of(photo)
        kind = format_of(self.options.format) if self.options.format else writable_like(own)
        return str(path.with_name(self.result(path, own, kind, page)))

    def result(self, photo: PurePath, own: Format, kind: Format, page: int | None = None) -> str:
        """The result's name without folders: of a photo of format ``own``, written as ``kind``; of a page that was
        asked for, ``{stem}`` ends in its number.

        Of a name of more than 255 bytes the photo's part is shortened, and ends in a checksum of the whole.
        """
        ext = photo.suffix if kind is own and photo.suffix.lower() in kind.suffixes else kind.suffixes[0]
        number = "" if page is None else f"_p{page}"
        rest = len(os.fsencode(self._filled(number, photo, ext)))
        return self._filled(shortened(photo.stem, _LONGEST - rest) + number, photo, ext)

    def _filled(self, stem: str, photo: PurePath, ext: str) -> str:
        template = self.template if "{ext}" in self.template else self.template + "{ext}"
        return template.format(
            stem=stem, size=self.options.suffix, ext=ext, input_ext=photo.suffix.removeprefix("."),
            model=_plain(self.options.model), style=getattr(self.options, "style", None) or "auto",
        )  # fmt: skip


def _plain(model: str | None) -> str:
    """A model's id, or the name of its file without folders."""
    return "auto" if model is None else PurePosixPath(model.replace("\\", "/")).stem
