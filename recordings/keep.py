"""From Asterisk's spool into the archive: which files are due, making the kept file, writing its row.

    spool file ─► convert ─► write_row ─commit─► settle
                  (temporary name, fsync,         (spool file
                   proved equal, renamed)          removed)

A crash before the commit leaves the spool file, a crash after it the kept file with its row; the next
round begins or finishes accordingly. Functions here take a session and never open or commit one
(`recordings.rounds` does); those that take none only touch files.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import soundfile as sf
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Call, JournalEvent, Recording
from hotline.settings import Settings
from recordings import checks, parts, sound
from recordings.capture.cut import Note
from recordings.checks import Facts

CITY_TIME = ZoneInfo("Asia/Shanghai")
QUIET = timedelta(seconds=2)
"""A file that changed within this time may still be written: MixMonitor ends a moment after the call."""
ORPHAN_AFTER = timedelta(hours=1)
"""The ledger may be late; a file unknown to it for longer is reported (and never deleted)."""
GAP_AFTER = timedelta(seconds=60)
"""An answered call whose file has not appeared by then has none."""
LEAST_MESSAGE_BYTES = sound.WAV_HEADER_BYTES + sound.RATE * sound.SAMPLE_BYTES
"""The dialplan (message-left) calls a file of up to one second no message; so does this."""
FRAME_BYTES = 2 * sound.SAMPLE_BYTES
LOOKED_UP_AT_ONCE = 500
"""Names in one query: below the limits of every database."""
ROOM_SLACK = 64 * 1024
"""Headers and folder entries, which even an almost empty recording needs."""
PROBLEM_LENGTH = 256
DAMAGED = "damaged"
"""Folder in the archive for files that cannot be read as sound; they are moved there, never deleted."""
UID = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")
PBX_DIED = "pbx_died"
"""Call.reason of a call that ended because Asterisk did."""
LOST_END_LINE = "lost_end_line"
"""Call.reason of a call whose end was noticed later: its end in the ledger is late."""
RECORDER_OFF = "RECORDER_OFF"
"""The journal line of a call that must not be recorded."""
SEAMS = frozenset({"consult", "party", "returned"})
"""Parts at whose edges a channel is moved from one bridge to another."""
QUEUED = "ENTERQUEUE"
"""The journal line of each time that the citizen began to wait."""


class DiskFull(OSError):
    """The archive's disk has no room; nothing was changed."""


class SpoolAway(OSError):
    """Asterisk's spool folder is not there: nothing can be said about what is missing."""


class KeptDiffers(OSError):
    """What was read back from the archive is not what the spool holds; the spool file stays."""


@dataclass(frozen=True)
class SpoolFile:
    """A file of Asterisk's spool that nobody has written to for a while."""

    call_uid: str
    """The file's name: Asterisk's unique id, which its systemname makes unique among several PBXs."""
    kind: str
    """call | message"""
    path: Path
    size: int
    changed_at: datetime

    @property
    def empty(self) -> bool:
        return self.size < (FRAME_BYTES if self.kind == "call" else sound.WAV_HEADER_BYTES + 1)


@dataclass(frozen=True)
class Piece:
    """One file to be kept, with what the ledger says of its call."""

    file: SpoolFile
    target: str
    """Relative to the archive."""

    @property
    def call_uid(self) -> str:
        return self.file.call_uid


@dataclass(frozen=True)
class Made:
    """A kept file as it is on the disk, or what became of one that could not be kept."""

    path: str | None
    heard: sound.Sound | None
    """None: the file was empty or unreadable."""
    bytes: int | None = None
    sha256: str | None = None
    unreadable: bool = False


@dataclass(frozen=True)
class Due:
    """What one look at the spool says is to be done now."""

    pieces: tuple[Piece, ...] = ()
    settled: tuple[tuple[SpoolFile, str, str], ...] = ()
    """(file, kept path, sha256): rows are committed, the spool file was left by a crash."""
    empty: tuple[SpoolFile, ...] = ()
    """Files without sound of calls that were never answered."""
    orphans: tuple[SpoolFile, ...] = ()
    early: int = 0
    """Files whose calls go on, or that the ledger does not know yet."""


