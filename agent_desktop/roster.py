"""The roster over HTTP: the plan, its import and its changes; who is there now; how it was kept.

Leaders see everybody's; a shift leader with a group changes the own group's only (`floor_rights`). After each
commit the leaders' pages are told to look again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar, cast

from apiflask import APIBlueprint
from apiflask.fields import Boolean, Date, Dict, File, Float, Integer, List, Nested, String
from flask import Response, current_app
from marshmallow.validate import Length, OneOf
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from agent_desktop import roster_files, roster_import, schemas
from agent_desktop import roster_tables as tables
from agent_desktop.access import note_access
from agent_desktop.desk import me, transaction
from agent_desktop.desk_tables import version_of
from agent_desktop.errors import Refusal, invalid
from agent_desktop.floor_rights import may_act_on
from agent_desktop.roster_now import RosterNow
from agent_desktop.schemas import Schema, choice, number, words
from db.models import RosterEntry
from reports import roster
from reports.agent_day import CITY_TIME
from reports.definitions import DEFINITIONS

blueprint = APIBlueprint("roster", __name__, url_prefix="/api/roster", tag="roster")
REFUSALS = schemas.errors(401, 403, 404, 409, 422, 503)
LONGEST_PLAN = 62
LONGEST_LOOK = 92
Made = TypeVar("Made")


# --- shapes ------------------------------------------------------------------------------------------


class Days(Schema):
    from_ = Date(data_key="from", load_default=None, error_messages={"invalid": "日期应如 2026-11-23。"})
    to = Date(load_default=None, error_messages={"invalid": "日期应如 2026-11-23。"})


class GroupRow(Schema):
    id = Integer()
    name = String()
    mine = Boolean()


class KindRow(Schema):
    code = String(allow_none=True, load_default=None, validate=Length(0, 16, error="没有这个班次。"))
    label = words("请填写名称（最多 32 个字）。", 32)
    from_time = words("时间应如 08:00。", 5)
    to_time = words("时间应如 08:00。", 5)
    active = Boolean(load_default=True)


class KindsPage(Schema):
    version = words("请刷新后再保存。", 16)
    kinds = List(Nested(KindRow), required=True, validate=Length(1, 40, error="班次应为 1 至 40 个。"))


class Minutes(Schema):
    roster_grace_minutes = Integer(strict=True, error_messages={"invalid": "请填写整数分钟。"})
    roster_absent_minutes = Integer(strict=True, error_messages={"invalid": "请填写整数分钟。"})
    roster_rest_minutes = Integer(strict=True, error_messages={"invalid": "请填写整数分钟。"})


class EntryRow(Schema):
    id = Integer()
    user_id = Integer()
    day = String()
    kind = String()
    from_at = Integer()
    to_at = Integer()
    absence = String(allow_none=True)
    note = String()
    version = Integer()


class AgentRow(Schema):
    id = Integer()
    login = String()
    name = String()
    work_number = String()
    group_id = Integer(allow_none=True)
    mine = Boolean()


class PlanPage(Schema):
    from_ = String(data_key="from")
    to = String()
    today = String()
    groups = List(Nested(GroupRow))
    kinds = List(Nested(KindRow))
    kinds_version = String()
    settings = Nested(Minutes)
    absences = Dict(keys=String(), values=String())
    whole = Boolean()
    agents = List(Nested(AgentRow))
    entries = List(Nested(EntryRow))


class EntryIn(Schema):
    kind = words("请选择班次。", 16)
    absence = choice("没有这种缺勤。", list(tables.ABSENCE_LABELS), allow_none=True, load_default=None)
    note = String(load_default="", validate=Length(0, 128, error="备注最多 128 个字。"))


class NewEntry(EntryIn):
    user_id = number("请选择话务员。", required=True)
    day = Date(required=True, error_messages={"required": "请选择日期。", "invalid": "日期应如 2026-11-23。"})


class ChangedEntry(EntryIn):
    version = number("请刷新后再保存。", required=True)


class Version(Schema):
    version = number("请刷新后再删除。", required=True)


class Picked(Schema):
    id = number("请选择班次。", required=True)
    version = number("请刷新后再换班。", required=True)


class Swap(Schema):
    one = Nested(Picked, required=True)
    other = Nested(Picked, required=True)


class EntryRows(Schema):
    rows = List(Nested(EntryRow))


class ImportIn(Schema):
    file = File(required=True, error_messages={"required": "请选择文件。"})
    month = String(load_default="", validate=Length(0, 7, error="月份应如 2026-11。"))
    version = String(load_default="", validate=Length(0, 16))


class Checking(Schema):
    check = Boolean(load_default=False)


class FaultRow(Schema):
    line = Integer()
    column = String()
    found = String()
    problem = String()
    mend = String()


class ImportOut(Schema):
    ok = Boolean()
    done = Boolean()
    layout = String()
    version = String()
    lines = Integer()
    people = Integer()
    days = List(String())
    added = Integer()
    changed = Integer()
    removed = Integer()
    same = Integer()
    faults = List(Nested(FaultRow))


class TemplateQuery(Days):
    layout = String(load_default="matrix", validate=OneOf(["matrix", "list"], error="没有这种模板。"))
    kind = String(load_default="xlsx", validate=OneOf(["xlsx", "csv"], error="没有这种格式。"))
    group = Integer(load_default=None)


class NowRow(AgentRow):
    seat = String(allow_none=True)
    standing = String()
    label = String()
    since = Integer(allow_none=True)
    first_in_at = Integer(allow_none=True)
    late_seconds = Integer()
    kind_label = String()
    from_at = Integer(allow_none=True)
    to_at = Integer(allow_none=True)
    absence_label = String()


class NowPage(Schema):
    at = Integer()
    settings = Nested(Minutes)
    groups = List(Nested(GroupRow))
    labels = Dict(keys=String(), values=String())
    rows = List(Nested(NowRow))
    links = Dict(keys=String(), values=Nested(schemas.LinkOut))


class Kept(Schema):
    shifts = Integer()
    rostered_seconds = Integer()
    present_seconds = Integer()
    signed_in_seconds = Integer()
    adherence = Float(allow_none=True)
    conformance = Float(allow_none=True)
    late = Integer()
    late_minutes = Integer()
    left_early = Integer()
    early_minutes = Integer()
    absent = Integer()
    planned_absences = Integer()


class KeptAgent(AgentRow):
    figures = Nested(Kept)


class KeptGroup(Schema):
    id = Integer(allow_none=True)
    name = String()
    figures = Nested(Kept)


class KeptDay(Schema):
    day = String()
    figures = Nested(Kept)


class DefinitionRow(Schema):
    code = String()
    name = String()
    numerator = String()
    denominator = String()
    exclusions = String()


class AdherencePage(Schema):
    from_ = String(data_key="from")
    to = String()
    at = Integer()
    settings = Nested(Minutes)
    definitions = List(Nested(DefinitionRow))
    total = Nested(Kept)
    groups = List(Nested(KeptGroup))
    days = List(Nested(KeptDay))
    agents = List(Nested(KeptAgent))


class EventRow(Schema):
    id = Integer()
    at = Integer()
    by_name = String(allow_none=True)
    action = String()
    action_label = String()
    name = String()
    day = String(allow_none=True)
    before = String()
    after = String()
    with_name = String(allow_none=True)


class EventRows(Schema):
    rows = List(Nested(EventRow))


# --- the plan ----------------------------------------------------------------------------------------


@blueprint.get("")
@blueprint.input(Days, location="query", arg_name="query")
@blueprint.output(PlanPage)
@blueprint.doc(responses=REFUSALS)
def show(query: dict[str, Any]) -> dict[str, Any]:
    """Everybody's shifts on the days given; without days, of this week (Monday to Sunday)."""
    today = _today()
    monday = today - timedelta(days=today.weekday())
    first, last = _days(query, monday, monday + timedelta(days=6), LONGEST_PLAN)
    with transaction() as db:
        kinds = tables.kind_rows(db)
        people = tables.agent_rows(db)
        return {
            "from_": first.isoformat(),
            "to": last.isoformat(),
            "today": today.isoformat(),
            "groups": [row | {"mine": _may(row["id"])} for row in tables.group_rows(db)],
            "kinds": kinds,
            "kinds_version": version_of(kinds),
            "settings": tables.settings_of(db),
            "absences": tables.ABSENCE_LABELS,
            "whole": _may_all(),
            "agents": [row | {"mine": _may(row["group_id"])} for row in people],
            "entries": [entry_view(one) for one in tables.entries(db, first, last)],
        }


