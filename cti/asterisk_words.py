"""The edge where Asterisk's words become ours: AMI messages to floor events, list replies to a floor.

Asterisk's field names live here and in `commands.py`, nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from urllib.parse import unquote

from cti import floor as f
from cti.ami import Message
from cti.journal import display_name

_SEAT = re.compile(r"(?:PJSIP/)?([0-9]{3,6})(w?)(?:-[0-9a-f]+)?")
_GONE = frozenset(("UNAVAILABLE", "INVALID", "UNKNOWN"))
TRUNK = "PJSIP/trunk-"
"""How the names of the carrier's channels begin."""
REASON_WORDS = {"Auto-Pause": "no_answer", "": "other"}


def seat_of(interface: str) -> str | None:
    """The seat's number in "PJSIP/8001", "8001w" or a channel name of theirs; None for other things."""
    match = _SEAT.fullmatch(interface)
    return match.group(1) if match else None


def telephone_of(interface: str) -> str:
    """desk | browser: which of the seat's telephones "PJSIP/8001w" is."""
    match = _SEAT.fullmatch(interface)
    return "browser" if match and match.group(2) else "desk"


def variables(message: Message, prefix: str = "") -> dict[str, str]:
    """The channel variables that the manager puts on every event of a channel."""
    pairs = (line.partition("=") for line in message.get(f"{prefix}ChanVariable", "").split("\n"))
    return {name: value for name, _, value in pairs if value}


def milliseconds(message: Message) -> int:
    """Asterisk's own time of the event in epoch ms; 0 where the event carries none."""
    return round(float(message.get("Timestamp", "0")) * 1000)


def call_of(message: Message) -> f.FloorCall | None:
    """The call that a queue event speaks of; None when the channel is not one of our calls."""
    known = variables(message)
    uid = known.get("HL_CALL")
    if not uid:
        return None
    return f.FloorCall(
        uid=uid,
        caller=unquote(known.get("HL_CALLER", "")),
        caller_name=display_name(known.get("HL_NAME", "")),
        queue=message.get("Queue") or known.get("HL_QUEUE", ""),
        path=path_of(known.get("HL_PATH", "")),
        arrived_at=_number(known.get("HL_ARRIVED")),
        asked_at=_number(known.get("HL_ASKED")),
        answered_at=_number(known.get("HL_ANSWERED")),
        priority=_number(known.get("HL_PRIORITY")) or 0,
        kind=known.get("HL_KIND", "inbound"),
        about=known.get("HL_ABOUT"),
        callback_of=known.get("HL_CALLBACK_OF"),
        channel=message.get("Channel", ""),
        seat_channel=message.get("DestChannel", ""),
    )


@lru_cache(4096)
def path_of(text: str) -> tuple[tuple[str, str], ...]:
    """Menu steps as the dialplan collects them: "main:2/news:1" is (("main", "2"), ("news", "1"))."""
    steps = (step.partition(":") for step in text.split("/") if step)
    return tuple((node, key) for node, _, key in steps)


def party_of(text: str) -> f.Party:
    """The party in HL_PARTY, "kind|number or seat|label", the label URI-encoded."""
    kind, who, label = (*text.split("|"), "", "", "")[:3]
    seat = seat_of(who) if kind == "seat" else None
    return f.Party(kind or "number", unquote(label), seat)


def pause_of(message: Message) -> str | None:
    """None when the member takes calls, else why not."""
    if message.get("Paused") != "1":
        return None
    reason = message.get("PausedReason", "")
    return REASON_WORDS.get(reason, reason)


def reachable(state: str) -> bool:
    """Whether a device state (NOT_INUSE, RINGING, UNAVAILABLE...) belongs to a telephone that is there."""
    return state.upper() not in _GONE


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


# --- events ------------------------------------------------------------------------------------------


def events_of(message: Message) -> list[f.Event]:
    """What one AMI event means for the floor; empty when it means nothing.

    Raises KeyError where Asterisk left a field out that it always sends.
    """
    reading = _READINGS.get(message.get("Event", ""))
    return reading(message, milliseconds(message)) if reading else []


def _caller_join(m: Message, at: int) -> list[f.Event]:
    call = call_of(m)
    return [f.CallQueued(at, call, m["Queue"], int(m["Position"]))] if call else []


