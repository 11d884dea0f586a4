"""What a recording costs in Asterisk, and what makes it cheaper: `hotline capacity recording-cost`.

Measured is Asterisk's CPU time while bridged queue calls talk. Several Asterisks stand abreast, the shipped
one among them, each with its share of the calls, and are measured in the same seconds:

    shipped    ─┐ calls come up ─► recorded ─► bare ─► recorded      (windows, the same for all)
    variant 1  ─┤
    variant 2  ─┘  ...

A variant's ratio is that to its shipped neighbour in the same window, so that whatever else the machine does
moves both. The finalists are measured alone, at full size.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from cti.ami import AmiError
from hotline.capacity import scheduling
from hotline.capacity.recording_variants import (
    ARMED,
    NONE,
    RECORDERS,
    SHIPPED,
    VARIANTS,
    Recorder,
    Scheduling,
    Start,
    Variant,
)
from hotline.capacity.snooping import snooped
from hotline.capacity.talking import BarePbx, Edit, EditMissed, NotInstalled, look
from hotline.private_line import NotInTime
from hotline.settings import REPO

RESULT = REPO / "docs" / "capacity" / "results" / "recording_cost.json"
SETTLE = 1.0
"""Seconds between switching something and looking: the bridge changes its technology, threads start."""
ABREAST = 15
"""Variants beside one shipped form."""
SIMPLE = "bridge_native_rtp not loaded"
WAITING = "Waiting in the queue"
Say = Callable[[str], None]
Window = dict[str, Any]


# --- arithmetic and table -------------------------------------------------------------------------------


def rows(sessions: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """A row by variant, from sessions {name: {"recorded": [window], "bare": [window], "setup_ms", "beside"}}.

    cores, bare_cores, switches: medians, for 100 calls. to_shipped: the recorded window to that of `beside`
    (if empty: of the shipped form) at the same time. bare_to_shipped: the same without recording. to_none:
    recorded to the variant's own bare.
    """
    samples: dict[str, dict[str, list[float]]] = {}
    for session in sessions:
        for name, line in session.items():
            other = session.get(line.get("beside") or SHIPPED)
            if other is None:
                continue
            found = samples.setdefault(name, {})
            for kind in ("recorded", "bare"):
                for window, beside in zip(line[kind], other[kind], strict=True):
                    found.setdefault(kind, []).append(window["cores"] * 100 / line["calls"])
                    found.setdefault(f"{kind}_ratio", []).append(window["cores"] / beside["cores"])
            bare = _median(line["bare"])
            found.setdefault("to_none", []).extend(w["cores"] / bare for w in line["recorded"] if bare)
            for what in ("switches", "megabytes"):
                scale = 100 / line["calls"] if what == "switches" else 1
                found.setdefault(what, []).extend(w[what] * scale for w in line["recorded"])
            found.setdefault("setup_ms", []).append(line["setup_ms"])
    return {name: _row_of(name, found) for name, found in samples.items()}


def _row_of(name: str, found: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    def middle(what: str, digits: int) -> float:
        return round(statistics.median(found[what]), digits)

    return {
        "name": name,
        "cores": middle("recorded", 4),
        "bare_cores": middle("bare", 4),
        "to_shipped": middle("recorded_ratio", 2),
        "to_shipped_least": round(min(found["recorded_ratio"]), 2),
        "to_shipped_most": round(max(found["recorded_ratio"]), 2),
        "bare_to_shipped": middle("bare_ratio", 2),
        "to_none": middle("to_none", 2),
        "switches": middle("switches", 0),
        "megabytes": middle("megabytes", 1),
        "setup_ms": middle("setup_ms", 1),
        "samples": len(found["recorded"]),
    }


def anatomy(sessions: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Where the time goes: no recording in the native bridge and in the simple one, and with MixMonitor."""
    found: dict[str, list[Window]] = {"none": [], "simple": [], "shipped": []}
    for session in sessions:
        for place, name, kind in (
            ("none", SHIPPED, "bare"),
            ("simple", SIMPLE, "bare"),
            ("shipped", SHIPPED, "recorded"),
        ):
            if name in session:
                found[place] += [_for_100(w, session[name]["calls"]) for w in session[name][kind]]
    return {name: _parts(windows) for name, windows in found.items() if windows}


