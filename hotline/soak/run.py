"""One run of `hotline soak`: short calls as fast as the machine carries them, looked at every few seconds.

set up ──► calls at a beat, a look every `every` seconds ──► all ended, recordings kept ──► last look
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from db import models
from hotline.bench import city, machine
from hotline.bench.child import Child
from hotline.bench.figures import fits
from hotline.bench.run import QUEUE_WRAPUP, BenchRefused, caught_up, ready_seats, versions
from hotline.phones.citizen import Result
from hotline.phones.desk_phone import Habit
from hotline.private_line import PASSWORD, NotInTime, PrivateLine, cheap_hash, until
from hotline.soak import judge
from hotline.soak.look import look

Say = Callable[[str], None]
KEPT_SECONDS = 120.0
"""After the last call the worker has so long to keep the recordings that wait."""


@dataclass(frozen=True)
class Plan:
    """`calls` at `rate` a second; each rings `answer_after` s and is talked `talk` s."""

    calls: int = 6_000
    rate: float = 10.0
    seats: int = 50
    pages: int = 10
    """Agents with a page; the others are logged in and ready without one."""
    talk: float = 1.0
    answer_after: float = 0.3
    every: float = 5.0


def run(plan: Plan, tree: Path, say: Say = print) -> dict[str, Any]:
    """The whole result. Raises BenchRefused, ChildFailed, PhoneError, NotInTime."""
    if not fits(plan.seats, plan.rate, plan.answer_after + plan.talk + QUEUE_WRAPUP):
        raise BenchRefused("the queue would grow: fewer calls a second or more seats")
    about, began = machine.describe(), time.time()
    with contextlib.ExitStack() as stack:
        line = PrivateLine(tree, seats=plan.seats, wrapup_seconds=1, screen_gone_seconds=36_000, survey=False)
        stack.callback(line.stop)
        with line.sessions.begin() as session:
            city.add_agents(session, plan.seats, cheap_hash())
            callers = city.callers(session, 5_000)
        say("a line of its own is started")
        line.start()
        agents = city.agents(plan.seats)
        line.phones(
            *(seat for _, seat in agents),
            habit=Habit(answer_after=plan.answer_after, talk=plan.talk),
            refresh=40.0,
        )
        pages = Child(
            "pages",
            {"address": line.address, "password": PASSWORD, "agents": agents[: plan.pages]},
            line.environment(),
        )
        stack.callback(pages.close)
        pages.ready()
        from hotline.bench.floor import _sign_in

        for login, seat in agents[plan.pages :]:
            _sign_in(line.address, login, seat)
        until(lambda: ready_seats(line) == plan.seats, 60, f"{plan.seats} seats ready")
        looks, result = _calls(line, plan, callers, say)
        with contextlib.suppress(NotInTime):
            caught_up(line, plan.calls)
            until(lambda: not _unkept(line), KEPT_SECONDS, "all recordings kept")
        looks.append(look(line, plan.calls, time.time() - began))
        known = versions(line)
        faults = pages.result()["faults"]
    calls = {"made": result.made, "answered": result.answered, "failed": result.failed}
    return {
        "part": "soak",
        "date": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - began),
        "machine": about,
        "load_average_before": about["load_before"],
        "versions": known,
        "plan": asdict(plan),
        "calls": calls,
        "hours_worth": round(result.made / judge.BUSY_HOUR, 2),
        "parts": judge.parts(looks),
        "tables": judge.tables(looks),
        "bytes_per_call": judge.bytes_per_call(looks),
        "left": judge.left(looks[-1]),
        "faults": faults,
        "verdicts": judge.verdicts(looks, calls),
        "looks": looks,
    }


def _unkept(line: PrivateLine) -> bool:
    """Is a recording on its way? Those of the last calls come into the spool only when they have been cut."""
    missing = select(models.Call.id).where(
        models.Call.answered_at.is_not(None),
        models.Call.uid.not_in(select(models.Recording.call_uid)),
    )
    with line.sessions() as session:
        return any(line.settings.monitor.iterdir()) or session.scalar(missing.limit(1)) is not None


def _calls(
    line: PrivateLine, plan: Plan, callers: list[Any], say: Say
) -> tuple[list[dict[str, Any]], Result]:
    """Make the calls, and look meanwhile."""
    citizens = line.citizens()
    looks: list[dict[str, Any]] = []
    over = threading.Event()
    began = time.time()

    def watch() -> None:
        told = 0.0
        while not over.wait(plan.every):
            made = len(citizens.calls)
            looks.append(look(line, made, time.time() - began))
            if time.time() - told > 60:
                told = time.time()
                say(f"{made} of {plan.calls} calls")

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        result = citizens.dial_many(
            plan.calls, plan.rate, concurrency=plan.seats * 3, callers=callers, keys="1", timeout=120
        )
    finally:
        over.set()
        watching.join(30)
    return looks, result
