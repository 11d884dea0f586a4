"""The ledger's rules: what one call's journal entries add up to. Pure.

    arrived ─► menu ─► to a person ─► rung ─► answered ─► ended
                 │          │                                one outcome, set once, when the call has ended
                 └ served   └ overflow: call-back, message
    dialled ─► answered outside ─► ended                     outbound: by an agent, or a call-back

What happened after the answer (holds, consultations, transfers...) is a list of parts; talk and hold times
are sums of them.

An entry that comes twice or late changes nothing that it said before; entries after the end are kept in the
journal table and change no outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

from cti import parts
from cti.journal import Entry, display_name
from cti.parts import ON_HOLD, TALK, WITH_SOMEBODY, Kind, Part, Parts


class Outcome(StrEnum):
    """How a call ended: exactly one of these. Of inbound calls, received = the sum of the first eleven;
    outbound calls have ANSWERED, FAILED and the last four."""

    ANSWERED = "answered"
    SELF_SERVED = "self_served"
    ABANDONED_IN_MENU = "abandoned_in_menu"
    SHORT_ABANDON = "short_abandon"
    ABANDONED_IN_QUEUE = "abandoned_in_queue"
    CALLBACK_REQUESTED = "callback_requested"
    VOICEMAIL_LEFT = "voicemail_left"
    REFUSED = "refused"
    CLOSED = "closed"
    OVERFLOWED = "overflowed"
    FAILED = "failed"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class MenuStep:
    """One step that the citizen walked: result is pressed | wrong | silence."""

    node: str
    key: str
    result: str


@dataclass(frozen=True)
class Towards:
    """Where a transfer leads: a seat, or a number outside."""

    who: str
    label: str = ""
    is_seat: bool = False


@dataclass(frozen=True)
class CallFacts:
    """What the ledger knows of one call; the fields are those of db.models.Call."""

    uid: str
    arrived_at: datetime
    caller_raw: str = ""
    caller_name: str = ""
    called: str = ""
    direction: str = "inbound"
    menu_path: tuple[MenuStep, ...] = ()
    queue: str | None = None
    to_person_at: datetime | None = None
    rings: int = 0
    picked_up_at: datetime | None = None
    """When an agent's telephone was last answered, in ms; app_queue's own CONNECT keeps whole seconds."""
    picked_up_seat: str | None = None
    towards: Towards | None = None
    """Whom the citizen was sent to and has not reached yet."""
    left_at: datetime | None = None
    """When the agent's leg ended by app_queue; what follows says whether that was the end of the talk."""
    parts: Parts = ()
    answered_at: datetime | None = None
    agent: str | None = None
    seat: str | None = None
    wait_ms: int | None = None
    talk_ms: int | None = None
    """With agents and outside, holds included. Waiting between two agents is no talk, nor is the rating."""
    hold_ms: int = 0
    transfers: int = 0
    about: str | None = None
    callback_of: str | None = None
    dialled: str | None = None
    """Asterisk's DIALSTATUS of an outbound call."""
    rating: int | None = None
    rating_reason: int | None = None
    rated_agent: str | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    cause: int | None = None
    reason: str | None = None
    callback_number: str | None = None
    """As keyed in, or as the carrier sent it."""
    choice: Outcome | None = None
    """What the call would be if it ended now without an answer: served, call-back, message, overflow..."""
    outcome: Outcome | None = None


PBX_DIED = "pbx_died"
"""Reason of a call that was open when Asterisk was started anew."""
NEVER_FIRST = frozenset(("COMPLETECALLER", "COMPLETEAGENT", "BLINDTRANSFER", "ATTENDEDTRANSFER"))
"""Lines that begin no call: after a channel has been taken out of its queue, app_queue signs them with the
unique id of the empty channel that it was left with."""


def begin(entry: Entry) -> CallFacts:
    """Facts of a call from its first entry, normally CALLARRIVED or DIALLED.

    A call whose arrival was never journalled (first seen at a later line) begins at that line.
    """
    return _identified(CallFacts(uid=entry.call or "", arrived_at=entry.at), entry)


