"""The first change after quiet at once, then no more often than the pace; the last change is never lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agent_desktop.pace import Pace


def test_the_first_change_goes_at_once_and_the_next_waits_for_its_turn() -> None:
    pace = Pace(0.5)
    assert (pace.due_at(), pace.take(10.0)) == (None, False)
    pace.changed()
    assert pace.take(10.0)
    pace.changed()
    assert not pace.take(10.4)
    assert pace.due_at() == 10.5
    assert pace.take(10.5)
    assert pace.due_at() is None


@given(st.lists(st.integers(1, 400), max_size=60))
def test_no_two_pushes_are_nearer_than_the_gap_and_no_change_waits_longer(gaps: list[int]) -> None:
    pace, at = Pace(250), 0  # whole milliseconds: the rule knows no unit
    pushed: list[int] = []
    changed: list[int] = []
    for gap in gaps:
        for tick in range(1, gap + 1):
            if pace.take(at + tick):
                pushed.append(at + tick)
        at += gap
        pace.changed()
        changed.append(at)
        if pace.take(at):
            pushed.append(at)
    assert all(later - earlier >= 250 for earlier, later in pairwise(pushed))
    for one in changed:
        after = next((push for push in pushed if push >= one), at)
        assert after - one <= 250
