"""What a recording costs in Asterisk, and what makes it cheaper: `hotline capacity recording-cost`.

Measured is Asterisk's CPU time while N bridged queue calls talk, variant beside shipped form beside no recording:

    live      one Asterisk, one set of calls:   none · shipped · variant · shipped · variant · shipped · none
    start     an Asterisk each:                 shipped session · variant's session · ... · shipped session

A variant's ratio is always against the shipped windows next to it, so that a machine that others use too, or whose
clock changes, moves both. More than one core used by others is said in the load average beside each sample.
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
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from cti.ami import AmiError
from cti.ari import AriError
from hotline.capacity import scheduling
from hotline.capacity.recording_variants import ARMED, NONE, SHIPPED, STARTS, VARIANTS, Variant
from hotline.capacity.talking import BarePbx, CallsFailed, Edit, EditMissed, NotInstalled, look
from hotline.private_line import NotInTime
from hotline.settings import REPO

RESULT = REPO / "docs" / "capacity" / "results" / "recording_cost.json"
SETTLE = 1.0
"""Seconds between switching something and looking: the bridge changes its technology, threads start."""
LIVE_PER_SESSION = 3
CAPTURE_FILTER = "udp and host 127.0.0.2 and portrange 10000-14998"
Say = Callable[[str], None]


# --- arithmetic and table -------------------------------------------------------------------------------


def summary(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of a variant's samples ({cores, shipped, none, ...}): medians, and the spread of its ratio."""
    ratios = [sample["cores"] / sample["shipped"] for sample in samples if sample.get("shipped")]
    to_none = [sample["cores"] / sample["none"] for sample in samples if sample.get("none")]
    middle = lambda values, digits: round(statistics.median(values), digits) if values else None  # noqa: E731
    return {
        "cores": middle([sample["cores"] for sample in samples], 3),
        "to_shipped": middle(ratios, 2),
        "to_shipped_least": round(min(ratios), 2) if ratios else None,
        "to_shipped_most": round(max(ratios), 2) if ratios else None,
        "to_none": middle(to_none, 2),
        "switches": middle([sample["switches"] for sample in samples], 0),
        "samples": len(samples),
    }


def noise(samples: Sequence[Mapping[str, Any]]) -> float:
    """Largest distance of a shipped window from the mean of its neighbours, as a share (0.08 = 8 %)."""
    return round(
        max((abs(s["cores"] / s["shipped"] - 1) for s in samples if s.get("shipped")), default=0.0), 3
    )


def section(result: dict[str, Any]) -> str:
    """The report's chapter: where the cost lies, and the table of what was tried. Markdown."""
    calls, rows = result["calls"], {row["name"]: row for row in result["variants"]}
    lines = [
        "## What a recording costs in Asterisk",
        "",
        f"{calls} bridged A-law queue calls ({2 * calls} channels) on a bare Asterisk, no Python running; CPU time of"
        f" Asterisk in % of one core over windows of {result['seconds']:g} s, medians. The shipped form was"
        f" measured beside every variant; its own windows differ by up to {result['noise']:.0%} from their"
        f" neighbours, so smaller gains than that are none. `{result['command']}`",
        "",
        *_anatomy(result),
        "",
        "| tried | % of one core | × no recording | × as shipped | loses or breaks | kept, and why |",
        "|---|--:|--:|--:|---|---|",
        *(
            [f"| {NONE} | {rows[NONE]['cores']:.0%} | 1 | {rows[NONE]['to_shipped']:.2f} | the recording | |"]
            if NONE in rows
            else []
        ),
        *(_row(rows[v.name], v) for v in VARIANTS if v.name in rows),
        "",
        *(f"- Not tried here: **{name}**: {why}" for name, why in NOT_TRIED),
    ]
    if finals := result.get("finals"):
        lines += ["", *_finals(finals)]
    return "\n".join(lines) + "\n"


