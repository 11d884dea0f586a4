"""`hotline plan`: seats and trunks for a load, hour by hour, beside what the ledger measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db.engine import open_engine, sessions
from hotline.settings import load as load_settings
from reports.erlang import NORM, Load, Target, calls_for, seats_for
from reports.plan import Measured, Planned, Terms, last_day, measured_day, planned, volumes

TALK_SECONDS = 180.0
"""DOMAIN: 150 to 180 s on average. Taken where nothing is said and nothing measured."""
SHRINKAGE = 0.3
"""A usual figure of call centres: breaks, training, meetings, leave and illness together."""


class NothingToPlan(Exception):
    """What was asked for cannot be planned; the sentence says why and what to do."""


@dataclass(frozen=True)
class Wish:
    """The options; None: measured where the ledger is asked, else the default."""

    calls: float | None = None
    talk: float | None = None
    after_call: float | None = None
    ring: float | None = None
    patience: float | None = None
    menu: float | None = None
    seats: int | None = None
    target: Target = NORM
    shrinkage: float = SHRINKAGE
    blocking: float = 0.001

    def load(self, calls: float, day: Measured | None) -> Load:
        """So many calls an hour of the kind that is wished for, or was measured."""
        seen = day or Measured(date.min)
        return Load(
            calls,
            _first(self.talk, seen.talk_seconds, TALK_SECONDS),
            _first(self.after_call, seen.after_call_seconds),
            _first(self.ring, seen.ring_seconds),
            self.patience if self.patience is not None else seen.patience_seconds,
        )

    def terms(self, day: Measured | None) -> Terms:
        menu = _first(self.menu, day.menu_seconds if day else None, 0.0)
        return Terms(self.target, self.shrinkage, self.blocking, menu)


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def plan(
    calls: Annotated[float | None, typer.Option(min=0, help="Calls an hour that ask for a person.")] = None,
    talk: Annotated[
        float | None, typer.Option(help="Mean talk, in seconds. Default: 180, or as measured.")
    ] = None,
    after_call: Annotated[
        float | None, typer.Option(help="Mean after-call work, in seconds. Default: 0, or as measured.")
    ] = None,
    ring: Annotated[
        float | None,
        typer.Option(help="Mean ring until a seat answers, in seconds. Default: 0, or as measured."),
    ] = None,
    patience: Annotated[
        float | None,
        typer.Option(
            max=86_400,
            help="Mean wait until a citizen hangs up, in seconds. Default: nobody does, or as measured.",
        ),
    ] = None,
    menu: Annotated[
        float | None, typer.Option(min=0, help="Seconds on the trunk before a person is asked for.")
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(
            help="At least this share answered in time. Default: 0.95, unless --abandon stands alone."
        ),
    ] = None,
    within: Annotated[float, typer.Option(help="Seconds that count as in time.")] = 15.0,
    abandon: Annotated[
        float | None, typer.Option(help="At most this share hangs up while waiting; needs a patience.")
    ] = None,
    shrinkage: Annotated[
        float, typer.Option(help="Share of paid time that is breaks, meetings, leave, illness.")
    ] = SHRINKAGE,
    blocking: Annotated[float, typer.Option(help="At most this share finds every trunk taken.")] = 0.001,
    seats: Annotated[
        int | None, typer.Option(min=1, help="So many seats at work: what they give, instead of how many.")
    ] = None,
    from_ledger: Annotated[
        bool,
        typer.Option(
            "--from-ledger", help="Volume, times and patience of a day of the ledger, and what was measured."
        ),
    ] = False,
    day: Annotated[
        str,
        typer.Option(help="With --from-ledger: YYYY-MM-DD in Asia/Shanghai. Default: the last with calls."),
    ] = "",
    forecast: Annotated[
        str, typer.Option(help="Plan this day, YYYY-MM-DD, by the ledger's forecast of its volume.")
    ] = "",
) -> None:
    """Seats and trunks for a volume, by Erlang B, C and A; with --from-ledger beside what was measured."""
    console = Console()
    try:
        target = Target(
            share if share is not None else (None if abandon is not None else 0.95), within, abandon
        )
        wish = Wish(calls, talk, after_call, ring, patience, menu, seats, target, shrinkage, blocking)
        if from_ledger or forecast or day:
            _by_ledger(
                wish, from_ledger or bool(day), _day(day, "--day"), _day(forecast, "--forecast"), console
            )
        elif calls is not None:
            show_hours(
                "an hour", [("", planned(wish.load(calls, None), wish.terms(None), seats))], wish, console
            )
        elif seats is not None:
            show_carried(seats, wish, console)
        else:
            raise NothingToPlan(
                "say how many calls an hour (--calls 2700), or --from-ledger, or --forecast with a day, "
                "or --seats alone for what they carry"
            )
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        typer.echo(f"the database cannot be read ({reason}): start it, or run `hotline migrate`", err=True)
        raise typer.Exit(2) from None
    except (NothingToPlan, ValueError) as error:
        if hasattr(error, "errors"):  # a wrong setting: told by hotline.cli
            raise
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _day(text: str, option: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date() if text else None
    except ValueError:
        raise NothingToPlan(f"{option} {text!r} is no day; write it as 2026-11-21") from None


def _by_ledger(wish: Wish, measure: bool, day: date | None, ahead: date | None, console: Console) -> None:
    settings = load_settings()
    engine = open_engine(settings.database)
    try:
        with sessions(engine)() as session:
            seen = _measure(session, day, settings.answer_norm_seconds) if measure else None
            hourly = volumes(session, ahead) if ahead else []
    finally:
        engine.dispose()
    if ahead and not any(hourly):
        raise NothingToPlan(
            f"the ledger has no earlier day like {ahead}: nothing can be forecast; give --calls"
        )
    if ahead:
        rows = [(_clock(hour), volume) for hour, volume in enumerate(hourly)]
        title = f"{ahead}, forecast"
    elif seen:
        rows = [(_clock(one.hour), one.calls_per_hour) for one in seen.hours]
        title = f"{seen.day}, as it was asked for"
    if wish.calls is not None:
        rows, title = [("", wish.calls)], "an hour"
    terms = wish.terms(seen)
    show_hours(
        title,
        [(label, planned(wish.load(volume, seen), terms, wish.seats)) for label, volume in rows],
        wish,
        console,
    )
    if seen:
        show_measured(seen, settings.answer_norm_seconds, console)


def _measure(session: Session, day: date | None, norm_seconds: int) -> Measured:
    wanted = day or last_day(session)
    if wanted is None:
        raise NothingToPlan("the ledger has no call that asked for a person yet: give --calls instead")
    seen = measured_day(session, wanted, datetime.now(UTC), norm_seconds * 1000)
    if not any(hour.asked for hour in seen.hours):
        raise NothingToPlan(f"on {wanted} nobody asked for a person: choose another --day, or give --calls")
    if not seen.talk_seconds:
        raise NothingToPlan(
            f"on {wanted} nobody was answered: no talk time can be taken from it; choose another --day"
        )
    return seen


# --- on the screen -------------------------------------------------------------------------------------


def show_hours(title: str, rows: list[tuple[str, Planned]], wish: Wish, console: Console) -> None:
    """The plan, a line for each hour, and what it starts from."""
    rows = [row for row in rows if row[1].load.calls_per_hour]
    if not rows:
        raise NothingToPlan("no hour has a call: there is nothing to plan")
    target = wish.target
    table = Table(title=f"Plan: {title}", title_justify="left")
    for name in (
        "hour", "calls/h", "erlangs", "seats", "rostered", f"in {target.within_seconds:g} s",
        "hang up", "wait", "busy", "trunks",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for label, one in rows:
        met = one.waiting
        table.add_row(
            label,
            f"{one.load.calls_per_hour:,.0f}",
            f"{one.load.erlangs:.1f}",
            str(one.seats),
            str(one.rostered),
            _percent(met.in_time),
            _percent(met.abandoned) if one.load.patience_seconds else "–",
            _seconds(met.mean_wait_seconds),
            _percent(met.busy),
            "no end" if one.trunks is None else str(one.trunks),
        )
    console.print(table)
    first = rows[0][1].load
    console.print(
        f"talk {first.talk_seconds:.0f} s, after-call work {first.after_call_seconds:.0f} s, ring "
        f"{first.ring_seconds:.1f} s, "
        + (f"patience {first.patience_seconds:.0f} s (Erlang A)" if first.patience_seconds else _NO_PATIENCE)
        + f"; target {_target(target)}; shrinkage {wish.shrinkage:.0%}; "
        f"trunks refuse {wish.blocking:.2%}"
    )


_NO_PATIENCE = "nobody hangs up (Erlang C)"


def show_carried(seats: int, wish: Wish, console: Console) -> None:
    """What so many seats carry within the target."""
    load = wish.load(0, None)
    most = calls_for(seats, load, wish.target)
    console.print(
        f"{seats} seats at work carry {most:,.1f} calls an hour at {load.handling_seconds:.0f} s a call "
        f"with {_target(wish.target)} "
        + (f"(Erlang A, patience {load.patience_seconds:.0f} s)" if load.patience_seconds else "(Erlang C)")
    )


def show_measured(seen: Measured, norm_seconds: int, console: Console) -> None:
    """The same hours as they were, beside the formula with the seats of the hour; then why they differ."""
    table = Table(
        title=f"Measured on {seen.day}, and the formula with the seats that were there", title_justify="left"
    )
    for name in (
        "hour", "asked", "signed in", "at work", f"in {norm_seconds} s (formula)", "hung up (formula)",
        "wait (formula)", "trunks",
    ):  # fmt: skip
        table.add_column(name, justify="right")
    for hour in seen.hours:
        if not hour.asked:
            continue
        expected = seen.expected(hour, norm_seconds)
        table.add_row(
            _clock(hour.hour),
            str(hour.asked),
            f"{hour.signed_in:.1f}",
            f"{hour.at_work:.1f}",
            f"{_percent(hour.in_time_rate)} ({_percent(expected.in_time if expected else None)})",
            f"{_percent(hour.hung_up_rate)} ({_percent(expected.abandoned if expected else None)})",
            f"{_seconds(hour.wait_seconds)} ({_seconds(expected.mean_wait_seconds if expected else None)})",
            str(hour.trunks),
        )
    console.print(table)
    for sentence in (verdict(seen, norm_seconds), *differences(seen)):
        console.print(f"· {sentence}")


def verdict(seen: Measured, norm_seconds: int) -> str:
    """The day's rate beside the formula's, in one sentence."""
    decided = expected = in_time = 0.0
    for hour in seen.hours:
        formula = seen.expected(hour, norm_seconds)
        if formula and hour.decided:
            decided += hour.decided
            in_time += hour.in_time
            expected += formula.in_time * hour.decided
    if not decided:
        return "No hour can be compared: the journal knows of no seat at work while people asked."
    real, said = in_time / decided, expected / decided
    words = (
        f"{real:.0%} were answered within {norm_seconds} s; the formula gives {said:.0%} for the same seats"
    )
    if abs(real - said) < 0.02:
        return f"{words}: they agree."
    return (
        f"{words}: reality is {'worse' if real < said else 'better'} by {abs(real - said) * 100:.0f} points."
    )


def differences(seen: Measured) -> list[str]:
    """Where this day was not what the formulas assume, each with its figure and which way it pulls."""
    asked = sum(hour.asked for hour in seen.hours)
    answered = sum(hour.answered for hour in seen.hours)
    found = [
        f"Ring: the seat idle for longest is rung (leastrecent), one at a time, and answers after "
        f"{seen.ring_seconds:.1f} s on the mean; this is counted in the plan. "
        + (
            f"{seen.in_vain} rings went unanswered, up to 20 s each: lost to both, and not in the formula."
            if seen.in_vain
            else "No ring went unanswered."
        )
    ]
    queues = {name: count for name, count in seen.by_queue.items() if count}
    if len(queues) > 1:
        found.append(_skills(seen, queues))
    if seen.after_call_seconds:
        found.append(
            f"After-call work: {seen.after_call_seconds:.0f} s per answered call, counted as handling time. "
            "Agents cut it short or prolong it as the queue is; the formula keeps its mean."
        )
    else:
        found.append(
            "After-call work: none in the journal; yet app_queue rests a seat for 2 s after each call."
        )
    if seen.retries:
        found.append(
            f"Retries: {seen.retries} of {asked} calls ({seen.retries / asked:.0%}) came again within two "
            "hours of not being answered. Enough seats would not have them: the plan is high by that."
        )
    fullest = max(seen.hours, key=lambda hour: hour.asked)
    if fullest.asked >= 20 and fullest.seconds >= 3600 and fullest.busiest_quarter > 1.25 * fullest.asked / 4:
        found.append(
            f"Rush: {fullest.busiest_quarter} of the {fullest.asked} calls from {_clock(fullest.hour)} on "
            "came in one quarter of an hour; the formula spreads them evenly, so waits were longer."
        )
    if seen.talk_variation is not None and answered >= 20 and not 0.8 <= seen.talk_variation <= 1.25:
        way = "longer" if seen.talk_variation > 1 else "shorter"
        found.append(
            f"Talk: deviation ÷ mean is {seen.talk_variation:.1f}, and 1 in the formula: waits are {way}."
        )
    if seen.short_abandons:
        found.append(
            f"Patience: {seen.short_abandons} hung up within the first seconds, more than an even patience "
            "explains; the boards show them apart, the formula counts them as hung up."
        )
    elsewhere = sum(hour.elsewhere for hour in seen.hours)
    if elsewhere:
        found.append(
            f"{elsewhere} calls left the queue for a call-back, a voice message or overflow: no wait in the "
            "formula ends like that, and a call-back comes again as outbound work."
        )
    if seen.outbound_seconds >= 60:
        found.append(
            f"Outbound calls took seats for {seen.outbound_seconds / 60:.0f} minutes, which are free in the "
            "formula."
        )
    if seen.shrinkage is not None:
        found.append(
            f"Breaks took {seen.shrinkage:.0%} of the time signed in; leave and illness come on top."
        )
    return found


def _skills(seen: Measured, queues: dict[str, int]) -> str:
    # By the whole day: a queue's share of the fullest hour.
    peak = max(hour.calls_per_hour for hour in seen.hours)
    total = sum(queues.values())
    target = Target(0.95, 15.0 + seen.ring_seconds)
    pooled = seen.load(peak)
    apart = [seen.load(peak * count / total) for count in queues.values()]
    if pooled is None:
        return "Skills: the formula has one pool of equal seats."
    together, split = seats_for(pooled, target), sum(seats_for(one, target) for one in apart if one)
    return (
        f"Skills: {len(queues)} queues, and the formula has one pool of equal seats. In the fullest hour it "
        f"needs {together} seats; if no agent served two queues, {split}. Skills are between the two."
    )


def _target(target: Target) -> str:
    parts = []
    if target.share is not None:
        parts.append(f"{target.share:.0%} within {target.within_seconds:g} s")
    if target.abandoned is not None:
        parts.append(f"at most {target.abandoned:.1%} hanging up")
    return " and ".join(parts)


def _clock(hour: int) -> str:
    return f"{hour:02d}:00"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return "no end" if math.isinf(value) else f"{value:.1f} s"
