"""How many seats and trunks a load needs: Erlang B, C and A, and their inverses. Pure arithmetic.

    calls/h × (ring + talk + after-call work) / 3600 = erlangs
        ─► queue(seats, load): C where nobody hangs up, A where people have a patience ─► Waiting
        ─► seats_for(load, target) ─► rostered(seats, shrinkage)
    calls/h × (menu + wait + talk) / 3600 ─► trunks_for(erlangs, blocking): B

All of them assume calls that come at random and evenly (Poisson), handling times and patience that are
exponential, one pool of equal seats, first come first served. Where the hotline differs: docs/plan.md.

Sources: A. K. Erlang, "Solution of some problems in the theory of probabilities of significance in automatic
telephone exchanges" (1917), for B and C; C. Palm, "Research on telephone traffic carried by full availability
groups" (1957), and S. Zeltyn, A. Mandelbaum, "The Palm/Erlang-A queue" (2005), for A.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

HOUR = 3600.0
NORM_SECONDS = 15.0
"""GB/T 33358-2016: a person answers within 15 s."""
MOST = 1_000_000
"""More seats, trunks or calls an hour than this are a mistake in the question."""


def _not_negative(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {value:g}: it must be 0 or more")


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value:g}: it must be more than 0")


def _whole(name: str, value: int, *, least: int) -> None:
    if value != int(value) or value < least:
        raise ValueError(f"{name} is {value}: it must be a whole number from {least} on")


@dataclass(frozen=True)
class Load:
    """What is asked of the seats: calls that ask for a person, an hour; all times are mean seconds."""

    calls_per_hour: float
    talk_seconds: float
    after_call_seconds: float = 0.0
    ring_seconds: float = 0.0
    """How long a seat rings before it answers: it is taken meanwhile, and the citizen still waits."""
    patience_seconds: float | None = None
    """After which a waiting citizen hangs up; None: nobody does (Erlang C)."""

    def __post_init__(self) -> None:
        _not_negative("calls an hour", self.calls_per_hour)
        _positive("talk time in seconds", self.talk_seconds)
        _not_negative("after-call work in seconds", self.after_call_seconds)
        _not_negative("ring time in seconds", self.ring_seconds)
        if self.patience_seconds is not None:
            _positive("patience in seconds", self.patience_seconds)
        if self.calls_per_hour > MOST:
            raise ValueError(f"calls an hour is {self.calls_per_hour:g}: more than {MOST} are not planned")

    @property
    def handling_seconds(self) -> float:
        """How long a call takes a seat."""
        return self.ring_seconds + self.talk_seconds + self.after_call_seconds

    @property
    def erlangs(self) -> float:
        """Seats that would be busy all the time if nobody hung up."""
        return self.calls_per_hour * self.handling_seconds / HOUR


@dataclass(frozen=True)
class Waiting:
    """What citizens meet; every share is of all who asked for a person, 0..1."""

    delayed: float
    """Met no free seat."""
    in_time: float
    """Answered within the target's seconds."""
    abandoned: float
    mean_wait_seconds: float
    """Of all, those who hang up among them; infinite where the queue grows without end."""
    busy: float
    """Of a seat's time: ring, talk and after-call work."""


@dataclass(frozen=True)
class Target:
    """What must be reached; of share and abandonment at least one, and both where both are given."""

    share: float | None = 0.95
    """At least this share answered ..."""
    within_seconds: float = NORM_SECONDS
    """... within so long."""
    abandoned: float | None = None
    """At most this share hangs up."""

    def __post_init__(self) -> None:
        if self.share is None and self.abandoned is None:
            raise ValueError("a target is needed: a share answered in time, a share that hangs up, or both")
        if self.share is not None and not 0 < self.share < 1:
            raise ValueError(
                f"the share answered in time is {self.share:g}: it lies between 0 and 1, as 0.95"
            )
        if self.abandoned is not None and not 0 < self.abandoned < 1:
            raise ValueError(
                f"the share that hangs up is {self.abandoned:g}: it lies between 0 and 1, as 0.03"
            )
        _not_negative("seconds to answer within", self.within_seconds)

    def met(self, waiting: Waiting) -> bool:
        return (self.share is None or waiting.in_time >= self.share) and (
            self.abandoned is None or waiting.abandoned <= self.abandoned
        )


