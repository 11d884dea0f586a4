"""A floor that is made up: what 300 seats do, by the cti's own rules, sent to a desktop over the real link.

Stands in for Asterisk and cti where hours or hundreds of seats have to be shown to a desktop in minutes:

    beat of calls ──► cti.floor.apply ──► numbered changes ──Socket.IO /cti──► desktop
            └──► lines of a journal ──► cti.copier ──► ledger ──► "journal" change

`speed` 1 is life; at 60 an hour passes in a minute. Stamps are the wall's, so that a delay can be measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import socketio
from sqlalchemy.exc import SQLAlchemyError

from cti import floor as f
from cti.copier import Copier
from db.engine import open_engine, sessions
from hotline.bench import city

NAMESPACE = "/cti"
ACKNOWLEDGED_EVERY = 50
"""Every so many changes the desktop's answer is waited for: it is never given more than it takes."""
COPY_EVERY = 0.25
RING, AFTER_CALL = 0.5, 5.0
"""Seconds of a call's life here, beside the talk."""
GIVES_UP_EVERY, PATIENCE = 20, 6.0
"""One caller in twenty hangs up after so many seconds of waiting."""

Step = Callable[[], Iterator[f.Event]]


class MadeFloor:
    """Seats, calls and what happens to them; `due()` gives the events that are due at a moment of its day."""

    def __init__(self, pbx: str, seats: int, rate: float, talk: float, write: Callable[[str], int]) -> None:
        self.pbx, self.rate, self.talk, self.write = pbx, rate, talk, write
        self.floor = f.Floor()
        self.calls = 0
        self._now = 0
        self._steps: list[tuple[float, int, Step]] = []
        self._order = itertools.count()
        self._free = [seat for _, seat in city.agents(seats)]
        self._run = round(time.time())
        for login, seat in city.agents(seats):
            self._take(f.SeatJoined(now_ms(), seat, login, city.QUEUE, None))
            self._take(f.SeatReached(now_ms(), seat, reachable=True))
            self._journal("NONE", "NONE", "SIGNIN", seat, agent=login)
        self._at(0.0, self._arrives)

    def due(self, until: float) -> Iterator[tuple[int, f.Changes]]:
        """(stamp in epoch ms, what it changes) of all that happens before second `until` of the day."""
        while self._steps and self._steps[0][0] <= until:
            self._moment, _, step = heapq.heappop(self._steps)
            for event in step():
                changes = self._take(event)
                if changes:
                    yield event.at, changes

    def _at(self, second: float, step: Step) -> None:
        heapq.heappush(self._steps, (second, next(self._order), step))

    def _after(self, seconds: float, step: Step) -> None:
        self._at(self._moment + seconds, step)

    def _take(self, event: f.Event) -> f.Changes:
        changes = f.apply(self.floor, event)
        self.floor = self.floor.with_changes(changes)
        return changes

    def _arrives(self) -> Iterator[f.Event]:
        self._after(1 / self.rate, self._arrives)
        self.calls += 1
        at, uid = now_ms(), f"{self.pbx}-{self._run}.{self.calls}"
        caller = f"139{self.calls % 10**8:08d}"
        call = f.FloorCall(
            uid,
            caller=caller,
            called="12345",
            path=(("main", "1"),),
            arrived_at=at,
            channel=f"PJSIP/trunk-{self.calls}",
        )
        self._journal(uid, "NONE", "CALLARRIVED", f"{caller}|12345||inbound")
        self._journal(uid, "NONE", "TOPERSON", f"{city.QUEUE}|0|main:1")
        yield f.CallQueued(at, call, city.QUEUE, len(self.floor.queues.get(city.QUEUE, ())) + 1)
        if self.calls % GIVES_UP_EVERY and self._free:
            seat = self._free.pop(0)
            self._after(0.05, lambda: self._rings(call, seat))
        else:
            self._after(PATIENCE, lambda: self._gives_up(call))

    def _rings(self, call: f.FloorCall, seat: str) -> Iterator[f.Event]:
        self._after(RING, lambda: self._answered(call, seat))
        yield f.SeatRang(now_ms(), seat, call)

    def _answered(self, call: f.FloorCall, seat: str) -> Iterator[f.Event]:
        self._after(self.talk, lambda: self._ended(call, seat))
        at, login = now_ms(), self.floor.seats[seat].agent or "NONE"
        self._journal(call.uid, "NONE", "AGENTANSWERED", seat)
        self._line(call.uid, city.QUEUE, login, "CONNECT", "1|0|1")
        yield f.CallLeftQueue(at, call.uid, city.QUEUE)
        yield f.SeatAnswered(at, seat, call)
        yield f.SeatPaused(at, seat, f.write_pause(None, at + round(1000 * (self.talk + AFTER_CALL))))

    def _ended(self, call: f.FloorCall, seat: str) -> Iterator[f.Event]:
        self._after(AFTER_CALL, lambda: self._ready(seat))
        at, login = now_ms(), self.floor.seats[seat].agent or "NONE"
        self._line(call.uid, city.QUEUE, login, "COMPLETEAGENT", f"1|{self.talk:.0f}|1")
        self._journal(call.uid, "NONE", "CALLENDED", "16|agent|queue")
        yield f.TalkEnded(at, seat, call.uid)
        yield f.CallEnded(at, call.uid)

    def _ready(self, seat: str) -> Iterator[f.Event]:
        self._free.append(seat)
        yield f.SeatPaused(now_ms(), seat, None)

    def _gives_up(self, call: f.FloorCall) -> Iterator[f.Event]:
        self._line(call.uid, city.QUEUE, "NONE", "ABANDON", f"1|1|{PATIENCE:.0f}")
        self._journal(call.uid, "NONE", "CALLENDED", "16|caller|queue")
        at = now_ms()
        yield f.CallLeftQueue(at, call.uid, city.QUEUE)
        yield f.CallEnded(at, call.uid)

    def _journal(self, uid: str, queue: str, event: str, data: str, agent: str = "NONE") -> None:
        self._line(uid, queue, agent, event, f"{now_ms()}|{data}")

    def _line(self, uid: str, queue: str, agent: str, event: str, data: str) -> None:
        self.write(f"{now_ms() // 1000}|{uid}|{queue}|{agent}|{event}|{data}\n")


