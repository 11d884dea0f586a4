"""Alarms on a desktop: raised once, shown without the database, taken over, acknowledged by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from desktop_parts import Browser, Cti, keep_recording, past_call
from sqlalchemy import select, update

from agent_desktop.alarm_watch import AlarmWatch, disks
from agent_desktop.app import Parts
from db.models import (
    AccessLog,
    Alarm,
    AlarmRule,
    FloorSetting,
    QueueSwitch,
    Recording,
    WebhookDelivery,
    now,
)

pytest_plugins = ["desktop_fixtures"]
Open = Callable[[], Browser]


class Clock:
    """Epoch ms that the test moves."""

    def __init__(self) -> None:
        self.at = round(now().timestamp() * 1000)

    def __call__(self) -> int:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(parts: Parts, cti: Cti, clock: Clock) -> AlarmWatch:
    """The desktop's alarms on the test's clock, with the first rules read."""
    del cti
    desk = parts.desk
    object.__setattr__(desk, "alarms", new_watch(parts, clock))
    desk.names.read(desk.sessions())
    desk.alarms.keep_books()
    return desk.alarms


def new_watch(parts: Parts, clock: Clock, **settings: Any) -> AlarmWatch:
    desk = parts.desk
    return AlarmWatch(desk.settings.model_copy(update=settings), desk.sessions, desk.floor, desk.names, clock)


def seconds(clock: Clock, *watches: AlarmWatch, count: int = 1, books: bool = True) -> None:
    for _ in range(count):
        clock.at += 1000
        for watch in watches:
            watch.look()
            if books:
                watch.keep_books()


def waiting(cti: Cti, clock: Clock, ago: int, uid: str = "pbx1-1.1", **facts: Any) -> None:
    since = clock.at - ago * 1000
    cti.call(uid, **({"state": "queue", "seat": None, "queued_at": since, "asked_at": since} | facts))


def kinds(watch: AlarmWatch) -> list[str]:
    return [alarm["kind"] for alarm in watch.shown()]


def rows(parts: Parts) -> list[Alarm]:
    with parts.desk.sessions() as db:
        return list(db.scalars(select(Alarm).order_by(Alarm.id)))


def change_rules(parts: Parts, watch: AlarmWatch, kind: str, **facts: Any) -> None:
    with parts.desk.sessions.begin() as db:
        db.execute(update(AlarmRule).where(AlarmRule.kind == kind).values(**facts))
    watch.rules_changed()
    watch.keep_books()


@pytest.fixture
def leader(cti: Cti, open_browser: Open) -> Browser:
    browser = open_browser()
    assert browser.log_in("leader01").status_code == 200
    return browser


@pytest.fixture
def supervisor(cti: Cti, open_browser: Open) -> Browser:
    browser = open_browser()
    assert browser.log_in("supervisor01").status_code == 200
    return browser


# --- raised, followed, over ------------------------------------------------------------------------------


def test_a_long_wait_is_raised_followed_and_over_when_answered(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock
) -> None:
    waiting(cti, clock, 58)
    seconds(clock, watch)
    assert kinds(watch) == []
    seconds(clock, watch)
    (alarm,) = watch.shown()
    assert (alarm["kind"], alarm["value_label"], alarm["threshold_label"]) == (
        "longest_wait",
        "1 分 00 秒",
        "≥ 1 分 00 秒",
    )
    assert (alarm["id"], alarm["sounds"], alarm["queue"]) == (1, True, None)
    seconds(clock, watch, count=20)
    assert watch.shown()[0]["worst"] == 80
    cti.call(state="talking", answered_at=clock.at)
    seconds(clock, watch, count=10)
    assert kinds(watch) == ["longest_wait"]
    seconds(clock, watch, count=2)
    assert kinds(watch) == []
    (row,) = rows(parts)
    assert (row.open_key, row.worst, row.threshold) == (None, 80, 60)
    assert row.cleared_at is not None
    assert timedelta(seconds=30) < row.cleared_at - row.raised_at < timedelta(seconds=34)


def test_a_rule_of_one_queue_hears_only_that_queue(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock
) -> None:
    change_rules(parts, watch, "longest_wait", queue="complaint")
    waiting(cti, clock, 100)
    seconds(clock, watch)
    assert kinds(watch) == []
    waiting(cti, clock, 100, "pbx1-1.2", queue="complaint")
    seconds(clock, watch)
    assert watch.shown()[0]["queue_label"] == "投诉举报"


def test_a_seat_over_the_limit_of_its_state(watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock) -> None:
    over = clock.at - (120 + 61) * 1000
    cti.seat("8001", agent="agent01", presence="ready", activity="holding", since=over)
    cti.seat("8002", agent="agent02", presence="not_ready", reason="meal", since=1)
    seconds(clock, watch)
    (alarm,) = watch.shown()
    assert (alarm["subject_label"], alarm["detail"], alarm["sounds"]) == (
        "一号席",
        "保持 · 姓名agent01",
        False,
    )
    cti.seat("8001", activity="talking", since=clock.at)
    seconds(clock, watch)
    assert kinds(watch) == []
    assert rows(parts)[0].subject == "8001"


def test_nobody_ready_counts_while_the_queue_is_open_and_somebody_is_there(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock
) -> None:
    change_rules(parts, watch, "no_seat_ready", queue="complaint", hold_seconds=5)
    seconds(clock, watch, count=8)
    assert kinds(watch) == []  # nobody signed in: perhaps the night's duty telephone
    cti.seat("8001", agent="agent01", presence="not_ready", reason="meal", queues=["complaint"])
    seconds(clock, watch, count=8)
    assert kinds(watch) == ["no_seat_ready"]
    cti.seat("8001", activity="talking", since=clock.at)
    seconds(clock, watch, count=11)
    assert kinds(watch) == []  # who talks will be ready again
    cti.seat("8001", activity="idle")
    seconds(clock, watch, count=8)
    assert kinds(watch) == ["no_seat_ready"]
    with parts.desk.sessions.begin() as db:
        db.add(QueueSwitch(queue="complaint", state="closed", made_at=now()))
    watch.rules_changed()
    watch.keep_books()
    seconds(clock, watch, count=11)
    assert kinds(watch) == []


def test_rates_are_the_reports_and_need_enough_calls(watch: AlarmWatch, parts: Parts, clock: Clock) -> None:
    change_rules(parts, watch, "abandon_rate", hold_seconds=0, least_calls=10)
    change_rules(parts, watch, "in_15_rate", hold_seconds=0, least_calls=11)

    def add(first: int, count: int, outcome: str) -> None:
        with parts.desk.sessions.begin() as db:
            for place in range(first, first + count):
                asked = now() - timedelta(minutes=3)
                db.add(past_call(f"pbx1-9.{place}", outcome=outcome, to_person_at=asked, wait_ms=16_000))

    add(0, 8, "answered")
    add(8, 1, "abandoned_in_queue")
    seconds(clock, watch, count=16)
    assert kinds(watch) == []
    add(9, 1, "abandoned_in_queue")
    seconds(clock, watch, count=16)
    (alarm,) = watch.shown()
    assert (alarm["kind"], alarm["value_label"], alarm["detail"]) == (
        "abandon_rate",
        "20%",
        "15 分钟内 10 通",
    )
    add(10, 1, "answered")
    seconds(clock, watch, count=16)
    assert sorted(kinds(watch)) == ["abandon_rate", "in_15_rate"]


def test_trunk_recordings_and_disk(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_desktop.alarm_watch.disks", lambda _folders: {"录音目录": 91.25})
    keep_recording(parts, past_call("pbx1-9.1"))
    with parts.desk.sessions.begin() as db:
        db.merge(FloorSetting(key="trunk_channels", value=30))
        db.execute(update(Recording).values(state="gap"))
    watch.rules_changed()
    watch.keep_books()
    cti.tell("trunk", "pbx1", {"in_use": 28})
    seconds(clock, watch, count=62)
    shown = {alarm["kind"]: alarm for alarm in watch.shown()}
    assert sorted(shown) == ["disk", "recording_missing", "trunk_full"]
    assert (shown["trunk_full"]["value_label"], shown["trunk_full"]["detail"]) == ("93.3%", "28/30 路")
    assert (shown["disk"]["subject_label"], shown["disk"]["value_label"]) == ("录音目录", "91.2%")
    assert shown["recording_missing"]["value"] == 1


def test_one_disk_is_named_once(parts: Parts) -> None:
    var = parts.desk.settings.var
    found = disks([("数据目录", var), ("录音目录", var), ("没有", var / "none")])
    assert list(found) == ["数据目录"]
    assert 0 <= found["数据目录"] <= 100


def test_a_lost_link_is_told_and_freezes_what_it_fed(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock
) -> None:
    waiting(cti, clock, 70)
    seconds(clock, watch)
    assert kinds(watch) == ["longest_wait"]
    parts.desk.floor._clock = clock  # the floor notes when it was lost
    cti.disconnect()
    seconds(clock, watch, count=30)
    shown = {alarm["kind"]: alarm for alarm in watch.shown()}
    assert sorted(shown) == ["link_lost", "longest_wait"]
    assert shown["link_lost"]["subject_label"] == "电话系统 pbx1"
    assert shown["longest_wait"]["value"] == 71  # nobody knows: it stays as it was
    cti.connect(epoch="started anew")
    seconds(clock, watch, count=11)
    assert kinds(watch) == []


def test_a_passive_recorder_that_captures_nothing_is_a_lost_link(
    watch: AlarmWatch, parts: Parts, clock: Clock
) -> None:
    def told(alive_at: int) -> None:
        for name in parts.desk.settings.recorder_names:
            folder = parts.desk.settings.ring / name
            folder.mkdir(parents=True, exist_ok=True)
            alive = alive_at if name == "a" else clock.at
            (folder / "state.json").write_text(json.dumps({"alive_at": alive, "pid": 1}))

    began = clock.at
    for _ in range(45):
        told(began)
        seconds(clock, watch)
    (alarm,) = watch.shown()
    assert (alarm["kind"], alarm["subject_label"]) == ("link_lost", "旁路录音 a")
    assert 20 <= alarm["value"] <= 45
    for _ in range(30):
        told(clock.at)
        seconds(clock, watch)
    assert kinds(watch) == []


# --- the database ----------------------------------------------------------------------------------------


def away(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The database cannot be reached; what is given back brings it back."""
    desk, engine = parts.desk, parts.desk.sessions.kw["bind"]
    there, hidden = desk.settings.var / "hotline.db", desk.settings.var / "hidden"
    engine.dispose()
    for path in desk.settings.var.glob("hotline.db*"):
        path.rename(hidden.with_name(path.name.replace("hotline.db", "hidden")))
    there.mkdir()

    def back() -> None:
        there.rmdir()
        for path in desk.settings.var.glob("hidden*"):
            path.rename(there.with_name(path.name.replace("hidden", "hotline.db")))

    return back


