"""求助: the agent asks the shift leader to come. A light on the seat, each change a line in the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from cti.ami import Ami, AmiError
from cti.commands import Commands, Refused, now_ms
from cti.floor import Event, HelpAsked, Seat

log = structlog.get_logger()


class Help:
    """Commands on the light of a seat. `take` is told what has happened."""

    def __init__(self, ami: Ami, commands: Commands, take: Callable[[Event], None]) -> None:
        self._ami, self._commands, self._take = ami, commands, take
        self._tasks: set[asyncio.Task[None]] = set()
        commands.verbs |= {
            "ask_help": self.ask_help,
            "cancel_help": self.cancel_help,
            "take_help": self.take_help,
        }

    async def ask_help(self, seat: str) -> None:
        """Light it. Refused when it is lit already."""
        place = self._commands.signed_in(seat)
        if place.help_since is not None:
            raise Refused("already_asked", f"seat {seat} has asked for help already")
        at = now_ms()
        await self._journal("HELPASKED", place, place.agent or "NONE", at)
        self._take(HelpAsked(at, seat, asked=True))

    async def cancel_help(self, seat: str) -> None:
        """The agent needs nobody any more. Refused when it is not lit."""
        place = self._lit(seat)
        await self._over(place, "HELPENDED", place.agent or "NONE", "cancelled")

    async def take_help(self, seat: str, by: str) -> None:
        """A shift leader comes. Refused when another one was faster."""
        await self._over(self._lit(seat), "HELPTAKEN", by, "taken")

    def watch(self, before: Seat | None, after: Seat) -> None:
        """To be told each change of a seat: with the call the question is over."""
        if before is None or before.help_since is None:
            return
        gone = before.agent is not None and after.agent is None
        if gone or (before.call is not None and after.call is None):
            task = asyncio.get_running_loop().create_task(self._call_over(before))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call_over(self, before: Seat) -> None:
        try:
            await self._over(before, "HELPENDED", before.agent or "NONE", "call_ended")
        except AmiError as error:
            log.warning("not_journalled", line="HELPENDED", seat=before.seat, error=str(error))
            self._take(HelpAsked(now_ms(), before.seat, asked=False))

    async def _over(self, place: Seat, event: str, by: str, why: str) -> None:
        at = now_ms()
        await self._journal(event, place, by, at, why)
        self._take(HelpAsked(at, place.seat, asked=False))

    def _lit(self, seat: str) -> Seat:
        place = self._commands.signed_in(seat)
        if place.help_since is None:
            raise Refused("not_asked", f"seat {seat} asks for no help")
        return place

    async def _journal(self, event: str, place: Seat, by: str, at: int, why: str = "") -> None:
        await self._ami.action(
            "QueueLog",
            Queue="NONE",
            Event=event,
            Uniqueid=place.call or "NONE",
            Interface=by,
            Message=f"{at}|{place.seat}|{why}",
        )
