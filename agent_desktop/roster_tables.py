"""The roster in the database: read, judged, changed, each change written down once.

    form, or table of wishes ─► what would be ─► clashes (reports.roster) ─► entries + roster_events

Nothing is half-changed: whoever finds a fault raises before anything is written. Functions take `session`
and never commit.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent_desktop.desk_tables import new_code, version_of
from agent_desktop.errors import Refusal, invalid
from agent_desktop.roster_import import Agent, Fault, Kind, Read, Wish
from db.models import AgentGroup, FloorSetting, RosterEntry, RosterEvent, ShiftKind, User, now
from reports.agent_day import CITY_TIME
from reports.roster import Clash, Limits, Shift, clashes

Row = dict[str, Any]

ABSENCE_LABELS = {"leave": "请假", "sick": "病假", "other": "其他缺勤"}
ACTION_LABELS = {"import": "导入", "add": "新增", "change": "修改", "remove": "删除", "swap": "换班"}
SETTINGS: Mapping[str, tuple[int, int, int]] = {
    "roster_grace_minutes": (5, 0, 60),
    "roster_absent_minutes": (60, 5, 480),
    "roster_rest_minutes": (480, 0, 1440),
}
"""Key in `floor_settings` -> default, least, most. Eight hours of rest between two shifts."""
SETTING_LABELS = {
    "roster_grace_minutes": "迟到宽限",
    "roster_absent_minutes": "缺勤时限",
    "roster_rest_minutes": "最短休息",
}
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_AROUND = timedelta(days=2)
"""How far before and after a day other shifts can disturb it."""


@dataclass(frozen=True)
class Editor:
    """Who changes the roster, and whose."""

    id: int
    may: Callable[[int | None], bool]
    """Given an agent's group: may this one's roster be changed?"""


# --- kinds and settings ------------------------------------------------------------------------------


def kind_rows(session: Session) -> list[Row]:
    """The shift kinds in their order."""
    return [
        {
            "code": row.code,
            "label": row.label,
            "from_time": row.from_time,
            "to_time": row.to_time,
            "active": row.active,
        }
        for row in session.scalars(select(ShiftKind).order_by(ShiftKind.position, ShiftKind.code))
    ]


def keep_kinds(session: Session, version: str, kinds: Sequence[Row]) -> list[str]:
    """Write the kinds in the order given; a new one has no code, one that is missing is no longer offered.

    Entries keep the times that they were made with. Gives the changes in words; raises Refusal.
    """
    rows = kind_rows(session)
    if version != version_of(rows):
        raise _stale()
    known = {row["code"]: row for row in rows}
    wrong = _kind_faults(kinds, known)
    if wrong:
        raise invalid(wrong)
    taken = set(known)
    wish: list[Row] = []
    for given in kinds:
        code = given["code"] or new_code(given["label"], taken)[:16]
        taken.add(code)
        wish.append({**given, "code": code})
    told = {row["code"] for row in wish}
    wish += [{**row, "active": False} for row in rows if row["code"] not in told]
    for position, row in enumerate(wish):
        session.merge(ShiftKind(**row, position=position))
    session.flush()
    return [
        f"{row['label']} {row['from_time']}–{row['to_time']}" + ("" if row["active"] else " 停用")
        for row in wish
        if known.get(row["code"]) != row
    ]


def _kind_faults(kinds: Sequence[Row], known: Mapping[str, Row]) -> dict[str, str]:
    wrong: dict[str, str] = {}
    labels = [given["label"].strip() for given in kinds]
    for place, given in enumerate(kinds):
        if given["code"] and given["code"] not in known:
            wrong[f"kinds.{place}.code"] = "没有这个班次。"
        if labels.count(labels[place]) > 1:
            wrong[f"kinds.{place}.label"] = "名称不能重复。"
        for name in ("from_time", "to_time"):
            if not _CLOCK.fullmatch(given[name]):
                wrong[f"kinds.{place}.{name}"] = "时间应如 08:00。"
        if given["from_time"] == given["to_time"]:
            wrong[f"kinds.{place}.to_time"] = "下班时间不能与上班时间相同。"
    return wrong


def settings_of(session: Session) -> dict[str, int]:
    """The roster's limits in minutes."""
    kept = {row.key: row.value for row in session.scalars(select(FloorSetting)) if row.key in SETTINGS}
    return {key: int(kept.get(key, default)) for key, (default, _, _) in SETTINGS.items()}


