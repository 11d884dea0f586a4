"""Calls over HTTP: the screen pop, the lists, revealing a number. Numbers leave the server masked."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from apiflask import APIBlueprint
from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from agent_desktop import schemas
from agent_desktop.access import listener, may_see_call, note_access
from agent_desktop.call_parts import rating_view
from agent_desktop.desk import desk, me, transaction
from agent_desktop.drafts import draft_of
from agent_desktop.errors import Refusal, check_uid, invalid, is_database_away
from agent_desktop.floor import now_ms, party_view, role_at
from agent_desktop.labels import OUTCOMES
from cti.link.replica import Fact
from db import numbers
from db.models import Call, CallerNote, MissedCaller, Recording, User
from recordings.listen import HEAR_EVERYTHING, visible
from tickets import caller_notes, same_matter, search

blueprint = APIBlueprint("calls", __name__, url_prefix="/api/calls", tag="calls")
CITY_TIME = ZoneInfo("Asia/Shanghai")
PAGE_SIZE = 20
RECENT_CALLS = 10
REPEAT_24H, REPEAT_7D = 2, 4
"""This many earlier calls of one number within a day, or a week, flag the caller as calling again."""


@blueprint.get("/<uid>/pop")
@blueprint.output(schemas.Pop)
@blueprint.doc(responses=schemas.errors(401, 403, 404))
def pop(uid: str) -> dict[str, Any]:
    """Who is calling, what they asked for before, and what is still open, in one answer.

    The live facts come from the floor; with the database away they are all there is (`database` false).
    """
    check_uid(uid)
    live = desk().floor.call(uid)
    try:
        with transaction() as db:
            if not may_see_call(db, me(), uid):
                raise Refusal("forbidden" if live else "not_found")
            facts = live_facts(live) if live else ledger_facts(db, uid)
            return facts | {"role": _role(live)} | history(db, facts, me().id)
    except SQLAlchemyError as error:
        if not is_database_away(error):
            raise
    if live is None or (me().role not in HEAR_EVERYTHING and not desk().floor.has_had(me().login, uid)):
        raise Refusal("database_away")
    return live_facts(live) | {
        "role": _role(live),
        "database": False,
        "candidates": [],
        "recent_calls": [],
        "tickets": [],
        "draft": None,
        "repeat": {"calls_24h": 0, "calls_7d": 0, "flag": False},
        "previous_agent": None,
        "caller_notes": [],
        "language": None,
        "callback": None,
        "missed": None,
    }


@blueprint.get("/<uid>/nearby")
@blueprint.input(schemas.NearbyQuery, location="query", arg_name="query")
@blueprint.output(schemas.NearbyRows)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 422))
def nearby(uid: str, query: dict[str, Any]) -> dict[str, Any]:
    """Tickets of the last weeks about the same matter: same category, and same place or region.

    The caller's own are left out. A form without a call asks under the name of its draft.
    """
    check_uid(uid)
    with transaction() as db:
        found = same_matter.nearby(
            db,
            category_id=query["category_id"],
            region_id=query["region_id"],
            where=query["where"],
            own_number=number_of_my_call(db, uid),
            now=datetime.now(UTC),
            days=desk().settings.same_matter_days,
        )
    return {"rows": [one.as_json() for one in found]}


@blueprint.get("")
@blueprint.input(schemas.CallQuery, location="query", arg_name="query")
@blueprint.output(schemas.CallPage)
@blueprint.doc(responses=schemas.errors(401, 422))
def listing(query: dict[str, Any]) -> dict[str, Any]:
    """Calls, newest first; an agent sees the own ones. `q`: whole number, its last four digits, or agent."""
    who, mine = me(), query["mine"] == "1"
    where: list[ColumnElement[bool]] = [Call.agent == who.login] if mine else []
    if not (mine and who.role == "agent"):  # one's own calls are visible without asking
        where.append(visible(listener(who)))
    if query["outcome"]:
        where.append(Call.outcome == query["outcome"])
    where += within_day(Call.arrived_at, query["date"]) + caller_or_agent(query["q"])
    with transaction() as db:
        total = db.scalar(select(func.count()).select_from(Call).where(*where)) or 0
        page, offset = page_at(query["page"], total)
        found = db.execute(
            select(Call, User.name)
            .outerjoin(User, User.login == Call.agent)
            .where(*where)
            .order_by(Call.arrived_at.desc(), Call.id.desc())
            .limit(PAGE_SIZE)
            .offset(offset)
        ).all()
        uids = [call.uid for call, _ in found]
        tickets = search.for_calls(db, uids)
        kept = db.scalars(_recordings(), {"uids": uids}) if uids else ()
        recordings = {one.call_uid: one for one in kept}
    rows = [
        _call_row(call, name, tickets.get(call.uid, []), recordings.get(call.uid)) for call, name in found
    ]
    return {"rows": rows, "total": total, "page": page, "page_size": PAGE_SIZE}


@cache
def _recordings() -> Select[Recording]:
    in_these = Recording.call_uid.in_(bindparam("uids", expanding=True))
    return select(Recording).where(in_these, Recording.kind == "call")


@blueprint.post("/<uid>/reveal-number")
@blueprint.input(schemas.Reveal, arg_name="form")
@blueprint.output(schemas.Revealed)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 422))
def reveal_number(uid: str, form: dict[str, Any]) -> dict[str, Any]:
    """The whole number of a call that one may see; the reason is kept in the access log."""
    check_uid(uid)
    with transaction() as db:
        if not may_see_call(db, me(), uid):
            raise Refusal("not_found")
        number = number_of_call(db, uid)
        note_access(db, "reveal_number", f"call {uid}", form["reason"])
    return {"number": numbers.display(number).replace(" ", "")}


def call_view(call: Fact, seat: str | None = None) -> dict[str, Any]:
    """A call of the floor as the page at `seat` may see it: numbers masked, words for queue and menu path."""
    shown = {key: value for key, value in call.items() if key not in ("caller", "caller_name", "called")}
    return shown | {
        "number": number_view(_normal(call)),
        "queue_label": desk().names.queue(call["queue"]),
        "path_labels": path_labels(call["path"]),
        "party": party_view(call),
        "role": role_at(call, seat or call.get("seat")),
    }


def number_view(number: str) -> dict[str, str]:
    """{"masked", "region"} of a number in normal form; both say so where it is withheld."""
    return {
        "masked": numbers.masked(number) if number else "未知号码",
        "region": numbers.region(number) if number else "",
    }


def number_of_call(db: Session, uid: str) -> str:
    """Number in normal form, from the floor or the ledger. Raises Refusal not_found."""
    live = desk().floor.call(uid)
    if live is not None:
        return _normal(live)
    number = db.scalar(select(Call.caller).where(Call.uid == uid))
    if number is None:
        raise Refusal("not_found")
    return number


def number_of_my_call(db: Session, uid: str) -> str:
    """Number of a call that I may see; '' where it is withheld, not mine, or no call at all."""
    if not may_see_call(db, me(), uid):
        return ""
    live = desk().floor.call(uid)
    if live is not None:
        return _normal(live)
    return db.scalar(select(Call.caller).where(Call.uid == uid)) or ""


def path_labels(path: list[Any]) -> list[str]:
    """["1 咨询", ...] of the steps walked; a step that the menu no longer has shows its key."""
    return [
        desk().names.step(str(step.get("node", "")), str(step.get("key", "")))
        for step in path or []
        if isinstance(step, dict)
    ]


def within_day(column: Any, day: str) -> list[ColumnElement[bool]]:
    """Conditions for one day of the city's calendar ("2026-11-21"); none for ''. Raises Refusal."""
    if not day:
        return []
    try:
        start = datetime.combine(date.fromisoformat(day), time(), CITY_TIME).astimezone(UTC)
        return [column >= start, column < start + timedelta(days=1)]
    except (ValueError, OverflowError):
        raise invalid({"date": "日期无效。"}) from None


