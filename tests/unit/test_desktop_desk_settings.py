"""What leaders set for the desks: kept, judged field by field, noted, and not saved over somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from desktop_parts import Browser, Cti
from sqlalchemy import select

from agent_desktop.app import Parts
from agent_desktop.desk_tables import new_code
from db.models import AccessLog, NotReadyReason, QueueMembership, TransferTarget

pytest_plugins = ["desktop_fixtures"]

TODAY = datetime.now(ZoneInfo("Asia/Shanghai")).date()
TARGET = {"group": "专家组", "name": "社保专家", "number": "1990 001-0011", "note": "工伤", "active": True}


@pytest.fixture
def leader(cti: Cti, open_browser: Callable[[], Browser]) -> Browser:
    browser = open_browser()
    assert browser.log_in("leader01").status_code == 200
    return browser


def shown(leader: Browser, what: str) -> dict[str, Any]:
    answer = leader.get(f"/api/desk-settings/{what}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def put(leader: Browser, what: str, **body: Any) -> Any:
    return leader.send(
        "PUT", f"/api/desk-settings/{what}", {"version": shown(leader, what)["version"], **body}
    )


def noted(parts: Parts) -> list[tuple[str, str]]:
    with parts.desk.sessions() as db:
        lines = db.scalars(
            select(AccessLog).where(AccessLog.action == "desk_settings").order_by(AccessLog.id)
        )
        return [(line.object, line.reason) for line in lines]


def period(queue: str = "complaint", first: int = 0, last: int = 0, **facts: Any) -> dict[str, Any]:
    """A period from so many days from today until so many."""
    return {
        "id": None,
        "queue": queue,
        "title": "旺季",
        "opens_on": (TODAY + timedelta(first)).isoformat(),
        "closes_on": (TODAY + timedelta(last)).isoformat(),
        "from_time": None,
        "to_time": None,
    } | facts


# --- skills --------------------------------------------------------------------------------------------


def test_skills_are_a_matrix_of_agents_and_queues(leader: Browser, cti: Cti, parts: Parts) -> None:
    page = shown(leader, "skills")
    assert [queue["name"] for queue in page["queues"]] == ["consultation", "complaint"]
    first = page["agents"][0]
    assert (first["login"], first["penalties"]) == ("agent01", {"consultation": 0, "complaint": 2})
    saved = put(leader, "skills", agents=[{"id": first["id"], "penalties": {"complaint": 0}}])
    assert saved.json["agents"][0]["penalties"] == {"complaint": 0}
    assert saved.json["version"] != page["version"]
    assert noted(parts) == [("agent01", "-consultation complaint:3→1")]
    assert [command["name"] for command in cti.commands] == ["skills_changed"]
    with parts.desk.sessions() as db:
        assert db.scalars(select(QueueMembership.queue)).all() == ["complaint"]


@pytest.mark.parametrize(
    ("agent", "field"),
    [
        ({"id": 99, "penalties": {}}, "agents.0.id"),
        ({"id": 3, "penalties": {}}, "agents.0.id"),
        ({"id": 1, "penalties": {"moon": 0}}, "agents.0.penalties.moon"),
        ({"id": 1, "penalties": {"complaint": 10}}, "agents.0.penalties.complaint.value"),
        ({"id": 1, "penalties": {"complaint": "x"}}, "agents.0.penalties.complaint.value"),
        ({"id": 1}, "agents.0.penalties"),
    ],
)
def test_skills_that_make_no_sense_are_refused(
    leader: Browser, parts: Parts, agent: dict[str, Any], field: str
) -> None:
    answer = put(leader, "skills", agents=[agent])
    assert answer.status_code == 422
    assert list(answer.json["fields"]) == [field]
    assert noted(parts) == []


def test_what_somebody_else_has_saved_is_not_overwritten(leader: Browser) -> None:
    old = shown(leader, "skills")["version"]
    put(leader, "skills", agents=[{"id": 1, "penalties": {"consultation": 5}}])
    body = {"version": old, "agents": [{"id": 1, "penalties": {}}]}
    answer = leader.send("PUT", "/api/desk-settings/skills", body)
    assert (answer.status_code, answer.json["error"]) == (409, "stale")
    assert shown(leader, "skills")["agents"][0]["penalties"] == {"consultation": 5}


# --- special desks -------------------------------------------------------------------------------------


def desk(page: dict[str, Any], queue: str) -> dict[str, Any]:
    return next(one for one in page["desks"] if one["queue"] == queue)


def test_a_special_desk_says_whether_it_is_open_and_until_when(leader: Browser, parts: Parts) -> None:
    assert desk(shown(leader, "special-desks"), "complaint")["state"] == "always"
    opened = put(leader, "special-desks", periods=[period(last=6)]).json
    assert desk(opened, "complaint")["state"] == "open"
    change = datetime.fromtimestamp(desk(opened, "complaint")["changes_at"] / 1000, ZoneInfo("Asia/Shanghai"))
    assert (change.date(), change.hour) == (TODAY + timedelta(7), 0)
    kept = desk(opened, "complaint")["periods"][0]
    later = put(
        leader, "special-desks", periods=[kept | {"opens_on": (TODAY + timedelta(2)).isoformat()}]
    ).json
    assert desk(later, "complaint")["state"] == "closed"
    assert shown(leader, "skills")["queues"][1] == {
        "name": "complaint",
        "label": "投诉举报",
        "special": True,
        "open": False,
    }
    put(leader, "special-desks", periods=[])
    assert len(noted(parts)) == 3
    assert noted(parts)[0][1].startswith("（新） → complaint")
    assert noted(parts)[2][1].endswith("（删除）")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (period("moon"), "queue"),
        (period("consultation"), "queue"),
        (period(first=2, last=1), "closes_on"),
        (period(opens_on="2026-02-30"), "opens_on"),
        (period(opens_on="tomorrow"), "opens_on"),
        (period(from_time="09:00"), "to_time"),
        (period(from_time="9:00", to_time="17:00"), "from_time"),
        (period(from_time="09:00", to_time="24:00"), "to_time"),
        (period(from_time="09:00", to_time="09:00"), "to_time"),
        (period(title="长" * 65), "title"),
    ],
)
def test_a_period_that_makes_no_sense_is_refused(leader: Browser, row: dict[str, Any], field: str) -> None:
    answer = put(leader, "special-desks", periods=[row])
    assert answer.status_code == 422
    assert list(answer.json["fields"]) == [f"periods.0.{field}"]


# --- reasons -------------------------------------------------------------------------------------------


def test_reasons_have_limits_an_order_and_are_switched_off_instead_of_deleted(
    leader: Browser, parts: Parts
) -> None:
    built_in = shown(leader, "reasons")["reasons"]
    assert [one["code"] for one in built_in] == ["break", "meal", "meeting", "training", "follow_up", "other"]
    wish = [
        {"code": None, "label": "心理疏导", "limit_minutes": 20, "active": True},
        *(one | {"limit_minutes": 15} for one in built_in[:2]),
    ]
    saved = put(leader, "reasons", reasons=wish).json["reasons"]
    assert [(one["code"], one["active"]) for one in saved] == [
        ("xin_li_shu_dao", True),
        ("break", True),
        ("meal", True),
        ("meeting", False),
        ("training", False),
        ("follow_up", False),
        ("other", False),
    ]
    assert list(parts.desk.names.reasons) == ["xin_li_shu_dao", "break", "meal"]
    with parts.desk.sessions() as db:
        assert db.get_one(NotReadyReason, "break").limit_minutes == 15
    assert put(leader, "reasons", reasons=[saved[1], saved[0], *saved[2:]]).status_code == 200
    assert noted(parts)[-1] == ("reasons", "顺序：小休、心理疏导、就餐、会议、培训、回访、其他")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"label": ""}, "reasons.0.label"),
        ({"label": "就餐"}, "reasons.0.label"),
        ({"limit_minutes": 0}, "reasons.0.limit_minutes"),
        ({"limit_minutes": 481}, "reasons.0.limit_minutes"),
        ({"code": "after_call"}, "reasons.0.code"),
        ({"code": "A b"}, "reasons.0.code"),
    ],
)
def test_a_reason_that_makes_no_sense_is_refused(leader: Browser, change: dict[str, Any], field: str) -> None:
    rows = shown(leader, "reasons")["reasons"]
    answer = put(leader, "reasons", reasons=[rows[0] | change, *rows[1:]])
    assert answer.status_code == 422
    assert field in answer.json["fields"]


def test_one_reason_must_be_left(leader: Browser) -> None:
    rows = [one | {"active": False} for one in shown(leader, "reasons")["reasons"]]
    assert put(leader, "reasons", reasons=rows).json["fields"] == {"reasons": "至少要有一个可用的示忙原因。"}


def test_a_new_reason_gets_a_code_that_the_telephone_understands() -> None:
    assert new_code("小休", ["xiao_xiu"]) == "xiao_xiu_aa"
    assert new_code("123！", []) == "reason"
    assert len(new_code("一个名称非常非常非常长的示忙原因", [])) <= 24


# --- transfer targets ----------------------------------------------------------------------------------


def test_transfer_targets_are_kept_in_their_groups_and_order(leader: Browser, parts: Parts) -> None:
    assert shown(leader, "transfer-targets")["groups"] == ["单位值班", "专家组", "律师组"]
    second = TARGET | {"name": "医保专家", "number": "19900010012"}
    saved = put(leader, "transfer-targets", targets=[TARGET, second]).json["targets"]
    assert [(one["name"], one["number"]) for one in saved] == [
        ("社保专家", "19900010011"),
        ("医保专家", "19900010012"),
    ]
    turned = put(leader, "transfer-targets", targets=[saved[1], saved[0] | {"active": False}]).json["targets"]
    assert [one["name"] for one in turned] == ["医保专家", "社保专家"]
    assert noted(parts)[-1][1] == "专家组 社保专家 19900010011 → 专家组 社保专家 19900010011 停用"
    put(leader, "transfer-targets", targets=turned[:1])
    with parts.desk.sessions() as db:
        assert db.scalars(select(TransferTarget.name)).all() == ["医保专家"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"group": ""}, "group"),
        ({"number": "12"}, "number"),
        ({"number": "1990001\r\nAction: x"}, "number"),
        ({"note": "长" * 129}, "note"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(leader: Browser, change: dict[str, Any], field: str) -> None:
    answer = put(leader, "transfer-targets", targets=[TARGET | change])
    assert answer.status_code == 422
    assert list(answer.json["fields"]) == [f"targets.0.{field}"]


def test_the_same_name_twice_and_a_row_of_a_stale_page_are_refused(leader: Browser) -> None:
    twice = put(leader, "transfer-targets", targets=[TARGET, TARGET])
    assert set(twice.json["fields"]) == {"targets.0.name", "targets.1.name"}
    assert put(leader, "transfer-targets", targets=[TARGET | {"id": 77}]).json["error"] == "stale"
