"""晨会: a group's day on one sheet: its figures against the week before, recordings worth hearing, points.

    agent_days of eight days ─► Compared (value, mean of the seven days before)
    answered calls of the group ─► worth_hearing: each with its reason ─► chosen: three
    figures, hours of the floor, roster ─► points: proposed, to be edited by the shift leader

Every rule is pure and says in words why: nobody is shown a recording or a point without its ground.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Call, CallPart, Recording
from reports.agent_day import CITY_TIME, AgentDay, Span, agent_days, midnight_of, together
from reports.interval import Figures, interval
from reports.roster import Adherence

DAYS_BEFORE = 7
CHOSEN = 3
# What is called far, many, little: stated here once, and in the sentence beside each point.
TALK_FAR = 3.0
"""Times the group's median talk..."""
TALK_LONG = timedelta(minutes=5).total_seconds()
"""...and at least so long."""
HOLDS = 2
HOLD_LONG = 120.0
SHORT_TALK = 45.0
"""A praised call shorter than this shows nothing."""
AFTER_CALL_OVER = 0.4
LEAST_CALLS = 5
"""Fewer calls make no mean to speak of."""
IN_15_LEAST = 0.8
"""GB/T 33358-2016 wants an answer within 15 s and gives no share; below this an hour is pointed out."""
LEAST_OFFERED = 10
WORST_HOURS = 3
"""More hours than these are only counted."""
SHORT_ABANDONS = 5
SHORT_ABANDON_SHARE = 0.1
ADHERENCE_LEAST = 0.9
RATING_REASONS = {1: "服务态度不好", 2: "问题没有解决", 3: "答复不清楚", 4: "其他原因"}
_GRAVEST = {1: 0, 3: 1, 2: 2, 4: 3}


@dataclass(frozen=True)
class Heard:
    """One answered call of the group with what the ledger knows of it. Seconds are floats."""

    uid: str
    agent: str
    answered_at: datetime
    direction: str = "inbound"
    talk_seconds: float = 0.0
    holds: int = 0
    hold_seconds: float = 0.0
    brought_in: int = 0
    """Consultations, parties and transfers."""
    returned: int = 0
    """How often the telephone at the seat was gone."""
    rating: int | None = None
    rating_reason: int | None = None


@dataclass(frozen=True)
class Pick:
    """A recording worth hearing, and why. `weight` orders within one code, the highest first."""

    uid: str
    agent: str
    code: str
    """not_satisfied | returned | long_talk | much_handling | praised"""
    reason: str
    weight: float = 0.0


@dataclass(frozen=True)
class Point:
    """Something to improve, as proposed by a rule."""

    code: str
    text: str


@dataclass(frozen=True)
class Compared:
    """A figure of the day, and of the seven days before it; None: nothing to divide by."""

    value: float | None
    before: float | None

    @property
    def change(self) -> float | None:
        """Of the value against before: +0.1 is a tenth more. For rates the difference, in points of 1."""
        return None if self.value is None or self.before is None else self.value - self.before


# --- figures against the week --------------------------------------------------------------------------

COUNTS = ("answered", "outbound")
"""Figures of which a day has so many: their mean is for each day on which somebody was signed in."""
RATES = (
    *("average_talk_seconds", "average_after_call_seconds", "average_wait_seconds"),
    *("utilisation", "direct_rate", "satisfaction"),
)
"""Figures that are a quotient: that of the seven days together."""


def compared(day: AgentDay, before: Sequence[AgentDay]) -> dict[str, Compared]:
    """Each figure of `day` beside the days before it (one agent's, or a group's, by day)."""
    worked = [one for one in before if one.signed_in_seconds > 0]
    week = together(worked)
    found = {
        name: Compared(getattr(day, name), getattr(week, name) / len(worked) if worked else None)
        for name in COUNTS
    }
    return found | {name: Compared(getattr(day, name), getattr(week, name)) for name in RATES}


def compared_adherence(day: Adherence | None, before: Adherence | None) -> Compared:
    return Compared(day.adherence if day else None, before.adherence if before else None)