# --- what is due ---------------------------------------------------------------------------------------


def spool_files(settings: Settings, now: datetime) -> list[SpoolFile]:
    """Every quiet file of the spool, oldest first. Raises SpoolAway when neither folder is there."""
    folders = ((settings.monitor, ".raw", "call"), (settings.voicemail, ".wav", "message"))
    if not any(folder.is_dir() for folder, _, _ in folders):
        raise SpoolAway(f"{settings.monitor} is not there")
    found: list[SpoolFile] = []
    for folder, suffix, kind in folders:
        if not folder.is_dir():
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                uid = entry.name.removesuffix(suffix)
                if uid == entry.name or not UID.match(uid):
                    continue
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    changed_at = datetime.fromtimestamp(status.st_mtime, UTC)
                    if timedelta(minutes=-1) <= now - changed_at < QUIET:
                        continue
                    found.append(SpoolFile(uid, kind, Path(entry.path), status.st_size, changed_at))
    return sorted(found, key=lambda file: (file.changed_at, file.call_uid))


def due(
    session: Session,
    settings: Settings,
    files: Sequence[SpoolFile],
    now: datetime,
    *,
    limit: int = 50,
    skip: Iterable[str] = (),
) -> Due:
    """Compares quiet spool files with the ledger; at most `limit` pieces of work, oldest first.

    `skip` names call uids that are not to be tried in this round.
    """
    skipped = frozenset(skip)
    pieces: list[Piece] = []
    settled: list[tuple[SpoolFile, str, str]] = []
    empty: list[SpoolFile] = []
    orphans: list[SpoolFile] = []
    early = 0
    for start in range(0, len(files), LOOKED_UP_AT_ONCE):
        chunk = files[start : start + LOOKED_UP_AT_ONCE]
        uids = {file.call_uid for file in chunk}
        calls = {call.uid: call for call in session.scalars(select(Call).where(Call.uid.in_(uids)))}
        rows = {
            (row.call_uid, row.kind): row
            for row in session.scalars(select(Recording).where(Recording.call_uid.in_(uids)))
        }
        for file in chunk:
            uid = file.call_uid
            call, row = calls.get(uid), rows.get((uid, file.kind))
            if uid in skipped:
                continue
            if call is None:
                if now - file.changed_at > ORPHAN_AFTER:
                    orphans.append(file)
                else:
                    early += 1
            elif call.ended_at is None or call.outcome is None:
                early += 1
            elif row is not None and row.path and row.sha256:
                settled.append((file, row.path, row.sha256))
            elif (file.empty and row is not None) or _is_nothing(file, call):
                empty.append(file)
            else:
                pieces.append(Piece(file, target(uid, file.kind, call.arrived_at)))
            if len(pieces) + len(settled) + len(empty) >= limit:
                return Due(tuple(pieces), tuple(settled), tuple(empty), tuple(orphans), early)
    return Due(tuple(pieces), tuple(settled), tuple(empty), tuple(orphans), early)


def _is_nothing(file: SpoolFile, call: Call) -> bool:
    """Nobody was recorded, and by the ledger nobody should have been."""
    if file.kind == "call":
        return file.empty and call.outcome != "answered"
    return file.size <= LEAST_MESSAGE_BYTES and call.outcome != "voicemail_left"


def target(uid: str, kind: str, arrived_at: datetime) -> str:
    """Where a recording is kept, relative to the archive: the day is that of Asia/Shanghai."""
    name = uid if kind == "call" else f"{uid}-message"
    return f"{arrived_at.astimezone(CITY_TIME):%Y/%m/%d}/{name}.flac"


def file_of(settings: Settings, row: Recording) -> Path | None:
    """The kept file of a row, or None where there is none. Never leads out of the archive."""
    if not row.path:
        return None
    path = (settings.recordings / row.path).resolve()
    return path if path.is_relative_to(settings.recordings.resolve()) else None


# --- files ---------------------------------------------------------------------------------------------