def test_without_the_database_alarms_are_raised_and_shown_and_written_later(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock, leader: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader.get("/api/alarms")
    back = away(parts, monkeypatch)
    waiting(cti, clock, 70)
    seconds(clock, watch, count=12)
    shown = {alarm["kind"]: alarm for alarm in watch.shown()}
    assert sorted(shown) == ["link_lost", "longest_wait"]
    assert (shown["link_lost"]["subject_label"], shown["link_lost"]["id"]) == ("数据库", None)
    answer = leader.get("/api/alarms")
    assert (answer.status_code, answer.json["database"], len(answer.json["open"])) == (200, False, 2)
    back()
    cti.call(state="talking", answered_at=clock.at)
    seconds(clock, watch, count=12)
    assert kinds(watch) == []
    assert sorted((row.kind, row.subject, row.cleared_at is not None) for row in rows(parts)) == [
        ("link_lost", "database", True),
        ("longest_wait", "", True),
    ]


def test_a_desktop_started_anew_takes_over_and_raises_nothing_twice(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock
) -> None:
    waiting(cti, clock, 70)
    seconds(clock, watch, count=5)
    after = new_watch(parts, clock)
    after.look()
    assert after.shown() == []  # what is open is not known yet
    after.keep_books()
    assert [alarm["id"] for alarm in after.shown()] == [1]
    seconds(clock, after, count=40)
    assert (len(rows(parts)), after.shown()[0]["worst"]) == (1, 115)
    cti.call(state="talking", answered_at=clock.at)
    seconds(clock, after, count=12)
    assert (after.shown(), len(rows(parts)), rows(parts)[0].open_key) == ([], 1, None)


def test_an_alarm_over_while_no_desktop_ran_ends_when_its_desktop_is_surely_dead(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock
) -> None:
    waiting(cti, clock, 70)
    seconds(clock, watch, count=5)
    cti.call(state="talking", answered_at=clock.at)
    after = new_watch(parts, clock)
    after.keep_books()
    seconds(clock, after, count=15)
    assert kinds(after) == ["longest_wait"]
    seconds(clock, after, count=15)
    assert (kinds(after), rows(parts)[0].open_key) == ([], None)


def test_two_desktops_raise_one_alarm_and_end_it_once(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock
) -> None:
    second = new_watch(parts, clock, alarm_webhook_url="http://127.0.0.1:9/")
    first = new_watch(parts, clock, alarm_webhook_url="http://127.0.0.1:9/")
    for one in (first, second):
        one.keep_books()
    waiting(cti, clock, 70)
    clock.at += 1000
    for one in (first, second):
        one.look()  # both before either has written
    for one in (first, second, second):
        one.keep_books()
    assert [row.kind for row in rows(parts)] == ["longest_wait"]
    assert first.shown()[0]["id"] == second.shown()[0]["id"] == 1
    seconds(clock, first, second, count=30)
    cti.call(state="talking", answered_at=clock.at)
    seconds(clock, second, first, count=14)
    assert (first.shown(), second.shown(), len(rows(parts))) == ([], [], 1)
    with parts.desk.sessions() as db:
        assert list(db.scalars(select(WebhookDelivery.what).order_by(WebhookDelivery.id))) == [
            "raised",
            "cleared",
        ]


def test_a_desktop_that_sees_less_does_not_end_what_another_sees(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock
) -> None:
    """Its own link to the PBX is fine, the other's is gone: the other's alarm stays, without flapping."""
    parts.desk.floor._clock = clock
    cti.disconnect()
    seconds(clock, watch, count=8)
    lost = {pbx: replace(p) for pbx, p in parts.desk.floor.pictures().items()}
    cti.connect()
    second = new_watch(parts, clock)
    second.keep_books()
    floor = parts.desk.floor

    class Blind:
        """The first desktop's floor."""

        emit = staticmethod(floor.emit)

        def pictures(self) -> Any:
            return lost

    watch._floor = Blind()  # type: ignore[assignment]
    seconds(clock, second, watch, count=60)
    assert (kinds(second), kinds(watch), len(rows(parts))) == (["link_lost"], ["link_lost"], 1)


# --- quiet hours, webhook ----------------------------------------------------------------------------------


def test_quiet_hours_keep_it_silent_and_tell_the_webhook_when_they_end(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock
) -> None:
    minute = 60_000
    clock.at += minute - clock.at % minute
    local = [f"{(clock.at // 3_600_000 + 8) % 24:02}:{clock.at // minute % 60:02}"]
    later = clock.at + 2 * minute
    local.append(f"{(later // 3_600_000 + 8) % 24:02}:{later // minute % 60:02}")
    told = new_watch(parts, clock, alarm_webhook_url="http://127.0.0.1:9/")
    change_rules(parts, told, "longest_wait", quiet_from=local[0], quiet_to=local[1])
    waiting(cti, clock, 70)
    seconds(clock, told, count=20)
    (alarm,) = told.shown()
    assert (alarm["quiet"], alarm["sounds"]) == (True, False)

    def deliveries() -> list[str]:
        with parts.desk.sessions() as db:
            return list(db.scalars(select(WebhookDelivery.what).where(WebhookDelivery.alarm_id == 1)))

    assert deliveries() == []
    seconds(clock, told, count=115)
    assert told.shown()[0]["sounds"] is True
    assert deliveries() == ["raised"]


def test_what_the_webhook_gets_has_nothing_about_a_person(parts: Parts, cti: Cti, clock: Clock) -> None:
    parts.desk.names.read(parts.desk.sessions())
    told = new_watch(parts, clock, alarm_webhook_url="http://127.0.0.1:9/")
    told.keep_books()
    change_rules(parts, told, "state_too_long", webhook=True)
    change_rules(parts, told, "longest_wait", queue="consultation")
    waiting(cti, clock, 70)
    cti.seat("8001", agent="agent01", presence="ready", activity="holding", since=clock.at - 900_000)
    seconds(clock, told)
    with parts.desk.sessions() as db:
        bodies = [row.body for row in db.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id))]
    by_kind = {body["kind"]: body for body in bodies}
    assert by_kind["longest_wait"]["text"] == "【告警】最长等待 综合咨询 1 分 11 秒（≥ 1 分 00 秒）"
    assert by_kind["longest_wait"]["raised_at"].endswith("+08:00")
    assert by_kind["state_too_long"]["subject"] == "8001"
    said = str(bodies)
    assert not [word for word in ("agent01", "13812345678", "王", "姓名") if word in said]


