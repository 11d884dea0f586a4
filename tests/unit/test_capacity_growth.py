"""The growth model and the day played through: against Erlang, conserved, and against itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotline.capacity import growth_chart, growth_points
from hotline.capacity.growth import city, report, section, units
from hotline.capacity.growth_day import Group, Outcome, Plan, Routing, Trouble, day_of, evenly, play
from hotline.capacity.growth_model import (
    UNITS,
    City,
    answered_share,
    in_order,
    machines,
    one_machine_cores,
    parts,
    traffic,
)
from hotline.load.draw import read
from reports.erlang import NORM, Load, calls_for, queue

WARM = 1800.0


def played(plan: Plan, seed: int = 7) -> Outcome:
    out = play(plan, seed)
    assert out.offered == out.answered + out.hung_up + out.dropped + out.waiting
    return out


# --- the day played through -----------------------------------------------------------------------------


def test_one_queue_of_patient_citizens_is_erlang_c() -> None:
    plan = Plan((800.0,) * 40, evenly(1, 45), warm_seconds=WARM)
    out, met = played(plan), queue(45, Load(800, 180))
    assert out.hung_up == 0
    assert out.delayed / out.offered == pytest.approx(met.delayed, rel=0.12)
    assert out.mean_wait == pytest.approx(met.mean_wait_seconds, rel=0.25)
    assert out.in_time_share == pytest.approx(met.in_time, abs=0.03)


def test_one_queue_of_citizens_who_hang_up_is_erlang_a() -> None:
    plan = Plan((1400.0,) * 20, evenly(1, 45), patience_seconds=120, warm_seconds=WARM)
    out, met = played(plan), queue(45, Load(1400, 180, patience_seconds=120))
    assert out.hung_up_share == pytest.approx(met.abandoned, abs=0.02)
    assert out.mean_wait == pytest.approx(met.mean_wait_seconds, rel=0.08)


def test_the_same_seed_gives_the_same_day() -> None:
    plan = Plan((300.0,) * 3, evenly(2, 16), patience_seconds=60)
    assert play(plan, 1) == play(plan, 1)
    assert play(plan, 1) != play(plan, 2)


def test_queues_split_over_nodes_are_worse_than_one_and_fewest_calls_mends_it() -> None:
    calls = calls_for(48, Load(1, 180, patience_seconds=120), NORM)
    hours = (calls,) * 16

    def in_time(groups: tuple[Group, ...], routing: Routing) -> float:
        return played(
            Plan(hours, groups, patience_seconds=120, routing=routing, warm_seconds=WARM)
        ).in_time_share

    one = in_time(evenly(1, 48), Routing.LEAST_CALLS)
    fewest = in_time(evenly(8, 48), Routing.LEAST_CALLS)
    chance = in_time(evenly(8, 48), Routing.RANDOM)
    assert chance < fewest - 0.05
    assert fewest == pytest.approx(one, abs=0.04)


def test_random_split_is_erlang_of_the_small_queue() -> None:
    plan = Plan((400.0,) * 40, evenly(4, 28), patience_seconds=120, routing=Routing.RANDOM, warm_seconds=WARM)
    met = queue(7, Load(100, 180, patience_seconds=120))
    assert played(plan).in_time_share == pytest.approx(met.in_time, abs=0.04)


def test_handing_on_helps_where_the_dispatcher_is_blind() -> None:
    plan = Plan((500.0,) * 12, evenly(4, 32), patience_seconds=120, routing=Routing.RANDOM, warm_seconds=WARM)
    left, handed = played(plan), played(replace(plan, hand_on_after=5.0))
    assert handed.carried_on > 0 == left.carried_on
    assert handed.in_time_share > left.in_time_share + 0.05


def test_a_queue_that_a_node_does_not_have_is_served_at_its_home() -> None:
    groups = (*evenly(4, 40, ("general",)), Group(2, 5, ("dialect", "general")))
    out = played(Plan((500.0,) * 3, groups, shares=(("general", 0.95), ("dialect", 0.05))))
    assert 0.02 < out.carried_on / out.offered < 0.06
    with pytest.raises(ValueError, match="dialect"):
        play(Plan((1.0,), evenly(2, 4, ("general",)), shares=(("dialect", 1.0),)))


def test_a_drained_node_drops_nobody_a_lost_one_its_own_and_no_more() -> None:
    plan = Plan((700.0,) * 4, evenly(4, 48), patience_seconds=120)
    still = played(plan)
    drained = played(replace(plan, trouble=Trouble(1, 5400.0, lost=False)))
    lost = played(replace(plan, trouble=Trouble(1, 5400.0, lost=True, unnoticed_seconds=10.0)))
    moved = played(replace(plan, trouble=Trouble(1, 5400.0, True, 10.0, agents_move_after=60.0)))
    assert still.dropped == drained.dropped == 0
    assert 0 < lost.dropped <= max(lost.most_calls)
    assert lost.hung_up > still.hung_up
    assert moved.hung_up < lost.hung_up


def test_the_volume_of_a_day_follows_its_profile() -> None:
    hours = day_of(50_000, read().hours)
    assert sum(hours) == pytest.approx(50_000)
    assert max(hours) / 3600 == pytest.approx(1.4, abs=0.05)


# --- the model -------------------------------------------------------------------------------------------


def test_the_busy_hour_of_150_seats_is_the_one_of_the_plan() -> None:
    met = traffic(City(150, 50_000))
    assert met.calls == pytest.approx(1.41, abs=0.01)
    assert met.busy == pytest.approx(1.0, abs=1e-6)
    assert met.calls - met.answered == pytest.approx(met.calls * met.hung_up)
    assert 0.7 < answered_share(City(150, 50_000)) < 0.9


def test_more_calls_never_need_less() -> None:
    for more in ({"calls_a_day": 60_000}, {"seats": 170}, {"talk_seconds": 200.0}):
        small, large = City(150, 50_000), replace(City(150, 50_000), **more)  # type: ignore[arg-type]
        before = one_machine_cores(small, UNITS)
        after = one_machine_cores(large, UNITS)
        assert sum(after.values()) > sum(before.values())
    costs = [machines(City(n, n * 333, 1, 1), UNITS) for n in (150, 300, 600)]
    assert [one.cores for one in costs] == sorted(one.cores for one in costs)
    assert [one.archive_tb for one in costs] == sorted(one.archive_tb for one in costs)


def test_nodes_halve_what_is_each_nodes_own_and_nothing_else() -> None:
    one, two = ({p.name: p for p in parts(City(600, 200_000, n, 2), UNITS)} for n in (1, 2))
    assert two["RTP ports of a node"].need == pytest.approx(one["RTP ports of a node"].need / 2)
    assert two["memory of a desktop"].need == one["memory of a desktop"].need
    assert two["PostgreSQL's commits"].need == one["PostgreSQL's commits"].need


def test_what_is_full_first_is_told_in_order_and_is_full_there() -> None:
    found = in_order(City(150, 50_000), UNITS)
    assert [full.seats for full in found] == sorted(full.seats for full in found)
    first = found[0]
    used = {p.name: p.used for p in parts(City(first.seats, first.calls_a_day), UNITS)}
    assert used[first.part] == pytest.approx(1.0, abs=0.02)


# --- measured points ---------------------------------------------------------------------------------------


def step(talking: float, calls: float, cores: float, recorder: str = "mixmonitor") -> dict[str, object]:
    """A step as hotline.capacity.step writes it."""
    return {
        "name": f"{talking:g} talking",
        "step": {"recorder": recorder, "bare": False, "seats": talking * 1.1},
        "window_seconds": 45.0,
        "channels_most": 2 * talking,
        "calls": {"in_window": {"answered": calls * 45.0, "talking_mean": talking}},
        "cpu_percent": {"pbx": cores * 100, "cti": 5.0, "desktop": 6.0},
    }


def test_a_capacity_run_gives_points_and_costs_of_its_smaller_half() -> None:
    point = growth_points.point_of(step(150, 0.8, 1.5), "capacity")
    assert point
    assert (point.talking, point.cores["asterisk"]) == (150, 1.5)
    bare = replace(point, waiting=0.0, recorder="none")

    def cores(n: int) -> float:
        # As if a second of MixMonitor cost 3.8 ms.
        alone = growth_points.model(replace(bare, talking=n, calls=n / 180, seats=n * 1.1), UNITS)
        return alone["asterisk"] + n * 3.8e-3

    run = {"jobs": [{"figures": step(n, n / 180, cores(n))} for n in (50, 100, 150, 200, 300)]}
    fitted = growth_points.fitted({"capacity": run}, UNITS)
    assert fitted["mixmonitor"].value == pytest.approx(3.8, rel=0.01)
    rows = growth_points.check(growth_points.points({"capacity": run}), UNITS | fitted)
    assert [row["used"] for row in rows if row["point"].endswith("300 talking")] == ["held out"] * 3


def test_a_job_keeps_what_was_asked_of_it_beside_its_figures() -> None:
    told = step(50, 0.3, 0.42)
    job = {**told, **told["step"]}  # type: ignore[dict-item]
    del job["step"]
    assert growth_points.point_of(job, "x") == growth_points.point_of(told, "x")


def test_what_a_recording_costs_is_taken_from_its_own_run() -> None:
    ran = {
        "calls": 100,
        "variants": [{"to_shipped": 0.5}, {"to_shipped": 1.0, "cores": 0.9, "bare_cores": 0.4}],
    }
    fitted = growth_points.fitted({"recording_cost": ran}, UNITS)
    assert (fitted["asterisk_talk"].value, fitted["mixmonitor"].value) == (4.0, 5.0)
    assert growth_points.recorded({"calls": 100, "variants": "none"}) == {}


def test_results_of_others_are_taken_as_they_are() -> None:
    assert growth_points.points({"x": {"anything": [1, "two", None]}, "y": 3}) == list(growth_points.POINTS)
    assert growth_points.fitted({"x": {"jobs": []}}, UNITS) == {}
    assert units({})["flac"] == UNITS["flac"]
    assert units({"flac": {"cpu_ms_a_minute": 50.0}})["flac"].value == 50.0


def test_every_error_is_within_what_the_report_may_call_a_model() -> None:
    for row in growth_points.check(growth_points.POINTS, UNITS):
        assert abs(row["error"]) < (0.35 if row["used"] else 0.2), row


def test_the_report_is_written_from_a_small_city() -> None:
    made = report({}, {}, recorder="capture", say=lambda _: None, scale=0.01)
    text = section(made)
    assert "one queue of all seats" in text
    assert "1,000,000" in text
    assert all("<svg" in drawing for drawing in growth_chart.charts(made).values())
    with pytest.raises(KeyError):
        section({"part": "capacity"})
    assert city(150, 1, 1, read(), "none").calls_a_day == pytest.approx(50_000)
