"""Synthetic spool files: a tone on each side. For tests, trials and demo recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf

from recordings.sound import RATE, Block

CALLER_HZ, AGENT_HZ = 440.0, 1000.0
"""The tones by which the channels are told apart in every test of this project."""
TONE_DB = -20.0


def tone(seconds: float, hertz: float) -> Block:
    """One channel (n,) of a sine at TONE_DB (RMS, dBFS); 0 Hz is silence as A-law codes it (±8)."""
    at = np.arange(round(seconds * RATE)) / RATE
    if not hertz:
        return np.where(np.arange(at.size) % 2, 8, -8).astype(np.int16)
    amplitude = 32768 * 10 ** (TONE_DB / 20) * np.sqrt(2)
    wave: Block = np.round(amplitude * np.sin(2 * np.pi * hertz * at)).astype(np.int16)
    return wave


def write_raw(path: Path, seconds: float, caller: float = CALLER_HZ, agent: float = AGENT_HZ) -> Path:
    """A call's file as MixMonitor writes it with option D: caller left, agent right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.stack([tone(seconds, caller), tone(seconds, agent)], axis=1).astype("<i2").tobytes())
    return path


def write_message(path: Path, seconds: float, hertz: float = CALLER_HZ) -> Path:
    """A voice message as Record writes it: one channel, wav."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, tone(seconds, hertz), RATE, subtype="PCM_16")
    return path
