"""Which processor this is, and how much memory this process may use; threads are counted in ``core.threads``."""

import hashlib
import os
import platform
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from fourfold.core.errors import NotEnough

_RESERVED = 256 << 20
"""Addresses that engines and threads take beyond the memory behind them; they count where addresses are limited."""


@cache
def processor(root: Path = Path("/")) -> str:
    """An identifier of this processor: its name and, where the system lists its instructions, a checksum of them.

    Args:
        root: where ``proc`` is mounted.
    """
    try:
        lines = (root / "proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        found = dict(reversed([line.split(":", 1) for line in lines if ":" in line]))
        facts = {name.strip(): value.strip() for name, value in found.items()}
        instructions = hashlib.sha256(facts["flags"].encode()).hexdigest()[:8]
        return " ".join([facts["model name"], facts["cpu family"], facts["model"], instructions])
    except (OSError, KeyError):
        return f"{platform.processor()} {platform.machine()}"


def memory_available(root: Path = Path("/")) -> int:
    """Bytes this process can still take: the least of free memory, limits and ``FOURFOLD_MEM_MB``.

    Args:
        root: where ``proc`` and ``sys`` are mounted.
    """
    found = [_free(root), _container(root), _address_space(root)]
    wanted = os.environ.get("FOURFOLD_MEM_MB", "")
    if wanted.isdecimal():
        found.append(int(wanted) << 20)
    return min(value for value in found if value is not None)


def require_memory(needed: int, what: str, advice: str) -> None:
    """Make sure that so many bytes of memory are free.

    Raises:
        NotEnough: they are not; the message holds both figures and the advice.
    """
    available = memory_available()
    if needed > available:
        raise NotEnough(
            f"{what} needs about {needed >> 20} MiB of memory, {available >> 20} MiB are free; "
            f"close other programs, {advice}"
        )


def peak_memory_mb() -> int:
    """The most memory this process has held so far; 0 where the system does not report it."""
    with suppress(OSError, StopIteration):  # what a process inherits from the one that started it does not count here
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) >> 10
    try:
        import resource  # not on Windows
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _free(root: Path) -> int:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 4 << 30  # the system reports nothing: assume an ordinary small computer


def _container(root: Path) -> int | None:
    for folder, limit, used, prefix in (
        ("sys/fs/cgroup", "memory.max", "memory.current", ""),
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    ):
        try:
            granted, taken = (int((root / folder / name).read_text()) for name in (limit, used))
            return max(0, granted - taken + _cached(root / folder / "memory.stat", prefix))
        except (OSError, ValueError):
            continue
    return None


def _address_space(root: Path) -> int | None:
    """What is left of this process's own limit (``ulimit -v``), None if it has none."""
    try:
        import resource  # not on Windows

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        pages = int((root / "proc/self/statm").read_text().split()[0])
        left = limit - pages * resource.getpagesize() - _RESERVED
        return None if limit == resource.RLIM_INFINITY else max(0, left)
    except (ImportError, OSError, ValueError):
        return None


def _cached(path: Path, prefix: str) -> int:
    """Bytes of files that are only kept in memory for the time being; they count as taken, but give way."""
    try:
        found = dict(line.split() for line in path.read_text().splitlines())
    except OSError:
        return 0
    return sum(int(found.get(f"{prefix}{kind}_file", 0)) for kind in ("active", "inactive"))
