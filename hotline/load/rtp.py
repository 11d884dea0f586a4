"""RTP as it is on the wire, seen from outside by tcpdump: what is lost, and how unsteadily it comes.

Only a part of the calls is captured: those whose port at the PBX has certain bits (`sample`). Streams are
told apart by ports and SSRC; jitter is RFC 3550's (section 6.4.1), in ms.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SNAP = 80
"""Bytes of a packet that are kept: link, IP, UDP and RTP headers fit."""
PAUSE_MS = 200.0
"""A longer wait between two packets is a stream that was stopped (hold, end), not jitter."""
FRAME = 160
LEAST_PACKETS = 100
ALAW, AFTER_KEY = 8, 0.3
"""Payload type of the audio; seconds after a key in which a stream finds its step again."""


@dataclass
class Stream:
    """One direction of one call as its packets came; times in seconds, time stamps in samples."""

    source: int
    target: int
    ssrc: int
    packets: int = 0
    lost: int = 0
    """Sequence numbers that never came."""
    missing: int = 0
    """Frames of 20 ms that the time stamps skip although the numbers go on: the sender had none."""
    late: int = 0
    """Came after a packet with a higher number."""
    longest_ms: float = 0.0
    pauses: int = 0
    jitter_ms: float = 0.0
    worst_jitter_ms: float = 0.0
    begin: float = 0.0
    end: float = 0.0
    _sequence: int = field(default=0, repr=False)
    _stamp: int = field(default=0, repr=False)

    def take(self, at: float, sequence: int, stamp: int, mark: bool) -> None:
        """One packet, in the order of arrival; `mark`: something new begins here, nothing is compared."""
        if not self.packets:
            self.begin = at
        else:
            ahead = (sequence - self._sequence) & 0xFFFF
            if ahead >= 0x8000 or ahead == 0:
                self.late += 1
                self.lost = max(0, self.lost - 1)
                self.packets += 1
                return
            gap = (at - self.end) * 1000
            moved = (stamp - self._stamp) & 0xFFFFFFFF
            if moved // FRAME == ahead and gap <= PAUSE_MS:
                self.lost += ahead - 1
            if gap > PAUSE_MS or (ahead > 1 and moved // FRAME != ahead):
                # Another source in the same stream (prompt, music, agent), or silence before it.
                self.pauses += 1
            elif not mark and moved < FRAME * 500:
                self.longest_ms = max(self.longest_ms, gap)
                skipped = moved // FRAME - ahead
                self.missing += max(0, skipped)
                self.jitter_ms += (abs(gap - moved / 8) - self.jitter_ms) / 16
                self.worst_jitter_ms = max(self.worst_jitter_ms, self.jitter_ms)
        self.packets += 1
        self._sequence, self._stamp, self.end = sequence, stamp, at


def packets(data: bytes) -> Iterator[tuple[float, int, int, bytes]]:
    """(epoch seconds, source port, target port, UDP payload) of a pcap file of IPv4 on Ethernet or loopback.

    Raises ValueError for another format. A packet cut off at the end is left out.
    """
    if len(data) < 24:
        return
    magic = data[:4]
    orders = {b"\xd4\xc3\xb2\xa1": ("<", 1e-6), b"\xa1\xb2\xc3\xd4": (">", 1e-6),
              b"\x4d\x3c\xb2\xa1": ("<", 1e-9), b"\xa1\xb2\x3c\x4d": (">", 1e-9)}  # fmt: skip
    if magic not in orders:
        raise ValueError("no pcap file")
    order, unit = orders[magic]
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    head = {1: 14, 113: 16, 276: 20, 0: 4, 101: 0, 12: 0}.get(link)
    if head is None:
        raise ValueError(f"packets of link type {link} are not known here")
    record = struct.Struct(order + "IIII")
    place = 24
    while place + 16 <= len(data):
        seconds, parts, length, _ = record.unpack_from(data, place)
        place += 16
        if place + length > len(data):
            return
        ip = place + head
        inside = ip + (data[ip] & 0x0F) * 4 if length > head else 0
        if inside and data[ip] >> 4 == 4 and data[ip + 9] == 17 and inside + 8 <= place + length:
            source, target = struct.unpack_from("!HH", data, inside)
            yield seconds + parts * unit, source, target, data[inside + 8 : place + length]
        place += length


def streams(found: Iterable[tuple[float, int, int, bytes]]) -> list[Stream]:
    """The RTP streams of the packets. Around a key press (another payload type) nothing is compared: SIPp's
    own timing is another there.
    """
    known: dict[tuple[int, int, int], Stream] = {}
    pressed: dict[tuple[int, int, int], float] = {}
    for at, source, target, payload in found:
        if len(payload) < 12 or payload[0] >> 6 != 2 or 64 <= (payload[1] & 0x7F) <= 95:
            continue
        sequence, stamp, ssrc = struct.unpack_from("!HII", payload, 2)
        key = (source, target, ssrc)
        if key not in known:
            known[key] = Stream(*key)
        if payload[1] & 0x7F != ALAW:
            pressed[key] = at
        mark = bool(payload[1] & 0x80) or at - pressed.get(key, -1e9) < AFTER_KEY
        known[key].take(at, sequence, stamp, mark)
    return [one for one in known.values() if one.packets >= LEAST_PACKETS]


def sample(first: int, last: int, one_of: int) -> str:
    """tcpdump's filter for RTP of every `one_of`th port (1, 2, 4, 8, 16) of the PBX, both directions."""
    mask = (one_of - 1) << 1
    picked = "" if mask == 0 else f" and udp[%d:2] & {mask:#x} = {mask & 0x15 << 1:#x}"
    source = f"(src portrange {first}-{last}{picked and picked % 0})"
    target = f"(dst portrange {first}-{last}{picked and picked % 2})"
    return f"udp and ({source} or {target})"


class Capture:
    """tcpdump on the loopback interface until it is closed; `open` gives None where that is not allowed."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process, self._folder = process, folder

    @classmethod
    def open(cls, words: str) -> Capture | None:
        """Begin to capture; returns when it does."""
        program = shutil.which("tcpdump")
        if program is None:
            return None
        folder = Path(tempfile.mkdtemp(prefix="hotline-rtp-"))
        arguments = [program, "-i", "lo", "-n", "-s", str(SNAP), "-B", "32768", "-w", str(folder / "pcap"),
                     *(["-Z", "root"] if os.geteuid() == 0 else []), words]  # fmt: skip
        process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        capture = cls(process, folder)
        end = time.monotonic() + 3
        while time.monotonic() < end and process.poll() is None:
            if (folder / "pcap").exists():
                return capture
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        capture.close()
        return None

    @property
    def pid(self) -> int:
        return self._process.pid

    def result(self) -> list[Stream]:
        """Stop and read the streams."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
        path = self._folder / "pcap"
        try:
            return streams(packets(path.read_bytes())) if path.exists() else []
        finally:
            self.close()

    def close(self) -> None:
        """End it and remove what it has written."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def udp_drops(first: int, last: int) -> int:
    """Packets for which the open UDP sockets of these ports had no room, since they were opened (Linux)."""
    total = 0
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
            words = line.split()
            if first <= int(words[1].rpartition(":")[2], 16) <= last:
                total += int(words[-1])
    return total
