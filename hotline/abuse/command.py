"""The words of `hotline abuse`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import structlog
import typer


def abuse(
    seconds: Annotated[float, typer.Option(min=1, help="How long each kind of abuse goes on.")] = 10.0,
    seats: Annotated[int, typer.Option(min=2, max=200, help="Seats with an agent and a page.")] = 20,
    rate: Annotated[float, typer.Option(min=0.1, help="Calls a second beside it.")] = 2.0,
    messages: Annotated[float, typer.Option(min=1, help="SIP messages a second.")] = 500.0,
    kinds: Annotated[str, typer.Option(help="Kinds with commas; empty: all.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result there too.")] = None,
) -> None:
    """Floods, guesses, malformed SIP and slow or greedy web clients beside real calls, on a line of its own.

    Exit code 1 when an aim is missed.
    """
    from hotline.abuse.report import section
    from hotline.abuse.run import SIP_KINDS, WEB_KINDS, Plan, run
    from hotline.bench.child import ChildFailed
    from hotline.bench.run import BenchRefused
    from hotline.phones.errors import PhoneError
    from hotline.private_line import NotInTime, pbx_tree

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    chosen = tuple(kind.strip() for kind in kinds.split(",") if kind.strip())
    if unknown := set(chosen) - {*SIP_KINDS, *WEB_KINDS}:
        raise SystemExit(f"abuse: no such kind: {', '.join(sorted(unknown))}")
    plan = Plan(seats=seats, rate=rate, seconds=seconds, messages=messages, kinds=chosen)
    try:
        result = run(plan, pbx_tree(), lambda text: print(text, flush=True))
    except (BenchRefused, ChildFailed, PhoneError, NotInTime) as failure:
        raise SystemExit(f"abuse: {failure}") from None
    result["command"] = f"hotline abuse --seconds {seconds:g} --seats {seats} --rate {rate:g}"
    print(section(result))
    if json_file:
        json_file.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    raise SystemExit(0 if all(one["met"] for one in result["verdicts"]) else 1)
