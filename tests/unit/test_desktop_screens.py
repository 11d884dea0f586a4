"""A ready seat whose page has gone is noticed once its time is over, and not before."""

from __future__ import annotations

from collections.abc import Callable

from desktop_parts import Browser, Cti

from agent_desktop.app import Parts, watch_screens
from agent_desktop.screens import Screens

pytest_plugins = ["desktop_fixtures"]


def test_only_the_last_page_counts() -> None:
    screens = Screens(30)
    screens.came("8001", "a")
    screens.came("8001", "b")
    screens.went("8001", "a", now=100)
    assert screens.overdue(["8001"], now=1000) == []
    screens.went("8001", "b", now=1000)
    assert screens.overdue(["8001"], now=1029) == []
    assert screens.overdue(["8001"], now=1030) == ["8001"]
    assert screens.overdue(["8001"], now=1031) == []


def test_a_page_that_comes_back_in_time_stops_the_clock() -> None:
    screens = Screens(30)
    screens.came("8001", "a")
    screens.went("8001", "a", now=100)
    screens.came("8001", "b")
    assert screens.overdue(["8001"], now=500) == []
    assert screens.count() == 1


def test_a_seat_that_is_not_ready_is_left_alone_and_counted_anew() -> None:
    screens = Screens(30)
    screens.came("8001", "a")
    screens.went("8001", "a", now=100)
    assert screens.overdue([], now=500) == []
    assert screens.overdue(["8001"], now=600) == []
    assert screens.overdue(["8001"], now=630) == ["8001"]


def test_a_seat_found_ready_at_start_is_counted_from_then() -> None:
    screens = Screens(30)
    assert screens.overdue(["8001"], now=7) == []
    assert screens.overdue(["8001"], now=37) == ["8001"]


def test_the_seat_is_made_not_ready_and_stays_so_until_the_agent_chooses(
    agent: Browser, cti: Cti, parts: Parts
) -> None:
    agent.post("/api/seat/ready")
    page = parts.socketio.test_client(parts.app, flask_test_client=agent.client)
    watch_screens(parts.desk, now=0)
    page.disconnect()
    watch_screens(parts.desk, now=1e9)
    assert cti.commands[-1] == {"name": "not_ready", "seat": "8001", "reason": "screen_gone"}
    back = parts.socketio.test_client(parts.app, flask_test_client=agent.client)
    [snapshot] = [one["args"][0] for one in back.get_received() if one["name"] == "snapshot"]
    assert (snapshot["seat"]["presence"], snapshot["seat"]["reason"]) == ("not_ready", "screen_gone")


def test_a_screen_gone_while_the_link_is_down_is_no_crash(
    agent: Browser, cti: Cti, parts: Parts, open_browser: Callable[[], Browser]
) -> None:
    agent.post("/api/seat/ready")
    cti.disconnect()
    watch_screens(parts.desk, now=0)
    watch_screens(parts.desk, now=100)
    assert cti.commands[-1]["name"] == "ready"
