"""The arithmetic of the benchmark: percentiles, CPU for 1,000 calls, verdicts against the aims. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

AIM_PAINTED_MS = 150.0
"""99 of 100 pops are painted within this time after Asterisk's ring, on an otherwise idle machine."""
AIM_LEDGER_MS = 1000.0
AIM_CPU_RATIO = 1 / 3
"""cti and desktop together use less than this part of Asterisk's CPU."""
AIM_HEAP_KB = 20.0
"""For 100 calls more the heap may hold so much more: the stopwatch's own list is 10 kB of it."""

AIM_FLOOR_MS = 500.0
"""99 of 100 changes of the floor are in a page within this time after Asterisk's event."""
AIM_PAGE_PERCENT = 15.0
"""A page that shows the floor takes less than this of one core."""
AIM_COST_GROWTH = 1.5
"""A change on the largest floor costs the desktop less than so many times one on the smallest."""
AIM_DAY_MB = 10.0
"""By so much at the most is the desktop larger at the end of a shift than in its middle."""
AIM_DAY_HEAP_MB = 3.0

EVENT_PUSHED = "seat's event to the map in a page's socket"
EVENT_PAINTED = "seat's event to the painted map"
RING_PAINTED = "ring (Asterisk's stamp) to painted pop"

Sample = tuple[int, float]
"""Epoch ms of Asterisk's own stamp, and the delay from there in ms."""


@dataclass(frozen=True)
class Spread:
    """How a number of delays lie, in ms; None where there were none."""

    n: int
    p50: float | None
    p99: float | None
    max: float | None


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The smallest value that `percent` of all values do not exceed (nearest rank); None of nothing.

    With n values the 99th percentile is the maximum until n is above 100: no value is invented.
    """
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def spread(values: Iterable[float]) -> Spread:
    known = list(values)
    return Spread(len(known), percentile(known, 50), percentile(known, 99), max(known, default=None))


def within(samples: Iterable[Sample], begin: int, end: int) -> list[float]:
    """The delays of what Asterisk stamped in the measured window (epoch ms, both ends included)."""
    return [delay for at, delay in samples if begin <= at <= end]


def per_thousand(seconds: float, calls: int) -> float | None:
    """CPU seconds for 1,000 calls."""
    return seconds / calls * 1000 if calls else None


def cpu_ratio(cpu: Mapping[str, float]) -> float | None:
    """(cti + desktop) / Asterisk; None when Asterisk has used nothing measurable."""
    asterisk = cpu.get("pbx", 0.0)
    return (cpu.get("cti", 0.0) + cpu.get("desktop", 0.0)) / asterisk if asterisk > 0 else None


@dataclass(frozen=True)
class Verdict:
    """One aim and what was measured; `met` None: not measured."""

    aim: str
    measured: float | None
    unit: str
    limit: float

    @property
    def met(self) -> bool | None:
        return None if self.measured is None else self.measured < self.limit

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def verdicts(painted: Spread, ledger: Spread, ratio: float | None) -> list[Verdict]:
    """What the run says to the three aims."""
    return [
        Verdict("ring to painted pop, p99", painted.p99, "ms", AIM_PAINTED_MS),
        Verdict("journal to ledger, p99", ledger.p99, "ms", AIM_LEDGER_MS),
        Verdict("(cti + desktop) / Asterisk, CPU", ratio, "", AIM_CPU_RATIO),
    ]


def fits(seats: int, rate: float, cycle: float) -> bool:
    """Whether `seats` can take `rate` calls a second when each keeps a seat for `cycle` seconds."""
    return rate * cycle <= seats


def growth_per_hundred(marks: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What has grown by how much for each 100 calls, from the first look at a page's memory to the last.

    {} of less than two looks.
    """
    if len(marks) < 2:
        return {}
    first, last = marks[0], marks[-1]
    hundreds = (last["calls"] - first["calls"]) / 100
    return {name: round((last[name] - first[name]) / hundreds, 2) for name in last if name != "calls"}


