"""Agents' pages of a load: a real log-in and socket each, that do after a call what agents do.

ring pushed ──► GET pop        after-call work ──(drawn seconds)──► POST ticket, POST finish-after-call
paused by a refusal ──(3 s)──► POST ready          all else as in hotline/bench/pages.py
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp

from hotline.bench.pages import LOG_INS_AT_ONCE, Page
from hotline.load.draw import Spread

BACK_AFTER = 3.0


class Desktop(Page):
    """One agent's page. `saved` holds (epoch ms, delay ms) of each ticket."""

    def __init__(
        self,
        address: str,
        http: aiohttp.ClientSession,
        chance: random.Random,
        after: Spread,
        tickets: float,
        category: int,
    ) -> None:
        super().__init__(address, http)
        self._category = category
        self.saved: list[tuple[int, float]] = []
        self._chance, self._after, self._tickets = chance, after, tickets
        self._talked: str | None = None
        self._written: str | None = None
        self._presence = ""

    def _take(self, push: dict[str, Any]) -> None:
        super()._take(push)
        call, seat = push["call"], push["seat"]
        if call and call["state"] == "talking":
            self._talked = call["uid"]
        before = self._presence
        paused = seat["presence"] == "not_ready" and seat["reason"] == "after_call"
        self._presence = "after_call" if paused else seat["presence"]
        if self._presence == "after_call" and self._talked != self._written:
            self._written = self._talked
            self._spawn(self._write(self._talked))
        elif self._presence == "not_ready" and before != "not_ready":
            self._spawn(self._come_back())

    async def _write(self, uid: str | None) -> None:
        await asyncio.sleep(self._after.draw(self._chance))
        if uid and self._chance.random() < self._tickets:
            form = {
                "call_uid": uid,
                "request_type": "consultation",
                "category_id": self._category,
                "title": "停水",
                "what": "小区停水，询问什么时候恢复供水。",
                "disposition": "direct",
                "answer": "预计今晚恢复供水。",
            }
            began = time.time() * 1000
            if await self._post("/api/tickets", form):
                self.saved.append((round(began), time.time() * 1000 - began))
        if self._presence == "after_call":
            await self._post("/api/seat/finish-after-call", {})

    async def _come_back(self) -> None:
        await asyncio.sleep(BACK_AFTER)
        if self._presence == "not_ready":
            await self._post("/api/seat/ready", {})

    async def _post(self, path: str, body: dict[str, Any]) -> bool:
        try:
            await self.ask("POST", path, body)
        except (aiohttp.ClientError, TimeoutError) as error:
            status = getattr(error, "status", "")
            # 409: after-call work has just ended by itself, or the next call rings already.
            if status != 409 or path == "/api/tickets":
                self.faults[f"{path}: {type(error).__name__} {status}".strip()] += 1
            return False
        return True


def watch(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    """{"pushed", "popped", "saved": samples, "faults": {what: how often}, "pages": n} of all together.

    The job: address, password, agents [(login, seat)], after (a Spread as dict), tickets (share),
    category (of them), seed.
    """
    return asyncio.run(_watch(job, ready, stop))


async def _watch(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    pages: list[Desktop] = []
    gate = asyncio.Semaphore(LOG_INS_AT_ONCE)
    after = Spread(**job["after"])

    async def arrive(place: int, login: str, seat: str) -> None:
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        chance = random.Random(job["seed"] + place)
        page = Desktop(job["address"], http, chance, after, job["tickets"], job["category"])
        pages.append(page)
        async with gate:
            await page.open(login, job["password"], seat)

    await asyncio.gather(*(arrive(place, *agent) for place, agent in enumerate(job["agents"])))
    ready()
    await asyncio.to_thread(stop.wait)
    faults: Counter[str] = Counter()
    for page in pages:
        faults.update(page.faults)
    found = {
        "pushed": [sample for page in pages for sample in page.pushed],
        "popped": [sample for page in pages for sample in page.popped],
        "saved": [sample for page in pages for sample in page.saved],
        "faults": dict(faults),
        "pages": len(pages),
    }
    for page in pages:
        await page.close()
    return found