@blueprint.post("/entries")
@blueprint.input(NewEntry, arg_name="form")
@blueprint.output(EntryRow, status_code=201)
@blueprint.doc(responses=REFUSALS)
def add(form: dict[str, Any]) -> dict[str, Any]:
    """A new shift for somebody. Refused where it overlaps another, or leaves too little rest."""
    return entry_view(
        _changed(lambda db: tables.add(db, _editor(), form["user_id"], _near(form["day"]), form))
    )


@blueprint.put("/entries/<int:entry_id>")
@blueprint.input(ChangedEntry, arg_name="form")
@blueprint.output(EntryRow)
@blueprint.doc(responses=REFUSALS)
def change(entry_id: int, form: dict[str, Any]) -> dict[str, Any]:
    """Another kind, a planned absence, a note."""
    return entry_view(_changed(lambda db: tables.change(db, _editor(), _id(entry_id), form["version"], form)))


@blueprint.delete("/entries/<int:entry_id>")
@blueprint.input(Version, location="query", arg_name="query")
@blueprint.output({}, status_code=204)
@blueprint.doc(responses=REFUSALS)
def remove(entry_id: int, query: dict[str, Any]) -> str:
    """Take a shift out of the roster."""
    _changed(lambda db: tables.remove(db, _editor(), _id(entry_id), query["version"]))
    return ""


