"""The report of the capacity run: from figures to verdicts, tables and charts; without a PBX."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from hotline.capacity import charts, judge, plan, report, run
from hotline.load import draw


def spread(value: float | None) -> dict[str, Any]:
    return {"n": 1 if value else 0, "p50": value, "p99": value, "max": value}


def step(talking: int, **changed: Any) -> dict[str, Any]:
    """A step in which all is well: two thirds of a core in Asterisk for 100 talking."""
    one: dict[str, Any] = {
        "name": f"{talking} talking",
        "kind": "ours",
        "ok": True,
        "talking": talking,
        "seats": talking + 2,
        "recorder": "mixmonitor",
        "database": "",
        "window": 40.0,
        "window_seconds": 40.0,
        "what": "",
        "calls": {
            "begun": 30,
            "connected": 30,
            "failed": 0,
            "seats_lost": 0,
            "in_window": {"talking_mean": talking, "talk_seconds": talking * 40.0, "talk_mean": 20.0},
            "post_dial_delay_ms": spread(8.0),
        },
        "calls_per_second": 0.5,
        "cpu_percent": {"pbx": talking * 0.66 + 1, "cti": 2.0, "desktop": 5.0, "worker": 2.0,
                        "load: citizens": 5.0, "measuring: x": 0.5, "machine": 120.0},
        "idle_percent": {"pbx": 1.0, "cti": 1.0, "desktop": 4.0, "worker": 1.0},
        "memory_mb": {"pbx": 100.0, "cti": 80.0},
        "rtp": {"from_pbx": {"lost_percent": 0.0, "worst_jitter_ms_p99": 3.0}, "from_load": {"missing": 0}},
        "delays_ms": {
            "AMI event": spread(1.0),
            "pop answered over HTTP": spread(40.0),
            "pop painted in Chromium": spread(None),
            "ticket saved": spread(30.0),
            "journal line to ledger row": spread(300.0),
        },
        "ledger": {"outcomes": {"answered": 30}, "rows": 30, "calls_by_sipp": 30, "complete": True},
        "waits": {"asked": 20, "answered_in_15": 18, "mean_wait_seconds": 6.0, "outcomes": {}},
        "drawn_means": {"talk": 180.0, "after_call": 15.0, "ring": 2.5, "patience": 180.0},
        "desktop_faults": {},
        "errors_logged": {"cti": 0},
        "recordings": {"listened": 20, "without_gap": 20, "channel_seconds": 800.0, "gap_ms": 0.0,
                       "longest_gap_ms": 0.0},
    }  # fmt: skip
    return one | changed


@pytest.fixture
def result() -> dict[str, Any]:
    bare = {"kind": "bare", "ledger": None, "name": "150 talking, bare"}
    piece = {"at": 0.0, "calls_per_second": 2.0, "answered_per_second": 1.05, "failed": 0, "talking": 20,
             "waiting": 30, "post_dial_p99_ms": 10.0}  # fmt: skip
    course = [{**piece, "at": 15.0 * n} for n in range(6)]
    means = {"talk": 20.0, "after_call": 1.7, "ring": 2.5, "patience": 120.0}
    return {
        "part": "capacity",
        "date": "2026-11-22T06:10:00+00:00",
        "command": "hotline capacity",
        "took_seconds": 2400,
        "machine": {"processor": "P", "cores": 2, "memory_gb": 8, "system": "Linux"},
        "load_average_before": 0.1,
        "versions": {"asterisk": "22", "sipp": "SIPp v3.6.1", "python": "3.11", "database": "sqlite"},
        "jobs": [
            *(step(n) for n in plan.SIZES),
            step(150, **bare),
            step(20, kind="overload", name="twice too many", what="twice", course=course, seats=24,
                 drawn_means=means,
                 heard_in_queue={"heard": ["place in the queue", "call-back is offered"], "likeness": {}}),
            step(0, kind="ramp", name="ramp of calls", what="more", course=course),
        ],
        "left_out": [],
    }  # fmt: skip


def test_a_run_in_which_all_is_well_meets_every_target(result: dict[str, Any]) -> None:
    found = judge.verdicts(result)
    assert [one.target for one in found if one.met is not True] == []
    assert judge.broke_first(result) == "Nothing gave up to the largest step."


def test_what_broke_first_is_named_with_its_step_and_cause(result: dict[str, Any]) -> None:
    worse = copy.deepcopy(result)
    for one in worse["jobs"]:
        if one["kind"] == "ours" and one["talking"] >= 150:
            one["recordings"] |= {"without_gap": 5, "gap_ms": 900.0, "longest_gap_ms": 120.0}
            one["cpu_percent"]["machine"] = 199.0
    told = judge.broke_first(worse)
    assert "150 talking" in told
    assert "in 15 of 20 recordings" in told
    assert "the processor was full" in told
    missed = {one.target for one in judge.verdicts(worse) if one.met is False}
    assert missed == {"150 seats talking, mixmonitor: no gap in a recording"}


def test_a_step_that_failed_is_what_broke_first(result: dict[str, Any]) -> None:
    result["jobs"][2] = {
        "name": "100 talking",
        "kind": "ours",
        "talking": 100,
        "ok": False,
        "why": "no seats",
    }
    assert "no seats" in judge.broke_first(result)
    assert "**100 talking** failed: no seats" in report.text({"capacity": result})


def test_the_cost_that_grows_with_the_seats_is_missed(result: dict[str, Any]) -> None:
    assert judge.flat(result).met is True
    dear = next(one for one in result["jobs"] if one["talking"] == 300)
    dear["cpu_percent"]["pbx"] *= 1.5
    assert judge.flat(result).met is False


def test_the_report_shows_each_step_and_the_charts_are_drawings(
    result: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "results").mkdir()
    report.write(tmp_path, {"capacity": result})
    said = (tmp_path / "README.md").read_text("utf-8")
    for n in plan.SIZES:
        assert f"| {n} of {n + 2} |" in said
    for name in ("cpu.svg", "delays.svg", "cost.svg", "overload.svg"):
        assert f"({name})" in said
        assert ET.fromstring((tmp_path / name).read_text("utf-8")).tag.endswith("svg")


def test_jobs_measured_again_take_the_place_of_their_namesakes_and_the_report_says_so(
    result: dict[str, Any],
) -> None:
    date = "2026-11-23T08:00:00+00:00"
    failed = {"name": "10 talking", "ok": False, "why": "no"}
    part = {"date": date, "jobs": [step(150, cpu_percent={"pbx": 1.0}), failed]}
    both = run.in_place(result, part)
    assert [one["name"] for one in both["jobs"]] == [one["name"] for one in result["jobs"]]
    assert [one["name"] for one in both["jobs"] if "again" in one] == ["150 talking"]
    assert next(one for one in both["jobs"] if "again" in one)["cpu_percent"] == {"pbx": 1.0}
    assert "Measured again" not in report.text({"capacity": result})
    assert f"- Measured again on {date}: 150 talking\n" in report._about(both) + "\n"


def test_a_result_of_another_part_that_cannot_be_shown_is_told() -> None:
    assert "cannot be shown" in report.text({"campaign": {"part": "campaign"}})


def test_the_block_of_both_readmes_is_rewritten_between_its_marks(
    result: dict[str, Any], tmp_path: Path
) -> None:
    for name in ("README.md", "README.zh-CN.md"):
        (tmp_path / name).write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", "utf-8")
    report.into_readmes(result, tmp_path)
    report.into_readmes(result, tmp_path)
    for name, word in (("README.md", "| seats talking |"), ("README.zh-CN.md", "同时通话席位")):
        said = (tmp_path / name).read_text("utf-8")
        assert said.startswith("before\n")
        assert said.endswith("after\n")
        assert "old" not in said
        assert said.count(word) == 1


def test_the_plan_of_the_whole_run_stays_below_its_limits() -> None:
    jobs = plan.whole("mixmonitor")
    assert plan.seconds_of(jobs) < 3600
    assert plan.seconds_of(plan.short("mixmonitor")) < 240
    assert len({job.name for job in jobs}) == len(jobs)
    scenario = draw.read()
    for job in jobs:
        rate = plan.rate_of(plan.resolved(job, scenario).rate, scenario, job.window)
        assert rate is None or rate(job.window / 2) > 0


@pytest.mark.parametrize(("most", "last"), [(0.7, 0.7), (7, 7), (95, 100), (199, 200), (1300, 1400)])
def test_marks_of_a_chart_are_round_and_reach_the_top(most: float, last: float) -> None:
    marks = charts.steps(most)
    assert marks[-1] == pytest.approx(last)
    assert 3 <= len(marks) <= 9
