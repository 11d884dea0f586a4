"""The result of `hotline soak` as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hotline.soak.judge import JUDGED_FROM

UNITS = {"pss": ("MB", 1e6), "rss": ("MB", 1e6), "fds": ("descriptors", 1.0), "threads": ("threads", 1.0)}


def section(result: Mapping[str, Any]) -> str:
    """What each part has grown by, what a call leaves behind, and what was missed."""
    plan, about, calls = result["plan"], result["machine"], result["calls"]
    few = calls["made"] < JUDGED_FROM
    short = [f"Below {JUDGED_FROM} calls memory is not judged: caches are still filling.", ""] if few else []
    lines = [
        "## A shift's worth of busy hour",
        "",
        f"{result['date'][:10]}, {about['processor']}, {about['cores']} cores, Asterisk "
        f"{result['versions'].get('asterisk', '')}, {result['versions'].get('database', '')}; load before: "
        f"{result['load_average_before']}. {calls['made']} calls at {plan['rate']:g} a second, "
        f"{calls['answered']} answered: {result['hours_worth']} hours' worth of the busy hour (1.4 calls/s) "
        f"in {result['seconds']} s. `{result.get('command', 'hotline soak')}`",
        "",
        "Growth is a straight line through the last two thirds; a shift is 40,320 calls, ± is twice its "
        "standard error.",
        "",
        *short,
        "| part | what | first | last | in a shift | |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["parts"]:
        if row["what"] == "rss" or row["fit"] is None:
            continue
        unit, size = UNITS[row["what"]]
        spread = abs(row["in_a_shift"] - row["surely"])
        lines.append(
            f"| {row['part']} | {unit} | {row['first'] / size:.1f} | {row['last'] / size:.1f} | "
            f"{row['in_a_shift'] / size:+.1f} ± {spread / size:.1f} | {'' if row['met'] else 'grows'} |"
        )
    lines += ["", "| table | rows for a call, first half | second half |", "|---|---|---|"]
    for row in result["tables"]:
        if row["early"] is not None and (row["early"] > 0.01 or not row["met"]):
            late = "too few calls" if row["late"] is None else f"{row['late']:.2f}"
            lines.append(f"| {row['table']} | {row['early']:.2f} | {late} |")
    kept = ", ".join(f"{name} {size / 1000:.1f} kB" for name, size in result["bytes_per_call"].items())
    there = ", ".join(f"{row['left']} {row['what']}" for row in result["left"])
    lines += ["", f"A call leaves on the disk: {kept}. At the end there are {there}."]
    missed = [one for one in result["verdicts"] if not one["met"]]
    if missed:
        lines += ["", "Missed: " + "; ".join(f"{one['aim']} ({one['measured']})" for one in missed) + "."]
    return "\n".join(lines) + "\n"
