"""An ear: the audio of one call that is listened to, both ways, beside SIPp.

SIPp 3.6.1 drops the RTP it receives and cannot say what it heard, and a PBX with `rtp_symmetric=yes` answers
only to where audio comes from. So a call with listen=True announces this socket in its SDP: it keeps what
arrives and sends silence, speech and keys itself. All other calls have their audio from SIPp.
"""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Callable

from hotline.phones.alaw import KEYS, SILENCE
from hotline.phones.plan import ORDERS
from hotline.phones.sipp_process import EAR_PORTS, bound_socket

LIMIT = 8000 * 600
"""Ten minutes are kept."""
FRAME = 160
FRAME_SECONDS = 0.02
EVENT_TYPE = 98
KEY_OF_ORDER = {order: key for key, order in ORDERS.items()}


def alaw_payload(packet: bytes) -> bytes:
    """The payload of an RTP packet of payload type 8 (RFC 3550, 5.1); b'' for anything else."""
    if len(packet) < 12 or packet[0] >> 6 != 2 or packet[1] & 0x7F != 8:
        return b""
    start = 12 + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    return packet[start:end]


def pressed_key(packet: bytes) -> tuple[int, str] | None:
    """Time stamp and key of a telephone-event's end packet (RFC 4733, 2.3); None for anything else."""
    if len(packet) < 16 or packet[1] & 0x7F != EVENT_TYPE:
        return None
    stamp, event, ends = *struct.unpack_from("!I", packet, 4), packet[12], packet[13] & 0x80
    return (stamp, KEYS[event]) if ends and event < len(KEYS) else None


def key_frames(key: str) -> list[bytes]:
    """The payloads of one key press, one every 20 ms (RFC 4733): eight growing, then three times the end."""
    number = KEYS.index(key)
    growing = [struct.pack("!BBH", number, 10, FRAME * n) for n in range(1, 9)]
    end = struct.pack("!BBH", number, 0x80 | 10, FRAME * 9)
    return [*growing, end, end, end]


class Ear:
    """One call's audio. `on_key(key)` is called in the audio thread when a key has been sent."""

    def __init__(
        self, address: str, speech: bytes | None = None, on_key: Callable[[str], None] | None = None
    ) -> None:
        self._socket = bound_socket(address, EAR_PORTS)
        self.port: int = self._socket.getsockname()[1]
        self._remote: tuple[str, int] | None = None
        self._speech = speech or SILENCE * FRAME
        self._speaking = False
        self._keys: list[str] = []
        self._on_key = on_key
        self._heard = bytearray()
        self._heard_keys: dict[int, str] = {}
        self._open = True
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def heard(self) -> bytes:
        """A-law bytes in order of arrival."""
        with self._change:
            return bytes(self._heard)

    @property
    def heard_keys(self) -> str:
        """Keys that the other side has pressed; the end of a key comes three times and counts once."""
        with self._change:
            return "".join(self._heard_keys.values())

    def wait_for(self, seconds: float, timeout: float) -> bool:
        """Whether `seconds` of sound have arrived before the timeout."""
        with self._change:
            return self._change.wait_for(lambda: len(self._heard) >= seconds * 8000, timeout)

    def start(self, remote: tuple[str, int]) -> None:
        """Begin to send to the PBX's audio address."""
        self._remote = remote

    def obey(self, order: str) -> None:
        """SPEAK, QUIET or a key's order, as the scenarios know them."""
        if order in KEY_OF_ORDER:
            self._keys.append(KEY_OF_ORDER[order])
        else:
            self._speaking = order == "SPEAK"

    def _run(self) -> None:
        due = time.monotonic()
        number, stamp, source = random.getrandbits(16), random.getrandbits(31), random.getrandbits(32)
        at = 0
        event: list[bytes] = []
        event_stamp = 0
        while self._open:
            wait = due - time.monotonic()
            if wait > 0:
                self._receive(wait)
                continue
            due += FRAME_SECONDS
            if self._remote is None:
                continue
            mark = 0
            if not event and self._keys:
                event, event_stamp, mark = key_frames(self._keys[0]), stamp, 0x80
            if event:
                head = struct.pack("!BBHII", 0x80, mark | EVENT_TYPE, number, event_stamp, source)
                body = event.pop(0)
                if not event and self._on_key:
                    self._on_key(self._keys[0])
                if not event:
                    del self._keys[0]
            else:
                head = struct.pack("!BBHII", 0x80, 8, number, stamp, source)
                body = SILENCE * FRAME
                if self._speaking:
                    body = (self._speech[at : at + FRAME] + self._speech)[:FRAME]
                    at = (at + FRAME) % len(self._speech)
            number, stamp = (number + 1) & 0xFFFF, (stamp + FRAME) & 0xFFFFFFFF
            try:
                self._socket.sendto(head + body, self._remote)
            except OSError:
                continue  # the PBX has closed its port: the call is ending

    def _receive(self, wait: float) -> None:
        self._socket.settimeout(wait)
        try:
            packet = self._socket.recv(2048)
        except OSError:
            return
        sound, key = alaw_payload(packet), pressed_key(packet)
        with self._change:
            if key:
                self._heard_keys[key[0]] = key[1]
            if sound and len(self._heard) < LIMIT:
                self._heard += sound
                self._change.notify_all()

    def close(self) -> None:
        """Stop and free the port; what was heard stays. Repeated calls do nothing."""
        self._open = False
        if threading.current_thread() is not self._thread:
            self._thread.join(1)
        self._socket.close()
