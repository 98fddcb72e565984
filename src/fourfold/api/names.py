"""Which files are photos and what their results are called: one rule for a single photo, a folder and a batch."""

from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from string import Formatter

from fourfold.core.errors import PictureError, UsageError, near
from fourfold.core.options import RestoreOptions
from fourfold.imaging.formats import FORMATS, Format, format_of, writable_like

TEMPLATE = "{stem}_{size}{ext}"
FIELDS = ("stem", "size", "ext", "input_ext", "model", "style")
_FORBIDDEN = set('/\\\0:*?"<>|')
_SUFFIXES = {suffix for row in FORMATS.values() for suffix in row.suffixes}


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture fourfold reads; hidden files are not."""
    path = PurePosixPath(name)
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


@dataclass(frozen=True)
class Names:
    """From the name of a photo to that of its result.

    Attributes:
        template: with any of ``FIELDS`` in braces: ``{stem}`` of the photo's name, ``{size}`` as ``x4``, ``w1600`` or,
            where sizes stay, what was done, as ``deblurred``; ``{ext}`` of the result with its dot (at the end if left
            out), ``{input_ext}`` of the photo without, ``{model}`` and ``{style}`` as asked for.
        options: of the run.

    Raises:
        UsageError: the template is none.
    """

    template: str
    options: RestoreOptions

    def __post_init__(self) -> None:
        try:
            parts = list(Formatter().parse(self.template))
        except ValueError as error:
            raise UsageError(f"--name {self.template!r}: {error}") from error
        for text, name, spec, conversion in parts:
            if name is not None and (name not in FIELDS or spec or conversion):
                known = ", ".join(f"{{{one}}}" for one in FIELDS)
                raise UsageError(f"--name knows {known}; got {{{name}}}.{near(name, list(FIELDS))}")
            if bad := _FORBIDDEN & set(text):
                raise UsageError(f"--name is a file's name, without {' '.join(sorted(bad))}; got {self.template!r}")
        if not any(name == "stem" for _, name, _, _ in parts):
            raise UsageError(f"--name needs {{stem}}, so that results have names of their own; got {self.template!r}")

    def relative(self, photo: str) -> str:
        """The result's name relative to the target, folders kept; the photo's suffix tells its format.

        Raises:
            PictureError: the photo's name would lead out of the target.
        """
        path = PurePosixPath(photo)
        if path.is_absolute() or ".." in path.parts or "\\" in photo:
            raise PictureError(f"{photo}: expected a name that stays inside the target; rename the photo")
        own = format_of(photo)
        kind = format_of(self.options.format) if self.options.format else writable_like(own)
        return str(path.with_name(self.result(path, own, kind)))

    def result(self, photo: PurePath, own: Format, kind: Format) -> str:
        """The result's name without folders: of a photo of format ``own``, written as ``kind``."""
        ext = photo.suffix if kind is own and photo.suffix else kind.suffixes[0]
        template = self.template if "{ext}" in self.template else self.template + "{ext}"
        return template.format(
            stem=photo.stem, size=self.options.suffix, ext=ext, input_ext=photo.suffix.removeprefix("."),
            model=_plain(self.options.model), style=getattr(self.options, "style", None) or "auto",
        )  # fmt: skip


def _plain(model: str | None) -> str:
    """A model's id, or the name of its file without folders."""
    return "auto" if model is None else PurePosixPath(model.replace("\\", "/")).stem
