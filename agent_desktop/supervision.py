"""What supervisors do on the live floor: listen and help, force a seat, move a caller, switch queues.

    page ─HTTP─► guard (role) ─► group (`floor_rights`) ─► noted ─► command ─acknowledged─► cti ─► Asterisk
                                                            │            └ refused: noted too, said in words
                                                            └ or the table, then the cti is asked to follow it

An action is noted in the access log before it is sent, so that none goes unnoted. The screen changes when
Asterisk's event comes. `expects` {"agent", "uid"}: who and which call the person saw at the seat; where it is
another by now, nothing happens to either.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from apiflask import APIBlueprint
from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from agent_desktop import floor_changes, floor_settings, schemas
from agent_desktop import supervision_shapes as shapes
from agent_desktop.access import note_access
from agent_desktop.desk import desk, me, transaction
from agent_desktop.errors import Refusal, check_uid, invalid
from agent_desktop.floor import now_ms
from agent_desktop.floor_rights import may_act_on
from agent_desktop.labels import FLOOR_ACTIONS, WATCH_ENDED, WATCH_MODES
from agent_desktop.phone_holders import of_leader
from agent_desktop.phone_pages import account, elsewhere
from db import open_queues
from db.models import AccessLog, Supervision, User

log = structlog.get_logger("desktop")

blueprint = APIBlueprint("supervision", __name__, url_prefix="/api", tag="supervision")
REFUSALS = schemas.errors(401, 403, 404, 409, 422, 503)

SAID = {
    "not_signed_in": "该坐席无人签入，请刷新坐席图后再操作。",
    "unreachable": "该坐席的话机未连接，不能示闲；请提醒话务员检查话机或页面。",
    "in_call": "该坐席还在通话中，请先等通话结束，或先强制挂断。",
    "call_gone": "通话已结束，无需再操作。",
    "no_call": "该坐席现在没有可监听的通话；可选择“监听下一通”。",
    "own_seat": "不能监听自己的坐席。",
    "telephone_busy": "所选话机正在使用或未连接，请换一部话机，或改用浏览器软电话。",
    "telephone_silent": "您的话机没有接起，监听已取消；请检查软电话或话机后重试。",
    "watching_already": "您已在监听，请直接切换方式，或先退出。",
    "not_watching": "您现在没有在监听任何坐席，请先开始监听。",
    "party_there": "通话中有第三方，不能接管；请等第三方离开后再试。",
    "not_asked": "该坐席的求助已由他人处理或已取消。",
    "changed": "坐席状态刚刚发生变化，操作没有执行；请核对最新状态后再操作。",
    "ringing": "这位市民正在振铃坐席，即将接听，不能移动；如坐席未接，请稍后再试。",
    "moving": "这位市民正在移动中，请稍候。",
    "callback_place": "这是市民预约回拨的排位，只能移到队首。",
    "target_unreachable": "目标坐席未签入、正在通话，或话机未连接；请选择其他空闲坐席。",
    "bad_target": "目标不存在，或就是当前队列，请重新选择。",
    "queue_closed": "目标队列现已关闭，请选择其他队列，或先开放该队列。",
    "staff_needed": "该队列还有市民在等候，而它只剩这一个坐席；等候的市民接完后才会移出。",
    "not_confirmed": "设置已保存，但电话系统尚未确认；连接恢复后会自动生效，请稍后核对。",
}
"""The cti's refusals as a supervisor needs them: an agent is told other things (`errors.SENTENCES`)."""
_TAKING_OVER = {"in_call": "您已接管这通电话，请先结束通话。"}


# --- listening and helping -------------------------------------------------------------------------------


