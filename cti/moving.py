"""A supervisor moves a waiting caller: to the front of the queue, to another queue, to a seat.

    front        QueueChangePriorityCaller, at once                                  MOVED written here
    queue, seat  QueueWithdrawCaller ─► dialplan `moved` ─ words, music ─► queue | seat   MOVED written there

app_queue lets go of a caller only while nobody has answered, so that no talk is ever cut by a move; it looks
once a second, and at the end of an announcement to the caller. Acknowledged is what the dialplan, or the
queue's own order, has confirmed; `pending` where an announcement is still being heard.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from cti.ami import ActionRefused, Ami, Message
from cti.commands import Commands, Refused, now_ms
from cti.floor import CallEnded, CallerMoved, Event, Floor, FloorCall, QueueOrdered, SeatAnswered

FRONT = 60
"""Priority of who was moved to the front: before a citizen whose agent's telephone vanished (50)."""
LETTING_GO = 3.0
"""Seconds within which app_queue has let go of a caller who hears music; below a desktop's limit."""

_LOGIN = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class Moving:
    """The command move_caller on one PBX. `take` is told what has happened."""

    def __init__(
        self, ami: Ami, commands: Commands, floor: Callable[[], Floor], take: Callable[[Event], None]
    ):
        self._ami, self._commands, self._floor, self._take = ami, commands, floor, take
        self._leaving: dict[str, asyncio.Future[bool]] = {}
        commands.verbs["move_caller"] = self.move_caller

    async def move_caller(
        self, uid: str, to: str, target: str = "", by: str = "NONE", agent: str | None = None
    ) -> dict[str, Any]:
        """`to`: front; queue (`target` its name); seat (`target` its number, `agent` whom the person saw
        there). Gives {"pending"}: it will be done as soon as the caller has heard an announcement.

        Raises Refused: call_gone, ringing, moving, callback_place, bad_target, target_unreachable, changed.
        """
        if not _LOGIN.fullmatch(by):
            raise Refused("refused", f"{by!r} is not a login")
        call = self._waiting(uid)
        if to == "front":
            await self._to_front(call, by)
            return {"pending": False}
        if call.kind == "callback":
            raise Refused("callback_place", f"call {uid} keeps the place of a citizen to be called back")
        party = self._commands.party("", to, target)
        if to not in ("queue", "seat") or (to == "queue" and target == call.queue):
            raise Refused("bad_target", f"cannot move a caller to {to} {target!r}")
        if agent is not None and party.agent != agent:
            raise Refused("changed", f"seat {target} has another agent by now")
        return {"pending": not await self._withdraw(call, f"{to}:{party.exten}:{by}:{party.agent}")}

    def watch(self, event: Event) -> None:
        """To be told each event."""
        if isinstance(event, CallerMoved):
            self._told(event.call.uid, True)
        elif isinstance(event, SeatAnswered):
            self._told(event.call.uid, False)
        elif isinstance(event, CallEnded):
            self._told(event.uid, False)

    async def _to_front(self, call: FloorCall, by: str) -> None:
        calls = self._floor().calls
        others = (calls[uid].priority for uid in self._floor().queues.get(call.queue, ()) if uid in calls)
        priority = max(FRONT, *(one + 1 for one in others), 0)
        try:
            await self._ami.action(
                "QueueChangePriorityCaller",
                Queue=call.queue,
                Caller=call.channel,
                Priority=str(priority),
                Immediate="yes",
            )
        except ActionRefused as refusal:
            raise Refused("call_gone", str(refusal)) from refusal
        # So that it holds where the queue is entered again, and in the next snapshot.
        await self._ami.action("Setvar", Channel=call.channel, Variable="__HL_PRIORITY", Value=str(priority))
        await self._ami.action(
            "QueueLog",
            Queue="NONE",
            Event="MOVED",
            Uniqueid=call.uid,
            Interface=by,
            Message=f"{now_ms()}|front|{call.queue}|{by}",
        )
        order = self._uids(await self._ami.listing("QueueStatus", Queue=call.queue))
        self._take(QueueOrdered(now_ms(), call.queue, order, call.uid, priority))

    async def _withdraw(self, call: FloorCall, info: str) -> bool:
        """Whether the caller is on the way already. Raises Refused."""
        if call.uid in self._leaving:
            raise Refused("moving", f"call {call.uid} is being moved already")
        left: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._leaving[call.uid] = left
        try:
            await self._ami.action(
                "QueueWithdrawCaller", Queue=call.queue, Caller=call.channel, WithdrawInfo=info
            )
            async with asyncio.timeout(LETTING_GO):
                moved = await left
        except ActionRefused as refusal:
            again = "already" in str(refusal).lower()
            raise Refused("moving" if again else "call_gone", str(refusal)) from refusal
        except TimeoutError:
            now = self._floor().calls.get(call.uid)
            if now and now.state == "ringing":
                # The caller is moved if the seat does not answer.
                raise Refused("ringing", f"call {call.uid} rings at seat {now.seat}") from None
            return False
        finally:
            del self._leaving[call.uid]
        if not moved:
            raise Refused("call_gone", f"call {call.uid} was answered or has ended")
        return True

    def _told(self, uid: str, moved: bool) -> None:
        left = self._leaving.get(uid)
        if left and not left.done():
            left.set_result(moved)

    def _waiting(self, uid: str) -> FloorCall:
        call = self._floor().calls.get(uid)
        if call is None or not call.channel or call.state not in ("queue", "ringing"):
            raise Refused("call_gone", f"call {uid} does not wait")
        if call.state == "ringing":
            raise Refused("ringing", f"call {uid} rings at seat {call.seat}")
        if not any(uid in waiting for waiting in self._floor().queues.values()):
            raise Refused("call_gone", f"call {uid} is between two queues")
        return call

    def _uids(self, status: list[Message]) -> tuple[str, ...]:
        """The queue's callers as Asterisk has them in order now."""
        by_channel = {call.channel: call.uid for call in self._floor().calls.values() if call.channel}
        entries = sorted(
            (m for m in status if m["Event"] == "QueueEntry"), key=lambda message: int(message["Position"])
        )
        return tuple(by_channel[m["Channel"]] for m in entries if m["Channel"] in by_channel)
