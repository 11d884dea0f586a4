"""What map, board and wall show, made of the floor's facts, the ledger's counts and what is known. Pure.

seat + its call + who sits there ─► tile          calls waiting + seats + tallies ─► row of a queue
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_desktop.alarm_readings import limit_of
from agent_desktop.floor_knowledge import Knowledge
from agent_desktop.labels import REASONS, SYSTEM_REASONS, Names
from agent_desktop.seat_words import seat_word
from reports.interval import Tally, figures

Fact = dict[str, Any]

WAITING = frozenset({"queue", "ringing"})
SERVING = ("ready", "ringing", "talking", "holding", "after_call")
"""Counted as serving a queue: they take its next call, now or soon."""
_COUNTED_AS = {"dialing": "talking", "consulting": "holding", "three_way": "talking", "returning": "holding"}
TALK_SECONDS = 180.0
"""Of a call, where the last hour has none (DOMAIN 6)."""


@dataclass(frozen=True)
class Caller:
    """Of a call: what people may see of who calls, and the words of the menu walked."""

    number: str
    """In normal form; never leaves the server."""
    masked: str
    region: str
    path_labels: tuple[str, ...]


# --- tiles -------------------------------------------------------------------------------------------


def tile(
    pbx: str,
    seat: Fact,
    call: Fact | None,
    caller: Caller | None,
    watches: Iterable[Fact],
    today: Fact | None,
    names: Names,
    known: Knowledge,
) -> Fact:
    """One seat as the map shows it; `call` is the call at the seat, `watches` those of this seat."""
    worker = known.people.get(seat["agent"] or "")
    limit = limit_of(seat, names.floor, names.reasons)
    room, column, row = known.places.get(seat["seat"], (None, None, None))
    return {
        "seat": seat["seat"],
        "label": names.seat(seat["seat"]),
        "pbx": pbx,
        "agent": seat["agent"],
        "agent_name": worker.name if worker else seat["agent"],
        "work_number": worker.work_number if worker else None,
        "group_id": worker.group if worker else None,
        "group_name": known.group_name(worker.group) if worker else None,
        "presence": seat["presence"],
        "reason": seat["reason"],
        "reason_label": reason_label(seat["reason"], names),
        "activity": seat["activity"],
        "word": seat_word(seat),
        "reachable": seat["reachable"],
        "telephone": seat.get("telephone"),
        "since": seat["since"] or None,
        "until": seat.get("until"),
        "limit_ms": limit * 1000 if limit else None,
        "queues": seat["queues"],
        "help_since": seat.get("help_since"),
        "call": call_of_tile(call, caller, names) if call and caller else None,
        "watched": [
            {"by": one["by"], "by_name": _name(one["by"], known), "mode": one["mode"]}
            for one in watches
            if one.get("state") == "on"
        ],
        "today": today if seat["agent"] else None,
        "room": room,
        "column": column,
        "row": row,
    }


def call_of_tile(call: Fact, caller: Caller, names: Names) -> Fact:
    party = call.get("party") or {}
    return {
        "uid": call["uid"],
        "state": call["state"],
        "kind": call.get("kind") or "inbound",
        "direction": call.get("direction") or "inbound",
        "queue": call["queue"],
        "queue_label": names.queue(call["queue"]),
        "path_labels": list(caller.path_labels),
        "masked": caller.masked,
        "region": caller.region,
        "asked_at": asked_at(call),
        "answered_at": call["answered_at"],
        "recording": call.get("recording"),
        "party_label": party.get("label") or None,
    }


def reason_label(reason: str | None, names: Names) -> str | None:
    """The words of a reason for not being ready."""
    if reason is None:
        return None
    chosen = names.reasons.get(reason)
    return chosen.label if chosen else SYSTEM_REASONS.get(reason) or REASONS.get(reason) or reason


def asked_at(call: Fact) -> int | None:
    """Since when the citizen has wanted a person (ms); from an older cti: since it was queued."""
    asked: int | None = call.get("asked_at") or call.get("queued_at")
    return asked


def _name(login: str, known: Knowledge) -> str:
    worker = known.people.get(login)
    return worker.name if worker else login


# --- the board ---------------------------------------------------------------------------------------


def seats_of_queue(seats: Iterable[Fact], names: Names) -> Fact:
    """How many of these seats are in which state; each stands in one of them."""
    counted: dict[str, int] = dict.fromkeys(
        ("ready", "ringing", "talking", "holding", "after_call", "unreachable", "signed_in"), 0
    )
    reasons: dict[str, int] = {}
    for seat in seats:
        word = seat_word(seat)
        if word == "signed_out":
            continue
        counted["signed_in"] += 1
        if word == "not_ready":
            label = reason_label(seat["reason"], names) or "示忙"
            reasons[label] = reasons.get(label, 0) + 1
        else:
            word = _COUNTED_AS.get(word, word)
            counted[word] = counted.get(word, 0) + 1
    return counted | {"not_ready": reasons}


def estimated_wait(
    waiting: int, seats: Mapping[str, Any], last_hour: Tally, wrapup_seconds: float
) -> int | None:
    """Seconds until a citizen who asks now is answered: (waiting + 1) x handling time / seats serving.

    Handling time is the mean talk of the last hour with the after-call work behind it. None: no seat serves.
    A seat that serves several queues counts for each, so it is rather too short where these are full.
    """
    serving = sum(seats[state] for state in SERVING)
    if not serving:
        return None
    if not waiting and seats["ready"]:
        return 0
    talk = last_hour.talk_ms / last_hour.talks / 1000 if last_hour.talks else TALK_SECONDS
    return round((waiting + 1) * (talk + wrapup_seconds) / serving)


def queue_row(
    queue: str,
    waiting: Sequence[Fact],
    seats: Iterable[Fact],
    windows: Mapping[str, Tally],
    *,
    is_open: bool,
    wrapup_seconds: float,
    names: Names,
    known: Knowledge,
) -> Fact:
    """A row of the board; queue "" is the sum of all. `waiting` as `waiting_caller` gives them, in order."""
    states = seats_of_queue(seats, names)
    longest = min((one["asked_at"] for one in waiting if one["asked_at"]), default=None)
    return {
        "queue": queue,
        "label": names.queue(queue) if queue else "合计",
        "open": is_open,
        "switch": known.switches.get(queue),
        "overflow": known.overflows.get(queue),
        "waiting": list(waiting),
        "longest_asked_at": longest,
        "seats": states,
        "windows": {name: figures(counted).as_json() for name, counted in windows.items()},
        "estimated_wait_seconds": estimated_wait(len(waiting), states, windows["m60"], wrapup_seconds),
        "callbacks_owed": known.owed.get(queue, 0) if queue else sum(known.owed.values()),
    }


def waiting_caller(call: Fact, caller: Caller, position: int, known: Knowledge) -> Fact:
    return {
        "uid": call["uid"],
        "masked": caller.masked,
        "region": caller.region,
        "asked_at": asked_at(call),
        "priority": call.get("priority") or 0,
        "position": position,
        "path_labels": list(caller.path_labels),
        "caller_flag": known.flags.get(caller.number) or None,
    }


def without_callers(row: Fact) -> Fact:
    """A row for the wall: how long each has waited, and nothing of who it is."""
    return row | {
        "waiting": [{"asked_at": one["asked_at"], "priority": one["priority"]} for one in row["waiting"]]
    }
