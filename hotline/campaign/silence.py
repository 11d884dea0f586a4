"""What a citizen heard, from the packets towards him: stretches without sound while the call was up. Pure.

A packet with voice, music or a ringing tone is sound; one with A-law silence is not, and where none comes is
none.
Every packet of the trunk is captured (the first SNAP bytes of it) and told apart by Asterisk's port.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hotline.phones import alaw

SNAP = 96
"""Bytes kept of each packet: 14 Ethernet, 20 IP, 8 UDP, 12 RTP, and 42 of the 160 samples."""
PAYLOAD = 54
LOUD = 0.004
"""Amplitude, 1.0 at full scale: above the noise of A-law's own silence, below the quietest prompt."""
ETHERNET = 1
LIMIT = 5.0
"""Seconds without a sound that a citizen takes for a dead line."""
_QUIET = np.abs(alaw.decode(bytes(range(256)))) < LOUD


@dataclass(frozen=True)
class Packets:
    """Packets towards the citizens by Asterisk's port: epoch seconds, and whether each has sound."""

    by_port: dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]]

    @property
    def count(self) -> int:
        return sum(len(times) for times, _ in self.by_port.values())


def read(captured: Iterable[bytes]) -> Packets:
    """Packets of capture files (classic pcap, Ethernet) in order; a half-written last packet is left out.

    Raises ValueError for what is no such file.
    """
    times: dict[int, list[float]] = defaultdict(list)
    sound: dict[int, list[bool]] = defaultdict(list)
    for data in captured:
        _read_one(data, times, sound)
    return Packets({port: (np.array(times[port]), np.array(sound[port], dtype=np.bool_)) for port in times})


def _read_one(data: bytes, times: dict[int, list[float]], sound: dict[int, list[bool]]) -> None:
    if not data:
        return
    magic = data[:4]
    if magic not in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
        raise ValueError("no pcap file of this machine's byte order")
    fraction = 1e-6 if magic[0] == 0xD4 else 1e-9
    if struct.unpack_from("<I", data, 20)[0] != ETHERNET:
        raise ValueError("not captured on Ethernet or loopback")
    at, header = 24, struct.Struct("<IIII")
    quiet = bytes(np.where(_QUIET, 1, 0).astype(np.uint8))
    while at + 16 <= len(data):
        seconds, part, kept, _ = header.unpack_from(data, at)
        begin, at = at + 16, at + 16 + kept
        if at > len(data):
            break
        if kept <= PAYLOAD:
            continue
        port = (data[begin + 34] << 8) | data[begin + 35]
        times[port].append(seconds + part * fraction)
        # Of named events (keys) nothing comes this way; every packet is A-law.
        sound[port].append(data[begin + PAYLOAD : at].translate(quiet).count(0) > 0)


def silences(
    packets: Packets, port: int, begin: float, end: float, limit: float = LIMIT
) -> tuple[tuple[float, float], ...]:
    """(begin, seconds) of every stretch longer than `limit` without sound from `begin` to `end`."""
    times, sound = packets.by_port.get(port, (np.array([]), np.array([], dtype=np.bool_)))
    first, last = np.searchsorted(times, (begin, end))
    heard = times[first:last][sound[first:last]]
    edges = np.concatenate(([begin], heard, [end]))
    gaps = np.diff(edges)
    return tuple((float(edges[n]), float(gaps[n])) for n in np.flatnonzero(gaps > limit))


def first_media(packets: Packets, port: int, begin: float, end: float) -> float | None:
    """Epoch seconds of the first packet to this call; None when none came."""
    times, _ = packets.by_port.get(port, (np.array([]), np.array([])))
    place = int(np.searchsorted(times, begin))
    return float(times[place]) if place < len(times) and times[place] <= end else None
