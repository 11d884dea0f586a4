"""The demo city 云州市: people, units, categories, citizens, and calls of the last weeks. All of it invented.

Idempotent: what is there (by its code, login or number) is left alone, so that a second run adds nothing.
Tickets of the demo city are written by `tickets.demo`, because only the life of a ticket may make them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pypinyin import Style, lazy_pinyin
from ruamel.yaml import YAML
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import alarm_defaults
from db.models import (
    AgentGroup,
    Base,
    Call,
    CallerNote,
    Category,
    Citizen,
    CitizenPhone,
    KnowledgeEntry,
    NotReadyReason,
    Queue,
    QueueMembership,
    Recording,
    Region,
    RosterEntry,
    Script,
    Seat,
    ShiftKind,
    SpecialDeskPeriod,
    TransferTarget,
    Unit,
    User,
    now,
)

Row = TypeVar("Row", bound=Base)

CITY_FILE = Path(__file__).resolve().parent / "demo_city.yaml"
KNOWLEDGE_FILE = CITY_FILE.with_name("demo_knowledge.yaml")
SEEDED = "demo-"
"""Start of the uid of every invented call: no real call's uid looks like this."""
OUTCOMES = {
    "answered": 40,
    "self_served": 5,
    "abandoned_in_menu": 3,
    "short_abandon": 3,
    "abandoned_in_queue": 3,
    "callback_requested": 2,
    "voicemail_left": 1,
    "overflowed": 1,
    "closed": 1,
    "refused": 1,
}
"""How many past calls ended how; 60 together."""
TO_A_PERSON = frozenset(
    {
        "answered",
        "short_abandon",
        "abandoned_in_queue",
        "callback_requested",
        "voicemail_left",
        "overflowed",
    }
)
_KEYS = {"consultation": "1", "complaint": "2", "enterprise": "4", "dialect": "9"}
_CITY_TIME = ZoneInfo("Asia/Shanghai")
_DIGITS = "零一二三四五六七八九"


def seed(session: Session, password_hash_of: Callable[[str], str], seats: int = 12) -> None:
    """Write the demo city into an upgraded database.

    `password_hash_of(login)` gives the hash that a new account gets; it is called for new accounts only.
    """
    _seats_and_queues(session, seats)
    _users(session, password_hash_of)
    _roster(session)
    _desk_settings(session)
    alarm_defaults.add_defaults(session)
    _regions(session)
    units = _units(session)
    _categories(session, units)
    _knowledge(session)
    _citizens(session)
    _caller_notes(session)
    session.flush()
    _past_calls(session)
    session.flush()


@lru_cache(maxsize=1)
def city() -> dict[str, Any]:
    """The demo city as its file has it."""
    return dict(YAML(typ="safe").load(CITY_FILE.read_text(encoding="utf-8")))


def _seats_and_queues(session: Session, seats: int) -> None:
    for place in range(1, seats + 1):
        _add_new(session, Seat, "number", f"{8000 + place}", label=f"{_numeral(place)}号席")
    for name, label in city()["queues"].items():
        _add_new(session, Queue, "name", name, label=label)


def _desk_settings(session: Session) -> None:
    """Reasons, special desks and transfer targets: what `desk settings` changes later is left alone."""
    for position, (code, facts) in enumerate(city()["reasons"].items()):
        _add_new(session, NotReadyReason, "code", code, position=position, **facts)
    today = now().astimezone(_CITY_TIME).date()
    for desk in city()["special_desks"]:
        known = select(SpecialDeskPeriod.id).where(SpecialDeskPeriod.queue == desk["queue"])
        if session.scalar(known.limit(1)) is None:
            first, last = desk["season"]
            opens_on, closes_on = season(first, last, today)
            days = {"opens_on": opens_on, "closes_on": closes_on}
            session.add(SpecialDeskPeriod(queue=desk["queue"], title=desk["title"], **days))
    for group, targets in city()["transfer_targets"].items():
        for position, target in enumerate(targets):
            facts = {"group": group, "position": position} | target
            _add_new(session, TransferTarget, "name", facts.pop("name"), **facts)