# --- recordings worth hearing --------------------------------------------------------------------------


def worth_hearing(calls: Iterable[Heard]) -> list[Pick]:
    """Every reason found in the calls given (only those with a recording), the gravest first.

    A call may be there for several reasons.
    """
    found = list(calls)
    middle = median([call.talk_seconds for call in found]) if found else 0.0
    rules: tuple[Callable[[Heard, float], Pick | None], ...] = (
        _not_satisfied,
        _returned,
        _long_talk,
        _much_handling,
        _praised,
    )
    picks = [
        pick for rule in rules for pick in _ordered(rule(call, middle) for call in found) if pick is not None
    ]
    return picks


def _ordered(picks: Iterable[Pick | None]) -> list[Pick]:
    return sorted((pick for pick in picks if pick), key=lambda pick: (-pick.weight, pick.uid))


def _not_satisfied(call: Heard, _middle: float) -> Pick | None:
    if call.rating != 3:
        return None
    why = RATING_REASONS.get(call.rating_reason or 0)
    reason = f"市民评价不满意：{why}" if why else "市民评价不满意，没有说明原因"
    return Pick(call.uid, call.agent, "not_satisfied", reason, 4.0 - _GRAVEST.get(call.rating_reason or 0, 4))


def _returned(call: Heard, _middle: float) -> Pick | None:
    if not call.returned:
        return None
    return Pick(call.uid, call.agent, "returned", "通话中坐席电话中断，市民被接回等候", call.returned)


def _long_talk(call: Heard, middle: float) -> Pick | None:
    if call.talk_seconds < TALK_LONG or call.talk_seconds < TALK_FAR * middle:
        return None
    times = f"，是本组中位数（{lasted(middle)}）的 {call.talk_seconds / middle:.1f} 倍" if middle else ""
    reason = f"通话 {lasted(call.talk_seconds)}{times}"
    return Pick(call.uid, call.agent, "long_talk", reason, call.talk_seconds)


def _much_handling(call: Heard, _middle: float) -> Pick | None:
    if call.holds + call.brought_in < HOLDS and call.hold_seconds < HOLD_LONG:
        return None
    parts = [
        f"保持 {call.holds} 次共 {lasted(call.hold_seconds)}" if call.holds else "",
        f"咨询或转接 {call.brought_in} 次" if call.brought_in else "",
    ]
    weight = call.holds + call.brought_in + call.hold_seconds / 60
    return Pick(call.uid, call.agent, "much_handling", "处理曲折：" + "，".join(filter(None, parts)), weight)


def _praised(call: Heard, middle: float) -> Pick | None:
    plain = not (call.holds or call.brought_in or call.returned)
    if call.rating != 1 or not plain or not SHORT_TALK <= call.talk_seconds <= max(middle, SHORT_TALK):
        return None
    reason = f"正面示例：市民满意，通话 {lasted(call.talk_seconds)}，没有保持和转接"
    return Pick(call.uid, call.agent, "praised", reason, -call.talk_seconds)


def chosen(picks: Sequence[Pick], many: int = CHOSEN) -> list[Pick]:
    """The recordings to be heard: one of each reason in their order, an example to follow among them, then
    more of the gravest; of different agents where there is a choice."""
    good = [pick for pick in picks if pick.code == "praised"]
    bad = [pick for pick in picks if pick.code != "praised"]
    taken: list[Pick] = []
    room = many - bool(good)
    for first in (True, False):
        for pick in bad:
            codes, agents = {one.code for one in taken}, {one.agent for one in taken}
            if len(taken) < room and pick.uid not in {one.uid for one in taken}:
                if first and (pick.code in codes or pick.agent in agents):
                    continue
                taken.append(pick)
    example = next((pick for pick in good if pick.agent not in {one.agent for one in taken}), None)
    for pick in [*filter(None, [example]), *good]:
        if len(taken) < many and pick.uid not in {one.uid for one in taken}:
            taken.append(pick)
    return taken


# --- points --------------------------------------------------------------------------------------------


