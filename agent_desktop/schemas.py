"""Shapes of what goes in and out, for checking and for the OpenAPI document. Sentences are Chinese."""

from __future__ import annotations

from typing import Any, ClassVar

from apiflask import Schema as ApiSchema
from apiflask.fields import Boolean, Dict, File, Float, Integer, List, Nested, Raw, String
from marshmallow import EXCLUDE, ValidationError, pre_load, validates_schema
from marshmallow.validate import Length, OneOf, Range, Regexp

from agent_desktop.errors import UID
from agent_desktop.labels import OUTCOMES, ROLES
from ivr.missed_rules import SAID_BY_PEOPLE
from tickets.caller_notes import KINDS as NOTE_KINDS
from tickets.states import RequestType, Urgency

LONGEST_NUMBER = 2**31 - 1
LATEST_MS = 4_102_444_800_000
"""The year 2100: an end beyond it is a slip of the keyboard."""


def keepable(part: Any) -> Any:
    """JSON with texts that every database keeps: no NUL, no half of a surrogate pair."""
    if isinstance(part, str):
        return part.replace("\x00", "").encode("utf-8", "replace").decode()
    if isinstance(part, dict):
        return {keepable(key): keepable(value) for key, value in part.items()}
    return [keepable(one) for one in part] if isinstance(part, list) else part


class Schema(ApiSchema):
    """Unknown fields are passed over, so that a newer page can talk to an older server."""

    error_messages: ClassVar[dict[str, str]] = {"type": "请求内容无法识别。", "unknown": "未知的字段。"}  # type: ignore[misc]

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def _keepable(self, data: Any, **_: Any) -> Any:
        return keepable(data) if isinstance(data, dict) else data


def _messages(required: str) -> Any:
    return {"required": required, "null": required, "invalid": required}


def words(sentence: str, longest: int, *, least: int = 1, required: bool = True, **more: Any) -> String:
    """A text that a person typed; `sentence` is said when it is missing or does not fit."""
    return String(
        required=required,
        error_messages=_messages(sentence),
        validate=Length(least, longest, error=sentence),
        **more,
    )


def choice(sentence: str, codes: list[str], **more: Any) -> String:
    return String(error_messages=_messages(sentence), validate=OneOf(codes, error=sentence), **more)


def number(sentence: str, *, required: bool = False, **more: Any) -> Integer:
    return Integer(
        required=required,
        error_messages=_messages(sentence),
        validate=Range(1, LONGEST_NUMBER, error=sentence),
        **more,
    )


class Error(Schema):
    error = String(required=True)
    message = String(required=True)
    fields_ = Dict(data_key="fields", keys=String(), values=String())


def errors(*statuses: int) -> Any:
    """The documented refusals of an endpoint."""
    texts = {
        400: "Not understood",
        401: "Not logged in",
        403: "Not allowed",
        404: "Not found",
        409: "Conflict",
        413: "Too large",
        415: "Not JSON",
        416: "No such range",
        422: "Invalid",
        429: "Too many",
        503: "PBX or database away, or no room on the disk",
    }
    return {
        status: {"description": texts[status], "content": {"application/json": {"schema": Error}}}
        for status in (*statuses, 503)
        if status in texts
    }


# --- in ----------------------------------------------------------------------------------------------------


class LogIn(Schema):
    login = words("请输入账号。", 32)
    password = words("请输入密码。", 256)
    seat = String(allow_none=True, validate=Length(0, 8, error="没有这个坐席。"))
    telephone = choice("请选择软电话或桌面话机。", ["browser", "desk"], load_default="desk")


class PhoneAsked(Schema):
    page = String(
        required=True,
        error_messages=_messages("页面标识无效，请刷新页面。"),
        validate=Regexp(r"^[A-Za-z0-9-]{1,64}\Z", error="页面标识无效，请刷新页面。"),
    )
    take_over = Boolean(load_default=False, error_messages=_messages("请选择是否接管。"))


class VisitOver(Schema):
    user = String(required=True, validate=Length(1, 32, error="没有这部电话。"))


class NotReady(Schema):
    """Which reasons there are is a table: the view looks."""

    reason = words("请选择示忙原因。", 24)


