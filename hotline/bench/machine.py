"""What the figures depend on: the machine, its load, versions, and the CPU time that each part has used."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

from hotline.phones.sipp_process import find_sipp


def describe() -> dict[str, Any]:
    """Cores, processor, memory and the load average of the last minute, as they are now."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.platform(terse=True),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        match = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        if match:
            return match[1]
    return platform.machine()


def sipp_version() -> str:
    """ "SIPp v3.6.1"; '' when it does not say."""
    said = subprocess.run([find_sipp(), "-v"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"SIPp v[\w.]+", said)
    return match[0] if match else ""


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time of processes and all that they have started and that still runs."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            for one in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times = one.cpu_times()
                    total += times.user + times.system
    return total


def busy_seconds() -> float:
    """CPU time that the whole machine has worked since its start, everybody's."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def used(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds between two looks, part by part."""
    return {name: round(seconds - before.get(name, 0.0), 3) for name, seconds in after.items()}