NOT_TRIED = (
    (
        "bridge recording by ARI",
        "answers 404 or 409 for the bridges that app_queue makes; only Stasis bridges",
    ),
    ("AudioSocket, ExternalMedia", "a snoop channel feeds them: dearer than the snoop's own recording above"),
    ("Monitor()", "recorded in the channel's own thread; gone from Asterisk since 21"),
    ("internal_timing", "no such option since Asterisk 1.8; rtp_keepalive is 0 already"),
    (
        "hugepages",
        "70-150 MB of memory in small pieces; nothing to win, transparent ones are the kernel's choice",
    ),
)


def _anatomy(result: Mapping[str, Any]) -> list[str]:
    parts = result["anatomy"]
    none, simple, shipped = (parts.get(name) for name in ("none", "simple", "shipped"))
    if not (none and shipped):
        return []
    lines = [
        "| | % of one core | channel threads | MixMonitor threads | context switches/s |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, part in (
        ("no recording: `native_rtp`, a packet wakes one thread", none),
        ("no recording, `simple_bridge`: a packet wakes the other channel's thread too", simple),
        ("MixMonitor: `simple_bridge`, hook, and its own thread woken 100 times a second", shipped),
    ):
        if part:
            lines.append(
                f"| {name} | {part['cores']:.0%} | {part['channel_threads']:.0%} | {part['mixmonitor']:.0%}"
                f" | {part['switches']:,.0f} |"
            )
    return lines


def _row(row: Mapping[str, Any], variant: Variant) -> str:
    if row.get("failed"):
        return f"| {variant.name} | | | | {variant.loses} | not measured: {row['failed']} |"
    spread = ""
    if row["samples"] > 1 and row["to_shipped_least"] is not None:
        spread = f" ({row['to_shipped_least']:.2f}–{row['to_shipped_most']:.2f})"
    beside = f" of “{row['beside']}”" if row.get("beside") else ""
    shipped = f"{row['to_shipped']:.2f}{spread}{beside}" if row["to_shipped"] is not None else ""
    none = f"{row['to_none']:.2f}" if row["to_none"] is not None else ""
    kept = f"**yes**: {variant.why}" if variant.kept else f"no: {variant.why}"
    return f"| {variant.name} | {row['cores']:.0%} | {none} | {shipped} | {variant.loses} | {kept} |"


