"""The commands `hotline call` and `hotline phone`: citizens and desk phones at the terminal."""

from __future__ import annotations

import itertools
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from hotline.phones import alaw
from hotline.phones.citizen import CitizenCall, Citizens, Result
from hotline.phones.desk_phone import DeskPhone, Phone
from hotline.phones.errors import NotRegistered, PhoneError
from hotline.phones.identity import Caller, Withheld
from hotline.phones.voices import sentences, spoken
from hotline.secrets import seat_password
from hotline.settings import Settings, load

console = Console(highlight=False)
DEMO_NUMBERS = ("13812345678", "13987654321", "057187654321", "18612340000")
LIFE = 12 * 3600
"""Seconds after which a telephone ends whatever happens: a shift and a bit."""
SHOWN = 12
"""Calls shown one a line; further ones are only counted."""


def call(
    number: Annotated[
        str, typer.Option(help="Calling number; several with commas; default: demo numbers in turn.")
    ] = "",
    name: Annotated[str, typer.Option(help="Display name sent by the carrier.")] = "",
    dial: Annotated[str, typer.Option(help="Number to dial; default: the hotline's.")] = "",
    keys: Annotated[
        str, typer.Option(help='Keys after the answer: "1", or "3,w2,261121000427#" (w2 waits 2 s).')
    ] = "",
    say: Annotated[
        str, typer.Option(help="A known sentence's name, a wav file, or Chinese text to speak.")
    ] = "",
    talk: Annotated[
        float | None,
        typer.Option(help="Hang up so many seconds after the keys; default: wait for the other side."),
    ] = None,
    give_up: Annotated[
        float | None, typer.Option(help="Give up when not answered after so many seconds.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many calls.")] = 1,
    rate: Annotated[float, typer.Option(min=0.01, help="Calls a second.")] = 1.0,
    together: Annotated[int | None, typer.Option(min=1, help="At most so many calls at once.")] = None,
    withheld: Annotated[bool, typer.Option(help="Withhold the number.")] = False,
) -> None:
    """Play citizens who dial the hotline. Ctrl-C hangs up."""
    settings = load()
    hidden: Withheld = "asserted" if withheld else "no"
    numbers = [part.strip() for part in number.split(",") if part.strip()] or list(DEMO_NUMBERS)
    callers = [Caller(each, name, hidden) for each in numbers]
    with said_in_one_line(), interruptible():
        speech = spoken(say or next(iter(sentences())))
        with (
            Citizens(_pbx(settings), own_address=settings.trunk_match, speech=speech, life=LIFE) as citizens,
            Live(get_renderable=lambda: _call_table(citizens), console=console, refresh_per_second=4),
        ):
            result = citizens.dial_many(
                count,
                rate,
                concurrency=together,
                callers=callers,
                number=dial or settings.hotline_number,
                keys=keys,
                speak=True,
                talk=talk,
                give_up_after=give_up,
                timeout=3600,
            )
        if not console.is_terminal:
            console.print()
        console.print(summary(result))
        if result.failed:
            raise typer.Exit(1)


def phone(
    seat: Annotated[str, typer.Option(help="Seat number.")] = "8001",
    answer_after: Annotated[float, typer.Option(help="Answer after so many seconds of ringing.")] = 2.0,
    ask: Annotated[bool, typer.Option("--ask", help="Enter answers and hangs up.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Reject every call.")] = False,
    talk: Annotated[float | None, typer.Option(help="Hang up so many seconds after the answer.")] = None,
    say: Annotated[
        str, typer.Option(help="A wav file or text that the agent speaks; default: a soft tone.")
    ] = "",
) -> None:
    """Play an agent's desk phone until Ctrl-C."""
    settings = load()
    numbers = itertools.count(1)

    def tell(this: Phone, event: str) -> None:
        line = phone_words(this, event, next(numbers) if event == "INVITED" else 0, ask)
        if line:
            console.print(line)

    with said_in_one_line(), interruptible():
        if not settings.seat_key:
            raise PhoneError("the seats' passwords are not known: start the hotline with `make run` first")
        speech = spoken(say) if say else alaw.tone(600, 0.4, 0.05) + alaw.SILENCE * 16000
        with DeskPhone(
            seat,
            _pbx(settings),
            seat_password(settings.seat_key, seat),
            answer_after=None if ask else answer_after,
            on_ring="reject" if reject else "answer",
            talk=talk,
            speech=speech,
            on_change=tell,
            life=LIFE,
        ) as this:
            hint = "Enter answers and hangs up, " if ask else ""
            console.print(f"Seat {seat} is registered. {hint}Ctrl-C unplugs it.")
            while this.running:
                if _enter_pressed(0.5) and ask:
                    _answer_or_hang_up(this)
            raise PhoneError("the telephone has ended by itself; start it again")