def keep_settings(session: Session, actor: int, wish: Mapping[str, int]) -> list[str]:
    """Write the limits given; gives the changes in words. Raises Refusal (invalid)."""
    before, wrong, changes = settings_of(session), dict[str, str](), list[str]()
    for key, value in wish.items():
        _, least, most = SETTINGS[key]
        if not least <= value <= most:
            wrong[key] = f"应为 {least} 至 {most} 分钟。"
        elif value != before[key]:
            changes.append(f"{SETTING_LABELS[key]} {before[key]} → {value} 分钟")
            session.merge(FloorSetting(key=key, value=value, changed_by=actor, changed_at=now()))
    if wrong:
        raise invalid(wrong)
    session.flush()
    return changes


def limits_of(settings: Mapping[str, int]) -> Limits:
    return Limits(
        timedelta(minutes=settings["roster_grace_minutes"]),
        timedelta(minutes=settings["roster_absent_minutes"]),
    )


def rest_of(settings: Mapping[str, int]) -> timedelta:
    return timedelta(minutes=settings["roster_rest_minutes"])


# --- people ------------------------------------------------------------------------------------------


def group_rows(session: Session) -> list[Row]:
    """[{id, name}] in their order."""
    return [
        {"id": row.id, "name": row.name}
        for row in session.scalars(select(AgentGroup).order_by(AgentGroup.position, AgentGroup.id))
    ]


def agent_rows(session: Session) -> list[Row]:
    """Active agents by group and work number: {id, login, name, work_number, group_id}."""
    found = session.execute(
        select(User.id, User.login, User.name, User.work_number, User.group_id)
        .outerjoin(AgentGroup, AgentGroup.id == User.group_id)
        .where(User.role == "agent", User.active)
        .order_by(AgentGroup.position.is_(None), AgentGroup.position, AgentGroup.id, User.work_number)
    )
    return [dict(row._mapping) for row in found]


def times(kind: Row, day: date) -> tuple[datetime, datetime]:
    """From and until, in UTC, of a kind that begins on the city's `day`; over midnight where it must."""
    begins = _moment(day, kind["from_time"])
    ends = _moment(day, kind["to_time"])
    return begins, ends if ends > begins else _moment(day + timedelta(days=1), kind["to_time"])


def _moment(day: date, clock: str) -> datetime:
    return datetime.combine(day, datetime.strptime(clock, "%H:%M").time(), CITY_TIME).astimezone(UTC)


# --- one entry ---------------------------------------------------------------------------------------


def entries(session: Session, first: date, last: date) -> list[RosterEntry]:
    """The entries that begin on these days, in their order."""
    return list(
        session.scalars(
            select(RosterEntry)
            .where(RosterEntry.day >= first, RosterEntry.day <= last)
            .order_by(RosterEntry.from_at, RosterEntry.id)
        )
    )


def add(session: Session, editor: Editor, user_id: int, day: date, form: Row) -> RosterEntry:
    """A new entry; `form` is {kind, absence, note}. Raises Refusal."""
    agent = _agent(session, editor, user_id)
    kind = _kind(session, form["kind"])
    from_at, to_at = times(kind, day)
    made = RosterEntry(
        user_id=agent.id,
        day=day,
        kind=kind["code"],
        from_at=from_at,
        to_at=to_at,
        absence=form["absence"],
        note=form["note"],
    )
    _refuse_clashes(session, {agent.id: agent.login}, [(made, 0)], ())
    session.add(made)
    session.flush()
    _note(session, editor.id, "add", made, {"to": _words(made)})
    return made