class Dial(Schema):
    """One of them: what the number belongs to, or the digits."""

    ticket = String(validate=Length(1, 16, error="没有这张工单。"))
    missed = number("没有这条漏话。")
    call = String(validate=Regexp(UID.pattern + r"\Z", error="没有这通电话。"))
    number = words("请输入电话号码。", 32, required=False)
    redial = Boolean(error_messages=_messages("请选择要重拨的号码。"))

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if sum(bool(value) for value in data.values()) != 1:
            raise ValidationError("请输入电话号码。", "number")


def _target() -> String:
    # No line breaks: a group's name travels to the telephone system as it is.
    return String(
        required=True,
        error_messages=_messages("请选择转接目标。"),
        validate=Regexp(r"^[\w+*#(). -]{1,32}\Z", error="转接目标不存在或不可用。"),
    )


class Transfer(Schema):
    kind = choice("请选择转接方式。", ["queue", "seat", "number", "target", "group"], required=True)
    target = _target()


class Consult(Schema):
    kind = choice("请选择咨询对象。", ["seat", "number", "target", "group"], required=True)
    target = _target()


class Reveal(Schema):
    reason = words("请填写查看原因（至少 4 个字）。", 256, least=4)


class DraftIn(Schema):
    body = Dict(required=True, keys=String(), error_messages=_messages("草稿内容无法识别。"))


class CitizenIn(Schema):
    id = number("没有这位市民的记录。", allow_none=True)
    name = String(allow_none=True)
    gender = String(allow_none=True)
    address = String(allow_none=True)
    language = String(allow_none=True)
    note = String(allow_none=True)


class TicketIn(Schema):
    """Lengths and what a disposition needs are judged by `tickets.form`."""

    call_uid = String(
        allow_none=True, load_default=None, validate=Regexp(UID.pattern + r"\Z", error="没有这通电话。")
    )
    request_type = choice("请选择诉求类型。", list(RequestType), required=True)
    category_id = number("请选择诉求分类。", required=True)
    region_id = number("请重新选择区域。", allow_none=True)
    title = words("请填写标题。", 128)
    who = String(allow_none=True)
    when = String(allow_none=True)
    where = String(allow_none=True)
    what = words("请填写事情经过。", 8000)
    asked_for = String(allow_none=True)
    urgency = choice("请选择紧急程度。", list(Urgency))
    confidential = Boolean(allow_none=True, error_messages=_messages("请选择是否保密。"))
    disposition = choice("请选择直办或转派。", ["direct", "dispatch"], allow_none=True)
    answer = String(allow_none=True)
    unit_id = number("请选择承办单位。", allow_none=True)
    citizen = Nested(CitizenIn, allow_none=True)


class IdempotencyKey(Schema):
    key = String(data_key="Idempotency-Key", validate=Length(0, 64, error="表单标识过长。"))


class TicketAction(Schema):
    note = String(allow_none=True)
    answer = String(allow_none=True)
    unit_id = number("请选择承办单位。", allow_none=True)
    version = number("请刷新后再操作。", allow_none=True)


class CheckIn(Schema):
    """A form as far as it is typed. Nothing is required, and a field that does not fit counts as empty."""

    call_uid = Raw(allow_none=True)
    request_type = Raw(allow_none=True)
    category_id = Raw(allow_none=True)
    region_id = Raw(allow_none=True)
    title = Raw(allow_none=True)
    who = Raw(allow_none=True)
    when = Raw(allow_none=True)
    where = Raw(allow_none=True)
    what = Raw(allow_none=True)
    asked_for = Raw(allow_none=True)


class NearbyQuery(Schema):
    category_id = number("没有这个诉求分类。", load_default=None)
    region_id = number("没有这个区域。", load_default=None)
    where = String(load_default="", validate=Length(0, 256, error="地点请不要超过 256 字。"))


class KnowledgeQuery(Schema):
    category_id = number("没有这个诉求分类。", load_default=None)
    q = String(load_default="", validate=Length(0, 64, error="查询内容过长。"))


class ScriptQuery(Schema):
    request_type = choice("没有这个诉求类型。", ["", *RequestType], load_default="")
    category_id = number("没有这个诉求分类。", load_default=None)


FORM_KEY = Regexp(r"^[A-Za-z0-9_.:-]{8,64}\Z", error="表单标识无效，请刷新页面。")


class AttachmentIn(Schema):
    file = File(required=True, error_messages=_messages("请选择要上传的文件。"))
    form_key = String(
        required=True, error_messages=_messages("表单标识缺失，请刷新页面。"), validate=FORM_KEY
    )


