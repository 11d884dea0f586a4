"""Listening in on a seat: listen, whisper to the agent, barge in, take the call over.

    supervisor's telephone ──leg──┐
                                  ├── bridge        listen   hears both, is heard by nobody
    agent's channel ──snoop───────┘                 whisper  is heard by the agent
                                                    barge    is heard by agent and citizen, and recorded
    take over: the leg goes to the dialplan (context take-over), gets the citizen, needs no Python any more

Asterisk can change the mode of no snoop: a new one is put into the bridge, then the old one is taken away.
What citizen and agent have is never touched, so that nobody notices who comes and goes. Legs, snoops and
bridges have names of ours: whatever a killed cti has left behind is swept away by the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

import structlog

from cti.ami import Ami, AmiError
from cti.ari import Ari, AriError
from cti.commands import Commands, Refused, now_ms
from cti.floor import Floor, FloorCall

log = structlog.get_logger()

APPLICATION = "hotline"
WHISPERS = {"listen": "none", "whisper": "out", "barge": "both"}
"""Mode -> to whom the supervisor is heard, in ARI's words, on the agent's channel."""
TALK = frozenset(("talking", "holding", "consulting", "three_way"))
RINGS = 20
"""Seconds that the supervisor's telephone rings."""
PUT_IN = 2.0
"""Seconds until a snoop must have come into our application."""
TRANSFER = (0.05, 0.1, 0.2)
"""Seconds between two looks whether a call that has left its seat comes up at another."""
HOOKS_GONE = 0.06
"""Seconds until nothing of an ended snoop is on the agent's channel: the next one would inherit it."""
TIDY_EVERY = 20.0
LEG, SNOOP, BRIDGE = "watch-leg-", "watch-snoop-", "watch-bridge-"
_GONE = frozenset((404, 409, 422))
"""Answers of ARI that mean: not there any more, or on its way out."""


@dataclass(frozen=True)
class Watch:
    """One supervisor at one seat. State: calling (the telephone rings) | waiting (for the next call) | on."""

    by: str
    seat: str
    mode: str
    telephone: str
    endpoint: str
    follow: bool
    state: str
    since: int
    began_at: int
    call: str | None = None
    leg: str = ""
    snoop: str = ""
    bridge: str = ""

    def as_dict(self) -> dict[str, Any]:
        """As it travels to desktops: without the names of Asterisk's channels."""
        shown = {k: v for k, v in vars(self).items() if k not in ("endpoint", "leg", "snoop", "bridge")}
        return {"id": self.by, **shown}


