"""A desktop for the fast tests: temporary SQLite, a small city, and a cti that is only its words."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any

from argon2 import PasswordHasher
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from agent_desktop.app import Parts
from db.models import (
    Call,
    Category,
    Citizen,
    CitizenPhone,
    Queue,
    QueueMembership,
    Recording,
    Region,
    Seat,
    Unit,
    User,
    now,
)

PASSWORD = "one of the demo passwords"
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
PEOPLE = {
    "agent01": "agent",
    "agent02": "agent",
    "leader01": "shift_leader",
    "supervisor01": "supervisor",
    "inspector01": "inspector",
    "dispatcher01": "dispatcher",
    "admin": "administrator",
}
MOBILE = "8613812345678"


def seat_fact(number: str, **facts: Any) -> dict[str, Any]:
    return {
        "seat": number,
        "agent": None,
        "presence": "signed_out",
        "reason": None,
        "activity": "idle",
        "reachable": True,
        "since": 1,
        "call": None,
        "queues": [],
    } | facts


def call_fact(uid: str = "pbx1-1.1", **facts: Any) -> dict[str, Any]:
    return {
        "uid": uid,
        "caller": "013812345678",
        "caller_name": '王"女士"<b>',
        "called": "12345",
        "state": "ringing",
        "queue": "consultation",
        "path": [{"node": "main", "key": "1"}],
        "arrived_at": 1_000,
        "queued_at": 2_000,
        "ringing_at": 5_000,
        "answered_at": None,
        "seat": "8001",
        "priority": 0,
        "event_at": 5_000,
    } | facts


@dataclass
class Cti:
    """The cti's side of the link: says facts, and answers commands as told."""

    parts: Parts
    answers: dict[str, Any] = field(default_factory=dict)
    commands: list[dict[str, Any]] = field(default_factory=list)
    seats: dict[str, dict[str, Any]] = field(default_factory=dict)
    obeys: bool = True
    """A command is followed by the event that it causes, as with Asterisk."""
    _seq: Iterator[int] = field(default_factory=lambda: itertools.count(11))

    def connect(self, **parts: Any) -> None:
        self.parts.desk.floor.link_came("pbx1", "wire")
        self.seats = {number: seat_fact(number) for number in ("8001", "8002")}
        self.parts.desk.floor.take_snapshot(
            "pbx1",
            "wire",
            {
                "pbx": "pbx1",
                "epoch": "e",
                "seq": 10,
                "connected": True,
                "blind_since": None,
                "seats": list(self.seats.values()),
                "calls": [],
                "queues": [],
            }
            | parts,
        )

    def disconnect(self) -> None:
        self.parts.desk.floor.link_went("pbx1", "wire")

    def tell(self, kind: str, key: str, value: dict[str, Any] | None) -> None:
        assert self.parts.desk.floor.take_change(
            "pbx1",
            "wire",
            {
                "pbx": "pbx1",
                "epoch": "e",
                "seq": next(self._seq),
                "event_at": None,
                "changes": [{"kind": kind, "id": key, "value": value}],
            },
        )

    def seat(self, number: str, **facts: Any) -> None:
        self.seats[number] = self.seats[number] | facts
        self.tell("seat", number, self.seats[number])

    def call(self, uid: str = "pbx1-1.1", **facts: Any) -> None:
        self.tell("call", uid, call_fact(uid, **facts))

    def ask(self, _socket: str, command: Mapping[str, Any], answer: Callable[[Any], None]) -> None:
        self.commands.append(dict(command))
        reply = self.answers.get(command["name"], {"ok": True})
        if reply["ok"] and self.obeys:
            self._obey(dict(command))
        answer(reply)

    def _obey(self, command: dict[str, Any]) -> None:
        name, number = command["name"], command.get("seat", "")
        if name == "sign_in":
            self.seat(
                number,
                agent=command["agent"],
                presence="not_ready",
                reason="signed_in",
                queues=[queue for queue, _ in command["queues"]],
            )
        elif name == "sign_out":
            self.seat(number, agent=None, presence="signed_out", reason=None, queues=[])
        elif name in ("ready", "not_ready"):
            self.seat(number, presence=name, reason=command.get("reason"))


class Form(dict[str, Any]):
    """A multipart form instead of JSON; a file is (name, bytes)."""

    def data(self) -> dict[str, Any]:
        return {
            key: (BytesIO(value[1]), value[0]) if isinstance(value, tuple) else value
            for key, value in self.items()
        }


@dataclass
class Browser:
    """One browser: keeps cookies, sends the page's token."""

    client: FlaskClient
    csrf: str = ""

    def get(self, path: str, **more: Any) -> Any:
        return self.client.get(path, **more)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        if not self.csrf:
            self.csrf = self.get("/api/session").json["csrf"]
        given: dict[str, Any] = {"data": body.data()} if isinstance(body, Form) else {"json": body}
        return self.client.open(path, method=method, headers={"X-CSRF-Token": self.csrf, **headers}, **given)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, {} if body is None else body, **headers)

    def log_in(self, login: str, seat: str | None = None, password: str = PASSWORD) -> Any:
        answer = self.post("/api/session", {"login": login, "password": password, "seat": seat})
        if answer.status_code == 200:
            self.csrf = answer.json["csrf"]
        return answer


def small_city(session: Session) -> None:
    """Six people, two seats, two queues, one citizen; every id starts at 1."""
    for login, role in PEOPLE.items():
        session.add(
            User(
                login=login,
                name=f"姓名{login}",
                work_number=login[-4:] + role[:2],
                role=role,
                password_hash=HASH,
            )
        )
    session.add_all(
        [
            Seat(number="8001", label="一号席"),
            Seat(number="8002", label="二号席"),
            Queue(name="consultation", label="综合咨询"),
            Queue(name="complaint", label="投诉举报"),
        ]
    )
    session.flush()
    session.add_all(
        [
            QueueMembership(user_id=1, queue="consultation"),
            QueueMembership(user_id=1, queue="complaint", penalty=2),
        ]
    )
    session.add_all([Unit(code="u1", name="市水务局", level=1), Region(code="r1", name="东湖区", level=1)])
    session.flush()
    session.add(Category(code="c1", name="供水", initials="gs", unit_id=1))
    session.add(Citizen(name="王女士", gender="女", phones=[CitizenPhone(number=MOBILE)]))


def past_call(uid: str, **facts: Any) -> Call:
    values: dict[str, Any] = {
        "uid": uid,
        "pbx": "pbx1",
        "caller": MOBILE,
        "caller_raw": "13812345678",
        "queue": "consultation",
        "arrived_at": now() - timedelta(hours=1),
        "agent": "agent01",
        "seat": "8001",
        "outcome": "answered",
        "talk_ms": 61_000,
        "wait_ms": 4_000,
    }
    return Call(**(values | facts))


def keep_recording(parts: Parts, call: Call, seconds: float = 1.0) -> int:
    """A kept two-channel FLAC of a call (written into the ledger too); its id."""
    import numpy as np
    import soundfile as sf

    path = parts.desk.settings.recordings / f"{call.uid}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = (np.sin(np.arange(int(8000 * seconds)) / 8) * 9000).astype("int16")
    sf.write(path, np.column_stack([tone, tone]), 8000, format="FLAC", subtype="PCM_16")
    with parts.desk.sessions.begin() as session:
        session.add(call)
        session.flush()
        row = Recording(call_uid=call.uid, state="kept", path=path.name, seconds=seconds)
        session.add(row)
        session.flush()
        return row.id
