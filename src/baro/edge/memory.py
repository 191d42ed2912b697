"""How a collector's process holds on to memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
_LARGE = 512 * 1024
_OBJECTS = 50_000


def prepare() -> None:
    """Set this process up to receive for months.

    After a backlog glibc keeps what the largest blocks took: by default, with each large piece that is freed, it raises
    the size from which pieces go back to the system (up to 32 MiB). A fixed size keeps it from that.
    """
    # a publish is thousands of lists of numbers, none of them in a cycle: looking through them every 700 objects
    # took a fifth of the gateway's time
    gc.set_threshold(_OBJECTS)
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # of another C library than glibc
            ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
