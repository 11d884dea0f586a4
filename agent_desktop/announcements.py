"""紧急公告 over HTTP: typed or recorded, heard to the end, published with an end time.

POST text or file ─► row "rendering" ─► worker: the sound ─► heard ─► publish ─► the cti tells Asterisk
every change ─push announcements─► the pages of leaders fetch the list, the others what is on air

Leaders may look and listen; who switches queues (`access.SWITCHERS`) makes, publishes and ends.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import structlog
from apiflask import APIBlueprint
from apiflask.fields import Boolean, File, Integer, List, Nested, String
from apiflask.fields import Float as Number
from flask import Response, request, send_file
from marshmallow.validate import Length, Range
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import RequestEntityTooLarge

from agent_desktop import schemas
from agent_desktop.access import SWITCHERS, note_access
from agent_desktop.calls import ms
from agent_desktop.desk import Desk, desk, me, transaction
from agent_desktop.errors import Refusal, invalid
from agent_desktop.schemas import LATEST_MS, Schema, words
from db.models import AccessLog, Announcement, Queue, User, now
from ivr import announce, announce_files
from ivr.announce import AnnounceProblem, ScopeTaken
from ivr.reading import spoken

log = structlog.get_logger("desktop")
blueprint = APIBlueprint("announcements", __name__, url_prefix="/api/announcements", tag="announcements")
REFUSALS = schemas.errors(401, 403, 404, 409, 422)

STATES = {
    "rendering": "正在制作",
    "ready": "待试听",
    "failed": "制作失败",
    "on_air": "播出中",
    "ended": "已结束",
}
SAID = {
    "not_found": (404, "没有这条公告。"),
    "not_ready": (409, "这条公告还没有制作完成，或已结束，请刷新后查看。"),
    "not_heard": (409, "请先完整试听一遍，确认无误后再播出。"),
    "not_listened": (409, "还没有听完，请从头完整试听一遍。"),
    "bad_until": (422, f"结束时间应在 1 分钟之后、{announce.LONGEST_ON_AIR.days} 天之内。"),
    "overtaken": (409, "刚刚有人改动了公告，请核对后再操作。"),
    "busy": (409, "已有几条公告正在制作，请等其中一条完成后再提交。"),
}
ARRIVAL_LABEL = "全部来电（语音菜单之前）"
TEXT_SENTENCE = f"请填写公告内容（2 至 {announce.LONGEST_TEXT} 个字）。"
UPLOAD_BYTES = 40 * 1024 * 1024
"""Two minutes of stereo at 48 kHz and 24 bit."""
AT_ONCE = 3
"""Sounds that wait to be made at one time."""
SLACK_SECONDS = 1.0
Found = TypeVar("Found")


# --- shapes ------------------------------------------------------------------------------------------------


class AnnouncementIn(Schema):
    text = words(TEXT_SENTENCE, announce.LONGEST_TEXT, least=2)
    scope = words("请选择公告的播放范围。", 32)


class RecordedIn(Schema):
    file = File(required=True, error_messages={"required": "请选择录音文件。", "invalid": "请选择录音文件。"})
    scope = words("请选择公告的播放范围。", 32)
    text = String(
        load_default="",
        error_messages={"invalid": "内容说明无效。"},
        validate=Length(0, announce.LONGEST_TEXT, error=f"内容说明最多 {announce.LONGEST_TEXT} 个字。"),
    )


class PublishIn(Schema):
    until = Integer(
        required=True,
        error_messages={name: "请选择结束时间。" for name in ("required", "null", "invalid")},
        validate=Range(0, LATEST_MS, error="请选择结束时间。"),
    )
    replace = Boolean(load_default=False, error_messages={"invalid": "请求内容无法识别。"})


class Row(Schema):
    id = Integer()
    text = String()
    spoken = String()
    source = String()
    state = String()
    state_label = String()
    problem = String()
    progress = Integer()
    scope = String()
    scope_label = String()
    seconds = Number(allow_none=True)
    made_at = Integer()
    made_by_name = String()
    heard_at = Integer(allow_none=True)
    heard_by_name = String(allow_none=True)
    on_air_at = Integer(allow_none=True)
    on_air_by_name = String(allow_none=True)
    until = Integer(allow_none=True)
    ended_at = Integer(allow_none=True)
    ended_by_name = String(allow_none=True)


class Changed(Schema):
    row = Nested(Row)
    confirmed = Boolean(metadata={"description": "Asterisk has it; else it follows when the link is back."})


class Scope(Schema):
    scope = String()
    label = String()


class Page(Schema):
    rows = List(Nested(Row))
    scopes = List(Nested(Scope))
    voice = Boolean(metadata={"description": "The synthesiser is installed."})
    may_change = Boolean()
    longest_text = Integer()
    longest_days = Integer()


class OnAirRow(Schema):
    id = Integer()
    text = String()
    scope_label = String()
    until = Integer()


class OnAir(Schema):
    rows = List(Nested(OnAirRow))


# --- looking -----------------------------------------------------------------------------------------------


@blueprint.get("")
@blueprint.output(Page)
@blueprint.doc(responses=schemas.errors(401, 403))
def listing() -> dict[str, Any]:
    """What is made, waits, is on air and was: the newest first."""
    from ivr.voice import is_installed

    with transaction() as db:
        announce.settle(db, now())
        rows = [_view(db, one) for one in announce.listing(db)]
        scopes = _scopes(db)
    return {
        "rows": rows,
        "scopes": [{"scope": scope, "label": label} for scope, label in scopes.items()],
        "voice": is_installed(),
        "may_change": me().role in SWITCHERS,
        "longest_text": announce.LONGEST_TEXT,
        "longest_days": announce.LONGEST_ON_AIR.days,
    }


@blueprint.get("/on-air")
@blueprint.output(OnAir)
@blueprint.doc(responses=schemas.errors(401))
def on_air() -> dict[str, Any]:
    """What citizens hear now: every agent is asked about it."""
    with transaction() as db:
        scopes = _scopes(db)
        return {
            "rows": [
                {
                    "id": one.id,
                    "text": one.text,
                    "scope_label": scopes.get(one.scope, one.scope),
                    "until": ms(one.until),
                }
                for one in announce.playing(db, now())
            ]
        }


@blueprint.get("/<int:announcement_id>/audio")
@blueprint.doc(
    responses={
        200: {"description": "The sound", "content": {"audio/wav": {}}},
        206: {"description": "A part of it", "content": {"audio/wav": {}}},
        **schemas.errors(401, 403, 404, 416),
    }
)
def audio(announcement_id: int) -> Response:
    """The sound as citizens hear it. Who listened is noted: without that nobody can have heard it."""
    with transaction() as db:
        one = _find(db, announcement_id)
        path = announce_files.kept_file(desk().settings.announcements, one.sha256 or "none")
        if not path.is_file():
            raise Refusal("not_found", "这条公告还没有声音文件。")
        if request.method == "GET":
            note_access(db, "announcement_listened", f"announcement {one.id}")
    response = send_file(path, mimetype="audio/wav", conditional=True, etag=one.sha256 or False, max_age=0)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


# --- making ------------------------------------------------------------------------------------------------


@blueprint.post("")
@blueprint.input(AnnouncementIn, arg_name="form")
@blueprint.output(Row, status_code=202)
@blueprint.doc(responses=REFUSALS)
def make(form: dict[str, Any]) -> dict[str, Any]:
    """Have a text spoken. The worker does it; the list tells how far it is."""
    return _order(form["text"].strip(), "voice", form["scope"], lambda _announcement_id: None)


@blueprint.before_request
def _let_the_file_in() -> None:
    """Read the upload with its own limit, so that a file too large is told in words."""
    if request.endpoint != "announcements.upload":
        return
    request.max_content_length = UPLOAD_BYTES
    try:
        _ = request.files
    except RequestEntityTooLarge:
        raise Refusal("too_large", f"录音文件不能超过 {UPLOAD_BYTES // 1024 // 1024} MB。") from None
    except OSError:
        raise Refusal("disk_full") from None


@blueprint.post("/upload")
@blueprint.input(RecordedIn, location="form_and_files", arg_name="form")
@blueprint.output(Row, status_code=202)
@blueprint.doc(responses=schemas.errors(400, 401, 403, 404, 409, 413, 422, 503))
def upload(form: dict[str, Any]) -> dict[str, Any]:
    """A recording instead of the voice: a file, or spoken in the page. The worker checks and levels it."""

    def keep(announcement_id: int) -> None:
        path = announce_files.given_file(desk().settings.announcements, announcement_id)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            form["file"].save(path)
        except OSError as error:
            log.error("announcement_not_kept", error=str(error))
            raise Refusal("disk_full") from None

    return _order(form["text"].strip(), "upload", form["scope"], keep)


def _order(text: str, source: str, scope: str, keep: Callable[[int], None]) -> dict[str, Any]:
    with transaction() as db:
        if len(announce.to_make(db)) >= AT_ONCE:
            raise _refusal("busy")
        try:
            one = announce.order(db, text, source, scope, me().id, now())
        except AnnounceProblem:
            raise invalid({"scope": "没有这个队列，请重新选择播放范围。"}) from None
        note_access(db, "announcement_made", f"announcement {one.id}", text)
        keep(one.id)
        row = _view(db, one)
    tell(desk())
    return row


# --- on air ------------------------------------------------------------------------------------------------


@blueprint.post("/<int:announcement_id>/heard")
@blueprint.output(Row)
@blueprint.doc(responses=REFUSALS)
def heard(announcement_id: int) -> dict[str, Any]:
    """I have listened to it to the end. Believed when the sound was fetched at least its own length ago."""
    with transaction() as db:
        one = _find(db, announcement_id)
        if not _had_time_to_listen(db, one, now()):
            raise _refusal("not_listened")
        if one.heard_at is None:
            note_access(db, "announcement_heard", f"announcement {one.id}")
        row = _view(db, _carry_out(lambda: announce.note_heard(db, announcement_id, me().id, now())))
    tell(desk())
    return row


@blueprint.post("/<int:announcement_id>/publish")
@blueprint.input(PublishIn, arg_name="form")
@blueprint.output(Changed)
@blueprint.doc(responses=REFUSALS)
def publish(announcement_id: int, form: dict[str, Any]) -> dict[str, Any]:
    """On air until then; one on air gets another end. `replace`: instead of what is on air there."""
    until = announce.utc(form["until"])
    with transaction() as db:
        _find(db, announcement_id)
        one, other = _carry_out(
            lambda: announce.publish(db, announcement_id, until, me().id, now(), replace=form["replace"])
        )
        note_access(
            db, "announcement_published", f"announcement {one.id}", f"{one.scope} 至 {until.isoformat()}"
        )
        if other is not None:
            note_access(
                db, "announcement_ended", f"announcement {other.id}", f"由 announcement {one.id} 替换"
            )
        row = _view(db, one)
    return _told(row)


@blueprint.post("/<int:announcement_id>/end")
@blueprint.output(Changed)
@blueprint.doc(responses=REFUSALS)
def end(announcement_id: int) -> dict[str, Any]:
    """Off the air now; one that was never on air is put away."""
    with transaction() as db:
        _find(db, announcement_id)
        one = _carry_out(lambda: announce.end(db, announcement_id, me().id, now()))
        note_access(db, "announcement_ended", f"announcement {one.id}")
        row = _view(db, one)
    return _told(row)


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """After the commit: the telephones follow now, or by themselves when they can be reached again."""
    tell(desk())
    try:
        desk().floor.follow_tables()
    except Refusal as refusal:
        log.warning("announcement_not_confirmed", id=row["id"], why=refusal.code)
        return {"row": row, "confirmed": False}
    return {"row": row, "confirmed": True}


# --- pushes ------------------------------------------------------------------------------------------------


def tell(desk: Desk) -> None:
    """Every page looks again; the push carries nothing."""
    desk.floor.emit("announcements", {}, None)


class Watch:
    """Looks at the table as time goes by: the worker writes it, and ends come by themselves."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seen: tuple[int, int] | None = None

    def look(self) -> None:
        """End what is past its time, and push when anything has changed."""
        try:
            with self._desk.sessions.begin() as db:
                announce.settle(db, now())
                mark = announce.mark(db)
        except (SQLAlchemyError, StaleDataError) as error:
            log.warning("announcements_not_seen", error=type(error).__name__)
            return
        if mark != self._seen:
            known, self._seen = self._seen, mark
            if known is not None:
                tell(self._desk)


