"""The worker's thread that cuts calls out of the passive recorders' capture (recordings/capture)."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from hotline.settings import Settings
from recordings.capture.cutting import CutRound, Cutter

log = structlog.get_logger("worker")

ROUND_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 10.0
SAME_WORDS_SECONDS = 60.0
"""An error that lasts is logged once in this time."""


class Cutting:
    """Runs rounds until stopped; an error only makes the next one come later."""

    def __init__(self, open_session: sessionmaker[Session], settings: Settings) -> None:
        self._cutter = Cutter(open_session, settings)
        self._said: dict[str, float] = {}
        self.stop = threading.Event()

    def run(self) -> None:
        """Rounds until `stop` is set."""
        pause = ROUND_SECONDS
        while not self.stop.wait(pause):
            done = self._round()
            pause = ROUND_SECONDS if done and not done.failed else min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _round(self) -> CutRound | None:
        try:
            done = self._cutter.round(datetime.now(UTC), self.stop.is_set)
        except (OperationalError, InterfaceError) as error:
            self._say("database is away, calls wait in the ring", str(error.orig or error))
            return None
        except Exception as error:
            self._say("cutting failed", f"{type(error).__name__}: {error}")
            return None
        for uid, why in done.failed.items():
            self._say(f"call not cut: {uid}", why)
        for note in done.cut:
            if note.why:
                log.error("sound is missing", call=note.uid, seconds=note.missing_seconds, why=note.why)
        if done.cut:
            lost = sum(sum(note.lost) for note in done.cut)
            log.info("cut", calls=len(done.cut), packets=sum(sum(n.packets) for n in done.cut), lost=lost)
        return done

    def _say(self, what: str, error: str) -> None:
        clock = time.monotonic()
        if clock - self._said.get(what, float("-inf")) >= SAME_WORDS_SECONDS:
            self._said = {words: at for words, at in self._said.items() if clock - at < SAME_WORDS_SECONDS}
            self._said[what] = clock
            log.error(what, error=" ".join(error.split())[:300])