# --- the pages -----------------------------------------------------------------------------------------


def test_pages_are_told_of_facts_at_once_and_of_values_now_and_then(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock
) -> None:
    pushed: list[dict[str, Any]] = []
    parts.desk.floor.emit = lambda event, payload, room: (
        pushed.append(dict(payload)) if (event, room) == ("alarms", "floor") else None
    )
    seconds(clock, watch, count=10)
    assert pushed == []
    waiting(cti, clock, 70)
    clock.at += 1000
    watch.look()
    assert len(pushed) == 1
    watch.keep_books()  # now it has its number and can be acknowledged
    assert [alarm["id"] for alarm in pushed[-1]["open"]] == [1]
    before = len(pushed)
    seconds(clock, watch, count=20)
    assert 3 <= len(pushed) - before <= 5


def test_acknowledged_by_name_once_and_silent_everywhere(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock, leader: Browser, supervisor: Browser
) -> None:
    waiting(cti, clock, 70)
    seconds(clock, watch)
    answer = leader.post("/api/alarms/1/acknowledge", {"note": " 已增派两席 "})
    assert (answer.status_code, answer.json["acknowledged_by"]) == (200, "姓名leader01")
    assert (answer.json["note"], answer.json["sounds"]) == ("已增派两席", False)
    assert watch.shown()[0]["sounds"] is False
    again = supervisor.post("/api/alarms/1/acknowledge", {"note": "我来"})
    assert (again.status_code, again.json["message"]) == (409, "这条告警已由姓名leader01确认。")
    assert supervisor.post("/api/alarms/77/acknowledge", {}).status_code == 404
    assert supervisor.post("/api/alarms/1/acknowledge", {"note": "x" * 257}).status_code == 422
    with parts.desk.sessions() as db:
        (line,) = db.scalars(select(AccessLog).where(AccessLog.action == "acknowledge_alarm"))
        assert (line.object, line.reason) == ("alarms 1 longest_wait", "已增派两席")
    seconds(clock, watch, count=3)
    assert watch.shown()[0]["acknowledged_by"] == "姓名leader01"


