"""The floor: who is talking to whom at this moment. Pure.

`apply(floor, event)` says what one event changes and changes nothing itself; `floor.with_changes(...)` is the
floor after it. A fresh snapshot equals the old snapshot plus the events between.

Two facts of a seat are kept apart:
    presence  signed_out ─sign in─► not_ready(signed_in) ◄──► ready          what the agent chose
    activity  idle ─► ringing | dialing ─► talking ◄──► holding ─► idle      what the telephone does

A call that has left the menu:
    queue ─► ringing ─► talking ◄─► holding | consulting | three_way      dialing ─► talking (we call)
      ▲         ▲          └──► returning (the agent's telephone vanished) ──┐
      └─────────┴────────────────────────────────────────────────────────────┘

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
    next: str | None = None
    """In after-call work: the reason that follows it; None: ready follows."""
    until: int | None = None
    """When after-call work ends by itself."""
    extended: int = 0
    """How often the agent has asked for more time."""
    activity: str = "idle"
    telephone: str = "desk"
    """desk | browser: the telephone that the agent took at log-in."""
    phones: tuple[str, ...] = ()
    """Telephones of this seat that are there."""
    since: int = 0
    call: str | None = None
    queues: tuple[str, ...] = ()
    help_since: int | None = None
    """求助: the agent has asked the shift leader to come."""

    @property
    def reachable(self) -> bool:
        return self.telephone in self.phones

    @property
    def endpoint(self) -> str:
        """Asterisk's name of the seat's telephone: 8001, or 8001w for the browser."""
        return self.seat + ("w" if self.telephone == "browser" else "")

    def as_dict(self) -> dict[str, Any]:
        """The seat as it travels to desktops and browsers."""
        shown = {k: v for k, v in vars(self).items() if k not in ("phones", "extended")}
        return {**shown, "queues": list(self.queues), "reachable": self.reachable}


@dataclass(frozen=True)
class Party:
    """Somebody whom the agent brings in. The number stays in the cti; people see the label."""

    kind: str
    """seat | number | target | group"""
    label: str = ""
    seat: str | None = None
    state: str = "ringing"
    """ringing | talking (with the agent) | joined (with all)"""
    since: int = 0
    channel: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "channel"}


@dataclass(frozen=True)
class FloorCall:
    """One call that has left the menu for a person, or that we make.

    State: queue | ringing | dialing | talking | holding | consulting | three_way | returning.
    """

    uid: str
    caller: str = ""
    caller_name: str = ""
    called: str = ""
    state: str = "queue"
    queue: str = ""
    path: tuple[tuple[str, str], ...] = ()
    arrived_at: int | None = None
    asked_at: int | None = None
    """When the citizen asked for a person: the wait counts from here, announcement and moves included."""
    queued_at: int | None = None
    ringing_at: int | None = None
    answered_at: int | None = None
    seat: str | None = None
    priority: int = 0
    event_at: int = 0
    kind: str = "inbound"
    """inbound | dial_out | callback"""
    about: str | None = None
    callback_of: str | None = None
    party: Party | None = None
    recording: str = "on"
    """on | paused"""
    paused_since: int | None = None
    taken_by: str | None = None
    """Login of the supervisor who has taken the call over; `seat` is None then."""
    channel: str = ""
    """Asterisk's channel of the citizen; stays in the cti."""
    seat_channel: str = ""
    """Asterisk's channel of the seat, while ringing or talking; stays in the cti."""

    def as_dict(self) -> dict[str, Any]:
        """The call as it travels to desktops: without Asterisk's channel names."""
        shown = {k: v for k, v in vars(self).items() if k not in ("channel", "seat_channel")}
        return {
            **shown,
            "direction": "inbound" if self.kind == "inbound" else "outbound",
            "path": [{"node": node, "key": key} for node, key in self.path],
            "party": self.party.as_dict() if self.party else None,
        }


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
    """The citizen's channel is gone. `channel` empty: whichever it was."""

    at: int
    uid: str
    channel: str = ""


@dataclass(frozen=True)
class DialStarted:
    """The agent's telephone has picked up and the citizen is being called."""

    at: int
    seat: str
    call: FloorCall


@dataclass(frozen=True)
class CitizenAnswered:
    """The citizen whom we call has picked up; `channel` is the citizen's."""

    at: int
    uid: str
    channel: str


@dataclass(frozen=True)
class ConsultBegan:
    at: int
    uid: str
    seat: str
    party: Party


@dataclass(frozen=True)
class PartyAnswered:
    at: int
    uid: str
    channel: str


