"""The parts of a call: who talked with the citizen, held, was brought in, from when to when. Pure.

    agent     ├──────────────────────┤             ├────────┤     talk with an agent, holds included
    hold          ├───┤                                            the citizen hears music
    consult             ├─────┤                                    the citizen waits, the agent asks somebody
    party                     ├──────┤                             three-way
    outside                          ├─────────┤                   talk with somebody outside, no agent there
    returned                                   ├───┤               the agent's telephone was gone
    recording_paused     survey

Parts of one kind never overlap, whatever the order of the lines; when the call has ended, all are closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What a part is."""

    AGENT = "agent"
    HOLD = "hold"
    CONSULT = "consult"
    PARTY = "party"
    OUTSIDE = "outside"
    RETURNED = "returned"
    RECORDING_PAUSED = "recording_paused"
    SURVEY = "survey"


TALK = (Kind.AGENT, Kind.OUTSIDE, Kind.PARTY)
"""Somebody talks with the citizen, or has the citizen wait for a moment."""
ON_HOLD = (Kind.HOLD, Kind.CONSULT)
WITH_SOMEBODY = (*TALK, *ON_HOLD)
"""All that ends when nobody is with the citizen any more."""


@dataclass(frozen=True)
class Part:
    """One stretch. `agent` is a login; `seat` says whose it is where the journal does not name the login."""

    kind: Kind
    began_at: datetime
    agent: str | None = None
    seat: str | None = None
    who: str = ""
    """consult, party, outside: the other's number, or the other's seat."""
    label: str = ""
    is_seat: bool = False
    """`who` is a seat of ours."""
    answered_at: datetime | None = None
    """consult: when the other answered; None: nobody did."""
    ended_at: datetime | None = None


Parts = tuple[Part, ...]


def is_open(parts: Parts, *kinds: Kind) -> bool:
    """Is there a part of these kinds that has not ended?"""
    return any(part.kind in kinds and part.ended_at is None for part in parts)


def last(parts: Parts, *kinds: Kind) -> Part | None:
    """The latest part of these kinds, ended or not."""
    return next((part for part in reversed(parts) if part.kind in kinds), None)


def opened(parts: Parts, part: Part) -> Parts:
    """With one more part; one of its kind that is open already goes on instead."""
    if is_open(parts, part.kind):
        return parts
    before = last(parts, part.kind)
    if before and before.ended_at and before.ended_at > part.began_at:
        part = replace(part, began_at=before.ended_at)
    return (*parts, part)


def closed(parts: Parts, at: datetime, *kinds: Kind) -> Parts:
    """With every open part of these kinds ended; of all kinds where none is given."""
    return tuple(
        replace(part, ended_at=max(part.began_at, at))
        if part.ended_at is None and (not kinds or part.kind in kinds)
        else part
        for part in parts
    )


def changed(parts: Parts, kind: Kind, **fields: object) -> Parts:
    """With the open part of this kind changed."""
    return tuple(
        replace(part, **fields) if part.kind is kind and part.ended_at is None else part  # type: ignore[arg-type]
        for part in parts
    )


def milliseconds(parts: Iterable[Part], *kinds: Kind) -> int:
    """How long at least one part of these kinds lasted; parts that are open do not count."""
    total, until = 0.0, None
    spans = sorted((p.began_at, p.ended_at) for p in parts if p.kind in kinds and p.ended_at)
    for began, ended in spans:
        start = began if until is None else max(began, until)
        until = ended if until is None else max(until, ended)
        total += max(0.0, (ended - start).total_seconds())
    return round(total * 1000)
