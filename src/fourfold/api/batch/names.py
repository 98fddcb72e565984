"""Names of results: a template, so that what is left to do can be told from lists of names alone."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Formatter

from fourfold.core.errors import PictureError, UsageError, near
from fourfold.core.options import UpscaleOptions
from fourfold.imaging.formats import format_of, writable_like

TEMPLATE = "{stem}_{size}{ext}"
FIELDS = ("stem", "size", "ext", "input_ext", "model", "style")
_FORBIDDEN = set('/\\\0:*?"<>|')


@dataclass(frozen=True)
class Names:
    """From the name of a photo to that of its result, folders kept.

    Attributes:
        template: with any of ``FIELDS`` in braces: ``{stem}`` of the photo's name, ``{size}`` as ``x4`` or ``w1600``,
            ``{ext}`` of the result with its dot (at the end if left out), ``{input_ext}`` of the photo without,
            ``{model}`` and ``{style}`` as asked for.
        options: of the batch; with format ``auto`` a name's suffix decides.

    Raises:
        UsageError: the template is none.
    """

    template: str
    options: UpscaleOptions

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

    def result(self, photo: str) -> str:
        """The result's name relative to the target.

        Raises:
            PictureError: the photo's name would lead out of the target.
        """
        path = PurePosixPath(photo)
        if path.is_absolute() or ".." in path.parts or "\\" in photo:
            raise PictureError(f"{photo}: expected a name that stays inside the target; rename the photo")
        kind = format_of(self.options.format) if self.options.format else writable_like(format_of(photo))
        same = self.options.format is None and kind is format_of(photo)
        ext = path.suffix if same else kind.suffixes[0]
        template = self.template if "{ext}" in self.template else self.template + "{ext}"
        name = template.format(
            stem=path.stem, size=self._size(), ext=ext, input_ext=path.suffix.removeprefix("."),
            model=_plain(self.options.model), style=self.options.style or "auto",
        )  # fmt: skip
        return str(path.with_name(name))

    def _size(self) -> str:
        width, height = self.options.width, self.options.height
        if width and height:
            return f"{width}x{height}"
        return f"w{width}" if width else f"h{height}" if height else f"x{self.options.scale:.3g}"


def _plain(model: str | None) -> str:
    """A model's id, or the name of its file without folders."""
    return "auto" if model is None else PurePosixPath(model.replace("\\", "/")).stem
