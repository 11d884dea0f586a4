"""The ledger's rules: what one call's journal entries add up to. Pure.

    arrived ─► menu ─► to a person ─► rung ─► answered ─► ended
                 │          │                                one outcome, set once, when the call has ended
                 └ served   └ overflow: call-back, message

An entry that comes twice or late changes nothing that it said before; entries after the end are kept in the
journal table and change no outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from urllib.parse import unquote

from cti.journal import Entry, display_name


class Outcome(StrEnum):
    """How an inbound call ended: exactly one of these; received = their sum."""

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


@dataclass(frozen=True)
class MenuStep:
    """One step that the citizen walked: result is pressed | wrong | silence."""

    node: str
    key: str
    result: str


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
    talking_since: datetime | None = None
    talked_ms: int = 0
    """Talk before `talking_since`: with agents before a transfer. Waiting between two agents is no talk."""
    answered_at: datetime | None = None
    agent: str | None = None
    seat: str | None = None
    wait_ms: int | None = None
    talk_ms: int | None = None
    transfers: int = 0
    ended_at: datetime | None = None
    ended_by: str | None = None
    cause: int | None = None
    reason: str | None = None
    callback_number: str | None = None
    """As keyed in, or as the carrier sent it."""
    choice: Outcome | None = None
    """What the call would be if it ended now without an answer: served, call-back, message, overflow..."""
    outcome: Outcome | None = None


def begin(entry: Entry) -> CallFacts:
    """Facts of a call from its first entry, normally CALLARRIVED.

    A call whose arrival was never journalled (first seen at a later line) begins at that line.
    """
    facts = CallFacts(uid=entry.call or "", arrived_at=entry.at)
    if entry.event != "CALLARRIVED":
        return facts
    caller, called, name, direction = (*entry.data[1:5], "", "", "", "")[:4]
    return replace(
        facts,
        caller_raw=unquote(caller)[:256],
        called=unquote(called)[:64],
        caller_name=display_name(name),
        direction=direction if direction in ("inbound", "outbound") else "inbound",
    )


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
    ended = replace(facts, ended_at=at, ended_by="system", reason="pbx_died")
    return replace(ended, talk_ms=_talked(facts, at), outcome=_outcome_by_system(ended))


def _end(facts: CallFacts, entry: Entry, short_abandon_s: float) -> CallFacts:
    cause = entry.data[1] if len(entry.data) > 1 else ""
    by = entry.data[2] if len(entry.data) > 2 else "system"
    wait = facts.wait_ms if facts.answered_at else _between(facts.to_person_at, entry.at)
    ended = replace(
        facts,
        ended_at=entry.at,
        # The dialplan knows best; app_queue calls a talk that the agent's screen ended the caller's.
        ended_by=by if by in ("caller", "agent") else facts.ended_by or "system",
        cause=int(cause) if cause.isdigit() and len(cause) < 5 else None,
        wait_ms=wait,
        talk_ms=_talked(facts, entry.at),
        reason=facts.reason or ("lost_end_line" if entry.event == "CALLLOST" else None),
    )
    return replace(ended, outcome=_outcome(ended, short_abandon_s))


_MEDIA_GONE = 44
"""Q.850 cause that Asterisk gives a channel whose audio stopped coming: the citizen's side went away."""


def _outcome(facts: CallFacts, short_abandon_s: float) -> Outcome:
    ended_by_us = facts.ended_by == "system" and facts.cause != _MEDIA_GONE
    if facts.answered_at or facts.choice or ended_by_us:
        return _outcome_by_system(facts)
    if facts.to_person_at is None:
        return Outcome.ABANDONED_IN_MENU
    if (facts.wait_ms or 0) < short_abandon_s * 1000:
        return Outcome.SHORT_ABANDON
    return Outcome.ABANDONED_IN_QUEUE


def _outcome_by_system(facts: CallFacts) -> Outcome:
    if facts.answered_at:
        return Outcome.ANSWERED
    return facts.choice or Outcome.FAILED


