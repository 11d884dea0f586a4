"""The live floor over HTTP: map, board, wall, a seat or call in focus, layout, figures of any interval.

What changes is pushed (`boards`); these are the snapshots, and what carries personal data.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any

from apiflask import APIBlueprint
from apiflask.fields import Boolean, Dict, Float, Integer, List, Nested, Raw, String
from flask import current_app, session
from marshmallow.validate import Length, Range, Regexp
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from agent_desktop import call_path, schemas, seat_history, tiles
from agent_desktop.access import note_access
from agent_desktop.call_path import JournalLine
from agent_desktop.calls import call_view, history, ledger_facts, live_facts
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal, check_uid, invalid
from agent_desktop.schemas import LATEST_MS, Schema
from cti.link.replica import Fact
from db.engine import at_one_moment
from db.models import Call, CallPart, Draft, JournalEvent, SeatPlace, Ticket, User
from reports.agent_day import midnight
from reports.definitions import DEFINITIONS
from reports.interval import epoch_ms, interval, moment, version
from tickets import search

blueprint = APIBlueprint("floor", __name__, url_prefix="/api", tag="floor")
LONGEST_MS = 366 * 86_400_000
OPENING_SECONDS = 600.0
"""Who looks at the same call again within this time has not opened it anew."""


class FiguresOut(Schema):
    offered = Integer()
    decided = Integer()
    waiting = Integer()
    answered = Integer()
    answered_in_15 = Integer()
    abandoned = Integer()
    short_abandons = Integer()
    callbacks = Integer()
    overflowed = Integer()
    failed = Integer()
    other = Integer()
    answer_rate = Float(allow_none=True)
    in_15_rate = Float(allow_none=True)
    abandon_rate = Float(allow_none=True)
    average_wait_seconds = Float(allow_none=True)
    longest_wait_seconds = Float(allow_none=True)
    average_talk_seconds = Float(allow_none=True)


class QueueRow(Schema):
    queue = String()
    label = String()
    open = Boolean()
    switch = Dict(allow_none=True)
    overflow = Dict(allow_none=True)
    waiting = List(Dict())
    longest_asked_at = Integer(allow_none=True)
    seats = Dict()
    windows = Dict(values=Nested(FiguresOut))
    estimated_wait_seconds = Integer(allow_none=True)
    callbacks_owed = Integer()


class Board(Schema):
    n = Integer()
    at = Integer()
    version = Dict(values=Integer())
    blind = Dict(values=Integer(allow_none=True))
    queues = List(Nested(QueueRow))
    total = Nested(QueueRow)
    trunk = Dict()
    callbacks_owed = Integer()
    wait_norm_seconds = Integer()
    figures_since = Integer(allow_none=True)


class Tile(Schema):
    seat = String()
    label = String()
    pbx = String()
    agent = String(allow_none=True)
    agent_name = String(allow_none=True)
    work_number = String(allow_none=True)
    group_id = Integer(allow_none=True)
    group_name = String(allow_none=True)
    presence = String()
    reason = String(allow_none=True)
    reason_label = String(allow_none=True)
    activity = String()
    word = String()
    reachable = Boolean()
    telephone = String(allow_none=True)
    since = Integer(allow_none=True)
    until = Integer(allow_none=True)
    limit_ms = Integer(allow_none=True)
    queues = List(String())
    help_since = Integer(allow_none=True)
    call = Dict(allow_none=True)
    watched = List(Dict())
    today = Dict(allow_none=True)
    room = String(allow_none=True)
    column = Integer(allow_none=True)
    row = Integer(allow_none=True)


class FloorView(Schema):
    n = Integer()
    at = Integer()
    seats = List(Nested(Tile))
    board = Nested(Board)
    watches = List(Dict())
    settings = Dict()
    groups = List(Dict())
    rooms = List(String())
    me = Dict()


class Wall(Schema):
    n = Integer()
    at = Integer()
    board = Dict()
    day = Dict()
    city = String()
    notice = String(allow_none=True)


class PathStep(Schema):
    at = Integer()
    kind = String()
    label = String()
    detail = String(allow_none=True)
    seat = String(allow_none=True)
    agent_name = String(allow_none=True)
    ms = Integer(allow_none=True)


class DraftSeen(Schema):
    body = Dict()
    saved_at = Integer()
    by_name = String()


class TicketsSeen(Schema):
    saved = List(Nested(schemas.TicketRow))
    draft = Nested(DraftSeen, allow_none=True)


class CallFocus(Schema):
    call = Raw(allow_none=True)
    path = List(Nested(PathStep))
    pop = Nested(schemas.Pop)
    ticket = Nested(TicketsSeen)


class StateOut(Schema):
    at = Integer()
    state = String()
    label = String()
    ms = Integer(allow_none=True)


class SeatFocus(Schema):
    tile = Nested(Tile)
    history = List(Nested(StateOut))


class Place(Schema):
    seat = String(required=True, validate=Length(1, 8))
    room = String(load_default=None, allow_none=True, validate=Length(0, 64, error="房间名称最多 64 个字。"))
    column = Integer(load_default=None, allow_none=True, validate=Range(0, 200))
    row = Integer(load_default=None, allow_none=True, validate=Range(0, 200))


class Layout(Schema):
    places = List(Nested(Place), required=True, validate=Length(0, 999))


class IntervalQuery(Schema):
    begins = Integer(required=True, data_key="from", validate=Range(0, LATEST_MS))
    ends = Integer(required=True, data_key="to", validate=Range(0, LATEST_MS))
    queue = String(load_default="", validate=Regexp(r"[a-z0-9_-]{0,32}\Z"))


class IntervalOut(Schema):
    version = Dict(values=Integer())
    begins = Integer(data_key="from")
    ends = Integer(data_key="to")
    queue = String()
    figures = Nested(FiguresOut)


class DefinitionOut(Schema):
    code = String()
    name = String()
    numerator = String()
    denominator = String()
    exclusions = String()
    source = String()


def _answers(schema: type[Schema], *refusals: int) -> Any:
    """Documented, and sent as it was made: hundreds of tiles need no second walk over each field."""
    seen = {"description": "As it is now", "content": {"application/json": {"schema": schema}}}
    return {200: seen, **schemas.errors(*refusals)}


# --- the views -----------------------------------------------------------------------------------------


@blueprint.get("/floor")
@blueprint.doc(responses=_answers(FloorView, 401, 403))
def floor() -> dict[str, Any]:
    """The map: every seat's tile, the board, who listens to whom. Changes are pushed as `floor_map`."""
    return desk().boards.floor_view(me())


