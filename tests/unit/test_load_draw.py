"""The drawn load: seeded, Poisson, and as the scenario file says."""

from __future__ import annotations

import random

import pytest

from hotline.load import draw, records


@pytest.fixture(scope="module")
def scenario() -> draw.Scenario:
    return draw.read()


def test_the_shipped_day_has_what_a_run_needs(scenario: draw.Scenario) -> None:
    assert (scenario.seats, scenario.calls_per_day) == (150, 50_000)
    assert (scenario.busy_rate, scenario.record_rate) == (1.4, 2.4)
    assert scenario.talk.drawn_mean() == pytest.approx(180, rel=0.05)
    assert sum(share for _, share in scenario.menu) == 100


def test_the_same_seed_draws_the_same_calls(scenario: draw.Scenario) -> None:
    def drawn(seed: int) -> list[draw.Planned]:
        chance = random.Random(seed)
        return draw.callers(scenario, draw.arrivals(draw.steady(1.4), 600, chance), chance)

    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_arrivals_are_poisson() -> None:
    starts = draw.arrivals(draw.steady(2.0), 20_000, random.Random(1))
    counts = [0] * 2_000
    for start in starts:
        counts[int(start // 10)] += 1
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / len(counts)
    assert mean == pytest.approx(20, rel=0.03)
    assert variance / mean == pytest.approx(1, abs=0.1)


def test_a_surge_is_ten_times_the_rate_within_two_minutes(scenario: draw.Scenario) -> None:
    rate = draw.rising(scenario, 60)
    assert rate(0) == rate(60) == scenario.surge_rate
    assert rate(180) == rate(900) == pytest.approx(10 * scenario.surge_rate)


def test_a_compressed_day_has_all_its_calls(scenario: draw.Scenario) -> None:
    starts = draw.arrivals(draw.day(scenario, 240), 360, random.Random(3))
    assert len(starts) == pytest.approx(50_000, rel=0.02)
    busiest = max(sum(15 * h <= t < 15 * (h + 1) for t in starts) for h in range(24))
    assert busiest > 4_500


def test_shares_come_out_as_the_file_says(scenario: draw.Scenario) -> None:
    chance = random.Random(5)
    plans = draw.callers(scenario, [n * 0.7 for n in range(8_000)], chance)
    pressed = sum(plan.keys == "1" for plan in plans) / len(plans)
    repeats = 1 - len({plan.number for plan in plans}) / len(plans)
    assert pressed == pytest.approx(0.55, abs=0.03)
    assert repeats == pytest.approx(scenario.repeat_share, abs=0.02)
    assert sum(plan.ends_first for plan in plans) / len(plans) == pytest.approx(0.6, abs=0.03)


def test_a_line_of_the_plan_is_what_the_scenario_reads() -> None:
    plan = draw.Planned("13900000011", 1.5, 0.5, "21", 30.0, 12.4, draw.FOR_EVER)
    assert plan.line(3) == ("13900000011", 1500, 500, "2", "1", 30, 12, 0, 3)
    silent = draw.Planned("13900000010", 0, 2, "", 30.0, 12.4, 40.0)
    assert silent.line(0)[3:] == ("-1", "-1", 30, draw.FOR_EVER, 40, 0)


def test_calls_under_way_outlast_the_filling(scenario: draw.Scenario) -> None:
    plans = draw.already_talking(scenario, 50, 20.0, "1", random.Random(2))
    assert all(plan.start + plan.talk >= 25 for plan in plans)
    assert len({plan.number for plan in plans}) == 50


def test_compressing_leaves_the_menu_alone(scenario: draw.Scenario) -> None:
    fast = scenario.compressed(10)
    assert (fast.talk.mean, fast.patience.mean, fast.think) == (18, 18, scenario.think)


def test_records_of_a_call() -> None:
    said = (
        "DIALLED 1795323504.000000 960960.000000 1-18780@127.0.0.2 0\n"
        "CONNECTED 1795323504.000000 967086.000000 1-18780@127.0.0.2 0\n"
        "nonsense\n"
        "SERVED 1795323509 100000 1-18780@127.0.0.2 0\n"
        "REFUSED 1795323505 0 2-18780@127.0.0.2 1\n"
    )
    first, second = records.calls(records.read(said))
    assert first.between("DIALLED", "CONNECTED") == pytest.approx(0.006126, abs=1e-6)
    assert records.failed(first) == ""
    assert records.failed(second) == "REFUSED"