@blueprint.post("/swap")
@blueprint.input(Swap, arg_name="form")
@blueprint.output(EntryRows)
@blueprint.doc(responses=REFUSALS)
def swap(form: dict[str, Any]) -> dict[str, Any]:
    """Two people work each other's shift: both or neither."""
    one, other = ((form[name]["id"], form[name]["version"]) for name in ("one", "other"))
    return {"rows": [entry_view(row) for row in _changed(lambda db: tables.swap(db, _editor(), one, other))]}


@blueprint.get("/events")
@blueprint.input(Days, location="query", arg_name="query")
@blueprint.output(EventRows)
@blueprint.doc(responses=REFUSALS)
def events(query: dict[str, Any]) -> dict[str, Any]:
    """What was changed in the roster of these days, newest first."""
    today = _today()
    first, last = _days(query, today - timedelta(days=7), today + timedelta(days=7), LONGEST_LOOK)
    with transaction() as db:
        return {"rows": [row | {"at": _ms(row["at"])} for row in tables.event_rows(db, first, last)]}


@blueprint.put("/kinds")
@blueprint.input(KindsPage, arg_name="form")
@blueprint.output(KindsPage)
@blueprint.doc(responses=REFUSALS)
def keep_kinds(form: dict[str, Any]) -> dict[str, Any]:
    """The shift kinds in the order given. Shifts that are planned keep their times."""

    def keep(db: Session) -> list[dict[str, Any]]:
        for said in tables.keep_kinds(db, form["version"], form["kinds"]):
            note_access(db, "roster_settings", "shift kinds", said)
        return tables.kind_rows(db)

    kinds = _changed(keep)
    return {"version": version_of(kinds), "kinds": kinds}


