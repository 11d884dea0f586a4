"""A desktop with a full shift on its floor: 12 or 300 seats, callers waiting, a day behind them. No PBX.

    FullFloor(folder, seats=300)  ── the real desktop, served on loopback
      facts of a made-up shift    ── told as a cti tells them, in this process
      a ledger of the day         ── calls and who was signed in, written as rows

For looking at the live floor's pages as they are on a busy day, which no test can telephone together. All of
it comes from one seed: the same seats in the same states each time, placed around the present moment.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session
from werkzeug.serving import make_server

from agent_desktop.app import Parts, create_app
from agent_desktop.session import limiter
from db.engine import open_engine, sessions
from db.models import (
    AgentGroup,
    Base,
    Call,
    Citizen,
    CitizenPhone,
    Draft,
    JournalEvent,
    NotReadyReason,
    Queue,
    QueueMembership,
    Seat,
    SeatPlace,
    User,
)
from hotline.settings import Settings
from tests.unit.desktop_parts import HASH, Cti, call_fact, seat_fact

QUEUES = {
    "consultation": ("综合咨询", 62),
    "complaint": ("投诉举报", 18),
    "enterprise": ("企业服务专席", 9),
    "heating": ("供热专席", 7),
    "dialect": ("方言外语专席", 4),
}
"""Name -> what people call it, and its share of the calls."""
WALKED = {
    "consultation": [{"node": "main", "key": "1"}],
    "complaint": [{"node": "main", "key": "2"}, {"node": "complaint-menu", "key": "1"}],
    "enterprise": [{"node": "main", "key": "4"}],
    "heating": [{"node": "main", "key": "1"}],
    "dialect": [{"node": "main", "key": "9"}],
}
LEADERS = {"leader01": "shift_leader", "leader02": "shift_leader", "supervisor01": "supervisor"}
FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
_GIVEN = (
    "小雨晓晨明月思远佳宁一帆清禾若溪嘉木语桐安然子衿书瑶知行雅琴海燕"
    "文博志强丽华建国欣怡梓萱浩然俊杰雨桐诗涵子轩美玲秀英桂芳德胜春梅"
)
GIVEN = [_GIVEN[i : i + 2] for i in range(0, len(_GIVEN), 2)]
MOBILE = ("138", "139", "136", "150", "158", "186", "187", "199")
STATES = (
    ("talking", 46),
    ("ready", 14),
    ("after_call", 10),
    ("not_ready", 10),
    ("ringing", 4),
    ("holding", 3),
    ("dialing", 2),
    ("unreachable", 1),
    ("signed_out", 10),
)
REASONS = ("break", "meal", "meeting", "training", "follow_up")
DAY = (3, 2, 1, 1, 2, 4, 10, 26, 62, 88, 92, 84, 55, 48, 78, 86, 82, 74, 52, 40, 34, 26, 16, 8)
"""Calls of each hour of the day, as shares."""
LONG_TALK = 25 * 60


@dataclass
class Shift:
    """The facts of one moment. `now` is epoch ms; two PBXs where there are more than 150 seats."""

    seats: int
    now: int
    seed: int = 12345
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """seat -> fact"""
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    watches: list[dict[str, Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self._uids = itertools.count(1)
        people = [family + given for given in GIVEN for family in FAMILY]
        self.chance.shuffle(people)
        self.names = people[: self.seats]
        words = self._states()
        for i, number in enumerate(self.numbers):
            self._seat(i, number, words[i])
        self._waiting()
        self._marks()

    @property
    def numbers(self) -> list[str]:
        return [str(8001 + i) for i in range(self.seats)]

    def pbx_of(self, number: str) -> str:
        return "pbx1" if self.seats <= 150 or int(number) - 8001 < self.seats // 2 else "pbx2"

    @property
    def pbxs(self) -> list[str]:
        return sorted({self.pbx_of(number) for number in self.numbers})

    def snapshot(self, pbx: str) -> dict[str, Any]:
        """As the cti of that PBX sends it."""
        calls = [call for call in self.calls.values() if call["uid"].startswith(pbx)]
        queues = [
            {
                "queue": name,
                "waiting": [c["uid"] for c in calls if c["state"] == "queue" and c["queue"] == name],
            }
            for name in QUEUES
        ]
        mine = [fact for number, fact in self.facts.items() if self.pbx_of(number) == pbx]
        return {
            "pbx": pbx,
            "epoch": "e",
            "seq": 10,
            "connected": True,
            "blind_since": None,
            "seats": mine,
            "calls": calls,
            "queues": queues,
            "watches": [one for one in self.watches if self.pbx_of(one["seat"]) == pbx],
            "trunk": {"in_use": min(len(calls) + 3, 48)},
        }

    def caller(self) -> str:
        return "0" + self.chance.choice(MOBILE) + "".join(self.chance.choices("0123456789", k=8))

    def queue(self) -> str:
        return self.chance.choices(list(QUEUES), [share for _, share in QUEUES.values()])[0]

    def login(self, i: int) -> str:
        return f"agent{i + 1:03d}"

    # --- making it ---------------------------------------------------------------------------------

    def _states(self) -> list[str]:
        """Each state by its share; with few seats each of the common ones still appears."""
        words = [word for word, share in STATES for _ in range(max(1, round(share * self.seats / 100)))]
        words = (words + ["talking"] * self.seats)[: self.seats]
        self.chance.shuffle(words)
        return words

    def _seat(self, i: int, number: str, word: str) -> None:
        if word == "signed_out":
            self.facts[number] = seat_fact(number, reachable=False, since=self.now - 3_600_000)
            return
        ago = int(
            self.chance.triangular(3, {"ringing": 12, "after_call": 60, "dialing": 20}.get(word, 600), 90)
        )
        facts: dict[str, Any] = {
            "agent": self.login(i),
            "presence": "ready",
            "since": self.now - ago * 1000,
            "queues": ["consultation", *([self.queue()] if i % 3 == 0 else [])],
            "telephone": "desk" if i % 9 == 4 else "browser",
        }
        if word == "not_ready":
            facts |= {"presence": "not_ready", "reason": self.chance.choice(REASONS)}
        elif word == "after_call":
            facts |= {"presence": "not_ready", "reason": "after_call", "until": facts["since"] + 60_000}
        elif word == "unreachable":
            facts |= {"reachable": False}
        elif word != "ready":
            facts |= {"activity": word, "call": self._call(number, word, ago)}
        facts["queues"] = list(dict.fromkeys(facts["queues"]))
        self.facts[number] = seat_fact(number, **facts)

    def _call(self, number: str, state: str, ago: int) -> str:
        uid = f"{self.pbx_of(number)}-{self.now // 1000}.{next(self._uids)}"
        queue, waited = self.queue(), self.chance.randint(2, 24)
        answered = state in ("talking", "holding")
        began = self.now - ago * 1000
        outbound = state == "dialing"
        self.calls[uid] = call_fact(
            uid,
            caller=self.caller(),
            caller_name="",
            state=state,
            queue=queue,
            path=WALKED[queue],
            arrived_at=began - waited * 1000 - 21_000,
            asked_at=None if outbound else began - waited * 1000,
            queued_at=began - waited * 1000,
            ringing_at=began - 2_000,
            answered_at=began if answered else None,
            seat=number,
            direction="outbound" if outbound else "inbound",
            kind="dial_out" if outbound else "inbound",
            recording="on" if answered else None,
            paused_since=None,
            party=None,
            taken_by=None,
        )
        return uid

    def _waiting(self) -> None:
        """Callers in the queues, the longest first."""
        for i in range(max(2, self.seats // 12)):
            uid = f"{self.pbxs[i % len(self.pbxs)]}-{self.now // 1000}.{next(self._uids)}"
            queue = self.queue()
            asked = self.now - int(self.chance.triangular(2, 95, 12)) * 1000
            self.calls[uid] = call_fact(
                uid,
                caller=self.caller(),
                caller_name="",
                state="queue",
                queue=queue,
                path=WALKED[queue],
                arrived_at=asked - 20_000,
                asked_at=asked,
                queued_at=asked,
                ringing_at=None,
                seat=None,
                priority=5 if i % 7 == 3 else 0,
                direction="inbound",
                kind="inbound",
                recording=None,
                party=None,
                taken_by=None,
            )

    def _marks(self) -> None:
        """One asks for help, one is listened to, one has the recording paused, one talks very long."""
        talking = [fact for fact in self.facts.values() if fact["activity"] == "talking"]
        asks, watched, paused, long = (talking * 4)[:4]
        asks["help_since"] = self.now - 34_000
        self.calls[paused["call"]] |= {"recording": "paused", "paused_since": self.now - 11_000}
        long["since"] = self.now - LONG_TALK * 1000
        self.calls[long["call"]] |= {"answered_at": long["since"]}
        self.watches.append(
            {
                "id": "leader02",
                "by": "leader02",
                "seat": watched["seat"],
                "call": watched["call"],
                "mode": "listen",
                "state": "on",
                "telephone": "browser",
                "follow": False,
                "since": self.now - 48_000,
                "began_at": self.now - 48_000,
            }
        )


class FullFloor:
    """The desktop and its floor. `address` is where it is served; `shift` what it was told at first."""

    def __init__(self, folder: Path, seats: int = 12, weeks: int = 0) -> None:
        """`weeks`: as many weeks before today have calls too, for the forecast."""
        self.shift = Shift(seats, now_ms())
        settings = Settings(
            var=folder,
            session_key="k" * 40,
            link_token="t" * 40,
            web_threads=24,
            # Nobody sits at these seats: that their screens are missing is not held against them.
            screen_gone_seconds=86_400,
        )
        folder.mkdir(parents=True, exist_ok=True)
        engine = open_engine(f"sqlite:///{folder / 'hotline.db'}")
        Base.metadata.create_all(engine)
        with sessions(engine).begin() as session:
            full_city(session, self.shift)
            session.flush()
            write_day(session, self.shift, weeks)
        engine.dispose()
        self.parts: Parts = create_app(settings)
        limiter.reset()
        self.commands: list[dict[str, Any]] = []
        self.ctis = {pbx: _Wire(self.parts, pbx, self) for pbx in self.shift.pbxs}
        self.parts.desk.floor.ask = self._ask
        for pbx, wire in self.ctis.items():
            wire.connect(self.shift.snapshot(pbx))
        self._stop = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()
        self._server = make_server("127.0.0.1", 0, self.parts.app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def _beat(self) -> None:
        """The signs of life of every cti, without which its PBX is blind."""
        while not self._stop.wait(2):
            for pbx in self.ctis:
                self.parts.desk.floor.heard(pbx, f"wire-{pbx}", now_ms())

    def close(self) -> None:
        self._stop.set()
        self._beating.join(5)
        self.parts.close()
        self._server.shutdown()
        self._thread.join(5)
        self.parts.desk.sessions.kw["bind"].dispose()

    # --- what happens on the floor -----------------------------------------------------------------

    def seat(self, number: str, **facts: Any) -> None:
        """The seat has these facts from now on."""
        self.shift.facts[number] = self.shift.facts[number] | facts
        self.ctis[self.shift.pbx_of(number)].tell("seat", number, self.shift.facts[number])

    def call(self, uid: str, **facts: Any) -> None:
        self.shift.calls[uid] = self.shift.calls.get(uid, call_fact(uid)) | facts
        self.ctis[uid.partition("-")[0]].tell("call", uid, self.shift.calls[uid])

    def leaves_queue(self, uid: str, **facts: Any) -> None:
        """A waiting caller is answered (`facts` say where), and the queue knows it."""
        self.call(uid, **facts)
        queue, pbx = self.shift.calls[uid]["queue"], uid.partition("-")[0]
        waiting = [
            other
            for other, one in self.shift.calls.items()
            if one["state"] == "queue" and one["queue"] == queue and other.startswith(pbx)
        ]
        self.ctis[pbx].tell("queue", queue, {"queue": queue, "waiting": waiting})

    def call_ends(self, number: str) -> None:
        """Call gone, after-call work begins."""
        uid = self.shift.facts[number]["call"]
        self.shift.calls.pop(uid, None)
        self.ctis[self.shift.pbx_of(number)].tell("call", uid, None)
        self.seat(
            number, activity="idle", call=None, presence="not_ready", reason="after_call", since=now_ms()
        )

    def watch(self, watch: dict[str, Any] | None, by: str, seat: str) -> None:
        self.ctis[self.shift.pbx_of(seat)].tell("watch", by, watch)

    def turn(self) -> None:
        """One small thing happens, as on a busy floor: somebody becomes ready, or ends a call."""
        chance, facts = self.shift.chance, self.shift.facts
        number = chance.choice([n for n, one in facts.items() if one["agent"]])
        if facts[number]["call"]:
            self.call_ends(number)
        else:
            self.seat(number, presence="ready", reason=None, since=now_ms())

    def goes_blind(self, pbx: str = "pbx1") -> None:
        """The link of a PBX is gone."""
        self.parts.desk.floor.link_went(pbx, f"wire-{pbx}")

    def states(self, word: str) -> list[str]:
        """Seats whose telephone or presence says so."""
        return [
            number for number, one in self.shift.facts.items() if word in (one["activity"], one["presence"])
        ]

    def _ask(self, _socket: str, command: Any, answer: Any) -> None:
        """Commands are noted and obeyed where it is simple: supervision, presence."""
        self.commands.append(dict(command))
        answer({"ok": True, "phone": {"user": "v1", "password": "none"}})
        name, seat = command["name"], command.get("seat", "")
        if name in ("watch", "watch_mode") and seat in self.shift.facts:
            now = now_ms()
            mode, by = command["mode"], command["by"]
            self.watch(
                {
                    "id": by,
                    "by": by,
                    "seat": seat,
                    "call": self.shift.facts[seat]["call"],
                    "mode": mode,
                    "state": "on",
                    "telephone": command.get("telephone", "8012"),
                    "follow": bool(command.get("follow")),
                    "since": now,
                    "began_at": now,
                },
                by,
                seat,
            )
        elif name == "unwatch":
            self.watch(None, command["by"], seat)
        elif name == "take_over":
            self._taken(seat, command["by"])
        elif name == "take_help":
            self.seat(seat, help_since=None)
        elif name in ("ready", "not_ready"):
            self.seat(seat, presence=name, reason=command.get("reason"), since=now_ms())

    def _taken(self, number: str, by: str) -> None:
        """The supervisor has the citizen; the agent goes on to after-call work."""
        uid, now = self.shift.facts[number]["call"], now_ms()
        self.call(uid, seat=None, taken_by=by)
        self.seat(
            number,
            activity="idle",
            call=None,
            presence="not_ready",
            reason="after_call",
            since=now,
            help_since=None,
        )
        watch = {"id": by, "by": by, "seat": number, "call": uid, "mode": "take_over", "state": "on"}
        self.watch(watch | {"telephone": "8002", "follow": False, "since": now, "began_at": now}, by, number)


class _Wire(Cti):
    """The words of one PBX's cti."""

    def __init__(self, parts: Parts, pbx: str, _floor: FullFloor) -> None:
        super().__init__(parts)
        self.pbx = pbx
        self._lock = threading.Lock()

    def connect(self, snapshot: dict[str, Any]) -> None:  # type: ignore[override]
        self.parts.desk.floor.link_came(self.pbx, f"wire-{self.pbx}")
        self.parts.desk.floor.take_snapshot(self.pbx, f"wire-{self.pbx}", snapshot)

    def tell(self, kind: str, key: str, value: dict[str, Any] | None) -> None:
        with self._lock:
            change = {
                "pbx": self.pbx,
                "epoch": "e",
                "seq": next(self._seq),
                "event_at": now_ms(),
                "changes": [{"kind": kind, "id": key, "value": value}],
            }
            assert self.parts.desk.floor.take_change(self.pbx, f"wire-{self.pbx}", change)


