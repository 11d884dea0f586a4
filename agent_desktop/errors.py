"""Every refusal is a sentence for the person at the screen, with a code for the program."""

from __future__ import annotations

import re
from typing import Any

import structlog
from apiflask import APIFlask, HTTPError
from flask import request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tickets.problems import Invalid, NotAllowed, Stale, TicketProblem

log = structlog.get_logger("desktop")

UID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

SENTENCES: dict[str, tuple[int, str]] = {
    "not_logged_in": (401, "请先登录。"),
    "bad_credentials": (401, "账号或密码不正确。"),
    "csrf": (403, "页面已过期，请刷新页面后再试。"),
    "forbidden": (403, "您的岗位无权进行此操作。"),
    "not_found": (404, "没有找到所请求的内容。"),
    "no_recording": (404, "没有找到录音文件。"),
    "seat_taken": (409, "该坐席已由他人签入，请选择其他坐席。"),
    "in_call": (409, "通话尚未结束，请先结束当前通话。"),
    "no_seat": (409, "您还没有签入坐席。"),
    "call_gone": (409, "通话已结束。"),
    "not_signed_in": (409, "坐席未签入，请退出后重新登录。"),
    "unreachable": (409, "坐席话机未连接，请检查话机。"),
    "refused": (409, "电话系统未接受此操作。"),
    "bad_target": (422, "转接目标不存在或不可用。"),
    "no_number": (422, "没有可以拨打的号码：来电未显示号码，或未留联系电话。"),
    "nothing_to_redial": (404, "您还没有呼出过电话，没有号码可重拨。"),
    "taken": (409, "这条漏话已由其他话务员领取。"),
    "missed_closed": (409, "这条漏话已处理完毕，无需回拨。"),
    "missed_changed": (409, "这位市民刚刚又来过电，或有人刚回拨过，请核对后再操作。"),
    "no_party": (409, "没有正在咨询或加入通话的第三方。"),
    "not_in_call": (409, "当前没有可操作的通话。"),
    "party_there": (409, "已有一位第三方在咨询或通话中，请先结束后再操作。"),
    "party_not_there": (409, "对方还没有接听，请稍候。"),
    "on_hold": (409, "市民正在保持中，请先取回再操作。"),
    "already_paused": (409, "录音已经暂停。"),
    "not_paused": (409, "录音没有暂停。"),
    "not_after_call": (409, "话后处理已经结束。"),
    "telephone_silent": (409, "您的话机没有接起，呼出已取消。"),
    "target_unreachable": (409, "对方坐席未签入、正在通话，或话机未连接。"),
    "limit_reached": (409, "延长次数已用完，请尽快完成话后处理。"),
    "phone_elsewhere": (409, "软电话正在另一个页面使用，可在提示中选择接管。"),
    "desk_telephone": (409, "本次签入使用的是桌面话机；如需软电话，请退出后重新登录并选择软电话。"),
    "no_telephone_free": (409, "演示电话都在使用中，请稍后再试。"),
    "no_call": (409, "该坐席现在没有通话。"),
    "not_watching": (409, "您现在没有在监听任何坐席。"),
    "own_seat": (409, "不能监听自己的坐席。"),
    "telephone_busy": (409, "所选话机正在使用或未连接。"),
    "not_your_group": (403, "该坐席不在您负责的班组。"),
    "changed": (409, "坐席状态刚刚发生变化，请核对后再操作。"),
    "ringing": (409, "来电正在振铃坐席。"),
    "moving": (409, "来电正在移动中。"),
    "callback_place": (409, "这是市民预约回拨的排位，只能移到队首。"),
    "main_queue": (409, "综合咨询不能关闭。"),
    "queue_closed": (409, "该队列现已关闭。"),
    "unchanged": (409, "已是所选状态，无需更改。"),
    "last_queue": (409, "这是该坐席唯一的队列。"),
    "not_confirmed": (503, "设置已保存，但电话系统尚未确认。"),
    "forced_out": (409, "您已被班长签出，请退出后重新登录。"),
    "already_asked": (409, "已经发出过求助，班长会尽快过来。"),
    "not_asked": (409, "求助已被响应或已取消。"),
    "no_queue": (409, "该账号没有可用的队列，请联系管理员分配技能队列。"),
    "too_many": (429, "尝试次数过多，请稍后再试。"),
    "busy": (503, "同时登录的人较多，请几秒后再试。"),
    "link_down": (503, "与电话系统的连接已断开，请稍后再试。"),
    "timeout": (503, "电话系统没有及时响应，请稍后再试。"),
    "pbx_down": (503, "电话交换机暂时不可用，请稍后再试。"),
    "too_large": (413, "提交的内容过大。"),
    "disk_full": (503, "服务器存储空间不足，附件没有保存，请联系管理员。"),
    "database_away": (503, "数据库暂时无法访问，请稍后再试；已填写的内容会保留在页面上。"),
}

