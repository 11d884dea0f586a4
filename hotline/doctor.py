"""`hotline doctor`: what is there, what is missing, what listens, and is the PBX linked. Changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import psutil

from hotline.pbx import interface_addresses
from hotline.settings import REPO, Settings, load
from hotline.setup.tree import made_of
from hotline.setup.versions import LEAST_PYTHON, dotted

Grade = Literal["ok", "note", "bad"]
FREE_BYTES = 2 * 1024**3
"""A day of 2,000 recorded calls of four minutes is about 4 GB of FLAC; under 2 GB it is getting urgent."""
LAG_SECONDS = 10.0


@dataclass(frozen=True)
class Finding:
    """One line of the report; a bad one has its remedy in `remedy`."""

    what: str
    grade: Grade
    said: str
    remedy: str = ""


def report() -> int:
    """Print the table; 0 when nothing is bad, else 1."""
    from rich.console import Console
    from rich.table import Table

    findings = list(examine(load()))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "what", "found", "remedy"):
        table.add_column(title, overflow="fold")
    marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "bad": "[red]BAD[/]"}
    from rich.markup import escape

    for one in findings:
        table.add_row(marks[one.grade], one.what, escape(one.said), escape(one.remedy))
    Console(highlight=False).print(table)
    return int(any(one.grade == "bad" for one in findings))


def examine(settings: Settings) -> Iterable[Finding]:
    """Every finding, in the order of reading: machine, files, database, processes, link."""
    yield _python()
    yield _web()
    yield _program("SIPp", "sipp", "hotline call and hotline phone need it", "apt-get install sip-tester")
    yield _program("Chromium", "chromium", "only the browser tests need it", "apt-get install chromium")
    yield _voice()
    yield _asterisk(settings)
    yield _folder(settings.var)
    yield secrets_file(settings.var / "hotline.env")
    yield from _guarded("database", lambda: _database(settings))
    alive = processes(_state(settings.var), psutil.pid_exists)
    yield from alive
    running = any(one.grade == "ok" for one in alive)
    yield from _ports(settings, running)
    yield from _recorder(settings, running)
    yield from _link(settings, running)
    yield from browser_audio(settings.media_address, interface_addresses())


def _recorder(settings: Settings, running: bool) -> Iterable[Finding]:
    from hotline import recorder_findings

    return recorder_findings.findings(settings, running)


def secrets_file(file: Path) -> Finding:
    """Whether the secrets are there and closed to others."""
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return Finding("secrets", "bad", f"{file} is not there", "make run makes it")
    if mode & 0o077:
        return Finding("secrets", "bad", f"{file} can be read by others (mode {mode:o})", f"chmod 600 {file}")
    return Finding("secrets", "ok", f"{file} (mode 600)")


def browser_audio(media_address: str, addresses: list[str]) -> Iterable[Finding]:
    """A machine without any address but loopback gives browsers' telephones no audio."""
    if media_address and not addresses:
        yield Finding(
            "browser telephones",
            "note",
            "no audio: this machine has no address but loopback",
            "ip addr add 10.77.0.1/32 dev lo, then start again",
        )


def processes(state: dict[str, Any], exists: Callable[[int], bool]) -> list[Finding]:
    """One finding for each part of `processes.json`; a note when no process manager runs here."""
    manager = state.get("manager")
    if not manager or not exists(manager):
        return [Finding("processes", "note", "no process manager runs on this folder", "make run starts it")]
    found = []
    for name, part in state["parts"].items():
        pid, starts = part["pid"], part["starts"]
        again = f", started {starts} times" if starts > 1 else ""
        if pid and exists(pid):
            found.append(Finding(name, "ok", f"process {pid}{again}"))
        else:
            found.append(
                Finding(name, "bad", f"not running{again}", f"see the end of its log: var/log/{name}.log")
            )
    return found


def _python() -> Finding:
    version = dotted(tuple(sys.version_info[:3]))
    if sys.version_info[:2] < LEAST_PYTHON:
        return Finding("Python", "bad", version, f"{dotted(LEAST_PYTHON)} or newer: make run PYTHON=...")
    return Finding("Python", "ok", f"{version} in {sys.prefix}")


