"""The words of `hotline bench pop`, `hotline bench desk` and `hotline bench floor`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console


def pop(
    seats: Annotated[int, typer.Option(min=1, max=400, help="Seats with an agent and a page each.")] = 50,
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Calls a second.")] = 10.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long calls are made.")] = 60.0,
    talk: Annotated[float, typer.Option(min=0.1, help="Seconds that each call is talked.")] = 2.0,
    chromium: Annotated[int, typer.Option(min=0, max=8, help="Seats whose page is in Chromium.")] = 2,
    peer: Annotated[bool, typer.Option(help="Read the events also by pyst2.")] = True,
    database: Annotated[str, typer.Option(help="URL of an empty database; default: SQLite.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report there too.")] = None,
) -> None:
    """From Asterisk's ring to the painted screen pop, on a line of its own: p50 and p99, CPU, verdicts."""
    from hotline.bench.report import tables
    from hotline.bench.run import Plan, run
    from hotline.private_line import pbx_tree

    plan = Plan(seats=seats, rate=rate, seconds=seconds, talk=talk, chromium=chromium, peer=peer)
    _measure(lambda say: run(plan, pbx_tree(), database, say=say), tables, json_file)


def desk(
    loads: Annotated[int, typer.Option(min=0, help="Page loads with an empty cache.")] = 10,
    answers: Annotated[int, typer.Option(min=0, help="Answers in the page, and at a bare telephone.")] = 30,
    transfers: Annotated[int, typer.Option(min=0, help="Consultations and blind transfers.")] = 15,
    calls: Annotated[int, typer.Option(min=0, help="Calls of the shift that the page's memory has.")] = 500,
    idle: Annotated[float, typer.Option(min=0, help="Seconds that the page is left alone.")] = 20.0,
    minutes: Annotated[float, typer.Option(min=0.1, help="The shift ends after this time.")] = 40.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report there too.")] = None,
) -> None:
    """One agent's page with its telephone: pop, answer, transfer, load, memory after a shift, idle CPU."""
    try:
        from hotline.bench.desk import DeskPlan, run
    except ImportError:
        raise SystemExit("bench: Playwright is not installed (pip install playwright)") from None
    from hotline.bench.report import desk_tables
    from hotline.private_line import pbx_tree

    plan = DeskPlan(
        loads=loads, answers=answers, transfers=transfers, calls=calls, idle_seconds=idle, minutes=minutes
    )
    _measure(lambda say: run(plan, pbx_tree(), say=say), desk_tables, json_file)


def floor(
    seats: Annotated[int, typer.Option(min=1, max=900, help="Seats with an agent and a telephone.")] = 300,
    leaders: Annotated[int, typer.Option(min=5, max=200, help="Supervisors' pages beside Chromium's.")] = 50,
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Calls a second.")] = 10.0,
    seconds: Annotated[float, typer.Option(min=0, help="How long real calls are made; 0: none.")] = 60.0,
    chromium: Annotated[bool, typer.Option(help="Map and wall also in Chromium.")] = True,
    steps: Annotated[str, typer.Option(help="Seats of the made-up floors; empty: none.")] = "50,150,300",
    step_seconds: Annotated[float, typer.Option(min=1, help="How long each of them is measured.")] = 20.0,
    hours: Annotated[float, typer.Option(min=0, help="Hours of changes for the memory; 0: none.")] = 8.0,
    speed: Annotated[float, typer.Option(min=1, help="So many times faster they pass.")] = 60.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report there too.")] = None,
) -> None:
    """The live floor: event to board, traffic, CPU of desktop and pages, growth by seats, memory."""
    from hotline.bench.floor import FloorPlan, run
    from hotline.bench.report import floor_tables
    from hotline.private_line import pbx_tree

    sizes = tuple(int(size) for size in steps.split(",") if size.strip())
    plan = FloorPlan(
        seats=seats,
        leaders=leaders,
        rate=rate,
        seconds=seconds,
        chromium=chromium,
        steps=sizes,
        step_seconds=step_seconds,
        hours=hours,
        speed=speed,
    )
    _measure(lambda say: run(plan, pbx_tree(), say=say), floor_tables, json_file)


def _measure(
    run: Callable[[Callable[[str], None]], dict[str, Any]],
    tables: Callable[[dict[str, Any]], Any],
    json_file: Path | None,
) -> None:
    """Run it, say meanwhile what is done, print the report; what went wrong is one line."""
    from hotline.bench.browsers import NoBrowser
    from hotline.bench.child import ChildFailed
    from hotline.bench.run import BenchRefused
    from hotline.phones.errors import PhoneError
    from hotline.private_line import NotInTime

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    console = Console()
    try:
        with console.status("") as status:
            report = run(lambda text: _say(console, status, text))
    except (BenchRefused, ChildFailed, NoBrowser, PhoneError, NotInTime) as failure:
        raise SystemExit(f"bench: {failure}") from None
    console.print(tables(report))
    if json_file:
        json_file.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


def _say(console: Console, status: object, text: str) -> None:
    if console.is_terminal:
        status.update(text)  # type: ignore[attr-defined]
    else:
        console.print(text)
