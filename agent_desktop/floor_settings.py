"""What supervisors set for the live floor: limits after which a state stands out, the notice on the wall,
whether agents are told that somebody listens.

    floor_settings (table, a row for each key that was changed) over DEFAULTS ─► Names.floor, GET, PUT
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import FloorSetting, now

DEFAULTS: Mapping[str, Any] = {
    "supervision_notice": False,
    "trunk_channels": 60,
    "long_talk_seconds": 600,
    "long_hold_seconds": 120,
    "long_after_call_seconds": 120,
    "long_ring_seconds": 15,
    "wall_notice": "",
}
"""Every key with what holds until somebody changes it. Seconds: 0 means that the state never stands out."""


def read(session: Session) -> dict[str, Any]:
    """All settings, those of the table over the defaults; keys unknown to this version are left out."""
    kept = {row.key: row.value for row in session.scalars(select(FloorSetting)) if row.key in DEFAULTS}
    return {**DEFAULTS, **kept}


def keep(session: Session, wish: Mapping[str, Any], user_id: int) -> list[str]:
    """Write what differs; gives each change in words, for the access log."""
    before, changes = read(session), list[str]()
    for key, value in wish.items():
        if key in DEFAULTS and value != before[key]:
            session.merge(FloorSetting(key=key, value=value, changed_by=user_id, changed_at=now()))
            changes.append(f"{key}: {before[key]} → {value}")
    session.flush()
    return changes
