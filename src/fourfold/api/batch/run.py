"""Run a batch: restore every photo of a folder or an object store once; an interrupted batch can be resumed."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from fourfold import __version__, engines
from fourfold.api.batch import cluster
from fourfold.api.batch.estimate import Estimate, estimate
from fourfold.api.batch.journal import Journal, Outcome
from fourfold.api.batch.places import KEPT, Folder, Found, Place, Unlisted, place, target_place
from fourfold.api.batch.pool import Pool
from fourfold.api.batch.remote import Cluster
from fourfold.api.batch.worker import Job, Setting
from fourfold.api.names import TEMPLATE, Names, listing
from fourfold.api.restore import guarded, page_numbers
from fourfold.api.session import Session
from fourfold.api.targets import Failure
from fourfold.convert import third_party
from fourfold.core.atomic import scratch
from fourfold.core.errors import FourfoldError, PictureError, UsageError
from fourfold.core.machine import memory_available
from fourfold.core.options import TASKS, RestoreOptions, UpscaleOptions
from fourfold.core.threads import available

Engine = Literal["local", "ray"]
_WORKER_BYTES = 700 << 20
"""Bytes of memory a worker takes with ordinary photos; the pool is no larger than memory allows."""

_POLL = 2.0
"""Seconds between two looks at a watched place, or ten times what a look takes."""


class Workers(Protocol):
    """A running engine: does jobs and yields the outcome of each."""

    def do(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Do them all; outcomes come as they are ready."""
        ...


@dataclass(frozen=True)
class BatchPlan:
    """What is to be done: photos left, those refused before any work, and how many are done already.

    Attributes:
        note: what was passed over in the source, empty if nothing was.
    """

    jobs: tuple[Job, ...]
    refused: tuple[Outcome, ...]
    skipped: int
    note: str = ""


