"""One person, one record: merging two records, taking one apart again, and the history of both.

    merge  other ─numbers, tickets, facts that were missing─► kept;  other.merged_into = kept, its row stays
    split  some numbers with their tickets ─► a new record,  or  a merge undone: what came with it goes back

Each writes one CitizenEvent with what it moved, so that it can be undone. Functions take a session and never
commit. The records concerned are locked first, in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from db.models import Citizen, CitizenEvent, CitizenPhone, Ticket, User
from tickets.life import Actor
from tickets.problems import Invalid, NotAllowed

FACTS = ("gender", "address", "language", "note")
"""What a kept record takes over where it has none; of notes it keeps both."""
LONGEST_NOTE = 2000
LONGEST_CHAIN = 50
ACTION_LABELS = {"merge": "合并", "split": "拆分", "edit": "更正"}
_EDITED = {"name": "姓名", "gender": "性别", "address": "地址", "language": "语言", "note": "备注"}


@dataclass(frozen=True)
class HistoryLine:
    """One event of a record; `summary` says in words what was moved. `at` is aware (UTC)."""

    id: int
    at: datetime
    actor_name: str | None
    action: str
    action_label: str
    reason: str
    summary: str
    citizen_id: int
    other_id: int | None
    other_name: str | None

    def as_json(self) -> dict[str, Any]:
        return self.__dict__ | {"at": int(self.at.timestamp() * 1000)}


def current(session: Session, citizen_id: int) -> Citizen | None:
    """The record under which this person is kept now: itself, or where it was merged into."""
    found = session.get(Citizen, citizen_id)
    for _ in range(LONGEST_CHAIN):
        if found is None or found.merged_into is None:
            return found
        found = session.get(Citizen, found.merged_into)
    raise ValueError(f"the records merged into each other from {citizen_id} on have no end")


def hold(session: Session, citizen_ids: Iterable[int]) -> dict[int, Citizen]:
    """Lock these records until the transaction ends, and read them as they are now."""
    wanted = sorted(set(citizen_ids))
    # An UPDATE that changes nothing: it locks the row in PostgreSQL, and the database in SQLite.
    for key in wanted:
        locked = update(Citizen).where(Citizen.id == key).values(merged_into=Citizen.merged_into)
        session.execute(locked.execution_options(synchronize_session=False))
    found = select(Citizen).where(Citizen.id.in_(wanted)).execution_options(populate_existing=True)
    return {one.id: one for one in session.scalars(found)}


def hold_current(session: Session, citizen_id: int) -> Citizen | None:
    """The record under which this person is kept, locked, so that nobody merges it away meanwhile."""
    for _ in range(LONGEST_CHAIN):
        found = hold(session, [citizen_id]).get(citizen_id)
        if found is None or found.merged_into is None:
            return found
        citizen_id = found.merged_into
    raise ValueError(f"the records merged into each other up to {citizen_id} have no end")


def merge(
    session: Session, actor: Actor, kept_id: int, other_id: int, reason: str, now: datetime
) -> CitizenEvent:
    """Move everything of `other_id` to `kept_id`. Raises Invalid or NotAllowed (already_merged)."""
    if kept_id == other_id:
        raise Invalid({"other_id": "不能与自身合并。"})
    held = hold(session, (kept_id, other_id))
    kept, other = held.get(kept_id), held.get(other_id)
    if kept is None or other is None:
        raise Invalid({"other_id": "没有这位市民的记录。"})
    for one in (kept, other):
        if one.merged_into is not None:
            raise NotAllowed("already_merged", f"“{one.name}”的记录已并入其他记录，请刷新。")
    moved, doubled = _move_phones(session, kept.id, other.id)
    tickets = _tickets(session, Ticket.citizen_id == other.id)
    _move_tickets(session, tickets, kept.id)
    before, after = _take_over(kept, other)
    other.merged_into = kept.id
    data = {"phones": moved, "doubled": doubled, "tickets": tickets, "before": before, "after": after}
    return _record(session, kept.id, other.id, actor, "merge", reason, data, now)


def split(
    session: Session,
    actor: Actor,
    citizen_id: int,
    phone_ids: Sequence[int],
    name: str,
    reason: str,
    now: datetime,
) -> Citizen:
    """A new record with some of the numbers, and the tickets that were written for them.

    Raises Invalid or NotAllowed (already_merged).
    """
    citizen = _held_and_kept(session, citizen_id)
    phones = session.scalars(
        select(CitizenPhone).where(CitizenPhone.citizen_id == citizen_id).order_by(CitizenPhone.id)
    ).all()
    wanted = [one for one in phones if one.id in set(phone_ids)]
    wrong = {}
    if not wanted or len(wanted) != len(set(phone_ids)):
        wrong["phones"] = "请选择要拆分出去的号码。"
    elif len(wanted) == len(phones):
        wrong["phones"] = "至少要给原记录保留一个号码。"
    clean = name.replace("\x00", "").strip()
    if not clean or len(clean) > 64:
        wrong["name"] = "请填写拆分出的市民姓名（不超过 64 字）。"
    if wrong:
        raise Invalid(wrong)
    made = Citizen(name=clean, created_at=now)
    session.add(made)
    session.flush()
    numbers = [one.number for one in wanted]
    for one in wanted:
        one.citizen_id = made.id
    tickets = _tickets(session, Ticket.citizen_id == citizen.id, Ticket.contact_number.in_(numbers))
    _move_tickets(session, tickets, made.id)
    data = {"phones": [{"id": one.id, "number": one.number} for one in wanted], "tickets": tickets}
    _record(session, citizen.id, made.id, actor, "split", reason, data, now)
    return made


def undo_merge(
    session: Session, actor: Actor, kept_id: int, other_id: int, reason: str, now: datetime
) -> Citizen:
    """Take apart what was merged: numbers, tickets and facts that came with `other_id` go back to it.

    What was added to the kept record since then stays there; so do facts that were corrected since.
    Raises Invalid, or NotAllowed (already_merged, not_merged).
    """
    held = hold(session, (kept_id, other_id))
    kept, other = held.get(kept_id), held.get(other_id)
    if kept is None or other is None:
        raise Invalid({"undo_merge": "没有这位市民的记录。"})
    if kept.merged_into is not None:
        raise NotAllowed("already_merged", f"“{kept.name}”的记录已并入其他记录，请刷新。")
    event = _last_merge(session, kept_id, other_id)
    if other.merged_into != kept_id or event is None:
        raise NotAllowed("not_merged", f"“{other.name}”的记录未并入此记录，请刷新。")
    merged = event.data
    phones = [one["id"] for one in merged["phones"]]
    back = session.scalars(
        select(CitizenPhone).where(CitizenPhone.id.in_(phones), CitizenPhone.citizen_id == kept_id)
    ).all()
    for one in back:
        one.citizen_id = other_id
    session.add_all(CitizenPhone(citizen_id=other_id, number=number) for number in merged["doubled"])
    tickets = _tickets(session, Ticket.id.in_(merged["tickets"]), Ticket.citizen_id == kept_id)
    _move_tickets(session, tickets, other_id)
    for name, value in merged["after"].items():
        if getattr(kept, name) == value:
            setattr(kept, name, merged["before"][name])
    other.merged_into = None
    data = {
        "undone": event.id,
        "phones": [{"id": one.id, "number": one.number} for one in back],
        "doubled": merged["doubled"],
        "tickets": tickets,
    }
    _record(session, kept_id, other_id, actor, "split", reason, data, now)
    return other


def correct(session: Session, actor: Actor, citizen: Citizen, facts: dict[str, str], now: datetime) -> None:
    """Set facts of a known citizen, and record those that were different before."""
    changed = {name: value for name, value in facts.items() if getattr(citizen, name) != value}
    if not changed:
        return
    before = {name: getattr(citizen, name) for name in changed}
    for name, value in changed.items():
        setattr(citizen, name, value)
    _record(session, citizen.id, None, actor, "edit", "", {"before": before, "after": changed}, now)


def history(session: Session, citizen_id: int) -> list[HistoryLine]:
    """What happened to a record, newest first; also what it was part of. One statement for the names."""
    concerns = or_(CitizenEvent.citizen_id == citizen_id, CitizenEvent.other_id == citizen_id)
    found = session.execute(
        select(CitizenEvent, User.name)
        .outerjoin(User, User.id == CitizenEvent.actor_id)
        .where(concerns)
        .order_by(CitizenEvent.id.desc())
        .limit(200)
    ).all()
    others = {_other(event, citizen_id) for event, _ in found}
    names = {
        key: name
        for key, name in session.execute(select(Citizen.id, Citizen.name).where(Citizen.id.in_(others)))
    }
    return [
        HistoryLine(
            id=event.id,
            at=event.at,
            actor_name=actor,
            action=event.action,
            action_label=_label(event),
            reason=event.reason,
            summary=_summary(event),
            citizen_id=event.citizen_id,
            other_id=event.other_id,
            other_name=names.get(_other(event, citizen_id)),
        )
        for event, actor in found
    ]


def merged_into_this(session: Session, citizen_id: int) -> list[Citizen]:
    """The records that were merged into this one and are still in it."""
    return list(
        session.scalars(select(Citizen).where(Citizen.merged_into == citizen_id).order_by(Citizen.id))
    )


def _held_and_kept(session: Session, citizen_id: int) -> Citizen:
    citizen = hold(session, [citizen_id]).get(citizen_id)
    if citizen is None:
        raise Invalid({"id": "没有这位市民的记录。"})
    if citizen.merged_into is not None:
        raise NotAllowed("already_merged", f"“{citizen.name}”的记录已并入其他记录，请刷新。")
    return citizen


def _move_phones(session: Session, kept_id: int, other_id: int) -> tuple[list[dict[str, Any]], list[str]]:
    """(numbers moved, numbers that both had). A number stands once at a record: the other's is dropped."""
    had = set(session.scalars(select(CitizenPhone.number).where(CitizenPhone.citizen_id == kept_id)))
    phones = session.scalars(
        select(CitizenPhone).where(CitizenPhone.citizen_id == other_id).order_by(CitizenPhone.id)
    ).all()
    moved, doubled = [], []
    for one in phones:
        if one.number in had:
            doubled.append(one.number)
        else:
            one.citizen_id = kept_id
            moved.append({"id": one.id, "number": one.number})
    session.execute(
        delete(CitizenPhone).where(CitizenPhone.citizen_id == other_id, CitizenPhone.number.in_(doubled))
    )
    session.flush()
    return moved, doubled


