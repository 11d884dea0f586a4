"""When a special desk is open, and when that changes next."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.special_desks import Period, is_open, next_change

DAY = date(2026, 11, 15)
HEATING = Period(DAY, date(2027, 3, 15))
HOURS = Period(DAY, date(2026, 11, 20), "09:00", "17:30")
NIGHT = Period(DAY, DAY, "22:00", "06:00")


@pytest.mark.parametrize(
    ("periods", "at", "open_"),
    [
        ([], "2026-01-01 00:00", True),
        ([HEATING], "2026-11-14 23:59", False),
        ([HEATING], "2026-11-15 00:00", True),
        ([HEATING], "2027-03-15 23:59", True),
        ([HEATING], "2027-03-16 00:00", False),
        ([HOURS], "2026-11-16 08:59", False),
        ([HOURS], "2026-11-16 09:00", True),
        ([HOURS], "2026-11-16 17:29", True),
        ([HOURS], "2026-11-16 17:30", False),
        ([HOURS], "2026-11-21 10:00", False),
        ([HOURS, HEATING], "2026-11-16 08:59", True),
        ([NIGHT], "2026-11-15 05:00", False),
        ([NIGHT], "2026-11-15 23:00", True),
        ([NIGHT], "2026-11-16 05:59", True),
        ([NIGHT], "2026-11-16 06:00", False),
    ],
)
def test_a_special_desk_is_open_within_its_days_and_hours(
    periods: list[Period], at: str, open_: bool
) -> None:
    assert is_open(periods, datetime.fromisoformat(at)) is open_


@given(st.datetimes(datetime(2026, 11, 1), datetime(2026, 12, 1)))
def test_hours_open_each_day_for_as_long_as_they_say(at: datetime) -> None:
    assert is_open([HOURS], at) == (
        DAY <= at.date() <= HOURS.closes_on
        and timedelta(hours=9)
        <= at - datetime.combine(at.date(), datetime.min.time())
        < timedelta(hours=17.5)
    )


@pytest.mark.parametrize(
    ("periods", "at", "changes"),
    [
        ([], "2026-11-01 12:00", None),
        ([HEATING], "2026-11-01 12:00", "2026-11-15 00:00"),
        ([HEATING], "2026-12-01 12:00", "2027-03-16 00:00"),
        ([HEATING], "2027-04-01 12:00", None),
        ([HOURS], "2026-11-16 12:00", "2026-11-16 17:30"),
        ([HOURS], "2026-11-16 17:30", "2026-11-17 09:00"),
        ([HOURS], "2026-11-20 18:00", None),
        ([HOURS, HEATING], "2026-11-16 12:00", "2027-03-16 00:00"),
        ([NIGHT], "2026-11-15 23:00", "2026-11-16 06:00"),
    ],
)
def test_the_next_change_is_known(periods: list[Period], at: str, changes: str | None) -> None:
    expected = changes and datetime.fromisoformat(changes)
    assert next_change(periods, datetime.fromisoformat(at)) == expected


CLOCKS = st.sampled_from(
    (None, ("09:00", "17:30"), ("22:00", "06:00"), ("00:00", "12:00"), ("12:00", "00:00"))
)
PERIODS = st.lists(
    st.builds(
        lambda first, days, hours: Period(
            DAY + timedelta(first), DAY + timedelta(first + days), *(hours or (None, None))
        ),
        st.integers(-6, 6),
        st.integers(0, 6),
        CLOCKS,
    ),
    max_size=4,
)


@given(PERIODS, st.integers(-10 * 48, 16 * 48))
def test_until_the_next_change_nothing_changes(periods: list[Period], half_hours: int) -> None:
    at = datetime.combine(DAY, datetime.min.time()) + timedelta(minutes=30 * half_hours)
    change = next_change(periods, at)
    moment = at
    while moment < (change or at + timedelta(days=25)):
        assert is_open(periods, moment) == is_open(periods, at)
        moment += timedelta(minutes=30)
    assert change is None or is_open(periods, change) != is_open(periods, at)
