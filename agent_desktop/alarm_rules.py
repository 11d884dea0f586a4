"""When an alarm is raised and when it is over: a state machine for each rule and subject. Pure.

    calm ──bad──► rising ──bad for hold_seconds──► raised ──good──► sinking ──good for clear_seconds──► calm
      ▲              │ not bad                       ▲                 │ not good
      └──────────────┘                               └─────────────────┘

bad: the reading has reached `threshold`; good: it has come back as far as `clear_at`; between the two nothing
changes (hysteresis). What cannot be seen (value None: a PBX is blind) leaves everything as it is.
Times are epoch ms; quiet hours are the city's (Asia/Shanghai).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

CITY_TIME = ZoneInfo("Asia/Shanghai")
LOST_SIGHT_MS = 10_000
"""Without a reading for so long (a sleep, a clock that was set) a time that was running begins anew."""


@dataclass(frozen=True)
class Kind:
    """What a kind of alarm measures."""

    label: str
    unit: str
    """seconds | percent | seats | count: how the value is written."""
    above: bool = True
    """Bad from the threshold upwards; else downwards."""
    by_queue: bool = False
    """A rule of it may name a queue."""
    rate: bool = False
    """Counted over `window_minutes`, once there are `least_calls` decided calls in them."""
    least: float = 0.0
    most: float = 86_400.0
    """What threshold and `clear_at` may be."""


KINDS: Mapping[str, Kind] = {
    "longest_wait": Kind("最长等待", "seconds", by_queue=True),
    "abandon_rate": Kind("放弃率", "percent", by_queue=True, rate=True, most=100),
    "in_15_rate": Kind("15 秒接通率", "percent", above=False, by_queue=True, rate=True, most=100),
    "state_too_long": Kind("坐席状态超时", "seconds", by_queue=True),
    "no_seat_ready": Kind("在岗坐席", "seats", above=False, by_queue=True, most=999),
    "trunk_full": Kind("中继占用率", "percent", most=100),
    "link_lost": Kind("连接中断", "seconds"),
    "recording_missing": Kind("录音缺失", "count", most=100_000),
    "disk": Kind("磁盘使用率", "percent", most=100),
}
"""longest_wait: the caller who has waited longest for a person. state_too_long: seconds beyond the limit of
the state. no_seat_ready: seats that take calls or are in one. link_lost: since when a PBX, or the database,
cannot be seen, or a passive recorder captures nothing. recording_missing: answered calls of the last 24 h
without a recording."""


@dataclass(frozen=True)
class Rule:
    """A row of `alarm_rules`; a default that is not in the database yet has a negative id."""

    id: int
    kind: str
    threshold: float
    clear_at: float
    queue: str = ""
    hold_seconds: int = 0
    clear_seconds: int = 30
    window_minutes: int = 15
    least_calls: int = 20
    quiet_from: str | None = None
    quiet_to: str | None = None
    sound: bool = True
    webhook: bool = True
    active: bool = True

    def key(self, subject: str) -> str:
        """The alarm's name while it lasts: one of it at a time, whoever raises it."""
        return f"{self.id}:{subject}"


class Zone(Enum):
    BAD = "bad"
    BETWEEN = "between"
    GOOD = "good"


class State(Enum):
    CALM = "calm"
    RISING = "rising"
    RAISED = "raised"
    SINKING = "sinking"


class Happened(Enum):
    RAISED = "raised"
    CLEARED = "cleared"


NEXT: Mapping[tuple[State, Zone], State] = {
    (State.CALM, Zone.BAD): State.RISING,
    (State.RISING, Zone.BETWEEN): State.CALM,
    (State.RISING, Zone.GOOD): State.CALM,
    (State.RAISED, Zone.GOOD): State.SINKING,
    (State.SINKING, Zone.BETWEEN): State.RAISED,
    (State.SINKING, Zone.BAD): State.RAISED,
}
"""Where a reading leads at once; what is not here stays."""


@dataclass(frozen=True)
class Condition:
    """How one subject stands under one rule."""

    state: State = State.CALM
    since: int = 0
    """When it came into this state."""
    seen: int = 0
    """When it was last looked at."""
    value: float = 0.0
    worst: float = 0.0
    raised_at: int = 0

    @property
    def open(self) -> bool:
        """The alarm is on."""
        return self.state in (State.RAISED, State.SINKING)


CALM = Condition()


def taken_over(raised_at: int, value: float, worst: float, now: int) -> Condition:
    """An alarm found open: of a desktop that ran before this one, or runs beside it."""
    return Condition(State.RAISED, raised_at, now, value, worst, raised_at)


def zone(rule: Rule, value: float) -> Zone:
    """Where a value stands; the threshold itself is bad, `clear_at` itself is good."""
    above = KINDS[rule.kind].above
    if value >= rule.threshold if above else value <= rule.threshold:
        return Zone.BAD
    return Zone.GOOD if (value <= rule.clear_at if above else value >= rule.clear_at) else Zone.BETWEEN