def _caller_leave(m: Message, at: int) -> list[f.Event]:
    uid = variables(m).get("HL_CALL")
    return [f.CallLeftQueue(at, uid, m["Queue"])] if uid else []


def _caller_abandon(m: Message, at: int) -> list[f.Event]:
    uid = variables(m).get("HL_CALL")
    return [f.CallEnded(at, uid)] if uid else []


def _agent_called(m: Message, at: int) -> list[f.Event]:
    call, seat = call_of(m), seat_of(m["Interface"])
    # An answer of an earlier agent (before a transfer) is not this ring's.
    return [f.SeatRang(at, seat, replace(call, answered_at=None))] if call and seat else []


def _agent_connect(m: Message, at: int) -> list[f.Event]:
    call, seat = call_of(m), seat_of(m["Interface"])
    return [f.SeatAnswered(at, seat, call)] if call and seat else []


def _agent_complete(m: Message, at: int) -> list[f.Event]:
    uid, seat = variables(m).get("HL_CALL"), seat_of(m["Interface"])
    return [f.TalkEnded(at, seat, uid)] if uid and seat else []


def _ring_no_answer(m: Message, at: int) -> list[f.Event]:
    uid, seat = variables(m).get("HL_CALL"), seat_of(m["Interface"])
    return [f.RingEnded(at, seat, uid)] if uid and seat else []


def _new_channel(m: Message, at: int) -> list[f.Event]:
    return [f.TrunkChannel(at, m["Channel"], there=True)] if m["Channel"].startswith(TRUNK) else []


def _hangup(m: Message, at: int) -> list[f.Event]:
    ended = _call_hung_up(m, at)
    return (
        [*ended, f.TrunkChannel(at, m["Channel"], there=False)] if m["Channel"].startswith(TRUNK) else ended
    )


def _call_hung_up(m: Message, at: int) -> list[f.Event]:
    known = variables(m)
    uid = known.get("HL_CALL")
    if not uid:
        return []
    if known.get("HL_SIDE") == "supervisor":
        return [f.TakerLeft(at, uid)]
    seat = seat_of(m["Channel"])
    if seat is None and known.get("HL_SIDE") == "party":
        return [f.PartyLeft(at, uid, m["Channel"])]
    if seat is None:
        answers = known.get("HL_SIDE") in _ANSWERS_FOR or m["Uniqueid"] == uid
        return [f.CallEnded(at, uid, m["Channel"])] if answers else []
    # State 6 is Up: the seat's leg of a talk; anything before was only ringing.
    return [f.TalkEnded(at, seat, uid) if m.get("ChannelState") == "6" else f.RingEnded(at, seat, uid)]


_ANSWERS_FOR = ("citizen", "place")


def _hold(m: Message, at: int) -> list[f.Event]:
    uid = variables(m).get("HL_CALL")
    return [f.CallHeld(at, uid, held=m["Event"] == "Hold")] if uid else []


def _member_added(m: Message, at: int) -> list[f.Event]:
    seat = seat_of(m["Interface"])
    if seat is None:
        return []
    telephone = telephone_of(m["Interface"])
    return [f.SeatJoined(at, seat, m["MemberName"], m["Queue"], pause_of(m), telephone)]


def _member_removed(m: Message, at: int) -> list[f.Event]:
    seat = seat_of(m["Interface"])
    return [f.SeatLeft(at, seat, m["Queue"])] if seat else []


def _member_pause(m: Message, at: int) -> list[f.Event]:
    seat = seat_of(m["Interface"])
    return [f.SeatPaused(at, seat, pause_of(m))] if seat else []


def _device_state(m: Message, at: int) -> list[f.Event]:
    seat = seat_of(m["Device"])
    return [f.SeatReached(at, seat, reachable(m["State"]), telephone_of(m["Device"]))] if seat else []


def _told(m: Message, at: int) -> list[f.Event]:
    """What the dialplan says itself (context `tell`)."""
    uid = variables(m).get("HL_CALL")
    word = _WORDS.get(m.get("Word", "")) if m.get("UserEvent") == "HotlineFloor" else None
    return word(m, at, uid) if word and uid else []


def _told_rang(m: Message, at: int, uid: str) -> list[f.Event]:
    call, seat = call_of(m), seat_of(m["Seat"])
    return [f.SeatRang(at, seat, replace(call, answered_at=None))] if call and seat else []


