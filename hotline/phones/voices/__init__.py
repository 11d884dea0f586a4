"""What citizens say: a few sentences as 8 kHz speech, and their texts."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hotline.phones import alaw
from hotline.phones.errors import PhoneError

FOLDER = Path(__file__).parent


def sentences() -> dict[str, str]:
    """Text of each sentence by its name; `<name>.wav` beside this file is its speech."""
    found: dict[str, str] = json.loads((FOLDER / "sentences.json").read_text(encoding="utf-8"))
    return found


def spoken(what: str) -> bytes:
    """A-law bytes for a sentence's name, its text, a sound file's path, or any other Chinese text.

    Other texts are synthesised, which takes seconds and needs the packages of ivr/requirements-render.txt.
    Raises PhoneError with the names that are known when that is not possible.
    """
    for name, words in sentences().items():
        if what in (name, words):
            return alaw.speech(FOLDER / f"{name}.wav")
    path = Path(what)
    if len(what) < 200 and path.is_file():
        return alaw.speech(path)
    if path.suffix.lower() in (".wav", ".flac", ".mp3", ".ogg"):
        raise PhoneError(f"there is no sound file {what}")
    try:
        from hotline.phones.render_voices import render

        with tempfile.TemporaryDirectory() as folder:
            render({"said": what}, Path(folder), Path.home() / ".cache" / "hotline-voice")
            return alaw.speech(Path(folder) / "said.wav")
    except (ImportError, OSError, SystemExit):
        raise PhoneError(
            f"this text is not rendered yet; say one of {', '.join(sentences())}, give a wav file, "
            "or: pip install -r ivr/requirements-render.txt"
        ) from None