def is_bad(rule: Rule, value: float | None) -> bool:
    """Does this value count against the rule? One that cannot be seen does not."""
    return value is not None and zone(rule, value) is Zone.BAD


def worse(rule: Rule, one: float, other: float) -> float:
    """The worse of two values."""
    return max(one, other) if KINDS[rule.kind].above else min(one, other)


def at_least(rule: Rule, value: float) -> float | None:
    """A value that may be larger in truth, for a part cannot be seen: used where it decides all the same."""
    decides = Zone.BAD if KINDS[rule.kind].above else Zone.GOOD
    return value if zone(rule, value) is decides else None


def apply(
    rule: Rule, condition: Condition, value: float | None, now: int
) -> tuple[Condition, Happened | None]:
    """One reading. `value` None: it cannot be seen now.

    Gives the condition after it, and what has happened by it.
    """
    if value is None:
        return condition, None
    lost = now - condition.seen > LOST_SIGHT_MS or now < condition.since
    if lost and condition.state in (State.RISING, State.SINKING):
        condition = replace(condition, since=now)
    where = zone(rule, value)
    moved = NEXT.get((condition.state, where), condition.state)
    since = condition.since if moved is condition.state else now
    worst = value if condition.state is State.CALM else worse(rule, condition.worst, value)
    after = replace(condition, state=moved, since=since, seen=now, value=value, worst=worst)
    if after.state is State.RISING and now - since >= rule.hold_seconds * 1000:
        return replace(after, state=State.RAISED, since=now, raised_at=now), Happened.RAISED
    if after.state is State.SINKING and now - since >= rule.clear_seconds * 1000:
        return replace(after, state=State.CALM, since=now), Happened.CLEARED
    return after, None


def gone(rule: Rule, condition: Condition, now: int) -> tuple[Condition, Happened | None]:
    """There is nothing to judge any more: seat signed out, queue closed, too few calls. That is good."""
    return apply(rule, condition, rule.clear_at, now)


def is_quiet(rule: Rule, now: int) -> bool:
    """Whether its quiet hours cover this moment: the alarm is shown, without sound and webhook."""
    if not rule.quiet_from or not rule.quiet_to:
        return False
    at = datetime.fromtimestamp(now / 1000, UTC).astimezone(CITY_TIME).strftime("%H:%M")
    if rule.quiet_from <= rule.quiet_to:
        return rule.quiet_from <= at < rule.quiet_to
    return at >= rule.quiet_from or at < rule.quiet_to


def quiet_until(rule: Rule, now: int) -> int:
    """When the quiet hours that cover this moment end; `now` where none do."""
    if not is_quiet(rule, now) or rule.quiet_to is None:
        return now
    local = datetime.fromtimestamp(now / 1000, UTC).astimezone(CITY_TIME)
    hour, minute = rule.quiet_to.split(":")
    end = local.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    return round((end if end > local else end + timedelta(days=1)).timestamp() * 1000)


def faults(rule: Rule) -> dict[str, str]:
    """What is wrong with a rule as typed: field -> sentence; empty when it can be kept."""
    kind = KINDS.get(rule.kind)
    if kind is None:
        return {"kind": "没有这种告警。"}
    wrong: dict[str, str] = {}
    for name, value in (("threshold", rule.threshold), ("clear_at", rule.clear_at)):
        if not kind.least <= value <= kind.most:
            wrong[name] = f"应为 {kind.least:g} 至 {kind.most:g}。"
    if not wrong and (rule.clear_at >= rule.threshold if kind.above else rule.clear_at <= rule.threshold):
        wrong["clear_at"] = "恢复值应低于告警值。" if kind.above else "恢复值应高于告警值。"
    if rule.queue and not kind.by_queue:
        wrong["queue"] = "这种告警不分队列。"
    if (rule.quiet_from is None) != (rule.quiet_to is None):
        wrong["quiet_from"] = "静默时段的开始和结束须同时填写。"
    elif rule.quiet_from is not None and rule.quiet_from == rule.quiet_to:
        wrong["quiet_from"] = "静默时段的开始和结束不能相同。"
    return wrong


# --- words ---------------------------------------------------------------------------------------------


def amount(kind: str, value: float) -> str:
    """A value as people read it: "1 分 05 秒", "82.5%", "0 席"."""
    unit = KINDS[kind].unit if kind in KINDS else "count"
    if unit == "percent":
        return f"{value:.1f}".rstrip("0").rstrip(".") + "%"
    if unit == "seats":
        return f"{value:.0f} 席"
    if unit == "count":
        return f"{value:.0f} 条"
    seconds = round(value)
    if seconds < 60:
        return f"{seconds} 秒"
    if seconds < 3600:
        return f"{seconds // 60} 分 {seconds % 60:02} 秒"
    return f"{seconds // 3600} 小时 {seconds // 60 % 60:02} 分"


def bound(kind: str, threshold: float) -> str:
    """The threshold as people read it: "≥ 1 分 00 秒"."""
    return f"{'≥' if kind not in KINDS or KINDS[kind].above else '≤'} {amount(kind, threshold)}"
