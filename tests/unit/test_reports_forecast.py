"""The day in quarters of an hour: what is expected, what came, who was there."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reports import forecast
from reports.forecast import STEPS, days_alike, is_workday, mean_signed_in, most_waiting, until_now
from reports.interval import Fate

MIDNIGHT = datetime(2026, 11, 20, 16, tzinfo=UTC)
BEGINS = round(MIDNIGHT.timestamp()) * 1000


def test_a_day_is_forecast_from_the_same_weekday_of_the_weeks_before() -> None:
    alike = days_alike(date(2026, 9, 9))
    assert alike == [date(2026, 9, 9) - timedelta(weeks=back) for back in range(1, 7)]


def test_a_holiday_among_them_is_left_out_and_a_make_up_day_is_no_weekend() -> None:
    # 1 May 2026 is a Friday; 9 May 2026, a Saturday, is worked.
    assert date(2026, 5, 1) not in days_alike(date(2026, 5, 22))
    assert is_workday(date(2026, 5, 9))
    assert date(2026, 5, 9) not in days_alike(date(2026, 5, 23))


def test_a_holiday_on_a_weekday_is_forecast_from_other_days_off() -> None:
    alike = days_alike(date(2026, 5, 1))
    assert len(alike) == 6
    assert not any(is_workday(day) for day in alike)


def test_a_year_that_the_calendar_does_not_know_goes_by_the_weekday() -> None:
    assert is_workday(date(2099, 1, 1))
    assert not is_workday(date(2099, 1, 3))


def test_one_burst_pipe_is_no_forecast() -> None:
    days = [[10] * STEPS, [12] * STEPS, [11] * STEPS, [400] * STEPS, [0] * STEPS]
    assert forecast.forecast(days) == [11.0] * STEPS
    assert forecast.forecast([[4] * STEPS, [8] * STEPS]) == [6.0] * STEPS
    assert forecast.forecast([]) == [0.0] * STEPS


def test_calls_stand_in_the_quarter_in_which_they_asked() -> None:
    asked = np.array([BEGINS - 1, BEGINS, BEGINS + 899_999, BEGINS + 900_000, BEGINS + 86_400_000])
    fates = np.array([Fate.ANSWERED, Fate.ANSWERED, Fate.ABANDONED, Fate.WAITING, Fate.ANSWERED])
    counted = forecast.counted(asked, fates, BEGINS)
    assert counted["offered"][:3] == [2, 1, 0]
    assert (counted["answered"][0], counted["abandoned"][0], sum(counted["offered"])) == (1, 1, 3)


SPANS = st.lists(st.tuples(st.integers(-60, 200), st.integers(0, 120)), max_size=12)


@given(SPANS)
def test_the_most_that_waited_is_the_most_at_any_moment(spans: list[tuple[int, int]]) -> None:
    minute = 60_000
    asked = np.array([BEGINS + start * minute for start, _ in spans], np.int64)
    until = asked + np.array([length * minute for _, length in spans], np.int64)
    found = most_waiting(asked, until, BEGINS)
    for step in range(16):
        minutes = range(step * 15, step * 15 + 15)
        most = max(sum(start <= at < start + length for start, length in spans) for at in minutes)
        assert found[step] == most


def test_steps_to_come_are_empty() -> None:
    assert until_now([1, 2, 3], BEGINS, BEGINS + 1_000_000) == [1, 2, None]


def test_seats_are_counted_on_the_mean_of_each_quarter() -> None:
    def at(minutes: float) -> datetime:
        return MIDNIGHT + timedelta(minutes=minutes)

    there = {"a": [(at(-60), at(7.5))], "b": [(at(0), at(40)), (at(10), at(20))]}
    means = mean_signed_in(there, MIDNIGHT, at(40))
    assert means[:4] == [1.5, 1.0, 1.0, None]
