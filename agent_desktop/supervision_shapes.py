"""Shapes of what supervisors send and see; sentences are Chinese."""

from __future__ import annotations

from typing import Any

from apiflask.fields import Boolean, Integer, List, Nested, String
from marshmallow.validate import Length, OneOf, Range, Regexp

from agent_desktop.errors import UID
from agent_desktop.labels import FLOOR_ACTIONS, WATCH_MODES
from agent_desktop.schemas import LATEST_MS, Schema, choice, words

LEAST_REASON = 2
REASON_SENTENCE = "请填写原因（2 至 200 个字），将记入审计日志。"
AFTER_SENTENCE = "请填写等候多少秒后溢出（5 至 3600 秒）。"
LISTENING = ["listen", "whisper", "barge"]
SEAT = r"[0-9]{1,8}\Z"


def reason(*, required: bool = True) -> String:
    """Why somebody does to another what is noted; `required` False: it may be empty."""
    if required:
        return words(REASON_SENTENCE, 200, least=LEAST_REASON)
    return String(
        load_default="",
        error_messages={"null": REASON_SENTENCE, "invalid": REASON_SENTENCE},
        validate=Length(0, 200, error=REASON_SENTENCE),
    )


def epoch_ms(**more: Any) -> Integer:
    sentence = "时间无效，请重新选择。"
    return Integer(
        allow_none=True,
        load_default=None,
        error_messages={"invalid": sentence},
        validate=Range(0, LATEST_MS, error=sentence),
        **more,
    )


class Expects(Schema):
    """Who and which call the person saw at the seat."""

    agent = String(allow_none=True, validate=Length(0, 32, error="没有这位话务员。"))
    uid = String(allow_none=True, validate=Regexp(rf"{UID.pattern}\Z", error="没有这通电话。"))


def expects() -> Nested:
    return Nested(Expects, allow_none=True, load_default=None)


# --- in ----------------------------------------------------------------------------------------------------


class WatchIn(Schema):
    seat = String(required=True, error_messages={"required": "请选择坐席。", "null": "请选择坐席。"},
                  validate=Regexp(SEAT, error="没有这个坐席。"))  # fmt: skip
    mode = choice("请选择监听、密语或强插。", LISTENING, load_default="listen")
    telephone = String(
        load_default="browser",
        validate=Regexp(r"(browser|[0-9]{1,8})\Z", error="请选择软电话或一部空闲话机。"),
    )
    follow = Boolean(load_default=False, error_messages={"invalid": "请选择是否监听下一通。"})
    expects = expects()


class ModeIn(Schema):
    mode = choice("请选择监听、密语或强插。", LISTENING, required=True)


class TakeOverIn(Schema):
    reason = reason()


class ForceIn(Schema):
    """`reason_code` for not_ready; `reason` may be empty for ready only."""

    verb = choice("请选择操作。", ["ready", "not_ready", "sign_out", "hang_up"], required=True)
    reason_code = String(load_default="", allow_none=True, validate=Length(0, 24, error="没有这个示忙原因。"))
    reason = reason(required=False)
    expects = expects()


class SeatQueueIn(Schema):
    queue = words("请选择队列。", 32)
    add = Boolean(
        required=True,
        error_messages={
            "required": "请选择加入或移出。",
            "null": "请选择加入或移出。",
            "invalid": "请选择加入或移出。",
        },
    )
    until = epoch_ms()
    reason = reason()
    expects = expects()


class MoveIn(Schema):
    to = choice("请选择移到队首、其他队列或坐席。", ["front", "queue", "seat"], required=True)
    target = String(
        load_default="",
        allow_none=True,
        validate=Regexp(r"([a-z_]{1,32}|[0-9]{1,8})?\Z", error="目标不存在，请重新选择。"),
    )
    reason = reason()
    expects = expects()


class SwitchIn(Schema):
    state = String(
        required=True,
        allow_none=True,
        error_messages={"required": "请选择开放、关闭或按计划。", "invalid": "请选择开放、关闭或按计划。"},
        validate=OneOf(["open", "closed"], error="请选择开放、关闭或按计划。"),
    )
    until = epoch_ms()
    reason = reason(required=False)


