"""From RTP rows of one direction to sound on the clock of the wall. Pure.

    arrival  ──┬───┬──────────┬┬─┬───►   late, in bursts, twice, never, out of order
    stamp    ──┬───┬───┬───┬──┬──┬───►   where each packet's sound belongs
    placed     ▓▓▓▓▓▓▓▓    ▓▓▓▓▓▓▓▓      lost: silence

A sender's stamps say how its packets lie to one another; when they came says where on our clock that is. They
are joined by the median over some seconds, so that no single late packet moves anything. A stamp that jumps
(another source, a carrier's new media server) begins a new piece with a clock of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recordings.capture.packets import Rows

RATE = 8000
ULAW, ALAW = 0, 8
"""RTP payload types that are sound (RFC 3551). Comfort noise (13) and keys (dynamic types) are not."""
JUMP_US = 200_000
"""A step between stamp and arrival larger than this begins a new piece."""
BLOCK = 250
"""Packets over which the clocks are compared: 5 s."""
DRIFT_US = 25_000
"""The clocks are joined anew when they have drifted apart by more than a packet."""
PLACED_AT_ONCE = 4000
MOST_LOST = 3000
"""A hole in the sequence numbers beyond this is a new beginning, not loss: a minute of packets."""

Samples = NDArray[np.int16]
Times = NDArray[np.int64]


def _alaw_table() -> Samples:
    """The 256 values of G.711 A-law as 16 bit."""
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    level = np.where(
        exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0)
    )
    return np.where(code & 0x80, level, -level).astype(np.int16)


def _ulaw_table() -> Samples:
    """The 256 values of G.711 mu-law as 16 bit."""
    code = ~np.arange(256) & 0xFF
    level = (((code & 15) << 3) + 0x84 << ((code >> 4) & 7)) - 0x84
    return np.where(code & 0x80, -level, level).astype(np.int16)


TABLES = {ALAW: _alaw_table(), ULAW: _ulaw_table()}


@dataclass(frozen=True)
class Laid:
    """Sound of one direction in the wanted spans, one after the other."""

    samples: Samples
    packets: int
    """Different packets of sound whose sound is in it."""
    lost: int
    """Sequence numbers that never came."""
    twice: int
    late: int
    """Came more than 60 ms after their turn, and stand where they belong."""
    strange: int
    """Packets of other kinds than G.711 with sound in them, which cannot be read."""


def laid(rows: Rows, spans: list[tuple[int, int]]) -> Laid:
    """The sound of one direction as it was heard; rows in order of arrival, spans (microseconds) in order."""
    lengths = [max(0, (end - begin) * RATE // 1_000_000) for begin, end in spans]
    out = np.zeros(sum(lengths), np.int16)
    is_sound = (rows["kind"] == ALAW) | (rows["kind"] == ULAW)
    # Keys come in packets of a few bytes; a codec that is not ours comes in large ones, all the time.
    strange = int((~is_sound & (rows["size"] > 16) & (rows["kind"] < 35)).sum())
    rows = rows[is_sound]
    before = len(rows)
    rows = _once(rows)
    packets = lost = late = 0
    for ssrc in np.unique(rows["ssrc"]):
        one = rows[rows["ssrc"] == ssrc]
        due = due_at(one)
        inside = _inside(due, one["size"], spans)
        late += int((one["at"] - due > 60_000)[inside].sum())
        lost += lost_among(one["seq"], due, inside)
        packets += int(inside.sum())
        offset = 0
        for (begin, _end), length in zip(spans, lengths, strict=True):
            _place(one, due, begin, out[offset : offset + length])
            offset += length
    return Laid(out, packets, lost, before - len(rows), late, strange)


def due_at(rows: Rows) -> Times:
    """When each packet's sound belongs, in microseconds of our clock; rows of one SSRC as they came."""
    if not len(rows):
        return np.zeros(0, np.int64)
    spoken = _unwrapped(rows["stamp"].astype(np.int64), 32) * 125  # one sample is 125 us
    behind = rows["at"] - spoken
    due = np.empty(len(rows), np.int64)
    edges = np.flatnonzero(np.abs(np.diff(behind)) > JUMP_US) + 1
    anchor: int | None = None
    for piece in np.split(np.arange(len(rows)), edges):
        for begin in range(0, len(piece), BLOCK):
            block = piece[begin : begin + BLOCK]
            found = int(np.median(behind[block]))
            far = anchor is None or abs(found - anchor) > DRIFT_US
            # A burst that was held up is late to the last; what follows it stands where it stood before.
            if anchor is None or (far and not _held_up(behind, block, anchor)):
                anchor = found
            due[block] = spoken[block] + anchor
    return due