def _tickets(session: Session, *where: Any) -> list[int]:
    return list(session.scalars(select(Ticket.id).where(*where).order_by(Ticket.id)))


def _move_tickets(session: Session, tickets: list[int], citizen_id: int) -> None:
    """Another record for these tickets. Their version stays: whoever works on one must not meet `Stale`."""
    if tickets:
        session.execute(
            update(Ticket)
            .where(Ticket.id.in_(tickets))
            .values(citizen_id=citizen_id)
            .execution_options(synchronize_session="fetch")
        )


def _take_over(kept: Citizen, other: Citizen) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fill what the kept record lacks. Gives the facts before and after, only those that changed."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name in FACTS:
        mine, theirs = getattr(kept, name), getattr(other, name)
        if name == "note" and mine and theirs and theirs not in mine:
            theirs, mine = f"{mine}\n{theirs}"[:LONGEST_NOTE], None
        if theirs and not mine:
            before[name], after[name] = getattr(kept, name), theirs
            setattr(kept, name, theirs)
    return before, after


def _last_merge(session: Session, kept_id: int, other_id: int) -> CitizenEvent | None:
    return session.scalar(
        select(CitizenEvent)
        .where(
            CitizenEvent.citizen_id == kept_id,
            CitizenEvent.other_id == other_id,
            CitizenEvent.action == "merge",
        )
        .order_by(CitizenEvent.id.desc())
        .limit(1)
    )


