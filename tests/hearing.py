"""Who hears whom: everybody hums a tone of his own, and what a telephone has heard is looked through."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from hotline.phones import alaw
from hotline.private_line import NotInTime
from tests.line import until

CITIZEN, AGENT, SUPERVISOR, SECOND = 440, 700, 1500, 1850
"""Hz. None is a multiple of another, so that what an echo or a codec adds is nobody's voice."""
EVERYBODY = (CITIZEN, AGENT, SUPERVISOR, SECOND)
LOUD = 0.02
"""Amplitude, 1.0 at full scale: they hum at 0.3, and what a sum of three leaves of one is far above this."""
WINDOW = alaw.RATE // 2
PIECE = alaw.RATE // 10


class Hearing(Protocol):
    """A call at a telephone that listens."""

    @property
    def heard(self) -> bytes: ...


def level(samples: npt.NDArray[np.float64], hertz: float) -> float:
    """Amplitude of one frequency at 8 kHz, 1.0 at full scale; 0.0 for nothing."""
    if not len(samples):
        return 0.0
    times = np.arange(len(samples)) / alaw.RATE
    return float(2 * abs(np.mean(samples * np.exp(-2j * np.pi * hertz * times))))


def voices(samples: npt.NDArray[np.float64]) -> set[int]:
    """Whose tones are in these samples."""
    return {hertz for hertz in EVERYBODY if level(samples, hertz) > LOUD}


def hears(call: Hearing, *hertz: int, since: int = 0, timeout: float = 8) -> int:
    """Wait until each tenth of the last half second has exactly these voices; gives its end.

    `since`: that half second begins at this place or later. Raises NotInTime with what was heard instead.
    """

    def exactly() -> bool:
        heard = call.heard
        return len(heard) >= since + WINDOW and all(one == set(hertz) for one in _pieces(heard[-WINDOW:]))

    try:
        until(exactly, timeout)
    except NotInTime:
        raise NotInTime(f"not within {timeout:g} s {hertz} Hz, but {_pieces(call.heard[-WINDOW:])}") from None
    return len(call.heard)


def ever_heard(call: Hearing, begin: int = 0, end: int | None = None) -> set[int]:
    """Everybody who was heard in any tenth of a second of a stretch."""
    return set().union(*_pieces(call.heard[begin:end]))


def _pieces(heard: bytes) -> list[set[int]]:
    """Whose tones are in each tenth of a second."""
    samples = alaw.decode(heard)
    return [voices(piece) for piece in samples[: len(samples) // PIECE * PIECE].reshape(-1, PIECE)]


def longest_gap(call: Hearing, hertz: int, begin: int, end: int | None = None) -> float:
    """Seconds of the longest stretch in which one voice was missing, in steps of a tenth."""
    samples = alaw.decode(call.heard[begin:end])
    longest = gap = 0
    for start in range(0, len(samples) - PIECE + 1, PIECE):
        gap = 0 if level(samples[start : start + PIECE], hertz) > LOUD else gap + 1
        longest = max(longest, gap)
    return longest * PIECE / alaw.RATE
