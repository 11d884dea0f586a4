"""What will happen in a campaign: who calls when and does what, which fault comes when. Pure, from a seed.

The same seed, length and kinds give the same plan. Seconds count from the first call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

Does = Literal["talks", "menu", "hurried", "impatient"]
"""talks: stays until served; menu: hangs up in the menu; hurried: within the short-abandon time;
impatient: in the queue, later than that."""
FIRST_FAULT = 8.0
QUIET_AT_END = 6.0
"""Before the last call: so that what follows a fault is seen under calls too."""
EDGE = 1 / 7
"""Of a campaign's length is neither of the two more than this, nor is the rest between two faults."""


@dataclass(frozen=True)
class Citizen:
    """One call. `number` is nobody else's: it joins SIPp's record to the ledger's row."""

    number: str
    at: float
    does: Does
    key: str
    """Pressed in the greeting: 0 and 1 lead to a person."""
    patience: float
    """Seconds after the key (menu: after the answer) that he waits for a person."""
    talk: float
    """Seconds that he talks with the agent."""
    ended_by: Literal["citizen", "agent"]


@dataclass(frozen=True)
class Fault:
    """One fault: its cause lasts `seconds` (0: a moment)."""

    kind: str
    at: float
    seconds: float = 0.0


@dataclass(frozen=True)
class Kind:
    """A fault that can happen: `lasts` are the lengths it is made to happen with, `often` times each.

    Faults of one `track` never overlap: nobody can kill what hangs.
    """

    name: str
    track: str
    lasts: tuple[tuple[float, int], ...]
    rest: float = 6.0
    """Seconds left to the part before it is hit again."""


LONG, SHORT = 60.0, 5.0
HANG = ((SHORT, 4), (LONG, 2))
KINDS: tuple[Kind, ...] = (
    Kind("kill-cti", "cti", ((0.0, 8),)),
    Kind("hang-cti", "cti", HANG),
    Kind("kill-desktop", "desktop", ((0.0, 8),)),
    Kind("hang-desktop", "desktop", HANG),
    Kind("kill-worker", "worker", ((0.0, 8),)),
    Kind("hang-worker", "worker", HANG),
    Kind("kill-database", "database", ((0.0, 6),)),
    Kind("hang-database", "database", HANG),
    Kind("database-locked", "database", ((3.0, 3), (8.0, 3))),
    Kind("kill-asterisk", "asterisk", ((0.0, 4),), rest=25.0),
    Kind("disk-full", "disk", ((LONG, 3),), rest=15.0),
    Kind("link-cut", "link", ((0.0, 4), (4.0, 3), (15.0, 2))),
    Kind("clock-stepped", "clock", ((20.0, 4),)),
    Kind("journal-rotated", "journal", ((0.0, 8),)),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def draw_citizens(
    seed: int,
    calls: int,
    rate: float,
    talk: tuple[float, float] = (3.0, 12.0),
    patience: tuple[float, float] = (7.0, 20.0),
) -> list[Citizen]:
    """`calls` citizens who come by chance (Poisson), `rate` a second; `talk` and the `patience` of the
    impatient lie between two numbers of seconds each."""
    chance = Random(f"citizens {seed}")
    at = 0.0
    found = []
    for n in range(calls):
        at += chance.expovariate(rate)
        does: Does = chance.choices(("talks", "menu", "hurried", "impatient"), (82, 6, 6, 6))[0]
        waits = {
            "talks": 90.0,
            "menu": chance.uniform(1.0, 3.0),
            "hurried": chance.uniform(1.0, 3.0),
            "impatient": chance.uniform(*patience),
        }[does]
        found.append(
            Citizen(
                number=f"139{seed % 100:02d}{n:06d}",
                at=round(at, 3),
                does=does,
                key="" if does == "menu" else chance.choice(("0", "0", "1")),
                patience=round(waits, 3),
                talk=round(chance.uniform(*talk), 3),
                ended_by=chance.choice(("citizen", "agent")),
            )
        )
    return found


def draw_faults(
    seed: int, seconds: float, kinds: Sequence[Kind] = KINDS, share: float = 1.0, longest: float = LONG
) -> list[Fault]:
    """The faults of a campaign in which calls come for `seconds`, in order of time.

    Every length of every kind comes `share` times as often as its kind says, at least once; lengths above
    `longest` are left out. What does not fit onto its track is left out from the rarest end, so that a short
    campaign has fewer of everything rather than only the first kinds.
    """
    found: list[Fault] = []
    first, quiet = min(FIRST_FAULT, seconds * EDGE), min(QUIET_AT_END, seconds * EDGE)
    kinds = [replace(kind, rest=min(kind.rest, seconds * EDGE)) for kind in kinds]
    for track in sorted({kind.track for kind in kinds}):
        chance = Random(f"faults {seed} {track}")
        mine = [kind for kind in kinds if kind.track == track]
        wanted = [
            (kind, length)
            for kind in mine
            for length, often in kind.lasts
            if length <= longest
            for _ in range(max(1, round(often * share)))
        ]
        chance.shuffle(wanted)
        room = seconds - first - quiet
        while wanted and sum(length + kind.rest for kind, length in wanted) > room:
            _leave_one_out(wanted)
        found += _placed(wanted, first, room, chance)
    return sorted(found, key=lambda fault: (fault.at, fault.kind))


def _leave_one_out(wanted: list[tuple[Kind, float]]) -> None:
    """Without one of those that are there most often; of equals without the longest."""
    counts = {each: wanted.count(each) for each in set(wanted)}
    most = max(wanted, key=lambda each: (counts[each], each[1], each[0].name))
    wanted.remove(most)


def _placed(wanted: list[tuple[Kind, float]], first: float, room: float, chance: Random) -> list[Fault]:
    """One after the other, the free time between them divided by chance."""
    free = room - sum(length + kind.rest for kind, length in wanted)
    gaps = sorted(chance.uniform(0, free) for _ in wanted)
    found, busy = [], first
    for (kind, length), gap in zip(wanted, gaps, strict=True):
        found.append(Fault(kind.name, round(busy + gap, 3), length))
        busy += length + kind.rest
    return found