@blueprint.get("/board")
@blueprint.doc(responses=_answers(Board, 401, 403))
def board() -> dict[str, Any]:
    """Every queue: who waits, seats by state, figures of five windows. Pushed as `floor_board`."""
    return desk().boards.board()


@blueprint.get("/wall")
@blueprint.doc(responses=_answers(Wall, 401, 403))
def wall() -> dict[str, Any]:
    """The big screen: the board without callers, the day in quarters of an hour. Pushed as `wall`.

    Asking prolongs the log-in: a wall runs for weeks, and asks once an hour.
    """
    session.modified = True
    return desk().boards.wall()


@blueprint.put("/floor/layout")
@blueprint.input(Layout, arg_name="form")
@blueprint.output(Layout)
@blueprint.doc(responses=schemas.errors(401, 403, 422))
def layout(form: dict[str, Any]) -> dict[str, Any]:
    """Where tiles stand on the map; a place without a room is taken away. Answers with all places."""
    known = desk().names.seats.keys() | {seat["seat"] for seat in desk().floor.seats()}
    with transaction() as db:
        for place in form["places"]:
            if place["seat"] not in known:
                raise invalid({"places": f"没有 {place['seat']} 这个坐席。"})
            if place["room"] is None or place["column"] is None or place["row"] is None:
                db.execute(delete(SeatPlace).where(SeatPlace.seat == place["seat"]))
            else:
                db.merge(SeatPlace(**place))
        note_access(db, "floor_layout", f"{len(form['places'])} seats")
        db.flush()
        kept = db.scalars(select(SeatPlace).order_by(SeatPlace.seat)).all()
        places = [{"seat": p.seat, "room": p.room, "column": p.column, "row": p.row} for p in kept]
    desk().boards.tables_changed()
    return {"places": places}


