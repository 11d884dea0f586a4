"""Tickets that may be about the same matter: near the place while the form is filled, and before it is saved.

Only reads. What looks alike is decided by `tickets.alike`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, or_, select
from sqlalchemy.orm import Session

from db.models import Category, Region, Ticket
from tickets import alike
from tickets.search import TicketRow, rows, rows_statement
from tickets.states import State, is_open

MOST = 10
LOOKED_AT = 400
"""Tickets compared at most, those of the region or of the number first, then the newest: a busy category has
more in a month."""
NEVER = (State.DRAFT, State.MERGED)
"""States that stand for no matter of their own."""

DISTANCES = {
    "same_category_and_place": "同类诉求，同一地点",
    "same_category_and_region": "同类诉求，同一区域",
    "same_category_within_region": "同类诉求，所选区域之内",
}
"""How near, the nearest first."""


@dataclass(frozen=True)
class Nearby:
    row: TicketRow
    distance: str

    def as_json(self) -> dict[str, Any]:
        return self.row.as_json() | {
            "distance": self.distance,
            "distance_label": DISTANCES[self.distance],
        }


@dataclass(frozen=True)
class Duplicate:
    row: TicketRow
    why: str
    score: float
    """0..1"""

    def as_json(self) -> dict[str, Any]:
        return self.row.as_json() | {"why": self.why, "score": round(self.score, 3)}


def nearby(
    session: Session,
    *,
    category_id: int | None,
    region_id: int | None,
    where: str,
    own_number: str,
    now: datetime,
    days: int,
) -> list[Nearby]:
    """Tickets of the last days with this category at this place or in this region, the nearest first, <= 10.

    Those of `own_number` are left out: they stand in the pop. Two SQL statements.
    """
    place = alike.place(where)
    if category_id is None or (region_id is None and not place):
        return []
    within = _below(session, region_id)
    found = session.execute(
        _of_category(),
        {
            "category": category_id,
            "region": region_id or 0,
            "number": own_number,
            "since": now - timedelta(days=days),
        },
    ).all()
    near = []
    for one, row in zip(found, rows(found), strict=True):
        distance = _distance(one[0], place, region_id, within)
        if distance is not None:
            near.append(Nearby(row, distance))
    ranks = list(DISTANCES)
    near.sort(key=lambda one: one.row.created_at, reverse=True)
    near.sort(key=lambda one: (ranks.index(one.distance), not one.row.open))
    return near[:MOST]


def duplicates(
    session: Session, form: Mapping[str, Any], number: str, now: datetime, days: int
) -> list[Duplicate]:
    """What may be the matter of a form already, the most alike first, <= 10.

    `form` is untrusted and perhaps half filled; `number` the caller's in normal form. Looked through are the
    tickets of the last `days` from the same number, the same category or a sister of it. Two SQL statements.
    """
    matter = _matter_of_form(form, number)
    if matter.category_id is None and not number:
        return []
    categories = _with_sisters(session, matter.category_id)
    found = session.execute(
        _recent(),
        {"categories": categories or [-1], "number": number, "since": now - timedelta(days=days)},
    ).all()
    alikes = []
    for one, row in zip(found, rows(found), strict=True):
        likeness = alike.likeness(matter, _matter(one[0]))
        if likeness:
            alikes.append(Duplicate(row, likeness.why, likeness.score))
    alikes.sort(key=lambda one: -one.score)
    return alikes[:MOST]


def _distance(ticket: Ticket, place: str, region_id: int | None, within: frozenset[int]) -> str | None:
    if alike.same_place(place, alike.place(ticket.where)):
        return "same_category_and_place"
    if region_id is not None and ticket.region_id == region_id:
        return "same_category_and_region"
    return "same_category_within_region" if ticket.region_id in within else None


def _matter_of_form(form: Mapping[str, Any], number: str) -> alike.Matter:
    def text(name: str) -> str:
        value = form.get(name)
        return value if isinstance(value, str) else ""

    return alike.Matter(
        number,
        _id(form.get("category_id")),
        _id(form.get("region_id")),
        alike.place(text("where")[:256]),
        alike.words(f"{text('title')[:128]} {text('what')[: alike.LONGEST_TEXT]}"),
    )


def _matter(ticket: Ticket) -> alike.Matter:
    return alike.Matter(
        ticket.contact_number,
        ticket.category_id,
        ticket.region_id,
        alike.place(ticket.where),
        alike.words(f"{ticket.title} {ticket.what[: alike.LONGEST_TEXT]}"),
        is_open(ticket.state),
    )


def _id(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31
    return value if fits else None


def _below(session: Session, region_id: int | None) -> frozenset[int]:
    """The regions below one, in all levels. The table is small: one statement reads it."""
    if region_id is None:
        return frozenset()
    children: dict[int | None, list[int]] = {}
    for key, parent in session.execute(select(Region.id, Region.parent_id)):
        children.setdefault(parent, []).append(key)
    found: set[int] = set()
    left = [region_id]
    while left:
        for key in children.get(left.pop(), ()):
            if key not in found:
                found.add(key)
                left.append(key)
    return frozenset(found)


def _with_sisters(session: Session, category_id: int | None) -> list[int]:
    """A category and those below the same parent: a matter is often filed beside where it belongs."""
    if category_id is None:
        return []
    parent = select(Category.parent_id).where(Category.id == category_id).scalar_subquery()
    sisters = session.scalars(select(Category.id).where(Category.parent_id == parent))
    return sorted({category_id, *sisters})


@cache
def _of_category() -> Select[Any]:
    return (
        rows_statement()
        .where(
            Ticket.category_id == bindparam("category"),
            Ticket.created_at >= _moment("since"),
            or_(bindparam("number") == "", Ticket.contact_number != bindparam("number")),
            _stands(),
        )
        .order_by(case((Ticket.region_id == bindparam("region"), 0), else_=1), Ticket.created_at.desc())
        .limit(LOOKED_AT)
    )


@cache
def _recent() -> Select[Any]:
    of_number = (Ticket.contact_number == bindparam("number")) & (Ticket.contact_number != "")
    return (
        rows_statement()
        .where(
            or_(Ticket.category_id.in_(bindparam("categories", expanding=True)), of_number),
            Ticket.created_at >= _moment("since"),
            _stands(),
        )
        .order_by(case((of_number, 0), else_=1), Ticket.created_at.desc())
        .limit(LOOKED_AT)
    )


def _stands() -> ColumnElement[bool]:
    return Ticket.state.not_in(tuple(state.value for state in NEVER))


def _moment(name: str) -> Any:
    return bindparam(name, type_=Ticket.created_at.type)
