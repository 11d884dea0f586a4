"""Runs the jobs one after the other, each in a process of its own that ends in time; keeps the results.

plan.whole() ─► for each job: python -m hotline.capacity.step ─► its figures, or why it failed
                     └─ after each: results/capacity.json, so that nothing is lost
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from hotline.bench import machine
from hotline.capacity.plan import Job
from hotline.settings import REPO

RESULTS = REPO / "docs" / "capacity" / "results"
GRACE = 45.0
"""Seconds in which a step that is stopped may take down what it has started."""
Say = Callable[[str], None]


def run(
    jobs: Sequence[Job],
    tree: Path,
    scenario: Path,
    *,
    command: str,
    target: Path,
    say: Say = print,
    limit: float = 3600,
) -> dict[str, Any]:
    """The whole result; written to `target` after each job. A job that fails is in it with its reason.

    After `limit` seconds no further job is begun; what is left out is named.
    """
    began, about = time.monotonic(), machine.describe()
    result: dict[str, Any] = {
        "part": "capacity",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": about,
        "load_average_before": about["load_before"],
        "command": command,
        "versions": {},
        "jobs": [],
        "left_out": [],
    }
    for place, job in enumerate(jobs, start=1):
        if time.monotonic() - began + job.window + 60 > limit:
            result["left_out"].append(job.name)
            continue
        say(f"{place} of {len(jobs)}, {minutes(time.monotonic() - began)}: {job.name}")
        found = one(job, tree, scenario, say)
        result["jobs"].append(found)
        if versions := found.get("versions"):
            databases = {versions["database"], *result["versions"].get("database", "").split(", ")} - {""}
            result["versions"] |= versions | {"database": ", ".join(sorted(databases))}
        result["took_seconds"] = round(time.monotonic() - began)
        write(target, result)
    return result


def in_place(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """A complete result with some jobs measured again: those of `part` that went well, marked `again` with
    its date, in place of their namesakes."""
    fresh = {job["name"]: job | {"again": part["date"]} for job in part["jobs"] if job["ok"]}
    return whole | {"jobs": [fresh.get(job["name"], job) for job in whole["jobs"]]}


def minutes(seconds: float) -> str:
    """ "12:05"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def one(job: Job, tree: Path, scenario: Path, say: Say) -> dict[str, Any]:
    """The figures of one job, or {"ok": False, "why": ...} with its name and kind."""
    words = json.dumps({"job": job.as_dict(), "tree": str(tree), "scenario": str(scenario)})
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complained:
        process = subprocess.Popen(
            [sys.executable, "-m", "hotline.capacity.step"],
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": str(REPO)},
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=complained,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(words + "\n")
        process.stdin.close()
        try:
            why = _ended(process, job.seconds)
        except BaseException:
            _stop(process)
            raise
        said.seek(0)
        complained.seek(0)
        lines, last = said.read().strip().splitlines(), complained.read().strip().splitlines()
    if not why and process.returncode == 0 and lines:
        with contextlib.suppress(ValueError):
            found: dict[str, Any] = json.loads(lines[-1])
            return found
    why = why or (last[-1] if last else f"ended with code {process.returncode}")
    say(f"{job.name} FAILED: {why}")
    return {**job.as_dict(), "ok": False, "why": why}


def _ended(process: subprocess.Popen[str], seconds: float) -> str:
    """'' when it ended by itself in time; else why it was stopped."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        _stop(process)
        return f"not done within {seconds:.0f} s"
    return ""


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask it to take everything down; then end it and all that it has started."""
    with contextlib.suppress(psutil.Error):
        below = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        for each in below:
            with contextlib.suppress(psutil.Error):
                each.kill()
    if process.poll() is None:
        process.kill()
        process.wait()


def write(target: Path, result: dict[str, Any]) -> None:
    """In one piece."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", "utf-8")
    part.replace(target)