def apply(facts: CallFacts, entry: Entry, short_abandon_s: float = 5.0) -> CallFacts:
    """The facts after one more entry of the same call."""
    if facts.outcome is not None:
        return facts
    if entry.event in ("CALLENDED", "CALLLOST"):
        return _end(facts, entry, short_abandon_s)
    rule = _RULES.get(entry.event)
    return rule(facts, entry) if rule else facts


def close_at_restart(facts: CallFacts, at: datetime) -> CallFacts:
    """The facts of a call that was open when Asterisk died: it ended unwritten, at `at` at the latest."""
    if facts.outcome is not None:
        return facts
    ended = replace(facts, ended_at=at, ended_by="system", reason=PBX_DIED)
    return replace(_added_up(ended, at), outcome=_outcome_by_system(ended))


def named(facts: CallFacts, who_sat: Callable[[str, datetime], str | None]) -> CallFacts:
    """The facts with a login for every seat in the parts: `who_sat(seat, moment)` knows, or None."""

    def with_login(part: Part) -> Part:
        if part.agent is None and part.seat:
            part = replace(part, agent=who_sat(part.seat, part.began_at))
        if part.is_seat and part.who:
            part = replace(part, who=who_sat(part.who, part.began_at) or part.who)
        return part

    found = tuple(with_login(part) for part in facts.parts)
    return replace(facts, parts=found, rated_agent=_rated(found) if facts.rating else None)


def _end(facts: CallFacts, entry: Entry, short_abandon_s: float) -> CallFacts:
    cause = _field(entry, 1)
    by = _field(entry, 2) or "system"
    wait = facts.wait_ms if facts.answered_at else _between(facts.to_person_at, entry.at)
    ended = replace(
        facts,
        ended_at=entry.at,
        # The dialplan knows best; app_queue calls a talk that the agent's screen ended the caller's.
        ended_by=by if by in ("caller", "agent") else facts.ended_by or "system",
        cause=int(cause) if cause.isdigit() and len(cause) < 5 else None,
        wait_ms=wait if facts.direction == "inbound" else None,
        reason=facts.reason or ("lost_end_line" if entry.event == "CALLLOST" else None),
    )
    return replace(_added_up(ended, entry.at), outcome=_outcome(ended, short_abandon_s))


def _added_up(facts: CallFacts, at: datetime) -> CallFacts:
    closed = parts.closed(facts.parts, at)
    return replace(
        facts,
        parts=closed,
        talk_ms=parts.milliseconds(closed, *TALK) if facts.answered_at else None,
        hold_ms=parts.milliseconds(closed, *ON_HOLD),
    )


_MEDIA_GONE = 44
"""Q.850 cause that Asterisk gives a channel whose audio stopped coming: the citizen's side went away."""


def _outcome(facts: CallFacts, short_abandon_s: float) -> Outcome:
    if facts.direction == "outbound":
        return _outcome_of_dialling(facts)
    ended_by_us = facts.ended_by == "system" and facts.cause != _MEDIA_GONE
    if facts.answered_at or facts.choice or ended_by_us:
        return _outcome_by_system(facts)
    if facts.to_person_at is None:
        return Outcome.ABANDONED_IN_MENU
    if (facts.wait_ms or 0) < short_abandon_s * 1000:
        return Outcome.SHORT_ABANDON
    return Outcome.ABANDONED_IN_QUEUE


def _outcome_of_dialling(facts: CallFacts) -> Outcome:
    if facts.answered_at:
        return Outcome.ANSWERED
    if facts.dialled:
        return _DIALLED.get(facts.dialled, Outcome.FAILED)
    # Nobody was dialled yet: the agent's own telephone did not answer, or the agent thought better of it.
    return Outcome.FAILED if facts.ended_by == "system" else Outcome.CANCELLED


