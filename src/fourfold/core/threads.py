"""How many threads this process may use: what the scheduler, the container and the person allow."""

import math
import os
from pathlib import Path, PurePosixPath

from fourfold.core.errors import UsageError


def available(root: Path = Path("/")) -> int:
    """The least of the processors this process may run on, its control groups' quota rounded up, and FOURFOLD_THREADS.

    Args:
        root: where ``proc`` and ``sys`` lie.

    Raises:
        UsageError: FOURFOLD_THREADS is set and is not a whole number of at least 1.
    """
    limits = [_processors(), *_quotas(root)]
    asked = os.environ.get("FOURFOLD_THREADS")
    if asked is not None:
        if not asked.strip().isdecimal() or int(asked) < 1:
            raise UsageError(
                f"expected FOURFOLD_THREADS as a whole number of at least 1, got {asked!r}; change or unset it"
            )
        limits.append(int(asked))
    return min(limits)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> list[int]:
    """Processors granted by each control group this process is in, version 1 or 2; empty if none sets a quota."""
    try:
        lines = (root / "proc/self/cgroup").read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mounted, read = root / "sys/fs/cgroup", _version_2
        elif "cpu" in controllers.split(","):
            mounted, read = root / "sys/fs/cgroup" / controllers, _version_1
        else:
            continue
        # A parent's quota binds too; and inside a container the path may be the host's, of which only the root is seen.
        own = PurePosixPath(path.lstrip("/"))
        found += [quota for group in (own, *own.parents) if (quota := read(mounted / group)) is not None]
    return [max(1, math.ceil(quota)) for quota in found]


def _version_2(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text("ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _version_1(group: Path) -> float | None:
    try:
        quota = int((group / "cpu.cfs_quota_us").read_text("ascii"))
        return None if quota < 0 else quota / int((group / "cpu.cfs_period_us").read_text("ascii"))
    except (OSError, ValueError, ZeroDivisionError):
        return None
