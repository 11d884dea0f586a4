"""Does it grow? A line through what was seen after the warm-up, and what it comes to in a shift. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

BUSY_HOUR = 5_040
"""Calls: 1.4 a second, the busy hour of 150 seats."""
SHIFT = 8 * BUSY_HOUR
WARM = 1 / 3
"""Part of the calls that is left out: caches, pools and threads are made then."""
JUDGED_FROM = 3_000
"""Of fewer calls memory is measured, not judged: Asterisk's and the desktop's caches are still filling."""
LIMITS = {"pss": 40e6, "rss": 40e6, "fds": 10.0, "threads": 10.0}
"""What a part may have grown by in a shift: bytes, descriptors, threads."""
LEFT = ("channels", "spool files", "temporary files", "tasks waiting")
"""Of these nothing may be left when the last call has ended."""
LEDGER_SLACK = 0.15
"""Rows for a call may differ so much between the two halves: calls are cut at different places."""
STANDING_ROWS = 30
"""Tables of which a call is not the reason may have grown by so many rows."""


@dataclass(frozen=True)
class Fit:
    """A straight line by least squares: growth per 1,000 calls and its standard error."""

    per_1000: float
    error: float
    points: int

    def in_a_shift(self) -> float:
        return self.per_1000 * SHIFT / 1000

    def surely(self) -> float:
        """What a shift grows by at the least, with 19 to 1."""
        return (self.per_1000 - 2 * self.error) * SHIFT / 1000


def fit(points: Sequence[tuple[float, float]]) -> Fit | None:
    """(calls, value) pairs; None for less than three, or where no calls lie between."""
    count = len(points)
    if count < 3:
        return None
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    across = sum((x - mean_x) ** 2 for x, _ in points)
    if across == 0:
        return None
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / across
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return Fit(slope * 1000, math.sqrt(rest / (count - 2) / across) * 1000, count)


def after_warm_up(looks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Looks from the last two thirds of the calls."""
    if not looks:
        return []
    least = looks[-1]["calls"] * WARM
    return [look for look in looks if look["calls"] >= least]


def parts(looks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each part and each thing it has: first, last, growth, verdict. A part that was started anew
    has no line."""
    # The last look is at a line that rests: it has no calls' channels, threads and descriptors.
    kept = after_warm_up(looks[:-1])
    enough = bool(looks) and looks[-1]["calls"] >= JUDGED_FROM
    rows = []
    for part in sorted({name for look in kept for name in look["parts"]}):
        for what, limit in LIMITS.items():
            points = [(look["calls"], look["parts"][part][what]) for look in kept if part in look["parts"]]
            line = fit(points)
            rows.append(
                {
                    "part": part,
                    "what": what,
                    "first": points[0][1] if points else None,
                    "last": points[-1][1] if points else None,
                    "fit": asdict(line) if line else None,
                    "in_a_shift": line.in_a_shift() if line else None,
                    "surely": line.surely() if line else None,
                    "limit": limit,
                    "met": not enough or (line is not None and line.surely() < limit),
                }
            )
    return rows


def tables(looks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each table that has grown: rows for a call in the two halves after the warm-up, verdict."""
    kept = after_warm_up(looks)
    if len(kept) < 3:
        return []
    first, middle, last = kept[0], kept[len(kept) // 2], kept[-1]
    rows = []
    for name in sorted(last["rows"]):
        grown = last["rows"][name] - first["rows"].get(name, 0)
        if grown <= 0:
            continue
        early, late = _per_call(first, middle, name), _per_call(middle, last, name)
        standing = grown <= STANDING_ROWS
        flat = early is not None and late is not None and abs(late - early) <= LEDGER_SLACK * max(early, late)
        rows.append({"table": name, "grown": grown, "early": early, "late": late, "met": standing or flat})
    return rows


def _per_call(one: Mapping[str, Any], other: Mapping[str, Any], table: str) -> float | None:
    calls = other["calls"] - one["calls"]
    return (other["rows"][table] - one["rows"].get(table, 0)) / calls if calls else None


def bytes_per_call(looks: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Database, archive, logs, astdb: bytes for each call after the warm-up."""
    kept = after_warm_up(looks)
    if len(kept) < 2 or kept[-1]["calls"] == kept[0]["calls"]:
        return {}
    calls = kept[-1]["calls"] - kept[0]["calls"]
    return {
        name: round((kept[-1]["bytes"][name] - kept[0]["bytes"][name]) / calls, 1)
        for name in kept[-1]["bytes"]
    }


def left(last: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is there at the end and should not be."""
    return [{"what": name, "left": last["left"][name], "met": last["left"][name] == 0} for name in LEFT]


def verdicts(looks: Sequence[Mapping[str, Any]], calls: Mapping[str, int]) -> list[dict[str, Any]]:
    """[{"aim", "measured", "met"}]"""
    found = [
        {
            "aim": "calls answered, of all",
            "measured": calls["answered"] / calls["made"] if calls["made"] else 0.0,
            "met": calls["answered"] == calls["made"] > 0,
        }
    ]
    for row in parts(looks):
        if row["what"] != "rss":
            unit = {"pss": "MB"}.get(row["what"], row["what"])
            grown = row["in_a_shift"]
            shown = None if grown is None else round(grown / (1e6 if unit == "MB" else 1), 2)
            found.append(
                {"aim": f"{row['part']}: {unit} more in a shift", "measured": shown, "met": row["met"]}
            )
    for row in tables(looks):
        if not row["met"]:
            found.append(
                {"aim": f"rows of {row['table']} for a call, flat", "measured": row["late"], "met": False}
            )
    for row in left(looks[-1]) if looks else []:
        found.append({"aim": f"{row['what']} at the end", "measured": row["left"], "met": row["met"]})
    return found