# --- in focus ------------------------------------------------------------------------------------------


@blueprint.get("/floor/calls/<uid>")
@blueprint.output(CallFocus)
@blueprint.doc(responses=schemas.errors(401, 403, 404))
def call(uid: str) -> dict[str, Any]:
    """A call as the agent has it: its way so far, the pop, the ticket being written. Looking is noted."""
    check_uid(uid)
    live = desk().floor.call(uid)
    now_live = desk().floor.live_call(uid)
    with transaction() as db:
        facts = live_facts(live) if live else ledger_facts(db, uid)
        if _opened(uid):
            note_access(db, "focus", f"call {uid}")
        agent = _agent_of(db, uid, live)
        pop = facts | {"role": "agent"} | history(db, facts, agent.id if agent else me().id)
        lines = _lines(db, uid)
        people = _people(db, lines, live)
        path = call_path.path(lines, _with_agent(now_live), desk().names, people)
        ticket = {"saved": _saved(db, uid), "draft": _draft(db, uid)}
    return {"call": call_view(now_live) if now_live else None, "path": path, "pop": pop, "ticket": ticket}


@blueprint.get("/floor/seats/<number>")
@blueprint.doc(responses=_answers(SeatFocus, 401, 403, 404))
def seat(number: str) -> dict[str, Any]:
    """A seat's tile and the states of its agent today, oldest first."""
    tile = desk().boards.tile(number)
    if tile is None:
        raise Refusal("not_found", "没有这个坐席。")
    if tile["agent"] is None:
        return {"tile": tile, "history": []}
    now = datetime.now(UTC)
    with transaction() as db:
        states = _states(db, tile["agent"], now)
    return {"tile": tile, "history": states}


def _opened(uid: str) -> bool:
    """Whether this is a new opening of the call by me: not while I go on looking at it."""
    openings: Openings = current_app.extensions.setdefault("floor_openings", Openings())
    return openings.begins(me().id, uid, time.monotonic())