def _told_answered(m: Message, at: int, uid: str) -> list[f.Event]:
    call, seat = call_of(m), seat_of(m["Seat"])
    if call is None or seat is None:
        return []
    # Told on the agent's channel: the citizen's is known from the ring.
    return [f.SeatAnswered(at, seat, replace(call, channel="", seat_channel=m["Channel"]))]


def _told_dialling(m: Message, at: int, uid: str) -> list[f.Event]:
    call, seat = call_of(m), seat_of(m["Seat"])
    if call is None or seat is None:
        return []
    return [f.DialStarted(at, seat, replace(call, channel="", seat_channel=m["Channel"]))]


def _told_returning(m: Message, at: int, uid: str) -> list[f.Event]:
    call, seat = call_of(m), seat_of(m["Seat"])
    return [f.CallReturning(at, seat, call)] if call and seat else []


def _told_consult(m: Message, at: int, uid: str) -> list[f.Event]:
    seat = seat_of(m["Seat"])
    return [f.ConsultBegan(at, uid, seat, party_of(m["More"]))] if seat else []


def _told_moved(m: Message, at: int, uid: str) -> list[f.Event]:
    call = call_of(m)
    return [f.CallerMoved(at, replace(call, answered_at=None))] if call else []


def _told_taken(m: Message, at: int, uid: str) -> list[f.Event]:
    call, by = call_of(m), variables(m).get("HL_TAKEN_BY")
    if call is None or not by:
        return []
    return [f.CallTaken(at, replace(call, channel="", seat_channel=m["Channel"]), by)]


_WORDS: dict[str, Callable[[Message, int, str], list[f.Event]]] = {
    "SeatRang": _told_rang,
    "RingEnded": lambda m, at, uid: [f.RingEnded(at, seat_of(m["Seat"]) or "", uid)],
    "SeatAnswered": _told_answered,
    "Dialling": _told_dialling,
    "CitizenAnswered": lambda m, at, uid: [f.CitizenAnswered(at, uid, m["Channel"])],
    "Returning": _told_returning,
    "ConsultBegan": _told_consult,
    "PartyAnswered": lambda m, at, uid: [f.PartyAnswered(at, uid, m["Channel"])],
    "PartyLeft": lambda m, at, uid: [f.PartyLeft(at, uid)],
    "ThreeWay": lambda m, at, uid: [f.ThreeWayBegan(at, uid)],
    "AgentLeft": lambda m, at, uid: [f.TalkEnded(at, seat_of(m["Seat"]) or "", uid)],
    "Moved": _told_moved,
    "TakenOver": _told_taken,
    "HandedOver": lambda m, at, uid: [f.HandedOver(at, uid, seat_of(m["Seat"]), m["Channel"])],
}


_READINGS: dict[str, Callable[[Message, int], list[f.Event]]] = {
    "QueueCallerJoin": _caller_join,
    "QueueCallerLeave": _caller_leave,
    "QueueCallerAbandon": _caller_abandon,
    "AgentCalled": _agent_called,
    "AgentConnect": _agent_connect,
    "AgentComplete": _agent_complete,
    "AgentRingNoAnswer": _ring_no_answer,
    "Newchannel": _new_channel,
    "Hangup": _hangup,
    "Hold": _hold,
    "Unhold": _hold,
    "QueueMemberAdded": _member_added,
    "QueueMemberRemoved": _member_removed,
    "QueueMemberPause": _member_pause,
    "DeviceStateChange": _device_state,
    "UserEvent": _told,
}


# --- snapshot ----------------------------------------------------------------------------------------