def points(
    agents: Mapping[str, AgentDay],
    names: Mapping[str, str],
    kept: Mapping[str, Adherence],
    hours: Mapping[int, Figures],
) -> list[Point]:
    """What the rules propose: `agents` and `kept` are the group's by login, `hours` the whole floor's by hour
    of the city's day."""
    return [
        *_after_call(agents, names),
        *_slow_hours(hours),
        *_short_abandons(hours),
        *_late(kept, names),
        *_not_kept(kept, names),
        *_unhappy(agents, names),
    ]


def _after_call(agents: Mapping[str, AgentDay], names: Mapping[str, str]) -> list[Point]:
    mean = together(agents.values()).average_after_call_seconds
    if not mean:
        return []
    found = [
        (login, own.average_after_call_seconds)
        for login, own in agents.items()
        if own.average_after_call_seconds
        and own.sums.talked >= LEAST_CALLS
        and own.average_after_call_seconds > mean * (1 + AFTER_CALL_OVER)
    ]
    return [
        Point(
            "after_call",
            f"{names.get(login, login)}平均话后 {lasted(own)}，高出本组均值（{lasted(mean)}）"
            f"{own / mean - 1:.0%}：看一看填单习惯和话术。",
        )
        for login, own in sorted(found, key=lambda pair: -pair[1])
    ]


def _slow_hours(hours: Mapping[int, Figures]) -> list[Point]:
    slow = [
        (hour, one.in_15_rate)
        for hour, one in sorted(hours.items())
        if one.in_15_rate is not None and one.offered >= LEAST_OFFERED and one.in_15_rate < IN_15_LEAST
    ]
    if not slow:
        return []
    worst = sorted(sorted(slow, key=lambda pair: pair[1])[:WORST_HOURS])
    said = "、".join(f"{hour}–{hour + 1} 时 {rate:.0%}" for hour, rate in worst)
    many = f"有 {len(slow)} 个，最低的是" if len(slow) > len(worst) else "："
    text = f"全中心 15 秒接通率低于 {IN_15_LEAST:.0%} 的时段{many}{said}。核对排班和就餐安排。"
    return [Point("slow_hours", text)]


def _short_abandons(hours: Mapping[int, Figures]) -> list[Point]:
    many = [
        (hour, one.short_abandons)
        for hour, one in sorted(hours.items())
        if one.short_abandons >= SHORT_ABANDONS and one.short_abandons >= SHORT_ABANDON_SHARE * one.offered
    ]
    if not many:
        return []
    said = "、".join(f"{hour}–{hour + 1} 时 {count} 个" for hour, count in many)
    return [Point("short_abandons", f"速挂较多的时段：{said}。听一听开场提示，查有无骚扰来电。")]


def _late(kept: Mapping[str, Adherence], names: Mapping[str, str]) -> list[Point]:
    late = [(login, one) for login, one in kept.items() if one.late]
    absent = [names.get(login, login) for login, one in kept.items() if one.absent]
    found = []
    if late:
        said = "、".join(
            f"{names.get(login, login)}（{round(one.late_seconds / 60)} 分钟）"
            for login, one in sorted(late, key=lambda pair: -pair[1].late_seconds)
        )
        found.append(Point("late", f"签入迟到 {sum(one.late for _, one in late)} 人次：{said}。"))
    if absent:
        found.append(Point("absent", f"排班未到：{'、'.join(absent)}。"))
    return found


def _not_kept(kept: Mapping[str, Adherence], names: Mapping[str, str]) -> list[Point]:
    low = [
        (one.adherence, names.get(login, login))
        for login, one in kept.items()
        if one.adherence is not None and one.adherence < ADHERENCE_LEAST and not one.absent and not one.late
    ]
    if not low:
        return []
    said = "、".join(f"{name} {rate:.0%}" for rate, name in sorted(low))
    return [Point("adherence", f"排班遵守率低于 {ADHERENCE_LEAST:.0%}：{said}。了解中途签出和早退的原因。")]


