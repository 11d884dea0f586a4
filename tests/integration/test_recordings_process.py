"""The worker as a process: what it does within its seconds, and what a kill or a lock leaves behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from db.engine import open_engine, sessions
from db.migrate import upgrade
from db.models import Recording
from hotline.settings import Settings
from recordings import samples
from tests.line import until
from tests.spool import ended_call, spooled, states

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(var=tmp_path)
    settings.monitor.mkdir(parents=True)
    return settings


@pytest.fixture
def database(settings: Settings) -> sessionmaker[Session]:
    upgrade(settings.database)
    return sessions(open_engine(settings.database))


@pytest.fixture
def start(settings: Settings, database) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def go() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "hotline.worker"],
            cwd=REPO,
            env=os.environ | {"HOTLINE_VAR": str(settings.var)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        assert "worker started" in process.stdout.readline()
        return process

    yield go
    for process in running:
        process.kill()
        process.communicate()


def test_recording_is_playable_within_five_seconds_and_sigterm_ends_the_worker(
    settings, database, start
) -> None:
    process = start()
    now = datetime.now(UTC)
    samples.write_raw(settings.monitor / "pbx1-1.1.raw", 4.0)
    began = time.monotonic()
    ended_call(database, "1.1", now)
    until(lambda: states(database) == ["kept"], 10)
    assert time.monotonic() - began < 5
    assert not list(settings.monitor.iterdir())
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=5)
    assert time.monotonic() - began < 3
    assert process.returncode == 0
    assert [line for line in out.splitlines() if not line.startswith("timestamp=")] == []


def test_killed_worker_leaves_no_half_record(settings, database, start) -> None:
    now = datetime.now(UTC) - timedelta(seconds=30)
    for n in range(8):
        spooled(settings, f"1.{n}", now, seconds=60.0)
        ended_call(database, f"1.{n}", now, talk_ms=60_000)
    process = start()
    until(lambda: len(states(database)) >= 2)
    process.kill()
    process.wait()
    with database() as session:
        kept = list(session.scalars(select(Recording)))
    left = {path.stem for path in settings.monitor.iterdir()}
    assert all((settings.recordings / row.path).exists() for row in kept)
    assert left | {row.call_uid for row in kept} == {f"pbx1-1.{n}" for n in range(8)}
    start()
    until(lambda: len(states(database)) == 8 and not list(settings.monitor.iterdir()))
    assert len(list(settings.recordings.rglob("*.flac"))) == 8
    assert not list(settings.recordings.rglob("*.part"))


def test_worker_outlives_a_locked_database(settings, database, start) -> None:
    start()
    now = datetime.now(UTC)
    spooled(settings, "1.1", now - timedelta(seconds=30))
    ended_call(database, "1.1", now - timedelta(seconds=30))
    lock = sqlite3.connect(settings.var / "hotline.db", isolation_level=None)
    try:
        lock.execute("begin immediate")
        until(lambda: (settings.recordings).exists() and any(settings.recordings.rglob("*.flac")))
    finally:
        lock.execute("rollback")
        lock.close()
    until(lambda: states(database) == ["kept"])
