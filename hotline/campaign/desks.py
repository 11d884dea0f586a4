"""The agents' pages, and one supervisor's, without a browser: they stay open through everything.

talk begins ──► a ticket is begun;  talk over ──► POST with the form's key, again until acknowledged
socket gone ──► again until it is there;  not ready because a ring was missed ──► the agent is ready again
supervisor: beats and tiles ──► may the screens be believed, and what do they show of each seat
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import aiohttp
import socketio

from hotline.bench.pages import LOG_INS_AT_ONCE, PRESENCE_SECONDS, Page
from hotline.campaign.truth import Sample, Stuck, Written

PATIENCE_OF_A_REQUEST = 8.0
TRY_AGAIN = 1.5
WRITES = 0.7
"""Share of the talks that a ticket is written of."""
READY_AGAIN = 3.0
CONNECT_AGAIN = 0.7
LOOK = 0.25
BEAT_LATE = 3.5
"""Seconds without a beat (they come every two) after which a screen is not believed."""
WRONG_FOR = 10.0
"""A seat shown otherwise than its telephone is, for longer than this, is stuck."""
SHOWN = {"talking": "talking", "holding": "talking", "ringing": "ringing"}
FAILURES = (aiohttp.ClientError, TimeoutError, OSError)


async def stay_connected(socket: socketio.AsyncClient, address: str) -> None:
    """Connect again for ever: the library's own loop ends at the first request that is not answered."""
    while True:
        if not socket.connected:
            with contextlib.suppress(*FAILURES, socketio.exceptions.SocketIOError, ValueError):
                await socket.connect(address, transports=["websocket"], wait_timeout=5)
        await asyncio.sleep(CONNECT_AGAIN)


class AgentsPage(Page):
    """One agent's page, which writes tickets and comes back by itself."""

    def __init__(
        self, address: str, http: aiohttp.ClientSession, login: str, seat: str, seed: int, category: int
    ) -> None:
        super().__init__(address, http)
        self.login, self.seat, self.category = login, seat, category
        self.written: dict[str, Written] = {}
        self.unsaved = 0
        self.ready_again = 0
        self._chance = Random(f"tickets {seed} {seat}")
        self._begun: str | None = None
        self._readying = False
        self.socket.reconnection = False

    def _take(self, push: dict[str, Any]) -> None:
        if push.get("seat"):
            super()._take(push)
        self._watch(push)

    def _take_snapshot(self, push: dict[str, Any]) -> None:
        super()._take_snapshot(push)
        self._watch(push)

    def _watch(self, push: dict[str, Any]) -> None:
        call, seat = push.get("call"), push.get("seat") or {}
        talks = call["uid"] if call and call["state"] in ("talking", "holding") else None
        if talks and talks != self._begun:
            self._begun = talks
            if self._chance.random() < WRITES:
                self._spawn(self._write(talks))
        missed = seat.get("presence") == "not_ready" and seat.get("agent") == self.login
        if missed and not self._readying:
            self._readying = True
            self._spawn(self._be_ready())

    async def _be_present(self) -> None:
        self._spawn(stay_connected(self.socket, self.address))
        while True:
            await asyncio.sleep(PRESENCE_SECONDS)
            with contextlib.suppress(socketio.exceptions.SocketIOError):
                await self.socket.emit("ping_screen", {}, callback=lambda *_: None)

    async def _be_ready(self) -> None:
        """What an agent does who finds himself not ready without having asked for it."""
        await asyncio.sleep(READY_AGAIN)
        while self._readying:
            try:
                await self.ask("POST", "/api/seat/ready", {})
                self.ready_again += 1
                self._readying = False
            except FAILURES:
                await asyncio.sleep(TRY_AGAIN)

    async def _write(self, uid: str) -> None:
        """One form, sent until the desktop says that it has it."""
        await asyncio.sleep(self._chance.uniform(0.5, 4.0))
        mark = f"campaign-{self.seat}-{uid}"
        form = {
            "request_type": "help",
            "category_id": self.category,
            "title": mark,
            "what": "水管漏水，请派人查看",
            "call_uid": uid,
        }
        self.written[mark] = Written(mark, self.seat, uid, time.time(), tries=0)
        self.unsaved += 1
        while True:
            tries = self.written[mark].tries + 1
            try:
                number, refused = await self._send(form, mark)
            except FAILURES:
                number, refused = "", ""
            self.written[mark] = replace(self.written[mark], tries=tries, number=number, refused=refused)
            if number:
                break
            await asyncio.sleep(TRY_AGAIN)
        self.unsaved -= 1

    async def _send(self, form: dict[str, Any], mark: str) -> tuple[str, str]:
        headers = {"X-CSRF-Token": self.csrf, "Idempotency-Key": mark}
        url = f"{self.address}/api/tickets"
        async with self.http.post(url, json=form, headers=headers) as answer:
            said = await answer.json(content_type=None)
            if answer.status < 300:
                return str(said["number"]), ""
            return "", f"{answer.status} {said}"[:200] if answer.status < 500 else ""


