"""Progress of a ticket by telephone: may this caller hear it, and which sounds say it.

The phrases are rendered beforehand; an answer is a list of them: nothing is synthesised while someone waits.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Ticket, Unit
from ivr import prompts

Result = Literal["found", "not_found", "wrong_digits"]

WITH_A_UNIT = frozenset(
    {
        "to_sign",
        "in_progress",
        "to_review",
        "to_follow_up",
        "closed",
        "extension_pending",
        "rework",
        "supervised",
    }
)
"""States in which it is settled who handles the ticket, so the unit is named."""
LEVELS = 8
"""How far up the tree of units a phrase is looked for; the demo city has three levels."""


@dataclass(frozen=True)
class Progress:
    """`sounds` are Asterisk's file names in order: ("hotline/ticket-state-is", ...); empty unless found."""

    result: Result
    sounds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Claim:
    """What a caller shows that the ticket is theirs: four digits or none, the calling number or none."""

    last4: str
    calling: str


def may_hear(contact: str, confidential: bool, claim: Claim) -> bool:
    """Whether the claim fits the number that the ticket was filed from; both numbers in normal form.

    The calling number can be forged, so for a confidential ticket it never stands alone.
    """
    digits_fit = (
        re.fullmatch(r"[0-9]{4}", claim.last4) is not None
        and len(contact) >= 5
        and hmac.compare_digest(contact[-4:], claim.last4)
    )
    if claim.last4 or confidential:
        return digits_fit
    return contact != "" and hmac.compare_digest(contact, claim.calling)


def spoken(state: str, unit_names: Iterable[str]) -> tuple[str, ...]:
    """The sounds of a ticket's progress. `unit_names`: its unit, then those above it; none: no unit yet."""
    known = {text.id for text in prompts.texts()}
    wanted = f"state-{state.replace('_', '-')}"
    names = ["ticket-state-is", wanted if wanted in known else "state-other"]
    chain = tuple(unit_names)
    if chain and state in WITH_A_UNIT:
        names += ["unit-is", unit_phrase(chain)]
    return tuple(f"hotline/{name}" for name in names)


def unit_phrase(names: Iterable[str]) -> str:
    """Prompt id of the first of these unit names that has a phrase, else the general one."""
    phrases = {name: unit.id for unit in prompts.units() for name in unit.names}
    return next((phrases[name] for name in names if name in phrases), "unit-other")


def units_upwards(session: Session, unit_id: int | None) -> Iterator[str]:
    """Names of a unit and of those above it."""
    for _ in range(LEVELS):
        unit = session.get(Unit, unit_id) if unit_id is not None else None
        if unit is None:
            return
        yield unit.name
        unit_id = unit.parent_id


def progress(session: Session, ticket_number: str, last4: str, calling: str) -> Progress:
    """Looks a ticket up for a caller.

    ticket_number: as keyed in, 12 digits. last4: last four digits of the number the ticket was filed from, or
    '' when the caller says they call from it. calling: the calling number in normal form, '' when withheld.
    """
    if not re.fullmatch(r"[0-9]{12}", ticket_number):
        return Progress("not_found")
    ticket = session.scalar(select(Ticket).where(Ticket.number == ticket_number))
    if ticket is None:
        return Progress("not_found")
    if not may_hear(ticket.contact_number, ticket.confidential, Claim(last4, calling)):
        return Progress("wrong_digits")
    return Progress("found", spoken(ticket.state, units_upwards(session, ticket.unit_id)))