def test_the_history_by_kind_queue_time_and_page(watch: AlarmWatch, parts: Parts, leader: Browser) -> None:
    at = now()
    facts = {"value": 1.0, "worst": 2.0, "threshold": 1.0, "seen_at": at}
    with parts.desk.sessions.begin() as db:
        for hour in range(25):
            raised = at - timedelta(hours=hour, minutes=5)
            db.add(
                Alarm(kind="longest_wait", queue="complaint", raised_at=raised, cleared_at=raised, **facts)
            )
        db.add(Alarm(kind="disk", raised_at=at, cleared_at=at, **facts))

    def ask(query: str = "") -> dict[str, Any]:
        return dict(leader.get(f"/api/alarms?{query}").json)

    assert (ask()["total"], len(ask()["rows"]), ask()["rows"][0]["kind_label"]) == (26, 20, "磁盘使用率")
    assert len(ask("page=2")["rows"]) == 6
    assert ask("kind=disk")["total"] == 1
    assert ask("queue=complaint")["total"] == 25
    assert ask(f"from={round((at - timedelta(hours=3)).timestamp() * 1000)}")["total"] == 4
    assert ask(f"to={round((at - timedelta(hours=3)).timestamp() * 1000)}")["total"] == 22
    assert (ask("acknowledged=true")["total"], ask("acknowledged=false")["total"]) == (0, 26)
    assert leader.get("/api/alarms?page=0").status_code == 422


