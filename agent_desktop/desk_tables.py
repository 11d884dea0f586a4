"""The tables that leaders keep: skills, special desks, reasons, transfer targets. Read, judge, write.

Each `*_of` gives what the page shows with a `version`; each `keep_*` takes the page's rows, raises Refusal
(stale; invalid, with a sentence for each field as "periods.2.closes_on") and gives what changed, in words,
for the access log. Functions take `session` and never commit.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pypinyin import lazy_pinyin
from sqlalchemy import select
from sqlalchemy.orm import Session

from agent_desktop.errors import Refusal, invalid
from agent_desktop.labels import REASONS, SYSTEM_REASONS
from db import open_queues
from db.models import NotReadyReason, Queue, QueueMembership, SpecialDeskPeriod, TransferTarget, User
from db.open_queues import MAIN_QUEUE

GROUPS = ("单位值班", "专家组", "律师组")
"""Groups that are offered even while nobody is in them."""
HIGHEST_PENALTY = 9
_NUMBER = re.compile(r"[0-9]{3,20}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")

Row = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One thing that became different: what it is, and how."""

    what: str
    how: str


def version_of(rows: object) -> str:
    """A fingerprint of what a page was shown: the same rows have the same one."""
    text = json.dumps(rows, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _check_version(given: str, rows: object) -> None:
    if given != version_of(rows):
        raise Refusal("stale", "设置刚被他人修改，请核对最新内容后再保存。", status=409)


# --- skills ------------------------------------------------------------------------------------------


def _skill_rows(session: Session) -> list[Row]:
    found: dict[int, Row] = {
        user.id: {"id": user.id, "login": user.login, "name": user.name, "work_number": user.work_number}
        | {"penalties": {}}
        for user in session.scalars(
            select(User).where(User.role == "agent", User.active).order_by(User.work_number)
        )
    }
    for one in session.scalars(select(QueueMembership).order_by(QueueMembership.queue)):
        if one.user_id in found:
            found[one.user_id]["penalties"][one.queue] = one.penalty
    return list(found.values())


def skills_of(session: Session, now: datetime) -> Row:
    """{"version", "queues", "agents"}: each agent's queues with the penalty, 0 is rung first."""
    rows, openings = _skill_rows(session), open_queues.read(session)
    queues = [
        {
            "name": name,
            "label": label,
            "special": bool(openings[name].periods),
            "open": openings[name].is_open(now),
        }
        for name, label in session.execute(select(Queue.name, Queue.label).order_by(Queue.name))
    ]
    queues.sort(key=lambda queue: (queue["name"] != MAIN_QUEUE, queue["special"], queue["name"]))
    return {"version": version_of(rows), "queues": queues, "agents": rows}


def keep_skills(session: Session, version: str, agents: Iterable[Row]) -> list[Change]:
    """Write the agents given, each {"id", "penalties": {queue: penalty}}; the others are left alone."""
    rows = _skill_rows(session)
    _check_version(version, rows)
    known = {row["id"]: row for row in rows}
    queues = set(session.scalars(select(Queue.name)))
    wrong: dict[str, str] = {}
    changes: list[Change] = []
    for place, given in enumerate(agents):
        row, wish = known.get(given["id"]), given["penalties"]
        if row is None:
            wrong[f"agents.{place}.id"] = "没有这位话务员。"
        elif unknown := sorted(wish.keys() - queues):
            wrong[f"agents.{place}.penalties.{unknown[0]}"] = "没有这个队列。"
        elif wish != row["penalties"]:
            _write_skills(session, row, wish)
            changes.append(Change(row["login"], _difference(row["penalties"], wish)))
    if wrong:
        raise invalid(wrong)
    session.flush()
    return changes


def _write_skills(session: Session, row: Row, wish: Mapping[str, int]) -> None:
    for queue in row["penalties"].keys() - wish.keys():
        session.delete(session.get_one(QueueMembership, (row["id"], queue)))
    for queue, penalty in wish.items():
        session.merge(QueueMembership(user_id=row["id"], queue=queue, penalty=penalty))


def _difference(old: Mapping[str, int], new: Mapping[str, int]) -> str:
    words = [f"-{queue}" for queue in sorted(old.keys() - new.keys())]
    for queue in sorted(new):
        if queue not in old:
            words.append(f"+{queue}:{new[queue] + 1}")
        elif old[queue] != new[queue]:
            words.append(f"{queue}:{old[queue] + 1}→{new[queue] + 1}")
    return " ".join(words)


# --- special desks -----------------------------------------------------------------------------------


def _period_rows(session: Session) -> list[Row]:
    return [
        {
            "id": row.id,
            "queue": row.queue,
            "title": row.title,
            "opens_on": row.opens_on,
            "closes_on": row.closes_on,
            "from_time": row.from_time or None,
            "to_time": row.to_time or None,
        }
        for row in session.scalars(
            select(SpecialDeskPeriod).order_by(SpecialDeskPeriod.queue, SpecialDeskPeriod.opens_on)
        )
    ]


def desks_of(session: Session, now: datetime) -> Row:
    """{"version", "desks"}: each queue with its periods, its state now (always | open | closed, what was
    switched by hand counted in), and when that changes next (epoch ms, or None)."""
    rows, openings = _period_rows(session), open_queues.read(session)
    desks = []
    for name, label in session.execute(select(Queue.name, Queue.label).order_by(Queue.name)):
        mine = [row for row in rows if row["queue"] == name]
        opening = openings[name]
        decided = bool(mine) or bool(opening.switched and opening.switched.holds(now))
        change = opening.changes_at(now)
        desks.append(
            {
                "queue": name,
                "label": label,
                "main": name == MAIN_QUEUE,
                "state": ("open" if opening.is_open(now) else "closed") if decided else "always",
                "changes_at": change and round(change.timestamp() * 1000),
                "periods": mine,
            }
        )
    desks.sort(key=lambda desk: (not desk["periods"], desk["main"], desk["queue"]))
    return {"version": version_of(rows), "desks": desks}


def keep_desks(session: Session, version: str, periods: list[Row]) -> list[Change]:
    """Replace all periods by those given; one without `id` is new, one that is missing is deleted."""
    rows = _period_rows(session)
    _check_version(version, rows)
    labels = {name: label for name, label in session.execute(select(Queue.name, Queue.label))}
    wrong: dict[str, str] = {}
    for place, given in enumerate(periods):
        for name, sentence in period_faults(given, labels).items():
            wrong[f"periods.{place}.{name}"] = sentence
    if wrong:
        raise invalid(wrong)
    return _replace(session, SpecialDeskPeriod, rows, periods, _period_words)


def period_faults(given: Row, queues: Iterable[str]) -> dict[str, str]:
    """What is wrong with one period: a sentence for each field."""
    wrong: dict[str, str] = {}
    if given["queue"] not in set(queues):
        wrong["queue"] = "没有这个队列。"
    elif given["queue"] == MAIN_QUEUE:
        wrong["queue"] = "综合咨询接收其他专席关闭后的来电，不能设置开放时间。"
    if given["closes_on"] < given["opens_on"]:
        wrong["closes_on"] = "结束日期不能早于开始日期。"
    hours = (given["from_time"], given["to_time"])
    for name, clock in zip(("from_time", "to_time"), hours, strict=True):
        if clock and not _CLOCK.fullmatch(clock):
            wrong[name] = "时间应如 09:00。"
    if bool(hours[0]) != bool(hours[1]):
        wrong["to_time" if hours[0] else "from_time"] = "开始和结束时间要么都填，要么都不填（全天）。"
    elif hours[0] and hours[0] == hours[1]:
        wrong["to_time"] = "结束时间不能与开始时间相同；全天开放请都不填。"
    return wrong


def _period_words(row: Row) -> str:
    hours = f" {row['from_time']}–{row['to_time']}" if row["from_time"] else ""
    return f"{row['queue']} {row['opens_on']}–{row['closes_on']}{hours} {row['title']}".strip()


# --- reasons -----------------------------------------------------------------------------------------


def _reason_rows(session: Session) -> list[Row]:
    return [
        {"code": row.code, "label": row.label, "limit_minutes": row.limit_minutes, "active": row.active}
        for row in session.scalars(
            select(NotReadyReason).order_by(NotReadyReason.position, NotReadyReason.code)
        )
    ] or [
        {"code": code, "label": label, "limit_minutes": None, "active": True}
        for code, label in REASONS.items()
    ]


def reasons_of(session: Session) -> Row:
    """{"version", "reasons"} in the order of the menu; without a table yet, the built-in ones."""
    rows = _reason_rows(session)
    return {"version": version_of(rows), "reasons": rows}


def keep_reasons(session: Session, version: str, reasons: list[Row]) -> list[Change]:
    """Write the reasons in the order given. A reason is never deleted, because the journal speaks of it: one
    that is missing is no longer offered. A new one has no code yet and gets one from its pinyin."""
    rows = _reason_rows(session)
    _check_version(version, rows)
    known = {row["code"]: row for row in rows}
    given_codes = [given["code"] for given in reasons if given["code"]]
    wrong: dict[str, str] = {}
    for place, given in enumerate(reasons):
        if given["code"] and (given["code"] not in known or given_codes.count(given["code"]) > 1):
            wrong[f"reasons.{place}.code"] = "没有这个示忙原因。"
        if sum(given["label"] == other["label"] for other in reasons) > 1:
            wrong[f"reasons.{place}.label"] = "名称不能重复。"
    if not any(given["active"] for given in reasons):
        wrong["reasons"] = "至少要有一个可用的示忙原因。"
    if wrong:
        raise invalid(wrong)
    taken = {*known, *SYSTEM_REASONS}
    wish: list[Row] = []
    for given in reasons:
        code = given["code"] or new_code(given["label"], taken)
        taken.add(code)
        wish.append({**given, "code": code})
    wish += [{**row, "active": False} for row in rows if row["code"] not in given_codes]
    for position, row in enumerate(wish):
        session.merge(NotReadyReason(**row, position=position))
    session.flush()
    changes = [
        Change(f"reason {row['code']}", f"{_reason_words(known.get(row['code']))} → {_reason_words(row)}")
        for row in wish
        if known.get(row["code"]) != row
    ]
    if [row["code"] for row in wish] != [row["code"] for row in rows] and not changes:
        changes.append(Change("reasons", "顺序：" + "、".join(row["label"] for row in wish)))
    return changes


def new_code(label: str, taken: Iterable[str]) -> str:
    """A code of 24 letters at the most for a new reason: its pinyin, with two letters more where that is
    taken."""
    plain = re.sub(r"[^a-z_]", "", "_".join(lazy_pinyin(label)).lower()).strip("_")[:20] or "reason"
    used = set(taken)
    if plain not in used:
        return plain
    letters = "abcdefghijklmnopqrstuvwxyz"
    endings = (first + second for first in letters for second in letters)
    return next(code for code in (f"{plain}_{ending}" for ending in endings) if code not in used)


def _reason_words(row: Row | None) -> str:
    if row is None:
        return "（新）"
    limit = f"{row['limit_minutes']} 分钟" if row["limit_minutes"] else "不限时"
    return f"{row['label']} {limit}" + ("" if row["active"] else " 停用")


# --- transfer targets --------------------------------------------------------------------------------


def _target_rows(session: Session) -> list[Row]:
    return [
        {
            "id": row.id,
            "group": row.group,
            "name": row.name,
            "number": row.number,
            "note": row.note,
            "active": row.active,
        }
        for row in session.scalars(
            select(TransferTarget).order_by(TransferTarget.group, TransferTarget.position, TransferTarget.id)
        )
    ]


def targets_of(session: Session) -> Row:
    """{"version", "groups", "targets"}; the numbers are offices', not citizens', and shown whole."""
    rows = _target_rows(session)
    groups = list(dict.fromkeys([*GROUPS, *(row["group"] for row in rows)]))
    return {"version": version_of(rows), "groups": groups, "targets": rows}


def keep_targets(session: Session, version: str, targets: list[Row]) -> list[Change]:
    """Replace the list by the one given, in its order; one without `id` is new, a missing one is deleted."""
    rows = _target_rows(session)
    _check_version(version, rows)
    wish = [{**given, "number": re.sub(r"[\s()（）-]", "", given["number"])} for given in targets]
    names = [(one["group"], one["name"]) for one in wish]
    wrong: dict[str, str] = {}
    for place, one in enumerate(wish):
        if not _NUMBER.fullmatch(one["number"]):
            wrong[f"targets.{place}.number"] = "号码应为 3 至 20 位数字。"
        if names.count((one["group"], one["name"])) > 1:
            wrong[f"targets.{place}.name"] = "同一组内名称不能重复。"
    if wrong:
        raise invalid(wrong)
    positions = [{**one, "position": place} for place, one in enumerate(wish)]
    changes = _replace(session, TransferTarget, rows, positions, _target_words)
    if not changes and [one["id"] for one in wish] != [row["id"] for row in rows]:
        changes.append(Change("transfer_targets", "顺序"))
    return changes


def _target_words(row: Row) -> str:
    return f"{row['group']} {row['name']} {row['number']}" + ("" if row["active"] else " 停用")


# --- both kinds of lists -----------------------------------------------------------------------------


def _replace(
    session: Session,
    table: type[SpecialDeskPeriod] | type[TransferTarget],
    rows: list[Row],
    wish: list[Row],
    words: Any,
) -> list[Change]:
    """Make the table's rows those of `wish`. An id that is not there any more is a stale page's."""
    known = {row["id"]: row for row in rows}
    kept = [one["id"] for one in wish if one["id"] is not None]
    if len(set(kept)) != len(kept) or not set(kept) <= known.keys():
        raise Refusal("stale", "设置刚被他人修改，请核对最新内容后再保存。", status=409)
    name = table.__tablename__
    changes = []
    for gone in known.keys() - set(kept):
        session.delete(session.get_one(table, gone))
        changes.append(Change(f"{name} {gone}", f"{words(known[gone])} → （删除）"))
    for one in wish:
        facts = {key: value for key, value in one.items() if key != "id"}
        if one["id"] is None:
            made = table(**facts)
            session.add(made)
            session.flush()
            changes.append(Change(f"{name} {made.id}", f"（新） → {words(one)}"))
            continue
        row, before = session.get_one(table, one["id"]), known[one["id"]]
        for key, value in facts.items():
            setattr(row, key, value)
        if any(before[key] != facts[key] for key in before.keys() & facts.keys()):
            changes.append(Change(f"{name} {one['id']}", f"{words(before)} → {words(one)}"))
    session.flush()
    return changes


def as_date(text: str) -> date | None:
    """The day of "2026-11-15"; None where there is none."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