def caller_or_agent(text: str) -> list[ColumnElement[bool]]:
    """Conditions for a search. Only whole numbers and last four digits: no feeling out of masked digits."""
    text = text.replace("\x00", "").strip()
    if not text:
        return []
    if re.fullmatch(r"[0-9]{4}", text):
        return [Call.caller.endswith(text)]
    number = numbers.normal(text, desk().settings.area_code)
    choices = [
        Call.agent.in_(
            select(User.login).where(
                or_(User.name.contains(text, autoescape=True), User.login == text, User.work_number == text)
            )
        ),
        Call.uid == text,
    ]
    if number:
        choices.append(Call.caller == number)
    return [or_(*choices)]


def page_at(wanted: int, total: int) -> tuple[int, int]:
    """(page, offset) of the page asked for, or of the last one there is."""
    page = min(max(wanted, 1), max(1, -(-total // PAGE_SIZE)))
    return page, (page - 1) * PAGE_SIZE


def ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)


def _normal(call: Fact) -> str:
    return numbers.normal(call["caller"] or "", desk().settings.area_code)


def live_facts(call: Fact) -> dict[str, Any]:
    """The pop's facts of a call on the floor."""
    number = _normal(call)
    until = call["answered_at"] or now_ms()
    return {
        "uid": call["uid"],
        "normal": number,
        "number": number_view(number),
        "withheld": not number,
        "caller_name": call["caller_name"] or "",
        "queue_label": desk().names.queue(call["queue"]),
        "path_labels": path_labels(call["path"]),
        "arrived_at": call["arrived_at"] or call["queued_at"],
        "waited_ms": max(0, until - call["queued_at"]) if call["queued_at"] else None,
        "direction": call.get("direction") or "inbound",
        "kind": call.get("kind") or "inbound",
        "about": call.get("about"),
        "callback_of": call.get("callback_of"),
    }


def _role(live: Fact | None) -> str:
    """ "party" at the page of a seat that the agent of the call has brought in, else "agent"."""
    party = (live or {}).get("party") or {}
    seat = desk().floor.seat(party["seat"]) if party.get("seat") else None
    return "party" if seat and seat["agent"] == me().login else "agent"


def ledger_facts(db: Session, uid: str) -> dict[str, Any]:
    """The pop's facts of a call that has left the floor. Raises Refusal not_found."""
    call = db.scalar(select(Call).where(Call.uid == uid))
    if call is None:
        raise Refusal("not_found")
    return {
        "uid": uid,
        "normal": call.caller,
        "number": number_view(call.caller),
        "withheld": not call.caller,
        "caller_name": call.caller_name,
        "queue_label": desk().names.queue(call.queue),
        "path_labels": path_labels(call.menu_path),
        "arrived_at": ms(call.arrived_at),
        "waited_ms": call.wait_ms,
        "direction": call.direction,
        "kind": _kind(call),
        "about": call.about,
        "callback_of": call.callback_of,
    }


def _kind(call: Call) -> str:
    if call.direction == "inbound":
        return "inbound"
    return "callback" if call.callback_of else "dial_out"


def history(db: Session, facts: dict[str, Any], user_id: int) -> dict[str, Any]:
    """What the database knows of a number: eight indexed statements, nine in a call-back."""
    uid, number = facts["uid"], facts["normal"]
    recent = _earlier_calls(db, uid, number)
    written = search.for_calls(db, [call.uid for call, _ in recent])
    people = search.candidates(db, number)
    notes = caller_notes.of_number(db, number, datetime.now(UTC))
    repeat, missed = _tried(db, uid, number)
    return {
        "database": True,
        "candidates": [candidate_view(one) for one in people],
        "recent_calls": [_recent(call, name, written.get(call.uid, [])) for call, name in recent],
        "tickets": [row.as_json() for row in search.for_number(db, number, [one.id for one in people])],
        "repeat": repeat,
        "draft": draft_of(db, user_id, uid),
        "previous_agent": _previous_agent(recent),
        "caller_notes": [_note(one) for one in notes],
        "language": _language(notes, people),
        "callback": _callback(db, facts["callback_of"], missed),
        "missed": missed and {"id": missed.id, "times": missed.times, "last_at": ms(missed.last_at)},
    }


def _previous_agent(recent: list[tuple[Call, str | None]]) -> dict[str, Any] | None:
    """Who talked with this caller last, among the calls shown."""
    for call, name in recent:
        if call.answered_at and call.agent:
            return {"name": name or call.agent, "at": ms(call.answered_at)}
    return None


def _note(one: CallerNote) -> dict[str, Any]:
    label = caller_notes.KINDS.get(one.kind, one.kind)
    return {"id": one.id, "kind": one.kind, "kind_label": label, "note": one.note, "until": ms(one.until)}


def _language(notes: list[CallerNote], people: list[search.Candidate]) -> str | None:
    """What the number's note says of the language, else what the citizens with this number speak."""
    noted = next((one.note for one in notes if one.kind == "language"), None)
    spoken = dict.fromkeys(one.language for one in people if one.language)
    return noted or "、".join(spoken) or None


def _callback(db: Session, callback_of: str | None, missed: MissedCaller | None) -> dict[str, Any] | None:
    """When this caller asked to be called back: the call that asked, or one still waiting for it."""
    asked = db.execute(_asked(), {"uid": callback_of}).one_or_none() if callback_of else None
    if asked is not None:
        return {"asked_at": ms(asked[0] or asked[1]), "queue_label": desk().names.queue(asked[2])}
    if missed is not None and missed.kind == "callback_requested":
        return {"asked_at": ms(missed.last_at), "queue_label": desk().names.queue(missed.queue)}
    return None


@cache
def _asked() -> Select[*tuple[Any, ...]]:
    return select(Call.ended_at, Call.arrived_at, Call.queue).where(Call.uid == bindparam("uid"))


def _earlier_calls(db: Session, uid: str, number: str) -> list[tuple[Call, str | None]]:
    if not number:
        return []
    found = db.execute(_earlier(), {"number": number, "uid": uid})
    return [(call, name) for call, name in found]


@cache
def _earlier() -> Select[*tuple[Any, ...]]:
    # Built once: at the moment of a ring, building the statements would cost more than asking them.
    return (
        select(Call, User.name)
        .outerjoin(User, User.login == Call.agent)
        .where(Call.caller == bindparam("number"), Call.uid != bindparam("uid"))
        .order_by(Call.arrived_at.desc())
        .limit(RECENT_CALLS)
    )


def _tried(db: Session, uid: str, number: str) -> tuple[dict[str, Any], MissedCaller | None]:
    """Earlier calls of this number within a day and a week, and whether nobody has spoken to it yet."""
    if not number:
        return {"calls_24h": 0, "calls_7d": 0, "flag": False}, None
    now = datetime.now(UTC)
    since = {"day": now - timedelta(days=1), "week": now - timedelta(days=7)}
    week, day, missed = db.execute(_counted(), {"number": number, "uid": uid, **since}).one()
    return {"calls_24h": day, "calls_7d": week, "flag": day >= REPEAT_24H or week >= REPEAT_7D}, missed


@cache
def _counted() -> Select[*tuple[Any, ...]]:
    # One statement for both: always one row, with the open row of the worklist where there is one.
    moment = Call.arrived_at.type
    counted = (
        select(
            func.count().label("week"),
            func.count().filter(Call.arrived_at >= bindparam("day", type_=moment)).label("day"),
        )
        .where(
            Call.caller == bindparam("number"),
            Call.uid != bindparam("uid"),
            Call.direction == "inbound",
            Call.arrived_at >= bindparam("week", type_=moment),
        )
        .subquery()
    )
    return (
        select(counted.c.week, counted.c.day, MissedCaller)
        .select_from(counted)
        .outerjoin(MissedCaller, MissedCaller.open_caller == bindparam("number"))
    )


def candidate_view(one: search.Candidate) -> dict[str, Any]:
    """A citizen as a page gets one: the numbers masked."""
    return {
        "id": one.id,
        "name": one.name,
        "gender": one.gender,
        "address": one.address,
        "note": one.note,
        "language": one.language,
        "numbers": [number_view(number) | {"id": key} for key, number in one.numbers],
        "open_tickets": one.open_tickets,
        "ticket_count": one.ticket_count,
    }


def _recent(call: Call, agent_name: str | None, ticket_numbers: list[str]) -> dict[str, Any]:
    return {
        "uid": call.uid,
        "direction": call.direction,
        "arrived_at": ms(call.arrived_at),
        "outcome": call.outcome,
        "outcome_label": OUTCOMES.get(call.outcome or "", call.outcome or "进行中"),
        "agent_name": agent_name or call.agent,
        "queue_label": desk().names.queue(call.queue),
        "ticket_numbers": ticket_numbers,
    }


def _call_row(
    call: Call, agent_name: str | None, ticket_numbers: list[str], recording: Recording | None
) -> dict[str, Any]:
    return _recent(call, agent_name, ticket_numbers) | {
        "number": number_view(call.caller),
        "seat": call.seat,
        "wait_ms": call.wait_ms,
        "talk_ms": call.talk_ms,
        "hold_ms": call.hold_ms,
        "ended_by": call.ended_by,
        "rating": rating_view(call),
        "recording": recording
        and {"id": recording.id, "state": recording.state, "seconds": recording.seconds},
    }
