"""Manifest, texts and sound files of the prompts agree; a recorded voice can take a rendered one's place."""

from __future__ import annotations

import hashlib
import wave
from pathlib import Path

import numpy as np
import pytest

from ivr import music, prompts, render

TEXTS = {text.id: text for text in prompts.texts()}
FROM_THE_DIALPLAN = [
    "to-person", "no-seat", "queue-full", "waited-long", "overflow-choice", "leave-message",
    "message-saved", "callback-number", "callback-saved", "closed", "system-trouble", "agent-gone",
    "goodbye", "queue-youarenext", "queue-thereare", "queue-callswaiting", "queue-quantity1",
    "queue-quantity2", "queue-holdtime", "queue-minute", "queue-minutes", "queue-seconds",
    "queue-thankyou", "queue-periodic", "survey-ask", "survey-why", "survey-thanks", "callback-place",
    "callback-greeting", "consult-wait", "party-away", "returning", "desk-closed", "agent-no-answer-dial",
    "citizen-gone",
]  # fmt: skip


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (8000, 1, 2)
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2")


def write(
    path: Path, rate: int = 8000, channels: int = 1, amplitude: int = 4000, seconds: float = 1.0
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = amplitude * np.sin(np.arange(int(rate * seconds)) / 5)
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.repeat(tone, channels).astype("<i2").tobytes())
    return path


def test_manifest_texts_and_files_are_the_same_set() -> None:
    files = {
        str(path.relative_to(prompts.FOLDER).with_suffix(""))
        for path in prompts.FOLDER.rglob("*.wav")
        if path.parent.name != "moh"
    }
    assert files == set(TEXTS) == set(prompts.read_manifest())


def test_every_prompt_that_the_dialplan_plays_has_a_text() -> None:
    assert set(FROM_THE_DIALPLAN) <= set(TEXTS)
    assert {f"digits/{n}" for n in [*range(11), *range(20, 100, 10), "hundred", "thousand"]} <= set(TEXTS)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_rendered_file_is_what_its_text_says(name: str) -> None:
    path, text, entry = prompts.FOLDER / f"{name}.wav", TEXTS[name], prompts.read_manifest()[name]
    assert (entry["text"], entry["voice"], entry["speed"]) == (text.words, text.voice, text.speed)
    assert entry["recipe"] == render.recipe(text), "the text changed: run python -m ivr.render"
    assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    sound = samples(path)
    seconds = len(sound) / 8000
    syllables = len([sign for sign in text.words if sign.isalnum()])
    assert entry["seconds"] == pytest.approx(seconds, abs=0.01)
    # 2.5 to 7.5 syllables a second, after the breath of 0.1 s around each file.
    assert syllables / 7.5 < seconds - 0.06 < syllables / 2.5 + 0.4
    assert np.abs(sound).max() < 30000, "clipped"
    spoken = sound[np.abs(sound) > 300].astype(float)
    assert -24 < 20 * np.log10(np.sqrt((spoken**2).mean()) / 32768) < -14


def test_committed_audio_stays_small() -> None:
    sizes = [path.stat().st_size for path in prompts.FOLDER.rglob("*.wav")]
    assert sum(sizes) < 4_000_000
    assert max(sizes) < 1_400_000


def test_music_on_hold_is_as_the_script_makes_it_and_loops_without_a_click() -> None:
    sound = samples(prompts.MUSIC).astype(int)
    assert np.abs(sound - music.music()).max() <= 2
    assert 30 <= len(sound) / 8000 <= 60
    assert 20 * np.log10(np.sqrt((sound**2.0).mean()) / 32768) == pytest.approx(-26, abs=0.5)
    assert abs(sound[0] - sound[-1]) <= np.abs(np.diff(sound)).max()


def test_lays_out_every_sound_for_asterisk(tmp_path: Path) -> None:
    assert prompts.install(tmp_path, None) == []
    assert (tmp_path / "hotline" / "greeting.wav").read_bytes()[:4] == b"RIFF"
    assert (tmp_path / "digits" / "5.wav").exists()
    assert len(list(tmp_path.rglob("*.wav"))) == len(TEXTS)


def test_recorded_prompt_takes_the_place_of_the_rendered_one(tmp_path: Path) -> None:
    good = write(tmp_path / "own" / "greeting.wav")
    write(tmp_path / "own" / "goodbye.wav", rate=44100)
    number = write(tmp_path / "own" / "digits" / "5.wav", seconds=0.4)
    write(tmp_path / "own" / "greting.wav")
    stranger, bad = prompts.install(tmp_path / "out", tmp_path / "own")
    assert "greting.wav: no prompt has this id" in stranger
    assert "44100 Hz" in bad
    assert (tmp_path / "out/hotline/greeting.wav").read_bytes() == good.read_bytes()
    assert (tmp_path / "out/digits/5.wav").read_bytes() == number.read_bytes()
    rendered = prompts.FOLDER / "goodbye.wav"
    assert (tmp_path / "out/hotline/goodbye.wav").read_bytes() == rendered.read_bytes()


def test_unused_replacement_folder_is_fine(tmp_path: Path) -> None:
    assert prompts.install(tmp_path / "out", tmp_path / "nothing here") == []


def test_says_what_is_wrong_with_a_recording(tmp_path: Path) -> None:
    bad = tmp_path / "greeting.wav"
    for content in (b"", b"RIFF", b"not a sound", (prompts.FOLDER / "goodbye.wav").read_bytes()[:30]):
        bad.write_bytes(content)
        assert "not a readable WAV" in prompts.check_replacement(bad)[0]
    assert "not a readable WAV" in prompts.check_replacement(tmp_path / "missing.wav")[0]
    assert "2 channel" in prompts.check_replacement(write(bad, channels=2))[0]
    assert "silent" in prompts.check_replacement(write(bad, amplitude=0))[0]
    assert "0.01 s long" in prompts.check_replacement(write(bad, seconds=0.01))[0]
    assert "no prompt has this id" in prompts.check_replacement(write(tmp_path / "greting.wav"))[0]
    assert prompts.check_replacement(write(bad)) == []
