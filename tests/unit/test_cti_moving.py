"""A waiting caller is moved: what Asterisk is told, what is refused, and what the floor shows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from cti.ami import ActionRefused, Message
from cti.commands import Commands
from cti.floor import (
    CallEnded,
    CallerMoved,
    CallLeftQueue,
    CallQueued,
    Event,
    Floor,
    FloorCall,
    QueueOrdered,
    Seat,
    SeatAnswered,
    SeatRang,
    apply,
)
from cti.moving import FRONT, Moving


def caller(uid: str, priority: int = 0, **facts: Any) -> FloorCall:
    return FloorCall(uid, queue="consultation", channel=f"PJSIP/trunk-{uid}", priority=priority, **facts)


FIRST, SECOND = caller("c1", priority=5), caller("c2")
HERE = Seat("8002", agent="agent02", presence="ready", phones=("desk",), queues=("consultation",))
WAITING = Floor(
    {"8002": HERE, "8003": Seat("8003")},
    {"c1": FIRST, "c2": SECOND},
    {"consultation": ("c1", "c2"), "complaint": ()},
)


class Pbx:
    """Asterisk's side, and a floor that follows the events."""

    def __init__(self, floor: Floor = WAITING, then: Event | None = None, refusing: str = "") -> None:
        self.floor, self.then, self.refusing = floor, then, refusing
        self.told: list[tuple[str, dict[str, str]]] = []
        self.order = ["PJSIP/trunk-c2", "PJSIP/trunk-c1"]
        commands = Commands(self, lambda: self.floor)  # type: ignore[arg-type]
        self.moving = Moving(self, commands, lambda: self.floor, self.take)  # type: ignore[arg-type]
        self.run = commands.run

    async def action(self, action: str, **headers: str) -> Message:
        if self.refusing:
            raise ActionRefused(self.refusing)
        self.told.append((action, headers))
        if action == "QueueWithdrawCaller" and self.then:
            asyncio.get_running_loop().call_soon(self.take, self.then)
        return {"Response": "Success"}

    async def listing(self, action: str, **headers: str) -> list[Message]:
        return [
            {"Event": "QueueEntry", "Channel": channel, "Position": str(place)}
            for place, channel in enumerate(self.order, 1)
        ]

    def take(self, event: Event) -> None:
        self.moving.watch(event)
        self.floor = self.floor.with_changes(apply(self.floor, event))


def moved(pbx: Pbx, to: str, target: str = "", uid: str = "c2", **more: Any) -> dict[str, Any]:
    order = {"name": "move_caller", "uid": uid, "to": to, "target": target, "by": "leader01", **more}
    return asyncio.run(pbx.run(order))


def test_the_front_is_before_everybody_and_kept_on_the_channel() -> None:
    pbx = Pbx()
    assert moved(pbx, "front") == {"ok": True, "pending": False}
    assert [
        (action, headers.get("Priority") or headers.get("Value")) for action, headers in pbx.told[:2]
    ] == [
        ("QueueChangePriorityCaller", str(FRONT)),
        ("Setvar", str(FRONT)),
    ]
    line = pbx.told[2][1]
    assert (line["Event"], line["Uniqueid"], line["Message"].split("|")[1:]) == (
        "MOVED",
        "c2",
        ["front", "consultation", "leader01"],
    )
    assert pbx.floor.queues["consultation"] == ("c2", "c1")
    assert pbx.floor.calls["c2"].priority == FRONT
    pbx.order.reverse()
    moved(pbx, "front", uid="c1")
    assert pbx.told[3][1]["Priority"] == str(FRONT + 1)


@pytest.mark.parametrize(
    ("to", "target", "info"),
    [
        ("queue", "complaint", "queue:complaint:leader01:"),
        ("seat", "8002", "seat:8002:leader01:agent02"),
    ],
)
def test_app_queue_lets_go_and_the_dialplan_says_so(to: str, target: str, info: str) -> None:
    pbx = Pbx(then=CallerMoved(9, replace(SECOND, queue="complaint")))
    assert moved(pbx, to, target) == {"ok": True, "pending": False}
    assert pbx.told == [
        (
            "QueueWithdrawCaller",
            {"Queue": "consultation", "Caller": SECOND.channel, "WithdrawInfo": info},
        )
    ]