_DIALLED = {
    "NOANSWER": Outcome.NO_ANSWER,
    "BUSY": Outcome.BUSY,
    "CHANUNAVAIL": Outcome.UNREACHABLE,
    "CONGESTION": Outcome.UNREACHABLE,
    "CANCEL": Outcome.CANCELLED,
}
"""Dial's DIALSTATUS."""


def _outcome_by_system(facts: CallFacts) -> Outcome:
    if facts.answered_at:
        return Outcome.ANSWERED
    return facts.choice or Outcome.FAILED


def _between(start: datetime | None, end: datetime) -> int | None:
    return None if start is None else max(0, round((end - start).total_seconds() * 1000))


def _field(entry: Entry, number: int) -> str:
    """Datum `number` as written, '' where the line has fewer; 0 is the epoch."""
    return entry.data[number] if len(entry.data) > number else ""


def _seat(endpoint: str) -> str | None:
    """The seat of a telephone: 8001 is the desk phone, 8001w the browser of seat 8001."""
    return endpoint.removesuffix("w")[:16] or None


Rule = Callable[[CallFacts, Entry], CallFacts]

# --- one small function an entry ---------------------------------------------------------------------


def _identified(facts: CallFacts, entry: Entry) -> CallFacts:
    if entry.event == "CALLARRIVED":
        direction = _field(entry, 4)
        return replace(
            facts,
            caller_raw=unquote(_field(entry, 1))[:256],
            called=unquote(_field(entry, 2))[:64],
            caller_name=display_name(_field(entry, 3)),
            direction=direction if direction in ("inbound", "outbound") else "inbound",
        )
    if entry.event == "DIALLED":
        number = unquote(_field(entry, 2))
        return replace(
            facts,
            direction="outbound",
            # Whose call it is, whoever dialled: the citizen's number stands in one place for both directions.
            caller_raw=number[:256],
            called=number[:64],
            agent=entry.agent,
            seat=_seat(_field(entry, 1)),
            about=unquote(_field(entry, 3))[:64] or None,
            callback_of=_field(entry, 5)[:64] or None,
        )
    return facts


def _arrived(facts: CallFacts, entry: Entry) -> CallFacts:
    return facts if facts.caller_raw else _identified(replace(facts, arrived_at=entry.at), entry)


def _menu_step(facts: CallFacts, entry: Entry) -> CallFacts:
    step = MenuStep(_field(entry, 1)[:64], _field(entry, 2)[:16], _field(entry, 3)[:16])
    return replace(facts, menu_path=(*facts.menu_path, step))


def _to_person(facts: CallFacts, entry: Entry) -> CallFacts:
    return replace(facts, queue=_field(entry, 1) or None, to_person_at=facts.to_person_at or entry.at)


def _entered_queue(facts: CallFacts, entry: Entry) -> CallFacts:
    # Back in a queue after an overflow offer: what was offered is no longer how the call stands.
    choice = None if facts.choice is Outcome.OVERFLOWED else facts.choice
    return replace(
        _left_alone(facts, entry.at),
        queue=entry.queue or facts.queue,
        to_person_at=facts.to_person_at or entry.at,
        choice=choice,
        towards=None,
    )


def _rung_in_vain(facts: CallFacts, entry: Entry) -> CallFacts:
    return replace(facts, rings=facts.rings + 1)


def _agent_picked_up(facts: CallFacts, entry: Entry) -> CallFacts:
    talk = parts.last(facts.parts, Kind.AGENT)
    if talk and not talk.ended_at:
        # A colleague who was consulted and stays: talks already, and is named only now.
        stays = talk.agent is None and talk.seat == _seat(_field(entry, 1))
        named = parts.changed(facts.parts, Kind.AGENT, agent=entry.agent) if stays else facts.parts
        return replace(facts, parts=named)
    picked = replace(facts, picked_up_at=entry.at, picked_up_seat=_seat(_field(entry, 1)))
    if facts.towards and facts.towards.is_seat:
        # A seat that is called by itself has no CONNECT.
        first = picked if facts.answered_at else _answered_first(picked, entry.agent, entry.at)
        return _with_agent(first, entry.agent, entry.at)
    return picked