def change(session: Session, editor: Editor, entry_id: int, version: int, form: Row) -> RosterEntry:
    """Another kind, absence or note for an entry that is still as the page has it. Raises Refusal."""
    entry = _entry(session, editor, entry_id, version)
    before = _words(entry)
    if form["kind"] != entry.kind:
        kind = _kind(session, form["kind"])
        from_at, to_at = times(kind, entry.day)
        wish = RosterEntry(user_id=entry.user_id, day=entry.day, from_at=from_at, to_at=to_at)
        wish.kind, wish.absence = kind["code"], form["absence"]
        agent = session.get_one(User, entry.user_id)
        _refuse_clashes(session, {agent.id: agent.login}, [(wish, entry.id)], (entry.id,))
        entry.kind, entry.from_at, entry.to_at = kind["code"], from_at, to_at
    entry.absence, entry.note = form["absence"], form["note"]
    session.flush()
    if before != _words(entry):
        _note(session, editor.id, "change", entry, {"from": before, "to": _words(entry)})
    return entry


def remove(session: Session, editor: Editor, entry_id: int, version: int) -> None:
    """Take an entry out of the roster. Raises Refusal."""
    entry = _entry(session, editor, entry_id, version)
    _note(session, editor.id, "remove", entry, {"from": _words(entry)})
    session.delete(entry)
    session.flush()


def swap(
    session: Session, editor: Editor, one: tuple[int, int], other: tuple[int, int]
) -> tuple[RosterEntry, RosterEntry]:
    """Two people work each other's shift; each of (entry id, version). Raises Refusal."""
    mine, theirs = _entry(session, editor, *one), _entry(session, editor, *other)
    if mine.user_id == theirs.user_id:
        raise Refusal("same_person", "换班需要两位话务员。", status=422)
    if mine.absence or theirs.absence:
        raise Refusal("absent", "计划缺勤的班次不能换，请先取消缺勤。", status=409)
    if (mine.from_at, mine.to_at) == (theirs.from_at, theirs.to_at):
        raise Refusal("same_shift", "两人是同一时段的班次，换班后没有变化。", status=422)
    logins = {
        key: login
        for key, login in session.execute(
            select(User.id, User.login).where(User.id.in_((mine.user_id, theirs.user_id)))
        )
    }
    wishes = [
        (_for_another(mine, theirs.user_id), mine.id),
        (_for_another(theirs, mine.user_id), theirs.id),
    ]
    _refuse_clashes(session, logins, wishes, (mine.id, theirs.id))
    before = (_words(mine), _words(theirs))
    for entry, given in ((mine, theirs.user_id), (theirs, mine.user_id)):
        _note(
            session,
            editor.id,
            "swap",
            entry,
            {
                "from": before[0 if entry is mine else 1],
                "to": before[1 if entry is mine else 0],
                "with": given,
            },
        )
    # What a person works is exchanged, and not whose entry it is: a person has one entry at a time, and both
    # databases check that row by row.
    facts = ("day", "kind", "from_at", "to_at")
    values = [{name: getattr(entry, name) for name in facts} for entry in (mine, theirs)]
    for entry, facts_given in ((mine, values[1]), (theirs, values[0])):
        for name, value in facts_given.items():
            setattr(entry, name, value)
    session.flush()
    return mine, theirs


def _for_another(entry: RosterEntry, user_id: int) -> RosterEntry:
    return RosterEntry(
        user_id=user_id, day=entry.day, kind=entry.kind, from_at=entry.from_at, to_at=entry.to_at
    )


def _agent(session: Session, editor: Editor, user_id: int) -> User:
    found = session.get(User, user_id)
    if found is None or found.role != "agent" or not found.active:
        raise Refusal("not_found", "没有这位话务员。")
    if not editor.may(found.group_id):
        raise Refusal("forbidden", "只能修改本组话务员的排班。")
    return found


