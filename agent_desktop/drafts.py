"""What an agent has typed and not saved yet, one draft for each call; everybody sees only the own ones."""

from __future__ import annotations

import json
from typing import Any

from apiflask import APIBlueprint
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from agent_desktop import schemas
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import check_uid, invalid
from db.models import Draft, now

blueprint = APIBlueprint("drafts", __name__, url_prefix="/api", tag="drafts")
LONGEST_BODY = 64 * 1024
"""In letters: a form whose every field is as long as it may be fits, in Chinese too."""
MOST_DRAFTS = 50

_OF_CALL = select(Draft).where(Draft.user_id == bindparam("user_id"), Draft.call_uid == bindparam("uid"))
_OF_USER = (
    select(Draft)
    .where(Draft.user_id == bindparam("user_id"))
    .order_by(Draft.saved_at.desc())
    .limit(MOST_DRAFTS)
)


@blueprint.put("/calls/<uid>/draft")
@blueprint.input(schemas.DraftIn, arg_name="form")
@blueprint.output(schemas.SavedAt)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 422))
def keep(uid: str, form: dict[str, Any]) -> dict[str, Any]:
    """Keep the form of a call as it is now. A form without a call is kept under a name of the page's own."""
    check_uid(uid)
    if len(json.dumps(form["body"], ensure_ascii=False)) > LONGEST_BODY:
        raise invalid({"body": "草稿内容过长。"})
    saved_at = now()
    with transaction() as db:
        mine = update(Draft).where(Draft.user_id == me().id, Draft.call_uid == uid)
        values = {"body": form["body"], "saved_at": saved_at}
        if not db.execute(mine.values(**values)).rowcount:  # type: ignore[attr-defined]
            try:
                with db.begin_nested():
                    db.add(Draft(user_id=me().id, call_uid=uid, **values))
            except IntegrityError:  # the second tab was faster
                db.execute(mine.values(**values))
    desk().boards.ticket_changed(uid, me().login)
    return {"saved_at": round(saved_at.timestamp() * 1000)}


@blueprint.get("/calls/<uid>/draft")
@blueprint.doc(
    responses={
        200: {"description": "The draft, or null", "content": {"application/json": {"schema": {}}}},
        **schemas.errors(401, 403, 404),
    }
)
def show(uid: str) -> Any:
    """My draft of a call, or null."""
    check_uid(uid)
    with transaction() as db:
        draft = draft_of(db, me().id, uid)
    # A view that returns None is an error for Flask; null is JSON.
    return (draft, 200) if draft else ("null\n", 200, {"Content-Type": "application/json"})


@blueprint.delete("/calls/<uid>/draft")
@blueprint.output({}, status_code=204)
@blueprint.doc(responses=schemas.errors(401, 403, 404))
def drop(uid: str) -> str:
    """Throw my draft of a call away."""
    check_uid(uid)
    with transaction() as db:
        drop_draft(db, me().id, uid)
    desk().boards.ticket_changed(uid, me().login)
    return ""


@blueprint.get("/drafts")
@blueprint.output(schemas.DraftOut(many=True))
@blueprint.doc(responses=schemas.errors(401, 403))
def listing() -> list[dict[str, Any]]:
    """My unsaved drafts, newest first."""
    with transaction() as db:
        return [_view(one) for one in db.scalars(_OF_USER, {"user_id": me().id})]


def draft_of(db: Session, user_id: int, uid: str) -> dict[str, Any] | None:
    """One person's draft of a call, as the pages get it."""
    one = db.scalar(_OF_CALL, {"user_id": user_id, "uid": uid})
    return _view(one) if one else None


def drop_draft(db: Session, user_id: int, uid: str) -> None:
    db.execute(delete(Draft).where(Draft.user_id == user_id, Draft.call_uid == uid))


def _view(one: Draft) -> dict[str, Any]:
    return {"call_uid": one.call_uid, "body": one.body, "saved_at": round(one.saved_at.timestamp() * 1000)}
