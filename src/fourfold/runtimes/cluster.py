"""Ray: many machines as workers. Rows travel, which hold names; photos never do.

Workers are actors of Ray Data. When one is lost, with its machine or without, its rows are done again by another; who
does a row must therefore be able to do it twice.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from fourfold.core.errors import MissingExtra, RuntimeFailure

Row = dict[str, Any]
_ROWS = 8
"""Rows that a worker takes at once: what is lost of finished work when a machine is lost, at most."""


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
            raise RuntimeFailure(f"the Ray cluster cannot be joined: {error}") from error
    return ray


def processors() -> int:
    """Processors of the whole cluster; raises as ``engine``."""
    return int(engine().cluster_resources().get("CPU", 1))


def each(
    make: Callable[..., Any], arguments: tuple[Any, ...], rows: Iterable[Row], *, workers: int, threads: int
) -> Iterator[Row]:
    """Do rows on the cluster's workers; answers come as they are ready, in any order.

    Args:
        make: a class; each worker makes one of it with ``arguments`` and calls it with one row after the other, which
            it answers with a row. Both travel by pickle, rows through Arrow: plain values only.
        rows: what to do. workers: at most, fewer while the cluster has fewer. threads: processors of each.

    Raises:
        RuntimeFailure: the cluster is lost, or a worker raised.
    """
    ray = engine()
    data = list(rows)
    if not data:
        return
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    blocks = max(min(workers, len(data)), -(-len(data) // _ROWS))
    made = ray.data.from_items(data, override_num_blocks=blocks).map(
        make, fn_constructor_args=arguments, num_cpus=threads,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
    )  # fmt: skip
    try:
        yield from made.iter_rows()
    except ray.exceptions.RayError as error:
        raise RuntimeFailure(f"the Ray cluster failed: {error}") from error