@contextmanager
def full_floor(folder: Path, seats: int = 12, weeks: int = 0) -> Iterator[FullFloor]:
    floor = FullFloor(folder, seats, weeks)
    try:
        yield floor
    finally:
        floor.close()


def now_ms() -> int:
    return round(time.time() * 1000)


# --- what is in the database --------------------------------------------------------------------------


def full_city(session: Session, shift: Shift) -> None:
    """Groups of about 30, their leaders, an agent and a place for each seat, queues, one known caller."""
    many = max(2, round(shift.seats / 30))
    names = "一二三四五六七八九十"
    groups = [AgentGroup(name=f"话务{names[i]}组", position=i) for i in range(many)]
    session.add_all(groups)
    session.flush()
    session.add_all(Queue(name=name, label=label) for name, (label, _) in QUEUES.items())
    for i, (login, role) in enumerate(LEADERS.items()):
        session.add(
            User(
                login=login,
                name=("何班长", "吕班长", "施主管")[i],
                work_number=f"{2001 + i}",
                role=role,
                group_id=groups[i].id if role == "shift_leader" else None,
                password_hash=HASH,
            )
        )
    each = -(-shift.seats // many)
    across = 10 if shift.seats > 24 else 4
    for i, number in enumerate(shift.numbers):
        session.add(Seat(number=number, label=f"{int(number) - 8000} 号席"))
        session.add(
            User(
                login=shift.login(i),
                name=shift.names[i],
                work_number=f"{3001 + i}",
                role="agent",
                group_id=groups[i // each].id,
                password_hash=HASH,
            )
        )
        place = i % 150
        session.add(
            SeatPlace(
                seat=number,
                room=("一楼大厅", "二楼大厅")[i // 150],
                column=place % across + 1,
                row=place // across + 1,
            )
        )
    session.flush()
    if not session.query(NotReadyReason).count():
        words = ("小休", "就餐", "会议", "培训", "回访")
        session.add_all(
            NotReadyReason(code=code, label=words[i], position=i, limit_minutes=(10, 40, None, None, 30)[i])
            for i, code in enumerate(REASONS)
        )
    ids = {user.login: user.id for user in session.query(User)}
    session.add_all(
        QueueMembership(user_id=ids[fact["agent"]], queue=queue)
        for fact in shift.facts.values()
        for queue in fact["queues"]
    )
    _known_caller(session, shift, ids)


def _known_caller(session: Session, shift: Shift, ids: dict[str, int]) -> None:
    """Who asks for help is in a call whose caller has a name, and the ticket is half written."""
    seat = next(one for one in shift.facts.values() if one.get("help_since"))
    call = shift.calls[seat["call"]]
    number = "86" + call["caller"].removeprefix("0")
    citizen = Citizen(
        name="王女士", gender="女", address="云州市东湖区人民路 18 号", phones=[CitizenPhone(number=number)]
    )
    session.add(citizen)
    body = {
        "request_type": "complaint",
        "title": "小区停水三天无人处理",
        "who": "王女士",
        "when": "本月 19 日起",
        "where": "东湖区人民路 18 号锦绣花园 3 幢",
        "what": "小区 19 日上午起停水，物业称在等配件，至今没有恢复，家中有老人和婴儿。",
        "asked_for": "",
        "urgency": "urgent",
    }
    session.add(
        Draft(user_id=ids[seat["agent"]], call_uid=call["uid"], body=body, saved_at=datetime.now(UTC))
    )


def write_day(session: Session, shift: Shift, weeks: int) -> None:
    """The ledger: calls until now, and of the same weekday of `weeks` weeks; when seats were signed in."""
    now = datetime.fromtimestamp(shift.now / 1000, UTC)
    city = timedelta(hours=8)
    midnight = (now + city).replace(hour=0, minute=0, second=0, microsecond=0) - city
    for week in range(weeks + 1):
        begins = midnight - timedelta(weeks=week)
        ends = now if week == 0 else begins + timedelta(days=1)
        rows = list(_calls_of_a_day(shift, begins, ends, week))
        if rows:
            session.execute(insert(Call), rows)
    session.execute(insert(JournalEvent), [*_presence(shift, midnight, now), *_way_of_a_call(shift)])


def _calls_of_a_day(shift: Shift, begins: datetime, ends: datetime, week: int) -> Iterator[dict[str, Any]]:
    chance = random.Random(shift.seed + week)
    numbers = itertools.count(1)
    scale = shift.seats / 100
    for hour, share in enumerate(DAY):
        for _ in range(round(share * scale * chance.uniform(0.85, 1.15) * 10)):
            asked = begins + timedelta(hours=hour, seconds=chance.uniform(0, 3600))
            if asked < ends:
                yield _past_call(shift, chance, f"pbx1-past{week}.{next(numbers)}", asked)


def _past_call(shift: Shift, chance: random.Random, uid: str, asked: datetime) -> dict[str, Any]:
    busy = chance.random() < 0.07
    wait = int(chance.triangular(9, 80, 18) if busy else chance.triangular(1, 15, 4)) * 1000
    given_up = chance.random() < (0.3 if busy else 0.01)
    talk = int(chance.triangular(25, 560, 120)) * 1000
    i = chance.randrange(shift.seats)
    ended = asked + timedelta(milliseconds=wait + (0 if given_up else talk))
    outcome = ("short_abandon" if wait < 5_000 else "abandoned_in_queue") if given_up else "answered"
    return {
        "uid": uid,
        "pbx": "pbx1",
        "caller": "86" + shift.caller()[1:],
        "caller_raw": "",
        "queue": chance.choices(list(QUEUES), [share for _, share in QUEUES.values()])[0],
        "arrived_at": asked - timedelta(seconds=21),
        "to_person_at": asked,
        "answered_at": None if given_up else asked + timedelta(milliseconds=wait),
        "agent": None if given_up else shift.login(i),
        "seat": None if given_up else shift.numbers[i],
        "wait_ms": wait,
        "talk_ms": None if given_up else talk,
        "ended_at": ended,
        "outcome": outcome,
    }


def _presence(shift: Shift, midnight: datetime, now: datetime) -> Iterator[dict[str, Any]]:
    """Signed in since the morning, a break in between, and what the seat has done in the last hour."""
    offsets = itertools.count(1)

    def line(at: datetime, event: str, agent: str, *data: str) -> dict[str, Any]:
        return {
            "pbx": "pbx1",
            "file": "queue_log",
            "offset": next(offsets),
            "at": at,
            "call_uid": None,
            "queue": None,
            "agent": agent,
            "event": event,
            "data": list(data),
        }

    for i, (number, fact) in enumerate(shift.facts.items()):
        if not fact["agent"]:
            continue
        began = max(midnight, now - timedelta(hours=5, minutes=(i * 7) % 50))
        break_at = began + (now - began) * 0.6
        yield line(began, "SIGNIN", fact["agent"], number)
        yield line(began + timedelta(minutes=1), "UNPAUSEALL", fact["agent"])
        yield line(break_at, "PAUSEALL", fact["agent"], "break")
        yield line(break_at + (now - began) * 0.05, "UNPAUSEALL", fact["agent"])


def _way_of_a_call(shift: Shift) -> Iterator[dict[str, Any]]:
    """The journal of the call at the seat that asks for help."""
    number, seat = next((n, one) for n, one in shift.facts.items() if one.get("help_since"))
    call = shift.calls[seat["call"]]
    began, answered = call["arrived_at"], call["answered_at"]
    lines = (
        (began, "CALLARRIVED"),
        (began + 6_000, "MENUSTEP", "main", "1", ""),
        (call["asked_at"], "TOPERSON", call["queue"]),
        (call["asked_at"], "ENTERQUEUE"),
        (answered, "AGENTANSWERED", number),
        (answered + 40_000, "HELD"),
        (answered + 61_000, "RESUMED"),
        (seat["help_since"], "HELPASKED", number),
    )
    for i, (at, event, *data) in enumerate(lines):
        yield {
            "pbx": shift.pbx_of(number),
            "file": "way",
            "offset": i,
            "at": datetime.fromtimestamp(at / 1000, UTC),
            "call_uid": call["uid"],
            "queue": call["queue"] if event == "ENTERQUEUE" else None,
            "agent": seat["agent"] if event in ("AGENTANSWERED", "HELPASKED") else None,
            "event": event,
            "data": [str(at), *data],
        }
