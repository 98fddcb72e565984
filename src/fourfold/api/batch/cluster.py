"""Run lines of work on the machines of a Ray cluster. Lines hold names of photos; photos themselves are never sent.

Workers are actors of Ray Data. When a worker or its machine is lost, another worker does its lines again, so doing a
line twice must be harmless.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from fourfold.core.errors import MissingExtra, RuntimeFailure

_TOGETHER = 8
"""Lines that a worker takes at once: the most finished work that can be lost with a machine."""

_RETRIES = 1
"""Retries of a block whose worker is lost. Ray's default retries forever, even a line that kills every worker."""


@cache
def engine() -> Any:
    """The ``ray`` module, imported so that it reports nothing about this machine, and connected.

    It joins the cluster that RAY_ADDRESS names or that runs on this machine, or starts one of this machine alone.

    Raises:
        MissingExtra: Ray is not installed. RuntimeFailure: the cluster cannot be joined.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtra("working on a Ray cluster", "cluster") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if not ray.is_initialized():
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        except ValueError:  # an address was found, and with it these are not ours to choose
            ray.init(log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # it raises bare ones, too
            raise RuntimeFailure(
                f"the Ray cluster cannot be joined; check its address, or use --engine local: {error}"
            ) from error
    return ray


def processors() -> int:
    """Processors of the whole cluster; raises as ``engine``."""
    return int(engine().cluster_resources().get("CPU", 1))


def each(
    make: Callable[..., Callable[[str], str]], arguments: tuple[Any, ...], lines: Sequence[str], *, workers: int,
    threads: int,
) -> Iterator[tuple[int, str | None]]:  # fmt: skip
    """Do lines on the cluster's workers; a line's place and its answer come as they are ready, in any order.

    Lines whose worker is lost are done once more, and if that fails, too, each by itself.

    Args:
        make: each worker makes one with ``arguments`` and calls it with one line after the other, which it answers with
            a line. Both travel by pickle.
        lines: what to do. workers: at most, fewer while the cluster has fewer. threads: processors of each.

    Yields:
        None as the answer for a line over which workers died every time.

    Raises:
        RuntimeFailure: the cluster is lost, or no worker can be made.
    """
    left = dict(enumerate(lines))
    for together in (_TOGETHER, 1):
        rows = [{"place": place, "line": line} for place, line in left.items()]
        for row in _done((make, arguments), rows, together, workers, threads) if rows else ():
            del left[row["place"]]
            yield row["place"], row["line"]
    for place in left:
        yield place, None


class _Actor:
    def __init__(self, make: Callable[..., Callable[[str], str]], arguments: tuple[Any, ...]) -> None:
        self._do = make(*arguments)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return row | {"line": self._do(row["line"])}


def _done(
    arguments: tuple[Any, ...], rows: list[dict[str, Any]], together: int, workers: int, threads: int
) -> Iterator[dict[str, Any]]:
    """The answers of rows, without those of a block over which workers died."""
    ray = engine()
    blocks = max(min(workers, len(rows)), -(-len(rows) // together))
    waiting = (
        1 if together == 1 else None
    )  # what waits for a worker fails with what kills it: the last time, nothing does
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=workers, max_tasks_in_flight_per_actor=waiting)
    made = ray.data.from_items(rows, override_num_blocks=blocks).map(
        _Actor, fn_constructor_args=arguments, num_cpus=threads, compute=pool, max_task_retries=_RETRIES
    )
    made.context.enable_progress_bars = False
    made.context.max_errored_blocks = -1  # any number: they are tried again
    try:
        yield from made.iter_rows()
    except ray.exceptions.RayError as error:
        raise RuntimeFailure(f"the Ray cluster failed; look at its logs, or use --engine local: {error}") from error
