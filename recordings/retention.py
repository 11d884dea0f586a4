"""How long recordings are kept, and what has reached that age. Nothing is deleted here: it is reported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Call, Recording

RETENTION_YEARS = 3


@dataclass(frozen=True)
class Overdue:
    """Kept files older than the retention."""

    files: int
    bytes: int
    oldest: datetime | None


def kept_since(now: datetime) -> datetime:
    """Recordings of calls before this moment have been kept long enough (29 February counts as the 28th)."""
    try:
        return now.replace(year=now.year - RETENTION_YEARS)
    except ValueError:
        return now.replace(year=now.year - RETENTION_YEARS, day=28)


def overdue(session: Session, now: datetime) -> Overdue:
    """How many kept files have passed the retention, and how large they are."""
    files, size, oldest = session.execute(
        select(
            func.count(Recording.id), func.coalesce(func.sum(Recording.bytes), 0), func.min(Call.arrived_at)
        )
        .join(Call, Call.uid == Recording.call_uid)
        .where(Recording.path.is_not(None), Call.arrived_at < kept_since(now))
    ).one()
    return Overdue(files, size or 0, oldest)
