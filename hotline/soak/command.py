"""The words of `hotline soak`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import structlog
import typer


def soak(
    hours: Annotated[float, typer.Option(min=0.01, help="Hours of the busy hour, 1.4 calls a second.")] = 8.0,
    compress: Annotated[float, typer.Option(min=1, help="So many times faster.")] = 7.0,
    calls: Annotated[int, typer.Option(min=0, help="No more calls than this; 0: no bound.")] = 5_000,
    seats: Annotated[int, typer.Option(min=2, max=400, help="Seats with an agent.")] = 50,
    pages: Annotated[int, typer.Option(min=0, help="Of them with a page.")] = 10,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result there too.")] = None,
) -> None:
    """Short calls as fast as asked for; memory, descriptors, rows, files and channels after the warm-up.

    Exit code 1 when something grows that should not.
    """
    from hotline.bench.child import ChildFailed
    from hotline.bench.run import BenchRefused
    from hotline.phones.errors import PhoneError
    from hotline.private_line import NotInTime, pbx_tree
    from hotline.soak.judge import BUSY_HOUR
    from hotline.soak.report import section
    from hotline.soak.run import Plan, run

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    wanted = round(hours * BUSY_HOUR)
    plan = Plan(
        calls=min(wanted, calls or wanted),
        rate=BUSY_HOUR / 3600 * compress,
        seats=seats,
        pages=min(pages, seats),
    )
    try:
        result = run(plan, pbx_tree(), lambda text: print(text, flush=True))
    except (BenchRefused, ChildFailed, PhoneError, NotInTime) as failure:
        raise SystemExit(f"soak: {failure}") from None
    result["command"] = f"hotline soak --hours {hours:g} --compress {compress:g} --calls {calls}"
    print(section(result))
    if json_file:
        json_file.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    raise SystemExit(0 if all(one["met"] for one in result["verdicts"]) else 1)