class Openings:
    """Who looks at which call, and when last (monotonic seconds)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked: dict[tuple[int, str], float] = {}

    def begins(self, user: int, uid: str, at: float) -> bool:
        with self._lock:
            last = self._looked.get((user, uid))
            if len(self._looked) > 1000:
                self._looked = {k: v for k, v in self._looked.items() if at - v < OPENING_SECONDS}
            self._looked[user, uid] = at
        return last is None or at - last >= OPENING_SECONDS


def _agent_of(db: Session, uid: str, live: Fact | None) -> User | None:
    """Who talks in the call, or did."""
    at_seat = desk().floor.seat(live["seat"]) if live and live.get("seat") else None
    login = at_seat["agent"] if at_seat else db.scalar(select(Call.agent).where(Call.uid == uid))
    return db.scalar(select(User).where(User.login == login)) if login else None


def _with_agent(live: Fact | None) -> Fact | None:
    """The call with the login of the agent at its seat."""
    if live is None or not live.get("seat"):
        return live
    at_seat = desk().floor.seat(live["seat"])
    return {**live, "agent": at_seat["agent"] if at_seat else None}


def _lines(db: Session, uid: str) -> list[JournalLine]:
    rows = db.execute(
        select(JournalEvent.at, JournalEvent.event, JournalEvent.agent, JournalEvent.queue, JournalEvent.data)
        .where(JournalEvent.call_uid == uid, JournalEvent.understood)
        .order_by(JournalEvent.id)
    )
    return [
        JournalLine(epoch_ms(at), event, agent, queue, tuple(str(one) for one in data))
        for at, event, agent, queue, data in rows
    ]


def _people(db: Session, lines: list[JournalLine], live: Fact | None) -> dict[str, str]:
    logins = {line.agent for line in lines if line.agent}
    at_seat = desk().floor.seat(live["seat"]) if live and live.get("seat") else None
    if at_seat and at_seat["agent"]:
        logins.add(at_seat["agent"])
    if not logins:
        return {}
    return {k: v for k, v in db.execute(select(User.login, User.name).where(User.login.in_(sorted(logins))))}


def _saved(db: Session, uid: str) -> list[dict[str, Any]]:
    ids = db.scalars(select(Ticket.id).where(Ticket.call_uid == uid).order_by(Ticket.id)).all()
    return [row.as_json() for row in (search.row(db, one) for one in ids) if row]


def _draft(db: Session, uid: str) -> dict[str, Any] | None:
    """What is being written in this call, by whoever saved last."""
    found = db.execute(
        select(Draft, User.name)
        .join(User, User.id == Draft.user_id)
        .where(Draft.call_uid == uid)
        .order_by(Draft.saved_at.desc())
        .limit(1)
    ).one_or_none()
    if found is None:
        return None
    draft, name = found
    return {"body": draft.body, "saved_at": epoch_ms(draft.saved_at), "by_name": name}


def _states(db: Session, login: str, now: datetime) -> list[dict[str, Any]]:
    turns, uids = [], set()
    for at, event, uid, data in db.execute(
        select(JournalEvent.at, JournalEvent.event, JournalEvent.call_uid, JournalEvent.data)
        .where(JournalEvent.agent == login, JournalEvent.at >= midnight(now), JournalEvent.at <= now)
        .order_by(JournalEvent.id)
    ):
        if event in seat_history.LINES:
            turns.append(seat_history.Turn(epoch_ms(at), event, str(data[0]) if data else ""))
        if uid:
            uids.add(uid)
    parts = db.execute(
        select(CallPart.kind, CallPart.began_at, CallPart.ended_at).where(
            CallPart.call_uid.in_(sorted(uids)),
            CallPart.agent == login,
            CallPart.kind.in_(list(seat_history.STATES)),
        )
    )
    talks = [
        seat_history.Stretch(kind, epoch_ms(began), epoch_ms(ended) if ended else None)
        for kind, began, ended in parts
    ]
    names = desk().names
    return seat_history.history(
        turns, talks, epoch_ms(now), lambda reason: tiles.reason_label(reason, names) or reason
    )


# --- figures -------------------------------------------------------------------------------------------


@blueprint.get("/reports/interval")
@blueprint.input(IntervalQuery, location="query", arg_name="query")
@blueprint.output(IntervalOut)
@blueprint.doc(responses=schemas.errors(401, 403, 422))
def figures_of_interval(query: dict[str, Any]) -> dict[str, Any]:
    """Figures of one queue, or of all, counted by the database at one moment; `version` says which.

    A board of the same version shows the same figures for the same interval.
    """
    begins, ends = query["begins"], query["ends"]
    if not begins < ends or ends - begins > LONGEST_MS:
        raise invalid({"to": "结束时间须晚于开始时间，且不超过 366 天。"})
    with transaction() as db:
        at_one_moment(db)
        counted = interval(
            db,
            moment(begins),
            moment(ends),
            queue=query["queue"] or None,
            norm_ms=desk().settings.answer_norm_seconds * 1000,
        )
        at = version(db)
    return {
        "version": at,
        "begins": begins,
        "ends": ends,
        "queue": query["queue"],
        "figures": counted.as_json(),
    }


@blueprint.get("/definitions")
@blueprint.output(DefinitionOut(many=True))
@blueprint.doc(responses=schemas.errors(401))
def definitions() -> list[dict[str, str]]:
    """The dictionary of figures: what is divided by what, what is left out, where the rule comes from."""
    return [dict(vars(one)) for one in DEFINITIONS.values()]
