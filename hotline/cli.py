"""The command line `hotline`. Each command imports what it needs when called, so that --help is quick."""

from __future__ import annotations

import importlib
import os
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The 12345 hotline: start it, look at it, and play its callers and telephones.",
)

CLOSED = 0o027
"""What the hotline writes (calls, numbers, recordings) is not for other users of the machine."""
ELSEWHERE = {
    "call": (
        "hotline.phones.commands:call",
        "Play citizens: dial 12345, press keys, speak, talk; several at once.",
    ),
    "phone": ("hotline.phones.commands:phone", "Play an agent's desk phone: ring, answer, talk."),
    "menu": ("hotline.menu_commands:menu_commands", "The voice menu: check, show, compile, publish."),
    "recordings": (
        "hotline.recordings_commands:recordings_commands",
        "Recordings: every answered call has one, or a reason.",
    ),
    "plan": (
        "hotline.plan_commands:plan",
        "Seats and trunks for a volume, by Erlang B, C and A, beside what the ledger measured.",
    ),
    "guard": (
        "hotline.guard.command:guard",
        "Who is shut out for guessing SIP passwords; let somebody in again.",
    ),
    "abuse": (
        "hotline.abuse.command:abuse",
        "Abuse of SIP and of the desk beside real calls: does service go on, is anything let in?",
    ),
    "soak": (
        "hotline.soak.command:soak",
        "A shift's worth of busy hour, compressed: does anything grow that should not?",
    ),
    "voice": ("hotline.voice_commands:voice_commands", "The synthesiser of announcements: install, try it."),
    "campaign": (
        "hotline.campaign.command:campaign",
        "Kill, hang and cut off parts under calls; hold SIPp's records against the ledger.",
    ),
    "capacity": (
        "hotline.capacity.command:capacity",
        "What this machine carries, and where it breaks: run, report, recording cost, growth.",
    ),
    "bench pop": (
        "hotline.bench.command:pop",
        "From Asterisk's ring to the painted screen pop: p50 and p99.",
    ),
    "bench desk": (
        "hotline.bench.command:desk",
        "One agent's page with its telephone: answer, transfer, load, memory, idle CPU.",
    ),
    "bench floor": (
        "hotline.bench.command:floor",
        "The live floor: event to board, traffic, CPU of the pages, growth by seats, memory.",
    ),
}
"""Commands whose words are in other modules: name -> (module:function or module:typer application, help)."""


@app.callback()
def _closed() -> None:
    os.umask(CLOSED)


@app.command()
def run(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every line of every part.")] = False,
) -> None:
    """Start pbx, cti, worker and desktop, keep them alive, and stop all of them on Ctrl-C."""
    from hotline.start import start

    raise typer.Exit(start(verbose=verbose))


@app.command()
def doctor() -> None:
    """What is there, what is missing, what is listening, and is the PBX link up."""
    from hotline.doctor import report

    raise typer.Exit(report())


@app.command()
def migrate() -> None:
    """Bring the database to the schema of this version."""
    from hotline.prepare import PrepareFailed, ensure_database
    from hotline.settings import load

    try:
        changed = ensure_database(load())
    except PrepareFailed as failure:
        raise SystemExit(str(failure)) from None
    typer.echo("the database was brought up to date" if changed else "the database is up to date")


@app.command()
def seed() -> None:
    """Add what is missing of the demo city: queues, seats, people, units, categories, citizens."""
    from hotline.prepare import PrepareFailed, ensure_database, ensure_secrets, seed_city
    from hotline.settings import load

    try:
        ensure_secrets(load().var)
        load.cache_clear()
        ensure_database(load())
        seed_city(load())
    except PrepareFailed as failure:
        raise SystemExit(str(failure)) from None
    typer.echo("the demo city is there")


@app.command()
def seats() -> None:
    """Seats with what a desk phone needs to register: address, user and password. Not for other eyes."""
    from rich.console import Console
    from rich.table import Table

    from hotline.secrets import seat_password
    from hotline.settings import load

    settings = load()
    if not settings.seat_key:
        raise SystemExit("the seats have no passwords yet: run `make run` once, it makes the secrets")
    table = Table("seat = user", "password", title=f"SIP server {settings.sip_address}:{settings.sip_port}")
    for number in settings.seat_numbers:
        table.add_row(number, seat_password(settings.seat_key, number))
    Console().print(table)


def _command_elsewhere(group: typer.Typer, name: str, place: str, about: str) -> None:
    # The words after the name go unread to the other module, which also answers --help.
    @group.command(
        name.rpartition(" ")[2],
        help=about,
        add_help_option=False,
        context_settings={
            "allow_extra_args": True,
            "ignore_unknown_options": True,
            "allow_interspersed_args": False,
        },
    )
    def words(context: typer.Context) -> None:
        module, _, attribute = place.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command()(found)
            found = single
        found(args=context.args, prog_name=f"hotline {name}")


bench = typer.Typer(no_args_is_help=True, help="Measure the hotline on this machine.")
bench.callback()(lambda: None)
app.add_typer(bench, name="bench")
for _name, (_place, _about) in ELSEWHERE.items():
    _command_elsewhere(bench if _name.startswith("bench ") else app, _name, _place, _about)


def main() -> None:
    """Entry point: a wrong setting is said in one line instead of a traceback."""
    try:
        app()
    except ValueError as error:
        wrong = getattr(error, "errors", None)  # pydantic's ValidationError, which is slow to import
        if wrong is None:
            raise
        for one in wrong():
            name = "_".join(map(str, one["loc"])).upper()
            typer.echo(f"setting HOTLINE_{name} is {one['input']!r}: {one['msg']}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
