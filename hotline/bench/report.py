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
    "leaders": "load: supervisors' pages",
    "floor screens": "load: Chromium",
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


def floor_tables(report: dict[str, Any]) -> RenderableType:
    """The same for `hotline bench floor`: real line, growth, a shift, verdicts."""
    plan = report["plan"]
    parts: list[RenderableType] = [*_machine(report)]
    if report["calls"]:
        calls = report["calls"]
        parts += [
            f"real line: {plan['seats']} seats, {plan['leaders']} supervisors' pages, {plan['rate']:g} "
            f"calls/s for {plan['seconds']:g} s: {calls['made']} made, {calls['answered']} answered, "
            f"{calls['failed']} failed",
            _delays(report, "how old a change is when it is seen, ms"),
            _views(report["traffic"], "what one page gets"),
            _screens(report["screens"]),
            _seconds(report["cpu_seconds"], report["window_seconds"]),
        ]
    if report["faults"]:
        parts.append(f"faults of the pages: {report['faults']}")
    if report["growth"]:
        parts.append(_growth(report["growth"]))
    if report["soak"]:
        parts.append(_shift_of_changes(plan, report["soak"]))
    return Group(*parts, *map(verdict_line, report["verdicts"]))


def _views(traffic: dict[str, Any], title: str) -> Table:
    table = Table(title=title)
    for column in ("view", "pages", "pushes/s", "kB/min", "snapshot, kB"):
        table.add_column(column, justify="left" if column == "view" else "right")
    for view, one in traffic.items():
        table.add_row(
            view,
            str(one["clients"]),
            number(one["pushes_per_second"]),
            f"{one['bytes_per_minute'] / 1000:.0f}",
            f"{one['snapshot_bytes'] / 1000:.0f}",
        )
    return table


def _screens(screens: dict[str, Any]) -> Table:
    table = Table(title="pages in Chromium", caption="frames: while the page was made to draw each one")
    for column in ("", "% of a core", "frames/s", "longest frame, ms"):
        table.add_column(column, justify="right" if column else "left")
    for name, one in screens.items():
        table.add_row(
            {"chromium": "all of Chromium"}.get(name, name),
            ms(one["percent"]),
            ms(one.get("frames_per_second")),
            ms(one.get("longest_frame_ms")),
        )
    return table


def _seconds(cpu: dict[str, float], window: float) -> Table:
    table = Table(title=f"CPU in the window of {window:g} s")
    for column in ("part", "seconds", "% of a core"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for name, seconds in cpu.items():
        style = "bold" if name in HOTLINE else "dim"
        table.add_row(NAMES.get(name, name), f"{seconds:.1f}", f"{seconds / window * 100:.0f}", style=style)
    return table


def _growth(steps: list[dict[str, Any]]) -> Table:
    """A column for each size; made-up floors on the real link."""
    table = Table(title="growth (made-up floor, real link, desktop and pages)")
    table.add_column("")
    for step in steps:
        table.add_column(f"{step['seats']} seats, {step['clients']} pages", justify="right")
    rows = {
        "changes/s": [number(step["changes_per_second"]) for step in steps],
        "pushes/s, all pages": [number(step["pushes_per_second"]) for step in steps],
        "desktop, % of a core": [number(step["desktop_percent"]) for step in steps],
        "desktop, CPU ms a change": [ms(step["cpu_ms_per_change"]) for step in steps],
        "bytes a change, all pages": [f"{step['bytes_per_change'] or 0:,}" for step in steps],
        "bytes a change, one map": [f"{step['map_bytes_per_change'] or 0:,}" for step in steps],
        "map, kB/min": [f"{step['traffic']['map']['bytes_per_minute'] / 1000:.0f}" for step in steps],
        "event to push, p99, ms": [ms(step["age_ms"]["p99"]) for step in steps],
        "map in Chromium, % of a core": [ms(step["screens"].get("map", {}).get("percent")) for step in steps],
        "wall in Chromium, % of a core": [
            ms(step["screens"].get("wall", {}).get("percent")) for step in steps
        ],
    }
    for name, row in rows.items():
        table.add_row(name, *row)
    return table


def _shift_of_changes(plan: dict[str, Any], soak: dict[str, Any]) -> Table:
    """Memory at each of the shift's hours, MB."""
    table = Table(
        title=f"{plan['hours']:g} hours of changes, {plan['speed']:g} times faster: "
        f"{soak['changes']:,} changes, {soak['calls']:,} calls; memory, MB",
        caption=f"pushes to one page of each view: {soak['pushes']}; "
        f"beside this, {soak['ledger_kb_per_call']:g} kB for each call of the ledger's day",
    )
    table.add_column("hour")
    for hour in soak["hours"]:
        table.add_column(f"{hour['hour']:g}", justify="right")
    for name, words in (("desktop", "desktop (RSS)"), ("map", "map (JS heap)"), ("wall", "wall (JS heap)")):
        table.add_row(words, *(mb(hour[name]) for hour in soak["hours"]))
    return table


def mb(size: float | None) -> str:
    return "–" if size is None else f"{size / 1e6:.1f}"


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
