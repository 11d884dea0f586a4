"""An agent's own day, read from a real database: journal, calls, parts and tickets of several people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session

from db.models import Call, CallPart, JournalEvent, Ticket, User
from reports.agent_day import agent_day

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
"""11:00 in the city."""
MORNING = NOW - timedelta(hours=2)


@pytest.fixture
def engine(demo_engine: Engine) -> Engine:
    return demo_engine


@pytest.fixture
def session(demo_session: Session) -> Session:
    return demo_session


def moment(minutes: float) -> datetime:
    return MORNING + timedelta(minutes=minutes)


def journal(session: Session, rows: list[tuple[float, str, str | None, str, str]]) -> None:
    """Rows (minute, event, agent, queue, first datum), in the order of the journal."""
    for offset, (minute, name, agent, queue, datum) in enumerate(rows):
        uid = datum if name in ("CONNECT", "AGENTANSWERED", "TAKENOVER") else None
        session.add(
            JournalEvent(
                pbx="pbx1",
                file="f",
                offset=offset,
                at=moment(minute),
                agent=agent,
                queue=queue,
                event=name,
                call_uid=uid,
                data=[datum],
            )
        )


def call(session: Session, uid: str, minute: float, talked: float, **facts: Any) -> None:
    values: dict[str, Any] = {
        "uid": uid,
        "pbx": "pbx1",
        "caller": "8619900000001",
        "arrived_at": moment(minute - 1),
        "answered_at": moment(minute),
        "agent": "agent01",
        "wait_ms": 6_000,
        "talk_ms": round(talked * 60_000),
        "ended_at": moment(minute + talked),
        "outcome": "answered",
    }
    session.add(Call(**(values | facts)))


def part(
    session: Session, uid: str, position: int, kind: str, agent: str, began: float, ended: float
) -> None:
    session.add(
        CallPart(
            call_uid=uid,
            position=position,
            kind=kind,
            agent=agent,
            began_at=moment(began),
            ended_at=moment(ended),
        )
    )


def busy_morning(session: Session) -> None:
    """agent01: an own call, one that came by transfer, one dialled; agent02 has the rest."""
    journal(
        session,
        [
            (0, "ADDMEMBER", "agent01", "consultation", "PAUSED"),
            (0, "SIGNIN", "agent01", "NONE", "8001"),
            (0, "SIGNIN", "agent02", "NONE", "8002"),
            (10, "CONNECT", "agent01", "consultation", "pbx1-1.1"),
            (14, "PAUSE", "agent01", "consultation", "after_call"),
            (15, "UNPAUSE", "agent01", "consultation", ""),
            (30, "CONNECT", "agent01", "complaint", "pbx1-2.1"),
            (40, "QUEUESTART", None, "NONE", ""),
            (60, "REMOVEMEMBER", "agent01", "consultation", ""),
            (60, "SIGNOUT", "agent01", "NONE", "8001"),
        ],
    )
    call(session, "pbx1-1.1", 10, 4, rating=1, rated_agent="agent01")
    call(session, "pbx1-2.1", 20, 15, agent="agent02", rating=3, rated_agent="agent01")
    part(session, "pbx1-2.1", 0, "agent", "agent02", 20, 29)
    part(session, "pbx1-2.1", 1, "agent", "agent01", 30, 32)
    part(session, "pbx1-2.1", 2, "hold", "agent01", 32, 33)
    part(session, "pbx1-2.1", 3, "agent", "agent01", 33, 35)
    call(session, "pbx1-3.1", 50, 0, direction="outbound", answered_at=None, talk_ms=None, outcome="busy")
    users = {login: user_id for login, user_id in session.execute(select(User.login, User.id))}
    for number, (owner, disposition, state) in enumerate(
        [
            ("agent01", "direct", "direct_answered"),
            ("agent01", "dispatch", "to_sign"),
            ("agent01", "dispatch", "not_accepted"),
            ("agent01", None, "pre_review"),
            ("agent02", "direct", "direct_answered"),
        ]
    ):
        session.add(
            Ticket(
                number=f"test{number}",
                state=state,
                disposition=disposition,
                request_type="help",
                title="x",
                created_by=users[owner],
                created_at=moment(20),
            )
        )
    session.flush()


def test_the_day_of_one_among_others(session: Session) -> None:
    busy_morning(session)
    day = agent_day(session, "agent01", NOW)
    assert (day.answered, day.outbound, day.talk_seconds) == (2, 1, 9 * 60)
    assert (day.average_talk_seconds, day.average_wait_seconds) == (270, 6)
    assert (day.after_call_seconds, day.signed_in_seconds) == (60, 3600)
    assert day.utilisation == pytest.approx(600 / 3600)
    assert day.direct_rate == 0.5
    assert (day.rated, day.satisfied) == (2, 1)
    other = agent_day(session, "agent02", NOW)
    assert (other.answered, other.talk_seconds, other.signed_in_seconds) == (1, 9 * 60, 2 * 3600)
    assert (other.rated, other.direct_rate) == (0, 1)
    assert agent_day(session, "nobody", NOW).signed_in_seconds == 0
    assert agent_day(session, "agent01", NOW + timedelta(days=1)).answered == 0


def test_a_call_that_no_queue_has_brought_is_its_agents_too(session: Session) -> None:
    """Handed over to the seat directly, or taken over by the shift leader: other lines name them."""
    journal(
        session,
        [
            (10, "CONNECT", "agent01", "consultation", "pbx1-5.1"),
            (12, "AGENTANSWERED", "agent02", "NONE", "pbx1-5.1"),
            (15, "TAKENOVER", "leader01", "NONE", "pbx1-5.1"),
        ],
    )
    call(session, "pbx1-5.1", 10, 8)
    part(session, "pbx1-5.1", 0, "agent", "agent01", 10, 12)
    part(session, "pbx1-5.1", 1, "agent", "agent02", 12, 15)
    part(session, "pbx1-5.1", 2, "agent", "leader01", 15, 18)
    session.flush()
    for login, minutes in (("agent01", 2), ("agent02", 3), ("leader01", 3)):
        day = agent_day(session, login, NOW)
        assert (day.answered, day.talk_seconds) == (1, minutes * 60), login


def test_a_day_asks_by_index_only(session: Session) -> None:
    busy_morning(session)
    asked: list[tuple[str, Any]] = []
    connection = session.connection()

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    agent_day(session, "agent01", NOW)
    event.remove(connection, "before_cursor_execute", note)
    assert len(asked) <= 6
    if connection.dialect.name == "sqlite":
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            scans = [row[3] for row in plan if row[3].startswith("SCAN")]
            assert not scans, (statement, plan)