# --- parts -------------------------------------------------------------------------------------------------


def _find(db: Session, announcement_id: int) -> Announcement:
    if announcement_id > schemas.LONGEST_NUMBER:
        raise _refusal("not_found")
    return _carry_out(lambda: announce.find(db, announcement_id))


def _carry_out(work: Callable[[], Found]) -> Found:
    try:
        return work()
    except ScopeTaken as taken:
        raise Refusal(
            "scope_taken",
            f"此范围正在播出另一条公告（{taken.other.text[:30] or '录音公告'}），确认后将替换它。",
            status=409,
        ) from None
    except AnnounceProblem as problem:
        raise _refusal(problem.code) from None
    except (IntegrityError, StaleDataError):
        raise _refusal("overtaken") from None


def _refusal(code: str) -> Refusal:
    status, sentence = SAID[code]
    fields = {"until": sentence} if code == "bad_until" else None
    return Refusal(code, sentence, status=status, fields=fields)


def _had_time_to_listen(db: Session, one: Announcement, at: datetime) -> bool:
    long_ago = at - timedelta(seconds=max(0.0, (one.seconds or 0.0) - SLACK_SECONDS))
    fetched = select(AccessLog.id).where(
        AccessLog.user_id == me().id,
        AccessLog.action == "announcement_listened",
        AccessLog.object == f"announcement {one.id}",
        AccessLog.at <= long_ago,
    )
    return db.scalar(fetched.limit(1)) is not None


