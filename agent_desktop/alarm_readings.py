"""What each alarm rule reads from what is seen now: live floors, ledger, recordings, disks. Pure.

A rule's subjects: a PBX (trunk_full, link_lost; there also "database" and "recorder <name>"), a seat
(state_too_long), a folder (disk), else the one subject "": the rule's queue, or the whole floor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent_desktop import floor_settings
from agent_desktop.alarm_rules import Rule, at_least
from agent_desktop.floor import Picture
from agent_desktop.labels import SYSTEM_REASONS, Reason
from agent_desktop.seat_words import seat_word
from reports.interval import Figures

Fact = dict[str, Any]

DATABASE = "database"
"""Subject of link_lost beside the names of PBXs."""
RECORDER = "recorder "
"""What the subject of link_lost begins with when a passive recorder captures nothing; its name follows."""
WAITING = frozenset({"queue", "ringing"})
"""States of a call whose citizen waits for a person."""
AT_WORK = frozenset({"ready", "ringing", "talking", "holding", "consulting", "three_way", "returning"})
"""Words of a seat that takes calls, or is in one; after-call work, which ends by itself, too."""
LIMITS = {
    "talking": "long_talk_seconds",
    "consulting": "long_talk_seconds",
    "three_way": "long_talk_seconds",
    "holding": "long_hold_seconds",
    "after_call": "long_after_call_seconds",
    "ringing": "long_ring_seconds",
}
"""Word of a seat -> the floor setting that says when it lasts too long; reasons have their own limits."""
WORDS = {
    "ringing": "振铃",
    "talking": "通话",
    "holding": "保持",
    "consulting": "咨询",
    "three_way": "三方通话",
    "dialing": "呼出",
    "after_call": "话后处理",
    "unreachable": "话机失联",
}


@dataclass(frozen=True)
class Seen:
    """Everything at one moment. None: it could not be looked at."""

    at: int
    pictures: Mapping[str, Picture]
    database_gone_since: int | None = None
    is_open: Callable[[str], bool] = lambda _queue: True
    settings: Mapping[str, Any] = field(default_factory=lambda: floor_settings.DEFAULTS)
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    counted: Mapping[tuple[str, int], Figures] | None = None
    """(queue or "", minutes until now) -> what the report has for it."""
    gaps: int | None = None
    disks: Mapping[str, float] | None = None
    """Folder -> percent used."""
    recorders: Mapping[str, int | None] = field(default_factory=dict)
    """Passive recorder on this machine -> since when it captures nothing; None: it captures."""
    agent_name: Callable[[str], str] = str
    queue_name: Callable[[str], str] = str


@dataclass(frozen=True)
class Reading:
    """`value` None: it cannot be seen now, so nothing changes. `detail`: of what, in words."""

    value: float | None
    detail: str = ""


def readings(rule: Rule, seen: Seen) -> dict[str, Reading]:
    """Each subject that there is something to judge of. One that is not there is fine."""
    return READ[rule.kind](rule, seen)


def _longest_wait(rule: Rule, seen: Seen) -> dict[str, Reading]:
    first = min(waiting_since(rule.queue, _visible_calls(seen)), default=None)
    if first is None:
        return {"": _of_part(rule, 0, seen)}
    since, queue = first
    return {"": _of_part(rule, max(0, seen.at - since) / 1000, seen, "" if rule.queue else queue)}


def waiting_since(queue: str, calls: Iterable[Fact]) -> Iterator[tuple[int, str]]:
    """Since when each citizen waits for a person, and in which queue; of one queue or of all ("")."""
    for call in calls:
        since = call.get("asked_at") or call.get("queued_at")
        inbound = call.get("kind", "inbound") == "inbound"
        if since and inbound and call["state"] in WAITING and queue in ("", call["queue"]):
            yield since, call["queue"]


def _rate(name: str) -> Callable[[Rule, Seen], dict[str, Reading]]:
    def read(rule: Rule, seen: Seen) -> dict[str, Reading]:
        if seen.counted is None:
            return {"": Reading(None)}
        figures = seen.counted.get((rule.queue, rule.window_minutes))
        rate = getattr(figures, name, None)
        if figures is None or rate is None or figures.decided < rule.least_calls:
            return {}
        return {"": Reading(round(100 * rate, 2), f"{rule.window_minutes} 分钟内 {figures.decided} 通")}

    return read


def _state_too_long(rule: Rule, seen: Seen) -> dict[str, Reading]:
    found = {}
    for picture in seen.pictures.values():
        for seat in picture.seats.values():
            limit = limit_of(seat, seen.settings, seen.reasons)
            if limit and (not rule.queue or rule.queue in seat["queues"]):
                over = max(0.0, (seen.at - seat["since"]) / 1000 - limit)
                blind = picture.blind_since is not None
                found[seat["seat"]] = Reading(None if blind else over, _of_seat(seat, seen))
    return found


def limit_of(seat: Fact, settings: Mapping[str, Any], reasons: Mapping[str, Reason]) -> int | None:
    """After how many seconds this seat's state stands out; None: never. `settings` as in `floor_settings`."""
    word = seat_word(seat)
    if word == "not_ready":
        reason = reasons.get(seat["reason"] or "")
        return reason.limit_minutes * 60 if reason and reason.limit_minutes else None
    key = LIMITS.get(word)
    return int(settings[key]) or None if key else None