def _unhappy(agents: Mapping[str, AgentDay], names: Mapping[str, str]) -> list[Point]:
    found = [(one.rated - one.satisfied, names.get(login, login)) for login, one in agents.items()]
    many = [(count, name) for count, name in sorted(found, reverse=True) if count >= 2]
    if not many:
        return []
    said = "、".join(f"{name} {count} 个" for count, name in many)
    return [Point("not_satisfied", f"不满意评价两个以上：{said}。逐个听录音并回访。")]


def lasted(seconds: float) -> str:
    """A length of time in words: 8 秒, 2 分 10 秒, 1 小时 5 分."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} 小时 {minutes % 60} 分"
    return f"{minutes} 分 {rest} 秒" if minutes else f"{rest} 秒"


# --- reading -------------------------------------------------------------------------------------------

_AT_ONCE = 1_000


def window_of(day: date, now: datetime) -> Span:
    """A city's day, until `now` where it is not over."""
    return midnight_of(day), max(midnight_of(day), min(midnight_of(day + timedelta(days=1)), now))


def days_of(session: Session, logins: Sequence[str], day: date, now: datetime) -> dict[str, AgentDay]:
    """The agents' figures of a day, by login."""
    return agent_days(session, logins, window_of(day, now))


def heard_calls(session: Session, logins: Sequence[str], window: Span) -> list[Heard]:
    """The ended calls that these agents answered first in `window` and that can be heard (recording kept)."""
    rows = session.execute(
        select(
            Call.uid,
            Call.agent,
            Call.answered_at,
            Call.direction,
            Call.talk_ms,
            Call.transfers,
            Call.rating,
            Call.rating_reason,
        )
        .join(Recording, Recording.call_uid == Call.uid)
        .where(
            Call.agent.in_(sorted(logins)),
            # By the index of agent and arrival; nobody waits longer than a quarter of a day.
            Call.arrived_at >= window[0] - timedelta(hours=6),
            Call.arrived_at <= window[1],
            Call.answered_at >= window[0],
            Call.answered_at < window[1],
            Call.ended_at.is_not(None),
            Recording.kind == "call",
            Recording.state == "kept",
            Recording.path.is_not(None),
        )
        .order_by(Call.answered_at, Call.uid)
    ).all()
    parts = _parts(session, [row.uid for row in rows])
    return [_heard(row, parts.get(row.uid, ())) for row in rows]


def _parts(session: Session, uids: Sequence[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for at in range(0, len(uids), _AT_ONCE):
        for row in session.execute(
            select(CallPart.call_uid, CallPart.kind, CallPart.began_at, CallPart.ended_at).where(
                CallPart.call_uid.in_(uids[at : at + _AT_ONCE]),
                CallPart.kind.in_(("hold", "consult", "party", "outside", "returned")),
            )
        ):
            found.setdefault(row.call_uid, []).append(row)
    return found


def _heard(row: Any, parts: Sequence[Any]) -> Heard:
    holds = [part for part in parts if part.kind == "hold"]
    brought_in = sum(part.kind in ("consult", "party", "outside") for part in parts)
    return Heard(
        uid=row.uid,
        agent=row.agent,
        answered_at=row.answered_at,
        direction=row.direction,
        talk_seconds=(row.talk_ms or 0) / 1000,
        holds=len(holds),
        hold_seconds=sum((part.ended_at - part.began_at).total_seconds() for part in holds if part.ended_at),
        # A transfer that was asked for first is a consultation, too: it is one thing.
        brought_in=max(brought_in, row.transfers),
        returned=sum(part.kind == "returned" for part in parts),
        rating=row.rating,
        rating_reason=row.rating_reason,
    )


def hours_of(session: Session, window: Span) -> dict[int, Figures]:
    """The whole floor's figures by hour of the city's day; hours without a caller are left out."""
    found: dict[int, Figures] = {}
    begins = window[0]
    while begins < window[1]:
        figures = interval(session, begins, min(begins + timedelta(hours=1), window[1]))
        if figures.offered:
            found[begins.astimezone(CITY_TIME).hour] = figures
        begins += timedelta(hours=1)
    return found
