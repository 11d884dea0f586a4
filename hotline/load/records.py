"""What SIPp wrote down of each call: the truth from outside, read after the calls. Pure.

citizen   DIALLED ─► CONNECTED ─► PRESSED ─► SERVED (an agent has answered) ─► ENDED (by the PBX) | LEFT
             └► REFUSED | NOANSWER                └► ASKEDBACK           UNHEARD: nobody answered the BYE
seat      RANG ─► ANSWERED ─► HUNGUP | ENDED (by the PBX)
            └► REFUSED | MISSED                                          LOST: nobody answered us
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

LINE = re.compile(r"([A-Z]+) (\d+)(?:\.\d*)? (\d+)(?:\.\d*)? (\S+) ?(.*)")


@dataclass(frozen=True)
class Event:
    """One line: `at` in epoch seconds; `who` the line of the plan, or the seat with its caller."""

    name: str
    at: float
    call_id: str
    who: str


def read(text: str) -> list[Event]:
    """The events of a log; anything else in it is left out."""
    found = []
    for line in text.splitlines():
        match = LINE.fullmatch(line.strip())
        if match:
            name, seconds, micros, call_id, who = match.groups()
            found.append(Event(name, int(seconds) + int(micros) / 1e6, call_id, who))
    return found


@dataclass
class Call:
    """One call by its Call-ID: when each thing happened first, in epoch seconds."""

    call_id: str
    who: str
    at: dict[str, float] = field(default_factory=dict)

    def between(self, first: str, second: str) -> float | None:
        """Seconds from one event to another; None when one of them did not happen."""
        if first in self.at and second in self.at:
            return self.at[second] - self.at[first]
        return None


def calls(events: Iterable[Event]) -> list[Call]:
    """The calls in order of their first event."""
    found: dict[str, Call] = {}
    for event in events:
        call = found.setdefault(event.call_id, Call(event.call_id, event.who))
        call.at.setdefault(event.name, event.at)
    return list(found.values())


FAILED = ("REFUSED", "NOANSWER", "UNHEARD")
"""What must not happen to a citizen: 4xx or 5xx, no answer at all, a hotline that does not hear a goodbye."""


def failed(call: Call) -> str:
    """Why a citizen's call counts as failed; '' when it does not."""
    return next((name for name in FAILED if name in call.at), "")
