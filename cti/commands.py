"""Commands of the screens, carried out by Asterisk: imperative, acknowledged, refused in words.

A command that is acknowledged was confirmed by Asterisk. Nothing here changes the floor: that happens when
Asterisk's event comes back.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from cti.ami import ActionRefused, ActionTimeout, Ami, AmiError
from cti.floor import Floor, FloorCall, Seat

log = structlog.get_logger()

REASONS = frozenset((
    "break", "meal", "meeting", "training", "follow_up", "other",
    "signed_in", "no_answer", "after_call", "screen_gone",
))  # fmt: skip
_NUMBER = re.compile(r"[0-9]{3,20}")
_AGENT = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class Refused(Exception):
    """The command cannot be carried out; `code` is for the program, the text for the log."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Commands:
    """Carries out commands on one PBX, against the floor as it is at that moment."""

    def __init__(self, ami: Ami, floor: Callable[[], Floor]) -> None:
        self._ami, self._floor = ami, floor
        self._verbs: dict[str, Callable[..., Awaitable[None]]] = {
            "sign_in": self.sign_in,
            "sign_out": self.sign_out,
            "ready": self.ready,
            "not_ready": self.not_ready,
            "finish_after_call": self.finish_after_call,
            "hang_up": self.hang_up,
            "transfer": self.transfer,
        }

    async def run(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out {"name", ...arguments} and return the acknowledgement {"ok": true} or
        {"ok": false, "error": code, "detail": text}. Never raises."""
        arguments = {k: v for k, v in message.items() if k != "name"}
        verb = self._verbs.get(str(message.get("name")))
        if verb is None:
            return _no("refused", f"unknown command {message.get('name')!r}")
        try:
            await verb(**arguments)
        except Refused as refusal:
            return _no(refusal.code, str(refusal))
        except ActionRefused as refusal:
            gone = "no such channel" in str(refusal).lower()
            return _no("call_gone" if gone else "refused", str(refusal))
        except ActionTimeout as error:
            return _no("timeout", str(error))
        except AmiError as error:
            return _no("pbx_down", str(error))
        except (TypeError, ValueError) as error:
            return _no("refused", f"bad arguments: {error}")
        return {"ok": True}

    async def sign_in(self, seat: str, agent: str, queues: list[list[Any]]) -> None:
        """Make the seat's telephone a member of the agent's queues, not ready with reason signed_in.

        The same agent at the same seat resumes as things are. An agent who is at another seat is signed out
        there first, unless in a call.
        """
        place = self._seat(seat)
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
        for queue in place.queues:
            if queue not in wanted:
                await self._ami.action("QueueRemove", Queue=queue, Interface=f"PJSIP/{seat}")
        pause = place.reason if place.agent == agent else "signed_in"
        for queue, penalty in wanted.items():
            if queue not in place.queues:
                await self._add(seat, agent, queue, penalty, pause)
        if place.agent != agent:
            await self._pause(seat, "signed_in")
            await self._journal("SIGNIN", agent, seat)

    async def sign_out(self, seat: str) -> None:
        """Take the seat's telephone out of every queue. Refused while it has a call."""
        place = self._signed_in(seat)
        if place.call:
            raise Refused("in_call", f"seat {seat} has a call")
        for queue in place.queues:
            await self._ami.action("QueueRemove", Queue=queue, Interface=f"PJSIP/{seat}")
        await self._journal("SIGNOUT", place.agent or "NONE", seat)

    async def ready(self, seat: str) -> None:
        """The seat takes calls. Refused when its telephone is not there."""
        if not self._signed_in(seat).reachable:
            raise Refused("unreachable", f"the telephone of seat {seat} is not registered")
        await self._pause(seat, None)

    async def not_ready(self, seat: str, reason: str) -> None:
        """The seat takes no further calls; one that it has goes on."""
        self._signed_in(seat)
        if reason not in REASONS:
            raise Refused("refused", f"unknown reason {reason!r}")
        await self._pause(seat, reason)

    async def finish_after_call(self, seat: str) -> None:
        """End after-call work now. Nothing happens when it has ended already."""
        if self._signed_in(seat).reason == "after_call":
            await self._pause(seat, None)

    async def hang_up(self, seat: str) -> None:
        """End the seat's call, or refuse the one that rings."""
        call = self._call(seat)
        await self._ami.action(
            "Hangup", Channel=call.seat_channel, Cause="16" if call.state != "ringing" else "21"
        )

    async def transfer(self, seat: str, kind: str, target: str) -> None:
        """Hand the citizen over without asking: kind "queue" (its name) or "number" (outside, digits)."""
        call = self._call(seat)
        if call.state == "ringing":
            raise Refused("call_gone", "the call is not answered yet")
        if kind == "queue" and target in self._floor().queues:
            context = "transfer-queue"
        elif kind == "number" and _NUMBER.fullmatch(target):
            context = "transfer-number"
        else:
            raise Refused("bad_target", f"cannot transfer to {kind} {target!r}")
        await self._ami.action("BlindTransfer", Channel=call.seat_channel, Context=context, Exten=target)

    async def begin_after_call(self, seat: str) -> None:
        """After a talk: no call until the after-call work is finished."""
        await self._pause(seat, "after_call")

    # --- Asterisk's words ------------------------------------------------------------------------

    async def _add(self, seat: str, agent: str, queue: str, penalty: int, pause: str | None) -> None:
        await self._ami.action(
            "QueueAdd",
            Queue=queue,
            Interface=f"PJSIP/{seat}",
            StateInterface=f"PJSIP/{seat}",
            MemberName=agent,
            Penalty=str(max(0, penalty)),
            Paused="true" if pause else "false",
            Reason=pause or "",
        )

    async def _pause(self, seat: str, reason: str | None) -> None:
        if reason is None:
            await self._ami.action("QueuePause", Interface=f"PJSIP/{seat}", Paused="false")
        else:
            await self._ami.action("QueuePause", Interface=f"PJSIP/{seat}", Paused="true", Reason=reason)

    async def _journal(self, event: str, agent: str, seat: str) -> None:
        message = f"{int(time.time() * 1000)}|{seat}"
        await self._ami.action("QueueLog", Queue="NONE", Event=event, Interface=agent, Message=message)

    def _seat(self, seat: str) -> Seat:
        place = self._floor().seats.get(seat)
        if place is None:
            raise Refused("bad_target", f"there is no seat {seat!r}")
        return place

    def _signed_in(self, seat: str) -> Seat:
        place = self._seat(seat)
        if place.presence == "signed_out":
            raise Refused("not_signed_in", f"nobody is signed in at seat {seat}")
        return place

    def _call(self, seat: str) -> FloorCall:
        call = self._floor().calls.get(self._seat(seat).call or "")
        if call is None or not call.seat_channel:
            raise Refused("call_gone", f"seat {seat} has no call")
        return call


def _no(code: str, detail: str) -> dict[str, Any]:
    return {"ok": False, "error": code, "detail": detail}


class AfterCall:
    """Ends after-call work when its time is up, also when the cti was restarted in the middle of it."""

    def __init__(self, commands: Commands, seconds: int) -> None:
        self._commands, self._seconds = commands, seconds
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def watch(self, before: Seat | None, after: Seat) -> None:
        """To be told each change of a seat."""
        talked = before is not None and before.activity in ("talking", "holding") and after.activity == "idle"
        if talked and after.presence == "ready":
            self._spawn(self._begin(after.seat))
        timing = after.seat in self._timers
        working = after.presence == "not_ready" and after.reason == "after_call"
        if working and not timing:
            left = max(0.0, after.since / 1000 + self._seconds - time.time())
            loop = asyncio.get_running_loop()
            self._timers[after.seat] = loop.call_later(min(left, self._seconds), self._over, after.seat)
        elif timing and not working:
            self._timers.pop(after.seat).cancel()

    async def _begin(self, seat: str) -> None:
        try:
            await self._commands.begin_after_call(seat)
        except AmiError as error:
            log.warning("after_call_not_begun", seat=seat, error=str(error))

    def _over(self, seat: str) -> None:
        self._timers.pop(seat, None)
        self._spawn(self._commands.run({"name": "finish_after_call", "seat": seat}))

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
