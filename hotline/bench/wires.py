"""The same AMI event read by two clients, each a process with a log-in of its own: how old is it there?

Ours is `cti.ami`; its peer is pyst2. Both take AgentCalled through the same event filter and do nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from cti.ami import Ami, Message

EVENT = "AgentCalled"


def watch_ours(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    """{"samples": [[event_at ms, age ms], ...]} read by `cti.ami`."""
    samples: list[tuple[int, float]] = []

    def take(message: Message) -> None:
        if message["Event"] == EVENT:
            samples.append(_sample(message["Timestamp"]))

    async def up() -> None:
        ready()

    async def run() -> None:
        wire = Ami(
            "127.0.0.1", job["port"], job["user"], job["secret"],
            on_event=take, on_up=up, on_down=lambda: None,
        )  # fmt: skip
        running = asyncio.create_task(wire.run())
        await asyncio.to_thread(stop.wait)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(run())
    return {"samples": samples}


def watch_pyst2(job: dict[str, Any], ready: Callable[[], None], stop: threading.Event) -> dict[str, Any]:
    """The same read by pyst2, with one repair without which it ends at the first event of a call."""
    from asterisk import manager

    samples: list[tuple[int, float]] = []
    _mend(manager)
    peer = manager.Manager()
    peer.connect("127.0.0.1", job["port"])
    peer.login(job["user"], job["secret"])
    peer.register_event(EVENT, lambda event, _peer: samples.append(_sample(event.get_header("Timestamp"))))
    ready()
    stop.wait()
    return {"samples": samples}


class _Headers(dict[str, Any]):
    """pyst2 0.5.1 asks `headers.has_key`, which Python 3 has not, as soon as `channelvars` is set."""

    def has_key(self, name: str) -> bool:
        return name in self


def _mend(manager: Any) -> None:
    parse = manager.ManagerMsg.parse

    def mended(message: Any, response: Any) -> None:
        message.headers = _Headers()
        parse(message, response)

    manager.ManagerMsg.parse = mended


def _sample(stamp: str) -> tuple[int, float]:
    at = float(stamp) * 1000
    return round(at), time.time() * 1000 - at
