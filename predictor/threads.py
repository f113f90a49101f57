"""Limit BLAS and OpenMP to one thread where work runs in parallel."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread(api: str | None = None) -> AbstractContextManager[Any]:
    """Limit libraries to one thread in this process: then sums do not depend on the number of threads.

    OpenMP takes this as a setting of each thread, which every thread makes for itself.

    Parameters
    ----------
    api
        "blas" or "openmp"; both where None.

    Examples
    --------
    >>> import numpy as np
    >>> with one_thread("blas"):
    ...     np.ones((2, 2)) @ np.ones(2)
    array([2., 2.])
    """
    return _controller(api).limit(limits=1, user_api=api)  # type: ignore[no-any-return]


@cache  # to look for the libraries takes ten milliseconds, more than many a fit
def _controller(api: str | None) -> ThreadpoolController:
    return ThreadpoolController()
