"""The alarm rules that every hotline starts with, and writing them once, whoever comes first."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from db.models import AlarmRule, FloorSetting, now

MARK = "alarm_rules_made"
"""Key in `floor_settings`: the defaults were written. Who deletes a rule does not get it back."""
NORM = {"window_minutes": 15, "least_calls": 20, "sound": True, "webhook": True}
DEFAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "link_lost", "threshold": 5, "clear_at": 0, "hold_seconds": 0, "clear_seconds": 5},
    {"kind": "no_seat_ready", "threshold": 0, "clear_at": 1, "hold_seconds": 60, "clear_seconds": 10},
    {"kind": "longest_wait", "threshold": 60, "clear_at": 15, "hold_seconds": 0, "clear_seconds": 10},
    {"kind": "abandon_rate", "threshold": 10, "clear_at": 5, "hold_seconds": 60, "clear_seconds": 120},
    {"kind": "in_15_rate", "threshold": 80, "clear_at": 85, "hold_seconds": 60, "clear_seconds": 120},
    {"kind": "trunk_full", "threshold": 90, "clear_at": 80, "hold_seconds": 5, "clear_seconds": 30},
    {"kind": "state_too_long", "threshold": 60, "clear_at": 0, "hold_seconds": 0, "clear_seconds": 0}
    | {"sound": False, "webhook": False},
    {"kind": "recording_missing", "threshold": 1, "clear_at": 0, "hold_seconds": 60, "clear_seconds": 60}
    | {"sound": False},
    {"kind": "disk", "threshold": 85, "clear_at": 80, "hold_seconds": 60, "clear_seconds": 60},
)
"""In the order in which they are listed. 15 s is the norm of GB/T 33358 for an answer."""


def add_defaults(session: Session) -> bool:
    """Write the defaults unless that was done before; False: it was.

    Raises IntegrityError where another process does so in this moment: its rules are there then.
    """
    if session.get(FloorSetting, MARK) is not None:
        return False
    session.add(FloorSetting(key=MARK, value=True, changed_at=now()))
    session.flush()
    session.add_all(AlarmRule(position=place, **(NORM | facts)) for place, facts in enumerate(DEFAULTS))
    session.flush()
    return True
