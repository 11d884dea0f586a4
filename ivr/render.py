"""Renders the prompt texts to telephone speech, only where a text or the voice changed.

    python -m ivr.render [--only greeting ...] [--check]

Needs `pip install -r ivr/requirements-render.txt` and npm on the PATH. The synthesiser itself is `voice.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from ivr.prompts import FOLDER, Text, read_manifest, texts, write_manifest
from ivr.telephone_sound import PHONE_RATE, for_telephone, loudness, write_wav
from ivr.voice import MODEL_RATE, Speak, joined, synthesiser, trimmed
from ivr.voice import sentence as spoken_sentence

RECIPE = 1
"""Raise it when the treatment below changes, so that everything is rendered again."""

CARRIER = "您目前排在第，{}，排，请耐心等待。"
"""Isolated numbers come out badly, so each is spoken inside a sentence and cut out of it, where the voice is
lowest between the words. 排 begins with a closed mouth, so a number ends cleanly before it."""
NUMBER_SPEED = 0.7


def sentence(text: Text, speak: Speak) -> np.ndarray:
    """The text's sentences, one after the other, with a third of a second between them; 24 kHz."""
    parts = text.words.replace("。", "。\n").split()
    return joined([spoken_sentence(part, speak, text.voice, text.speed) for part in parts])


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
    speak = synthesiser(lengths=True) if work else None
    for text in work:
        assert speak is not None
        samples = for_telephone((number if text.is_number else sentence)(text, speak), MODEL_RATE)
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