def _finals(finals: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["| calls | recorder | % of one core | × no recording | set-up, CPU ms a call | memory MB |",
             "|--:|---|--:|--:|--:|--:|"]  # fmt: skip
    for one in finals:
        lines.append(
            f"| {one['calls']} | {one['name']} | {one['cores']:.0%} | {one['to_none']:.2f} |"
            f" {one['setup_ms']:.0f} | {one['megabytes']:.0f} |"
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

    def record(self, variant: Variant) -> None:
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

    def window(self, seconds: float) -> dict[str, Any]:
        """One measured stretch."""
        load = os.getloadavg()[0]
        return {**asdict(self.line.measure(seconds)), "load": round(load, 2)}


def live_session(
    line: BarePbx, variants: Sequence[Variant], seconds: float, say: Say
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """none · shipped · variant · shipped ... none on one set of calls: samples by variant, and the session's own."""
    setup = line.talk(25)
    talk = Talk(line)
    shipped_windows = [talk.window(seconds)]  # the dialplan's own MixMonitor runs since the answer
    talk.stop()
    none_windows = [talk.window(seconds)]
    shipped = next(v for v in VARIANTS if v.name == SHIPPED)
    talk.record(shipped)
    shipped_windows.append(talk.window(seconds))
    taken: list[tuple[Variant, dict[str, Any]]] = []
    for variant in variants:
        taken.append((variant, _one_live(talk, variant, seconds)))
        if variant.kind == "recorder":
            talk.record(shipped)
        shipped_windows.append(talk.window(seconds))
        say(
            f"  {variant.name}: {taken[-1][1]['cores']:.1%}, shipped beside it {shipped_windows[-1]['cores']:.1%}"
        )
    talk.stop()
    none_windows.append(talk.window(seconds))
    none = statistics.mean(w["cores"] for w in none_windows)
    samples: dict[str, list[dict[str, Any]]] = {SHIPPED: [], NONE: []}
    for place, (variant, window) in enumerate(taken, 1):
        beside = statistics.mean((shipped_windows[place]["cores"], shipped_windows[place + 1]["cores"]))
        samples[variant.name] = [{**window, "shipped": beside, "none": none}]
    for place, window in enumerate(shipped_windows):
        others = [w["cores"] for w in shipped_windows[max(0, place - 1) : place + 2] if w is not window]
        samples[SHIPPED].append({**window, "shipped": statistics.mean(others), "none": none})
    mean = statistics.mean(w["cores"] for w in shipped_windows)
    samples[NONE] = [{**window, "shipped": mean, "none": none} for window in none_windows]
    return samples, {"setup_ms": round(setup * 1000, 2), "calls": line.calls}


def _one_live(talk: Talk, variant: Variant, seconds: float) -> dict[str, Any]:
    if variant.kind == "scheduler":
        scheduling.apply(talk.line.process.pid, variant.policy)
        time.sleep(SETTLE)
        window = talk.window(seconds)
        scheduling.apply(talk.line.process.pid, "")
        return window
    talk.stop()
    if variant.other == "capture":
        with capture(talk.line.var) as tool:
            window = talk.window(0.1)
            before = look(tool)
            window = talk.window(seconds)
            after = look(tool)
        used = (after.user + after.system - before.user - before.system) / (after.at - before.at)
        return {**window, "cores": round(window["cores"] + used, 4), "beside_asterisk": round(used, 4)}
    if variant.other == "snoop":
        from hotline.capacity.snooping import snooped

        with snooped(talk.line, talk.citizens):
            time.sleep(SETTLE)
            return talk.window(seconds)
    talk.record(variant)
    window = talk.window(seconds)
    talk.stop()
    return window


@contextlib.contextmanager
def capture(folder: Path) -> Iterator[psutil.Process]:
    """tcpdump on loopback into ring files while the block runs; its process. Needs CAP_NET_RAW."""
    line = ["tcpdump", "-i", "lo", "-n", "-Z", "root", "-B", "65536", "-s", "0", "-G", "10", "-W", "6",
            "-w", str(folder / "ring-%s.pcap"), CAPTURE_FILTER]  # fmt: skip
    try:
        running = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise NotInstalled("tcpdump") from None
    try:
        assert running.stderr is not None
        running.stderr.readline()  # "listening on lo"
        yield psutil.Process(running.pid)
    finally:
        running.terminate()
        running.communicate(timeout=10)


def start_session(line: BarePbx, seconds: float) -> dict[str, Any]:
    """shipped · none · shipped · none in an Asterisk of its own: medians and the set-up's cost."""
    setup = line.talk(25)
    talk = Talk(line)
    shipped = next(v for v in VARIANTS if v.name == SHIPPED)
    recorded, bare = [talk.window(seconds)], []
    talk.stop()
    bare.append(talk.window(seconds))
    talk.record(shipped)
    recorded.append(talk.window(seconds))
    talk.stop()
    bare.append(talk.window(seconds))
    technologies = sorted(set(re.findall(r" 2 basic +(\w+)", line.cli("bridge show all"))))
    return {
        "recorded": recorded,
        "bare": bare,
        "setup_ms": round(setup * 1000, 2),
        "bridge_without_recording": technologies,
    }


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
    """Measure the variants (all, or those whose name holds one of `only`) and give the result.

    `keep` is called with the result so far after each session. Samples of a `previous` result of as many calls are
    added to. `lock` is a file held during each session, so that two load runs do not meet.
    """
    from hotline.bench import machine

    wanted = [v for v in VARIANTS if v.name != SHIPPED and (not only or any(o in v.name for o in only))]
    books = _Books(calls, seconds, previous or {})
    books.head = {
        "part": "recording_cost",
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "machine": machine.describe(),
        "versions": {"sipp": machine.sipp_version()},
        "command": f"hotline capacity recording-cost --calls {calls} --seconds {seconds:g}",
        "load_average_before": round(os.getloadavg()[0], 2),
    }
    live = [v for v in wanted if v.live]
    for at in range(0, len(live), LIVE_PER_SESSION):
        group = live[at : at + LIVE_PER_SESSION]
        say(f"{', '.join(v.name for v in group)}")
        with _turn(lock), _told(books, group, say), BarePbx(tree, calls) as line:
            line.start()
            books.versions(line)
            samples, own = live_session(line, group, seconds, say)
            books.add_live(samples, own)
        keep(books.result())
    starts = [v for v in wanted if not v.live]
    order: list[Variant | None] = []
    for place, variant in enumerate(starts):
        order += [None, variant] if place % 3 == 0 else [variant]
    order += [None] if starts else []
    for variant in order:
        one = variant or Variant("shipped session", "start", "")
        with _turn(lock), _told(books, [one], say), started(tree, calls, one) as line:
            books.versions(line)
            session = start_session(line, seconds)
            books.add_start(one.name, session)
            recorded, bare = _median(session["recorded"]), _median(session["bare"])
            say(f"{one.name}: recorded {recorded:.1%}, not recorded {bare:.1%}")
        keep(books.result())
    for number in finals:
        for name in FINALS:
            say(f"{number} calls, {name}")
            with _turn(lock):
                books.finals.append(final_session(tree, number, name, seconds))
            keep(books.result())
    return books.result()


FINALS = (NONE, SHIPPED, "passive capture on the trunk leg", "MixMonitor, all threads on one core")


def final_session(tree: Path, calls: int, name: str, seconds: float) -> dict[str, Any]:
    """One form at one size, armed by the dialplan from the first call on: two windows and the set-up's cost."""
    unarmed = () if "MixMonitor" in name else (Edit("extensions.conf", "NoOp()", ARMED),)
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(BarePbx(tree, calls, unarmed)).start()
        setup = line.talk(25)
        tool = stack.enter_context(capture(line.var)) if "capture" in name else None
        if "one core" in name:
            scheduling.apply(line.process.pid, "pin")
        time.sleep(SETTLE)
        talk, windows = Talk(line), []
        for _ in range(2):
            before = look(tool) if tool else None
            windows.append(talk.window(seconds))
            if tool and before:
                after = look(tool)
                used = after.user + after.system - before.user - before.system
                windows[-1]["beside_asterisk"] = round(used / (after.at - before.at), 4)
        return {
            "calls": calls,
            "name": name,
            "cores": round(_median(windows) + _median(windows, "beside_asterisk"), 4),
            "switches": _median(windows, "switches"),
            "setup_ms": round(setup * 1000, 1),
            "megabytes": windows[-1]["megabytes"],
            "load": windows[-1]["load"],
        }


def started(tree: Path, calls: int, variant: Variant) -> BarePbx:
    """The Asterisk of a start variant, running; the caller closes it. Raises NotInTime, EditMissed, NotInstalled."""
    line = BarePbx(
        tree,
        calls,
        variant.edits,
        prefix=variant.prefix,
        options=variant.start_options,
        environment=variant.environment,
        folder=variant.folder,
        echo=variant.echo,
    )
    try:
        return line.start()
    except BaseException:
        line.close()
        raise


def _median(windows: Sequence[Mapping[str, Any]], what: str = "cores") -> float:
    return float(statistics.median(window.get(what, 0.0) for window in windows))


@contextlib.contextmanager
def _turn(lock: Path | None) -> Iterator[None]:
    """Wait for our turn at the machine and keep it for the block."""
    if lock is None:
        yield
        return
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _told(books: _Books, variants: Iterable[Variant], say: Say) -> Iterator[None]:
    """A variant that cannot be measured here is written down with its reason; the others go on."""
    try:
        yield
    except (CallsFailed, EditMissed, NotInstalled, NotInTime, AmiError, AriError, OSError) as failure:
        reason = f"{type(failure).__name__}: {str(failure).splitlines()[0]}"
        for variant in variants:
            books.failed[variant.name] = reason
            say(f"{variant.name}: {reason}")


class _Books:
    """Samples as they come in, and the result made of them."""

    def __init__(self, calls: int, seconds: float, previous: Mapping[str, Any]) -> None:
        same = previous if previous.get("calls") == calls else {}
        self.calls, self.seconds = calls, seconds
        self.head: dict[str, Any] = {}
        self.live: dict[str, list[dict[str, Any]]] = {k: list(v) for k, v in same.get("live", {}).items()}
        self.starts: list[dict[str, Any]] = list(same.get("starts", []))
        self.setups: list[dict[str, Any]] = list(same.get("setups", []))
        self.finals: list[dict[str, Any]] = list(same.get("finals", []))
        self.failed: dict[str, str] = {}

    def versions(self, line: BarePbx) -> None:
        """Which Asterisk it is."""
        self.head["versions"].setdefault("asterisk", line.cli("core show version").split(" built")[0])

    def add_live(self, samples: Mapping[str, list[dict[str, Any]]], own: dict[str, Any]) -> None:
        """The samples of one live session."""
        for name, windows in samples.items():
            self.live.setdefault(name, []).extend(windows)
        self.setups.append(own)

    def add_start(self, name: str, session: dict[str, Any]) -> None:
        """One start session, in the order in which they were."""
        self.starts.append({"name": name, **session})

    def result(self) -> dict[str, Any]:
        """All of it, ready for JSON: rows by variant, anatomy, raw samples."""
        rows = {name: {"name": name, **summary(samples)} for name, samples in self.live.items()}
        rows |= {name: row for name, row in start_rows(self.starts).items() if name not in rows}
        for name, reason in self.failed.items():
            rows.setdefault(name, {"name": name, "failed": reason})
        return {
            **self.head,
            "calls": self.calls,
            "seconds": self.seconds,
            "noise": noise(self.live.get(SHIPPED, [])),
            "anatomy": anatomy(self.live, self.starts),
            "variants": list(rows.values()),
            "finals": self.finals,
            "setups": self.setups,
            "live": self.live,
            "starts": self.starts,
        }


def start_rows(sessions: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows of the start variants: recorded and bare medians against the shipped sessions before and after.

    `sessions` are {"name", "recorded": [window], "bare": [window]} in the order in which they were measured; a
    variant with `beside` is held against the session of that name instead.
    """
    rows: dict[str, dict[str, Any]] = {}
    besides = {variant.name: variant.beside for variant in STARTS if variant.beside}
    samples: dict[str, list[dict[str, Any]]] = {}
    for place, session in enumerate(sessions):
        name = session["name"]
        wanted = besides.get(name, "shipped session")
        if name == wanted:
            continue
        before = [s for s in sessions[:place] if s["name"] == wanted][-1:]
        after = [s for s in sessions[place + 1 :] if s["name"] == wanted][:1]
        beside = [*before, *after]
        if not beside:
            continue
        samples.setdefault(name, []).append(
            {
                "cores": _median(session["recorded"]),
                "shipped": statistics.mean(_median(s["recorded"]) for s in beside),
                "none": _median(session["bare"]),
                "bare_to_shipped": _median(session["bare"])
                / statistics.mean(_median(s["bare"]) for s in beside),
                "switches": _median(session["recorded"], "switches"),
                "setup_ms": session["setup_ms"],
                "megabytes": session["recorded"][-1]["megabytes"],
                "bridge": session["bridge_without_recording"],
            }
        )
    for name, found in samples.items():
        rows[name] = {
            "name": name,
            **summary(found),
            "bare_cores": round(statistics.median(s["none"] for s in found), 3),
            "bare_to_shipped": round(statistics.median(s["bare_to_shipped"] for s in found), 2),
            "setup_ms": round(statistics.median(s["setup_ms"] for s in found), 1),
            "megabytes": found[-1]["megabytes"],
            "bridge_without_recording": found[-1]["bridge"],
            "beside": besides.get(name, ""),
        }
    return rows


def anatomy(
    live: Mapping[str, Sequence[Mapping[str, Any]]], starts: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    """Where the time goes: no recording in the native bridge and in the simple one, and with MixMonitor."""
    simple = [w for s in starts if s["name"] == "bridge_native_rtp not loaded" for w in s["bare"]]
    found = {"none": live.get(NONE, []), "simple": simple, "shipped": live.get(SHIPPED, [])}
    return {name: _parts(windows) for name, windows in found.items() if windows}


def _parts(windows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
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
