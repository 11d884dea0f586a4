"""One look at skills and special desks: what Asterisk is told, in which order, and what is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from cti.ami import ActionRefused, Message
from cti.commands import Refused
from cti.fitting import Fitting, read
from cti.skills import Skill
from db.engine import open_engine, sessions
from db.models import (
    Announcement,
    OverflowRule,
    Queue,
    QueueMembership,
    QueueSwitch,
    SkillOverride,
    SpecialDeskPeriod,
    User,
)
from db.open_queues import Opening
from db.special_desks import Period

NOW = datetime.now(UTC)
TODAY = NOW.astimezone(ZoneInfo("Asia/Shanghai")).date()


class Manager:
    """Asterisk's side of the wire: members by (interface, queue), and all that was asked."""

    def __init__(self) -> None:
        self.members: dict[tuple[str, str], Message] = {}
        self.calls: dict[str, int] = {"consultation": 0, "heating": 0}
        self.done: list[tuple[str, ...]] = []
        self.told: dict[str, str] = {}
        """Globals of the dialplan, in the order in which they were set."""
        self.refusing = ""
        self.before_add: Callable[[], None] = lambda: None

    def member(self, interface: str, queue: str, penalty: int = 0, pause: str | None = None) -> None:
        self.members[interface, queue] = {
            "Event": "QueueMember",
            "Queue": queue,
            "Location": interface,
            "Name": "agent01",
            "Penalty": str(penalty),
            "Paused": "0" if pause is None else "1",
            "PausedReason": pause or "",
            "InCall": "0",
            "Status": "1",
        }

    async def listing(self, _action: str, Member: str = "") -> list[Message]:
        queues = [{"Event": "QueueParams", "Queue": q, "Calls": str(n)} for q, n in self.calls.items()]
        return [*queues, *(m for (place, _), m in self.members.items() if Member in ("", place))]

    async def action(self, action: str, **headers: str) -> Message:
        self.done.append((action, *headers.values()))
        if action == "Setvar":
            self.told[headers["Variable"]] = headers["Value"]
        if action == self.refusing:
            raise ActionRefused("Unable to add interface: Already there")
        key = (headers.get("Interface", ""), headers.get("Queue", ""))
        if action == "QueueAdd":
            self.before_add()
            pause = headers["Reason"] if headers["Paused"] == "true" else None
            self.member(*key, int(headers["Penalty"]), pause)
        elif action == "QueuePause":
            self.member(*key, 0, headers["Reason"] if headers["Paused"] == "true" else None)
        elif action == "QueueRemove":
            del self.members[key]
        return {"Response": "Success"}

    def asked(self, *actions: str) -> list[tuple[str, ...]]:
        found = [one for one in self.done if one[0] in actions]
        self.done.clear()
        return found

    def set(self, prefix: str) -> dict[str, str]:
        """The dialplan's globals whose names begin so."""
        return {name: value for name, value in self.told.items() if name.startswith(prefix)}


@pytest.fixture
def factory(tmp_path: Path, new_database: Callable[[Path], str]) -> sessionmaker[Session]:
    made = sessions(open_engine(new_database(tmp_path / "hotline.db")))
    with made.begin() as db:
        db.add_all([Queue(name="consultation", label="综合咨询"), Queue(name="heating", label="供热专席")])
        user = User(login="agent01", name="甲", work_number="1", role="agent", password_hash="x")
        db.add(user)
        db.flush()
        db.add(QueueMembership(user_id=user.id, queue="consultation", penalty=0))
    return made


@pytest.fixture
def manager() -> Manager:
    made = Manager()
    made.member("PJSIP/8001w", "consultation")
    return made


def look(manager: Manager, factory: sessionmaker[Session]) -> int:
    return asyncio.run(Fitting(manager, factory).fit())  # type: ignore[arg-type]


def serve_heating(factory: sessionmaker[Session], *periods: tuple[int, int], penalty: int = 1) -> None:
    """agent01 gets the skill; the desk is open from so many days from today until so many."""
    with factory.begin() as db:
        db.merge(QueueMembership(user_id=1, queue="heating", penalty=penalty))
        for first, last in periods:
            days = {"opens_on": TODAY + timedelta(first), "closes_on": TODAY + timedelta(last)}
            db.add(SpecialDeskPeriod(queue="heating", **days))


