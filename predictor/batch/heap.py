"""Keep freed memory in the process, since columns of the same sizes are soon needed again."""

from __future__ import annotations

import contextlib
import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as in glibc's malloc.h
KEPT, LARGEST = 64 << 20, 16 << 20  # bytes: of free memory that a heap keeps; of an array that a heap may hold


def keep_freed_memory() -> None:
    """Tell glibc not to return freed memory at once; elsewhere than on Linux with glibc nothing changes.

    The system clears each page that it gives out again, which took a tenth of the CPU time of a batch. The setting is
    that of the whole process, so commands call this, and functions that others call do not.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_TRIM_THRESHOLD, KEPT)
            mallopt(M_MMAP_THRESHOLD, LARGEST)
