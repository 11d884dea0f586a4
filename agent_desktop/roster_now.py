"""Who is there against the roster, now: counted once for all pages, told when it changes.

    floor (who sits where) ─┐
    journal, roster ────────┴─► picture ─► GET /api/roster/now
    somebody came or went, or a limit passed ─► push `roster` to the leaders' pages, which ask again

A picture stands until somebody comes or goes, the roster is changed, or time alone changes a row: nothing is
asked of the database in between, however many pages look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session, sessionmaker

from agent_desktop.floor import Floor, now_ms
from agent_desktop.roster_tables import (
    ABSENCE_LABELS,
    agent_rows,
    group_rows,
    kind_rows,
    limits_of,
    settings_of,
)
from reports import roster
from reports.agent_day import CITY_TIME, LOOK_BACK
from reports.roster import Place, Shift, Standing

log = structlog.get_logger("desktop")

LOOK_SECONDS = 0.25
AT_ONCE_MS = 500
"""At the change of shift a hundred people sign in within minutes: two pushes a second are enough."""
LONGEST = timedelta(minutes=5)
"""A picture older than this is made anew: the journal may have been caught up meanwhile."""
LABELS = {
    Standing.ON_TIME: "在岗",
    Standing.CAME_LATE: "迟到已到岗",
    Standing.DUE: "应到未到",
    Standing.LATE: "迟到未到",
    Standing.ABSENT: "缺勤",
    Standing.OUT: "刚签出",
    Standing.LEFT_EARLY: "早退",
    Standing.UNPLANNED: "计划外签入",
    Standing.EARLY: "提前到岗",
    Standing.OVERTIME: "超时在岗",
    Standing.DONE: "已下班",
    Standing.PLANNED_ABSENCE: "计划缺勤",
    Standing.COMING: "即将上班",
}

Seated = dict[str, tuple[str, int]]
"""login -> (seat, since ms)."""


def seated(floor: Floor) -> Seated:
    """Who is signed in at which seat, as the floor has it."""
    return {
        seat["agent"]: (seat["seat"], seat["since"] or 0)
        for seat in floor.seats()
        if seat["agent"] and seat["presence"] != "signed_out"
    }


class RosterNow:
    """The picture, and when it is to be made again. Every method may be called from any thread."""

    def __init__(
        self, floor: Floor, sessions: sessionmaker[Session], clock: Callable[[], int] = now_ms
    ) -> None:
        self._floor, self._sessions, self._clock = floor, sessions, clock
        self._lock = threading.Lock()
        self._picture: dict[str, Any] | None = None
        self._until = 0
        self._there: dict[str, str] = {}
        self._pushed_at = 0
        self._owed = False

    def picture(self) -> dict[str, Any]:
        """The rows as a page gets them. Raises SQLAlchemyError where the database is away."""
        with self._lock:
            there = seated(self._floor)
            if self._picture is None or self._clock() >= self._until or self._names(there) != self._there:
                at = datetime.fromtimestamp(self._clock() / 1000, UTC)
                with self._sessions.begin() as db:
                    self._picture, self._until = _picture(db, there, at)
                self._there = self._names(there)
            return self._picture | {"links": self._floor.links()}

    def look(self) -> None:
        """To be called often: tells the pages where a picture that they have is no longer right."""
        now = self._clock()
        with self._lock:
            # Nobody has looked yet: there is nothing to be put right.
            if self._picture is None:
                return
            there = self._names(seated(self._floor))
            if there != self._there or now >= self._until:
                self._picture, self._owed = None, True
        if self._owed and now - self._pushed_at >= AT_ONCE_MS:
            self._owed, self._pushed_at = False, now
            self._floor.emit("roster", {"what": "now"}, "floor")

    def changed(self) -> None:
        """The roster, its kinds or its limits were changed: after the commit."""
        with self._lock:
            self._picture = None
        self._floor.emit("roster", {"what": "entries"}, "floor")

    @staticmethod
    def _names(there: Seated) -> dict[str, str]:
        return {login: seat for login, (seat, _) in there.items()}


def watch(now: RosterNow, stop: threading.Event) -> None:
    """The thread that looks. It never ends by an error."""
    while not stop.wait(LOOK_SECONDS):
        try:
            now.look()
        except Exception as error:
            log.error("roster_not_looked_at", exc_info=error)


def _picture(db: Session, there: Seated, now: datetime) -> tuple[dict[str, Any], int]:
    settings = settings_of(db)
    limits = limits_of(settings)
    people = agent_rows(db)
    today = now.astimezone(CITY_TIME).date()
    around = (today - timedelta(days=1), today + timedelta(days=1))
    planned = roster.shifts(db, {one["id"]: one["login"] for one in people}, *around)
    was_in = roster.signed_in(db, now - LOOK_BACK, now)
    kinds = {row["code"]: row["label"] for row in kind_rows(db)}
    rows, changes = [], [now + LONGEST]
    for one in people:
        seat, since = there.get(one["login"], ("", 0))
        here = (datetime.fromtimestamp(since / 1000, UTC) if since else now) if seat else None
        mine = planned.get(one["login"], ())
        place = roster.standing(mine, was_in.get(one["login"], ()), here, now, limits)
        changes += [at for at in (place and place.changes_at, _begins(mine, now, limits)) if at]
        if place:
            rows.append(one | {"seat": seat or None} | _row(place, kinds))
    groups = group_rows(db)
    rows.sort(key=lambda row: (_weight(row["standing"]), row["from_at"] or 0, row["work_number"]))
    picture = {
        "at": _ms(now),
        "settings": settings,
        "groups": groups,
        "labels": {str(code): label for code, label in LABELS.items()},
        "rows": rows,
    }
    return picture, _ms(min(changes)) or 0


def _begins(shifts: Any, now: datetime, limits: roster.Limits) -> datetime | None:
    """When a shift of somebody who is not spoken of yet comes near."""
    near = [shift.from_at - limits.near for shift in shifts if shift.from_at - limits.near > now]
    return min(near, default=None)


def _row(place: Place, kinds: dict[str, str]) -> dict[str, Any]:
    shift: Shift | None = place.shift
    return {
        "standing": str(place.standing),
        "label": LABELS[place.standing],
        "since": _ms(place.since),
        "first_in_at": _ms(place.first_in),
        "late_seconds": round(place.late_seconds),
        "kind_label": kinds.get(shift.kind, shift.kind) if shift else "",
        "from_at": _ms(shift.from_at) if shift else None,
        "to_at": _ms(shift.to_at) if shift else None,
        "absence_label": ABSENCE_LABELS.get(shift.absence or "", "") if shift else "",
    }


_ORDER = (
    *(Standing.ABSENT, Standing.LATE, Standing.LEFT_EARLY, Standing.CAME_LATE, Standing.OUT, Standing.DUE),
    *(Standing.UNPLANNED, Standing.ON_TIME, Standing.EARLY, Standing.OVERTIME, Standing.COMING),
    *(Standing.PLANNED_ABSENCE, Standing.DONE),
)


def _weight(standing: str) -> int:
    """What needs somebody stands first."""
    return _ORDER.index(Standing(standing))


def _ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)
