"""The floor: who is talking to whom at this moment. Pure.

`apply(floor, event)` says what one event changes and changes nothing itself; `floor.with_changes(...)` is the
floor after it. A fresh snapshot equals the old snapshot plus the events between.

Two facts of a seat are kept apart:
    presence  signed_out ─sign in─► not_ready(signed_in) ◄──► ready          what the agent chose
    activity  idle ─► ringing ─► talking ◄──► holding ─► idle                what the telephone does

An event that comes twice, late, or for a call already gone changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Seat:
    """One seat; all times are epoch milliseconds. `call` is the uid of the call at the seat."""

    seat: str
    agent: str | None = None
    presence: str = "signed_out"
    reason: str | None = None
    activity: str = "idle"
    reachable: bool = False
    since: int = 0
    call: str | None = None
    queues: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The seat as it travels to desktops and browsers."""
        return {**vars(self), "queues": list(self.queues)}


@dataclass(frozen=True)
class FloorCall:
    """One call that has left the menu for a person: state queue | ringing | talking | holding."""

    uid: str
    caller: str = ""
    caller_name: str = ""
    called: str = ""
    state: str = "queue"
    queue: str = ""
    path: tuple[tuple[str, str], ...] = ()
    arrived_at: int | None = None
    queued_at: int | None = None
    ringing_at: int | None = None
    answered_at: int | None = None
    seat: str | None = None
    priority: int = 0
    event_at: int = 0
    channel: str = ""
    """Asterisk's channel of the citizen; stays in the cti."""
    seat_channel: str = ""
    """Asterisk's channel of the seat, while ringing or talking; stays in the cti."""

    def as_dict(self) -> dict[str, Any]:
        """The call as it travels to desktops: without Asterisk's channel names."""
        shown = {k: v for k, v in vars(self).items() if k not in ("channel", "seat_channel")}
        return {**shown, "path": [{"node": node, "key": key} for node, key in self.path]}


# --- events: past tense, with Asterisk's own time in epoch ms ------------------------------------------


@dataclass(frozen=True)
class CallQueued:
    at: int
    call: FloorCall
    queue: str
    position: int


@dataclass(frozen=True)
class CallLeftQueue:
    at: int
    uid: str
    queue: str


@dataclass(frozen=True)
class SeatRang:
    at: int
    seat: str
    call: FloorCall


@dataclass(frozen=True)
class SeatAnswered:
    at: int
    seat: str
    call: FloorCall


@dataclass(frozen=True)
class RingEnded:
    """The seat was rung and did not answer, refused, or the citizen went away."""

    at: int
    seat: str
    uid: str


@dataclass(frozen=True)
class TalkEnded:
    at: int
    seat: str
    uid: str


@dataclass(frozen=True)
class CallHeld:
    at: int
    uid: str
    held: bool


@dataclass(frozen=True)
class CallEnded:
    at: int
    uid: str


@dataclass(frozen=True)
class SeatJoined:
    """The seat became a member of a queue (log-in writes one of these for each queue)."""

    at: int
    seat: str
    agent: str
    queue: str
    pause: str | None
    """None: ready; else the reason."""


@dataclass(frozen=True)
class SeatLeft:
    at: int
    seat: str
    queue: str


@dataclass(frozen=True)
class SeatPaused:
    at: int
    seat: str
    pause: str | None


@dataclass(frozen=True)
class SeatReached:
    at: int
    seat: str
    reachable: bool


Event = (
    CallQueued
    | CallLeftQueue
    | SeatRang
    | SeatAnswered
    | RingEnded
    | TalkEnded
    | CallHeld
    | CallEnded
    | SeatJoined
    | SeatLeft
    | SeatPaused
    | SeatReached
)


@dataclass(frozen=True)
class Changes:
    """What is different: the new value by id, None where it is gone. Empty: nothing changed."""

    seats: dict[str, Seat] = field(default_factory=dict)
    calls: dict[str, FloorCall | None] = field(default_factory=dict)
    queues: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.seats or self.calls or self.queues)

    def as_list(self) -> list[dict[str, Any]]:
        """The changes as they travel: [{"kind", "id", "value"}]."""
        return [
            *({"kind": "seat", "id": k, "value": v.as_dict()} for k, v in self.seats.items()),
            *({"kind": "call", "id": k, "value": v.as_dict() if v else None} for k, v in self.calls.items()),
            *(
                {"kind": "queue", "id": k, "value": {"queue": k, "waiting": list(v)}}
                for k, v in self.queues.items()
            ),
        ]


