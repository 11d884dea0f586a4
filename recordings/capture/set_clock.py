"""A clock that is set while calls go on: one time that runs on, out of times that jumped. Pure.

    wall clock   11:00:00 ─── 11:00:05 | 12:00:05 ─── 12:00:25 | 11:00:25 ───
    running on   11:00:00 ─── 11:00:05 ─────────────── 11:00:25 ─────────────       as if nobody had set it

Journal, ledger and packets are stamped by the wall clock; the recorder notes each step of it. A call is
looked for backwards from now, so that an hour that came twice means its last time: calls are cut when they
end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recordings.capture.packets import Rows

UNSEEN_US = 1_000_000
"""A recorder looks at the clock each half second: a step may have been so much earlier than it was noted."""


@dataclass(frozen=True)
class Step:
    """The clock was set from `before` to `after` (microseconds since the epoch)."""

    before: int
    after: int

    @property
    def by(self) -> int:
        return self.after - self.before


@dataclass(frozen=True)
class _Stretch:
    """Between two steps; times that run on."""

    begin: int
    end: int
    ahead: int
    """Wall clock less the time that runs on."""


FOREVER = 1 << 60


class RunningOn:
    """From the wall clock to the time that runs on. `steps` in the order in which they happened."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._stretches: list[_Stretch] = []
        begin, ahead = -FOREVER, 0
        for step in steps:
            moment = step.before - ahead
            self._stretches.append(_Stretch(begin, max(begin, moment), ahead))
            begin, ahead = max(begin, moment), ahead + step.by
        self._stretches.append(_Stretch(begin, FOREVER, ahead))

    def now(self, wall: int) -> int:
        """A moment after the last step."""
        return wall - self._stretches[-1].ahead

    def moment(self, wall: int, until: int = FOREVER) -> int:
        """The latest time, not after `until`, at which the clock showed `wall`."""
        for one in reversed(self._stretches):
            at = wall - one.ahead
            if one.begin - UNSEEN_US <= at <= min(one.end, until):
                return at
        # Shown by no clock, as what a step forward has leapt over: as near as can be.
        return min(self.now(wall), until)

    def was_set(self, begin: int, end: int) -> bool:
        """Was the clock set between two times that run on?"""
        return any(begin <= one.end and one.end - UNSEEN_US <= end for one in self._stretches[:-1])

    def walls(self, begin: int, end: int) -> list[tuple[int, int]]:
        """What the clock showed between two times that run on: where packets of that time are looked for."""
        return [
            (max(begin, one.begin - UNSEEN_US) + one.ahead, min(end, one.end) + one.ahead)
            for one in self._stretches
            if one.begin - UNSEEN_US <= end and one.end >= begin
        ]

    def rows(self, rows: Rows, begin: int, end: int) -> Rows:
        """The packets of a time, stamped by the time that runs on, in order."""
        if len(self._stretches) == 1:
            return rows
        found = []
        for one in self._stretches:
            first, last = max(begin, one.begin - UNSEEN_US), min(end, one.end)
            if first > last:
                continue
            at = rows["at"] - one.ahead
            some = rows[(at >= first) & (at <= last)].copy()
            some["at"] -= one.ahead
            found.append(some)
        if not found:
            return rows[:0]
        together = np.concatenate(found)
        return together[np.argsort(together["at"], kind="stable")]
