"""The words of `hotline bench pop`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

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
    from hotline.bench.child import ChildFailed
    from hotline.bench.report import tables
    from hotline.bench.run import BenchRefused, Plan, run
    from hotline.phones.errors import PhoneError
    from hotline.private_line import NotInTime, pbx_tree

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    console = Console()
    plan = Plan(seats=seats, rate=rate, seconds=seconds, talk=talk, chromium=chromium, peer=peer)
    try:
        with console.status("") as status:
            report = run(plan, pbx_tree(), database, say=lambda text: _say(console, status, text))
    except (BenchRefused, ChildFailed, PhoneError, NotInTime) as failure:
        raise SystemExit(f"bench: {failure}") from None
    console.print(tables(report))
    if json_file:
        json_file.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


def _say(console: Console, status: object, text: str) -> None:
    if console.is_terminal:
        status.update(text)  # type: ignore[attr-defined]
    else:
        console.print(text)
