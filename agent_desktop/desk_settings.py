"""What leaders set for the desks: skills, special desks, reasons, transfer targets. Each change is noted.

The telephone follows at once, and by itself within 20 seconds (`cti.fitting`); the agents' menus with their
next catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from apiflask import APIBlueprint
from apiflask.fields import Boolean, Dict, Integer, List, Nested, String
from marshmallow.validate import Length, Range, Regexp
from sqlalchemy.orm import Session

from agent_desktop import desk_tables as tables
from agent_desktop import schemas
from agent_desktop.access import note_access
from agent_desktop.desk import desk, transaction
from agent_desktop.errors import invalid
from agent_desktop.schemas import Schema, number, words

blueprint = APIBlueprint("desk_settings", __name__, url_prefix="/api/desk-settings", tag="desk settings")
REFUSALS = schemas.errors(401, 403, 409, 422, 503)
MOST = 500
"""Rows of one list at the most."""


def _listed(part: type[Schema]) -> List:
    sentence = "请求内容无法识别。"
    return List(
        Nested(part),
        required=True,
        validate=Length(0, MOST, error=f"最多 {MOST} 条。"),
        error_messages={"required": sentence, "null": sentence, "invalid": sentence},
    )


class Versioned(Schema):
    version = words("请刷新后再保存。", 16)


# --- shapes ------------------------------------------------------------------------------------------


class QueueState(Schema):
    name = String()
    label = String()
    special = Boolean()
    open = Boolean()


class AgentSkills(Schema):
    id = number("没有这位话务员。", required=True)
    login = String(dump_only=True)
    name = String(dump_only=True)
    work_number = String(dump_only=True)
    penalties = Dict(
        required=True,
        keys=String(validate=Length(1, 32)),
        values=Integer(
            strict=True,
            error_messages={"invalid": "优先级应为 1 至 10。", "null": "优先级应为 1 至 10。"},
            validate=Range(0, tables.HIGHEST_PENALTY, error="优先级应为 1 至 10。"),
        ),
    )


class Skills(Versioned):
    queues = List(Nested(QueueState), dump_only=True)
    agents = _listed(AgentSkills)


class PeriodRow(Schema):
    id = number("请刷新后再保存。", allow_none=True, load_default=None)
    queue = words("请选择专席。", 32)
    title = String(load_default="", validate=Length(0, 64, error="名称最多 64 个字。"))
    opens_on = words("请选择开始日期。", 10)
    closes_on = words("请选择结束日期。", 10)
    from_time = String(allow_none=True, load_default=None, validate=Length(0, 5, error="时间应如 09:00。"))
    to_time = String(allow_none=True, load_default=None, validate=Length(0, 5, error="时间应如 09:00。"))


class DeskState(Schema):
    queue = String()
    label = String()
    main = Boolean()
    state = String()
    changes_at = Integer(allow_none=True)
    periods = List(Nested(PeriodRow))


class Desks(Versioned):
    desks = List(Nested(DeskState))


class Periods(Versioned):
    periods = _listed(PeriodRow)


class ReasonRow(Schema):
    code = String(
        allow_none=True,
        load_default=None,
        validate=Regexp(r"[a-z_]{0,24}\Z", error="没有这个示忙原因。"),
    )
    label = words("请填写名称（最多 32 个字）。", 32)
    limit_minutes = Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        error_messages={"invalid": "时限应为 1 至 480 分钟，或不填。"},
        validate=Range(1, 480, error="时限应为 1 至 480 分钟，或不填。"),
    )
    active = Boolean(load_default=True)


class Reasons(Versioned):
    reasons = _listed(ReasonRow)


class TargetRow(Schema):
    id = number("请刷新后再保存。", allow_none=True, load_default=None)
    group = words("请选择分组。", 32)
    name = words("请填写名称（最多 64 个字）。", 64)
    number = words("请填写号码。", 32)
    note = String(load_default="", validate=Length(0, 128, error="备注最多 128 个字。"))
    active = Boolean(load_default=True)


class Targets(Versioned):
    groups = List(String(), dump_only=True)
    targets = _listed(TargetRow)


# --- views -------------------------------------------------------------------------------------------


@blueprint.get("/skills")
@blueprint.output(Skills)
@blueprint.doc(responses=REFUSALS)
def skills() -> dict[str, Any]:
    """Agents and the queues they serve; penalty 0 is rung first."""
    with transaction() as db:
        return tables.skills_of(db, datetime.now(UTC))


@blueprint.put("/skills")
@blueprint.input(Skills, arg_name="form")
@blueprint.output(Skills)
@blueprint.doc(responses=REFUSALS)
def keep_skills(form: dict[str, Any]) -> dict[str, Any]:
    """Change the agents given. Who is signed in is rung by the new skills a moment later."""
    return _kept(
        lambda db: tables.keep_skills(db, form["version"], form["agents"]),
        lambda db: tables.skills_of(db, datetime.now(UTC)),
        telephone=True,
    )


@blueprint.get("/special-desks")
@blueprint.output(Desks)
@blueprint.doc(responses=REFUSALS)
def special_desks() -> dict[str, Any]:
    """Each queue with its periods and whether it is open now."""
    with transaction() as db:
        return _with_texts(tables.desks_of(db, datetime.now(UTC)))


@blueprint.put("/special-desks")
@blueprint.input(Periods, arg_name="form")
@blueprint.output(Desks)
@blueprint.doc(responses=REFUSALS)
def keep_special_desks(form: dict[str, Any]) -> dict[str, Any]:
    """Replace all periods by those given."""
    wrong: dict[str, str] = {}
    for place, row in enumerate(form["periods"]):
        for name in ("opens_on", "closes_on"):
            day = tables.as_date(row[name])
            if day is None:
                wrong[f"periods.{place}.{name}"] = "日期应如 2026-11-15。"
            row[name] = day
        row["from_time"], row["to_time"] = row["from_time"] or None, row["to_time"] or None
    if wrong:
        raise invalid(wrong)
    return _kept(
        lambda db: tables.keep_desks(db, form["version"], form["periods"]),
        lambda db: _with_texts(tables.desks_of(db, datetime.now(UTC))),
        telephone=True,
    )


@blueprint.get("/reasons")
@blueprint.output(Reasons)
@blueprint.doc(responses=REFUSALS)
def reasons() -> dict[str, Any]:
    """Why an agent may be not ready, and for how long."""
    with transaction() as db:
        return tables.reasons_of(db)


@blueprint.put("/reasons")
@blueprint.input(Reasons, arg_name="form")
@blueprint.output(Reasons)
@blueprint.doc(responses=REFUSALS)
def keep_reasons(form: dict[str, Any]) -> dict[str, Any]:
    """Write the reasons in the order given; a new one has no code."""
    return _kept(lambda db: tables.keep_reasons(db, form["version"], form["reasons"]), tables.reasons_of)


@blueprint.get("/transfer-targets")
@blueprint.output(Targets)
@blueprint.doc(responses=REFUSALS)
def transfer_targets() -> dict[str, Any]:
    """Duty telephones, experts and lawyers whom an agent can bring in."""
    with transaction() as db:
        return tables.targets_of(db)


@blueprint.put("/transfer-targets")
@blueprint.input(Targets, arg_name="form")
@blueprint.output(Targets)
@blueprint.doc(responses=REFUSALS)
def keep_transfer_targets(form: dict[str, Any]) -> dict[str, Any]:
    """Replace the list by the one given, in its order."""
    return _kept(lambda db: tables.keep_targets(db, form["version"], form["targets"]), tables.targets_of)


def _kept(
    keep: Callable[[Session], list[tables.Change]],
    show: Callable[[Session], dict[str, Any]],
    *,
    telephone: bool = False,
) -> dict[str, Any]:
    """Change and note it in one transaction; gives what the page shows now. `telephone`: the cti should know
    at once."""
    with transaction() as db:
        changes = keep(db)
        for change in changes:
            note_access(db, "desk_settings", change.what[:128], change.how[:256])
        db.flush()
        desk().names.read(db)
        shown = show(db)
    if changes and telephone:
        desk().floor.skills_changed()
    return shown


def _with_texts(shown: dict[str, Any]) -> dict[str, Any]:
    for one in shown["desks"]:
        for row in one["periods"]:
            row["opens_on"], row["closes_on"] = row["opens_on"].isoformat(), row["closes_on"].isoformat()
    return shown
