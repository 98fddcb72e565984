"""The machine that a measurement was made on: processor, memory, system and the versions of the engines."""

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

from fourfold.core.threads import available

ENGINES = ("fourfold", "numpy", "pillow", "onnxruntime", "openvino", "ncnn", "opencv-contrib-python-headless", "torch")
"""Distributions whose versions are recorded where they are installed."""

INSTRUCTIONS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16", "i8mm")
"""Processor features that change which arithmetic an engine chooses, by their names in Linux's list of processors."""


@dataclass(frozen=True)
class Environment:
    """What a measurement was made on.

    Attributes:
        cpu: model name; instructions: those of ``INSTRUCTIONS`` it has, empty if unknown.
        cores: physical ones, None if unknown; threads: that this process may use.
        memory_gib: of the machine, None if unknown.
        system, python: names and versions; engines: version of every distribution of ``ENGINES`` that is installed.
        date: UTC, ISO 8601.
    """

    cpu: str
    instructions: tuple[str, ...]
    cores: int | None
    threads: int
    memory_gib: float | None
    system: str
    python: str
    engines: Mapping[str, str]
    date: str


def environment(root: Path = Path("/")) -> Environment:
    """Describe this machine; ``root`` is where ``proc`` lies."""
    cpuinfo = _cpuinfo(root)
    models = re.findall(r"^model name\s*:\s*(\S.*)$", cpuinfo, re.MULTILINE)
    flags = set(" ".join(re.findall(r"^(?:flags|Features)\s*:\s*(.*)$", cpuinfo, re.MULTILINE)).split())
    cores = set(re.findall(r"^physical id\s*:\s*(\d+)\n(?:.+\n)*?core id\s*:\s*(\d+)$", cpuinfo, re.MULTILINE))
    return Environment(
        cpu=models[0].strip() if models else platform.processor() or platform.machine() or "unknown processor",
        instructions=tuple(name for name in INSTRUCTIONS if name in flags),
        cores=len(cores) or None,
        threads=available(root),
        memory_gib=_memory_gib(),
        system=f"{_system()}, {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        engines={name: version for name in ENGINES if (version := _version(name))},
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _cpuinfo(root: Path) -> str:
    try:
        return (root / "proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return ""


@cache
def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None
