"""What has been measured, as points that the model must meet, and the costs that follow from them. Pure.

    docs/bench.md, the first measurements        ─► POINTS
    docs/capacity/results/*.json of other parts  ─► points(), fitted()
                                                        └─► check(): measured, model, error

A point is so many calls a second, so many talking, on one machine; `cores` is what each part used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hotline.capacity.growth_model import MEASURED, UNITS, Unit, value, waiting_ms


@dataclass(frozen=True)
class Point:
    """One run. `used_for` names the parts whose costs were found by it; the others are held out."""

    name: str
    calls: float
    """A second."""
    talking: float
    cores: Mapping[str, float]
    recorder: str = "mixmonitor"
    waiting: float = 0.0
    seats: float = 50
    pages: bool = True
    """Agents have pages, which ask for pops."""
    pushes: float = 0.0
    """A second, to pages that look at the floor."""
    steady: bool = True
    """As many calls as end; costs are found by such steps only."""
    used_for: frozenset[str] = field(default_factory=frozenset)


POINTS = (
    Point("150 bridged, no recording", 0, 150, {"asterisk": 0.63}, "none", seats=0,
          used_for=frozenset({"asterisk"})),
    Point("150 bridged, MixMonitor", 0, 150, {"asterisk": 1.45}, seats=0, used_for=frozenset({"asterisk"})),
    Point("150 bridged, capture beside", 0, 150, {"asterisk": 0.53, "recorder": 0.03}, "capture", seats=0,
          used_for=frozenset({"recorder"})),
    Point("`bench pop`: 10 calls/s, talk 2 s", 10, 20, {"asterisk": 0.540, "cti": 0.088, "desktop": 0.176},
          used_for=frozenset({"asterisk", "cti", "desktop"})),
    Point("`bench pop`: 3 calls/s, talk 12 s", 3, 36, {"asterisk": 0.422, "cti": 0.046, "desktop": 0.064},
          used_for=frozenset({"cti", "desktop"})),
    Point("`bench floor`: 10 calls/s, talk 2 s, 300 seats", 10, 20,
          {"asterisk": 0.67, "cti": 0.15, "desktop": 0.15, "worker": 0.09},
          seats=300, pages=False, pushes=160, used_for=frozenset({"asterisk", "cti", "worker"})),
)  # fmt: skip
"""docs/bench.md, and 150 calls bridged before the first line was written."""

COSTS = {
    "asterisk": ("asterisk_talk", "mixmonitor"),
    "cti": ("cti_call",),
    "desktop": ("desktop_call",),
    "worker": ("flac",),
    "database": ("database_call",),
}
"""The costs of a part that newer results put in the place of the first ones."""
SEATS_WITHIN = 50
"""Seats of the run by which the cost of a call was found: what they cost is in it."""
PARTS = ("asterisk", "recorder", "cti", "desktop", "worker", "database")


def model(point: Point, units: Mapping[str, Unit]) -> dict[str, float]:
    """Cores of each part at this point, by the model's costs."""
    in_asterisk = value(units, "mixmonitor") if point.recorder in ("mixmonitor", "both") else 0.0
    beside = value(units, "capture") if point.recorder in ("capture", "both") else 0.0
    cut = value(units, "capture_cut") if point.calls and beside else 0.0
    answered = point.calls
    desktop = value(units, "desktop_base") + point.calls * value(units, "changes_a_call") * value(
        units, "desktop_change"
    )
    desktop += point.pushes * value(units, "desktop_push")
    if point.pages:
        desktop += answered * value(units, "desktop_call")
    found = {
        "asterisk": point.calls * value(units, "asterisk_call")
        + point.talking * (value(units, "asterisk_talk") + in_asterisk)
        + point.waiting * waiting_ms(point.recorder, units)
        + max(0.0, point.seats - SEATS_WITHIN) * value(units, "asterisk_seat"),
        "recorder": point.talking * beside,
        "cti": value(units, "cti_base")
        + point.calls * value(units, "cti_call")
        + max(0.0, point.seats - SEATS_WITHIN) * value(units, "cti_seat"),
        "desktop": desktop,
        "worker": point.talking * (value(units, "flac") / 60 + cut) + point.calls * value(units, "kept"),
        "database": point.calls * value(units, "database_call"),
    }
    return {name: ms / 1000 for name, ms in found.items()}


