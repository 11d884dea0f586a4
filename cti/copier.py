"""The copier: journal file to ledger tables, exactly once.

The byte offset is committed in the same transaction as the rows made of the bytes before it. Killed at any
moment, it goes on at the offset; database away, the journal waits on disk; rotated, the renamed file is read
to its end before the next one is begun.

    queue_log ──whole lines──► parse ──► journal_events, calls, call_parts, journal_positions ──► one commit
                                         and what `note_ended` writes for each call that ended
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from cti import ledger, watch_log
from cti.journal import Entry, parse
from cti.parts import Parts
from db import models
from db.numbers import normal

log = structlog.get_logger()

_EPOCH = datetime.fromtimestamp(0, UTC)
LONGEST_SIGN_IN = timedelta(hours=24)
"""Who sits at a seat has signed in within this time."""
MOMENTS_REMEMBERED = 1000


class NoteEnded(Protocol):
    """What else is written when a call has got its outcome: once a call, in the copier's transaction.

    The call's row and parts are flushed. `caller` and `callback_number` are in normal form.
    """

    def __call__(
        self,
        session: Session,
        *,
        uid: str,
        caller: str,
        outcome: str,
        queue: str | None,
        ended_at: datetime,
        direction: str,
        callback_number: str | None,
        about: str | None,
        callback_of: str | None,
        answered_at: datetime | None,
        agent: str | None,
    ) -> None: ...


@dataclass(frozen=True)
class JournalFile:
    """One file of the journal; `name` says which file it is, whatever it is called now."""

    path: Path
    name: str
    begins: int
    """Epoch seconds of its first line: the order of rotated files, but for a clock that was set meanwhile."""
    size: int


@dataclass(frozen=True)
class Line:
    """One whole line and where its first byte stands."""

    offset: int
    text: str
    end: int


def journal_files(path: Path) -> list[JournalFile]:
    """The journal and its rotated predecessors, oldest first. Files without one whole line are left out."""
    found = []
    for candidate in (path, *path.parent.glob(path.name + ".*")):
        try:
            with candidate.open("rb") as file:
                status = os.fstat(file.fileno())
                first = file.readline(4096)
        except OSError:
            continue
        if not first.endswith(b"\n"):
            continue
        stamp = first.split(b"|", 1)[0]
        name = f"{status.st_ino}-{hashlib.sha256(first).hexdigest()[:16]}"
        begins = int(stamp) if stamp.isdigit() else int(status.st_mtime)
        found.append(
            (JournalFile(candidate, name, begins, status.st_size), candidate == path, status.st_mtime)
        )
    found.sort(key=lambda item: (item[1], item[0].begins, item[2]))
    return [item[0] for item in found]


def whole_lines(data: bytes, offset: int) -> list[Line]:
    """The lines in `data`, which begins at `offset`; a half-written last line is left for the next time."""
    lines = []
    for raw in data.splitlines(keepends=True):
        if not raw.endswith(b"\n"):
            break
        end = offset + len(raw)
        lines.append(Line(offset, raw[:-1].rstrip(b"\r").decode("utf-8", "replace").replace("\0", ""), end))
        offset = end
    return lines


def _inode_and_size(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size


@dataclass(frozen=True)
class Lag:
    """What of the journal is not in the ledger yet: bytes, and epoch seconds of the oldest such line."""

    bytes: int
    since: int | None


def copied_files(session: Session, pbx: str, files: Iterable[JournalFile]) -> set[str]:
    """Names of those files of which the ledger has lines: copied to their ends, but for the one it is at."""
    event = models.JournalEvent
    return {
        each.name
        for each in files
        if session.scalar(select(event.id).where(event.pbx == pbx, event.file == each.name).limit(1))
    }


def lag(path: Path, file: str | None, offset: int, session: Session | None = None, pbx: str = "") -> Lag:
    """How far the ledger is behind a journal that is copied up to `offset` of the file named `file` (None:
    nothing is copied), rotated files included.

    With the ledger's `session`, files are known for copied by their lines there; without one, by their order,
    which is wrong where the clock was set between two rotations.
    """
    files = journal_files(path)
    names = [each.name for each in files]
    if file not in names:
        offset = 0
    elif session is None:
        files = files[names.index(file) :]
    else:
        others = [each for each in files if each.name != file]
        copied = copied_files(session, pbx, others)
        files = [files[names.index(file)], *(each for each in others if each.name not in copied)]
    left = sum(each.size for each in files) - offset
    for each in files:
        with each.path.open("rb") as source:
            source.seek(offset)
            stamp = source.readline(4096).split(b"|", 1)[0]
        if stamp.isdigit():
            return Lag(left, int(stamp))
        offset = 0
    return Lag(left, None)


class Copier:
    """Copies one PBX's journal. `copy_once()` is one transaction; call it until it returns 0."""

    BATCH = 256 * 1024
    """Bytes a transaction at the most: about 2,500 lines."""

    def __init__(
        self,
        path: Path,
        pbx: str,
        sessions: sessionmaker[Session],
        *,
        area_code: str,
        short_abandon_s: float = 5.0,
        note_ended: NoteEnded | None = None,
    ) -> None:
        self.path, self.pbx, self.area_code = path, pbx, area_code
        self._sessions = sessions
        self._short_abandon_s = short_abandon_s
        self._note_ended = note_ended
        self._open: dict[str, ledger.CallFacts] = {}
        """Facts of calls that have not ended; refolded from the journal table when not here."""
        self._sat: dict[tuple[str, datetime], str | None] = {}
        """Who sat where at moments that were asked for: what a journal says of the past does not change."""
        self._ended_at: tuple[int, int] | None = None
        """Inode and size of the journal when its end was last reached: the same again means nothing to do."""

    def copy_once(self) -> int:
        """Copy the next batch and return the number of lines; 0 when the journal's end is reached.

        Raises what SQLAlchemy raises when the database is away; nothing is lost, nothing is half done.
        """
        seen = _inode_and_size(self.path)
        if seen is not None and seen == self._ended_at:
            return 0
        copied = self._copy_batch()
        self._ended_at = None if copied else seen
        return copied

    def _copy_batch(self) -> int:
        files = journal_files(self.path)
        if not files:
            return 0
        touched: dict[str, ledger.CallFacts] = {}
        with self._sessions.begin() as session:
            position = session.get(models.JournalPosition, self.pbx, with_for_update=True)
            file, offset = self._where(session, files, position)
            with file.path.open("rb") as source:
                source.seek(offset)
                data = source.read(self.BATCH)
            lines = whole_lines(data, offset)
            if not lines:
                if len(data) >= self.BATCH:  # one line longer than a batch: not ours, kept as unreadable
                    lines = [Line(offset, data[:4096].decode("utf-8", "replace"), offset + len(data))]
                else:
                    return 0
            self._write(session, file.name, lines, touched)
            self._set_position(session, position, file.name, lines[-1].end)
        for uid, facts in touched.items():
            if facts.outcome is None:
                self._open[uid] = facts
            else:
                self._open.pop(uid, None)
        return len(lines)

    def _where(
        self, session: Session, files: list[JournalFile], position: models.JournalPosition | None
    ) -> tuple[JournalFile, int]:
        """The file to read and from where.

        After the end of a file comes the first of which the ledger has no line: rotated files stand in the
        order of their stamps, wrong where the clock was set meanwhile; a file that is read a second time is
        refused by the table for ever.
        """
        if position is None:
            return files[0], 0
        here = next((file for file in files if file.name == position.file), None)
        if here is not None and (position.offset < here.size or here is files[-1]):
            return here, position.offset
        others = [file for file in files if file is not here]
        copied = copied_files(session, self.pbx, others)
        after = next((file for file in others if file.name not in copied), None)
        if here is None:
            log.error(
                "journal_file_gone",
                file=position.file,
                offset=position.offset,
                goes_on_at=after.path.name if after else None,
            )
        if after is not None:
            return after, 0
        return (here, position.offset) if here is not None else (files[-1], files[-1].size)

    def _set_position(
        self, session: Session, position: models.JournalPosition | None, file: str, offset: int
    ) -> None:
        copied_at = models.now()
        if position is None:
            session.add(models.JournalPosition(pbx=self.pbx, file=file, offset=offset, copied_at=copied_at))
        else:
            position.file, position.offset, position.copied_at = file, offset, copied_at

    def _write(
        self, session: Session, file: str, lines: list[Line], touched: dict[str, ledger.CallFacts]
    ) -> None:
        entries: list[tuple[Line, Entry]] = []
        before = _EPOCH
        for line in lines:
            entry = parse(line.text, before if before > _EPOCH else models.now())
            before = entry.at
            entries.append((line, entry))
        self._load(session, {e.call for _, e in entries if e.call}, touched)
        written = {uid: facts.parts for uid, facts in touched.items()}
        # As plain rows of the table: as objects they would cost more than all the rest of the copying.
        session.connection().execute(
            insert(models.JournalEvent),
            [
                {
                    "pbx": self.pbx,
                    "file": file,
                    "offset": line.offset,
                    "at": entry.at,
                    "call_uid": entry.call,
                    "queue": entry.queue,
                    "agent": entry.agent,
                    "event": entry.event,
                    "data": list(entry.data),
                    "understood": entry.understood,
                }
                for line, entry in entries
            ],
        )
        for _, entry in entries:
            if entry.event == "QUEUESTART":
                self._close_open_calls(session, entry.at, touched, written)
            elif entry.call and entry.understood:
                facts = touched.get(entry.call)
                if facts is None and entry.event in ledger.NEVER_FIRST:
                    continue
                facts = facts or ledger.begin(entry)
                touched[entry.call] = ledger.apply(facts, entry, self._short_abandon_s)
        self._save(session, touched, written)
        watch_log.note(session, [entry for _, entry in entries])

    def _load(self, session: Session, uids: set[str], touched: dict[str, ledger.CallFacts]) -> None:
        """Facts of calls met before: from memory, else folded again from their journal rows."""
        missing = []
        for uid in uids:
            if uid in self._open:
                touched[uid] = self._open[uid]
            else:
                missing.append(uid)
        touched.update(self._folded(session, missing))

    def _folded(self, session: Session, uids: Iterable[str]) -> dict[str, ledger.CallFacts]:
        wanted = list(uids)
        if not wanted:
            return {}
        rows = session.scalars(
            select(models.JournalEvent)
            .where(models.JournalEvent.call_uid.in_(wanted), models.JournalEvent.understood)
            .order_by(models.JournalEvent.id)
        )
        facts: dict[str, ledger.CallFacts] = {}
        for row in rows:
            entry = Entry(
                row.at, row.call_uid, row.queue, row.agent, row.event, tuple(row.data), understood=True
            )
            uid = row.call_uid or ""
            if uid not in facts and entry.event in ledger.NEVER_FIRST:
                continue
            facts[uid] = ledger.apply(facts.get(uid) or ledger.begin(entry), entry, self._short_abandon_s)
        return facts

    def _close_open_calls(
        self,
        session: Session,
        at: datetime,
        touched: dict[str, ledger.CallFacts],
        written: dict[str, Parts],
    ) -> None:
        """Asterisk was started anew: what was open then ended with it.

        What stands before this line is older, whatever its stamps say: the clock may have been set back.
        """
        session.flush()
        rows = session.scalars(
            select(models.Call.uid).where(
                models.Call.pbx == self.pbx,
                models.Call.outcome.is_(None),
            )
        ).all()
        for uid, facts in self._folded(session, [u for u in rows if u not in touched]).items():
            touched[uid], written[uid] = facts, facts.parts
        for uid, facts in touched.items():
            if facts.outcome is None:
                touched[uid] = ledger.close_at_restart(facts, max(at, facts.arrived_at))

    def _save(
        self, session: Session, touched: dict[str, ledger.CallFacts], written: dict[str, Parts]
    ) -> None:
        rows = {
            row.uid: row
            for row in session.scalars(select(models.Call).where(models.Call.uid.in_(list(touched))))
        }
        ended: list[models.Call] = []
        for uid, facts in touched.items():
            row = rows.get(uid)
            if row is None:
                row = models.Call(uid=uid, pbx=self.pbx, arrived_at=facts.arrived_at)
                session.add(row)
            elif row.outcome is not None:
                continue
            named = ledger.named(facts, lambda seat, at: self._who_sat(session, seat, at))
            self._fill(row, named)
            if facts.parts != written.get(uid, ()):
                _write_parts(session, uid, named.parts)
            if facts.outcome is not None:
                ended.append(row)
        session.flush()
        for row in sorted(ended, key=lambda one: one.ended_at or one.arrived_at):
            self._tell_ended(session, row)

    def _who_sat(self, session: Session, seat: str, at: datetime) -> str | None:
        """Login of the agent who was signed in at a seat, by the journal itself; asked once a moment, because
        it reads a day of lines."""
        if (seat, at) not in self._sat:
            if len(self._sat) >= MOMENTS_REMEMBERED:
                self._sat.clear()
            self._sat[seat, at] = self._signed_in(session, seat, at)
        return self._sat[seat, at]

    def _signed_in(self, session: Session, seat: str, at: datetime) -> str | None:
        lines = session.execute(
            select(models.JournalEvent.agent, models.JournalEvent.data)
            .where(
                models.JournalEvent.pbx == self.pbx,
                models.JournalEvent.event == "SIGNIN",
                models.JournalEvent.at.between(at - LONGEST_SIGN_IN, at),
            )
            .order_by(models.JournalEvent.id.desc())
        )
        return next((agent for agent, data in lines if len(data) > 1 and data[1] == seat), None)

    def _tell_ended(self, session: Session, row: models.Call) -> None:
        """One call to `note_ended`, tried twice: another process may write the same caller's row just now.

        What it raises then is logged and the ledger goes on; a database that is away ends the transaction.
        """
        if self._note_ended is None or row.outcome is None or row.ended_at is None:
            return
        # A talk that Asterisk's death has cut off was answered, but the citizen is owed a call.
        cut_off = row.outcome == ledger.Outcome.ANSWERED and row.reason == ledger.PBX_DIED
        for attempt in (1, 2):
            try:
                with session.begin_nested():
                    self._note_ended(
                        session,
                        uid=row.uid,
                        caller=row.caller,
                        outcome=str(ledger.Outcome.FAILED if cut_off else row.outcome),
                        queue=row.queue,
                        ended_at=row.ended_at,
                        direction=row.direction,
                        callback_number=row.callback_number,
                        about=row.about,
                        callback_of=row.callback_of,
                        answered_at=row.answered_at,
                        agent=row.agent,
                    )
                return
            except (OperationalError, InterfaceError):
                raise
            except Exception as error:
                if attempt == 2:
                    log.error("ended_call_not_noted", call=row.uid, error=f"{type(error).__name__}: {error}")

    def _fill(self, row: models.Call, facts: ledger.CallFacts) -> None:
        row.direction = facts.direction
        row.caller_raw, row.caller_name, row.called = facts.caller_raw, facts.caller_name, facts.called
        row.caller = normal(facts.caller_raw, self.area_code)
        row.arrived_at = facts.arrived_at
        row.menu_path = [{"node": s.node, "key": s.key, "result": s.result} for s in facts.menu_path]
        row.queue, row.to_person_at, row.rings = facts.queue, facts.to_person_at, facts.rings
        row.answered_at, row.agent, row.seat = facts.answered_at, facts.agent, facts.seat
        row.wait_ms, row.talk_ms, row.transfers = facts.wait_ms, facts.talk_ms, facts.transfers
        row.ended_at, row.ended_by, row.cause = facts.ended_at, facts.ended_by, facts.cause
        row.reason, row.outcome = facts.reason, facts.outcome
        row.hold_ms, row.about, row.callback_of = facts.hold_ms, facts.about, facts.callback_of
        row.rating, row.rating_reason, row.rated_agent = (
            facts.rating,
            facts.rating_reason,
            facts.rated_agent,
        )
        asked = facts.callback_number
        row.callback_number = normal(asked, self.area_code) if asked is not None else None


def _write_parts(session: Session, uid: str, found: Parts) -> None:
    """The rows of one call's parts, anew: what the journal says now, whatever was there."""
    session.execute(delete(models.CallPart).where(models.CallPart.call_uid == uid))
    rows = [
        {
            "call_uid": uid,
            "position": position,
            "kind": part.kind.value,
            "agent": part.agent,
            "who": part.who,
            "label": part.label,
            "began_at": part.began_at,
            "answered_at": part.answered_at,
            "ended_at": part.ended_at,
        }
        for position, part in enumerate(found)
    ]
    if rows:
        session.execute(insert(models.CallPart), rows)