def convert(settings: Settings, piece: Piece) -> Made:
    """Makes the kept file of one piece; the spool file stays.

    Written under a temporary name in the same folder, synced, read back and compared sample by sample
    (fingerprint), renamed. Raises DiskFull, KeptDiffers or OSError, and then no new file is left.
    """
    if piece.file.empty:
        return Made(path=None, heard=None)
    kept = settings.recordings / piece.target
    part = kept.with_name(f".{kept.name}.part")
    try:
        _make_folder(kept.parent, settings.recordings)
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640))
        heard = sound.write_flac(piece.file.path, part)
        if not heard.frames:
            part.unlink()
            return Made(path=None, heard=None)
        _sync(part)
        if sound.measure(part).fingerprint != heard.fingerprint:
            raise KeptDiffers(f"{kept.name} reads back differently")
        made = Made(piece.target, heard, part.stat().st_size, sound.sha256(part))
        part.replace(kept)
        _sync(kept.parent)
        return made
    except (OSError, sf.LibsndfileError, sound.UnreadableSound) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if _is_full(error, settings.recordings, piece.file.size):
            raise DiskFull(errno.ENOSPC, f"no room for {piece.target} in {settings.recordings}") from error
        if isinstance(error, sound.UnreadableSound) and _source_is_bad(piece.file.path):
            return Made(path=None, heard=None, unreadable=True)
        if isinstance(error, OSError):
            raise
        raise OSError(f"{piece.target} cannot be written: {error}") from error


def _source_is_bad(path: Path) -> bool:
    try:
        sound.measure(path)
    except sound.UnreadableSound:
        return True
    return False


