"""The parts of a call in words, for a ticket's timeline and for the player. No whole number leaves here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent_desktop.desk import desk
from agent_desktop.labels import OUTCOMES, PARTS, RATING_REASONS, RATINGS
from db import numbers
from db.models import Call, CallPart, User
from recordings import parts as recorded_parts

_NUMBER = re.compile(r"\+?\d{7,}")
_WITH_ANOTHER = ("consult", "party", "outside")


def lasted(seconds: float) -> str:
    """A length of time in words: 8 秒, 2 分 10 秒, 1 小时 5 分."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} 小时 {minutes % 60} 分"
    return f"{minutes} 分 {rest} 秒" if minutes else f"{rest} 秒"


def rating_view(call: Call) -> dict[str, Any] | None:
    """The citizen's keypress after the call, in words; None: none was given."""
    if call.rating is None:
        return None
    reason = RATING_REASONS.get(call.rating_reason or 0)
    return {"score": call.rating, "label": RATINGS.get(call.rating, ""), "reason_label": reason}


def of_recording(db: Session, uid: str) -> list[dict[str, Any]]:
    """The parts of a call on the clock of its recording: [{kind, label, agent_name, from_s, to_s, seconds}].

    What is not recorded (a consultation, a wait) begins and ends at one place; `seconds` is how long it was.
    """
    found = recorded_parts.of_calls(db, [uid]).get(uid, [])
    names = _names(db, found)
    spans = recorded_parts.recorded(found)
    return [
        {
            "kind": part.kind,
            "label": _label(part, names),
            "agent_name": names.get(part.agent or "", part.agent),
            "from_s": round(recorded_parts.position(spans, part.began_at), 1),
            "to_s": round(recorded_parts.position(spans, part.ended_at or part.began_at), 1),
            "seconds": round(_seconds(part), 1),
        }
        for part in found
    ]


def for_timeline(db: Session, calls: Iterable[Call]) -> list[dict[str, Any]]:
    """What happened in these calls, as entries of a ticket's timeline, oldest first.

    Who was brought in and for how long, transfers, a telephone that was gone, pauses of the recording, the
    rating; and that we called.
    """
    calls = list(calls)
    found = recorded_parts.of_calls(db, [call.uid for call in calls])
    names = _names(db, [part for parts in found.values() for part in parts], calls)
    entries = [_dialled(call, names) for call in calls if call.direction == "outbound"]
    for call in calls:
        parts = found.get(call.uid, [])
        entries += [entry for number in range(len(parts)) for entry in _told(parts, number, names)]
        entries += _rated(call, parts)
    return sorted(entries, key=lambda entry: entry["at"])


def _told(parts: Sequence[CallPart], number: int, names: dict[str, str]) -> list[dict[str, Any]]:
    """The entry of one part; none for holds, for the rating (told apart) and for the first agent."""
    part = parts[number]
    at, other, actor = part.began_at, _other(part, names), names.get(part.agent or "", part.agent)
    before = _before(parts, number, names)
    match part.kind:
        case "consult":
            return [_entry(at, "consult", "咨询", f"{other}（{_talked(part)}）", actor)]
        case "party":
            return [_entry(at, "party", "三方通话", f"{other}（{_length(part)}）", actor)]
        case "outside":
            return [_entry(at, "transfer", "转接", f"{other}（{_length(part)}）", before)]
        case "agent" if before not in (None, actor):
            return [_entry(at, "transfer", "转接", f"{actor}（{_length(part)}）", before)]
        case "returned":
            back = any(later.kind == "agent" for later in parts[number + 1 :])
            words = f"市民等待 {_length(part)}{'后接回' if back else ''}"
            return [_entry(at, "returned", "坐席电话中断", words, actor)]
        case "recording_paused":
            return [_entry(at, "recording_paused", "录音暂停", _length(part), actor)]
    return []


def _before(parts: Sequence[CallPart], number: int, names: dict[str, str]) -> str | None:
    """Name of the agent who talked before this part."""
    talked = (part.agent for part in reversed(parts[:number]) if part.kind == "agent" and part.agent)
    login = next(talked, None)
    return names.get(login, login) if login else None


def _dialled(call: Call, names: dict[str, str]) -> dict[str, Any]:
    words = OUTCOMES.get(call.outcome or "", "进行中")
    if call.outcome == "answered" and call.talk_ms is not None:
        words += f"，通话 {lasted(call.talk_ms / 1000)}"
    title = "回拨市民" if call.callback_of else "外呼市民"
    return _entry(call.arrived_at, "dialled", title, words, names.get(call.agent or "", call.agent))


def _rated(call: Call, parts: Sequence[CallPart]) -> list[dict[str, Any]]:
    rating = rating_view(call)
    if rating is None:
        return []
    asked = next((part.began_at for part in parts if part.kind == "survey"), call.ended_at or call.arrived_at)
    words = rating["label"] + (f"：{rating['reason_label']}" if rating["reason_label"] else "")
    return [_entry(asked, "rated", "市民评价", words, "市民")]


def _entry(at: datetime, action: str, label: str, note: str, actor: str | None) -> dict[str, Any]:
    return {
        "at": round(at.timestamp() * 1000),
        "actor_name": actor,
        "action": f"call_{action}",
        "action_label": label,
        "from_state": None,
        "from_state_label": None,
        "to_state": None,
        "to_state_label": None,
        "note": note,
    }


def _label(part: CallPart, names: dict[str, str]) -> str:
    word = PARTS.get(part.kind, part.kind)
    return f"{word}：{_other(part, names)}" if part.kind in _WITH_ANOTHER else word


def _other(part: CallPart, names: dict[str, str]) -> str:
    """Who was brought in: a colleague's name, the name in the list of targets, a seat, a masked number."""
    if part.who in names:
        return names[part.who]
    if part.label:
        return _NUMBER.sub(lambda found: _masked(found[0]), part.label)
    if part.who in desk().names.seats:
        return desk().names.seat(part.who)
    return _masked(part.who) or "外线"


def _masked(number: str) -> str:
    normal = numbers.normal(number, desk().settings.area_code)
    return numbers.masked(normal) if normal else "****" if number else ""


def _talked(part: CallPart) -> str:
    """How long the consultation was, from the other's answer on."""
    if part.answered_at is None:
        return "未接听" if part.ended_at else "正在呼叫"
    return lasted((part.ended_at - part.answered_at).total_seconds()) if part.ended_at else "进行中"


def _length(part: CallPart) -> str:
    return lasted(_seconds(part)) if part.ended_at else "进行中"


def _seconds(part: CallPart) -> float:
    return (part.ended_at - part.began_at).total_seconds() if part.ended_at else 0.0


def _names(db: Session, parts: Iterable[CallPart], calls: Iterable[Call] = ()) -> dict[str, str]:
    """login -> name of everybody who stands in these rows."""
    logins = {login for part in parts for login in (part.agent, part.who) if login}
    logins |= {call.agent for call in calls if call.agent}
    if not logins:
        return {}
    known = db.execute(select(User.login, User.name).where(User.login.in_(logins)))
    return {login: name for login, name in known}
