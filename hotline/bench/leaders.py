"""The supervisors' pages without a browser: real log-ins, Socket.IO clients that open map, board or wall.

    floor_open {view} ──► ack = snapshot;  floor_map, floor_board, wall ──► counted, weighed, timed

The age of a push counts from Asterisk's stamp in it: a tile's `since` where it is a new one. How old the
ledger's figures are is worked out afterwards, from the `version` (last journal row) that each board names.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import aiohttp
import socketio

from hotline.bench.pages import LOG_INS_AT_ONCE, PRESENCE_SECONDS

VIEWS = {"map": "floor_map", "board": "floor_board", "wall": "wall"}
"""What a page opens, and the push that it then gets."""
TURN = ("map", "map", "board", "map", "wall")
"""What the pages show, in turn."""


class Leader:
    """One page. `ages` holds (stamp in epoch ms, delay ms) of each new state of a tile; `versions` (arrival
    in epoch ms, last journal row counted) of each board."""

    def __init__(self, address: str, http: aiohttp.ClientSession, view: str, pbx: str) -> None:
        self.address, self.http, self.view, self.pbx = address, http, view, pbx
        self.ages: list[tuple[int, float]] = []
        self.versions: list[tuple[float, int]] = []
        self.faults: Counter[str] = Counter()
        self.traffic: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        """Epoch second -> pushes of the view, bytes of everything that came."""
        self.snapshot_bytes = 0
        self._n: int | None = None
        self._since: dict[str, int] = {}
        self._presence: asyncio.Task[None] | None = None
        self.socket = socketio.AsyncClient(http_session=http, handle_sigint=False)
        self.socket.on(VIEWS[view], self._take)

    async def open(self, login: str, password: str) -> None:
        """Log in, connect, open the view. Raises aiohttp.ClientResponseError, socketio's errors."""
        csrf = (await self._ask("GET", ""))["csrf"]
        await self._ask("POST", csrf, {"login": login, "password": password})
        await self.socket.connect(self.address, transports=["websocket"], wait_timeout=10)
        self._weigh()
        snapshot = await self.socket.call("floor_open", {"view": self.view}, timeout=20)
        # Its frame was being waited for before it could be weighed.
        self.snapshot_bytes = len(json.dumps(snapshot, separators=(",", ":")))
        self._n = snapshot["n"]
        self._since = {tile["seat"]: tile["since"] for tile in snapshot.get("seats", [])}
        self._presence = asyncio.create_task(self._be_present())

    async def close(self) -> None:
        if self._presence:
            self._presence.cancel()
        with contextlib.suppress(socketio.exceptions.SocketIOError):
            await self.socket.disconnect()
        await self.http.close()

    async def _ask(self, method: str, csrf: str, body: Any = None) -> Any:
        headers = {"X-CSRF-Token": csrf} if csrf else {}
        url = f"{self.address}/api/session"
        async with self.http.request(method, url, json=body, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.json()

    def _weigh(self) -> None:
        """Count the bytes of each frame as it comes from the wire, before Socket.IO takes it apart."""
        wire = self.socket.eio.ws
        receive = wire.receive

        async def weighed(*how: Any, **more: Any) -> Any:
            frame = await receive(*how, **more)
            if isinstance(frame.data, str | bytes):
                self.traffic[int(time.time())][1] += len(frame.data)
            return frame

        wire.receive = weighed

    def _take(self, push: dict[str, Any]) -> None:
        now = time.time() * 1000
        self.traffic[int(now / 1000)][0] += 1
        if self._n is not None and push["n"] != self._n + 1:
            self.faults["gap"] += 1
        self._n = push["n"]
        for tile in push.get("seats", []):
            if tile["since"] > self._since.get(tile["seat"], 0):
                self._since[tile["seat"]] = tile["since"]
                self.ages.append((tile["since"], now - tile["since"]))
        board = push if self.view == "board" else push.get("board") or {}
        if board.get("version"):
            self.versions.append((now, board["version"].get(self.pbx) or 0))

    async def _be_present(self) -> None:
        while True:
            await asyncio.sleep(PRESENCE_SECONDS)
            with contextlib.suppress(socketio.exceptions.SocketIOError):
                await self.socket.emit("ping_screen", {}, callback=lambda *_: None)


def watch(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    """All pages of job {"address", "password", "pbx", "leaders": [login, ...]}, until stopped.

    {"views": {view: {"clients", "traffic": {second: [pushes, bytes]}, "snapshot_bytes" of one}},
    "ages": samples, "versions": {view: [[arrival, journal row]] of its first page}, "faults"}
    """
    return asyncio.run(_watch(job, ready, stop))


async def _watch(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    pages: list[Leader] = []
    gate = asyncio.Semaphore(LOG_INS_AT_ONCE)

    async def arrive(place: int, login: str) -> None:
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        page = Leader(job["address"], http, TURN[place % len(TURN)], job["pbx"])
        pages.append(page)
        async with gate:
            await page.open(login, job["password"])

    try:
        await asyncio.gather(*(arrive(place, login) for place, login in enumerate(job["leaders"])))
        ready()
        await asyncio.to_thread(stop.wait)
    finally:
        for page in pages:
            await page.close()
    faults: Counter[str] = Counter()
    for page in pages:
        faults.update(page.faults)
    return {
        "views": {view: _added_up([page for page in pages if page.view == view]) for view in VIEWS},
        "ages": [sample for page in pages for sample in page.ages],
        "versions": {page.view: page.versions for page in reversed(pages)},
        "faults": dict(faults),
    }


def _added_up(pages: list[Leader]) -> dict[str, Any]:
    traffic: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for page in pages:
        for second, (pushes, size) in page.traffic.items():
            traffic[second][0] += pushes
            traffic[second][1] += size
    return {
        "clients": len(pages),
        "traffic": traffic,
        "snapshot_bytes": pages[0].snapshot_bytes if pages else 0,
    }