def test_the_roster_is_what_the_database_says(factory: sessionmaker[Session]) -> None:
    serve_heating(factory, (0, 1))
    with factory() as db:
        roster = read(db, NOW)
        assert set(roster.skills) == {Skill("agent01", "consultation"), Skill("agent01", "heating", 1)}
        assert roster.openings == {
            "consultation": Opening("consultation"),
            "heating": Opening("heating", (Period(TODAY, TODAY + timedelta(1)),)),
        }
        db.get_one(User, 1).active = False
        assert read(db, NOW).skills == ()


def test_a_new_skill_joins_at_the_telephone_in_use_and_as_paused_as_elsewhere(
    manager: Manager, factory: sessionmaker[Session]
) -> None:
    manager.member("PJSIP/8001w", "consultation", pause="meal")
    serve_heating(factory)
    assert look(manager, factory) == 1
    assert manager.asked("QueueAdd") == [
        ("QueueAdd", "heating", "PJSIP/8001w", "PJSIP/8001w", "agent01", "1", "true", "meal")
    ]
    assert look(manager, factory) == 0


def test_a_pause_that_came_in_between_is_put_right(manager: Manager, factory: sessionmaker[Session]) -> None:
    serve_heating(factory)
    manager.before_add = lambda: manager.member("PJSIP/8001w", "consultation", pause="meal")
    look(manager, factory)
    assert manager.asked("QueuePause") == [("QueuePause", "heating", "PJSIP/8001w", "true", "meal")]


def test_a_new_priority_is_told(manager: Manager, factory: sessionmaker[Session]) -> None:
    manager.member("PJSIP/8001w", "heating", penalty=3)
    serve_heating(factory)
    look(manager, factory)
    assert manager.asked("QueuePenalty") == [("QueuePenalty", "heating", "PJSIP/8001w", "1")]


def test_a_desk_that_is_closed_is_said_so_and_left(manager: Manager, factory: sessionmaker[Session]) -> None:
    manager.member("PJSIP/8001w", "heating", penalty=1)
    serve_heating(factory, (-10, -1), (7, 9))
    manager.calls["heating"] = 1
    look(manager, factory)
    assert manager.set("DESK_") == {"DESK_consultation": "open", "DESK_heating": "closed"}
    assert manager.asked("QueueRemove") == []
    manager.calls["heating"] = 0
    look(manager, factory)
    assert manager.asked("QueueRemove") == [("QueueRemove", "heating", "PJSIP/8001w")]


def test_a_step_that_asterisk_refuses_does_not_stop_the_others(
    manager: Manager, factory: sessionmaker[Session]
) -> None:
    serve_heating(factory)
    manager.refusing = "QueueAdd"
    assert look(manager, factory) == 0


def test_without_the_database_what_was_read_last_holds(
    manager: Manager, factory: sessionmaker[Session]
) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    async def looks() -> None:
        fitting = Fitting(manager, factory)  # type: ignore[arg-type]
        event.listen(engine, "before_cursor_execute", away)
        assert await fitting.fit() == 0
        assert manager.done == []
        event.remove(engine, "before_cursor_execute", away)
        await fitting.fit()
        manager.done.clear()
        manager.told.clear()
        event.listen(engine, "before_cursor_execute", away)
        await fitting.fit()
        event.remove(engine, "before_cursor_execute", away)

    engine = factory.kw["bind"]
    asyncio.run(looks())
    assert manager.set("DESK_") == {"DESK_consultation": "open", "DESK_heating": "open"}
    assert manager.asked("QueueRemove", "QueueAdd") == []


