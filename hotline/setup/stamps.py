"""Stamps: which step was done, and of what. A step whose content has the same key is not done again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def key_of(*parts: str) -> str:
    """One key for several texts; the order counts, and ("ab", "c") differs from ("a", "bc")."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(f"{len(raw)}:".encode() + raw)
    return digest.hexdigest()


def files_below(folder: Path, leave_out: Iterable[str] = ()) -> list[Path]:
    """Every file below `folder`, sorted; folders whose name is in `leave_out` are not entered."""
    names = set(leave_out)
    found: list[Path] = []
    for entry in sorted(folder.iterdir()):
        if entry.name in names:
            continue
        if entry.is_dir() and not entry.is_symlink():
            found += files_below(entry, names)
        elif entry.is_file():
            found.append(entry)
    return found


def key_of_files(files: Iterable[Path], root: Path) -> str:
    """Key of names (relative to `root`) and contents; moving the whole tree elsewhere keeps it."""
    parts: list[str] = []
    for file in sorted(files):
        parts += [file.relative_to(root).as_posix(), hashlib.sha256(file.read_bytes()).hexdigest()]
    return key_of(*parts)


def is_done(stamps: Path, step: str, key: str) -> bool:
    """True when `step` was done with exactly this `key`."""
    try:
        return (stamps / step).read_text().strip() == key
    except OSError:
        return False


def set_done(stamps: Path, step: str, key: str) -> None:
    """Remember that `step` is done with `key`."""
    stamps.mkdir(parents=True, exist_ok=True)
    (stamps / step).write_text(key + "\n")


def forget(stamps: Path, step: str) -> None:
    """The step is about to be done: a half-done one must not look finished."""
    (stamps / step).unlink(missing_ok=True)