def _entry(session: Session, editor: Editor, entry_id: int, version: int) -> RosterEntry:
    entry = session.get(RosterEntry, entry_id)
    if entry is None:
        raise Refusal("stale", "这个班次已被他人删除，请核对最新排班。", status=409)
    group = session.scalar(select(User.group_id).where(User.id == entry.user_id))
    if not editor.may(group):
        raise Refusal("forbidden", "只能修改本组话务员的排班。")
    if entry.version != version:
        raise _stale()
    return entry


def _kind(session: Session, code: str) -> Row:
    found = next((row for row in kind_rows(session) if row["code"] == code), None)
    if found is None or not found["active"]:
        raise invalid({"kind": "没有这个班次，或已停用。"})
    return found


def _stale() -> Refusal:
    return Refusal("stale", "排班刚被他人修改，请核对最新内容后再保存。", status=409)


# --- judging -----------------------------------------------------------------------------------------


def _shift(entry: RosterEntry, key: int, login: str = "") -> Shift:
    return Shift(login, entry.from_at, entry.to_at, entry.day, entry.kind, entry.absence, key)


def _refuse_clashes(
    session: Session,
    logins: Mapping[int, str],
    wishes: Sequence[tuple[RosterEntry, int]],
    replaced: Iterable[int],
) -> None:
    """Raises Refusal where an entry that is wished for cannot be worked beside the others.

    `wishes` are (entry as it would be, id or 0), `replaced` the ids that are no longer as they were.
    """
    rest = rest_of(settings_of(session))
    gone = set(replaced)
    days = [entry.day for entry, _ in wishes]
    there = entries(session, min(days) - _AROUND, max(days) + _AROUND)
    labels = {row["code"]: row["label"] for row in kind_rows(session)}
    for user_id in logins:
        mine = [
            _shift(entry, entry.id) for entry in there if entry.user_id == user_id and entry.id not in gone
        ]
        wished = [
            _shift(entry, -place)
            for place, (entry, _) in enumerate(wishes, start=1)
            if entry.user_id == user_id
        ]
        found = clashes([*mine, *wished], rest, [shift.id for shift in wished])
        if found:
            name = session.scalar(select(User.name).where(User.id == user_id))
            raise Refusal("clash", f"{name}：{clash_words(found[0], rest, labels)}", status=409)


def clash_words(clash: Clash, rest: timedelta, labels: Mapping[str, str]) -> str:
    """Why two shifts cannot both be worked, as a sentence."""
    earlier, later = (shift_words(shift, labels) for shift in (clash.earlier, clash.later))
    if clash.overlap:
        return f"{earlier}与{later}时间重叠。"
    between = f"只休息 {_hours(clash.rest)}" if clash.rest else "没有休息"
    return f"{earlier}与{later}之间{between}，少于 {_hours(rest)}。"


def shift_words(shift: Shift, labels: Mapping[str, str]) -> str:
    """ "11-23 早班（07:30–15:30）"."""
    clocks = "–".join(f"{at.astimezone(CITY_TIME):%H:%M}" for at in shift.span)
    return f"{shift.day:%m-%d} {labels.get(shift.kind, shift.kind)}（{clocks}）"


def _hours(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} 小时" if not rest else f"{hours} 小时 {rest} 分" if hours else f"{rest} 分钟"


# --- a whole table -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What an import would do. With faults it does nothing."""

    read: Read
    faults: tuple[Fault, ...]
    version: str
    """Of what the roster is now where the table touches it."""
    added: tuple[RosterEntry, ...] = ()
    changed: tuple[tuple[RosterEntry, Row], ...] = ()
    removed: tuple[RosterEntry, ...] = ()
    same: int = 0

    @property
    def days(self) -> list[date]:
        return sorted({wish.day for wish in self.read.wishes})


def import_agents(session: Session, editor: Editor) -> list[Agent]:
    """Everybody whom a table may name."""
    return [
        Agent(row["id"], row["work_number"], row["name"], editor.may(row["group_id"]))
        for row in agent_rows(session)
    ]


