"""Which queues take calls: what was switched by hand, then the periods; the main queue always."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from db.open_queues import MAIN_QUEUE, Opening, Switched
from db.special_desks import Period

NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
"""Noon in the city."""
MORNINGS = (Period(date(2026, 11, 1), date(2026, 11, 30), "08:00", "12:30"),)
SOON = NOW + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("opening", "is_open", "later", "changes_at"),
    [
        (Opening("heating"), True, True, None),
        (Opening("heating", MORNINGS), True, False, NOW + timedelta(minutes=30)),
        (Opening("heating", MORNINGS, Switched(False)), False, False, None),
        (Opening("heating", MORNINGS, Switched(False, SOON)), False, False, SOON),
        (Opening("heating", (), Switched(True)), True, True, None),
        (Opening(MAIN_QUEUE, MORNINGS, Switched(False)), True, True, None),
    ],
)
def test_what_was_switched_by_hand_stands_over_the_periods(
    opening: Opening, is_open: bool, later: bool, changes_at: datetime | None
) -> None:
    assert opening.is_open(NOW) is is_open
    assert opening.is_open(NOW + timedelta(hours=1)) is later
    assert opening.changes_at(NOW) == changes_at


def test_after_its_end_the_periods_decide_again() -> None:
    closed = Opening("heating", MORNINGS, Switched(False, SOON))
    assert closed.is_open(SOON) is True
    assert closed.changes_at(SOON) == NOW + timedelta(minutes=30)
