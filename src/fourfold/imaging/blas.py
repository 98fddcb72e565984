"""numpy's linear algebra, kept from taking the processor away from the network."""

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """Keeps numpy's BLAS to the calling thread while it lasts.

    Our products are small; the worker threads of BLAS would go on spinning afterwards, on the very cores that the
    network, or another worker, runs on: two workers of a batch were three times slower than one.
    """
    limited: AbstractContextManager[object] = _blas().limit(limits=1, user_api="blas")
    return limited


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()
