"""What tests of faults look at: how long the citizen heard nothing, whether the seat's state is true."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import expect

from hotline.phones import alaw
from hotline.phones.citizen import CitizenCall
from hotline.phones.identity import Caller
from tests.browser.screen import Screen
from tests.line import Desk, Line, until

HALF = "供暖不热，客厅只有十五度"
LIMIT = 11.0
"""Seconds: ten without sound from the agent's telephone (`seat_silence_seconds`), one to notice it."""
TRUE_WITHIN = 5.0


class Silence:
    """The longest time in which a citizen heard nothing: no voice, no music, no words, no ringing tone."""

    def __init__(self, call: CitizenCall) -> None:
        self.longest = 0.0
        self._call, self._stop = call, threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self) -> None:
        seen, last = len(self._call.heard), time.monotonic()
        while not self._stop.wait(0.1):
            heard = self._call.heard
            now = time.monotonic()
            if len(heard) > seen and alaw.loudness(heard[max(seen, len(heard) - 1600) :]) > 0.003:
                last = now
            seen = len(heard)
            self.longest = max(self.longest, now - last)

    @classmethod
    @contextlib.contextmanager
    def of(cls, call: CitizenCall) -> Iterator[Silence]:
        silence = cls(call)
        silence._thread.start()
        try:
            yield silence
        finally:
            silence._stop.set()
            silence._thread.join()


def in_a_call(
    line: Line, screen: Screen, number: str, login: str = "agent01", seat: str = "8001"
) -> CitizenCall:
    """The agent at the softphone talks to a citizen; half a ticket is typed and kept as a draft."""
    screen.at_the_softphone(login, seat)
    call = line.citizens(speech=alaw.tone(440, 1)).dial(
        caller=Caller(number), keys="1", speak=True, listen=True
    )
    screen.by("btn-answer").click(timeout=25_000)
    screen.sees_state("talking")
    screen.by("f-what").fill(HALF)
    expect(screen.by("draft-state")).to_have_attribute("data-state", "saved")
    hears(call, 1000)
    screen.excuse()
    return call


def hears(call: CitizenCall, hertz: float, timeout: float = 10) -> None:
    until(lambda: alaw.share_of(hertz, call.heard[-4000:]) > 0.8, timeout, f"the citizen hears {hertz} Hz")


# --- is the seat's state true? -------------------------------------------------------------------------


def cookies_of(screen: Screen) -> str:
    """The log-in of a page, for asking in its place while it cannot."""
    return "; ".join(f"{one['name']}={one['value']}" for one in screen.page.context.cookies())


def shown(line: Line, cookies: str) -> dict[str, Any]:
    """The seat of a log-in as the desktop tells it, the words that Asterisk knows too."""
    seat = Desk(line.address).ask("GET", "/api/seat", None, Cookie=cookies)["seat"]
    activity = "talking" if seat["activity"] == "holding" else seat["activity"]
    return {
        "presence": seat["presence"],
        "reason": seat["reason"],
        "reachable": seat["reachable"],
        "activity": activity,
        "call": seat["call"],
    }


def true(line: Line, endpoint: str) -> dict[str, Any]:
    """The same as Asterisk has it: the queue's member, the telephone, its channels."""
    members = [
        one
        for one in line.ami("QueueStatus")
        if one["Event"] == "QueueMember" and one["Location"] == f"PJSIP/{endpoint}"
    ]
    paused = {one["PausedReason"].partition(":")[0] if one["Paused"] == "1" else None for one in members}
    assert len(paused) == 1, f"its queues agree: {members}"
    (reason,) = paused
    device = {one["Device"]: one["State"] for one in line.ami("DeviceStateList")}[f"PJSIP/{endpoint}"]
    channels = [one for one in line.channels() if one["Channel"].startswith(f"PJSIP/{endpoint}-")]
    assert len(channels) < 2, channels
    activity = {"Up": "talking"}.get(channels[0]["ChannelStateDesc"], "ringing") if channels else "idle"
    return {
        "presence": "ready" if reason is None else "not_ready",
        "reason": reason,
        "reachable": device != "UNAVAILABLE",
        "activity": activity,
        "call": channels[0]["Linkedid"] if channels else None,
    }


def agree(line: Line, cookies: str, endpoint: str = "8001w", within: float = TRUE_WITHIN) -> dict[str, Any]:
    """Desktop and Asterisk say the same of a seat; gives what they say. NotInTime with both when not."""
    said: list[dict[str, Any]] = []

    def same() -> bool:
        said[:] = [shown(line, cookies), true(line, endpoint)]
        return said[0] == said[1]

    until(same, within, f"desktop and Asterisk agree on {endpoint}: {said}")
    return said[0]


def sees_truth(screen: Screen, word: str, endpoint: str = "8001w", within: float = TRUE_WITHIN) -> None:
    """Within the limit the page says `word`, and desktop and Asterisk agree with it and with each other."""
    end = time.monotonic() + within
    screen.sees_state(word, within)
    seat = agree(screen.line, cookies_of(screen), endpoint, max(0.5, end - time.monotonic()))
    idle = seat["reason"] if seat["reason"] == "after_call" else seat["presence"]
    assert word == (
        seat["activity"] if seat["activity"] != "idle" else idle if seat["reachable"] else "unreachable"
    )
