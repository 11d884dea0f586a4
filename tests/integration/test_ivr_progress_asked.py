"""Tickets heard by telephone, asked of both databases filled with the demo city."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Ticket, Unit
from ivr import prompts
from ivr.progress import Progress, progress


def test_phrases_name_units_of_the_demo_city(demo_session: Session) -> None:
    known = set(demo_session.scalars(select(Unit.name)))
    assert {name for unit in prompts.units() for name in unit.names} <= known


def demo_ticket(session: Session) -> Ticket:
    statement = select(Ticket).where(Ticket.unit_id.is_not(None), Ticket.contact_number != "").limit(1)
    return session.scalars(statement).one()


def test_caller_with_the_right_digits_hears_the_state(demo_session: Session) -> None:
    ticket = demo_ticket(demo_session)
    answer = progress(demo_session, ticket.number, ticket.contact_number[-4:], "")
    assert answer.result == "found"
    assert answer.sounds[:2] == ("hotline/ticket-state-is", f"hotline/state-{ticket.state.replace('_', '-')}")


def test_caller_on_the_right_telephone_needs_no_digits(demo_session: Session) -> None:
    ticket = demo_ticket(demo_session)
    ticket.confidential = False
    assert progress(demo_session, ticket.number, "", ticket.contact_number).result == "found"
    ticket.confidential = True
    assert progress(demo_session, ticket.number, "", ticket.contact_number).result == "wrong_digits"


def test_wrong_digits_say_nothing_about_the_ticket(demo_session: Session) -> None:
    ticket = demo_ticket(demo_session)
    wrong = f"{(int(ticket.contact_number[-4:]) + 1) % 10000:04}"
    assert progress(demo_session, ticket.number, wrong, "") == Progress("wrong_digits")


@pytest.mark.parametrize(
    "number",
    ["", "1", "26110100001", "2611010000123", "2611x1000012", "２６１１０１００００１２", "999999999999"],
)
def test_number_that_is_no_ticket_is_not_found(demo_session: Session, number: str) -> None:
    assert progress(demo_session, number, "1234", "") == Progress("not_found")
