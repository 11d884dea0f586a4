"""The prompts as files: their texts, the manifest of what was rendered, laying them out for Asterisk."""

from __future__ import annotations

import json
import shutil
import struct
import wave
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "prompts"
TEXTS = HERE / "prompts.yaml"
PHRASES = HERE / "phrases.yaml"
MANIFEST = FOLDER / "manifest.json"
MUSIC = FOLDER / "moh" / "calm.wav"
"""Music on hold, made by ivr/music.py."""
QUIETEST_DBFS = -45.0


@dataclass(frozen=True)
class Text:
    """One prompt: `id` is also its path below `prompts/` (numbers are `digits/<n>`)."""

    id: str
    words: str
    voice: str
    speed: float

    @property
    def is_number(self) -> bool:
        return self.id.startswith("digits/")


@dataclass(frozen=True)
class Unit:
    """A unit's phrase: the prompt id, and the unit names in the database that it stands for."""

    id: str
    say: str
    names: tuple[str, ...]


def _yaml(path: Path) -> dict[str, Any]:
    loaded = YAML(typ="safe").load(path.read_text("utf-8"))
    return loaded if isinstance(loaded, dict) else {}


@lru_cache
def units() -> tuple[Unit, ...]:
    """The unit phrases of phrases.yaml."""
    found = _yaml(PHRASES).get("units", {})
    return tuple(Unit(name, entry["say"], tuple(entry["names"])) for name, entry in found.items())


@lru_cache
def texts() -> tuple[Text, ...]:
    """Every text to be heard, in the order of the files."""
    file = _yaml(TEXTS)
    voice, speed = file["voice"], float(file["speed"])
    spoken = dict(file["prompts"]) | {unit.id: unit.say for unit in units()}
    spoken |= {f"digits/{name}": words for name, words in file["digits"].items()}
    return tuple(Text(name, words, voice, speed) for name, words in spoken.items())


def read_manifest() -> dict[str, Any]:
    """What was rendered: id -> text, voice, speed, recipe, sha256 of the file, seconds."""
    loaded: dict[str, Any] = json.loads(MANIFEST.read_text("utf-8")) if MANIFEST.exists() else {}
    return loaded


def write_manifest(manifest: dict[str, Any]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(sorted(manifest.items())), ensure_ascii=False, indent=1)
    MANIFEST.write_text(text + "\n", "utf-8")


def check_replacement(path: Path) -> list[str]:
    """What is wrong with a recorded prompt, each in one line with its remedy; empty: it can be used."""
    remedy = "save it as WAV, 8000 Hz, mono, 16 bit PCM"
    try:
        with wave.open(str(path), "rb") as sound:
            shape = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
            samples = sound.readframes(sound.getnframes())
    except (OSError, EOFError, wave.Error, struct.error, ValueError) as error:
        return [f"{path.name}: not a readable WAV file ({error}): {remedy}"]
    problems = []
    if shape != (8000, 1, 2):
        return [f"{path.name}: {shape[0]} Hz, {shape[1]} channel(s), {shape[2] * 8} bit: {remedy}"]
    seconds = len(samples) / 16000
    if not 0.1 <= seconds <= 120:
        problems.append(f"{path.name}: {seconds:.2f} s long: record between 0.1 s and 120 s")
    elif level_dbfs(samples) < QUIETEST_DBFS:
        problems.append(f"{path.name}: (nearly) silent: record it at about -20 dBFS")
    if path.stem not in {text.id.removeprefix("digits/") for text in texts()}:
        problems.append(f"{path.name}: no prompt has this id: see the ids in ivr/prompts.yaml")
    return problems


def level_dbfs(samples: bytes) -> float:
    """Level of 16 bit samples as a whole, in dB below full scale."""
    import numpy as np

    values = np.frombuffer(samples[: len(samples) // 2 * 2], "<i2").astype(float) / 32768
    return float(20 * np.log10(np.sqrt((values**2).mean()) + 1e-9)) if len(values) else -180.0


def install(target: Path, replacements: Path | None = None) -> list[str]:
    """Lays the sounds out as `<target>/hotline/<id>.wav` and `<target>/digits/<n>.wav`.

    A good file `<id>.wav` (numbers: `digits/<n>.wav`) below `replacements` takes the place of the rendered
    one; a bad one is left out. Returns what was wrong with those, a line each. Only what changed is written.
    """
    known = {f"{text.id}.wav" for text in texts()}
    strangers = [
        path
        for path in sorted(replacements.rglob("*.wav") if replacements else ())
        if str(path.relative_to(replacements or path)) not in known
    ]
    problems = [f"{path}: no prompt has this id: see ivr/prompts.yaml" for path in strangers]
    for text in texts():
        source = FOLDER / f"{text.id}.wav"
        recorded = replacements / f"{text.id}.wav" if replacements else None
        if recorded and recorded.is_file():
            found = check_replacement(recorded)
            problems += found
            source = source if found else recorded
        _copy(source, target / (f"{text.id}.wav" if text.is_number else f"hotline/{text.id}.wav"))
    return problems


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copyfile(source, target)