def _scopes(db: Session) -> dict[str, str]:
    queues = db.execute(select(Queue.name, Queue.label).order_by(Queue.name))
    return {announce.ARRIVAL: ARRIVAL_LABEL} | {row.name: row.label for row in queues}


def _view(db: Session, one: Announcement) -> dict[str, Any]:
    """An announcement as a page gets it."""

    def name(user_id: int | None) -> str | None:
        user = db.get(User, user_id) if user_id else None
        return user.name if user else None

    return {
        "id": one.id,
        "text": one.text,
        "spoken": spoken(one.text) if one.source == "voice" else "",
        "source": one.source,
        "state": one.state,
        "state_label": _state_label(one),
        "problem": one.problem,
        "progress": one.progress,
        "scope": one.scope,
        "scope_label": _scopes_label(db, one.scope),
        "seconds": one.seconds,
        "made_at": ms(one.made_at),
        "made_by_name": name(one.made_by) or "",
        "heard_at": ms(one.heard_at),
        "heard_by_name": name(one.heard_by),
        "on_air_at": ms(one.on_air_at),
        "on_air_by_name": name(one.on_air_by),
        "until": ms(one.until),
        "ended_at": ms(one.ended_at),
        "ended_by_name": name(one.ended_by),
    }


def _state_label(one: Announcement) -> str:
    if one.state == "ready" and one.heard_at is not None:
        return "待播出"
    if one.state == "ended" and one.on_air_at is None:
        return "已作废"
    return STATES[one.state]


def _scopes_label(db: Session, scope: str) -> str:
    if scope == announce.ARRIVAL:
        return ARRIVAL_LABEL
    queue = db.get(Queue, scope)
    return f"{queue.label}（排队之前）" if queue else scope
