"""Telephones in browsers: the agent's, held by one page at a time, and the citizen page's for demonstrations.

The password that is handed out here was made for this log-in, or this visit, and is in no file.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from apiflask import APIBlueprint
from flask import current_app, session
from flask_limiter.util import get_remote_address
from sqlalchemy import select

from agent_desktop import schemas
from agent_desktop.access import my_seat
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal
from agent_desktop.floor import now_ms
from agent_desktop.ice import ice_servers
from agent_desktop.phone_holders import Holder
from agent_desktop.session import limiter, sign_in_again
from db.models import User

blueprint = APIBlueprint("phones", __name__, url_prefix="/api", tag="phones")
CITY_TIME = ZoneInfo("Asia/Shanghai")
VISITS = "citizen_phones"
"""Key of the session: telephones lent to this browser's citizen pages."""
MOST_VISITS = 8


@blueprint.post("/seat/phone")
@blueprint.input(schemas.PhoneAsked, arg_name="form")
@blueprint.output(schemas.PhoneAccount)
@blueprint.doc(responses=schemas.errors(401, 403, 409, 422, 503))
def seat_phone(form: dict[str, Any]) -> dict[str, Any]:
    """The telephone of my seat, with a new password; asked again after the PBX has restarted.

    409 phone_elsewhere while another page of this seat has it; with `take_over` that page is told and loses
    it.
    """
    number, page = my_seat(), form["page"]
    seat = desk().floor.seat(number)
    if seat and seat["agent"] and seat.get("telephone") == "desk":
        # A PBX that was killed may remember the members of a moment before: the last log-in decides.
        if _chosen_last() == "desk":
            raise Refusal("desk_telephone")
        sign_in_again(number)
    other = desk().holders.take(number, page, now_ms(), take_over=form["take_over"])
    if other:
        raise Refusal("phone_elsewhere", elsewhere(other))
    made = account(_made(number))
    current_app.extensions["socketio"].emit("phone_taken", {"page": page}, to=f"seat:{number}")
    return made


def _chosen_last() -> str:
    with transaction() as db:
        return db.scalar(select(User.telephone).where(User.id == me().id)) or "desk"


def _made(number: str) -> dict[str, str]:
    """The telephone as the cti has made it; a seat that the PBX has forgotten is signed in again first."""
    floor = desk().floor
    try:
        return dict(floor.command("phone", number)["phone"])
    except Refusal as refusal:
        if refusal.code != "not_signed_in" or floor.seat_of(me().login) not in (None, number):
            raise
    sign_in_again(number)
    return dict(floor.command("phone", number)["phone"])


def elsewhere(holder: Holder) -> str:
    """The sentence for a page whose telephone another page has."""
    since = datetime.fromtimestamp(holder.since / 1000, CITY_TIME)
    return f"软电话自 {since:%H:%M} 起在另一个页面使用。如需在此使用，请选择“在此接管”，原页面将断开。"


def account(phone: dict[str, str]) -> dict[str, Any]:
    """What a page needs to register {"user", "password"} as the cti has made it."""
    settings = desk().settings
    return {
        "uri": f"sip:{phone['user']}@hotline",
        "user": phone["user"],
        "password": phone["password"],
        "ws": settings.sip_ws,
        "ice": ice_servers(settings.ice_servers, settings.turn_secret, phone["user"], time.time()),
    }


# --- the citizen page ------------------------------------------------------------------------------------


@blueprint.post("/citizen/phone")
@limiter.limit("20 per minute", key_func=get_remote_address)
@blueprint.output(schemas.PhoneAccount)
@blueprint.doc(responses=schemas.errors(403, 404, 409, 429, 503))
def citizen_phone() -> dict[str, Any]:
    """A telephone for one visit, without log-in. It can call 12345 and nothing else."""
    _only_for_demonstrations()
    phone = desk().floor.command("citizen_phone", "")["phone"]
    session[VISITS] = [*session.get(VISITS, []), phone["user"]][-MOST_VISITS:]
    return account(phone)


@blueprint.delete("/citizen/phone")
@blueprint.input(schemas.VisitOver, location="query", arg_name="query")
@blueprint.output({}, status_code=204)
@blueprint.doc(responses=schemas.errors(403, 404, 503))
def citizen_phone_gone(query: dict[str, Any]) -> str:
    """The visit is over. What was not lent to this browser is passed over."""
    _only_for_demonstrations()
    user = query["user"]
    if user in session.get(VISITS, []):
        session[VISITS] = [one for one in session[VISITS] if one != user]
        desk().floor.command("citizen_phone_gone", "", user=user)
    return ""


def _only_for_demonstrations() -> None:
    if not desk().settings.has_citizen_page:
        raise Refusal("not_found")