def season(first: str, last: str, today: date) -> tuple[date, date]:
    """Of the season from "11-15" until "03-15" of each year, the one that is now or comes next."""
    for year in (today.year - 1, today.year, today.year + 1):
        opens_on = date.fromisoformat(f"{year}-{first}")
        closes_on = date.fromisoformat(f"{year + (last < first)}-{last}")
        if closes_on >= today:
            return opens_on, closes_on
    raise ValueError(f"a season cannot begin on {first} and end on {last}")


def _users(session: Session, password_hash_of: Callable[[str], str]) -> None:
    agents = [
        {"login": f"agent{place:02d}", "role": "agent", "name": name, "work_number": str(1000 + place)}
        for place, name in enumerate(city()["agents"], start=1)
    ]
    groups = {
        name: _add_new(session, AgentGroup, "name", name, position=position)
        for position, name in enumerate(city()["groups"])
    }
    group_of = {f"agent{place:02d}": name for name, places in city()["groups"].items() for place in places}
    for person in [*agents, *city()["staff"]]:
        if session.scalar(select(User.id).where(User.login == person["login"])) is None:
            facts = {key: value for key, value in person.items() if key != "group"}
            facts["name"] = city()["mark"] + person["name"]
            group = groups.get(person.get("group") or group_of.get(person["login"], ""))
            hashed = password_hash_of(person["login"])
            session.add(User(**facts, group_id=group and group.id, password_hash=hashed))
    session.flush()
    special = city()["memberships"]
    for place in range(1, len(agents) + 1):
        user_id = session.scalars(select(User.id).where(User.login == f"agent{place:02d}")).one()
        _join(session, user_id, "consultation", 0)
        for queue, penalties in special.items():
            if place in penalties:
                _join(session, user_id, queue, penalties[place])


def _join(session: Session, user_id: int, queue: str, penalty: int) -> None:
    if session.get(QueueMembership, (user_id, queue)) is None:
        session.add(QueueMembership(user_id=user_id, queue=queue, penalty=penalty))


def _roster(session: Session) -> None:
    """Shifts of this week and the next, in turns. A day that has any shift is left as it is."""
    for position, (code, facts) in enumerate(city()["shift_kinds"].items()):
        _add_new(session, ShiftKind, "code", code, position=position, **facts)
    today = now().astimezone(_CITY_TIME).date()
    monday = today - timedelta(days=today.weekday())
    days = [monday + timedelta(days=n) for n in range(14)]
    planned = set(session.scalars(select(RosterEntry.day).where(RosterEntry.day.in_(days))))
    cycle, kinds = city()["roster_cycle"], city()["shift_kinds"]
    demo = (User.role == "agent", User.name.startswith(city()["mark"]))
    agents = list(session.scalars(select(User.id).where(*demo).order_by(User.work_number)))
    for day in days:
        for place, user_id in enumerate(agents):
            # Three places on from one to the next: every shift of a day has somebody of each group.
            code = cycle[(day.toordinal() + 3 * place) % len(cycle)]
            if code and day not in planned:
                from_at, to_at = _shift_times(day, kinds[code])
                facts = {"day": day, "kind": code, "note": city()["mark"].rstrip("·")}
                session.add(RosterEntry(user_id=user_id, from_at=from_at, to_at=to_at, **facts))
    session.flush()


def _shift_times(day: date, kind: dict[str, str]) -> tuple[datetime, datetime]:
    begins, ends = (
        datetime.combine(day, datetime.strptime(kind[name], "%H:%M").time(), _CITY_TIME)
        for name in ("from_time", "to_time")
    )
    return begins, ends if ends > begins else ends + timedelta(days=1)


