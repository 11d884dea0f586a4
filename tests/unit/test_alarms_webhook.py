"""Alarms told to a webhook: signed, tried again, given up after a day; one that hangs holds nobody up."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from db.engine import open_engine, sessions
from db.models import Alarm, WebhookDelivery
from hotline import alarm_webhook
from hotline.alarm_webhook import MOST_ATTEMPTS, Told, deliver, deliver_due, post, retry_after
from hotline.settings import Settings

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


@dataclass
class Received:
    """What a city's server was told, and how it answers."""

    status: int = 204
    address: str = ""
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @contextmanager
    def listening(self) -> Iterator[Received]:
        received = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                received.posts.append((dict(self.headers), self.rfile.read(length)))
                self.send_response(received.status)
                self.send_header("Location", "http://127.0.0.2:1/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_port}/alarms?city=yz"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def city() -> Iterator[Received]:
    with Received().listening() as received:
        yield received


@pytest.fixture
def settings(tmp_path: Path, city: Received) -> Settings:
    return Settings(var=tmp_path, alarm_webhook_url=city.address, alarm_webhook_secret="s" * 48)


@pytest.fixture
def database(tmp_path: Path, new_database: Callable[[Path], str]) -> Iterator[sessionmaker[Session]]:
    engine = open_engine(new_database(tmp_path / "hotline.db"))
    yield sessions(engine)
    engine.dispose()


def told(database: sessionmaker[Session], *what: str) -> int:
    """An alarm with these deliveries; its id."""
    with database.begin() as session:
        facts = {"value": 1.0, "worst": 1.0, "threshold": 1.0}
        alarm = Alarm(kind="disk", raised_at=NOW, seen_at=NOW, **facts)
        session.add(alarm)
        session.flush()
        for one in what:
            body = {"event": f"alarm.{one}", "alarm": alarm.id, "text": "【告警】磁盘使用率"}
            session.add(WebhookDelivery(alarm_id=alarm.id, what=one, body=body, next_at=NOW))
        return alarm.id


def rows(database: sessionmaker[Session]) -> list[WebhookDelivery]:
    with database() as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id)))


def test_what_is_due_is_told_once_and_signed(
    database: sessionmaker[Session], settings: Settings, city: Received
) -> None:
    told(database, "raised")
    assert deliver_due(database, settings, NOW) == 1
    assert deliver_due(database, settings, NOW + timedelta(days=1)) == 0
    ((headers, body),) = city.posts
    assert json.loads(body)["event"] == "alarm.raised"
    signed = headers["X-Hotline-Timestamp"].encode() + b"." + body
    expected = hmac.new(b"s" * 48, signed, hashlib.sha256).hexdigest()
    assert headers["X-Hotline-Signature"] == f"sha256={expected}"
    assert (headers["X-Hotline-Delivery"], headers["Content-Type"]) == (
        "1",
        "application/json; charset=utf-8",
    )
    (row,) = rows(database)
    assert (row.attempts, row.next_at, row.problem) == (1, None, "")
    assert row.done_at is not None


def test_a_failing_server_is_tried_again_ever_more_rarely(
    database: sessionmaker[Session], settings: Settings, city: Received
) -> None:
    told(database, "raised")
    city.status = 500
    waits, at = [], NOW
    for _ in range(4):
        deliver_due(database, settings, at)
        (row,) = rows(database)
        assert row.next_at is not None
        waits.append((row.next_at - at).total_seconds())
        assert deliver_due(database, settings, row.next_at - timedelta(seconds=1)) == 0
        at = row.next_at
    assert (waits, row.problem, row.attempts) == ([5, 10, 20, 40], "status 500", 4)
    city.status = 200
    deliver_due(database, settings, at)
    (row,) = rows(database)
    assert (row.problem, row.next_at, len(city.posts)) == ("", None, 5)


def test_it_is_given_up_after_a_day() -> None:
    waits = [retry_after(attempts) for attempts in range(1, MOST_ATTEMPTS)]
    total = sum((wait for wait in waits if wait), timedelta())
    assert timedelta(hours=23, minutes=30) < total < timedelta(hours=24, minutes=30)
    assert retry_after(MOST_ATTEMPTS) is None


