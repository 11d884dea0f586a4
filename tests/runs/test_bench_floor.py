"""`hotline bench floor`, a short one: real calls, a made-up floor, minutes of a shift; it stops by itself."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from hotline.bench.figures import EVENT_PUSHED
from hotline.bench.floor import FloorPlan, run
from hotline.bench.report import floor_tables
from hotline.private_line import pbx_tree

pytestmark = pytest.mark.pbx


def test_a_short_run_measures_the_real_line_a_made_up_floor_and_a_shift() -> None:
    plan = FloorPlan(
        seats=12, leaders=5, rate=1, seconds=5, talk=0.5, warm_seconds=8, chromium=False,
        steps=(12,), step_seconds=3, made_talk=1, hours=0.1, speed=90,
    )  # fmt: skip
    report = run(plan, pbx_tree(), say=lambda _: None)
    assert report["calls"] == {"made": 13, "answered": 13, "failed": 0}
    pushed = report["delays_ms"][EVENT_PUSHED]
    assert pushed["n"] > 10
    assert 0 <= pushed["p50"] <= pushed["p99"] < 5000
    assert report["delays_ms"]["call's end to its figures on the board"]["n"] > 1
    assert {"map", "board", "wall"} == report["traffic"].keys()
    assert all(one["bytes"] > 0 and one["snapshot_bytes"] > 1000 for one in report["traffic"].values())
    assert {"pbx", "cti", "desktop", "leaders"} <= report["cpu_seconds"].keys()
    (step,) = report["growth"]
    assert step["changes_per_second"] > 1
    assert step["map_bytes_per_change"] > 0
    assert step["cpu_ms_per_change"] > 0
    soak = report["soak"]
    assert soak["changes"] > 100
    assert soak["pushes"]["map"] > soak["changes"] / 50, "pushes go as often as time is fast"
    assert all(hour["desktop"] > 1e7 for hour in soak["hours"][2:])
    assert report["faults"] == {}
    assert json.loads(json.dumps(report)) == report
    out = io.StringIO()
    Console(file=out, width=160).print(floor_tables(report))
    for words in (
        "seat's event to the map",
        "12 seats, 5 pages",
        "desktop (RSS)",
        "event to the map in a page",
    ):
        assert words in out.getvalue()
