"""The missed-call worklist over HTTP. The rules are `ivr.missed_rules`; dialling itself is `seat.dial`.

GET list ─► take ─► POST /api/seat/dial {missed} ─► result by the line ─► attempt (what the agent knows)
every change, and the clock ─push missed {open}─► the number at the navigation of every page
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from apiflask import APIBlueprint
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from agent_desktop import schemas
from agent_desktop.calls import ms, number_view
from agent_desktop.desk import Desk, desk, me, transaction
from agent_desktop.errors import Refusal
from agent_desktop.labels import MISSED_CLOSED, MISSED_RESULTS, OUTCOMES
from agent_desktop.pages import LEADERS
from agent_desktop.people import Person
from db.models import now
from ivr import missed, missed_work
from ivr.missed_rules import Result
from ivr.missed_work import ChangedRow, ClosedRow, HeldRow, MissedProblem, UnknownRow, WorkRow

log = structlog.get_logger("desktop")

blueprint = APIBlueprint("missed", __name__, url_prefix="/api/missed", tag="missed")
ERRORS = schemas.errors(401, 403, 404, 409, 422)
LOOK_SECONDS = 5.0
"""How often the clock counts the open rows."""
SETTLE_SECONDS = 30.0


@blueprint.get("")
@blueprint.input(schemas.MissedQuery, location="query", arg_name="query")
@blueprint.output(schemas.MissedPage)
@blueprint.doc(responses=schemas.errors(401, 403, 422))
def listing(query: dict[str, Any]) -> dict[str, Any]:
    """One row for each caller: the weightiest reason first, then who has waited longest."""
    at = now()
    with transaction() as db:
        found = missed_work.page(db, query["state"], me().id, at, number=query["page"])
        waiting = missed.open_count(db)
    return {
        "rows": [_view(row, me().id, ms(at) or 0) for row in found.rows],
        "total": found.total,
        "page": found.page,
        "page_size": found.page_size,
        "open": waiting,
    }


@blueprint.get("/count")
@blueprint.output(schemas.MissedCount)
@blueprint.doc(responses=schemas.errors(401, 403))
def count() -> dict[str, int]:
    """How many citizens wait to be called back."""
    with transaction() as db:
        return {"open": missed.open_count(db)}


@blueprint.post("/<int:missed_id>/take")
@blueprint.output(schemas.MissedRow)
@blueprint.doc(responses=ERRORS)
def take(missed_id: int) -> dict[str, Any]:
    """Take a row, so that nobody else calls this citizen meanwhile. It lapses after half an hour."""
    return _change(missed_id, lambda db: missed_work.take(db, missed_id, me().id, now()))


@blueprint.post("/<int:missed_id>/release")
@blueprint.output(schemas.MissedRow)
@blueprint.doc(responses=ERRORS)
def release(missed_id: int) -> dict[str, Any]:
    """Give a row back to everybody; leaders may do so with anybody's."""
    leader = me().role in LEADERS
    return _change(missed_id, lambda db: missed_work.release(db, missed_id, me().id, now(), leader=leader))


@blueprint.post("/<int:missed_id>/attempt")
@blueprint.input(schemas.MissedAttemptIn, arg_name="form")
@blueprint.output(schemas.MissedRow)
@blueprint.doc(responses=ERRORS)
def attempt(missed_id: int, form: dict[str, Any]) -> dict[str, Any]:
    """What came of the call. It stands against what the line has said of it."""
    result = Result(form["result"])
    return _change(
        missed_id,
        lambda db: missed_work.say_result(db, missed_id, me().id, result, form["note"], now()),
    )


@blueprint.post("/<int:missed_id>/give-up")
@blueprint.input(schemas.MissedGivenUp, arg_name="form")
@blueprint.output(schemas.MissedRow)
@blueprint.doc(responses=ERRORS)
def give_up(missed_id: int, form: dict[str, Any]) -> dict[str, Any]:
    """Close a row without having reached the citizen, with the reason."""
    return _change(
        missed_id,
        lambda db: missed_work.give_up(db, missed_id, me().id, form["note"], form["version"], now()),
    )


# --- for dialling --------------------------------------------------------------------------------------


def number_to_dial(db: Session, missed_id: int, user: Person) -> str:
    """Takes the row and gives the number to call, in normal form. Raises Refusal: not_found, missed_closed,
    taken (with who has it); StaleDataError where two took it at once on SQLite: try again."""
    try:
        return missed_work.number_to_dial(db, missed_id, user.id, now())
    except MissedProblem as problem:
        raise refusal(problem) from None


