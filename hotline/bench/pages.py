"""The agents' pages without a browser: real log-ins, real Socket.IO clients, doing what the page does.

ring pushed ──► GET pop             ready again after a call ──► GET own calls
every 10 s  ──► ping_screen         gap in the numbers       ──► GET seat
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import socketio

PRESENCE_SECONDS = 10.0
LOG_INS_AT_ONCE = 2
"""A log-in costs the desktop an argon2 hash and the cti several actions; good ones have no other limit."""


class Page:
    """One seat's page. `pushed` and `popped` hold (event_at ms, delay ms) of each ring."""

    def __init__(self, address: str, http: aiohttp.ClientSession) -> None:
        self.address, self.http = address, http
        self.csrf = ""
        self.pushed: list[tuple[int, float]] = []
        self.popped: list[tuple[int, float]] = []
        self.faults: Counter[str] = Counter()
        self._n: int | None = None
        self._rung: str | None = None
        self._busy = False
        self._work: set[asyncio.Task[Any]] = set()
        self.socket = socketio.AsyncClient(http_session=http, handle_sigint=False)
        self.socket.on("seat", self._take)
        self.socket.on("snapshot", self._take_snapshot)

    async def open(self, login: str, password: str, seat: str) -> None:
        """Log in, connect, take calls. Raises aiohttp.ClientResponseError when refused."""
        self.csrf = (await self.ask("GET", "/api/session"))["csrf"]
        body = {"login": login, "password": password, "seat": seat}
        self.csrf = (await self.ask("POST", "/api/session", body))["csrf"]
        await self.socket.connect(self.address, transports=["websocket"], wait_timeout=10)
        await self.ask("POST", "/api/seat/ready", {})
        self._spawn(self._be_present())

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer of the desktop."""
        headers = {"X-CSRF-Token": self.csrf} if body is not None else {}
        async with self.http.request(method, self.address + path, json=body, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def close(self) -> None:
        for task in self._work:
            task.cancel()
        await self.socket.disconnect()
        await self.http.close()

    def _take_snapshot(self, push: dict[str, Any]) -> None:
        self._n = push["n"]

    def _take(self, push: dict[str, Any]) -> None:
        now = time.time() * 1000
        call, seat = push["call"], push["seat"]
        if self._n is not None and push["n"] != self._n + 1:
            self.faults["gap"] += 1
            self._spawn(self._fetch("/api/seat"))
        self._n = push["n"]
        if call and call["state"] == "ringing" and call["uid"] != self._rung:
            self._rung = call["uid"]
            self.pushed.append((call["event_at"], now - call["event_at"]))
            self._spawn(self._pop(call["uid"], call["event_at"]))
        if call:
            self._busy = True
        elif self._busy and seat["presence"] == "ready":
            self._busy = False
            self._spawn(self._fetch("/api/calls?mine=1&page=1"))

    async def _pop(self, uid: str, event_at: int) -> None:
        if await self._fetch(f"/api/calls/{uid}/pop"):
            self.popped.append((event_at, time.time() * 1000 - event_at))

    async def _fetch(self, path: str) -> bool:
        try:
            await self.ask("GET", path)
        except (aiohttp.ClientError, TimeoutError) as error:
            self.faults[f"{path.split('?')[0].rsplit('/', 1)[-1]}: {type(error).__name__}"] += 1
            return False
        return True

    async def _be_present(self) -> None:
        while True:
            await asyncio.sleep(PRESENCE_SECONDS)
            await self.socket.emit("ping_screen", {}, callback=lambda *_: None)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)


def watch(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    """{"pushed": samples, "popped": samples, "faults": {what: how often}} of all pages together."""
    return asyncio.run(_watch(job, ready, stop))


async def _watch(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    pages = []
    gate = asyncio.Semaphore(LOG_INS_AT_ONCE)

    async def arrive(login: str, seat: str) -> None:
        page = Page(job["address"], aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)))
        pages.append(page)
        async with gate:
            await page.open(login, job["password"], seat)

    await asyncio.gather(*(arrive(login, seat) for login, seat in job["agents"]))
    ready()
    await asyncio.to_thread(stop.wait)
    faults: Counter[str] = Counter()
    for page in pages:
        faults.update(page.faults)
        await page.close()
    return {
        "pushed": [sample for page in pages for sample in page.pushed],
        "popped": [sample for page in pages for sample in page.popped],
        "faults": dict(faults),
    }
