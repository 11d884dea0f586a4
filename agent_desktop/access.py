"""Who may do what, in one table, checked before anything else of a request is looked at.

    request -> guard: known endpoint? logged in? page's token right? role allowed? -> schema -> view

An endpoint that is not in the table is closed to everybody. Which call, ticket or recording a person may
see is decided by `may_*` below the table.
"""

from __future__ import annotations

import hmac
import secrets

from flask import Flask, request, session
from flask_login import current_user
from sqlalchemy import select
from sqlalchemy.orm import Session

from agent_desktop.desk import desk, me
from agent_desktop.errors import Refusal
from agent_desktop.people import Person
from db.models import AccessLog, Call, Ticket
from recordings.listen import HEAR_EVERYTHING, Listener, visible

PUBLIC: frozenset[str] = frozenset()
EVERYBODY = frozenset({"agent", "shift_leader", "supervisor", "inspector", "dispatcher", "administrator"})
SEATED = frozenset({"agent"})
WRITERS = frozenset({"agent", "shift_leader", "supervisor", "dispatcher", "administrator"})
NOTERS = frozenset({"agent", "shift_leader", "supervisor", "administrator"})
"""Which kinds of notes each may write is in `tickets.caller_notes`."""
CALLERS_BACK = frozenset({"agent", "shift_leader", "supervisor", "administrator"})
LEADERS = frozenset({"shift_leader", "supervisor", "administrator"})
"""On which seats they may act is in `floor_rights`."""
SWITCHERS = frozenset({"supervisor", "administrator"})
"""Who acts on the whole floor: queues, overflow, announcements, alarm rules, settings."""
REVEALERS = frozenset({"agent", "shift_leader", "supervisor", "dispatcher", "administrator"})

ALLOWED: dict[str, frozenset[str]] = {
    "openapi.spec": PUBLIC,
    "catalogue.health": PUBLIC,
    "session.show": PUBLIC,
    "session.log_in": PUBLIC,
    "session.log_out": EVERYBODY,
    "session.seats": PUBLIC,
    "seat.show": SEATED,
    "seat.ready": SEATED,
    "seat.not_ready": SEATED,
    "seat.finish_after_call": SEATED,
    "seat.hang_up": SEATED,
    "seat.transfer": SEATED,
    "seat.more_time": SEATED,
    "seat.dial": SEATED,
    "seat.consult": SEATED,
    "seat.cancel_consult": SEATED,
    "seat.complete_transfer": SEATED,
    "seat.three_way": SEATED,
    "seat.drop_party": SEATED,
    "seat.leave": SEATED,
    "seat.end_all": SEATED,
    "seat.pause_recording": SEATED,
    "phones.seat_phone": SEATED,
    "phones.citizen_phone": PUBLIC,
    "phones.citizen_phone_gone": PUBLIC,
    "seat.resume_recording": SEATED,
    "seat.ask_help": SEATED,
    "seat.cancel_help": SEATED,
    "calls.pop": EVERYBODY,
    "calls.listing": EVERYBODY,
    "calls.reveal_number": REVEALERS,
    "calls.nearby": WRITERS,
    "drafts.keep": WRITERS,
    "drafts.show": WRITERS,
    "drafts.drop": WRITERS,
    "drafts.listing": WRITERS,
    "tickets.create": WRITERS,
    "tickets.listing": EVERYBODY,
    "tickets.check": WRITERS,
    "tickets.show": EVERYBODY,
    "tickets.act": EVERYBODY,
    "tickets.reveal_number": REVEALERS,
    "knowledge.entries": EVERYBODY,
    "knowledge.scripts": EVERYBODY,
    "attachments.upload": WRITERS,
    "attachments.listing": WRITERS,
    "attachments.download": EVERYBODY,
    "attachments.drop": WRITERS,
    "citizens.listing": WRITERS,
    "citizens.show": WRITERS,
    "citizens.history": WRITERS,
    "citizens.merge": WRITERS,
    "citizens.split": WRITERS,
    "caller_notes.listing": NOTERS,
    "caller_notes.add": NOTERS,
    "caller_notes.change": NOTERS,
    "caller_notes.end": NOTERS,
    "recordings.listing": EVERYBODY,
    "recordings.audio": EVERYBODY,
    "recordings.peaks": EVERYBODY,
    "catalogue.show": EVERYBODY,
    "catalogue.transfer": SEATED,
    "desk_settings.skills": LEADERS,
    "desk_settings.keep_skills": LEADERS,
    "desk_settings.special_desks": LEADERS,
    "desk_settings.keep_special_desks": LEADERS,
    "desk_settings.reasons": LEADERS,
    "desk_settings.keep_reasons": LEADERS,
    "desk_settings.transfer_targets": LEADERS,
    "desk_settings.keep_transfer_targets": LEADERS,
    "supervision.watch": LEADERS,
    "supervision.mode": LEADERS,
    "supervision.leave": LEADERS,
    "supervision.take_over": LEADERS,
    "supervision.phones": LEADERS,
    "supervision.phone": LEADERS,
    "supervision.phone_gone": LEADERS,
    "supervision.take_help": LEADERS,
    "supervision.force": LEADERS,
    "supervision.queues": LEADERS,
    "supervision.move": LEADERS,
    "supervision.switch": SWITCHERS,
    "supervision.overflow": SWITCHERS,
    "supervision.settings": LEADERS,
    "supervision.keep_settings": SWITCHERS,
    "supervision.audit": LEADERS,
    "supervision.log_of_supervision": LEADERS,
    "roster.show": LEADERS,
    "roster.add": LEADERS,
    "roster.change": LEADERS,
    "roster.remove": LEADERS,
    "roster.swap": LEADERS,
    "roster.events": LEADERS,
    "roster.take_table": LEADERS,
    "roster.template": LEADERS,
    "roster.now": LEADERS,
    "roster.adherence": LEADERS,
    "roster.keep_kinds": SWITCHERS,
    "roster.keep_settings": SWITCHERS,
    "floor.floor": LEADERS,
    "floor.board": LEADERS,
    "floor.wall": LEADERS,
    "floor.layout": LEADERS,
    "floor.call": LEADERS,
    "floor.seat": LEADERS,
    "floor.figures_of_interval": LEADERS,
    "floor.definitions": EVERYBODY,
    "meeting.show": LEADERS,
    "meeting.keep": LEADERS,
    "meeting.download": LEADERS,
    "announcements.listing": LEADERS,
    "announcements.on_air": EVERYBODY,
    "announcements.audio": LEADERS,
    "announcements.make": SWITCHERS,
    "announcements.upload": SWITCHERS,
    "announcements.heard": SWITCHERS,
    "announcements.publish": SWITCHERS,
    "announcements.end": SWITCHERS,
    "messages.listing": EVERYBODY,
    "messages.send": EVERYBODY,
    "messages.targets": LEADERS,
    "messages.read": EVERYBODY,
    "messages.receipts": EVERYBODY,
    "missed.listing": CALLERS_BACK,
    "missed.count": CALLERS_BACK,
    "missed.take": CALLERS_BACK,
    "missed.release": CALLERS_BACK,
    "missed.attempt": CALLERS_BACK,
    "missed.give_up": CALLERS_BACK,
    "alarms.listing": LEADERS,
    "alarms.acknowledge": LEADERS,
    "alarms.rules": LEADERS,
    "alarms.keep_rules": SWITCHERS,
}
"""endpoint -> roles; PUBLIC: no log-in needed. What a ticket's action needs is in `tickets.life`."""

