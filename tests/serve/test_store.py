"""Durable jobs, on SQLite and on PostgreSQL."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from fourfold.serve.store import _JOBS, ATTEMPTS, Full, Mismatch, Store

LEASE = 1000.0


@pytest.fixture
def store(database):
    made = Store(database, lease=LEASE, keep=3600)
    yield made
    made.close()


def add(store, name, **more):
    return store.add(name, "upscale", "photo.jpg", {"options": {"scale": 2}}, more.pop("most", 1000), **more)


def test_a_job_is_taken_in_turn_and_finished_by_who_holds_it(store):
    for name in ("a", "b"):
        job, new = add(store, name)
        assert (job.state, new, job.request) == ("queued", True, {"options": {"scale": 2}})
    assert store.take("me").id == "a"
    assert store.take("you").id == "b"
    assert store.take("me") is None
    assert not store.finish("a", "you", "succeeded")
    assert store.finish("a", "me", "succeeded", outcome={"result": "x"})
    job = store.get("a")
    assert (job.state, job.outcome, job.attempts, job.over) == ("succeeded", {"result": "x"}, 1, True)
    assert abs(job.finished - time.time()) < 5
    assert job.expires == pytest.approx(job.finished + 3600, abs=1)
    assert [event.data["state"] for event in store.events("a", 0)] == ["queued", "running", "succeeded"]


def silent(store, seconds):
    """As if nothing had been heard of any worker for so long: every lease ends so much earlier."""
    with store._engine.begin() as db:
        db.execute(update(_JOBS).values(lease=_JOBS.c.lease - seconds))


def test_a_job_of_a_silent_worker_is_taken_by_another_and_finished_once(store):
    add(store, "a")
    assert store.take("dead").id == "a"
    silent(store, LEASE / 2)
    assert store.take("heir") is None
    silent(store, LEASE)
    assert store.take("heir").attempts == 2
    assert store.renew("a", "dead") == "lost"
    store.note("a", "dead", "progress", {"done": 9, "total": 9})
    assert not store.finish("a", "dead", "succeeded", outcome={"result": "old"})
    assert store.finish("a", "heir", "succeeded", outcome={"result": "new"})
    assert store.get("a").outcome == {"result": "new"}
    assert store.progress("a") == (0, 0)


def test_a_lease_that_is_renewed_is_kept(store):
    add(store, "a")
    store.take("me")
    for _ in range(4):
        silent(store, 0.4 * LEASE)
        assert store.renew("a", "me") == "go on"
    assert store.take("you") is None


def test_a_job_that_kills_its_workers_is_given_up(store):
    add(store, "a")
    for attempt in range(ATTEMPTS):
        assert store.take("me").attempts == attempt + 1
        store.release("me")
    job = store.take("me")
    assert job.state == "failed"
    assert "died 3 times" in job.error["detail"]
    assert store.take("me") is None


def test_cancelling(store):
    for name in ("waits", "runs"):
        add(store, name)
    assert store.remove("waits") == "cancelled"
    assert store.take("me").id == "runs"
    assert store.remove("runs") == "cancelling"
    assert store.renew("runs", "me") == "cancel"
    store.finish("runs", "me", "cancelled")
    assert store.remove("runs") == "removed"
    assert store.remove("runs") == "missing"
    assert store.get("runs") is None
    assert store.events("runs", 0) == []


def test_the_same_key_is_one_job_also_at_the_same_moment(store):
    def request(number):
        return add(store, f"job{number}", key=("k", "f"))

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(request, range(16)))
    assert len({job.id for job, _ in made}) == 1
    assert sum(new for _, new in made) == 1
    with pytest.raises(Mismatch):
        add(store, "other", key=("k", "another"))


def test_a_full_queue_takes_no_more_and_says_when(store):
    with ThreadPoolExecutor(8) as threads:

        def request(number):
            try:
                add(store, f"job{number}", most=5)
            except Full as full:
                return full.seconds
            return 0

        answers = list(threads.map(request, range(20)))
    assert answers.count(0) == 5
    assert min(answer for answer in answers if answer) >= 1
    with pytest.raises(Full):
        store.refuse_if_full(5)
    store.take("me")
    store.refuse_if_full(5)


def test_many_workers_take_every_job_once(store):
    for number in range(60):
        add(store, f"job{number}")

    def worker(owner):
        done = []
        while job := store.take(owner):
            assert store.finish(job.id, owner, "succeeded")
            done.append(job.id)
        return done

    with ThreadPoolExecutor(6) as threads:
        taken = [one for done in threads.map(worker, "abcdef") for one in done]
    assert Counter(taken) == Counter(f"job{number}" for number in range(60))


def test_what_has_expired_is_forgotten(database):
    store = Store(database, lease=1, keep=-1.0)
    add(store, "a")
    add(store, "b")
    store.take("me")
    store.finish("a", "me", "succeeded")
    assert store.expire() == ["a"]
    assert store.known(["a", "b"]) == {"b"}
    store.close()
