"""The ticket form: from untrusted JSON to a frozen `TicketForm`, or a sentence for each field. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tickets.problems import Invalid
from tickets.states import RequestType, Urgency

_TEXTS = {
    "title": (128, "标题"),
    "who": (128, "何人"),
    "when": (128, "何时"),
    "where": (256, "何地"),
    "what": (8000, "何事"),
    "asked_for": (4000, "诉求"),
    "answer": (8000, "答复内容"),
}
_REQUIRED = {"title": "请填写标题。", "what": "请填写事情经过。"}
_CITIZEN_TEXTS = {
    "name": (64, "姓名"),
    "address": (256, "地址"),
    "language": (32, "语言"),
    "note": (2000, "备注"),
}


@dataclass(frozen=True)
class CitizenForm:
    """Who called: `id` of a known citizen, or None for a new one. Empty texts change nothing."""

    id: int | None
    name: str
    gender: str | None
    address: str
    language: str
    note: str


@dataclass(frozen=True)
class TicketForm:
    """A form whose fields are well formed; whether the ids exist is for the edge to check."""

    request_type: str
    category_id: int
    region_id: int | None
    title: str
    who: str
    when: str
    where: str
    what: str
    asked_for: str
    urgency: str
    confidential: bool
    disposition: str | None
    answer: str
    unit_id: int | None
    citizen: CitizenForm | None


def read(body: Mapping[str, Any]) -> TicketForm:
    """The form in `body`. Raises Invalid with a sentence for every field that is wrong."""
    wrong: dict[str, str] = {}
    texts = {name: _text(body, name, *limits, wrong) for name, limits in _TEXTS.items()}
    for name, sentence in _REQUIRED.items():
        if not texts[name]:
            wrong.setdefault(name, sentence)
    ids = {name: _id(body, name, wrong) for name in ("category_id", "region_id", "unit_id")}
    if ids["category_id"] is None:
        wrong.setdefault("category_id", "请选择诉求分类。")
    request_type = _choice(body, "request_type", tuple(RequestType), "请选择诉求类型。", wrong)
    urgency = _choice(
        {"urgency": "normal"} | dict(body), "urgency", tuple(Urgency), "请选择紧急程度。", wrong
    )
    disposition = body.get("disposition")
    if disposition not in (None, "", "direct", "dispatch"):
        wrong["disposition"] = "请选择直办或转派。"
    if disposition == "direct" and not texts["answer"]:
        wrong.setdefault("answer", "直办需要填写答复内容。")
    if disposition == "dispatch" and ids["unit_id"] is None:
        wrong.setdefault("unit_id", "转派需要选择承办单位。")
    confidential = body.get("confidential") or False
    if not isinstance(confidential, bool):
        wrong["confidential"] = "请选择是否保密。"
    citizen = _citizen(body.get("citizen"), wrong)
    if wrong:
        raise Invalid(wrong)
    assert ids["category_id"] is not None
    return TicketForm(
        request_type=request_type,
        category_id=ids["category_id"],
        region_id=ids["region_id"],
        unit_id=ids["unit_id"],
        urgency=urgency,
        confidential=confidential,
        disposition=disposition or None,
        citizen=citizen,
        **texts,
    )


ELEMENTS = ("who", "when", "where", "what", "asked_for")
"""The five elements of a good ticket: who, when, where, what happened, what is asked for."""
_ENOUGH = {"who": 1, "when": 2, "where": 3, "what": 8, "asked_for": 4}
"""Shorter than this says too little: "噪音" is a word, not what happened. The page has the same figures."""
_SIGNS = {
    "when": re.compile(
        r"[0-9一二三四五六七八九十两半今昨前近当每刚早晚夜午凌晨周月年日天时点节现起]|长期|一直|刚才"
    ),
    "where": re.compile(
        r"[0-9路街道巷弄村镇乡区苑园号幢栋楼室口站桥校院场厂店门市府库河湖江旁侧处]"
        r"|大厦|公寓|家中|网上|线上|不详"
    ),
}
"""Without one of these signs nobody could find the moment or the place."""
_OPTIONAL = {"consultation": frozenset({"when", "where"}), "suggestion": frozenset({"when"})}
"""A question about rules happens nowhere, and a suggestion at no time."""


def elements(body: Mapping[str, Any]) -> dict[str, bool]:
    """Which of the five elements the form has, as far as it is typed; never raises.

    An element that the request type does not need counts as there while it is empty.
    """
    kind = body.get("request_type")
    optional = _OPTIONAL.get(kind, frozenset[str]()) if isinstance(kind, str) else frozenset[str]()
    return {name: _is_good(name, body.get(name), name in optional) for name in ELEMENTS}


def _is_good(name: str, value: Any, optional: bool) -> bool:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        return optional
    sign = _SIGNS.get(name)
    return len(text) >= _ENOUGH[name] and (sign is None or sign.search(text) is not None)


def _text(body: Mapping[str, Any], name: str, longest: int, label: str, wrong: dict[str, str]) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        wrong[name] = f"{label}应为文字。"
        return ""
    # PostgreSQL refuses NUL in a text, and no key on a keyboard makes one.
    value = value.replace("\x00", "").strip()
    if len(value) > longest:
        wrong[name] = f"{label}请不要超过 {longest} 字。"
    return value


def _id(body: Mapping[str, Any], name: str, wrong: dict[str, str]) -> int | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        wrong[name] = "请重新选择。"
        return None
    return value


def _choice(
    body: Mapping[str, Any], name: str, choices: tuple[str, ...], sentence: str, wrong: dict[str, str]
) -> str:
    value = body.get(name)
    if isinstance(value, str) and value in choices:
        return str(value)
    wrong[name] = sentence
    return ""


def _citizen(body: Any, wrong: dict[str, str]) -> CitizenForm | None:
    if not body:
        return None
    if not isinstance(body, Mapping):
        wrong["citizen"] = "请重新填写市民信息。"
        return None
    faults: dict[str, str] = {}
    texts = {name: _text(body, name, *limits, faults) for name, limits in _CITIZEN_TEXTS.items()}
    known = _id(body, "id", faults)
    gender = body.get("gender") or None
    if gender is not None and (not isinstance(gender, str) or len(gender) > 8):
        faults["gender"] = "请选择性别。"
        gender = None
    wrong.update({f"citizen.{name}": sentence for name, sentence in faults.items()})
    if known is None and not texts["name"]:
        return None
    return CitizenForm(id=known, gender=gender, **texts)
