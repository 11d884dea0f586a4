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


async def _nothing(_event: dict[str, Any]) -> None:
    """Events are of no interest here."""


@contextlib.contextmanager
def snooped(line: BarePbx, channels: Sequence[str]) -> Iterator[None]:
    """Both directions of each channel are recorded (sln) while the block runs. Raises AriError."""
    uids = {channel["Channel"]: channel["Uniqueid"] for channel in line.channels()}
    up, end = threading.Event(), threading.Event()
    failures: list[Exception] = []

    async def run() -> None:
        wire = Ari(
            "127.0.0.1", line.settings.pbx_http_port, "cti", line.settings.ari_password, APPLICATION, _nothing
        )
        running = asyncio.create_task(wire.run())
        snoops: list[str] = []
        try:
            async with asyncio.timeout(5):
                while not wire.connected:
                    await asyncio.sleep(0.02)
            for name in channels:
                snoop = await wire.request(
                    "POST", "channels", uids[name], "snoop", spy="both", whisper="none", app=APPLICATION
                )
                snoops.append(snoop["id"])
                await wire.request(
                    "POST",
                    "channels",
                    snoop["id"],
                    "record",
                    name=snoop["id"],
                    format="sln",
                    ifExists="overwrite",
                )
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
