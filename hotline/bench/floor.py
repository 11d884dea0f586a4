"""One run of `hotline bench floor`: what the live floor costs, and how soon a change is seen.

    real     Asterisk, SIPp calls at 300 seats, cti, desktop ──► 50 pages, two of them Chromium
    growth   the same desktop, a made-up floor of 50, 150, 300 seats on the real link ──► 50 pages
    soak     a shift's worth of changes, so many times faster ──► memory of the desktop and of two pages

Real figures need real calls. Growth and a shift need many seats and hours, which two cores do not have: there
the floor is made up (`made_floor`), everything from the link to the pages is as it is.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import select

from db.models import JournalEvent
from hotline.bench import city, machine, made_floor
from hotline.bench.child import Child
from hotline.bench.figures import (
    EVENT_PAINTED,
    EVENT_PUSHED,
    Sample,
    at_moment,
    fits,
    floor_verdicts,
    ledger_ages,
    percent_of_core,
    spread,
    traffic_within,
    within,
)
from hotline.bench.pages import LOG_INS_AT_ONCE
from hotline.bench.run import (
    QUEUE_WRAPUP,
    WRAPUP_SECONDS,
    BenchRefused,
    Say,
    caught_up,
    ready_seats,
    versions,
)
from hotline.phones.desk_phone import Habit
from hotline.private_line import PASSWORD, PrivateLine, cheap_hash, until

REFRESH_SECONDS = 40.0
"""Between two registrations of a seat's telephone: 300 seats must not be a load by registering."""
SOAK_LEADERS = 5
"""Pages beside the two in Chromium while a shift runs: each push is sent, without weighing on the pace."""
CHANGES_A_SECOND = 10.0
"""Of the shift that is played: a busy city hall."""
CHANGES_A_CALL = 7.0
FRAMES_SECONDS = 3.0
LOOKS_A_SHIFT = 16
FLOOR_FOR_EVER = 36_000.0
"""Seconds that a seat may be ready without a page: the agents of this bench have none."""


@dataclass(frozen=True)
class FloorPlan:
    """`rate` calls a second at `seats` seats for `seconds`, seen by `leaders` pages; 0 leaves a part out."""

    seats: int = 300
    leaders: int = 50
    rate: float = 10.0
    seconds: float = 60.0
    talk: float = 2.0
    answer_after: float = 0.5
    warm_seconds: float = 20.0
    """Until the first calls are through menu, talk and after-call work."""
    chromium: bool = True
    steps: tuple[int, ...] = (50, 150, 300)
    """Seats of the made-up floors; each has `rate` calls a second for 300 seats."""
    step_seconds: float = 20.0
    made_talk: float = 20.0
    """Seconds of a talk there: 10 calls a second keep 255 seats busy."""
    hours: float = 8.0
    speed: float = 60.0
    """So many times faster does the shift run."""


def check(plan: FloorPlan) -> None:
    """Raises BenchRefused: the queue would grow, or nobody looks."""
    cycle = plan.answer_after + plan.talk + QUEUE_WRAPUP
    if plan.seconds and not fits(plan.seats, plan.rate, cycle):
        raise BenchRefused(f"{plan.rate:g} calls/s × {cycle:g} s need more than {plan.seats} seats")
    if plan.leaders < 5:
        raise BenchRefused("at least 5 pages: three of the map, one of the board, one of the wall")


def run(plan: FloorPlan, tree: Path, say: Say = print) -> dict[str, Any]:
    """The whole report, as it is written to JSON. Raises BenchRefused, ChildFailed, NoBrowser, PhoneError,
    NotInTime."""
    check(plan)
    about, began = machine.describe(), time.time()
    real = _real(plan, tree, say) if plan.seconds else _Real()
    growth, soak = _made(plan, tree, say) if plan.steps or plan.hours else ([], None)
    report = {
        "at": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - began),
        "plan": asdict(plan) | {"steps": list(plan.steps)},
        "machine": about | {"load_after": machine.describe()["load_before"]},
        **asdict(real),
        "growth": growth,
        "soak": soak,
    }
    return report | {"verdicts": [one.as_dict() for one in floor_verdicts(report)]}


# --- who looks -----------------------------------------------------------------------------------------


