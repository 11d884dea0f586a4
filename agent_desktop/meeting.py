"""晨会 over HTTP: the sheet of a group's day, what the shift leader writes onto it, and the Word document.

Figures, recordings and points are counted anew each time (`reports.morning`); only what was chosen or written
by hand is kept. Leaders see every group's sheet; a shift leader with a group writes on the own one only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from apiflask import APIBlueprint
from apiflask.fields import Boolean, Date, Dict, Float, Integer, List, Nested, String
from flask import Response, current_app
from marshmallow.validate import Length
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from agent_desktop import roster_tables, schemas
from agent_desktop.access import listener, note_access
from agent_desktop.desk import me, transaction
from agent_desktop.errors import Refusal, check_uid, invalid
from agent_desktop.floor_rights import may_act_on
from agent_desktop.listening import row_view
from agent_desktop.schemas import Schema, number
from db.models import AgentGroup, MeetingSheet, User
from db.models import now as present
from recordings.listing import rows_of_calls
from reports import morning, morning_document, roster
from reports.agent_day import CITY_TIME, AgentDay, together
from reports.definitions import DEFINITIONS
from reports.morning import Compared, Pick, lasted

blueprint = APIBlueprint("meeting", __name__, url_prefix="/api", tag="meeting")
REFUSALS = schemas.errors(401, 403, 404, 409, 422, 503)
FRESH_SECONDS = 600.0
"""Days that are over are counted again after this time: the journal may have been late."""
REMEMBERED = 400
ALTERNATIVES = 20
FIGURES = (*morning.COUNTS, *morning.RATES, "adherence")
RATES = frozenset({"utilisation", "direct_rate", "satisfaction", "adherence"})


# --- shapes ------------------------------------------------------------------------------------------


class SheetQuery(Schema):
    day = Date(load_default=None, error_messages={"invalid": "日期应如 2026-11-23。"})
    group = number("没有这个组。", load_default=None)


class SheetIn(Schema):
    day = Date(required=True, error_messages={"required": "请选择日期。", "invalid": "日期应如 2026-11-23。"})
    group = number("没有这个组。", required=True)
    version = Integer(required=True, strict=True, error_messages={"required": "请刷新后再保存。"})
    points = String(
        allow_none=True, load_default=None, validate=Length(0, 4000, error="改进要点最多 4000 个字。")
    )
    recordings = List(
        String(validate=Length(1, 64)),
        allow_none=True,
        load_default=None,
        validate=Length(0, morning.CHOSEN, error=f"最多选 {morning.CHOSEN} 条录音。"),
    )


class ComparedOut(Schema):
    value = Float(allow_none=True)
    before = Float(allow_none=True)
    change = Float(allow_none=True)


class FiguresOut(Schema):
    figures = Dict(keys=String(), values=Nested(ComparedOut))
    signed_in_seconds = Integer()
    rated = Integer()


class MeetingAgent(FiguresOut):
    id = Integer()
    login = String()
    name = String()
    work_number = String()


class MeetingRecording(Schema):
    call_uid = String()
    agent_name = String(allow_none=True)
    code = String()
    reason = String()
    by_hand = Boolean()
    recording = Nested(schemas.RecordingRow)


class MeetingPoint(Schema):
    code = String()
    text = String()


class MeetingGroup(Schema):
    id = Integer()
    name = String()
    mine = Boolean()


class FigureName(Schema):
    code = String()
    name = String()
    explained = String()


class SheetOut(Schema):
    day = String()
    over = Boolean()
    groups = List(Nested(MeetingGroup))
    group = Nested(MeetingGroup, allow_none=True)
    names = List(Nested(FigureName))
    whole = Nested(FiguresOut, allow_none=True)
    agents = List(Nested(MeetingAgent))
    recordings = List(Nested(MeetingRecording))
    alternatives = List(Nested(MeetingRecording))
    chosen_by_hand = Boolean()
    gone = Integer()
    proposed = List(Nested(MeetingPoint))
    points = String()
    written_by_hand = Boolean()
    changed_by_name = String(allow_none=True)
    changed_at = Integer(allow_none=True)
    version = Integer()


# --- views -------------------------------------------------------------------------------------------


@blueprint.get("/meeting")
@blueprint.input(SheetQuery, location="query", arg_name="query")
@blueprint.output(SheetOut)
@blueprint.doc(responses=REFUSALS)
def show(query: dict[str, Any]) -> dict[str, Any]:
    """The sheet of a group's day; without a day yesterday's, without a group the own one, or the first."""
    with transaction() as db:
        return _sheet(db, _day(query["day"]), query["group"])


@blueprint.put("/meeting")
@blueprint.input(SheetIn, arg_name="form")
@blueprint.output(SheetOut)
@blueprint.doc(responses=REFUSALS)
def keep(form: dict[str, Any]) -> dict[str, Any]:
    """Keep points and recordings; what is empty is as proposed, what is null stays as it was."""
    day = _day(form["day"])
    try:
        with transaction() as db:
            if db.get(AgentGroup, form["group"]) is None:
                raise Refusal("not_found", "没有这个组。")
            if not _may(form["group"]):
                raise Refusal("forbidden", "只能填写本组的晨会表。")
            _keep(db, day, form)
            note_access(db, "meeting_sheet", f"{day} group {form['group']}")
            db.flush()
            return _sheet(db, day, form["group"])
    except (IntegrityError, StaleDataError):
        raise _stale() from None


@blueprint.get("/meeting.docx")
@blueprint.input(SheetQuery, location="query", arg_name="query")
@blueprint.doc(
    responses={
        200: {"description": "A Word document", "content": {"application/octet-stream": {}}},
        **schemas.errors(401, 403, 404, 422),
    }
)
def download(query: dict[str, Any]) -> Response:
    """The sheet as a Word document, as the page shows it."""
    with transaction() as db:
        sheet = _sheet(db, _day(query["day"]), query["group"])
    if sheet["group"] is None:
        raise Refusal("not_found", "还没有话务组。")
    name = quote(f"晨会-{sheet['group']['name']}-{sheet['day']}.docx")
    return Response(
        morning_document.document(sheet_text(sheet)),
        mimetype="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        headers={"Content-Disposition": f"attachment; filename=\"meeting.docx\"; filename*=UTF-8''{name}"},
    )


# --- the sheet ---------------------------------------------------------------------------------------


def _sheet(db: Session, day: date, group_id: int | None) -> dict[str, Any]:
    now = datetime.now(UTC)
    groups = [row | {"mine": _may(row["id"])} for row in roster_tables.group_rows(db)]
    group = _chosen_group(groups, group_id)
    sheet: dict[str, Any] = {
        "day": day.isoformat(),
        "over": day < now.astimezone(CITY_TIME).date(),
        "groups": groups,
        "group": group,
        "names": [_name(code) for code in FIGURES],
    }
    if group is None:
        return sheet | _EMPTY
    people = [row for row in roster_tables.agent_rows(db) if row["group_id"] == group["id"]]
    logins = [row["login"] for row in people]
    names = {row["login"]: row["name"] for row in people}
    days = [_days_of(db, logins, day - timedelta(days=n), now) for n in range(morning.DAYS_BEFORE + 1)]
    kept = roster.kept(
        db,
        {row["id"]: row["login"] for row in people},
        day - timedelta(days=morning.DAYS_BEFORE),
        day,
        now,
        roster_tables.limits_of(roster_tables.settings_of(db)),
    )
    today = {login: found for login, found in kept[day].items() if login in names}
    week = [one for before, one in kept.items() if before < day]
    window = morning.window_of(day, now)
    proposed = morning.points(days[0], names, today, morning.hours_of(db, window))
    row = db.scalar(select(MeetingSheet).where(MeetingSheet.day == day, MeetingSheet.group_id == group["id"]))
    by = db.get(User, row.changed_by) if row and row.changed_by else None
    return (
        sheet
        | _recordings(db, morning.heard_calls(db, logins, window), row)
        | {
            "whole": _figures(
                together(days[0].values()),
                [together(one.values()) for one in days[1:]],
                roster.together(today.values()),
                roster.together(found for one in week for login, found in one.items() if login in names),
            ),
            "agents": [
                {key: one[key] for key in ("id", "login", "name", "work_number")}
                | _figures(
                    days[0][one["login"]],
                    [before[one["login"]] for before in days[1:]],
                    today.get(one["login"]),
                    roster.together(found[one["login"]] for found in week if one["login"] in found),
                )
                for one in people
            ],
            "proposed": [{"code": point.code, "text": point.text} for point in proposed],
            "points": row.points if row and row.points else "\n".join(point.text for point in proposed),
            "written_by_hand": bool(row and row.points),
            "changed_by_name": by.name if by else None,
            "changed_at": round(row.changed_at.timestamp() * 1000) if row else None,
            "version": row.version if row else 0,
        }
    )


_EMPTY: dict[str, Any] = {
    "whole": None,
    "agents": [],
    "recordings": [],
    "alternatives": [],
    "chosen_by_hand": False,
    "gone": 0,
    "proposed": [],
    "points": "",
    "written_by_hand": False,
    "changed_by_name": None,
    "changed_at": None,
    "version": 0,
}


def _chosen_group(groups: Sequence[dict[str, Any]], group_id: int | None) -> dict[str, Any] | None:
    if group_id is not None:
        found = next((row for row in groups if row["id"] == group_id), None)
        if found is None:
            raise Refusal("not_found", "没有这个组。")
        return found
    own = next((row for row in groups if row["id"] == me().group_id), None)
    return own or (groups[0] if groups else None)


def _recordings(db: Session, calls: Sequence[morning.Heard], row: MeetingSheet | None) -> dict[str, Any]:
    picks = morning.worth_hearing(calls)
    reasons: dict[str, Pick] = {}
    for pick in picks:
        reasons.setdefault(pick.uid, pick)
    by_hand = [str(uid) for uid in row.recordings] if row else []
    wanted = by_hand or [pick.uid for pick in morning.chosen(picks)]
    shown = {pick.uid: pick for pick in morning.chosen(picks)} if not by_hand else {}
    others = [uid for uid in reasons if uid not in wanted][:ALTERNATIVES]
    rows = {
        one.call_uid: one
        for one in rows_of_calls(db, listener(me()), [*wanted, *others])
        if one.kind == "call" and one.state == "kept"
    }

    def view(uid: str) -> dict[str, Any]:
        pick = shown.get(uid) or reasons.get(uid)
        return {
            "call_uid": uid,
            "agent_name": rows[uid].agent_name,
            "code": pick.code if pick else "by_hand",
            "reason": pick.reason if pick else "班长选取",
            "by_hand": bool(by_hand),
            "recording": row_view(rows[uid]),
        }

    return {
        "recordings": [view(uid) for uid in wanted if uid in rows],
        "alternatives": [view(uid) for uid in others if uid in rows],
        "chosen_by_hand": bool(by_hand),
        "gone": sum(uid not in rows for uid in wanted),
    }


def _figures(
    day: AgentDay,
    before: Sequence[AgentDay],
    kept: roster.Adherence | None,
    kept_before: roster.Adherence | None,
) -> dict[str, Any]:
    found = morning.compared(day, before) | {"adherence": morning.compared_adherence(kept, kept_before)}
    return {
        "figures": {code: _compared(code, found[code]) for code in FIGURES},
        "signed_in_seconds": round(day.signed_in_seconds),
        "rated": day.rated,
    }


def _compared(code: str, one: Compared) -> dict[str, Any]:
    digits = 4 if code in RATES else 1
    numbers = {"value": one.value, "before": one.before, "change": one.change}
    return {name: None if value is None else round(value, digits) for name, value in numbers.items()}


def _name(code: str) -> dict[str, str]:
    one = DEFINITIONS[code]
    parts = f"{one.numerator} ÷ {one.denominator}" if one.denominator else one.numerator
    return {"code": code, "name": one.name.removeprefix("今日"), "explained": parts}


def _keep(db: Session, day: date, form: dict[str, Any]) -> None:
    row = db.scalar(
        select(MeetingSheet).where(MeetingSheet.day == day, MeetingSheet.group_id == form["group"])
    )
    if form["version"] != (row.version if row else 0):
        raise _stale()
    if row is None:
        row = MeetingSheet(day=day, group_id=form["group"], points="", recordings=[])
        db.add(row)
    if form["points"] is not None:
        row.points = form["points"].strip()
    if form["recordings"] is not None:
        row.recordings = _audible(db, form["recordings"])
    row.changed_by, row.changed_at = me().id, present()


def _audible(db: Session, uids: Iterable[str]) -> list[str]:
    """The calls chosen by hand, once each. Raises Refusal where one has no recording to be heard."""
    wanted = list(dict.fromkeys(uids))
    for uid in wanted:
        check_uid(uid)
    rows = rows_of_calls(db, listener(me()), wanted)
    heard = {one.call_uid for one in rows if one.kind == "call" and one.state == "kept" and one.listenable}
    for place, uid in enumerate(wanted):
        if uid not in heard:
            raise invalid({f"recordings.{place}": "这通电话没有可以播放的录音，请另选一条。"})
    return wanted


class KeptDays:
    """Figures of days that are over, by day and agents."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._days: dict[tuple[date, tuple[str, ...]], tuple[float, dict[str, AgentDay]]] = {}

    def find(self, day: date, logins: tuple[str, ...], at: float) -> dict[str, AgentDay] | None:
        with self._lock:
            counted_at, found = self._days.get((day, logins), (0.0, None))
        return found if found is not None and at - counted_at < FRESH_SECONDS else None

    def keep(self, day: date, logins: tuple[str, ...], at: float, found: dict[str, AgentDay]) -> None:
        with self._lock:
            if len(self._days) >= REMEMBERED:
                self._days.clear()
            self._days[day, logins] = (at, found)