class AttachmentQuery(Schema):
    form_key = String(
        required=True, error_messages=_messages("表单标识缺失，请刷新页面。"), validate=FORM_KEY
    )


class MergeIn(Schema):
    other_id = number("没有这位市民的记录。", required=True)
    reason = words("请填写合并原因（至少 4 个字）。", 256, least=4)


class SplitIn(Schema):
    """Either `phones` (their ids) with `name`, or `undo_merge` (id of the record that was merged)."""

    phones = List(number("没有这个号码。"), load_default=list, validate=Length(0, 50, error="号码过多。"))
    name = words("请填写姓名。", 64, least=0, required=False, load_default="")
    undo_merge = number("没有这位市民的记录。", allow_none=True, load_default=None)
    reason = words("请填写拆分原因（至少 4 个字）。", 256, least=4)


class CallerNoteIn(Schema):
    """For the number of a call (`call_uid`), or for a `number` typed in by a leader."""

    call_uid = String(
        allow_none=True, load_default=None, validate=Regexp(UID.pattern + r"\Z", error="没有这通电话。")
    )
    number = String(allow_none=True, load_default=None, validate=Length(0, 32, error="号码过长。"))
    kind = choice("请选择提示类型。", list(NOTE_KINDS), required=True)
    note = words("请填写提示内容。", 256)
    until = Integer(
        allow_none=True,
        load_default=None,
        error_messages=_messages("截止时间无效。"),
        validate=Range(0, LATEST_MS, error="截止时间无效。"),
    )


class CallerNoteChange(Schema):
    note = words("请填写提示内容。", 256)
    until = Integer(
        allow_none=True,
        load_default=None,
        error_messages=_messages("截止时间无效。"),
        validate=Range(0, LATEST_MS, error="截止时间无效。"),
    )


class Paged(Schema):
    page = Integer(
        load_default=1,
        error_messages=_messages("页码无效。"),
        validate=Range(1, 1_000_000, error="页码无效。"),
    )
    q = String(load_default="", validate=Length(0, 64, error="查询内容过长。"))


class TicketQuery(Paged):
    state = String(load_default="", validate=Length(0, 24, error="没有这个状态。"))
    mine = String(load_default="")


class CitizenQuery(Paged):
    """`q`: part of the name, the whole number, or its last four digits."""


class CallerNoteQuery(Paged):
    """`q`: whole number or its last four digits; `call_uid`: the notes of that call's number."""

    call_uid = String(load_default="", validate=Length(0, 64, error="没有这通电话。"))
    state = choice("没有这个状态。", ["", "active", "ended"], load_default="active")


class CallQuery(Paged):
    mine = String(load_default="")
    outcome = choice("没有这个结果。", ["", *OUTCOMES], load_default="")
    date = String(load_default="", validate=Regexp(r"^(\d{4}-\d{2}-\d{2})?$", error="日期应如 2026-11-21。"))


class MissedQuery(Paged):
    state = choice("没有这个状态。", ["open", "mine", "closed"], load_default="open")


class MissedAttemptIn(Schema):
    result = choice("请选择回拨结果。", [one.value for one in SAID_BY_PEOPLE], required=True)
    note = String(load_default="", validate=Length(0, 256, error="备注请不超过 256 字。"))


class MissedGivenUp(Schema):
    note = words("请填写放弃回拨的原因（至少 2 个字）。", 256, least=2)
    version = number("页面已过期，请刷新后再试。", allow_none=True, load_default=None)


class RecordingQuery(Paged):
    state = choice("没有这个状态。", ["", "kept", "suspect", "gap", "explained"], load_default="")
    date = String(load_default="", validate=Regexp(r"^(\d{4}-\d{2}-\d{2})?$", error="日期应如 2026-11-21。"))


# --- out ---------------------------------------------------------------------------------------------------


class NumberOut(Schema):
    masked = String(required=True)
    region = String(required=True)


class PhoneOut(NumberOut):
    id = Integer()


class UserOut(Schema):
    id = Integer()
    login = String()
    name = String()
    work_number = String()
    role = String(validate=OneOf(list(ROLES)))
    group_id = Integer(allow_none=True)


class LinkOut(Schema):
    connected = Boolean()
    blind_since = Integer(allow_none=True)


class SessionOut(Schema):
    csrf = String()
    user = Nested(UserOut, allow_none=True)
    seat = String(allow_none=True)
    city = String()
    server_time = Integer()
    wrapup_seconds = Integer()
    telephone = String(validate=OneOf(["browser", "desk"]))
    links = Dict(keys=String(), values=Nested(LinkOut))


