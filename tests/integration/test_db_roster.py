"""The roster held against the journal of a real database: everybody's weeks in two statements, by index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.models import JournalEvent, RosterEntry, RosterEvent, User
from reports.agent_day import agent_days, midnight_of, seconds
from reports.morning import days_of, heard_calls, hours_of, window_of
from reports.roster import Limits, kept, shifts, signed_in

DAY = date(2026, 11, 20)
BEGINS = midnight_of(DAY)
NOW = BEGINS + timedelta(days=3)
AGENTS = 6


@contextmanager
def statements(session: Session) -> Iterator[list[tuple[str, Any]]]:
    asked: list[tuple[str, Any]] = []
    connection = session.connection()

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(connection, "before_cursor_execute", note)


@pytest.fixture
def weeks(session: Session) -> dict[int, str]:
    """Agents on early and night shifts of two days; each some minutes late; a restart of the PBX; calls'
    lines in between. Gives {user id: login}."""
    people = [
        User(login=f"a{n}", name=f"a{n}", work_number=f"{n}", role="agent", password_hash="x")
        for n in range(AGENTS)
    ]
    session.add_all(people)
    session.flush()
    rows: list[tuple[datetime, str, str | None, str | None]] = [
        (BEGINS + timedelta(hours=12), "QUEUESTART", None, None)
    ]
    for n, user in enumerate(people):
        for ahead in (0, 1):
            hour = 8 if n % 2 else 22
            began = BEGINS + timedelta(days=ahead, hours=hour)
            ended = began + timedelta(hours=8)
            times = {"from_at": began, "to_at": ended}
            session.add(RosterEntry(user_id=user.id, day=DAY + timedelta(days=ahead), kind="x", **times))
            came = began + timedelta(minutes=2 * n)
            rows += [(came, "SIGNIN", user.login, None), (came, "ADDMEMBER", user.login, "consultation")]
            rows += [
                (came + timedelta(minutes=m), name, user.login, "consultation")
                for m in range(5, 300, 30)
                for name in ("CONNECT", "PAUSE", "UNPAUSE")
            ]
            rows += [
                (ended, "REMOVEMEMBER", user.login, "consultation"),
                (ended, "SIGNOUT", user.login, None),
            ]
    for offset, (at, name, agent, queue) in enumerate(sorted(rows, key=lambda row: row[0])):
        facts = {"pbx": "pbx1", "file": "f", "offset": offset, "data": [""]}
        session.add(JournalEvent(at=at, event=name, agent=agent, queue=queue, **facts))
    session.flush()
    return {user.id: user.login for user in people}


def test_everybodys_weeks_take_two_statements_by_index(session: Session, weeks: dict[int, str]) -> None:
    with statements(session) as asked:
        found = kept(session, weeks, DAY, DAY + timedelta(days=1), NOW, Limits())
    assert len(asked) == 2
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        plans = [
            row[3]
            for one, values in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", values)
        ]
        assert not [plan for plan in plans if plan.startswith("SCAN")], plans
        assert any("ix_journal_events_membership" in plan for plan in plans), plans
    else:
        connection.exec_driver_sql("ANALYZE journal_events")
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {asked[1][0]}", asked[1][1]))
        assert "ix_journal_events_membership" in plan
    for n in range(AGENTS):
        for day in found.values():
            one = day[f"a{n}"]
            assert one.rostered_seconds == 8 * 3600
            assert one.present_seconds == 8 * 3600 - 2 * n * 60
            assert one.late == (2 * n > 5)


def test_who_was_signed_in_is_what_an_agents_own_day_says(session: Session, weeks: dict[int, str]) -> None:
    for ahead in (0, 1):
        window = (BEGINS + timedelta(days=ahead), BEGINS + timedelta(days=ahead + 1))
        own = agent_days(session, list(weeks.values()), window)
        bulk = signed_in(session, *window)
        assert {login: day.signed_in_seconds for login, day in own.items()} == {
            login: seconds(bulk.get(login, ())) for login in weeks.values()
        }


def test_figures_of_a_group_take_as_many_statements_as_of_one(
    session: Session, weeks: dict[int, str]
) -> None:
    with statements(session) as asked:
        days = days_of(session, list(weeks.values()), DAY, NOW)
    assert len(asked) <= 6
    assert days["a1"].signed_in_seconds == 8 * 3600 - 120
    assert heard_calls(session, list(weeks.values()), window_of(DAY, NOW)) == []
    assert hours_of(session, window_of(DAY, NOW)) == {}
    assert {login: len(found) for login, found in shifts(session, weeks, DAY, DAY).items()} == dict.fromkeys(
        weeks.values(), 1
    )


def test_what_was_changed_in_the_roster_cannot_be_unsaid(session: Session) -> None:
    session.add(RosterEvent(action="add", at=datetime(2026, 11, 20, tzinfo=UTC), data={}))
    session.flush()
    for change in ("UPDATE roster_events SET action = 'swap'", "DELETE FROM roster_events"):
        with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
            session.connection().exec_driver_sql(change)
    assert session.scalar(select(RosterEvent.action)) == "add"
