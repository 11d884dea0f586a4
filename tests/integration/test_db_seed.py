"""The demo city: there once, whole, and with figures that add up."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import (
    Base,
    Call,
    Category,
    Citizen,
    CitizenPhone,
    NotReadyReason,
    QueueMembership,
    Region,
    RosterEntry,
    Seat,
    ShiftKind,
    SpecialDeskPeriod,
    Ticket,
    TicketEvent,
    TransferTarget,
    Unit,
    User,
    now,
)
from db.numbers import normal
from db.seed import OUTCOMES, season, seed
from tickets import catalogue
from tickets.demo import seed_tickets
from tickets.life import ACTION_LABELS
from tickets.states import FINISHED, State
from tickets.ticket_number import is_valid


def counts(session: Session) -> dict[str, int]:
    tables = Base.metadata.sorted_tables
    return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


def test_a_second_seeding_adds_nothing(session: Session) -> None:
    seed(session, lambda login: f"hash of {login}")
    seed_tickets(session)
    before = counts(session)
    seed(session, lambda login: "another")
    assert seed_tickets(session) == 0
    assert counts(session) == before
    assert session.scalar(select(User.password_hash).where(User.login == "agent01")) == "hash of agent01"


def test_the_city_is_whole(session: Session) -> None:
    seed(session, lambda login: "x", seats=15)
    roles = Counter(session.scalars(select(User.role)))
    one_each = {"shift_leader": 2, "supervisor": 1, "inspector": 1, "dispatcher": 1, "administrator": 1}
    assert roles == {"agent": 14} | one_each
    assert session.get(Seat, "8015").label == "十五号席"  # type: ignore[union-attr]
    assert all(name.startswith("演示·") for name in session.scalars(select(User.name)))
    assert {1, 2, 3} == set(session.scalars(select(Unit.level))) == set(session.scalars(select(Region.level)))
    leaves = list(catalogue.leaves(catalogue.categories(session)))
    assert len(leaves) >= 60
    assert all(leaf.unit_id for leaf in leaves)
    assert all(one.initials == catalogue.initials(one.name) for one in session.scalars(select(Category)))
    general = select(func.count()).where(QueueMembership.queue == "consultation")
    assert session.scalar(general) == 14


def test_numbers_of_citizens_are_normal_and_one_is_shared(session: Session) -> None:
    seed(session, lambda login: "x")
    numbers = Counter(session.scalars(select(CitizenPhone.number)))
    assert all(normal(number, "0571") == number for number in numbers)
    assert max(numbers.values()) == 2
    assert session.scalar(select(func.count()).select_from(Citizen)) == 12


def test_past_calls_have_one_outcome_each_and_times_in_order(session: Session) -> None:
    seed(session, lambda login: "x")
    calls = session.scalars(select(Call)).all()
    assert Counter(call.outcome for call in calls) == OUTCOMES
    for call in calls:
        times = [call.arrived_at, call.to_person_at, call.answered_at, call.ended_at, now()]
        known = [time for time in times if time is not None]
        assert known == sorted(known)
        assert (call.outcome == "answered") == (call.answered_at is not None) == (call.agent is not None)


def test_demo_tickets_stand_in_every_state_with_an_unbroken_timeline(session: Session) -> None:
    seed(session, lambda login: "x")
    assert seed_tickets(session) == 40
    tickets = session.scalars(select(Ticket)).all()
    assert {ticket.state for ticket in tickets} == set(State)
    for ticket in tickets:
        lines = session.scalars(
            select(TicketEvent).where(TicketEvent.ticket_id == ticket.id).order_by(TicketEvent.id)
        ).all()
        assert is_valid(ticket.number)
        assert [line.from_state for line in lines] == [None, *[line.to_state for line in lines[:-1]]]
        assert lines[-1].to_state == ticket.state
        assert [line.at for line in lines] == sorted(line.at for line in lines)
        assert lines[-1].at <= now()
        assert {line.action for line in lines} <= set(ACTION_LABELS)
        assert (ticket.closed_at is not None) == (ticket.state in FINISHED)


@pytest.mark.parametrize(
    ("today", "opens_on", "closes_on"),
    [
        ("2026-11-14", "2026-11-15", "2027-03-15"),
        ("2026-11-15", "2026-11-15", "2027-03-15"),
        ("2027-03-15", "2026-11-15", "2027-03-15"),
        ("2027-03-16", "2027-11-15", "2028-03-15"),
    ],
)
def test_a_season_is_the_one_of_now_or_the_next(today: str, opens_on: str, closes_on: str) -> None:
    found = season("11-15", "03-15", date.fromisoformat(today))
    assert found == (date.fromisoformat(opens_on), date.fromisoformat(closes_on))


def test_the_desk_is_set_up(session: Session) -> None:
    seed(session, lambda login: "x")
    reasons = session.scalars(select(NotReadyReason).order_by(NotReadyReason.position)).all()
    assert [(one.code, one.limit_minutes) for one in reasons] == [
        ("break", 15),
        ("meal", 40),
        ("meeting", 60),
        ("training", 120),
        ("follow_up", 60),
        ("other", 15),
    ]
    groups = Counter(session.scalars(select(TransferTarget.group)))
    assert groups == {"单位值班": 6, "专家组": 3, "律师组": 2}
    assert all(n.startswith("1990001") for n in session.scalars(select(TransferTarget.number)))
    assert set(session.scalars(select(SpecialDeskPeriod.queue))) == {"heating"}


def test_two_weeks_are_rostered_and_every_shift_can_be_worked(session: Session) -> None:
    seed(session, lambda login: "x")
    entries = session.scalars(select(RosterEntry).order_by(RosterEntry.from_at)).all()
    assert len({entry.day for entry in entries}) == 14
    assert {entry.kind for entry in entries} == set(session.scalars(select(ShiftKind.code)))
    assert all(entry.note == "演示" for entry in entries)
    for user_id in {entry.user_id for entry in entries}:
        mine = [entry for entry in entries if entry.user_id == user_id]
        assert all(two.from_at - one.to_at >= timedelta(hours=8) for one, two in pairwise(mine))
    session.delete(entries[0])
    session.flush()
    seed(session, lambda login: "x")
    assert len(session.scalars(select(RosterEntry)).all()) == len(entries) - 1, "what was taken out stays out"
