"""Limit BLAS and OpenMP to one thread where work runs in parallel."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread(api: str | None = None) -> AbstractContextManager[Any]:
    """Limit BLAS and OpenMP to one thread: then sums do not depend on the number of threads.

    For OpenMP the limit holds for the calling thread only: call it in each thread.

    Parameters
    ----------
    api
        "blas" or "openmp"; both by default.

    Examples
    --------
    >>> import numpy as np
    >>> with one_thread("blas"):
    ...     np.ones((2, 2)) @ np.ones(2)
    array([2., 2.])
    """
    return _controller(api).limit(limits=1, user_api=api)  # type: ignore[no-any-return]


@cache  # finding the libraries takes ten milliseconds; for each api, those that are loaded when it is first limited
def _controller(api: str | None) -> ThreadpoolController:
    return ThreadpoolController()
