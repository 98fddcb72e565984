"""Durable jobs: two tables on SQLite or PostgreSQL, shared by any number of workers on any number of machines.

A worker takes a job on lease and renews the lease while it works; a job whose lease ran out is taken by another. Only
who holds the lease can finish a job, so however often it was begun, it is finished once. Photos and results pass by
reference: the tables hold names of files, never pictures. Times are the database's own, in seconds since 1970.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    and_,
    case,
    create_engine,
    delete,
    event,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)  # fmt: skip
from sqlalchemy.exc import IntegrityError

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Kind = str
OVER = ("succeeded", "failed", "cancelled")
ATTEMPTS = 3
"""Times a job is begun before it is given up: one that kills its worker must not kill every worker after it."""

_TABLES = MetaData()
_JOBS = Table(
    "fourfold_jobs",
    _TABLES,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    Column("expires", Float),
    Column("idempotency", String(64), unique=True),
    Column("fingerprint", String(64)),
    Column("owner", String(32)),
    Column("lease", Float),
    Column("attempts", Integer, nullable=False, default=0),
    Column("cancelling", Boolean, nullable=False, default=False),
    Column("error", Text),
    Column("outcome", Text),
    Index("fourfold_jobs_waiting", "state", "created"),
)
_EVENTS = Table(
    "fourfold_events",
    _TABLES,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("job", String(32), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("data", Text, nullable=False),
)
_RECENT = 20


@dataclass(frozen=True)
class Job:
    """A job as it stands.

    Attributes:
        id: unguessable; kind: what is done; name: of the photo as its person calls it; request: what to do.
        created, started, finished, expires: seconds since 1970; attempts: times it was begun.
        cancelling: whether it is to stop at the next tile.
        error: problem details of a failed job; outcome: of a succeeded one, see ``serve.tasks.JobResult``.
    """

    id: str
    kind: Kind
    name: str
    request: Mapping[str, Any]
    state: State
    created: float
    started: float | None
    finished: float | None
    expires: float | None
    attempts: int
    cancelling: bool
    error: Mapping[str, Any] | None
    outcome: Mapping[str, Any] | None

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in OVER


@dataclass(frozen=True)
class Event:
    """Something that happened to a job; ``number`` grows."""

    number: int
    kind: str
    data: Mapping[str, Any]


class Full(Exception):
    """So many jobs wait that no more are taken; come again after ``seconds``."""

    def __init__(self, waiting: int, seconds: int) -> None:
        super().__init__(f"{waiting} jobs are waiting")
        self.seconds = seconds


class Mismatch(Exception):
    """An idempotency key came again with another request."""


class Store:
    """The jobs of a database; safe to use from any thread.

    Args:
        url: as SQLAlchemy names it; lease: seconds a worker may be silent; keep: seconds a finished job is kept.
        promises: whether what was written must outlast a power cut, also on SQLite. What a worker writes need not: its
            job would be done again.
    """

    def __init__(self, url: str, lease: float, keep: float, *, promises: bool = True) -> None:
        self._lease, self._keep = lease, keep
        self._engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
        self._sqlite = self._engine.dialect.name == "sqlite"
        self._now = literal_column(
            "(julianday('now') - 2440587.5) * 86400.0"
            if self._sqlite
            else "cast(extract(epoch from clock_timestamp()) as double precision)",
            Float,
        )
        if self._sqlite:
            event.listen(self._engine, "connect", partial(_prepared, "FULL" if promises else "NORMAL"))
            event.listen(self._engine, "begin", _begun)
        with self._engine.begin() as db:
            self._alone(db)
            _TABLES.create_all(db)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _reading(self) -> Connection:
        return self._engine.connect().execution_options(reading=True)

    def _alone(self, db: Connection) -> None:
        """Make what counts jobs before it adds one, or makes tables, go one by one, as it does on SQLite anyway."""
        if not self._sqlite:
            db.execute(select(func.pg_advisory_xact_lock(0x4F0F)))

    def add(
        self, job: str, kind: Kind, name: str, request: Mapping[str, Any], most: int, key: tuple[str, str] | None = None
    ) -> tuple[Job, bool]:
        """Add a job, or find the one that the same request made before, and whether it is new.

        Args:
            job: its id; most: jobs that may wait.
            key: idempotency key, and fingerprint of the request.

        Raises:
            Full: as many wait already. Mismatch: the key was used for another request.
        """
        values = {
            "id": job, "kind": kind, "name": name, "request": json.dumps(dict(request)), "state": "queued",
            "created": self._now, "idempotency": key and key[0], "fingerprint": key and key[1],
        }  # fmt: skip
        try:
            with self._engine.begin() as db:
                self._alone(db)
                earlier = key and self._earlier(db, key)
                if earlier:
                    return earlier, False
                self._refuse_if_full(db, most)
                db.execute(insert(_JOBS).values(**values))
                self._note(db, job, "state", {"state": "queued"})
                return self._found(db, job), True
        except IntegrityError:  # the same key, at the same moment
            with self._engine.begin() as db:
                earlier = key and self._earlier(db, key)
                if not earlier:
                    raise
                return earlier, False

    def _earlier(self, db: Connection, key: tuple[str, str]) -> Job | None:
        row = db.execute(select(_JOBS).where(_JOBS.c.idempotency == key[0])).mappings().first()
        if row is not None and row["fingerprint"] != key[1]:
            raise Mismatch
        return None if row is None else _job(row)

    def refuse_if_full(self, most: int) -> None:
        """Raise ``Full`` if as many jobs wait already."""
        with self._reading() as db:
            self._refuse_if_full(db, most)

    def _refuse_if_full(self, db: Connection, most: int) -> None:
        waiting = db.execute(select(func.count()).where(_JOBS.c.state == "queued")).scalar_one()
        if waiting < most:
            return
        last = select((_JOBS.c.finished - _JOBS.c.started).label("took")).where(_JOBS.c.state == "succeeded")
        recent = last.order_by(_JOBS.c.finished.desc()).limit(_RECENT).subquery()
        took = db.execute(select(func.avg(recent.c.took))).scalar() or 5.0
        raise Full(waiting, max(1, round(took)))

    def get(self, job: str) -> Job | None:
        """The job, if there is one."""
        with self._reading() as db:
            row = db.execute(select(_JOBS).where(_JOBS.c.id == job)).mappings().first()
            return None if row is None else _job(row)

    def events(self, job: str, after: int) -> list[Event]:
        """What happened to a job after the event of that number."""
        query = select(_EVENTS).where(_EVENTS.c.job == job, _EVENTS.c.number > after).order_by(_EVENTS.c.number)
        with self._reading() as db:
            return [Event(row.number, row.kind, json.loads(row.data)) for row in db.execute(query)]

    def progress(self, job: str) -> tuple[int, int]:
        """Tiles done and planned, as last noted."""
        query = select(_EVENTS.c.data).where(_EVENTS.c.job == job, _EVENTS.c.kind == "progress")
        with self._reading() as db:
            last = db.execute(query.order_by(_EVENTS.c.number.desc()).limit(1)).scalar()
        data = json.loads(last) if last else {"done": 0, "total": 0}
        return data["done"], data["total"]

    def take(self, owner: str) -> Job | None:
        """The job that has waited longest, or whose worker vanished, now held by ``owner``; None if there is none."""
        lapsed = and_(_JOBS.c.state == "running", _JOBS.c.lease < self._now)
        query = select(_JOBS.c.id, _JOBS.c.attempts, _JOBS.c.cancelling).where(or_(_JOBS.c.state == "queued", lapsed))
        with self._engine.begin() as db:
            row = db.execute(query.order_by(_JOBS.c.created).limit(1).with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            if row.cancelling or row.attempts >= ATTEMPTS:
                given_up = {"title": "given up", "detail": f"its worker died {ATTEMPTS} times; is the photo damaged?"}
                self._end(db, row.id, "cancelled" if row.cancelling else "failed", error=given_up)
                return self._found(db, row.id)
            started = {"state": "running", "owner": owner, "attempts": row.attempts + 1}
            times = {"started": self._now, "lease": self._now + self._lease}
            db.execute(update(_JOBS).where(_JOBS.c.id == row.id).values(**started, **times))
            self._note(db, row.id, "state", {"state": "running", "attempt": row.attempts + 1})
            return self._found(db, row.id)

    def renew(self, job: str, owner: str) -> Literal["go on", "cancel", "lost"]:
        """Hold a job for another lease; ``lost`` if it is no longer the owner's."""
        with self._engine.begin() as db:
            changed = db.execute(update(_JOBS).where(*_held(job, owner)).values(lease=self._now + self._lease))
            if not changed.rowcount:
                return "lost"
            return "cancel" if self._found(db, job).cancelling else "go on"

    def note(self, job: str, owner: str, kind: str, data: Mapping[str, Any]) -> None:
        """Add an event to a job that the owner still holds."""
        with self._engine.begin() as db:
            if db.execute(select(_JOBS.c.id).where(*_held(job, owner))).first():
                self._note(db, job, kind, data)

    def finish(
        self, job: str, owner: str, state: State, *, outcome: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> bool:  # fmt: skip
        """End a job; False if the owner does not hold it any more, and nothing was changed."""
        with self._engine.begin() as db:
            held = db.execute(select(_JOBS.c.id).where(*_held(job, owner)).with_for_update()).first()
            if held:
                self._end(db, job, state, outcome=outcome, error=error)
            return held is not None

    def release(self, owner: str) -> None:
        """Let others take at once what a worker that is known to be dead held."""
        with self._engine.begin() as db:
            db.execute(update(_JOBS).where(_JOBS.c.owner == owner, _JOBS.c.state == "running").values(lease=0.0))

    def remove(self, job: str) -> Literal["cancelled", "cancelling", "removed", "missing"]:
        """Cancel a job that waits, have one stopped that runs, forget one that is over."""
        with self._engine.begin() as db:
            query = select(_JOBS.c.state).where(_JOBS.c.id == job).with_for_update()
            state = db.execute(query).scalar()
            if state is None:
                return "missing"
            if state == "queued":
                self._end(db, job, "cancelled")
                return "cancelled"
            if state == "running":
                db.execute(update(_JOBS).where(_JOBS.c.id == job).values(cancelling=True))
                return "cancelling"
            self._forget(db, [job])
            return "removed"

    def expire(self) -> list[str]:
        """Forget the jobs whose time is over, and name them."""
        with self._engine.begin() as db:
            gone = list(db.execute(select(_JOBS.c.id).where(_JOBS.c.expires < self._now)).scalars())
            self._forget(db, gone)
            return gone

    def known(self, jobs: list[str]) -> set[str]:
        """Those of the jobs that there are."""
        with self._reading() as db:
            return set(db.execute(select(_JOBS.c.id).where(_JOBS.c.id.in_(jobs))).scalars())

    def _end(
        self, db: Connection, job: str, state: State, *, outcome: Mapping[str, Any] | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        times = {
            "finished": self._now,
            "expires": self._now + self._keep,
            "started": case((_JOBS.c.started.is_(None), self._now), else_=_JOBS.c.started),
        }
        final = {"outcome": outcome and json.dumps(dict(outcome)), "error": error and json.dumps(dict(error))}
        db.execute(update(_JOBS).where(_JOBS.c.id == job).values(state=state, owner=None, lease=None, **final, **times))
        self._note(db, job, "state", {"state": state} | ({"error": dict(error)} if error and state == "failed" else {}))

    def _forget(self, db: Connection, jobs: list[str]) -> None:
        db.execute(delete(_EVENTS).where(_EVENTS.c.job.in_(jobs)))
        db.execute(delete(_JOBS).where(_JOBS.c.id.in_(jobs)))

    def _note(self, db: Connection, job: str, kind: str, data: Mapping[str, Any]) -> None:
        db.execute(insert(_EVENTS).values(job=job, kind=kind, data=json.dumps(dict(data))))

    def _found(self, db: Connection, job: str) -> Job:
        return _job(db.execute(select(_JOBS).where(_JOBS.c.id == job)).mappings().one())


def _held(job: str, owner: str) -> tuple[Any, ...]:
    return _JOBS.c.id == job, _JOBS.c.owner == owner, _JOBS.c.state == "running"


def _job(row: RowMapping) -> Job:
    plain = {name: row[name] for name in Job.__dataclass_fields__}
    for name in ("request", "error", "outcome"):
        plain[name] = plain[name] and json.loads(plain[name])
    return Job(**plain)


def _prepared(synchronous: str, connection: Any, _record: Any) -> None:
    """SQLite: readers beside one writer, writers that wait, and transactions begun by ``_begun`` alone."""
    connection.isolation_level = None
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", f"synchronous={synchronous}"):
        connection.execute(f"PRAGMA {pragma}")


def _begun(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reading") else "BEGIN IMMEDIATE")
