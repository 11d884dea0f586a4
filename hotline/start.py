"""`hotline run`: prepares, checks the ports, starts the four parts, and says how to use them."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from hotline import ports
from hotline.prepare import PrepareFailed, make_writable, prepare
from hotline.run import AlreadyRunning, Part, Supervision, held, run_until_signal
from hotline.settings import REPO, Settings, load
from hotline.setup.progress import SetupFailed
from hotline.setup.tree import check_installed

COLOURS = {"pbx": "magenta", "cti": "cyan", "worker": "yellow", "desktop": "green", "": "bold"}
COLOURS |= {"recorder": "blue", "recorder2": "blue"}
READY_SECONDS = 60.0
RECORDER = {"a": "recorder", "b": "recorder2"}
"""Passive recorder -> its part."""
ROLES = {
    "agent": "agent 话务员",
    "shift_leader": "shift leader 班长",
    "supervisor": "supervisor 值班主管",
    "inspector": "inspector 质检员",
    "dispatcher": "dispatcher 派单员",
    "administrator": "administrator 管理员",
}


def start(*, verbose: bool = False) -> int:
    """Run the whole hotline until Ctrl-C. Returns the exit code: 1 when it could not be started."""
    console = Console(highlight=False)

    def say(name: str, text: str) -> None:
        mark = f"[{COLOURS[name]}]{name or 'hotline':>8}[/] | "
        console.print(mark, end="")
        console.print(text, markup=False, soft_wrap=True)

    try:
        var = load().var
        make_writable(var)
        with held(var):
            settings = prepare(lambda text: say("", text))
            problems = obstacles(settings)
            for line in problems:
                say("", line)
            if problems:
                return 1
            return asyncio.run(_run(settings, say, console, verbose))
    except (PrepareFailed, AlreadyRunning) as failure:
        say("", str(failure))
        return 1


def parts(settings: Settings) -> list[Part]:
    """The parts in the order of starting; they are stopped in reverse, all within 10 s."""

    async def pbx_answers() -> bool:
        return await _connects("127.0.0.1", settings.ami_port)

    async def cti_is_linked() -> bool:
        return bool((await health(settings))["links"][settings.pbx_name]["connected"])

    async def desktop_answers() -> bool:
        return bool((await health(settings))["ok"])

    python = sys.executable
    return [
        Part("pbx", (python, "-m", "hotline.pbx"), grace=2.5, stop_name="asterisk", ready=pbx_answers),
        Part("cti", (python, "-m", "cti"), grace=1.5, ready=cti_is_linked),
        *(
            Part(RECORDER[name], (python, "-m", "recordings.capture", name), grace=1.5)
            for name in settings.recorder_names
        ),
        Part("worker", (python, "-m", "hotline.worker"), grace=2.0),
        Part("desktop", (python, "-m", "agent_desktop"), grace=3.5, ready=desktop_answers),
    ]


def obstacles(settings: Settings) -> list[str]:
    """What would keep the parts from starting, one line each with its remedy."""
    lines = [line for line in map(ports.problem, ports.ports(settings)) if line]
    if not (REPO / "agent_desktop/web/dist/index.html").exists():
        lines.append("the browser application is not built: make run")
    if settings.asterisk is None and not (settings.pbx_tree / "usr/sbin/asterisk").exists():
        lines.append(f"there is no PBX tree in {settings.pbx_tree}: make run, or set HOTLINE_ASTERISK")
    if settings.asterisk is not None:
        try:
            check_installed(str(settings.asterisk))
        except SetupFailed as failure:
            lines.append(str(failure))
    return lines


async def health(settings: Settings) -> dict[str, Any]:
    """What the desktop says about itself. Raises OSError or ValueError when it does not answer."""
    return await asyncio.to_thread(health_now, settings)


def health_now(settings: Settings) -> dict[str, Any]:
    """The same, blocking for at most 2 s."""
    with urllib.request.urlopen(f"{local_address(settings)}/api/health", timeout=2) as answer:
        found = json.load(answer)
    if not isinstance(found, dict):
        raise ValueError("the desktop's health is no object")
    return found


def local_address(settings: Settings) -> str:
    """Where the web desk is reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.web_address, settings.web_address)
    return f"http://{host}:{settings.web_port}"


def demo_accounts(settings: Settings) -> list[tuple[str, str]]:
    """(role, logins) of the accounts in the database, one row for each role."""
    from sqlalchemy import select

    from db.engine import open_engine, sessions
    from db.models import User

    engine = open_engine(settings.database)
    try:
        with sessions(engine)() as session:
            people = session.execute(
                select(User.role, User.login).where(User.active).order_by(User.login)
            ).tuples()
            by_role: dict[str, list[str]] = {}
            for role, login in people:
                by_role.setdefault(role, []).append(login)
    finally:
        engine.dispose()
    return [(ROLES[role], _span(by_role[role])) for role in ROLES if role in by_role]


async def _run(settings: Settings, say: Any, console: Console, verbose: bool) -> int:
    supervision = Supervision(parts(settings), settings.var, say, cwd=REPO, verbose=verbose)

    async def when_started() -> None:
        late = await supervision.until_ready(READY_SECONDS)
        for name in late:
            say(
                name,
                f"not ready after {READY_SECONDS:.0f} s: see {settings.var / 'log' / name}.log",
            )
        if not late and not supervision.is_stopping:
            console.print(_how_to(settings))

    await run_until_signal(supervision, when_started)
    return 0


def _how_to(settings: Settings) -> Table:
    table = Table.grid(padding=(0, 2))
    table.title, table.title_justify, table.title_style = "The hotline is up", "left", "bold green"
    table.add_row("Open", local_address(settings))
    accounts = demo_accounts(settings)
    for index, (role, logins) in enumerate(accounts):
        table.add_row("Log in" if index == 0 else "", f"{logins}  ({role})")
    if settings.demo_password:
        table.add_row("Password", f"{settings.demo_password}  (of every demo account)")
    table.add_row("Agent's phone", ".venv/bin/hotline phone --seat 8001")
    page = f"; or in a browser: {local_address(settings)}/citizen" if settings.has_citizen_page else ""
    table.add_row("Call 12345", f".venv/bin/hotline call{page}")
    table.add_row("Look", f".venv/bin/hotline doctor; logs in {settings.var / 'log'}")
    table.add_row("Stop", "Ctrl-C")
    return table


def _span(logins: Sequence[str]) -> str:
    return logins[0] if len(logins) == 1 else f"{logins[0]} ... {logins[-1]}"


async def _connects(address: str, port: int) -> bool:
    _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 2)
    writer.close()
    return True
