"""Calling a citizen: the agent's telephone first, then, by the dialplan, the citizen, who sees our number."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from typing import Any

from cti.ari import Ari, AriError
from cti.commands import Commands, Refused, interface
from cti.floor import Changes

_NUMBER = re.compile(r"[0-9]{3,20}")
_ABOUT = re.compile(r"[A-Za-z0-9_.:-]{0,64}")
PICKED_UP_WITHIN = 4.0
"""Seconds the command waits for the agent's telephone; a desk phone may ring on after that."""
RINGS = 20
"""Seconds that the agent's own telephone rings."""


class Outbound:
    """The command `dial`, on one PBX."""

    def __init__(self, pbx: str, commands: Commands) -> None:
        self._pbx, self._commands = pbx, commands
        self.ari: Ari | None = None
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        commands.verbs |= {"dial": self.dial}

    async def dial(self, seat: str, number: str, about: str = "", label: str = "") -> dict[str, Any]:
        """Call `number` (digits as the carrier wants them) for the agent at `seat`; {"uid"} of the call.

        `about` says what it is for ("ticket:<number>", "missed:<id>", "call:<uid>", "redial").
        """
        place = self._commands.signed_in(seat)
        if place.activity != "idle":
            raise Refused("in_call", f"seat {seat} has a call")
        if not place.reachable:
            raise Refused("unreachable", f"the telephone of seat {seat} is not registered")
        if not _NUMBER.fullmatch(number) or not _ABOUT.fullmatch(about):
            raise Refused("bad_target", f"cannot call {number!r}")
        if self.ari is None:
            raise AriError("no connection to Asterisk")
        uid = f"{self._pbx}-{int(time.time())}.o{next(self._numbers)}"
        picked_up: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[uid] = picked_up
        try:
            await self.ari.request(
                "POST",
                "channels",
                endpoint=interface(place),
                context="dial-out",
                extension=number,
                priority="1",
                timeout=str(RINGS),
                channelId=uid,
                callerId=seat,
                body={
                    "variables": {
                        "HL_CALL": uid,
                        "HL_LOGIN": place.agent or "",
                        "HL_ABOUT": about,
                        "HL_SIDE": "place",
                        "PJSIP_HEADER(add,X-Hotline)": "dial",
                        "PJSIP_HEADER(add,Call-Info)": "<sip:127.0.0.1>;answer-after=0",
                    }
                },
            )
            async with asyncio.timeout(PICKED_UP_WITHIN):
                if not await picked_up:
                    raise Refused("telephone_silent", f"the telephone of seat {seat} did not pick up")
        except TimeoutError:
            pass  # a desk phone that still rings
        finally:
            del self._waiting[uid]
        return {"uid": uid}

    def watch(self, changes: Changes) -> None:
        """To be told each change of the floor: a dial that has begun is on it."""
        for uid, call in changes.calls.items():
            if call and call.state == "dialing":
                self._told(uid, True)

    def gone(self, uid: str) -> None:
        """The channel of that call has ended."""
        self._told(uid, False)

    def _told(self, uid: str, began: bool) -> None:
        waiting = self._waiting.get(uid)
        if waiting and not waiting.done():
            waiting.set_result(began)