class SupervisorsPage:
    """The map as a supervisor has it open: whether it lives, and each seat's state on it."""

    def __init__(self, address: str, http: aiohttp.ClientSession) -> None:
        self.address, self.http = address, http
        self.tiles: dict[str, dict[str, Any]] = {}
        self._heard_at = 0.0
        self._blind: dict[str, int | None] = {}
        self._open = False
        self.seen = asyncio.Event()
        self._work: set[asyncio.Task[None]] = set()
        self.socket = socketio.AsyncClient(http_session=http, handle_sigint=False, reconnection=False)
        self.socket.on("beat", self._beat)
        self.socket.on("floor_map", self._map)
        self.socket.on("connect", self._connected)
        self.socket.on("disconnect", self._gone)

    async def open(self, login: str, password: str) -> None:
        """Log in and open the map. Raises aiohttp's and socketio's errors."""
        async with self.http.get(f"{self.address}/api/session") as answer:
            csrf = (await answer.json())["csrf"]
        body, headers = {"login": login, "password": password}, {"X-CSRF-Token": csrf}
        async with self.http.post(f"{self.address}/api/session", json=body, headers=headers) as answer:
            answer.raise_for_status()
        task = asyncio.get_running_loop().create_task(stay_connected(self.socket, self.address))
        self._work.add(task)

    async def close(self) -> None:
        for task in self._work:
            task.cancel()
        with contextlib.suppress(*FAILURES, socketio.exceptions.SocketIOError):
            await self.socket.disconnect()
        await self.http.close()

    @property
    def good(self) -> bool:
        """Is what this page shows now to be believed?"""
        fresh = time.monotonic() - self._heard_at < BEAT_LATE
        return self._open and fresh and not any(self._blind.values())

    def _beat(self, _said: Any = None) -> None:
        self._heard_at = time.monotonic()

    def _map(self, push: dict[str, Any]) -> None:
        self._heard_at = time.monotonic()
        self._blind = push["blind"]
        for tile in push["seats"]:
            self.tiles[tile["seat"]] = tile

    async def _connected(self) -> None:
        task = asyncio.get_running_loop().create_task(self._show())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _show(self) -> None:
        while "/" in self.socket.namespaces and not self._open:
            with contextlib.suppress(*FAILURES, socketio.exceptions.SocketIOError):
                snapshot = await self.socket.call("floor_open", {"view": "map"}, timeout=5)
                if "seats" in snapshot:
                    self._blind = snapshot["board"]["blind"]
                    self.tiles = {tile["seat"]: tile for tile in snapshot["seats"]}
                    self._open, self._heard_at = True, time.monotonic()
                    self.seen.set()

    def _gone(self, *_reason: Any) -> None:
        self._open = False