def _days_of(db: Session, logins: Sequence[str], day: date, now: datetime) -> dict[str, AgentDay]:
    kept: KeptDays = current_app.extensions.setdefault("meeting_days", KeptDays())
    over = day < now.astimezone(CITY_TIME).date()
    at, who = time.monotonic(), tuple(logins)
    found = kept.find(day, who, at) if over else None
    if found is None:
        found = morning.days_of(db, logins, day, now)
        if over:
            kept.keep(day, who, at, found)
    return found


# --- as a document -----------------------------------------------------------------------------------


def sheet_text(sheet: dict[str, Any]) -> morning_document.SheetText:
    """The sheet as it is printed; numbers of citizens masked, as on the page."""
    names = [one["name"] for one in sheet["names"]]
    whole = ("本组", *(cell(code, sheet["whole"]["figures"][code]) for code in FIGURES))
    agents = [
        (one["name"], *(cell(code, one["figures"][code]) for code in FIGURES))
        for one in sheet["agents"]
        if one["signed_in_seconds"] or one["figures"]["adherence"]["value"] is not None
    ]
    return morning_document.SheetText(
        title=f"{sheet['group']['name']}晨会 {sheet['day']}",
        subtitle="每格第二行：与前七日相比（数量按有签入的日子平均，时长和比率按七日合计）",
        heads=("姓名", *names),
        rows=(whole, *agents),
        recordings=tuple(
            (
                one["agent_name"] or "",
                _call_words(one["recording"]),
                one["reason"],
            )
            for one in sheet["recordings"]
        ),
        points=sheet["points"],
        foot="数据来自通话日志和台账，指标口径见系统内说明。录音请在系统内播放，播放均有记录。",
    )