class Batch:
    """A batch from one place to another.

    Args:
        source, target: folders or URLs such as ``s3://bucket/photos``; the folders below are kept.
        options: of every photo; ``threads`` is what all workers share, with Ray what each has.
        name: template of the results' names, see ``api.names.Names``.
        overwrite: make results anew that exist already.
        resume: go on with the batch that the target's journal records, with its options; of those only ``threads`` may
            be given then.
        journal: the journal's file; by default in the target, for an object store in the person's state folder.
        engine: ``local`` processes, or the workers of a ``ray`` cluster; workers: how many, None to choose.

    Attributes:
        done, failed: photos so far; codes: the exit codes that failures stand for.
        full: whether the disk became full, so that the rest was left.

    Raises:
        UsageError: places, name or options that cannot be used so, or a target that holds another batch's results.
        ModelError: there is no such network. MissingExtra: a part that a URL or an engine needs is not installed.
    """

    def __init__(
        self, source: str, target: str, options: RestoreOptions | None = None, *, name: str | None = None,
        overwrite: bool = False, resume: bool = False, journal: str | Path | None = None, engine: Engine = "local",
        workers: int | None = None,
    ) -> None:  # fmt: skip
        self.source, self.target = _absolute(place(source)), _absolute(target_place(target))
        if self.source.url == self.target.url:
            raise UsageError(f"{target}: expected another place than the photos' own; give another TARGET")
        self.journal = Journal(Path(journal) if journal else _journal(self.source, self.target))
        if resume:
            given = options or UpscaleOptions()
            if given.changed(threads=None) != type(given)() or name or overwrite:
                raise UsageError("--resume goes on with the options of the batch before; leave out all but --threads")
            options, name, overwrite = self._before()
            options = options.changed(threads=given.threads)
        self._asked = _reachable(options or UpscaleOptions())
        if self._asked.pages == "all" and not isinstance(self.source, Folder):
            raise UsageError(f"{source}: expected a folder for --pages all, since every file is opened; give a number")
        self._names = Names(name or TEMPLATE, self._asked)
        self._overwrite, self._anew = overwrite, overwrite and not resume
        self._cards = Session().restorer(self._asked).cards()
        self._refuse_other_settings()
        self._engine, self._workers = engine, workers
        self._refused: dict[str, str] = {}
        self._counted: dict[tuple[str, str], list[int | None]] = {}
        self._setting: Setting | None = None
        self.done = self.failed = 0
        self.codes: set[int] = set()
        self.full = False
        self._start: int | None = None

    def plan(self) -> BatchPlan:
        """List the source and find what is left to do.

        Raises:
            PictureError: a place cannot be listed.
        """
        there = self._results()
        wanted, refused, skipped = [], [], 0
        claims: dict[str, tuple[Found, int | None]] = {}
        every = list(self.source.files(self.target))
        listed = listing(found.name for found in every if isinstance(found, Found))
        photos = frozenset(listed.photos)
        for found in every:
            if isinstance(found, Unlisted):
                refused.append(Outcome(found.name, "", "", error=str(found.error), code=found.error.exit_code))
            elif found.name in photos:
                losers = (self._claim(claims, found, page) for page in self._pages(found))
                refused += [loser for loser in losers if loser]
        for target, (found, page) in claims.items():
            if self._is_done(found, target, there):
                skipped += 1
            else:
                wanted.append(Job(found.name, target, found.size, found.stamp, page))
        return BatchPlan(tuple(wanted), tuple(refused), skipped, listed.note)

    def estimate(self, jobs: Sequence[Job]) -> Estimate:
        """What doing these jobs will take, measured on a few of them; see ``estimate.estimate``."""
        setting, workers = self._prepared()
        return estimate(setting, jobs, workers)

    def run(self, plan: BatchPlan, *, watch: bool = False) -> Iterator[Outcome]:
        """Do what is left, write it down, and give each outcome as it is ready.

        Args:
            plan: what to do. watch: go on with photos that come or change later, until interrupted.

        Raises:
            UsageError: another batch is at work on the target.
            NotEnough, PictureError: the journal cannot be written. ModelError: the network cannot run.
        """
        if not (plan.jobs or plan.refused or watch):
            return
        setting, workers = self._prepared()
        with self.journal.writing(self._written(setting), anew=self._anew) as self._start, self._scratch() as scratch:
            self._anew = False  # from here on the journal knows
            yield from map(self._note, plan.refused)
            with self._opened(replace(setting, scratch=scratch), workers) as engine:
                yield from self._do(engine, plan.jobs)
                while watch and not self.full:
                    came = self._arrived()
                    yield from map(self._note, came.refused)
                    yield from self._do(engine, came.jobs)

    def outcomes(self) -> Iterator[Outcome]:
        """Everything this run wrote into the journal."""
        return iter(()) if self._start is None else self.journal.outcomes(self._start)

    @contextmanager
    def _scratch(self) -> Iterator[str | None]:
        """A folder for what is in the making, removed with all that workers left there when they were stopped."""
        folder = self.target.scratch()
        if folder is None:
            with scratch() if self._engine == "local" else nullcontext() as temporary:
                yield None if temporary is None else str(temporary)
            return
        shutil.rmtree(folder, ignore_errors=True)  # what a batch that was killed left
        try:
            yield str(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _do(self, engine: Workers, jobs: Iterable[Job]) -> Iterator[Outcome]:
        for outcome in engine.do(jobs):
            yield self._note(outcome)
            if self.full:
                return  # whatever is being made now would not fit either

    def _note(self, outcome: Outcome) -> Outcome:
        self.journal.add(outcome)
        if outcome.error:
            self.failed += 1
            self.codes.add(outcome.code)
            self._refused[outcome.source] = outcome.stamp
        else:
            self.done += 1
        self.full = self.full or outcome.full
        return outcome

    def _arrived(self) -> BatchPlan:
        """Photos that came or changed, once two looks find them the same; waits for them."""
        before: set[Job | Outcome] = set()
        while True:
            began = time.monotonic()
            plan = self.plan()
            jobs = tuple(job for job in plan.jobs if job in before)
            refused = tuple(outcome for outcome in plan.refused if outcome in before)
            if jobs or refused:
                return replace(plan, jobs=jobs, refused=refused)
            found: tuple[Job | Outcome, ...] = (*plan.jobs, *plan.refused)
            before = {one for one in found if self._refused.get(one.source) != one.stamp}  # such a failure is reported
            time.sleep(max(_POLL, 10 * (time.monotonic() - began)))

    def _results(self) -> set[str]:
        """The names of everything in the target."""
        if isinstance(self.target, Folder) and not Path(self.target.url).is_dir():
            return set()
        return {found.name for found in self.target.files() if isinstance(found, Found)}

    def _pages(self, found: Found) -> list[int | None]:
        """Which pages of a file to restore; a file that cannot be read fails when it is its turn."""
        if self._asked.pages != "all":
            return [self._asked.pages]
        if (found.name, found.stamp) not in self._counted:
            numbers = guarded(found.name, lambda: page_numbers(Path(self.source.url) / found.name, "all"))
            self._counted[found.name, found.stamp] = [None] if isinstance(numbers, Failure) else numbers
        return self._counted[found.name, found.stamp]

    def _claim(self, claims: dict[str, tuple[Found, int | None]], found: Found, page: int | None) -> Outcome | None:
        """Give the photo its result, or refuse one of two: it belongs to the photo it was made of, or the first."""
        try:
            target = self._names.relative(found.name, page)
            holder, _ = claims.setdefault(target, (found, page))
            if holder is found:
                return None
            made = self.journal.made.get(target)
            if made is not None and made.source == found.name:
                claims[target], found, holder = (found, page), holder, found
            raise PictureError(
                f"{found.name}: {target} is the result of {holder.name}; give a --name with {{input_ext}}"
            )
        except FourfoldError as error:
            return Outcome(found.name, "", found.stamp, error=str(error), code=error.exit_code)

    def _is_done(self, found: Found, target: str, there: set[str]) -> bool:
        """Whether the result stands there, made from the photo as it is now, or was there before any batch."""
        if target not in there or self._anew:
            return False
        made = self.journal.made.get(target)
        return not self._overwrite if made is None else made == (found.name, found.stamp)

    def _prepared(self) -> tuple[Setting, int]:
        """What workers need to know, and how many there are.

        One engine and arithmetic does all photos, today and later: a photo's bytes do not depend on who made it.
        """
        if self._setting is None:
            threads, workers = self._threads_and_workers()
            before = {} if self._anew else self.journal.setting
            options = self._asked.changed(threads=threads)
            if before:
                options = options.changed(runtime=before["runtime"], precision=before["precision"])
            elif self._cards:
                card = self._cards[0]
                side = card.size.padded(128)
                runner = engines.load(
                    card, tile=(side, side), runtime=options.runtime or "auto", threads=threads,
                    precision=options.precision or "auto",
                )  # fmt: skip
                if card.offers("onnx"):  # other third-party models have only one engine
                    options = options.changed(runtime=runner.runtime, precision=runner.precision)
            self._setting = Setting(self.source.url, self.target.url, options)
            self._workers = workers
        assert self._workers is not None
        return self._setting, self._workers

    def _threads_and_workers(self) -> tuple[int, int]:
        """Threads of each worker, and workers."""
        if self._engine == "ray":
            each = self._asked.threads or 1
            return each, self._workers or max(1, cluster.processors() // each)
        threads = self._asked.threads or available()
        fit = max(1, memory_available() // _WORKER_BYTES)
        workers = self._workers or min(threads, fit)
        return max(1, threads // workers), workers

    def _opened(self, setting: Setting, workers: int) -> AbstractContextManager[Workers]:
        return Cluster(setting, workers) if self._engine == "ray" else Pool(setting, workers)

    def _written(self, setting: Setting) -> dict[str, Any]:
        """What the journal says of this batch."""
        used = setting.options
        return {
            "fourfold": __version__, **self._comparable(), "target": self.target.url, "overwrite": self._overwrite,
            "runtime": used.runtime, "precision": used.precision,
        }  # fmt: skip

    def _comparable(self) -> dict[str, Any]:
        """What must be the same for two runs to give the same results."""
        plain = type(self._asked)()
        options = {
            name: value
            for name, value in asdict(self._asked).items()
            if value != getattr(plain, name) and name != "threads"
        }
        return {
            "source": self.source.url, "name": self._names.template, "task": plain.task, "options": options,
        }  # fmt: skip

    def _refuse_other_settings(self) -> None:
        before, now = self.journal.setting, self._comparable()
        differ = [key for key in now if before and not self._anew and before.get(key) != now[key]]
        if differ:
            changes = "; ".join(f"{key} was {before.get(key)!r} and is {now[key]!r}" for key in differ)
            raise UsageError(
                f"{self.target.url}: holds the results of another batch: {changes}. Give --resume to go on with that "
                "one, --overwrite to make all of it anew, or another TARGET"
            )

    def _before(self) -> tuple[RestoreOptions, str, bool]:
        """Options, name and overwriting of the batch in the journal."""
        setting = self.journal.setting
        if not setting:
            raise UsageError(f"{self.journal.path}: expected the journal of a batch to resume, there is none")
        kind = TASKS[setting["task"]]
        known = {field.name for field in fields(kind)}
        options = {name: value for name, value in setting["options"].items() if name in known}
        return kind(**options), setting["name"], setting["overwrite"]


def _absolute(where: Place) -> Place:
    return replace(where, url=str(Path(where.url).resolve())) if isinstance(where, Folder) else where


def _reachable(options: RestoreOptions) -> RestoreOptions:
    """A network named by its file is found from every folder."""
    model = options.model
    return options.changed(model=str(Path(model).resolve())) if model and third_party.is_file(model) else options


def _journal(source: Place, target: Place) -> Path:
    if isinstance(target, Folder):
        return Path(target.url) / KEPT / "batch.jsonl"
    import platformdirs

    state = Path(platformdirs.user_state_dir("fourfold", appauthor=False)) / "batches"
    return state / f"{hashlib.sha256(os.fsencode(f'{source.url} {target.url}')).hexdigest()[:16]}.jsonl"
