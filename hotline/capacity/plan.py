"""What the capacity run does, in order: the steps, the ratio to a bare Asterisk, the situations. Pure.

ours 10…300 · bare recording 10…300 · bare without · the other recorder · PostgreSQL
ramp · busy hour · the day · surge · record day · twice too many
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hotline.load import draw

SIZES = (10, 50, 100, 150, 200, 300)
MUST_CARRY = 150
"""Seats talking at once that one machine of two cores must carry."""


FIRST = (
    "150 talking",
    "150 talking, bare",
    "10 talking",
    "300 talking",
    "busy hour",
    "ramp of calls",
    "50 talking",
    "150 talking, PostgreSQL",
    "twice too many",
    "100 talking",
    "150 talking, bare, not recorded",
    "150 talking, mixmonitor",
)
"""What decides comes first: a run that is stopped by its limit has answered the most."""


@dataclass(frozen=True)
class Job:
    """One run of a step. `kind` says how the report reads it; `rate` is a word that `rate_of` understands."""

    name: str
    kind: str
    """ours | bare | bare off | other recorder | postgresql | ramp | situation | overload"""
    talking: int
    seconds: float
    """After this the step is stopped and counts as failed."""
    window: float = 40.0
    recorder: str = "mixmonitor"
    bare: bool = False
    database: str = ""
    chromium: int = 0
    seats: int = 0
    rate: str = ""
    fill: bool = True
    times: float = 1.0
    patience: float = 0.0
    probe: bool = False
    settle: float = 12.0
    idle: float = 3.0
    """Seconds in which is looked what everything takes while nobody calls."""
    bucket: float = 0.0
    talk: float = 0.0
    what: str = ""
    limits: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def rate_of(words: str, scenario: draw.Scenario, window: float) -> draw.Rate | None:
    """A rate from its words: "1.4", "surge 30", "day 5" (calls/s at its peak), "ramp 2 30"; '' is None.

    Raises ValueError for other words.
    """
    parts = words.split()
    match parts:
        case []:
            return None
        case [number]:
            return draw.steady(float(number))
        case ["surge", at]:
            return draw.rising(scenario, float(at))
        case ["day", peak]:
            times = 86_400 / window
            whole = draw.day(scenario, times)
            most = max(whole(window * (hour + 0.5) / 24) for hour in range(24))
            return lambda t: whole(t) / most * float(peak)
        case ["ramp", first, last]:
            low, high = float(first), float(last)
            return lambda t: low + (high - low) * min(max(t / window, 0.0), 1.0)
        case _:
            raise ValueError(f"no rate is called {words!r}")


def whole(recorder: str, postgres: bool = True) -> list[Job]:
    """The complete run, the most telling jobs first: less than 60 minutes."""
    other = "capture" if recorder == "mixmonitor" else "mixmonitor"
    jobs = [
        Job(f"{n} talking", "ours", n, 150 + n / 2, recorder=recorder, chromium=2 if n in (50, 150) else 0)
        for n in SIZES
    ]
    jobs += [
        Job(f"{n} talking, {other}", "other recorder", n, 150 + n / 2, recorder=other) for n in (150, 300)
    ]
    bare = Job("", "bare", 0, 260, window=20, recorder=recorder, bare=True)
    jobs += [replace(bare, name=f"{n} talking, bare", talking=n) for n in SIZES]
    jobs += [
        Job(
            f"{n} talking, bare, not recorded",
            "bare off",
            n,
            100 + n / 2,
            window=25,
            recorder="off",
            bare=True,
        )
        for n in (10, 150, 300)
    ]
    if postgres:
        jobs += [
            Job(
                f"{n} talking, PostgreSQL",
                "postgresql",
                n,
                160 + n / 2,
                recorder=recorder,
                database="postgresql",
            )
            for n in (50, 150)
        ]
    jobs += situations(recorder)
    return sorted(jobs, key=lambda job: FIRST.index(job.name) if job.name in FIRST else len(FIRST))


def situations(recorder: str) -> list[Job]:
    """Ramp, busy hour, day, surge, record day, overload."""
    fast = Job("", "situation", 0, 330, recorder=recorder, times=4, bucket=15, settle=5)
    return [
        Job(
            "ramp of calls",
            "ramp",
            0,
            300,
            window=100,
            recorder=recorder,
            seats=200,
            rate="ramp 2 30",
            fill=False,
            times=12,
            talk=2,
            bucket=10,
            settle=0,
            what="from 2 to 30 calls/s within 100 s, talks of 2 s, 200 seats",
        ),
        Job(
            "busy hour",
            "situation",
            MUST_CARRY,
            330,
            window=90,
            recorder=recorder,
            rate="1.4",
            chromium=2,
            bucket=15,
            what="1.4 calls/s, talks of 180 s, 150 seats talking: 90 s of it, not compressed",
        ),
        replace(
            fast,
            name="the day",
            window=144,
            seats=32,
            rate="day 5",
            fill=False,
            times=36,
            bucket=6,
            settle=0,
            what="24 hours in 144 s: an hour passes in 6 s, talks of 5 s, 32 seats, 5 calls/s in"
            " the busiest hour: at the peak seats are as overloaded as 150 are by 50,000 calls",
        ),
        replace(
            fast,
            name="surge",
            talking=15,
            window=165,
            seats=38,
            rate="surge 30",
            probe=True,
            what="a water main: from 0.35 to 3.5 calls/s within two minutes; talks four times faster and a "
            "quarter of the seats (38): the calls that 150 seats get",
        ),
        replace(
            fast,
            name="record day",
            talking=34,
            window=75,
            seats=38,
            rate="2.4",
            what="2.4 calls/s; talks four times faster, a quarter of the seats (38)",
        ),
        replace(
            fast,
            name="twice too many",
            kind="overload",
            talking=20,
            window=150,
            seats=24,
            rate="overload",
            times=9,
            patience=120,
            probe=True,
            what="twice what 24 seats can answer, talks of 20 s, patience 120 s in the mean",
        ),
    ]


def short(recorder: str) -> list[Job]:
    """Every day's form: three minutes."""
    return [
        Job("10 talking", "ours", 10, 80, window=15, recorder=recorder, settle=6),
        Job("50 talking", "ours", 50, 100, window=20, recorder=recorder, settle=6),
        Job("50 talking, bare", "bare", 50, 80, window=12, recorder=recorder, bare=True, settle=6),
    ]


def resolved(job: Job, scenario: draw.Scenario) -> Job:
    """The job with "overload" turned into a number: twice what its seats can answer."""
    if job.rate != "overload":
        return job
    fast = scenario.compressed(job.times)
    handling = fast.talk.drawn_mean() + fast.after_call.drawn_mean() + scenario.answer.drawn_mean()
    asking = 1 - sum(share for keys, share in scenario.menu if not keys) / sum(s for _, s in scenario.menu)
    return replace(job, rate=f"{2 * job.seats / max(handling, 1.0) / asking:.3f}")


def seconds_of(jobs: list[Job]) -> float:
    """About how long the jobs take: up, people in, filling, window, end."""
    total = 0.0
    for job in jobs:
        seats = job.seats or job.talking * 1.1
        total += 22 + seats / 12 + (seats / 7 if job.fill else 0) + job.settle + job.window + 14
        total -= 16 if job.bare else 0
    return math.ceil(total)
