"""`hotline menu check|show|compile`: the voice menu from its YAML file to Asterisk's dialplan."""

from __future__ import annotations

import typer

from ivr.check import MENU, check_files
from ivr.compile import TARGET, compile_menu
from ivr.compile import show as drawn
from ivr.menu import Menu, load
from ivr.prompts import texts

menu_commands = typer.Typer(no_args_is_help=True, help="The voice menu: check, show, compile, publish.")


class MenuProblems(Exception):
    """The menu may not be used as it is; the text has a line and a remedy for each problem."""


@menu_commands.callback()
def _menu() -> None:
    """The voice menu: check, show, compile, publish."""


@menu_commands.command()
def check() -> None:
    """Say everything that is wrong with the menu: file, line, remedy. Exit code 1: something is."""
    _checked()
    typer.echo(f"{MENU.name} is good")


@menu_commands.command()
def show() -> None:
    """Print the menu as a tree, with the words that citizens hear."""
    typer.echo(drawn(_checked(), {text.id: text.words for text in texts()}))


@menu_commands.command("compile")
def compile_() -> None:
    """Write the dialplan of the menu; Asterisk takes it at its next start or `dialplan reload`."""
    _checked()
    compiled_menu()
    typer.echo(f"wrote {TARGET}")


@menu_commands.command()
def publish() -> None:
    """Hand the menu (settings HOTLINE_MENU, HOTLINE_MENU_PROFILE) to the running Asterisk: no restart."""
    from hotline.pbx import ConsoleFailed, reload_menu
    from hotline.settings import load as load_settings

    try:
        reload_menu(load_settings())
    except (ValueError, ConsoleFailed, OSError) as problem:
        typer.echo(str(problem), err=True)
        raise typer.Exit(1) from None
    typer.echo("the running Asterisk has taken the menu; calls under way finish as they began")


def compiled_menu() -> None:
    """Check the menu and write its dialplan to `asterisk_conf/generated/`. Raises MenuProblems."""
    problems = check_files()
    if problems:
        raise MenuProblems("\n".join(map(str, problems)))
    menu, _ = load(MENU)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    new = TARGET.with_suffix(".new")
    new.write_text(compile_menu(menu), "utf-8")
    new.replace(TARGET)


def _checked() -> Menu:
    problems = check_files()
    if problems:
        typer.echo("\n".join(map(str, problems)), err=True)
        raise typer.Exit(1)
    menu, _ = load(MENU)
    return menu