class MadeLink:
    """One cti's end of the link, for one desktop: a snapshot when asked for, and what is pushed."""

    def __init__(self, pbx: str, floor: Callable[[], f.Floor]) -> None:
        self.pbx, self._floor = pbx, floor
        self.epoch, self.seq = secrets.token_hex(6), 0
        self.snapshots = 0
        self.client = socketio.AsyncClient(handle_sigint=False)
        self.client.on("connect", self._snapshot, namespace=NAMESPACE)
        self.client.on("snapshot_please", self._snapshot, namespace=NAMESPACE)
        self.client.on("command", self._commanded, namespace=NAMESPACE)

    async def open(self, url: str, token: str) -> None:
        """Raises socketio.exceptions.ConnectionError."""
        await self.client.connect(
            url,
            namespaces=[NAMESPACE],
            auth={"token": token, "pbx": self.pbx},
            transports=["websocket"],
            wait_timeout=10,
        )

    async def push(self, changes: list[dict[str, Any]], event_at: int | None) -> None:
        """One numbered change; now and then wait until the desktop has taken all of them."""
        self.seq += 1
        change = {
            "pbx": self.pbx,
            "epoch": self.epoch,
            "seq": self.seq,
            "event_at": event_at,
            "changes": changes,
        }
        if self.seq % ACKNOWLEDGED_EVERY:
            await self.client.emit("floor_change", change, namespace=NAMESPACE)
        else:
            await self.client.call("floor_change", change, namespace=NAMESPACE, timeout=60)

    async def beat(self) -> None:
        """The sign of life without which the desktop calls the floor blind."""
        await self.client.emit("beat", {"at": now_ms()}, namespace=NAMESPACE)

    async def _snapshot(self, _data: Any = None) -> None:
        self.snapshots += 1
        whole = {
            "pbx": self.pbx,
            "epoch": self.epoch,
            "seq": self.seq,
            "connected": True,
            "blind_since": None,
            **self._floor().as_dict(),
        }
        await self.client.emit("floor_snapshot", whole, namespace=NAMESPACE)

    async def _commanded(self, _command: Any) -> dict[str, Any]:
        return {"ok": False, "error": "refused"}


def watch(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    """Play until stopped; ready when it has begun.

    job {"address", "token", "pbx", "seats", "rate", "talk", "speed", "database", "journal"}; the journal may
    be '': then the ledger has none of it. Gives {"marks", "calls", "snapshots"}: a mark, [epoch ms, changes
    so far], every second.
    """
    return asyncio.run(_watch(job, ready, stop))


async def _watch(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    journal = Path(job["journal"] or "/dev/null")
    journal.parent.mkdir(parents=True, exist_ok=True)
    marks: list[tuple[int, int]] = []
    with journal.open("a") as lines:  # noqa: ASYNC230 (nothing runs beside it yet)
        lines.write(f"{now_ms() // 1000}|NONE|NONE|NONE|QUEUESTART|\n")
        made = MadeFloor(job["pbx"], job["seats"], job["rate"], job["talk"], lines.write)
        link = MadeLink(job["pbx"], lambda: made.floor)
        await link.open(job["address"], job["token"])
        copying = asyncio.create_task(_copy(job, link, lines.flush)) if job["journal"] else None
        ready()
        begun = time.monotonic()
        while not stop.is_set():
            for at, changes in made.due((time.monotonic() - begun) * job["speed"]):
                await link.push(changes.as_list(), at)
            if not marks or now_ms() - marks[-1][0] >= 1000:
                marks.append((now_ms(), link.seq))
                await link.beat()
            await asyncio.sleep(0.01)
        if copying:
            copying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await copying
        await link.client.disconnect()
    return {"marks": marks, "calls": made.calls, "snapshots": link.snapshots}


async def _copy(job: dict[str, Any], link: MadeLink, flush: Callable[[], None]) -> None:
    """The cti's copier on the lines written here, and the word to the desktop that the ledger has grown."""
    copier = Copier(
        Path(job["journal"]), job["pbx"], sessions(open_engine(job["database"])), area_code="0571"
    )
    while True:
        flush()
        copied = 0
        with contextlib.suppress(SQLAlchemyError):  # a busy database is asked again
            copied = await asyncio.to_thread(copier.copy_once)
        if copied:
            value = {"lines": copied, "copied_at": now_ms()}
            await link.push([{"kind": "journal", "id": job["pbx"], "value": value}], None)
        await asyncio.sleep(COPY_EVERY)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