def test_what_is_on_air_is_told_to_the_dialplan_with_each_look(
    manager: Manager, factory: sessionmaker[Session]
) -> None:
    look(manager, factory)
    assert manager.told["ANNOUNCE_arrival"] == ""
    assert manager.told["ANNOUNCE_UNTIL_heating"] == "0"
    with factory.begin() as db:
        until = datetime.now(UTC) + timedelta(hours=1)
        db.add(Announcement(state="on_air", scope="heating", sha256="ab" * 32, until=until))
    look(manager, factory)
    assert manager.told["ANNOUNCE_heating"] == "announcements/abababababababab"
    assert manager.told["ANNOUNCE_UNTIL_heating"] == str(int(until.timestamp()))
    assert manager.told["ANNOUNCE_arrival"] == ""


# --- what supervisors change ---------------------------------------------------------------------------


def override(factory: sessionmaker[Session], queue: str, penalty: int | None, hours: float = 1) -> None:
    with factory.begin() as db:
        db.add(SkillOverride(user_id=1, queue=queue, penalty=penalty, until=NOW + timedelta(hours=hours)))


def test_an_override_adds_and_takes_out_until_its_end(factory: sessionmaker[Session]) -> None:
    override(factory, "heating", 0)
    override(factory, "consultation", None, hours=2)
    with factory() as db:
        roster = read(db, NOW)
        assert roster.skills == (Skill("agent01", "heating"),)
        assert roster.next_change(NOW) == NOW + timedelta(hours=1)
        later = read(db, NOW + timedelta(hours=1, seconds=1))
        assert (later.skills, later.next_change(NOW)) == ((), NOW + timedelta(hours=2))
        over = read(db, NOW + timedelta(hours=3))
        assert (over.skills, over.next_change(NOW)) == ((Skill("agent01", "consultation"),), None)


def test_a_switch_stands_over_the_periods_until_its_end(
    manager: Manager, factory: sessionmaker[Session]
) -> None:
    serve_heating(factory, (-1, 1))
    with factory.begin() as db:
        db.add(QueueSwitch(queue="heating", state="closed", until=NOW + timedelta(hours=1)))
        db.add(QueueSwitch(queue="consultation", state="closed"))
    look(manager, factory)
    assert manager.set("DESK_") == {"DESK_consultation": "open", "DESK_heating": "closed"}
    with factory() as db:
        roster = read(db, NOW)
        assert roster.next_change(NOW) == NOW + timedelta(hours=1)
        assert roster.closed(NOW + timedelta(hours=1)) == frozenset()


def test_overflow_rules_are_told_where_they_lead_before_how_soon(
    manager: Manager, factory: sessionmaker[Session]
) -> None:
    with factory.begin() as db:
        db.add(OverflowRule(queue="consultation", after_seconds=45, then="queue", target="heating"))
        db.add(OverflowRule(queue="heating", after_seconds=60, then="offer", target="consultation"))
    look(manager, factory)
    assert list(manager.set("OVERFLOW_").items()) == [
        ("OVERFLOW_TO_consultation", "heating"),
        ("OVERFLOW_THEN_consultation", "queue"),
        ("OVERFLOW_AFTER_consultation", "45"),
        ("OVERFLOW_TO_heating", ""),
        ("OVERFLOW_THEN_heating", "offer"),
        ("OVERFLOW_AFTER_heating", "60"),
    ]
    with factory.begin() as db:
        db.delete(db.get_one(OverflowRule, "consultation"))
    look(manager, factory)
    assert manager.set("OVERFLOW_AFTER_") == {
        "OVERFLOW_AFTER_consultation": "",
        "OVERFLOW_AFTER_heating": "60",
    }


def test_who_asks_is_answered_when_asterisk_is_as_the_tables_want_it(
    manager: Manager, factory: sessionmaker[Session]
) -> None:
    async def asked() -> Any:
        fitting = Fitting(manager, factory)  # type: ignore[arg-type]
        return await fitting.skills_changed(agent="agent01"), await fitting.skills_changed("8001")

    serve_heating(factory)
    assert asyncio.run(asked()) == ({"queues": ["consultation", "heating"]}, {})


def test_without_the_database_nothing_is_confirmed(manager: Manager, factory: sessionmaker[Session]) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    event.listen(factory.kw["bind"], "before_cursor_execute", away)
    with pytest.raises(Refused) as refusal:
        asyncio.run(Fitting(manager, factory).skills_changed())  # type: ignore[arg-type]
    assert refusal.value.code == "not_confirmed"