@blueprint.put("/settings")
@blueprint.input(Minutes, arg_name="form")
@blueprint.output(Minutes)
@blueprint.doc(responses=REFUSALS)
def keep_settings(form: dict[str, Any]) -> dict[str, int]:
    """Grace, limit of absence, rest between two shifts, in minutes."""

    def keep(db: Session) -> dict[str, int]:
        for said in tables.keep_settings(db, me().id, form):
            note_access(db, "roster_settings", "limits", said)
        return tables.settings_of(db)

    return _changed(keep)


# --- import ------------------------------------------------------------------------------------------


@blueprint.post("/import")
@blueprint.input(Checking, location="query", arg_name="query")
@blueprint.input(ImportIn, location="form_and_files", arg_name="form")
@blueprint.output(ImportOut)
@blueprint.doc(responses=schemas.errors(400, 401, 403, 409, 413, 422, 503))
def take_table(query: dict[str, Any], form: dict[str, Any]) -> dict[str, Any]:
    """Read a CSV or XLSX. With faults, or with `check`, nothing is written; else all of it is.

    `version` (from the check) refuses the import where the roster was changed in between.
    """
    file = form["file"]
    try:
        sheet = roster_files.read(file.filename or "", file.stream.read())
    except roster_files.UnreadableSheet as problem:
        raise invalid({"file": str(problem)}) from None
    month = _month(form["month"])

    def work(db: Session) -> tables.Plan:
        editor = _editor()
        read = roster_import.read(
            sheet.rows,
            tables.import_agents(db, editor),
            tables.import_kinds(db),
            _today(),
            month,
            sheet.name,
        )
        plan = tables.plan(db, read)
        if not query["check"] and not plan.faults:
            tables.apply_plan(db, editor, plan, form["version"] or None)
        return plan

    if query["check"]:
        with transaction() as db:
            return _plan_view(work(db), done=False)
    plan = _changed(work)
    return _plan_view(plan, done=not plan.faults)


