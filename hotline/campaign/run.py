"""One campaign: a line, its people, its faults; then everything is let come to rest, and is judged.

set up ──► calls and faults together ──► last calls end ──► catch up ──► outside truth against the ledger
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db import models
from hotline.bench import city, machine
from hotline.campaign import judge
from hotline.campaign.capture import CannotCapture, Capture
from hotline.campaign.desks import Desks
from hotline.campaign.faults import Calendar
from hotline.campaign.line import CampaignLine, can_mount, compiler
from hotline.campaign.people import People
from hotline.campaign.plan import BY_NAME, LONG, Fault, Kind, draw_citizens, draw_faults
from hotline.campaign.signs import Signs
from hotline.campaign.silence import Packets, first_media, silences
from hotline.campaign.truth import Cause, CitizenCall, Row, Stuck, Ticket
from hotline.private_line import PASSWORD, cheap_hash, until
from hotline.private_postgres import cluster
from hotline.worker import note_recent_gaps

SETTLE_SECONDS = 25.0
ENDED_SECONDS = 120.0
MARK = "campaign-"
Say = Callable[[str], None]


class CampaignRefused(Exception):
    """The campaign asked for makes no sense; the text says why."""


@dataclass(frozen=True)
class Plan:
    """`calls` citizens, `rate` a second, at so many seats; faults by name, each `share` times as often as its
    kind says, none longer than `longest` seconds."""

    calls: int = 1000
    seed: int = 7
    database: str = "postgres"
    rate: float = 1.7
    seats: int = 20
    faults: tuple[str, ...] = tuple(BY_NAME)
    share: float = 1.0
    longest: float = LONG
    talk: tuple[float, float] = (3.0, 12.0)
    patience: tuple[float, float] = (7.0, 20.0)


def possible(names: Sequence[str], database: str) -> tuple[list[Kind], dict[str, str]]:
    """The kinds that can be done here, and why the others cannot. Raises CampaignRefused."""
    kinds: list[Kind] = []
    left_out: dict[str, str] = {}
    for name in names:
        kind = BY_NAME.get(name)
        if kind is None:
            raise CampaignRefused(f"no such fault: {name}; there are {', '.join(BY_NAME)}")
        if name in ("kill-database", "hang-database") and database == "sqlite":
            left_out[name] = "SQLite is no process: it lives in those that use it, which are killed and hung"
        elif name == "disk-full" and not can_mount():
            left_out[name] = "needs the right to mount a small disk (root)"
        elif name == "clock-stepped" and compiler() is None:
            left_out[name] = "needs a C compiler (apt-get install gcc)"
        else:
            kinds.append(kind)
    return kinds, left_out


def run(plan: Plan, tree: Path, say: Say = print) -> dict[str, Any]:
    """The result as it is written to JSON. Raises CampaignRefused, PhoneError, NotInTime, NoPostgres."""
    kinds, left_out = possible(plan.faults, plan.database)
    people = draw_citizens(plan.seed, plan.calls, plan.rate, plan.talk, plan.patience)
    faults = draw_faults(plan.seed, people[-1].at, kinds, plan.share, plan.longest)
    about = machine.describe()
    with contextlib.ExitStack() as stack:
        say("a line of its own is started")
        postgres = stack.enter_context(cluster(lasting=True)) if plan.database == "postgres" else None
        names = {kind.name for kind in kinds}
        line = CampaignLine(
            tree,
            postgres,
            small_disk="disk-full" in names,
            clock="clock-stepped" in names,
            seats=plan.seats,
            wrapup_seconds=2,
            queue_wait_seconds=120,
            survey=False,
        )
        stack.callback(line.stop)
        with line.sessions.begin() as session:
            city.add_agents(session, plan.seats, cheap_hash())
        line.start_all()
        campaign = _Campaign(plan, line, faults, stack, say)
        campaign.go(people)
        found = campaign.look_back()
        begun = campaign.begun_at
        versions = {
            "asterisk": line.ami("CoreSettings")[0].get("AsteriskVersion", ""),
            "sipp": machine.sipp_version(),
            "python": platform.python_version(),
            "database": line.engine.dialect.name,
        }
    return {
        "part": "campaign",
        "date": datetime.fromtimestamp(begun, UTC).isoformat(timespec="seconds"),
        "machine": about,
        "versions": versions,
        "command": f"hotline campaign --calls {plan.calls} --seed {plan.seed} --database {plan.database}",
        "load_average_before": about["load_before"],
        "plan": asdict(plan) | {"left_out": left_out},
        **found,
    }


class _Campaign:
    """What lives during one campaign."""

    def __init__(
        self, plan: Plan, line: CampaignLine, faults: Sequence[Fault], stack: contextlib.ExitStack, say: Say
    ) -> None:
        self.plan, self.line, self.faults = plan, line, faults
        self.begun_at = self.over_at = time.time()
        self._say = say
        seats = [seat for _, seat in city.agents(plan.seats)]
        self.capture: Capture | None = None
        self.no_capture = ""
        try:
            self.capture = Capture("127.0.0.2", line.settings.rtp_first, line.settings.rtp_last)
            stack.callback(self.capture.close)
        except CannotCapture as error:
            self.no_capture = str(error)
        self.people = People(line, seats, plan.seed)
        stack.callback(self.people.close)
        self.desks = Desks(line.address, PASSWORD, city.agents(plan.seats), plan.seed, _leaf(line))
        stack.callback(self.desks.close)
        self.desks.open()
        self.desks.telephones = self.people.telephones
        until(lambda: not self.desks.not_free(), 30, "every seat ready and reachable")
        self.signs = Signs(line.settings, line.sessions)
        stack.callback(self.signs.close)
        self.calendar = Calendar(line, faults, self.say, self.people.asterisk_was_killed)
        stack.callback(self.calendar.close)
        self.still_up = 0
        self.stuck: list[Stuck] = []

    def say(self, text: str) -> None:
        """With the second of the campaign and how many calls are up."""
        up = self.people.citizens.up(list(self.people.citizens.calls.values()))
        self._say(f"{time.time() - self.begun_at:6.1f} s, {up:3d} up: {text}")

    def go(self, people: Sequence[Any]) -> None:
        """Calls and faults, until all are over and the line has come to rest."""
        self.begun_at = time.time()
        self.say(f"{len(people)} calls and {len(self.faults)} faults begin")
        self.calendar.start()
        self.people.dial_all(people, threading.Event())
        self.calendar.wait(LONG + 30)
        self.say("the last citizen has dialled, the last fault is over")
        self.still_up = self.people.wait_until_all_have_ended(ENDED_SECONDS)
        self.over_at = time.time()
        self.say("all calls are over; catching up")
        self._settle()

    def _settle(self) -> None:
        end = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < end and (
            self.desks.not_free()
            or self.desks.unsaved
            or self.signs.behind()
            or self.signs.waiting()
            or self._without_recording()
        ):
            time.sleep(0.2)
        now = time.time()
        for seat, shown in self.desks.not_free().items():
            phone = self.people.telephones()[seat]
            self.stuck.append(Stuck(seat, self.over_at, now - self.over_at, shown, phone))
        members = [m for m in self.line.ami("QueueStatus") if m["Event"] == "QueueMember"]
        for member in members:
            if member["Paused"] != "0" or member["Status"] not in ("1",):
                state = f"in the queue paused={member['Paused']} status={member['Status']}"
                self.stuck.append(Stuck(member["Location"], self.over_at, now - self.over_at, state, "idle"))
        until(lambda: not self.signs.behind(), 10, "the ledger has all of the journal")
        note_recent_gaps(self.line.sessions, self.line.settings, datetime.now(UTC))

    def _without_recording(self) -> int:
        """Calls that were answered, have ended, and have no row of a recording or of its gap."""
        known = select(models.Recording.call_uid)
        missing = select(func.count()).where(
            models.Call.answered_at.is_not(None),
            models.Call.ended_at.is_not(None),
            models.Call.uid.not_in(known),
            models.Call.caller_raw.startswith("139"),
        )
        with self.line.sessions() as session:
            return session.scalars(missing).one()

    # --- what was found --------------------------------------------------------------------------

    def look_back(self) -> dict[str, Any]:
        """Counts, findings and tables."""
        self.signs.close()
        packets = self.capture.packets() if self.capture else None
        causes = sorted(self.calendar.causes, key=lambda cause: cause.begin)
        # Asterisk is down until calls are answered again: the next call that it answered.
        calls = self._calls(packets)
        causes = [_until_up(cause, calls) for cause in causes]
        with self.line.sessions() as session:
            rows, tickets = list(_rows(session)), list(_tickets(session))
        track = {kind.name: kind.track for kind in BY_NAME.values()}
        blind = judge.blindness(self.desks.samples + self.signs.samples, causes, track)
        verdict = judge.together(
            (
                judge.judge_calls(calls, rows, causes),
                judge.judge_tickets(self.desks.written, tickets),
                judge.judge_seats(self.desks.stuck + self.stuck),
                judge.judge_blindness(blind),
            )
        )
        return {
            "seconds": round(self.over_at - self.begun_at, 1),
            "calls": _calls_in_words(calls),
            "counts": verdict.counts(),
            "apart": {name: count for name, count in sorted(verdict.apart.items()) if count},
            "findings": [asdict(one) for one in verdict.findings],
            "faults": _table(causes, blind, calls),
            "causes": [asdict(cause) for cause in causes],
            "not_done": self.calendar.not_done,
            "starts": self.line.starts(),
            "packets": {
                "captured": packets.count if packets else 0,
                "dropped": self.capture.dropped if self.capture else None,
                "why_not": self.no_capture,
            },
            "pages": {"requests_failed": dict(self.desks.faults), "ready_again": self.desks.ready_again},
        }

    def _calls(self, packets: Packets | None) -> list[CitizenCall]:
        found = []
        for call, port in self.people.records():
            if packets and port and call.answered_at and call.ended_at:
                call = replace(
                    call,
                    silences=silences(packets, port, call.answered_at, call.ended_at),
                    first_media_at=first_media(packets, port, call.answered_at, call.ended_at),
                )
            found.append(call)
        return found


def _leaf(line: CampaignLine) -> int:
    """A category that a ticket may have: one that has none below it."""
    with line.sessions() as session:
        above = select(models.Category.parent_id).where(models.Category.parent_id.is_not(None))
        leaves = select(models.Category.id).where(models.Category.id.not_in(above))
        return session.scalars(leaves.order_by(models.Category.id).limit(1)).one()


def _until_up(cause: Cause, calls: Sequence[CitizenCall]) -> Cause:
    if cause.kind != judge.DOWN:
        return cause
    after = [call.answered_at for call in calls if call.answered_at and call.answered_at > cause.begin + 0.3]
    return replace(cause, end=min(after, default=cause.end))


def _rows(session: Session) -> Iterator[Row]:
    recordings = {
        one.call_uid: one
        for one in session.scalars(select(models.Recording).where(models.Recording.kind == "call"))
    }
    for call in session.scalars(select(models.Call).where(models.Call.caller_raw.startswith("139"))):
        kept = recordings.get(call.uid)
        yield Row(
            uid=call.uid,
            caller=call.caller_raw,
            outcome=call.outcome,
            seat=call.seat,
            ended_by=call.ended_by,
            reason=call.reason,
            talk_ms=call.talk_ms,
            recording=kept.state if kept else None,
            problem=kept.problem if kept else None,
            seconds=kept.seconds if kept else None,
        )


def _tickets(session: Session) -> Iterator[Ticket]:
    for ticket in session.scalars(select(models.Ticket).where(models.Ticket.title.startswith(MARK))):
        yield Ticket(ticket.title, ticket.number, ticket.call_uid)


def _calls_in_words(calls: Sequence[CitizenCall]) -> dict[str, Any]:
    delays = sorted(call.answered_at - call.dialled_at for call in calls if call.answered_at)
    media = sorted(
        call.first_media_at - call.answered_at
        for call in calls
        if call.first_media_at is not None and call.answered_at
    )
    return {
        "dialled": len(calls),
        "answered by the hotline": len(delays),
        "answered by an agent": sum(any(talk.answered_at for talk in call.talks) for call in calls),
        "ends": dict(Counter(call.end or "still up" for call in calls)),
        "answer_delay_p50_s": round(median(delays), 3) if delays else None,
        "answer_delay_max_s": round(delays[-1], 3) if delays else None,
        "first_sound_p50_s": round(median(media), 3) if media else None,
        "first_sound_max_s": round(media[-1], 3) if media else None,
    }


def _table(
    causes: Sequence[Cause], blind: Sequence[judge.Blindness], calls: Sequence[CitizenCall]
) -> list[dict[str, Any]]:
    """For each kind and length: how often, calls up during it, blind seconds."""
    keys = sorted({(cause.kind, cause.note) for cause in causes})
    rows = []
    for kind, note in keys:
        mine = [one for one in blind if (one.cause.kind, one.cause.note) == (kind, note)]
        seconds = [one.seconds for one in mine]
        during = sum(
            any(
                call.dialled_at <= c.cause.end and (call.ended_at or c.cause.end) >= c.cause.begin
                for c in mine
            )
            for call in calls
        )
        rows.append(
            {
                "fault": kind,
                "lasting": note,
                "times": len(mine),
                "calls_during": during,
                "blind_p50_s": round(median(seconds), 2),
                "blind_max_s": round(max(seconds), 2),
                "sign": max(mine, key=lambda one: one.seconds).sign,
            }
        )
    return rows


def own_mounts() -> bool:
    """Is this process in a mount namespace of its own, which leaves nothing behind when it ends?"""
    return os.environ.get("HOTLINE_CAMPAIGN_MOUNTS") == "own"
