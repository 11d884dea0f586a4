"""Growth on paper and by simulation: 150 to 3,000 seats, 1 to 8 nodes, beside what was measured.

    docs/capacity/results/*.json ─► units, points ─► growth_model (formula) ─┐
    growth_probes (--measure)    ─►                                           ├─► growth.json ─► text, charts
    hotline/load/city_day.yaml   ─► growth_day (played call by call)       ──┘

`hotline capacity growth` reads the results that there are, so that it is run again after each capacity run.
What is measured, configured and assumed is said at each figure.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from hotline.bench import machine
from hotline.capacity import growth_chart, growth_points, growth_report
from hotline.capacity.growth_day import Group, Outcome, Plan, Routing, Trouble, day_of, evenly, play
from hotline.capacity.growth_model import (
    UNITS,
    City,
    Limits,
    Unit,
    fullest,
    in_order,
    machines,
    one_machine_cores,
    parts,
    traffic,
)
from hotline.load.draw import Scenario, read
from hotline.settings import Settings
from reports.erlang import HOUR, NORM, Load, Target, calls_for, queue, rostered, seats_for

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "capacity" / "results"
PART = "growth"
STEPS = ((150, 1, 1), (300, 1, 2), (600, 2, 3), (1200, 4, 6), (3000, 8, 13))
"""Seats, nodes, desktops: the way from one city to a day of 1,000,000 calls."""
CALLS_A_SEAT = 50_000 / 150
"""A peak day, for each seat (DOMAIN 6); so 3,000 seats have 1,000,000."""
SEED = 12345
section = growth_report.section
"""Markdown of growth.json, for the report of all parts."""
HANDED_ON_AFTER = 5.0
LOST_AT = 10 * HOUR
"""In the middle of the morning's rush."""

Say = Callable[[str], None]


# --- what it starts from -------------------------------------------------------------------------------


def results(folder: Path = RESULTS) -> dict[str, Any]:
    """Every results file by name; what cannot be read is left out."""
    found = {}
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            found[path.stem] = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
    return found


def units(probes: Mapping[str, Any]) -> dict[str, Unit]:
    """The model's units: as in the code, and what the probes found in their place."""
    found = dict(UNITS)

    def put(name: str, value: Any, source: str = "probe") -> None:
        if isinstance(value, int | float) and value > 0:
            found[name] = replace(found[name], value=float(value), kind="measured", source=source)

    day, flac = probes.get("day", {}), probes.get("flac", {})
    many = day.get("calls_a_day") or 0
    wait = probes.get("waiting", {})
    alone, armed = (wait.get(kind, {}).get("cpu_ms_a_second") for kind in ("none", "mixmonitor"))
    put("asterisk_wait", alone, "probe: 100 in the queue")
    put("mixmonitor_wait", alone and armed and armed - alone, "probe: armed, and writing nothing")
    put("asterisk_channel_kb", wait.get("none", {}).get("kilobytes_a_channel"), "probe: 100 in the queue")
    put("view_bytes", day.get("view_bytes_a_call"))
    put("view_read", many and 1000 * day.get("view_read_cpu_seconds", 0) / many)
    put("board_figures", many and day.get("board_figures_cpu_ms", 0) / many)
    put("flac", flac.get("cpu_ms_a_minute"))
    put("flac_kb", flac.get("kilobytes_a_minute"))
    put("login", probes.get("argon2", {}).get("cpu_ms"))
    postgresql, sqlite = probes.get("postgresql", {}), probes.get("sqlite", {})
    put("database_bytes", postgresql.get("bytes_a_call"), "probe: the copier's tables")
    put(
        "commits_limit",
        postgresql.get("commits_a_second_of_eight"),
        "probe: PostgreSQL, 8 clients, this disk",
    )
    put(
        "sqlite_commits_limit", sqlite.get("commits_a_second_of_eight"), "probe: SQLite, 8 threads, this disk"
    )
    return found


