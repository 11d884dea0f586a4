"""The cti's end of the link: one Socket.IO client for each desktop.

Sends the floor as a snapshot, then numbered changes in order, and a beat with our time every two seconds: a
desktop that hears none knows that it is blind long before the connection is given up. Carries out the
commands that come back. A desktop that is slow or away costs the others nothing: its queue is dropped and it
gets a fresh snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import socketio
import structlog

log = structlog.get_logger()

NAMESPACE = "/cti"
BEAT_EVERY = 2.0
Snapshot = Callable[[], dict[str, Any]]
Command = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class DesktopLink:
    """The link to one desktop, kept up for as long as `run` runs."""

    WAITING = 5_000
    """Changes kept for a slow desktop; beyond that it gets a snapshot instead."""

    def __init__(self, url: str, pbx: str, token: str, snapshot: Snapshot, command: Command) -> None:
        self._url, self._pbx, self._token = url, pbx, token
        self._snapshot, self._command = snapshot, command
        self._changes: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        # We reconnect ourselves: the library's own loop swallows a cancellation and cannot be stopped.
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self._away = asyncio.Event()
        self._client.on("connect", self._connected, namespace=NAMESPACE)
        self._client.on("disconnect", self._gone, namespace=NAMESPACE)
        self._client.on("snapshot_please", self._asked, namespace=NAMESPACE)
        self._client.on("command", self._commanded, namespace=NAMESPACE)

    @property
    def connected(self) -> bool:
        return NAMESPACE in self._client.namespaces

    def push(self, change: dict[str, Any]) -> None:
        """Hand one numbered change over; returns at once."""
        if not self.connected:
            return  # the next connection begins with a snapshot
        if self._changes.qsize() >= self.WAITING:
            while not self._changes.empty():
                self._changes.get_nowait()
            self._changes.put_nowait(None)
        else:
            self._changes.put_nowait(change)

    async def run(self) -> None:
        """Connect, and send until cancelled."""
        sending = asyncio.create_task(self._send())
        beating = asyncio.create_task(self._beat())
        try:
            while True:
                await self._connect()
                await self._away.wait()
                await self._client.disconnect()
        finally:
            sending.cancel()
            beating.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._client.disconnect()

    async def _connect(self) -> None:
        delay = 0.2
        while not self.connected:
            self._away.clear()
            try:
                await self._client.connect(
                    self._url,
                    namespaces=[NAMESPACE],
                    auth={"token": self._token, "pbx": self._pbx},
                    transports=["websocket"],
                    wait_timeout=5,
                )
            except (socketio.exceptions.SocketIOError, OSError) as error:
                log.debug("desktop_unreachable", url=self._url, error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 1.6, 3.0)

    async def _send(self) -> None:
        while True:
            change = await self._changes.get()
            try:
                if change is None:
                    await self._client.emit("floor_snapshot", self._snapshot(), namespace=NAMESPACE)
                else:
                    await self._client.emit("floor_change", change, namespace=NAMESPACE)
            except socketio.exceptions.SocketIOError as error:
                log.debug("push_failed", error=str(error))

    async def _beat(self) -> None:
        while True:
            if self.connected:
                with contextlib.suppress(socketio.exceptions.SocketIOError):
                    await self._client.emit("beat", {"at": round(time.time() * 1000)}, namespace=NAMESPACE)
            await asyncio.sleep(BEAT_EVERY)

    async def _gone(self, *_reason: Any) -> None:
        log.info("desktop_gone", url=self._url)
        self._away.set()

    async def _connected(self) -> None:
        log.info("desktop_linked", url=self._url)
        self.push_snapshot()

    def push_snapshot(self) -> None:
        """Send the whole floor, in order with the changes around it."""
        self._changes.put_nowait(None)

    async def _asked(self, _data: Any = None) -> None:
        self.push_snapshot()

    async def _commanded(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            return {"ok": False, "error": "refused", "detail": "a command is an object"}
        return await self._command(data)