class IceServer(Schema):
    urls = List(String())
    username = String()
    credential = String()


class PhoneAccount(Schema):
    uri = String()
    user = String()
    password = String()
    ws = String()
    ice = List(Nested(IceServer))


class SeatChoice(Schema):
    number = String()
    label = String()
    taken = Boolean()
    agent = String(allow_none=True)
    reachable = Boolean()


class Accepted(Schema):
    ok = Boolean()


class SeatOut(Schema):
    seat = String()
    agent = String(allow_none=True)
    presence = String()
    reason = String(allow_none=True)
    activity = String()
    reachable = Boolean()
    help_since = Integer(allow_none=True)
    since = Integer(allow_none=True)
    call = String(allow_none=True)
    queues = List(String())
    telephone = String(allow_none=True)
    next = String(allow_none=True)
    until = Integer(allow_none=True)


class PartyOut(Schema):
    kind = String()
    label = String()
    seat = String(allow_none=True)
    state = String()
    since = Integer(allow_none=True)


class CallView(Schema):
    uid = String()
    role = String()
    direction = String(allow_none=True)
    kind = String(allow_none=True)
    recording = String(allow_none=True)
    paused_since = Integer(allow_none=True)
    party = Nested(PartyOut, allow_none=True)
    about = String(allow_none=True)
    callback_of = String(allow_none=True)
    number = Nested(NumberOut)
    state = String()
    queue = String(allow_none=True)
    queue_label = String()
    path = List(Dict())
    path_labels = List(String())
    arrived_at = Integer(allow_none=True)
    queued_at = Integer(allow_none=True)
    ringing_at = Integer(allow_none=True)
    answered_at = Integer(allow_none=True)
    seat = String(allow_none=True)
    priority = Integer(allow_none=True)
    event_at = Integer(allow_none=True)


class SatisfactionOut(Schema):
    rated = Integer()
    satisfied = Integer()
    rate = Float(allow_none=True)


class TodayOut(Schema):
    """What each figure means: `reports.definitions`."""

    answered = Integer()
    outbound = Integer()
    talk_seconds = Integer()
    average_talk_seconds = Integer(allow_none=True)
    average_wait_seconds = Integer(allow_none=True)
    after_call_seconds = Integer()
    average_after_call_seconds = Integer(allow_none=True)
    signed_in_seconds = Integer()
    utilisation = Float(allow_none=True)
    direct_rate = Float(allow_none=True)
    satisfaction = Nested(SatisfactionOut)


class SeatPage(Schema):
    seat = Nested(SeatOut, allow_none=True)
    call = Nested(CallView, allow_none=True)
    today = Nested(TodayOut, allow_none=True)


class TicketRow(Schema):
    id = Integer()
    number = String()
    state = String()
    state_label = String()
    request_type = String()
    request_type_label = String()
    title = String()
    category = String(allow_none=True)
    unit = String(allow_none=True)
    urgency = String()
    urgency_label = String()
    confidential = Boolean()
    created_at = Integer()
    created_by = Integer()
    created_by_name = String(allow_none=True)
    call_uid = String(allow_none=True)
    open = Boolean()


class CandidateOut(Schema):
    id = Integer()
    name = String()
    gender = String(allow_none=True)
    address = String(allow_none=True)
    note = String(allow_none=True)
    language = String(allow_none=True)
    numbers = List(Nested(PhoneOut))
    open_tickets = Integer()
    ticket_count = Integer()


class NearbyRow(TicketRow):
    """A ticket of the same matter. `distance_label` says in words how near, `distance` is for the program."""

    distance = String(
        validate=OneOf(["same_category_and_place", "same_category_and_region", "same_category_within_region"])
    )
    distance_label = String()


class NearbyRows(Schema):
    rows = List(Nested(NearbyRow))


class DuplicateRow(TicketRow):
    """What may be the same matter already: `score` 0..1, best first."""

    why = String()
    score = Float()


class CheckOut(Schema):
    duplicates = List(Nested(DuplicateRow))
    elements = Dict(keys=String(), values=Boolean())


class KnowledgeRow(Schema):
    id = Integer()
    category_id = Integer(allow_none=True)
    category = String(allow_none=True)
    title = String()
    body = String()
    source = String()
    updated_at = Integer()


class KnowledgeRows(Schema):
    rows = List(Nested(KnowledgeRow))


