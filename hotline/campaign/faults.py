"""Carrying the faults out, each at its time. What is done is written down as a Cause, begin and end.

One thread keeps the calendar; an end (SIGCONT, free disk, clock back) is an entry like a beginning. The
database is killed and started in a thread of its own, so that the others keep their time.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil
import psycopg
from sqlalchemy import make_url

from hotline import pbx
from hotline.campaign.line import CampaignLine
from hotline.campaign.plan import Fault
from hotline.campaign.truth import Cause

HOUR = 3600
DATABASE_AWAY = 0.5
"""Seconds between the death of the database and its next start, as a process manager has it."""
REFILL = 0.5
LOCKED = ("calls", "journal_positions", "journal_events", "tickets")
Say = Callable[[str], None]
End = Callable[[], None]


class Calendar:
    """Does every fault of a plan on a line; `causes` grows as they end."""

    def __init__(self, line: CampaignLine, faults: Sequence[Fault], say: Say, on_pbx_killed: End) -> None:
        self.line, self.say, self._on_pbx_killed = line, say, on_pbx_killed
        self.causes: list[Cause] = []
        self.not_done: list[str] = []
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._faults = faults
        self._turn = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lasting = 0
        self.change = threading.Condition()

    def start(self) -> None:
        """Seconds of the plan count from now."""
        now = time.monotonic()
        for fault in self._faults:
            self._at(now + fault.at, lambda fault=fault: self._begin(fault))  # type: ignore[misc]
        self._lasting = len(self._faults)
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Until every fault is over; False when `timeout` seconds were not enough."""
        with self.change:
            return self.change.wait_for(lambda: self._lasting == 0, timeout)

    def close(self) -> None:
        """No more faults; what lasts is ended now."""
        self._stop.set()
        if self._thread:
            self._thread.join(10)

    # --- the calendar ----------------------------------------------------------------------------

    def _at(self, moment: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (moment, next(self._order), act))

    def _run(self) -> None:
        while self._due:
            moment, _, act = self._due[0]
            if self._stop.wait(max(0.0, min(0.2, moment - time.monotonic()))):
                return
            if moment <= time.monotonic():
                heapq.heappop(self._due)
                act()

    def _begin(self, fault: Fault) -> None:
        began = time.time()
        try:
            end = self._do(fault)
        except (OSError, psutil.Error, pbx.ConsoleFailed, psycopg.Error, sqlite3.Error) as error:
            self.not_done.append(f"{fault.kind}: {type(error).__name__} {error}")
            self._over()
            return
        self.say(f"{fault.kind}{f' {fault.seconds:g} s' if fault.seconds else ''}")
        self._at(time.monotonic() + fault.seconds, lambda: self._finish(fault, began, end))

    def _finish(self, fault: Fault, began: float, end: End | None) -> None:
        if end:
            try:
                end()
            except (OSError, psutil.Error, psycopg.Error, sqlite3.Error) as error:
                self.not_done.append(f"end of {fault.kind}: {type(error).__name__} {error}")
        note = f"{fault.seconds:g} s" if fault.seconds else ""
        over = time.time() if fault.seconds else began
        with self.change:
            self.causes.append(Cause(fault.kind, began, over, note))
        self._over()

    def _over(self) -> None:
        with self.change:
            self._lasting -= 1
            self.change.notify_all()

    # --- the faults ------------------------------------------------------------------------------

    def _do(self, fault: Fault) -> End | None:
        """Begin a fault; what ends it."""
        how, _, what = fault.kind.partition("-")
        if fault.kind == "kill-database":
            self.line.of_database.submit(self._kill_database)
            return None
        if fault.kind == "kill-asterisk":
            self._kill_asterisk()
            return None
        if how == "kill":
            self._processes(what)[0].kill()
            return None
        if how == "hang":
            return self._hang(what)
        does: dict[str, Callable[[Fault], End | None]] = {
            "database-locked": self._lock,
            "disk-full": self._fill,
            "link-cut": self._cut,
            "clock-stepped": self._step,
            "journal-rotated": self._rotate,
        }
        return does[fault.kind](fault)

    def _processes(self, part: str) -> list[psutil.Process]:
        if part == "database":
            found = self.line.cluster.processes() if self.line.cluster else []
        else:
            found = self.line.part(part)
        if not found:
            raise OSError(f"{part} does not run at this moment")
        return found

    def _kill_database(self) -> None:
        assert self.line.cluster is not None
        self.line.cluster.kill()
        self._stop.wait(DATABASE_AWAY)
        self.line.cluster.start()

    def _kill_asterisk(self) -> None:
        process = self.line.asterisk()
        if process is None:
            raise OSError("Asterisk does not run at this moment")
        process.kill()
        self._on_pbx_killed()

    def _hang(self, part: str) -> End:
        hit = self._processes(part)
        for process in hit:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)

        def go_on() -> None:
            for process in reversed(hit):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

        return go_on

    def _lock(self, _fault: Fault) -> End:
        url = make_url(self.line.settings.database)
        if url.get_backend_name() == "sqlite":
            lite = sqlite3.connect(
                str(url.database), isolation_level=None, timeout=5, check_same_thread=False
            )
            lite.execute("BEGIN EXCLUSIVE")
            return lite.close
        known: dict[str, Any] = {"host": str(url.query["host"]), "user": "postgres", "dbname": url.database}
        session = psycopg.connect(**known, connect_timeout=5)
        session.execute(f"LOCK TABLE {', '.join(LOCKED)} IN ACCESS EXCLUSIVE MODE")
        return session.close

    def _fill(self, fault: Fault) -> End:
        disk = self.line.disk
        assert disk is not None
        ballast = disk / "ballast"
        over = time.monotonic() + fault.seconds
        ballast.touch()

        def fill() -> None:
            """What is removed meanwhile gives no room: the ballast grows with it."""
            if not ballast.exists():
                return
            with contextlib.suppress(OSError), ballast.open("ab") as file:
                room = os.statvfs(disk)
                os.posix_fallocate(file.fileno(), file.tell(), max(room.f_bavail * room.f_frsize, 4096))
            if time.monotonic() + REFILL < over:
                self._at(time.monotonic() + REFILL, fill)

        fill()
        return lambda: ballast.unlink(missing_ok=True)

    def _cut(self, fault: Fault) -> End | None:
        wire = self.line.wire
        if not fault.seconds:
            wire.cut()
            return None
        if fault.seconds < 10:
            wire.refuse(True)
            return lambda: wire.refuse(False)
        wire.swallow(True)
        return lambda: wire.swallow(False)

    def _step(self, _fault: Fault) -> End:
        self._turn += 1
        self.line.set_clock(HOUR if self._turn % 2 else -HOUR)
        return lambda: self.line.set_clock(0)

    def _rotate(self, _fault: Fault) -> None:
        """By Asterisk itself, and as logrotate does: renamed first, Asterisk told a moment later."""
        self._turn += 1
        if self._turn % 2:
            pbx.rotate_journal(self.line.settings)
            return
        journal = self.line.settings.journal
        journal.rename(journal.with_name(f"{journal.name}.{int(time.time())}"))
        pbx.console(self.line.settings, "logger reload")
