"""`hotline bench desk`, a short one: each part is measured, and the report says so."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from hotline.bench.desk import DeskPlan, run
from hotline.bench.report import desk_tables
from hotline.private_line import pbx_tree

pytestmark = [pytest.mark.pbx, pytest.mark.browser]


def test_a_short_run_measures_loads_answers_transfers_a_shift_and_the_idle_page() -> None:
    plan = DeskPlan(loads=1, answers=1, transfers=1, calls=2, idle_seconds=1, quiet_seconds=0.5)
    report = run(plan, pbx_tree(), say=lambda _: None)
    delays = report["delays_ms"]
    assert {name: one["n"] for name, one in delays.items()} == dict.fromkeys(delays, 1)
    assert len(delays) == 13
    assert all(0 < one["p50"] < 10_000 for one in delays.values()), delays
    assert 0 <= report["idle"]["page_percent"] <= report["idle"]["chromium_percent"] < 200
    marks = report["shift"]["marks"]
    assert [mark["calls"] for mark in marks] == [1, 2]
    assert all(mark["heap_bytes"] > 1e6 and mark["RTCPeerConnection"] <= 2 for mark in marks)
    assert report["verdicts"][1]["measured"] is not None
    assert json.loads(json.dumps(report)) == report
    out = io.StringIO()
    Console(file=out, width=140).print(desk_tables(report))
    for words in ("answer click to two-way sound", "idle page", "heap_bytes", "ring to painted pop, p99"):
        assert words in out.getvalue()
