"""A real server in its own process, and real PostgreSQL where it is installed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from serve_it import Server


@pytest.fixture
def start(tmp_path):
    """Starts servers, and ends them after the test."""
    started: list[Server] = []

    def begin(*flags, folder="service", **environment) -> Server:
        started.append(Server(tmp_path / folder, flags, environment).start())
        return started[-1]

    yield begin
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for tests that leave it as it is."""
    started = Server(tmp_path_factory.mktemp("service"), ("--max-megapixels", "2", "--max-megabytes", "3")).start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def postgres():
    """URL of a private cluster, run by an unprivileged user, reachable by a socket alone."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = programs[-1] if programs else shutil.which("initdb")
    if found is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    programs = Path(found).parent
    place = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    user = "postgres" if os.getuid() == 0 else None
    if user:
        shutil.chown(place, user)

    def run(*words):
        subprocess.run([str(programs / words[0]), *words[1:]], user=user, check=True, capture_output=True, cwd=place)

    data = str(place / "data")
    run("initdb", "-D", data, "-U", "fourfold", "--auth=trust", "--no-sync", "--encoding=UTF8")
    run("pg_ctl", "-D", data, "-w", "-l", str(place / "log"), "-o", f"-k {place} -c listen_addresses='' -F", "start")
    yield f"postgresql://fourfold@/postgres?host={place}"
    run("pg_ctl", "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(place)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """A fresh database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'jobs.sqlite'}"
        return
    url = request.getfixturevalue("postgres")
    yield url.replace("postgresql://", "postgresql+psycopg://")
    import psycopg

    with psycopg.connect(url, autocommit=True) as db:
        db.execute("drop table fourfold_jobs, fourfold_events")
