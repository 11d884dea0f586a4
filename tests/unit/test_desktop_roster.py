"""The roster over HTTP: planned, imported whole or not at all, swapped, guarded; who is there now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from desktop_parts import HASH, Browser, Cti, Form
from sqlalchemy import select

from agent_desktop.app import Parts
from agent_desktop.roster_now import RosterNow
from db.models import AccessLog, AgentGroup, RosterEntry, RosterEvent, ShiftKind, User

pytest_plugins = ["desktop_fixtures"]

CITY = ZoneInfo("Asia/Shanghai")
TODAY = datetime.now(CITY).date()
DAY = TODAY + timedelta(days=7)


@pytest.fixture
def planned(parts: Parts, cti: Cti) -> Parts:
    """Two groups with an agent each, a leader for the first, three kinds of shifts."""
    with parts.desk.sessions.begin() as db:
        groups = [AgentGroup(name="一组"), AgentGroup(name="二组", position=1)]
        db.add_all(groups)
        db.flush()
        for login, group in (("agent01", 0), ("agent02", 1), ("leader01", 0)):
            db.scalars(select(User).where(User.login == login)).one().group_id = groups[group].id
        db.add(
            User(
                login="agent03",
                name="三号",
                work_number="0103",
                role="agent",
                group_id=groups[0].id,
                password_hash=HASH,
            )
        )
        for place, (code, label, from_time, to_time) in enumerate(
            [
                ("early", "早班", "08:00", "16:00"),
                ("late", "晚班", "16:00", "23:30"),
                ("night", "夜班", "22:00", "06:00"),
            ]
        ):
            db.add(ShiftKind(code=code, label=label, from_time=from_time, to_time=to_time, position=place))
    return parts


@pytest.fixture
def leader(planned: Parts, open_browser: Callable[[], Browser]) -> Browser:
    browser = open_browser()
    assert browser.log_in("leader01").status_code == 200
    return browser


@pytest.fixture
def supervisor(planned: Parts, open_browser: Callable[[], Browser]) -> Browser:
    browser = open_browser()
    assert browser.log_in("supervisor01").status_code == 200
    return browser


def add(browser: Browser, user_id: int, kind: str = "early", days: int = 0, **more: Any) -> Any:
    day = (DAY + timedelta(days=days)).isoformat()
    return browser.post("/api/roster/entries", {"user_id": user_id, "day": day, "kind": kind, **more})


def week(browser: Browser, days: int = 10) -> dict[str, Any]:
    until = (DAY + timedelta(days=days)).isoformat()
    answer = browser.get(f"/api/roster?from={DAY.isoformat()}&to={until}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def id_of(parts: Parts, login: str) -> int:
    with parts.desk.sessions() as db:
        return db.scalars(select(User.id).where(User.login == login)).one()


def events(parts: Parts) -> list[str]:
    with parts.desk.sessions() as db:
        return list(db.scalars(select(RosterEvent.action).order_by(RosterEvent.id)))


# --- the plan ------------------------------------------------------------------------------------------


def test_a_shift_is_added_changed_and_removed_and_each_step_is_written_down(
    leader: Browser, planned: Parts
) -> None:
    made = add(leader, 1, "night", note="替班")
    assert made.status_code == 201, made.text
    entry = made.json
    begins, ends = (datetime.fromtimestamp(entry[name] / 1000, CITY) for name in ("from_at", "to_at"))
    assert (f"{begins:%H:%M}", f"{ends:%H:%M}", (ends.date() - DAY).days) == ("22:00", "06:00", 1)
    changed = leader.send(
        "PUT", f"/api/roster/entries/{entry['id']}", {"version": 1, "kind": "early", "absence": "sick"}
    ).json
    assert (changed["kind"], changed["absence"], changed["version"]) == ("early", "sick", 2)
    stale = leader.send("PUT", f"/api/roster/entries/{entry['id']}", {"version": 1, "kind": "late"})
    assert (stale.status_code, stale.json["error"]) == (409, "stale")
    assert leader.send("DELETE", f"/api/roster/entries/{entry['id']}?version=1").status_code == 409
    assert leader.send("DELETE", f"/api/roster/entries/{entry['id']}?version=2").status_code == 204
    assert week(leader)["entries"] == []
    assert events(planned) == ["add", "change", "remove"]
    told = leader.get(f"/api/roster/events?from={DAY}&to={DAY}").json["rows"]
    assert [row["action_label"] for row in told] == ["删除", "修改", "新增"]
    assert told[1]["before"].endswith("夜班 22:00–06:00")
    assert told[1]["after"].endswith("早班 08:00–16:00（病假）")


@pytest.mark.parametrize(
    ("first", "second", "days", "words"),
    [
        ("early", "early", 0, "时间重叠"),
        ("night", "early", 1, "只休息 2 小时，少于 8 小时"),
        ("early", "late", 0, "之间没有休息，少于 8 小时"),
    ],
)
def test_what_overlaps_or_leaves_too_little_rest_is_refused(
    leader: Browser, planned: Parts, first: str, second: str, days: int, words: str
) -> None:
    assert add(leader, 1, first).status_code == 201
    refused = add(leader, 1, second, days)
    assert (refused.status_code, refused.json["error"]) == (409, "clash")
    assert words in refused.json["message"]
    assert events(planned) == ["add"]


def test_the_rest_between_shifts_can_be_set_by_supervisors(
    supervisor: Browser, leader: Browser, planned: Parts
) -> None:
    assert leader.send("PUT", "/api/roster/settings", {"roster_rest_minutes": 60}).status_code == 403
    answer = supervisor.send("PUT", "/api/roster/settings", {"roster_rest_minutes": 60})
    assert answer.json["roster_rest_minutes"] == 60
    add(leader, 1, "night")
    assert add(leader, 1, "early", 1).status_code == 201
    wrong = supervisor.send("PUT", "/api/roster/settings", {"roster_grace_minutes": 61})
    assert wrong.json["fields"] == {"roster_grace_minutes": "应为 0 至 60 分钟。"}
    with planned.desk.sessions() as db:
        said = db.scalars(select(AccessLog.reason).where(AccessLog.action == "roster_settings")).all()
    assert said == ["最短休息 480 → 60 分钟"]


def test_a_shift_leader_plans_the_own_group_only(
    leader: Browser, supervisor: Browser, planned: Parts
) -> None:
    refused = add(leader, 2)
    assert (refused.status_code, refused.json["message"]) == (403, "只能修改本组话务员的排班。")
    assert [one["mine"] for one in week(leader)["agents"]] == [True, True, False]
    other = add(supervisor, 2).json
    assert add(supervisor, 1, "late").status_code == 201
    for method, body in (("PUT", {"version": 1, "kind": "late"}), ("DELETE", None)):
        path = f"/api/roster/entries/{other['id']}?version=1"
        assert leader.send(method, path, body).status_code == 403
    assert add(supervisor, 3).json["error"] == "not_found", "a leader is not rostered"


def test_kinds_are_kept_in_order_and_a_changed_one_changes_no_shift(
    supervisor: Browser, leader: Browser
) -> None:
    entry = add(leader, 1).json
    page = week(supervisor)
    kinds = [page["kinds"][1], page["kinds"][0] | {"to_time": "15:00"}]
    new = {"code": None, "label": "机动班", "from_time": "10:00", "to_time": "14:00"}
    saved = supervisor.send(
        "PUT", "/api/roster/kinds", {"version": page["kinds_version"], "kinds": [*kinds, new]}
    )
    assert [row["label"] for row in saved.json["kinds"]] == ["晚班", "早班", "机动班", "夜班"]
    assert saved.json["kinds"][3]["active"] is False
    assert week(supervisor)["entries"][0]["to_at"] == entry["to_at"]
    old = supervisor.send("PUT", "/api/roster/kinds", {"version": page["kinds_version"], "kinds": kinds})
    assert (old.status_code, old.json["error"]) == (409, "stale")
    again = {"version": saved.json["version"], "kinds": [{**new, "from_time": "25:00"}, new]}
    wrong = supervisor.send("PUT", "/api/roster/kinds", again).json["fields"]
    assert set(wrong) == {"kinds.0.label", "kinds.0.from_time", "kinds.1.label"}
    assert add(leader, 1, "night", 2).status_code == 422, "no longer offered"


# --- swap ----------------------------------------------------------------------------------------------


def test_two_people_swap_their_shifts_both_or_neither(
    supervisor: Browser, leader: Browser, planned: Parts
) -> None:
    third = id_of(planned, "agent03")
    mine, theirs = add(leader, 1).json, add(leader, third, "late", 1).json
    picked = {"one": {"id": mine["id"], "version": 1}, "other": {"id": theirs["id"], "version": 1}}
    assert leader.post("/api/roster/swap", picked).status_code == 200
    now = {one["user_id"]: (one["day"], one["kind"]) for one in week(leader)["entries"]}
    assert now == {1: ((DAY + timedelta(days=1)).isoformat(), "late"), third: (DAY.isoformat(), "early")}
    assert events(planned)[-2:] == ["swap", "swap"]
    assert leader.post("/api/roster/swap", picked).status_code == 409, "not over a newer one"

    add(leader, third, "night", 1)
    versions = {one["id"]: one["version"] for one in week(leader)["entries"]}
    again = {name: {"id": one["id"], "version": versions[one["id"]]} for name, one in picked.items()}
    refused = leader.post("/api/roster/swap", again)
    assert (refused.status_code, refused.json["error"]) == (409, "clash")
    assert "三号" in refused.json["message"]
    assert {one["id"]: one["version"] for one in week(leader)["entries"]} == versions

    outside = add(supervisor, 2, "late", 3).json
    inside = add(leader, 1, "early", 3).json
    foreign = {"one": {"id": inside["id"], "version": 1}, "other": {"id": outside["id"], "version": 1}}
    assert leader.post("/api/roster/swap", foreign).status_code == 403
    assert supervisor.post("/api/roster/swap", foreign).status_code == 200


# --- import --------------------------------------------------------------------------------------------


def send(browser: Browser, text: str, query: str = "", **more: str) -> Any:
    table = Form(file=("排班.csv", text.encode("gb18030")), **more)
    return browser.post(f"/api/roster/import{query}", table)


def rows(*lines: str) -> str:
    return "\n".join(["工号,日期,班次", *lines])


def number_of(parts: Parts, login: str) -> str:
    with parts.desk.sessions() as db:
        return db.scalars(select(User.work_number).where(User.login == login)).one()


def test_an_import_is_checked_then_taken_as_a_whole(leader: Browser, planned: Parts) -> None:
    first, third = number_of(planned, "agent01"), number_of(planned, "agent03")
    add(leader, 1, "late", 1)
    add(leader, 1, "early", 2)
    days = [(DAY + timedelta(days=n)).isoformat() for n in range(4)]
    text = rows(
        f"{first},{days[0]},早班",
        f"{first},{days[1]},早班",
        f"{first},{days[2]},休",
        f"{third},{days[0]},夜班",
    )
    checked = send(leader, text, "?check=1").json
    counts = {name: checked[name] for name in ("ok", "added", "changed", "removed", "same")}
    assert counts == {"ok": True, "added": 2, "changed": 1, "removed": 1, "same": 0}
    assert len(week(leader)["entries"]) == 2, "only checked"
    done = send(leader, text, version=checked["version"]).json
    assert done["done"] is True
    assert [(one["user_id"], one["day"], one["kind"]) for one in week(leader)["entries"]] == [
        (1, days[0], "early"),
        (id_of(planned, "agent03"), days[0], "night"),
        (1, days[1], "early"),
    ]
    assert events(planned)[2:] == ["import"] * 4
    again = send(leader, text, "?check=1").json
    assert (again["same"], again["added"], again["changed"]) == (3, 0, 0)
    stale = send(leader, text, version=checked["version"])
    assert (stale.status_code, stale.json["error"]) == (409, "stale")


def test_one_fault_keeps_the_whole_table_out(leader: Browser, planned: Parts) -> None:
    first, second = number_of(planned, "agent01"), number_of(planned, "agent02")
    tomorrow = (DAY + timedelta(days=1)).isoformat()
    text = rows(f"{first},{DAY},夜班", f"{first},{tomorrow},早班", f"{second},{DAY},早班")
    answer = send(leader, text)
    assert (answer.status_code, answer.json["ok"], answer.json["done"]) == (200, False, False)
    assert [(fault["line"], fault["column"]) for fault in answer.json["faults"]] == [(4, "工号")]
    clash = send(leader, rows(f"{first},{DAY},夜班", f"{first},{tomorrow},早班")).json["faults"]
    assert [(fault["line"], fault["column"]) for fault in clash] == [(3, "班次")]
    assert "只休息 2 小时" in clash[0]["problem"]
    absent = send(leader, rows(f"{first},{DAY},请假")).json["faults"]
    assert "不知道缺勤的是哪一班" in absent[0]["problem"]
    assert week(leader)["entries"] == []
    assert events(planned) == []
    broken = leader.post("/api/roster/import", Form(file=("x.xlsx", b"nothing")))
    assert (broken.status_code, list(broken.json["fields"])) == (422, ["file"])


def test_the_template_holds_the_own_group_as_it_is_and_can_be_imported(
    leader: Browser, supervisor: Browser
) -> None:
    add(leader, 1, "night", absence="leave")
    add(supervisor, 2)
    days = f"from={DAY}&to={DAY + timedelta(days=6)}"
    for layout in ("matrix", "list"):
        got = leader.get(f"/api/roster/template?{days}&layout={layout}")
        assert got.status_code == 200
        file = Form(file=("t.xlsx", got.data))
        checked = leader.post("/api/roster/import?check=1", file).json
        assert (checked["ok"], checked["same"], checked["added"], checked["people"]) == (True, 1, 0, 1)
    text = leader.get(f"/api/roster/template?{days}&layout=list&kind=csv").data.decode("utf-8-sig")
    assert text.splitlines()[1].endswith("夜班/请假")


# --- now -----------------------------------------------------------------------------------------------


def shift_now(parts: Parts, user_id: int, began: int, lasts: int = 240, absence: str | None = None) -> None:
    """A shift that began so many minutes ago."""
    begins = datetime.now(UTC) - timedelta(minutes=began)
    with parts.desk.sessions.begin() as db:
        facts = {"from_at": begins, "to_at": begins + timedelta(minutes=lasts), "absence": absence}
        day = begins.astimezone(CITY).date()
        db.add(RosterEntry(user_id=user_id, day=day, kind="early", **facts))


def standings(browser: Browser) -> dict[str, str]:
    return {row["login"]: row["standing"] for row in browser.get("/api/roster/now").json["rows"]}


def test_who_is_there_follows_the_floor_and_the_pages_are_told(
    leader: Browser, planned: Parts, cti: Cti
) -> None:
    shift_now(planned, 1, began=20)
    shift_now(planned, 2, began=90)
    shift_now(planned, id_of(planned, "agent03"), began=1, absence="sick")
    pushed: list[tuple[str, Any, str | None]] = []
    planned.desk.floor.emit = lambda *push: pushed.append(push)
    now = planned.app.extensions["roster_now"]
    assert isinstance(now, RosterNow)
    now.look()
    assert pushed == [], "nobody has looked yet"
    assert standings(leader) == {"agent01": "late", "agent02": "absent", "agent03": "planned_absence"}
    now.look()
    assert pushed == []
    since = round(datetime.now(UTC).timestamp() * 1000)
    cti.seat("8001", agent="agent01", presence="not_ready", reason="signed_in", since=since)
    now.look()
    assert [push for push in pushed if push[0] == "roster"] == [("roster", {"what": "now"}, "floor")]
    assert standings(leader)["agent01"] == "came_late"
    page = leader.get("/api/roster/now").json
    first = next(row for row in page["rows"] if row["login"] == "agent01")
    assert (first["seat"], first["label"], first["mine"]) == ("8001", "迟到已到岗", True)
    assert 19 * 60 <= first["late_seconds"] <= 22 * 60
    cti.seat("8002", agent="agent03", presence="ready", since=since)
    assert standings(leader)["agent03"] == "unplanned"


def test_a_limit_that_passes_is_told_by_the_clock_alone(planned: Parts, leader: Browser) -> None:
    shift_now(planned, 1, began=3)
    pushed: list[str] = []
    planned.desk.floor.emit = lambda event, *_: pushed.append(event)
    clock = [round(datetime.now(UTC).timestamp() * 1000)]
    now = RosterNow(planned.desk.floor, planned.desk.sessions, lambda: clock[0])
    assert [row["standing"] for row in now.picture()["rows"]] == ["due"]
    for minutes, told in ((1, 0), (3, 1), (60, 2)):
        clock[0] += minutes * 60_000
        now.look()
        now.picture()
        assert pushed.count("roster") == told
    assert [row["standing"] for row in now.picture()["rows"]] == ["absent"]


def test_an_edit_is_pushed_after_the_commit(planned: Parts, leader: Browser) -> None:
    pushed: list[tuple[str, Any]] = []
    planned.desk.floor.emit = lambda event, payload, _room: pushed.append((event, payload))
    assert add(leader, 1).status_code == 201
    assert pushed == [("roster", {"what": "entries"})]
    assert add(leader, 1).status_code == 409
    assert len(pushed) == 1


# --- adherence -----------------------------------------------------------------------------------------


def test_adherence_is_told_for_agents_groups_and_days(leader: Browser, planned: Parts) -> None:
    shift_now(planned, 1, began=26 * 60, lasts=8 * 60)
    shift_now(planned, 2, began=26 * 60, lasts=8 * 60, absence="leave")
    since = (datetime.now(UTC) - timedelta(minutes=26 * 60)).astimezone(CITY).date()
    page = leader.get(f"/api/roster/adherence?from={since}&to={TODAY}").json
    assert (page["total"]["shifts"], page["total"]["absent"], page["total"]["adherence"]) == (1, 1, 0.0)
    assert page["groups"][1]["figures"]["planned_absences"] == 1
    assert page["groups"][1]["figures"]["adherence"] is None
    assert {row["login"] for row in page["agents"]} == {"agent01", "agent02"}
    assert page["definitions"][0]["name"] == "排班遵守率"
    assert leader.get(f"/api/roster/adherence?from={TODAY}&to={since}").status_code == 422
    assert leader.get("/api/roster/adherence?from=2020-01-01&to=2026-01-01").status_code == 422
