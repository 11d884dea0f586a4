"""The result in words: for the terminal and for the report of the capacity run."""

from __future__ import annotations

from typing import Any


def section(result: dict[str, Any]) -> str:
    """Markdown of one result: what was done, the counts, the table of faults, what was found."""
    calls, plan = result["calls"], result["plan"]
    lines = [
        f"{calls['dialled']} calls in {result['seconds']:.0f} s at {plan['seats']} seats, "
        f"{sum(row['times'] for row in result['faults'])} faults, {result['versions']['database']}, "
        f"seed {plan['seed']}; `{result['command']}`, {result['date']}, load average before "
        f"{result['load_average_before']}.",
        "",
        "| counted against SIPp's records, the packets and the pages | must be | found |",
        "|---|---|---|",
        *(f"| {name} | 0 | {count} |" for name, count in result["counts"].items()),
        "",
        "| fault | lasting | times | calls during | blind p50 s | blind max s |",
        "|---|---|---|---|---|---|",
        *(
            f"| {row['fault']} | {row['lasting'] or 'a moment'} | {row['times']} | {row['calls_during']} "
            f"| {row['blind_p50_s']} | {row['blind_max_s']} |"
            for row in result["faults"]
        ),
        "",
        "Counted apart: " + "; ".join(f"{name} {count}" for name, count in result["apart"].items()) + ".",
    ]
    packets = result["packets"]
    if packets["why_not"]:
        lines.append(f"Silence was not measured: {packets['why_not']}.")
    else:
        lines.append(
            f"{packets['captured']} packets towards citizens were looked through "
            f"({packets['dropped']} lost by the capture); first sound after the answer p50 "
            f"{calls['first_sound_p50_s']} s, max {calls['first_sound_max_s']} s."
        )
    lines += [f"Left out: {name}: {why}." for name, why in plan["left_out"].items()]
    if result["findings"]:
        lines += ["", "| count | who | what |", "|---|---|---|"]
        lines += [f"| {one['count']} | {one['who']} | {one['says']} |" for one in result["findings"][:40]]
    return "\n".join(lines) + "\n"


def passed(result: dict[str, Any]) -> bool:
    """Is every count zero?"""
    return not any(result["counts"].values())
