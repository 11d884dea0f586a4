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
