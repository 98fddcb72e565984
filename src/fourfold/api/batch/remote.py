"""Batches on Ray: every job goes to ``api.batch.cluster`` as a line of JSON, and a worker on some machine does it."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from fourfold.api.batch import cluster
from fourfold.api.batch.journal import Outcome
from fourfold.api.batch.worker import Job, Setting, Worker, died


@dataclass(frozen=True)
class Cluster:
    """Workers of a Ray cluster, as a context manager; every machine must be able to reach source and target.

    Attributes:
        setting: of the batch; workers: at most.
    """

    setting: Setting
    workers: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing: workers end with their jobs."""

    def do(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """As ``pool.Pool.do``; a machine that is lost takes nothing with it but time."""
        threads, jobs = self.setting.options.threads or 1, list(jobs)
        lines = [json.dumps(asdict(job)) for job in jobs]
        answers = cluster.each(_Actor, (self.setting.plain(),), lines, workers=self.workers, threads=threads)
        for place, answer in answers:
            yield died(self.setting, jobs[place]) if answer is None else Outcome(**json.loads(answer))


class _Actor:
    def __init__(self, setting: dict[str, Any]) -> None:
        self._worker = Worker(Setting.from_plain(setting))

    def __call__(self, line: str) -> str:
        return json.dumps(asdict(self._worker(Job(**json.loads(line)))))
