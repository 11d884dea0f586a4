"""`hotline bench pop`, a short one: every call is answered, and every figure of the report is there."""

from __future__ import annotations

import json

import pytest

from hotline.bench.run import Plan, run
from hotline.private_line import pbx_tree

pytestmark = pytest.mark.pbx


def test_a_short_run_answers_every_call_and_measures_each_link() -> None:
    plan = Plan(seats=4, rate=1, seconds=4, talk=0.5, chromium=0, warm_seconds=1)
    report = run(plan, pbx_tree(), say=lambda _: None)
    calls = report["calls"]
    assert (calls["made"], calls["answered"], calls["failed"]) == (4, 4, 0)
    assert calls["outcomes"] == {"answered": 4}
    assert report["faults"] == {}
    delays = report["delays_ms"]
    measured = {name: one["n"] for name, one in delays.items() if "Chromium" not in name}
    assert measured == dict.fromkeys(measured, 4)
    for name in measured:
        assert 0 <= delays[name]["p50"] <= delays[name]["p99"] <= delays[name]["max"]
    assert delays["push in the page's socket"]["p50"] < delays["pop answered over HTTP"]["p50"]
    assert {"pbx", "cti", "desktop", "worker", "sipp", "pages"} <= report["cpu_seconds"].keys()
    assert report["verdicts"][0]["met"] is None, "nothing was painted"
    assert json.loads(json.dumps(report)) == report
