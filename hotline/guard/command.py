"""The words of `hotline guard`: who is shut out, and to let somebody in again."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer


def guard(
    free: Annotated[str, typer.Option(metavar="ADDRESS", help="Let this address in again.")] = "",
) -> None:
    """Addresses that are shut out for guessing, and until when; the worker follows within a second."""
    from hotline.guard.watch import kept
    from hotline.settings import load

    path = load().var / "shut-out.json"
    out = kept(path)
    if free:
        if free not in out:
            raise SystemExit(f"{free} is not shut out")
        del out[free]
        path.write_text(json.dumps(out, indent=1) + "\n")
        typer.echo(f"{free} is let in")
        return
    for address, until in sorted(out.items()):
        typer.echo(f"{address}  until {datetime.fromtimestamp(until):%Y-%m-%d %H:%M:%S}")
    if not out:
        typer.echo("nobody is shut out")