class _Watchers:
    """The supervisors' pages on a line: Socket.IO clients, and map and wall in Chromium."""

    def __init__(
        self, line: PrivateLine, clients: int, chromium: bool, stack: contextlib.ExitStack, **screens: Any
    ) -> None:
        desktop = {"address": line.address, "password": PASSWORD, "pbx": line.settings.pbx_name}
        logins = city.leaders(clients + 2)
        self.clients = Child("leaders", desktop | {"leaders": logins[2:]}, line.environment())
        stack.callback(self.clients.close)
        self.clients.ready()
        self.chromium: Child | None = None
        if chromium:
            job = (
                desktop
                | {"leaders": logins[:2], "stamps": True, "frames_seconds": 0, "heap_every": 0}
                | screens
            )
            self.chromium = Child("floor screens", job, line.environment())
            stack.callback(self.chromium.close)
            self.chromium.ready()

    def frames_counted(self) -> None:
        """Wait until Chromium has counted its frames; from then on it measures what the pages cost."""
        if self.chromium:
            self.chromium.ready()

    def result(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the clients and what Chromium has measured."""
        return self.clients.result(), self.chromium.result() if self.chromium else {}


def _traffic(views: dict[str, Any], begin: int, end: int) -> dict[str, dict[str, Any]]:
    """Of one page of each view: pushes a second, bytes a minute, and what its snapshot weighs."""
    seconds = max(1, (end - begin) // 1000 - 1)
    found = {}
    for view, one in views.items():
        if not one["clients"]:
            continue
        pushes, size = traffic_within(one["traffic"], begin, end)
        found[view] = {
            "clients": one["clients"],
            "pushes_per_second": round(pushes / seconds / one["clients"], 2),
            "bytes_per_minute": round(size / seconds / one["clients"] * 60),
            "bytes": round(size / one["clients"]),
            "snapshot_bytes": one["snapshot_bytes"],
        }
    return found


def _screens(chromium: dict[str, Any], begin: int, end: int) -> dict[str, dict[str, Any]]:
    """Of each screen: per cent of a core; frames a second and the longest frame while they were asked for."""
    found: dict[str, dict[str, Any]] = {}
    for name in ("map", "wall"):
        if name in chromium:
            frames = chromium[name]["frames"] or {}
            found[name] = {
                "percent": percent_of_core(chromium[name]["cpu"], begin, end),
                "frames_per_second": frames.get("per_second"),
                "longest_frame_ms": frames.get("longest_ms"),
            }
    if chromium:
        found["chromium"] = {"percent": percent_of_core(chromium["all_cpu"], begin, end)}
    return found


# --- the real line -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Real:
    """What was measured on the real line; empty where it was left out."""

    versions: dict[str, str] | None = None
    calls: dict[str, Any] | None = None
    window_seconds: float = 0.0
    delays_ms: dict[str, dict[str, Any]] = None  # type: ignore[assignment]
    traffic: dict[str, dict[str, Any]] = None  # type: ignore[assignment]
    screens: dict[str, dict[str, Any]] = None  # type: ignore[assignment]
    cpu_seconds: dict[str, float] = None  # type: ignore[assignment]
    faults: dict[str, int] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for name in ("versions", "delays_ms", "traffic", "screens", "cpu_seconds", "faults"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, {})


def _real(plan: FloorPlan, tree: Path, say: Say) -> _Real:
    with contextlib.ExitStack() as stack:
        say("a line of its own is started")
        line = _line(plan, tree, stack)
        with line.sessions.begin() as session:
            callers = city.callers(session, round(plan.rate * (plan.seconds + plan.warm_seconds)) + 1)
        line.start()
        say(f"{plan.seats} telephones register, {plan.seats} agents sign in")
        agents = city.agents(plan.seats)
        bank = line.phones(
            *(seat for _, seat in agents),
            habit=Habit(answer_after=plan.answer_after, talk=plan.talk),
            refresh=REFRESH_SECONDS,
        )
        with ThreadPoolExecutor(LOG_INS_AT_ONCE) as pool:
            list(pool.map(lambda one: _sign_in(line.address, *one), agents))
        until(lambda: ready_seats(line) == plan.seats, 60, f"{plan.seats} seats ready")
        say(f"{plan.leaders} supervisors look on")
        watchers = _Watchers(line, plan.leaders, plan.chromium, stack, frames_seconds=FRAMES_SECONDS)
        citizens = line.citizens()
        say(f"warm-up, then {plan.seconds:g} s of {plan.rate:g} calls a second")
        cost = _Cost(line, watchers, [bank.sipp, citizens.sipp])
        with ThreadPoolExecutor(1) as beside:
            calls = max(1, round(plan.rate * (plan.warm_seconds + plan.seconds)))
            called = beside.submit(
                citizens.dial_many, calls, plan.rate, callers=callers, keys="1", timeout=120
            )
            begun = time.monotonic()
            watchers.frames_counted()
            _wait(max(0.0, plan.warm_seconds - (time.monotonic() - begun)))
            # As many calls begin as end: what is measured now is any minute of a busy day.
            begin, before = _now(), cost.look()
            end, after = _wait(plan.seconds), cost.look()
            made = called.result()
        caught_up(line, calls)
        known, ended = versions(line), _ended_calls(line)
        clients, chromium = watchers.result()
    known["chromium"] = chromium.get("version", "")
    delays = {
        EVENT_PUSHED: within(clients["ages"], begin, end),
        "seat's event to the push in Chromium": within(_samples(chromium, "map", 2), begin, end),
        EVENT_PAINTED: within(_samples(chromium, "map", 1), begin, end),
        "call's end to its figures on the board": within(
            ledger_ages(ended, clients["versions"]["board"]), begin, end
        ),
        "call's end to its figures on the wall": within(
            ledger_ages(ended, clients["versions"]["wall"]), begin, end
        ),
        "push of the wall to painted": within(_samples(chromium, "wall", 1), begin, end),
    }
    return _Real(
        versions=known,
        calls={"made": made.made, "answered": made.answered, "failed": made.failed},
        window_seconds=round((end - begin) / 1000, 1),
        delays_ms={name: asdict(spread(ms)) for name, ms in delays.items()},
        traffic=_traffic(clients["views"], begin, end),
        screens=_screens(chromium, begin, end),
        cpu_seconds=machine.used(before, after),
        faults=clients["faults"],
    )


def _samples(chromium: dict[str, Any], screen: str, which: int) -> list[Sample]:
    """(stamp, delay): 1 to the painted frame, 2 to the push in the page."""
    return [(one[0], one[which]) for one in chromium.get(screen, {}).get("painted", [])]


def _line(plan: FloorPlan, tree: Path, stack: contextlib.ExitStack) -> PrivateLine:
    """A private line with seats, agents and supervisors, not yet started."""
    seats = max(plan.seats, *plan.steps, 12)
    line = PrivateLine(
        tree,
        seats=seats,
        wrapup_seconds=WRAPUP_SECONDS,
        web_threads=plan.leaders + 32,
        screen_gone_seconds=FLOOR_FOR_EVER,
        survey=False,
    )
    stack.callback(line.stop)
    with line.sessions.begin() as session:
        hashed = cheap_hash()
        city.add_agents(session, seats, hashed)
        city.add_leaders(session, plan.leaders + 2, hashed)
    return line


def _sign_in(address: str, login: str, seat: str) -> None:
    """An agent takes a seat and is ready; without a page, whose cost `hotline bench pop` measures."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    csrf = ""

    def ask(path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            address + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "X-CSRF-Token": csrf},
        )
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)

    csrf = ask("/api/session")["csrf"]
    csrf = ask("/api/session", {"login": login, "password": PASSWORD, "seat": seat})["csrf"]
    ask("/api/seat/ready", {})