class ScriptStep(Schema):
    say = String()
    field = String(allow_none=True)
    ask = String(allow_none=True)


class ScriptRow(Schema):
    id = Integer()
    code = String()
    title = String()
    request_type = String(allow_none=True)
    category_id = Integer(allow_none=True)
    steps = List(Nested(ScriptStep))


class ScriptRows(Schema):
    rows = List(Nested(ScriptRow))


class AttachmentOut(Schema):
    id = Integer()
    name = String()
    bytes = Integer()
    media_type = String()
    created_at = Integer()
    user_name = String(allow_none=True)


class AttachmentRows(Schema):
    rows = List(Nested(AttachmentOut))


class MergedCitizen(Schema):
    id = Integer()
    name = String()


class CitizenDetail(CandidateOut):
    """`merged_into`: this record is history. `merged`: records kept under this one, each can be undone."""

    merged_into = Nested(MergedCitizen, allow_none=True)
    merged = List(Nested(MergedCitizen))


class CitizenEventOut(Schema):
    id = Integer()
    at = Integer()
    actor_name = String(allow_none=True)
    action = String()
    action_label = String()
    reason = String()
    summary = String()
    citizen_id = Integer()
    other_id = Integer(allow_none=True)
    other_name = String(allow_none=True)


class CitizenEvents(Schema):
    rows = List(Nested(CitizenEventOut))


class CallerNoteOut(Schema):
    id = Integer()
    number = Nested(NumberOut)
    kind = String(validate=OneOf(list(NOTE_KINDS)))
    kind_label = String()
    note = String()
    until = Integer(allow_none=True)
    created_at = Integer()
    created_by_name = String(allow_none=True)
    ended_at = Integer(allow_none=True)
    active = Boolean()
    mine = Boolean()


class PopNote(Schema):
    id = Integer()
    kind = String()
    kind_label = String()
    note = String()
    until = Integer(allow_none=True)


class PreviousAgent(Schema):
    name = String()
    at = Integer()


class CallbackOut(Schema):
    asked_at = Integer()
    queue_label = String()


class MissedOut(Schema):
    id = Integer()
    times = Integer()
    last_at = Integer()


class RatingOut(Schema):
    score = Integer()
    label = String()
    reason_label = String(allow_none=True)


class RecentCall(Schema):
    uid = String()
    direction = String()
    arrived_at = Integer()
    outcome = String(allow_none=True)
    outcome_label = String()
    agent_name = String(allow_none=True)
    queue_label = String()
    ticket_numbers = List(String())


class Repeat(Schema):
    calls_24h = Integer()
    calls_7d = Integer()
    flag = Boolean()


class DraftOut(Schema):
    call_uid = String()
    body = Dict()
    saved_at = Integer()


class SavedAt(Schema):
    saved_at = Integer()


class Pop(Schema):
    uid = String()
    database = Boolean()
    number = Nested(NumberOut)
    withheld = Boolean()
    caller_name = String()
    queue_label = String()
    path_labels = List(String())
    waited_ms = Integer(allow_none=True)
    arrived_at = Integer(allow_none=True)
    candidates = List(Nested(CandidateOut))
    recent_calls = List(Nested(RecentCall))
    tickets = List(Nested(TicketRow))
    repeat = Nested(Repeat)
    draft = Nested(DraftOut, allow_none=True)
    role = String(validate=OneOf(["agent", "party"]))
    direction = String()
    kind = String()
    about = String(allow_none=True)
    previous_agent = Nested(PreviousAgent, allow_none=True)
    caller_notes = List(Nested(PopNote))
    language = String(allow_none=True)
    callback = Nested(CallbackOut, allow_none=True)
    missed = Nested(MissedOut, allow_none=True)


class RecordingBrief(Schema):
    id = Integer()
    state = String()
    seconds = Float(allow_none=True)


class CallRow(Schema):
    uid = String()
    direction = String()
    number = Nested(NumberOut)
    arrived_at = Integer()
    outcome = String(allow_none=True)
    outcome_label = String()
    queue_label = String()
    agent_name = String(allow_none=True)
    seat = String(allow_none=True)
    wait_ms = Integer(allow_none=True)
    talk_ms = Integer(allow_none=True)
    hold_ms = Integer()
    ended_by = String(allow_none=True)
    rating = Nested(RatingOut, allow_none=True)
    ticket_numbers = List(String())
    recording = Nested(RecordingBrief, allow_none=True)