def _is_full(error: Exception, archive: Path, needed: int) -> bool:
    """Whether the disk is why. libsndfile does not tell the error number, so the free room is asked too."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    try:
        return shutil.disk_usage(archive).free < needed + ROOM_SLACK
    except OSError:
        return False


def _make_folder(folder: Path, archive: Path) -> None:
    """Makes `folder` and syncs each new level, so that a rename into it survives a power cut."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        if folder == archive:
            break
        folder = folder.parent
    for level in reversed(missing):
        level.mkdir(mode=0o750, parents=True, exist_ok=True)
        _sync(level.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def settle(
    settings: Settings, file: SpoolFile, kept: str | None, digest: str | None, *, bad: bool = False
) -> bool:
    """Removes the spool file of a committed row; True when it is gone.

    Only after the kept file, read again, has the checksum of the row. A file that cannot be read is moved
    into the archive's folder of damaged files instead; an empty one (no `kept`) is just removed.
    """
    if bad:
        folder = settings.recordings / DAMAGED
        _make_folder(folder, settings.recordings)
        shutil.move(file.path, folder / file.path.name)
        return True
    if kept is not None:
        try:
            if sound.sha256(settings.recordings / kept) != digest:
                return False
        except OSError:
            return False
    elif file.path.stat().st_size != file.size:
        return False
    file.path.unlink(missing_ok=True)
    return True


# --- rows ----------------------------------------------------------------------------------------------


def write_row(
    session: Session, call_uid: str, kind: str, made: Made | None, now: datetime, note: Note | None = None
) -> Recording:
    """Writes (or renews) the row of one recording; `made` None means that there is no file at all.

    `note` is what is known of a call that a passive recorder captured.
    Raises LookupError when the ledger has no such call.
    """
    call = session.scalars(select(Call).where(Call.uid == call_uid)).one_or_none()
    if call is None:
        raise LookupError(f"the ledger has no call {call_uid}")
    facts = facts_of(session, call, kind, made, note if kind == "call" else None)
    judged = checks.verdict(facts) if kind == "call" else checks.verdict_of_message(facts)
    row = session.scalars(
        select(Recording).where(Recording.call_uid == call_uid, Recording.kind == kind)
    ).one_or_none()
    if row is None:
        row = Recording(call_uid=call_uid, kind=kind, made_at=now)
        session.add(row)
    heard = made.heard if made else None
    row.state = judged.state.value
    row.problem = judged.problem[:PROBLEM_LENGTH] if judged.problem else None
    row.path = made.path if made else None
    row.bytes, row.sha256 = (made.bytes, made.sha256) if made else (None, None)
    row.seconds = round(heard.seconds, 3) if heard else None
    row.expected_seconds = facts.expected_seconds
    row.level_caller_db = heard.levels_db[0] if heard else None
    row.level_agent_db = heard.levels_db[1] if heard and heard.channels > 1 else None
    row.checked_at = now
    session.flush()
    return row


def facts_of(session: Session, call: Call, kind: str, made: Made | None, note: Note | None = None) -> Facts:
    """What the checks need to know: the ledger's side from the session, the file's side from `made`."""
    heard = made.heard if made else None
    measured = heard.seconds if heard else (None if made is None else 0.0)
    known = parts.of_calls(session, [call.uid]).get(call.uid, []) if kind == "call" else []
    by_parts = parts.recorded_seconds(known)
    return Facts(
        answered=call.outcome == "answered",
        expected_seconds=(expected_seconds(call) if by_parts is None else by_parts)
        if kind == "call"
        else None,
        measured_seconds=measured,
        speech_seconds=heard.speech_seconds if heard else (),
        left_over_bytes=heard.left_over_bytes if heard else 0,
        waited_again=max(call.transfers, _lines(session, call, QUEUED) - 1) > 0
        or any(part.kind in SEAMS for part in known),
        paused_seconds=parts.paused_seconds(known),
        pbx_died=call.reason == PBX_DIED,
        end_guessed=call.reason in (PBX_DIED, LOST_END_LINE),
        recorder_off=_lines(session, call, RECORDER_OFF) > 0,
        unreadable=bool(made and made.unreadable),
        lost_seconds=note.missing_seconds if note else 0.0,
        lost_why=note.why if note else "",
        lost_share=sum(note.lost) / max(1, sum(note.lost) + sum(note.packets)) if note else 0.0,
    )


def expected_seconds(call: Call) -> float | None:
    """Talk by the ledger in seconds; from its times where the sum is missing; None when never answered."""
    if call.talk_ms is not None and (call.talk_ms or call.answered_at):
        return call.talk_ms / 1000
    if call.answered_at and call.ended_at:
        return max(0.0, (call.ended_at - call.answered_at).total_seconds())
    return None


def _lines(session: Session, call: Call, event: str) -> int:
    lines = select(func.count()).where(JournalEvent.call_uid == call.uid, JournalEvent.event == event)
    return session.scalar(lines) or 0


def without_row(
    session: Session, pbx: str, since: datetime, until: datetime, now: datetime, *, limit: int = 500
) -> list[Call]:
    """Calls that arrived in [since, until) and are over, with no row for the recording they should have."""
    kind = {"answered": "call", "voicemail_left": "message"}
    found: list[Call] = []
    for outcome, wanted in kind.items():
        query = (
            select(Call)
            .outerjoin(Recording, (Recording.call_uid == Call.uid) & (Recording.kind == wanted))
            .where(
                Call.pbx == pbx,
                Call.outcome == outcome,
                Call.arrived_at >= since,
                Call.arrived_at < until,
                Call.ended_at < now - GAP_AFTER,
                Recording.id.is_(None),
            )
            .order_by(Call.arrived_at)
            .limit(limit)
        )
        found += session.scalars(query)
    return found


def spool_path(settings: Settings, uid: str, kind: str) -> Path | None:
    """Where Asterisk would have written the file of a call; None for an uid that is not of this PBX."""
    if not UID.match(uid) or not uid.startswith(f"{settings.pbx_name}-"):
        return None
    folder, suffix = (settings.monitor, ".raw") if kind == "call" else (settings.voicemail, ".wav")
    return folder / f"{uid}{suffix}"


def found_again(settings: Settings, call: Call, kind: str) -> Made | None:
    """The kept file of a call whose row is gone (a restored database), or None.

    Raises OSError when it is there and cannot be read.
    """
    relative = target(call.uid, kind, call.arrived_at)
    kept = settings.recordings / relative
    if not kept.is_file():
        return None
    try:
        heard = sound.measure(kept)
    except sound.UnreadableSound:
        return None
    return Made(relative, heard, kept.stat().st_size, sound.sha256(kept))
