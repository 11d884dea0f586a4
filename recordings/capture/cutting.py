"""The edge: rounds that make segments, cut what has ended, and throw away what nobody needs any more.

journal MEDIA ─► captured calls ─ended, answered─► packets complete? ─► cut ─┬─► spool/monitor/<uid>.raw
                                                                             └─► spool/captured/<uid>.json
segments older than KEEP_SECONDS ─► thinned to the calls that are still open
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from db.models import Call, JournalEvent, Recording
from hotline.settings import Settings
from recordings import parts
from recordings.capture import packets, ring
from recordings.capture.cut import (
    MARGIN,
    Leg,
    Note,
    Wanted,
    cut,
    microseconds,
    note_of,
    note_path,
    rows_between,
    together,
    write,
    write_note,
)
from recordings.capture.packets import Rows
from recordings.capture.ring import Captured, Recorder, Segment, Stream
from recordings.capture.set_clock import UNSEEN_US, RunningOn

LOOK_BACK = timedelta(hours=24)
"""Calls of this time are taken up again by a worker that was away."""
KEEP_SECONDS = 60.0
"""A segment is thinned when it is older: most calls that were in it have been cut by then."""
THIN_EVERY_SECONDS = 20.0
NOTES_KEPT = timedelta(days=2)
SLACK_US = 1_500_000
"""The kernel hands packets over in blocks of up to a second: what was flushed is so much older."""
PATIENCE_US = 20_000_000
"""A call is cut with what is there when it has ended so long ago."""
UNTOLD_MS = 200
"""By this much the clock was set and no recorder has noted it yet: the next round knows more."""
LOOKED_UP_AT_ONCE = 500


@dataclass
class CutRound:
    """What one round did."""

    segments: int = 0
    cut: list[Note] = field(default_factory=list)
    waiting: int = 0
    """Calls that have ended, whose last packets are not in a file yet."""
    failed: dict[str, str] = field(default_factory=dict)


class Cutter:
    """Remembers which calls are captured and go on; `round` does what is due."""

    def __init__(self, open_session: sessionmaker[Session], settings: Settings) -> None:
        self._open_session, self._settings = open_session, settings
        self._legs: dict[str, list[Leg]] = {}
        """Calls that are captured and not settled, with their legs."""
        self._last_id: int | None = None
        self._newest_line = 0
        self._segments: dict[Path, Segment] = {}
        self._thinned_at = 0.0

    def round(self, now: datetime, stop: Callable[[], bool] = lambda: False) -> CutRound:
        """One round. Raises OperationalError when the database is away: the ring keeps everything then."""
        done = CutRound()
        captures = self._make_segments(done, stop)
        with self._open_session() as session:
            self._read_journal(session, now)
            ended = self._ended(session)
            answered = {uid: call for uid, call in ended.items() if call.outcome == "answered"}
            for uid in ended.keys() - answered.keys():
                self._legs.pop(uid, None)
            told = ring.recorders(self._settings.ring)
            clock = RunningOn(max((one.steps for one in told), key=len, default=()))
            now_ms = round(time.time() * 1000)
            if any(one.is_alive(now_ms) and abs(one.clock_set_by()) > UNTOLD_MS for one in told):
                done.waiting = len(answered)
                return done
            is_now = clock.now(now_ms * 1000)
            wanted = {uid: self._wanted(session, call, clock, is_now) for uid, call in answered.items()}
        if wanted:
            self._cut_all(answered, wanted, told, captures, clock, now_ms, done, stop)
        if time.monotonic() - self._thinned_at > THIN_EVERY_SECONDS:
            self._thinned_at = time.monotonic()
            self._thin(clock, is_now)
            self._forget_notes(now)
        return done

    # --- segments -----------------------------------------------------------------------------------

    def _make_segments(self, done: CutRound, stop: Callable[[], bool]) -> list[tuple[Recorder, Captured]]:
        """Finished captures become segments; gives those that are still written."""
        settings = self._settings
        ours, nets = (settings.rtp_first, settings.rtp_last), settings.trunk_media_nets
        open_ones: list[tuple[Recorder, Captured]] = []
        there: set[Path] = set()
        for recorder in ring.recorders(settings.ring):
            found = ring.files(settings.ring / recorder.name)
            alive = recorder.is_alive(round(time.time() * 1000))
            ready = ring.finished(found, is_alive=alive, now=time.time(), writing=recorder.writing)
            for one in ready:
                if stop():
                    break
                segment = ring.make_segment(one, ours, nets)
                done.segments += 1
                if segment:
                    self._segments[segment.path] = segment
                    there.add(segment.path)
            open_ones += [(recorder, one) for one in found if not one.is_segment and one not in ready]
            for one in found:
                if one.is_segment:
                    there.add(one.path)
                    if one.path not in self._segments and (known := ring.open_segment(one.path)):
                        self._segments[one.path] = known
        for gone in self._segments.keys() - there:
            del self._segments[gone]
        return open_ones

    def _thin(self, clock: RunningOn, is_now: int) -> None:
        """Old segments are left with the streams of calls that are not cut yet; never ahead of the ledger."""
        old = min(is_now - round(KEEP_SECONDS * 1e6), clock.moment(self._newest_line, is_now))
        # By the port alone: times say nothing where the clock was set back during a call.
        ports = {leg.port for legs in self._legs.values() for leg in legs}

        def wanted(port: int, _stream: Stream) -> bool:
            return port in ports

        for path, segment in list(self._segments.items()):
            if clock.moment(segment.end, is_now + UNSEEN_US) < old:
                left = ring.thin(segment, wanted)
                if left is None:
                    del self._segments[path]
                else:
                    self._segments[path] = left

    def _forget_notes(self, now: datetime) -> None:
        with suppress(OSError):
            for path in self._settings.captured.iterdir():
                with suppress(OSError):
                    if now.timestamp() - path.stat().st_mtime > NOTES_KEPT.total_seconds():
                        path.unlink()

    # --- calls --------------------------------------------------------------------------------------

    def _read_journal(self, session: Session, now: datetime) -> None:
        """New MEDIA lines; at first those of the last day whose calls have no recording."""
        mine = JournalEvent.pbx == self._settings.pbx_name
        newest = session.execute(
            select(JournalEvent.id, JournalEvent.at).where(mine).order_by(JournalEvent.id.desc()).limit(1)
        ).one_or_none()
        if newest is None:
            return
        query = select(JournalEvent).where(mine, JournalEvent.event == "MEDIA", JournalEvent.id <= newest.id)
        if self._last_id is None:
            kept = select(Recording.id).where(
                Recording.call_uid == JournalEvent.call_uid,
                Recording.kind == "call",
                Recording.path.is_not(None),
            )
            query = query.where(JournalEvent.at >= now - LOOK_BACK, ~kept.exists())
        else:
            query = query.where(JournalEvent.id > self._last_id)
        for line in session.scalars(query.order_by(JournalEvent.id)):
            leg = leg_of(line.data, microseconds(line.at))
            if leg and line.call_uid and not self._is_settled(line.call_uid):
                self._legs.setdefault(line.call_uid, []).append(leg)
        self._last_id = newest.id
        # Not the latest stamp: one of an hour to come, from a clock that was set back since, guards nothing.
        self._newest_line = microseconds(newest.at)

    def _is_settled(self, uid: str) -> bool:
        """Cut before: its file is there, or nothing was found of it."""
        note = note_of(self._settings.captured, uid)
        return note is not None and (note.is_empty or self._target(uid).exists())

    def _ended(self, session: Session) -> dict[str, Call]:
        uids = list(self._legs)
        found: dict[str, Call] = {}
        for start in range(0, len(uids), LOOKED_UP_AT_ONCE):
            some = uids[start : start + LOOKED_UP_AT_ONCE]
            query = select(Call).where(
                Call.uid.in_(some), Call.outcome.is_not(None), Call.ended_at.is_not(None)
            )
            found |= {call.uid: call for call in session.scalars(query)}
        return found

    def _wanted(self, session: Session, call: Call, clock: RunningOn, is_now: int) -> Wanted:
        """What to cut, by the time that runs on. Where the clock was set in a call, the ledger's stretches
        say nothing of waits and consultations: better too much is kept than nothing."""
        assert call.ended_at is not None
        end = clock.moment(microseconds(call.ended_at), is_now + UNSEEN_US)

        def at(moment: datetime) -> int:
            return clock.moment(microseconds(moment), end)

        of_call = parts.of_calls(session, [call.uid]).get(call.uid, [])
        spans = [(at(a), at(b)) for a, b in parts.recorded(of_call)]
        paused = [(at(p.began_at), at(p.ended_at)) for p in of_call if p.kind == parts.PAUSED and p.ended_at]
        legs = tuple(Leg(clock.moment(leg.at, end), leg.port, leg.remote) for leg in self._legs[call.uid])
        if call.answered_at and (not spans or clock.was_set(at(call.answered_at), end)):
            spans = [(at(call.answered_at), end)]
        spans = [span for span in spans if span[0] < span[1]]
        return Wanted(call.uid, tuple(spans), tuple(paused), legs)

    # --- cutting ------------------------------------------------------------------------------------

    def _cut_all(
        self,
        ended: dict[str, Call],
        wanted: dict[str, Wanted],
        told: list[Recorder],
        captures: list[tuple[Recorder, Captured]],
        clock: RunningOn,
        now_ms: int,
        done: CutRound,
        stop: Callable[[], bool],
    ) -> None:
        is_now = clock.now(now_ms * 1000)
        covered, to_read = _covered(told, captures, clock, now_ms)
        open_rows: list[Rows] | None = None
        outages = [
            [_running_on(each, clock, is_now) for each in (*one.outages, *_since_death(one, now_ms))]
            for one in told
        ]
        for uid, one in sorted(wanted.items()):
            if stop():
                return
            end = one.spans[-1][1] if one.spans else 0
            if end > covered and is_now - end < PATIENCE_US:
                done.waiting += 1
                continue
            if open_rows is None:
                open_rows = list(self._open_rows(to_read))
            try:
                note = self._cut_one(one, ended[uid], clock, open_rows, outages)
            except OSError as error:
                done.failed[uid] = f"{type(error).__name__}: {error}"
                continue
            self._legs.pop(uid, None)
            if note:
                done.cut.append(note)

    def _cut_one(
        self,
        wanted: Wanted,
        call: Call,
        clock: RunningOn,
        open_rows: list[Rows],
        outages: list[list[ring.Outage]],
    ) -> Note | None:
        if not wanted.spans:
            return None
        begin, end = wanted.spans[0][0] - MARGIN, wanted.spans[-1][1] + MARGIN
        segments = list(self._segments.values())
        stamped = [rows_between(segments, open_rows, wanted.legs, *wall) for wall in clock.walls(begin, end)]
        sound, note = cut(wanted, clock.rows(together(stamped), begin, end), outages)
        self._settings.captured.mkdir(parents=True, exist_ok=True)
        # The note comes first: with it and without its file the call is cut anew.
        write_note(self._settings.captured, note)
        if not note.is_empty:
            try:
                write(self._target(wanted.uid), sound, call.ended_at or datetime.now(UTC))
            except OSError:
                note_path(self._settings.captured, wanted.uid).unlink(missing_ok=True)
                raise
        return note

    def _target(self, uid: str) -> Path:
        """MixMonitor's own place; where both record, beside it for comparison."""
        folder = self._settings.captured if self._settings.recorder == "both" else self._settings.monitor
        return folder / f"{uid}.raw"

    def _open_rows(self, captures: list[Captured]) -> Iterator[Rows]:
        settings = self._settings
        for one in captures:
            with suppress(OSError, packets.NoCapture):
                data = one.path.read_bytes()
                yield packets.parse(
                    data, (settings.rtp_first, settings.rtp_last), settings.trunk_media_nets
                ).rows


