"""One run of `hotline abuse`: citizens call and agents answer while abuse of each kind goes on beside them.

set up ─► quiet ─► [ one kind of abuse ─► the same calls, the same pages, looked at from outside ] × kinds
       ─► how many guesses are answered ─► what has been let in: channels, rows, registrations
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import func, select

from db.models import Call
from hotline.abuse import judge, sip, web
from hotline.bench import city, machine
from hotline.bench.child import Child
from hotline.bench.figures import fits, spread, within
from hotline.bench.run import QUEUE_WRAPUP, BenchRefused, caught_up, ready_seats, versions
from hotline.guard import doors
from hotline.phones.citizen import Result
from hotline.phones.desk_phone import Habit
from hotline.private_line import PASSWORD, PrivateLine, cheap_hash, until
from hotline.secrets import seat_password

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Each kind of abuse goes on for `seconds`, beside `rate` calls a second at `seats` seats."""

    seats: int = 20
    rate: float = 2.0
    seconds: float = 10.0
    talk: float = 2.0
    answer_after: float = 0.3
    messages: float = 500.0
    """SIP messages a second of each flood."""
    kinds: tuple[str, ...] = ()
    """Names of kinds; empty: all."""


@contextlib.contextmanager
def _web(line: PrivateLine, kind: str, seconds: float) -> Iterator[Callable[[], dict[str, Any]]]:
    """An attack on the desk from a process of its own."""
    words = [sys.executable, "-m", "hotline.abuse.web", kind, str(line.settings.web_port), str(seconds)]
    process = subprocess.Popen(words, env=line.environment(), stdout=subprocess.PIPE, text=True)
    try:
        yield lambda: json.loads(process.communicate(timeout=seconds + 30)[0] or "{}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _sip(line: PrivateLine, plan: Plan, kind: str, seed: int) -> sip.Flood:
    """`one address` shows the blocking; the others come from ever new addresses, which none can block."""
    make = {"garbage and torture": sip.garbage}.get(kind, sip.an_invite)
    one = kind == "INVITEs, one address"
    return sip.Flood(
        line.sip, make, plan.messages, sip.addresses(f"127.{20 + seed}"), each=10**9 if one else 5, seed=seed
    )


SIP_KINDS = ("INVITEs, one address", "INVITEs, ever new addresses", "garbage and torture", "TCP connections")
WEB_KINDS = tuple(web.KINDS)


def run(plan: Plan, tree: Path, say: Say = print) -> dict[str, Any]:
    """The whole result. Raises BenchRefused, ChildFailed, PhoneError, NotInTime."""
    if not fits(plan.seats, plan.rate, plan.answer_after + plan.talk + QUEUE_WRAPUP):
        raise BenchRefused("the queue would grow: fewer calls, shorter talks or more seats")
    about, began = machine.describe(), time.time()
    kinds = plan.kinds or (*SIP_KINDS, *WEB_KINDS)
    with contextlib.ExitStack() as stack:
        line = PrivateLine(tree, seats=plan.seats, wrapup_seconds=1, screen_gone_seconds=36_000, survey=False)
        stack.callback(line.stop)
        with line.sessions.begin() as session:
            city.add_agents(session, plan.seats, cheap_hash())
            callers = city.callers(session, 200)
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
            {"address": line.address, "password": PASSWORD, "agents": agents},
            line.environment(),
        )
        stack.callback(pages.close)
        pages.ready()
        until(lambda: ready_seats(line) == plan.seats, 30, f"{plan.seats} seats ready")
        before = _processes(line)
        work = _Work(line, plan, callers)
        phases = [work.phase("quiet", say)]
        for seed, kind in enumerate(kinds):
            phases.append(work.phase(kind, say, seed))
        say("passwords are guessed")
        guesses = _guesses(line)
        say("what has been let in")
        caught_up(line, work.made)
        inside = _inside(line, work.made, before, {seat for _, seat in agents})
        known = versions(line)
        seen = pages.result()
    for phase in phases:
        begin, end = phase.pop("begin"), phase.pop("end")
        for name, samples in (("push_ms", "pushed"), ("pop_ms", "popped")):
            phase[name] = asdict(spread(within(seen[samples], begin, end)))
    result = {
        "part": "abuse",
        "date": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - began),
        "machine": about,
        "load_average_before": about["load_before"],
        "versions": known,
        "plan": asdict(plan) | {"kinds": list(kinds)},
        "phases": phases,
        "guesses": guesses,
        "inside": inside,
        "faults": seen["faults"],
    }
    return result | {"verdicts": judge.verdicts(result)}


