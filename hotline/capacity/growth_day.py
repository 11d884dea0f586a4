"""A day of calls over several PBX nodes, played through event by event: what splitting one queue costs.

    arrivals (Poisson, by the hour) ─► dispatcher ─► node ─► queue there ─► seat there ─► over
                                         │ ROUND_ROBIN, LEAST_CALLS          ├─ hangs up: patience
                                         │ not to a node that is drained     ├─ handed on to a free seat
                                         └ or lost, once that is noticed     └─ dropped: the node died

Pure and seeded: the same plan and seed give the same day. A heap of its own instead of simpy: a million
calls take a quarter of a minute so, and its generators would take several times as long.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count

HOUR = 3600.0


class Routing(Enum):
    """How the dispatcher in front chooses a node."""

    ROUND_ROBIN = auto()
    """One after the other, whatever they do (Kamailio's dispatcher, algorithm 4)."""
    RANDOM = auto()
    """What a special desk sees of either: its calls are a few among all those that are spread."""
    LEAST_CALLS = auto()
    """The node with the fewest calls for its seats; the dispatcher counts what it has sent (algorithm 10)."""


@dataclass(frozen=True)
class Group:
    """Seats of one node that serve the same queues."""

    node: int
    seats: int
    queues: tuple[str, ...] = ("",)


@dataclass(frozen=True)
class Trouble:
    """A node stops at `at` (seconds): drained, it ends what it has; lost, its calls drop."""

    node: int
    at: float
    lost: bool
    unnoticed_seconds: float = 0.0
    """So long new calls still try the node first; the dispatcher then takes the next one."""
    agents_move_after: float | None = None
    """After so many seconds its seats are at work at the others, evenly; None: they stay out."""


@dataclass(frozen=True)
class Plan:
    """What is played. Calls an hour for each hour, one after the other; times are means in seconds."""

    calls_per_hour: tuple[float, ...]
    groups: tuple[Group, ...]
    talk_seconds: float = 180.0
    after_call_seconds: float = 0.0
    patience_seconds: float | None = None
    shares: tuple[tuple[str, float], ...] = (("", 1.0),)
    """Queue -> share of the calls."""
    routing: Routing = Routing.LEAST_CALLS
    believed: tuple[int, ...] = ()
    """Seats of each node as the dispatcher takes them; empty: as they are."""
    hand_on_after: float | None = None
    """Who has waited so long goes to a node with a free seat, looked for every so many seconds."""
    within_seconds: float = 15.0
    trouble: Trouble | None = None
    warm_seconds: float = 0.0
    """Calls that arrive before are played, but not counted."""


@dataclass
class Outcome:
    """What came of the calls that were counted; offered = answered + hung_up + dropped + waiting."""

    offered: int = 0
    answered: int = 0
    in_time: int = 0
    hung_up: int = 0
    dropped: int = 0
    """In a talk or in the queue of a node that died."""
    waiting: int = 0
    """When the plan was over."""
    carried_on: int = 0
    """Taken to a queue of another node: two nodes carry their audio."""
    delayed: int = 0
    """Met no free seat at once."""
    wait_seconds: float = 0.0
    """Of all, those who hung up among them."""
    longest_wait: float = 0.0
    most_waiting: int = 0
    most_calls: list[int] = field(default_factory=list)
    """By node: calls in it at the same time."""
    busy_seconds: float = 0.0
    """Talk and after-call work begun by counted calls."""

    @property
    def in_time_share(self) -> float:
        return self.in_time / self.offered if self.offered else 1.0

    @property
    def hung_up_share(self) -> float:
        return self.hung_up / self.offered if self.offered else 0.0

    @property
    def mean_wait(self) -> float:
        return self.wait_seconds / self.offered if self.offered else 0.0


def evenly(nodes: int, seats: int, queues: Sequence[str] = ("",)) -> tuple[Group, ...]:
    """So many seats of one kind spread over the nodes, the first ones get what is left over."""
    return tuple(Group(node, seats // nodes + (node < seats % nodes), tuple(queues)) for node in range(nodes))


def day_of(calls: float, profile: Sequence[float]) -> tuple[float, ...]:
    """Calls an hour of a day with so many calls."""
    whole = sum(profile)
    return tuple(calls * share / whole for share in profile)


class _Call:
    __slots__ = ("arrived", "counted", "entered", "gone", "node", "queue", "seat_of")

    def __init__(self, arrived: float, queue: str, counted: bool) -> None:
        self.arrived = self.entered = arrived
        self.queue, self.counted = queue, counted
        self.node = -1
        self.seat_of: int | None = None
        self.gone = False


class _What(Enum):
    ARRIVES = auto()
    HANGS_UP = auto()
    TALKED = auto()
    FREE = auto()
    LOOKS = auto()
    STOPS = auto()
    NOTICED = auto()
    MOVED = auto()


def play(plan: Plan, seed: int = 1) -> Outcome:
    """Play the plan through. Raises ValueError where a queue of the plan has no seat at all."""
    return _Day(plan, seed).play()


class _Day:
    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan, self.out = plan, Outcome()
        self.random = random.Random(seed)
        self.nodes = 1 + max(group.node for group in plan.groups)
        self.free = [group.seats for group in plan.groups]
        self.out_of_work = [False] * self.nodes
        """Seats of a node that is drained or lost take no call."""
        self.shunned = [False] * self.nodes
        """The dispatcher sends nothing there."""
        self.seats = [0] * self.nodes
        for group in plan.groups:
            self.seats[group.node] += group.seats
        self.inside = [0] * self.nodes
        """Calls by node as the dispatcher counts them: waiting and talking."""
        self.queues: dict[tuple[int, str], deque[_Call]] = {}
        self.serving: dict[tuple[int, str], list[int]] = {}
        """Groups at a node that serve a queue, those with the fewest other queues first."""
        for number in sorted(range(len(plan.groups)), key=lambda n: len(plan.groups[n].queues)):
            group = plan.groups[number]
            for queue in group.queues:
                self.serving.setdefault((group.node, queue), []).append(number)
                self.queues.setdefault((group.node, queue), deque())
        self.believed = list(plan.believed or self.seats)
        for queue, _ in plan.shares:
            if not any(name == queue and self.seats[node] for node, name in self.serving):
                raise ValueError(f"the queue {queue!r} has no seat")
        self.names = [name for name, _ in plan.shares]
        self.weights = [share for _, share in plan.shares]
        self.out.most_calls = [0] * self.nodes
        self.waiting = 0
        self.turn = 0
        self.talking: list[set[_Call]] = [set() for _ in range(self.nodes)]
        self.heap: list[tuple[float, int, _What, _Call | int | None]] = []
        self.order = count()
        self.ends = HOUR * len(plan.calls_per_hour)

    def at(self, when: float, what: _What, whom: _Call | int | None = None) -> None:
        heapq.heappush(self.heap, (when, next(self.order), what, whom))

    def play(self) -> Outcome:
        trouble = self.plan.trouble
        self.next_arrival(0.0)
        if self.plan.hand_on_after is not None:
            self.at(1.0, _What.LOOKS)
        if trouble:
            self.at(trouble.at, _What.STOPS)
            self.at(trouble.at + trouble.unnoticed_seconds, _What.NOTICED)
            if trouble.agents_move_after is not None:
                self.at(trouble.at + trouble.agents_move_after, _What.MOVED)
        while self.heap and self.heap[0][0] < self.ends:
            now, _, what, whom = heapq.heappop(self.heap)
            if what is _What.ARRIVES:
                self.next_arrival(now)
                self.arrives(now)
            elif what is _What.TALKED and isinstance(whom, _Call):
                self.talked(now, whom)
            elif what is _What.FREE and isinstance(whom, int):
                self.becomes_free(now, whom)
            elif what is _What.HANGS_UP and isinstance(whom, _Call):
                self.hangs_up(now, whom)
            elif what is _What.LOOKS:
                self.looks(now)
            elif what is _What.STOPS:
                self.stops(now)
            elif what is _What.NOTICED and trouble:
                self.shunned[trouble.node] = True
            elif what is _What.MOVED and trouble:
                self.moved(now, trouble.node)
        for queue in self.queues.values():
            for call in queue:
                if not call.gone and call.counted:
                    self.out.waiting += 1
                    self.out.wait_seconds += self.ends - call.arrived
        return self.out

    # --- arrivals and where they go --------------------------------------------------------------

    def next_arrival(self, now: float) -> None:
        """The next of a Poisson stream whose rate changes by the hour."""
        left = self.random.expovariate(1.0)
        hour = int(now / HOUR)
        while hour < len(self.plan.calls_per_hour):
            rate = self.plan.calls_per_hour[hour] / HOUR
            until = (hour + 1) * HOUR
            if rate * (until - now) >= left:
                self.at(now + left / rate, _What.ARRIVES)
                return
            left -= rate * (until - now)
            now, hour = until, hour + 1

    def arrives(self, now: float) -> None:
        plan = self.plan
        queue = self.names[0] if len(self.names) == 1 else self.random.choices(self.names, self.weights)[0]
        call = _Call(now, queue, now >= plan.warm_seconds)
        if call.counted:
            self.out.offered += 1
        node = self.choose()
        trouble = plan.trouble
        if trouble and trouble.lost and node == trouble.node and self.out_of_work[node]:
            node = self.choose(without=node)  # no answer: the dispatcher tries the next one
        if (node, queue) not in self.queues or (self.out_of_work[node] and not self.shunned[node]):
            self.carried(call)
            node = self.home(queue, node)
        if plan.patience_seconds is not None:
            self.at(now + self.random.expovariate(1 / plan.patience_seconds), _What.HANGS_UP, call)
        self.enters(now, call, node)

    def choose(self, without: int = -1) -> int:
        """The node of a new call, by the dispatcher's rule; nodes without a seat of theirs are left out."""
        here = [n for n in range(self.nodes) if self.seats[n] and not self.shunned[n] and n != without]
        if not here:
            return max(range(self.nodes), key=lambda n: self.seats[n])
        if self.plan.routing is Routing.LEAST_CALLS:
            return min(here, key=lambda n: self.inside[n] / max(self.believed[n], 1))
        if self.plan.routing is Routing.RANDOM:
            return self.random.choice(here)
        self.turn += 1
        return here[self.turn % len(here)]

    def home(self, queue: str, instead: int) -> int:
        """A node at which this queue has seats: the one with the most of them free."""
        nodes = [n for n, name in self.serving if name == queue and not self.out_of_work[n]]
        return max(nodes, key=lambda n: self.free_at(n, queue), default=instead)

    def free_at(self, node: int, queue: str) -> int:
        if self.out_of_work[node]:
            return 0
        return sum(self.free[number] for number in self.serving.get((node, queue), ()))

    def carried(self, call: _Call) -> None:
        if call.counted:
            self.out.carried_on += 1

    def enters(self, now: float, call: _Call, node: int) -> None:
        call.node, call.entered = node, now
        self.inside[node] += 1
        self.out.most_calls[node] = max(self.out.most_calls[node], self.inside[node])
        for number in self.serving.get((node, call.queue), ()):
            if self.free[number] and not self.out_of_work[node]:
                self.answers(now, call, number)
                return
        if call.counted and call.arrived == now:
            self.out.delayed += 1
        self.queues[node, call.queue].append(call)
        self.waiting += 1
        self.out.most_waiting = max(self.out.most_waiting, self.waiting)

    # --- talks -------------------------------------------------------------------------------------

    def answers(self, now: float, call: _Call, number: int) -> None:
        self.free[number] -= 1
        call.seat_of, call.gone = number, True
        self.talking[call.node].add(call)
        talk = self.random.expovariate(1 / self.plan.talk_seconds)
        wait = now - call.arrived
        if call.counted:
            self.out.answered += 1
            self.out.in_time += wait <= self.plan.within_seconds
            self.out.wait_seconds += wait
            self.out.longest_wait = max(self.out.longest_wait, wait)
            self.out.busy_seconds += talk
        self.at(now + talk, _What.TALKED, call)

    def talked(self, now: float, call: _Call) -> None:
        if call.seat_of is None:
            return  # its node died
        self.talking[call.node].discard(call)
        self.inside[call.node] -= 1
        if self.plan.after_call_seconds:
            work = self.random.expovariate(1 / self.plan.after_call_seconds)
            self.out.busy_seconds += work if call.counted else 0.0
            self.at(now + work, _What.FREE, call.seat_of)
        else:
            self.becomes_free(now, call.seat_of)

    def becomes_free(self, now: float, number: int) -> None:
        """A seat takes who waits longest of all its queues."""
        group = self.plan.groups[number]
        self.free[number] += 1
        if self.out_of_work[group.node]:
            return
        first: _Call | None = None
        for queue in group.queues:
            head = self.head(group.node, queue)
            if head is not None and (first is None or head.entered < first.entered):
                first = head
        if first is not None:
            self.queues[group.node, first.queue].popleft()
            self.waiting -= 1
            self.answers(now, first, number)

    def head(self, node: int, queue: str) -> _Call | None:
        """Who waits longest there; those who have gone are forgotten on the way."""
        line = self.queues[node, queue]
        while line and line[0].gone:
            line.popleft()
        return line[0] if line else None

    def hangs_up(self, now: float, call: _Call) -> None:
        if call.gone:
            return
        call.gone = True
        self.waiting -= 1
        self.inside[call.node] -= 1
        if call.counted:
            self.out.hung_up += 1
            self.out.wait_seconds += now - call.arrived
            self.out.longest_wait = max(self.out.longest_wait, now - call.arrived)

    # --- handed on, drained, lost -------------------------------------------------------------------

    def looks(self, now: float) -> None:
        """Every second: who has waited long enough goes where a seat of the same queue is free."""
        self.at(now + 1.0, _What.LOOKS)
        after = self.plan.hand_on_after or 0.0
        for node, queue in self.queues:
            while (head := self.head(node, queue)) is not None and now - head.entered >= after:
                best = max(
                    (n for n, name in self.serving if name == queue), key=lambda n: self.free_at(n, queue)
                )
                if best == node or not self.free_at(best, queue):
                    break
                self.queues[node, queue].popleft()
                self.waiting -= 1
                self.inside[node] -= 1
                self.carried(head)
                self.enters(now, head, best)

    def stops(self, now: float) -> None:
        trouble = self.plan.trouble
        assert trouble is not None
        node = trouble.node
        self.out_of_work[node] = True
        waiting = [
            call for (at, _), line in self.queues.items() if at == node for call in line if not call.gone
        ]
        for (at, _), line in self.queues.items():
            if at == node:
                line.clear()
        self.waiting -= len(waiting)
        self.inside[node] -= len(waiting)
        if trouble.lost:
            for call in (*waiting, *self.talking[node]):
                call.gone, call.seat_of = True, None
                self.drops(call)
            self.inside[node] -= len(self.talking[node])
            self.talking[node].clear()
        else:
            self.shunned[node] = True
            for call in waiting:  # who waits at a node that is drained is handed on
                self.carried(call)
                self.enters(now, call, self.home(call.queue, node))

    def drops(self, call: _Call) -> None:
        # A call that was answered stays answered in the count of answers: it is taken back here.
        if call.counted:
            self.out.dropped += 1
            if call in self.talking[call.node]:
                self.out.answered -= 1

    def moved(self, now: float, node: int) -> None:
        """The agents of a node that has stopped sign in at the others, as many at each."""
        for number, group in enumerate(self.plan.groups):
            if group.node != node:
                continue
            heirs = [
                n
                for n, other in enumerate(self.plan.groups)
                if other.queues == group.queues and other.node != node
            ]
            for place in range(group.seats):
                if heirs:
                    heir = heirs[place % len(heirs)]
                    self.seats[self.plan.groups[heir].node] += 1
                    self.believed[self.plan.groups[heir].node] += 1
                    self.becomes_free(now, heir)
            self.seats[node] -= group.seats
            self.free[number] = 0


def offered_erlangs(plan: Plan, hour: int = 0) -> float:
    """Erlangs of an hour of the plan."""
    return plan.calls_per_hour[hour] * (plan.talk_seconds + plan.after_call_seconds) / HOUR