def import_kinds(session: Session) -> list[Kind]:
    """The shift kinds that a table may name."""
    return [Kind(row["code"], row["label"]) for row in kind_rows(session) if row["active"]]


def plan(session: Session, read: Read) -> Plan:
    """What a table that was read would change, judged against the whole roster around it."""
    if read.faults or not read.wishes:
        return Plan(read, read.faults, "")
    kinds = {row["code"]: row for row in kind_rows(session)}
    days = [wish.day for wish in read.wishes]
    around = entries(session, min(days) - _AROUND, max(days) + _AROUND)
    by_place: dict[tuple[int, date], list[RosterEntry]] = {}
    for entry in around:
        by_place.setdefault((entry.user_id, entry.day), []).append(entry)
    cells: dict[tuple[int, date], list[Wish]] = {}
    for wish in read.wishes:
        cells.setdefault((wish.user_id, wish.day), []).append(wish)
    added: list[RosterEntry] = []
    changed: list[tuple[RosterEntry, Row]] = []
    removed: list[RosterEntry] = []
    faults: list[Fault] = []
    origin: dict[int, Wish] = {}
    result: dict[int, list[Shift]] = {}
    same = 0
    for place, wishes in cells.items():
        there = by_place.get(place, [])
        if all(wish.kind is None and wish.absence for wish in wishes):
            if not there:
                faults.append(_no_shift(wishes[0]))
            absence = wishes[0].absence
            changed += [(entry, {"absence": absence}) for entry in there if entry.absence != absence]
            same += sum(entry.absence == absence for entry in there)
            continue
        left = list(there)
        for wish in (wish for wish in wishes if wish.kind):
            from_at, to_at = times(kinds[wish.kind or ""], wish.day)
            facts = {"kind": wish.kind, "from_at": from_at, "to_at": to_at, "absence": wish.absence}
            kept = next((one for one in left if one.from_at == from_at), left[0] if left else None)
            if kept is None:
                added.append(RosterEntry(user_id=wish.user_id, day=wish.day, note="", **facts))
                continue
            left.remove(kept)
            if all(getattr(kept, name) == value for name, value in facts.items()):
                same += 1
            else:
                changed.append((kept, facts))
        removed += left
    _as_it_would_be(around, added, changed, removed, cells, origin, result)
    faults += _table_clashes(session, result, origin)
    version = _version_of([entry for entry in around if (entry.user_id, entry.day) in cells])
    faults.sort(key=lambda fault: fault.line)
    return Plan(read, tuple(faults), version, tuple(added), tuple(changed), tuple(removed), same)


def _no_shift(wish: Wish) -> Fault:
    word = ABSENCE_LABELS[wish.absence or "other"]
    return Fault(
        wish.line, wish.column, word, "当天没有班次，不知道缺勤的是哪一班。", f"写成“早班/{word}”这样的形式。"
    )


def _as_it_would_be(
    around: Iterable[RosterEntry],
    added: Iterable[RosterEntry],
    changed: Sequence[tuple[RosterEntry, Row]],
    removed: Iterable[RosterEntry],
    cells: Mapping[tuple[int, date], Sequence[Wish]],
    origin: dict[int, Wish],
    result: dict[int, list[Shift]],
) -> None:
    """Each person's shifts after the import; `origin` says which cell a new or changed one comes from."""
    gone, facts = {entry.id for entry in removed}, {entry.id: given for entry, given in changed}
    for entry in around:
        if entry.id in gone:
            continue
        shift = replace(_shift(entry, entry.id), **_of_a_shift(facts.get(entry.id, {})))
        if entry.id in facts:
            origin[entry.id] = _cell_of(cells[entry.user_id, entry.day], shift.kind)
        result.setdefault(entry.user_id, []).append(shift)
    for key, entry in enumerate(added, start=1):
        origin[-key] = _cell_of(cells[entry.user_id, entry.day], entry.kind)
        result.setdefault(entry.user_id, []).append(_shift(entry, -key))