@dataclass
class _Work:
    """The day's work beside the abuse: always the same calls."""

    line: PrivateLine
    plan: Plan
    callers: list[Any]
    made: int = 0

    def phase(self, kind: str, say: Say, seed: int = 0) -> dict[str, Any]:
        """The calls of one phase with one kind of abuse beside them; "quiet" has none."""
        say(f"{kind}: {self.plan.seconds:g} s")
        count = max(1, round(self.plan.rate * self.plan.seconds))
        citizens = self.line.citizens()
        begin, highest = _now(), _Highest(self.line)
        with contextlib.ExitStack() as stack:
            stack.enter_context(highest)
            told = self._abuse(kind, stack, seed)
            called: Result = citizens.dial_many(
                count, self.plan.rate, callers=self.callers, keys="1", timeout=60
            )
            abuse = told()
        self.made += count
        # Menu, ring and talk are over; what the pages see of it is at most a moment later.
        citizens.close()
        self.line.crowds.remove(citizens)
        delays = [(call.answered_at - call.dialled_at) * 1000 for call in called.calls if call.answered_at]
        return {
            "kind": kind,
            "begin": begin,
            "end": _now(),
            "calls": called.made,
            "answered": called.answered,
            "post_dial_ms": asdict(spread(round(one, 1) for one in delays)),
            "memory_mb": highest.memory,
            "abuse": abuse,
        }

    def _abuse(self, kind: str, stack: contextlib.ExitStack, seed: int) -> Callable[[], dict[str, Any]]:
        if kind == "quiet":
            return dict
        if kind in WEB_KINDS:
            return stack.enter_context(_web(self.line, kind, self.plan.seconds + self.plan.talk + 2))
        if kind == "TCP connections":
            lines = sip.Connections(self.line.sip, 2000, sip.addresses(f"127.{20 + seed}"))
            stack.enter_context(lines)
            return lambda: {"opened": len(lines.opened), "refused": lines.refused}
        flood = stack.enter_context(_sip(self.line, self.plan, kind, seed))
        return lambda: {"sent": flood.sent, "answers": dict(flood.answers)}


class _Highest:
    """The most memory that Asterisk and the desktop have while it is open, MB."""

    def __init__(self, line: PrivateLine) -> None:
        self.memory: dict[str, float] = {}
        self._line = line
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Highest:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            for part in ("pbx", "desktop", "cti", "worker"):
                now = _memory(self._line, part)
                self.memory[part] = max(self.memory.get(part, 0.0), now)
            if self._stop.wait(0.5):
                return


def _memory(line: PrivateLine, part: str) -> float:
    total = 0
    for one in line.processes(line.running[part].pid):
        with contextlib.suppress(psutil.Error):
            total += one.memory_info().rss
    return round(total / 1e6, 1)


def _guesses(line: PrivateLine) -> dict[str, Any]:
    """How many guesses an address has before it is answered no more, and if the right one helps then."""
    found: dict[str, Any] = {}
    for name, user in (("a seat that exists", "8001"), ("one that does not", "1001")):
        address = {"8001": "127.8.0.1", "1001": "127.8.0.2"}[user]
        with sip.Abuser(line.sip, address) as abuser:
            answered, seconds = sip.tries_until_shut_out(lambda a=abuser, u=user: a.guess(u, "1234"), 5000)  # type: ignore[misc]
            right = abuser.guess(user, seat_password(line.settings.seat_key, "8001"))
            found[name] = {
                "answered": answered,
                "seconds": round(seconds, 2),
                "right_password_after": right,
            }
    return found


def _processes(line: PrivateLine) -> dict[str, int | None]:
    return {
        "pbx": doors.asterisk(line.settings),
        **{part: line.running[part].pid for part in ("cti", "desktop", "worker")},
    }


def _inside(line: PrivateLine, made: int, before: dict[str, int | None], seats: set[str]) -> dict[str, Any]:
    """What should be 0, and True: beyond the citizens' calls there is nothing, and nobody has died."""
    until(lambda: not line.ami("CoreShowChannels"), 20, "all channels gone")
    with line.sessions() as session:
        rows = session.scalar(
            select(func.count()).select_from(Call).where(Call.pbx == line.settings.pbx_name)
        )
    request = urllib.request.Request(f"http://127.0.0.1:{line.settings.pbx_http_port}/ari/endpoints")
    known = base64.b64encode(f"cti:{line.settings.ari_password}".encode()).decode()
    request.add_header("Authorization", f"Basic {known}")
    with ThreadPoolExecutor(1) as own:
        endpoints = own.submit(lambda: json.load(urllib.request.urlopen(request, timeout=5))).result()
    strangers = [
        one["resource"]
        for one in endpoints
        if one["state"] == "online" and one["resource"] not in seats | {"trunk"}
    ]
    return {
        "channels_left": len(line.ami("CoreShowChannels")),
        "ledger_rows_beyond_calls": (rows or 0) - made,
        "registered_strangers": len(strangers),
        "parts_alive": {part: pid == _processes(line)[part] for part, pid in before.items()},
        "log_mb": round(
            sum(one.stat().st_size for one in (line.settings.pbx / "log").iterdir() if one.is_file()) / 1e6, 1
        ),
    }


def _now() -> int:
    return round(time.time() * 1000)
