"""What a running line has at a moment: memory, descriptors, threads, rows, files, channels."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import inspect, text

from hotline import pbx
from hotline.private_line import PrivateLine

TASKS = re.compile(r"^\S+\s+\d+\s+(\d+)\s+\d+\s+\d+\s+\d+\s*$", re.MULTILINE)


def look(line: PrivateLine, calls: int, at: float) -> dict[str, Any]:
    """One look. `calls` is how many have been made so far."""
    return {
        "calls": calls,
        "at": round(at, 1),
        "parts": {name: _uses(line, process.pid) for name, process in line.running.items()},
        "rows": _rows(line),
        "bytes": {
            "database": sum(_size(one) for one in line.var.glob("hotline.db*")),
            "recordings": _under(line.settings.recordings)[1],
            "asterisk's logs and journal": _under(line.settings.pbx / "log")[1],
            "our logs": sum(_size(one) for one in line.var.glob("*.log")),
            "astdb": _under(line.settings.pbx / "db")[1],
        },
        "left": {
            "channels": len(line.ami("CoreShowChannels")),
            "spool files": _under(line.settings.monitor)[0],
            "temporary files": sum(1 for one in line.settings.var.rglob("*.tmp") if one.is_file()),
            "tasks waiting": _tasks(line),
        },
    }


def _uses(line: PrivateLine, pid: int) -> dict[str, int]:
    """Of a part with all that it has started."""
    total = {"rss": 0, "pss": 0, "fds": 0, "threads": 0}
    for one in line.processes(pid):
        with contextlib.suppress(psutil.Error, OSError):
            memory = one.memory_full_info()
            total["rss"] += memory.rss
            total["pss"] += memory.pss
            total["fds"] += one.num_fds()
            total["threads"] += one.num_threads()
    return total


def _rows(line: PrivateLine) -> dict[str, int]:
    with line.engine.connect() as connection:
        names = inspect(connection).get_table_names()
        return {
            name: int(connection.execute(text(f'SELECT COUNT(*) FROM "{name}"')).scalar() or 0)
            for name in names
            if not re.search(r"_(data|idx|docsize|config|content)$", name)
        }


def _tasks(line: PrivateLine) -> int:
    """Tasks that wait in Asterisk's taskprocessors."""
    with contextlib.suppress(pbx.ConsoleFailed):
        return sum(
            int(found) for found in TASKS.findall(pbx.console(line.settings, "core show taskprocessors"))
        )
    return 0


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _under(folder: Path) -> tuple[int, int]:
    """(files, bytes) below a folder."""
    sizes = [_size(one) for one in folder.rglob("*") if one.is_file()] if folder.exists() else []
    return len(sizes), sum(sizes)
