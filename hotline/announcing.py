"""The worker's part in announcements: makes the sounds that are wanted, one after the other.

    row "rendering" ─► announce_sound (a process of its own, five minutes at the most) ─► <sha256>.wav kept,
    laid out for Asterisk ─► row "ready", or "failed" with a sentence

The rows are their own queue, as the recordings' spool is: a worker that dies in the middle begins anew.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from hotline.settings import Settings
from ivr import announce, announce_files
from ivr.announce_sound import SoundProblem, run

log = structlog.get_logger("worker")

LOOK_SECONDS = 1.0
AWAY_SECONDS = 5.0
DISK_FULL = "服务器存储空间不足，没有保存，请联系管理员。"

Make = Callable[[list[str], str, Callable[[int], bool]], float]


class Announcer:
    """Makes sounds until stopped. `make` is the process that does it; tests give their own."""

    def __init__(self, open_session: sessionmaker[Session], settings: Settings, make: Make = run) -> None:
        self._open_session, self._settings, self._make = open_session, settings, make
        self.stop = threading.Event()

    def run(self) -> None:
        """Looks every second until `stop` is set; an error never ends it."""
        for left in self._settings.announcements.glob(".making-*"):
            shutil.rmtree(left, ignore_errors=True)
        pause = LOOK_SECONDS
        while not self.stop.wait(pause):
            pause = LOOK_SECONDS
            try:
                self.look()
            except (SQLAlchemyError, StaleDataError, OSError) as error:
                log.warning("announcements wait", error=str(error).split("\n")[0][:200])
                pause = AWAY_SECONDS

    def look(self) -> list[int]:
        """Makes every sound that is wanted now; gives the ids. Raises SQLAlchemyError."""
        with self._open_session() as session:
            wanted = announce.to_make(session)
        for announcement_id, source, text in wanted:
            if self.stop.is_set():
                break
            self._make_one(announcement_id, source, text)
        return [one for one, _, _ in wanted]

    def _make_one(self, announcement_id: int, source: str, text: str) -> None:
        folder = self._settings.announcements
        given = announce_files.given_file(folder, announcement_id)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as place:
                out = Path(place) / "sound.wav"
                if source == "voice":
                    what = ["speak", str(out)]
                elif given.is_file():
                    what = ["take", str(out), str(given)]
                else:
                    raise SoundProblem("no_file")
                seconds = self._make(what, text, lambda percent: self._tell(announcement_id, percent))
                sha256 = announce_files.keep(out, folder)
            announce_files.lay_out(folder, self._settings.pbx / "data" / "sounds" / "zh")
        except SoundProblem as problem:
            self._failed(announcement_id, problem)
        except OSError as error:
            log.error("announcement not kept", id=announcement_id, error=str(error))
            self._say(announcement_id, DISK_FULL)
        else:
            with self._open_session.begin() as session:
                announce.note_made(session, announcement_id, sha256, seconds)
            log.info("announcement made", id=announcement_id, source=source, seconds=round(seconds, 1))
        with contextlib.suppress(OSError):
            given.unlink(missing_ok=True)

    def _failed(self, announcement_id: int, problem: SoundProblem) -> None:
        if problem.code == "unwanted":
            return
        log.warning("announcement failed", id=announcement_id, why=problem.code, detail=problem.detail)
        self._say(announcement_id, problem.sentence)

    def _say(self, announcement_id: int, sentence: str) -> None:
        with self._open_session.begin() as session:
            announce.note_failed(session, announcement_id, sentence)

    def _tell(self, announcement_id: int, percent: int) -> bool:
        """So far; False when it is not wanted any more, or the worker is to end."""
        if self.stop.is_set():
            return False
        with self._open_session.begin() as session:
            return announce.note_progress(session, announcement_id, percent)
