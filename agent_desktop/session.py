"""Log-in and log-out; an agent takes a seat with the log-in and gives it back with the log-out."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import Any

import structlog
from apiflask import APIBlueprint
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import current_app, request, session
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import current_user, login_user, logout_user
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from agent_desktop import schemas
from agent_desktop.access import csrf_token, note_access, renew_csrf_token
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal, invalid
from agent_desktop.floor import now_ms
from agent_desktop.pages import drop
from agent_desktop.people import Person, person
from agent_desktop.phone_holders import of_leader
from db.models import AccessLog, QueueMembership, Seat, User, now

log = structlog.get_logger("desktop")

blueprint = APIBlueprint("session", __name__, url_prefix="/api", tag="session")
limiter = Limiter(get_remote_address, storage_uri="memory://", default_limits=[])

HASHES_WAITING = 32
"""Verifying a password takes 64 MB and a core for some 50 ms, on purpose: a hundred at once are 6 GB. So it
is one at a time; each that waits holds a thread, and who comes beyond is told to try again."""
HASH_SECONDS = 15.0

SESSION_LASTS = timedelta(hours=16)
"""The longest life of a log-in (`app.SESSION_HOURS`)."""

_hasher = PasswordHasher()
_in_line = threading.BoundedSemaphore(1 + HASHES_WAITING)
_verifying = threading.Lock()
_NOBODY = _hasher.hash("nobody has this password")
"""Verified where the account does not exist, so that the time taken does not tell."""


def _account_and_address() -> str:
    body = request.get_json(silent=True)
    login = body.get("login") if isinstance(body, dict) else ""
    return f"{get_remote_address()} {str(login)[:64]}"


def _was_refused(response: Any) -> bool:
    return bool(response.status_code == 401)


@blueprint.get("/session")
@blueprint.output(schemas.SessionOut)
def show() -> dict[str, Any]:
    """Who I am, my seat, the page's token, and which PBX can be seen."""
    return _view()


@blueprint.post("/session")
@limiter.limit("10 per minute", key_func=_account_and_address, deduct_when=_was_refused)
@limiter.limit("60 per minute", deduct_when=_was_refused)
@blueprint.input(schemas.LogIn, arg_name="form")
@blueprint.output(schemas.SessionOut)
@blueprint.doc(responses=schemas.errors(401, 403, 409, 429, 503))
def log_in(form: dict[str, Any]) -> dict[str, Any]:
    """Log in. An agent names the seat; logging in again at the own seat resumes."""
    who, queues = _identify(form["login"], form["password"])
    telephone = form["telephone"]
    seat = _take_seat(who, str(form.get("seat") or ""), queues, telephone) if who.role == "agent" else None
    with transaction() as db:
        note_access(db, "log_in", seat or "", user_id=who.id)
        if seat:
            db.execute(update(User).where(User.id == who.id).values(telephone=telephone))
    if session.get("_user_id") != who.get_id():
        renew_csrf_token()
    login_user(who)
    session.permanent = True
    session["seat"] = seat
    if seat:
        session["telephone"] = telephone
    return _view()


@blueprint.delete("/session")
@blueprint.output({}, status_code=204)
@blueprint.doc(responses=schemas.errors(401, 403, 409, 503))
def log_out() -> str:
    """Log out; an agent's seat is signed out first, which is refused during a call."""
    who, number = me(), session.get("seat")
    seat = desk().floor.seat(number) if number else None
    if seat and seat["agent"] == who.login:
        _leave_seat(seat)
    _withdraw_leader_phone(who.id)
    telephone = session.get("telephone")
    logout_user()
    session.clear()
    if telephone:  # the next one to log in at this place has the same headset, or the same desk phone
        session["telephone"], session.permanent = telephone, True
    drop(current_app.extensions["socketio"], desk().pages.of_user(who.id))
    try:
        with transaction() as db:
            note_access(db, "log_out", number or "", user_id=who.id)
    except SQLAlchemyError as error:
        current_app.logger.warning("log-out not noted: %s", type(error).__name__)
    return ""


@blueprint.get("/seats")
@blueprint.output(schemas.SeatChoice(many=True))
def seats() -> list[dict[str, Any]]:
    """The seats to choose from; who sits there is said only to those who are logged in."""
    names, floor = desk().names, desk().floor
    known = {seat["seat"]: seat for seat in floor.seats()}
    rows = []
    for number in sorted(names.seats.keys() | known.keys()):
        seat = known.get(number)
        row = {"number": number, "label": names.seat(number), "taken": bool(seat and seat["agent"])}
        if current_user.is_authenticated:
            row |= {"agent": seat and seat["agent"], "reachable": bool(seat and seat["reachable"])}
        rows.append(row)
    return rows


def _view() -> dict[str, Any]:
    who = me() if current_user.is_authenticated else None
    number = session.get("seat") if who else None
    held = desk().floor.seat(number) if number else None
    if who and held and held["agent"] not in (None, who.login):
        number = None
    return {
        "csrf": csrf_token(),
        "user": who
        and {
            "id": who.id,
            "login": who.login,
            "name": who.name,
            "work_number": who.work_number,
            "role": who.role,
            "group_id": who.group_id,
        },
        "seat": number,
        "city": desk().settings.city,
        "server_time": now_ms(),
        "wrapup_seconds": desk().settings.wrapup_seconds,
        "telephone": _telephone(held if number else None),
        "links": desk().floor.links(),
    }


