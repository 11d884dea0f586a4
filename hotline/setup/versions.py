"""Versions as other programs print them, and the least ones that will do."""

from __future__ import annotations

import re

LEAST_PYTHON = (3, 11)
LEAST_NODE = (20, 19)
LEAST_ASTERISK = (22,)

Version = tuple[int, ...]


def asterisk_version(text: str) -> Version | None:
    """Version in the output of `asterisk -V` or of a Debian package; None where there is none (a git build).

    "Asterisk 22.10.1~dfsg+~cs6.16", "1:22.10.1~dfsg-2" -> (22, 10, 1);
    "Asterisk certified/20.7-cert2" -> (20, 7).
    """
    return _numbers(r"^(?:Asterisk\s+)?(?:certified/)?(?:\d+:)?(\d+(?:\.\d+)*)", text)


def node_version(text: str) -> Version | None:
    """Version in the output of `node --version`: "v20.19.4" -> (20, 19, 4)."""
    return _numbers(r"^v?(\d+(?:\.\d+)*)", text)


def is_enough(version: Version | None, least: Version) -> bool:
    """True when `version` is known and not older than `least`; missing parts count as zero."""
    if version is None:
        return False
    width = max(len(version), len(least))
    return version + (0,) * (width - len(version)) >= least + (0,) * (width - len(least))


def dotted(version: Version) -> str:
    """(22, 10, 1) -> "22.10.1"."""
    return ".".join(map(str, version))


def asterisk_refusal(text: str, where: str) -> str | None:
    """Why this Asterisk cannot be used, as one sentence with the remedy, or None when it can.

    `text` is what it says about itself, `where` names it for the reader.
    """
    version = asterisk_version(text)
    if is_enough(version, LEAST_ASTERISK):
        return None
    said = f"is {dotted(version)}" if version else f"does not say its version ({text.strip()[:60]!r})"
    return (
        f"Asterisk at {where} {said}, and the hotline needs {dotted(LEAST_ASTERISK)} or newer: "
        "unset HOTLINE_ASTERISK to use the tree that set-up makes, or install a newer Asterisk"
    )


def _numbers(pattern: str, text: str) -> Version | None:
    found = re.match(pattern, text.strip())
    return tuple(int(part) for part in found.group(1).split(".")) if found else None
