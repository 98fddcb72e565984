from fourfold.core.machine import memory_available


def test_the_least_of_all_limits_counts(tmp_path, monkeypatch):
    monkeypatch.delenv("FOURFOLD_MEM_MB", raising=False)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 8000 kB\n")
    assert memory_available(tmp_path) == 8000 << 10
    cgroup = tmp_path / "sys/fs/cgroup"
    cgroup.mkdir(parents=True)
    (cgroup / "memory.max").write_text("5000000\n")
    (cgroup / "memory.current").write_text("1000000\n")
    assert memory_available(tmp_path) == 4000000
    (cgroup / "memory.stat").write_text("anon 200000\nfile 900000\ninactive_file 500000\nactive_file 300000\n")
    assert memory_available(tmp_path) == 4800000
    (cgroup / "memory.max").write_text("max\n")
    assert memory_available(tmp_path) == 8000 << 10
    monkeypatch.setenv("FOURFOLD_MEM_MB", "2")
    assert memory_available(tmp_path) == 2 << 20