class Desks:
    """All pages in one thread of their own; `samples` and `stuck`: what the supervisor's page has shown.

    `category`: id of a leaf of the catalogue, which every ticket gets.
    """

    def __init__(
        self, address: str, password: str, agents: Sequence[tuple[str, str]], seed: int, category: int
    ) -> None:
        self.address, self.password, self.agents = address, password, agents
        self.seed, self.category = seed, category
        self.pages: list[AgentsPage] = []
        self.samples: list[Sample] = []
        self.stuck: list[Stuck] = []
        self.boss: SupervisorsPage | None = None
        self.telephones: Callable[[], Mapping[str, str]] | None = None
        self._ready, self._stop = threading.Event(), threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="desks", daemon=True)

    def open(self, timeout: float = 60) -> None:
        """Everybody logs in and takes calls. Raises what went wrong, or TimeoutError."""
        self._thread.start()
        if not self._ready.wait(timeout) and self._failed is None:
            raise TimeoutError("the pages were not open in time")
        if self._failed:
            raise self._failed

    @property
    def unsaved(self) -> int:
        """Tickets that are written and not acknowledged."""
        return sum(page.unsaved for page in self.pages)

    @property
    def written(self) -> list[Written]:
        return [form for page in self.pages for form in page.written.values()]

    @property
    def ready_again(self) -> int:
        """How often an agent had to say again that he takes calls."""
        return sum(page.ready_again for page in self.pages)

    @property
    def faults(self) -> Counter[str]:
        """Requests of the pages that failed, by name."""
        return sum((page.faults for page in self.pages), Counter())

    def not_free(self) -> dict[str, str]:
        """Seats that are not idle, ready and reachable on the map; all of them while it is not believed."""
        boss = self.boss
        if boss is None or not boss.good:
            return {seat: "screen not believed" for _, seat in self.agents}
        return {
            seat: f"{tile['presence']} {tile['activity']} {'' if tile['reachable'] else 'away'}".strip()
            for _, seat in self.agents
            if (tile := boss.tiles[seat])["presence"] != "ready"
            or tile["activity"] != "idle"
            or not tile["reachable"]
        }

    def close(self) -> None:
        self._stop.set()
        self._thread.join(20)

    # --- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:
            self._failed = error
            self._ready.set()

    async def _live(self) -> None:
        gate = asyncio.Semaphore(LOG_INS_AT_ONCE)

        async def arrive(login: str, seat: str) -> None:
            page = AgentsPage(self.address, _session(), login, seat, self.seed, self.category)
            self.pages.append(page)
            async with gate:
                await page.open(login, self.password, seat)

        self.boss = SupervisorsPage(self.address, _session())
        try:
            await asyncio.gather(*(arrive(login, seat) for login, seat in self.agents))
            await self.boss.open("supervisor01", self.password)
            await self.boss.seen.wait()
            self._ready.set()
            await self._look()
        finally:
            for page in self.pages:
                with contextlib.suppress(*FAILURES, socketio.exceptions.SocketIOError):
                    await page.close()
            await self.boss.close()

    async def _look(self) -> None:
        """Every quarter of a second: is the map good, and does it show the seats as the telephones are?"""
        assert self.boss is not None
        wrong: dict[str, tuple[float, str, str]] = {}
        while not self._stop.is_set():
            now, good = time.time(), self.boss.good
            self.samples.append(Sample("screens", now, good))
            phones = self.telephones() if self.telephones else {}
            for seat, telephone in phones.items():
                tile = self.boss.tiles.get(seat) or {}
                shown = SHOWN.get(tile.get("activity", ""), "idle")
                as_is = "idle" if telephone == "unplugged" else telephone
                if not good or shown == as_is:
                    self._note(wrong.pop(seat, None), seat, now)
                else:
                    wrong.setdefault(seat, (now, shown, telephone))
            await asyncio.sleep(LOOK)
        for seat, one in wrong.items():
            self._note(one, seat, time.time())

    def _note(self, was: tuple[float, str, str] | None, seat: str, now: float) -> None:
        if was and now - was[0] > WRONG_FOR:
            self.stuck.append(Stuck(seat, was[0], now - was[0], was[1], was[2]))


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True),
        timeout=aiohttp.ClientTimeout(total=PATIENCE_OF_A_REQUEST),
    )
