"""The roster against the journal: how one agent stands, how shifts were kept, what cannot both be worked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.agent_day import Span, clipped, seconds, union
from reports.roster import (
    Adherence,
    Limits,
    Shift,
    Standing,
    adherence,
    attendance,
    clashes,
    standing,
    together,
    without,
)

DAY = date(2026, 11, 23)
MIDNIGHT = datetime(2026, 11, 22, 16, tzinfo=UTC)
"""Of 23 November in the city."""
LIMITS = Limits()


def at(clock: str, day: int = 0) -> datetime:
    hour, minute = (int(part) for part in clock.split(":"))
    return MIDNIGHT + timedelta(days=day, hours=hour, minutes=minute)


def shift(span: str = "08:00-16:00", day: int = 0, absence: str | None = None, key: int = 1) -> Shift:
    """A shift "08:00-16:00"; one that ends before it begins goes over midnight."""
    begins, ends = span.split("-")
    over = 1 if ends <= begins else 0
    on = DAY + timedelta(days=day)
    return Shift("agent01", at(begins, day), at(ends, day + over), on, "early", absence, key)


def spans(text: str) -> list[Span]:
    """ "08:01-12:00 12:30-16:00"; "+01:00" is of the next day."""

    def one(clock: str) -> datetime:
        return at(clock.lstrip("+-"), clock.count("+") - (clock[0] == "-"))

    return [(one(pair.split("..")[0]), one(pair.split("..")[1])) for pair in text.split()]


# --- now -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "was_in", "here", "word", "late_minutes"),
    [
        ("08:03", "", None, Standing.DUE, 0),
        ("08:05", "", None, Standing.DUE, 0),
        ("08:06", "", None, Standing.LATE, 6),
        ("09:00", "", None, Standing.LATE, 60),
        ("09:01", "", None, Standing.ABSENT, 61),
        ("16:30", "", None, Standing.ABSENT, 0),
        ("08:10", "07:55..08:10", "07:55", Standing.ON_TIME, 0),
        ("08:10", "", "08:04", Standing.ON_TIME, 0),
        ("09:00", "08:20..09:00", "08:20", Standing.CAME_LATE, 20),
        ("12:03", "07:58..12:00", None, Standing.OUT, 0),
        ("12:06", "07:58..12:00", None, Standing.LEFT_EARLY, 0),
        ("12:40", "07:58..12:00 12:30..12:40", "12:30", Standing.ON_TIME, 0),
        ("15:59", "07:58..15:57", None, Standing.DONE, 0),
        ("16:10", "07:58..15:57", None, Standing.DONE, 0),
        ("16:10", "07:58..15:30", None, Standing.LEFT_EARLY, 0),
        ("16:10", "07:58..16:10", "07:58", Standing.OVERTIME, 0),
        ("07:50", "07:45..07:50", "07:45", Standing.EARLY, 0),
        ("07:50", "", None, Standing.COMING, 0),
        ("20:00", "19:00..20:00", "19:00", Standing.UNPLANNED, 0),
    ],
)
def test_how_an_agent_stands(
    now: str, was_in: str, here: str | None, word: Standing, late_minutes: int
) -> None:
    place = standing([shift()], spans(was_in), at(here) if here else None, at(now), LIMITS)
    assert place is not None
    assert place.standing == word
    assert round(place.late_seconds / 60) == late_minutes
    if place.changes_at:
        assert place.changes_at > at(now), "else the page would ask for ever"


def test_nobody_is_spoken_of_outside_of_any_shift() -> None:
    assert standing([shift()], [], None, at("20:00"), LIMITS) is None
    assert standing([], [], None, at("12:00"), LIMITS) is None
    assert standing([shift()], spans("07:58..16:00"), None, at("18:01"), LIMITS) is None


def test_a_planned_absence_is_neither_late_nor_absent_and_who_comes_all_the_same_is_unplanned() -> None:
    away = shift(absence="leave")
    place = standing([away], [], None, at("09:30"), LIMITS)
    assert place is not None
    assert place.standing == Standing.PLANNED_ABSENCE
    place = standing([away], [], at("09:00"), at("09:30"), LIMITS)
    assert place is not None
    assert place.standing == Standing.UNPLANNED


def test_a_night_shift_goes_on_after_midnight() -> None:
    night = shift("22:00-06:00", day=-1)
    place = standing([night], spans("-21:55..01:00"), at("21:55", -1), at("01:00"), LIMITS)
    assert place is not None
    assert (place.standing, place.shift) == (Standing.ON_TIME, night)


def test_between_two_shifts_the_nearer_one_is_spoken_of() -> None:
    both = [shift("06:00-10:00", key=1), shift("11:00-15:00", key=2)]
    words = []
    for clock in ("10:20", "10:40"):
        place = standing(both, spans("06:00..10:00"), None, at(clock), LIMITS)
        assert place is not None
        words.append(place.standing)
    assert words == [Standing.DONE, Standing.COMING]


# --- how a shift was kept --------------------------------------------------------------------------------


def kept(*shifts: Shift, was_in: str, now: str = "23:00", day: int = 0) -> Adherence:
    window = (MIDNIGHT + timedelta(days=day), MIDNIGHT + timedelta(days=day + 1))
    on = DAY + timedelta(days=day)
    moment = at(now.lstrip("+"), now.count("+"))
    return adherence(shifts, spans(was_in), window, (on, on), moment, LIMITS)


def test_adherence_is_the_rostered_time_in_which_the_agent_was_there() -> None:
    day = kept(shift(), was_in="08:20..12:00 13:00..15:00")
    assert (day.rostered_seconds, day.present_seconds) == (8 * 3600, (220 + 120) * 60)
    assert (day.late, day.late_seconds, day.left_early, day.early_seconds) == (1, 1200, 1, 3600)
    assert day.adherence == pytest.approx(340 / 480)
    assert day.conformance == pytest.approx(340 / 480)


def test_only_what_is_over_counts_and_time_outside_of_the_shift_is_conformance_only() -> None:
    day = kept(shift(), was_in="07:00..12:00", now="12:00")
    assert (day.rostered_seconds, day.adherence) == (4 * 3600, 1.0)
    assert day.conformance == pytest.approx(5 / 4)
    assert kept(shift(), was_in="", now="07:00").adherence is None


def test_within_the_grace_nobody_is_late_and_time_is_time() -> None:
    day = kept(shift(), was_in="08:05..15:55")
    assert (day.late, day.left_early, day.present_seconds) == (0, 0, 470 * 60)


def test_a_planned_absence_is_no_base() -> None:
    day = kept(shift(absence="sick"), was_in="")
    assert (day.shifts, day.rostered_seconds, day.planned_absences, day.absent) == (0, 0, 1, 0)
    assert day.adherence is None


def test_who_never_came_is_absent_not_late() -> None:
    assert (kept(shift(), was_in="").absent, kept(shift(), was_in="").late) == (1, 0)
    assert kept(shift(), was_in="", now="08:30").absent == 0


def test_a_shift_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    night = shift("22:00-06:00")
    first = kept(night, was_in="22:00..+06:00", now="+12:00")
    assert (first.rostered_seconds, first.adherence, first.conformance) == (8 * 3600, 1.0, 1.0)
    after = kept(night, was_in="22:00..+06:30", now="+12:00", day=1)
    assert (after.shifts, after.rostered_seconds) == (0, 0)
    assert after.signed_in_seconds == 1800, "only what lies after the shift"


def test_several_are_sums_divided_by_sums() -> None:
    one, other = kept(shift(), was_in="08:00..16:00"), kept(shift("08:00-10:00"), was_in="")
    both = together([one, other])
    assert (both.shifts, both.absent) == (2, 1)
    assert both.adherence == pytest.approx(8 / 10)
    assert together([]) == Adherence()


# --- what cannot both be worked --------------------------------------------------------------------------

REST = timedelta(hours=8)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (shift("08:00-16:00", key=1), shift("15:00-23:00", key=2), "overlap"),
        (shift("16:00-23:30", key=1), shift("07:00-15:00", day=1, key=2), "rest"),
        (shift("15:30-23:30", key=1), shift("07:30-15:30", day=1, key=2), None),
        (shift("08:00-16:00", key=1), shift("16:00-20:00", key=2), "rest"),
        (shift("08:00-16:00", key=1), shift("16:00-20:00", absence="leave", key=2), None),
        (shift("08:00-16:00", key=1), shift("10:00-20:00", absence="leave", key=2), "overlap"),
    ],
)
def test_neighbours_that_clash(one: Shift, other: Shift, expected: str | None) -> None:
    found = clashes([other, one], REST)
    assert [("overlap" if clash.overlap else "rest") for clash in found] == ([expected] if expected else [])


def test_what_was_wrong_before_keeps_nobody_from_changing_something_else() -> None:
    old = [shift("08:00-16:00", key=1), shift("15:00-23:00", key=2)]
    assert clashes([*old, shift("12:00-20:00", day=2, key=3)], REST, [3]) == []
    assert len(clashes(old, REST, [2])) == 1


# --- for any shifts and sign-ins -----------------------------------------------------------------------

MOMENTS = st.integers(-2 * 24 * 60, 3 * 24 * 60).map(lambda minute: MIDNIGHT + timedelta(minutes=minute))
SPANS = st.lists(st.tuples(MOMENTS, MOMENTS).map(lambda pair: (min(pair), max(pair))), max_size=8)


@given(SPANS, SPANS)
def test_without_takes_away_exactly_what_is_taken(some: list[Span], taken: list[Span]) -> None:
    left = without(some, taken)
    assert left == union(left)
    assert all(clipped(left, hole) == [] for hole in taken if hole[0] < hole[1])
    inside = union(part for hole in union(taken) for part in clipped(some, hole))
    assert seconds(left) + seconds(inside) == pytest.approx(seconds(some))
    assert union([*left, *inside]) == union(some)


@given(
    st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 23), st.integers(1, 12)), max_size=4),
    SPANS,
    MOMENTS,
)
def test_figures_hold_for_any_day(
    planned: list[tuple[int, int, int]], was_in: list[Span], now: datetime
) -> None:
    shifts = [
        Shift("a", at(f"{hour}:00", day), at(f"{hour}:00", day) + timedelta(hours=long), DAY + timedelta(day))
        for day, hour, long in planned
    ]
    seen = [(began, min(ended, now)) for began, ended in union(was_in) if began < now]
    window = (MIDNIGHT, MIDNIGHT + timedelta(days=1))
    found = adherence(shifts, seen, window, (DAY, DAY), now, LIMITS)
    assert 0 <= found.present_seconds <= found.rostered_seconds
    assert found.present_seconds <= found.signed_in_seconds + 1e-6
    assert found.adherence is None or 0 <= found.adherence <= 1
    assert found.late + found.absent <= found.shifts
    for one in shifts:
        each = attendance(one, seen, now, LIMITS)
        assert each is None or each.present_seconds <= each.rostered_seconds
        place = standing(shifts, seen, None, now, LIMITS)
        assert place is None or place.changes_at is None or place.changes_at > now
