"""Growth is a straight line after the warm-up: what is judged as growing, and what is not."""

from __future__ import annotations

import random
from typing import Any

import pytest

from hotline.soak import judge
from hotline.soak.report import section


def _look(calls: int, pss: float, *, rows: int = 0, users: int = 12, channels: int = 0) -> dict[str, Any]:
    uses = {"rss": pss, "pss": pss, "fds": 30, "threads": 12}
    return {
        "calls": calls,
        "at": calls / 10,
        "parts": {"desktop": uses},
        "rows": {"calls": rows or calls, "users": users, "journal_events": calls * 9},
        "bytes": {"database": 1_000_000 + calls * 6000, "astdb": 5000},
        "left": {"channels": channels, "spool files": 0, "temporary files": 0, "tasks waiting": 0},
    }


def _shift(slope: float, noise: float = 0.0) -> list[dict[str, Any]]:
    draw = random.Random(1)
    return [_look(n * 50, 400e6 + slope * n * 50 + draw.gauss(0, noise)) for n in range(1, 101)]


def test_a_line_through_points() -> None:
    line = judge.fit([(0, 1), (1000, 3), (2000, 5)])
    assert line is not None
    assert (line.per_1000, round(line.error, 9)) == (2.0, 0.0)
    assert line.in_a_shift() == pytest.approx(80.64)
    assert judge.fit([(0, 1), (1, 2)]) is None
    assert judge.fit([(5, 1), (5, 2), (5, 3)]) is None


def test_the_warm_up_is_left_out() -> None:
    looks = [_look(n * 100, 100e6 if n < 30 else 400e6) for n in range(1, 91)]
    grown = {(row["part"], row["what"]): row for row in judge.parts(looks)}
    assert grown["desktop", "pss"]["in_a_shift"] == 0
    assert grown["desktop", "pss"]["met"]


def test_three_kilobytes_a_call_are_found_under_a_megabyte_of_noise() -> None:
    row = next(row for row in judge.parts(_shift(3000, noise=1e6)) if row["what"] == "pss")
    assert row["in_a_shift"] == pytest.approx(3000 * judge.SHIFT, rel=0.1)
    assert not row["met"]
    flat = next(row for row in judge.parts(_shift(0, noise=1e6)) if row["what"] == "pss")
    assert flat["met"]


def test_tables_may_have_the_rows_that_they_should_have() -> None:
    looks = [_look(n * 100, 4e8) for n in range(1, 40)]
    assert all(row["met"] for row in judge.tables(looks))
    assert {row["table"]: row["late"] for row in judge.tables(looks)}["journal_events"] == 9
    growing = [_look(n * 100, 4e8, rows=n * n * 10) for n in range(1, 40)]
    assert not {row["table"]: row["met"] for row in judge.tables(growing)}["calls"]


def test_what_is_left_at_the_end_is_told() -> None:
    looks = [*_shift(0), _look(6000, 4e8, channels=2)]
    wrong = [one for one in judge.verdicts(looks, {"made": 6000, "answered": 6000}) if not one["met"]]
    assert [one["aim"] for one in wrong] == ["channels at the end"]
    assert judge.bytes_per_call(looks)["database"] == 6000


def test_the_section_says_what_grows() -> None:
    looks, calls = _shift(3000), {"made": 5000, "answered": 5000, "failed": 0}
    text = section(
        {
            "date": "2026-11-22T05:00:00+00:00",
            "seconds": 500,
            "machine": {"processor": "p", "cores": 2},
            "load_average_before": 1.0,
            "versions": {},
            "plan": {"rate": 10.0},
            "calls": calls,
            "hours_worth": 0.99,
            "parts": judge.parts(looks),
            "tables": judge.tables(looks),
            "bytes_per_call": judge.bytes_per_call(looks),
            "left": judge.left(looks[-1]),
            "verdicts": judge.verdicts(looks, calls),
        }
    )
    assert "| desktop | MB |" in text
    assert "grows" in text
    assert "Missed: desktop: MB more in a shift" in text
