"""Limit numpy's BLAS to one thread, so that it does not compete with the network for the processor."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController

_lock = Lock()
_limit = ExitStack()
_inside = 0


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps numpy's BLAS to the calling thread while it lasts.

    Our products are small; the worker threads of BLAS would go on spinning afterwards, on the very cores that the
    network, or another worker, runs on: two workers of a batch were less than half as fast as one. The limit holds for
    the process, so the first thread to come sets it and the last to leave takes it away.
    """
    global _inside
    with _lock:
        if _inside == 0:
            _limit.enter_context(_blas().limit(limits=1, user_api="blas"))
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limit.close()


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
