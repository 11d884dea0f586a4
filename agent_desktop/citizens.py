"""Citizens' records over HTTP: found, merged, taken apart, with their history. Rules: `tickets.citizens`."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from sqlalchemy.orm import Session

from agent_desktop import schemas
from agent_desktop.calls import candidate_view
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal
from db import numbers
from db.models import Citizen, now
from tickets import citizens, search
from tickets.life import Actor

blueprint = APIBlueprint("citizens", __name__, url_prefix="/api/citizens", tag="citizens")


@blueprint.get("")
@blueprint.input(schemas.CitizenQuery, location="query", arg_name="query")
@blueprint.output(schemas.CitizenPage)
@blueprint.doc(responses=schemas.errors(401, 403, 422))
def listing(query: dict[str, Any]) -> dict[str, Any]:
    """Records by name, whole number or its last four digits; a merged one is found in the one kept."""
    number = numbers.normal(query["q"], desk().settings.area_code)
    with transaction() as db:
        found, total, page = search.citizens(db, q=query["q"], number=number, page=query["page"])
    rows = [candidate_view(one) for one in found]
    return {"rows": rows, "total": total, "page": page, "page_size": search.PAGE_SIZE}


@blueprint.get("/<int:citizen_id>")
@blueprint.output(schemas.CitizenDetail)
@blueprint.doc(responses=schemas.errors(401, 403, 404))
def show(citizen_id: int) -> dict[str, Any]:
    """One record with its numbers, what it was merged into, and what was merged into it."""
    with transaction() as db:
        return _detail(db, citizen_id)


@blueprint.get("/<int:citizen_id>/history")
@blueprint.output(schemas.CitizenEvents)
@blueprint.doc(responses=schemas.errors(401, 403, 404))
def history(citizen_id: int) -> dict[str, Any]:
    """What was merged, split and corrected, newest first."""
    with transaction() as db:
        _check(db, citizen_id)
        return {"rows": [one.as_json() for one in citizens.history(db, citizen_id)]}


@blueprint.post("/<int:citizen_id>/merge")
@blueprint.input(schemas.MergeIn, arg_name="form")
@blueprint.output(schemas.CitizenDetail)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 409, 422))
def merge(citizen_id: int, form: dict[str, Any]) -> dict[str, Any]:
    """Move the numbers and tickets of another record to this one; the other stays as history."""
    with transaction() as db:
        _check(db, citizen_id)
        citizens.merge(db, _actor(), citizen_id, form["other_id"], form["reason"], now())
        return _detail(db, citizen_id)


@blueprint.post("/<int:citizen_id>/split")
@blueprint.input(schemas.SplitIn, arg_name="form")
@blueprint.output(schemas.CitizenDetail, status_code=201)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 409, 422))
def split(citizen_id: int, form: dict[str, Any]) -> dict[str, Any]:
    """Make a record of its own of some numbers, or undo a merge; gives the record that came out."""
    with transaction() as db:
        _check(db, citizen_id)
        other, reason = form["undo_merge"], form["reason"]
        if other is not None:
            out = citizens.undo_merge(db, _actor(), citizen_id, other, reason, now())
        else:
            out = citizens.split(db, _actor(), citizen_id, form["phones"], form["name"], reason, now())
        return _detail(db, out.id)


def _actor() -> Actor:
    return Actor(me().id, me().role)


def _check(db: Session, citizen_id: int) -> Citizen:
    found = db.get(Citizen, citizen_id) if citizen_id <= schemas.LONGEST_NUMBER else None
    if found is None:
        raise Refusal("not_found", "没有这位市民的记录。")
    return found


def _detail(db: Session, citizen_id: int) -> dict[str, Any]:
    record = _check(db, citizen_id)
    db.flush()
    found = search.citizen(db, citizen_id)
    assert found is not None
    into = db.get(Citizen, record.merged_into) if record.merged_into else None
    merged = citizens.merged_into_this(db, citizen_id)
    return candidate_view(found) | {
        "merged_into": into and {"id": into.id, "name": into.name},
        "merged": [{"id": one.id, "name": one.name} for one in merged],
    }