def _of_a_shift(facts: Row) -> Row:
    return {name: facts[name] for name in ("kind", "from_at", "to_at", "absence") if name in facts}


def _cell_of(wishes: Sequence[Wish], kind: str) -> Wish:
    return next((wish for wish in wishes if wish.kind == kind), wishes[0])


def _table_clashes(
    session: Session, result: Mapping[int, Sequence[Shift]], origin: Mapping[int, Wish]
) -> list[Fault]:
    rest = rest_of(settings_of(session))
    labels = {row["code"]: row["label"] for row in kind_rows(session)}
    faults = []
    for mine in result.values():
        for clash in clashes(mine, rest, origin):
            # The later one is where a person looks; the earlier, where only that was written.
            wish = origin.get(clash.later.id) or origin[clash.earlier.id]
            mend = "改排其他班次，或请主管调整最短休息时间。" if not clash.overlap else "改排不重叠的班次。"
            found = labels.get(wish.kind or "", "")
            faults.append(Fault(wish.line, wish.column, found, clash_words(clash, rest, labels), mend))
    return faults


def _version_of(found: Iterable[RosterEntry]) -> str:
    rows = sorted((entry.id, entry.version) for entry in found)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def apply_plan(session: Session, editor: Editor, plan: Plan, version: str | None) -> None:
    """Carry out an import. Raises Refusal where the roster is no longer as it was checked (stale)."""
    if version is not None and version != plan.version:
        raise _stale()
    for entry in plan.removed:
        _note(session, editor.id, "import", entry, {"from": _words(entry)})
        session.delete(entry)
    # What goes makes room first: nobody has two shifts that begin together.
    session.flush()
    for entry, facts in plan.changed:
        before = _words(entry)
        for name, value in facts.items():
            setattr(entry, name, value)
        _note(session, editor.id, "import", entry, {"from": before, "to": _words(entry)})
    session.flush()
    session.add_all(plan.added)
    for entry in plan.added:
        _note(session, editor.id, "import", entry, {"to": _words(entry)})
    session.flush()


# --- the log -----------------------------------------------------------------------------------------


def _words(entry: RosterEntry) -> Row:
    """What an entry says, for the log."""
    clocks = [f"{at.astimezone(CITY_TIME):%H:%M}" for at in (entry.from_at, entry.to_at)]
    return {
        "day": entry.day.isoformat(),
        "kind": entry.kind,
        "times": "–".join(clocks),
        "absence": entry.absence,
        "note": entry.note or "",
    }


def _note(session: Session, actor: int, action: str, entry: RosterEntry, data: Row) -> None:
    session.add(RosterEvent(actor_id=actor, action=action, day=entry.day, user_id=entry.user_id, data=data))


def event_rows(session: Session, first: date, last: date, most: int = 200) -> list[Row]:
    """What was changed in the roster of these days, newest first."""
    names = {key: name for key, name in session.execute(select(User.id, User.name))}
    labels = {row["code"]: row["label"] for row in kind_rows(session)}
    found = session.scalars(
        select(RosterEvent)
        .where(RosterEvent.day >= first, RosterEvent.day <= last)
        .order_by(RosterEvent.id.desc())
        .limit(most)
    )
    return [
        {
            "id": row.id,
            "at": row.at,
            "by_name": names.get(row.actor_id or 0),
            "action": row.action,
            "action_label": ACTION_LABELS.get(row.action, row.action),
            "name": names.get(row.user_id or 0, ""),
            "day": row.day and row.day.isoformat(),
            "before": _said(row.data.get("from"), labels),
            "after": _said(row.data.get("to"), labels),
            "with_name": names.get(row.data.get("with", 0)),
        }
        for row in found
    ]


def _said(entry: Row | None, labels: Mapping[str, str]) -> str:
    if not entry:
        return ""
    words = f"{entry['day'][5:]} {labels.get(entry['kind'], entry['kind'])} {entry['times']}"
    return words + (f"（{ABSENCE_LABELS.get(entry['absence'], '')}）" if entry.get("absence") else "")
