"""The whole line on real parts, private to the tests: `hotline.private_line` with people at its desks.

`Desk` is a person's HTTP client, `Line` gives people, calls and what Asterisk and the ledger say of them.
`Line.check_nothing_left` is called after each test.
"""

from __future__ import annotations

import base64
import contextlib
import http.cookiejar
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cti.ami import Message
from db import models
from hotline.private_line import PASSWORD, PrivateLine, free_port, pbx_tree, until

__all__ = ["PASSWORD", "Desk", "Line", "Refused", "free_port", "pbx_tree", "until", "whole_line"]


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

    def raw(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
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


class Line(PrivateLine):
    """A private line with people at its desks, and the look at what is left after each test."""

    def __init__(self, tree: Path, database_url: str = "", **overrides: Any) -> None:
        super().__init__(
            tree,
            database_url,
            **{
                "wrapup_seconds": 2,
                "queue_wait_seconds": 30,
                "screen_gone_seconds": 3600,
                "survey": False,
                **overrides,
            },
        )
        self.desks: list[Desk] = []
        self.read = 0
        """Letters of Asterisk's messages that earlier tests have answered for."""
        self.seen = 0
        """Rows of the ledger that earlier tests have answered for."""

    # --- people ----------------------------------------------------------------------------------

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

    def channels(self) -> list[Message]:
        return self.ami("CoreShowChannels")

    def ari(self, path: str) -> list[dict[str, Any]]:
        """What Asterisk lists under an ARI address: "channels", "bridges"."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.settings.pbx_http_port}/ari/{path}")
        known = base64.b64encode(f"cti:{self.settings.ari_password}".encode()).decode()
        request.add_header("Authorization", f"Basic {known}")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return list(json.load(answer))

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

    def over(self, uid: str, timeout: float = 10) -> models.Call:
        """The ledger's row of this call, once it has ended; for callers whom other tests know too."""

        def found() -> models.Call | None:
            with self.sessions() as session:
                query = select(models.Call).where(models.Call.uid == uid, models.Call.outcome.is_not(None))
                return session.scalars(query).one_or_none()

        row: models.Call = until(found, timeout, f"the end of {uid} in the ledger")
        return row

    def events(self, uid: str) -> list[str]:
        """Names of a call's journal events, in order."""
        with self.sessions() as session:
            query = select(models.JournalEvent.event).where(models.JournalEvent.call_uid == uid)
            return list(session.scalars(query.order_by(models.JournalEvent.id)))

    # --- after each test -------------------------------------------------------------------------

    def clear(self) -> None:
        """Let everybody go home: telephones, citizens, log-ins."""
        self.send_home()
        for desk in self.desks:
            with contextlib.suppress(Refused, OSError):
                until(lambda d=desk: (d.state() or {}).get("activity", "idle") == "idle", 8, "seat idle")  # type: ignore[misc]
                desk.ask("DELETE", "/api/session")
        self.desks.clear()

    def check_nothing_left(self) -> None:
        """No channel, no bridge, no call on the floor, no seat signed in, no call without an outcome."""
        until(lambda: not self.channels(), 10, f"no channel left: {self.channels}")
        until(lambda: not self.ari("bridges"), 5, f"no bridge left: {self.ari('bridges')}")
        members = [m for m in self.ami("QueueStatus") if m["Event"] in ("QueueMember", "QueueEntry")]
        assert not members, members
        before, rows = self.seen, self.ledger()
        self.seen = len(rows)
        until(lambda: all(row.outcome for row in self.ledger()[before:]), 10, "every call has its outcome")
        failed = [row for row in self.ledger()[before:] if row.outcome == "failed"]
        assert not [(row.uid, row.caller, self.events(row.uid)) for row in failed if row.reason != "pbx_died"]
        # A dialplan that names what is not loaded fails only when a citizen comes by.
        mistakes = ("No application '", "not registered", "does not exist in any format", "Abnormal 'Gosub")
        messages = (self.settings.pbx / "log" / "messages.log").read_text(errors="replace")
        news, self.read = messages[self.read :], len(messages)
        assert not [line for line in news.splitlines() if any(words in line for words in mistakes)]


def whole_line(tree: Path, **overrides: Any) -> Iterator[Line]:
    """A started line, stopped at the end; for fixtures."""
    line = Line(tree, **overrides)
    try:
        line.start()
        yield line
    finally:
        if line.settings.journal.exists():
            sys.stdout.write(f"--- journal\n{line.settings.journal.read_text(errors='replace')[-4000:]}\n")
        for part in line.PARTS:
            sys.stdout.write(f"--- {part}\n{line.log(part)[-3000:]}\n")
        line.stop()
