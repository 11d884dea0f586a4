"""The people of a load: as many agents as seats, in the queues that the drawn citizens ask for."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.models import Category, QueueMembership, User

QUEUES = {"consultation": 1.0, "complaint": 1.0, "enterprise": 0.4, "dialect": 0.2}
"""Queue -> share of the agents who serve it."""


def agents(seats: int) -> list[tuple[str, str]]:
    """[(login, seat number), ...]: everybody has a place."""
    return [(f"load{place:03d}", str(8000 + place)) for place in range(1, seats + 1)]


def queues_of(place: int, seats: int) -> list[str]:
    """The queues of the agent at a place (0...): everybody in the large ones, at least one in the others."""
    return [queue for queue, share in QUEUES.items() if place < max(1, round(share * seats))]


def add_agents(session: Session, seats: int, password_hash: str) -> None:
    """Agents for all seats. The demo city's own leave the queues, so that nobody else is waited for."""
    session.execute(delete(QueueMembership))
    known = set(session.scalars(select(User.login)))
    for place, (login, _) in enumerate(agents(seats)):
        if login in known:
            continue
        user = User(
            login=login, role="agent", name=login, work_number=f"6{place:03d}", password_hash=password_hash
        )
        session.add(user)
        session.flush()
        for queue in queues_of(place, seats):
            session.add(QueueMembership(user_id=user.id, queue=queue, penalty=0))


def a_category(session: Session) -> int:
    """A leaf of the category tree: what a ticket of the load is about."""
    parents = select(Category.parent_id).where(Category.parent_id.is_not(None))
    return (
        session.scalars(select(Category.id).where(Category.id.not_in(parents)).order_by(Category.id)).first()
        or 0
    )