def _ended_calls(line: PrivateLine) -> list[tuple[int, int]]:
    """(journal row, epoch ms) of the end of each call."""
    with line.sessions() as session:
        rows = session.execute(
            select(JournalEvent.id, JournalEvent.data).where(JournalEvent.event == "CALLENDED")
        )
        return [(number, int(data[0])) for number, data in rows]


@dataclass(frozen=True)
class _Cost:
    """Who uses the processor: the parts of the hotline, the pages, the load."""

    line: PrivateLine
    watchers: _Watchers
    sipps: list[Any]

    def look(self) -> dict[str, float]:
        """CPU seconds so far by name, and `machine`: everybody's on this machine."""
        return dict(self._each())

    def _each(self) -> Iterator[tuple[str, float]]:
        for part, process in self.line.running.items():
            yield part, machine.cpu_seconds([psutil.Process(process.pid)])
        for child in (self.watchers.clients, self.watchers.chromium):
            if child:
                yield child.kind, machine.cpu_seconds([psutil.Process(child.process.pid)])
        if self.sipps:
            yield "sipp", sum(sipp.cpu_seconds for sipp in self.sipps)
        own = psutil.Process().cpu_times()
        yield "bench", own.user + own.system
        yield "machine", machine.busy_seconds()


# --- the made-up floor ---------------------------------------------------------------------------------