def note_dialled(db: Session, missed_id: int, user: Person, call_uid: str | None = None) -> None:
    """A try was begun; its result is written by the ledger when the call has ended."""
    try:
        missed_work.note_dialled(db, missed_id, user.id, call_uid, now())
    except MissedProblem as problem:
        raise refusal(problem) from None


def refusal(problem: MissedProblem) -> Refusal:
    """What a problem is for the person at the screen."""
    if isinstance(problem, HeldRow):
        who = desk().people.find(problem.by)
        return Refusal("taken", f"{who.name if who else '其他同事'}正在回拨这位市民。")
    if isinstance(problem, ClosedRow):
        return Refusal("missed_closed", _WHY_CLOSED.get(problem.how))
    if isinstance(problem, ChangedRow):
        return Refusal("missed_changed")
    return Refusal("not_found", "没有这条漏话。" if isinstance(problem, UnknownRow) else None)


_WHY_CLOSED = {
    "got_through": "市民已再次来电并接通，无需回拨。",
    "reached": "已回拨并联系上这位市民，无需再次回拨。",
    "given_up": "这条漏话已放弃回拨。",
}


# --- pushes --------------------------------------------------------------------------------------------


def announce(desk: Desk, waiting: int) -> None:
    """Tell every page how many citizens wait."""
    desk.floor.emit("missed", {"open": waiting}, None)


class Watch:
    """Looks at the list as time goes by: the ledger is written by other processes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._told: int | None = None
        self._looked_at = self._settled_at = float("-inf")

    def look(self, at: float) -> None:
        """Settle what two writers missed, count, and push a new count (`at`: seconds, monotonic)."""
        if at - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = at
        try:
            with self._desk.sessions.begin() as db:
                if at - self._settled_at >= SETTLE_SECONDS:
                    self._settled_at = at
                    missed.settle(db)
                waiting = missed.open_count(db)
        except (SQLAlchemyError, StaleDataError) as error:
            log.warning("missed_not_counted", error=type(error).__name__)
            return
        if waiting != self._told:
            self._told = waiting
            announce(self._desk, waiting)


# --- parts ---------------------------------------------------------------------------------------------


def _change(missed_id: int, work: Callable[[Session], object]) -> dict[str, Any]:
    """Carry out, push the count, and give the row as it is then."""
    if missed_id > schemas.LONGEST_NUMBER:
        raise refusal(UnknownRow())
    try:
        row, waiting = _carry_out(missed_id, work)
    except StaleDataError:  # on SQLite somebody else was faster: now it can be seen who
        row, waiting = _carry_out(missed_id, work)
    announce(desk(), waiting)
    return _view(row, me().id, ms(now()) or 0)


def _carry_out(missed_id: int, work: Callable[[Session], object]) -> tuple[WorkRow, int]:
    try:
        with transaction() as db:
            work(db)
            rows = missed_work.page(db, "open", me().id, now(), only=missed_id).rows
            return rows[0], missed.open_count(db)
    except MissedProblem as problem:
        raise refusal(problem) from None


def _view(row: WorkRow, user_id: int, at_ms: int) -> dict[str, Any]:
    """A row as a page may see it: the number masked."""
    until = ms(row.closed_at) or at_ms
    last = row.last_attempt
    return {
        "id": row.id,
        "number": number_view(row.caller),
        "kind": row.kind,
        "kind_label": OUTCOMES.get(row.kind, row.kind),
        "times": row.times,
        "first_at": ms(row.first_at),
        "last_at": ms(row.last_at),
        "waiting_seconds": max(0, until - (ms(row.first_at) or 0)) // 1000,
        "queue_label": row.queue_label,
        "attempts": row.attempts,
        "last_attempt": last
        and {
            "at": ms(last.at),
            "result": last.result,
            "result_label": MISSED_RESULTS.get(last.result, last.result),
            "note": last.note,
            "user_name": last.user_name,
        },
        "taken_by_name": row.held_by_name,
        "mine": row.held_by == user_id,
        "version": row.version,
        "last_call_uid": row.last_call_uid,
        "has_message": row.message and row.message.id,
        "message": row.message
        and {"id": row.message.id, "state": row.message.state, "seconds": row.message.seconds},
        "closed_at": ms(row.closed_at),
        "closed_as": row.closed_as,
        "closed_as_label": row.closed_as and MISSED_CLOSED.get(row.closed_as, row.closed_as),
        "closed_by_name": row.closed_by_name,
    }