def _of_seat(seat: Fact, seen: Seen) -> str:
    word = seat_word(seat)
    reason = seen.reasons.get(seat["reason"] or "")
    label = reason.label if reason else SYSTEM_REASONS.get(seat["reason"] or "", "示忙")
    return f"{WORDS.get(word, label)} · {seen.agent_name(seat['agent'] or '')}"


def _no_seat_ready(rule: Rule, seen: Seen) -> dict[str, Reading]:
    """Only while the queue is open and somebody is signed in for it, or a citizen waits: a floor without
    anybody may be the duty telephone's at night."""
    if rule.queue and not seen.is_open(rule.queue):
        return {}
    there = [
        seat
        for picture in seen.pictures.values()
        if picture.blind_since is None
        for seat in picture.seats.values()
        if seat_word(seat) != "signed_out" and (not rule.queue or rule.queue in seat["queues"])
    ]
    if not there and not any(waiting_since(rule.queue, _visible_calls(seen))):
        return {} if not _blind(seen) else {"": Reading(None)}
    return {"": _of_part(rule, sum(_at_work(seat) for seat in there), seen)}


def _at_work(seat: Fact) -> bool:
    word = seat_word(seat)
    return word in AT_WORK or (word == "after_call" and bool(seat["reachable"]))


def _trunk_full(rule: Rule, seen: Seen) -> dict[str, Reading]:
    channels = int(seen.settings["trunk_channels"])
    if not channels:
        return {}
    return {
        pbx: Reading(
            None if picture.blind_since is not None else 100 * picture.trunk_in_use / channels,
            f"{picture.trunk_in_use}/{channels} 路",
        )
        for pbx, picture in seen.pictures.items()
    }


def _link_lost(rule: Rule, seen: Seen) -> dict[str, Reading]:
    gone = {pbx: picture.blind_since for pbx, picture in seen.pictures.items()}
    gone[DATABASE] = seen.database_gone_since
    gone |= {RECORDER + name: since for name, since in seen.recorders.items()}
    return {
        subject: Reading(0.0 if since is None else max(0.0, (seen.at - since) / 1000))
        for subject, since in gone.items()
    }


def _recording_missing(rule: Rule, seen: Seen) -> dict[str, Reading]:
    return {"": Reading(seen.gaps, "近 24 小时")}


def _disk(rule: Rule, seen: Seen) -> dict[str, Reading]:
    return {folder: Reading(used) for folder, used in (seen.disks or {}).items()}


READ: Mapping[str, Callable[[Rule, Seen], dict[str, Reading]]] = {
    "longest_wait": _longest_wait,
    "abandon_rate": _rate("abandon_rate"),
    "in_15_rate": _rate("in_15_rate"),
    "state_too_long": _state_too_long,
    "no_seat_ready": _no_seat_ready,
    "trunk_full": _trunk_full,
    "link_lost": _link_lost,
    "recording_missing": _recording_missing,
    "disk": _disk,
}


# --- parts ---------------------------------------------------------------------------------------------


def _blind(seen: Seen) -> bool:
    return any(picture.blind_since is not None for picture in seen.pictures.values())


def _visible_calls(seen: Seen) -> Iterator[Fact]:
    for picture in seen.pictures.values():
        if picture.blind_since is None:
            yield from picture.calls.values()


def _of_part(rule: Rule, value: float, seen: Seen, queue: str = "") -> Reading:
    """With one PBX of several blind there may be more: then only what decides all the same counts."""
    detail = seen.queue_name(queue) if queue else ""
    return Reading(at_least(rule, value) if _blind(seen) else value, detail)