@dataclass(frozen=True)
class PartyLeft:
    """Only citizen and agent remain. With `channel`: that one has ended, whoever's it was."""

    at: int
    uid: str
    channel: str = ""


@dataclass(frozen=True)
class ThreeWayBegan:
    at: int
    uid: str


@dataclass(frozen=True)
class HandedOver:
    """The agent is out; the citizen talks with the party: at `seat`, or outside (None)."""

    at: int
    uid: str
    seat: str | None
    channel: str


@dataclass(frozen=True)
class CallReturning:
    """The agent's telephone vanished; the citizen waits to be given back to `seat`."""

    at: int
    seat: str
    call: FloorCall


@dataclass(frozen=True)
class CallerMoved:
    """A supervisor has moved a waiting caller, who is on the way to another queue or a seat."""

    at: int
    call: FloorCall


@dataclass(frozen=True)
class QueueOrdered:
    """A supervisor has moved a caller within the queue: its order now, and the caller's new priority."""

    at: int
    queue: str
    waiting: tuple[str, ...]
    uid: str
    priority: int


@dataclass(frozen=True)
class CallTaken:
    """A supervisor has taken the call over; `channel` is the supervisor's."""

    at: int
    call: FloorCall
    by: str


@dataclass(frozen=True)
class TakerLeft:
    """The supervisor who had taken the call over has hung up."""

    at: int
    uid: str


@dataclass(frozen=True)
class RecordingPaused:
    at: int
    uid: str
    paused: bool


@dataclass(frozen=True)
class HelpAsked:
    """The agent asks the shift leader to come, or needs nobody any more."""

    at: int
    seat: str
    asked: bool


@dataclass(frozen=True)
class TrunkChannel:
    """A channel of the carrier's trunk has come or gone."""

    at: int
    channel: str
    there: bool


@dataclass(frozen=True)
class SeatJoined:
    """The seat became a member of a queue (log-in writes one of these for each queue)."""

    at: int
    seat: str
    agent: str
    queue: str
    pause: str | None
    """None: ready; else the reason."""
    telephone: str = "desk"


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
    telephone: str = "desk"


