"""Alarms on the real line: a citizen whom nobody answers, and a telephone system that is gone."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.line import Desk, Line, until

pytestmark = pytest.mark.pbx

QUICK = {
    "longest_wait": {"threshold": 3, "clear_at": 1, "hold_seconds": 0, "clear_seconds": 0},
    "link_lost": {"threshold": 1, "clear_at": 0, "hold_seconds": 0, "clear_seconds": 1},
}


@pytest.fixture
def supervisor(line: Line) -> Iterator[Desk]:
    """Logged in, with rules that do not wait; put back afterwards."""
    desk = line.desk("supervisor01")
    page = desk.ask("GET", "/api/alarm-rules")
    quick = [rule | QUICK.get(rule["kind"], {"active": False}) for rule in page["rules"]]
    saved = desk.ask("PUT", "/api/alarm-rules", {"version": page["version"], "rules": quick})
    yield desk
    body = {"version": saved["version"], "rules": page["rules"]}
    desk.ask("PUT", "/api/alarm-rules", body)


def on(desk: Desk) -> dict[str, dict[str, Any]]:
    return {alarm["kind"]: alarm for alarm in desk.ask("GET", "/api/alarms")["open"]}


def raised(desk: Desk, kind: str) -> Callable[[], dict[str, Any] | None]:
    """The alarm of that kind, once it is in the database."""

    def look() -> dict[str, Any] | None:
        alarm = on(desk).get(kind)
        return alarm if alarm and alarm["id"] else None

    return look


def kept_members(line: Line) -> list[str]:
    """Members of queues that Asterisk would have again after a restart: it writes them down a second late."""
    with contextlib.closing(sqlite3.connect(line.settings.pbx / "db" / "astdb.sqlite3")) as kept:
        rows = kept.execute("SELECT value FROM astdb WHERE key LIKE '/Queue/PersistentMembers/%'").fetchall()
    return [value for (value,) in rows if value]


def test_a_citizen_whom_nobody_answers_raises_an_alarm_until_answered(line: Line, supervisor: Desk) -> None:
    phone = line.phones("8001", habit=Habit(on_ring="wait")).phones["8001"]
    line.agent()
    line.citizens().dial(caller=Caller("13812377001"), keys="0")
    phone.wait_for_ring(20)
    alarm = until(raised(supervisor, "longest_wait"), 10, "the alarm")
    assert (alarm["detail"], alarm["sounds"]) == ("综合咨询", True)
    assert 3 <= alarm["value"] < 10
    seen = supervisor.ask("POST", f"/api/alarms/{alarm['id']}/acknowledge", {"note": "已催促"})
    assert seen["note"] == "已催促"
    phone.answer()
    until(lambda: "longest_wait" not in on(supervisor), 5, "the end of the alarm")
    phone.hang_up()

    def past() -> dict[str, Any] | None:
        rows = supervisor.ask("GET", "/api/alarms?kind=longest_wait")["rows"]
        return next((row for row in rows if row["id"] == alarm["id"]), None)

    row = until(past, 5, "the alarm in the history")
    assert row["cleared_at"] > row["raised_at"]
    assert row["acknowledged_by"] == seen["acknowledged_by"]
    assert line.ended("8613812377001").outcome == "answered"


def test_a_telephone_system_that_is_gone_raises_an_alarm_until_it_is_back(
    line: Line, supervisor: Desk
) -> None:
    until(lambda: not kept_members(line), 10, "Asterisk's database without members of the test before")
    line.kill("pbx")
    try:
        alarm = until(raised(supervisor, "link_lost"), 15, "the alarm")
        assert alarm["subject"] == line.settings.pbx_name
    finally:
        line.start("pbx")
        line.wait_until_linked()
    until(lambda: "link_lost" not in on(supervisor), 8, "the end of the alarm")
