"""The live floor under load on the real line: at every moment the board says what the report says."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import socketio

from agent_desktop.boards import windows
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.line import Desk, Line, until

pytestmark = pytest.mark.pbx

CALLS = 24
EVERY = 0.3
"""Seconds between two calls."""


@dataclass
class Page:
    """A supervisor's page: joins views over the socket, lays pushes over what it has."""

    desk: Desk
    board: dict[str, Any] = field(default_factory=dict)
    tiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, list[int]] = field(default_factory=lambda: {"floor_map": [], "floor_board": []})
    client: socketio.Client = field(default_factory=socketio.Client)
    compared: int = 0
    different: list[Any] = field(default_factory=list)

    def open(self) -> None:
        self.client.on("floor_board", self.take_board)
        self.client.on("floor_map", self.take_map)
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.desk.cookies)
        self.client.connect(self.desk.address, headers={"Cookie": cookies})
        self.board = self.client.call("floor_open", {"view": "board"})
        self.tiles = {one["seat"]: one for one in self.client.call("floor_open", {"view": "map"})["seats"]}

    def take_map(self, push: dict[str, Any]) -> None:
        self.numbers["floor_map"].append(push["n"])
        self.tiles |= {tile["seat"]: tile for tile in push["seats"]}

    def take_board(self, push: dict[str, Any]) -> None:
        self.numbers["floor_board"].append(push["n"])
        rows = {row["queue"]: row for row in [*self.board["queues"], *push["queues"]]}
        self.board = {**self.board, **push, "queues": list(rows.values())}
        self.compare()

    def compare(self) -> None:
        """The board just pushed against the report, where the ledger has not gone on meanwhile."""
        board = self.board
        rows = {"": board["total"]} | {row["queue"]: row for row in board["queues"]}
        for queue in ("", "consultation"):
            for name, (begins, ends) in windows(board["at"]).items():
                told = self.desk.ask("GET", f"/api/reports/interval?from={begins}&to={ends}&queue={queue}")
                if told["version"] != board["version"]:
                    return
                self.compared += 1
                if told["figures"] != rows[queue]["windows"][name]:
                    self.different.append((queue, name, told["figures"], rows[queue]["windows"][name]))


@pytest.fixture
def page(line: Line) -> Iterator[Page]:
    made = Page(line.desk("supervisor01"))
    made.open()
    yield made
    made.client.disconnect()


def a_callback(line: Line, number: str) -> None:
    """A citizen who finds nobody there and asks to be called back."""
    call = line.citizens().dial(caller=Caller(number), keys="0")
    rows = until(lambda: line.ledger("86" + number), 10, "the call in the ledger")
    until(lambda: "OVERFLOW" in line.events(rows[0].uid), 20, "the offer")
    call.press("1")
    call.wait_for_end(30)


def test_the_board_is_the_report_at_every_moment_of_a_busy_quarter(line: Line, page: Page) -> None:
    before = page.board["total"]["windows"]["h24"]
    a_callback(line, "13812395001")
    line.phones("8001", "8002", "8003", habit=Habit(answer_after=0.3, talk=1.0))
    agents = [line.agent(f"agent0{n}", f"800{n}") for n in (1, 2, 3)]
    crowd, calls = line.citizens(), []
    began = time.monotonic()
    for number in range(CALLS):
        until(lambda n=number: time.monotonic() - began > n * EVERY, 60, "its turn")  # type: ignore[misc]
        # Most stay; every fourth hangs up at once, every fifth after a while, wherever the call is by then.
        talk = 1.0 if number % 4 == 3 else 8.0 if number % 5 == 4 else None
        calls.append(crowd.dial(caller=Caller(f"1381239{6000 + number}"), keys="0", talk=talk))
    for call in calls:
        call.wait_for_end(90)
    until(lambda: all(row.outcome for row in line.ledger()), 15, "every call has its outcome")

    def settled() -> bool:
        whole, at = page.board["total"]["windows"]["h24"], page.board["at"]
        told = page.desk.ask("GET", f"/api/reports/interval?from={windows(at)['h24'][0]}&to={at}")
        done = whole["decided"] - before["decided"] == CALLS + 1 and not whole["waiting"]
        return bool(done and told["version"] == page.board["version"] and told["figures"] == whole)

    until(settled, 15, "the board has counted all of them, as the report has")
    assert page.different == []
    sys.stdout.write(f"compared {page.compared} figures in {len(page.numbers['floor_board'])} pushes\n")
    assert page.compared >= 30
    figures = page.board["total"]["windows"]["h24"]
    kinds = {name: figures[name] - before[name] for name in ("answered", "abandoned", "callbacks")}
    assert min(kinds.values()) >= 1, figures
    for numbers in page.numbers.values():
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "no push is missed"
    seats_say_what_agents_see(page, agents)


def seats_say_what_agents_see(page: Page, agents: list[Desk]) -> None:
    """Today's figures on the tile are those on the agent's own screen."""
    names = ("answered", "outbound", "talk_seconds", "average_talk_seconds")

    def same(agent: Desk) -> bool:
        own = agent.ask("GET", "/api/seat")["today"]
        return page.tiles[agent.seat or ""]["today"] == {name: own[name] for name in names}

    for agent in agents:
        until(lambda a=agent: same(a), 10, f"the tile of {agent.seat} says what its agent sees")  # type: ignore[misc]
    assert sum(page.tiles[agent.seat or ""]["today"]["answered"] for agent in agents) >= 1
