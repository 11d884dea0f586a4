"""Linux scheduling of a running process, thread by thread: policy, time slice, cores, timer slack."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_OTHER, _RR, _BATCH = 0, 2, 3
SLICE = 20_000_000
"""Nanoseconds; without one the kernel takes its own (about 3 ms)."""
SLACK = 5_000_000
"""Nanoseconds that a timer may be late; the kernel's own is 50,000."""


def apply(pid: int, policy: str) -> None:
    """Give all threads of a process a policy; '' gives them back what a process has by itself.

    `policy`: batch | slice | batch slice | pin | rr | nice | slack. Threads made later inherit it
    from the thread that makes them. Raises OSError where it is not allowed (rr and nice need CAP_SYS_NICE).
    """
    words = policy.split()
    kind = _BATCH if "batch" in words else _RR if "rr" in words else _OTHER
    for thread in _threads(pid):
        _set(
            thread,
            kind,
            priority=10 if kind == _RR else 0,
            nice=-10 if "nice" in words else 0,
            slice_ns=SLICE if "slice" in words else 0,
        )
        os.sched_setaffinity(thread, {0} if "pin" in words else range(os.cpu_count() or 1))
        slack = Path(f"/proc/{thread}/timerslack_ns")
        slack.write_text(str(SLACK if "slack" in words else 50_000))


def _threads(pid: int) -> list[int]:
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def _set(thread: int, policy: int, *, priority: int, nice: int, slice_ns: int) -> None:
    """sched_setattr(2): struct sched_attr of 48 bytes; its sched_runtime is the slice since Linux 6.12."""
    attributes = struct.pack("IIQiIQQQ", 48, policy, 0, nice, priority, slice_ns, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_SCHED_SETATTR[os.uname().machine], thread, attributes, 0):
        number = ctypes.get_errno()
        if number != 3:  # ESRCH: the thread has ended meanwhile
            raise OSError(number, os.strerror(number))
