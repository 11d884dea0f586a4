"""Sound as numbers: reading the spool's files in blocks, levels, two-channel FLAC, peaks for a waveform.

Pure of database and settings. Memory is bounded by BLOCK_FRAMES, however long the call was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

RATE = 8000
"""Samples a second of everything that Asterisk records here."""
WINDOW = 160
"""20 ms: the step in which speech is looked for; also the length of Asterisk's own frames."""
BLOCK_FRAMES = WINDOW * 1500
"""30 s at a time: 960 kB of two-channel sound."""
SAMPLE_BYTES = 2
WAV_HEADER_BYTES = 44
FULL_SCALE = 32768.0
FLOOR_DB = -96.0
"""Digital silence is told as this: one step of 16 bit."""
SPEECH_DB = -50.0
"""A 20 ms window louder than this counts as speech: silence coded in A-law lies at -72 dBFS and a quiet
line below -60, a low voice on a telephone at -40."""

Block = NDArray[np.int16]


class UnreadableSound(Exception):
    """The file is there, but is no sound that can be read."""


@dataclass(frozen=True)
class Sound:
    """What was measured in one file. Tuples have one entry per channel (caller first, agent second)."""

    frames: int
    channels: int
    levels_db: tuple[float, ...]
    """RMS over the whole file in dBFS, never under FLOOR_DB."""
    speech_seconds: tuple[float, ...]
    left_over_bytes: int
    """Bytes at the end that make no whole frame, or that the file's own header does not know of."""
    fingerprint: str
    """blake2b of the samples, little-endian and interleaved: equal for raw and kept form of one sound."""

    @property
    def seconds(self) -> float:
        return self.frames / RATE


class Meter:
    """Adds up blocks of (n, channels) int16 and tells a Sound at the end."""

    def __init__(self, channels: int) -> None:
        self._frames = 0
        self._squares = np.zeros(channels, dtype=np.float64)
        self._speech_windows = np.zeros(channels, dtype=np.int64)
        self._digest = hashlib.blake2b(digest_size=16)
        self._threshold = (FULL_SCALE * 10 ** (SPEECH_DB / 20)) ** 2

    def take(self, block: Block) -> None:
        """Adds one block; all but the last are whole numbers of windows."""
        self._frames += len(block)
        self._digest.update(np.ascontiguousarray(block, dtype="<i2").data)
        squares = np.square(block, dtype=np.float32)
        whole = len(block) // WINDOW * WINDOW
        windows = squares[:whole].reshape(-1, WINDOW, block.shape[1]).mean(axis=1, dtype=np.float64)
        self._speech_windows += (windows > self._threshold).sum(axis=0)
        self._squares += windows.sum(axis=0) * WINDOW + squares[whole:].sum(axis=0, dtype=np.float64)

    def read(self, left_over_bytes: int = 0) -> Sound:
        """The figures so far."""
        rms = np.sqrt(self._squares / max(self._frames, 1)) / FULL_SCALE
        floor = 10 ** (FLOOR_DB / 20)
        return Sound(
            frames=self._frames,
            channels=len(rms),
            levels_db=tuple(round(float(20 * np.log10(max(level, floor))), 1) for level in rms),
            speech_seconds=tuple(float(n) * WINDOW / RATE for n in self._speech_windows),
            left_over_bytes=left_over_bytes,
            fingerprint=self._digest.hexdigest(),
        )


def raw_blocks(path: Path, channels: int = 2, skip_bytes: int = 0) -> Iterator[Block]:
    """Blocks (n, channels) of a headerless file; an incomplete frame at the end is left out.

    Raises OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(skip_bytes)
        while True:
            samples = np.frombuffer(
                _whole(file.read(BLOCK_FRAMES * channels * SAMPLE_BYTES), channels), "<i2"
            )
            if not len(samples):
                return
            yield samples.reshape(-1, channels)


def _whole(data: bytes, channels: int) -> bytes:
    return data[: len(data) - len(data) % (channels * SAMPLE_BYTES)]


def opened(path: Path) -> tuple[int, int, Iterator[Block]]:
    """(channels, left-over bytes, blocks) of a raw, wav or flac file.

    A wav whose header was never completed, because its writer was killed, is read as what it is: a header
    of 44 bytes and samples; all its bytes then count as left over, so that the check speaks of it.
    Raises OSError, or UnreadableSound for anything that is no sound at 8 kHz.
    """
    size = path.stat().st_size
    if path.suffix == ".raw":
        return 2, size % (2 * SAMPLE_BYTES), raw_blocks(path)
    try:
        with sf.SoundFile(path) as file:
            rate, channels, frames = file.samplerate, file.channels, file.frames
    except sf.LibsndfileError as error:
        raise UnreadableSound(f"{path.name}: {error}") from error
    if rate != RATE:
        raise UnreadableSound(f"{path.name}: {rate} samples a second instead of {RATE}")
    if path.suffix == ".wav" and frames == 0 and size > WAV_HEADER_BYTES:
        return channels, size - WAV_HEADER_BYTES, raw_blocks(path, channels, WAV_HEADER_BYTES)
    return channels, 0, _decoded(path)


def _decoded(path: Path) -> Iterator[Block]:
    try:
        with sf.SoundFile(path) as file:
            while len(block := file.read(BLOCK_FRAMES, dtype="int16", always_2d=True)):
                yield block
    except sf.LibsndfileError as error:
        raise UnreadableSound(f"{path.name}: {error}") from error


def measure(path: Path) -> Sound:
    """Figures of a raw, wav or flac file. Raises OSError or UnreadableSound."""
    channels, left_over, blocks = opened(path)
    meter = Meter(channels)
    for block in blocks:
        meter.take(block)
    return meter.read(left_over)


def write_flac(source: Path, target: Path) -> Sound:
    """Writes `source` (raw or wav) as FLAC to `target` and returns the figures of the source.

    Raises OSError or UnreadableSound for the source, soundfile.LibsndfileError where `target` cannot be
    written. Nothing is promised about the disk: the caller syncs and proves (`measure(target)`).
    """
    channels, left_over, blocks = opened(source)
    meter = Meter(channels)
    with sf.SoundFile(target, "w", RATE, channels, subtype="PCM_16", format="FLAC") as kept:
        for block in blocks:
            meter.take(block)
            kept.write(block)
    return meter.read(left_over)


def peaks(path: Path, points: int = 800) -> list[list[float]]:
    """For each channel the loudest sample (0..1) of each of at most `points` equal stretches.

    The last stretch may be shorter. An empty file has no points. Raises OSError or UnreadableSound.
    """
    channels, _, blocks = opened(path)
    with sf.SoundFile(path) as file:
        frames = file.frames
    stretch = max(1, -(-frames // points))
    found = np.zeros((channels, -(-frames // stretch)), dtype=np.int32)
    at = 0
    for block in blocks:
        loud = np.abs(block.astype(np.int32))
        where = (at + np.arange(len(block))) // stretch
        starts = np.flatnonzero(np.diff(where, prepend=where[0] - 1))
        first = int(where[0])
        loudest = np.maximum.reduceat(loud, starts, axis=0)
        stop = first + len(loudest)
        found[:, first:stop] = np.maximum(found[:, first:stop], loudest.T)
        at += len(block)
    scaled: list[list[float]] = np.round(found / FULL_SCALE, 4).tolist()
    return scaled


def sha256(path: Path) -> str:
    """SHA-256 of the file's bytes in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