def city(seats: int, nodes: int, desktops: int, scenario: Scenario, recorder: str) -> City:
    """The scenario's city, grown to so many seats with as many calls for each."""
    return City(
        seats=seats,
        calls_a_day=seats * CALLS_A_SEAT,
        nodes=nodes,
        desktops=desktops,
        recorder=recorder,
        hours=scenario.hours,
        talk_seconds=scenario.talk.mean,
        after_call_seconds=scenario.after_call.mean,
        ring_seconds=scenario.answer.mean,
        patience_seconds=scenario.patience.mean,
    )


def load(grown: City, calls: float = 1.0, patience: bool = True) -> Load:
    """Erlang's words for this city."""
    return Load(
        calls,
        grown.talk_seconds,
        grown.after_call_seconds,
        grown.ring_seconds,
        grown.patience_seconds if patience else None,
    )


# --- played through ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Played:
    """One plan that was played through, and what came of it."""

    name: str
    outcome: Outcome
    formula: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        out = self.outcome
        return {
            "name": self.name,
            **asdict(out),
            "most_calls": max(out.most_calls),
            "in_time_share": round(out.in_time_share, 4),
            "hung_up_share": round(out.hung_up_share, 4),
            "mean_wait": round(out.mean_wait, 2),
            "formula": self.formula,
        }


def simulated(grown: City, say: Say, *, scale: float = 1.0) -> dict[str, list[dict[str, Any]]]:
    """What splitting one queue costs, a special desk on many nodes, and a day with a node lost.

    `scale` below 1 plays a smaller city (for tests). Ring is part of the after-call time here: a seat is
    taken meanwhile, and the wait is shorter by it.
    """
    seats, nodes = max(16, round(grown.seats * scale)), grown.nodes
    small = replace(grown, seats=seats, calls_a_day=grown.calls_a_day * scale)
    return {
        "against_formula": [one.as_json() for one in _against_formula(small, say, _long(49, scale))],
        "split": [one.as_json() for one in _split(small, nodes, say)],
        "special_desk": [one.as_json() for one in _special_desk(small, nodes, say, _long(25, scale))],
        "day": [one.as_json() for one in _day(small, nodes, say)],
    }


def _long(hours: int, scale: float) -> int:
    """Hours that are played, the first to warm up."""
    return max(2, round(hours * min(1.0, 10 * scale)))


def _plan(grown: City, hours: Sequence[float], groups: tuple[Group, ...], **more: Any) -> Plan:
    return Plan(
        calls_per_hour=tuple(hours),
        groups=groups,
        talk_seconds=grown.talk_seconds,
        after_call_seconds=grown.after_call_seconds + grown.ring_seconds,
        patience_seconds=more.pop("patience", grown.patience_seconds),
        **more,
    )


def _against_formula(grown: City, say: Say, hours: int) -> Iterable[Played]:
    say("against Erlang C and A")
    for name, calls, patience in (
        ("150 seats, 2,470 calls/h, nobody hangs up", 2470.0, None),
        ("150 seats, 5,040 calls/h", 5040.0, grown.patience_seconds),
    ):
        plan = replace(
            _plan(grown, [calls] * hours, evenly(1, 150), patience=patience),
            warm_seconds=HOUR,
            # Exponential as a whole, as Erlang has it: talk and what follows it are one time here.
            talk_seconds=load(grown).handling_seconds,
            after_call_seconds=0.0,
        )
        met = queue(150, Load(calls, plan.talk_seconds, patience_seconds=patience))
        formula = {
            "in_time_share": round(met.in_time, 4),
            "hung_up_share": round(met.abandoned, 4),
            "mean_wait": round(met.mean_wait_seconds, 2),
        }
        yield Played(name, play(plan, SEED), formula)