class Supervision:
    """The watches on one PBX, one a supervisor at the most. `tell(by, watch or None)` is told each change."""

    def __init__(
        self,
        ami: Ami,
        commands: Commands,
        floor: Callable[[], Floor],
        tell: Callable[[str, dict[str, Any] | None], None],
    ) -> None:
        self._ami, self._commands, self._floor, self._tell = ami, commands, floor, tell
        self.ari: Ari | None = None
        self.watches: dict[str, Watch] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._numbers = itertools.count(1)
        self._run = secrets.token_hex(3)
        self._arrivals: dict[str, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        commands.verbs |= {
            "watch": self.watch,
            "watch_mode": self.watch_mode,
            "unwatch": self.unwatch,
            "take_over": self.take_over,
        }

    def as_list(self) -> list[dict[str, Any]]:
        """All watches as they travel in a snapshot."""
        return [watch.as_dict() for watch in self.watches.values()]

    # --- commands ---------------------------------------------------------------------------------

    async def watch(
        self, seat: str, by: str, mode: str, telephone: str, endpoint: str, follow: bool = False
    ) -> None:
        """Call the supervisor's telephone and let it hear the seat's call.

        `telephone`: "browser" (then `endpoint` is its PJSIP name) or the number of a desk phone at which
        nobody is signed in. Without a call: refused, or with `follow` waits for the seat's next one. Whoever
        listens already stops doing so first.
        """
        if mode not in WHISPERS:
            raise Refused("refused", f"unknown mode {mode!r}")
        place = self._commands.signed_in(seat)
        if place.agent == by:
            raise Refused("own_seat", f"{by} is the agent of seat {seat}")
        if self.watches.get(by, None) and self.watches[by].mode == "take_over":
            raise Refused("in_call", f"{by} has taken a call over and is still in it")
        call = self._talk(seat)
        if call is None and not follow:
            raise Refused("no_call", f"seat {seat} has no call")
        name = endpoint if telephone == "browser" else self._desk_phone(telephone, by)
        async with self._lock(by):
            await self._end(by, "left")
            now = now_ms()
            self._set(Watch(by, seat, mode, telephone, name, follow, "waiting", now, now))
            if call is not None:
                try:
                    await self._call_telephone(self.watches[by], call.uid)
                except AriError:
                    self._forget(by)
                    raise

    async def watch_mode(self, seat: str, by: str, mode: str) -> None:
        """Listen, whisper or barge from now on, in the call that is listened to."""
        if mode not in WHISPERS:
            raise Refused("refused", f"unknown mode {mode!r}")
        async with self._lock(by):
            watch = self._watching(by)
            if watch.mode == "take_over":
                raise Refused("in_call", f"{by} has taken the call over")
            if watch.state == "on" and watch.mode != mode:
                await self._listen(watch, mode)
                watch = self.watches[by]
                await self._journal("WATCHMODE", watch, f"{watch.seat}|{mode}")
            self._set(replace(watch, mode=mode, since=now_ms()))

    async def unwatch(self, seat: str, by: str) -> None:
        """Leave. Citizen and agent notice nothing; a call that was taken over ends for the supervisor."""
        async with self._lock(by):
            watch = self.watches.get(by)
            if watch is not None and watch.mode == "take_over":
                await self._delete("channels", watch.leg)
                return  # the floor says when it is over
            await self._end(by, "left")

    async def take_over(self, seat: str, by: str) -> None:
        """The supervisor, who listens, gets the citizen; the agent is out."""
        async with self._lock(by):
            watch = self._watching(by)
            call = self._floor().calls.get(watch.call or "")
            if watch.state != "on" or call is None or call.seat != watch.seat:
                raise Refused("no_call", f"{by} is not in the call of seat {watch.seat}")
            if call.state not in ("talking", "holding"):
                raise Refused("party_there", f"the call is {call.state}")
            known = {
                "HL_CALL": call.uid,
                "HL_CITIZEN": call.channel,
                "HL_SIDE": "supervisor",
                "HL_TAKEN_BY": by,
                "HL_LOGIN": by,
                "HL_FROM_SEAT": watch.seat,
                "CHANNEL(language)": "zh",
            }
            for variable, value in known.items():
                await self._ask("POST", "channels", watch.leg, "variable", variable=variable, value=value)
            self._set(replace(watch, mode="take_over", snoop="", bridge="", since=now_ms()))
            await self._journal("WATCHENDED", watch, f"{watch.seat}|take_over")
            try:
                await self._ask(
                    "POST",
                    "channels",
                    watch.leg,
                    "continue",
                    context="take-over",
                    extension="s",
                    priority="1",
                )
            except AriError:
                self._set(watch)
                raise
            await self._delete("channels", watch.snoop)
            await self._delete("bridges", watch.bridge)

    # --- what happens -----------------------------------------------------------------------------

    async def take(self, event: dict[str, Any]) -> None:
        """One ARI event: a leg that answers, a snoop that is in, either of them gone."""
        kind, channel = event.get("type"), (event.get("channel") or {}).get("id", "")
        if not channel.startswith((LEG, SNOOP)):
            return
        if kind == "StasisStart":
            arrival = self._arrivals.pop(channel, None)
            if arrival and not arrival.done():
                arrival.set_result(None)
            if channel.startswith(LEG):
                await self._answered(channel)
        elif kind in ("ChannelDestroyed", "StasisEnd"):
            await self._gone(channel, left_stasis=kind == "StasisEnd")

    def floor_changed(self, seats: set[str], calls: set[str]) -> None:
        """To be told which seats and calls have changed: calls begin and end."""
        for by, watch in list(self.watches.items()):
            if watch.seat in seats or (watch.call in calls):
                self._spawn(self._look(by))

    async def run(self) -> None:
        """Sweep from time to time; at once when the wire is up again (`came_up`)."""
        while True:
            await asyncio.sleep(TIDY_EVERY)
            with contextlib.suppress(AriError):
                await self.tidy()

    async def came_up(self) -> None:
        """The ARI wire is up: what happened meanwhile was not told."""
        with contextlib.suppress(AriError):
            await self.tidy()

    async def tidy(self) -> None:
        """Compare with Asterisk: end the watches whose leg is gone, remove what belongs to no watch.

        Raises AriError.
        """
        if self.ari is None:
            return
        ours = {one for watch in self.watches.values() for one in (watch.leg, watch.snoop, watch.bridge)}
        channels = {one["id"]: one for one in await self._ask("GET", "channels")}
        bridges = {one["id"] for one in await self._ask("GET", "bridges")}
        for name, channel in channels.items():
            stasis = channel.get("dialplan", {}).get("app_name") in ("Stasis", "")
            if name.startswith((LEG, SNOOP)) and name not in ours and name not in self._arrivals and stasis:
                log.info("watch_swept", channel=name)
                await self._delete("channels", name)
        for name in bridges:
            if name.startswith(BRIDGE) and name not in ours:
                log.info("watch_swept", bridge=name)
                await self._delete("bridges", name)
        for by, watch in list(self.watches.items()):
            if watch.leg and watch.leg not in channels:
                async with self._lock(by):
                    now = self.watches.get(by)
                    if now is not None and now.leg == watch.leg:
                        await self._end(by, "phone_gone")

    def remember_taken(self) -> None:
        """After a restart of ours: calls that were taken over go on, and whoever has them is known."""
        for call in self._floor().calls.values():
            if call.taken_by and call.taken_by not in self.watches:
                now = call.event_at or now_ms()
                self._set(
                    Watch(call.taken_by, "", "take_over", "browser", "", False, "on", now, now, call.uid)
                )

    # --- steps ------------------------------------------------------------------------------------

    async def _call_telephone(self, watch: Watch, uid: str) -> None:
        leg = f"{LEG}{self._run}-{next(self._numbers)}"
        self._set(replace(watch, state="calling", call=uid, leg=leg, since=now_ms()))
        await self._ask(
            "POST",
            "channels",
            endpoint=f"PJSIP/{watch.endpoint}",
            app=APPLICATION,
            appArgs="watch",
            channelId=leg,
            callerId=watch.seat,
            timeout=str(RINGS),
            body={
                "variables": {
                    "PJSIP_HEADER(add,X-Hotline)": "watch",
                    "PJSIP_HEADER(add,Call-Info)": "<sip:127.0.0.1>;answer-after=0",
                }
            },
        )

    async def _answered(self, leg: str) -> None:
        found = self._by_leg(leg)
        if found is None:
            await self._delete("channels", leg)  # given up while it rang
            return
        async with self._lock(found.by):
            watch = self.watches.get(found.by)
            if watch is None or watch.leg != leg or watch.state != "calling":
                return
            bridge = f"{BRIDGE}{leg.removeprefix(LEG)}"
            try:
                await self._ask("POST", "bridges", bridge, type="mixing")
                self._keep(replace(watch, bridge=bridge))
                await self._ask("POST", "bridges", bridge, "addChannel", channel=leg)
                await self._listen(self.watches[watch.by], watch.mode)
            except (AriError, Refused) as error:
                log.info("watch_failed", by=watch.by, seat=watch.seat, error=str(error))
                await self._pause_or_end(watch.by, "call_ended")
                return
            watch = replace(self.watches[watch.by], state="on", since=now_ms())
            self._set(watch)
            agent = self._commands.agent_at(watch.seat)
            await self._journal("WATCHBEGAN", watch, f"{watch.seat}|{watch.mode}|{watch.telephone}|{agent}")

    async def _listen(self, watch: Watch, mode: str) -> None:
        """A new snoop in the bridge in place of the old one. Raises AriError, Refused no_call."""
        call = self._talk(watch.seat)
        if call is None or call.uid != watch.call:
            raise Refused("no_call", f"seat {watch.seat} has another call by now")
        snoop = f"{SNOOP}{self._run}-{next(self._numbers)}"
        there: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals[snoop] = there
        old = watch.snoop
        try:
            await self._ask(
                "POST",
                "channels",
                Commands.channel_of(watch.seat, call),
                "snoop",
                snoop,
                spy="both",
                whisper=WHISPERS[mode],
                app=APPLICATION,
                appArgs="snoop",
            )
            async with asyncio.timeout(PUT_IN):
                await there
            self._keep(replace(self.watches[watch.by], snoop=snoop))
            await self._ask("POST", "bridges", watch.bridge, "addChannel", channel=snoop)
        except TimeoutError:
            await self._delete("channels", snoop)
            raise AriError(f"the snoop on seat {watch.seat} did not come") from None
        finally:
            self._arrivals.pop(snoop, None)
        await self._delete("channels", old)

    async def _gone(self, channel: str, *, left_stasis: bool) -> None:
        watch = next((one for one in self.watches.values() if channel in (one.leg, one.snoop)), None)
        if watch is None or (left_stasis and watch.mode == "take_over"):
            return
        async with self._lock(watch.by):
            now = self.watches.get(watch.by)
            if now is None or channel not in (now.leg, now.snoop):
                return
            if channel == now.leg:
                await self._end(now.by, "phone_gone" if now.state == "calling" else "left")
                return
            # The agent's channel has gone, or has been sent elsewhere in the dialplan with the same call.
            self._keep(replace(now, snoop=""))
            await asyncio.sleep(HOOKS_GONE)
            await self._go_on(self.watches[now.by])

    async def _look(self, by: str) -> None:
        """The watch as the floor has it now."""
        async with self._lock(by):
            watch = self.watches.get(by)
            if watch is None:
                return
            if watch.mode == "take_over":
                call = self._floor().calls.get(watch.call or "")
                if call is None or call.taken_by not in (None, by):
                    await self._end(by, "left")
                return
            place = self._floor().seats.get(watch.seat)
            if place is None or place.presence == "signed_out":
                await self._end(by, "call_ended")
                return
            call = self._talk(watch.seat)
            if watch.state == "waiting":
                if call is not None:
                    try:
                        await self._call_telephone(watch, call.uid)
                    except AriError as error:
                        log.info("watch_failed", by=by, seat=watch.seat, error=str(error))
                        self._set(replace(watch, state="waiting", call=None, leg=""))
            elif call is None or call.uid != watch.call:
                await self._pause_or_end(by, await self._how_it_ended(watch))

    async def listen_again(self, uid: str) -> None:
        """A new snoop for whoever is in this call, after the old one is gone (see `_gone`).

        A snoop that was on the agent's channel before a three-way and after it may hear the agent alone: on
        a loaded machine one in ten did. A new one beside it inherits that; a new one after it does not.
        """
        for watch in [watch for watch in self.watches.values() if watch.call == uid and watch.snoop]:
            async with self._lock(watch.by):
                if self.watches.get(watch.by, watch).snoop == watch.snoop and watch.state == "on":
                    await self._delete("channels", watch.snoop)

    async def _how_it_ended(self, watch: Watch) -> str:
        """`transferred` when the call goes on elsewhere: between its two seats it is not on the floor."""
        for wait in (*TRANSFER, None):
            call = self._floor().calls.get(watch.call or "")
            if call is not None and call.seat != watch.seat:
                return "transferred"
            if wait is not None:
                await asyncio.sleep(wait)
        return "call_ended"

    async def _go_on(self, watch: Watch) -> None:
        """The snoop has ended by itself: the same call at the same seat is listened to again."""
        call = self._talk(watch.seat)
        if watch.state != "on" or call is None or call.uid != watch.call:
            return  # the floor's change tells the rest
        try:
            await self._listen(watch, watch.mode)
        except (AriError, Refused) as error:
            log.info("watch_failed", by=watch.by, seat=watch.seat, error=str(error))
            await self._pause_or_end(watch.by, await self._how_it_ended(watch))

    async def _pause_or_end(self, by: str, why: str) -> None:
        """The call is over: the telephone is let go; who follows the seat waits for its next call."""
        watch = self.watches[by]
        if not watch.follow:
            await self._end(by, why)
            return
        waiting = replace(watch, state="waiting", call=None, leg="", snoop="", bridge="", since=now_ms())
        self._set(waiting)
        await self._let_go(watch, why)

    async def _end(self, by: str, why: str) -> None:
        watch = self.watches.get(by)
        if watch is None:
            return
        self._forget(by)
        if watch.mode == "take_over":
            await self._journal("WATCHENDED", watch, f"{watch.seat}|{why}")
            return
        await self._let_go(watch, why)

    async def _let_go(self, watch: Watch, why: str) -> None:
        for kind, name in (("channels", watch.snoop), ("bridges", watch.bridge), ("channels", watch.leg)):
            await self._delete(kind, name)
        if watch.state == "on":
            await self._journal("WATCHENDED", watch, f"{watch.seat}|{why}")

    # --- small ------------------------------------------------------------------------------------

    def _talk(self, seat: str) -> FloorCall | None:
        """The call in which somebody at this seat speaks."""
        place = self._floor().seats.get(seat)
        call = self._floor().calls.get((place.call if place else None) or "")
        if call is None or call.state not in TALK:
            return None
        try:
            Commands.channel_of(seat, call)
        except Refused:
            return None
        return call

    def _desk_phone(self, number: str, by: str) -> str:
        place = self._floor().seats.get(number)
        if place is None or place.presence != "signed_out" or "desk" not in place.phones:
            raise Refused("telephone_busy", f"the desk phone {number} is not there, or belongs to an agent")
        if any(one.telephone == number and one.by != by for one in self.watches.values()):
            raise Refused("telephone_busy", f"the desk phone {number} is used by another supervisor")
        return number

    def _watching(self, by: str) -> Watch:
        watch = self.watches.get(by)
        if watch is None:
            raise Refused("not_watching", f"{by} listens to nobody")
        return watch

    def _by_leg(self, leg: str) -> Watch | None:
        return next((one for one in self.watches.values() if one.leg == leg), None)

    def _lock(self, by: str) -> asyncio.Lock:
        return self._locks.setdefault(by, asyncio.Lock())

    def _keep(self, watch: Watch) -> None:
        """A change that nobody outside sees."""
        self.watches[watch.by] = watch

    def _set(self, watch: Watch) -> None:
        before, self.watches[watch.by] = self.watches.get(watch.by), watch
        if before is None or before.as_dict() != watch.as_dict():
            self._tell(watch.by, watch.as_dict())

    def _forget(self, by: str) -> None:
        if self.watches.pop(by, None):
            self._tell(by, None)

    async def _journal(self, event: str, watch: Watch, said: str) -> None:
        try:
            await self._ami.action(
                "QueueLog",
                Queue="NONE",
                Event=event,
                Uniqueid=watch.call or "NONE",
                Interface=watch.by,
                Message=f"{now_ms()}|{said}",
            )
        except AmiError as error:
            log.warning("not_journalled", line=event, by=watch.by, error=str(error))

    async def _ask(self, method: str, *path: str, **about: Any) -> Any:
        if self.ari is None:
            raise AriError("no connection to Asterisk")
        return await self.ari.request(method, *path, **about)

    async def _delete(self, kind: str, name: str) -> None:
        """Remove a channel or bridge; one that is gone is gone."""
        if not name:
            return
        try:
            await self._ask("DELETE", kind, name)
        except AriError as error:
            if error.status not in _GONE:
                log.warning("watch_not_removed", name=name, error=str(error))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
