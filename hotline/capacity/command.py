"""The words of `hotline capacity`: the run, its report, and the other parts' commands."""

from __future__ import annotations

import importlib
import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

capacity = typer.Typer(
    invoke_without_command=True,
    no_args_is_help=False,
    add_completion=False,
    help="What this machine carries, and where it breaks: runs, report, growth.",
)
Recorder = Literal["mixmonitor", "capture"]


@capacity.callback()
def run_all(
    context: typer.Context,
    short: Annotated[bool, typer.Option("--short", help="Three minutes instead of fifty.")] = False,
    recorder: Annotated[
        str, typer.Option(help="Who records: mixmonitor or capture; default: the setting's.")
    ] = "",
    only: Annotated[str, typer.Option(help="Only jobs whose name has one of these words, with commas.")] = "",
    postgres: Annotated[bool, typer.Option(help="Also with PostgreSQL.")] = True,
    limit: Annotated[float, typer.Option(help="Minutes after which nothing more is begun.")] = 58.0,
    target: Annotated[Path | None, typer.Option("--json", help="Where the result goes.")] = None,
    readme: Annotated[bool, typer.Option(help="Also the block in both READMEs.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Put what --only measures into the last complete result.")
    ] = False,
) -> None:
    """Run the steps, the bare Asterisk beside them, and the situations; write docs/capacity."""
    if context.invoked_subcommand:
        return
    from hotline.capacity import judge, plan, report, run
    from hotline.load.draw import CITY_DAY
    from hotline.private_line import pbx_tree
    from hotline.settings import Settings

    chosen = recorder or str(Settings.model_fields["recorder"].default)
    if chosen not in ("mixmonitor", "capture"):
        raise SystemExit(f"capacity: --recorder is mixmonitor or capture, not {chosen!r}")
    jobs = plan.short(chosen) if short else plan.whole(chosen, postgres)
    if only:
        wanted = [word.strip() for word in only.split(",")]
        jobs = [job for job in jobs if any(word in job.name for word in wanted)]
    complete = not short and not only
    whole = run.RESULTS / "capacity.json"
    if again and (complete or short or not whole.exists()):
        raise SystemExit("capacity: --again needs --only, and a complete result in docs/capacity/results")
    path = target or (run.RESULTS / ("capacity.json" if complete else "capacity-short.json"))
    console = Console(highlight=False)
    console.print(f"{len(jobs)} jobs, about {plan.seconds_of(jobs) / 60:.0f} minutes; result in {path.name}")
    result = run.run(
        jobs,
        pbx_tree(),
        CITY_DAY,
        command=shlex.join(["hotline", "capacity", *sys.argv[2:]])
        if len(sys.argv) > 1
        else "hotline capacity",
        target=path,
        say=lambda text: console.print(text, markup=False),
        limit=limit * 60,
    )
    if again:
        result = run.in_place(json.loads(whole.read_text()), result)
        run.write(whole, result)
    if (complete and target is None) or again:
        for written in report.write():
            console.print(f"written: {written.name}")
        if readme:
            report.into_readmes(result)
    for one in judge.verdicts(result):
        console.print(f"{judge.words(one.met):>12}  {one.target}: {one.found}", markup=False)
    console.print(judge.broke_first(result), markup=False)
    if not all(one["ok"] for one in result["jobs"]):
        raise typer.Exit(1)


@capacity.command()
def report(
    readme: Annotated[bool, typer.Option(help="Also rewrite the block in both READMEs.")] = False,
) -> None:
    """Write docs/capacity/README.md and its charts anew from the result files."""
    from hotline.capacity import report as written

    results = written.read()
    for path in written.write(results=results):
        typer.echo(path.name)
    if readme:
        if "capacity" not in results:
            raise SystemExit("capacity: no results/capacity.json: run `make capacity` first")
        for path in written.into_readmes(results["capacity"]):
            typer.echo(path.name)


def _elsewhere(name: str, place: str, about: str) -> None:
    """A command of another part, imported when it is called."""

    @capacity.command(
        name,
        help=about,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def words(context: typer.Context) -> None:
        module, _, attribute = place.partition(":")
        single = typer.Typer(add_completion=False)
        single.command()(getattr(importlib.import_module(module), attribute))
        single(args=context.args, prog_name=f"hotline capacity {name}")


_elsewhere(
    "growth", "hotline.capacity.growth:growth", "150 to 3,000 seats, 1 to 8 PBX nodes: what is full first."
)
_elsewhere(
    "capture-cost",
    "hotline.capacity.capture_cost:capture_cost",
    "What the passive recorder costs beside MixMonitor.",
)
_elsewhere(
    "recording-cost",
    "hotline.capacity.recording_cost:recording_cost",
    "What one recording costs in Asterisk, and what was tried.",
)


@capacity.command(hidden=True)
def show(path: Annotated[Path, typer.Argument(help="A result file of a capacity run.")]) -> None:
    """Print the report of a result file without writing anything."""
    from hotline.capacity import report as written

    typer.echo("\n\n".join(written.whole(json.loads(path.read_text("utf-8")))))