def _record(
    session: Session,
    citizen_id: int,
    other_id: int | None,
    actor: Actor,
    action: str,
    reason: str,
    data: dict[str, Any],
    now: datetime,
) -> CitizenEvent:
    event = CitizenEvent(
        citizen_id=citizen_id,
        other_id=other_id,
        at=now,
        actor_id=actor.id,
        action=action,
        reason=reason.replace("\x00", "").strip()[:256],
        data=data,
    )
    session.add(event)
    session.flush()
    return event


def _other(event: CitizenEvent, citizen_id: int) -> int:
    """The record at the other end of an event, seen from this one; 0 where there is none."""
    return event.citizen_id if event.other_id == citizen_id else (event.other_id or 0)


def _label(event: CitizenEvent) -> str:
    if "undone" in event.data:
        return "撤销合并"
    return ACTION_LABELS.get(event.action, event.action)


def _summary(event: CitizenEvent) -> str:
    """ "号码 2 个、工单 3 张": what an event moved; of a correction the names of the fields."""
    if event.action == "edit":
        return "、".join(_EDITED.get(name, name) for name in event.data.get("after", {}))
    phones = len(event.data.get("phones", ())) + len(event.data.get("doubled", ()))
    return f"号码 {phones} 个、工单 {len(event.data.get('tickets', ()))} 张"