def cell(code: str, one: dict[str, Any]) -> str:
    """A figure, and on a second line its change: "2 分 10 秒\n+12 秒"."""
    value, change = one["value"], one["change"]
    if value is None:
        return "—"
    if code in RATES:
        return f"{value:.0%}" + ("" if change is None else f"\n{change * 100:+.0f} 点")
    if code in morning.COUNTS:
        return f"{value:.0f}" + ("" if change is None else f"\n{change:+.1f}")
    signed = "" if change is None else f"\n{'+' if change >= 0 else '−'}{lasted(abs(change))}"
    return lasted(value) + signed


def _call_words(row: dict[str, Any]) -> str:
    number = row["number"]["masked"] or "未显示号码"
    return f"{_clock(row['arrived_at'])}　{number}　{lasted(row['seconds'] or 0)}"


def _clock(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, CITY_TIME):%H:%M}"


def _day(given: date | None) -> date:
    today = datetime.now(CITY_TIME).date()
    day = given or today - timedelta(days=1)
    if day.year < 2000 or day > today:
        raise invalid({"day": "请选择今天或以前的日期。"})
    return day


def _may(group: int | None) -> bool:
    return may_act_on(me().role, me().group_id, group)


def _stale() -> Refusal:
    return Refusal("stale", "晨会表刚被他人修改，请核对最新内容后再保存。", status=409)
