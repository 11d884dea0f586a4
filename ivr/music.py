"""Music on hold, made here, so that nobody's licence is needed: slow chords of soft plucked tones.

    python -m ivr.music         writes ivr/prompts/moh/calm.wav

The piece is written as a ring: what still sounds at its end sounds on at its beginning, so it loops unheard.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

TARGET = Path(__file__).resolve().parent / "prompts" / "moh" / "calm.wav"
RATE = 8000
BEAT = 0.625
"""Seconds; 48 beats make 30 s."""
LEVEL_DBFS = -26.0
CHORDS = ((57, 60, 64, 69), (53, 57, 60, 65), (55, 60, 64, 67), (55, 59, 62, 67),
          (52, 57, 60, 64), (53, 57, 62, 65))  # fmt: skip
"""MIDI notes of each 8 beats: Am, F, C, G, Am, Dm; low enough for a telephone's speaker and soft on top."""
FIGURE = (0, 2, 1, 3, 2, 1, 3, 2)
"""Which note of the chord sounds on each beat."""


def tone(note: int, seconds: float = 4.0) -> np.ndarray:
    """A plucked tone: three partials, each dying away faster than the one below, with a soft attack."""
    time = np.arange(int(RATE * seconds)) / RATE
    pitch = 440 * 2 ** ((note - 69) / 12)
    partials = sum(
        strength * np.sin(2 * np.pi * pitch * n * time) * np.exp(-time * (0.9 + 0.7 * n))
        for n, strength in ((1, 1.0), (2, 0.35), (3, 0.12))
    )
    attack = np.minimum(1, time / 0.03)
    release = np.minimum(1, (seconds - time) / 0.2)
    return np.asarray(partials * attack * release)


def music() -> np.ndarray:
    """The whole ring as 16 bit samples at 8 kHz."""
    beats = len(CHORDS) * len(FIGURE)
    ring = np.zeros(int(beats * BEAT * RATE))

    def lay(sound: np.ndarray, beat: int, strength: float) -> None:
        start = int(beat * BEAT * RATE)
        np.add.at(ring, np.arange(start, start + len(sound)) % len(ring), strength * sound)

    for bar, chord in enumerate(CHORDS):
        for beat, which in enumerate(FIGURE):
            lay(tone(chord[which]), bar * 8 + beat, 0.8 if beat % 4 else 1.0)
        lay(tone(chord[0] - 12, 5.0), bar * 8, 0.9)
        if bar % 2 == 1:
            lay(tone(chord[3] + 12, 3.0), bar * 8 + 6, 0.35)
    ring *= 10 ** (LEVEL_DBFS / 20) / np.sqrt((ring**2).mean())
    return np.asarray(np.round(ring * 32767), np.int16)


def main() -> None:
    from ivr.telephone_sound import write_wav

    write_wav(TARGET, music())
    print(f"{TARGET}: sha256 {hashlib.sha256(TARGET.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
