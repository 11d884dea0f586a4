"""What an agent should know before answering a number: who may say so, how long it holds, what applies now.

A note is never deleted: it ends, and stays as history.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, or_, select, update
from sqlalchemy.orm import Session

from db.models import CallerNote
from tickets.life import Actor
from tickets.problems import Invalid, NotAllowed

KINDS = {
    "blocked": "限制来电",
    "sensitive": "敏感来电",
    "language": "语言",
    "care": "关怀提示",
}
"""Kinds of notes with their labels, the weightiest first."""

LEADERS = frozenset({"shift_leader", "supervisor", "administrator"})
FOR_AGENTS = frozenset({"language", "care"})
"""What agents may write too; the others are for leaders."""

LONGEST = 256


def may_write(role: str, kind: str) -> bool:
    """Leaders every kind; agents language and care; nobody else."""
    return role in LEADERS or (role == "agent" and kind in FOR_AGENTS)


def may_change(actor: Actor, kind: str, created_by: int | None) -> bool:
    """Leaders every note; an agent the own ones of the kinds that agents write."""
    return actor.role in LEADERS or (may_write(actor.role, kind) and created_by == actor.id)


def add(
    session: Session, actor: Actor, number: str, kind: str, note: str, until: datetime | None, now: datetime
) -> CallerNote:
    """A new note for a number in normal form. Raises Invalid or NotAllowed."""
    if not number:
        raise Invalid({"number": "号码未知，不能添加提示。"})
    if kind not in KINDS:
        raise Invalid({"kind": "请选择提示类型。"})
    if not may_write(actor.role, kind):
        raise NotAllowed("not_your_role", f"您的岗位不能添加“{KINDS[kind]}”。")
    text = _text(note)
    _check_until(until, now)
    made = CallerNote(number=number, kind=kind, note=text, until=until, created_by=actor.id, created_at=now)
    session.add(made)
    session.flush()
    return made


def change(
    session: Session, actor: Actor, one: CallerNote, note: str, until: datetime | None, now: datetime
) -> CallerNote:
    """Other words or another end: the old note ends and a new one follows, so that history stays.

    Raises Invalid or NotAllowed.
    """
    _check_mine(actor, one)
    text = _text(note)
    _check_until(until, now)
    # Of two who change it at once, the second is told: else both successors would hold.
    still = update(CallerNote).where(CallerNote.id == one.id, CallerNote.ended_at.is_(None))
    if not session.execute(still.values(ended_at=now)).rowcount:  # type: ignore[attr-defined]
        raise NotAllowed("note_ended", "该提示已失效，请重新添加。")
    made = CallerNote(
        number=one.number, kind=one.kind, note=text, until=until, created_by=actor.id, created_at=now
    )
    session.add(made)
    session.flush()
    return made


def end(actor: Actor, one: CallerNote, now: datetime) -> None:
    """The note holds no longer. Ending it twice changes nothing. Raises NotAllowed."""
    _check_mine(actor, one)
    one.ended_at = one.ended_at or now


def is_active(one: CallerNote, now: datetime) -> bool:
    return one.ended_at is None and (one.until is None or one.until > now)


def of_number(session: Session, number: str, now: datetime) -> list[CallerNote]:
    """The notes that hold now for a number in normal form, the weightiest first. One statement."""
    if not number:
        return []
    found = session.scalars(_holding(), {"number": number, "now": now})
    order = list(KINDS)
    return sorted(found, key=lambda one: (order.index(one.kind) if one.kind in KINDS else len(order), one.id))


@cache
def _holding() -> Select[Any]:
    # Built once: it is asked at each ring.
    moment = bindparam("now", type_=CallerNote.created_at.type)
    return select(CallerNote).where(
        CallerNote.number == bindparam("number"),
        CallerNote.ended_at.is_(None),
        or_(CallerNote.until.is_(None), CallerNote.until > moment),
    )


def _check_mine(actor: Actor, one: CallerNote) -> None:
    if not may_change(actor, one.kind, one.created_by):
        raise NotAllowed("not_your_role", "只能修改本人添加的提示。")


def _text(note: str) -> str:
    text = note.replace("\x00", "").strip()
    if not text:
        raise Invalid({"note": "请填写提示内容。"})
    if len(text) > LONGEST:
        raise Invalid({"note": f"提示内容请不要超过 {LONGEST} 字。"})
    return text


def _check_until(until: datetime | None, now: datetime) -> None:
    if until is not None and until <= now:
        raise Invalid({"until": "截止时间应晚于现在。"})
