"""The whole line on real parts, private to the tests: Asterisk from `asterisk_conf/`, cti, desktop, worker.

    citizens (SIPp, 127.0.0.2) ──► Asterisk ──► phones (SIPp) at the seats
                                      │ journal, AMI, ARI
                     cti ──► ledger (a database of its own) ◄── desktop ◄── Desk (HTTP client) / Chromium

Own folder, own ports. `Line.check_nothing_left` is called after each test.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.cookiejar
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import select

from cti.ami import Ami, Message
from db import models
from db.engine import open_engine, sessions
from db.migrate import upgrade
from db.seed import seed
from hotline.phones.citizen import Citizens
from hotline.phones.desk_phone import Habit, PhoneBank
from hotline.secrets import seat_password
from hotline.settings import REPO, Settings
from tickets.demo import seed_tickets

PASSWORD = "rain-on-the-roof"


def until(condition: Callable[[], Any], timeout: float = 10.0, what: str = "") -> Any:
    """Wait for `condition()` to be true and return what it gave; AssertionError with `what` after `timeout` s."""
    end = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {timeout:g} s: {what or condition}"
        time.sleep(0.03)


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port on loopback that nobody has at this moment."""
    while True:
        port = random.randint(33_000, 38_000)
        try:
            for each in {kind, socket.SOCK_STREAM, socket.SOCK_DGRAM}:
                with socket.socket(socket.AF_INET, each) as probe:
                    probe.bind(("127.0.0.1", port))
            return port
        except OSError:
            continue