def _web() -> Finding:
    built = REPO / "agent_desktop/web/dist/index.html"
    if not built.exists():
        return Finding("browser application", "bad", "not built", "make run builds it")
    when = datetime.fromtimestamp(built.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
    return Finding("browser application", "ok", f"built {when}")


def _program(what: str, name: str, why: str, remedy: str) -> Finding:
    path = shutil.which(name)
    return Finding(what, "ok", path) if path else Finding(what, "note", f"not here; {why}", remedy)


def _voice() -> Finding:
    from ivr.voice import FOLDER, is_installed

    if is_installed():
        return Finding("voice", "ok", f"{FOLDER}")
    return Finding("voice", "note", "announcements can only be recorded", "hotline voice install")


def _asterisk(settings: Settings) -> Finding:
    if settings.asterisk:
        from hotline.setup.progress import SetupFailed
        from hotline.setup.tree import check_installed

        try:
            return Finding(
                "Asterisk", "ok", f"{check_installed(str(settings.asterisk))} at {settings.asterisk}"
            )
        except SetupFailed as failure:
            said, _, remedy = str(failure).partition("\n  remedy: ")
            return Finding("Asterisk", "bad", said, remedy)
    made = made_of(settings.pbx_tree)
    if not made:
        return Finding(
            "Asterisk", "bad", f"no tree in {settings.pbx_tree}", "make run, or set HOTLINE_ASTERISK"
        )
    if not shutil.which("bwrap"):
        return Finding("Asterisk", "bad", "the tree needs bubblewrap", "apt-get install bubblewrap")
    return Finding(
        "Asterisk", "ok", f"{made.get('asterisk')} from Debian {made.get('suite')}, {made.get('date')}"
    )


def _folder(var: Path) -> Finding:
    if not var.is_dir():
        return Finding("folder", "bad", f"{var} is not there", "make run makes it")
    if not os.access(var, os.W_OK | os.X_OK):
        return Finding("folder", "bad", f"{var} cannot be written", f"chown -R $USER {var}")
    free = shutil.disk_usage(var).free
    said = f"{var}, {free / 1024**3:.1f} GB free"
    if free < FREE_BYTES:
        return Finding("folder", "bad", said, "make room, or move recordings: they are the bulk of it")
    return Finding("folder", "ok", said)


def _guarded(what: str, findings: Callable[[], list[Finding]]) -> list[Finding]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return findings()
    except SQLAlchemyError as error:
        first = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return [
            Finding(what, "bad", first[:160], "is it up? HOTLINE_DATABASE_URL says where; hotline migrate")
        ]


def _database(settings: Settings) -> list[Finding]:
    from db.engine import open_engine, sessions
    from db.migrate import head, version

    if (
        settings.database.startswith("sqlite")
        and not Path(settings.database.removeprefix("sqlite:///")).exists()
    ):
        return [Finding("database", "bad", "there is none yet", "hotline migrate, or make run")]
    engine = open_engine(settings.database)
    try:
        with engine.connect() as connection:
            found = version(connection)
        name = engine.url.render_as_string(hide_password=True)
        if found != head():
            return [Finding("database", "bad", f"{name} has schema {found}, not {head()}", "hotline migrate")]
        with sessions(engine)() as session:
            return [Finding("database", "ok", f"{name}, schema {found}"), *_ledger(session, settings)]
    finally:
        engine.dispose()


def _ledger(session: Any, settings: Settings) -> list[Finding]:
    """How far the journal is copied, what was not understood, which answered calls have no recording."""
    from sqlalchemy import func, select

    from db.models import Call, JournalEvent, JournalPosition, Recording

    position = session.get(JournalPosition, settings.pbx_name)
    file, offset = (position.file, position.offset) if position else (None, 0)
    findings = [journal(settings.journal, file, offset, session, settings.pbx_name)]
    unknown = session.scalar(select(func.count()).where(JournalEvent.understood.is_(False))) or 0
    if unknown:
        names = session.scalars(
            select(JournalEvent.event).where(JournalEvent.understood.is_(False)).distinct().limit(5)
        ).all()
        findings.append(Finding("journal lines", "note", f"{unknown} not understood: {', '.join(names)}"))
    else:
        findings.append(Finding("journal lines", "ok", "all understood"))
    since = datetime.now(UTC) - timedelta(days=1)
    gaps = session.scalar(
        select(func.count())
        .select_from(Recording)
        .join(Call, Call.uid == Recording.call_uid)
        .where(Recording.state == "gap", Call.arrived_at >= since)
    )
    if gaps:
        findings.append(
            Finding("recordings", "bad", f"{gaps} missing since yesterday", "hotline recordings check")
        )
    else:
        findings.append(Finding("recordings", "ok", "none missing since yesterday"))
    return findings


def journal(path: Path, file: str | None, offset: int, session: Any = None, pbx: str = "") -> Finding:
    """Whether the ledger has all of the journal: the oldest line that it lacks must be seconds old."""
    from cti.copier import lag

    if not path.exists():
        return Finding("journal", "note", "Asterisk has written none yet")
    behind = lag(path, file, offset, session, pbx)
    age = datetime.now().timestamp() - (behind.since or datetime.now().timestamp())
    if behind.bytes > 0 and age > LAG_SECONDS:
        return Finding(
            "journal",
            "bad",
            f"{behind.bytes} bytes not copied, the oldest for {age:.0f} s",
            "is cti running? var/log/cti.log",
        )
    return Finding("journal", "ok", f"copied, {behind.bytes} bytes on their way")


def _ports(settings: Settings, running: bool) -> list[Finding]:
    from hotline import ports

    findings = []
    for port in ports.ports(settings):
        who = ports.holder(port)
        what = f"port {port.number}/{port.protocol}"
        if running and not who:
            findings.append(
                Finding(what, "bad", f"{port.what}: nobody listens", f"see var/log/{port.part}.log")
            )
        elif not running and who:
            findings.append(
                Finding(what, "bad", f"{port.what}: taken by {who}", f"stop it, or set {port.setting}")
            )
        else:
            findings.append(Finding(what, "ok", f"{port.what}: {who or 'free'}"))
    return findings


def _link(settings: Settings, running: bool) -> list[Finding]:
    from hotline.start import health_now

    if not running:
        return []
    try:
        links = health_now(settings).get("links", {})
    except (OSError, ValueError) as error:
        return [Finding("web desk", "bad", f"does not answer: {error}", "see var/log/desktop.log")]
    findings = [Finding("web desk", "ok", "answers")]
    for name, link in links.items() or [(settings.pbx_name, {})]:
        if link.get("connected"):
            findings.append(Finding(f"link {name}", "ok", "the desktop sees the PBX"))
        else:
            findings.append(
                Finding(f"link {name}", "bad", "the desktop is blind", "see var/log/cti.log and pbx.log")
            )
    return findings


def _state(var: Path) -> dict[str, Any]:
    try:
        found = json.loads((var / "processes.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