NORM = Target()
"""95 % within 15 s, the norm of a government hotline."""


# --- B: no room to wait --------------------------------------------------------------------------------


def erlang_b(servers: int, erlangs: float) -> float:
    """The share of calls that find all `servers` taken and are refused.

    B(0) = 1, B(k) = a·B(k−1) / (k + a·B(k−1)): no factorial, and every step lies in 0..1.
    """
    _whole("servers", servers, least=0)
    _not_negative("erlangs", erlangs)
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = erlangs * blocked / (k + erlangs * blocked)
    return blocked


def trunks_for(erlangs: float, blocking: float) -> int:
    """The fewest trunks that refuse at most the share `blocking` of the calls."""
    _not_negative("erlangs", erlangs)
    if not 0 < blocking < 1:
        raise ValueError(f"the share of refused calls is {blocking:g}: it lies between 0 and 1, as 0.001")
    if erlangs > MOST:
        raise ValueError(f"{erlangs:g} erlangs need more than {MOST} trunks")
    trunks, blocked = 0, 1.0
    while blocked > blocking:
        trunks += 1
        blocked = erlangs * blocked / (trunks + erlangs * blocked)
    return trunks


# --- C: everybody waits --------------------------------------------------------------------------------


def erlang_c(seats: int, erlangs: float) -> float:
    """The share of calls that must wait, where nobody hangs up: C = n·B / (n − a·(1 − B)); 1 where a ≥ n."""
    _whole("seats", seats, least=1)
    blocked = erlang_b(seats, erlangs)
    return 1.0 if erlangs >= seats else seats * blocked / (seats - erlangs * (1 - blocked))


def _queue_c(seats: int, load: Load, within: float) -> Waiting:
    """P(W > t) = C·e^(−(n−a)·t/h), E[W] = C·h/(n−a), with h the handling time."""
    erlangs, handling = load.erlangs, load.handling_seconds
    delayed = erlang_c(seats, erlangs)
    if erlangs >= seats:
        return Waiting(1.0, 0.0, 0.0, math.inf, 1.0)
    late = delayed * math.exp(-(seats - erlangs) * within / handling)
    return Waiting(delayed, 1 - late, 0.0, delayed * handling / (seats - erlangs), erlangs / seats)


# --- A: who waits too long hangs up --------------------------------------------------------------------


def _queue_a(seats: int, load: Load, within: float, patience: float) -> Waiting:
    """M/M/n+M. With λ calls a second, μ = 1/handling, θ = 1/patience, x = nμ/θ, y = λ/θ, ρ = λ/(nμ) and
    A(x, y) = Σ y^j / ((x+1)…(x+j)):

        P(wait > 0)            = bρA / (1 + bρA), b = B(n−1, a)
        P(hangs up | waits)    = 1/(ρA) + 1 − 1/ρ
        E[wait]                = P(hangs up) / θ                      (Little)
        P(served by t | waits) = (1 − 1/A − g(t)·(A(x, y·e^(−θt)) − 1)/A) / ρ,  g(t) = e^(y(1−e^(−θt)) − nμt)

    The last is the integral of e^(−θu) over the density λ·g(u)·P(n−1 busy) of the wait offered (Zeltyn and
    Mandelbaum, section 3), done by parts. A is kept as a logarithm: overload makes it too large for a float.
    """
    rate, work = load.calls_per_hour / HOUR, seats / load.handling_seconds
    x, y, rho = work * patience, rate * patience, rate / work
    tail = _log_tail(x, y)
    last_free = erlang_b(seats - 1, load.erlangs)
    odds = math.log(last_free) + math.log(rho) + tail if last_free > 0 else -math.inf
    delayed = 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
    lost = _share(math.exp(-tail) / rho + 1 - 1 / rho)
    spent = math.exp(-within / patience)
    left = _log_tail(x, y * spent)
    still = y * -math.expm1(-within / patience) - work * within + left - tail
    # A − 1 of the calls that are still behind; e^still is g(t)·A'/A.
    behind = math.exp(still) * -math.expm1(-left)
    served = _share((1 - math.exp(-tail) - behind) / rho)
    abandoned = delayed * lost
    return Waiting(
        delayed=delayed,
        in_time=_share(1 - delayed + delayed * served),
        abandoned=abandoned,
        mean_wait_seconds=abandoned * patience,
        busy=_share(rho * (1 - abandoned)),
    )


