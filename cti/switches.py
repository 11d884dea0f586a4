"""What supervisors have switched, as the dialplan's globals: it reads them with no Python running.

    special_desk_periods, queue_switches ─► DESK_<queue>            open | closed
    overflow_rules                       ─► OVERFLOW_THEN_<queue>   offer | duty | queue, or empty: no rule
                                            OVERFLOW_TO_<queue>     the other queue
                                            OVERFLOW_AFTER_<queue>  seconds
    announcements (`ivr.announce`)       ─► ANNOUNCE_<scope>, ANNOUNCE_UNTIL_<scope>

Told to Asterisk with every look at the database (`cti.fitting`), and so again after its restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import OverflowRule
from db.open_queues import Opening


@dataclass(frozen=True)
class Rule:
    """After how many seconds a queue gives a waiting caller on, and where to."""

    after_seconds: int
    then: str
    target: str = ""


def rules(session: Session) -> dict[str, Rule]:
    """The overflow rules by queue."""
    return {
        row.queue: Rule(row.after_seconds, row.then, row.target)
        for row in session.scalars(select(OverflowRule))
    }


def globals_of(openings: Mapping[str, Opening], rules: Mapping[str, Rule], now: datetime) -> dict[str, str]:
    """Each global with its value at `now` (UTC), in the order in which Asterisk is to be told: where a rule
    leads comes before how soon it applies."""
    found: dict[str, str] = {}
    for queue, opening in openings.items():
        rule = rules.get(queue)
        found[f"DESK_{queue}"] = "open" if opening.is_open(now) else "closed"
        found[f"OVERFLOW_TO_{queue}"] = rule.target if rule and rule.then == "queue" else ""
        found[f"OVERFLOW_THEN_{queue}"] = rule.then if rule else ""
        found[f"OVERFLOW_AFTER_{queue}"] = str(rule.after_seconds) if rule else ""
    return found
