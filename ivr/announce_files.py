"""Where announcements' sounds lie: kept by the hash of their content, laid out below Asterisk's sounds."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 120.0
SOUNDS = "announcements"
"""The folder below Asterisk's sounds."""


def sound_name(sha256: str) -> str:
    """What Playback is given: below Asterisk's sounds, without extension. A changed sound has a new name."""
    return f"{SOUNDS}/{sha256[:16]}"


def kept_file(folder: Path, sha256: str) -> Path:
    """The sound of an announcement as it is kept."""
    return folder / f"{sha256}.wav"


def given_file(folder: Path, announcement_id: int) -> Path:
    """Where an uploaded file waits until its sound is made."""
    return folder / "given" / str(announcement_id)


def keep(made: Path, folder: Path) -> str:
    """Moves a finished sound to its place in `folder` (on the same disk); gives its sha256."""
    sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    made.replace(kept_file(folder, sha256))
    return sha256


def lay_out(folder: Path, sounds: Path) -> list[str]:
    """Copies what is kept in `folder` to where Asterisk looks; gives the names that are new there."""
    new = []
    for source in sorted(folder.glob("*.wav")):
        target = sounds / f"{sound_name(source.stem)}.wav"
        if target.exists() and target.stat().st_size == source.stat().st_size:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_suffix(".new")
        shutil.copyfile(source, beside)
        beside.replace(target)
        new.append(target.stem)
    return new
