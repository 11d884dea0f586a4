"""Sound as the telephone wants it: 8 kHz, mono, 16 bit, at one level. Arrays of samples in, samples out."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

PHONE_RATE = 8000
LEVEL_DBFS, PEAK_DBFS = -20.0, -1.5
ROLL_OFF_HZ = 3700
"""From here up to 4 kHz the narrow band fades out, so that nothing rings at its edge."""
SPOKEN_DB = -30.0
"""10 ms within this of the loudest count as speech; pauses do not lift the rest."""

Samples = npt.NDArray[np.float32]


def loudness(sound: npt.NDArray[np.floating], rate: int) -> npt.NDArray[np.float64]:
    """Level of each 10 ms in dB below the loudest one."""
    size = rate // 100
    frames = sound[: len(sound) // size * size].reshape(-1, size)
    level = 20 * np.log10(np.sqrt((frames**2).mean(axis=1)) + 1e-6)
    return np.asarray(level - level.max())


def loudest(sound: npt.NDArray[np.floating], rate: int) -> float:
    """Level of the loudest tenth of the 10 ms frames, in dBFS: of the speech, not of the pauses."""
    size = rate // 100
    frames = np.sort((sound[: len(sound) // size * size].reshape(-1, size) ** 2).mean(axis=1))
    return float(10 * np.log10(frames[-max(1, len(frames) // 10) :].mean() + 1e-18))


def narrowed(sound: npt.NDArray[np.floating], rate: int) -> Samples:
    """Mono speech of `rate` samples a second at 8 kHz, without what the telephone cannot carry."""
    pad = np.zeros(rate // 20)
    whole = np.concatenate([pad, sound, pad])
    count = round(len(whole) * PHONE_RATE / rate)
    spectrum = np.fft.rfft(whole)[: count // 2 + 1]
    hertz = np.arange(len(spectrum)) * PHONE_RATE / count
    fade = np.clip((PHONE_RATE / 2 - hertz) / (PHONE_RATE / 2 - ROLL_OFF_HZ), 0, 1)
    narrow = np.fft.irfft(spectrum * np.sin(fade * np.pi / 2) ** 2, count) * (count / len(whole))
    lead = round(len(pad) * PHONE_RATE / rate)
    return narrow[lead : lead + round(len(sound) * PHONE_RATE / rate)].astype(np.float32)


def for_telephone(sound: npt.NDArray[np.floating], rate: int) -> npt.NDArray[np.int16]:
    """Mono float sound as 8 kHz 16 bit samples, its speech at LEVEL_DBFS, without clipping."""
    narrow = narrowed(sound, rate)
    spoken = narrow[: len(narrow) // 80 * 80].reshape(-1, 80)[loudness(narrow, PHONE_RATE) > SPOKEN_DB]
    gain = 10 ** (LEVEL_DBFS / 20) / np.sqrt((spoken**2).mean())
    gain = min(gain, 10 ** (PEAK_DBFS / 20) / np.abs(narrow).max())
    return np.asarray(np.round(narrow * gain * 32767), np.int16)


def write_wav(path: Path, samples: npt.NDArray[np.int16]) -> None:
    """Writes 8 kHz mono 16 bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(PHONE_RATE)
        target.writeframes(samples.astype("<i2").tobytes())
