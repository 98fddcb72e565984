import json
import stat
from dataclasses import dataclass

import pytest

from fourfold.bench import MEASURED
from fourfold.bench.benchmarks import BENCHMARKS
from fourfold.bench.results import save
from fourfold.core.environment import Environment, environment
from fourfold.core.errors import UsageError

WHERE = Environment(
    cpu="Example(R) Core(TM) 7 @ 2.0GHz",
    instructions=("avx2",),
    cores=4,
    threads=8,
    memory_gib=15.6,
    system="Example OS",
    python="CPython 3.11.0",
    engines={"numpy": "2.0"},
    date="2026-03-04T05:06:07+00:00",
)

CPUINFO = """\
processor\t: 0
model name\t: Example  9000
physical id\t: 0
siblings\t: 4
core id\t\t: 0
flags\t\t: fpu avx2 avx512f

processor\t: 1
model name\t: Example  9000
physical id\t: 0
siblings\t: 4
core id\t\t: 0
flags\t\t: fpu avx2 avx512f

processor\t: 2
model name\t: Example  9000
physical id\t: 0
siblings\t: 4
core id\t\t: 1
flags\t\t: fpu avx2 avx512f

"""


@dataclass
class Figures:
    figure: float


def test_the_file_is_named_by_day_and_processor_and_keeps_the_other_section(tmp_path):
    folder = tmp_path / "bench" / "results"
    path = save("quality", Figures(1.5), WHERE, folder)
    assert path == folder / "2026-03-04-example-core-7-2-0ghz.json"
    save("speed", Figures(2.5), WHERE, folder)
    save("speed", Figures(3.5), WHERE, folder)
    found = json.loads(path.read_text("utf-8"))
    assert {name: section["figure"] for name, section in found.items()} == {"quality": 1.5, "speed": 3.5}
    assert found["speed"]["environment"]["engines"] == {"numpy": "2.0"}
    assert [one.name for one in folder.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444


def test_what_cannot_be_written_leaves_the_old_file_and_no_scraps(tmp_path):
    path = save("speed", Figures(1), WHERE, tmp_path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        save("speed", Figures(float("nan")), WHERE, tmp_path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", ["not json", "[1]"])
def test_a_file_of_something_else_is_not_overwritten(tmp_path, content):
    path = save("speed", Figures(1), WHERE, tmp_path)
    path.write_text(content)
    with pytest.raises(UsageError, match=path.name):
        save("quality", Figures(1), WHERE, tmp_path)
    assert path.read_text() == content


def test_the_processor_is_read_from_the_list_of_processors(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(CPUINFO)
    where = environment(tmp_path)
    assert (where.cpu, where.cores, where.instructions) == ("Example  9000", 2, ("avx2", "avx512f"))


def test_this_machine_is_described_even_without_such_a_list(tmp_path):
    where = environment(tmp_path)
    assert where.cpu
    assert where.cores is None
    assert where.threads >= 1
    assert where.engines["numpy"]


def test_every_benchmark_that_is_named_is_there():
    assert BENCHMARKS.keys() == MEASURED.keys()