@blueprint.post("/supervision/watch")
@blueprint.input(shapes.WatchIn, arg_name="form")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=REFUSALS)
def watch(form: dict[str, Any]) -> dict[str, Any]:
    """Listen to a seat's call, whisper to its agent or barge in; with `follow` its next call too."""
    seat = _seat(form["seat"], form["expects"])
    browser = form["telephone"] == "browser"
    mode = WATCH_MODES[form["mode"]]
    on = "浏览器软电话" if browser else f"话机 {form['telephone']}"
    _ordered(
        "watch",
        f"{seat['seat']} {seat['agent']} {seat['call'] or ''}",
        f"{mode}，{on}" + ("，跟随下一通" if form["follow"] else ""),
        "watch",
        seat["seat"],
        by=me().login,
        mode=form["mode"],
        telephone=form["telephone"],
        endpoint=_endpoint() if browser else form["telephone"],
        follow=form["follow"],
        expects=_expected(seat, form["expects"]),
        words=_TAKING_OVER,
    )
    return {"ok": True}


@blueprint.post("/supervision/mode")
@blueprint.input(shapes.ModeIn, arg_name="form")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=REFUSALS)
def mode(form: dict[str, Any]) -> dict[str, Any]:
    """Change between listening, whispering and barging in, in the call."""
    watching = _my_watch()
    seat = _seat(watching["seat"], None)
    _ordered(
        "watch_mode",
        f"{seat['seat']} {seat['agent']} {watching.get('call') or ''}",
        WATCH_MODES[form["mode"]],
        "watch_mode",
        watching["seat"],
        by=me().login,
        mode=form["mode"],
        words=_TAKING_OVER,
    )
    return {"ok": True}


@blueprint.post("/supervision/leave")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=REFUSALS)
def leave() -> dict[str, Any]:
    """Leave the call; the citizen notices nothing. Without a call nothing happens."""
    watching = desk().floor.watch_of(me().login)
    if watching is not None:
        _ordered("unwatch", f"{watching['seat']}", "", "unwatch", watching["seat"], by=me().login)
    return {"ok": True}


@blueprint.post("/supervision/take-over")
@blueprint.input(shapes.TakeOverIn, arg_name="form")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=REFUSALS)
def take_over(form: dict[str, Any]) -> dict[str, Any]:
    """Get the citizen whom I am listening to; the agent is out."""
    watching = _my_watch()
    seat = _seat(watching["seat"], None)
    _ordered(
        "take_over",
        f"{seat['seat']} {seat['agent']} {watching.get('call') or ''}",
        form["reason"],
        "take_over",
        watching["seat"],
        by=me().login,
        words=_TAKING_OVER,
    )
    _tell_agent(seat["seat"], "take_over", form["reason"])
    return {"ok": True}


@blueprint.get("/supervision/phones")
@blueprint.output(shapes.FreePhones)
@blueprint.doc(responses=schemas.errors(401, 403))
def phones() -> dict[str, Any]:
    """Desk phones to listen with: connected, and nobody is signed in there."""
    floor, names = desk().floor, desk().names
    used = {one["telephone"] for one in floor.watches()}
    free = [
        seat["seat"]
        for seat in floor.seats()
        if not seat["agent"] and seat["reachable"] and seat["seat"] not in used
    ]
    return {"phones": [{"seat": number, "label": names.seat(number)} for number in sorted(free)]}


@blueprint.post("/supervision/phone")
@blueprint.input(schemas.PhoneAsked, arg_name="form")
@blueprint.output(schemas.PhoneAccount)
@blueprint.doc(responses=schemas.errors(401, 403, 409, 422, 503))
def phone(form: dict[str, Any]) -> dict[str, Any]:
    """A telephone for my page, to listen with: a new password each time it is asked for.

    409 phone_elsewhere while another page of mine has it; with `take_over` that page is told and loses it.
    """
    key, page = of_leader(me().id), form["page"]
    other = desk().holders.take(key, page, now_ms(), take_over=form["take_over"])
    if other:
        raise Refusal("phone_elsewhere", elsewhere(other))
    made = account(desk().floor.command("leader_phone", "", user=me().id)["phone"])
    current_app.extensions["socketio"].emit("phone_taken", {"page": page}, to=f"user:{me().id}")
    return made


