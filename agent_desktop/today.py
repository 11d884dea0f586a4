"""The agent's own figures of the day, as the seat's page shows them; asked of the database rarely."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from agent_desktop.desk import transaction
from agent_desktop.errors import is_database_away
from reports.agent_day import AgentDay, agent_day

FRESH_SECONDS = 2.0
"""Pages that reload, or ask again after a gap, are given the same figures for this long."""
KEPT = 2_000
"""Agents remembered at the most."""


class Kept:
    """Figures by login, each with the moment at which it was counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._days: dict[str, tuple[float, dict[str, Any]]] = {}

    def find(self, login: str, at: float) -> dict[str, Any] | None:
        """What was counted within FRESH_SECONDS before `at` (monotonic seconds)."""
        with self._lock:
            counted_at, day = self._days.get(login, (0.0, None))
        return day if day is not None and at - counted_at < FRESH_SECONDS else None

    def keep(self, login: str, at: float, day: dict[str, Any]) -> None:
        with self._lock:
            if len(self._days) >= KEPT:
                self._days.clear()
            self._days[login] = (at, day)


def today(login: str) -> dict[str, Any] | None:
    """The figures of `login` for today; None while the database is away."""
    kept: Kept = current_app.extensions.setdefault("today", Kept())
    at = time.monotonic()
    found = kept.find(login, at)
    if found is not None:
        return found
    try:
        with transaction() as db:
            day = shown(agent_day(db, login, datetime.now(UTC)))
    except SQLAlchemyError as error:
        if is_database_away(error):
            return None
        raise
    kept.keep(login, at, day)
    return day


def shown(day: AgentDay) -> dict[str, Any]:
    """The day as JSON: seconds in whole numbers, rates 0..1 with four digits, null where there is no base."""
    return {
        "answered": day.answered,
        "outbound": day.outbound,
        "talk_seconds": round(day.talk_seconds),
        "average_talk_seconds": _whole(day.average_talk_seconds),
        "average_wait_seconds": _whole(day.average_wait_seconds),
        "after_call_seconds": round(day.after_call_seconds),
        "average_after_call_seconds": _whole(day.average_after_call_seconds),
        "signed_in_seconds": round(day.signed_in_seconds),
        "utilisation": _rate(day.utilisation),
        "direct_rate": _rate(day.direct_rate),
        "satisfaction": {"rated": day.rated, "satisfied": day.satisfied, "rate": _rate(day.satisfaction)},
    }


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)


def _rate(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)
