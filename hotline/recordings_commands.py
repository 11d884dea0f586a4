"""`hotline recordings check`: every answered call of a day has a recording, or is listed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import OperationalError

from db.engine import open_engine, sessions
from hotline.settings import load
from recordings import nightly, rounds
from recordings.keep import CITY_TIME
from recordings.nightly import DayReport

recordings_commands = typer.Typer(help="Recordings: what is kept, what is missing.", no_args_is_help=True)


@recordings_commands.callback()
def _recordings() -> None:
    """Recordings: what is kept, what is missing."""


@recordings_commands.command("check")
def check(
    day: Annotated[
        str, typer.Option(help="Day in Asia/Shanghai, YYYY-MM-DD, or 'today'; default: yesterday.")
    ] = "",
    sample: Annotated[
        int | None, typer.Option(min=0, help="Prove only so many files by checksum; default: all.")
    ] = None,
) -> None:
    """Lists answered calls of a day without a good recording. Exit code 1: some missing; 2: no database."""
    now = datetime.now(UTC)
    today = now.astimezone(CITY_TIME).date()
    try:
        wanted = (
            today - timedelta(days=1)
            if not day
            else today
            if day == "today"
            else datetime.strptime(day, "%Y-%m-%d").date()
        )
    except ValueError:
        raise typer.BadParameter(f"{day!r} is no day; write it as 2026-11-21", param_hint="--day") from None
    settings = load()
    open_session = sessions(open_engine(settings.database))
    try:
        done = rounds.check_day(open_session, settings, wanted, now, sample=sample)
    except OperationalError as error:
        typer.echo(
            f"the database cannot be read ({error.orig}): start it, or run `hotline migrate`", err=True
        )
        raise typer.Exit(2) from None
    if wanted < today:
        nightly.save_report(settings, done)
    show(done, Console())
    raise typer.Exit(0 if done.ok else 1)


def show(done: DayReport, console: Console) -> None:
    """Prints one day's report: a table of what is not good, then the sums."""
    if done.lines:
        table = Table(*nightly.COLUMNS, title=f"{done.day} 无完好录音的通话")
        for cells in done.table():
            table.add_row(*cells)
        console.print(table)
    console.print(
        f"{done.day}：应有录音 {done.calls}，正常 {done.kept}，存疑 {done.suspect}，"
        f"有说明的缺失 {done.explained}，缺失 {done.gaps}；"
        f"校验 {done.proved} 个文件，损坏 {done.damaged}"
    )
    if done.orphans:
        console.print(f"台账中找不到通话的录音文件 {len(done.orphans)} 个：{', '.join(done.orphans[:5])}")
    if done.spool_away:
        console.print("交换机的录音目录不存在，无法判断缺失原因")