Event = (
    CallQueued
    | CallLeftQueue
    | SeatRang
    | SeatAnswered
    | RingEnded
    | TalkEnded
    | CallHeld
    | CallEnded
    | DialStarted
    | CitizenAnswered
    | ConsultBegan
    | PartyAnswered
    | PartyLeft
    | ThreeWayBegan
    | HandedOver
    | CallReturning
    | CallerMoved
    | QueueOrdered
    | CallTaken
    | TakerLeft
    | RecordingPaused
    | HelpAsked
    | TrunkChannel
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
    trunk: frozenset[str] | None = None
    """The trunk's channels; None: as before."""

    def __bool__(self) -> bool:
        return bool(self.seats or self.calls or self.queues or self.trunk is not None)

    def as_list(self) -> list[dict[str, Any]]:
        """The changes as they travel: [{"kind", "id", "value"}]."""
        return [
            *({"kind": "seat", "id": k, "value": v.as_dict()} for k, v in self.seats.items()),
            *({"kind": "call", "id": k, "value": v.as_dict() if v else None} for k, v in self.calls.items()),
            *(
                {"kind": "queue", "id": k, "value": {"queue": k, "waiting": list(v)}}
                for k, v in self.queues.items()
            ),
            *(() if self.trunk is None else [{"kind": "trunk", "id": "", "value": trunk_dict(self.trunk)}]),
        ]


def trunk_dict(channels: frozenset[str]) -> dict[str, Any]:
    """The trunk as it travels: how many of its channels are in use."""
    return {"in_use": len(channels)}


@dataclass(frozen=True)
class Floor:
    """All seats, the calls with or before a person, and who waits in which queue, in order."""

    seats: dict[str, Seat] = field(default_factory=dict)
    calls: dict[str, FloorCall] = field(default_factory=dict)
    queues: dict[str, tuple[str, ...]] = field(default_factory=dict)
    trunk: frozenset[str] = frozenset()
    """Asterisk's names of the channels to and from the carrier, in menus, queues and talks alike."""

    def with_changes(self, changes: Changes) -> Floor:
        """The floor after `changes`."""
        if not changes:
            return self
        calls = {**self.calls, **changes.calls}
        return Floor(
            {**self.seats, **changes.seats},
            {uid: call for uid, call in calls.items() if call is not None},
            {**self.queues, **changes.queues},
            self.trunk if changes.trunk is None else changes.trunk,
        )

    def as_dict(self) -> dict[str, Any]:
        """seats, calls and queues as lists, as they travel in a snapshot."""
        return {
            "seats": [seat.as_dict() for seat in self.seats.values()],
            "calls": [call.as_dict() for call in self.calls.values()],
            "queues": [{"queue": name, "waiting": list(uids)} for name, uids in self.queues.items()],
            "trunk": trunk_dict(self.trunk),
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
        trunk=None if old.trunk == new.trunk else new.trunk,
    )


def agreed(first: Changes, second: Changes) -> Changes:
    """What two looks at the same floor found alike."""
    return Changes(
        seats={k: v for k, v in second.seats.items() if _shape(first.seats.get(k)) == _shape(v)},
        calls={
            k: v for k, v in second.calls.items() if k in first.calls and _shape(first.calls[k]) == _shape(v)
        },
        queues={k: v for k, v in second.queues.items() if first.queues.get(k) == v},
        trunk=second.trunk if first.trunk == second.trunk else None,
    )


def _shape(thing: Seat | FloorCall | None) -> object:
    """What two views of one thing must agree on: its state, not the millisecond at which it was learnt."""
    if isinstance(thing, Seat):
        return replace(thing, since=0, queues=tuple(sorted(thing.queues)), phones=tuple(sorted(thing.phones)))
    if isinstance(thing, FloorCall):
        party = thing.party and (thing.party.kind, thing.party.state, thing.party.seat)
        return (thing.uid, thing.state, thing.seat, thing.queue, party, thing.taken_by)
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


def _moved(floor: Floor, event: CallerMoved) -> Changes:
    known = floor.calls.get(event.call.uid)
    if known and known.state != "queue":
        return Changes()
    return Changes(
        calls={event.call.uid: replace(event.call, state="queue", queued_at=event.at, event_at=event.at)}
    )


def _ordered(floor: Floor, event: QueueOrdered) -> Changes:
    call = floor.calls.get(event.uid)
    moved = call is not None and call.priority != event.priority and call.state == "queue"
    calls: dict[str, FloorCall | None] = (
        {event.uid: replace(call, priority=event.priority, event_at=event.at)} if call and moved else {}
    )
    # Who has left since Asterisk was asked, or come, was told by an event of its own.
    before = floor.queues.get(event.queue, ())
    places = {uid: place for place, uid in enumerate(event.waiting)}
    after = tuple(sorted(before, key=lambda uid: places.get(uid, len(places))))
    return Changes(calls=calls, queues={event.queue: after} if after != before else {})


def _rang(floor: Floor, event: SeatRang) -> Changes:
    known = floor.calls.get(event.call.uid)
    if known and known.seat == event.seat and known.state in ("ringing", *_WITH_AGENT):
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
    if known and known.seat == event.seat and known.state in _WITH_AGENT:
        return Changes()
    # A call-back's agent is there before the citizen is.
    state = "dialing" if event.call.kind == "callback" and not event.call.answered_at else "talking"
    call = replace(
        event.call,
        state=state,
        seat=event.seat,
        answered_at=(event.call.answered_at or event.at) if state == "talking" else None,
        channel=event.call.channel or (known.channel if known else ""),
        recording=known.recording if known else "on",
        paused_since=known.paused_since if known else None,
        event_at=event.at,
        queued_at=known.queued_at if known else event.call.queued_at,
        ringing_at=known.ringing_at if known else event.call.ringing_at,
    )
    return Changes(seats=_busy(floor, event.seat, state, call.uid, event.at), calls={call.uid: call})


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
    seats = _freed(floor, event.seat, event.uid, event.at)
    if call is None:
        return Changes(seats=seats)
    if call.party and call.party.seat == event.seat:
        alone = replace(call, state="talking", party=None, event_at=event.at)
        return Changes(seats=seats, calls={call.uid: alone})
    if call.seat != event.seat or call.state == "returning":
        return Changes(seats=seats)
    if call.party and call.party.state != "ringing":
        # The agent is out and leaves the citizen with the party.
        return _with_party(floor, call, event.at, seats)
    return Changes(seats=seats, calls={event.uid: None})


def _with_party(floor: Floor, call: FloorCall, at: int, seats: dict[str, Seat]) -> Changes:
    """The call goes on at the party's seat; outside the house it leaves the floor."""
    party = call.party
    if party is None or party.seat is None:
        return Changes(seats=seats, calls={call.uid: None})
    moved = replace(
        call, state="talking", seat=party.seat, seat_channel=party.channel, party=None, event_at=at
    )
    return Changes(seats=seats | _busy(floor, party.seat, "talking", call.uid, at), calls={call.uid: moved})


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
    known = floor.calls.get(event.uid)
    if known and known.channel and event.channel and known.channel != event.channel:
        return Changes()
    seats: dict[str, Seat] = {}
    for seat in floor.seats.values():
        if seat.call == event.uid:
            seats |= _freed(floor, seat.seat, event.uid, event.at)
    queues = {
        name: tuple(uid for uid in waiting if uid != event.uid)
        for name, waiting in floor.queues.items()
        if event.uid in waiting
    }
    calls: dict[str, FloorCall | None] = {event.uid: None} if known else {}
    return Changes(seats, calls, queues)


def _dial_started(floor: Floor, event: DialStarted) -> Changes:
    if event.call.uid in floor.calls:
        return Changes()
    call = replace(event.call, state="dialing", seat=event.seat, answered_at=None, event_at=event.at)
    return Changes(seats=_busy(floor, event.seat, "dialing", call.uid, event.at), calls={call.uid: call})


def _citizen_answered(floor: Floor, event: CitizenAnswered) -> Changes:
    call = floor.calls.get(event.uid)
    if call is None or call.state != "dialing" or call.seat is None:
        return Changes()
    there = replace(call, state="talking", channel=event.channel, answered_at=event.at, event_at=event.at)
    return Changes(seats=_busy(floor, call.seat, "talking", call.uid, event.at), calls={call.uid: there})


def _consult_began(floor: Floor, event: ConsultBegan) -> Changes:
    call = floor.calls.get(event.uid)
    if call is None or call.seat != event.seat or call.state == "consulting":
        return Changes()
    seats = _busy(floor, event.seat, "talking", call.uid, event.at)
    if event.party.seat:
        seats |= _busy(floor, event.party.seat, "ringing", call.uid, event.at)
    party = replace(event.party, state="ringing", since=event.at)
    return Changes(
        seats=seats, calls={call.uid: replace(call, state="consulting", party=party, event_at=event.at)}
    )


def _party_answered(floor: Floor, event: PartyAnswered) -> Changes:
    call = floor.calls.get(event.uid)
    if call is None or call.party is None or call.party.state != "ringing":
        return Changes()
    party = replace(call.party, state="talking", since=event.at, channel=event.channel)
    seats = _busy(floor, party.seat, "talking", call.uid, event.at) if party.seat else {}
    return Changes(seats=seats, calls={call.uid: replace(call, party=party, event_at=event.at)})


def _party_left(floor: Floor, event: PartyLeft) -> Changes:
    call = floor.calls.get(event.uid)
    if call is None or (call.party is None and call.state not in ("consulting", "three_way")):
        return Changes()
    if event.channel and (call.party is None or call.party.channel != event.channel):
        return Changes()
    seats = _freed(floor, call.party.seat, call.uid, event.at) if call.party and call.party.seat else {}
    return Changes(
        seats=seats, calls={call.uid: replace(call, state="talking", party=None, event_at=event.at)}
    )


def _three_way(floor: Floor, event: ThreeWayBegan) -> Changes:
    call = floor.calls.get(event.uid)
    if call is None or call.party is None or call.state == "three_way":
        return Changes()
    party = replace(call.party, state="joined", since=event.at)
    return Changes(calls={call.uid: replace(call, state="three_way", party=party, event_at=event.at)})


def _handed_over(floor: Floor, event: HandedOver) -> Changes:
    call = floor.calls.get(event.uid)
    if call is None or (call.seat == event.seat and call.party is None):
        return Changes()
    freed = _freed(floor, call.seat, call.uid, event.at) if call.seat != event.seat else {}
    party = replace(call.party or Party("number"), seat=event.seat, channel=event.channel)
    return _with_party(floor, replace(call, party=party), event.at, freed)


def _returning(floor: Floor, event: CallReturning) -> Changes:
    known = floor.calls.get(event.call.uid)
    if known and known.state == "returning":
        return Changes()
    # The end of the agent's leg may have been told before: then the call is not on the floor any more.
    seats = _freed(floor, known.seat, known.uid, event.at) if known else {}
    call = replace(event.call, state="returning", seat=event.seat, answered_at=None, event_at=event.at)
    return Changes(seats=seats, calls={call.uid: call})


def _taken(floor: Floor, event: CallTaken) -> Changes:
    known = floor.calls.get(event.call.uid)
    if known and known.taken_by == event.by:
        return Changes()
    freed = _freed(floor, known.seat, known.uid, event.at) if known else {}
    call = replace(
        known or event.call,
        state="talking",
        seat=None,
        taken_by=event.by,
        seat_channel=event.call.seat_channel,
        event_at=event.at,
    )
    return Changes(seats=freed, calls={call.uid: call})


def _taker_left(floor: Floor, event: TakerLeft) -> Changes:
    call = floor.calls.get(event.uid)
    return Changes(calls={event.uid: None}) if call and call.taken_by else Changes()


def _help_asked(floor: Floor, event: HelpAsked) -> Changes:
    seat = floor.seats.get(event.seat)
    if seat is None or (seat.help_since is not None) == event.asked:
        return Changes()
    return Changes(seats={seat.seat: replace(seat, help_since=event.at if event.asked else None)})


def _trunk_channel(floor: Floor, event: TrunkChannel) -> Changes:
    if (event.channel in floor.trunk) == event.there:
        return Changes()
    return Changes(trunk=floor.trunk ^ {event.channel})


def _recording_paused(floor: Floor, event: RecordingPaused) -> Changes:
    call = floor.calls.get(event.uid)
    word = "paused" if event.paused else "on"
    if call is None or call.recording == word:
        return Changes()
    since = event.at if event.paused else None
    return Changes(calls={call.uid: replace(call, recording=word, paused_since=since, event_at=event.at)})


def _joined(floor: Floor, event: SeatJoined) -> Changes:
    seat = floor.seats.get(event.seat, Seat(event.seat))
    after = replace(
        seat,
        agent=event.agent,
        telephone=event.telephone,
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
    out = replace(
        _with_pause(seat, None, event.at),
        queues=(),
        agent=None,
        presence="signed_out",
        telephone="desk",
        since=event.at,
        help_since=None,
    )
    return Changes(seats={seat.seat: out})


def _paused(floor: Floor, event: SeatPaused) -> Changes:
    seat = floor.seats.get(event.seat)
    if seat is None or seat.presence == "signed_out":
        return Changes()
    return _changed(seat, _with_pause(seat, event.pause, event.at))


def _reached(floor: Floor, event: SeatReached) -> Changes:
    seat = floor.seats.get(event.seat)
    if seat is None or event.reachable == (event.telephone in seat.phones):
        return Changes()
    others = tuple(phone for phone in seat.phones if phone != event.telephone)
    phones = (*others, event.telephone) if event.reachable else others
    return Changes(seats={seat.seat: replace(seat, phones=phones)})


def _with_pause(seat: Seat, pause: str | None, at: int) -> Seat:
    presence = "ready" if pause is None else "not_ready"
    reason, following, until, extended = read_pause(pause)
    facts = (presence, reason, following, until, extended)
    if (seat.presence, seat.reason, seat.next, seat.until, seat.extended) == facts:
        return seat
    same = (seat.presence, seat.reason) == (presence, reason)
    return replace(
        seat,
        presence=presence,
        reason=reason,
        next=following,
        until=until,
        extended=extended,
        since=seat.since if same else at,
    )


def read_pause(pause: str | None) -> tuple[str | None, str | None, int | None, int]:
    """Reason, what follows it, its end (epoch ms) and how often it was put off.

    `pause` is the reason as Asterisk keeps it: "meal", or "after_call:<next>:<until>:<times>" for after-call
    work, which so survives our own end.
    """
    word, _, rest = (pause or "").partition(":")
    following, until, times = (*rest.split(":"), "", "", "")[:3]
    return (
        word or None,
        following or None,
        int(until) if until.isdigit() else None,
        int(times) if times.isdigit() else 0,
    )


def write_pause(following: str | None, until: int, times: int = 0) -> str:
    """The reason under which Asterisk keeps after-call work; `read_pause` reads it."""
    return f"after_call:{following or ''}:{until}:{times}"


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


_WITH_AGENT = frozenset(("talking", "holding", "dialing", "consulting", "three_way"))

_RULES: dict[type, Callable[[Floor, Any], Changes]] = {
    CallQueued: _queued,
    CallLeftQueue: _left_queue,
    SeatRang: _rang,
    SeatAnswered: _answered,
    RingEnded: _ring_ended,
    TalkEnded: _talk_ended,
    CallHeld: _held,
    CallEnded: _ended,
    DialStarted: _dial_started,
    CitizenAnswered: _citizen_answered,
    ConsultBegan: _consult_began,
    PartyAnswered: _party_answered,
    PartyLeft: _party_left,
    ThreeWayBegan: _three_way,
    HandedOver: _handed_over,
    CallReturning: _returning,
    CallerMoved: _moved,
    QueueOrdered: _ordered,
    CallTaken: _taken,
    TakerLeft: _taker_left,
    RecordingPaused: _recording_paused,
    HelpAsked: _help_asked,
    TrunkChannel: _trunk_channel,
    SeatJoined: _joined,
    SeatLeft: _left,
    SeatPaused: _paused,
    SeatReached: _reached,
}
