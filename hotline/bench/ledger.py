"""From the journal's line to the ledger's row: looks every 20 ms which ended calls have become visible.

The delay counts from the millisecond that the dialplan wrote into CALLENDED to the look that found the row,
so it is too long by up to LOOK_EVERY, never too short.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select

from db.engine import open_engine, sessions
from db.models import JournalEvent

LOOK_EVERY = 0.02


def watch(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    """{"samples": [[ended_at ms, delay ms], ...], "resolution_ms"} of the calls ended while watching.

    The job's `look_every` (seconds) may be longer where fifty looks a second would be a load.
    """
    look_every = float(job.get("look_every", LOOK_EVERY))
    samples: list[tuple[int, float]] = []
    factory = sessions(open_engine(job["database"]))
    with factory() as session:
        last = session.scalar(select(func.max(JournalEvent.id))) or 0
    ready()
    while not stop.wait(look_every):
        with factory() as session:
            rows = session.execute(
                select(JournalEvent.id, JournalEvent.event, JournalEvent.data)
                .where(JournalEvent.id > last)
                .order_by(JournalEvent.id)
            ).all()
        now = time.time() * 1000
        for number, event, data in rows:
            last = number
            if event == "CALLENDED":
                samples.append((int(data[0]), now - int(data[0])))
    return {"samples": samples, "resolution_ms": look_every * 1000}
