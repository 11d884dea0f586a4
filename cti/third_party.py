"""Bringing somebody in: consult, complete, three-way, and out again.

The dialplan does it (contexts consult, room, back-to-citizen in extensions.conf); here channels are sent
there. When two of three remain they are joined directly again, because a room cannot play hold music.
"""

from __future__ import annotations

import asyncio

import structlog

from cti.ami import ActionRefused, Ami, AmiError
from cti.commands import PATIENCE, Commands, Refused
from cti.floor import FloorCall, Party

log = structlog.get_logger()


class ThirdParty:
    """Commands with a third party, on one PBX."""

    def __init__(self, ami: Ami, commands: Commands) -> None:
        self._ami, self._commands = ami, commands
        commands.verbs |= {
            "consult": self.consult,
            "cancel_consult": self.cancel_consult,
            "complete_transfer": self.complete_transfer,
            "three_way": self.three_way,
            "drop_party": self.drop_party,
            "leave": self.leave,
            "end_all": self.end_all,
        }

    async def consult(
        self, seat: str, kind: str, target: str, numbers: list[str] | None = None, label: str = ""
    ) -> None:
        """The agent talks with somebody, the citizen hears music; kinds as for `transfer`, without queues."""
        call = self._commands.talk(seat)
        if kind == "queue":
            raise Refused("bad_target", "a queue cannot be consulted")
        party = self._commands.party(seat, kind, target, numbers, label)
        await self._commands.together(call)
        await self._commands.tell_channel(call.seat_channel, party)
        await self._setvar(call.seat_channel, "HL_CITIZEN", call.channel)
        await self._send_aside(call, "consult", "s")

    async def cancel_consult(self, seat: str) -> None:
        """Back to the citizen; the other is let go."""
        call, party = self._with_party(seat, "consulting")
        if party.channel:
            await self._hang_up(party.channel)
        else:  # it still rings: the agent's channel leaves its Dial
            await self._ami.action(
                "Redirect", Channel=call.seat_channel, Context="back-to-citizen", Exten="s", Priority="1"
            )

    async def complete_transfer(self, seat: str) -> None:
        """Citizen and party together, the agent out. Refused while the party still rings."""
        call, party = self._with_party(seat, "consulting")
        if party.state != "talking":
            raise Refused("party_not_there", "the other has not answered yet")
        await self._hang_up(call.seat_channel)

    async def three_way(self, seat: str) -> None:
        """All three together."""
        call, party = self._with_party(seat, "consulting")
        if party.state != "talking":
            raise Refused("party_not_there", "the other has not answered yet")
        await self._setvar(party.channel, "HL_CITIZEN", call.channel)
        await self._ami.action(
            "Redirect", Channel=call.channel, Context="room", Exten="citizen", Priority="1"
        )
        await self._two(call.seat_channel, ("room", "agent"), party.channel, ("room", "party"))

    async def drop_party(self, seat: str) -> None:
        """The party goes, citizen and agent remain."""
        _, party = self._with_party(seat, "three_way")
        await self._hang_up(party.channel)

    async def leave(self, seat: str) -> None:
        """The agent goes, citizen and party remain."""
        call, _ = self._with_party(seat, "three_way")
        await self._hang_up(call.seat_channel)

    async def end_all(self, seat: str) -> None:
        """The call ends for everybody: the party first, so that nobody is left with a stranger."""
        call, party = self._with_party(seat, "three_way", "consulting")
        if party.channel:
            await self._hang_up(party.channel)
        await self._hang_up(call.seat_channel)

    async def join_the_two(self, before: FloorCall, after: FloorCall) -> bool:
        """After a three-way that has lost its party: agent and citizen directly together again, and whether
        they are."""
        if before.state != "three_way" or after.state != "talking" or after.seat != before.seat:
            return False
        try:
            await self._setvar(after.seat_channel, "HL_CITIZEN", after.channel)
            await self._send_aside(after, "back-to-citizen", "between")
            await self._commands.together(after)
        except (AmiError, Refused) as error:  # one of them has hung up as well
            log.info("two_not_joined", call=after.uid, error=str(error))
            return False
        return True

    # --- Asterisk's words ------------------------------------------------------------------------

    async def _send_aside(self, call: FloorCall, context: str, waits: str) -> None:
        """The agent's channel to a context, the citizen's to the music, where the dialplan fetches it:
        not before it says itself, by SHARED(HL_WAITS), that it is there."""
        await self._setvar(call.channel, "SHARED(HL_WAITS)", "")
        await self._setvar(call.channel, "SHARED(HL_WITH)", call.seat_channel)
        await self._two(call.seat_channel, (context, "s"), call.channel, ("citizen-waits", waits))

    async def _two(self, first: str, to: tuple[str, str], second: str, second_to: tuple[str, str]) -> None:
        """Send both at once; a channel still on its way from an earlier redirect is "not up" for a moment."""
        for wait in (*PATIENCE, None):
            try:
                await self._ami.action(
                    "Redirect",
                    Channel=first,
                    Context=to[0],
                    Exten=to[1],
                    Priority="1",
                    ExtraChannel=second,
                    ExtraContext=second_to[0],
                    ExtraExten=second_to[1],
                    ExtraPriority="1",
                )
                return
            except ActionRefused as refusal:
                if wait is None or "not up" not in str(refusal):
                    raise
                await asyncio.sleep(wait)

    async def _setvar(self, channel: str, name: str, value: str) -> None:
        await self._ami.action("Setvar", Channel=channel, Variable=name, Value=value)

    async def _hang_up(self, channel: str) -> None:
        await self._ami.action("Hangup", Channel=channel, Cause="16")

    def _with_party(self, seat: str, *states: str) -> tuple[FloorCall, Party]:
        call = self._commands.call(seat)
        if call.seat != seat or call.state not in states or call.party is None:
            raise Refused("no_party", f"nobody has been brought into the call of seat {seat}")
        return call, call.party
