"""One run: a private line, its people, calls at a steady beat, and what was measured of them.

    set up ──► warm calls ──► [ window: calls at the beat ──► all ended ──► ledger caught up ] ──► report

Everything that belongs to the window's calls is inside the window, CPU time too.
"""

from __future__ import annotations

import contextlib
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine, func, inspect, select

from db.models import Call
from hotline.bench import city, machine
from hotline.bench.child import Child, ChildFailed
from hotline.bench.figures import (
    Sample,
    Spread,
    cpu_ratio,
    fits,
    per_thousand,
    spread,
    verdicts,
    within,
)
from hotline.phones.citizen import Citizens, Result
from hotline.phones.desk_phone import Habit, PhoneBank
from hotline.private_line import PASSWORD, PrivateLine, cheap_hash, until

WRAPUP_SECONDS = 1
QUEUE_WRAPUP = 2.0
"""app_queue's own breath between two calls (`wrapuptime` in queues.conf); after-call work fits into it."""
CATCH_UP_SECONDS = 15.0
Say = Callable[[str], None]


class BenchRefused(Exception):
    """The run asked for makes no sense; the text says why."""


@dataclass(frozen=True)
class Plan:
    """`rate` calls a second for `seconds`; each rings `answer_after` s and is talked `talk` s."""

    seats: int = 50
    rate: float = 10.0
    seconds: float = 60.0
    talk: float = 2.0
    answer_after: float = 0.5
    chromium: int = 2
    warm_seconds: float = 5.0
    """Calls made before the measured ones: caches, connections and threads are as in the middle of a day."""
    peer: bool = True
    """Read the events also by pyst2, which costs a tenth of a core at 10 calls a second."""

    @property
    def cycle(self) -> float:
        """Seconds that one call keeps a seat."""
        return self.answer_after + self.talk + QUEUE_WRAPUP

    @property
    def calls(self) -> int:
        return max(1, round(self.rate * self.seconds))


def check(plan: Plan, database: str) -> None:
    """Raises BenchRefused: the queue would grow, or the database is somebody's."""
    if not fits(plan.seats, plan.rate, plan.cycle):
        raise BenchRefused(
            f"{plan.rate:g} calls/s × {plan.cycle:g} s (ring, talk, breath) need "
            f"{plan.rate * plan.cycle:.0f} seats, not {plan.seats}: "
            "the queue would grow. Fewer calls, shorter talks or more seats."
        )
    if plan.chromium > plan.seats:
        raise BenchRefused("more browsers than seats")
    if database:
        engine = create_engine(database)
        tables = inspect(engine).get_table_names()
        engine.dispose()
        if tables:
            raise BenchRefused("--database must name an empty database: the bench fills it with a demo city")


def run(plan: Plan, tree: Path, database: str = "", say: Say = print) -> dict[str, Any]:
    """The whole report, as it is written to JSON. Raises BenchRefused, ChildFailed, PhoneError, NotInTime."""
    check(plan, database)
    about = machine.describe()
    with contextlib.ExitStack() as stack:
        say("a line of its own is started")
        line = PrivateLine(
            tree,
            database,
            seats=plan.seats,
            wrapup_seconds=WRAPUP_SECONDS,
            web_threads=plan.seats + 24,
            survey=False,  # the citizens of a load hang up with the agent
        )
        stack.callback(line.stop)
        with line.sessions.begin() as session:
            city.add_agents(session, plan.seats, cheap_hash())
            callers = city.callers(session, plan.calls)
        line.start()
        bank = line.phones(
            *(seat for _, seat in city.agents(plan.seats)),
            habit=Habit(answer_after=plan.answer_after, talk=plan.talk),
        )
        citizens = line.citizens()
        children = _children(plan, line, stack, say)
        until(lambda: ready_seats(line) == plan.seats, 20, f"{plan.seats} seats ready")
        cost = _Cost(line, bank, citizens, children)
        say("warm-up")
        warm = max(1, round(plan.rate * plan.warm_seconds))
        citizens.dial_many(warm, plan.rate, callers=callers, keys="1")
        caught_up(line, warm)

        say(f"{plan.calls} calls, {plan.rate:g} a second")
        begin, before = _now(), cost.look()
        result = citizens.dial_many(plan.calls, plan.rate, callers=callers, keys="1", timeout=120)
        caught_up(line, warm + plan.calls)
        end, after = _now(), cost.look()

        say("the figures are gathered")
        found = {child.kind: child.result() for child in children}
        measured = _Measured(
            machine=about | {"load_after": machine.describe()["load_before"]},
            versions=versions(line) | {"chromium": found.get("chromium", {}).get("version", "")},
            result=result,
            ledger=_ledger(line, begin),
            found=found,
            begin=begin,
            end=end,
            cpu=machine.used(before, after),
        )
    return _report(plan, measured)


def _children(plan: Plan, line: PrivateLine, stack: contextlib.ExitStack, say: Say) -> list[Child]:
    say(f"{plan.seats} pages log in, {plan.chromium} of them in Chromium")
    wire = {"port": line.settings.ami_port, "user": "cti", "secret": line.settings.ami_password}
    agents = city.agents(plan.seats)
    desktop = {"address": line.address, "password": PASSWORD}
    jobs: dict[str, dict[str, Any]] = {
        "pages": desktop | {"agents": agents[plan.chromium :]},
        "our wire": wire,
        "ledger": {"database": line.settings.database},
    }
    if plan.chromium:
        jobs["chromium"] = desktop | {"agents": agents[: plan.chromium]}
    if plan.peer:
        jobs["pyst2"] = wire
    children = []
    for kind, job in jobs.items():
        child = Child(kind, job, line.environment())
        stack.callback(child.close)
        try:
            children.append(child.ready())
        except ChildFailed as failure:
            if kind != "pyst2":
                raise
            say(f"without pyst2: {failure}")
    return children


