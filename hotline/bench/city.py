"""The people of a bench: as many agents as seats, and citizens of whom half are known to the database."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from db import numbers
from db.models import CitizenPhone, QueueMembership, User
from hotline.phones.identity import Caller

QUEUE = "consultation"


def agents(seats: int) -> list[tuple[str, str]]:
    """[(login, seat number), ...]: everybody has a place."""
    return [(f"agent{place:02d}", str(8000 + place)) for place in range(1, seats + 1)]


def add_agents(session: Session, seats: int, password_hash: str) -> None:
    """The agents that the demo city lacks, all of them in the queue that the bench calls."""
    known = set(session.scalars(select(User.login)))
    for place, (login, _) in enumerate(agents(seats), start=1):
        if login in known:
            continue
        user = User(
            login=login, role="agent", name=login, work_number=f"9{place:03d}", password_hash=password_hash
        )
        session.add(user)
        session.flush()
        session.add(QueueMembership(user_id=user.id, queue=QUEUE, penalty=0))


def callers(session: Session, count: int) -> list[Caller]:
    """`count` callers: every other one a citizen of the demo city with a history, in turn; the rest new."""
    known = [
        numbers.display(number).replace(" ", "").replace("-", "")
        for number in session.scalars(select(CitizenPhone.number).order_by(CitizenPhone.id))
        if number
    ]
    return [
        Caller(known[n // 2 % len(known)]) if known and n % 2 == 0 else Caller(f"139{n:08d}")
        for n in range(count)
    ]


def leaders(count: int) -> list[str]:
    """Log-ins of those who watch the floor."""
    return [f"watcher{place:02d}" for place in range(1, count + 1)]


def add_leaders(session: Session, count: int, password_hash: str) -> None:
    """So many supervisors on duty, who may see and act on everything."""
    for place, login in enumerate(leaders(count), start=1):
        session.add(
            User(
                login=login,
                role="supervisor",
                name=login,
                work_number=f"7{place:03d}",
                password_hash=password_hash,
            )
        )
