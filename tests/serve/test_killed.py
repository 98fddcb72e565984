"""A worker or a server killed in the middle of a job: the job is finished all the same, once."""

import asyncio
import io
import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from PIL import Image

from fourfold.serve import service
from fourfold.serve.limits import ServeOptions
from serve_it import jpeg

LEASE = ("--lease-seconds", "3")
PHOTO = jpeg(440, 360)
SLOW = {"route": "big", "tile": "64", "format": "png"}


def finished_once(server, job):
    """The job succeeded, its result is whole, and no event says that it ended twice."""
    done = server.over(job)
    assert done["state"] == "succeeded", done
    with Image.open(io.BytesIO(server.ask("GET", done["links"]["result"]).content)) as picture:
        picture.load()
        assert picture.size == (1760, 1440)
    told = server.ask("GET", f"/v1/jobs/{job}/events").text
    assert told.count('"succeeded"') == 1
    return done


def in_the_middle(server, job):
    assert server.until(job, lambda job: job["done"] >= 1)["state"] == "running"


def test_a_worker_is_killed(start):
    server = start(*LEASE)
    job = server.create(PHOTO, **SLOW).json()["id"]
    in_the_middle(server, job)
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    assert finished_once(server, job)["attempts"] == 2


def test_the_server_is_killed_and_started_again(start):
    server = start(*LEASE)
    jobs = [server.create(PHOTO, **SLOW).json()["id"], server.create(PHOTO, **SLOW).json()["id"]]
    in_the_middle(server, jobs[0])
    server.kill()
    again = start(*LEASE)
    assert finished_once(again, jobs[0])["attempts"] == 2
    assert finished_once(again, jobs[1])["attempts"] == 1


def test_one_of_two_servers_is_killed_and_the_other_takes_over(start, postgres):
    flags = (*LEASE, "--database", postgres)
    first, second = start(*flags), start(*flags)
    jobs = [first.create(PHOTO, **SLOW).json()["id"] for _ in range(3)]
    deadline = time.monotonic() + 180
    while sum(second.job(job)["state"] == "running" for job in jobs) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.kill()
    done = [finished_once(second, job) for job in jobs]
    assert sum(job["attempts"] for job in done) == 4
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute("drop table fourfold_jobs, fourfold_events")


def test_many_uploads_at_once_are_all_done_while_the_service_answers(start):
    server = start()
    server.over(server.create(jpeg()).json()["id"])
    before = server.memory_mb()
    photos = [jpeg(24, 20, seed) for seed in range(200)]
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(lambda photo: server.create(photo, route="little"), photos))
        assert [answer.status_code for answer in answers] == [202] * 200
        assert server.ask("GET", "/v1/health").status_code == 200
    jobs = [answer.json()["id"] for answer in answers]
    assert len(set(jobs)) == 200
    server.over(jobs[-1])
    assert [server.over(job)["state"] for job in jobs] == ["succeeded"] * 200
    assert server.memory_mb() - before < 150


@contextmanager
def unusable(folder):
    """The database of a service fails whoever asks it for jobs."""

    def renamed(old, new):
        with closing(sqlite3.connect(folder / "jobs.sqlite")) as db, db:
            db.execute(f"alter table {old} rename to {new}")

    renamed("fourfold_jobs", "away")
    yield
    renamed("away", "fourfold_jobs")


def until(holds):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_workers_outlive_a_database_that_fails_and_are_replaced_while_it_does(start):
    server = start()
    server.over(server.create(jpeg()).json()["id"])  # so that the worker is up
    (worker,) = server.workers()
    with unusable(server.folder):
        time.sleep(2.5)  # it asks for a job every second
        assert server.workers() == [worker]
        os.kill(worker, signal.SIGKILL)
        until(lambda: server.ask("GET", "/v1/health").status_code == 503)
        assert server.ask("GET", "/v1/health").json()["status"] == "no worker"
        until(lambda: server.workers() not in ([worker], []))
    assert server.over(server.create(jpeg()).json()["id"])["state"] == "succeeded"
    assert server.ask("GET", "/v1/health").json()["status"] == "ready"


def test_a_job_during_which_the_database_fails_is_begun_again(start):
    server = start(*LEASE)
    job = server.create(PHOTO, **SLOW).json()["id"]
    in_the_middle(server, job)
    (worker,) = server.workers()
    with unusable(server.folder):
        time.sleep(1.5)
    assert finished_once(server, job)["attempts"] == 2
    assert server.workers() == [worker]


def test_cleaning_outlives_a_database_that_fails_and_a_folder_that_others_remove(tmp_path, monkeypatch):
    monkeypatch.setattr(service, "_JANITOR", 0.05)
    monkeypatch.setattr(service, "Pool", lambda _options, _store: None)
    old = tmp_path / "jobs" / "old"
    old.mkdir(parents=True)
    os.utime(old, (0, 0))
    (tmp_path / "jobs" / "removed").symlink_to("nowhere")  # listed, and gone when it is looked at
    cleaned = service.Service(ServeOptions(folder=tmp_path))

    async def cleaning():
        tidying = asyncio.create_task(cleaned.keep_tidy())
        with unusable(tmp_path):
            await asyncio.sleep(0.3)
            assert old.exists()
        for _ in range(200):
            await asyncio.sleep(0.05 if old.exists() else 0)
        tidying.cancel()

    asyncio.run(cleaning())
    cleaned.store.close()
    assert not old.exists()