# --- rules -----------------------------------------------------------------------------------------------


def test_the_first_rules_are_written_once_and_one_that_is_deleted_stays_so(
    watch: AlarmWatch, parts: Parts, clock: Clock, supervisor: Browser
) -> None:
    page = supervisor.get("/api/alarm-rules").json
    assert [rule["kind"] for rule in page["rules"]][:3] == ["link_lost", "no_seat_ready", "longest_wait"]
    assert (len(page["rules"]), len(page["kinds"]), page["webhook_set"]) == (9, 9, False)
    body = {"version": page["version"], "rules": page["rules"][:1]}
    assert len(supervisor.send("PUT", "/api/alarm-rules", body).json["rules"]) == 1
    new_watch(parts, clock).keep_books()
    assert len(supervisor.get("/api/alarm-rules").json["rules"]) == 1


def test_rules_are_saved_over_nothing_newer_and_each_change_is_noted(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock, supervisor: Browser, leader: Browser
) -> None:
    page = supervisor.get("/api/alarm-rules").json
    rules = page["rules"]
    rules[2] |= {"threshold": 90, "queue": "consultation", "quiet_from": "22:00", "quiet_to": "07:00"}
    rules.append(rules[2] | {"id": None, "queue": "complaint", "threshold": 30})
    body = {"version": page["version"], "rules": rules}
    assert leader.send("PUT", "/api/alarm-rules", body).status_code == 403
    saved = supervisor.send("PUT", "/api/alarm-rules", body)
    assert saved.status_code == 200, saved.json
    assert [rule["queue"] for rule in saved.json["rules"]].count("complaint") == 1
    late = supervisor.send("PUT", "/api/alarm-rules", body)
    assert (late.status_code, late.json["error"]) == (409, "stale")
    with parts.desk.sessions() as db:
        lines = list(db.scalars(select(AccessLog).where(AccessLog.action == "alarm_rules")))
    assert [line.object for line in lines] == ["alarm_rules 3", "alarm_rules 10"]
    assert "≥ 1 分 00 秒" in lines[0].reason
    assert "静默22:00-07:00" in lines[0].reason
    watch.keep_books()
    waiting(cti, clock, 70)
    seconds(clock, watch)
    assert kinds(watch) == []
    waiting(cti, clock, 70, "pbx1-1.2", queue="complaint")
    seconds(clock, watch)
    assert [alarm["queue"] for alarm in watch.shown()] == ["complaint"]


