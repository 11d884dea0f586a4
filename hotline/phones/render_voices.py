"""Renders the citizens' sentences (voices/sentences.json) to speech, with the synthesiser of the prompts.

    python -m hotline.phones.render_voices [--cache ~/.cache/hotline-voice]

Needs `pip install -r ivr/requirements-render.txt`; the rendered files stand in the repository.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hotline.phones.voices import FOLDER, sentences
from ivr.prompts import Text
from ivr.render import for_telephone, sentence, synthesiser, write_wav

VOICE = "zf_xiaoyi"


def render(texts: dict[str, str], folder: Path, cache: Path) -> None:
    """Write `<name>.wav` (8 kHz, mono, 16 bit) for each name and sentence."""
    speak = synthesiser(cache)
    for name, words in texts.items():
        text = Text(id=name, words=words, voice=VOICE, speed=1.0)
        write_wav(folder / f"{name}.wav", for_telephone(sentence(text, speak)))
        print(f"{name}: {words}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "hotline-voice")
    render(sentences(), FOLDER, arguments.parse_args().cache)


if __name__ == "__main__":
    main()
