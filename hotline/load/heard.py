"""Is a kept recording without gaps? Both sides of the load say one tone all the time; numpy looks for it.

In each 20 ms the tone has a strength and a phase. No strength: a gap. A phase that jumps: audio is missing or
was put in between two frames, even where no silence is heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

RATE = 8000
WINDOW = 160
QUIET = 0.25
"""Of the tone's usual strength: below this, the window is a gap."""
JUMP = 0.6
"""Radians; a frame of 20 ms missing moves 440 Hz by 5.0 (of 6.28), A-law and its noise by less than 0.1."""


@dataclass(frozen=True)
class Heard:
    """One channel: `seconds` looked at, gaps and jumps counted, the longest gap in ms."""

    seconds: float
    gaps: int
    gap_ms: float
    longest_ms: float
    jumps: int
    strength: float

    @property
    def good(self) -> bool:
        """The tone is there without a hole from the first to the last window."""
        return self.strength > 0.02 and self.gap_ms == 0


def listen(samples: npt.NDArray[np.float64], hertz: float) -> Heard:
    """What is heard of a tone in samples of -1..1 at 8 kHz."""
    count = len(samples) // WINDOW
    if not count:
        return Heard(0.0, 0, 0.0, 0.0, 0, 0.0)
    turn = np.exp(-2j * np.pi * hertz * np.arange(WINDOW) / RATE)
    # Each window is turned back by the time that passed before it, so that a whole tone has one phase.
    back = np.exp(-2j * np.pi * hertz * WINDOW / RATE * np.arange(count))
    found = samples[: count * WINDOW].reshape(count, WINDOW) @ turn * back * 2 / WINDOW
    strength = float(np.median(np.abs(found)))
    quiet = np.abs(found) < max(QUIET * strength, 1e-4)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False])).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    both = ~(quiet[1:] | quiet[:-1])
    steps = np.angle(found[1:] * np.conj(found[:-1]))
    return Heard(
        seconds=count * WINDOW / RATE,
        gaps=len(lengths),
        gap_ms=float(lengths.sum() * 20),
        longest_ms=float(lengths.max(initial=0) * 20),
        jumps=int((np.abs(steps[both]) > JUMP).sum()),
        strength=round(strength, 4),
    )


def recording(path: Path, hertz: tuple[float, float], skip: float = 0.5) -> tuple[Heard, Heard]:
    """Both channels of a kept recording (caller, agent), without `skip` s at its edges.

    Raises soundfile.LibsndfileError.
    """
    samples, _ = soundfile.read(path, dtype="float64", always_2d=True)
    edge = round(skip * RATE)
    inner = samples[edge : max(edge, len(samples) - edge)]
    if inner.shape[1] < 2:
        inner = np.repeat(inner, 2, axis=1)
    return listen(inner[:, 0], hertz[0]), listen(inner[:, 1], hertz[1])
