"""Erlang B, C and A: published values, what binds them together, and a small queue played through."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from reports.erlang import (
    NORM,
    Load,
    Target,
    Waiting,
    calls_for,
    erlang_b,
    erlang_c,
    queue,
    rostered,
    seats_for,
    trunks_for,
)

SEATS = st.integers(1, 120)
HANDLING = st.floats(20, 600)
PATIENCE = st.floats(5, 3_600)
OCCUPANCY = st.floats(0.05, 2.0)


def load(seats: int, occupancy: float, handling: float, patience: float | None = None) -> Load:
    """What would keep so many seats busy that much of the time."""
    return Load(occupancy * seats * 3600 / handling, handling, patience_seconds=patience)


# --- published -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trunks", "erlangs", "blocked"),
    [(1, 0.0101, 0.01), (10, 4.461, 0.01), (20, 12.03, 0.01), (50, 37.90, 0.01), (100, 84.06, 0.01)],
)
def test_erlang_b_is_that_of_the_tables(trunks: int, erlangs: float, blocked: float) -> None:
    assert erlang_b(trunks, erlangs) == pytest.approx(blocked, abs=1e-5)
    assert trunks_for(erlangs * 0.999, blocked) == trunks
    assert trunks_for(erlangs * 1.002, blocked) == trunks + 1


def test_erlang_c_is_that_of_the_usual_example() -> None:
    """200 calls an hour of 180 s at 14 seats: 17.4 % wait, 88.8 % within 20 s, 7.8 s on the mean."""
    met = queue(14, Load(200, 180), 20)
    assert met.delayed == pytest.approx(0.174, abs=5e-4)
    assert met.in_time == pytest.approx(0.888, abs=5e-4)
    assert met.mean_wait_seconds == pytest.approx(7.8, abs=0.05)
    assert met.busy == pytest.approx(10 / 14)


def test_erlang_a_and_c_are_those_of_garnett_mandelbaum_and_reiman() -> None:
    """48 calls a minute of 60 s, 50 seats, patience 120 s: 3.1 % hang up, 3.7 s; without patience 20.8 s."""
    calls = Load(48 * 60, 60, patience_seconds=120)
    met = queue(50, calls)
    assert (met.abandoned, met.mean_wait_seconds) == (
        pytest.approx(0.031, abs=5e-4),
        pytest.approx(3.7, abs=0.05),
    )
    assert met.busy == pytest.approx(0.93, abs=0.005)
    patient = queue(50, replace(calls, patience_seconds=None))
    assert (patient.mean_wait_seconds, patient.busy) == (pytest.approx(20.8, abs=0.05), pytest.approx(0.96))


def test_150_seats_carry_2718_calls_an_hour() -> None:
    """DOMAIN 6: at 180 s, 95 % in 15 s, Erlang C. Exactly it is 2,717.5."""
    assert round(calls_for(150, Load(0, 180), NORM)) == 2718
    assert seats_for(Load(2717.5, 180), NORM) == 150
    assert seats_for(Load(2719, 180), NORM) == 151


# --- what binds them together --------------------------------------------------------------------------


@given(SEATS, st.floats(0, 100))
def test_b_by_the_recursion_is_b_by_its_definition(servers: int, erlangs: float) -> None:
    terms = [
        math.exp(k * math.log(erlangs) - math.lgamma(k + 1)) if erlangs else float(k == 0)
        for k in range(servers + 1)
    ]
    assert erlang_b(servers, erlangs) == pytest.approx(terms[-1] / sum(terms), rel=1e-9, abs=1e-300)


@given(SEATS, st.floats(0.01, 0.999))
def test_b_comes_back_from_c(seats: int, occupancy: float) -> None:
    c = erlang_c(seats, occupancy * seats)
    assert c * (1 - occupancy) / (1 - c * occupancy) == pytest.approx(erlang_b(seats, occupancy * seats))


@given(SEATS, HANDLING, st.floats(0.05, 0.95), st.floats(0, 120))
def test_a_becomes_c_as_patience_grows(seats: int, handling: float, occupancy: float, within: float) -> None:
    calls = load(seats, occupancy, handling)
    patient = queue(seats, replace(calls, patience_seconds=handling * 1e7), within)
    endless = queue(seats, calls, within)
    assert patient.delayed == pytest.approx(endless.delayed, rel=1e-3, abs=1e-9)
    assert patient.in_time == pytest.approx(endless.in_time, abs=1e-3)
    assert patient.mean_wait_seconds == pytest.approx(endless.mean_wait_seconds, rel=5e-3, abs=1e-6)
    assert patient.abandoned < 1e-4


@given(SEATS, HANDLING, OCCUPANCY)
def test_a_becomes_b_where_nobody_waits(seats: int, handling: float, occupancy: float) -> None:
    met = queue(seats, load(seats, occupancy, handling, handling * 1e-7), 0)
    assert met.abandoned == pytest.approx(erlang_b(seats, occupancy * seats), abs=1e-4)


@given(SEATS, HANDLING, OCCUPANCY, PATIENCE)
def test_a_is_the_balance_of_its_states(
    seats: int, handling: float, occupancy: float, patience: float
) -> None:
    """The same figures from the birth-death chain, state by state."""
    calls = load(seats, occupancy, handling, patience)
    rate, weights = calls.calls_per_hour / 3600, [0.0]
    most = weights[0]
    while len(weights) <= seats or weights[-1] > most - 45:
        k = len(weights)
        leaving = min(k, seats) / handling + max(k - seats, 0) / patience
        weights.append(weights[-1] + math.log(rate / leaving))
        most = max(most, weights[-1])
    chances = [math.exp(weight - most) for weight in weights]
    waiting = sum(chance * (k - seats) for k, chance in enumerate(chances) if k > seats) / sum(chances)
    met = queue(seats, calls)
    assert met.delayed == pytest.approx(sum(chances[seats:]) / sum(chances), rel=1e-6, abs=1e-9)
    assert met.abandoned == pytest.approx(waiting / patience / rate, rel=1e-6, abs=1e-9)
    assert met.mean_wait_seconds == pytest.approx(waiting / rate, rel=1e-6, abs=1e-6)


@given(SEATS, HANDLING, OCCUPANCY, st.none() | PATIENCE, st.floats(0, 200))
@example(1, 20.0, 0.99999, None, 0.0)
def test_shares_are_shares_and_one_more_seat_never_hurts(
    seats: int, handling: float, occupancy: float, patience: float | None, within: float
) -> None:
    assume(not 1 - 1e-9 < occupancy < 1)
    calls = load(seats, occupancy, handling, patience)
    met, better = queue(seats, calls, within), queue(seats + 1, calls, within)
    for share in (met.delayed, met.in_time, met.abandoned, met.busy):
        assert 0 <= share <= 1
    assert met.in_time + met.abandoned <= 1 + 1e-9
    assert better.in_time >= met.in_time - 1e-9
    assert better.abandoned <= met.abandoned + 1e-9
    assert better.mean_wait_seconds <= met.mean_wait_seconds + 1e-6
    later = queue(seats, calls, within + 30)
    assert later.in_time >= met.in_time - 1e-9
    # Close below full load the waits are longer than any day: the limit is looked at from far away.
    assert queue(seats, calls, 1e15).in_time == pytest.approx(
        0 if patience is None and occupancy >= 1 else 1 - met.abandoned, abs=1e-6
    )


@settings(max_examples=40)
@given(
    st.floats(1, 3_000),
    HANDLING,
    st.none() | PATIENCE,
    st.floats(0.2, 0.99),
    st.none() | st.floats(0.001, 0.3),
)
def test_the_fewest_seats_meet_the_target_and_one_less_does_not(
    calls: float, handling: float, patience: float | None, share: float, abandoned: float | None
) -> None:
    wanted = Target(share, 15, abandoned if patience else None)
    asked = Load(calls, handling, patience_seconds=patience)
    seats = seats_for(asked, wanted)
    assert wanted.met(queue(seats, asked))
    assert seats == 1 or not wanted.met(queue(seats - 1, asked))


# --- played through ------------------------------------------------------------------------------------


def played(seats: int, calls: Load, within: float, count: int) -> Waiting:
    """A queue of `count` callers, first come first served, whose chances are drawn with a fixed seed."""
    drawn = random.Random(12345)
    free, at = [0.0] * seats, 0.0
    delayed = in_time = lost = 0
    waited = worked = 0.0
    for _ in range(count):
        at += drawn.expovariate(calls.calls_per_hour / 3600)
        patience = (
            drawn.expovariate(1 / (calls.patience_seconds or math.inf))
            if calls.patience_seconds
            else math.inf
        )
        wait = max(0.0, free[0] - at)
        delayed += wait > 0
        waited += min(wait, patience)
        if wait > patience:
            lost += 1
            continue
        in_time += wait <= within
        handling = drawn.expovariate(1 / calls.handling_seconds)
        worked += handling
        heapq.heapreplace(free, at + wait + handling)
    return Waiting(delayed / count, in_time / count, lost / count, waited / count, worked / at / seats)


@pytest.mark.parametrize(
    ("seats", "calls"),
    [
        (10, Load(160, 150, 30)),
        (10, Load(180, 150, 30, patience_seconds=90)),
        (10, Load(300, 150, 30, patience_seconds=90)),
        (40, Load(760, 180, patience_seconds=300)),
    ],
    ids=["nobody hangs up", "some hang up", "half as many seats as needed", "forty seats"],
)
def test_a_queue_played_through_is_as_the_formula_says(seats: int, calls: Load) -> None:
    said, seen = queue(seats, calls, 15), played(seats, calls, 15, 120_000)
    assert seen.delayed == pytest.approx(said.delayed, abs=0.03)
    assert seen.in_time == pytest.approx(said.in_time, abs=0.03)
    assert seen.abandoned == pytest.approx(said.abandoned, abs=0.01)
    assert seen.mean_wait_seconds == pytest.approx(said.mean_wait_seconds, rel=0.1)
    assert seen.busy == pytest.approx(said.busy, abs=0.015)


# --- around it -----------------------------------------------------------------------------------------


def test_ring_and_after_call_work_take_the_seat_and_the_ring_takes_from_the_15_seconds() -> None:
    plain = Load(1_000, 180)
    assert Load(1_000, 180, 30, 5).erlangs == pytest.approx(1_000 * 215 / 3600)
    assert seats_for(replace(plain, after_call_seconds=30), NORM) == seats_for(Load(1_000, 210), NORM)
    rung = queue(60, replace(plain, ring_seconds=5))
    longer = queue(60, Load(1_000, 185), 10)
    assert (rung.in_time, rung.mean_wait_seconds) == (longer.in_time, longer.mean_wait_seconds + 5)


def test_overload_without_patience_has_no_end_and_with_it_loses_what_is_too_much() -> None:
    assert queue(150, Load(5_040, 180)) == Waiting(1.0, 0.0, 0.0, math.inf, 1.0)
    met = queue(150, Load(5_040, 180, patience_seconds=120))
    assert met.abandoned == pytest.approx(1 - 150 / 252, abs=1e-6)
    assert met.busy == pytest.approx(1)


def test_an_overload_too_large_for_a_float_is_reckoned_all_the_same() -> None:
    met = queue(1, Load(8_640, 180, patience_seconds=3_600))
    assert met.abandoned == pytest.approx(1 - 1 / 432)
    assert met.in_time == pytest.approx(0)


def test_nobody_calls() -> None:
    assert seats_for(Load(0, 180), NORM) == 0
    assert queue(1, Load(0, 180)) == Waiting(0, 1, 0, 0, 0)
    assert trunks_for(0, 0.001) == 1
    assert rostered(0, 0.3) == 0


@pytest.mark.parametrize(("seats", "shrinkage", "paid"), [(7, 0.3, 10), (150, 0.3, 215), (150, 0, 150)])
def test_the_roster_makes_up_for_breaks_and_absence(seats: int, shrinkage: float, paid: int) -> None:
    assert rostered(seats, shrinkage) == paid


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda: Load(-1, 180), "calls an hour is -1"),
        (lambda: Load(math.nan, 180), "calls an hour"),
        (lambda: Load(2e6, 180), "not planned"),
        (lambda: Load(1, 0), "talk time in seconds is 0"),
        (lambda: Load(1, 180, -3), "after-call work"),
        (lambda: Load(1, 180, patience_seconds=0), "patience in seconds is 0"),
        (lambda: Target(None), "a target is needed"),
        (lambda: Target(95), "as 0.95"),
        (lambda: Target(0.95, -1), "seconds to answer within"),
        (lambda: Target(None, 15, 0), "hangs up is 0"),
        (lambda: seats_for(Load(1, 180), Target(None, 15, 0.03)), "needs a patience"),
        (lambda: seats_for(Load(1, 180, 0, 20), NORM), "ring 20 s"),
        (lambda: queue(0, Load(1, 180)), "seats is 0"),
        (lambda: queue(cast(int, 2.5), Load(1, 180)), "whole number"),
        (lambda: erlang_b(3, -1), "erlangs is -1"),
        (lambda: trunks_for(10, 0), "refused calls is 0"),
        (lambda: rostered(3, 1), "shrinkage is 1"),
    ],
)
def test_a_wrong_question_is_told_in_words(asked: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        asked()
