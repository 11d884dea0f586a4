"""When a telephone first hears the other side: a tone is looked for in what arrives, 20 ms by 20 ms."""

from __future__ import annotations

import threading
import time

import numpy as np

from hotline.phones import alaw
from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import RungCall


class FirstTone:
    """Listens to a call from now on, beside everything else, for the first 20 ms of a tone."""

    FRAME = 160
    LOOK_EVERY, LIMIT = 0.004, 6.0

    def __init__(self, call: CitizenCall | RungCall, hertz: float) -> None:
        self._call, self._hertz = call, hertz
        self._at: float | None = None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def at(self) -> float | None:
        """Epoch ms of the look that found it; None when it did not come within LIMIT seconds."""
        self._thread.join()
        return self._at

    def _listen(self) -> None:
        place, end = len(self._call.heard), time.monotonic() + self.LIMIT
        while time.monotonic() < end:
            heard = self._call.heard
            while place + self.FRAME <= len(heard):
                if is_tone(heard[place : place + self.FRAME], self._hertz):
                    self._at = time.time() * 1000
                    return
                place += self.FRAME
            time.sleep(self.LOOK_EVERY)


def last_of(one: float | None, other: float | None) -> float | None:
    """The later of two moments; None when one of them never came."""
    return None if one is None or other is None else max(one, other)


def is_tone(frame: bytes, hertz: float) -> bool:
    """Whether a few periods in A-law are this tone and nothing else (Goertzel's sum at one frequency)."""
    samples = alaw.decode(frame)
    power = float((samples**2).sum())
    if power < 1e-4 * len(samples):
        return False
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / alaw.RATE)
    return float(abs(samples @ wave) ** 2) * 2 / (len(samples) * power) > 0.8