def _regions(session: Session) -> None:
    for d, (district, towns) in enumerate(city()["regions"].items(), start=1):
        top = _add_new(session, Region, "code", f"{d:02d}", name=district, level=1)
        for t, (town, communities) in enumerate(towns.items(), start=1):
            code = f"{d:02d}{t:02d}"
            middle = _add_new(session, Region, "code", code, name=town, level=2, parent_id=top.id)
            for c, name in enumerate(communities, start=1):
                place = f"{code}{c:02d}"
                _add_new(session, Region, "code", place, name=name, level=3, parent_id=middle.id)


def _units(session: Session) -> dict[str, int]:
    """Write the units; gives the id of each top unit by its code."""
    ids = {}
    for line, top in enumerate(city()["units"], start=1):
        first = _add_new(
            session, Unit, "code", top["code"], name=top["name"], level=1, phone=f"0571-8{line:03d}0100"
        )
        ids[top["code"]] = first.id
        for place, middle in enumerate(top.get("children", ()), start=1):
            code = f"{top['code']}-{place}"
            second = _add_new(session, Unit, "code", code, name=middle["name"], level=2, parent_id=first.id)
            for n, name in enumerate(middle.get("children", ()), start=1):
                _add_new(session, Unit, "code", f"{code}-{n}", name=name, level=3, parent_id=second.id)
    return ids


def _categories(session: Session, units: dict[str, int]) -> None:
    for f, (field, subjects) in enumerate(city()["categories"].items(), start=1):
        top = _category(session, f"{f:02d}", field, None, None)
        for s, (subject, entry) in enumerate(subjects.items(), start=1):
            unit = units[entry["unit"]]
            middle = _category(session, f"{f:02d}{s:02d}", subject, top.id, unit)
            for n, name in enumerate(entry["leaves"], start=1):
                _category(session, f"{f:02d}{s:02d}{n:02d}", name, middle.id, unit)


def _category(session: Session, code: str, name: str, parent_id: int | None, unit_id: int | None) -> Category:
    letters = "".join(lazy_pinyin(name, style=Style.FIRST_LETTER)).lower()
    return _add_new(
        session, Category, "code", code, name=name, initials=letters, parent_id=parent_id, unit_id=unit_id
    )


def _knowledge(session: Session) -> None:
    """Entries of the knowledge base, known by their titles, and scripts, known by their codes."""
    shelf = YAML(typ="safe").load(KNOWLEDGE_FILE.read_text(encoding="utf-8"))
    categories = {
        name: key
        for key, name in session.execute(select(Category.id, Category.name).order_by(Category.id.desc()))
    }
    for entry in shelf["entries"]:
        facts = {"category_id": _named(categories, entry), "source": shelf["source"]}
        facts |= {name: entry[name] for name in ("body", "keywords")}
        _add_new(session, KnowledgeEntry, "title", entry["title"], **facts)
    for position, script in enumerate(shelf["scripts"]):
        facts = {"category_id": _named(categories, script), "position": position}
        facts |= {
            "request_type": script.get("request_type"),
            "title": script["title"],
            "steps": script["steps"],
        }
        _add_new(session, Script, "code", script["code"], **facts)


def _named(categories: dict[str, int], entry: dict[str, Any]) -> int | None:
    """Id of the category that an entry names; none for a general one. Raises KeyError where there is none."""
    return categories[entry["category"]] if "category" in entry else None


def _caller_notes(session: Session) -> None:
    for note in city()["caller_notes"]:
        _add_new(session, CallerNote, "note", note["note"], number=note["number"], kind=note["kind"])


def _citizens(session: Session) -> None:
    if session.scalar(select(func.count()).select_from(Citizen)):
        return
    for person in city()["citizens"]:
        facts = {name: person.get(name) for name in ("name", "gender", "address", "note", "language")}
        phones = [CitizenPhone(number=number) for number in person["phones"]]
        session.add(Citizen(**facts, phones=phones))
        session.flush()