def _log_tail(x: float, y: float) -> float:
    """ln of Σ_{j≥0} y^j / ((x+1)…(x+j)): how likely all seats are busy against none waiting with it."""
    total = term = 1.0
    scale, j = 0.0, 0
    while True:
        j += 1
        term *= y / (x + j)
        total += term
        if total > 1e200:
            total, term, scale = total * 1e-200, term * 1e-200, scale + math.log(1e200)
        ratio = y / (x + j + 1)
        # What is left is less than a geometric series.
        if ratio < 1 and term * ratio < 1e-17 * total * (1 - ratio):
            return scale + math.log(total)


# --- both -----------------------------------------------------------------------------------------------


def queue(seats: int, load: Load, within_seconds: float = NORM_SECONDS) -> Waiting:
    """What citizens meet with so many seats at work: Erlang A where the load has a patience, else C.

    The ring of the seat that answers counts as waiting, as it does in the ledger: it takes its time from
    `within_seconds`, and nobody is taken to hang up during it.
    """
    _whole("seats", seats, least=1)
    _not_negative("seconds to answer within", within_seconds)
    left = within_seconds - load.ring_seconds
    if load.calls_per_hour == 0:
        return Waiting(0.0, 1.0 if left >= 0 else 0.0, 0.0, load.ring_seconds, 0.0)
    if load.patience_seconds is None:
        met = _queue_c(seats, load, max(left, 0.0))
    else:
        met = _queue_a(seats, load, max(left, 0.0), load.patience_seconds)
    return Waiting(
        delayed=met.delayed,
        in_time=met.in_time if left >= 0 else 0.0,
        abandoned=met.abandoned,
        mean_wait_seconds=met.mean_wait_seconds + (1 - met.abandoned) * load.ring_seconds,
        busy=met.busy,
    )


def seats_for(load: Load, target: Target) -> int:
    """The fewest seats at work that meet the target; 0 where nobody calls."""
    if target.abandoned is not None and load.patience_seconds is None:
        raise ValueError("a share that hangs up needs a patience: without one everybody waits for ever")
    if target.share is not None and load.ring_seconds > target.within_seconds:
        raise ValueError(
            f"seats ring {load.ring_seconds:g} s before they answer: nobody is answered within "
            f"{target.within_seconds:g} s, however many there are"
        )
    if load.calls_per_hour == 0:
        return 0
    return _fewest(lambda seats: target.met(queue(seats, load, target.within_seconds)))


def calls_for(seats: int, load: Load, target: Target) -> float:
    """The most calls an hour, to a tenth, that so many seats carry within the target; 0 where not even one.
    The load's own volume is not used."""
    _whole("seats", seats, least=1)
    seats_for(replace(load, calls_per_hour=1), target)  # a target that nobody can reach is said so

    def carried(tenths: int) -> bool:
        return target.met(queue(seats, replace(load, calls_per_hour=tenths / 10), target.within_seconds))

    return (_fewest(lambda tenths: not carried(tenths), 10 * MOST) - 1) / 10


def rostered(seats: int, shrinkage: float) -> int:
    """How many must be on the roster for so many at work, where `shrinkage` (0..1) of paid time is breaks,
    meetings, training and absence."""
    _whole("seats", seats, least=0)
    if not 0 <= shrinkage < 1:
        raise ValueError(f"shrinkage is {shrinkage:g}: it is a share of paid time, from 0 to below 1, as 0.3")
    return math.ceil(seats / (1 - shrinkage) - 1e-9)


def _fewest(holds: Callable[[int], bool], most: int = MOST) -> int:
    """The least number from 1 on for which it holds, which it then does for all larger ones."""
    high = 1
    while not holds(high):
        if high == most:
            raise ValueError(f"more than {most} would be needed")
        high = min(high * 2, most)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