def _for_100(window: Window, calls: int) -> Window:
    scaled = {what: window[what] * 100 / calls for what in ("cores", "user", "system", "switches")}
    return {**scaled, "by_thread": {name: used * 100 / calls for name, used in window["by_thread"].items()}}


def _parts(windows: Sequence[Window]) -> dict[str, float]:
    def of(*names: str) -> float:
        used = (sum(w["by_thread"].get(name, 0.0) for name in names) for w in windows)
        return round(statistics.median(used), 4)

    return {
        "cores": round(_median(windows), 4),
        "user": round(_median(windows, "user"), 4),
        "system": round(_median(windows, "system"), 4),
        "channel_threads": of("pbx_thread", "bridge_channel_ind_thread"),
        "mixmonitor": of("mixmonitor_thread"),
        "switches": _median(windows, "switches"),
    }


def _median(windows: Sequence[Mapping[str, Any]], what: str = "cores") -> float:
    return float(statistics.median(window.get(what, 0.0) for window in windows))


NOT_TRIED = (
    ("bridge recording by ARI", "409 for app_queue's bridges: they are in no Stasis application"),
    ("AudioSocket, ExternalMedia", "a snoop channel would feed them: dearer than the snoop's own recording"),
    ("`Monitor()`", "recorded in the channel's own thread; gone from Asterisk since 21"),
    ("`internal_timing`, `rtp_keepalive`", "the first is no option any more, the second is off as shipped"),
    ("hugepages", "70-150 MB in small pieces, and the time is not spent in memory"),
)


def section(result: dict[str, Any]) -> str:
    """The report's chapter: where the cost lies, the table of what was tried, the finalists. Markdown."""
    found = {row["name"]: row for row in result.get("variants", [])}
    lines = [
        "## What a recording costs in Asterisk",
        "",
        f"Bridged A-law queue calls on a bare Asterisk, no Python running. Up to {ABREAST + 1} Asterisks"
        " stand abreast with 6 to 17 calls each, the shipped one among them, and are measured in the same"
        f" {result['seconds']:g} s: a ratio is that to the shipped neighbour in the same window, its range"
        " stands beside it. % is of one core for 100 calls, Asterisk alone, user and system; bare: the"
        " same calls without a recorder. Two alike are up to an eighth apart (“as"
        " shipped, a second time”): what is less than that is noise. So many Asterisks on two cores make"
        " each of them dearer than one alone: only the ratios count here; what one alone takes stands"
        " in the last table."
        f" Load average before: {result['load_average_before']}. `{result['command']}`",
        "",
        *_anatomy(result.get("anatomy", {})),
        "| tried | % recorded | × bare | × shipped | % bare | × shipped | loses or breaks | kept, and why |",
        "|---|--:|--:|--:|--:|--:|---|---|",
        *(_row(found[v.name], v) for v in VARIANTS if v.name in found),
        *(f"| {name} | | | | | | | not measured: {why} |" for name, why in result.get("failed", {}).items()),
        "",
        *(f"- Not tried: {name}: {why}." for name, why in NOT_TRIED),
        "",
        *_waiting(result.get("waiting", [])),
        *_finals(result.get("finals", [])),
    ]
    return "\n".join(lines).rstrip() + "\n"


ANATOMY = (
    ("none", "no recording: `native_rtp`, a packet wakes one thread"),
    ("simple", "no recording, `simple_bridge`: a packet wakes the other channel's thread too"),
    ("shipped", "MixMonitor: `simple_bridge`, a hook, and a thread of its own woken 100 times a second"),
)


