"""Calls that ended and their raw recordings, for the tests of what the worker makes of them."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from db.models import Call, Recording
from hotline.settings import Settings
from recordings import samples


def ended_call(database: sessionmaker[Session], uniqueid: str, at: datetime, **fields: object) -> str:
    """Write a call that was answered and ended at `at` into the ledger; its uid."""
    with database.begin() as session:
        row: dict[str, object] = {"talk_ms": 4000, "agent": "agent01", "outcome": "answered", "cause": 16}
        session.add(
            Call(
                uid=f"pbx1-{uniqueid}",
                pbx="pbx1",
                arrived_at=at - timedelta(seconds=9),
                answered_at=at - timedelta(seconds=4),
                ended_at=at,
                **(row | fields),
            )
        )
    return f"pbx1-{uniqueid}"


def spooled(settings: Settings, uniqueid: str, at: datetime, seconds: float = 4.0) -> Path:
    """Its raw recording in the spool, last written at `at`."""
    raw = samples.write_raw(settings.monitor / f"pbx1-{uniqueid}.raw", seconds)
    os.utime(raw, (at.timestamp(), at.timestamp()))
    return raw


def states(database: sessionmaker[Session]) -> list[str]:
    """States of all recordings in the ledger."""
    with database() as session:
        return list(session.scalars(select(Recording.state)))
