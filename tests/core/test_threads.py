import os
from pathlib import Path

import pytest

from fourfold.core import threads
from fourfold.core.errors import UsageError


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOURFOLD_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def tree(root: Path, cgroup: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": cgroup, **{f"sys/fs/cgroup/{n}": t for n, t in files.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert threads.available(tmp_path) == 8


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2),
        ("0::/a/b\n", {"a/cpu.max": "600000 100000\n", "a/b/cpu.max": "500000 100000\n"}, 5),
        ("0::/host/only\n", {"cpu.max": "400000 100000\n"}, 4),
        ("0::/\n", {"cpu.max": "garbage\n"}, 8),
        ("4:cpu,cpuacct:/box\n2:memory:/\n", {"cpu,cpuacct/box/cpu.cfs_quota_us": "150000\n"}, 8),
        (
            "4:cpu,cpuacct:/box\n0::/\n",
            {"cpu,cpuacct/box/cpu.cfs_quota_us": "150000\n", "cpu,cpuacct/box/cpu.cfs_period_us": "100000\n"},
            2,
        ),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("4:cpu:/docker/x\n", {"cpu/cpu.cfs_quota_us": "600000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 6),
    ],
)
def test_quotas_bind(tmp_path: Path, cgroup: str, files: dict[str, str], expected: int) -> None:
    assert threads.available(tree(tmp_path, cgroup, files)) == expected


def test_the_person_may_ask_for_fewer_but_not_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOURFOLD_THREADS", "2")
    assert threads.available(tmp_path) == 2
    monkeypatch.setenv("FOURFOLD_THREADS", "99")
    assert threads.available(tmp_path) == 8


@pytest.mark.parametrize("asked", ["0", "-1", "many", "", "1.5"])
def test_a_wrong_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    monkeypatch.setenv("FOURFOLD_THREADS", asked)
    with pytest.raises(UsageError, match="FOURFOLD_THREADS as a whole number of at least 1"):
        threads.available(tmp_path)


def test_systems_without_affinity_count_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert threads.available(tmp_path) == 5
