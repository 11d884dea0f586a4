"""The result of `hotline abuse` as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def section(result: Mapping[str, Any]) -> str:
    """Tables of the phases, of the guesses and of what was let in, and what was missed."""
    plan, about = result["plan"], result["machine"]
    lines = [
        "## Abuse beside the day's work",
        "",
        f"{result['date'][:10]}, {about['processor']}, {about['cores']} cores, Asterisk "
        f"{result['versions'].get('asterisk', '')}; load average before: {result['load_average_before']}. "
        f"{plan['seats']} seats with a page each, {plan['rate']:g} calls a second for {plan['seconds']:g} s "
        f"in each phase; floods of SIP send {plan['messages']:g} messages a second from nobody's addresses. "
        f"`{result.get('command', 'hotline abuse')}`",
        "",
        "| beside it | answered | post-dial delay p50 / p99, ms | pop p50 / p99, ms | desktop, MB | abuse |",
        "|---|---|---|---|---|---|",
    ]
    for phase in result["phases"]:
        memory = phase["memory_mb"].get("desktop", 0)
        lines.append(
            f"| {phase['kind']} | {phase['answered']} of {phase['calls']} | {_both(phase['post_dial_ms'])} | "
            f"{_both(phase['pop_ms'])} | {memory:.0f} | {_abuse(phase['abuse'])} |"
        )
    lines += [
        "",
        "| guessed | answers before silence | seconds | the right password then |",
        "|---|---|---|---|",
    ]
    for name, guess in result["guesses"].items():
        right = "no answer" if guess["right_password_after"] is None else guess["right_password_after"]
        lines.append(f"| {name} | {guess['answered']} | {guess['seconds']} | {right} |")
    inside = result["inside"]
    lines += [
        "",
        f"Let in: {inside['ledger_rows_beyond_calls']} calls, {inside['channels_left']} channels, "
        f"{inside['registered_strangers']} registrations. Asterisk's logs grew to {inside['log_mb']} MB.",
    ]
    missed = [one for one in result["verdicts"] if not one["met"]]
    if missed:
        lines += ["", "Missed: " + "; ".join(f"{one['aim']} ({one['measured']})" for one in missed) + "."]
    return "\n".join(lines) + "\n"


def _both(spread: Mapping[str, Any]) -> str:
    if spread["p50"] is None:
        return "-"
    return f"{spread['p50']:.0f} / {spread['p99']:.0f}"


def _abuse(told: Mapping[str, Any]) -> str:
    words = [f"{told[name]} {name}" for name in ("sent", "opened", "cut") if told.get(name)]
    answers = ", ".join(f"{count} × {status}" for status, count in sorted(told.get("answers", {}).items()))
    return "; ".join([*words, answers] if answers else words) or "-"