@blueprint.get("/template")
@blueprint.input(TemplateQuery, location="query", arg_name="query")
@blueprint.doc(
    responses={
        200: {"description": "A spreadsheet", "content": {"application/octet-stream": {}}},
        **schemas.errors(401, 403, 422),
    }
)
def template(query: dict[str, Any]) -> Response:
    """A table to fill in, with the agents (of a group) and the roster as it is."""
    today = _today()
    monday = today - timedelta(days=today.weekday()) + timedelta(days=7)
    first, last = _days(query, monday, monday + timedelta(days=6), LONGEST_PLAN)
    with transaction() as db:
        rows = _template_rows(db, first, last, query["layout"], query["group"])
        kinds = tables.kind_rows(db)
    name = f"roster-{first:%Y%m%d}-{last:%Y%m%d}-{query['layout']}.{query['kind']}"
    if query["kind"] == "csv":
        content, mime = roster_files.written_csv(rows), "text/csv; charset=utf-8"
    else:
        content = roster_files.written([("排班", rows), ("填写说明", _explained(kinds))], (10, 14))
        mime = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return Response(content, mimetype=mime, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _template_rows(db: Session, first: date, last: date, layout: str, group: int | None) -> list[list[str]]:
    people = [row for row in tables.agent_rows(db) if group is None or row["group_id"] == group]
    people = [row for row in people if _may(row["group_id"])]
    labels = {row["code"]: row["label"] for row in tables.kind_rows(db)}
    cells: dict[tuple[int, date], list[str]] = {}
    for entry in tables.entries(db, first, last):
        label = labels.get(entry.kind, entry.kind)
        absence = tables.ABSENCE_LABELS.get(entry.absence or "", "")[:2]
        cells.setdefault((entry.user_id, entry.day), []).append(f"{label}/{absence}" if absence else label)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    if layout == "list":
        body = [
            [row["work_number"], row["name"], day.isoformat(), cell]
            for row in people
            for day in days
            for cell in cells.get((row["id"], day), [])
        ]
        return [["工号", "姓名", "日期", "班次"], *body]
    # A split shift has no place in one cell: its day is left empty, which changes nothing.
    alone = {place: found[0] for place, found in cells.items() if len(found) == 1}
    head = ["工号", "姓名", *(f"{day:%Y-%m-%d}" for day in days)]
    return [
        head,
        *(
            [row["work_number"], row["name"], *(alone.get((row["id"], day), "") for day in days)]
            for row in people
        ),
    ]


def _explained(kinds: list[dict[str, Any]]) -> list[list[str]]:
    return [
        ["填写", "含义"],
        *(
            [row["label"], f"{row['from_time']}–{row['to_time']}" + _over_midnight(row)]
            for row in kinds
            if row["active"]
        ),
        ["休", "休息：删除当天的班次"],
        ["（空白）", "不改变当天的班次"],
        ["早班/请假", "排了早班，计划请假；也可写 病假、其他"],
        ["请假", "当天已排的班次改为请假"],
        ["说明", "工号必填；姓名用于核对。先检查再导入，有一处错误则整张表都不导入。"],
    ]


def _over_midnight(kind: dict[str, Any]) -> str:
    return "（次日）" if kind["to_time"] <= kind["from_time"] else ""


# --- now, and how it was kept --------------------------------------------------------------------------


@blueprint.get("/now")
@blueprint.output(NowPage)
@blueprint.doc(responses=REFUSALS)
def now() -> dict[str, Any]:
    """Who is late, absent, on time, gone early or signed in unplanned; `roster` is pushed when it changes."""
    picture = _now().picture()
    return picture | {
        "groups": [row | {"mine": _may(row["id"])} for row in picture["groups"]],
        "rows": [row | {"mine": _may(row["group_id"])} for row in picture["rows"]],
    }


@blueprint.get("/adherence")
@blueprint.input(Days, location="query", arg_name="query")
@blueprint.output(AdherencePage)
@blueprint.doc(responses=REFUSALS)
def adherence(query: dict[str, Any]) -> dict[str, Any]:
    """Adherence and conformance of each agent, group and day, until now; yesterday without days."""
    yesterday = _today() - timedelta(days=1)
    first, last = _days(query, yesterday, yesterday, LONGEST_LOOK)
    moment = datetime.now(UTC)
    with transaction() as db:
        people = tables.agent_rows(db)
        settings = tables.settings_of(db)
        kept = roster.kept(
            db,
            {row["id"]: row["login"] for row in people},
            first,
            last,
            moment,
            tables.limits_of(settings),
        )
        groups = tables.group_rows(db)
    by_day = {day: roster.together(found.values()) for day, found in kept.items()}
    agents = {
        row["login"]: roster.together(found[row["login"]] for found in kept.values() if row["login"] in found)
        for row in people
    }
    shown = [row for row in people if agents[row["login"]].shifts or agents[row["login"]].planned_absences]
    return {
        "from_": first.isoformat(),
        "to": last.isoformat(),
        "at": _ms(moment),
        "settings": settings,
        "definitions": [
            vars(DEFINITIONS[code]) for code in ("adherence", "conformance", "late", "left_early", "absent")
        ],
        "total": kept_view(roster.together(agents.values())),
        "groups": [
            {
                "id": group["id"],
                "name": group["name"],
                "figures": kept_view(
                    roster.together(agents[row["login"]] for row in people if row["group_id"] == group["id"])
                ),
            }
            for group in groups
        ],
        "days": [{"day": day.isoformat(), "figures": kept_view(found)} for day, found in by_day.items()],
        "agents": [
            row | {"mine": _may(row["group_id"]), "figures": kept_view(agents[row["login"]])} for row in shown
        ],
    }


def kept_view(found: roster.Adherence) -> dict[str, Any]:
    """Figures as JSON: whole seconds and minutes, rates 0..1 with four digits, null without a base."""
    return {
        "shifts": found.shifts,
        "rostered_seconds": round(found.rostered_seconds),
        "present_seconds": round(found.present_seconds),
        "signed_in_seconds": round(found.signed_in_seconds),
        "adherence": None if found.adherence is None else round(found.adherence, 4),
        "conformance": None if found.conformance is None else round(found.conformance, 4),
        "late": found.late,
        "late_minutes": round(found.late_seconds / 60),
        "left_early": found.left_early,
        "early_minutes": round(found.early_seconds / 60),
        "absent": found.absent,
        "planned_absences": found.planned_absences,
    }


# --- small things ------------------------------------------------------------------------------------


def entry_view(entry: RosterEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "user_id": entry.user_id,
        "day": entry.day.isoformat(),
        "kind": entry.kind,
        "from_at": _ms(entry.from_at),
        "to_at": _ms(entry.to_at),
        "absence": entry.absence,
        "note": entry.note or "",
        "version": entry.version,
    }


def _changed(work: Callable[[Session], Made]) -> Made:
    """One change in one transaction; the pages are told after it. Somebody else's change in the same moment
    is told as such, not as a fault of the database."""
    try:
        with transaction() as db:
            made = work(db)
    except (IntegrityError, StaleDataError):
        raise Refusal("stale", "排班刚被他人修改，请核对最新内容后再保存。", status=409) from None
    _now().changed()
    return made


def _now() -> RosterNow:
    return cast(RosterNow, current_app.extensions["roster_now"])


def _editor() -> tables.Editor:
    return tables.Editor(me().id, _may)


def _may(group: int | None) -> bool:
    return may_act_on(me().role, me().group_id, group)


def _may_all() -> bool:
    return me().role in ("supervisor", "administrator")


def _today() -> date:
    return datetime.now(CITY_TIME).date()


def _days(query: dict[str, Any], first: date, last: date, most: int) -> tuple[date, date]:
    """The days asked for. Raises Refusal (invalid)."""
    begins = query["from_"] or query["to"] or first
    ends = query["to"] or (query["from_"] or last)
    if not 2000 <= begins.year <= 2100 or not 2000 <= ends.year <= 2100:
        raise invalid({"from": "日期无效。"})
    if ends < begins:
        raise invalid({"to": "结束日期不能早于开始日期。"})
    if (ends - begins).days >= most:
        raise invalid({"to": f"一次最多查看 {most} 天。"})
    return begins, ends


def _near(day: date) -> date:
    """A day that may still be planned. Raises Refusal (invalid)."""
    if not _today() - roster_import.EARLIEST <= day <= _today() + roster_import.LATEST:
        raise invalid({"day": "只能排最近 31 天到一年以内的班。"})
    return day


def _id(given: int) -> int:
    if given > schemas.LONGEST_NUMBER:
        raise Refusal("not_found")
    return given


def _month(text: str) -> tuple[int, int] | None:
    """(2026, 11) of "2026-11". Raises Refusal (invalid)."""
    if not text:
        return None
    try:
        found = datetime.strptime(text, "%Y-%m")
    except ValueError:
        raise invalid({"month": "月份应如 2026-11。"}) from None
    return found.year, found.month


def _plan_view(plan: tables.Plan, *, done: bool) -> dict[str, Any]:
    days = plan.days
    return {
        "ok": not plan.faults,
        "done": done,
        "layout": plan.read.layout,
        "version": plan.version,
        "lines": plan.read.lines,
        "people": len({wish.user_id for wish in plan.read.wishes}),
        "days": [days[0].isoformat(), days[-1].isoformat()] if days else [],
        "added": len(plan.added),
        "changed": len(plan.changed),
        "removed": len(plan.removed),
        "same": plan.same,
        "faults": [vars(fault) for fault in plan.faults],
    }


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
