"""Notes on callers over HTTP. Agents see those of their calls and their own; leaders all of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from apiflask import APIBlueprint
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from agent_desktop import schemas
from agent_desktop.access import may_see_call
from agent_desktop.calls import PAGE_SIZE, ms, number_of_call, number_view, page_at
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal, invalid
from db import numbers
from db.models import CallerNote, User, now
from tickets import caller_notes as notes
from tickets.life import Actor

blueprint = APIBlueprint("caller_notes", __name__, url_prefix="/api/caller-notes", tag="caller notes")


@blueprint.get("")
@blueprint.input(schemas.CallerNoteQuery, location="query", arg_name="query")
@blueprint.output(schemas.CallerNotePage)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 422))
def listing(query: dict[str, Any]) -> dict[str, Any]:
    """Notes, newest first: of one call's number, or of a number searched for."""
    with transaction() as db:
        where = _state(query["state"]) + _searched(query["q"])
        if query["call_uid"]:
            where.append(CallerNote.number == (_number_of_my_call(db, query["call_uid"]) or "-"))
        elif me().role == "agent":
            where.append(CallerNote.created_by == me().id)
        total = db.scalar(select(func.count()).select_from(CallerNote).where(*where)) or 0
        page, offset = page_at(query["page"], total)
        found = db.execute(
            select(CallerNote, User.name)
            .outerjoin(User, User.id == CallerNote.created_by)
            .where(*where)
            .order_by(CallerNote.id.desc())
            .limit(PAGE_SIZE)
            .offset(offset)
        ).all()
    rows = [_view(one, name) for one, name in found]
    return {"rows": rows, "total": total, "page": page, "page_size": PAGE_SIZE}


@blueprint.post("")
@blueprint.input(schemas.CallerNoteIn, arg_name="form")
@blueprint.output(schemas.CallerNoteOut, status_code=201)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 409, 422))
def add(form: dict[str, Any]) -> dict[str, Any]:
    """A note for the number of a call of mine; leaders may also type a number."""
    with transaction() as db:
        if form["call_uid"]:
            number = _number_of_my_call(db, form["call_uid"])
        elif me().role in notes.LEADERS:
            number = numbers.normal(form["number"] or "", desk().settings.area_code)
        else:
            raise invalid({"call_uid": "只能为本人接听的来电添加提示。"})
        made = notes.add(db, _actor(), number, form["kind"], form["note"], _moment(form["until"]), now())
        return _view(made, me().name)


@blueprint.put("/<int:note_id>")
@blueprint.input(schemas.CallerNoteChange, arg_name="form")
@blueprint.output(schemas.CallerNoteOut)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 409, 422))
def change(note_id: int, form: dict[str, Any]) -> dict[str, Any]:
    """Other words or another end: a new note (with a new id) follows the old one, which stays as history."""
    with transaction() as db:
        made = notes.change(db, _actor(), _note(db, note_id), form["note"], _moment(form["until"]), now())
        return _view(made, me().name)


@blueprint.delete("/<int:note_id>")
@blueprint.output({}, status_code=204)
@blueprint.doc(responses=schemas.errors(401, 403, 404))
def end(note_id: int) -> str:
    """The note holds no longer; it stays as history."""
    with transaction() as db:
        notes.end(_actor(), _note(db, note_id), now())
    return ""


def _actor() -> Actor:
    return Actor(me().id, me().role)


def _note(db: Session, note_id: int) -> CallerNote:
    found = db.get(CallerNote, note_id) if note_id <= schemas.LONGEST_NUMBER else None
    if found is None:
        raise Refusal("not_found", "没有这条提示。")
    return found


def _number_of_my_call(db: Session, uid: str) -> str:
    if not may_see_call(db, me(), uid):
        raise Refusal("not_found")
    return number_of_call(db, uid)


def _state(state: str) -> list[ColumnElement[bool]]:
    holds = CallerNote.ended_at.is_(None) & or_(CallerNote.until.is_(None), CallerNote.until > now())
    if state == "active":
        return [holds]
    return [~holds] if state == "ended" else []


def _searched(q: str) -> list[ColumnElement[bool]]:
    """A whole number or its last four digits, as in the list of calls."""
    text = q.replace("\x00", "").strip()
    if not text:
        return []
    if len(text) == 4 and text.isascii() and text.isdigit():
        return [CallerNote.number.endswith(text)]
    number = numbers.normal(text, desk().settings.area_code)
    return [CallerNote.number == number] if number else [CallerNote.id.is_(None)]


def _moment(until: int | None) -> datetime | None:
    return None if until is None else datetime.fromtimestamp(until / 1000, UTC)


def _view(one: CallerNote, author: str | None) -> dict[str, Any]:
    return {
        "id": one.id,
        "number": number_view(one.number),
        "kind": one.kind,
        "kind_label": notes.KINDS.get(one.kind, one.kind),
        "note": one.note,
        "until": ms(one.until),
        "created_at": ms(one.created_at),
        "created_by_name": author,
        "ended_at": ms(one.ended_at),
        "active": notes.is_active(one, now()),
        "mine": notes.may_change(_actor(), one.kind, one.created_by),
    }
