"""What the passive recorder costs beside MixMonitor: `hotline capacity capture-cost`.

The same line with the same load, recorded by nobody, by MixMonitor, by the passive recorder: CPU of Asterisk,
of tcpdump with its keeper, of the worker that cuts, converts and keeps, in per cent of one core.
Beside it the cutter alone, on packets made for it: 15,000 a second are 150 calls.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer

from hotline.settings import REPO
from recordings.capture import packets, ring
from recordings.capture.cut import Leg, Wanted, cut, rows_between

RESULT = REPO / "docs" / "capacity" / "results" / "capture.json"
RECORDERS = ("off", "mixmonitor", "capture")
PARTS = ("pbx", "recorder", "worker", "cti", "desktop")
FILE_SECONDS = ring.FILE_SECONDS
PACKETS_A_SECOND = 100
"""Of one call: 50 each way."""
OURS = (10_000, 19_998)


def measure(
    talking: Iterable[int],
    recorders: Iterable[str],
    window: float,
    before: Mapping[str, Any],
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """The result, as it is written to docs/capacity/results/capture.json.

    Steps of the result `before` that are not measured now stay. Raises what a line raises.
    """
    from hotline.bench import machine
    from hotline.capacity.plan import Job
    from hotline.capacity.run import one
    from hotline.load.draw import CITY_DAY
    from hotline.private_line import pbx_tree

    about = machine.describe()
    result: dict[str, Any] = {
        "part": "capture",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": about,
        "load_average_before": about["load_before"],
        "command": "hotline capacity capture-cost",
        "cutter": [cutter(calls) for calls in (10, 50, 100, 150, 300)],
        "versions": before.get("versions", {}),
        "steps": list(before.get("steps", [])),
    }
    for calls in talking:
        for recorder in recorders:
            name = f"{calls} talking, {recorder}"
            job = Job(name, "ours", calls, 220 + calls / 2, window=window, recorder=recorder)
            say(name)
            found = one(job, pbx_tree(), CITY_DAY, say)
            result["versions"] = found.get("versions") or result["versions"]
            key = (calls, recorder)
            others = [one for one in result["steps"] if (one["talking"], one["recorder"]) != key]
            result["steps"] = [*others, _step(calls, recorder, found)]
    result["steps"].sort(key=lambda one: (one["talking"], RECORDERS.index(one["recorder"])))
    return result


def _step(calls: int, recorder: str, found: Mapping[str, Any]) -> dict[str, Any]:
    if not found.get("ok"):
        return {"talking": calls, "recorder": recorder, "ok": False, "why": found.get("why", "")}
    percent = found["cpu_percent"]
    return {
        "talking": calls,
        "recorder": recorder,
        "ok": True,
        "load_before": found["load_before"],
        "mean_talking": found["calls"]["in_window"]["talking_mean"],
        "cpu_percent": {part: percent[part] for part in PARTS if part in percent},
        "udp_drops": found["udp_drops"],
        "recordings": found["recordings"],
    }


def cutter(calls: int, seconds: int = 180) -> dict[str, float]:
    """CPU of making segments and of cutting one call out of them, of `calls` at once, on made-up packets.

    Per cent of a core while it goes on for ever: all calls talk `seconds` and are cut then.
    """
    with TemporaryDirectory() as home:
        folder = Path(home) / "a" / "000001"
        folder.mkdir(parents=True)
        capture = _capture(calls)
        files = seconds // FILE_SECONDS
        spent = 0.0
        made: list[ring.Segment] = []
        for second in range(min(files, 4)):
            path = folder / f"{second}.pcap"
            path.write_bytes(capture)
            began = time.process_time()
            segment = ring.make_segment(ring.Captured(path, "a", 1, second), OURS, packets_nets())
            spent += time.process_time() - began
            assert segment is not None
            made.append(segment)
        per_file = spent / len(made)
        leg = Leg(0, OURS[0], 0)
        began = time.process_time()
        read: list[Any] = [ring.rows_of(segment, OURS[0]) for segment in made]
        per_cut = (time.process_time() - began) / len(made) * files
        for place in range(files):
            if place >= len(read):
                read.append(read[0].copy())
            piece = read[place]
            piece["at"] += place * FILE_SECONDS * 1_000_000
            piece["stamp"] += place * FILE_SECONDS * 8000
            piece["seq"] += place * FILE_SECONDS * 50
        end = seconds * 1_000_000
        began = time.process_time()
        rows = rows_between([], read, [leg], 0, end)
        cut(Wanted("x-1.1", ((0, end),), (), (leg,)), rows, [])
        per_cut += time.process_time() - began
        size = made[0].path.stat().st_size
    return {
        "calls": calls,
        "packets_a_second": calls * PACKETS_A_SECOND,
        "segment_ms": round(per_file * 1000, 1),
        "segments_percent": round(per_file / FILE_SECONDS * 100, 2),
        "cut_ms": round(per_cut * 1000, 1),
        "cuts_percent": round(per_cut * calls / seconds * 100, 2),
        "segment_mb_a_minute": round(size * 60 / FILE_SECONDS / 1e6, 1),
    }


def packets_nets() -> packets.Nets:
    """The trunk of the made-up packets."""
    from ipaddress import IPv4Network

    return [IPv4Network("127.0.0.2/32")]


def _capture(calls: int) -> bytes:
    """A pcap file of FILE_SECONDS of so many calls, both ways, as tcpdump writes it."""
    frames = FILE_SECONDS * 50
    size = 16 + 14 + 20 + 8 + 12 + 160
    records = np.zeros((frames, calls, 2, size), np.uint8)

    def put(at: int, width: int, value: Any, little: bool = False) -> None:
        for place in range(width):
            shift = 8 * (place if little else width - 1 - place)
            records[..., at + place] = (np.asarray(value) >> shift) & 0xFF

    frame = np.arange(frames)[:, None, None]
    way = np.arange(2)[None, None, :]
    call = np.arange(calls)[None, :, None]
    at = frame * 20_000 + call * 100 + way * 10
    put(0, 4, at // 1_000_000, little=True)
    put(4, 4, at % 1_000_000, little=True)
    put(8, 4, size - 16, little=True)
    put(12, 4, size - 16, little=True)
    put(28, 2, 0x0800)
    put(30, 1, 0x45)
    put(39, 1, 17)
    put(42, 4, 0x7F000001 + (way == 0))
    put(46, 4, 0x7F000001 + (way == 1))
    ours, theirs = OURS[0] + 2 * call, 30_000 + 2 * call
    put(50, 2, np.where(way == 0, theirs, ours))
    put(52, 2, np.where(way == 0, ours, theirs))
    put(54, 2, 8 + 12 + 160)
    put(58, 1, 0x80)
    put(59, 1, 8)
    put(60, 2, frame)
    put(62, 4, frame * 160)
    put(66, 4, call * 2 + way + 1)
    records[..., 70:] = np.random.default_rng(1).integers(0, 256, (1, 1, 1, 160), np.uint8)
    head = np.array([packets.MICROSECONDS, 0x00040002, 0, 0, 600, 1], "<u4").tobytes()
    return head + records.tobytes()


# --- the report ---------------------------------------------------------------------------------------------


def section(result: Mapping[str, Any]) -> str:
    """The part of the capacity report, in Markdown."""
    lines = [
        "## The passive recorder",
        "",
        "The same load recorded by nobody, by MixMonitor, and by the passive recorder "
        "([recordings/capture](../../recordings/capture/README.md)). Per cent of one core.",
        "",
        "| talking | recorder | Asterisk | tcpdump, keeper | worker | recordings good | with a gap |",
        "|---:|---|---:|---:|---:|---:|---:|",
    ]
    for step in result["steps"]:
        if not step["ok"]:
            lines.append(f"| {step['talking']} | {step['recorder']} | failed: {step['why']} | | | | |")
            continue
        percent, told = step["cpu_percent"], step["recordings"] or {}
        good = f"{told.get('states', {}).get('kept', 0)} of {told.get('kept', 0)}" if told else ""
        gaps = told.get("listened", 0) - told.get("without_gap", 0) if told else ""
        lines.append(
            f"| {step['mean_talking']:.0f} | {step['recorder']} | {percent.get('pbx', 0):.0f} "
            f"| {percent.get('recorder', 0):.1f} | {percent.get('worker', 0):.0f} | {good} | {gaps} |"
        )
    lines += [
        "",
        "The cutter alone, on packets made for it; a call of three minutes is cut at its end.",
        "",
        "| calls | packets/s | segments, % of a core | cuts, % of a core | one cut, ms | MB a minute |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one['calls']} | {one['packets_a_second']} | {one['segments_percent']} | {one['cuts_percent']} "
        f"| {one['cut_ms']} | {one['segment_mb_a_minute']} |"
        for one in result["cutter"]
    ]
    return "\n".join(lines) + "\n"


def capture_cost(
    talking: Annotated[str, typer.Option(help="How many talk at once, with commas.")] = "100,150",
    recorders: Annotated[str, typer.Option(help="Which, with commas.")] = ",".join(RECORDERS),
    window: Annotated[float, typer.Option(help="Seconds that are measured.")] = 30.0,
    target: Annotated[Path, typer.Option("--json", help="Where the result goes.")] = RESULT,
) -> None:
    """Measure what the passive recorder costs beside MixMonitor; some two minutes for each step."""
    before = json.loads(target.read_text("utf-8")) if target.exists() else {}
    chosen = [one for one in recorders.split(",") if one in RECORDERS]
    result = measure([int(one) for one in talking.split(",") if one], chosen, window, before)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", "utf-8")
    typer.echo(section(result))
