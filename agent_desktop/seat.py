"""The agent's own seat: its state and its commands. The screen changes when Asterisk's event comes."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from apiflask import APIBlueprint
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from agent_desktop import schemas
from agent_desktop.access import my_seat
from agent_desktop.calls import call_view
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal, is_database_away
from agent_desktop.session import queues_of
from db.models import Call

blueprint = APIBlueprint("seat", __name__, url_prefix="/api/seat", tag="seat")
CITY_TIME = ZoneInfo("Asia/Shanghai")
COMMAND_ERRORS = schemas.errors(401, 403, 409, 422, 503)


@blueprint.get("")
@blueprint.output(schemas.SeatPage)
@blueprint.doc(responses=schemas.errors(401, 403, 409))
def show() -> dict[str, Any]:
    """Seat, call and today's figures. Without the database, `today` is null and the rest goes on."""
    number = my_seat()
    floor = desk().floor
    call = floor.call_at(number)
    return {"seat": floor.seat(number), "call": call and call_view(call), "today": _today(me().login)}


@blueprint.post("/ready")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def ready() -> dict[str, Any]:
    """Take calls. A seat that the PBX has forgotten is signed in again first."""
    return _command("ready")


@blueprint.post("/not-ready")
@blueprint.input(schemas.NotReady, arg_name="form")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def not_ready(form: dict[str, Any]) -> dict[str, Any]:
    """Take no calls, with a reason."""
    return _command("not_ready", reason=form["reason"])


@blueprint.post("/finish-after-call")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def finish_after_call() -> dict[str, Any]:
    """End after-call work before its time is over."""
    return _command("finish_after_call")


@blueprint.post("/hang-up")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def hang_up() -> dict[str, Any]:
    """End the call at this seat."""
    return _command("hang_up")


@blueprint.post("/transfer")
@blueprint.input(schemas.Transfer, arg_name="form")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def transfer(form: dict[str, Any]) -> dict[str, Any]:
    """Pass the call on, unannounced, to a queue, a seat or a number."""
    return _command("transfer", kind=form["kind"], target=form["target"])


def _command(name: str, **arguments: Any) -> dict[str, Any]:
    number, floor = my_seat(), desk().floor
    try:
        floor.command(name, number, **arguments)
    except Refusal as refusal:
        if refusal.code != "not_signed_in" or name not in ("ready", "not_ready"):
            raise
        floor.command("sign_in", number, agent=me().login, queues=queues_of(me().id))
        floor.command(name, number, **arguments)
    return {"ok": True}


def _today(login: str) -> dict[str, int] | None:
    midnight = datetime.combine(datetime.now(CITY_TIME).date(), time(), CITY_TIME).astimezone(UTC)
    try:
        with transaction() as db:
            answered, talked = db.execute(
                select(func.count(), func.coalesce(func.sum(Call.talk_ms), 0)).where(
                    Call.agent == login, Call.arrived_at >= midnight
                )
            ).one()
    except SQLAlchemyError as error:
        if is_database_away(error):
            return None
        raise
    return {"answered": answered, "talk_seconds": int(talked or 0) // 1000}