@blueprint.delete("/supervision/phone")
@blueprint.output({}, status_code=204)
@blueprint.doc(responses=schemas.errors(401, 403, 503))
def phone_gone() -> str:
    """My page listens no more."""
    desk().holders.release(of_leader(me().id))
    desk().floor.command("leader_phone_gone", "", user=me().id)
    return ""


@blueprint.post("/floor/seats/<number>/take-help")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=REFUSALS)
def take_help(number: str) -> dict[str, Any]:
    """I come: the light at the seat goes out."""
    seat = _seat(number, None)
    _ordered("take_help", f"{number} {seat['agent']}", "", "take_help", number, by=me().login)
    _tell_agent(number, "take_help", "")
    return {"ok": True}


# --- forcing a seat --------------------------------------------------------------------------------------


@blueprint.post("/floor/seats/<number>/force")
@blueprint.input(shapes.ForceIn, arg_name="form")
@blueprint.output(schemas.Accepted, status_code=202)
@blueprint.doc(responses=REFUSALS)
def force(number: str, form: dict[str, Any]) -> dict[str, Any]:
    """Make a seat ready or not ready, sign it out, or end its call."""
    verb, why = form["verb"], form["reason"].strip()
    if verb != "ready" and len(why) < shapes.LEAST_REASON:
        raise invalid({"reason": shapes.REASON_SENTENCE})
    seat, arguments, command = _seat(number, form["expects"]), dict[str, Any](), verb
    if verb == "not_ready":
        chosen = desk().names.reasons.get(form["reason_code"])
        if chosen is None:
            raise invalid({"reason_code": "请选择示忙原因。"})
        arguments, why = {"reason": chosen.code}, f"{chosen.label}：{why}"
    if verb == "hang_up":
        call = desk().floor.call_at(number)
        command = "end_all" if call and call["state"] in ("consulting", "three_way") else "hang_up"
        if call and call.get("seat") != number:
            command = "hang_up"  # the one who was asked for help: only this leg
    about = f"{number} {seat['agent']}" + (f" {seat['call']}" if verb == "hang_up" else "")
    _ordered(
        f"force_{verb}", about, why, command, number, expects=_expected(seat, form["expects"]), **arguments
    )
    _tell_agent(number, verb, form["reason"].strip())
    if verb == "sign_out":
        desk().holders.release(number)
    return {"ok": True}


def _tell_agent(number: str, verb: str, reason: str) -> None:
    """The page at the seat says who did it, and why."""
    desk().floor.emit("forced", {"verb": verb, "by_name": me().name, "reason": reason}, f"seat:{number}")


@blueprint.post("/floor/seats/<number>/queues")
@blueprint.input(shapes.SeatQueueIn, arg_name="form")
@blueprint.output(shapes.SeatQueueOut, status_code=202)
@blueprint.doc(responses=REFUSALS)
def queues(number: str, form: dict[str, Any]) -> dict[str, Any]:
    """Add a seat's agent to a queue, or take him out of one, until a moment.

    `pending`: Asterisk will do it as soon as it can, because the seat is in a call of that queue, or is the
    last whom somebody waits for.
    """
    seat, now = _seat(number, form["expects"]), datetime.now(UTC)
    _check_links()
    action = "queue_add" if form["add"] else "queue_remove"
    with transaction() as db:
        ends = floor_changes.override(
            db,
            seat["agent"],
            form["queue"],
            form["add"],
            serves=seat["queues"],
            until=form["until"],
            reason=form["reason"],
            user_id=me().id,
            now=now,
        )
        note_access(db, action, f"{number} {seat['agent']} {form['queue']}", form["reason"])
    serves = _confirmed(number, agent=seat["agent"])
    pending = serves is not None and (form["queue"] in serves) != form["add"]
    _tell_agent(number, action, form["reason"])
    return {
        "ok": True,
        "pending": pending,
        "until": floor_changes.milliseconds(ends),
        "message": SAID["staff_needed"] if pending and not form["add"] else None,
    }


# --- callers and queues ----------------------------------------------------------------------------------


