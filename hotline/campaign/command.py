"""The words of `hotline campaign`."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer


def campaign(
    calls: Annotated[int, typer.Option(min=1, help="Citizens who call, once each.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same calls and faults.")] = 7,
    database: Annotated[str, typer.Option(help="postgres (a private one) or sqlite.")] = "postgres",
    faults: Annotated[str, typer.Option(help="Names with commas; empty: all of them.")] = "",
    rate: Annotated[float, typer.Option(min=0.1, help="Calls a second.")] = 1.7,
    seats: Annotated[int, typer.Option(min=1, max=200, help="Seats with an agent each.")] = 20,
    share: Annotated[float, typer.Option(min=0.0, help="Faults, relative to the full campaign's.")] = 1.0,
    longest: Annotated[float, typer.Option(min=0.0, help="No fault lasts longer, seconds.")] = 60.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result there too.")] = None,
) -> None:
    """Calls go on while parts are killed, hung and cut off; then SIPp's records are held against the ledger.

    Exit code 1 when a count is not zero.
    """
    from hotline.campaign.line import can_mount
    from hotline.campaign.plan import BY_NAME
    from hotline.campaign.report import passed, section
    from hotline.campaign.run import CampaignRefused, Plan, own_mounts, run
    from hotline.phones.errors import PhoneError
    from hotline.private_line import NotInTime, pbx_tree
    from hotline.private_postgres import NoPostgres

    if database not in ("postgres", "sqlite"):
        raise SystemExit("campaign: --database is postgres or sqlite")
    if can_mount() and not own_mounts() and shutil.which("unshare"):
        # Whatever happens to this process, the small disk goes with it.
        os.environ["HOTLINE_CAMPAIGN_MOUNTS"] = "own"
        words = [sys.executable, "-m", "hotline.cli", "campaign", *sys.argv[sys.argv.index("campaign") + 1 :]]
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", "--", *words])
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    names = tuple(name.strip() for name in faults.split(",") if name.strip()) or tuple(BY_NAME)
    plan = Plan(calls, seed, database, rate, seats, names, share, longest)
    try:
        result = run(plan, pbx_tree(), lambda text: print(text, flush=True))
    except (CampaignRefused, PhoneError, NotInTime, NoPostgres) as failure:
        raise SystemExit(f"campaign: {failure}") from None
    print(section(result))
    if json_file:
        json_file.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    raise SystemExit(0 if passed(result) else 1)
