"""What a citizen does after the answer: a list of steps, each at its second."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hotline.phones.alaw import KEYS
from hotline.phones.errors import BadScript

FIRST_KEY_AFTER = 0.6
KEY_EVERY = 0.45
"""Seconds from one key to the next: 180 ms of named events and a pause that every receiver notices."""
ORDERS = {key: f"KEY{key}" for key in "0123456789"} | {"*": "KEYSTAR", "#": "KEYPOUND"}


@dataclass(frozen=True)
class Step:
    """An order for the scenario, `after` seconds from the answer."""

    after: float
    order: str


def key_steps(keys: str, start: float = 0.0) -> list[Step]:
    """Steps that press a row of keys, the first at `start` seconds.

    Raises BadScript for anything that is not on a telephone.
    """
    for key in keys:
        if key not in KEYS:
            raise BadScript(f"{key!r} is not a telephone key: use 0-9, * and #")
    return [Step(start + n * KEY_EVERY, ORDERS[key]) for n, key in enumerate(keys)]


def read_keys(text: str) -> list[Step]:
    """Steps for a text such as "1" or "3,w2,261121000427#": groups of keys and waits (w + seconds).

    The first key comes 0.6 s after the answer unless the text begins with a wait; groups follow one another
    0.6 s apart. Raises BadScript.
    """
    steps: list[Step] = []
    at = 0.0
    waited = False
    for part in filter(None, (part.strip() for part in text.split(","))):
        wait = re.fullmatch(r"w(\d+(?:\.\d+)?)", part)
        if wait:
            at += float(wait[1])
            waited = True
        elif part.startswith("w"):
            raise BadScript(f"{part!r} is not a wait: write w and seconds, for example w2 or w1.5")
        else:
            at += 0.0 if waited else FIRST_KEY_AFTER
            steps += key_steps(part, at)
            at += len(part) * KEY_EVERY
            waited = False
    return steps


def make_plan(keys: str = "", speak: bool = False, talk: float | None = None) -> tuple[Step, ...]:
    """The whole plan: press keys, then speak, then talk for `talk` seconds and hang up (None: stay).

    `talk` counts from the answer when no key is pressed, else from the last key. Raises BadScript.
    """
    steps = read_keys(keys)
    at = steps[-1].after + KEY_EVERY if steps else 0.05
    if speak:
        steps.append(Step(at, "SPEAK"))
    if talk is not None:
        steps.append(Step(at + talk, "HANGUP"))
    return tuple(steps)
