"""Pausing the recording of a call while a citizen reads out an identity or card number.

The recording goes on as silence, so that its times stay true. It is resumed by itself: by the end of a limit,
by a transfer, by the end of the talk; a forgotten pause must not swallow the rest of the call.

A call that the passive recorder captures has no MixMonitor to be muted: the journal's lines are what its
recording is cut by, and the stretch between them becomes silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from cti.ami import ActionRefused, Ami, AmiError
from cti.commands import Commands, Refused, now_ms
from cti.floor import Event, FloorCall, RecordingPaused

log = structlog.get_logger()

LIMIT = 120
"""Seconds."""
NO_MIXMONITOR = "Cannot set mute flag"
"""What Asterisk says when the channel is there and nothing of it is recorded by MixMonitor."""


class Recording:
    """Commands on the recording of a seat's call. `take` is told what has happened; `captured` says that
    calls may be recorded by the passive recorder."""

    def __init__(
        self,
        ami: Ami,
        commands: Commands,
        take: Callable[[Event], None],
        limit: int = LIMIT,
        captured: bool = False,
    ) -> None:
        self._captured = captured
        self._ami, self._commands, self._take, self._limit = ami, commands, take, limit
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        commands.verbs |= {"pause_recording": self.pause_recording, "resume_recording": self.resume_recording}

    async def pause_recording(self, seat: str) -> None:
        """Record silence from now on, both sides. Refused when it is paused already."""
        call = self._commands.call(seat)
        if call.answered_at is None or not call.channel:
            raise Refused("call_gone", "the call is not answered yet")
        if call.recording == "paused":
            raise Refused("already_paused", f"the recording of {call.uid} is paused")
        await self._mute(call, True, seat)
        self._timers[call.uid] = asyncio.get_running_loop().call_later(
            self._limit, self._spawn_resume, call, seat
        )

    async def resume_recording(self, seat: str) -> None:
        """Record again. Refused when it is not paused."""
        call = self._commands.call(seat)
        if call.recording != "paused":
            raise Refused("not_paused", f"the recording of {call.uid} is on")
        await self._resume(call, seat)

    def watch(self, before: FloorCall | None, after: FloorCall | None) -> None:
        """To be told each change of a call: whoever comes next is recorded."""
        if before is None or before.recording != "paused":
            return
        if after is None:
            timer = self._timers.pop(before.uid, None)
            if timer:
                timer.cancel()
            # The citizen may still be there, with somebody else: a channel that is gone refuses, harmlessly.
            self._spawn_resume(before, before.seat or "")
        elif after.seat != before.seat:
            self._spawn_resume(after, before.seat or "")
        elif before.uid not in self._timers:  # paused before this process began
            self._timers[after.uid] = asyncio.get_running_loop().call_later(
                self._limit, self._spawn_resume, after, after.seat or ""
            )

    def _spawn_resume(self, call: FloorCall, seat: str) -> None:
        task = asyncio.get_running_loop().create_task(self._resume_quietly(call, seat))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resume_quietly(self, call: FloorCall, seat: str) -> None:
        try:
            await self._resume(call, seat)
        except AmiError as error:
            log.info("recording_not_resumed", call=call.uid, error=str(error))

    async def _resume(self, call: FloorCall, seat: str) -> None:
        timer = self._timers.pop(call.uid, None)
        if timer:
            timer.cancel()
        await self._mute(call, False, seat)

    async def _mute(self, call: FloorCall, paused: bool, seat: str) -> None:
        at = now_ms()
        # The dialplan begins a recording anew for whoever comes next, but never a paused one: it is told
        # before the muting, and again after its end.
        if paused:
            await self._tell_dialplan(call, "1")
        try:
            await self._ami.action(
                "MixMonitorMute", Channel=call.channel, Direction="both", State="1" if paused else "0"
            )
            at = now_ms()
        except ActionRefused as refused:
            if not (self._captured and NO_MIXMONITOR in str(refused)):
                raise
        if not paused:
            await self._tell_dialplan(call, "")
        word = "RECORDINGPAUSED" if paused else "RECORDINGRESUMED"
        await self._commands.journal_call(word, call.uid, seat, at)
        self._take(RecordingPaused(at, call.uid, paused))

    async def _tell_dialplan(self, call: FloorCall, muted: str) -> None:
        await self._ami.action("Setvar", Channel=call.channel, Variable="HL_MUTED", Value=muted)