def _connected(facts: CallFacts, entry: Entry) -> CallFacts:
    if facts.direction == "outbound" and not facts.answered_at:
        # A call-back: the agent is there before the citizen.
        return replace(facts, agent=entry.agent, seat=facts.picked_up_seat, queue=entry.queue or facts.queue)
    if parts.is_open(facts.parts, Kind.AGENT):
        return facts
    at = facts.picked_up_at or entry.at
    if facts.answered_at:
        return _with_agent(facts, entry.agent, at)
    first = replace(_answered_first(facts, entry.agent, at), queue=entry.queue or facts.queue)
    return _with_agent(first, entry.agent, at)


def _answered_first(facts: CallFacts, agent: str | None, at: datetime) -> CallFacts:
    """The first answer by a person: the wait is over."""
    wait = _between(facts.to_person_at, at)
    return replace(facts, answered_at=at, agent=agent, seat=facts.picked_up_seat, wait_ms=wait)


def _moved(facts: CallFacts, entry: Entry) -> CallFacts:
    """By a supervisor, while waiting: the wait goes on."""
    kind, target = _field(entry, 1), _field(entry, 2)[:32]
    if kind == "queue":
        return replace(facts, queue=target or facts.queue, towards=None)
    if kind == "seat":
        return replace(facts, towards=Towards(_seat(target) or "", is_seat=True))
    return facts


def _overflowed(facts: CallFacts, entry: Entry) -> CallFacts:
    # Given on to another queue, the citizen goes on waiting: nothing was offered.
    return facts if _field(entry, 3) == "queue" else _chosen(Outcome.OVERFLOWED)(facts, entry)


def _with_agent(facts: CallFacts, agent: str | None, at: datetime) -> CallFacts:
    seat = facts.picked_up_seat
    known = next((part.agent for part in facts.parts if part.agent and part.seat == seat), None)
    talk = Part(Kind.AGENT, at, agent or known, seat)
    return replace(
        facts,
        parts=parts.opened(parts.closed(facts.parts, at, Kind.OUTSIDE, Kind.RETURNED), talk),
        picked_up_at=None,
        picked_up_seat=None,
        towards=None,
        left_at=None,
    )


def _outside_answered(facts: CallFacts, entry: Entry) -> CallFacts:
    if facts.direction == "outbound" and not facts.answered_at:
        there = replace(facts, answered_at=entry.at, picked_up_seat=facts.seat)
        return _with_agent(there, facts.agent, entry.at)
    if parts.is_open(facts.parts, Kind.AGENT):
        return facts  # somebody who is consulted
    if not facts.answered_at:
        wait = _between(facts.to_person_at, entry.at)
        facts = replace(facts, answered_at=entry.at, reason="outside", wait_ms=wait)
    number = unquote(_field(entry, 1))[:64]
    label = facts.towards.label if facts.towards else ""
    talk = Part(Kind.OUTSIDE, entry.at, who=number, label=label)
    talking = parts.opened(parts.closed(facts.parts, entry.at, Kind.RETURNED), talk)
    return replace(facts, parts=talking, towards=None)


def _left_alone(facts: CallFacts, at: datetime) -> CallFacts:
    """Nobody talks with the citizen from `at` on, until somebody is connected again."""
    return replace(facts, parts=parts.closed(facts.parts, at, *WITH_SOMEBODY))


def _agent_ended(facts: CallFacts, entry: Entry) -> CallFacts:
    by = "agent" if entry.event == "COMPLETEAGENT" else "caller"
    return replace(facts, ended_by=by, left_at=entry.at)