def check(measured: Iterable[Point], units: Mapping[str, Unit]) -> list[dict[str, Any]]:
    """Each point's parts: measured, by the model, the error as a share of what was measured."""
    rows = []
    for point in measured:
        told = model(point, units)
        for part, cores in point.cores.items():
            if cores > 0 and part in told:
                rows.append(
                    {
                        "point": point.name,
                        "part": part,
                        "measured": cores,
                        "model": round(told[part], 4),
                        "error": round(told[part] / cores - 1, 3),
                        "used": "" if part in point.used_for else "held out",
                    }
                )
    return rows


# --- from other parts' results ---------------------------------------------------------------------------

NAMES = {
    "asterisk": ("pbx",),
    "recorder": ("recorder", "recorder2"),
    "cti": ("cti",),
    "desktop": ("desktop",),
    "worker": ("worker",),
    "database": ("database",),
}
"""How the results of a step call a part."""


def points(found: Mapping[str, Any], least: int = 4) -> list[Point]:
    """The points of the code, and those of every capacity run among the results."""
    newer = fitted(found, UNITS).keys()
    replaced = {part for part in PARTS if any(name in newer for name in COSTS.get(part, ()))}
    every = [_without(point, replaced) for point in POINTS]
    for name, result in found.items():
        own = list(_of_run(name, result))
        every += [point for point in own if not point.steady]
        for same in _by_recorder(own).values():
            used = used_of(len(same)) if len(same) >= least else 0
            every += [
                replace(point, used_for=frozenset(PARTS) if n < used else frozenset())
                for n, point in enumerate(same)
            ]
    return every


def _without(point: Point, replaced: set[str]) -> Point:
    """A first point where newer costs stand in the place of its own. Of our own parts it tells nothing then:
    its calls had no tickets, no drafts and hardly any talk. Asterisk's stays, held out."""
    cores = {part: cores for part, cores in point.cores.items() if part == "asterisk" or part not in replaced}
    return replace(point, cores=cores, used_for=point.used_for - replaced)


def _of_run(name: str, result: Any) -> Iterator[Point]:
    """The steps of a capacity run: dictionaries that tell seats or calls and the CPU of parts."""
    if not isinstance(result, Mapping) or result.get("part") in ("growth", "recording_cost", "capture"):
        return
    for step in _steps(result):
        point = point_of(step, name)
        if point is not None:
            yield point


def _steps(value_: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value_, Mapping):
        if point_of(value_, "") is not None:
            yield value_
        else:
            for inner in value_.values():
                yield from _steps(inner)
    elif isinstance(value_, Sequence) and not isinstance(value_, str | bytes):
        for inner in value_:
            yield from _steps(inner)


def _number(told: Any, name: str) -> float | None:
    found = told.get(name) if isinstance(told, Mapping) else None
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def point_of(step: Mapping[str, Any], run: str) -> Point | None:
    """A step of `hotline.capacity.step` as a point; None where it tells no CPU, no calls or no talks."""
    # A job of a run has what was asked of it beside what was found; a step run alone keeps it under "step".
    asked, seconds = step.get("step", step), _number(step, "window_seconds")
    calls = step.get("calls")
    inside = calls.get("in_window") if isinstance(calls, Mapping) else None
    talking, answered = _number(inside, "talking_mean"), _number(inside, "answered")
    used = step.get("cpu_percent")
    if not (isinstance(asked, Mapping) and isinstance(used, Mapping) and seconds and talking and answered):
        return None
    cores = {}
    for part, names in NAMES.items():
        told = [percent for name in names if (percent := _number(used, name)) is not None]
        if told:
            cores[part] = round(sum(told) / 100, 4)
    recorder = str(asked.get("recorder") or "mixmonitor")
    # A channel of a talk is two; what else there is waits, or hears the menu.
    others = max(0.0, (_number(step, "channels_most") or 0.0) - 2 * talking)
    return Point(
        f"`{run}`: {step.get('name', '')}",
        answered / seconds,
        talking,
        cores,
        "none" if recorder == "off" else recorder,
        others,
        seats=_number(asked, "seats") or talking * 1.1,
        pages=not asked.get("bare"),
        steady=not asked.get("rate"),
    )


def fitted(found: Mapping[str, Any], units: Mapping[str, Unit], least: int = 4) -> dict[str, Unit]:
    """Costs from a capacity run's own steps, where there are at least so many of one run and recorder.

    The larger half of the steps is held out: the costs come from the smaller ones, and `check` shows how far
    they reach.
    """
    better = recorded(found.get("recording_cost")) | captured(found.get("capture"))
    for name, result in found.items():
        for recorder, same in _by_recorder(_of_run(name, result)).items():
            if len(same) >= least:
                better |= fit(
                    same[: used_of(len(same))], recorder, {**units, **better}, f"`{name}`, smaller steps"
                )
    return better


