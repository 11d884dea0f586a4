"""What a waiting citizen hears: one with an ear stands in the full queue, and our prompts are looked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from hotline.load.line import LoadLine
from hotline.phones import alaw
from hotline.phones.errors import PhoneError
from hotline.phones.identity import Caller
from hotline.private_line import NotInTime
from hotline.settings import REPO

PROMPTS = REPO / "ivr" / "prompts"
WORDS = {
    "place in the queue": ("queue-thereare.wav", "queue-quantity1.wav"),
    "call-back is offered": ("queue-periodic.wav",),
}
"""What must be heard: one of the prompts. Far behind the place is told as "more than so many wait"."""
LIKE = 0.5
"""Correlation of what is heard with a prompt's first second: chance gives 0.1, the prompt itself 0.9."""
PIECE = 8000
PROBE = "13700000001"
"""Number of the citizen who listens."""


def likeness(heard: npt.NDArray[np.float64], prompt: npt.NDArray[np.float64]) -> float:
    """The best normalised correlation of a prompt's loudest second with anything that was heard; 0..1."""
    piece = prompt[: len(prompt) // 2 * 2]
    if len(piece) > PIECE:
        energy = np.convolve(piece**2, np.ones(PIECE), "valid")
        start = int(np.argmax(energy))
        piece = piece[start : start + PIECE]
    if len(heard) < len(piece) or not len(piece):
        return 0.0
    size = 1 << (len(heard) + len(piece)).bit_length()
    found = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(piece, size)), size)
    sums = np.concatenate(([0.0], np.cumsum(heard**2)))
    power = sums[len(piece) :] - sums[: -len(piece)]
    strength = np.sqrt(np.maximum(power, 1e-6) * float((piece**2).sum()))
    return float(np.max(found[: len(power)] / strength))


def words_in(heard: bytes) -> dict[str, float]:
    """For each prompt of WORDS how like it something in the heard A-law is."""
    samples = alaw.decode(heard)
    return {
        name: round(
            max(likeness(samples, soundfile.read(PROMPTS / file, dtype="float64")[0]) for file in files), 2
        )
        for name, files in WORDS.items()
    }


def listen_in_queue(line: LoadLine, after: float, seconds: float) -> Callable[[], dict[str, Any]]:
    """Send a citizen into the queue `after` s from now, for `seconds`; what is returned says what was heard.

    {"likeness": {words: 0..1}, "heard": [words], "seconds"} or {"failed": why}.
    """
    result: dict[str, Any] = {"failed": "not begun"}

    def wait_there() -> None:
        time.sleep(after)
        try:
            call = line.citizens().dial(caller=Caller(PROBE), keys="w1,1", listen=True)
            time.sleep(seconds)
            audio = bytes(call.heard)
            call.hang_up()
            found = words_in(audio)
        except (PhoneError, NotInTime, OSError) as error:
            result["failed"] = str(error)
            return
        result.clear()
        result.update(
            likeness=found,
            heard=[name for name, value in found.items() if value >= LIKE],
            seconds=round(len(audio) / 8000, 1),
        )

    thread = threading.Thread(target=wait_there, daemon=True)
    thread.start()

    def heard() -> dict[str, Any]:
        thread.join(30)
        return result

    return heard