@blueprint.post("/floor/callers/<uid>/move")
@blueprint.input(shapes.MoveIn, arg_name="form")
@blueprint.output(shapes.MoveOut, status_code=202)
@blueprint.doc(responses=REFUSALS)
def move(uid: str, form: dict[str, Any]) -> dict[str, Any]:
    """Move a waiting caller to the front of the queue, to another queue, or to a seat. `pending`: as soon as
    the caller has heard the announcement that is being played."""
    check_uid(uid)
    floor, kind, target = desk().floor, form["to"], form["target"]
    call = floor.live_call(uid)
    if call is None or call["state"] not in ("queue", "ringing"):
        raise Refusal("call_gone", "这位市民已不在排队：可能已接通或已挂机。")
    expects: dict[str, Any] = {}
    if kind == "queue":
        _check_queue_open(target, but_not=call["queue"])
    elif kind == "seat":
        expects = {"agent": _seat(target, form["expects"])["agent"]}
    words = {"front": "队首", "queue": f"队列 {target}", "seat": f"坐席 {target}"}[kind]
    answer = _ordered(
        "move_caller",
        f"{uid} {call['queue']}",
        f"→ {words}：{form['reason']}",
        "move_caller",
        "",
        pbx=floor.pbx_of_call(uid),
        uid=uid,
        to=kind,
        target=target,
        by=me().login,
        agent=expects.get("agent"),
    )
    return {"ok": True, "pending": bool(answer.get("pending"))}


@blueprint.put("/floor/queues/<queue>/switch")
@blueprint.input(shapes.SwitchIn, arg_name="form")
@blueprint.output(shapes.SwitchOut)
@blueprint.doc(responses=REFUSALS)
def switch(queue: str, form: dict[str, Any]) -> dict[str, Any]:
    """Open or close a queue or special desk over its periods; state null: as the periods say."""
    state, reason = form["state"], form["reason"].strip()
    if state == "closed" and len(reason) < shapes.LEAST_REASON:
        raise invalid({"reason": shapes.REASON_SENTENCE})
    with transaction() as db:
        shown = floor_changes.switch(
            db, queue, state, until=form["until"], reason=reason, user_id=me().id, now=datetime.now(UTC)
        )
        note_access(db, f"queue_{state or 'as_planned'}", queue, reason)
    desk().boards.tables_changed()
    _confirmed()
    return shown


@blueprint.put("/floor/queues/<queue>/overflow")
@blueprint.input(shapes.OverflowIn, arg_name="form")
@blueprint.output(shapes.OverflowOut)
@blueprint.doc(responses=REFUSALS)
def overflow(queue: str, form: dict[str, Any]) -> dict[str, Any]:
    """Where callers of a queue go after so many seconds; then null: as without a rule."""
    if form["then"] and form["after_seconds"] is None:
        raise invalid({"after_seconds": shapes.AFTER_SENTENCE})
    with transaction() as db:
        shown = floor_changes.overflow(
            db,
            queue,
            form["then"],
            after_seconds=form["after_seconds"] or 0,
            target=form["target"] or "",
            has_duty=bool(desk().settings.duty_number),
            user_id=me().id,
            now=datetime.now(UTC),
        )
        rule = shown["overflow"]
        said = (
            f"{rule['after_seconds']} 秒后 {rule['then']} {rule['target'] or ''}".strip() if rule else "取消"
        )
        note_access(db, "overflow", queue, f"{said} {form['reason']}".strip())
    desk().boards.tables_changed()
    _confirmed()
    return shown


@blueprint.get("/floor/settings")
@blueprint.output(shapes.FloorSettings)
@blueprint.doc(responses=schemas.errors(401, 403))
def settings() -> dict[str, Any]:
    """The settings of the live floor."""
    with transaction() as db:
        return floor_settings.read(db)