def _transferred(facts: CallFacts, entry: Entry) -> CallFacts:
    kind, target, label = _field(entry, 1), _field(entry, 2)[:64], unquote(_field(entry, 3))[:128]
    asked = parts.last(facts.parts, Kind.CONSULT)
    # Who ended an earlier part of the call is not who ended the call.
    alone = replace(_left_alone(facts, entry.at), transfers=facts.transfers + 1, ended_by=None, left_at=None)
    if kind == "consult" and asked:
        return replace(alone, parts=parts.opened(alone.parts, _stays(asked, entry.at)))
    if kind == "seat":
        return replace(alone, towards=Towards(_seat(target) or "", label, is_seat=True))
    return replace(alone, towards=Towards(unquote(target), label))


def _stays(other: Part, at: datetime) -> Part:
    """The other's talk with the citizen, after the agent who asked has gone."""
    if other.is_seat:
        return Part(Kind.AGENT, at, seat=other.who)
    return Part(Kind.OUTSIDE, at, who=other.who, label=other.label)


def _held(facts: CallFacts, entry: Entry) -> CallFacts:
    return _stretch(facts, entry, Kind.HOLD) if parts.is_open(facts.parts, Kind.AGENT) else facts


def _consult_began(facts: CallFacts, entry: Entry) -> CallFacts:
    again = replace(facts, parts=parts.closed(facts.parts, entry.at, Kind.CONSULT))
    is_seat = _field(entry, 2) == "seat"
    who = unquote(_field(entry, 3))[:64]
    return _stretch(
        again,
        entry,
        Kind.CONSULT,
        who=(_seat(who) or "") if is_seat else who,
        label=unquote(_field(entry, 4))[:128],
        is_seat=is_seat,
    )


def _consult_answered(facts: CallFacts, entry: Entry) -> CallFacts:
    return replace(facts, parts=parts.changed(facts.parts, Kind.CONSULT, answered_at=entry.at))


def _three_way(facts: CallFacts, entry: Entry) -> CallFacts:
    asked = parts.last(facts.parts, Kind.CONSULT)
    if asked is None:
        return facts
    together = replace(facts, parts=parts.closed(facts.parts, entry.at, *ON_HOLD))
    return _stretch(together, entry, Kind.PARTY, who=asked.who, label=asked.label, is_seat=asked.is_seat)


def _agent_left(facts: CallFacts, entry: Entry) -> CallFacts:
    party = parts.last(facts.parts, Kind.PARTY)
    if party is None or party.ended_at:
        return _left_alone(facts, entry.at)
    alone = _left_alone(facts, entry.at)
    return replace(alone, parts=parts.opened(alone.parts, _stays(party, entry.at)))


def _taken_over(facts: CallFacts, entry: Entry) -> CallFacts:
    """A supervisor has the citizen now; the line is signed with the supervisor's login."""
    alone = replace(_left_alone(facts, entry.at), ended_by=None, left_at=None)
    return replace(alone, parts=parts.opened(alone.parts, Part(Kind.AGENT, entry.at, entry.agent)))


def _returned(facts: CallFacts, entry: Entry) -> CallFacts:
    """The agent's telephone was gone. The line is written when the citizen is passed on, seconds later."""
    seat, at = _seat(_field(entry, 1)), _left_at(facts) or entry.at
    back = _stretch(_left_alone(facts, at), replace(entry, at=at), Kind.RETURNED)
    same = Towards(seat, is_seat=True) if seat and _field(entry, 2) == "same_seat" else None
    return replace(back, towards=same, ended_by=None)


def _left_at(facts: CallFacts) -> datetime | None:
    """When app_queue saw the agent's leg end, in whole seconds; None where the talk went on after that."""
    edges = [edge for part in facts.parts for edge in (part.began_at, part.ended_at) if edge]
    if facts.left_at is None or facts.left_at + timedelta(seconds=1) < max(edges, default=facts.left_at):
        return None
    return facts.left_at


def _survey_began(facts: CallFacts, entry: Entry) -> CallFacts:
    return _stretch(_left_alone(facts, entry.at), entry, Kind.SURVEY)


