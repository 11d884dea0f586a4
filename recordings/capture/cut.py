"""One call out of the ring: which packets are its own, and the file that MixMonitor would have made of them.

spans    what is recorded of the call, by the ledger: bridged with somebody, no consultation, no second wait
legs     our port and the other's address, by the journal's MEDIA lines
paused   silence that an agent asked for
    ─► left: what the citizen sent; right: what was heard there; 8 kHz, 16 bit, span after span
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recordings.capture import ring
from recordings.capture.packets import Rows, row_type
from recordings.capture.ring import Outage, Segment
from recordings.capture.sound_of import RATE, Laid, laid

Span = tuple[int, int]
"""Microseconds since the epoch."""
MARGIN = 2_000_000
"""Packets so much before and after are looked at: late ones, and the beginning of their clock."""
LEG_AT_END = 500_000
"""A leg told only with the end of the call had begun before: nobody knows when, but its packets do."""
LOST_SECONDS_TOLD = 0.5


@dataclass(frozen=True)
class Leg:
    """One line MEDIA of the journal."""

    at: int
    port: int
    """Ours."""
    remote: int
    """As in `packets.Rows`."""


@dataclass(frozen=True)
class Wanted:
    """A call that has ended and is to be cut."""

    uid: str
    spans: tuple[Span, ...]
    paused: tuple[Span, ...]
    legs: tuple[Leg, ...]

    @property
    def seconds(self) -> float:
        return sum(end - begin for begin, end in self.spans) / 1e6


@dataclass(frozen=True)
class Note:
    """What is to be known of a cut recording; kept beside it for the checks."""

    uid: str
    seconds: float
    packets: tuple[int, int] = (0, 0)
    """Caller, agent."""
    lost: tuple[int, int] = (0, 0)
    late: int = 0
    twice: int = 0
    strange: int = 0
    missing_seconds: float = 0.0
    """In which no recorder captured."""
    why: str = ""
    """dead | pruned | nothing: why sound is missing; empty: none is."""
    dropped: int = 0
    """Packets that the kernel threw away while the call was on; of every call."""
    gaps: tuple[tuple[int, int], ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        return not any(self.packets)


def rows_between(
    segments: Iterable[Segment], open_rows: Iterable[Rows], legs: Sequence[Leg], begin: int, end: int
) -> Rows:
    """Every packet of these legs between two moments, from all recorders, in order of arrival."""
    ports = sorted({leg.port for leg in legs})
    found: list[Rows] = []
    for segment in segments:
        if segment.begin <= end and segment.end >= begin:
            found += [ring.rows_of(segment, port) for port in ports if port in segment.streams]
    found += [rows[np.isin(rows["port"], ports)] for rows in open_rows if len(rows)]
    rows = together(found)
    rows = rows[(rows["at"] >= begin) & (rows["at"] <= end)]
    return rows[np.argsort(rows["at"], kind="stable")]


def together(found: Iterable[Rows]) -> Rows:
    """Rows of several files as one, one after the other."""
    found = [rows for rows in found if len(rows)]
    if not found:
        return np.zeros(0, row_type(0))
    width = max(rows.dtype["sound"].shape[0] for rows in found)
    return np.concatenate([_widened(rows, width) for rows in found])


def _widened(rows: Rows, width: int) -> Rows:
    old = rows.dtype["sound"].shape[0]
    if old == width:
        return rows
    wide = np.zeros(len(rows), row_type(width))
    for name in rows.dtype.names or ():
        if name != "sound":
            wide[name] = rows[name]
    wide["sound"][:, :old] = rows["sound"]
    return wide


def of_the_call(rows: Rows, legs: Sequence[Leg], end: int) -> tuple[Rows, Rows]:
    """(from the citizen, to the citizen) of one call.

    A port is the call's from its MEDIA line to the next one's. What came to it from an address that we were
    not told of, and sent nothing to, is not the citizen.
    """
    ordered = sorted(legs, key=lambda leg: leg.at)
    inward: list[Rows] = []
    outward: list[Rows] = []
    since = 0
    for index, leg in enumerate(ordered):
        later = [other.at for other in ordered[index + 1 :] if other.port != leg.port]
        until = end + MARGIN
        if later:
            until = later[0] if later[0] < end - LEG_AT_END else end + MARGIN
        mine = rows[(rows["port"] == leg.port) & (rows["at"] >= since) & (rows["at"] < until)]
        sent, came = mine[mine["out"] == 1], mine[mine["out"] == 0]
        known = {leg.remote, *np.unique(sent["remote"]).tolist()}
        theirs = np.isin(came["remote"], np.array(sorted(known), np.uint64))
        if len(came) and not theirs.any():
            sources, counts = np.unique(came["remote"], return_counts=True)
            theirs = came["remote"] == sources[np.argmax(counts)]
        inward.append(came[theirs])
        outward.append(sent)
        if later:
            last = int(mine["at"].max(initial=0))
            since = later[0] if later[0] < end - LEG_AT_END else last
    if len(inward) == 1:
        return inward[0], outward[0]
    both = np.concatenate(inward), np.concatenate(outward)
    return both[0][np.argsort(both[0]["at"], kind="stable")], both[1][
        np.argsort(both[1]["at"], kind="stable")
    ]


def cut(wanted: Wanted, rows: Rows, outages: Iterable[Iterable[Outage]]) -> tuple[NDArray[np.int16], Note]:
    """The sound (n, 2) of a call, and what is to be known of it. `outages` of each recorder."""
    spans = list(wanted.spans)
    end = max(until for _, until in spans)
    every = [list(one) for one in outages]
    came, sent = of_the_call(rows, wanted.legs, end)
    left, right = laid(came, spans), laid(sent, spans)
    sound = np.stack([left.samples, right.samples], axis=1)
    for begin, until in wanted.paused:
        sound[_sample(spans, begin) : _sample(spans, until)] = 0
    return sound, _note(wanted, left, right, every)


def _note(wanted: Wanted, left: Laid, right: Laid, outages: Sequence[Sequence[Outage]]) -> Note:
    gaps = _within(wanted.spans, ring.not_covered(outages))
    missing = sum(until - begin for begin, until in gaps) / 1e6
    nothing = left.packets + right.packets == 0
    begin, end = wanted.spans[0][0], wanted.spans[-1][1]
    near = [[one for one in each if one.begin < end and one.end > begin] for each in outages]
    why = "nothing" if nothing else ""
    if missing >= LOST_SECONDS_TOLD:
        why = "pruned" if any(one.why == "pruned" for each in near for one in each) else "dead"
    # Of two recorders the better one counts.
    dropped = min((sum(one.packets for one in each if one.why == "dropped") for each in near), default=0)
    return Note(
        wanted.uid,
        round(wanted.seconds, 3),
        (left.packets, right.packets),
        (left.lost, right.lost),
        left.late + right.late,
        left.twice + right.twice,
        left.strange + right.strange,
        round(wanted.seconds if nothing else missing, 3),
        why,
        dropped,
        tuple(gaps),
    )


def _within(spans: Iterable[Span], gaps: Iterable[Span]) -> list[Span]:
    found = [(max(a, c), min(b, d)) for a, b in spans for c, d in gaps]
    return [(begin, end) for begin, end in found if begin < end]


def _sample(spans: Sequence[Span], moment: int) -> int:
    """Where a moment of the call lies in its recording, in frames."""
    return sum(max(0, min(end, moment) - begin) * RATE // 1_000_000 for begin, end in spans)


# --- files ------------------------------------------------------------------------------------------------


def write(path: Path, sound: NDArray[np.int16], ended_at: datetime) -> None:
    """Writes a raw file in one piece, as old as the call's end. Raises OSError, and then nothing is left."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(np.ascontiguousarray(sound, "<i2").data)
            file.flush()
            os.fsync(file.fileno())
        os.utime(part, (ended_at.timestamp(), ended_at.timestamp()))
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def note_path(folder: Path, uid: str) -> Path:
    """Where the note of a call lies."""
    return folder / f"{uid}.json"


def write_note(folder: Path, note: Note) -> None:
    """Writes the note, in one piece."""
    ring.write_json(note_path(folder, note.uid), asdict(note))


def note_of(folder: Path, uid: str) -> Note | None:
    """What is known of a cut recording; None where the call was not cut from a capture."""
    told: dict[str, Any] = ring.read_json(note_path(folder, uid))
    if not told:
        return None
    with suppress(TypeError):
        # JSON knows no tuples.
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in told.items()
        }
        return Note(**fields)
    return None


def microseconds(moment: datetime) -> int:
    """Since the epoch."""
    return round(moment.astimezone(UTC).timestamp() * 1_000_000)