def _anatomy(parts: Mapping[str, Mapping[str, float]]) -> list[str]:
    """100 calls: what of Asterisk's time is whose."""
    if not parts:
        return []
    return [
        "| 100 calls | % of one core | in the kernel | channel threads | MixMonitor threads | switches/s |",
        "|---|--:|--:|--:|--:|--:|",
        *(
            f"| {words} | {part['cores']:.0%} | {part['system']:.0%}"
            f" | {part['channel_threads']:.0%} | {part['mixmonitor']:.0%}"
            f" | {part['switches']:,.0f} |"
            for name, words in ANATOMY
            if (part := parts.get(name))
        ),
        "",
    ]


def _row(row: Mapping[str, Any], variant: Variant) -> str:
    beside = f" of “{variant.beside}”" if isinstance(variant, Start) and variant.beside else ""
    spread = f" ({row['to_shipped_least']:.2f}–{row['to_shipped_most']:.2f})"
    kept = "**yes**: " if variant.kept else "no: "
    return (
        f"| {variant.name} | {row['cores']:.0%} | {row['to_none']:.2f}"
        f" | {row['to_shipped']:.2f}{spread}{beside}"
        f" | {row['bare_cores']:.0%} | {row['bare_to_shipped']:.2f} | {variant.loses}"
        f" | {kept}{variant.why} |"
    )