def _surveyed(facts: CallFacts, entry: Entry) -> CallFacts:
    score, why = _field(entry, 1), _field(entry, 2)
    if score not in ("1", "2", "3"):
        return facts
    reason = int(why) if why in ("1", "2", "3", "4") else facts.rating_reason
    reason = reason if score == "3" else None
    return replace(facts, rating=int(score), rating_reason=reason, rated_agent=_rated(facts.parts))


def _rated(found: Parts) -> str | None:
    talked = parts.last(found, Kind.AGENT)
    return talked.agent if talked else None


def _stretch(facts: CallFacts, entry: Entry, kind: Kind, **fields: Any) -> CallFacts:
    """With a part begun by the agent who talks, or talked last."""
    talk = parts.last(facts.parts, Kind.AGENT)
    agent, seat = (talk.agent, talk.seat) if talk else (facts.agent, facts.seat)
    part = Part(kind, entry.at, agent or entry.agent, seat, **fields)
    return replace(facts, parts=parts.opened(facts.parts, part))


def _opens(kind: Kind) -> Rule:
    return lambda facts, entry: _stretch(facts, entry, kind)


def _closes(kind: Kind) -> Rule:
    return lambda facts, entry: replace(facts, parts=parts.closed(facts.parts, entry.at, kind))


def _dial_ended(facts: CallFacts, entry: Entry) -> CallFacts:
    return replace(facts, dialled=_field(entry, 1)[:16] or None)


def _callback_asked(facts: CallFacts, entry: Entry) -> CallFacts:
    number = (_field(entry, 1) or facts.caller_raw)[:32]
    return replace(facts, choice=Outcome.CALLBACK_REQUESTED, callback_number=number)


def _chosen(outcome: Outcome) -> Rule:
    def rule(facts: CallFacts, entry: Entry) -> CallFacts:
        reason = entry.data[1][:64] if len(entry.data) > 1 and outcome in _WITH_REASON else facts.reason
        return replace(facts, choice=outcome, reason=reason or None)

    return rule


_WITH_REASON = (Outcome.SELF_SERVED, Outcome.OVERFLOWED)

_RULES: dict[str, Rule] = {
    "CALLARRIVED": _arrived,
    "MENUSTEP": _menu_step,
    "TOPERSON": _to_person,
    "ENTERQUEUE": _entered_queue,
    "RINGNOANSWER": _rung_in_vain,
    "AGENTANSWERED": _agent_picked_up,
    "CONNECT": _connected,
    "COMPLETECALLER": _agent_ended,
    "COMPLETEAGENT": _agent_ended,
    "TRANSFERRED": _transferred,
    "OUTSIDEANSWERED": _outside_answered,
    "OVERFLOW": _overflowed,
    "MOVED": _moved,
    "CALLBACKASKED": _callback_asked,
    "MESSAGELEFT": _chosen(Outcome.VOICEMAIL_LEFT),
    "SELFSERVED": _chosen(Outcome.SELF_SERVED),
    "CALLCLOSED": _chosen(Outcome.CLOSED),
    "CALLREFUSED": _chosen(Outcome.REFUSED),
    "DIALLED": _arrived,
    "DIALENDED": _dial_ended,
    "HELD": _held,
    "RESUMED": _closes(Kind.HOLD),
    "CONSULTBEGAN": _consult_began,
    "CONSULTANSWERED": _consult_answered,
    "CONSULTENDED": _closes(Kind.CONSULT),
    "THREEWAY": _three_way,
    "PARTYLEFT": _closes(Kind.PARTY),
    "AGENTLEFT": _agent_left,
    "RETURNED": _returned,
    "TAKENOVER": _taken_over,
    "RECORDINGPAUSED": _opens(Kind.RECORDING_PAUSED),
    "RECORDINGRESUMED": _closes(Kind.RECORDING_PAUSED),
    "SURVEYBEGAN": _survey_began,
    "SURVEYED": _surveyed,
}