def floor_of(
    seat_numbers: Iterable[str],
    queue_status: list[Message],
    channels: list[Message],
    devices: list[Message],
    now: int,
) -> f.Floor:
    """The floor from the replies to QueueStatus, CoreShowChannels and DeviceStateList.

    A hold is not in these replies: a held call reads as talking (see `keeping_holds`).
    """
    floor = f.Floor(seats={number: f.Seat(number, since=now) for number in seat_numbers})
    floor = _with_members(floor, queue_status, devices)
    by_name = {m["Channel"]: m for m in channels}
    legs = _legs(channels)
    for message in queue_status:
        if message["Event"] == "QueueParams":
            floor.queues[message["Queue"]] = ()
    for message in sorted(
        (m for m in queue_status if m["Event"] == "QueueEntry"), key=lambda m: int(m["Position"])
    ):
        call = call_of(by_name.get(message["Channel"], {}))
        if call:
            floor.queues[message["Queue"]] = (*floor.queues.get(message["Queue"], ()), call.uid)
            queued_at = now - int(message.get("Wait", "0")) * 1000
            floor.calls[call.uid] = replace(
                call, queue=message["Queue"], queued_at=queued_at, answered_at=None, event_at=now
            )
    for uid, found in legs.items():
        floor = _with_talk(floor, uid, found, now)
    return replace(floor, trunk=frozenset(name for name in by_name if name.startswith(TRUNK)))


AHEAD_SECONDS = 3
"""Asterisk and cti share a clock; a second may begin between its word and our look."""


def called_in_the_future(queue_status: list[Message], now: int) -> bool:
    """Has a member had a call later than `now` (epoch seconds)? Then the clock was set back meanwhile, and
    app_queue would leave that seat alone, as if still after its call, until the clock is there again."""
    members = (m for m in queue_status if m["Event"] == "QueueMember")
    return any(int(m.get("LastCall") or 0) > now + AHEAD_SECONDS for m in members)


def _with_members(floor: f.Floor, queue_status: list[Message], devices: list[Message]) -> f.Floor:
    there = {m["Device"]: reachable(m["State"]) for m in devices}
    seats = {
        number: replace(
            seat,
            phones=tuple(
                word
                for word, end in (("desk", ""), ("browser", "w"))
                if there.get(f"PJSIP/{number}{end}", False)
            ),
        )
        for number, seat in floor.seats.items()
    }
    for message in queue_status:
        number = seat_of(message.get("Location", "")) if message["Event"] == "QueueMember" else None
        if number is None:
            continue
        seat, pause = seats.get(number, f.Seat(number)), pause_of(message)
        stamp = message.get("LastPause" if pause else "LoginTime", "0")
        reason, following, until, extended = f.read_pause(pause)
        seats[number] = replace(
            seat,
            agent=message["Name"],
            presence="not_ready" if pause else "ready",
            reason=reason,
            next=following,
            until=until,
            extended=extended,
            telephone=telephone_of(message["Location"]),
            since=int(stamp) * 1000 or seat.since,
            queues=(*seat.queues, message["Queue"]),
        )
    return replace(floor, seats=seats)


@dataclass
class Legs:
    """The channels of one call: the citizen's, that of the agent who has it, the party's, and that of a
    supervisor who has taken the call over."""

    citizen: Message | None = None
    place: Message | None = None
    agent: Message | None = None
    party: Message | None = None
    taker: Message | None = None


def _legs(channels: list[Message]) -> dict[str, Legs]:
    found: dict[str, Legs] = {}
    for message in channels:
        known = variables(message)
        uid, side = known.get("HL_CALL"), known.get("HL_SIDE", "")
        if not uid:
            continue
        legs = found.setdefault(uid, Legs())
        if side == "supervisor":
            legs.taker = message
        elif side == "party":
            legs.party = message
        elif seat_of(message["Channel"]):
            legs.agent = message
        elif side == "citizen":
            legs.citizen = message
        elif side == "place":
            legs.place = message
    return found


def _with_talk(floor: f.Floor, uid: str, legs: Legs, now: int) -> f.Floor:
    """The floor with one call's agent (and party) joined to the citizen."""
    if legs.taker is not None:
        return _taken_over(floor, uid, legs, legs.taker, now)
    known = legs.citizen or legs.agent
    call = floor.calls.get(uid) or (call_of(known) if known else None)
    if call is None:
        return floor
    if legs.agent is None:
        return _given_back(floor, call, legs.citizen, now)
    number = seat_of(legs.agent["Channel"])
    if number not in floor.seats or legs.agent["ChannelState"] not in ("5", "6"):
        return floor
    if legs.agent["ChannelState"] == "5" and variables(legs.agent).get("HL_SIDE") == "place":
        return floor  # we call a citizen, and the agent's own telephone has not picked up yet
    answered_at = _number(variables(legs.citizen).get("HL_ANSWERED")) if legs.citizen else None
    state = _state_of(call, legs)
    party = _party_now(legs, now) if state in ("consulting", "three_way") else None
    call = replace(
        call,
        state=state,
        seat=number,
        ringing_at=now if state == "ringing" else None,
        answered_at=(answered_at or now) if state not in ("ringing", "dialing") else None,
        party=party,
        seat_channel=legs.agent["Channel"],
        channel=legs.citizen["Channel"] if legs.citizen else "",
        event_at=now,
    )
    activity = state if state in ("ringing", "dialing") else "talking"
    busy = {number: _at_call(floor.seats[number], activity, call, now)}
    if party and party.seat in floor.seats:
        busy[party.seat] = _at_call(floor.seats[party.seat], party.state, call, now)
    return replace(floor, seats=floor.seats | busy, calls=floor.calls | {uid: call})


