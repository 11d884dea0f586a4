"""When a view is pushed: the first change after quiet at once, then no more often than its pace. Pure.

changes   x      x x x xx          x
pushes    P        P    P          P        (gap between two pushes >= `gap`)
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Pace:
    """Times are seconds of one clock that never goes back."""

    gap: float
    last: float = float("-inf")
    waiting: bool = False

    def changed(self) -> None:
        """There is something to push."""
        self.waiting = True

    def due_at(self) -> float | None:
        """From when on it may be pushed; None: there is nothing."""
        return self.last + self.gap if self.waiting else None

    def take(self, now: float) -> bool:
        """Whether to push now; then what was there to push counts as pushed."""
        if not self.waiting or now < self.last + self.gap:
            return False
        self.last, self.waiting = now, False
        return True