class OverflowIn(Schema):
    then = String(
        required=True,
        allow_none=True,
        error_messages={"required": "请选择溢出方式。", "invalid": "请选择溢出方式。"},
        validate=OneOf(["offer", "duty", "queue"], error="请选择溢出方式。"),
    )
    after_seconds = Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        error_messages={"invalid": AFTER_SENTENCE},
        validate=Range(5, 3600, error=AFTER_SENTENCE),
    )
    target = String(load_default="", allow_none=True, validate=Length(0, 32, error="请选择溢出到哪个队列。"))
    reason = reason(required=False)


def _seconds(sentence: str) -> Integer:
    return Integer(
        strict=True,
        error_messages={"invalid": sentence, "null": sentence},
        validate=Range(0, 7200, error=sentence),
    )


class FloorSettings(Schema):
    """A PUT may bring some of them only."""

    supervision_notice = Boolean(
        error_messages={"invalid": "请选择是否提示坐席。", "null": "请选择是否提示坐席。"}
    )
    trunk_channels = Integer(
        strict=True,
        error_messages={"invalid": "中继线路数应为 1 至 10000。", "null": "中继线路数应为 1 至 10000。"},
        validate=Range(1, 10_000, error="中继线路数应为 1 至 10000。"),
    )
    long_talk_seconds = _seconds("通话时限应为 0 至 7200 秒，0 为不提示。")
    long_hold_seconds = _seconds("保持时限应为 0 至 7200 秒，0 为不提示。")
    long_after_call_seconds = _seconds("话后处理时限应为 0 至 7200 秒，0 为不提示。")
    long_ring_seconds = _seconds("振铃时限应为 0 至 7200 秒，0 为不提示。")
    wall_notice = String(
        error_messages={"invalid": "大屏通知应为文字。", "null": "大屏通知应为文字。"},
        validate=Length(0, 200, error="大屏通知请不超过 200 字。"),
    )


def _limit() -> Integer:
    sentence = "一次最多 1000 条。"
    return Integer(
        load_default=200, validate=Range(1, 1000, error=sentence), error_messages={"invalid": sentence}
    )


def _login() -> String:
    return String(load_default="", validate=Length(0, 64, error="没有这个账号。"))


class AuditQuery(Schema):
    action = choice("没有这种操作。", ["", *FLOOR_ACTIONS], load_default="")
    by = _login()
    from_ = epoch_ms(data_key="from", attribute="from")
    to = epoch_ms()
    limit = _limit()


class LogQuery(Schema):
    call = String(load_default="", validate=Length(0, 64, error="没有这通电话。"))
    by = _login()
    agent = _login()
    limit = _limit()


# --- out ---------------------------------------------------------------------------------------------------


class FreePhone(Schema):
    seat = String()
    label = String()


class FreePhones(Schema):
    phones = List(Nested(FreePhone))


class SeatQueueOut(Schema):
    ok = Boolean()
    pending = Boolean()
    until = Integer(allow_none=True)
    message = String(allow_none=True)


class MoveOut(Schema):
    ok = Boolean()
    pending = Boolean()


class SwitchView(Schema):
    state = String()
    until = Integer(allow_none=True)
    by_name = String()
    reason = String()


class SwitchOut(Schema):
    queue = String()
    open = Boolean()
    switch = Nested(SwitchView, allow_none=True)


class OverflowView(Schema):
    after_seconds = Integer()
    then = String()
    target = String(allow_none=True)
    by_name = String()


class OverflowOut(Schema):
    queue = String()
    overflow = Nested(OverflowView, allow_none=True)


class AuditRow(Schema):
    at = Integer()
    by_name = String()
    action = String()
    action_label = String()
    refused = Boolean()
    object = String()
    object_label = String()
    reason = String()


class AuditPage(Schema):
    rows = List(Nested(AuditRow))


class LogRow(Schema):
    id = Integer()
    call_uid = String()
    seat = String()
    agent = String(allow_none=True)
    agent_name = String(allow_none=True)
    supervisor = String()
    supervisor_name = String(allow_none=True)
    mode = String(validate=OneOf(list(WATCH_MODES)))
    mode_label = String()
    telephone = String()
    began_at = Integer()
    ended_at = Integer(allow_none=True)
    seconds = Integer(allow_none=True)
    ended_as = String(allow_none=True)
    ended_as_label = String()


class LogPage(Schema):
    rows = List(Nested(LogRow))