@blueprint.put("/floor/settings")
@blueprint.input(shapes.FloorSettings, arg_name="form")
@blueprint.output(shapes.FloorSettings)
@blueprint.doc(responses=schemas.errors(401, 403, 422))
def keep_settings(form: dict[str, Any]) -> dict[str, Any]:
    """Change the settings given; the others stay."""
    with transaction() as db:
        for words in floor_settings.keep(db, form, me().id):
            note_access(db, "floor_settings", words.partition(":")[0], words)
        desk().names.read(db)
        shown = floor_settings.read(db)
    desk().boards.tables_changed()
    return shown


# --- what was done ---------------------------------------------------------------------------------------


@blueprint.get("/audit")
@blueprint.input(shapes.AuditQuery, location="query", arg_name="query")
@blueprint.output(shapes.AuditPage)
@blueprint.doc(responses=schemas.errors(401, 403, 422))
def audit(query: dict[str, Any]) -> dict[str, Any]:
    """The actions of supervisors, newest first; those that the telephone refused too."""
    chosen = query["action"]
    actions = [code for code in FLOOR_ACTIONS if not chosen or code == chosen]
    actions += [f"{code}_refused" for code in actions]
    wanted = select(AccessLog, User.name).outerjoin(User, User.id == AccessLog.user_id)
    wanted = wanted.where(AccessLog.action.in_(actions))
    if query["from"] is not None:
        wanted = wanted.where(AccessLog.at >= datetime.fromtimestamp(query["from"] / 1000, UTC))
    if query["to"] is not None:
        wanted = wanted.where(AccessLog.at < datetime.fromtimestamp(query["to"] / 1000, UTC))
    if query["by"]:
        wanted = wanted.where(User.login == query["by"])
    with transaction() as db:
        rows = db.execute(wanted.order_by(AccessLog.id.desc()).limit(query["limit"])).all()
        people = _names(db)
    return {"rows": [_audit_row(row, name, people) for row, name in rows]}


def _audit_row(row: AccessLog, name: str | None, people: dict[str, str]) -> dict[str, Any]:
    refused = row.action.endswith("_refused")
    code = row.action.removesuffix("_refused")
    return {
        "at": floor_changes.milliseconds(row.at),
        "by_name": name or "",
        "action": code,
        "action_label": FLOOR_ACTIONS[code],
        "refused": refused,
        "object": row.object,
        "object_label": " ".join(_word(word, people) for word in row.object.split()),
        "reason": row.reason,
    }


def _word(word: str, people: dict[str, str]) -> str:
    """A part of what an action was about, as people say it: a seat's label, an agent's name, a queue's."""
    names = desk().names
    return names.seats.get(word) or people.get(word) or names.queues.get(word) or word


@blueprint.get("/supervision/log")
@blueprint.input(shapes.LogQuery, location="query", arg_name="query")
@blueprint.output(shapes.LogPage)
@blueprint.doc(responses=schemas.errors(401, 403, 422))
def log_of_supervision(query: dict[str, Any]) -> dict[str, Any]:
    """Who listened to whom, how, when and for how long, newest first: the ledger's own rows."""
    wanted = select(Supervision)
    for column, value in (
        (Supervision.call_uid, query["call"]),
        (Supervision.supervisor, query["by"]),
        (Supervision.agent, query["agent"]),
    ):
        if value:
            wanted = wanted.where(column == value)
    with transaction() as db:
        rows = db.scalars(wanted.order_by(Supervision.id.desc()).limit(query["limit"])).all()
        people = _names(db)
        return {"rows": [_log_row(row, people) for row in rows]}


