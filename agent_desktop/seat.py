"""The agent's own seat: its state and its commands. The screen changes when Asterisk's event comes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import structlog
from apiflask import APIBlueprint
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm.exc import StaleDataError

from agent_desktop import schemas, whom
from agent_desktop.access import my_seat, note_access
from agent_desktop.calls import call_view
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal, invalid, is_database_away
from agent_desktop.session import sign_in_again
from agent_desktop.today import today

log = structlog.get_logger("desktop")

blueprint = APIBlueprint("seat", __name__, url_prefix="/api/seat", tag="seat")
COMMAND_ERRORS = schemas.errors(401, 403, 409, 422, 503)


@blueprint.get("")
@blueprint.output(schemas.SeatPage)
@blueprint.doc(responses=schemas.errors(401, 403, 409))
def show() -> dict[str, Any]:
    """Seat, call and today's figures. Without the database, `today` is null and the rest goes on."""
    number = my_seat()
    floor = desk().floor
    call = floor.call_at(number)
    return {"seat": floor.seat(number), "call": call and call_view(call, number), "today": today(me().login)}


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
    """Take no calls, with a reason. During a call it is what comes after it."""
    if form["reason"] not in desk().names.reasons:
        raise invalid({"reason": "请选择示忙原因。"})
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


@blueprint.post("/more-time")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def more_time() -> dict[str, Any]:
    """After-call work takes longer."""
    return _command("more_time")


@blueprint.post("/dial")
@blueprint.input(schemas.Dial, arg_name="form")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 409, 422, 503))
def dial(form: dict[str, Any]) -> dict[str, Any]:
    """Call a citizen, who sees 12345. The page says whom; the number is found here."""
    number = my_seat()
    try:
        with transaction() as db:
            wanted = whom.dialling(db, form)
    except StaleDataError:
        raise Refusal("taken") from None
    desk().floor.command("dial", number, **asdict(wanted))
    if form.get("missed"):
        with transaction() as db:
            whom.note_dialled(db, form["missed"])
    return {"ok": True}


@blueprint.post("/transfer")
@blueprint.input(schemas.Transfer, arg_name="form")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def transfer(form: dict[str, Any]) -> dict[str, Any]:
    """Pass the call on, unannounced."""
    return _bring("transfer", form)


@blueprint.post("/consult")
@blueprint.input(schemas.Consult, arg_name="form")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def consult(form: dict[str, Any]) -> dict[str, Any]:
    """Ask somebody while the citizen hears music; what comes of it is decided then."""
    return _bring("consult", form)


@blueprint.post("/cancel-consult")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def cancel_consult() -> dict[str, Any]:
    """Back to the citizen; the other goes."""
    return _command("cancel_consult")


@blueprint.post("/complete-transfer")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def complete_transfer() -> dict[str, Any]:
    """Citizen and the one consulted are put together; this seat is out."""
    return _command("complete_transfer")


@blueprint.post("/three-way")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def three_way() -> dict[str, Any]:
    """Citizen, agent and the one consulted talk together."""
    return _command("three_way")


@blueprint.post("/drop-party")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def drop_party() -> dict[str, Any]:
    """Out of a three-way call: only citizen and agent go on."""
    return _command("drop_party")


@blueprint.post("/leave")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def leave() -> dict[str, Any]:
    """The agent leaves a three-way call; the others go on."""
    return _command("leave")


@blueprint.post("/end-all")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def end_all() -> dict[str, Any]:
    """End a three-way call for everybody."""
    return _command("end_all")


@blueprint.post("/pause-recording")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def pause_recording() -> dict[str, Any]:
    """No sound is kept while the citizen reads out an identity or card number."""
    return _recording("pause_recording")


@blueprint.post("/resume-recording")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def resume_recording() -> dict[str, Any]:
    """Sound is kept again."""
    return _recording("resume_recording")


@blueprint.post("/ask-help")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def ask_help() -> dict[str, Any]:
    """求助: the own tile lights up on the shift leader's map until somebody comes or it is taken back."""
    return _command("ask_help")


@blueprint.post("/cancel-help")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=COMMAND_ERRORS)
def cancel_help() -> dict[str, Any]:
    """Help is needed no more."""
    return _command("cancel_help")


def _recording(name: str) -> dict[str, Any]:
    """The journal holds it too, so that a database away does not keep the citizen's number on tape."""
    call = desk().floor.call_at(my_seat())
    answer = _command(name)
    try:
        with transaction() as db:
            note_access(db, name, f"call {call['uid']}" if call else "")
    except SQLAlchemyError as error:
        if not is_database_away(error):
            raise
        log.warning("recording_pause_not_noted", name=name, uid=call and call["uid"])
    return answer


def _bring(name: str, form: dict[str, Any]) -> dict[str, Any]:
    my_seat()
    with transaction() as db:
        target = whom.target(db, form["kind"], form["target"])
    return _command(name, **target.as_arguments())


def _command(name: str, **arguments: Any) -> dict[str, Any]:
    number, floor = my_seat(), desk().floor
    try:
        floor.command(name, number, **arguments)
    except Refusal as refusal:
        if refusal.code != "not_signed_in" or name not in ("ready", "not_ready"):
            raise
        sign_in_again(number)
        floor.command(name, number, **arguments)
    return {"ok": True}
