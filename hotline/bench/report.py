"""The report as tables for a terminal. Pure: the report in, something that rich can print out."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

HOTLINE = ("pbx", "cti", "desktop", "worker")
NAMES = {
    "pbx": "Asterisk",
    "worker": "worker (recordings)",
    "sipp": "load: SIPp",
    "pages": "load: pages",
    "chromium": "load: Chromium",
    "our wire": "measuring: our wire",
    "pyst2": "measuring: pyst2",
    "ledger": "measuring: ledger",
    "bench": "measuring: bench",
    "machine": "everything on this machine",
}


def tables(report: dict[str, Any]) -> RenderableType:
    """All of it, in the order of reading: what ran, delays, CPU, verdicts."""
    return Group(*_about(report), _pop_delays(report), _cpu(report), *map(verdict_line, report["verdicts"]))


def desk_tables(report: dict[str, Any]) -> RenderableType:
    """The same for `hotline bench desk`."""
    parts: list[RenderableType] = [*_machine(report)]
    if report["delays_ms"]:
        parts.append(_delays(report, "what an agent waits for, ms"))
    if report["idle"]:
        idle = report["idle"]
        parts.append(
            f"idle page: {idle['page_percent']:g} % of one core, all of Chromium "
            f"{idle['chromium_percent']:g} % ({idle['seconds']:g} s)"
        )
    if report["shift"]:
        parts.append(_shift(report))
    return Group(*parts, *map(verdict_line, report["verdicts"]))


def _machine(report: dict[str, Any]) -> list[str]:
    machine = report["machine"]
    return [
        f"{report['at']}  {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"load {machine['load_before']} before, {machine['load_after']} after",
        ", ".join(f"{name} {version}" for name, version in report["versions"].items() if version),
    ]


def _shift(report: dict[str, Any]) -> Table:
    """Memory of the page: a column for each look, and what it grows by."""
    marks, growth = report["shift"]["marks"], report["growth_per_100_calls"]
    table = Table(
        title=f"the page after a shift of calls ({report['shift']['seconds']} s), garbage collected"
    )
    table.add_column("")
    for mark in marks:
        table.add_column(f"{mark['calls']:g} calls", justify="right")
    table.add_column("for 100 calls more", justify="right")
    for name in [name for name in marks[-1] if name != "calls"]:
        more = f"{growth[name]:+,.10g}" if name in growth else "–"
        table.add_row(name, *(f"{mark[name]:,.0f}" for mark in marks), more)
    return table


def _about(report: dict[str, Any]) -> list[str]:
    plan, calls = report["plan"], report["calls"]
    first, last = calls["wait_ms_first_third"], calls["wait_ms_last_third"]
    lines = [
        *_machine(report),
        f"{plan['seats']} seats ({plan['chromium']} in Chromium), {plan['rate']:g} calls/s for "
        f"{plan['seconds']:g} s, talk {plan['talk']:g} s, after-call work {plan['wrapup_seconds']} s",
        f"calls: {calls['made']} made, {calls['answered']} answered, {calls['failed']} failed; "
        f"ledger: {', '.join(f'{name} {n}' for name, n in calls['outcomes'].items())}",
        f"menu to answer, p50: {ms(first['p50'])} ms in the first third, {ms(last['p50'])} ms in the last",
    ]
    if report["faults"]:
        lines.append(f"faults of the pages: {report['faults']}")
    return lines


def _pop_delays(report: dict[str, Any]) -> Table:
    table = _delays(report, "delay from Asterisk's own time stamp to, ms")
    table.caption = f"ledger: looked every {report['ledger_resolution_ms']:g} ms, counted to the look"
    return table


def _delays(report: dict[str, Any], title: str) -> Table:
    table = Table(title=title)
    table.add_column("")
    for column in ("n", "p50", "p99", "max"):
        table.add_column(column, justify="right")
    for name, one in report["delays_ms"].items():
        table.add_row(name, str(one["n"]), ms(one["p50"]), ms(one["p99"]), ms(one["max"]))
    return table


def _cpu(report: dict[str, Any]) -> Table:
    table = Table(title="CPU seconds, user and system")
    table.add_column("part")
    table.add_column("in the run", justify="right")
    table.add_column("for 1,000 calls", justify="right")
    for name, seconds in report["cpu_seconds"].items():
        thousand = report["cpu_per_1000_calls"][name]
        shown = "–" if thousand is None else f"{thousand:.1f}"
        table.add_row(
            NAMES.get(name, name), f"{seconds:.2f}", shown, style="bold" if name in HOTLINE else "dim"
        )
    return table


def verdict_line(verdict: dict[str, Any]) -> str:
    """ "met: ring to painted pop, p99 = 88 ms (aim: under 150 ms)"."""
    word = {True: "met", False: "MISSED", None: "not measured"}[verdict["met"]]
    unit = f" {verdict['unit']}" if verdict["unit"] else ""
    if verdict["measured"] is None:
        return f"{word}: {verdict['aim']} (aim: under {number(verdict['limit'])}{unit})"
    return (
        f"{word}: {verdict['aim']} = {number(verdict['measured'])}{unit} "
        f"(aim: under {number(verdict['limit'])}{unit})"
    )


def ms(value: float | None) -> str:
    """Milliseconds as read: one decimal below ten, none above."""
    return "–" if value is None else f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"


def number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