BY_STATUS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "请求内容无法识别。"),
    404: ("not_found", "没有找到所请求的内容。"),
    405: ("method_not_allowed", "不支持此操作方式。"),
    413: ("too_large", "提交的内容过大。"),
    415: ("not_json", "请求内容必须是 JSON。"),
    416: ("bad_range", "请求的播放范围无效。"),
    422: ("invalid", "有内容需要补充或更正。"),
    429: ("too_many", "尝试次数过多，请稍后再试。"),
    500: ("internal", "系统内部错误，已记录，请稍后再试。"),
}


class Refusal(HTTPError):
    """A request that is not carried out. `code` is one of SENTENCES; `fields` maps field to sentence."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        fields: dict[str, str] | None = None,
    ) -> None:
        known_status, sentence = SENTENCES.get(code, (409, "电话系统未接受此操作。"))
        extra: dict[str, Any] = {"error": code} | ({"fields": fields} if fields else {})
        super().__init__(status or known_status, message or sentence, extra_data=extra)
        self.code = code


def invalid(fields: dict[str, str]) -> Refusal:
    """422 with a sentence for each field."""
    return Refusal("invalid", "有内容需要补充或更正。", status=422, fields=fields)


def check_uid(uid: str) -> None:
    """Raises Refusal where this cannot be the uid of a call."""
    if not UID.fullmatch(uid):
        raise Refusal("not_found")


def is_database_away(error: BaseException) -> bool:
    """The database cannot be reached or is locked, as opposed to having been asked nonsense."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout)


def speak_json(app: APIFlask) -> None:
    """Make every error of the application the contract's JSON; no trace ever leaves the server."""

    @app.error_processor
    def _as_json(error: HTTPError) -> Any:
        if "error" in error.extra_data:
            return {**error.extra_data, "message": error.message}, error.status_code, error.headers
        code, sentence = BY_STATUS.get(error.status_code, ("refused", "请求未被接受。"))
        body: dict[str, Any] = {"error": code, "message": sentence}
        if error.status_code == 422 and isinstance(error.detail, dict):
            body["fields"] = _flat(error.detail)
        headers = {k: v for k, v in dict(error.headers).items() if k.lower() != "content-length"}
        return body, error.status_code, headers

    @app.errorhandler(OperationalError)
    @app.errorhandler(InterfaceError)
    @app.errorhandler(DBAPIError)
    @app.errorhandler(PoolTimeout)
    def _database(error: Exception) -> ResponseReturnValue:
        if not is_database_away(error):
            return _crash(error)
        log.warning("database_away", path=request.path, error=str(error).split("\n")[0][:200])
        status, sentence = SENTENCES["database_away"]
        return {"error": "database_away", "message": sentence}, status, {"Retry-After": "5"}

    @app.errorhandler(RecursionError)
    def _too_deep(_error: RecursionError) -> ResponseReturnValue:
        code, sentence = BY_STATUS[400]
        return {"error": code, "message": sentence}, 400

    @app.errorhandler(TicketProblem)
    def _ticket(problem: TicketProblem) -> ResponseReturnValue:
        status, fields = 409, {}
        if isinstance(problem, Invalid):
            status, fields = 422, {"fields": problem.fields}
        elif isinstance(problem, NotAllowed) and problem.code == "not_your_role":
            status = 403
        elif isinstance(problem, NotAllowed) and problem.code == "unknown_action":
            status = 404
        elif not isinstance(problem, NotAllowed | Stale):
            status = 503
        return {"error": problem.code, "message": str(problem), **fields}, status

    @app.errorhandler(Exception)
    def _crash(error: Exception) -> ResponseReturnValue:
        log.error("request_crashed", path=request.path, method=request.method, exc_info=error)
        code, sentence = BY_STATUS[500]
        return {"error": code, "message": sentence}, 500


def _flat(detail: dict[str, Any]) -> dict[str, str]:
    """Marshmallow's nested messages as {"field": sentence}; nested fields are joined by dots."""
    flat: dict[str, str] = {}

    def walk(prefix: str, part: Any) -> None:
        if isinstance(part, dict):
            for key, inner in part.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        elif isinstance(part, list):
            for inner in part:
                walk(prefix, inner)
        else:
            flat.setdefault(prefix.removeprefix("json.").removeprefix("query."), str(part))

    walk("", {k: v for part in detail.values() if isinstance(part, dict) for k, v in part.items()} or detail)
    return flat