@dataclass(frozen=True)
class Floor:
    """All seats, the calls with or before a person, and who waits in which queue, in order."""

    seats: dict[str, Seat] = field(default_factory=dict)
    calls: dict[str, FloorCall] = field(default_factory=dict)
    queues: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def with_changes(self, changes: Changes) -> Floor:
        """The floor after `changes`."""
        if not changes:
            return self
        calls = {**self.calls, **changes.calls}
        return Floor(
            {**self.seats, **changes.seats},
            {uid: call for uid, call in calls.items() if call is not None},
            {**self.queues, **changes.queues},
        )

    def as_dict(self) -> dict[str, Any]:
        """seats, calls and queues as lists, as they travel in a snapshot."""
        return {
            "seats": [seat.as_dict() for seat in self.seats.values()],
            "calls": [call.as_dict() for call in self.calls.values()],
            "queues": [{"queue": name, "waiting": list(uids)} for name, uids in self.queues.items()],
        }


def difference(old: Floor, new: Floor) -> Changes:
    """What has to change so that `old` becomes `new`; times alone (`since`, `event_at`) are no difference."""
    return Changes(
        seats={k: v for k, v in new.seats.items() if _shape(old.seats.get(k)) != _shape(v)},
        calls={
            **{k: v for k, v in new.calls.items() if _shape(old.calls.get(k)) != _shape(v)},
            **{k: None for k in old.calls if k not in new.calls},
        },
        queues={
            **{k: v for k, v in new.queues.items() if old.queues.get(k, ()) != v},
            **{k: () for k, v in old.queues.items() if k not in new.queues and v},
        },
    )


def agreed(first: Changes, second: Changes) -> Changes:
    """What two looks at the same floor found alike."""
    return Changes(
        seats={k: v for k, v in second.seats.items() if _shape(first.seats.get(k)) == _shape(v)},
        calls={
            k: v for k, v in second.calls.items() if k in first.calls and _shape(first.calls[k]) == _shape(v)
        },
        queues={k: v for k, v in second.queues.items() if first.queues.get(k) == v},
    )


def _shape(thing: Seat | FloorCall | None) -> object:
    """What two views of one thing must agree on: its state, not the millisecond at which it was learnt."""
    if isinstance(thing, Seat):
        return replace(thing, since=0, queues=tuple(sorted(thing.queues)))
    if isinstance(thing, FloorCall):
        return (thing.uid, thing.state, thing.seat, thing.queue)
    return None


def apply(floor: Floor, event: Event) -> Changes:
    """What `event` changes on `floor`."""
    return _RULES[type(event)](floor, event)


# --- one rule an event -------------------------------------------------------------------------------


def _queued(floor: Floor, event: CallQueued) -> Changes:
    waiting = [uid for uid in floor.queues.get(event.queue, ()) if uid != event.call.uid]
    waiting.insert(max(0, event.position - 1), event.call.uid)
    known = floor.calls.get(event.call.uid)
    freed = _freed(floor, known.seat, known.uid, event.at) if known and known.seat else {}
    call = replace(event.call, state="queue", queue=event.queue, queued_at=event.at, event_at=event.at)
    if known == call and floor.queues.get(event.queue) == tuple(waiting):
        return Changes()
    return Changes(seats=freed, calls={call.uid: call}, queues={event.queue: tuple(waiting)})


def _left_queue(floor: Floor, event: CallLeftQueue) -> Changes:
    waiting = floor.queues.get(event.queue, ())
    if event.uid not in waiting:
        return Changes()
    left = {event.queue: tuple(uid for uid in waiting if uid != event.uid)}
    call = floor.calls.get(event.uid)
    # A ringing call leaves the queue a moment before it is connected; one that waits goes away.
    gone: dict[str, FloorCall | None] = {event.uid: None} if call and call.state == "queue" else {}
    return Changes(calls=gone, queues=left)


def _rang(floor: Floor, event: SeatRang) -> Changes:
    known = floor.calls.get(event.call.uid)
    if known and known.seat == event.seat and known.state != "queue":
        return Changes()
    call = replace(
        event.call,
        state="ringing",
        seat=event.seat,
        ringing_at=event.at,
        event_at=event.at,
        queued_at=known.queued_at if known else event.call.queued_at,
    )
    return Changes(seats=_busy(floor, event.seat, "ringing", call.uid, event.at), calls={call.uid: call})


def _answered(floor: Floor, event: SeatAnswered) -> Changes:
    known = floor.calls.get(event.call.uid)
    if known and known.seat == event.seat and known.state in ("talking", "holding"):
        return Changes()
    call = replace(
        event.call,
        state="talking",
        seat=event.seat,
        answered_at=event.call.answered_at or event.at,
        event_at=event.at,
        queued_at=known.queued_at if known else event.call.queued_at,
        ringing_at=known.ringing_at if known else event.call.ringing_at,
    )
    return Changes(seats=_busy(floor, event.seat, "talking", call.uid, event.at), calls={call.uid: call})


