"""Save benchmark results: one JSON file per machine and day, with a description of the machine."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fourfold.core.atomic import write_text
from fourfold.core.environment import Environment
from fourfold.core.errors import UsageError


def save(section: str, report: Any, where: Environment, folder: Path) -> Path:
    """Write one section of ``<date>-<cpu>.json``, whole or not at all, leaving the other section as it is.

    Args:
        section: replaced if that machine has one of that day already.
        report: a dataclass of plain values.
        where: the machine, which also names the file.
        folder: made if it does not exist.

    Raises:
        UsageError: the file is there but does not hold results. OSError: the folder cannot be written to.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", re.sub(r"\((r|tm)\)", "", where.cpu.lower())).strip("-")
    path = folder / f"{where.date[:10]}-{slug}.json"
    sections = _sections(path) | {section: {"environment": asdict(where), **asdict(report)}}
    write_text(path, json.dumps(sections, indent=1, ensure_ascii=False, allow_nan=False, sort_keys=True) + "\n")
    return path


def _sections(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UsageError(f"{path}: expected results of an earlier measurement as JSON; move the file away")
    return found