def _formula(seats: int, calls: float, grown: City) -> dict[str, float]:
    met = queue(seats, replace(load(grown, calls), ring_seconds=0.0, after_call_seconds=_after(grown)))
    return {
        "in_time_share": round(met.in_time, 4),
        "hung_up_share": round(met.abandoned, 4),
        "mean_wait": round(met.mean_wait_seconds, 2),
    }


def _after(grown: City) -> float:
    return grown.after_call_seconds + grown.ring_seconds


def _split(grown: City, nodes: int, say: Say) -> Iterable[Played]:
    seats = grown.seats
    wish = replace(load(grown), ring_seconds=0.0, after_call_seconds=_after(grown))
    calls = calls_for(seats, wish, NORM)
    each = evenly(nodes, seats)
    # As many seats, but not where the dispatcher takes them to be.
    uneven = tuple(replace(group, seats=round(group.seats * (0.8, 1.2)[group.node % 2])) for group in each)
    believed = tuple(group.seats for group in each)
    for name, groups, more in (
        ("one queue of all seats, which several nodes cannot have", evenly(1, seats), {}),
        ("fewest calls first", each, {}),
        ("one after the other", each, {"routing": Routing.ROUND_ROBIN}),
        (
            f"one after the other, handed on after {HANDED_ON_AFTER:.0f} s",
            each,
            {"routing": Routing.ROUND_ROBIN, "hand_on_after": HANDED_ON_AFTER},
        ),
        (
            "fewest calls first, but a fifth of every other node's seats is at its neighbour",
            uneven,
            {"believed": believed},
        ),
        (
            f"the same, handed on after {HANDED_ON_AFTER:.0f} s",
            uneven,
            {"believed": believed, "hand_on_after": HANDED_ON_AFTER},
        ),
    ):  # fmt: skip
        say(f"{calls:,.0f} calls/h at {seats:,} seats: {name}")
        plan = replace(_plan(grown, [calls] * 3, groups), warm_seconds=HOUR, **more)
        formula = {}
        if len(groups) == 1:
            formula = _formula(seats, calls, grown)
        elif more == {"routing": Routing.ROUND_ROBIN}:
            formula = _formula(seats // nodes, calls / nodes, grown)
        yield Played(name, play(plan, SEED), formula)


def _special_desk(grown: City, nodes: int, say: Say, hours: int) -> Iterable[Played]:
    """A desk that the dispatcher cannot see: the citizen chooses it in the menu, when the node is chosen."""
    seats = 5 * nodes
    wish = replace(load(grown), ring_seconds=0.0, after_call_seconds=_after(grown))
    calls = calls_for(seats, wish, NORM)
    for name, groups, more in (
        ("all seats of the desk at one node", evenly(1, seats), {}),
        (f"five at each of {nodes} nodes", evenly(nodes, seats), {"routing": Routing.RANDOM}),
        (
            f"the same, handed on after {HANDED_ON_AFTER:.0f} s",
            evenly(nodes, seats),
            {"routing": Routing.RANDOM, "hand_on_after": HANDED_ON_AFTER},
        ),
    ):
        say(f"a desk of {seats} seats, {calls:,.0f} calls/h: {name}")
        plan = replace(_plan(grown, [calls] * hours, groups), warm_seconds=HOUR, **more)
        formula = (
            _formula(seats // len(groups), calls / len(groups), grown) if "hand_on_after" not in more else {}
        )
        yield Played(name, play(plan, SEED), formula)


def _day(grown: City, nodes: int, say: Say) -> Iterable[Played]:
    hours = day_of(grown.calls_a_day, grown.hours)
    each = evenly(nodes, grown.seats)
    noticed = 10.0
    moved = "its agents sign in elsewhere within"
    for name, trouble in (
        ("nothing happens", None),
        (f"a node is drained at 10:00, {moved} 5 min", Trouble(1, LOST_AT, False, 0.0, 300.0)),
        (f"a node is lost at 10:00, {moved} 1 min", Trouble(1, LOST_AT, True, noticed, 60.0)),
        ("a node is lost at 10:00, its agents stay out", Trouble(1, LOST_AT, True, noticed)),
    ):
        say(f"a day of {grown.calls_a_day:,.0f} calls: {name}")
        yield Played(name, play(_plan(grown, hours, each, trouble=trouble), SEED))


# --- the report ----------------------------------------------------------------------------------------


def report(
    probes: Mapping[str, Any],
    found: Mapping[str, Any],
    *,
    recorder: str = "mixmonitor",
    say: Say = print,
    scale: float = 1.0,
) -> dict[str, Any]:
    """The whole of growth.json. `found` are the results of other parts, by name of their file."""
    scenario = read()
    points = growth_points.points(found)
    own = units(probes)
    own |= growth_points.fitted(found, own)
    steps = []
    for seats, nodes, desktops in STEPS:
        grown = city(seats, nodes, desktops, scenario, recorder)
        busy = grown.calls_a_day * grown.busy_hour_share
        enough = seats_for(load(grown, busy), Target())
        met = traffic(grown)
        steps.append(
            {
                "seats": seats,
                "nodes": nodes,
                "desktops": desktops,
                "calls_a_day": round(grown.calls_a_day),
                "busy_hour": {"calls_per_second": round(met.calls, 2), **_rounded(asdict(met))},
                "parts": [asdict(part) | {"used": round(part.used, 3)} for part in parts(grown, own)],
                "fullest": fullest(parts(grown, own)).name,
                "machines": asdict(machines(grown, own)),
                "seats_for_the_norm": enough,
                "agents_on_the_roster": rostered(enough, 0.3),
            }
        )
    one = city(150, 1, 1, scenario, recorder)
    largest = city(*STEPS[-1], scenario, recorder)
    return {
        "part": PART,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "command": "hotline capacity growth",
        "load_average_before": round(os.getloadavg()[0], 2),
        "scenario": scenario.name,
        "recorder": recorder,
        "units": {name: asdict(unit) for name, unit in own.items()},
        "limits": asdict(Limits()),
        "steps": steps,
        "one_machine": {
            kind: _rounded(one_machine_cores(replace(one, recorder=kind), own))
            for kind in ("mixmonitor", "capture")
        },
        "order_on_one_node": [asdict(full) for full in in_order(one, own)],
        "order_on_eight_nodes": [asdict(full) for full in in_order(largest, own)],
        "curve": growth_chart.curve(one, own),
        "check": growth_points.check(points, own),
        "simulated": simulated(largest, say, scale=scale),
        "probes": dict(probes),
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def growth(
    json_file: Annotated[
        Path,
        typer.Option("--json", help="Where the figures are written; charts go into the folder above it."),
    ] = RESULTS / "growth.json",
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the probes anew, about three minutes.")
    ] = False,
    postgres: Annotated[
        str,
        typer.Option(help="With --measure: URL of an empty PostgreSQL database that keeps what it commits."),
    ] = "",
    calls: Annotated[
        int, typer.Option(min=1000, help="With --measure: calls of a day in that database.")
    ] = 1_000_000,
    recorder: Annotated[
        str, typer.Option(help="mixmonitor, capture, both or none. Default: as installed.")
    ] = "",
) -> None:
    """What 150 to 3,000 seats need, what is full first, what splitting the queue costs, beside measured."""
    found = results(json_file.parent)
    probes: dict[str, Any] = found.get(PART, {}).get("probes", {})
    if measure:
        from hotline.capacity import growth_probes
        from hotline.private_line import pbx_tree

        probes = probes | growth_probes.measure(postgres, pbx_tree(), calls=calls, days=2, say=typer.echo)
    made = report(
        probes, found, recorder=recorder or Settings.model_fields["recorder"].default, say=typer.echo
    )
    json_file.parent.mkdir(parents=True, exist_ok=True)
    json_file.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for name, drawing in growth_chart.charts(made).items():
        (json_file.parent.parent / name).write_text(drawing, "utf-8")
    typer.echo(section(made))
