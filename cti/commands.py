"""Commands of the screens, carried out by Asterisk: imperative, acknowledged, refused in words.

A command that is acknowledged was confirmed by Asterisk. Nothing here changes the floor: that happens when
Asterisk's event comes back.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import structlog

from cti.ami import ActionRefused, ActionTimeout, Ami, AmiError
from cti.ari import AriError
from cti.floor import Floor, FloorCall, Seat, write_pause

log = structlog.get_logger()

REASON = re.compile(r"[a-z_]{1,24}")
"""Which reasons an agent may choose is the desktop's to know; here only what fits into Asterisk's words."""
_NUMBER = re.compile(r"[0-9]{3,20}")
MORE_TIME, MORE_TIMES = 60, 5
"""After-call work can be put off by this many seconds, this often."""
_AGENT = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class Refused(Exception):
    """The command cannot be carried out; `code` is for the program, the text for the log."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Commands:
    """Carries out commands on one PBX, against the floor as it is at that moment."""

    def __init__(self, ami: Ami, floor: Callable[[], Floor], wrapup_seconds: int = 20) -> None:
        self._ami, self._floor, self._wrapup_seconds = ami, floor, wrapup_seconds
        self.verbs: dict[str, Callable[..., Awaitable[dict[str, Any] | None]]] = {
            "sign_in": self.sign_in,
            "sign_out": self.sign_out,
            "ready": self.ready,
            "not_ready": self.not_ready,
            "finish_after_call": self.finish_after_call,
            "more_time": self.more_time,
            "hang_up": self.hang_up,
            "transfer": self.transfer,
        }

    async def run(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out {"name", ...arguments} and return the acknowledgement {"ok": true, ...} or
        {"ok": false, "error": code, "detail": text}. Never raises."""
        arguments = {k: v for k, v in message.items() if k != "name"}
        expects = arguments.pop("expects", None)
        verb = self.verbs.get(str(message.get("name")))
        if verb is None:
            return _no("refused", f"unknown command {message.get('name')!r}")
        try:
            if isinstance(expects, dict):
                self._check_expected(str(arguments.get("seat")), expects)
            answer = await verb(**arguments)
        except Refused as refusal:
            return _no(refusal.code, str(refusal))
        except ActionRefused as refusal:
            gone = "no such channel" in str(refusal).lower()
            return _no("call_gone" if gone else "refused", str(refusal))
        except ActionTimeout as error:
            return _no("timeout", str(error))
        except (AmiError, AriError) as error:
            return _no("pbx_down", str(error))
        except (TypeError, ValueError) as error:
            return _no("refused", f"bad arguments: {error}")
        return {"ok": True, **(answer or {})}

    def _check_expected(self, seat: str, expects: dict[str, Any]) -> None:
        """{"agent", "uid"}: who and which call the person who commands saw at the seat. Raises Refused."""
        place = self._seat(seat)
        now = {"agent": place.agent, "uid": place.call}
        if any(name in expects and expects[name] != fact for name, fact in now.items()):
            raise Refused("changed", f"seat {seat} is {now} by now, not {expects}")

    async def sign_in(self, seat: str, agent: str, queues: list[list[Any]], telephone: str = "desk") -> None:
        """Make the seat's telephone (desk | browser) a member of the agent's queues, not ready with reason
        signed_in.

        The same agent at the same seat resumes as things are; with the other telephone the seat moves to that
        one, unless in a call. An agent who is at another seat is signed out there first, unless in a call.
        """
        place = self._seat(seat)
        if telephone not in ("desk", "browser"):
            raise Refused("refused", f"unknown telephone {telephone!r}")
        if not _AGENT.fullmatch(agent):
            raise Refused("refused", f"agent {agent!r} is not a login")
        if place.agent and place.agent != agent:
            raise Refused("seat_taken", f"seat {seat} is taken by {place.agent}")
        for other in self._floor().seats.values():
            if other.agent == agent and other.seat != seat:
                await self.sign_out(other.seat)
        wanted = {str(name): int(penalty) for name, penalty in queues}
        unknown = [name for name in wanted if name not in self._floor().queues]
        if unknown or not wanted:
            raise Refused("no_queue", f"agent {agent} has no queue that exists: {unknown}")
        moves = place.agent == agent and place.telephone != telephone
        if moves and place.call:
            raise Refused("in_call", f"seat {seat} has a call on its other telephone")
        for queue in place.queues:
            if queue not in wanted or moves:
                await self._ami.action("QueueRemove", Queue=queue, Interface=interface(place))
        pause = pause_of(place) if place.agent == agent else "signed_in"
        there = replace(place, telephone=telephone)
        for queue, penalty in wanted.items():
            if queue not in place.queues or moves:
                await self._add(there, agent, queue, penalty, pause)
        if place.agent != agent:
            await self._pause(there, "signed_in")
            await self._journal("SIGNIN", agent, seat)

    async def sign_out(self, seat: str) -> None:
        """Take the seat's telephone out of every queue. Refused while it has a call."""
        place = self.signed_in(seat)
        if place.call:
            raise Refused("in_call", f"seat {seat} has a call")
        for queue in place.queues:
            await self._ami.action("QueueRemove", Queue=queue, Interface=interface(place))
        await self._journal("SIGNOUT", place.agent or "NONE", seat)

    async def ready(self, seat: str) -> None:
        """The seat takes calls. Refused when its telephone is not there."""
        place = self.signed_in(seat)
        if not place.reachable:
            raise Refused("unreachable", f"the telephone of seat {seat} is not registered")
        await self._pause(place, None)

    async def not_ready(self, seat: str, reason: str) -> None:
        """The seat takes no further calls; one that it has goes on, and so does after-call work, which this
        reason then follows."""
        place = self.signed_in(seat)
        if not REASON.fullmatch(reason) or reason == "after_call":
            raise Refused("refused", f"unknown reason {reason!r}")
        await self._pause(place, reason)

    async def finish_after_call(self, seat: str) -> None:
        """End after-call work now: ready, or what was chosen to follow. Nothing happens when it has ended."""
        place = self.signed_in(seat)
        if place.reason == "after_call":
            await self._pause(place, place.next)

    async def more_time(self, seat: str) -> None:
        """Put the end of after-call work off by a minute, five times at the most."""
        place = self.signed_in(seat)
        if place.reason != "after_call":
            raise Refused("not_after_call", f"seat {seat} is not in after-call work")
        if place.extended >= MORE_TIMES:
            raise Refused("limit_reached", f"after-call work was put off {place.extended} times already")
        until = max(place.until or 0, now_ms()) + MORE_TIME * 1000
        await self._pause(place, write_pause(place.next, until, place.extended + 1))

    async def hang_up(self, seat: str) -> None:
        """End the seat's call, or refuse the one that rings. With a third party on the line it would not be
        clear whose call is to end: there are commands for each of them."""
        call = self.call(seat)
        if call.seat == seat and call.state in ("consulting", "three_way"):
            raise Refused("party_there", f"seat {seat} has a party on the line")
        cause = "21" if call.state == "ringing" else "16"
        channel = self.channel_of(seat, call)
        if call.state == "dialing":
            # This channel answers for the call still, and our hang-up has no side: the journal is told.
            await self._ami.action("Setvar", Channel=channel, Variable="HL_ENDED_BY", Value="agent")
        await self._ami.action("Hangup", Channel=channel, Cause=cause)

    async def transfer(
        self, seat: str, kind: str, target: str, numbers: list[str] | None = None, label: str = ""
    ) -> None:
        """Hand the citizen over without asking.

        Kind "queue" (its name), "seat" (its number), "number" (outside, digits), "target" or "group"
        (outside, `numbers`, which ring together). `label`: its name for people.
        """
        call = self.talk(seat)
        party = self.party(seat, kind, target, numbers, label)
        await self.together(call)
        context = {"queue": "transfer-queue", "seat": "transfer-seat"}.get(kind, "transfer-number")
        await self.tell_channel(call.channel, party)
        await self._ami.action(
            "Redirect", Channel=call.channel, Context=context, Exten=party.exten, Priority="1"
        )

    async def together(self, call: FloorCall) -> None:
        """Wait until Asterisk has joined the citizen with somebody.

        After a consultation the floor says "talking" when the agent is on the way back; whoever sends the
        citizen elsewhere in that moment takes a channel that the agent's own Bridge() takes back.
        Raises Refused changed.
        """
        for wait in (*PATIENCE, None):
            found = await self._ami.listing("Status", Channel=call.channel)
            if any(one.get("BridgeID") for one in found):
                return
            if wait is not None:
                await asyncio.sleep(wait)
        raise Refused("changed", f"nobody is joined with the citizen of call {call.uid}")

    async def begin_after_call(self, seat: str, following: str | None = None) -> None:
        """After a talk: no call until the after-call work is finished; then `following`, or ready."""
        until = now_ms() + self._wrapup_seconds * 1000
        await self._pause(self._seat(seat), write_pause(following, until))

    # --- whom a command concerns ---------------------------------------------------------------------

    def party(
        self, seat: str, kind: str, target: str, numbers: list[str] | None = None, label: str = ""
    ) -> Wanted:
        """Whom to call, checked. Raises Refused bad_target, or target_unreachable for a seat that is busy."""
        floor = self._floor()
        if kind == "queue" and target in floor.queues:
            return Wanted(kind, target, label, "", target)
        if kind == "seat" and target in floor.seats and target != seat:
            place = floor.seats[target]
            if not place.agent or not place.reachable or place.activity != "idle":
                raise Refused("target_unreachable", f"seat {target} cannot be called now")
            return Wanted(kind, target, label, interface(place), place.endpoint, place.agent)
        digits = [target] if kind == "number" else list(numbers or [])
        outside = kind in ("number", "target", "group") and digits
        if not outside or not all(_NUMBER.fullmatch(number) for number in digits):
            raise Refused("bad_target", f"cannot call {kind} {target!r}")
        dialled = "&".join(f"PJSIP/{number}@trunk" for number in digits)
        return Wanted(kind, digits[0], label, dialled, digits[0])

    async def tell_channel(self, channel: str, party: Wanted) -> None:
        """Put what the dialplan needs to know of a party onto a channel."""
        said = f"{party.kind}|{party.who}|{quote(party.label, safe='')}"
        for name, value in (("HL_PARTY", said), ("HL_TARGET", party.dial), ("HL_LOGIN", party.agent)):
            await self._ami.action("Setvar", Channel=channel, Variable=name, Value=value)

    # --- Asterisk's words ------------------------------------------------------------------------

    async def _add(self, place: Seat, agent: str, queue: str, penalty: int, pause: str | None) -> None:
        await self._ami.action(
            "QueueAdd",
            Queue=queue,
            Interface=interface(place),
            StateInterface=interface(place),
            MemberName=agent,
            Penalty=str(max(0, penalty)),
            Paused="true" if pause else "false",
            Reason=pause or "",
        )

    async def _pause(self, place: Seat, reason: str | None) -> None:
        if reason is None:
            await self._ami.action("QueuePause", Interface=interface(place), Paused="false")
        else:
            await self._ami.action("QueuePause", Interface=interface(place), Paused="true", Reason=reason)

    async def _journal(self, event: str, agent: str, seat: str) -> None:
        await self._ami.action(
            "QueueLog", Queue="NONE", Event=event, Interface=agent, Message=f"{now_ms()}|{seat}"
        )

    async def journal_call(self, event: str, uid: str, seat: str, at: int) -> None:
        """Write what only the cti learns of a call into the journal: the one way in."""
        await self._ami.action(
            "QueueLog",
            Queue="NONE",
            Event=event,
            Uniqueid=uid,
            Interface=self.agent_at(seat),
            Message=f"{at}|{seat}",
        )

    def agent_at(self, seat: str) -> str:
        """Login of who is signed in there; NONE as the journal writes it for nobody."""
        place = self._floor().seats.get(seat)
        return (place.agent if place else None) or "NONE"

    def _seat(self, seat: str) -> Seat:
        place = self._floor().seats.get(seat)
        if place is None:
            raise Refused("bad_target", f"there is no seat {seat!r}")
        return place

    def signed_in(self, seat: str) -> Seat:
        """The seat, with somebody at it. Raises Refused."""
        place = self._seat(seat)
        if place.presence == "signed_out":
            raise Refused("not_signed_in", f"nobody is signed in at seat {seat}")
        return place

    def call(self, seat: str) -> FloorCall:
        """The call at the seat. Raises Refused call_gone."""
        call = self._floor().calls.get(self._seat(seat).call or "")
        if call is None:
            raise Refused("call_gone", f"seat {seat} has no call")
        self.channel_of(seat, call)
        return call

    def talk(self, seat: str) -> FloorCall:
        """The call in which this seat's agent alone talks with the citizen. Raises Refused."""
        call = self.call(seat)
        if call.seat != seat or not call.channel or call.state in ("ringing", "dialing", "returning"):
            raise Refused("call_gone", "the call is not answered yet")
        if call.state == "holding":
            raise Refused("on_hold", "the citizen is on hold: resume first")
        if call.state != "talking":
            raise Refused("party_there", f"the call is {call.state}")
        return call

    @staticmethod
    def channel_of(seat: str, call: FloorCall) -> str:
        """Asterisk's channel of this seat in the call. Raises Refused call_gone."""
        party = call.party.channel if call.party and call.party.seat == seat else ""
        channel = call.seat_channel if call.seat == seat else party
        if not channel:
            raise Refused("call_gone", f"seat {seat} has no channel in call {call.uid}")
        return channel


PATIENCE = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before another try; together well below the desktop's limit for a command."""


@dataclass(frozen=True)
class Wanted:
    """Whom to call: `dial` is Asterisk's dial string, `exten` the extension in its transfer context."""

    kind: str
    who: str
    label: str
    dial: str
    exten: str
    agent: str = ""


def interface(seat: Seat) -> str:
    """The seat's telephone as a member of queues."""
    return f"PJSIP/{seat.endpoint}"


def pause_of(seat: Seat) -> str | None:
    """The reason under which Asterisk keeps the seat paused; None when it is ready."""
    if seat.presence != "not_ready":
        return None
    if seat.reason == "after_call":
        return write_pause(seat.next, seat.until or 0, seat.extended)
    return seat.reason or "other"


def now_ms() -> int:
    """The present moment in epoch ms."""
    return round(time.time() * 1000)


def _no(code: str, detail: str) -> dict[str, Any]:
    return {"ok": False, "error": code, "detail": detail}


class AfterCall:
    """Ends after-call work when its time is up, also when the cti was restarted in the middle of it."""

    def __init__(self, commands: Commands, seconds: int) -> None:
        self._commands, self._seconds = commands, seconds
        self._timers: dict[str, tuple[int, asyncio.TimerHandle]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def watch(self, before: Seat | None, after: Seat) -> None:
        """To be told each change of a seat."""
        talked = before is not None and before.activity in ("talking", "holding") and after.activity == "idle"
        if talked and after.presence != "signed_out" and after.reason != "after_call":
            # What was chosen during the call comes after the after-call work.
            self._spawn(self._begin(after.seat, after.reason))
        end = None
        if after.presence == "not_ready" and after.reason == "after_call":
            end = after.until or after.since + self._seconds * 1000
        timing = self._timers.get(after.seat)
        if timing and timing[0] != end:
            self._timers.pop(after.seat)[1].cancel()
        if end is not None and after.seat not in self._timers:
            # A clock that was set must not keep a seat from its calls.
            longest = self._seconds + MORE_TIME * MORE_TIMES
            left = min(max(0.0, end / 1000 - time.time()), longest)
            loop = asyncio.get_running_loop()
            self._timers[after.seat] = end, loop.call_later(left, self._over, after.seat)

    async def _begin(self, seat: str, following: str | None) -> None:
        try:
            await self._commands.begin_after_call(seat, following)
        except AmiError as error:
            log.warning("after_call_not_begun", seat=seat, error=str(error))

    def _over(self, seat: str) -> None:
        self._timers.pop(seat, None)
        self._spawn(self._commands.run({"name": "finish_after_call", "seat": seat}))

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