def desk_verdicts(delays: Mapping[str, Spread], growth: Mapping[str, float]) -> list[Verdict]:
    """What a run at one desk says to the aims."""
    painted, heap = delays.get(RING_PAINTED), growth.get("heap_bytes")
    return [
        Verdict("ring to painted pop, p99", painted.p99 if painted else None, "ms", AIM_PAINTED_MS),
        Verdict(
            "growth of the page's heap for 100 calls",
            None if heap is None else heap / 1000,
            "kB",
            AIM_HEAP_KB,
        ),
    ]


# --- the live floor ------------------------------------------------------------------------------------


def rise(samples: Iterable[Sequence[float]], begin: float, end: float) -> tuple[float, float] | None:
    """(by how much a counter rose, in how many ms) between the first and the last look in the window.

    `samples` are (epoch ms, counter). None of less than two looks.
    """
    inside = [(at, value) for at, value in samples if begin <= at <= end]
    if len(inside) < 2 or inside[-1][0] <= inside[0][0]:
        return None
    return inside[-1][1] - inside[0][1], inside[-1][0] - inside[0][0]


def percent_of_core(samples: Iterable[Sequence[float]], begin: float, end: float) -> float | None:
    """CPU seconds looked at now and then, as a part of one core."""
    found = rise(samples, begin, end)
    return None if found is None else round(found[0] / found[1] * 100_000, 2)


def ledger_ages(rows: Iterable[tuple[int, int]], versions: Iterable[Sequence[float]]) -> list[Sample]:
    """How long each call's end took to be counted on a board.

    `rows` are (id of the journal's row, epoch ms of the end), `versions` (arrival in epoch ms, last row
    counted) of one page's boards in order. A row that no board has counted is left out.
    """
    ages = []
    boards = iter(versions)
    board = next(boards, None)
    for number, ended_at in sorted(rows):
        while board is not None and board[1] < number:
            board = next(boards, None)
        if board is None:
            break
        ages.append((ended_at, board[0] - ended_at))
    return ages


def traffic_within(
    traffic: Mapping[str, Sequence[float]] | Mapping[int, Sequence[float]], begin: float, end: float
) -> tuple[float, float]:
    """(pushes, bytes) of the whole seconds between two epoch ms; `traffic` is {second: [pushes, bytes]}."""
    inside = [value for second, value in traffic.items() if begin <= int(second) * 1000 <= end - 1000]
    return sum(value[0] for value in inside), sum(value[1] for value in inside)


def at_moment(samples: Iterable[Sequence[float]], moment: float) -> float | None:
    """The last value looked at by then; None before the first look."""
    return next((value for at, value in reversed(list(samples)) if at <= moment), None)


def floor_verdicts(report: Mapping[str, Any]) -> list[Verdict]:
    """What a run of `hotline bench floor` says to the aims; what was left out is not measured."""
    delays, soak = report["delays_ms"], report["soak"] or {}
    pages, steps = report["screens"], report["growth"]
    costs = [step["cpu_ms_per_change"] for step in steps if step["clients"] == steps[0]["clients"]]
    more = costs[-1] / costs[0] if len(costs) > 1 and costs[0] and costs[-1] else None

    def p99(name: str) -> float | None:
        found: float | None = delays.get(name, {}).get("p99")
        return found

    return [
        Verdict("event to the map in a page's socket, p99", p99(EVENT_PUSHED), "ms", AIM_FLOOR_MS),
        Verdict("event to the painted map, p99", p99(EVENT_PAINTED), "ms", AIM_FLOOR_MS),
        *(
            Verdict(
                f"page of the {name}, CPU",
                pages.get(name, {}).get("percent"),
                "% of a core",
                AIM_PAGE_PERCENT,
            )
            for name in ("map", "wall")
        ),
        Verdict("CPU for one change, largest floor to smallest", more, "times", AIM_COST_GROWTH),
        Verdict("memory of the desktop, second half", soak.get("desktop_mb"), "MB", AIM_DAY_MB),
        *(
            Verdict(
                f"heap of the {name}, second half",
                soak.get(f"{name}_heap_mb"),
                "MB",
                AIM_DAY_HEAP_MB,
            )
            for name in ("map", "wall")
        ),
    ]
