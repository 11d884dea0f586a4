"""Renders the citizens' sentences (voices/sentences.json) to speech, with the synthesiser of the prompts.

    python -m hotline.phones.render_voices

Needs the voice (`hotline voice install`); the rendered files stand in the repository.
"""

from __future__ import annotations

from pathlib import Path

from hotline.phones.voices import FOLDER, sentences
from ivr.telephone_sound import for_telephone, write_wav
from ivr.voice import MODEL_RATE, joined, pieces, sentence, synthesiser


def render(texts: dict[str, str], folder: Path) -> None:
    """Write `<name>.wav` (8 kHz, mono, 16 bit) for each name and sentence. Raises VoiceMissing."""
    speak = synthesiser()
    for name, words in texts.items():
        sound = joined([sentence(piece, speak) for piece in pieces(words)])
        write_wav(folder / f"{name}.wav", for_telephone(sound, MODEL_RATE))
        print(f"{name}: {words}", flush=True)


def main() -> None:
    render(sentences(), FOLDER)


if __name__ == "__main__":
    main()