def _past_calls(session: Session) -> None:
    if session.scalar(select(Call.id).where(Call.uid.startswith(SEEDED)).limit(1)):
        return
    chance = Random(12345)
    numbers = [number for person in city()["citizens"] for number in person["phones"]]
    outcomes = [outcome for outcome, count in OUTCOMES.items() for _ in range(count)]
    chance.shuffle(outcomes)
    newest = now().replace(microsecond=0)
    ages = sorted((chance.randint(30, 14 * 24 * 60) for _ in outcomes), reverse=True)
    for place, (outcome, age) in enumerate(zip(outcomes, ages, strict=True), start=1):
        caller = chance.choice(numbers) if chance.random() < 0.6 else f"861990000{chance.randint(2000, 9999)}"
        call = _past_call(chance, place, outcome, newest - timedelta(minutes=age), caller)
        session.add(call)
        if outcome == "answered":
            # Otherwise the nightly check would report every one of them as a lost recording.
            explained = {"state": "explained", "problem": "演示数据，没有录音", "expected_seconds": None}
            session.flush()
            session.add(Recording(call_uid=call.uid, kind="call", made_at=call.ended_at, **explained))


def _past_call(chance: Random, place: int, outcome: str, arrived_at: datetime, caller: str) -> Call:
    """One invented row of the ledger whose times and fields fit its outcome."""
    menu = timedelta(seconds=chance.randint(6, 25))
    queue = chance.choices(list(_KEYS), weights=(6, 3, 2, 1))[0]
    asked = outcome in TO_A_PERSON
    answered = outcome == "answered"
    wait_ms = _wait_ms(chance, outcome) if asked else None
    talk_ms = chance.randint(25_000, 420_000) if answered else None
    left = arrived_at + menu
    answered_at = left + timedelta(milliseconds=wait_ms or 0) if answered else None
    agent = chance.randint(1, 12)
    return Call(
        uid=f"{SEEDED}{place:04d}",
        pbx="demo",
        caller_raw=caller.removeprefix("86"),
        caller=caller,
        called="12345",
        arrived_at=arrived_at,
        menu_path=_menu_path(outcome, queue),
        queue=queue if asked else None,
        to_person_at=left if asked else None,
        rings=chance.choice((0, 0, 0, 1)) if asked else 0,
        answered_at=answered_at,
        agent=f"agent{agent:02d}" if answered else None,
        seat=str(8000 + agent) if answered else None,
        wait_ms=wait_ms,
        talk_ms=talk_ms,
        ended_at=left + timedelta(milliseconds=(wait_ms or 0) + (talk_ms or 0)),
        ended_by="agent" if answered and chance.random() < 0.3 else _ended_by(outcome),
        cause=21 if outcome == "refused" else 16,
        reason={"self_served": "progress", "overflowed": "waited_too_long"}.get(outcome),
        outcome=outcome,
    )


def _wait_ms(chance: Random, outcome: str) -> int:
    if outcome == "short_abandon":
        return chance.randint(800, 4_800)
    return chance.randint(2_500, 28_000) if outcome == "answered" else chance.randint(40_000, 240_000)


def _ended_by(outcome: str) -> str:
    return "system" if outcome in {"refused", "closed", "overflowed"} else "caller"


def _menu_path(outcome: str, queue: str) -> list[dict[str, str]]:
    if outcome in {"refused", "closed", "abandoned_in_menu"}:
        return []
    key = "3" if outcome == "self_served" else _KEYS[queue]
    return [{"node": "main", "key": key, "result": "ok"}]


def _add_new(session: Session, table: type[Row], key: str, value: str, **facts: Any) -> Row:
    """The row of `table` whose column `key` is `value`; made with `facts` when it is not there."""
    found = session.scalar(select(table).where(getattr(table, key) == value))
    if found is not None:
        return found
    made = table(**{key: value}, **facts)
    session.add(made)
    session.flush()
    return made


def _numeral(number: int) -> str:
    """1…99 as Chinese writes it: 十二."""
    tens, ones = divmod(number, 10)
    if number < 10 or number > 99:
        return _DIGITS[number] if number < 10 else str(number)
    return ("" if tens == 1 else _DIGITS[tens]) + "十" + (_DIGITS[ones] if ones else "")