def _unwrapped(numbers: Times, bits: int) -> Times:
    """Counted on from the first, which is 0: wrap-around and wrong order are small steps either way."""
    half = np.int64(1 << (bits - 1))
    steps: Times = np.diff(numbers, prepend=numbers[0])
    return np.cumsum(np.mod(steps + half, 2 * half) - half)


def _held_up(behind: Times, block: NDArray[np.int64], anchor: int) -> bool:
    """Late packets that catch up: behind by ever less, and never before their time."""
    late = behind[block] - anchor
    after = behind[block[-1] + 1 :][:BLOCK]
    catches_up = late[-1] < late[0] or len(block) < 3
    returns = late[-1] <= DRIFT_US or (len(after) > 0 and abs(int(np.median(after)) - anchor) <= DRIFT_US)
    return bool(late.min() >= -DRIFT_US and late.max() < 2_000_000 and catches_up and returns)


def lost_among(seq: NDArray[np.uint16], due: Times, inside: NDArray[np.bool_]) -> int:
    """How many sequence numbers are missing among the packets that belong into the spans.

    A number of its own is missing only between two neighbours that both lie inside.
    """
    if not len(seq):
        return 0
    numbers = _unwrapped(seq.astype(np.int64), 16)
    order = np.argsort(numbers, kind="stable")
    missing = np.diff(numbers[order]) - 1
    both = inside[order][1:] & inside[order][:-1]
    real = both & (missing > 0) & (missing < MOST_LOST)
    # Keys take numbers of the same count; a hole with no time in it lost no sound.
    gap = np.diff(due[order]) - 20_000
    return int(np.minimum(missing[real], np.maximum(0, np.round(gap[real] / 20_000))).sum())


def _once(rows: Rows) -> Rows:
    """Without packets that came twice (or were captured by two recorders); the first of each stays."""
    key = (
        rows["ssrc"].astype(np.uint64) << np.uint64(32) | rows["stamp"].astype(np.uint64),
        rows["seq"],
    )
    order = np.lexsort((np.arange(len(rows)), key[1], key[0]))
    same = np.zeros(len(rows), np.bool_)
    if len(rows) > 1:
        same[1:] = (key[0][order][1:] == key[0][order][:-1]) & (key[1][order][1:] == key[1][order][:-1])
    return rows[np.sort(order[~same])]


def _inside(due: Times, size: NDArray[np.uint16], spans: list[tuple[int, int]]) -> NDArray[np.bool_]:
    found = np.zeros(len(due), np.bool_)
    for begin, end in spans:
        found |= (due < end) & (due + size.astype(np.int64) * 125 > begin)
    return found


def _place(rows: Rows, due: Times, begin: int, out: Samples) -> None:
    """Puts each packet's samples where they belong in `out`, which begins at `begin` microseconds."""
    first = np.round((due - begin) / 125).astype(np.int64)
    near = (first < len(out)) & (first + rows["size"] > 0)
    for kind, table in TABLES.items():
        chosen = np.flatnonzero(near & (rows["kind"] == kind))
        for start in range(0, len(chosen), PLACED_AT_ONCE):
            some = chosen[start : start + PLACED_AT_ONCE]
            sound = table[rows["sound"][some]]
            places = first[some][:, None] + np.arange(sound.shape[1])
            fits = (places >= 0) & (places < len(out))
            fits &= np.arange(sound.shape[1]) < rows["size"][some][:, None]
            out[places[fits]] = sound[fits]