class Refused(AssertionError):
    """The desktop answered with an error: `status` and `body`."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status, self.body = status, body


@dataclass
class Desk:
    """One person's HTTP client, with cookie and CSRF token like the browser's."""

    address: str
    csrf: str = ""
    seat: str | None = None
    login: str = ""
    cookies: http.cookiejar.CookieJar = field(default_factory=http.cookiejar.CookieJar)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The decoded answer. Raises Refused for a status of 400 and above."""
        status, answer, _ = self.raw(method, path, body, **headers)
        decoded = json.loads(answer) if answer else None
        if status >= 400:
            raise Refused(status, decoded)
        return decoded

    def raw(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers, whatever the status."""
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "X-CSRF-Token": self.csrf, **headers},
        )
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        try:
            with opener.open(request, timeout=15) as answer:
                return answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read(), dict(error.headers)

    def log_in(self, login: str, seat: str | None = None) -> Desk:
        """Log in, at a seat for agents."""
        self.csrf = self.ask("GET", "/api/session")["csrf"]
        session = self.ask("POST", "/api/session", {"login": login, "password": PASSWORD, "seat": seat})
        self.csrf, self.seat, self.login = session["csrf"], session["seat"], login
        return self

    def state(self) -> dict[str, Any]:
        """The own seat as the desktop sees it."""
        return self.ask("GET", "/api/seat")["seat"] or {}

    def call(self) -> dict[str, Any] | None:
        """The call at the own seat."""
        found: dict[str, Any] | None = self.ask("GET", "/api/seat")["call"]
        return found

    def ready(self) -> Desk:
        """Take calls; returns when the floor says so."""
        self.ask("POST", "/api/seat/ready", {})
        until(lambda: self.state()["presence"] == "ready", 5, f"{self.login} ready")
        return self


class Line:
    """All parts, each a process of its own that a test may kill and start again."""

    PARTS = {  # noqa: RUF012
        "pbx": ("-m", "hotline.pbx"),
        "cti": ("-m", "cti"),
        "desktop": ("-m", "agent_desktop"),
        "worker": ("-m", "hotline.worker"),
    }

    def __init__(self, tree: Path, database_url: str = "", **overrides: Any) -> None:
        self.var = Path(tempfile.mkdtemp(prefix="hl-"))
        (self.var / "pbx-tree").symlink_to(tree)
        first = 10_000 + random.randrange(0, 5) * 1000
        self.settings = Settings(
            var=self.var,
            sip_port=free_port(),
            pbx_http_port=free_port(),
            ami_port=free_port(),
            web_port=free_port(),
            trunk_port=free_port(),
            rtp_first=first,
            rtp_last=first + 998,
            ami_password="a" * 24,
            ari_password="b" * 24,
            link_token="c" * 24,
            session_key="d" * 24,
            seat_key="e" * 24,
            demo_password=PASSWORD,
            database_url=database_url,
            **{"wrapup_seconds": 2, "queue_wait_seconds": 30, **overrides},
        )
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.banks: list[PhoneBank] = []
        self.crowds: list[Citizens] = []
        self.desks: list[Desk] = []
        self.seen = 0
        """Rows of the ledger that earlier tests have answered for."""
        upgrade(self.settings.database)
        self.engine = open_engine(self.settings.database)
        self.sessions = sessions(self.engine)
        with self.sessions.begin() as session:
            hashed = PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD)
            seed(session, lambda login: hashed)
            seed_tickets(session)

    # --- processes -------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The settings as the processes read them."""
        said = {
            f"HOTLINE_{name.upper()}": str(value)
            for name, value in self.settings.model_dump().items()
            if value is not None and name != "asterisk"
        }
        return {**os.environ, **said, "PYTHONPATH": str(REPO), "PYTHONUNBUFFERED": "1"}

    def start(self, *parts: str) -> Line:
        """Start parts (default: all) and wait until each does its work."""
        for part in parts or tuple(self.PARTS):
            with (self.var / f"{part}.log").open("ab") as out:
                self.running[part] = subprocess.Popen(
                    [sys.executable, *self.PARTS[part]],
                    env=self.environment(),
                    cwd=REPO,
                    stdout=out,
                    stderr=out,
                    stdin=subprocess.DEVNULL,
                )
            if part == "pbx":
                until(lambda: self._asterisk_answers(), 30, "Asterisk up")
        if {"cti", "desktop", "pbx"} <= self.running.keys():
            self.wait_until_linked()
        return self

    def kill(self, part: str, number: int = signal.SIGKILL) -> None:
        """Send a signal (default: kill -9) and wait for the end. Asterisk itself is hit, not its wrapper."""
        process = self.running.pop(part)
        if part == "pbx":
            for child in self._children(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, number)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        process.wait(15)

    def restart(self, part: str) -> None:
        """kill -9 and start again."""
        self.kill(part)
        self.start(part)

    @staticmethod
    def _children(pid: int) -> list[int]:
        import psutil

        try:
            return [child.pid for child in psutil.Process(pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def wait_until_linked(self, timeout: float = 20) -> None:
        """Until the desktop sees the floor."""

        def linked() -> bool:
            with contextlib.suppress(OSError, Refused, ValueError):
                links = Desk(self.address).ask("GET", "/api/health")["links"]
                return bool(links[self.settings.pbx_name]["connected"])
            return False

        until(linked, timeout, "cti linked to desktop and PBX")

    def _asterisk_answers(self) -> bool:
        try:
            return bool(self.ami("CoreStatus"))
        except (OSError, TimeoutError):
            return False

    def stop(self) -> None:
        """Stop everything and remove the folder."""
        for closing in (*self.crowds, *self.banks):
            closing.close()
        for part in reversed(list(self.running)):
            self.kill(part, signal.SIGTERM if part != "pbx" else signal.SIGKILL)
        self.engine.dispose()
        shutil.rmtree(self.var, ignore_errors=True)

    # --- people ----------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.settings.web_port}"

    @property
    def sip(self) -> tuple[str, int]:
        return "127.0.0.1", self.settings.sip_port

    def phones(self, *seats: str, habit: Habit | None = None, **options: Any) -> PhoneBank:
        """Desk phones at the seats, registered."""
        bank = PhoneBank(
            seats, self.sip, lambda seat: seat_password(self.settings.seat_key, seat), habit=habit, **options
        )
        self.banks.append(bank)
        return bank

    def citizens(self, **options: Any) -> Citizens:
        """Citizens who can dial."""
        crowd = Citizens(self.sip, **options)
        self.crowds.append(crowd)
        return crowd

    def desk(self, login: str, seat: str | None = None) -> Desk:
        """A person logged in."""
        desk = Desk(self.address).log_in(login, seat)
        self.desks.append(desk)
        return desk

    def agent(self, login: str = "agent01", seat: str = "8001") -> Desk:
        """An agent who takes calls: logged in, telephone reachable, ready."""
        desk = self.desk(login, seat)
        until(lambda: desk.state().get("reachable"), 10, f"telephone {seat} reachable")
        return desk.ready()

    # --- facts -----------------------------------------------------------------------------------

    def ami(self, action: str, **headers: str) -> list[Message]:
        """What Asterisk itself says: the list of a listing action, else the one response."""

        async def ask() -> list[Message]:
            up = asyncio.Event()

            async def on_up() -> None:
                up.set()

            wire = Ami(
                "127.0.0.1", self.settings.ami_port, "cti", self.settings.ami_password,
                on_event=lambda _: None, on_up=on_up, on_down=lambda: None,
            )  # fmt: skip
            running = asyncio.create_task(wire.run())
            try:
                await asyncio.wait_for(up.wait(), 5)
                if action in ("CoreShowChannels", "QueueStatus", "DeviceStateList"):
                    return await wire.listing(action, **headers)
                return [await wire.action(action, **headers)]
            finally:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running

        return asyncio.run(ask())

    def channels(self) -> list[Message]:
        return self.ami("CoreShowChannels")

    def ledger(self, number: str | None = None) -> list[models.Call]:
        """The ledger's rows of this run's calls, oldest first; of one caller (normal form) if given."""
        with self.sessions() as session:
            query = select(models.Call).where(models.Call.pbx == self.settings.pbx_name)
            if number:
                query = query.where(models.Call.caller == number)
            return list(session.scalars(query.order_by(models.Call.id)))

    def ended(self, number: str, count: int = 1, timeout: float = 10) -> models.Call:
        """The last call of this number, once `count` calls of it have ended in the ledger."""

        def found() -> models.Call | None:
            rows = [row for row in self.ledger(number) if row.outcome]
            return rows[-1] if len(rows) == count else None

        row: models.Call = until(found, timeout, f"{count} ended call(s) of {number} in the ledger")
        return row

    def events(self, uid: str) -> list[str]:
        """Names of a call's journal events, in order."""
        with self.sessions() as session:
            query = select(models.JournalEvent.event).where(models.JournalEvent.call_uid == uid)
            return list(session.scalars(query.order_by(models.JournalEvent.id)))

    def log(self, part: str) -> str:
        """What a part has printed."""
        path = self.var / f"{part}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # --- after each test -------------------------------------------------------------------------

    def clear(self) -> None:
        """Let everybody go home: telephones, citizens, log-ins."""
        for closing in (*self.crowds, *self.banks):
            closing.close()
        self.crowds.clear()
        self.banks.clear()
        for desk in self.desks:
            with contextlib.suppress(Refused, OSError):
                until(lambda d=desk: (d.state() or {}).get("activity", "idle") == "idle", 8, "seat idle")  # type: ignore[misc]
                desk.ask("DELETE", "/api/session")
        self.desks.clear()

    def check_nothing_left(self) -> None:
        """No channel, no call on the floor, no seat signed in, no call without an outcome."""
        until(lambda: not self.channels(), 10, f"no channel left: {self.channels}")
        members = [m for m in self.ami("QueueStatus") if m["Event"] in ("QueueMember", "QueueEntry")]
        assert not members, members
        before, rows = self.seen, self.ledger()
        self.seen = len(rows)
        until(lambda: all(row.outcome for row in self.ledger()[before:]), 10, "every call has its outcome")
        failed = [row for row in self.ledger()[before:] if row.outcome == "failed"]
        assert not [(row.uid, row.caller, self.events(row.uid)) for row in failed if row.reason != "pbx_died"]


def whole_line(tree: Path, **overrides: Any) -> Iterator[Line]:
    """A started line, stopped at the end; for fixtures."""
    line = Line(tree, **overrides)
    try:
        yield line.start()
    finally:
        for part in line.PARTS:
            sys.stdout.write(f"--- {part}\n{line.log(part)[-3000:]}\n")
        line.stop()


def pbx_tree() -> Path:
    """The PBX tree to test with: made by set-up, or named by HOTLINE_TEST_TREE."""
    named = os.environ.get("HOTLINE_TEST_TREE")
    return Path(named) if named else Settings().pbx_tree


