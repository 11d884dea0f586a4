"""Who is logged in. Remembered for a moment, so that a database minute away logs nobody out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask_login import UserMixin
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from agent_desktop.errors import is_database_away
from db.models import User

FRESH_SECONDS = 10.0
"""A person whose account is closed or whose role changes is noticed after this time."""
STALE_SECONDS = 900.0
"""How long somebody already known stays known while the database is away."""


@dataclass(frozen=True)
class Person(UserMixin):
    """One who is logged in; `role` as in `db.models.User`."""

    id: int
    login: str
    name: str
    work_number: str
    role: str
    group_id: int | None = None
    """话务组; of a shift leader the group on whose seats he acts (None: all)."""

    def get_id(self) -> str:
        return str(self.id)


def person(user: User) -> Person:
    return Person(user.id, user.login, user.name, user.work_number, user.role, user.group_id)


class People:
    """Look-up of persons by id with a short memory.

    Each page asks every ten seconds, so everybody who was asked for since the last reading is read together.
    """

    def __init__(self, sessions: sessionmaker[Session], clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions, self._clock = sessions, clock
        self._known: dict[int, tuple[float, Person]] = {}
        self._asked: set[int] = set()
        self._lock = threading.Lock()

    def find(self, user_id: int) -> Person | None:
        """The active user with this id, or None.

        Raises SQLAlchemyError where the database is away and the person was not seen lately.
        """
        known = self._known.get(user_id)
        now = self._clock()
        if known and now - known[0] < FRESH_SECONDS:
            self._asked.add(user_id)
            return known[1]
        try:
            return self._read(user_id, now)
        except SQLAlchemyError as error:
            if known and is_database_away(error) and now - known[0] < STALE_SECONDS:
                return known[1]
            raise

    def _read(self, user_id: int, now: float) -> Person | None:
        with self._lock:
            wanted, self._asked = self._asked | {user_id}, set()
        with self._sessions() as session:
            users = session.scalars(select(User).where(User.id.in_(wanted), User.active))
            found = {user.id: (now, person(user)) for user in users}
        with self._lock:
            for gone in wanted - found.keys():
                self._known.pop(gone, None)
            self._known |= found
        return found[user_id][1] if user_id in found else None
