"""The benchmark's arithmetic: percentiles, the window, CPU for 1,000 calls, verdicts, plans that fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hotline.bench.ears import is_tone
from hotline.bench.figures import (
    EVENT_PUSHED,
    RING_PAINTED,
    Spread,
    at_moment,
    cpu_ratio,
    desk_verdicts,
    fits,
    floor_verdicts,
    growth_per_hundred,
    ledger_ages,
    per_thousand,
    percent_of_core,
    percentile,
    spread,
    traffic_within,
    verdicts,
    within,
)
from hotline.phones import alaw

NOTHING = Spread(0, None, None, None)


def test_percentile_is_a_value_that_was_measured() -> None:
    hundred = [float(n) for n in range(1, 101)]
    assert percentile(hundred, 50) == 50
    assert percentile(hundred, 99) == 99
    assert percentile([7.0, 3.0], 99) == 7
    assert percentile([3.0], 0) == 3
    assert percentile([], 99) is None


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_percentile_exceeds_as_many_as_it_says(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-6


def test_spread_of_nothing_invents_nothing() -> None:
    assert spread([]) == NOTHING
    assert spread([2.0, 1.0, 9.0]) == Spread(3, 2.0, 9.0, 9.0)


def test_only_what_was_stamped_in_the_window_counts() -> None:
    samples = [(99, 1.0), (100, 2.0), (200, 3.0), (201, 4.0)]
    assert within(samples, 100, 200) == [2.0, 3.0]


def test_cpu_for_a_thousand_calls() -> None:
    assert per_thousand(6.0, 600) == 10
    assert per_thousand(6.0, 0) is None


def test_ratio_is_cti_and_desktop_to_asterisk() -> None:
    assert cpu_ratio({"pbx": 12.0, "cti": 1.0, "desktop": 3.0, "worker": 50.0}) == 4 / 12
    assert cpu_ratio({"pbx": 0.0, "cti": 1.0}) is None


def test_verdicts_say_met_missed_and_not_measured() -> None:
    found = verdicts(Spread(9, 50.0, 149.0, 160.0), Spread(9, 90.0, 1000.0, 1100.0), None)
    assert [verdict.met for verdict in found] == [True, False, None]
    assert found[0].as_dict()["met"] is True


def test_a_plan_fits_when_no_queue_can_grow() -> None:
    assert fits(50, 10, 5.0)
    assert not fits(50, 10, 5.1)


def test_growth_is_counted_from_the_first_look_to_the_last() -> None:
    marks = [
        {"calls": 50, "heap_bytes": 9_000_000, "nodes": 1200},
        {"calls": 250, "heap_bytes": 9_900_000, "nodes": 1500},
        {"calls": 500, "heap_bytes": 9_045_000, "nodes": 1200},
    ]
    assert growth_per_hundred(marks) == {"heap_bytes": 10_000, "nodes": 0}
    assert growth_per_hundred(marks[:1]) == growth_per_hundred([]) == {}


def test_a_desk_is_judged_by_its_pop_and_by_what_its_heap_keeps() -> None:
    painted, heap = desk_verdicts({RING_PAINTED: Spread(30, 60, 151, 151)}, {"heap_bytes": 19_000})
    assert (painted.met, heap.met) == (False, True)
    assert [one.met for one in desk_verdicts({}, {})] == [None, None]


def test_a_tone_is_known_within_twenty_milliseconds() -> None:
    assert is_tone(alaw.tone(1000, 0.02), 1000)
    assert is_tone(alaw.tone(440, 0.02), 440)
    assert not is_tone(alaw.tone(440, 0.02), 1000)
    assert not is_tone(alaw.SILENCE * 160, 1000)


def test_what_a_page_costs_is_counted_between_the_looks_in_the_window() -> None:
    looks = [(0, 1.0), (1000, 2.0), (2000, 2.1), (3000, 2.2), (4000, 9.0)]
    assert percent_of_core(looks, 1000, 3000) == 10
    assert percent_of_core(looks, 1000, 1999) is None


def test_an_ended_call_is_as_old_as_the_first_board_that_counts_it() -> None:
    boards = [(1000.0, 5), (1500.0, 5), (2000.0, 9)]
    assert ledger_ages([(5, 900), (6, 950), (9, 1990), (10, 1995)], boards) == [
        (900, 100.0),
        (950, 1050.0),
        (1990, 10.0),
    ]


def test_traffic_is_counted_in_whole_seconds() -> None:
    traffic = {"10": [1, 100], "11": [2, 200], "12": [4, 400]}
    assert traffic_within(traffic, 10_500, 13_000) == (6, 600)


def test_a_moment_shows_the_last_look_before_it() -> None:
    assert at_moment([(10, 1.0), (20, 2.0)], 19) == 1.0
    assert at_moment([(10, 1.0)], 9) is None


def test_the_floor_is_judged_by_what_was_measured_of_it() -> None:
    step = {"clients": 50}
    report = {
        "delays_ms": {EVENT_PUSHED: {"p99": 260.0}},
        "screens": {"map": {"percent": 16.0}},
        "growth": [
            step | {"cpu_ms_per_change": 2.0},
            step | {"cpu_ms_per_change": 1.0},
            {"clients": 10, "cpu_ms_per_change": 99.0},
        ],
        "soak": None,
    }
    found = {one.aim: one.met for one in floor_verdicts(report)}
    assert found["event to the map in a page's socket, p99"] is True
    assert found["page of the map, CPU"] is False
    assert found["CPU for one change, largest floor to smallest"] is True
    assert next(aim for aim, met in found.items() if met is None) == "event to the painted map, p99"
