"""Signs of life of what nobody sees on a screen: is the ledger up to date, are recordings being kept?"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from cti.copier import lag
from db import models
from hotline.campaign.truth import Sample
from hotline.settings import Settings

LOOK = 0.4
BEHIND = 2.0
"""Seconds that a journal line may wait for the ledger."""
WAITS = 8.0
"""Seconds after which a recording that ended is in the archive on a quiet day (4 s when all is well)."""


class Signs:
    """Looks at ledger and spool from outside until `close`; `samples` is what it saw."""

    def __init__(self, settings: Settings, sessions: sessionmaker[Session]) -> None:
        self.settings, self._sessions = settings, sessions
        self.samples: list[Sample] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch_ledger, name="ledger sign", daemon=True),
            threading.Thread(target=self._watch_spool, name="spool sign", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15)

    def behind(self) -> bool:
        """Does the ledger lack whole lines of the journal? True also while nobody can say."""
        seen = self._seen()
        return seen is None or seen[1] > 0

    def waiting(self) -> list[Path]:
        """Recordings of calls that are over which should be in the archive by now.

        Whoever waits in a queue has a file that nothing is written to.
        """
        now, found = time.time(), []
        with contextlib.suppress(OSError):
            for path in self.settings.monitor.glob("*.raw"):
                with contextlib.suppress(OSError):
                    if now - path.stat().st_mtime > WAITS:
                        found.append(path)
        if not found:
            return []
        uids = {path.name.removesuffix(".raw"): path for path in found}
        over = select(models.Call.uid).where(
            models.Call.uid.in_(list(uids)), models.Call.ended_at.is_not(None)
        )
        try:
            with self._sessions() as session:
                return [uids[uid] for uid in session.scalars(over)]
        except SQLAlchemyError:
            return found

    def _watch_ledger(self) -> None:
        moved_at, before = time.monotonic(), None
        while not self._stop.wait(LOOK):
            at, seen = time.time(), self._seen()
            if seen is None:
                self.samples.append(Sample("ledger", at, False))
                continue
            position, left = seen
            if position != before or left == 0:
                moved_at, before = time.monotonic(), position
            self.samples.append(Sample("ledger", at, time.monotonic() - moved_at < BEHIND))

    def _watch_spool(self) -> None:
        while not self._stop.wait(LOOK):
            self.samples.append(Sample("recordings", time.time(), not self.waiting()))

    def _seen(self) -> tuple[tuple[str | None, int], int] | None:
        """((file, offset) that the ledger is copied up to, bytes that it lacks); None when nobody says."""
        asked, pbx = (
            text('SELECT file, "offset" FROM journal_positions WHERE pbx = :pbx'),
            self.settings.pbx_name,
        )
        try:
            with self._sessions() as session:
                row = session.execute(asked, {"pbx": pbx}).one_or_none()
                file, offset = (None, 0) if row is None else (row[0], row[1])
                return (file, offset), lag(self.settings.journal, file, offset, session, pbx).bytes
        except (SQLAlchemyError, OSError):
            return None