def recorded(result: Any) -> dict[str, Unit]:
    """Asterisk's second of talk, bare and with MixMonitor, from `hotline capacity recording-cost`."""
    variants, calls = _list(result, "variants"), _number(result, "calls")
    shipped = next((one for one in variants if _number(one, "to_shipped") == 1.0), None)
    cores, bare = _number(shipped, "cores"), _number(shipped, "bare_cores")
    if not (calls and cores and bare and cores > bare):
        return {}
    source = "`recording_cost`, as shipped and bare"
    return {
        name: replace(UNITS[name], value=round(found * 1000 / calls, 3), kind=MEASURED, source=source)
        for name, found in (("asterisk_talk", bare), ("mixmonitor", cores - bare))
    }


def captured(result: Any) -> dict[str, Unit]:
    """What the worker spends on a second that the passive recorder has captured, at its largest step."""
    rows = [row for row in _list(result, "cutter") if _number(row, "calls")]
    if not rows:
        return {}
    most = max(rows, key=lambda row: _number(row, "calls") or 0.0)
    percent = (_number(most, "segments_percent") or 0.0) + (_number(most, "cuts_percent") or 0.0)
    calls = _number(most, "calls") or 1.0
    source = f"`capture`: {calls:.0f} calls, segments and cuts"
    return {
        "capture_cut": replace(
            UNITS["capture_cut"], value=round(percent * 10 / calls, 4), kind=MEASURED, source=source
        )
    }


def _list(told: Any, name: str) -> Sequence[Any]:
    found = told.get(name) if isinstance(told, Mapping) else None
    return found if isinstance(found, list) else []


def used_of(steps: int) -> int:
    """So many of the steps, the smallest first, costs are found by."""
    return (steps + 1) // 2


def _by_recorder(own: Iterable[Point]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in sorted((one for one in own if one.steady), key=lambda point: point.talking):
        found.setdefault(point.recorder, []).append(point)
    return found


def fit(same: Sequence[Point], recorder: str, units: Mapping[str, Unit], source: str) -> dict[str, Unit]:
    """Asterisk's cost of a second of talk, after what set-ups, waiting and seats cost by the units that there
    are; our parts' of a call and of standing still, the worker's of a recorded minute."""
    better: dict[str, Unit] = {}

    def put(name: str, ms: float) -> None:
        better[name] = replace(UNITS[name], value=round(max(0.0, ms), 4), kind=MEASURED, source=source)

    told = [point for point in same if "asterisk" in point.cores]
    if len(told) >= 2:
        others = [model(replace(point, talking=0.0), units)["asterisk"] for point in told]
        rest = [1000 * (p.cores["asterisk"] - other) for p, other in zip(told, others, strict=True)]
        talk = _slope([point.talking for point in told], rest)
        if recorder in ("mixmonitor", "both"):
            put("mixmonitor", talk - value(units, "asterisk_talk"))
        else:
            put("asterisk_talk", talk)
    for part, still, each in (("cti", "cti_base", "cti_call"), ("desktop", "desktop_base", "desktop_call")):
        told = [point for point in same if part in point.cores and point.pages]
        if len(told) >= 2:
            base, call = _line([point.calls for point in told], [1000 * point.cores[part] for point in told])
            if part == "desktop":
                call -= value(units, "changes_a_call") * value(units, "desktop_change")
            put(still, base)
            put(each, call)
    # Seats grow with the calls in these steps: what they cost is in the cost of a call.
    if "cti_call" in better:
        put("cti_seat", 0.0)
    told = [point for point in same if "worker" in point.cores and point.pages]
    if told:
        minutes = [point.talking / 60 for point in told]
        put("flac", _slope(minutes, [1000 * point.cores["worker"] for point in told]))
        put("kept", 0.0)
    told = [point for point in same if "database" in point.cores]
    if told:
        each_call = _slope(
            [point.calls for point in told], [1000 * point.cores["database"] for point in told]
        )
        put("database_call", each_call)
    return better


def _line(along: list[float], wanted: list[float]) -> tuple[float, float]:
    """(what is used standing still, what one more costs), by least squares, neither below 0."""
    each, base = np.polyfit(along, wanted, 1) if len(set(along)) > 1 else (0.0, min(wanted))
    if base < 0:
        return 0.0, _slope(along, wanted)
    if each < 0:
        return float(np.mean(wanted)), 0.0
    return float(base), float(each)


def _slope(along: list[float], wanted: list[float]) -> float:
    """The one cost that explains best what is left, by least squares through nothing."""
    x, y = np.array(along), np.array(wanted)
    return float(x @ y / (x @ x)) if x.any() else 0.0