def _waiting(sessions: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the armed recorder costs while callers wait for a person."""
    if not sessions:
        return []
    armed, unarmed = (
        statistics.median(cores * 100 / one["calls"] for one in sessions for cores in one[name])
        for name in ("armed", "unarmed")
    )
    return [
        f"{WAITING}: 100 callers at music take {unarmed:.0%} of a core, and {armed:.0%} with MixMonitor armed"
        " before the queue: its hook and its thread run although nothing is written yet.",
        "",
    ]


def _finals(finals: Sequence[Mapping[str, Any]]) -> list[str]:
    """The finalists alone at full size; × is to no recording at the same size."""
    if not finals:
        return []
    lines = [
        "| calls | alone on the machine | % of one core | × no recording | set-up, ms of CPU | MB | load |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    for calls, name in sorted({(one["calls"], FINALS.index(one["name"])) for one in finals}):
        same = [one for one in finals if one["calls"] == calls and one["name"] == FINALS[name]]
        none = [one["cores"] for one in finals if one["calls"] == calls and one["name"] == NONE]
        cores = _median(same)
        times = f"{cores / statistics.median(none):.2f}" if none else ""
        lines.append(
            f"| {calls} | {FINALS[name]} | {cores:.0%} | {times} | {_median(same, 'setup_ms'):.0f}"
            f" | {_median(same, 'megabytes'):.0f} | {_median(same, 'load'):.1f} |"
        )
    return lines


# --- sessions -------------------------------------------------------------------------------------------


class Talk:
    """Calls up on one Asterisk, and what can be switched on them."""

    def __init__(self, line: BarePbx) -> None:
        self.line = line
        channels = [channel["Channel"] for channel in line.channels()]
        self.citizens = sorted(name for name in channels if name.startswith("PJSIP/trunk-"))
        self.agents = sorted(name for name in channels if name not in self.citizens)

    def record(self, variant: Recorder) -> None:
        """Begin MixMonitor on every call."""
        folder = str(self.line.settings.monitor)
        legs = {"citizen": self.citizens, "agent": self.agents, "both": self.citizens + self.agents}[
            variant.leg
        ]

        async def begin(wire: Any) -> None:
            for number, channel in enumerate(legs):
                file = variant.file.format(n=number)
                options = variant.options.format(n=number, dir=folder)
                await wire.action(
                    "MixMonitor", Channel=channel, File=f"{folder}/{file}" if file else "", options=options
                )

        self.line.ask(begin)
        time.sleep(SETTLE)

    def stop(self) -> None:
        """End MixMonitor on every call; files are removed."""

        async def end(wire: Any) -> None:
            for channel in self.citizens + self.agents:
                with contextlib.suppress(Exception):
                    await wire.action("StopMixMonitor", Channel=channel)

        self.line.ask(end)
        time.sleep(SETTLE)
        for path in self.line.settings.monitor.iterdir():
            path.unlink()

    def technologies(self) -> list[str]:
        """What the bridges are made of at this moment: native_rtp or simple_bridge."""
        return sorted(set(re.findall(r" 2 basic +(\w+)", self.line.cli("bridge show all"))))

    def take(self, variant: Variant) -> None:
        """Begin the variant's own recording, or the shipped one. Capture and snoop are begun by `aside`."""
        recorder = variant if isinstance(variant, Recorder) else RECORDERS[0]
        if not recorder.other:
            self.record(recorder)


@contextlib.contextmanager
def capture(line: BarePbx) -> Iterator[psutil.Process]:
    """tcpdump on loopback into ring files while the block runs; its process. Needs CAP_NET_RAW."""
    first, last = line.settings.rtp_first, line.settings.rtp_last
    wanted = f"udp and host 127.0.0.2 and portrange {first}-{last}"
    order = ["tcpdump", "-i", "lo", "-n", "-Z", "root", "-B", "65536", "-s", "0", "-G", "10", "-W", "6",
            "-w", str(line.var / "ring-%s.pcap"), wanted]  # fmt: skip
    try:
        running = subprocess.Popen(order, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise NotInstalled("tcpdump") from None
    try:
        assert running.stderr is not None
        running.stderr.readline()  # "listening on lo"
        yield psutil.Process(running.pid)
    finally:
        running.terminate()
        running.communicate(timeout=10)


@contextlib.contextmanager
def aside(talk: Talk, variant: Variant) -> Iterator[psutil.Process | None]:
    """What records beside Asterisk or through ARI, while the block runs; a process whose CPU counts."""
    other = variant.other if isinstance(variant, Recorder) else ""
    with contextlib.ExitStack() as stack:
        tool = stack.enter_context(capture(talk.line)) if other == "capture" else None
        if other == "snoop":
            stack.enter_context(snooped(talk.line, talk.citizens))
        yield tool


def windows(talks: Sequence[Talk], tools: Sequence[psutil.Process | None], seconds: float) -> list[Window]:
    """The same seconds on all lines. `cores` counts the tool beside, which `beside_asterisk` names."""
    pairs = list(zip(talks, tools, strict=True))
    begun = [(talk.line.begin(), look(tool) if tool else None) for talk, tool in pairs]
    time.sleep(seconds)
    found: list[Window] = []
    for (talk, tool), (start, before) in zip(pairs, begun, strict=True):
        window = {**asdict(talk.line.end(start)), "load": round(os.getloadavg()[0], 2)}
        if tool and before:
            after = look(tool)
            used = sum(after.threads.values()) - sum(before.threads.values())
            window["beside_asterisk"] = round(used / (after.at - before.at), 4)
            window["cores"] = round(window["cores"] + window["beside_asterisk"], 4)
        found.append(window)
    return found


def session(
    tree: Path, calls: int, variants: Sequence[Variant], seconds: float, failed: dict[str, str]
) -> tuple[dict[str, Any], str]:
    """Shipped form and variants abreast, `calls` each; and the version of Asterisk.

    Variants that cannot be started are written into `failed` and left out.
    """
    with contextlib.ExitStack() as stack:
        lines: list[tuple[Variant, BarePbx]] = []
        for place, variant in enumerate((RECORDERS[0], *variants)):
            try:
                lines.append((variant, stack.enter_context(started(tree, calls, variant, place))))
            except (EditMissed, NotInstalled, NotInTime, AmiError, OSError) as failure:
                failed[variant.name] = f"{type(failure).__name__}: {str(failure).splitlines()[0]}"
        with ThreadPoolExecutor(len(lines)) as pool:
            setups = list(pool.map(lambda one: one[1].talk(25 / len(lines)), lines))
        taking = [variant for variant, _ in lines]
        talks = [Talk(line) for _, line in lines]
        for variant, talk in zip(taking, talks, strict=True):
            if isinstance(variant, Scheduling):
                scheduling.apply(talk.line.process.pid, variant.policy)
        recorded: list[list[Window]] = []
        bare: list[list[Window]] = []
        for turn in range(2):
            with contextlib.ExitStack() as beside:
                for variant, talk in zip(taking, talks, strict=True):
                    if turn or isinstance(variant, Recorder):
                        talk.stop()  # the dialplan's own runs since the answer
                        talk.take(variant)
                tools = [beside.enter_context(aside(t, v)) for v, t in zip(taking, talks, strict=True)]
                time.sleep(SETTLE)
                recorded.append(windows(talks, tools, seconds))
            for talk in talks:
                talk.stop()
            time.sleep(SETTLE)
            bare.append(windows(talks, [None] * len(talks), seconds))
        told = {
            variant.name: {
                "calls": calls,
                "recorded": [turn[place] for turn in recorded],
                "bare": [turn[place] for turn in bare],
                "setup_ms": round(setups[place] * 1000, 2),
                "beside": variant.beside if isinstance(variant, Start) else "",
                "bridge": talks[place].technologies(),
            }
            for place, variant in enumerate(taking)
        }
        return told, talks[0].line.cli("core show version").split(" built")[0]


def started(tree: Path, calls: int, variant: Variant, place: int) -> BarePbx:
    """The running Asterisk of a variant; the caller closes it. Raises NotInTime, EditMissed, NotInstalled."""
    how = variant if isinstance(variant, Start) else Start("", "")
    line = BarePbx(
        tree,
        calls,
        how.edits,
        options=how.options,
        environment=how.environment,
        folder=how.folder,
        echo=how.echo,
        place=place,
    )
    try:
        return line.start()
    except BaseException:
        line.close()
        raise


FINALS = (NONE, SHIPPED, "passive capture on the trunk leg", "MixMonitor, all threads on one core")


def final_session(tree: Path, calls: int, name: str, seconds: float) -> dict[str, Any]:
    """One form alone at full size, armed by the dialplan from the first call on: two windows, set-up cost."""
    unarmed = () if "MixMonitor" in name else (Edit("extensions.conf", "NoOp()", ARMED),)
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(BarePbx(tree, calls, unarmed)).start()
        setup = line.talk(25)
        tool = stack.enter_context(capture(line)) if "capture" in name else None
        if "one core" in name:
            scheduling.apply(line.process.pid, "pin")
        time.sleep(SETTLE)
        talk = Talk(line)
        found = [windows([talk], [tool], seconds)[0] for _ in range(2)]
        return {
            "calls": calls,
            "name": name,
            "cores": round(_median(found), 4),
            "beside_asterisk": round(_median(found, "beside_asterisk"), 4),
            "switches": _median(found, "switches"),
            "setup_ms": round(setup * 1000, 1),
            "megabytes": found[-1]["megabytes"],
            "load": found[-1]["load"],
        }


def waiting_session(tree: Path, calls: int, seconds: float) -> dict[str, Any]:
    """Callers in the queue, at music,, with the recording armed as shipped and without: cores."""
    unarmed = Edit("extensions.conf", "NoOp()", ARMED)
    with contextlib.ExitStack() as stack:
        lines = [
            stack.enter_context(BarePbx(tree, calls, edits, place=place)).start()
            for place, edits in enumerate(((), (unarmed,)))
        ]
        for line in lines:
            line.wait_in_queue()
        time.sleep(SETTLE)
        found: dict[str, list[float]] = {"armed": [], "unarmed": []}
        for _ in range(3):
            begun = [line.begin() for line in lines]
            time.sleep(seconds)
            for name, line, start in zip(found, lines, begun, strict=True):
                found[name].append(line.end(start).cores)
        return {"calls": calls, **found}


# --- the whole run --------------------------------------------------------------------------------------


def run(
    tree: Path,
    calls: int,
    seconds: float,
    only: Iterable[str] = (),
    *,
    finals: Sequence[int] = (),
    lock: Path | None = None,
    keep: Callable[[dict[str, Any]], None] = lambda _: None,
    previous: Mapping[str, Any] | None = None,
    say: Say = print,
) -> dict[str, Any]:
    """Measure the variants (all, or those whose name holds one of `only`), then the finalists alone.

    `calls` is for all lines abreast together. `keep` is called with the result so far after each session.
    Samples of a `previous` result are added to. `lock` is a file held during each session,
    so that two load runs do not meet.
    """
    from hotline.bench import machine

    wanted = [v for v in VARIANTS if v.name != SHIPPED and (not only or any(o in v.name for o in only))]
    each = max(2, calls // (ABREAST + 1))
    before = previous or {}
    result: dict[str, Any] = {
        "part": "recording_cost",
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "machine": machine.describe(),
        "versions": {**before.get("versions", {}), "sipp": machine.sipp_version()},
        "command": f"hotline capacity recording-cost --calls {calls} --seconds {seconds:g}",
        "load_average_before": round(os.getloadavg()[0], 2),
        "calls": calls,
        "calls_each": each,
        "seconds": seconds,
        "finals": list((previous or {}).get("finals", [])),
        "failed": {},
        "waiting": list(before.get("waiting", [])),
        "sessions": list(before.get("sessions", [])),
    }
    for group in groups(wanted):
        with _turn(lock):
            told, result["versions"]["asterisk"] = session(tree, each, group, seconds, result["failed"])
        result["sessions"].append(told)
        result |= {
            "variants": list(rows(result["sessions"]).values()),
            "anatomy": anatomy(result["sessions"]),
        }
        for name, line in told.items():
            say(f"{_median(line['recorded']):6.1%} recorded, {_median(line['bare']):6.1%} not: {name}")
        keep(result)
    if not only or any(one in WAITING for one in only):
        with _turn(lock):
            result["waiting"].append(waiting_session(tree, calls // 2, seconds))
        say(WAITING)
        keep(result)
    for number in finals:
        for name in FINALS:
            with _turn(lock):
                result["finals"].append(final_session(tree, number, name, seconds))
            say(f"{number} calls, {name}: {result['finals'][-1]['cores']:.1%}")
            keep(result)
    return result


def groups(variants: Sequence[Variant], size: int = ABREAST) -> list[list[Variant]]:
    """Variants by sessions; one that is held against another variant shares its session."""
    found: list[list[Variant]] = []
    for variant in variants:
        together = isinstance(variant, Start) and variant.beside
        if not found or (len(found[-1]) >= size and not together):
            found.append([])
        found[-1].append(variant)
    return found


@contextlib.contextmanager
def _turn(lock: Path | None) -> Iterator[None]:
    """Wait for our turn at the machine and keep it for the block."""
    if lock is None:
        yield
        return
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def recording_cost(
    calls: Annotated[int, typer.Option(min=2, max=400, help="Bridged calls at once.")] = 100,
    seconds: Annotated[float, typer.Option(min=1, help="Length of each measured window.")] = 20.0,
    only: Annotated[list[str] | None, typer.Option(help="Only variants whose name holds this.")] = None,
    finals: Annotated[str, typer.Option(help="Sizes at which the finalists are measured: 100,150.")] = "",
    lock: Annotated[Path | None, typer.Option(help="File to hold while the machine is loaded.")] = None,
    json_file: Annotated[Path, typer.Option("--json", help="Result; samples in it are added to.")] = RESULT,
) -> None:
    """What a recording costs in Asterisk: every way tried, beside the shipped one and no recording at all."""
    import logging

    import structlog

    from hotline.private_line import pbx_tree

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    previous = json.loads(json_file.read_text()) if json_file.exists() else None

    def keep(result: dict[str, Any]) -> None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")

    sizes = [int(size) for size in finals.split(",") if size.strip()]
    chosen = only or (["nothing but the finalists"] if sizes else [])
    typer.echo(
        section(
            run(
                pbx_tree(), calls, seconds, chosen,
                finals=sizes, lock=lock, keep=keep, previous=previous, say=typer.echo,
            )
        )
    )  # fmt: skip