def _between(start: datetime | None, end: datetime) -> int | None:
    return None if start is None else max(0, round((end - start).total_seconds() * 1000))


Rule = Callable[[CallFacts, Entry], CallFacts]

# --- one small function an entry ---------------------------------------------------------------------


def _arrived(facts: CallFacts, entry: Entry) -> CallFacts:
    return facts if facts.caller_raw else begin(entry)


def _menu_step(facts: CallFacts, entry: Entry) -> CallFacts:
    node, key, result = (*entry.data[1:4], "", "", "")[:3]
    return replace(facts, menu_path=(*facts.menu_path, MenuStep(node[:64], key[:16], result[:16])))


def _to_person(facts: CallFacts, entry: Entry) -> CallFacts:
    queue = entry.data[1] if len(entry.data) > 1 else None
    return replace(facts, queue=queue, to_person_at=facts.to_person_at or entry.at)


def _entered_queue(facts: CallFacts, entry: Entry) -> CallFacts:
    # Back in a queue after an overflow offer: what was offered is no longer how the call stands.
    choice = None if facts.choice is Outcome.OVERFLOWED else facts.choice
    return replace(
        _talk_paused(facts, entry.at),
        queue=entry.queue or facts.queue,
        to_person_at=facts.to_person_at or entry.at,
        choice=choice,
    )


def _rung_in_vain(facts: CallFacts, entry: Entry) -> CallFacts:
    return replace(facts, rings=facts.rings + 1)


def _agent_picked_up(facts: CallFacts, entry: Entry) -> CallFacts:
    seat = entry.data[1] if len(entry.data) > 1 else None
    return replace(facts, picked_up_at=entry.at, seat=facts.seat if facts.answered_at else seat)


def _connected(facts: CallFacts, entry: Entry) -> CallFacts:
    at = facts.picked_up_at or entry.at
    if facts.answered_at:
        return facts if facts.talking_since else replace(facts, talking_since=at, picked_up_at=None)
    return replace(
        facts,
        answered_at=at,
        talking_since=at,
        picked_up_at=None,
        agent=entry.agent,
        queue=entry.queue or facts.queue,
        wait_ms=_between(facts.to_person_at, at),
    )


def _outside_answered(facts: CallFacts, entry: Entry) -> CallFacts:
    if facts.answered_at:
        return facts if facts.talking_since else replace(facts, talking_since=entry.at)
    return replace(
        facts,
        answered_at=entry.at,
        talking_since=entry.at,
        reason="outside",
        wait_ms=_between(facts.to_person_at, entry.at),
    )


def _talk_paused(facts: CallFacts, at: datetime) -> CallFacts:
    """Nobody talks with the citizen from `at` on, until somebody is connected again."""
    talked = facts.talked_ms + (_between(facts.talking_since, at) or 0)
    return replace(facts, talking_since=None, talked_ms=talked)


def _talked(facts: CallFacts, end: datetime) -> int | None:
    return _talk_paused(facts, end).talked_ms if facts.answered_at else None


def _agent_ended(facts: CallFacts, entry: Entry) -> CallFacts:
    return replace(facts, ended_by="agent" if entry.event == "COMPLETEAGENT" else "caller")


def _transferred(facts: CallFacts, entry: Entry) -> CallFacts:
    # Who ended an earlier part of the call is not who ended the call.
    return replace(_talk_paused(facts, entry.at), transfers=facts.transfers + 1, ended_by=None)


def _callback_asked(facts: CallFacts, entry: Entry) -> CallFacts:
    keyed = entry.data[1] if len(entry.data) > 1 else ""
    number = (keyed or facts.caller_raw)[:32]
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
    "OVERFLOW": _chosen(Outcome.OVERFLOWED),
    "CALLBACKASKED": _callback_asked,
    "MESSAGELEFT": _chosen(Outcome.VOICEMAIL_LEFT),
    "SELFSERVED": _chosen(Outcome.SELF_SERVED),
    "CALLCLOSED": _chosen(Outcome.CLOSED),
    "CALLREFUSED": _chosen(Outcome.REFUSED),
}