def _pbx(settings: Settings) -> tuple[str, int]:
    return settings.sip_address, settings.sip_port


def _enter_pressed(wait: float) -> bool:
    """Whether a line was typed within `wait` seconds; a closed input only waits."""
    try:
        ready, _, _ = select.select([sys.stdin], [], [], wait)
        if ready and sys.stdin.readline():
            return True
    except (OSError, ValueError):
        ready = []
    if ready:
        threading.Event().wait(wait)
    return False


def _answer_or_hang_up(this: Phone) -> None:
    try:
        if this.state == "ringing":
            this.answer()
        elif this.state == "talking":
            this.hang_up()
        else:
            console.print("Nothing rings.")
    except PhoneError as error:
        console.print(escape(str(error)))


def phone_words(this: Phone, event: str, number: int, ask: bool) -> str:
    """What an event of a desk phone means, in a sentence for the terminal; '' for what need not be said."""
    last = this.calls[-1] if this.calls else None
    withheld = last is None or last.caller_number in ("", "anonymous")
    who = (
        "number withheld" if last is None or withheld else f"{last.caller_name} {last.caller_number}".strip()
    )
    match event:
        case "INVITED":
            return f"[bold yellow]Call {number} rings[/]: {escape(who)}" + (" — Enter answers" if ask else "")
        case "ANSWERED":
            return "[bold green]Talking[/]" + (" — Enter hangs up" if ask else "")
        case "CANCELLED":
            return "The ringing stopped before the answer."
        case "REJECTED":
            return "Rejected."
        case "ENDED" if last:
            by = "The other side" if last.end == "pbx" else "This phone"
            return f"{by} hung up after {last.talk_seconds:.0f} s."
        case "LOST":
            return "[red]The call was lost: the PBX no longer answers.[/]"
        case "FORBIDDEN" if this.registrations:
            return "[red]The PBX refused the registration.[/]"
        case "UNHEARD":
            return "[red]The PBX does not answer; trying again.[/]"
    return ""


WORDS = {
    "": "",
    "citizen": "hung up",
    "pbx": "the hotline hung up",
    "cancelled": "gave up before the answer",
    "refused": "refused",
    "lost": "lost: no answer from the PBX",
}


def call_words(call: CitizenCall) -> str:
    """What a citizen's call is doing, in a few words."""
    keys = f", pressed {call.pressed}" if call.pressed else ""
    if call.state == "ended":
        code = f" ({call.code})" if call.code else ""
        time = f" after {call.talk_seconds:.0f} s" if call.answered else ""
        return f"{WORDS[call.end]}{code}{time}{keys}"
    if call.state == "talking":
        return f"connected for {call.talk_seconds:.0f} s{keys}"
    return {"dialling": "dialling", "ringing": "rings"}[call.state]


def _call_table(citizens: Citizens) -> Table:
    calls = list(citizens.calls.values())
    table = Table(box=None, show_header=False)
    for each in calls[-SHOWN:]:
        table.add_row(escape(each.caller.number or "withheld"), escape(call_words(each)))
    if len(calls) > SHOWN:
        table.add_row("", f"{len(calls)} calls, {Citizens.up(calls)} up")
    return table


def summary(result: Result) -> str:
    """One line at the end: calls made, answered, failed, and how they ended."""
    ends = ", ".join(f"{count} {WORDS[end] or 'still up'}" for end, count in sorted(result.ends.items()))
    calls = "call" if result.made == 1 else "calls"
    return f"{result.made} {calls}, {result.answered} answered, {result.failed} failed ({ends})"


@contextmanager
def said_in_one_line() -> Iterator[None]:
    """Turn what can go wrong into one line with its remedy, and status 1."""
    try:
        yield
    except NotRegistered as error:
        _fail(f"{error} (`make run` writes the passwords and the PBX's configuration from the same key)")
    except PhoneError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        console.print("Stopped.")
        raise typer.Exit(130) from None


def _fail(sentence: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(f"[red]{escape(sentence)}[/]", soft_wrap=True)
    raise typer.Exit(1) from None


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, so that telephones hang up and leave nothing."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