def test_a_deleted_rule_ends_its_alarm_and_the_history_stays(
    watch: AlarmWatch, parts: Parts, cti: Cti, clock: Clock, supervisor: Browser
) -> None:
    waiting(cti, clock, 70)
    seconds(clock, watch)
    page = supervisor.get("/api/alarm-rules").json
    rules = [rule for rule in page["rules"] if rule["kind"] != "longest_wait"]
    body = {"version": page["version"], "rules": rules}
    assert supervisor.send("PUT", "/api/alarm-rules", body).status_code == 200
    watch.keep_books()
    seconds(clock, watch, count=2)
    assert kinds(watch) == []
    (row,) = rows(parts)
    assert (row.kind, row.rule_id, row.open_key) == ("longest_wait", None, None)


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"threshold": 10}, "rules.2.clear_at"),
        ({"threshold": None}, "rules.2.threshold"),
        ({"queue": "none"}, "rules.2.queue"),
        ({"quiet_from": "25:00"}, "rules.2.quiet_from"),
        ({"quiet_from": "22:00"}, "rules.2.quiet_from"),
        ({"hold_seconds": -1}, "rules.2.hold_seconds"),
        ({"kind": "weather"}, "rules.2.kind"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_at_its_field(
    watch: AlarmWatch, supervisor: Browser, facts: dict[str, Any], field: str
) -> None:
    page = supervisor.get("/api/alarm-rules").json
    page["rules"][2] |= facts
    body = {"version": page["version"], "rules": page["rules"]}
    answer = supervisor.send("PUT", "/api/alarm-rules", body)
    assert answer.status_code == 422
    assert field in answer.json["fields"], answer.json
