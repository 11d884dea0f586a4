"""Recordings over HTTP: list, sound by Range, waveform. Who may listen is `recordings.listen`'s rule."""

from __future__ import annotations

import threading
import time
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request, send_file
from sqlalchemy.orm import Session

from agent_desktop import call_parts, schemas
from agent_desktop.access import listener, note_access
from agent_desktop.calls import ms, number_view
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal, invalid
from db.models import Recording
from recordings import keep, listen, sound
from recordings import listing as lists

blueprint = APIBlueprint("recordings", __name__, url_prefix="/api/recordings", tag="recordings")
ONE_PLAY_SECONDS = 60.0
"""Requests from the beginning within this time are one listening: player and waveform ask apart."""
ONE_SITTING_SECONDS = 4 * 3600.0
"""Jumps within this time belong to a listening already noted."""


@blueprint.get("")
@blueprint.input(schemas.RecordingQuery, location="query", arg_name="query")
@blueprint.output(schemas.RecordingPage)
@blueprint.doc(responses=schemas.errors(401, 422))
def listing(query: dict[str, Any]) -> dict[str, Any]:
    """Recordings and gaps that I may see, newest call first."""
    try:
        day = date.fromisoformat(query["date"]) if query["date"] else None
        if day and not 1970 <= day.year <= 9000:
            raise ValueError
    except ValueError:
        raise invalid({"date": "日期无效。"}) from None
    with transaction() as db:
        found = lists.listing(
            db,
            listener(me()),
            q=query["q"].replace("\x00", ""),
            state=query["state"],
            day=day,
            page=query["page"],
        )
    return {
        "rows": [row_view(row) for row in found.rows],
        "total": found.total,
        "page": found.page,
        "page_size": found.page_size,
    }


@blueprint.get("/<int:recording_id>/audio")
@blueprint.doc(
    responses={
        200: {"description": "The recording", "content": {"audio/flac": {}}},
        206: {"description": "A part of it", "content": {"audio/flac": {}}},
        **schemas.errors(401, 403, 404, 416),
    }
)
def audio(recording_id: int) -> Response:
    """The sound, by HTTP Range. Each listening is noted before the first byte leaves."""
    with transaction() as db:
        path = _file(db, recording_id)
        if request.method == "GET" and _plays.begins(me().id, recording_id, _starts_at_zero()):
            note_access(db, "listen", f"recording {recording_id}")
    response = send_file(path, mimetype="audio/flac", conditional=True, etag=True, max_age=0)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Accept-Ranges"] = "bytes"
    return response


@blueprint.get("/<int:recording_id>/peaks")
@blueprint.output(schemas.Peaks)
@blueprint.doc(responses=schemas.errors(401, 403, 404))
def peaks(recording_id: int) -> dict[str, Any]:
    """About 800 points for each channel (caller, agent), -1..1, for the waveform, and the call's parts."""
    with transaction() as db:
        path = _file(db, recording_id)
        row = db.get_one(Recording, recording_id)
        parts = call_parts.of_recording(db, row.call_uid) if row.kind == "call" else []
    try:
        waveform = _peaks(path, path.stat().st_mtime_ns)
        return {"peaks": waveform, "seconds": row.seconds or 0.0, "parts": parts}
    except (OSError, sound.UnreadableSound):
        raise Refusal("no_recording") from None


def row_view(row: lists.RecordingRow) -> dict[str, Any]:
    """A row as a page gets it: the number masked."""
    return {
        "id": row.id,
        "call_uid": row.call_uid,
        "kind": row.kind,
        "state": row.state,
        "state_label": row.state_label,
        "problem": row.problem,
        "seconds": row.seconds,
        "number": number_view(row.caller),
        "agent_name": row.agent_name,
        "queue_label": row.queue_label or "",
        "arrived_at": ms(row.arrived_at),
        "listenable": row.listenable,
    }


class Plays:
    """Which listenings are noted already: a player asks for one in many pieces."""

    def __init__(self) -> None:
        self._noted: dict[tuple[int, int], float] = {}
        self._lock = threading.Lock()

    def begins(self, user: int, recording: int, from_start: bool, now: float | None = None) -> bool:
        """Is this request a new listening? One from the start is, unless its twin was just noted."""
        now = time.monotonic() if now is None else now
        patience = ONE_PLAY_SECONDS if from_start else ONE_SITTING_SECONDS
        with self._lock:
            noted = self._noted.get((user, recording))
            if noted is not None and now - noted < patience:
                return False
            self._noted = {key: at for key, at in self._noted.items() if now - at < ONE_SITTING_SECONDS}
            self._noted[user, recording] = now
            return True


_plays = Plays()


def _starts_at_zero() -> bool:
    wanted = request.range
    return wanted is None or not wanted.ranges or wanted.ranges[0][0] == 0


def _file(db: Session, recording_id: int) -> Path:
    """The file of a recording that I may hear. Raises Refusal."""
    row = db.get(Recording, recording_id) if recording_id <= schemas.LONGEST_NUMBER else None
    if row is None:
        raise Refusal("no_recording")
    subject = listen.subject(db, row)
    if not listen.may_see(listener(me()), subject):
        raise Refusal("forbidden", "您无权收听此录音。")
    path = keep.file_of(desk().settings, row)
    if path is None or not path.is_file():
        raise Refusal("no_recording")
    return path


@lru_cache(maxsize=256)
def _peaks(path: Path, _changed_at: int) -> list[list[float]]:
    return sound.peaks(path)