class RecordingRow(Schema):
    id = Integer()
    call_uid = String()
    kind = String()
    state = String()
    state_label = String()
    problem = String(allow_none=True)
    seconds = Float(allow_none=True)
    number = Nested(NumberOut)
    agent_name = String(allow_none=True)
    queue_label = String()
    arrived_at = Integer(allow_none=True)
    listenable = Boolean()


def page_of(row: type[Schema]) -> type[Schema]:
    """{rows, total, page, page_size} of one kind of row."""
    return type(
        f"{row.__name__}Page",
        (Schema,),
        {"rows": List(Nested(row)), "total": Integer(), "page": Integer(), "page_size": Integer()},
    )


CallPage, RecordingPage, TicketPage = page_of(CallRow), page_of(RecordingRow), page_of(TicketRow)
CitizenPage, CallerNotePage = page_of(CandidateOut), page_of(CallerNoteOut)


class TimelineEntry(Schema):
    at = Integer()
    actor_name = String(allow_none=True)
    action = String()
    action_label = String()
    from_state = String(allow_none=True)
    from_state_label = String(allow_none=True)
    to_state = String(allow_none=True)
    to_state_label = String(allow_none=True)
    note = String()


class CitizenOut(Schema):
    id = Integer()
    name = String()
    gender = String(allow_none=True)
    address = String(allow_none=True)
    note = String(allow_none=True)
    language = String(allow_none=True)


class TicketDetail(TicketRow):
    channel = String()
    category_id = Integer(allow_none=True)
    region_id = Integer(allow_none=True)
    region = String(allow_none=True)
    who = String()
    when = String()
    where = String()
    what = String()
    asked_for = String()
    disposition = String(allow_none=True)
    answer = String(allow_none=True)
    unit_id = Integer(allow_none=True)
    contact = Nested(NumberOut)
    citizen = Nested(CitizenOut, allow_none=True)
    closed_at = Integer(allow_none=True)
    updated_at = Integer()
    version = Integer()
    timeline = List(Nested(TimelineEntry))
    actions = List(String())
    action_labels = Dict(keys=String(), values=String())
    recordings = List(Nested(RecordingRow))
    attachments = List(Nested(AttachmentOut))


class Revealed(Schema):
    number = String()


class PartOut(Schema):
    kind = String()
    label = String()
    agent_name = String(allow_none=True)
    from_s = Float()
    to_s = Float()
    seconds = Float()


class Peaks(Schema):
    peaks = List(List(Float()))
    seconds = Float()
    parts = List(Nested(PartOut))


class Coded(Schema):
    code = String()
    label = String()


class ReasonOut(Coded):
    limit_minutes = Integer(allow_none=True)


class SeatToChoose(Schema):
    number = String()
    label = String()
    agent_name = String(allow_none=True)
    state = String()


class TransferChoices(Schema):
    seats = List(Nested(SeatToChoose))
    queues = List(Dict())
    groups = List(Dict())


class Catalogue(Schema):
    categories = List(Dict())
    regions = List(Dict())
    units = List(Dict())
    queues = List(Dict())
    request_types = List(Nested(Coded))
    urgencies = List(Nested(Coded))
    reasons = List(Nested(ReasonOut))
    seats = List(Dict())
    transfer = Dict()


class MissedTry(Schema):
    at = Integer()
    result = String()
    result_label = String()
    note = String()
    user_name = String(allow_none=True)


class MissedRow(Schema):
    id = Integer()
    number = Nested(NumberOut)
    kind = String()
    kind_label = String()
    times = Integer()
    first_at = Integer()
    last_at = Integer()
    waiting_seconds = Integer()
    queue_label = String()
    attempts = Integer()
    last_attempt = Nested(MissedTry, allow_none=True)
    taken_by_name = String(allow_none=True)
    mine = Boolean()
    version = Integer()
    last_call_uid = String()
    has_message = Integer(allow_none=True)
    message = Nested(RecordingBrief, allow_none=True)
    closed_at = Integer(allow_none=True)
    closed_as = String(allow_none=True)
    closed_as_label = String(allow_none=True)
    closed_by_name = String(allow_none=True)


class MissedPage(page_of(MissedRow)):  # type: ignore[misc]
    open = Integer()


class MissedCount(Schema):
    open = Integer()


class Health(Schema):
    ok = Boolean()
    links = Dict(keys=String(), values=Nested(LinkOut))
    database = Boolean()
