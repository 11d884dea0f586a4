"""Commands: what Asterisk is told, what is refused and in which words, and when after-call work ends."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.ami import ActionRefused, ActionTimeout, AmiError, Message, NotConnected, encode
from cti.commands import AfterCall, Commands
from cti.floor import Floor, FloorCall, Seat

IDLE = Seat("8001", reachable=True)
HERE = replace(IDLE, agent="agent01", presence="ready", queues=("consultation", "complaint"))
CALL = FloorCall("pbx1-1.1", state="talking", seat="8001", seat_channel="PJSIP/8001-00000001")
QUEUES: dict[str, tuple[str, ...]] = {"consultation": (), "complaint": ()}
SMUGGLED = ["12345\r\nAction: Hangup", "12345\n", "12345\r", "12345\0", "consultation\r\nX: y"]


@dataclass
class Asterisk:
    """Takes actions as `Ami` does: encodes them first, then answers as told."""

    error: Exception | None = None
    told: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def action(self, action: str, *, within: float = 3.0, **headers: str) -> Message:
        encode([("Action", action), *headers.items()])
        if self.error:
            raise self.error
        self.told.append((action, headers))
        return {"Response": "Success"}


def floor(*seats: Seat, calls: tuple[FloorCall, ...] = ()) -> Floor:
    return Floor({seat.seat: seat for seat in seats}, {call.uid: call for call in calls}, QUEUES)


def talking(state: str = "talking", **facts: Any) -> Floor:
    seat = replace(HERE, activity=state, call=CALL.uid)
    return floor(seat, Seat("8002"), calls=(replace(CALL, state=state, **facts),))


def ordered(
    place: Floor, name: str, error: Exception | None = None, **arguments: Any
) -> tuple[dict[str, Any], list[tuple[str, dict[str, str]]]]:
    """The acknowledgement of a command, and what Asterisk was told."""
    asterisk = Asterisk(error)
    answer = asyncio.run(Commands(asterisk, lambda: place).run({"name": name, **arguments}))  # type: ignore[arg-type]
    return answer, asterisk.told


def arguments(command: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in command.items() if name != "name"}


def sign_in(place: Floor, seat: str = "8001", agent: str = "agent01", queues: Any = None) -> Any:
    queues = [["consultation", 0], ["complaint", 2]] if queues is None else queues
    return ordered(place, "sign_in", seat=seat, agent=agent, queues=queues)


# --- sign in and out -----------------------------------------------------------------------------------


def test_signing_in_joins_each_queue_not_ready() -> None:
    answer, told = sign_in(floor(IDLE))
    assert answer == {"ok": True}
    joined = [headers for action, headers in told if action == "QueueAdd"]
    assert [(h["Queue"], h["Penalty"], h["Paused"], h["Reason"]) for h in joined] == [
        ("consultation", "0", "true", "signed_in"),
        ("complaint", "2", "true", "signed_in"),
    ]
    assert {(h["Interface"], h["StateInterface"], h["MemberName"]) for h in joined} == {
        ("PJSIP/8001", "PJSIP/8001", "agent01")
    }
    assert told[-1][0] == "QueueLog"
    assert (told[-1][1]["Event"], told[-1][1]["Interface"]) == ("SIGNIN", "agent01")


def test_the_same_agent_at_the_same_seat_resumes_as_things_are() -> None:
    assert sign_in(floor(HERE)) == ({"ok": True}, [])
    _, told = sign_in(floor(replace(HERE, queues=("consultation",), presence="not_ready", reason="meal")))
    assert [(action, headers["Queue"], headers["Reason"]) for action, headers in told] == [
        ("QueueAdd", "complaint", "meal")
    ]
    _, told = sign_in(floor(HERE), queues=[["complaint", 0]])
    assert [(action, headers["Queue"]) for action, headers in told] == [("QueueRemove", "consultation")]


def test_an_agent_who_was_elsewhere_is_signed_out_there_first() -> None:
    _, told = sign_in(floor(replace(HERE, seat="8002"), IDLE))
    removed = [n for n, (_, headers) in enumerate(told) if headers.get("Interface") == "PJSIP/8002"]
    added = [n for n, (action, _) in enumerate(told) if action == "QueueAdd"]
    assert [told[n][0] for n in removed] == ["QueueRemove", "QueueRemove"]
    assert max(removed) < min(added)


@pytest.mark.parametrize(
    ("place", "arguments", "code"),
    [
        (floor(replace(HERE, agent="agent02")), {}, "seat_taken"),
        (floor(IDLE, replace(HERE, seat="8002", activity="talking", call=CALL.uid)), {}, "in_call"),
        (floor(IDLE), {"seat": "8009"}, "bad_target"),
        (floor(IDLE), {"queues": []}, "no_queue"),
        (floor(IDLE), {"queues": [["nowhere", 0]]}, "no_queue"),
        (floor(IDLE), {"queues": [["consultation"]]}, "refused"),
        (floor(IDLE), {"queues": 5}, "refused"),
        (floor(IDLE), {"agent": ""}, "refused"),
        (floor(IDLE), {"agent": "agent 01"}, "refused"),
        *[(floor(IDLE), {"agent": bad}, "refused") for bad in SMUGGLED],
        *[(floor(IDLE), {"seat": bad}, "bad_target") for bad in SMUGGLED],
        *[(floor(IDLE), {"queues": [[bad, 0]]}, "no_queue") for bad in SMUGGLED],
    ],
)
def test_signing_in_is_refused(place: Floor, arguments: dict[str, Any], code: str) -> None:
    answer, told = sign_in(place, **arguments)
    assert (answer["ok"], answer["error"], told) == (False, code, [])
    assert answer["detail"]


def test_signing_out_leaves_every_queue_but_not_in_a_call() -> None:
    _, told = ordered(floor(HERE), "sign_out", seat="8001")
    assert [action for action, _ in told] == ["QueueRemove", "QueueRemove", "QueueLog"]
    assert ordered(talking(), "sign_out", seat="8001")[0]["error"] == "in_call"


# --- ready, call -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "command", "code"),
    [
        (floor(IDLE), {"name": "ready"}, "not_signed_in"),
        (floor(replace(HERE, reachable=False)), {"name": "ready"}, "unreachable"),
        (floor(IDLE), {"name": "not_ready", "reason": "meal"}, "not_signed_in"),
        (floor(HERE), {"name": "not_ready", "reason": "bored"}, "refused"),
        (floor(HERE), {"name": "not_ready", "reason": "meal\r\nAction: Logoff"}, "refused"),
        (floor(HERE), {"name": "not_ready"}, "refused"),
        (floor(HERE), {"name": "ready", "more": 1}, "refused"),
        (floor(HERE), {"name": "_pause"}, "refused"),
        (floor(IDLE), {"name": "sign_out"}, "not_signed_in"),
        (floor(HERE), {"name": "hang_up"}, "call_gone"),
        (talking(seat_channel=""), {"name": "hang_up"}, "call_gone"),
        (floor(HERE), {"name": "transfer", "kind": "queue", "target": "complaint"}, "call_gone"),
        (talking("ringing"), {"name": "transfer", "kind": "queue", "target": "complaint"}, "call_gone"),
        (talking(), {"name": "transfer", "kind": "queue", "target": "nowhere"}, "bad_target"),
        (talking(), {"name": "transfer", "kind": "seat", "target": "8002"}, "bad_target"),
        (talking(), {"name": "transfer", "kind": "number", "target": "complaint"}, "bad_target"),
        (talking(), {"name": "transfer", "kind": "number", "target": "12"}, "bad_target"),
        (talking(), {"name": "transfer", "kind": "number", "target": "1" * 21}, "bad_target"),
        (talking(), {"name": "transfer", "kind": "number", "target": "１２３４５"}, "bad_target"),
        (talking(), {"name": "transfer", "kind": "number", "target": None}, "refused"),
        *[
            (talking(), {"name": "transfer", "kind": kind, "target": bad}, "bad_target")
            for bad in SMUGGLED
            for kind in ("number", "queue")
        ],
    ],
)
def test_a_command_is_refused_and_asterisk_hears_nothing(
    place: Floor, command: dict[str, Any], code: str
) -> None:
    answer, told = ordered(place, command["name"], **{"seat": "8001", **arguments(command)})
    assert (answer["ok"], answer["error"], told) == (False, code, [])


@pytest.mark.parametrize(
    ("place", "command", "action", "headers"),
    [
        (floor(HERE), {"name": "ready"}, "QueuePause", {"Paused": "false"}),
        (
            floor(HERE),
            {"name": "not_ready", "reason": "meal"},
            "QueuePause",
            {"Paused": "true", "Reason": "meal"},
        ),
        (talking(), {"name": "hang_up"}, "Hangup", {"Channel": CALL.seat_channel, "Cause": "16"}),
        (talking("ringing"), {"name": "hang_up"}, "Hangup", {"Cause": "21"}),
        (
            talking("holding"),
            {"name": "transfer", "kind": "queue", "target": "complaint"},
            "BlindTransfer",
            {"Channel": CALL.seat_channel, "Context": "transfer-queue", "Exten": "complaint"},
        ),
        (
            talking(),
            {"name": "transfer", "kind": "number", "target": "057188889999"},
            "BlindTransfer",
            {"Context": "transfer-number", "Exten": "057188889999"},
        ),
        (
            floor(replace(HERE, presence="not_ready", reason="after_call")),
            {"name": "finish_after_call"},
            "QueuePause",
            {"Paused": "false"},
        ),
    ],
)
def test_a_command_is_one_action(
    place: Floor, command: dict[str, Any], action: str, headers: dict[str, str]
) -> None:
    answer, told = ordered(place, command["name"], **{"seat": "8001", **arguments(command)})
    assert answer == {"ok": True}
    assert [name for name, _ in told] == [action]
    assert headers.items() <= told[0][1].items()


def test_finishing_after_call_work_that_is_over_changes_nothing() -> None:
    assert ordered(floor(HERE), "finish_after_call", seat="8001") == ({"ok": True}, [])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ActionRefused("No such channel"), "call_gone"),
        (ActionRefused("Unable to remove interface"), "refused"),
        (ActionTimeout("Asterisk did not answer"), "timeout"),
        (NotConnected("no connection to Asterisk"), "pbx_down"),
        (AmiError("lost"), "pbx_down"),
    ],
)
def test_what_asterisk_cannot_do_has_its_own_code(error: Exception, code: str) -> None:
    answer, _ = ordered(talking(), "hang_up", error=error, seat="8001")
    assert answer == {"ok": False, "error": code, "detail": str(error)}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["8001", *SMUGGLED]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)
NAMES = ["sign_in", "sign_out", "ready", "not_ready", "finish_after_call", "hang_up", "transfer"]
WORDS = st.sampled_from(["seat", "agent", "queues", "reason", "kind", "target", "self", "x"])


@settings(max_examples=80)
@given(st.sampled_from([*NAMES, "no"]), st.dictionaries(WORDS, JSON, max_size=4), st.booleans())
def test_any_command_is_answered_and_smuggles_nothing(
    name: str, arguments: dict[str, Any], at_a_seat: bool
) -> None:
    seat = {"seat": "8001"} if at_a_seat else {}
    asterisk = Asterisk()
    commands = Commands(asterisk, talking)  # type: ignore[arg-type]
    answer = asyncio.run(commands.run({**arguments, **seat, "name": name}))
    assert answer["ok"] or answer["error"]
    assert not [v for _, headers in asterisk.told for v in headers.values() if set(v) & set("\r\n\0")]


# --- after-call work -----------------------------------------------------------------------------------

WORKING = replace(HERE, presence="not_ready", reason="after_call")


class Office:
    """Commands that only say that they were asked, and can be waited for."""

    def __init__(self, error: AmiError | None = None) -> None:
        self.asked: list[str] = []
        self.error = error
        self.news = asyncio.Event()

    async def begin_after_call(self, seat: str) -> None:
        self._note(f"begin {seat}")
        if self.error:
            raise self.error

    async def run(self, message: dict[str, Any]) -> dict[str, Any]:
        self._note(f"{message['name']} {message['seat']}")
        return {"ok": True}

    def _note(self, word: str) -> None:
        self.asked.append(word)
        self.news.set()

    async def until(self, word: str) -> None:
        async with asyncio.timeout(5):
            while word not in self.asked:
                self.news.clear()
                await self.news.wait()


@pytest.mark.parametrize("before", ["talking", "holding"])
def test_a_talk_that_ended_begins_after_call_work(before: str) -> None:
    async def story() -> None:
        office = Office()
        AfterCall(office, 20).watch(replace(HERE, activity=before, call="c"), HERE)  # type: ignore[arg-type]
        await office.until("begin 8001")

    asyncio.run(story())


def test_a_ring_or_a_talk_of_who_paused_meanwhile_begins_none() -> None:
    async def story() -> None:
        office = Office()
        watcher = AfterCall(office, 20)  # type: ignore[arg-type]
        watcher.watch(replace(HERE, activity="ringing"), HERE)
        paused = replace(HERE, presence="not_ready", reason="meal")
        watcher.watch(replace(paused, activity="talking"), paused)
        watcher.watch(replace(HERE, activity="talking"), replace(HERE, activity="holding"))
        watcher.watch(None, HERE)
        watcher.watch(replace(HERE, seat="8002", activity="talking"), replace(HERE, seat="8002"))
        await office.until("begin 8002")
        assert office.asked == ["begin 8002"]

    asyncio.run(story())


def test_after_call_work_ends_by_itself_even_when_found_in_the_middle_of_it() -> None:
    async def story() -> None:
        office = Office()
        now = time.time() * 1000
        began_long_ago = replace(WORKING, since=round(now - 1_000_000))
        AfterCall(office, 900).watch(None, began_long_ago)  # type: ignore[arg-type]
        await office.until("finish_after_call 8001")
        clock_ahead = replace(WORKING, seat="8002", since=round(now + 1_000_000))
        AfterCall(office, 0).watch(None, clock_ahead)  # type: ignore[arg-type]
        await office.until("finish_after_call 8002")

    asyncio.run(story())


def test_after_call_work_that_the_agent_ended_is_not_ended_again() -> None:
    async def story() -> None:
        office = Office()
        watcher = AfterCall(office, 900)  # type: ignore[arg-type]
        now = time.time() * 1000
        watcher.watch(HERE, replace(WORKING, since=round(now - 899_990)))
        watcher.watch(WORKING, HERE)
        watcher.watch(HERE, replace(WORKING, seat="8002", since=round(now - 899_950)))
        await office.until("finish_after_call 8002")
        assert office.asked == ["finish_after_call 8002"]

    asyncio.run(story())


def test_after_call_work_is_timed_once_however_often_the_seat_changes() -> None:
    async def story() -> None:
        office = Office()
        watcher = AfterCall(office, 900)  # type: ignore[arg-type]
        since = round(time.time() * 1000 - 899_990)
        for reachable in (True, False, True):
            watcher.watch(WORKING, replace(WORKING, since=since, reachable=reachable))
        await office.until("finish_after_call 8001")
        watcher.watch(HERE, replace(WORKING, seat="8002", since=since))
        await office.until("finish_after_call 8002")
        assert office.asked == ["finish_after_call 8001", "finish_after_call 8002"]

    asyncio.run(story())


def test_an_asterisk_that_is_away_does_not_end_the_watching() -> None:
    async def story() -> None:
        office = Office(NotConnected("no connection to Asterisk"))
        watcher = AfterCall(office, 20)  # type: ignore[arg-type]
        for seat in ("8001", "8002"):
            watcher.watch(replace(HERE, seat=seat, activity="talking"), replace(HERE, seat=seat))
            await office.until(f"begin {seat}")

    asyncio.run(story())
