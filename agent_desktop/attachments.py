"""Files given with a ticket, over HTTP: up for the form, down for whoever may see the ticket.

Only this blueprint takes more than a megabyte, and only after the guard has let the request in.
"""

from __future__ import annotations

from typing import Any

import structlog
from apiflask import APIBlueprint
from flask import Response, request, send_file
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestEntityTooLarge

from agent_desktop import schemas
from agent_desktop.access import note_access
from agent_desktop.calls import ms
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal
from db.models import Attachment, Ticket, now
from tickets import attachments as files

log = structlog.get_logger("desktop")
blueprint = APIBlueprint("attachments", __name__, url_prefix="/api/attachments", tag="attachments")
ENVELOPE_BYTES = 64 * 1024
"""What a form adds to its file: boundaries, headers, the key."""


@blueprint.before_request
def _let_the_file_in() -> None:
    """Read the form with this endpoint's own limit, so that what fails while reading is told in words too."""
    if request.endpoint != "attachments.upload":
        return
    request.max_content_length = _most_bytes() + ENVELOPE_BYTES
    try:
        _ = request.files
    except RequestEntityTooLarge:
        raise _too_large() from None
    except OSError as error:  # a large file waits in a temporary one while it comes
        raise _no_room(error) from None


@blueprint.post("")
@blueprint.input(schemas.AttachmentIn, location="form_and_files", arg_name="form")
@blueprint.output(schemas.AttachmentOut, status_code=201)
@blueprint.doc(responses=schemas.errors(400, 401, 403, 409, 413, 422, 503))
def upload(form: dict[str, Any]) -> dict[str, Any]:
    """Keep a file for the form with this key (its Idempotency-Key). A refused one leaves nothing behind."""
    given = form["file"]
    try:
        kept = files.keep(desk().settings.attachments, given.stream, given.filename or "", _most_bytes())
    except files.TooLarge:
        raise _too_large() from None
    except OSError as error:
        raise _no_room(error) from None
    with transaction() as db:
        made = files.add(
            db,
            me().id,
            form["form_key"],
            given.filename or "",
            kept,
            now(),
            desk().settings.attachments_per_form,
        )
    return attachment_view(made, me().name)


@blueprint.get("")
@blueprint.input(schemas.AttachmentQuery, location="query", arg_name="query")
@blueprint.output(schemas.AttachmentRows)
@blueprint.doc(responses=schemas.errors(401, 403, 422))
def listing(query: dict[str, Any]) -> dict[str, Any]:
    """What I have attached to a form: for a page that was loaded again."""
    with transaction() as db:
        found = files.of_form(db, me().id, query["form_key"])
    return {"rows": [attachment_view(one, me().name) for one in found]}


@blueprint.get("/<int:attachment_id>")
@blueprint.doc(
    responses={
        200: {"description": "The file", "content": {"application/octet-stream": {}}},
        206: {"description": "A part of it", "content": {"application/octet-stream": {}}},
        **schemas.errors(401, 404, 416),
    }
)
def download(attachment_id: int) -> Response:
    """The file, always as a download. It is noted before the first byte leaves."""
    with transaction() as db:
        one = _mine_to_see(db, attachment_id)
        path = files.path_of(desk().settings.attachments, one.sha256)
        if not path.is_file():
            raise Refusal("not_found", "附件文件不存在。")
        if request.method == "GET":
            note_access(db, "download", f"attachment {one.id} {one.name}")
    response = send_file(
        path,
        mimetype=one.media_type,
        as_attachment=True,
        download_name=one.name,
        conditional=True,
        etag=one.sha256,
        max_age=0,
    )
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@blueprint.delete("/<int:attachment_id>")
@blueprint.output({}, status_code=204)
@blueprint.doc(responses=schemas.errors(401, 403, 404, 409))
def drop(attachment_id: int) -> str:
    """Take back a file of mine that no ticket has yet."""
    with transaction() as db:
        if attachment_id > schemas.LONGEST_NUMBER or not files.drop(db, me().id, attachment_id):
            raise Refusal("not_found", "没有这个附件。")
    return ""


def attachment_view(one: Attachment, user_name: str) -> dict[str, Any]:
    """An attachment as a page gets it."""
    return {
        "id": one.id,
        "name": one.name,
        "bytes": one.bytes,
        "media_type": one.media_type,
        "created_at": ms(one.created_at),
        "user_name": user_name,
    }


def _mine_to_see(db: Session, attachment_id: int) -> Attachment:
    """Whoever may see the ticket may have its files; what has no ticket yet is its writer's own."""
    one = db.get(Attachment, attachment_id) if attachment_id <= schemas.LONGEST_NUMBER else None
    saved = one is not None and one.ticket_id is not None and db.get(Ticket, one.ticket_id) is not None
    if one is None or not (saved or one.user_id == me().id):
        raise Refusal("not_found", "没有这个附件。")
    return one


def _most_bytes() -> int:
    return desk().settings.attachment_megabytes * 1024 * 1024


def _too_large() -> Refusal:
    return Refusal("too_large", f"单个附件不能超过 {desk().settings.attachment_megabytes} MB。")


def _no_room(error: OSError) -> Refusal:
    log.error("attachment_not_kept", error=str(error))
    return Refusal("disk_full")
