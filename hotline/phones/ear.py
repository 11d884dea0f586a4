"""An ear: the RTP port that a telephone announces when its call shall be heard and kept.

SIPp 3.6.1 drops the RTP it receives, so a call that is listened to announces this socket instead of SIPp's.
Sending stays with SIPp. The PBX must send to the address in the SDP (PJSIP `rtp_symmetric=no`, the default).
"""

from __future__ import annotations

import socket
import threading

from hotline.phones.sipp_process import EAR_PORTS, free_port

LIMIT = 8000 * 600
"""Ten minutes are kept."""


def alaw_payload(packet: bytes) -> bytes:
    """The payload of an RTP packet of payload type 8 (RFC 3550, 5.1); b'' for anything else."""
    if len(packet) < 12 or packet[0] >> 6 != 2 or packet[1] & 0x7F != 8:
        return b""
    start = 12 + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    end = len(packet) - (packet[-1] if packet[0] & 0x20 else 0)
    return packet[start:end]


class Ear:
    """Keeps the A-law bytes that arrive at `port`, in order of arrival."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port = free_port(address, EAR_PORTS)
        self._socket.bind((address, self.port))
        self._heard = bytearray()
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def heard(self) -> bytes:
        with self._change:
            return bytes(self._heard)

    def wait_for(self, seconds: float, timeout: float) -> bool:
        """Whether `seconds` of sound have arrived before the timeout."""
        with self._change:
            return self._change.wait_for(lambda: len(self._heard) >= seconds * 8000, timeout)

    def _listen(self) -> None:
        while True:
            packet = self._socket.recv(2048)
            if packet == b"end":
                return
            sound = alaw_payload(packet)
            with self._change:
                if sound and len(self._heard) < LIMIT:
                    self._heard += sound
                    self._change.notify_all()

    def close(self) -> None:
        """Stop listening and free the port; what was heard stays."""
        if self._socket.fileno() == -1:
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"end", self._socket.getsockname())
        self._thread.join(5)
        self._socket.close()