@pytest.mark.parametrize(
    ("then", "code"), [(SeatAnswered(9, "8002", SECOND), "call_gone"), (CallEnded(9, "c2"), "call_gone")]
)
def test_who_is_answered_or_hangs_up_in_the_same_instant_is_not_moved(then: Event, code: str) -> None:
    assert moved(Pbx(then=then), "queue", "complaint")["error"] == code


@pytest.mark.parametrize(
    ("then", "answer"),
    [
        (SeatRang(9, "8002", SECOND), {"ok": False, "error": "ringing"}),
        (CallQueued(9, caller("c3"), "consultation", 3), {"ok": True, "pending": True}),
    ],
)
def test_who_is_not_let_go_in_time_rings_or_hears_an_announcement(
    then: Event, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.moving.LETTING_GO", 0.02)
    found = moved(Pbx(then=then), "queue", "complaint")
    assert {key: found[key] for key in answer} == answer


@pytest.mark.parametrize(
    ("pbx", "order", "code"),
    [
        (Pbx(), {"to": "front", "uid": "c9"}, "call_gone"),
        (Pbx(), {"to": "queue", "target": "consultation"}, "bad_target"),
        (Pbx(), {"to": "queue", "target": "moon"}, "bad_target"),
        (Pbx(), {"to": "number", "target": "110"}, "bad_target"),
        (Pbx(), {"to": "seat", "target": "8003"}, "target_unreachable"),
        (Pbx(), {"to": "seat", "target": "8002", "agent": "agent01"}, "changed"),
        (Pbx(), {"to": "front", "by": "a:b"}, "refused"),
        (Pbx(refusing="Unable to request withdraw from queue: No such caller"), {"to": "queue"}, "call_gone"),
        (Pbx(refusing="Unable to request withdraw from queue: Already requested"), {"to": "queue"}, "moving"),
        (Pbx(refusing="Unable to change priority caller"), {"to": "front"}, "call_gone"),
    ],
)
def test_what_cannot_be_moved_is_refused(pbx: Pbx, order: dict[str, Any], code: str) -> None:
    answer = moved(pbx, **{"target": "complaint", **order})
    assert answer["error"] == code
    assert pbx.told == []


def test_a_caller_who_rings_and_the_place_of_a_call_back_stay() -> None:
    ringing = replace(SECOND, state="ringing", seat="8002")
    assert moved(Pbx(replace(WAITING, calls={"c2": ringing})), "front")["error"] == "ringing"
    between = replace(WAITING, queues={"consultation": ("c1",)})
    assert moved(Pbx(between), "front")["error"] == "call_gone"
    kept = replace(WAITING, calls={"c2": replace(SECOND, kind="callback")})
    assert moved(Pbx(kept), "queue", "complaint")["error"] == "callback_place"
    assert moved(Pbx(kept), "front")["ok"]


# --- the floor -------------------------------------------------------------------------------------------


def test_a_moved_caller_stays_on_the_floor_between_two_queues() -> None:
    floor = WAITING
    for event in (CallLeftQueue(8, "c2", "consultation"), CallerMoved(9, replace(SECOND, queue="complaint"))):
        floor = floor.with_changes(apply(floor, event))
    assert (floor.calls["c2"].state, floor.calls["c2"].queue) == ("queue", "complaint")
    assert (floor.queues["consultation"], floor.queues["complaint"]) == (("c1",), ())


def test_an_order_that_is_late_brings_nobody_back() -> None:
    changes = apply(WAITING, QueueOrdered(9, "consultation", ("c9", "c2", "c1"), "c2", 60))
    assert changes.queues == {"consultation": ("c2", "c1")}
    assert not apply(WAITING, QueueOrdered(9, "consultation", ("c1", "c2"), "c9", 60))
    ringing = replace(WAITING, calls={"c2": replace(SECOND, state="ringing", seat="8002")})
    assert not apply(ringing, CallerMoved(9, SECOND))


# --- whom a command expects ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expects", "error"),
    [
        ({"agent": "agent02"}, None),
        ({"agent": "agent02", "uid": None}, None),
        ({"agent": "agent01"}, "changed"),
        ({"agent": "agent02", "uid": "c2"}, "changed"),
    ],
)
def test_a_command_for_somebody_else_than_expected_is_refused(
    expects: dict[str, Any], error: str | None
) -> None:
    pbx = Pbx()
    answer = asyncio.run(pbx.run({"name": "ready", "seat": "8002", "expects": expects}))
    assert answer.get("error") == error
    assert (pbx.told == []) is (error is not None)