def _ring_ended(floor: Floor, event: RingEnded) -> Changes:
    seats = _freed(floor, event.seat, event.uid, event.at, only="ringing")
    call = floor.calls.get(event.uid)
    if call is None or call.seat != event.seat or call.state != "ringing":
        return Changes(seats=seats)
    back = replace(call, state="queue", seat=None, ringing_at=None, seat_channel="", event_at=event.at)
    waits = any(event.uid in waiting for waiting in floor.queues.values())
    return Changes(seats=seats, calls={event.uid: back if waits else None})


def _talk_ended(floor: Floor, event: TalkEnded) -> Changes:
    call = floor.calls.get(event.uid)
    gone: dict[str, FloorCall | None] = {event.uid: None} if call and call.seat == event.seat else {}
    return Changes(seats=_freed(floor, event.seat, event.uid, event.at), calls=gone)


def _held(floor: Floor, event: CallHeld) -> Changes:
    call = floor.calls.get(event.uid)
    state, before = ("holding", "talking") if event.held else ("talking", "holding")
    if call is None or call.state != before or call.seat is None:
        return Changes()
    return Changes(
        seats=_busy(floor, call.seat, state, call.uid, event.at),
        calls={call.uid: replace(call, state=state, event_at=event.at)},
    )


def _ended(floor: Floor, event: CallEnded) -> Changes:
    seats: dict[str, Seat] = {}
    for seat in floor.seats.values():
        if seat.call == event.uid:
            seats |= _freed(floor, seat.seat, event.uid, event.at)
    queues = {
        name: tuple(uid for uid in waiting if uid != event.uid)
        for name, waiting in floor.queues.items()
        if event.uid in waiting
    }
    calls: dict[str, FloorCall | None] = {event.uid: None} if event.uid in floor.calls else {}
    return Changes(seats, calls, queues)


def _joined(floor: Floor, event: SeatJoined) -> Changes:
    seat = floor.seats.get(event.seat, Seat(event.seat))
    after = replace(
        seat,
        agent=event.agent,
        queues=seat.queues if event.queue in seat.queues else (*seat.queues, event.queue),
    )
    return _changed(seat, _with_pause(after, event.pause, event.at))


def _left(floor: Floor, event: SeatLeft) -> Changes:
    seat = floor.seats.get(event.seat)
    if seat is None or event.queue not in seat.queues:
        return Changes()
    queues = tuple(queue for queue in seat.queues if queue != event.queue)
    if queues:
        return Changes(seats={seat.seat: replace(seat, queues=queues)})
    out = replace(seat, queues=(), agent=None, presence="signed_out", reason=None, since=event.at)
    return Changes(seats={seat.seat: out})


def _paused(floor: Floor, event: SeatPaused) -> Changes:
    seat = floor.seats.get(event.seat)
    if seat is None or seat.presence == "signed_out":
        return Changes()
    return _changed(seat, _with_pause(seat, event.pause, event.at))


def _reached(floor: Floor, event: SeatReached) -> Changes:
    seat = floor.seats.get(event.seat)
    if seat is None or seat.reachable == event.reachable:
        return Changes()
    return Changes(seats={seat.seat: replace(seat, reachable=event.reachable)})


def _with_pause(seat: Seat, pause: str | None, at: int) -> Seat:
    presence = "ready" if pause is None else "not_ready"
    if (seat.presence, seat.reason) == (presence, pause):
        return seat
    return replace(seat, presence=presence, reason=pause, since=at)


def _changed(before: Seat, after: Seat) -> Changes:
    return Changes() if before == after else Changes(seats={after.seat: after})


def _busy(floor: Floor, number: str, activity: str, uid: str, at: int) -> dict[str, Seat]:
    seat = floor.seats.get(number)
    if seat is None:
        return {}
    return {number: replace(seat, activity=activity, call=uid, since=at)}


def _freed(floor: Floor, number: str | None, uid: str, at: int, only: str | None = None) -> dict[str, Seat]:
    """The seat without the call, unless it has another one by now."""
    seat = floor.seats.get(number or "")
    if seat is None or seat.call != uid or (only and seat.activity != only):
        return {}
    return {seat.seat: replace(seat, activity="idle", call=None, since=at)}


_RULES: dict[type, Callable[[Floor, Any], Changes]] = {
    CallQueued: _queued,
    CallLeftQueue: _left_queue,
    SeatRang: _rang,
    SeatAnswered: _answered,
    RingEnded: _ring_ended,
    TalkEnded: _talk_ended,
    CallHeld: _held,
    CallEnded: _ended,
    SeatJoined: _joined,
    SeatLeft: _left,
    SeatPaused: _paused,
    SeatReached: _reached,
}