def _telephone(held: dict[str, Any] | None) -> str:
    """The telephone of the seat I am at; before the log-in the one chosen last in this browser."""
    here = held.get("telephone") if held and held["agent"] else None
    return str(here or session.get("telephone", "browser"))


def _identify(login: str, password: str) -> tuple[Person, list[list[Any]]]:
    """The person and the queues served, as [[name, penalty], ...]. Raises Refusal bad_credentials."""
    with transaction() as db:
        user = db.scalar(select(User).where(User.login == login))
        queues = (
            [
                [one.queue, one.penalty]
                for one in db.scalars(
                    select(QueueMembership)
                    .where(QueueMembership.user_id == user.id)
                    .order_by(QueueMembership.queue)
                )
            ]
            if user
            else []
        )
    if not _fits(user.password_hash if user else _NOBODY, password) or user is None or not user.active:
        with transaction() as db:
            note_access(db, "log_in_refused", login[:32], user_id=user.id if user else None)
        log.warning("log_in_refused", address=get_remote_address())
        raise Refusal("bad_credentials")
    return person(user), queues


def _fits(password_hash: str, password: str) -> bool:
    """Raises Refusal busy when too many log in at one moment."""
    if not _in_line.acquire(blocking=False):
        raise Refusal("busy")
    try:
        if not _verifying.acquire(timeout=HASH_SECONDS):
            raise Refusal("busy")
        try:
            return _hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
        finally:
            _verifying.release()
    finally:
        _in_line.release()


def _take_seat(who: Person, number: str, queues: list[list[Any]], telephone: str) -> str:
    """Sign in at a seat, or resume there. A seat held elsewhere by the same agent is given back first.

    Resuming with the other telephone changes to it, except during a call, which goes on as it is.
    """
    if not number:
        raise invalid({"seat": "请选择坐席。"})
    if not re.fullmatch(r"[0-9]{1,8}", number) or not _exists(number):
        raise invalid({"seat": "没有这个坐席。"})
    floor = desk().floor
    seat = floor.seat(number)
    if seat and seat["agent"] not in (None, who.login):
        raise Refusal("seat_taken")
    if seat and seat["agent"] == who.login and seat["presence"] != "signed_out":
        same = seat.get("telephone", telephone) == telephone
        if not same and seat["activity"] == "idle":
            _sign_in(number, who, queues, telephone)
        return number
    elsewhere = floor.seat(floor.seat_of(who.login) or "")
    if elsewhere:
        _leave_seat(elsewhere)
    _sign_in(number, who, queues, telephone)
    desk().holders.release(number)
    drop(current_app.extensions["socketio"], desk().pages.of_seat(number, but_not=who.id))
    return number


def _sign_in(number: str, who: Person, queues: list[list[Any]], telephone: str) -> None:
    desk().floor.command("sign_in", number, agent=who.login, queues=queues, telephone=telephone)


def sign_in_again(number: str) -> None:
    """At a seat that the PBX has forgotten (it has restarted), with the telephone chosen at the log-in."""
    _refuse_forced_out(number)
    _sign_in(number, me(), queues_of(me().id), session.get("telephone", "desk"))


def _refuse_forced_out(number: str) -> None:
    """Whom a supervisor has signed out comes back by a log-in only, not by a page that asks on its own.

    Raises Refusal forced_out.
    """
    forced = AccessLog.action.in_(("force_sign_out", "force_sign_out_refused")) & (
        AccessLog.object == f"{number} {me().login}"
    )
    entered = (AccessLog.action == "log_in") & (AccessLog.user_id == me().id)
    with transaction() as db:
        latest = db.scalar(
            select(AccessLog.action)
            .where(AccessLog.at > now() - SESSION_LASTS, forced | entered)
            .order_by(AccessLog.id.desc())
            .limit(1)
        )
    if latest == "force_sign_out":
        raise Refusal("forced_out")


def _leave_seat(seat: dict[str, Any]) -> None:
    if seat["activity"] != "idle":
        raise Refusal("in_call")
    try:
        desk().floor.command("sign_out", seat["seat"])
    except Refusal as refusal:
        if refusal.code != "not_signed_in":
            raise
    desk().holders.release(seat["seat"])


def _withdraw_leader_phone(user_id: int) -> None:
    """The telephone with which this person's page listened in, if it had one."""
    if not desk().holders.is_held(of_leader(user_id)):
        return
    desk().holders.release(of_leader(user_id))
    try:
        desk().floor.command("leader_phone_gone", "", user=user_id)
    except Refusal as refusal:
        current_app.logger.warning("telephone of user %s not withdrawn: %s", user_id, refusal.code)


def _exists(number: str) -> bool:
    if number in desk().names.seats or desk().floor.seat(number):
        return True
    with transaction() as db:
        return db.get(Seat, number) is not None


def queues_of(user_id: int) -> list[list[Any]]:
    """[[queue, penalty], ...] of an agent, for signing in again."""
    with transaction() as db:
        rows = db.scalars(
            select(QueueMembership).where(QueueMembership.user_id == user_id).order_by(QueueMembership.queue)
        )
        return [[one.queue, one.penalty] for one in rows]
