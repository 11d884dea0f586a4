"""recordings.parts: a recording's clock stands still where nothing is recorded; checks know of pauses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from db.engine import open_engine, sessions
from db.models import Call, CallPart, JournalEvent, Recording
from hotline.settings import Settings
from recordings import listen, parts, rounds
from recordings.checks import Facts, State, verdict
from tests.spool import ended_call, spooled, states

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
GOOD = Facts(answered=True, expected_seconds=20.0, measured_seconds=20.0, speech_seconds=(9.0, 9.0))


def part(kind: str, began: float, ended: float | None, **fields: object) -> CallPart:
    """A part by its seconds since NOW."""
    return CallPart(
        kind=kind,
        began_at=NOW + timedelta(seconds=began),
        ended_at=None if ended is None else NOW + timedelta(seconds=ended),
        **({"call_uid": "pbx1-1.1", "position": round(began), "who": "", "label": ""} | fields),
    )


TALK = [
    part("agent", 0, 60),
    part("hold", 5, 8),
    part("consult", 10, 30),
    part("party", 30, 50),
    part("recording_paused", 52, 56),
    part("returned", 60, 70),
    part("agent", 70, 90),
    part("survey", 90, 100),
]


def test_what_is_recorded_is_talk_without_the_consultation() -> None:
    assert parts.recorded_seconds(TALK) == 60
    assert parts.paused_seconds(TALK) == 4


@pytest.mark.parametrize(
    ("second", "where"), [(0, 0), (10, 10), (20, 10), (30, 10), (60, 40), (65, 40), (80, 50), (99, 60)]
)
def test_a_moment_of_the_call_has_its_place_in_the_recording(second: int, where: float) -> None:
    assert parts.position(parts.recorded(TALK), NOW + timedelta(seconds=second)) == where


def test_a_call_without_parts_or_still_open_has_no_length() -> None:
    assert parts.recorded_seconds([]) is None
    assert parts.recorded_seconds([part("agent", 0, None)]) is None
    assert parts.recorded_seconds([part("survey", 0, 5)]) is None


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        (replace(GOOD, speech_seconds=(0.0, 9.0)), "市民声道无声"),
        (replace(GOOD, speech_seconds=(0.0, 9.0), paused_seconds=10.0), "市民声道无声"),
        (replace(GOOD, speech_seconds=(0.0, 9.0), paused_seconds=18.0), None),
        (replace(GOOD, speech_seconds=(0.0, 0.0), paused_seconds=19.0), None),
        (replace(GOOD, speech_seconds=(0.0, 0.0), paused_seconds=10.0), "双声道无声"),
    ],
)
def test_a_pause_explains_silence_as_far_as_it_reaches(facts: Facts, problem: str | None) -> None:
    assert verdict(facts).problem == problem
    assert verdict(facts).state is (State.SUSPECT if problem else State.KEPT)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(var=tmp_path)
    settings.monitor.mkdir(parents=True)
    return settings


@pytest.fixture
def database(tmp_path: Path, new_database: Callable[[Path], str]) -> sessionmaker[Session]:
    return sessions(open_engine(new_database(tmp_path / "test.db")))


def test_a_recording_shorter_than_the_talk_by_its_consultation_is_good(
    settings: Settings, database: sessionmaker[Session]
) -> None:
    ended_call(database, "1.1", NOW, talk_ms=60_000)
    with database.begin() as session:
        session.add_all([part("agent", -60, 0), part("consult", -50, -10)])
    spooled(settings, "1.1", NOW, seconds=20)
    rounds.collect(database, settings, NOW + timedelta(seconds=10))
    assert states(database) == ["kept"]


def test_an_answered_outbound_call_without_a_file_is_a_gap(
    settings: Settings, database: sessionmaker[Session]
) -> None:
    ended_call(database, "1.1", NOW, direction="outbound", agent="agent01")
    ended_call(database, "1.2", NOW, direction="outbound", outcome="no_answer", talk_ms=None)
    later = NOW + timedelta(minutes=5)
    assert rounds.note_gaps(database, settings, later, NOW - timedelta(hours=1), later) == ["pbx1-1.1"]


def test_whoever_talked_with_the_citizen_may_listen_and_whoever_was_only_asked_may_not(
    database: sessionmaker[Session],
) -> None:
    ended_call(database, "1.1", NOW)
    with database.begin() as session:
        session.add_all(
            [
                part("agent", 0, 20, agent="agent01"),
                part("consult", 5, 10, agent="agent01", who="agent02"),
                part("party", 10, 20, agent="agent01", who="agent03"),
                part("agent", 20, 30, agent="agent04"),
            ]
        )
        session.add(
            JournalEvent(pbx="pbx1", file="f", offset=0, at=NOW, event="CONNECT", agent="agent05", data=[])
        )
    with database() as session:
        seen = {
            f"agent0{n}"
            for n in range(1, 6)
            if session.query(Call).where(listen.visible(listen.Listener("agent", f"agent0{n}"))).count()
        }
    assert seen == {"agent01", "agent03", "agent04"}
    with database.begin() as session:
        row = Recording(call_uid="pbx1-1.1", state="kept", path="x.flac")
        session.add(row)
        session.flush()
        assert listen.subject(session, row).agents == seen
