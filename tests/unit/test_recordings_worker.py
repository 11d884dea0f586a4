"""hotline.worker and `hotline recordings check`: the rounds, the jobs, the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy.orm import Session, sessionmaker
from typer.testing import CliRunner

from db.engine import open_engine, sessions
from hotline import worker
from hotline.recordings_commands import recordings_commands
from hotline.settings import Settings, load
from recordings import rounds
from tests.spool import ended_call, spooled, states


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(var=tmp_path)
    settings.monitor.mkdir(parents=True)
    return settings


@pytest.fixture
def database(settings: Settings, new_database: Callable[[Path], str]) -> sessionmaker[Session]:
    return sessions(open_engine(new_database(settings.var / "hotline.db")))


# --- rounds --------------------------------------------------------------------------------------------


def test_file_that_fails_is_tried_again_ever_more_rarely(settings, database, monkeypatch) -> None:
    now = datetime.now(UTC)
    spooled(settings, "1.1", now - timedelta(seconds=9))
    ended_call(database, "1.1", now - timedelta(seconds=9))
    tries = []

    def fails(*_args):
        tries.append(1)
        raise OSError("broken")

    collector = worker.Collector(database, settings)
    with monkeypatch.context() as patched:
        patched.setattr("recordings.keep.convert", fails)
        for clock in range(100):
            collector.round(now, float(clock))
    assert len(tries) == 5  # at 0, 5, 15, 35, 75 s
    done = collector.round(now, 10_000.0)
    assert done is not None
    assert len(done.kept) == 1


def test_database_that_is_away_is_one_line_a_minute_and_then_goes_on(
    settings, database, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    spooled(settings, "1.1", now - timedelta(seconds=9))
    hidden = settings.var / "away.db"
    real = settings.var / "hotline.db"
    ended_call(database, "1.1", now - timedelta(seconds=9))
    database.kw["bind"].dispose()
    real.rename(hidden)
    real.mkdir()
    worker.log_in_lines()
    collector = worker.Collector(database, settings)
    assert [collector.round(now, float(clock)) for clock in range(30)] == [None] * 30
    lines = [line for line in capsys.readouterr().out.splitlines() if "away" in line]
    assert len(lines) == 1
    real.rmdir()
    hidden.rename(real)
    done = collector.round(now, 31.0)
    assert done is not None
    assert done.kept == ["pbx1-1.1"]


def test_spool_that_is_away_does_not_end_the_rounds(settings, database) -> None:
    settings.monitor.rmdir()
    collector = worker.Collector(database, settings)
    assert collector.round(datetime.now(UTC), 0.0) is None
    settings.monitor.mkdir()
    assert collector.round(datetime.now(UTC), 1.0) == rounds.Round()


# --- jobs ----------------------------------------------------------------------------------------------


def test_jobs_are_due_at_their_times(settings, database) -> None:
    huey = worker.jobs(database, settings, immediate=True)
    due = {
        minute: sorted(task.name for task in huey.read_periodic(datetime(2026, 11, 20, *minute)))
        for minute in ((18, 30), (19, 10), (4, 1))
    }
    assert due == {
        (18, 30): ["check_yesterday", "note_recent_gaps"],
        (19, 10): ["note_recent_gaps", "report_overdue"],
        (4, 1): ["note_recent_gaps"],
    }


def test_every_job_runs(settings, database) -> None:
    now = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
    ended_call(database, "1.1", now - timedelta(minutes=2))
    huey = worker.jobs(database, settings, immediate=True)
    with time_machine.travel(now, tick=False):
        for task in huey.read_periodic(datetime(2026, 11, 20, 18, 30)):
            huey.enqueue(task)
        for task in huey.read_periodic(datetime(2026, 11, 20, 19, 10)):
            huey.enqueue(task)
    assert states(database) == ["gap"]
    assert (settings.recordings / "checks" / "pbx1-2026-11-20.json").exists()


def test_nightly_finds_gaps_of_a_ledger_that_was_days_late(settings, database) -> None:
    now = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
    ended_call(database, "1.1", now - timedelta(days=4))
    assert worker.note_recent_gaps(database, settings, now) == []
    assert worker.check_yesterday(database, settings, now) is not None
    assert states(database) == ["gap"]
    assert worker.check_yesterday(database, settings, now) is None


# --- the command ---------------------------------------------------------------------------------------


@pytest.fixture
def installed(settings: Settings, database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("HOTLINE_VAR", str(settings.var))
    load.cache_clear()
    yield settings
    load.cache_clear()


def test_command_lists_gaps_and_says_so_by_its_exit_code(installed, database) -> None:
    at = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
    run = CliRunner().invoke
    good = run(recordings_commands, ["check", "--day", "2026-11-20"])
    assert good.exit_code == 0, good.output
    ended_call(database, "1.1", at)
    bad = run(recordings_commands, ["check", "--day", "2026-11-20"], env={"COLUMNS": "160"})
    assert bad.exit_code == 1
    assert "pbx1-1.1" in bad.output
    assert "未找到录音文件" in bad.output
    assert run(recordings_commands, ["check", "--day", "yesterday"]).exit_code == 2
    assert run(recordings_commands, ["check"]).exit_code == 0
    assert run(recordings_commands, ["check", "--day", "today"]).exit_code == 0


def test_command_without_a_database_says_so(installed, monkeypatch) -> None:
    monkeypatch.setenv("HOTLINE_DATABASE_URL", f"sqlite:///{installed.var / 'empty.db'}")
    load.cache_clear()
    told = CliRunner().invoke(recordings_commands, ["check", "--day", "2026-11-20"])
    assert told.exit_code == 2
    assert "no such table" in told.output
