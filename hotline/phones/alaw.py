"""Sounds on the line: A-law (G.711) bytes at 8 kHz, made and measured with numpy.

SIPp's rtp_stream plays headerless files: 160 bytes every 20 ms under payload type 8.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE = 8000
SILENCE = b"\xd5"
"""One A-law sample of amplitude zero."""
KEYS = "0123456789*#"
EVENT_BYTES = 50
"""SIPp sends payload type 98 in packets of 50 bytes, one every 30 ms (it takes them for iLBC)."""
EVENT_STEP = 240
"""Samples in 30 ms."""


def encode(samples: npt.NDArray[np.float64]) -> bytes:
    """A-law bytes of samples in -1..1 (8 kHz). Values outside are clipped. ITU-T G.711, table 1."""
    pcm = np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int32)
    magnitude = np.clip(np.where(pcm >= 0, pcm, -pcm - 1) >> 3, 0, 4095)
    segment = np.where(magnitude >= 32, np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    mantissa = np.where(segment > 0, magnitude >> np.maximum(segment, 1), magnitude >> 1) & 0x0F
    code = (segment << 4) | mantissa
    return bytes((code ^ np.where(pcm >= 0, 0xD5, 0x55)).astype(np.uint8))


def decode(data: bytes) -> npt.NDArray[np.float64]:
    """Samples in -1..1 (8 kHz) of A-law bytes."""
    code = np.frombuffer(data, dtype=np.uint8).astype(np.int32) ^ 0x55
    segment, mantissa = (code & 0x70) >> 4, code & 0x0F
    magnitude = np.where(
        segment == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(segment - 1, 0)
    )
    return np.where(code & 0x80, magnitude, -magnitude) / 32768


def tone(hertz: float, seconds: float, level: float = 0.3) -> bytes:
    """A pure tone as A-law bytes; `level` is the amplitude, 1.0 full scale."""
    at = np.arange(round(seconds * RATE)) / RATE
    return encode(level * np.sin(2 * np.pi * hertz * at))


def speech(wav: Path, pause: float = 20.0) -> bytes:
    """A sound file as A-law bytes, followed by `pause` seconds of silence (SIPp repeats the whole).

    Any format and rate that soundfile reads; channels are mixed. Raises soundfile.LibsndfileError.
    """
    import soundfile

    samples, rate = soundfile.read(wav, dtype="float64", always_2d=True)
    mono = samples.mean(axis=1)
    if rate != RATE:
        count = round(len(mono) * RATE / rate)
        if rate > RATE:
            width = max(1, round(rate / RATE))
            mono = np.convolve(mono, np.ones(width) / width, mode="same")
        mono = np.interp(np.arange(count) * rate / RATE, np.arange(len(mono)), mono)
    return encode(mono) + SILENCE * round(pause * RATE)


def loudness(data: bytes) -> float:
    """Root mean square of A-law bytes, 1.0 full scale; 0.0 for nothing."""
    return float(np.sqrt(np.mean(decode(data) ** 2))) if data else 0.0


def share_of(hertz: float, data: bytes) -> float:
    """Which share (0..1) of the power in A-law bytes lies within 30 Hz of a frequency: 1.0 is a pure tone."""
    samples = decode(data)
    if len(samples) < 800:
        return 0.0
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    at = np.fft.rfftfreq(len(samples), 1 / RATE)
    whole = float(power[at > 20].sum())
    return float(power[np.abs(at - hertz) <= 30].sum()) / whole if whole > 0 else 0.0


def key_events(key: str, packets: int = 6) -> bytes:
    """One key press as RFC 4733 named events for SIPp's rtp_stream under payload type 98.

    Each packet is 50 bytes, of which the first four are the event; receivers read no more. SIPp moves the
    time stamp on with each packet instead of holding it, so there is exactly one end packet: a repeated one
    would be a second press.

    Raises ValueError for anything but one of 0-9, * and #.
    """
    if len(key) != 1 or key not in KEYS:
        raise ValueError(f"{key!r} is not a telephone key")
    number, volume, end = KEYS.index(key), 10, 0x80
    out = [
        struct.pack("!BBH", number, volume | (end if n == packets else 0), EVENT_STEP * n)
        for n in range(1, packets + 1)
    ]
    return b"".join(packet.ljust(EVENT_BYTES, b"\0") for packet in out)


def key_file(key: str) -> str:
    """Name of the file that holds a key's events, as the scenarios know it."""
    return "key-" + {"*": "star", "#": "pound"}.get(key, key) + ".ev"


def write_sounds(folder: Path, speech_bytes: bytes | None) -> None:
    """Write what the scenarios play: silence.al, speech.al and key-*.ev.

    Without speech, speech.al is silence.
    """
    silence = SILENCE * RATE
    (folder / "silence.al").write_bytes(silence)
    (folder / "speech.al").write_bytes(speech_bytes or silence)
    for key in KEYS:
        (folder / key_file(key)).write_bytes(key_events(key))
