"""The worker's thread that follows the security log and shuts out whom the rule says.

var/pbx/log/security.log ──► rule.Guard ──► doors (filter, ACL) ──► var/shut-out.json (survives a restart)
                                 ▲                                        ▲
          Asterisk started anew ─┘ its doors are closed again             └─ `hotline guard --free ADDRESS`
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import BinaryIO

import structlog

from hotline import pbx
from hotline.guard import doors
from hotline.guard.rule import Guard, Terms, networks, read
from hotline.settings import Settings

log = structlog.get_logger("guard")

LOOK_SECONDS = 0.1
LOG_BYTES = 100_000_000
"""An Asterisk log that is larger is begun anew at once: a flood of forged packets must not fill the disk."""
LOGS = ("security.log", "messages.log")
SIZES_SECONDS = 5.0
READ_AT_ONCE = 4 * 1024 * 1024
"""In a flood: what is more than this is read at the next look."""


class Lines:
    """The lines that are appended to a file, across its rotation; begins at the end of what is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._inode = 0
        self._rest = b""
        self._open(at_end=True)

    def new(self) -> list[str]:
        """What has come since the last time."""
        lines = self._read()
        if self._moved():
            lines += self._read()
            self._open(at_end=False)
            lines += self._read()
        return lines

    def close(self) -> None:
        """Nothing may be read afterwards."""
        if self._file:
            self._file.close()

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        *whole, self._rest = (self._rest + self._file.read(READ_AT_ONCE)).split(b"\n")
        self._rest = self._rest[-65536:]
        return [line.decode(errors="replace") for line in whole]

    def _moved(self) -> bool:
        """Another file has the name now, or this one has been emptied."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        return now.st_ino != self._inode or (self._file is not None and now.st_size < self._file.tell())

    def _open(self, at_end: bool) -> None:
        self.close()
        self._file, self._rest = None, b""
        with contextlib.suppress(FileNotFoundError):
            self._file = self._path.open("rb")
            self._inode = self._path.stat().st_ino
            if at_end:
                self._file.seek(0, 2)


class Watch:
    """Follows, counts, shuts out, lets in again. `look` is called by one thread."""

    def __init__(self, settings: Settings, terms: Terms | None = None) -> None:
        self.settings = settings
        never = networks(f"127.0.0.1/32,::1/128,{settings.trunk_match},{settings.guard_never}")
        own = networks(",".join(pbx.interface_addresses()))
        self.guard = Guard(terms or Terms(), (*never, *own))
        self._lines = Lines(settings.pbx / "log" / "security.log")
        self._kept = settings.var / "shut-out.json"
        self._kept_at = 0
        self._asterisk: int | None = None
        self._sizes_at = float("-inf")
        self._filter_fails = self._fails = ""
        self._doors_are_due = False

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set. What goes wrong is said once and tried again."""
        while not stop.wait(LOOK_SECONDS):
            try:
                self.look(time.time())
                self.keep_logs_small(time.monotonic())
                self._fails = ""
            except Exception as error:
                if repr(error) != self._fails:
                    self._fails = repr(error)
                    log.exception("look_failed")
        self._lines.close()

    def look(self, now: float) -> None:
        """One look: what is new in the log, whose time is over, has Asterisk been started anew."""
        changed = self._read_kept()
        for line in self._lines.new():
            seen = read(line)
            if seen and self.guard.heard(seen, now):
                changed = True
                until = self.guard.out[seen.address]
                log.warning("shut_out", address=seen.address, why=seen.kind, seconds=round(until - now))
        for address in self.guard.let_in(now):
            changed = True
            log.info("let_in", address=address)
        running = doors.asterisk(self.settings)
        anew = running is not None and running != self._asterisk and bool(self.guard.out)
        self._asterisk = running
        if changed:
            self._keep()
        self._doors_are_due |= changed or anew
        if running is not None and self._doors_are_due:
            self._close_doors(running)

    def keep_logs_small(self, clock: float) -> None:
        """Begin a log anew that has grown beyond LOG_BYTES; what it held is `<name>.full`, once.

        Asterisk appends, so the file can be emptied under its hands; a rotation would rotate the journal too.
        """
        if clock - self._sizes_at < SIZES_SECONDS:
            return
        self._sizes_at = clock
        for name in LOGS:
            path = self.settings.pbx / "log" / name
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size > LOG_BYTES:
                    shutil.copyfile(path, path.with_name(f"{name}.full"))
                    os.truncate(path, 0)
                    log.warning("log_begun_anew", log=name, bytes=LOG_BYTES)

    def _close_doors(self, running: int) -> None:
        addresses = list(self.guard.out)
        try:
            on = doors.attach(running, self.settings.sip_port, addresses)
            # Right after its start Asterisk has no sockets yet.
            self._doors_are_due = on == 0
            self._filter_fails = ""
        except (doors.NotAllowed, OSError) as error:
            self._doors_are_due = False
            if str(error) != self._filter_fails:
                self._filter_fails = str(error)
                log.warning("no_filter", error=str(error), instead="Asterisk answers 403")
        try:
            doors.write_acl(self.settings, addresses)
        except (pbx.ConsoleFailed, OSError) as error:
            self._doors_are_due = True
            log.warning("acl_not_changed", error=" ".join(str(error).split())[:200])

    def _keep(self) -> None:
        new = self._kept.with_suffix(".new")
        new.write_text(json.dumps(self.guard.out, indent=1) + "\n")
        new.replace(self._kept)
        self._kept_at = self._kept.stat().st_mtime_ns

    def _read_kept(self) -> bool:
        """Take over what another hand has written: a life before, or a person who lets somebody in."""
        try:
            at = self._kept.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        if at == self._kept_at:
            return False
        self._kept_at = at
        out = kept(self._kept)
        changed = out != self.guard.out
        self.guard.out = out
        return changed


def kept(path: Path) -> dict[str, float]:
    """Who is shut out until when (epoch seconds), as written in the file; nobody where it is unreadable."""
    try:
        found = json.loads(path.read_text())
        return {str(address): float(until) for address, until in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}