def test_what_is_given_up_says_why(database: sessionmaker[Session], settings: Settings) -> None:
    told(database, "raised")
    with database.begin() as session:
        session.scalars(select(WebhookDelivery)).one().attempts = MOST_ATTEMPTS - 1
    deliver_due(database, settings, NOW, send=lambda *_: Told("status 502"))
    (row,) = rows(database)
    assert (row.next_at, row.done_at, row.problem) == (None, None, "status 502")


def test_the_end_is_told_after_the_beginning(database: sessionmaker[Session], settings: Settings) -> None:
    told(database, "raised", "cleared")
    said: list[str] = []
    fails = iter([True, False, False])

    def send(_settings: Settings, _id: int, body: dict[str, Any]) -> Told:
        said.append(body["event"])
        return Told("status 503") if next(fails) else Told()

    for minute in range(3):
        deliver_due(database, settings, NOW + timedelta(minutes=minute), send)
    assert said == ["alarm.raised", "alarm.raised", "alarm.cleared"]


def test_one_that_hangs_does_not_keep_the_others_from_their_turn(
    database: sessionmaker[Session], settings: Settings
) -> None:
    first = [told(database, "raised", "cleared") for _ in range(alarm_webhook.AT_ONCE + 5)]
    send = lambda _settings, _id, body: Told("status 503") if body["alarm"] in first else Told()  # noqa: E731
    later = NOW
    while deliver_due(database, settings, later, send) == alarm_webhook.AT_ONCE:
        later += timedelta(milliseconds=1)
    told(database, "raised")
    assert deliver_due(database, settings, NOW + timedelta(seconds=1), send) == 1
    assert rows(database)[-1].done_at is not None


def test_a_redirect_is_not_followed(settings: Settings, city: Received) -> None:
    city.status = 302
    assert post(settings, 1, {}).problem == "status 302: redirects are not followed"
    assert len(city.posts) == 1


def test_nobody_there_is_a_problem_and_no_error(settings: Settings) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/"
    assert (
        "ConnectionRefused" in post(settings.model_copy(update={"alarm_webhook_url": address}), 1, {}).problem
    )
    wrong = settings.model_copy(update={"alarm_webhook_url": "http://127.0.0.1:99999/"})
    assert post(wrong, 1, {}).problem


def test_a_server_that_answers_letter_by_letter_is_cut_off(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_webhook, "LONGEST_SECONDS", 0.5)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def dribble() -> None:
            line, _ = listening.accept()
            with line:
                for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 500:
                    if over.wait(0.05):
                        return
                    try:
                        line.sendall(bytes([letter]))
                    except OSError:
                        return

        thread = threading.Thread(target=dribble)
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        began = time.monotonic()
        problem = post(settings.model_copy(update={"alarm_webhook_url": address}), 1, {}).problem
        assert (problem, time.monotonic() - began < 3) == ("no answer in time", True)
        over.set()
        thread.join()


def test_without_an_address_what_is_left_is_given_up(
    database: sessionmaker[Session], settings: Settings, city: Received
) -> None:
    told(database, "raised")
    deliver_due(database, settings.model_copy(update={"alarm_webhook_url": ""}), NOW)
    (row,) = rows(database)
    assert (row.next_at, row.done_at, row.problem, city.posts) == (None, None, "no address is set", [])


def test_the_thread_delivers_until_it_is_stopped(
    database: sessionmaker[Session], settings: Settings, city: Received, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_webhook, "ROUND_SECONDS", 0.01)
    told(database, "raised", "cleared")
    stop = threading.Event()
    thread = threading.Thread(target=deliver, args=(database, settings, stop))
    thread.start()
    end = time.monotonic() + 10
    while sum(row.done_at is not None for row in rows(database)) < 2 and time.monotonic() < end:
        stop.wait(0.02)
    stop.set()
    thread.join(5)
    assert [json.loads(body)["event"] for _, body in city.posts] == ["alarm.raised", "alarm.cleared"]
