"""One run of `hotline bench desk`: what an agent waits for at a page with its telephone in it, and its cost.

    page loads ──► idle page ──► answers: page, bare telephone ──► transfers ──► a shift of calls

One after the other on a private line, so that nothing but the measured page works. Times are the page's own
stamps, Asterisk's and SIPp's, all of one machine's clock.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from hotline.bench import city, machine
from hotline.bench.desk_page import (
    AGENT_HERTZ,
    CITIZEN_HERTZ,
    DeskPage,
    Inside,
    browser_cpu_seconds,
    launch,
    state_of_seat,
)
from hotline.bench.ears import FirstTone, last_of
from hotline.bench.figures import RING_PAINTED, desk_verdicts, growth_per_hundred, spread
from hotline.bench.run import Say, versions
from hotline.phones import alaw
from hotline.phones.citizen import CitizenCall, Citizens
from hotline.phones.desk_phone import Habit, Phone, PhoneBank
from hotline.phones.identity import Caller
from hotline.private_line import PASSWORD, PrivateLine, until

WRAPUP_SECONDS = 1
LOGIN, SEAT = "agent01", "8001"
OUTSIDE = "19900010001"
"""Whom the agent brings in: the carrier takes the call to a telephone outside."""
MARKS = (0.1, 0.5, 1.0)
"""Parts of the shift after which the memory is looked at."""
READ_MS, TALK_MS = 700, 300
"""Who is calling is read before the answer: pop and form are painted by then."""
ANSWER, TRANSFER = "[data-testid=btn-answer]", "[data-testid=btn-transfer]"


@dataclass(frozen=True)
class DeskPlan:
    """How often each is measured; 0 leaves it out."""

    loads: int = 10
    answers: int = 30
    transfers: int = 15
    calls: int = 500
    """Calls of the shift after which the page should be as small as before."""
    idle_seconds: float = 20.0
    minutes: float = 40.0
    """The shift ends after this time, whatever has been made of it."""
    quiet_seconds: float = 7.0
    """After a call the page fetches figures and closes its sound; then nothing is left to do."""


def run(plan: DeskPlan, tree: Path, say: Say = print) -> dict[str, Any]:
    """The whole report, as it is written to JSON. Raises NoBrowser, PhoneError, NotInTime."""
    about = machine.describe()
    began = time.time()
    with contextlib.ExitStack() as stack:
        say("a line of its own is started")
        line = PrivateLine(tree, seats=3, wrapup_seconds=WRAPUP_SECONDS, survey=False)
        stack.callback(line.stop)
        line.start()
        chromium = launch(stack.enter_context(sync_playwright()), line.var)
        stack.callback(chromium.close)
        with line.sessions() as session:
            callers = city.callers(session, 200)
        desk = _Desk(line, chromium, line.citizens(speech=alaw.tone(CITIZEN_HERTZ, 1)), callers)
        parts: dict[str, tuple[int | float, Callable[[], Any]]] = {
            "page loads": (plan.loads, lambda: _loads(desk, plan.loads)),
            "the idle page": (plan.idle_seconds, lambda: _idle(desk, plan)),
            "answers in the page": (plan.answers, lambda: _answers(desk, plan.answers)),
            "answers at a telephone": (plan.answers, lambda: _telephone(desk, plan.answers)),
            "transfers": (plan.transfers, lambda: _transfers(desk, plan.transfers)),
            "a shift of calls": (plan.calls, lambda: _shift(desk, plan, say)),
        }
        found: dict[str, Any] = {}
        for name, (many, measure) in parts.items():
            if many:
                say(f"{name}: {many:g}")
                found[name] = measure()
        known = versions(line) | {"chromium": chromium.version}
    about["load_after"] = machine.describe()["load_before"]
    return _report(plan, began, about, known, found)


@dataclass
class _Desk:
    """The line, the browser and the citizens of a run."""

    line: PrivateLine
    chromium: Browser
    citizens: Citizens
    callers: list[Caller]
    dialled: int = 0

    @contextlib.contextmanager
    def page(self, *, stamps: bool = True, telephone: str = "browser") -> Iterator[DeskPage]:
        """A page that takes calls; logged out and closed at the end."""
        page = DeskPage(self.chromium, self.line.address, stamps=stamps)
        try:
            yield page.take_calls(LOGIN, PASSWORD, SEAT, telephone)
        finally:
            page.close()

    def dial(self, listen: bool = False) -> CitizenCall:
        """The next citizen, who speaks at once and stays until told."""
        caller = self.callers[self.dialled % len(self.callers)]
        self.dialled += 1
        return self.citizens.dial(caller=caller, keys="1", speak=True, listen=listen)


# --- the parts: lists of ms by what was measured --------------------------------------------


def _loads(desk: _Desk, times: int) -> dict[str, list[float]]:
    found = _Delays()
    for _ in range(times):
        page = DeskPage(desk.chromium, desk.line.address)
        try:
            form = page.stamp("form") - float(page.page.evaluate("performance.timeOrigin"))
            page.fill(LOGIN, PASSWORD, SEAT)
            page.watch("sent")
            page.watch(
                "registered",
                "[data-testid=softphone-light][data-state=registered]",
                "[data-testid=btn-ready]:not(:disabled)",
            )
            page.by("login-submit").click()
            able = page.stamp("registered") - page.stamp("sent")
            page.watch("key")
            page.watch("ready", state_of_seat("ready"))
            page.press("F2")
            ready = page.stamp("ready") - page.stamp("key")
        finally:
            page.close()
        found.add("address to log-in form painted", form)
        found.add("log-in click to registered, F2 possible", able)
        found.add("F2 to ready, said by the server", ready)
        found.add("page load to taking calls (sum)", form + able + ready)
    return found.ms


def _idle(desk: _Desk, plan: DeskPlan) -> dict[str, float]:
    """CPU in percent of one core of the page's process, and of all of Chromium."""
    with desk.page(stamps=False) as page:
        page.there("[data-testid=softphone-light][data-state=registered]")
        inside = Inside(page)
        time.sleep(plan.quiet_seconds)
        before = time.monotonic(), inside.cpu_seconds(), browser_cpu_seconds(desk.chromium)
        time.sleep(plan.idle_seconds)
        after = time.monotonic(), inside.cpu_seconds(), browser_cpu_seconds(desk.chromium)
    took = after[0] - before[0]
    return {
        "seconds": round(took, 1),
        "page_percent": round((after[1] - before[1]) / took * 100, 2),
        "chromium_percent": round((after[2] - before[2]) / took * 100, 2),
    }


