"""The report as a person reads it, and plans that are refused before anything is started."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from hotline.bench.report import ms, tables, verdict_line
from hotline.bench.run import BenchRefused, Plan, check


def a_report(**changes: Any) -> dict[str, Any]:
    spread = {"n": 600, "p50": 1.25, "p99": 12.5, "max": 99.0}
    nothing = {"n": 0, "p50": None, "p99": None, "max": None}
    return {
        "at": "2026-11-21T20:00:00+00:00",
        "plan": {"seats": 50, "chromium": 2, "rate": 10.0, "seconds": 60.0, "talk": 2.0, "wrapup_seconds": 1},
        "machine": {
            "processor": "a processor",
            "cores": 2,
            "memory_gb": 8.0,
            "load_before": 0.1,
            "load_after": 1.5,
        },
        "versions": {"asterisk": "22.10.1", "chromium": ""},
        "calls": {
            "made": 600,
            "answered": 599,
            "failed": 1,
            "outcomes": {"answered": 599, "failed": 1},
            "wait_ms_first_third": spread,
            "wait_ms_last_third": spread,
        },
        "faults": {},
        "delays_ms": {"push in the page's socket": spread, "AMI event, pyst2": nothing},
        "ledger_resolution_ms": 20.0,
        "cpu_seconds": {"pbx": 31.0, "cti": 4.0},
        "cpu_per_1000_calls": {"pbx": 51.7, "cti": 6.7},
        "verdicts": [
            {"aim": "ring to painted pop, p99", "measured": 88.2, "unit": "ms", "limit": 150.0, "met": True}
        ],
    } | changes


def printed(report: dict[str, Any]) -> str:
    out = io.StringIO()
    Console(file=out, width=140).print(tables(report))
    return out.getvalue()


def test_report_names_machine_calls_delays_and_verdict() -> None:
    text = printed(a_report())
    for words in (
        "a processor, 2 cores",
        "load 0.1 before",
        "600 made, 599 answered, 1 failed",
        "asterisk 22.10.1",
    ):
        assert words in text
    assert "met: ring to painted pop, p99 = 88 ms (aim: under 150 ms)" in text
    assert "chromium" not in text


def test_faults_of_the_pages_are_not_kept_secret() -> None:
    assert "faults" not in printed(a_report())
    assert "gap" in printed(a_report(faults={"gap": 2}))


def test_what_was_not_measured_is_a_dash() -> None:
    assert ms(None) == "–"
    assert ms(1.26) == "1.3"
    assert ms(151.4) == "151"
    verdict = {"aim": "x", "measured": None, "unit": "ms", "limit": 150.0, "met": None}
    assert verdict_line(verdict) == "not measured: x (aim: under 150 ms)"


def test_a_queue_that_would_grow_is_refused() -> None:
    with pytest.raises(BenchRefused, match="the queue would grow"):
        check(Plan(seats=50, rate=10, talk=3), "")
    check(Plan(seats=50, rate=10, talk=2), "")


def test_somebodys_database_is_refused(tmp_path: Any) -> None:
    from sqlalchemy import create_engine, text

    url = f"sqlite:///{tmp_path}/theirs.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE calls (id INTEGER)"))
    engine.dispose()
    with pytest.raises(BenchRefused, match="empty database"):
        check(Plan(), url)