def _taken_over(floor: f.Floor, uid: str, legs: Legs, taker: Message, now: int) -> f.Floor:
    call = call_of(legs.citizen or taker)
    if call is None or legs.citizen is None:
        return floor
    call = replace(
        call,
        state="talking",
        answered_at=call.answered_at or now,
        taken_by=variables(taker).get("HL_TAKEN_BY"),
        channel=legs.citizen["Channel"],
        seat_channel=taker["Channel"],
        event_at=now,
    )
    return replace(floor, calls=floor.calls | {uid: call})


def _at_call(seat: f.Seat, activity: str, call: f.FloorCall, now: int) -> f.Seat:
    word = activity if activity in ("ringing", "dialing") else "talking"
    return replace(seat, activity=word, call=call.uid, since=call.answered_at or now)


def _state_of(call: f.FloorCall, legs: Legs) -> str:
    """What the two of them are doing, by where in the dialplan the agent's channel is."""
    agent = legs.agent or {}
    if agent.get("ChannelState") == "5":
        return "ringing"
    if call.kind != "inbound" and legs.citizen is None:
        return "dialing"
    if agent.get("Context") == "consult":
        return "consulting"
    return "three_way" if agent.get("Context") == "room" and legs.party is not None else "talking"


def _party_now(legs: Legs, now: int) -> f.Party | None:
    said = variables(legs.agent).get("HL_PARTY", "") if legs.agent else ""
    if not said:
        return None
    up = legs.party is not None and legs.party["ChannelState"] == "6"
    in_room = legs.agent is not None and legs.agent.get("Context") == "room"
    state = ("joined" if in_room else "talking") if up else "ringing"
    return replace(
        party_of(said), state=state, since=now, channel=legs.party["Channel"] if legs.party else ""
    )


def _given_back(floor: f.Floor, call: f.FloorCall, citizen: Message | None, now: int) -> f.Floor:
    """A citizen whose agent's telephone has vanished waits in `agent-gone`; every other one without an agent
    is in a queue (known already) or is none of the floor's."""
    if citizen is None or citizen.get("Context") != "agent-gone":
        return floor
    back = replace(call, state="returning", channel=citizen["Channel"], event_at=now)
    return replace(floor, calls=floor.calls | {call.uid: back})


def keeping_holds(before: f.Floor, fresh: f.Floor) -> f.Floor:
    """`fresh` with what its replies cannot tell taken from `before`: holds, paused recordings, times."""
    seats, calls = dict(fresh.seats), dict(fresh.calls)
    for uid, call in fresh.calls.items():
        old = before.calls.get(uid)
        if old is None:
            continue
        if call.state == "returning":
            call = replace(call, seat=old.seat)
        if old.seat != call.seat:
            calls[uid] = call
            continue
        held = old.state == "holding" and call.state == "talking"
        calls[uid] = replace(
            call,
            state="holding" if held else call.state,
            queued_at=old.queued_at or call.queued_at,
            ringing_at=old.ringing_at or call.ringing_at,
            recording=old.recording,
            paused_since=old.paused_since,
        )
        if held and call.seat in seats:
            seats[call.seat] = replace(seats[call.seat], activity="holding")
    for number, seat in seats.items():
        was = before.seats.get(number)
        same = was and (was.presence, was.reason, was.activity) == (seat.presence, seat.reason, seat.activity)
        if was:
            since = was.since if same else seat.since
            seats[number] = replace(seat, since=since, help_since=was.help_since)
    return replace(fresh, seats=seats, calls=calls)
