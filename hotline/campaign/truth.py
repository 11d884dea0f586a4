"""What is known from outside the hotline: SIPp's own records, the packets, the agents' pages. Bare facts.

All times are epoch seconds of the machine's true clock, never of a stepped one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Talk:
    """One ring at a seat, as the desk phone saw it. `end`: phone | pbx | cancelled | rejected | lost."""

    seat: str
    rung_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    end: str = ""


@dataclass(frozen=True)
class CitizenCall:
    """One call as the citizen's telephone saw it.

    `end`: citizen | pbx | cancelled | refused | lost; '' is still up. `code` is the status of a refusal.
    `asked_at`: when the key that leads to a person was pressed. `silences`: (begin, seconds) of stretches
    without sound between answer and end that are longer than the limit.
    """

    number: str
    dialled_at: float
    answered_at: float | None = None
    asked_at: float | None = None
    ended_at: float | None = None
    end: str = ""
    code: int = 0
    first_media_at: float | None = None
    silences: tuple[tuple[float, float], ...] = ()
    talks: tuple[Talk, ...] = ()


@dataclass(frozen=True)
class Written:
    """One ticket that an agent wrote: its form's key, the mark in its text, and what the page was told."""

    mark: str
    seat: str
    call_uid: str
    asked_at: float
    tries: int = 1
    number: str = ""
    """As acknowledged by the desktop; '' while it is not."""
    refused: str = ""
    """A refusal (4xx) in the desktop's words."""


@dataclass(frozen=True)
class Row:
    """What the ledger says of one inbound call."""

    uid: str
    caller: str
    outcome: str | None
    seat: str | None = None
    ended_by: str | None = None
    reason: str | None = None
    talk_ms: int | None = None
    recording: str | None = None
    """State of its recording: kept | suspect | gap | explained; None: no row."""
    problem: str | None = None
    seconds: float | None = None
    """Length of the recording."""


@dataclass(frozen=True)
class Ticket:
    """A ticket in the database whose text has a mark of ours."""

    mark: str
    number: str
    call_uid: str | None


@dataclass(frozen=True)
class Cause:
    """What was done: from `begin` to `end` (equal for a moment)."""

    kind: str
    begin: float
    end: float
    note: str = ""


@dataclass(frozen=True)
class Sample:
    """One look at one sign: screens | ledger | recordings. `good` says that it is as on a quiet day."""

    sign: str
    at: float
    good: bool


@dataclass(frozen=True)
class Stuck:
    """A seat that was shown otherwise than its telephone was, for longer than the limit."""

    seat: str
    begin: float
    seconds: float
    shown: str
    telephone: str
