"""Captured packets as rows: a pcap file's bytes in, RTP rows of the trunk's legs out. Pure.

A row knows when the packet came, which of our ports it concerns, in which direction, and its sound.
Some 15,000 packets a second at 150 calls: everything but the walk from header to header is numpy.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WIDEST = 480
"""Bytes of sound in one packet that are kept: 60 ms of G.711."""
LINK_HEADERS = {1: 14, 113: 16, 276: 20, 101: 0, 228: 0}
"""Link type of a pcap file -> bytes before the IP header: Ethernet, two kinds of `-i any`, bare IP."""
ETHERNET = 1
VLAN = 0x8100
LARGEST = 65_535
"""Bytes of a captured packet; more is no packet."""
LONGEST_FILE_SECONDS = 3600
MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D

Order = Literal["little", "big"]
ORDERS: tuple[Order, ...] = ("little", "big")
Rows = NDArray[np.void]
Nets = Sequence[ipaddress.IPv4Network]


class NoCapture(Exception):
    """The file is no pcap file of a kind that is read here."""


def row_type(width: int) -> np.dtype[np.void]:
    """One packet, with room for `width` bytes of sound."""
    return np.dtype(
        [
            ("at", "<i8"),  # microseconds since the epoch
            ("remote", "<u8"),  # the other's address and port: address << 16 | port
            ("ssrc", "<u4"),
            ("stamp", "<u4"),
            ("seq", "<u2"),
            ("port", "<u2"),  # ours
            ("size", "<u2"),  # bytes of sound
            ("kind", "u1"),  # RTP payload type
            ("out", "u1"),  # 1: we sent it
            ("sound", "u1", (width,)),
        ]
    )


@dataclass(frozen=True)
class Parsed:
    """What one capture holds."""

    rows: Rows
    packets: int
    """All that were captured; the difference to `rows` is what is no RTP of the trunk."""
    left_over: int
    """Bytes at the end that make no whole packet: the writer was killed, or still writes."""


def parse(data: bytes, ours: tuple[int, int], trunk: Nets) -> Parsed:
    """The RTP packets between `trunk` and our ports `ours` (first, last) in a pcap file, as they came.

    Raises NoCapture for anything that is not pcap.
    """
    header = _header(data)
    if header is None:
        return Parsed(np.zeros(0, row_type(0)), 0, len(data))
    order, link, divisor = header
    starts, end = _walk(data, order)
    nothing = np.zeros(0, row_type(0))
    if not len(starts):
        return Parsed(nothing, 0, len(data) - end)
    # Padding lets a window of any packet be looked at without asking where the file ends.
    buffer = np.frombuffer(data + bytes(WIDEST + 64), np.uint8)
    captured = _number(buffer, starts + 8, 4, order)
    ip = starts + 16 + LINK_HEADERS[link]
    if link == ETHERNET:
        ip = ip + 4 * (_number(buffer, starts + 16 + 12, 2, "big") == VLAN)
    first = buffer[ip]
    udp = ip + 4 * (first & 0x0F).astype(np.int64)
    rtp = udp + 8
    whole = starts + 16 + captured
    good = (first >> 4 == 4) & (buffer[ip + 9] == 17) & (rtp + 12 <= whole)
    # A later fragment has no UDP header.
    good &= _number(buffer, ip + 6, 2, "big") & 0x1FFF == 0
    good &= buffer[np.minimum(rtp, len(buffer) - 1)] >> 6 == 2
    starts, ip, udp, rtp, whole = (one[good] for one in (starts, ip, udp, rtp, whole))
    if not len(starts):
        return Parsed(nothing, len(captured), len(data) - end)
    source, target = _number(buffer, ip + 12, 4, "big"), _number(buffer, ip + 16, 4, "big")
    from_port, to_port = _number(buffer, udp, 2, "big"), _number(buffer, udp + 2, 2, "big")
    theirs = _within(source, trunk)
    inward = theirs & (to_port >= ours[0]) & (to_port <= ours[1])
    outward = ~inward & _within(target, trunk) & (from_port >= ours[0]) & (from_port <= ours[1])
    flags, marked = buffer[rtp], buffer[rtp + 1]
    kind = marked & 0x7F
    begin = rtp + 12 + 4 * (flags & 0x0F).astype(np.int64)
    extended = (flags & 0x10) > 0
    begin = begin + extended * (4 + 4 * _number(buffer, np.minimum(begin + 2, len(buffer) - 2), 2, "big"))
    finish = np.minimum(udp + _number(buffer, udp + 4, 2, "big"), whole)
    padded = (flags & 0x20) > 0
    finish = finish - padded * buffer[np.maximum(finish - 1, 0)]
    size = np.minimum(finish - begin, WIDEST)
    # Payload types 72 to 76 are RTCP (RFC 5761).
    taken = np.flatnonzero((inward | outward) & (size > 0) & ~((kind >= 72) & (kind <= 76)))
    width = int(size[taken].max(initial=0))
    rows = np.zeros(len(taken), row_type(width))
    out = outward[taken]
    rows["at"] = (
        _number(buffer, starts[taken], 4, order) * 1_000_000
        + _number(buffer, starts[taken] + 4, 4, order) // divisor
    )
    rows["out"] = out
    rows["port"] = np.where(out, from_port[taken], to_port[taken])
    rows["remote"] = np.where(
        out, (target[taken] << 16) | to_port[taken], (source[taken] << 16) | from_port[taken]
    )
    rows["seq"] = _number(buffer, rtp[taken] + 2, 2, "big")
    rows["stamp"] = _number(buffer, rtp[taken] + 4, 4, "big")
    rows["ssrc"] = _number(buffer, rtp[taken] + 8, 4, "big")
    rows["kind"], rows["size"] = kind[taken], size[taken]
    if width:
        rows["sound"] = np.lib.stride_tricks.sliding_window_view(buffer, width)[begin[taken]]
    return Parsed(rows, len(captured), len(data) - end)


def address(text: str) -> int:
    """`192.0.2.1:5000` as `remote` of a row; 0 for anything else."""
    host, _, port = text.rpartition(":")
    try:
        return int(ipaddress.IPv4Address(host)) << 16 | int(port)
    except ValueError:
        return 0


def _header(data: bytes) -> tuple[Order, int, int] | None:
    """(byte order, link type, divisor to microseconds); None while the header is not written yet."""
    if len(data) < 24:
        return None
    for order in ORDERS:
        magic = int.from_bytes(data[:4], order)
        if magic in (MICROSECONDS, NANOSECONDS):
            link = int.from_bytes(data[20:24], order) & 0xFFFF
            if link not in LINK_HEADERS:
                raise NoCapture(f"link type {link} is not read here")
            return order, link, 1 if magic == MICROSECONDS else 1000
    raise NoCapture("this is no pcap file")


def _walk(data: bytes, order: Order) -> tuple[NDArray[np.int64], int]:
    """Where each whole record begins, and where the last one ends.

    Where a disk was full the middle of a file may be missing: the walk goes on at the next record.
    """
    starts: list[int] = []
    position, end = 24, len(data)
    while position + 16 <= end:
        captured = int.from_bytes(data[position + 8 : position + 12], order)
        if captured > LARGEST:
            position = _next_record(data, position + 1, order)
            continue
        following = position + 16 + captured
        if following > end:
            break
        starts.append(position)
        position = following
    return np.array(starts, np.int64), position


def _next_record(data: bytes, position: int, order: Order) -> int:
    """The next place that looks like a record; the file's end where there is none."""
    first = data[24:28] if order == "big" else data[27:23:-1]
    second = int.from_bytes(first, "big")
    while position + 16 <= len(data):
        found, fraction, captured, sent = (
            int.from_bytes(data[position + n : position + n + 4], order) for n in (0, 4, 8, 12)
        )
        if (
            abs(found - second) <= LONGEST_FILE_SECONDS
            and fraction < 1_000_000_000
            and 28 <= captured <= min(sent, LARGEST)
        ):
            return position
        position += 1
    return len(data)


def _number(buffer: NDArray[np.uint8], at: NDArray[np.int64], width: int, order: Order) -> NDArray[np.int64]:
    """Unsigned numbers of `width` bytes at many places."""
    places = range(width) if order == "big" else range(width - 1, -1, -1)
    found = np.zeros(len(at), np.int64)
    for place in places:
        found = (found << 8) | buffer[np.minimum(at + place, len(buffer) - 1)]
    return found


def _within(addresses: NDArray[np.int64], nets: Nets) -> NDArray[np.bool_]:
    found = np.zeros(len(addresses), np.bool_)
    for net in nets:
        found |= (addresses & int(net.netmask)) == int(net.network_address)
    return found
