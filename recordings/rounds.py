"""The edge of this folder: the rounds that open transactions, one for each call.

`collect` empties the spool, `note_gaps` writes down what is missing, `check_day` proves a day's archive.
One round at a time per PBX, by a lock that the kernel frees when its holder dies.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from hotline.settings import Settings
from recordings import keep, nightly
from recordings.capture.cut import note_of
from recordings.checks import State
from recordings.nightly import DayReport, Finding


@dataclass
class Round:
    """What one round of collecting did. Uids are call uids."""

    kept: list[str] = field(default_factory=list)
    suspect: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Files without sound, or unreadable: rows gap or explained."""
    removed: int = 0
    """Spool files removed."""
    early: int = 0
    orphans: list[str] = field(default_factory=list)
    """File names that the ledger does not know after an hour."""
    failed: dict[str, str] = field(default_factory=dict)
    """call uid → why; they are tried again."""
    disk_full: str | None = None
    busy: bool = False
    """Another process was collecting for this PBX."""
    more: bool = False
    """The bound of the round was reached: there may be more work at once."""


@contextmanager
def only_one(settings: Settings) -> Iterator[bool]:
    """Holds the lock of this PBX's archive; False when somebody else holds it."""
    settings.recordings.mkdir(mode=0o750, parents=True, exist_ok=True)
    lock = os.open(
        settings.recordings / f".collect-{settings.pbx_name}.lock",
        os.O_CREAT | os.O_RDWR | os.O_CLOEXEC,
        0o640,
    )
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(lock)


def collect(
    open_session: sessionmaker[Session],
    settings: Settings,
    now: datetime,
    *,
    limit: int = 50,
    skip: Iterable[str] = (),
    stop: Callable[[], bool] = lambda: False,
) -> Round:
    """Keeps what is due, at most `limit` files, until `stop()`; one bad file never stops the rest.

    Raises keep.SpoolAway, or sqlalchemy's OperationalError when the database is away: nothing is lost then.
    """
    done = Round()
    with only_one(settings) as alone:
        if not alone:
            done.busy = True
            return done
        files = keep.spool_files(settings, now)
        if not files:
            return done
        with open_session() as session:
            due = keep.due(session, settings, files, now, limit=limit, skip=skip)
        done.early, done.orphans = due.early, [file.path.name for file in due.orphans]
        done.more = len(due.pieces) + len(due.settled) + len(due.empty) >= limit
        for file in due.empty:
            with _noted(done, file.call_uid):
                done.removed += keep.settle(settings, file, None, None)
        for file, kept, digest in due.settled:
            with _noted(done, file.call_uid):
                if keep.settle(settings, file, kept, digest):
                    done.removed += 1
                else:
                    _keep_again(open_session, settings, file, kept, now, done)
        for piece in due.pieces:
            if stop() or done.disk_full:
                break
            with _noted(done, piece.call_uid):
                _keep(open_session, settings, piece, now, done)
    return done


def _keep(
    open_session: sessionmaker[Session], settings: Settings, piece: keep.Piece, now: datetime, done: Round
) -> None:
    made = keep.convert(settings, piece)
    with open_session.begin() as session:
        note = note_of(settings.captured, piece.call_uid)
        state = keep.write_row(session, piece.call_uid, piece.file.kind, made, now, note).state
    {State.KEPT: done.kept, State.SUSPECT: done.suspect}.get(State(state), done.missing).append(
        piece.call_uid
    )
    done.removed += keep.settle(settings, piece.file, made.path, made.sha256, bad=made.unreadable)


def _keep_again(
    open_session: sessionmaker[Session],
    settings: Settings,
    file: keep.SpoolFile,
    kept: str,
    now: datetime,
    done: Round,
) -> None:
    """The row is there but its file is not, or differs, while the spool still has the sound: make it anew."""
    _keep(open_session, settings, keep.Piece(file, kept), now, done)


@contextmanager
def _noted(done: Round, uid: str) -> Iterator[None]:
    """Notes what went wrong with one file and lets the round go on; a database that is away ends it."""
    try:
        yield
    except keep.DiskFull as error:
        done.disk_full = str(error)
    except IntegrityError:
        done.failed[uid] = "somebody else wrote its row at the same moment"
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        done.failed[uid] = f"{type(error).__name__}: {error}"


def note_gaps(
    open_session: sessionmaker[Session], settings: Settings, now: datetime, since: datetime, until: datetime
) -> list[str]:
    """Writes a row for each call of [since, until) that has neither file nor row; returns their uids.

    A kept file whose row is gone is taken up again. Raises keep.SpoolAway when the spool is not there:
    then nothing is missing, the folder is.
    """
    if not settings.monitor.is_dir():
        raise keep.SpoolAway(f"{settings.monitor} is not there")
    noted: list[str] = []
    with only_one(settings) as alone:
        if not alone:
            return noted
        with open_session() as session:
            calls = keep.without_row(session, settings.pbx_name, since, until, now)
        for call in calls:
            kind = "call" if call.outcome == "answered" else "message"
            spooled = keep.spool_path(settings, call.uid, kind)
            if spooled is not None and spooled.exists():
                continue
            made = keep.found_again(settings, call, kind)
            with open_session.begin() as session:
                keep.write_row(session, call.uid, kind, made, now, note_of(settings.captured, call.uid))
            noted.append(call.uid)
    return noted


def check_day(
    open_session: sessionmaker[Session],
    settings: Settings,
    day: date,
    now: datetime,
    *,
    sample: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> DayReport:
    """Notes the gaps of `day` (Asia/Shanghai), proves its kept files and reports.

    `sample` bounds how many files are proved (evenly spread); None proves all. Files that fail are marked
    suspect in the same run. Raises OperationalError when the database is away.
    """
    since, until = nightly.bounds(day)
    spool_away = False
    try:
        note_gaps(open_session, settings, now, since, until)
    except keep.SpoolAway:
        spool_away = True
    with open_session() as session:
        entries = nightly.entries(session, settings.pbx_name, day, now)
    findings: list[Finding] = []
    proved = nightly.chosen(entries, sample)
    for entry in proved:
        if stop():
            break
        finding = nightly.prove(settings, entry)
        if finding is not None:
            findings.append(finding)
    for finding in findings:
        with open_session.begin() as session:
            nightly.write_finding(session, finding, now)
    if findings:
        with open_session() as session:
            entries = nightly.entries(session, settings.pbx_name, day, now)
    try:
        orphans = _orphans(open_session, settings, now)
    except keep.SpoolAway:
        orphans = ()
    return nightly.report(
        day, entries, findings, proved=len(proved), orphans=orphans, spool_away=spool_away, now=now
    )


def _orphans(open_session: sessionmaker[Session], settings: Settings, now: datetime) -> tuple[str, ...]:
    files = [file for file in keep.spool_files(settings, now) if now - file.changed_at > keep.ORPHAN_AFTER]
    with open_session() as session:
        due = keep.due(session, settings, files, now, limit=len(files) + 1)
    return tuple(file.path.name for file in due.orphans)


def recent(now: datetime) -> tuple[datetime, datetime]:
    """The window in which gaps are looked for every minute: what the ledger took in of late."""
    return now - timedelta(hours=6), now
