"""The edge where Asterisk's words become ours: AMI messages to floor events, list replies to a floor.

Asterisk's field names live here and in `commands.py`, nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import unquote

from cti import floor as f
from cti.ami import Message
from cti.journal import display_name

_SEAT = re.compile(r"PJSIP/([0-9]{3,6})w?(?:-[0-9a-f]+)?")
_GONE = frozenset(("UNAVAILABLE", "INVALID", "UNKNOWN"))
REASON_WORDS = {"Auto-Pause": "no_answer", "": "other"}


def seat_of(interface: str) -> str | None:
    """The seat's number in "PJSIP/8001", "PJSIP/8001w" or a channel name of theirs; None for other things."""
    match = _SEAT.fullmatch(interface)
    return match.group(1) if match else None


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
        answered_at=_number(known.get("HL_ANSWERED")),
        priority=_number(known.get("HL_PRIORITY")) or 0,
        channel=message.get("Channel", ""),
        seat_channel=message.get("DestChannel", ""),
    )


def path_of(text: str) -> tuple[tuple[str, str], ...]:
    """Menu steps as the dialplan collects them: "main:2/news:1" is (("main", "2"), ("news", "1"))."""
    steps = (step.partition(":") for step in text.split("/") if step)
    return tuple((node, key) for node, _, key in steps)


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


def _hangup(m: Message, at: int) -> list[f.Event]:
    uid = variables(m).get("HL_CALL")
    if not uid:
        return []
    if m["Uniqueid"] == uid:
        return [f.CallEnded(at, uid)]
    seat = seat_of(m["Channel"])
    if seat is None:
        return []
    # State 6 is Up: the seat's leg of a talk; anything before was only ringing.
    return [f.TalkEnded(at, seat, uid) if m.get("ChannelState") == "6" else f.RingEnded(at, seat, uid)]


def _hold(m: Message, at: int) -> list[f.Event]:
    uid = variables(m).get("HL_CALL")
    return [f.CallHeld(at, uid, held=m["Event"] == "Hold")] if uid else []


def _member_added(m: Message, at: int) -> list[f.Event]:
    seat = seat_of(m["Interface"])
    return [f.SeatJoined(at, seat, m["MemberName"], m["Queue"], pause_of(m))] if seat else []


def _member_removed(m: Message, at: int) -> list[f.Event]:
    seat = seat_of(m["Interface"])
    return [f.SeatLeft(at, seat, m["Queue"])] if seat else []


def _member_pause(m: Message, at: int) -> list[f.Event]:
    seat = seat_of(m["Interface"])
    return [f.SeatPaused(at, seat, pause_of(m))] if seat else []


def _device_state(m: Message, at: int) -> list[f.Event]:
    seat = seat_of(m["Device"])
    return [f.SeatReached(at, seat, reachable(m["State"]))] if seat and m["Device"][-1] != "w" else []


_READINGS: dict[str, Callable[[Message, int], list[f.Event]]] = {
    "QueueCallerJoin": _caller_join,
    "QueueCallerLeave": _caller_leave,
    "QueueCallerAbandon": _caller_abandon,
    "AgentCalled": _agent_called,
    "AgentConnect": _agent_connect,
    "AgentComplete": _agent_complete,
    "AgentRingNoAnswer": _ring_no_answer,
    "Hangup": _hangup,
    "Hold": _hold,
    "Unhold": _hold,
    "QueueMemberAdded": _member_added,
    "QueueMemberRemoved": _member_removed,
    "QueueMemberPause": _member_pause,
    "DeviceStateChange": _device_state,
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
    for message in channels:
        floor = _with_seat_channel(floor, message, by_name, now)
    return floor


def _with_members(floor: f.Floor, queue_status: list[Message], devices: list[Message]) -> f.Floor:
    there = {m["Device"]: reachable(m["State"]) for m in devices}
    seats = {
        number: replace(seat, reachable=there.get(f"PJSIP/{number}", False))
        for number, seat in floor.seats.items()
    }
    for message in queue_status:
        number = seat_of(message.get("Location", "")) if message["Event"] == "QueueMember" else None
        if number is None:
            continue
        seat, pause = seats.get(number, f.Seat(number)), pause_of(message)
        stamp = message.get("LastPause" if pause else "LoginTime", "0")
        seats[number] = replace(
            seat,
            agent=message["Name"],
            presence="not_ready" if pause else "ready",
            reason=pause,
            since=int(stamp) * 1000 or seat.since,
            queues=(*seat.queues, message["Queue"]),
        )
    return replace(floor, seats=seats)


def _with_seat_channel(floor: f.Floor, message: Message, by_name: dict[str, Message], now: int) -> f.Floor:
    """The floor with one seat's ringing or talking channel joined to the citizen's."""
    uid, number = variables(message).get("HL_CALL"), seat_of(message["Channel"])
    if not uid or number not in floor.seats or message["Uniqueid"] == uid:
        return floor
    citizen = next((m for m in by_name.values() if m["Uniqueid"] == uid), None)
    citizens_call = call_of(citizen) if citizen else None
    call = floor.calls.get(uid) or citizens_call
    if call is None or message["ChannelState"] not in ("5", "6"):
        return floor
    talking = message["ChannelState"] == "6"
    answered_at = citizens_call.answered_at if citizens_call else None
    call = replace(
        call,
        state="talking" if talking else "ringing",
        seat=number,
        ringing_at=None if talking else now,
        answered_at=(answered_at or now) if talking else None,
        seat_channel=message["Channel"],
        channel=citizen["Channel"] if citizen else call.channel,
        event_at=now,
    )
    seat = replace(
        floor.seats[number],
        activity=call.state,
        call=uid,
        since=(call.answered_at if talking else None) or now,
    )
    return replace(floor, seats={**floor.seats, number: seat}, calls={**floor.calls, uid: call})


def keeping_holds(before: f.Floor, fresh: f.Floor) -> f.Floor:
    """`fresh` with what its replies cannot tell taken from `before`: holds, and times known exactly."""
    seats, calls = dict(fresh.seats), dict(fresh.calls)
    for uid, call in fresh.calls.items():
        old = before.calls.get(uid)
        if old is None or old.seat != call.seat:
            continue
        held = old.state == "holding" and call.state == "talking"
        calls[uid] = replace(
            call,
            state="holding" if held else call.state,
            queued_at=old.queued_at or call.queued_at,
            ringing_at=old.ringing_at or call.ringing_at,
        )
        if held and call.seat in seats:
            seats[call.seat] = replace(seats[call.seat], activity="holding")
    for number, seat in seats.items():
        was = before.seats.get(number)
        same = was and (was.presence, was.reason, was.activity) == (seat.presence, seat.reason, seat.activity)
        if was and same:
            seats[number] = replace(seat, since=was.since)
    return replace(fresh, seats=seats, calls=calls)
