"""How much of the memory that was once needed a process of many threads keeps."""

from __future__ import annotations

import contextlib
import ctypes

M_ARENA_MAX = -8
"""Of malloc.h."""


def keep_few_heaps() -> None:
    """glibc gives up to eight heaps a core to the threads, and each keeps what was once needed at the same
    time. Python's lock lets one thread allocate at a time anyway: two heaps do."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)
