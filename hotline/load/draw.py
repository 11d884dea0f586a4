"""A load drawn from the scenario file: who calls when, presses what, waits and talks how long. Pure, seeded.

city_day.yaml ─► read() ─► Scenario ─► arrivals() (Poisson, by a rate of time) ─► callers() ─► lines()
                                  └─► habits() of the seats
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

CITY_DAY = Path(__file__).with_name("city_day.yaml")
FOR_EVER = 99_999
"""Seconds: of a talk that the other side ends, of a call-back never asked for."""

MADE_A_SECOND = 400
"""So fast does SIPp make its calls, each of which then waits for its moment."""

Rate = Callable[[float], float]
"""Calls a second at a time in seconds from the beginning."""


@dataclass(frozen=True)
class Spread:
    """A distribution: `kind` lognormal (mean, spread = sigma of the log), exponential, uniform, fixed."""

    kind: str
    mean: float = 0.0
    spread: float = 0.0
    least: float = 0.0
    most: float = math.inf

    def draw(self, chance: random.Random) -> float:
        """One value. Raises ValueError for a kind that is not known."""
        match self.kind:
            case "lognormal":
                value = chance.lognormvariate(math.log(self.mean) - self.spread**2 / 2, self.spread)
            case "exponential":
                value = chance.expovariate(1 / self.mean)
            case "uniform":
                value = chance.uniform(self.least, self.most)
            case "fixed":
                value = self.mean
            case _:
                raise ValueError(f"no distribution is called {self.kind!r}")
        return min(max(value, self.least), self.most)

    def drawn_mean(self, seed: int = 1, n: int = 20_000) -> float:
        """The mean of what is drawn, which limits move away from `mean`."""
        chance = random.Random(seed)
        return sum(self.draw(chance) for _ in range(n)) / n

    def faster(self, times: float) -> Spread:
        """The same in compressed time."""
        return replace(self, mean=self.mean / times, least=self.least / times, most=self.most / times)


@dataclass(frozen=True)
class Scenario:
    """What city_day.yaml says."""

    name: str
    seats: int
    calls_per_day: float
    hours: tuple[float, ...]
    busy_rate: float
    record_rate: float
    surge_rate: float
    surge_factor: float
    surge_rise: float
    menu: tuple[tuple[str, float], ...]
    think: Spread
    patience: Spread
    talk: Spread
    citizen_ends: float
    repeat_share: float
    repeat_within: float
    call_back_share: float
    call_back_after: Spread
    answer: Spread
    refuses: float
    after_call: Spread
    ticket_share: float

    def compressed(self, times: float) -> Scenario:
        """The same day in which talk, patience, after-call work and the rest pass so many times faster.

        The menu and the answer delay stay: prompts cannot be spoken faster.
        """
        return replace(
            self,
            patience=self.patience.faster(times),
            talk=self.talk.faster(times),
            after_call=self.after_call.faster(times),
            repeat_within=self.repeat_within / times,
            call_back_after=self.call_back_after.faster(times),
        )

    def with_patience(self, seconds: float) -> Scenario:
        """Citizens who wait so many seconds in the mean."""
        return replace(self, patience=self.patience.faster(self.patience.mean / seconds))


def read(path: Path = CITY_DAY) -> Scenario:
    """A scenario file. Raises KeyError or ValueError with what is missing or wrong in it."""
    from ruamel.yaml import YAML

    said: Mapping[str, Any] = YAML(typ="safe").load(path.read_text("utf-8"))
    citizens, seats = said["citizens"], said["seats_do"]
    if len(said["hours"]) != 24:
        raise ValueError(f"{path.name}: hours must be 24 numbers")
    return Scenario(
        name=said["name"],
        seats=int(said["seats"]),
        calls_per_day=float(said["calls_per_day"]),
        hours=tuple(map(float, said["hours"])),
        busy_rate=float(said["busy_hour"]["rate"]),
        record_rate=float(said["record_day"]["rate"]),
        surge_rate=float(said["surge"]["rate"]),
        surge_factor=float(said["surge"]["factor"]),
        surge_rise=float(said["surge"]["rise_seconds"]),
        menu=tuple((str(one["keys"]), float(one["share"])) for one in citizens["menu"]),
        think=Spread(**citizens["think"]),
        patience=Spread(**citizens["patience"]),
        talk=Spread(**citizens["talk"]),
        citizen_ends=float(citizens["ends_first"]),
        repeat_share=float(citizens["repeats"]["share"]),
        repeat_within=float(citizens["repeats"]["within_seconds"]),
        call_back_share=float(citizens["call_back"]["share"]),
        call_back_after=Spread(**citizens["call_back"]["after"]),
        answer=Spread(**seats["answer"]),
        refuses=float(seats["refuses"]),
        after_call=Spread(**seats["after_call"]),
        ticket_share=float(seats["ticket"]),
    )


# --- when ----------------------------------------------------------------------------------------------


def steady(rate: float) -> Rate:
    """The same rate all the time."""
    return lambda _: rate


def rising(scenario: Scenario, at: float) -> Rate:
    """The surge: the quiet rate until `at` s, then up to `factor` times of it in a straight line."""

    def rate(t: float) -> float:
        part = min(max((t - at) / scenario.surge_rise, 0.0), 1.0)
        return scenario.surge_rate * (1 + (scenario.surge_factor - 1) * part)

    return rate


def day(scenario: Scenario, times: float) -> Rate:
    """The day from 00:00, passing so many times faster: calls a second of the compressed clock."""
    whole = sum(scenario.hours)

    def rate(t: float) -> float:
        hour = int(t * times // 3600) % 24
        return scenario.calls_per_day * scenario.hours[hour] / whole / 3600 * times

    return rate


def arrivals(rate: Rate, seconds: float, chance: random.Random, most: float | None = None) -> list[float]:
    """Moments of a Poisson stream with a rate that changes: drawn at `most` calls a second, then thinned.

    `most` is an upper bound of the rate; None: looked for every second. (Lewis and Shedler, 1979.)
    """
    bound = most or max(rate(float(t)) for t in range(math.ceil(seconds) + 1))
    found: list[float] = []
    t = 0.0
    if bound <= 0:
        return found
    while True:
        t += chance.expovariate(bound)
        if t >= seconds:
            return found
        if chance.random() * bound < rate(t):
            found.append(t)


# --- who -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planned:
    """One call as drawn; times in seconds. Who ends it is in the number: odd, the citizen.

    The seat's SIPp sees nothing else of the plan.
    """

    number: str
    start: float
    think: float
    keys: str
    patience: float
    talk: float
    call_back_after: float

    @property
    def ends_first(self) -> bool:
        return int(self.number[-1]) % 2 == 1

    def line(self, place: int, made_at: float = 0.0) -> tuple[object, ...]:
        """As citizen-follows-the-plan.xml wants it; `place` comes back in each of its log lines.

        `made_at`: when SIPp makes the call, from where it counts the pause until the start.
        """
        first, second = (*self.keys, "-1", "-1")[:2]
        return (
            self.number,
            max(0, round((self.start - made_at) * 1000)),
            round(self.think * 1000),
            first,
            second,
            max(1, round(self.patience)),
            max(1, round(self.talk)) if self.ends_first else FOR_EVER,
            max(1, round(self.call_back_after)) if self.call_back_after < FOR_EVER else 0,
            place,
        )


def callers(scenario: Scenario, starts: Sequence[float], chance: random.Random) -> list[Planned]:
    """A citizen for each moment. Numbers of the demo city are not used: everybody is new, or calls again."""
    choices, shares = zip(*scenario.menu, strict=True)
    plans: list[Planned] = []
    for place, start in enumerate(starts):
        odd = chance.random() < scenario.citizen_ends
        number = f"139{place % 10_000_000:07d}{1 if odd else 0}"
        if plans and chance.random() < scenario.repeat_share:
            recent = [one for one in plans[-400:] if start - one.start <= scenario.repeat_within]
            if recent:
                number = chance.choice(recent).number
        back = chance.random() < scenario.call_back_share
        plans.append(
            Planned(
                number=number,
                start=start,
                think=scenario.think.draw(chance),
                keys=chance.choices(choices, shares)[0],
                patience=scenario.patience.draw(chance),
                talk=scenario.talk.draw(chance),
                call_back_after=scenario.call_back_after.draw(chance) if back else FOR_EVER,
            )
        )
    return plans


def already_talking(
    scenario: Scenario, seats: int, within: float, keys: str, chance: random.Random
) -> list[Planned]:
    """Calls that fill `seats` seats within `within` seconds as if the day had long been running.

    Each has the rest of a talk under way: of a talk met at random, which is a long one more often (its length
    counted by its length), a uniform part is left.
    """
    found = []
    for place in range(seats):
        # Of ten draws one, weighted by its own length.
        drawn = [scenario.talk.draw(chance) for _ in range(10)]
        rest = chance.choices(drawn, drawn)[0] * chance.random()
        found.append(
            Planned(
                number=f"138{place:07d}1",
                start=place / seats * within,
                think=0.5,
                keys=keys,
                patience=FOR_EVER,
                talk=max(within + 5 - place / seats * within, rest),
                call_back_after=FOR_EVER,
            )
        )
    return found


def lines(plans: Sequence[Planned]) -> list[tuple[object, ...]]:
    """The injection file of the citizens' SIPp, which makes MADE_A_SECOND calls a second, by their start."""
    return [
        plan.line(place, place / MADE_A_SECOND)
        for place, plan in enumerate(sorted(plans, key=lambda plan: plan.start))
    ]


def habits(scenario: Scenario, count: int, chance: random.Random) -> list[tuple[object, ...]]:
    """Lines of seat-answers-and-talks.xml: ring ms, talk s, refuses."""
    return [
        (
            round(scenario.answer.draw(chance) * 1000),
            max(1, round(scenario.talk.draw(chance))),
            int(chance.random() < scenario.refuses),
        )
        for _ in range(count)
    ]
