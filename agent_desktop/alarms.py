"""Alarms and their rules over HTTP. Judging is `alarm_watch`, the rows are `alarm_tables`.

GET list ─► acknowledge, with a note   ·   GET rules ─► PUT, over nothing newer
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from apiflask import APIBlueprint
from apiflask.fields import Boolean, Float, Integer, List, Nested, String
from marshmallow.validate import Length, OneOf, Range, Regexp
from sqlalchemy.exc import SQLAlchemyError

from agent_desktop import alarm_tables as tables
from agent_desktop import schemas
from agent_desktop.access import note_access
from agent_desktop.alarm_rules import KINDS
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal, is_database_away
from agent_desktop.schemas import LONGEST_NUMBER, Schema, number, words
from db.models import now

blueprint = APIBlueprint("alarms", __name__, url_prefix="/api", tag="alarms")
REFUSALS = schemas.errors(401, 403, 404, 409, 422, 503)
MOST_RULES = 100
LAST_MOMENT = 253_402_300_799_000
"""The end of the year 9999, in epoch ms."""
CLOCK = Regexp(r"([01][0-9]|2[0-3]):[0-5][0-9]\Z", error="时间应如 22:00。")


# --- shapes ------------------------------------------------------------------------------------------


class AlarmView(Schema):
    """One alarm; while it is on, its values are those of now. `id` null: not in the database yet."""

    id = Integer(allow_none=True)
    key = String()
    kind = String()
    kind_label = String()
    queue = String(allow_none=True)
    queue_label = String(allow_none=True)
    subject = String(allow_none=True)
    subject_label = String(allow_none=True)
    detail = String()
    value = Float()
    value_label = String()
    worst = Float()
    worst_label = String()
    threshold = Float()
    threshold_label = String()
    raised_at = Integer()
    cleared_at = Integer(allow_none=True)
    quiet = Boolean()
    sounds = Boolean()
    acknowledged_by = String(allow_none=True)
    acknowledged_at = Integer(allow_none=True)
    note = String()


class AlarmQuery(Schema):
    kind = String(load_default="", validate=Length(0, 24))
    queue = String(load_default="", validate=Length(0, 32))
    acknowledged = Boolean(load_default=None, allow_none=True)
    since = Integer(data_key="from", load_default=None, allow_none=True, validate=Range(0, LAST_MOMENT))
    until = Integer(data_key="to", load_default=None, allow_none=True, validate=Range(0, LAST_MOMENT))
    page = Integer(load_default=1, validate=Range(1, 100_000))


class AlarmPage(Schema):
    """What is on now, and one page of what is over. `database` false: the past cannot be looked at now."""

    open = List(Nested(AlarmView))
    rows = List(Nested(AlarmView))
    total = Integer()
    page = Integer()
    page_size = Integer()
    database = Boolean()


class Acknowledgement(Schema):
    note = String(load_default="", validate=Length(0, 256, error="备注最多 256 个字。"))


def _seconds(most: int) -> Integer:
    sentence = f"应为 0 至 {most} 秒。"
    return Integer(
        required=True,
        strict=True,
        validate=Range(0, most, error=sentence),
        error_messages={"required": sentence, "invalid": sentence, "null": sentence},
    )


def _count(least: int, most: int, sentence: str) -> Integer:
    return Integer(
        required=True,
        strict=True,
        validate=Range(least, most, error=sentence),
        error_messages={"required": sentence, "invalid": sentence, "null": sentence},
    )


def _value() -> Float:
    sentence = "请填写数值。"
    return Float(
        required=True,
        allow_nan=False,
        error_messages={"required": sentence, "invalid": sentence, "null": sentence, "special": sentence},
    )


class RuleRow(Schema):
    id = number("请刷新后再保存。", allow_none=True, load_default=None)
    kind = String(required=True, validate=OneOf(tuple(KINDS), error="没有这种告警。"))
    queue = String(load_default="", validate=Length(0, 32, error="没有这个队列。"))
    threshold = _value()
    clear_at = _value()
    hold_seconds = _seconds(3600)
    clear_seconds = _seconds(3600)
    window_minutes = _count(5, 1440, "统计时段应为 5 至 1440 分钟。")
    least_calls = _count(1, 10_000, "起算来电数应为 1 至 10000。")
    quiet_from = String(allow_none=True, load_default=None, validate=CLOCK)
    quiet_to = String(allow_none=True, load_default=None, validate=CLOCK)
    sound = Boolean(load_default=True)
    webhook = Boolean(load_default=False)
    active = Boolean(load_default=True)


class KindView(Schema):
    kind = String()
    label = String()
    unit = String()
    above = Boolean()
    by_queue = Boolean()
    rate = Boolean()
    most = Float()


class QueueChoice(Schema):
    name = String()
    label = String()


class Rules(Schema):
    version = words("请刷新后再保存。", 16)
    rules = List(
        Nested(RuleRow),
        required=True,
        validate=Length(0, MOST_RULES, error=f"最多 {MOST_RULES} 条。"),
        error_messages={"required": "请求内容无法识别。", "null": "请求内容无法识别。"},
    )
    kinds = List(Nested(KindView), dump_only=True)
    queues = List(Nested(QueueChoice), dump_only=True)
    webhook_set = Boolean(dump_only=True)
    """An address is set that alarms are told to."""


# --- views -------------------------------------------------------------------------------------------


@blueprint.get("/alarms")
@blueprint.input(AlarmQuery, location="query", arg_name="query")
@blueprint.output(AlarmPage)
@blueprint.doc(responses=schemas.errors(401, 403, 422))
def listing(query: dict[str, Any]) -> dict[str, Any]:
    """Alarms that are on, and those that are over, the newest first. Without the database: the first only."""
    watch = desk().alarms
    shown: dict[str, Any] = {"open": watch.shown(), "page": query["page"], "page_size": tables.PAGE_SIZE}
    wanted = {
        "kind": query["kind"],
        "queue": query["queue"],
        "acknowledged": query["acknowledged"],
        "since": _moment(query["since"]),
        "until": _moment(query["until"]),
    }
    try:
        with transaction() as db:
            rows, total = tables.history(db, page=query["page"], **wanted)
    except SQLAlchemyError as error:
        if not is_database_away(error):
            raise
        return shown | {"rows": [], "total": 0, "database": False}
    return shown | {"rows": [watch.view(row) for row in rows], "total": total, "database": True}


@blueprint.post("/alarms/<int:alarm_id>/acknowledge")
@blueprint.input(Acknowledgement, arg_name="form")
@blueprint.output(AlarmView)
@blueprint.doc(responses=REFUSALS)
def acknowledge(alarm_id: int, form: dict[str, Any]) -> dict[str, Any]:
    """I have seen it and look after it; it falls silent on every page."""
    if alarm_id > LONGEST_NUMBER:
        raise Refusal("not_found", "没有这条告警。")
    with transaction() as db:
        alarm = tables.acknowledge(db, alarm_id, me().id, form["note"].strip(), now())
        note_access(db, "acknowledge_alarm", f"alarms {alarm_id} {alarm.kind}", form["note"].strip())
    desk().alarms.acknowledged(alarm)
    return desk().alarms.view(alarm)


@blueprint.get("/alarm-rules")
@blueprint.output(Rules)
@blueprint.doc(responses=schemas.errors(401, 403, 503))
def rules() -> dict[str, Any]:
    """The rules, in the order of the list."""
    with transaction() as db:
        return _with_choices(tables.rules_of(db))


@blueprint.put("/alarm-rules")
@blueprint.input(Rules, arg_name="form")
@blueprint.output(Rules)
@blueprint.doc(responses=REFUSALS)
def keep_rules(form: dict[str, Any]) -> dict[str, Any]:
    """Replace the rules by those given; what is on by a rule that is gone is over."""
    with transaction() as db:
        for change in tables.keep_rules(db, form["version"], form["rules"]):
            note_access(db, "alarm_rules", change.what, change.how)
        db.flush()
        shown = _with_choices(tables.rules_of(db))
    desk().alarms.rules_changed()
    return shown


def _with_choices(shown: dict[str, Any]) -> dict[str, Any]:
    kinds = [
        {"kind": code, **{name: getattr(kind, name) for name in ("label", "unit", "above")}}
        | {"by_queue": kind.by_queue, "rate": kind.rate, "most": kind.most}
        for code, kind in KINDS.items()
    ]
    queues = [{"name": name, "label": label} for name, label in desk().names.queues.items()]
    webhook = bool(desk().settings.alarm_webhook_url)
    return shown | {"kinds": kinds, "queues": queues, "webhook_set": webhook}


def _moment(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC)
