"""The workflows that come with fourfold, by name: their text, and which of them suits a photo."""

import re
from functools import cache
from pathlib import Path, PurePath

from fourfold.core.errors import UsageError, near

_PRESETS = Path(__file__).parent / "presets"


def presets() -> tuple[str, ...]:
    """Names of the workflows that come with fourfold."""
    return tuple(sorted(PurePath(one.name).stem for one in _PRESETS.iterdir() if one.name.endswith(".yaml")))


@cache
def suited(task: str, condition: str) -> str:
    """Name of the preset that carries out a task on photos in a condition, empty if none is for that one.

    Every photo asks this, so only the two lines of each preset that say it are looked for, and no YAML is read.
    """
    for name in presets():
        head = dict(re.findall(r"^(answers|suits): *(\S+) *$", text_of(name), re.MULTILINE))
        if head == {"answers": task, "suits": condition}:
            return name
    return ""


def text_of(name: str) -> str:
    """The text of a workflow file, or of the preset of that name.

    Raises:
        UsageError: there is neither; the message offers the closest preset.
    """
    if PurePath(name).suffix in (".yaml", ".yml"):
        try:
            return Path(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{name}: expected a workflow file to read: {error}") from error
    known = presets()
    if name not in known:
        listed = ", ".join(known)
        raise UsageError(
            f"there is no workflow {name!r}; expected a .yaml file or one of {listed}.{near(name, [*known])}"
        )
    return (_PRESETS / f"{name}.yaml").read_text("utf-8")
