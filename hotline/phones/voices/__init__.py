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

    Other texts are synthesised, which takes seconds and needs the voice (`hotline voice install`).
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
    from hotline.phones.render_voices import render
    from ivr.reading import spoken as read_aloud
    from ivr.voice import VoiceMissing

    try:
        with tempfile.TemporaryDirectory() as folder:
            render({"said": read_aloud(what)}, Path(folder))
            return alaw.speech(Path(folder) / "said.wav")
    except (VoiceMissing, OSError):
        raise PhoneError(
            f"this text is not rendered yet; say one of {', '.join(sentences())}, give a wav file, "
            "or: hotline voice install"
        ) from None
