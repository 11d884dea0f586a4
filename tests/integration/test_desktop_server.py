"""The desktop as it runs: gunicorn, a real Socket.IO cti, real pages, both databases, SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio
from argon2 import PasswordHasher

from db import seed
from db.engine import open_engine, sessions
from hotline.settings import REPO

TOKEN = "t" * 40
PASSWORD = "a demo password"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true value of `condition`, or an error after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


class Desktop:
    """One process of the desktop; `start` and `stop` as often as one likes."""

    def __init__(self, var: Path, database_url: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._env = os.environ | {
            "HOTLINE_VAR": str(var),
            "HOTLINE_DATABASE_URL": database_url,
            "HOTLINE_WEB_PORT": str(self.port),
            "HOTLINE_WEB_THREADS": "24",
            "HOTLINE_SESSION_KEY": "k" * 40,
            "HOTLINE_LINK_TOKEN": TOKEN,
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._spawn()
        await until(self._answers, 30)

    def _spawn(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "agent_desktop"], env=self._env, cwd=REPO)

    def _answers(self) -> bool:
        with socket.socket() as one:
            one.settimeout(0.2)
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, seconds: float = 3.0, number: int = signal.SIGTERM) -> None:
        """End it; subprocess.TimeoutExpired where it takes longer than `seconds`."""
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                raise
            self._process = None


class Wire:
    """A cti that is only the link: facts in, commands answered."""

    def __init__(self, url: str) -> None:
        self.url, self.seq, self.commands = url, 0, []  # type: ignore[var-annotated]
        self.seat: dict[str, Any] = {
            "seat": "8001",
            "agent": None,
            "presence": "signed_out",
            "reason": None,
            "activity": "idle",
            "reachable": True,
            "since": 1,
            "call": None,
            "queues": [],
        }
        self._events: set[asyncio.Task[None]] = set()
        self.client = socketio.AsyncClient(reconnection_delay=0.1, reconnection_delay_max=0.2)
        self.client.on("connect", self.snapshot, namespace="/cti")
        self.client.on("snapshot_please", lambda *_: self.snapshot(), namespace="/cti")
        self.client.on("command", self._obey, namespace="/cti")

    async def connect(self) -> None:
        await self.client.connect(
            self.url,
            namespaces=["/cti"],
            transports=["websocket"],
            auth={"token": TOKEN, "pbx": "pbx1"},
        )

    async def snapshot(self) -> None:
        await self.client.emit(
            "floor_snapshot",
            {
                "pbx": "pbx1",
                "epoch": "e",
                "seq": self.seq,
                "connected": True,
                "blind_since": None,
                "seats": [self.seat],
                "calls": [],
                "queues": [],
            },
            namespace="/cti",
        )

    async def change(self, kind: str, key: str, value: dict[str, Any] | None) -> None:
        self.seq += 1
        await self.client.emit(
            "floor_change",
            {
                "pbx": "pbx1",
                "epoch": "e",
                "seq": self.seq,
                "event_at": None,
                "changes": [{"kind": kind, "id": key, "value": value}],
            },
            namespace="/cti",
        )

    async def _obey(self, command: dict[str, Any]) -> dict[str, Any]:
        self.commands.append(command["name"])
        if command["name"] == "sign_in":
            self.seat |= {"agent": command["agent"], "presence": "not_ready", "reason": "signed_in"}
        elif command["name"] == "ready":
            self.seat |= {"presence": "ready", "reason": None}
        event = asyncio.ensure_future(self.change("seat", "8001", dict(self.seat)))
        self._events.add(event)
        event.add_done_callback(self._events.discard)
        return {"ok": True}


@asynccontextmanager
async def running(var: Path, database_url: str) -> AsyncIterator[tuple[Desktop, Wire]]:
    desktop = Desktop(var, database_url)
    wire = Wire(desktop.url)
    try:
        await desktop.start()
        await wire.connect()
        yield desktop, wire
    finally:
        wire.client.reconnection = False
        await wire.client.disconnect()
        desktop.stop()


async def log_in(http: aiohttp.ClientSession, url: str) -> dict[str, str]:
    """Headers for what changes something, after agent01 has logged in at 8001."""
    before = await (await http.get(f"{url}/api/session")).json()
    headers = {"X-CSRF-Token": before["csrf"]}
    body = {"login": "agent01", "password": PASSWORD, "seat": "8001"}
    answer = await http.post(f"{url}/api/session", json=body, headers=headers)
    told = await answer.json()
    assert answer.status == 200, told
    return {"X-CSRF-Token": told["csrf"]}


@pytest.fixture
def city_url(database_url: str) -> str:
    """A database with the demo city."""
    engine = open_engine(database_url)
    known = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with sessions(engine).begin() as session:
        seed.seed(session, lambda *_: known)
    engine.dispose()
    return database_url


def test_from_the_citizens_ring_to_the_ticket_and_through_a_restart(tmp_path: Path, city_url: str) -> None:
    asyncio.run(_ring_to_ticket(tmp_path, city_url))


async def _ring_to_ticket(var: Path, database_url: str) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with running(var, database_url) as (desktop, wire), aiohttp.ClientSession(cookie_jar=jar) as http:
        headers = await log_in(http, desktop.url)
        page = socketio.AsyncClient(http_session=http, reconnection_delay=0.1, reconnection_delay_max=0.2)
        snapshots: list[Any] = []
        pushes: list[Any] = []
        told: list[Any] = []
        page.on("snapshot", lambda one: (snapshots.append(one), told.append(one)))
        page.on("seat", lambda one: (pushes.append(one), told.append(one)))
        await page.connect(desktop.url, transports=["websocket"])
        await until(lambda: snapshots)
        assert snapshots[0]["seat"]["agent"] == "agent01"

        ready = await http.post(f"{desktop.url}/api/seat/ready", json={}, headers=headers)
        assert ready.status == 202
        await until(lambda: pushes and pushes[-1]["seat"]["presence"] == "ready")

        await wire.change("call", "pbx1-1.1", ringing_call())
        await until(lambda: pushes[-1]["call"])
        assert [push["n"] for push in pushes] == list(range(pushes[0]["n"], pushes[0]["n"] + len(pushes)))
        pop = await (await http.get(f"{desktop.url}/api/calls/pbx1-1.1/pop")).json()
        assert pop["number"]["masked"] == "139****5432"
        draft = f"{desktop.url}/api/calls/pbx1-1.1/draft"
        for title in ("停", "停水"):
            kept = await http.put(draft, json={"body": {"title": title}}, headers=headers)
            assert kept.status == 200

        desktop.stop()
        await desktop.start()
        # Whoever comes back first, page or cti: the snapshot or the push after it brings the seat.
        await until(lambda: len(snapshots) > 1 and told[-1]["seat"], 15)
        assert (await (await http.get(draft)).json())["body"] == {"title": "停水"}
        tree = (await (await http.get(f"{desktop.url}/api/catalogue")).json())["categories"]
        leaf = tree[0]
        while leaf["children"]:
            leaf = leaf["children"][0]
        form = {"request_type": "help", "category_id": leaf["id"], "title": "停水", "what": "没有水"}
        saved = await http.post(f"{desktop.url}/api/tickets", json=form, headers=headers)
        assert saved.status == 201, await saved.text()
        page.reconnection = False
        await page.disconnect()


def ringing_call() -> dict[str, Any]:
    now = int(time.time() * 1000)
    return {
        "uid": "pbx1-1.1",
        "caller": "13998765432",
        "caller_name": "",
        "called": "12345",
        "state": "ringing",
        "queue": "general",
        "path": [{"node": "main", "key": "1"}],
        "arrived_at": now,
        "queued_at": now,
        "ringing_at": now,
        "answered_at": None,
        "seat": "8001",
        "priority": 0,
        "event_at": now,
    }
