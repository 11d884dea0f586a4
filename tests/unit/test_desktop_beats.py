"""A cti that hangs, or whose line is half open, is blind within seconds; clocks that differ are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent_desktop.figures import Figures
from agent_desktop.floor import SILENT_MS, Floor
from agent_desktop.labels import Names

SNAPSHOT = {
    "pbx": "pbx1", "epoch": "e", "seq": 1, "connected": True, "blind_since": None,
    "seats": [], "calls": [], "queues": [],
}  # fmt: skip


class Clock:
    now = 1_000_000

    def __call__(self) -> int:
        return self.now


def floor_of_one(clock: Clock) -> tuple[Floor, list[Mapping[str, Any]]]:
    links: list[Mapping[str, Any]] = []
    floor = Floor(
        ["pbx1"],
        lambda event, payload, room: links.append(payload) if event == "link" else None,
        lambda *_: None,
        Names(),
        Figures(),
        clock,
    )
    floor.link_came("pbx1", "wire")
    floor.take_snapshot("pbx1", "wire", SNAPSHOT)
    return floor, links


def test_a_cti_that_says_nothing_any_more_is_blind_since_its_last_beat() -> None:
    clock = Clock()
    floor, links = floor_of_one(clock)
    floor.heard("pbx1", "wire", clock.now)
    clock.now += SILENT_MS
    floor.look_for_silence()
    assert floor.links()["pbx1"]["connected"]
    clock.now += 1
    floor.look_for_silence()
    floor.look_for_silence()
    assert floor.links()["pbx1"] == {"connected": False, "blind_since": 1_000_000}
    assert [link["connected"] for link in links] == [True, False], "told once"
    floor.heard("pbx1", "wire", clock.now)
    assert floor.links()["pbx1"] == {"connected": True, "blind_since": None}


def test_a_cti_that_hangs_before_its_first_beat_is_blind_since_its_snapshot() -> None:
    clock = Clock()
    floor, links = floor_of_one(clock)
    clock.now += SILENT_MS + 1
    floor.look_for_silence()
    assert floor.links()["pbx1"] == {"connected": False, "blind_since": 1_000_000}
    assert [link["connected"] for link in links] == [True, False]


def test_a_beat_before_the_snapshot_does_not_bring_old_figures_to_life() -> None:
    clock = Clock()
    floor, _ = floor_of_one(clock)
    floor.link_went("pbx1", "wire")
    floor.link_came("pbx1", "wire 2")
    floor.heard("pbx1", "wire 2", clock.now)
    assert not floor.links()["pbx1"]["connected"]
    floor.heard("pbx1", "wire", clock.now)  # of the old socket: nobody's
    floor.take_snapshot("pbx1", "wire 2", SNAPSHOT | {"epoch": "f"})
    assert floor.links()["pbx1"]["connected"]


def test_a_clock_that_is_ahead_is_known() -> None:
    clock = Clock()
    floor, _ = floor_of_one(clock)
    seat = {"seat": "8001", "agent": "agent01", "since": clock.now + 80_000, "until": None, "call": None}
    floor.take_snapshot("pbx1", "wire", SNAPSHOT | {"seq": 2, "seats": [seat]})
    assert floor.pictures()["pbx1"].seats["8001"]["since"] == clock.now + 80_000
    floor.heard("pbx1", "wire", clock.now + 90_030)
    assert floor.ahead_ms("pbx1") == 90_030
    shown = floor.pictures()["pbx1"].seats["8001"]
    assert (shown["since"], shown["until"]) == (clock.now - 10_000, None), "ten seconds ago by our clock"