def _answers(desk: _Desk, times: int) -> dict[str, list[float]]:
    found = _Delays()
    with desk.page() as page:
        for n in range(times + 1):
            call = desk.dial(listen=True)
            page.there(ANSWER)
            page.page.wait_for_timeout(
                700
            )  # the pop is painted, the form too: people read before they answer
            citizen = FirstTone(call, AGENT_HERTZ)
            page.watch("click")
            page.by("btn-answer").click()
            click, sound, heard = page.stamp("click"), page.sound(), citizen.at()
            page.press("F7")
            call.wait_for_end(10)
            page.sees("ready")
            if n == 0:
                continue  # the first of a page compiles what the others use
            found.since(click, "answer click to the first sound sent by the page", sound.get("sent"))
            found.since(click, "answer click to the citizen heard in the page", sound.get("heard"))
            found.since(click, "answer click to the agent heard by the citizen", heard)
            found.since(click, "answer click to two-way sound", last_of(sound.get("heard"), heard))
        for pop in page.pops()[1:]:
            found.add(RING_PAINTED, pop["painted_at"] - pop["event_at"])
    return found.ms


def _telephone(desk: _Desk, times: int) -> dict[str, list[float]]:
    """The peer of the softphone: a SIPp telephone that answers at once, without DTLS, ICE and browser."""
    found = _Delays()
    bank = desk.line.phones(SEAT, habit=Habit(on_ring="wait", listen=True), speech=alaw.tone(AGENT_HERTZ, 1))
    try:
        with desk.page(telephone="desk") as page:
            for _ in range(times):
                call = desk.dial(listen=True)
                rung = bank.phones[SEAT].wait_for_ring(20)
                page.page.wait_for_timeout(READ_MS)
                citizen, agent = FirstTone(call, AGENT_HERTZ), FirstTone(rung, CITIZEN_HERTZ)
                answered = time.time() * 1000
                bank.phones[SEAT].answer()
                both = last_of(agent.at(), citizen.at())
                bank.phones[SEAT].hang_up()
                call.wait_for_end(10)
                page.sees("ready")
                found.since(answered, "bare telephone: 200 to two-way sound", both)
            for pop in page.pops():
                found.add("ring to painted pop, with a desk phone", pop["painted_at"] - pop["event_at"])
    finally:
        bank.close()
    return found.ms


