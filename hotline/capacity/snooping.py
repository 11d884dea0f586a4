"""Recording by ARI for comparison: a snoop channel on every call, recorded by Asterisk's Stasis recording."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from cti.ari import Ari, AriError
from hotline.capacity.talking import BarePbx

APPLICATION = "recording-cost"


@contextlib.contextmanager
def snooped(line: BarePbx, channels: Sequence[str]) -> Iterator[None]:
    """Both directions of each channel are recorded (sln) while the block runs. Raises AriError."""
    uids = {channel["Channel"]: channel["Uniqueid"] for channel in line.channels()}
    up, end = threading.Event(), threading.Event()
    failures: list[Exception] = []

    async def run() -> None:
        connected = asyncio.Event()

        entered: asyncio.Queue[str] = asyncio.Queue()

        async def on_up() -> None:
            connected.set()

        async def on_event(event: dict[str, Any]) -> None:
            if event.get("type") == "StasisStart":
                entered.put_nowait(event["channel"]["id"])

        here, password = line.settings.pbx_http_port, line.settings.ari_password
        wire = Ari("127.0.0.1", here, "cti", password, APPLICATION, on_event, on_up)
        running = asyncio.create_task(wire.run())
        snoops: list[str] = []
        try:
            await asyncio.wait_for(connected.wait(), 5)
            for name in channels:
                snoop = await wire.request(
                    "POST", "channels", uids[name], "snoop", spy="both", whisper="none", app=APPLICATION
                )
                snoops.append(snoop["id"])
                # A snoop can be recorded only once it has entered the application.
                await asyncio.wait_for(entered.get(), 5)
                of = {"name": snoop["id"], "format": "sln", "ifExists": "overwrite"}
                await wire.request("POST", "channels", snoop["id"], "record", **of)
            up.set()
            await asyncio.to_thread(end.wait)
            for snoop_id in snoops:
                with contextlib.suppress(AriError):
                    await wire.request("DELETE", "channels", snoop_id)
        except (AriError, TimeoutError) as failure:
            failures.append(failure)
            up.set()
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    own = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    own.start()
    try:
        up.wait(30)
        if failures:
            raise failures[0]
        yield
    finally:
        end.set()
        own.join(20)