def leg_of(data: list[str], at: int) -> Leg | None:
    """The leg that a MEDIA line tells of; None where Asterisk itself records the call.

    Data: ms, our address:port, the other's address:port, format, plain | secure, capture | mixmonitor.
    """
    if len(data) < 6 or data[5] != "capture" or data[4] != "plain":
        return None
    port = data[1].rpartition(":")[2]
    return Leg(at, int(port), packets.address(data[2])) if port.isdigit() else None


def _covered(
    told: list[Recorder], captures: list[tuple[Recorder, Captured]], clock: RunningOn, now_ms: int
) -> tuple[int, list[Captured]]:
    """Until when each living recorder's packets are in files, and which open files must be read for that."""
    covered = clock.now(now_ms * 1000) + 1_000_000_000
    to_read: list[Captured] = []
    alive = {one.name for one in told if one.is_alive(now_ms)}
    for recorder, one in captures:
        size = 0
        with suppress(OSError):
            size = one.path.stat().st_size
        if recorder.name not in alive:
            to_read.append(one)
        elif size <= ring.OPEN_FILE_READ_BYTES:
            to_read.append(one)
            covered = min(covered, clock.now(recorder.flushed_at * 1000) - SLACK_US)
        else:
            covered = min(covered, clock.moment(one.second * 1_000_000, clock.now(now_ms * 1000)) - SLACK_US)
    return covered, to_read


def _running_on(outage: ring.Outage, clock: RunningOn, is_now: int) -> ring.Outage:
    """Its length is true: recorders measure it by the clock that nobody sets."""
    end = clock.moment(outage.end, is_now + UNSEEN_US)
    return replace(outage, begin=end - (outage.end - outage.begin), end=end)


def _since_death(recorder: Recorder, now_ms: int) -> list[ring.Outage]:
    """The outage that goes on, which nobody has written down yet."""
    if recorder.is_alive(now_ms):
        return []
    return [ring.Outage((now_ms - recorder.silent_ms(now_ms)) * 1000, now_ms * 1000, "dead")]