def _made(plan: FloorPlan, tree: Path, say: Say) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Growth by seats, and a shift; on a line without Asterisk and cti."""
    with contextlib.ExitStack() as stack:
        line = _line(plan, tree, stack)
        growth = []
        if plan.steps:
            line.start("desktop")
            until(lambda: _answers(line), 30, "the desktop answers")
            for seats, pages in _sizes(plan):
                say(f"a made-up floor of {seats} seats, {pages} pages")
                growth.append(_step(plan, line, seats, pages))
            line.kill("desktop")
        soak = _soak(plan, line, say) if plan.hours else None
    return growth, soak


def _answers(line: PrivateLine) -> bool:
    with (
        contextlib.suppress(OSError, ValueError, http.client.HTTPException),
        urllib.request.urlopen(f"{line.address}/api/health", timeout=5) as answer,
    ):
        return bool(answer.status == 200)
    return False


def _sizes(plan: FloorPlan) -> list[tuple[int, int]]:
    """(seats, pages) of each step: first more seats, then the most seats with a fifth of the pages."""
    few = [(plan.steps[-1], plan.leaders // 5)] if plan.leaders >= 25 else []
    return [*((seats, plan.leaders) for seats in plan.steps), *few]


def _play(
    plan: FloorPlan,
    line: PrivateLine,
    stack: contextlib.ExitStack,
    *,
    seats: int,
    rate: float,
    speed: float = 1,
    ledger: bool = True,
) -> Child:
    """The made-up floor of a line, begun."""
    job = {
        "address": line.address,
        "token": line.settings.link_token,
        "pbx": line.settings.pbx_name,
        "seats": seats,
        "rate": rate,
        "talk": plan.made_talk,
        "speed": speed,
        "database": line.settings.database,
        "journal": str(line.settings.journal) if ledger else "",
    }
    child = Child("made floor", job, line.environment())
    stack.callback(child.close)
    return child.ready()


def _step(plan: FloorPlan, line: PrivateLine, seats: int, pages: int) -> dict[str, Any]:
    """What a change costs with so many seats, each as busy as in the other steps."""
    rate = plan.rate * seats / plan.seats
    with contextlib.ExitStack() as stack:
        floor = _play(plan, line, stack, seats=seats, rate=rate)
        watchers = _Watchers(line, pages, plan.chromium, stack)
        watchers.frames_counted()
        # The first talks have to end before as much ends as begins.
        begin = _wait(plan.made_talk + made_floor.AFTER_CALL)
        before = _Cost(line, watchers, []).look()
        end = _wait(plan.step_seconds)
        after = _Cost(line, watchers, []).look()
        clients, chromium = watchers.result()
        marks = floor.result()["marks"]
    changes = round((at_moment(marks, end) or 0) - (at_moment(marks, begin) or 0))
    traffic, seconds = _traffic(clients["views"], begin, end), (end - begin) / 1000
    cpu = machine.used(before, after)["desktop"]
    size = sum(one["bytes"] * one["clients"] for one in traffic.values())
    return {
        "seats": seats,
        "clients": pages,
        "changes_per_second": round(changes / seconds, 1),
        "pushes_per_second": round(
            sum(one["pushes_per_second"] * one["clients"] for one in traffic.values()), 1
        ),
        "cpu_ms_per_change": round(cpu / changes * 1000, 3) if changes else None,
        "desktop_percent": round(cpu / seconds * 100, 1),
        "bytes_per_change": round(size / changes) if changes else None,
        "map_bytes_per_change": round(traffic["map"]["bytes"] / changes) if changes else None,
        "traffic": traffic,
        "screens": _screens(chromium, begin, end),
        "age_ms": asdict(spread(within(clients["ages"], begin, end))),
        "faults": clients["faults"],
    }


def _soak(plan: FloorPlan, line: PrivateLine, say: Say) -> dict[str, Any]:
    """A shift so many times faster: memory of the desktop and heap of the two pages, at each of its hours.

    Its calls are in no ledger: then nothing has a reason to grow. After it an eighth of it with its calls in
    the ledger, of which the desktop keeps a day in memory: what one of them takes is told apart. The pushes
    go so many times as often, too, as far as the machine can.
    """
    line.PARTS = {**line.PARTS, "desktop": ("-m", "hotline.bench.hasty_desktop", str(plan.speed))}
    line.start("desktop")
    until(lambda: _answers(line), 30, "the desktop answers")
    memory = _Memory(line.running["desktop"].pid)
    try:
        soak = _stretch(plan, line, say, memory, plan.hours, chromium=plan.chromium, ledger=False)
        day = _stretch(plan, line, say, memory, plan.hours / 8, chromium=False, ledger=True)
    finally:
        memory.close()
    # From the second of eight looks to the last.
    calls = CHANGES_A_SECOND / CHANGES_A_CALL * plan.hours / 8 * 3600 * 6 / 8
    soak["ledger_kb_per_call"] = round(day["desktop_mb"] * 1000 / calls, 2)
    return soak


def _stretch(
    plan: FloorPlan,
    line: PrivateLine,
    say: Say,
    memory: _Memory,
    hours: float,
    *,
    chromium: bool,
    ledger: bool,
) -> dict[str, Any]:
    """So many hours, looked at eight times."""
    with contextlib.ExitStack() as stack:
        said = "with" if ledger else "without"
        seconds = hours * 3600 / plan.speed
        say(f"{hours:g} hours, {plan.speed:g} times faster, {said} ledger: {seconds / 60:.1f} minutes")
        rate = CHANGES_A_SECOND / CHANGES_A_CALL
        floor = _play(
            plan, line, stack, seats=max(plan.seats, 12), rate=rate, speed=plan.speed, ledger=ledger
        )
        watchers = _Watchers(
            line, min(SOAK_LEADERS, plan.leaders), chromium, stack,
            stamps=False, heap_every=seconds / LOOKS_A_SHIFT,
        )  # fmt: skip
        watchers.frames_counted()
        begin = _now()
        end = _wait(seconds)
        shown, played_in = watchers.result()
        played = floor.result()
    looks: dict[str, Any] = {"desktop": memory.looks}
    looks |= {name: played_in.get(name, {}).get("heap", []) for name in ("map", "wall")}
    counted: list[dict[str, Any]] = [
        {"hour": hours * n / 8}
        | {name: at_moment(seen, begin + n * (end - begin) / 8) for name, seen in looks.items()}
        for n in range(1, 9)
    ]
    pushes = {
        view: round(sum(value[0] for value in one["traffic"].values()) / one["clients"])
        for view, one in shown["views"].items()
        if one["clients"]
    }
    return {
        "hours": counted,
        "changes": played["marks"][-1][1] - round(at_moment(played["marks"], begin) or 0),
        "calls": played["calls"],
        "pushes": pushes,
        "snapshots": played["snapshots"],
        "faults": shown["faults"],
        "desktop_mb": _grown(counted, "desktop"),
        "map_heap_mb": _grown(counted, "map"),
        "wall_heap_mb": _grown(counted, "wall"),
    }


def _grown(hours: list[dict[str, Any]], name: str) -> float | None:
    """Megabytes from the second look to the last: the first has what is made once."""
    first, last = hours[1][name], hours[-1][name]
    return None if first is None or last is None else round((last - first) / 1e6, 2)


class _Memory:
    """Looks every second at the memory of a process and its children: `looks` is [(epoch ms, bytes)]."""

    def __init__(self, pid: int) -> None:
        self.looks: list[tuple[int, float]] = []
        self._processes = PrivateLine.processes(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(1.0):
            with contextlib.suppress(psutil.Error):
                self.looks.append((_now(), sum(one.memory_info().rss for one in self._processes)))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


def _wait(seconds: float) -> int:
    """Let the load go on; gives the moment after it."""
    time.sleep(seconds)
    return _now()


def _now() -> int:
    return round(time.time() * 1000)