def _transfers(desk: _Desk, times: int) -> dict[str, list[float]]:
    found = _Delays()
    outside = desk.line.phones(
        own_address="127.0.0.2",
        port=desk.line.settings.trunk_port,
        register=False,
        habit=Habit(on_ring="wait"),
    )
    with desk.page() as page:
        for _ in range(times):
            call = desk.dial()
            page.by("btn-answer").click()
            page.sees("talking")
            found.add("consult click to the other telephone rings", _bring_in(page, outside, "btn-consult"))
            page.by("btn-cancel-consult").click()
            _phone(outside).wait_for_idle()
            found.add("blind transfer click to the other rings", _bring_in(page, outside, "btn-blind"))
            call.hang_up()
            _phone(outside).hang_up()
            call.wait_for_end(10)
            page.sees("ready")
    outside.close()
    return found.ms


def _bring_in(page: DeskPage, outside: PhoneBank, button: str) -> float:
    """Ms from the click in the dialog to the INVITE at the telephone outside."""
    page.there(TRANSFER)
    page.press("F8")
    page.by("transfer-search").locator("input").or_(page.by("transfer-search")).last.fill(OUTSIDE)
    page.there(f"[data-testid={button}]:not(:disabled)")
    page.watch("click")
    page.by(button).click()
    click = page.stamp("click")
    until(lambda: OUTSIDE in outside.phones and _phone(outside).call, 10, "the telephone outside rings")
    rung = _phone(outside).wait_for_ring()
    return rung.rung_at * 1000 + (time.time() - time.monotonic()) * 1000 - click


def _phone(outside: PhoneBank) -> Phone:
    return outside.phones[OUTSIDE]


def _shift(desk: _Desk, plan: DeskPlan, say: Say) -> dict[str, Any]:
    """Calls on end in one page, by key; {"marks": [memory at each], "calls", "seconds"}."""
    marks = []
    due = sorted({max(1, round(part * plan.calls)) for part in MARKS})
    began = time.monotonic()
    with desk.page(stamps=False) as page:
        inside = Inside(page)
        made, waiting = 0, desk.dial()
        while made < plan.calls:
            page.there(ANSWER)
            page.press("F2")
            page.sees("talking")
            made += 1
            late = time.monotonic() - began > plan.minutes * 60
            ending = late or made in due
            call, waiting = waiting, waiting if ending else desk.dial()
            page.page.wait_for_timeout(TALK_MS)
            page.press("F7")
            call.wait_for_end(10)
            page.sees("ready")
            if not ending:
                continue
            time.sleep(plan.quiet_seconds)
            marks.append({"calls": made} | inside.memory())
            say(f"{made} calls: {marks[-1]['heap_bytes'] / 1e6:.2f} MB")
            if late or made == plan.calls:
                break
            waiting = desk.dial()
    return {"calls": made, "seconds": round(time.monotonic() - began), "marks": marks}


@dataclass
class _Delays:
    """Delays by name; what did not come is missing from the list, and so from n."""

    ms: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, delay: float) -> None:
        self.ms.setdefault(name, []).append(delay)

    def since(self, start: float, name: str, at: float | None) -> None:
        self.ms.setdefault(name, [])
        if at is not None:
            self.add(name, at - start)


def _report(
    plan: DeskPlan, began: float, about: dict[str, Any], known: dict[str, str], found: dict[str, Any]
) -> dict[str, Any]:
    idle, shift = found.pop("the idle page", None), found.pop("a shift of calls", None)
    delays = {name: spread(ms) for part in found.values() for name, ms in part.items()}
    growth = growth_per_hundred(shift["marks"] if shift else [])
    return {
        "at": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - began),
        "plan": asdict(plan),
        "machine": about,
        "versions": known,
        "delays_ms": {name: asdict(one) for name, one in delays.items()},
        "idle": idle,
        "shift": shift,
        "growth_per_100_calls": growth,
        "verdicts": [one.as_dict() for one in desk_verdicts(delays, growth)],
    }