def ready_seats(line: PrivateLine) -> int:
    """Seats that the queue may ring: not paused, telephone there (device state 1, not in use)."""
    return sum(
        m["Event"] == "QueueMember" and m["Queue"] == city.QUEUE and m["Paused"] == "0" and m["Status"] == "1"
        for m in line.ami("QueueStatus")
    )


def caught_up(line: PrivateLine, calls: int) -> None:
    """Wait until the ledger holds the outcome of so many calls; a call that never comes is told later."""

    def ended() -> bool:
        with line.sessions() as session:
            query = select(func.count()).where(Call.pbx == line.settings.pbx_name, Call.outcome.is_not(None))
            return (session.scalar(query) or 0) >= calls

    until(ended, CATCH_UP_SECONDS, f"{calls} calls ended in the ledger")


def _now() -> int:
    return round(time.time() * 1000)


@dataclass(frozen=True)
class _Cost:
    """Who uses the processor: the parts of the hotline, and the load that the bench makes."""

    line: PrivateLine
    bank: PhoneBank
    citizens: Citizens
    children: list[Child]

    def look(self) -> dict[str, float]:
        """CPU seconds so far by name, and `machine`: everybody's on this machine."""
        return {name: seconds for name, seconds in self._each()}

    def _each(self) -> Iterator[tuple[str, float]]:
        for part, process in self.line.running.items():
            yield part, machine.cpu_seconds([psutil.Process(process.pid)])
        yield "sipp", self.bank.sipp.cpu_seconds + self.citizens.sipp.cpu_seconds
        for child in self.children:
            yield child.kind, machine.cpu_seconds([psutil.Process(child.process.pid)])
        own = psutil.Process().cpu_times()
        yield "bench", own.user + own.system
        yield "machine", machine.busy_seconds()


def _ledger(line: PrivateLine, begin: int) -> dict[str, Any]:
    """Outcomes of the window's calls and how long they waited: at its beginning and at its end."""
    since = datetime.fromtimestamp(begin / 1000, UTC)
    with line.sessions() as session:
        rows = session.execute(
            select(Call.outcome, Call.wait_ms)
            .where(Call.pbx == line.settings.pbx_name, Call.arrived_at >= since)
            .order_by(Call.id)
        ).all()
    waits = [wait for _, wait in rows if wait is not None]
    third = max(1, len(waits) // 3)
    return {
        "outcomes": dict(Counter(outcome for outcome, _ in rows)),
        "wait_ms_first_third": asdict(spread(waits[:third])),
        "wait_ms_last_third": asdict(spread(waits[-third:])),
    }


def versions(line: PrivateLine) -> dict[str, str]:
    """Of what carries the calls; the browser's is known to who started it."""
    return {
        "asterisk": line.ami("CoreSettings")[0].get("AsteriskVersion", ""),
        "sipp": machine.sipp_version(),
        "python": platform.python_version(),
        "database": line.engine.dialect.name,
    }


@dataclass(frozen=True)
class _Measured:
    """What a run has brought home: `begin` and `end` of the window in epoch ms, `found` by kind of child."""

    machine: dict[str, Any]
    versions: dict[str, str]
    result: Result
    ledger: dict[str, Any]
    found: dict[str, dict[str, Any]]
    begin: int
    end: int
    cpu: dict[str, float]

    def delays(self, kind: str, samples: str = "samples") -> Spread:
        """Of what one child saw in the window."""
        return self.window([(at, delay) for at, delay in self.found.get(kind, {}).get(samples, [])])

    def pops(self, moment: str) -> Spread:
        """From the ring to a moment in Chromium: received_at or painted_at."""
        pops = self.found.get("chromium", {}).get("pops", [])
        return self.window([(pop["event_at"], pop[moment] - pop["event_at"]) for pop in pops])

    def window(self, samples: list[Sample]) -> Spread:
        return spread(within(samples, self.begin, self.end))


def _report(plan: Plan, m: _Measured) -> dict[str, Any]:
    delays = {
        "push in the page's socket": m.delays("pages", "pushed"),
        "pop answered over HTTP": m.delays("pages", "popped"),
        "push in Chromium": m.pops("received_at"),
        "pop painted in Chromium": m.pops("painted_at"),
        "AMI event, our wire": m.delays("our wire"),
        "AMI event, pyst2": m.delays("pyst2"),
        "journal line to ledger row": m.delays("ledger"),
    }
    calls, ratio = m.result, cpu_ratio(m.cpu)
    aims = verdicts(delays["pop painted in Chromium"], delays["journal line to ledger row"], ratio)
    return {
        "at": datetime.fromtimestamp(m.begin / 1000, UTC).isoformat(timespec="seconds"),
        "window_seconds": round((m.end - m.begin) / 1000, 1),
        "plan": asdict(plan) | {"cycle": plan.cycle, "wrapup_seconds": WRAPUP_SECONDS},
        "machine": m.machine,
        "versions": m.versions,
        "calls": {"made": calls.made, "answered": calls.answered, "failed": calls.failed, **m.ledger},
        "faults": m.found["pages"]["faults"],
        "delays_ms": {name: asdict(one) for name, one in delays.items()},
        "ledger_resolution_ms": m.found["ledger"]["resolution_ms"],
        "cpu_seconds": m.cpu,
        "cpu_per_1000_calls": {name: per_thousand(seconds, calls.made) for name, seconds in m.cpu.items()},
        "cpu_ratio": ratio,
        "verdicts": [verdict.as_dict() for verdict in aims],
    }
