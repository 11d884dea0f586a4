"""The ring: what the recorders have captured and nobody has thrown away yet. Files and folders only.

    ring/a/000007/1795323176.pcap    tcpdump writes it for FILE_SECONDS, then begins the next
    ring/a/000007/1795323171.rtp     a finished one, sorted by our port: a segment
    ring/a/state.json                the recorder now
    ring/a/outages.jsonl             when it was not there
    ring/a/clock.jsonl               when the clock was set, and how far

Two recorders (a, b) have a folder each. Every packet is looked at once, when its file is made a segment; a
call's cut reads its own rows of each segment and nothing else. Segments that are older than some minutes are
thinned to the calls that still go on, so that a call of hours costs its own packets only.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from recordings.capture import packets
from recordings.capture.packets import Nets, Rows, row_type
from recordings.capture.set_clock import Step

FILE_SECONDS = 5
"""tcpdump begins a new file this often: what waits for its file to be finished waits no longer."""
OPEN_FILE_READ_BYTES = 4_000_000
"""A file still being written is read for a call only while that costs nothing: some 20 calls."""
MAGIC = b"HLRTP1\n"
FORGOTTEN_SECONDS = 15.0
OUTAGES_KEPT = 5000
STEPS_KEPT = 200
"""Lines of outages.jsonl and clock.jsonl that are looked at, newest last."""


@dataclass(frozen=True)
class Captured:
    """One file of the ring: a capture, or the segment made of it."""

    path: Path
    recorder: str
    run: int
    second: int
    """By its name: when it was begun, epoch."""

    @property
    def is_segment(self) -> bool:
        return self.path.suffix == ".rtp"


@dataclass(frozen=True)
class Stream:
    """Where the rows of one port lie in a segment."""

    first: int
    count: int
    begin: int
    """Microseconds of the first and the last row."""
    end: int


@dataclass(frozen=True)
class Segment:
    """What the head of a segment says."""

    path: Path
    begin: int
    end: int
    width: int
    data_at: int
    streams: dict[int, Stream]
    """By our port."""


@dataclass(frozen=True)
class Outage:
    """Microseconds in which a recorder captured nothing, or not everything."""

    begin: int
    end: int
    why: str
    """dead | full | pruned | dropped"""
    packets: int = 0
    """Of `dropped`: how many the kernel threw away."""


@dataclass(frozen=True)
class Recorder:
    """What one recorder says of itself; times in epoch milliseconds, 0 where it never was."""

    name: str
    pid: int = 0
    alive_at: int = 0
    flushed_at: int = 0
    """Everything captured until a second before this is in its file."""
    captured: int = 0
    dropped: int = 0
    problem: str = ""
    outages: tuple[Outage, ...] = field(default=(), repr=False)
    steps: tuple[Step, ...] = field(default=(), repr=False)
    writing: tuple[int, ...] = ()
    """Runs that a tcpdump writes into."""
    steady_at: int = 0
    """`alive_at` by the clock that nobody sets; 0 where that is not known, or of another boot."""

    def silent_ms(self, now_ms: int) -> int:
        """Since when it has not been heard of, whatever the clock was set to meanwhile."""
        return steady_us() // 1000 - self.steady_at if self.steady_at else now_ms - self.alive_at

    def is_alive(self, now_ms: int) -> bool:
        """Has it been heard of within the last seconds?"""
        return abs(self.silent_ms(now_ms)) < 5000 and not self.problem

    def clock_set_by(self) -> int:
        """How far (ms) the clock was set since it was heard of; 0 where nobody can say."""
        ahead = time.time_ns() // 1_000_000 - steady_us() // 1000
        return ahead - (self.alive_at - self.steady_at) if self.steady_at else 0


def folders(ring: Path) -> list[Path]:
    """The folder of each recorder that has ever written here."""
    with suppress(OSError):
        return sorted(path for path in ring.iterdir() if path.is_dir())
    return []


def files(folder: Path) -> list[Captured]:
    """Captures and segments of one recorder, oldest first, the one being written last."""
    found: list[Captured] = []
    with suppress(OSError):
        for run in folder.iterdir():
            if not run.name.isdigit():
                continue
            with suppress(OSError):
                for path in run.iterdir():
                    if path.suffix in (".pcap", ".rtp") and path.stem.isdigit():
                        found.append(Captured(path, folder.name, int(run.name), int(path.stem)))
    return sorted(found, key=lambda one: (one.run, one.second, one.path.suffix))


def finished(
    of_one: list[Captured], *, is_alive: bool, now: float, writing: Iterable[int] = ()
) -> list[Captured]:
    """The captures that tcpdump writes no more: all but the newest, and the newest of other runs in
    `writing`; that too when its recorder is gone.

    A recorder may hang while its tcpdump goes on, hence by the file's own age too. `now` in epoch seconds.
    """
    captures = [one for one in of_one if not one.is_segment]
    if is_alive and captures:
        newest = {one.run: one for one in captures}
        written = [newest.get(run) for run in (*writing, captures[-1].run)]
        return [one for one in captures if one not in written]
    if captures and not is_alive:
        with suppress(OSError):
            if now - captures[-1].path.stat().st_mtime > FORGOTTEN_SECONDS:
                return captures
    return captures[:-1]


# --- segments -------------------------------------------------------------------------------------------


def make_segment(capture: Captured, ours: tuple[int, int], trunk: Nets) -> Segment | None:
    """Makes the segment of a finished capture and removes the capture; None where it held no RTP.

    Written under another name, synced, renamed: killed at any moment, one of the two is there and whole.
    Raises OSError; a capture that cannot be read as one is moved aside as `.bad`.
    """
    try:
        data = capture.path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        rows = packets.parse(data, ours, trunk).rows
    except packets.NoCapture:
        capture.path.rename(capture.path.with_suffix(".bad"))
        return None
    segment = write_segment(capture.path.with_suffix(".rtp"), rows) if len(rows) else None
    capture.path.unlink(missing_ok=True)
    return segment


def write_segment(path: Path, rows: Rows) -> Segment:
    """Writes rows, in order of arrival, as a segment."""
    order = np.argsort(rows["port"], kind="stable")
    rows = rows[order]
    ports, first, count = np.unique(rows["port"], return_index=True, return_counts=True)
    table = [
        [int(port), int(at), int(many), int(rows["at"][at]), int(rows["at"][at + many - 1])]
        for port, at, many in zip(ports, first, count, strict=True)
    ]
    width = rows.dtype["sound"].shape[0]
    head = json.dumps({"width": width, "streams": table}).encode()
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(MAGIC + struct.pack("<I", len(head)) + head)
        file.write(rows.tobytes())
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return _segment(path, head)


def open_segment(path: Path) -> Segment | None:
    """The head of a segment; None where it is gone or is none."""
    with suppress(OSError, ValueError, KeyError, struct.error), path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            return _segment(path, file.read(struct.unpack("<I", file.read(4))[0]))
    return None


def _segment(path: Path, head: bytes) -> Segment:
    told = json.loads(head)
    streams = {port: Stream(first, count, begin, end) for port, first, count, begin, end in told["streams"]}
    return Segment(
        path,
        begin=min((one.begin for one in streams.values()), default=0),
        end=max((one.end for one in streams.values()), default=0),
        width=told["width"],
        data_at=len(MAGIC) + 4 + len(head),
        streams=streams,
    )


def rows_of(segment: Segment, port: int) -> Rows:
    """The rows of one port, as they came; none where the segment is gone by now."""
    kind = row_type(segment.width)
    stream = segment.streams.get(port)
    if stream is None:
        return np.zeros(0, kind)
    try:
        return np.fromfile(
            segment.path, kind, stream.count, offset=segment.data_at + stream.first * kind.itemsize
        )
    except FileNotFoundError:
        return np.zeros(0, kind)


def thin(segment: Segment, wanted: Callable[[int, Stream], bool]) -> Segment | None:
    """Leaves the streams that are still wanted; None when the segment is gone, because none was.

    Nothing is written where less than a quarter would be saved.
    """
    keep = {port: stream for port, stream in segment.streams.items() if wanted(port, stream)}
    if not keep:
        segment.path.unlink(missing_ok=True)
        return None
    rows = sum(stream.count for stream in segment.streams.values())
    if sum(stream.count for stream in keep.values()) > rows * 3 // 4:
        return segment
    left = np.concatenate([rows_of(segment, port) for port in sorted(keep)])
    if not len(left):
        return None
    return write_segment(segment.path, left)


# --- how much may lie here --------------------------------------------------------------------------------


def prune(folder: Path, most_bytes: int, must_be_free: int, free: Callable[[], int]) -> list[Captured]:
    """Removes the oldest files of one recorder until both bounds hold, never the newest. Gives them."""
    found = files(folder)
    sizes: dict[Path, int] = {}
    for one in found:
        with suppress(OSError):
            sizes[one.path] = one.path.stat().st_size
    total = sum(sizes.values())
    removed: list[Captured] = []
    for one in found[:-1]:
        if total <= most_bytes and free() >= must_be_free:
            break
        with suppress(OSError):
            one.path.unlink()
        total -= sizes.get(one.path, 0)
        removed.append(one)
    return removed


# --- what the recorders say -------------------------------------------------------------------------------


def recorders(ring: Path) -> list[Recorder]:
    """Every recorder with what it says of itself."""
    return [_recorder(folder) for folder in folders(ring)]


def _recorder(folder: Path) -> Recorder:
    told = read_json(folder / "state.json")
    return Recorder(
        folder.name,
        pid=int(told.get("pid", 0)),
        alive_at=int(told.get("alive_at", 0)),
        flushed_at=int(told.get("flushed_at", 0)),
        captured=int(told.get("captured", 0)),
        dropped=int(told.get("dropped", 0)),
        problem=str(told.get("problem", "")),
        outages=tuple(_outages(folder / "outages.jsonl")),
        steps=tuple(_steps(folder / "clock.jsonl")),
        writing=tuple(told.get("writing", ())),
        steady_at=int(told.get("steady_at", 0)) if told.get("boot") == boot() else 0,
    )


def _outages(path: Path) -> Iterator[Outage]:
    with suppress(OSError):
        for line in path.read_text().splitlines()[-OUTAGES_KEPT:]:
            with suppress(ValueError, KeyError, TypeError):
                told = json.loads(line)
                yield Outage(int(told["begin"]), int(told["end"]), told["why"], int(told.get("packets", 0)))


def _steps(path: Path) -> Iterator[Step]:
    with suppress(OSError):
        for line in path.read_text().splitlines()[-STEPS_KEPT:]:
            with suppress(ValueError, KeyError, TypeError):
                told = json.loads(line)
                yield Step(int(told["before"]), int(told["after"]))


def note_outage(folder: Path, outage: Outage) -> None:
    """Writes one line; a full disk keeps it from being written, which is no reason to stop."""
    _note(folder / "outages.jsonl", outage.__dict__)


def note_step(folder: Path, step: Step) -> None:
    """Writes down that the clock was set."""
    _note(folder / "clock.jsonl", step.__dict__)


def _note(path: Path, told: dict[str, Any]) -> None:
    with suppress(OSError), path.open("a") as file:
        file.write(json.dumps(told) + "\n")


@cache
def boot() -> str:
    """Which start of the machine this is; '' where nobody says."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def steady_us() -> int:
    """Since the machine was started; nobody sets it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def not_covered(every: Iterable[Iterable[Outage]]) -> list[tuple[int, int]]:
    """When no recorder captured: the stretches that are an outage of each (dropped packets are none)."""
    common: list[tuple[int, int]] | None = None
    for outages in every:
        dead = sorted((one.begin, one.end) for one in outages if one.why != "dropped")
        if common is None:
            common = dead
            continue
        common = [(max(a, c), min(b, d)) for a, b in common for c, d in dead if max(a, c) < min(b, d)]
    return common or []


def read_json(path: Path) -> dict[str, Any]:
    """A file's object; {} where there is none."""
    with suppress(OSError, ValueError):
        told = json.loads(path.read_text())
        if isinstance(told, dict):
            return told
    return {}


def write_json(path: Path, told: dict[str, Any]) -> None:
    """Writes a small file in one piece."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(told))
    part.replace(path)