READING = frozenset({"GET", "HEAD", "OPTIONS"})


def guard_requests(app: Flask) -> None:
    """Put the table before every request below /api."""

    @app.before_request
    def _guard() -> None:
        if not request.path.startswith("/api/") or request.endpoint in (None, "web.no_such_api"):
            return
        allowed = ALLOWED.get(request.endpoint or "")
        if allowed is None:
            raise Refusal("forbidden")
        if allowed is not PUBLIC and not current_user.is_authenticated:
            raise Refusal("not_logged_in")
        if request.method not in READING:
            _check_token()
        if allowed is not PUBLIC and me().role not in allowed:
            raise Refusal("forbidden")


def csrf_token() -> str:
    """The token of this browser's session; the page sends it back with everything that changes."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    return str(session["csrf"])


def renew_csrf_token() -> None:
    session["csrf"] = secrets.token_urlsafe(24)


def _check_token() -> None:
    given, expected = request.headers.get("X-CSRF-Token", ""), session.get("csrf", "")
    if not expected or not hmac.compare_digest(given.encode(), str(expected).encode()):
        raise Refusal("csrf")


def my_seat() -> str:
    """Number of the seat taken at log-in. Raises Refusal (no_seat, or seat_taken by somebody else now)."""
    number = session.get("seat")
    if not number:
        raise Refusal("no_seat")
    seat = desk().floor.seat(number)
    if seat and seat["agent"] not in (None, me().login):
        raise Refusal("seat_taken")
    return str(number)


def note_access(db: Session, action: str, what: str, reason: str = "", user_id: int | None = None) -> None:
    """One line of the access log, in the caller's transaction."""
    if user_id is None and current_user.is_authenticated:
        user_id = me().id
    db.add(
        AccessLog(
            user_id=user_id,
            action=action,
            object=what[:128],
            reason=reason[:256],
            address=(request.remote_addr or "")[:64],
        )
    )


# --- which rows ------------------------------------------------------------------------------------------


def listener(person: Person) -> Listener:
    """The person as the rule of `recordings.listen` sees one: calls and recordings have the same rule."""
    return Listener(person.role, person.login)


def may_see_call(db: Session, person: Person, uid: str) -> bool:
    """The rule for the ledger's calls, and for an agent also what is or lately was at the own seat."""
    if person.role in HEAR_EVERYTHING or desk().floor.has_had(person.login, uid):
        return True
    if person.role == "dispatcher":
        return db.scalar(select(Ticket.id).where(Ticket.call_uid == uid).limit(1)) is not None
    return db.scalar(select(Call.id).where(Call.uid == uid, visible(listener(person)))) is not None


def may_reveal_ticket_number(db: Session, person: Person, ticket: Ticket) -> bool:
    """An agent reveals the number of tickets written by himself or in a call of his; the others of any."""
    if person.role != "agent":
        return person.role in REVEALERS
    if ticket.created_by == person.id:
        return True
    return ticket.call_uid is not None and may_see_call(db, person, ticket.call_uid)
