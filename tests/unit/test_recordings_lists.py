"""Who may listen, what is listed, what the night finds, what is past its age."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from db.engine import open_engine, sessions
from db.models import Call, JournalEvent, Queue, Recording, Ticket, User
from hotline.settings import Settings
from recordings import nightly, retention, rounds, samples
from recordings.listen import Listener, Subject, may_listen, may_see, subject
from recordings.listing import listing, rows_of_calls

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 20, 18, 31, tzinfo=UTC)
"""02:31 of the 21st in Asia/Shanghai."""

OWN = Subject(frozenset({"agent01", "agent02"}), has_ticket=False, audible=True)
WITH_TICKET = Subject(frozenset({"agent01"}), has_ticket=True, audible=True)
GAP = Subject(frozenset({"agent01"}), has_ticket=True, audible=False)


@pytest.mark.parametrize(
    ("role", "login", "known", "hears", "sees"),
    [
        ("agent", "agent01", OWN, True, True),
        ("agent", "agent02", OWN, True, True),
        ("agent", "agent03", OWN, False, False),
        ("agent", "agent03", WITH_TICKET, False, False),
        ("agent", "agent01", GAP, False, True),
        ("dispatcher", "dispatch01", OWN, False, False),
        ("dispatcher", "dispatch01", WITH_TICKET, True, True),
        ("shift_leader", "leader01", OWN, True, True),
        ("inspector", "inspect01", OWN, True, True),
        ("administrator", "admin", OWN, True, True),
        ("administrator", "admin", GAP, False, True),
        ("", "agent01", OWN, False, False),
        ("robot", "agent01", OWN, False, False),
    ],
)
def test_who_may_listen(role: str, login: str, known: Subject, hears: bool, sees: bool) -> None:
    assert may_listen(Listener(role, login), known) is hears
    assert may_see(Listener(role, login), known) is sees


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(var=tmp_path)
    settings.monitor.mkdir(parents=True)
    return settings


@pytest.fixture
def database(tmp_path: Path, new_database: Callable[[Path], str]) -> sessionmaker[Session]:
    return sessions(open_engine(new_database(tmp_path / "test.db")))


def call(n: int, **fields: object) -> Call:
    row: dict[str, object] = {
        "uid": f"pbx1-1.{n}",
        "pbx": "pbx1",
        "caller": f"861381234{n:04d}",
        "queue": "consultation",
        "arrived_at": NOON + timedelta(minutes=n),
        "answered_at": NOON + timedelta(minutes=n),
        "talk_ms": 4000,
        "ended_at": NOON + timedelta(minutes=n, seconds=4),
        "outcome": "answered",
        "agent": f"agent{1 + n % 2:02d}",
        "ended_by": "caller",
        "cause": 16,
    }
    return Call(**(row | fields))


@pytest.fixture
def listed(database: sessionmaker[Session]) -> sessionmaker[Session]:
    """Six calls by agents 01 (even) and 02 (odd); 4 was handed on to agent02, 2 has a ticket, 5 is a gap."""
    with database.begin() as session:
        session.add(
            User(id=1, login="agent01", name="张敏", work_number="1001", role="agent", password_hash="")
        )
        session.add(Queue(name="consultation", label="综合咨询"))
        for n in range(6):
            session.add(call(n))
            session.flush()
            state, path = ("gap", None) if n == 5 else ("kept", f"{n}.flac")
            session.add(Recording(call_uid=f"pbx1-1.{n}", state=state, path=path, seconds=4.0))
        session.add(
            JournalEvent(
                pbx="pbx1", file="f", offset=0, at=NOON, call_uid="pbx1-1.4", agent="agent02",
                event="CONNECT", data=[],
            )
        )  # fmt: skip
        session.add(
            Ticket(
                number="261120000017", state="accepted", request_type="help", title="路灯不亮", created_by=1,
                call_uid="pbx1-1.2",
            )
        )  # fmt: skip
    return database


def found(
    database: sessionmaker[Session], role: str = "inspector", login: str = "x", **how: object
) -> list[int]:
    with database() as session:
        page = listing(session, Listener(role, login), **how)  # type: ignore[arg-type]
    assert page.total >= len(page.rows)
    return [int(row.call_uid.rsplit(".", 1)[1]) for row in page.rows]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"role": "agent", "login": "agent01"}, [4, 2, 0]),
        ({"role": "agent", "login": "agent02"}, [5, 4, 3, 1]),
        ({"role": "agent", "login": "agent09"}, []),
        ({"role": "dispatcher"}, [2]),
        ({"role": "robot"}, []),
        ({"state": "gap"}, [5]),
        ({"state": "nonsense"}, []),
        ({"agent": "agent02"}, [5, 3, 1]),
        ({"day": DAY}, [5, 4, 3, 2, 1, 0]),
        ({"day": DAY + timedelta(days=1)}, []),
        ({"q": "138 1234-0003"}, [3]),
        ({"q": "0003"}, [3]),
        ({"q": "003"}, []),
        ({"q": "261120000017"}, [2]),
        ({"q": "张敏"}, [4, 2, 0]),
        ({"q": "pbx1-1.3"}, [3]),
        ({"q": "%"}, []),
        ({"q": "' or 1=1 --"}, []),
        ({"q": "  "}, [5, 4, 3, 2, 1, 0]),
        ({"page": 2, "page_size": 4}, [1, 0]),
        ({"page": 9, "page_size": 4}, []),
        ({"page": 0, "page_size": 2}, [5, 4]),
    ],
)
def test_listing(listed, how: dict[str, object], expected: list[int]) -> None:
    assert found(listed, **how) == expected


def test_row_has_what_the_screen_shows(listed) -> None:
    with listed() as session:
        page = listing(session, Listener("inspector", "x"))
        gap, kept = page.rows[0], page.rows[1]
        assert (page.total, page.page_size) == (6, 20)
        assert (gap.state_label, gap.listenable) == ("缺失", False)
        assert (kept.state_label, kept.listenable, kept.agent_name) == ("正常", True, "张敏")
        assert (kept.queue_label, kept.caller) == ("综合咨询", "8613812340004")
        assert rows_of_calls(session, Listener("inspector", "x"), ["pbx1-1.4", "pbx1-9.9"]) == [kept]
        assert rows_of_calls(session, Listener("agent", "agent01"), ["pbx1-1.3"]) == []


def test_everybody_who_talked_took_part(listed) -> None:
    with listed() as session:
        row = session.scalars(select(Recording).where(Recording.call_uid == "pbx1-1.4")).one()
        assert subject(session, row) == Subject(frozenset({"agent01", "agent02"}), False, True)


# --- the night -----------------------------------------------------------------------------------------


@pytest.fixture
def kept(settings: Settings, database: sessionmaker[Session]) -> sessionmaker[Session]:
    """Three calls of the day with good files in the archive, kept by a real round."""
    for n in range(3):
        raw = samples.write_raw(settings.monitor / f"pbx1-1.{n}.raw", 4.0)
        os.utime(raw, (NOON.timestamp(), NOON.timestamp()))
        with database.begin() as session:
            session.add(call(n))
    assert len(rounds.collect(database, settings, NIGHT).kept) == 3
    return database


def test_a_good_day_is_ok(settings, kept) -> None:
    done = rounds.check_day(kept, settings, DAY, NIGHT)
    assert (done.ok, done.calls, done.kept, done.proved, done.lines) == (True, 3, 3, 3, ())


def test_a_day_is_that_of_the_city(settings, kept) -> None:
    with kept.begin() as session:
        session.add(call(10, arrived_at=datetime(2026, 11, 20, 15, 59, 59, tzinfo=UTC)))
        session.add(call(11, arrived_at=datetime(2026, 11, 20, 16, 0, tzinfo=UTC)))
    done = rounds.check_day(kept, settings, DAY, NIGHT)
    assert [line.call_uid for line in done.lines] == ["pbx1-1.10"]


def test_gap_and_explained_gap_are_listed_and_only_the_gap_is_not_ok(settings, kept) -> None:
    with kept.begin() as session:
        session.add(call(20, talk_ms=300))
    done = rounds.check_day(kept, settings, DAY, NIGHT)
    assert (done.ok, done.explained, done.gaps) == (True, 1, 0)
    with kept.begin() as session:
        session.add(call(21))
    done = rounds.check_day(kept, settings, DAY, NIGHT)
    assert (done.ok, done.explained, done.gaps) == (False, 1, 1)
    assert done.table() == [
        ("pbx1-1.20", "2026-11-20 12:20:00", "agent01", "0", "缺失（有说明）", "通话不足 1 秒"),
        ("pbx1-1.21", "2026-11-20 12:21:00", "agent02", "4", "缺失", "未找到录音文件"),
    ]


def test_changed_and_lost_files_are_found(settings, kept) -> None:
    with kept() as session:
        first, second, _ = session.scalars(select(Recording).order_by(Recording.call_uid))
    changed, lost = settings.recordings / first.path, settings.recordings / second.path
    changed.write_bytes(changed.read_bytes()[:-1] + b"\x00\x00")
    lost.unlink()
    done = rounds.check_day(kept, settings, DAY, NIGHT)
    assert (done.ok, done.damaged, done.suspect, done.gaps) == (False, 2, 1, 1)
    assert [line.problem for line in done.lines] == [nightly.CHANGED, nightly.GONE]


def test_a_sample_is_spread_over_the_day(settings, kept) -> None:
    assert rounds.check_day(kept, settings, DAY, NIGHT, sample=2).proved == 2
    assert rounds.check_day(kept, settings, DAY, NIGHT, sample=0).proved == 0


def test_call_that_ended_a_moment_ago_is_no_gap_yet(settings, database) -> None:
    with database.begin() as session:
        session.add(call(0, ended_at=NIGHT - timedelta(seconds=3)))
    assert rounds.check_day(database, settings, DAY, NIGHT).calls == 0


def test_spool_that_is_not_there_is_told_and_not_ok(settings, database) -> None:
    settings.monitor.rmdir()
    with database.begin() as session:
        session.add(call(0))
    done = rounds.check_day(database, settings, DAY, NIGHT)
    assert (done.ok, done.spool_away, done.gaps) == (False, True, 1)
    assert [line.problem for line in done.lines] == [nightly.NOT_COLLECTED]


def test_orphans_are_reported(settings, database) -> None:
    raw = samples.write_raw(settings.monitor / "pbx1-9.9.raw", 1.0)
    os.utime(raw, (NOON.timestamp(), NOON.timestamp()))
    assert rounds.check_day(database, settings, DAY, NIGHT).orphans == ("pbx1-9.9.raw",)


def test_the_night_is_done_once_and_caught_up_later(settings, database) -> None:
    assert nightly.day_due(settings, NIGHT - timedelta(minutes=5)) is None
    assert nightly.day_due(settings, NIGHT) == DAY
    assert nightly.day_due(settings, NIGHT + timedelta(hours=9)) == DAY
    saved = nightly.save_report(settings, rounds.check_day(database, settings, DAY, NIGHT))
    assert json.loads(saved.read_text("utf-8"))["day"] == "2026-11-20"
    assert nightly.day_due(settings, NIGHT + timedelta(hours=9)) is None
    assert nightly.day_due(settings, NIGHT + timedelta(days=1)) == DAY + timedelta(days=1)


# --- retention -----------------------------------------------------------------------------------------


def test_what_is_past_three_years_is_reported_and_stays(settings, kept) -> None:
    later = NOON.replace(year=2029) + timedelta(minutes=1, seconds=30)
    with kept() as session:
        overdue = retention.overdue(session, later)
        assert (overdue.files, overdue.oldest) == (2, NOON)
        assert overdue.bytes == 2 * session.scalars(select(Recording.bytes)).first()
        assert retention.overdue(session, NOON) == retention.Overdue(0, 0, None)
    assert len(list(settings.recordings.rglob("*.flac"))) == 3


def test_retention_on_a_leap_day() -> None:
    assert retention.kept_since(datetime(2028, 2, 29, tzinfo=UTC)) == datetime(2025, 2, 28, tzinfo=UTC)
