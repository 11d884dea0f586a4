"""recordings.keep and recordings.rounds: from the spool into the archive, whatever dies on the way."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import soundfile as sf
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from db.engine import open_engine, sessions
from db.models import Call, JournalEvent, Recording
from hotline.settings import Settings
from recordings import keep, rounds, samples, sound

NOW = datetime(2026, 11, 21, 17, 30, tzinfo=UTC)
"""Already the 22nd in Asia/Shanghai."""
DAY = "2026/11/22"
ENDED = NOW - timedelta(seconds=10)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(var=tmp_path)
    settings.monitor.mkdir(parents=True)
    settings.voicemail.mkdir(parents=True)
    return settings


@pytest.fixture
def database(tmp_path: Path, new_database: Callable[[Path], str]) -> sessionmaker[Session]:
    return sessions(open_engine(new_database(tmp_path / "test.db")))


Ledger = Callable[..., str]


@pytest.fixture
def ledger(database: sessionmaker[Session]) -> Ledger:
    def write(uniqueid: str = "1.1", talk: float | None = 4.0, **fields: object) -> str:
        row: dict[str, object] = {
            "uid": f"pbx1-{uniqueid}",
            "pbx": "pbx1",
            "arrived_at": ENDED - timedelta(seconds=talk or 0),
            "answered_at": ENDED - timedelta(seconds=talk) if talk is not None else None,
            "talk_ms": None if talk is None else round(talk * 1000),
            "ended_at": ENDED,
            "outcome": "answered" if talk is not None else "abandoned_in_queue",
            "agent": "agent01",
            "ended_by": "caller",
            "cause": 16,
        }
        with database.begin() as session:
            session.add(Call(**(row | fields)))
        return f"pbx1-{uniqueid}"

    return write


def aged(path: Path, seconds: float = 10) -> Path:
    at = (NOW - timedelta(seconds=seconds)).timestamp()
    os.utime(path, (at, at))
    return path


def spooled(settings: Settings, uniqueid: str = "1.1", seconds: float = 4.0, **tones: float) -> Path:
    return aged(samples.write_raw(settings.monitor / f"pbx1-{uniqueid}.raw", seconds, **tones))


def rows(database: sessionmaker[Session]) -> list[Recording]:
    with database() as session:
        return list(session.scalars(select(Recording).order_by(Recording.id)))


def archive(settings: Settings) -> list[str]:
    """Every file of the archive except the lock."""
    return sorted(
        str(path.relative_to(settings.recordings))
        for path in settings.recordings.rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    )


# --- the ordinary way ----------------------------------------------------------------------------------


def test_answered_call_is_kept_and_the_spool_emptied(settings, database, ledger) -> None:
    raw = spooled(settings)
    pcm = raw.read_bytes()
    uid = ledger()
    done = rounds.collect(database, settings, NOW)
    assert (done.kept, done.removed) == ([uid], 1)
    (row,) = rows(database)
    assert (row.call_uid, row.kind, row.state, row.problem) == (uid, "call", "kept", None)
    assert (row.path, row.seconds, row.expected_seconds) == (f"{DAY}/{uid}.flac", 4.0, 4.0)
    assert row.level_caller_db == row.level_agent_db == pytest.approx(samples.TONE_DB, abs=0.2)
    kept = keep.file_of(settings, row)
    assert kept is not None
    assert (kept.stat().st_size, sound.sha256(kept)) == (row.bytes, row.sha256)
    assert sf.read(kept, dtype="int16")[0].tobytes() == pcm
    assert not raw.exists()
    assert archive(settings) == [row.path]


def test_a_second_round_has_nothing_to_do(settings, database, ledger) -> None:
    spooled(settings)
    ledger()
    rounds.collect(database, settings, NOW)
    before = archive(settings)
    assert rounds.collect(database, settings, NOW) == rounds.Round()
    assert archive(settings) == before
    assert len(rows(database)) == 1


def test_voice_message_is_kept_as_message(settings, database, ledger) -> None:
    aged(samples.write_message(settings.voicemail / "pbx1-1.1.wav", 3.0))
    uid = ledger(talk=None, outcome="voicemail_left")
    rounds.collect(database, settings, NOW)
    (row,) = rows(database)
    assert (row.kind, row.state, row.path) == ("message", "kept", f"{DAY}/{uid}-message.flac")
    assert row.level_agent_db is None
    assert not list(settings.voicemail.iterdir())


def test_a_message_of_a_moment_that_the_journal_does_not_know_is_removed(settings, database, ledger) -> None:
    aged(samples.write_message(settings.voicemail / "pbx1-1.1.wav", 0.4))
    ledger(talk=None)
    assert rounds.collect(database, settings, NOW).removed == 1
    assert rows(database) == []


@pytest.mark.parametrize(
    ("tones", "talk", "problem"),
    [
        ({"caller": 0}, 4.0, "市民声道无声"),
        ({"caller": 0, "agent": 0}, 4.0, "双声道无声"),
        ({}, 60.0, "时长不符：通话 60 秒，录音 4 秒"),
    ],
)
def test_doubtful_recording_is_kept_as_suspect(settings, database, ledger, tones, talk, problem) -> None:
    raw = spooled(settings, **tones)
    ledger(talk=talk)
    rounds.collect(database, settings, NOW)
    (row,) = rows(database)
    assert (row.state, row.problem) == ("suspect", problem)
    assert row.path
    assert not raw.exists()


def test_odd_bytes_are_kept_as_suspect(settings, database, ledger) -> None:
    raw = spooled(settings)
    raw.write_bytes(raw.read_bytes() + b"x")
    aged(raw)
    ledger()
    rounds.collect(database, settings, NOW)
    assert [(row.state, row.problem) for row in rows(database)] == [
        ("suspect", "录音文件不完整（1 字节残缺）")
    ]


# --- what must wait, what must stay --------------------------------------------------------------------


def test_file_still_being_written_is_left_alone(settings, database, ledger) -> None:
    raw = aged(spooled(settings), seconds=1)
    ledger()
    assert rounds.collect(database, settings, NOW) == rounds.Round()
    assert raw.exists()


def test_call_that_goes_on_is_left_alone_even_when_its_file_rests(settings, database, ledger) -> None:
    raw = aged(spooled(settings), seconds=300)
    ledger(ended_at=None, outcome=None)
    done = rounds.collect(database, settings, NOW)
    assert (done.early, done.kept) == (1, [])
    assert raw.exists()


def test_file_the_ledger_does_not_know_yet_waits_then_is_an_orphan_and_never_deleted(
    settings, database
) -> None:
    raw = spooled(settings)
    assert rounds.collect(database, settings, NOW).early == 1
    later = rounds.collect(database, settings, NOW + timedelta(hours=2))
    assert later.orphans == ["pbx1-1.1.raw"]
    assert raw.exists()
    assert rows(database) == []


def test_ledger_that_is_hours_late_still_gets_its_recordings(settings, database, ledger) -> None:
    spooled(settings)
    uid = ledger()
    assert rounds.collect(database, settings, NOW + timedelta(hours=9)).kept == [uid]


def test_empty_file_of_a_call_never_answered_is_removed(settings, database, ledger) -> None:
    raw = settings.monitor / "pbx1-1.1.raw"
    raw.touch()
    aged(raw)
    ledger(talk=None)
    assert rounds.collect(database, settings, NOW).removed == 1
    assert not raw.exists()
    assert rows(database) == []


def test_sound_of_a_call_without_answer_in_the_ledger_is_kept_as_suspect(settings, database, ledger) -> None:
    spooled(settings)
    ledger(talk=None)
    rounds.collect(database, settings, NOW)
    assert [(row.state, row.problem) for row in rows(database)] == [("suspect", "台账无接听记录，却有录音")]


def test_empty_file_of_an_answered_call_is_a_gap(settings, database, ledger) -> None:
    (settings.monitor / "pbx1-1.1.raw").touch()
    aged(settings.monitor / "pbx1-1.1.raw")
    uid = ledger()
    done = rounds.collect(database, settings, NOW)
    assert done.missing == [uid]
    assert [(row.state, row.problem, row.path) for row in rows(database)] == [("gap", "录音文件为空", None)]


def test_unreadable_message_is_moved_aside_never_deleted(settings, database, ledger) -> None:
    (settings.voicemail / "pbx1-1.1.wav").write_bytes(b"no sound" * 4000)
    aged(settings.voicemail / "pbx1-1.1.wav")
    ledger(talk=None, outcome="voicemail_left")
    rounds.collect(database, settings, NOW)
    assert [(row.state, row.problem) for row in rows(database)] == [("gap", "留言文件无法读取")]
    assert archive(settings) == ["damaged/pbx1-1.1.wav"]
    assert not list(settings.voicemail.iterdir())


def test_files_of_other_kinds_are_not_touched(settings, database) -> None:
    for name in ("note.txt", ".hidden.raw", "pbx1-1.1.raw.bak"):
        aged_file = settings.monitor / name
        aged_file.touch()
        aged(aged_file, 9999)
    assert rounds.collect(database, settings, NOW) == rounds.Round()
    assert len(list(settings.monitor.iterdir())) == 3


# --- death at every step -------------------------------------------------------------------------------


class Killed(BaseException):
    """kill -9: nothing after it runs, no `except Exception` sees it."""


STEPS = [
    "recordings.sound.write_flac",
    "recordings.keep._sync",
    "recordings.sound.measure",
    "recordings.sound.sha256",
    "pathlib.Path.replace",
    "recordings.keep.write_row",
    "recordings.keep.settle",
    "pathlib.Path.unlink",
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_next_round_finishes(
    settings, database, ledger, monkeypatch, step: str, after: bool
) -> None:
    raw = spooled(settings)
    pcm = raw.read_bytes()
    uid = ledger()
    owner, name = step.rsplit(".", 1)
    target = Path if owner == "pathlib.Path" else {"sound": sound, "keep": keep}[owner.split(".")[1]]
    real = getattr(target, name)

    def dies(*args, **fields):
        if after:
            real(*args, **fields)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(target, name, dies)
        with pytest.raises(Killed):
            rounds.collect(database, settings, NOW)
    kept_with_row = [row for row in rows(database) if (settings.recordings / row.path).exists()]
    assert raw.exists() or kept_with_row
    rounds.collect(database, settings, NOW)
    (row,) = rows(database)
    assert (row.call_uid, row.state) == (uid, "kept")
    assert archive(settings) == [row.path]
    assert sf.read(settings.recordings / row.path, dtype="int16")[0].tobytes() == pcm
    assert not raw.exists()
    assert rounds.collect(database, settings, NOW) == rounds.Round()


def test_spool_file_stays_until_the_kept_one_has_the_checksum_of_its_row(settings, database, ledger) -> None:
    raw = spooled(settings)
    pcm = raw.read_bytes()
    ledger()
    rounds.collect(database, settings, NOW)
    (row,) = rows(database)
    kept = settings.recordings / row.path
    kept.write_bytes(kept.read_bytes()[:-50])
    raw.write_bytes(pcm)
    aged(raw)
    rounds.collect(database, settings, NOW)
    (again,) = rows(database)
    assert again.id == row.id
    assert sound.sha256(kept) == again.sha256
    assert not raw.exists()


def test_disk_that_writes_something_else_is_noticed(settings, database, ledger, monkeypatch) -> None:
    raw = spooled(settings)
    uid = ledger()
    real = sound.write_flac

    def damages(source: Path, target: Path) -> sound.Sound:
        heard = real(source, target)
        real(samples.write_raw(settings.var / "other.raw", 4.0, caller=300), target)
        return heard

    monkeypatch.setattr(sound, "write_flac", damages)
    done = rounds.collect(database, settings, NOW)
    assert "KeptDiffers" in done.failed[uid]
    assert raw.exists()
    assert rows(database) == archive(settings) == []


# --- disk full, bad neighbours, two workers -------------------------------------------------------------


@pytest.mark.parametrize("full_at", ["recordings.sound.write_flac", "recordings.keep._sync"])
def test_disk_full_leaves_all_as_it_was(settings, database, ledger, monkeypatch, full_at: str) -> None:
    raws = [spooled(settings, f"1.{n}") for n in (1, 2)]
    for n in (1, 2):
        ledger(f"1.{n}")

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(full_at, full)
        done = rounds.collect(database, settings, NOW)
    assert done.disk_full
    assert not done.failed
    assert all(raw.exists() for raw in raws)
    assert rows(database) == archive(settings) == []
    assert len(rounds.collect(database, settings, NOW).kept) == 2


def test_disk_full_is_recognised_although_the_sound_library_hides_it(
    settings, database, ledger, monkeypatch
) -> None:
    """libsndfile says no more than "System error", as it does for /dev/full."""
    spooled(settings, seconds=30.0)
    ledger(talk=30.0)
    real = sound.write_flac
    monkeypatch.setattr(sound, "write_flac", lambda source, _target: real(source, Path("/dev/full")))
    monkeypatch.setattr(
        "recordings.keep.shutil.disk_usage", lambda _folder: type("Usage", (), {"free": 4096})()
    )
    assert rounds.collect(database, settings, NOW).disk_full
    assert archive(settings) == []


def test_one_bad_file_does_not_stop_the_rest(settings, database, ledger, monkeypatch) -> None:
    bad, good = spooled(settings, "1.1"), spooled(settings, "1.2")
    ledger("1.1"), ledger("1.2")
    real = sound.write_flac

    def reads(source: Path, target: Path) -> sound.Sound:
        if source == bad:
            raise OSError(errno.EIO, "Input/output error")
        return real(source, target)

    monkeypatch.setattr(sound, "write_flac", reads)
    done = rounds.collect(database, settings, NOW)
    assert done.kept == ["pbx1-1.2"]
    assert "Input/output error" in done.failed["pbx1-1.1"]
    assert bad.exists()
    assert not good.exists()
    assert rounds.collect(database, settings, NOW, skip=["pbx1-1.1"]) == rounds.Round()


def test_only_one_round_at_a_time(settings, database, ledger) -> None:
    spooled(settings)
    ledger()
    with rounds.only_one(settings) as alone:
        assert alone
        assert rounds.collect(database, settings, NOW).busy
    assert rounds.collect(database, settings, NOW).kept


def test_work_of_a_round_is_bounded(settings, database, ledger) -> None:
    for n in range(5):
        spooled(settings, f"1.{n}", seconds=0.5)
        ledger(f"1.{n}", talk=0.5)
    first = rounds.collect(database, settings, NOW, limit=2)
    assert (len(first.kept) + len(first.suspect), first.more) == (2, True)
    rounds.collect(database, settings, NOW, limit=2)
    last = rounds.collect(database, settings, NOW, limit=2)
    assert not last.more
    assert len(rows(database)) == 5


def test_round_ends_when_told_to_stop(settings, database, ledger) -> None:
    raw = spooled(settings)
    ledger()
    assert rounds.collect(database, settings, NOW, stop=lambda: True) == rounds.Round()
    assert raw.exists()


def test_database_away_ends_the_round_and_loses_nothing(settings, database, ledger, monkeypatch) -> None:
    raw = spooled(settings)
    ledger()

    def locked(*_args):
        raise OperationalError("insert", {}, Exception("database is locked"))

    with monkeypatch.context() as patched:
        patched.setattr(keep, "write_row", locked)
        with pytest.raises(OperationalError):
            rounds.collect(database, settings, NOW)
    assert raw.exists()
    assert rounds.collect(database, settings, NOW).kept


# --- gaps ----------------------------------------------------------------------------------------------

LATER = NOW + timedelta(minutes=5)
WINDOW = (NOW - timedelta(hours=6), LATER)


@pytest.mark.parametrize(
    ("fields", "state", "problem"),
    [
        ({}, "gap", "未找到录音文件"),
        ({"talk": 0.4}, "explained", "通话不足 1 秒"),
        ({"reason": "pbx_died"}, "explained", "通话时交换机中断"),
        ({"reason": "lost_end_line"}, "gap", "未找到录音文件"),
        ({"talk": None, "outcome": "voicemail_left"}, "gap", "未找到留言文件"),
    ],
)
def test_answered_call_without_a_file_gets_a_row(settings, database, ledger, fields, state, problem) -> None:
    uid = ledger(**fields)
    assert rounds.note_gaps(database, settings, LATER, *WINDOW) == [uid]
    assert [(row.state, row.problem, row.path) for row in rows(database)] == [(state, problem, None)]
    assert rounds.note_gaps(database, settings, LATER, *WINDOW) == []


def test_recorder_switched_off_by_the_journal_explains_the_gap(settings, database, ledger) -> None:
    uid = ledger()
    with database.begin() as session:
        session.add(
            JournalEvent(
                pbx="pbx1", file="f", offset=0, at=NOW, call_uid=uid, event=keep.RECORDER_OFF, data=[]
            )
        )
    rounds.note_gaps(database, settings, LATER, *WINDOW)
    assert [row.state for row in rows(database)] == ["explained"]


@pytest.mark.parametrize("lines", [1, 2])
def test_second_wait_in_a_queue_explains_a_recording_shorter_than_the_talk(
    settings, database, ledger, lines: int
) -> None:
    spooled(settings)
    uid = ledger(talk=10.0)
    with database.begin() as session:
        for offset in range(lines):
            session.add(
                JournalEvent(
                    pbx="pbx1", file="f", offset=offset, at=NOW, call_uid=uid, event=keep.QUEUED, data=[]
                )
            )
    rounds.collect(database, settings, NOW)
    assert [row.state for row in rows(database)] == [["suspect", "kept"][lines - 1]]


def test_no_gap_is_noted_too_early_or_while_the_file_waits(settings, database, ledger) -> None:
    ledger()
    assert rounds.note_gaps(database, settings, NOW, *WINDOW) == []
    spooled(settings)
    assert rounds.note_gaps(database, settings, LATER, *WINDOW) == []


def test_no_gap_is_noted_for_calls_that_asked_for_no_recording(settings, database, ledger) -> None:
    ledger("1.1", talk=None)
    ledger("1.2", talk=None, outcome="self_served")
    assert rounds.note_gaps(database, settings, LATER, *WINDOW) == []


def test_a_spool_that_is_not_there_makes_no_gaps(settings, database, ledger) -> None:
    ledger()
    settings.monitor.rmdir()
    with pytest.raises(keep.SpoolAway):
        rounds.note_gaps(database, settings, LATER, *WINDOW)
    settings.voicemail.rmdir()
    with pytest.raises(keep.SpoolAway):
        rounds.collect(database, settings, NOW)
    assert rows(database) == []


def test_a_file_that_appears_after_all_fills_its_gap(settings, database, ledger) -> None:
    ledger()
    rounds.note_gaps(database, settings, LATER, *WINDOW)
    spooled(settings)
    rounds.collect(database, settings, LATER)
    assert [row.state for row in rows(database)] == ["kept"]


def test_kept_file_is_taken_up_again_when_the_database_was_restored(settings, database, ledger) -> None:
    spooled(settings)
    ledger()
    rounds.collect(database, settings, NOW)
    (before,) = rows(database)
    with database.begin() as session:
        session.delete(session.get(Recording, before.id))
    rounds.note_gaps(database, settings, LATER, *WINDOW)
    (after,) = rows(database)
    assert (after.state, after.path, after.sha256) == ("kept", before.path, before.sha256)


def test_a_path_never_leads_out_of_the_archive(settings) -> None:
    assert keep.file_of(settings, Recording(path="../../etc/passwd")) is None
    assert keep.spool_path(settings, "pbx1-../../x", "call") is None
    assert keep.spool_path(settings, "pbx2-1.1", "call") is None
