"""Commands: what Asterisk is told, what is refused and in which words, and when after-call work ends."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.ami import ActionRefused, ActionTimeout, AmiError, Message, NotConnected, encode
from cti.commands import AfterCall, Commands
from cti.floor import Floor, FloorCall, Party, Seat, read_pause, write_pause
from cti.outbound import Outbound
from cti.recording import Recording
from cti.third_party import ThirdParty

IDLE = Seat("8001", phones=("desk",))
HERE = replace(IDLE, agent="agent01", presence="ready", queues=("consultation", "complaint"))
CALL = FloorCall(
    "pbx1-1.1",
    state="talking",
    seat="8001",
    channel="PJSIP/trunk-00000000",
    seat_channel="PJSIP/8001-00000001",
    answered_at=1,
)
EXPERT = Party("number", "律师", state="talking", channel="PJSIP/trunk-00000002")
QUEUES: dict[str, tuple[str, ...]] = {"consultation": (), "complaint": ()}
SMUGGLED = ["12345\r\nAction: Hangup", "12345\n", "12345\r", "12345\0", "consultation\r\nX: y"]


@dataclass
class Asterisk:
    """Takes actions as `Ami` does: encodes them first, then answers as told."""

    error: Exception | None = None
    told: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bridges: Iterator[str] = field(default_factory=lambda: itertools.repeat("bridge"))
    """In which bridge a channel is, look for look; "" is in none."""

    async def listing(self, action: str, *, within: float = 10.0, **headers: str) -> list[Message]:
        encode([("Action", action), *headers.items()])
        if self.error:
            raise self.error
        return [{"Event": action, **headers, "BridgeID": next(self.bridges)}]

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
    answer = asyncio.run(whole(asterisk, lambda: place).run({"name": name, **arguments}))
    return answer, asterisk.told


def whole(asterisk: Asterisk, place: Callable[[], Floor]) -> Commands:
    """All commands that know the wire of Asterisk alone."""
    commands = Commands(asterisk, place)  # type: ignore[arg-type]
    ThirdParty(asterisk, commands)  # type: ignore[arg-type]
    Recording(asterisk, commands, lambda _: None)  # type: ignore[arg-type]
    Outbound("pbx1", commands)
    return commands


def arguments(command: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in command.items() if name != "name"}


def sign_in(place: Floor, seat: str = "8001", agent: str = "agent01", queues: Any = None) -> Any:
    queues = [["consultation", 0], ["complaint", 2]] if queues is None else queues
    return ordered(place, "sign_in", seat=seat, agent=agent, queues=queues)


# --- recording -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "paused"), [("pause_recording", "on"), ("resume_recording", "paused")])
def test_the_dialplan_knows_of_a_pause_as_long_as_there_is_any(verb: str, paused: str) -> None:
    """Otherwise it might begin the recording anew, unmuted."""
    answer, told = ordered(talking(recording=paused), verb, seat="8001")
    assert answer == {"ok": True}
    words = [h.get("State", h.get("Value")) for action, h in told if action in ("Setvar", "MixMonitorMute")]
    names = [action for action, _ in told if action in ("Setvar", "MixMonitorMute")]
    if verb == "pause_recording":
        assert (names, words) == (["Setvar", "MixMonitorMute"], ["1", "1"])
    else:
        assert (names, words) == (["MixMonitorMute", "Setvar"], ["0", ""])


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
        (floor(replace(HERE, phones=())), {"name": "ready"}, "unreachable"),
        (floor(IDLE), {"name": "not_ready", "reason": "meal"}, "not_signed_in"),
        (floor(HERE), {"name": "not_ready", "reason": "Bored!"}, "refused"),
        (floor(HERE), {"name": "not_ready", "reason": "after_call"}, "refused"),
        (floor(HERE), {"name": "not_ready", "reason": "after_call:meal:1:0"}, "refused"),
        (floor(HERE), {"name": "more_time"}, "not_after_call"),
        (
            floor(replace(HERE, presence="not_ready", reason="after_call", until=1, extended=5)),
            {"name": "more_time"},
            "limit_reached",
        ),
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
        (talking("holding"), {"name": "transfer", "kind": "queue", "target": "complaint"}, "on_hold"),
        (talking(), {"name": "transfer", "kind": "seat", "target": "8001"}, "bad_target"),
        (talking(), {"name": "transfer", "kind": "seat", "target": "8002"}, "target_unreachable"),
        (talking(), {"name": "consult", "kind": "seat", "target": "8002"}, "target_unreachable"),
        (talking(), {"name": "consult", "kind": "queue", "target": "complaint"}, "bad_target"),
        (talking(), {"name": "consult", "kind": "group", "target": "律师组", "numbers": []}, "bad_target"),
        (
            talking(),
            {"name": "consult", "kind": "group", "target": "x", "numbers": ["1&PJSIP/8001"]},
            "bad_target",
        ),
        (talking("consulting", party=EXPERT), {"name": "hang_up"}, "party_there"),
        (
            talking("consulting", party=EXPERT),
            {"name": "consult", "kind": "number", "target": "110"},
            "party_there",
        ),
        (
            talking("consulting", party=replace(EXPERT, state="ringing")),
            {"name": "three_way"},
            "party_not_there",
        ),
        (
            talking("consulting", party=replace(EXPERT, state="ringing")),
            {"name": "complete_transfer"},
            "party_not_there",
        ),
        *[
            (talking(), {"name": name}, "no_party")
            for name in ("cancel_consult", "complete_transfer", "three_way", "drop_party", "leave", "end_all")
        ],
        (talking(recording="paused"), {"name": "pause_recording"}, "already_paused"),
        (talking(), {"name": "resume_recording"}, "not_paused"),
        (talking(answered_at=None), {"name": "pause_recording"}, "call_gone"),
        (talking(), {"name": "dial", "number": "19900000001"}, "in_call"),
        (floor(HERE), {"name": "dial", "number": "1;2"}, "bad_target"),
        (floor(HERE), {"name": "dial", "number": "19900000001", "about": "a,b"}, "bad_target"),
        (floor(replace(HERE, phones=())), {"name": "dial", "number": "19900000001"}, "unreachable"),
        (floor(HERE), {"name": "dial", "number": "19900000001"}, "pbx_down"),
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
            floor(replace(HERE, presence="not_ready", reason="after_call", next="meal")),
            {"name": "finish_after_call"},
            "QueuePause",
            {"Paused": "true", "Reason": "meal"},
        ),
        (
            talking("consulting", party=EXPERT),
            {"name": "complete_transfer"},
            "Hangup",
            {"Channel": CALL.seat_channel},
        ),
        (
            talking("consulting", party=EXPERT),
            {"name": "cancel_consult"},
            "Hangup",
            {"Channel": EXPERT.channel},
        ),
        (
            talking("consulting", party=replace(EXPERT, state="ringing", channel="")),
            {"name": "cancel_consult"},
            "Redirect",
            {"Channel": CALL.seat_channel, "Context": "back-to-citizen"},
        ),
        (talking("three_way", party=EXPERT), {"name": "drop_party"}, "Hangup", {"Channel": EXPERT.channel}),
        (talking("three_way", party=EXPERT), {"name": "leave"}, "Hangup", {"Channel": CALL.seat_channel}),
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


def test_an_agent_who_gives_up_dialling_is_told_to_the_journal_as_the_one_who_ended_it() -> None:
    answer, told = ordered(talking("dialing"), "hang_up", seat="8001")
    assert answer == {"ok": True}
    assert [name for name, _ in told] == ["Setvar", "Hangup"]
    assert told[0][1] == {"Channel": CALL.seat_channel, "Variable": "HL_ENDED_BY", "Value": "agent"}


OTHER = replace(HERE, seat="8002", agent="agent02", telephone="browser", phones=("browser",))


def with_colleague() -> Floor:
    return floor(replace(HERE, activity="talking", call=CALL.uid), OTHER, calls=(CALL,))


@pytest.mark.parametrize(
    ("command", "context", "exten", "dialled", "login"),
    [
        ({"kind": "queue", "target": "complaint"}, "transfer-queue", "complaint", "", ""),
        ({"kind": "seat", "target": "8002"}, "transfer-seat", "8002w", "PJSIP/8002w", "agent02"),
        (
            {"kind": "number", "target": "057188889999"},
            "transfer-number",
            "057188889999",
            "PJSIP/057188889999@trunk",
            "",
        ),
        (
            {"kind": "group", "target": "律师组", "numbers": ["199", "188"], "label": "律师组"},
            "transfer-number",
            "199",
            "PJSIP/199@trunk&PJSIP/188@trunk",
            "",
        ),
    ],
)
def test_the_citizen_is_sent_where_the_agent_says(
    command: dict[str, Any], context: str, exten: str, dialled: str, login: str
) -> None:
    answer, told = ordered(with_colleague(), "transfer", seat="8001", **command)
    assert answer == {"ok": True}
    said = {headers["Variable"]: headers["Value"] for action, headers in told if action == "Setvar"}
    assert (said["HL_TARGET"], said["HL_LOGIN"]) == (dialled, login)
    action, headers = told[-1]
    assert (action, headers["Channel"]) == ("Redirect", CALL.channel)
    assert (headers["Context"], headers["Exten"]) == (context, exten)


def test_a_consultation_moves_agent_and_citizen_in_one_action() -> None:
    _, told = ordered(with_colleague(), "consult", seat="8001", kind="seat", target="8002", label="李|四, ;x")
    said = {headers["Variable"]: headers["Value"] for action, headers in told if action == "Setvar"}
    assert said["HL_PARTY"] == "seat|8002|%E6%9D%8E%7C%E5%9B%9B%2C%20%3Bx", "a label cannot break out"
    action, headers = told[-1]
    assert action == "Redirect"
    assert (headers["Channel"], headers["Context"]) == (CALL.seat_channel, "consult")
    assert (headers["ExtraChannel"], headers["ExtraContext"]) == (CALL.channel, "citizen-waits")


def test_nobody_takes_a_citizen_whom_nobody_is_joined_with_yet() -> None:
    transfer = {"name": "transfer", "seat": "8001", "kind": "number", "target": "19900010001"}
    slow = Asterisk(bridges=iter(["", "", "bridge"]))
    assert asyncio.run(whole(slow, with_colleague).run(transfer)) == {"ok": True}
    alone = Asterisk(bridges=itertools.repeat(""))
    answer = asyncio.run(whole(alone, with_colleague).run(transfer))
    assert (answer["ok"], answer["error"]) == (False, "changed")
    assert alone.told == []


def test_a_channel_that_is_on_its_way_is_asked_again() -> None:
    class Moving(Asterisk):
        async def action(self, action: str, *, within: float = 3.0, **headers: str) -> Message:
            self.error = ActionRefused("Redirect failed, channel not up.") if len(self.told) < 7 else None
            if action == "Redirect" and self.error:
                self.told.append((action, headers))
                raise self.error
            self.error = None
            return await super().action(action, within=within, **headers)

    asterisk = Moving()
    message = {"name": "consult", "seat": "8001", "kind": "number", "target": "19900010001"}
    assert asyncio.run(whole(asterisk, with_colleague).run(message)) == {"ok": True}
    assert [action for action, _ in asterisk.told] == ["Setvar"] * 6 + ["Redirect"] * 2


def test_the_other_telephone_takes_the_place_of_the_first_in_every_queue() -> None:
    here = replace(HERE, phones=("desk", "browser"))
    asterisk = Asterisk()
    queues = [["consultation", 0], ["complaint", 2]]
    message = {
        "name": "sign_in",
        "seat": "8001",
        "agent": "agent01",
        "queues": queues,
        "telephone": "browser",
    }
    assert asyncio.run(whole(asterisk, lambda: floor(here)).run(message))["ok"]
    assert [(action, headers["Interface"]) for action, headers in asterisk.told] == [
        ("QueueRemove", "PJSIP/8001"),
        ("QueueRemove", "PJSIP/8001"),
        ("QueueAdd", "PJSIP/8001w"),
        ("QueueAdd", "PJSIP/8001w"),
    ]


@given(st.sampled_from([None, "meal", "follow_up"]), st.integers(1, 2**42), st.integers(0, 5))
def test_after_call_work_is_read_as_it_was_written(following: str | None, until: int, times: int) -> None:
    assert read_pause(write_pause(following, until, times)) == ("after_call", following, until, times)


def test_more_time_is_a_minute_more_and_counted() -> None:
    now = round(time.time() * 1000)
    place = replace(HERE, presence="not_ready", reason="after_call", next="meal", until=now + 5_000)
    _, told = ordered(floor(place), "more_time", seat="8001")
    reason, following, until, times = read_pause(told[0][1]["Reason"])
    assert (reason, following, until, times) == ("after_call", "meal", now + 65_000, 1)


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
NAMES = sorted(whole(Asterisk(), Floor).verbs)
WORDS = st.sampled_from([
    "seat", "agent", "queues", "reason", "kind", "target", "numbers", "label", "number", "about", "telephone",
    "self", "x",
])  # fmt: skip


@settings(max_examples=80)
@given(st.sampled_from([*NAMES, "no"]), st.dictionaries(WORDS, JSON, max_size=4), st.booleans())
def test_any_command_is_answered_and_smuggles_nothing(
    name: str, arguments: dict[str, Any], at_a_seat: bool
) -> None:
    seat = {"seat": "8001"} if at_a_seat else {}
    asterisk = Asterisk()
    answer = asyncio.run(whole(asterisk, talking).run({**arguments, **seat, "name": name}))
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

    async def begin_after_call(self, seat: str, following: str | None = None) -> None:
        self._note(f"begin {seat} {following}" if following else f"begin {seat}")
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


def test_a_ring_begins_none_and_what_was_chosen_in_the_call_comes_after_it() -> None:
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
        assert office.asked == ["begin 8001 meal", "begin 8002"]

    asyncio.run(story())


def test_after_call_work_ends_by_itself_even_when_found_in_the_middle_of_it() -> None:
    async def story() -> None:
        office = Office()
        now = time.time() * 1000
        began_long_ago = replace(WORKING, until=round(now - 100_000))
        AfterCall(office, 900).watch(None, began_long_ago)  # type: ignore[arg-type]
        await office.until("finish_after_call 8001")
        without_an_end = replace(WORKING, seat="8002", since=round(now - 1_000_000))
        AfterCall(office, 900).watch(None, without_an_end)  # type: ignore[arg-type]
        await office.until("finish_after_call 8002")

    asyncio.run(story())


def test_after_call_work_that_the_agent_ended_is_not_ended_again() -> None:
    async def story() -> None:
        office = Office()
        watcher = AfterCall(office, 900)  # type: ignore[arg-type]
        now = time.time() * 1000
        watcher.watch(HERE, replace(WORKING, until=round(now + 10)))
        watcher.watch(WORKING, HERE)
        watcher.watch(HERE, replace(WORKING, seat="8002", until=round(now + 50)))
        await office.until("finish_after_call 8002")
        assert office.asked == ["finish_after_call 8002"]

    asyncio.run(story())


def test_after_call_work_is_timed_once_however_often_the_seat_changes() -> None:
    async def story() -> None:
        office = Office()
        watcher = AfterCall(office, 900)  # type: ignore[arg-type]
        until = round(time.time() * 1000 + 10)
        for phones in (("desk",), (), ("desk",)):
            watcher.watch(WORKING, replace(WORKING, until=until, phones=phones))
        await office.until("finish_after_call 8001")
        watcher.watch(HERE, replace(WORKING, seat="8002", until=until))
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