def _log_row(row: Supervision, people: dict[str, str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "call_uid": row.call_uid,
        "seat": row.seat,
        "agent": row.agent,
        "agent_name": people.get(row.agent or ""),
        "supervisor": row.supervisor,
        "supervisor_name": people.get(row.supervisor),
        "mode": row.mode,
        "mode_label": WATCH_MODES.get(row.mode, row.mode),
        "telephone": row.telephone,
        "began_at": floor_changes.milliseconds(row.began_at),
        "ended_at": floor_changes.milliseconds(row.ended_at),
        "seconds": round((row.ended_at - row.began_at).total_seconds()) if row.ended_at else None,
        "ended_as": row.ended_as,
        "ended_as_label": WATCH_ENDED.get(row.ended_as or "", row.ended_as or ""),
    }


def _names(db: Session) -> dict[str, str]:
    return {login: name for login, name in db.execute(select(User.login, User.name))}


# --- common ----------------------------------------------------------------------------------------------


def _seat(number: str, expects: dict[str, Any] | None) -> dict[str, Any]:
    """The seat with its agent, on whom this person may act. Raises Refusal."""
    seat = desk().floor.seat(number)
    if seat is None:
        raise Refusal("not_found", "没有这个坐席。")
    if not seat["agent"] or seat["presence"] == "signed_out":
        raise Refusal("not_signed_in", SAID["not_signed_in"])
    if expects and any(seat[key] != expects[name] for name, key in _SEEN if name in expects):
        raise Refusal("changed", SAID["changed"])
    with transaction() as db:
        group = db.scalar(select(User.group_id).where(User.login == seat["agent"]))
    if not may_act_on(me().role, me().group_id, group):
        raise Refusal("not_your_group", "该坐席不在您负责的班组，请联系该班组班长或值班主管。")
    return seat


_SEEN = (("agent", "agent"), ("uid", "call"))


def _expected(seat: dict[str, Any], expects: dict[str, Any] | None) -> dict[str, Any]:
    """What the cti checks again at the moment of the command: the agent whose group was looked at, and the
    call where the page named it."""
    return {"agent": seat["agent"], **({"uid": expects["uid"]} if expects and "uid" in expects else {})}


def _my_watch() -> dict[str, Any]:
    watching = desk().floor.watch_of(me().login)
    if watching is None:
        raise Refusal("not_watching", SAID["not_watching"])
    return watching


def _endpoint() -> str:
    """Name of my browser's telephone in Asterisk (`cti.telephones.leader_phone`)."""
    return f"v{me().id}"


def _check_queue_open(queue: str, but_not: str) -> None:
    with transaction() as db:
        openings = open_queues.read(db)
    if queue not in openings or queue == but_not:
        raise Refusal("bad_target", SAID["bad_target"])
    if not openings[queue].is_open(datetime.now(UTC)):
        raise Refusal("queue_closed", SAID["queue_closed"])


def _ordered(
    action: str,
    about: str,
    reason: str,
    command: str,
    seat: str,
    /,
    *,
    words: dict[str, str] | None = None,
    **arguments: Any,
) -> dict[str, Any]:
    """Note the action, then send the command; a refusal is noted too and said in a supervisor's words."""
    about = about.strip()
    with transaction() as db:
        note_access(db, action, about, reason)
    try:
        return desk().floor.command(command, seat, **arguments)
    except Refusal as refusal:
        _note_refused(action, about, refusal.code)
        said = (words or {}).get(refusal.code) or SAID.get(refusal.code)
        raise Refusal(refusal.code, said) from None


def _note_refused(action: str, about: str, code: str) -> None:
    try:
        with transaction() as db:
            note_access(db, f"{action}_refused", about, code)
    except SQLAlchemyError as error:
        log.warning("refusal_not_noted", action=action, about=about, code=code, error=type(error).__name__)


def _check_links() -> None:
    """Raises Refusal where no PBX is in sight, before anything is written."""
    if not any(link["connected"] for link in desk().floor.links().values()):
        raise Refusal("link_down")


def _confirmed(seat: str = "", agent: str = "") -> list[str] | None:
    """Have the telephone follow the tables, and wait until it says so; with `agent` gives the queues that
    Asterisk has him in. Raises Refusal not_confirmed: it is kept and will be followed."""
    try:
        return desk().floor.follow_tables(seat, agent)
    except Refusal as refusal:
        log.warning("tables_not_followed_yet", error=refusal.code)
        raise Refusal("not_confirmed", SAID["not_confirmed"], status=503) from None
