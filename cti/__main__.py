"""The cti process: wires the parts together and runs until it is told to stop.

AMI ──events──► floor ──numbered changes──► desktops        ARI ──steps──► dialplan
 ▲               │ ▲                          │
 └──commands─────┘ └──compared every few s      └──commands
queue_log ──copier (a thread)──► ledger
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import signal
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from cti import asterisk_words as words
from cti import floor as f
from cti.ami import Ami, AmiError, Message
from cti.ari import Ari
from cti.commands import AfterCall, Commands
from cti.copier import Copier
from cti.fitting import Fitting
from cti.help import Help
from cti.link.client import DesktopLink
from cti.moving import Moving
from cti.outbound import Outbound
from cti.recording import Recording
from cti.steps import Steps
from cti.supervision import Supervision
from cti.telephones import Telephones
from cti.third_party import ThirdParty
from db.engine import open_engine, sessions
from hotline.settings import Settings, load
from ivr import missed

log = structlog.get_logger()

COMPARE_EVERY = 3.5
COMPARE_AGAIN = 0.7
"""Seconds between two comparisons of the floor with Asterisk, and until the second look at a difference. An
event on its way explains a difference once; what both looks found is a missed event and is corrected: within
five seconds no seat shows what is not so."""
COPY_EVERY = 0.4
"""Seconds between two looks at the journal: one commit for all that was written meanwhile, instead of one for
each line or two, which cost more than everything else the cti does."""
BEHIND = 1000
"""Lines in one look that say: there is more, go on at once."""
RETRY_COPY = 2.0


class Cti:
    """One PBX's floor, journal and links."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.epoch, self.seq = secrets.token_hex(6), 0
        self.floor = f.Floor()
        self.blind_since: int | None = round(time.time() * 1000)
        self.corrections = 0
        engine = open_engine(settings.database)
        self.ami = Ami(
            "127.0.0.1",
            settings.ami_port,
            "cti",
            settings.ami_password,
            on_event=self._take,
            on_up=self._resync,
            on_down=self._blind,
        )
        self.commands = Commands(self.ami, lambda: self.floor, settings.wrapup_seconds)
        self.after_call = AfterCall(self.commands, settings.wrapup_seconds)
        self.third_party = ThirdParty(self.ami, self.commands)
        self.recording = Recording(
            self.ami, self.commands, self._event, captured=settings.recorder == "capture"
        )
        self.outbound = Outbound(settings.pbx_name, self.commands)
        self.telephones = Telephones(
            self.commands,
            lambda: self.floor,
            silence=settings.seat_silence_seconds,
            media_address=settings.media_address,
        )
        self.supervision = Supervision(self.ami, self.commands, lambda: self.floor, self._watch_changed)
        self.help = Help(self.ami, self.commands, self._event)
        self.side_work: set[asyncio.Task[None]] = set()
        self.moving = Moving(self.ami, self.commands, lambda: self.floor, self._event)
        self.fitting = Fitting(self.ami, sessions(engine))
        self.commands.verbs["skills_changed"] = self.fitting.skills_changed
        steps = Steps(sessions(engine), settings.area_code)
        self.ari = Ari(
            "127.0.0.1",
            settings.pbx_http_port,
            "cti",
            settings.ari_password,
            "hotline",
            self._take_ari,
            self.supervision.came_up,
        )
        self.steps = steps
        steps.ari = self.outbound.ari = self.supervision.ari = self.ari
        self.telephones.request = self.ari.request
        self.copier = Copier(
            settings.journal,
            settings.pbx_name,
            sessions(engine),
            area_code=settings.area_code,
            short_abandon_s=settings.short_abandon_seconds,
            note_ended=partial(missed.note_ended, short_abandons=settings.call_back_short_abandons),
        )
        self.links = [
            DesktopLink(url, settings.pbx_name, settings.link_token, self.snapshot, self.carry_out)
            for url in settings.desktop_urls
        ]

    def snapshot(self) -> dict[str, Any]:
        """The whole floor as it travels to a desktop."""
        return {
            "pbx": self.settings.pbx_name,
            "epoch": self.epoch,
            "seq": self.seq,
            "connected": self.blind_since is None,
            "blind_since": self.blind_since,
            **self.floor.as_dict(),
            "watches": self.supervision.as_list(),
        }

    async def run(self) -> None:
        """Run every part until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.ami.run())
            group.create_task(self.ari.run())
            group.create_task(self._copy())
            group.create_task(self._compare())
            group.create_task(self.fitting.run())
            group.create_task(self.telephones.run())
            group.create_task(self.supervision.run())
            for link in self.links:
                group.create_task(link.run())

    async def carry_out(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out a desktop's command. Nobody is logged in or out while skills are fitted."""
        if command.get("name") not in ("sign_in", "sign_out"):
            return await self.commands.run(command)
        async with self.fitting.quiet:
            answer = await self.commands.run(command)
        self.fitting.nudge()
        return answer

    # --- events to floor to desktops ---------------------------------------------------------------

    def _take(self, message: Message) -> None:
        for event in words.events_of(message):
            self._event(event)

    async def _take_ari(self, event: dict[str, Any]) -> None:
        await self.supervision.take(event)
        await self.steps.take(event)

    def _event(self, event: f.Event) -> None:
        if isinstance(event, f.RingEnded | f.TalkEnded | f.CallEnded):
            self.outbound.gone(event.uid)
        self.moving.watch(event)
        self._change(f.apply(self.floor, event), event.at)

    def _change(self, changes: f.Changes, event_at: int | None) -> None:
        if not changes:
            return
        before, self.floor = self.floor, self.floor.with_changes(changes)
        self._push(changes.as_list(), event_at)
        for number, seat in changes.seats.items():
            self.after_call.watch(before.seats.get(number), seat)
            self.telephones.watch(before.seats.get(number), seat)
            self.help.watch(before.seats.get(number), seat)
        self.outbound.watch(changes)
        self.supervision.floor_changed(set(changes.seats), set(changes.calls))
        for uid, call in changes.calls.items():
            self._watch_call(before.calls.get(uid), call)

    def _watch_changed(self, by: str, watch: dict[str, Any] | None) -> None:
        self._push([{"kind": "watch", "id": by, "value": watch}], None)

    def _watch_call(self, before: f.FloorCall | None, after: f.FloorCall | None) -> None:
        self.recording.watch(before, after)
        if before is None or after is None:
            return
        if before.state == "three_way":
            self._aside(self._two_remain(before, after))
        if {before.state, after.state} == {"talking", "holding"} and before.seat == after.seat:
            word = "HELD" if after.state == "holding" else "RESUMED"
            at = after.event_at or round(time.time() * 1000)
            self._aside(self._note(word, after.uid, after.seat or "", at))

    async def _two_remain(self, before: f.FloorCall, after: f.FloorCall) -> None:
        if await self.third_party.join_the_two(before, after):
            await self.supervision.listen_again(after.uid)

    async def _note(self, word: str, uid: str, seat: str, at: int) -> None:
        try:
            await self.commands.journal_call(word, uid, seat, at)
        except AmiError as error:
            log.warning("not_journalled", line=word, call=uid, error=str(error))

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.side_work.add(task)
        task.add_done_callback(self.side_work.discard)

    def _push(self, changes: list[dict[str, Any]], event_at: int | None) -> None:
        self.seq += 1
        change = {
            "pbx": self.settings.pbx_name,
            "epoch": self.epoch,
            "seq": self.seq,
            "event_at": event_at,
            "changes": changes,
        }
        for link in self.links:
            link.push(change)

    async def _resync(self) -> None:
        """On every connect: the floor as Asterisk has it now, and every desktop told anew."""
        fresh = await self._ask()
        before, self.floor = self.floor, words.keeping_holds(self.floor, fresh)
        self.blind_since = None
        self.seq += 1
        for link in self.links:
            link.push_snapshot()
        for seat in self.floor.seats.values():
            self.after_call.watch(before.seats.get(seat.seat), seat)
        self.supervision.remember_taken()
        self.supervision.floor_changed(set(self.floor.seats), set(before.calls))
        self.fitting.nudge()
        log.info("floor_rebuilt", calls=len(self.floor.calls), signed_in=sum(bool(s.agent) for s in
                 self.floor.seats.values()))  # fmt: skip

    async def _ask(self) -> f.Floor:
        queue_status = await self.ami.listing("QueueStatus")
        if words.called_in_the_future(queue_status, round(time.time())):
            log.warning("clock_went_back", remedy="app_queue forgets when its members had their last calls")
            await self.ami.action("QueueReset")
        channels = await self.ami.listing("CoreShowChannels")
        devices = await self.ami.listing("DeviceStateList")
        return words.floor_of(
            self.settings.seat_numbers, queue_status, channels, devices, round(time.time() * 1000)
        )

    def _blind(self) -> None:
        self.blind_since = round(time.time() * 1000)
        value = {"connected": False, "blind_since": self.blind_since}
        self._push([{"kind": "link", "id": self.settings.pbx_name, "value": value}], None)
        log.warning("pbx_link_down")

    async def _compare(self) -> None:
        while True:
            await asyncio.sleep(COMPARE_EVERY)
            try:
                found = await self._wrong()
                if not found:
                    continue
                await asyncio.sleep(COMPARE_AGAIN)
                found = f.agreed(found, await self._wrong())
            except AmiError:
                continue
            if found:
                self.corrections += 1
                log.warning("floor_corrected", changes=found.as_list())
                self._change(found, round(time.time() * 1000))

    async def _wrong(self) -> f.Changes:
        """What Asterisk says differently from the floor; nothing while we cannot see Asterisk."""
        if self.blind_since is not None:
            return f.Changes()
        fresh = await self._ask()
        return f.difference(self.floor, words.keeping_holds(self.floor, fresh))

    # --- journal ---------------------------------------------------------------------------------

    async def _copy(self) -> None:
        """Copy whatever is there, then look again; a database that is away is tried again for ever."""
        troubled = False
        while True:
            try:
                copied = await asyncio.to_thread(self.copier.copy_once)
                if copied:
                    told = {"lines": copied, "copied_at": round(time.time() * 1000)}
                    self._push([{"kind": "journal", "id": self.settings.pbx_name, "value": told}], None)
                if troubled:
                    log.info("journal_goes_on")
                troubled = False
                await asyncio.sleep(0 if copied >= BEHIND else COPY_EVERY)
            except (SQLAlchemyError, OSError) as error:
                if not troubled:
                    log.warning("journal_waits", error=str(error).split("\n", 1)[0])
                troubled = True
                await asyncio.sleep(RETRY_COPY)


async def _until_told_to_stop(cti: Cti) -> None:
    running = asyncio.create_task(cti.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def main() -> None:
    """Run the cti with the installation's settings."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    logging.getLogger("socketio").setLevel(logging.ERROR)
    asyncio.run(_until_told_to_stop(Cti(load())))


if __name__ == "__main__":
    main()
