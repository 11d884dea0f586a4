"""docs/capacity/README.md, its charts, and the block in both READMEs, written from the results of runs.

results/capacity.json ─► tables, verdicts, charts          results/<part>.json ─► that part's own section()
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hotline.capacity import charts, judge
from hotline.capacity.judge import Figures, columns, cost, gaps, p99, words
from hotline.settings import REPO

FOLDER = REPO / "docs" / "capacity"
METHOD = Path(__file__).with_name("method.md")
MISSED = Path(__file__).with_name("missed.md")
PARTS = {
    "capture": ("hotline.capacity.capture_cost", "The passive recorder"),
    "recording_cost": ("hotline.capacity.recording_cost", "What a recording costs in Asterisk"),
    "campaign": ("hotline.campaign.report", "The fault campaign"),
    "soak": ("hotline.soak.report", "A shift's worth of busy hour"),
    "abuse": ("hotline.abuse.report", "Abuse"),
    "growth": ("hotline.capacity.growth_report", "Growth"),
}
"""Result file -> module with section(result), and the heading where the section brings none."""
OURS = ("pbx", "cti", "desktop", "worker", "database", "recorder", "recorder2")
NAMES = {"pbx": "Asterisk"}
PICTURED = tuple(part for part in OURS if part != "recorder2")
BOTH = {"recorder": ("recorder", "recorder2")}
"""In the charts two recorders are one part."""
BEGIN, END = "<!-- capacity: written by `hotline capacity report` -->", "<!-- capacity: end -->"


def read(folder: Path = FOLDER / "results") -> dict[str, Any]:
    """The result files by their name without ending; one that is no JSON is left out."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = json.loads(path.read_text("utf-8"))
        except ValueError:
            continue
    return found


def write(folder: Path = FOLDER, results: Mapping[str, Any] | None = None) -> list[Path]:
    """Write the report and its charts; the paths written."""
    results = read(folder / "results") if results is None else results
    written = []
    capacity = results.get("capacity")
    pictures = drawn(capacity) if capacity else {}
    for name, picture in pictures.items():
        (folder / name).write_text(picture, "utf-8")
        written.append(folder / name)
    path = folder / "README.md"
    path.write_text(text(results), "utf-8")
    return [*written, path]


def text(results: Mapping[str, Any]) -> str:
    """The whole report as Markdown."""
    capacity = results.get("capacity")
    parts = [
        "# What one machine carries, and where it breaks",
        "Written by `hotline capacity` (`make capacity`) from the JSON files in [results/](results/): do not"
        " edit. How it is measured stands at the end.",
    ]
    if capacity:
        parts += whole(capacity)
    for name, (module, heading) in PARTS.items():
        if name in results:
            parts.append(_section(module, heading, results[name]))
    parts += [file.read_text("utf-8").strip() for file in (MISSED, METHOD)]
    return "\n\n".join(parts) + "\n"


def _section(module: str, heading: str, result: Mapping[str, Any]) -> str:
    try:
        found: str = importlib.import_module(module).section(result).strip()
    except (ImportError, AttributeError, KeyError, TypeError, ValueError) as error:
        return f"## {heading}\n\nThe result file cannot be shown: {type(error).__name__}: {error}"
    if re.match(r"#{1,2} ", found):
        return re.sub(r"\A# ", "## ", found)
    return f"## {heading}\n\n{found}"


# --- the capacity run ------------------------------------------------------------------------------------


def whole(result: Figures) -> list[str]:
    """The sections of results/capacity.json."""
    parts = [_about(result), _targets(result), "## What broke first", judge.broke_first(result)]
    failed = [one for one in result["jobs"] if not one["ok"]]
    if failed or result["left_out"]:
        parts.append(
            "\n".join(
                [f"- **{one['name']}** failed: {one['why']}" for one in failed]
                + [f"- {name}: left out, the time was over" for name in result["left_out"]]
            )
        )
    parts += _steps(result)
    parts += _overhead(result)
    parts += _variants(result)
    parts += _situations(result)
    return [part for part in parts if part]


def _about(result: Figures) -> str:
    machine, versions = result["machine"], result["versions"]
    again: dict[str, list[str]] = {}
    for job in result["jobs"]:
        if "again" in job:
            again.setdefault(job["again"], []).append(job["name"])
    return "\n".join(
        [
            f"- {result['date']}, `{result['command']}`, {result.get('took_seconds', 0) / 60:.0f} minutes",
            f"- {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB,"
            f" {machine['system']}; load average before {result['load_average_before']}",
            f"- Asterisk {versions.get('asterisk', '?')}, {versions.get('sipp', 'SIPp ?')}, Python "
            f"{versions.get('python', '?')}, {versions.get('database', '?')}",
            *(f"- Measured again on {date}: {'; '.join(names)}" for date, names in sorted(again.items())),
            "- Everything on this one machine: PBX, our parts, the load (SIPp citizens and seats, pages,"
            " Chromium), the measuring.",
        ]
    )


def _targets(result: Figures) -> str:
    rows = [["target", "found", ""]]
    rows += [[one.target, one.found, words(one.met)] for one in judge.verdicts(result)]
    took = result.get("took_seconds", 0)
    rows.append(["the whole run in under 60 minutes", f"{took / 60:.0f} minutes", words(took < 3600)])
    return "## Targets\n\n" + columns(rows)


def _steps(result: Figures) -> list[str]:
    steps = judge.jobs(result, "ours")
    if not steps:
        return []
    rows = [
        ["seats talking", "calls/s", "failed", "post-dial p99", "audio lost, sample", "jitter p99",
         "gaps in recordings", "AMI event p99", "pop p50 / p99", "painted p99", "journal lag p99",
         "desktop errors"]
    ]  # fmt: skip
    for one in steps:
        rows.append(_step_row(one))
    return [
        "## Step by step",
        "Talks of 180 s in the mean, all seats talking from the beginning, a queue behind them, every call"
        f" recorded ({steps[0]['recorder']}), window {steps[0]['window']:g} s. Delays in ms, from Asterisk's"
        " own stamps.",
        columns(rows),
        "![Delays by seats talking](delays.svg)",
        "CPU in % of one core, and the machine's of both; memory in MB:",
        columns(_cpu_rows(steps)),
        "![CPU by seats talking](cpu.svg)",
    ]


def _step_row(one: Figures) -> list[str]:
    inside, wire = one["calls"]["in_window"], one.get("rtp") or {}
    ours = wire.get("from_pbx") or {}
    pop = one["delays_ms"]["pop answered over HTTP"]
    errors = sum(one["desktop_faults"].values()) + sum(one["errors_logged"].values())
    return [
        f"{inside['talking_mean']:.0f} of {one['seats']}",
        f"{one['calls_per_second']:.2f}",
        ", ".join(f"{n} {name}" for name, n in judge.failures(one).items()) or "0",
        _n(one["calls"]["post_dial_delay_ms"]["p99"]),
        f"{ours['lost_percent']} %" if ours.get("lost_percent") is not None else "",
        f"{_n(ours.get('worst_jitter_ms_p99'))} ms" if ours else "",
        gaps(one),
        _n(p99(one, "AMI event")),
        f"{_n(pop['p50'])} / {_n(pop['p99'])}",
        _n(p99(one, "pop painted in Chromium")),
        _n(p99(one, "journal line to ledger row")),
        str(errors),
    ]


def _cpu_rows(steps: Sequence[Figures]) -> list[list[str]]:
    load = ["load: citizens", "load: seats", "load: pages", "load: chromium"]
    parts = [part for part in OURS if any(part in one["cpu_percent"] for one in steps)]
    rows = [
        [
            "seats talking",
            *(NAMES.get(part, part) for part in parts),
            "load",
            "measuring",
            "machine",
            "memory",
        ]
    ]
    for one in steps:
        cpu, memory = one["cpu_percent"], one["memory_mb"]
        rows.append(
            [
                f"{one['calls']['in_window']['talking_mean']:.0f}",
                *(_n(cpu.get(part)) for part in parts),
                _n(sum(cpu.get(name, 0.0) for name in load)),
                _n(sum(value for name, value in cpu.items() if name.startswith("measuring"))),
                _n(cpu["machine"]),
                ", ".join(f"{NAMES.get(part, part)} {memory[part]:.0f}" for part in parts if part in memory),
            ]
        )
    return rows


def _overhead(result: Figures) -> list[str]:
    bare = judge.jobs(result, "bare")
    if not bare:
        return []
    rows = [
        ["seats talking", "Asterisk with us", "bare Asterisk", "bare, not recorded", "with us / bare",
         "cti", "desktop", "worker", "(cti + desktop) / Asterisk", "all ours / bare"]
    ]  # fmt: skip
    for one in bare:
        ours = judge.job(result, "ours", one["talking"])
        off = judge.job(result, "bare off", one["talking"])
        rows.append(_overhead_row(one, ours, off))
    return [
        "## Beside a bare Asterisk",
        "The same configuration, dialplan, calls and seats without cti, desktop and worker (seats are queue"
        " members by AMI), and the same without recording. CPU seconds for one talk of 180 s: what was used"
        " in the window, over the talk in it.",
        columns(rows),
        "![CPU seconds for a talk of 180 s](cost.svg)",
    ]


def _overhead_row(bare: Figures, ours: Figures | None, off: Figures | None) -> list[str]:
    alone = cost(bare, "pbx")
    with_us = cost(ours, "pbx") if ours else None
    everything = cost(ours, *OURS) if ours else None
    part = judge.share(ours) if ours else None
    return [
        str(bare["talking"]),
        _n(with_us, 2),
        _n(alone, 2),
        _n(cost(off, "pbx") if off else None, 2),
        _n(with_us / alone if with_us and alone else None, 2),
        *(_n(cost(ours, name) if ours else None, 3) for name in ("cti", "desktop", "worker")),
        "" if part is None else f"{part:.0%}",
        _n(everything / alone if everything and alone else None, 2),
    ]


def _variants(result: Figures) -> list[str]:
    """The other recorder and the other database beside the same step."""
    parts: list[str] = []
    for kind, heading in (
        ("other recorder", "## The two recorders"),
        ("postgresql", "## SQLite and PostgreSQL"),
    ):
        others = judge.jobs(result, kind)
        if not others:
            continue
        rows = [
            ["step", "Asterisk", "recorder", "worker", "database", "cti", "desktop", "machine", "failed",
             "gaps", "pop p99, ms", "journal lag p99, ms", "ticket saved p99, ms"]
        ]  # fmt: skip
        for other in others:
            one = judge.job(result, "ours", other["talking"])
            rows += [_variant_row(each) for each in (one, other) if each]
        parts += [heading, "CPU in % of one core (machine: of both together).", columns(rows)]
    return parts


def _variant_row(one: Figures) -> list[str]:
    cpu = one["cpu_percent"]
    recorder = sum(cpu.get(name, 0.0) for name in ("recorder", "recorder2"))
    return [
        f"{one['talking']} talking, {one['recorder']}, {one['database'] or 'SQLite'}",
        _n(cpu["pbx"]),
        _n(recorder) if "recorder" in cpu else "",
        _n(cpu.get("worker")),
        _n(cpu.get("database")),
        _n(cpu.get("cti")),
        _n(cpu.get("desktop")),
        _n(cpu["machine"]),
        ", ".join(f"{n} {name}" for name, n in judge.failures(one).items()) or "0",
        gaps(one),
        _n(p99(one, "pop answered over HTTP")),
        _n(p99(one, "journal line to ledger row")),
        _n(p99(one, "ticket saved")),
    ]


def _situations(result: Figures) -> list[str]:
    ramp = judge.job(result, "ramp")
    parts: list[str] = []
    if ramp:
        rows = [["calls/s", "answered/s", "failed", "post-dial p99, ms", "waiting", "talking"]]
        rows += [
            [
                f"{piece['calls_per_second']:.1f}",
                f"{piece['answered_per_second']:.1f}",
                str(piece["failed"]),
                _n(piece["post_dial_p99_ms"]),
                str(piece["waiting"]),
                str(piece["talking"]),
            ]
            for piece in ramp["course"]
        ]
        parts += [
            "## More and more calls a second",
            f"{ramp['what'].capitalize()}. {judge.ramp_gave(ramp)}",
            columns(rows),
        ]
    several = [one for kind in ("situation", "overload") for one in judge.jobs(result, kind)]
    if not several:
        return parts
    rows = [
        ["", "calls begun", "calls/s", "answered/s at the end", "outcomes in the ledger", "failed",
         "pop p99, ms",         "journal lag p99, ms", "gaps"]
    ]  # fmt: skip
    for one in several:
        end = one["course"][-1] if one.get("course") else {}
        outcomes = ", ".join(
            f"{name} {n}" for name, n in sorted(one["ledger"]["outcomes"].items(), key=lambda x: -x[1])
        )
        rows.append(
            [
                f"**{one['name']}**",
                str(one["calls"]["begun"]),
                f"{one['calls_per_second']:.2f}",
                _n(end.get("answered_per_second"), 2),
                outcomes,
                ", ".join(f"{n} {name}" for name, n in judge.failures(one).items()) or "0",
                _n(p99(one, "pop answered over HTTP")),
                _n(p99(one, "journal line to ledger row")),
                gaps(one),
            ]
        )
    parts += [
        "## The city's days",
        "\n".join(f"- **{one['name']}**: {one['what']}" for one in several),
        "Times are compressed where it is said; arrivals are Poisson. Cut by the harness: still waiting or in"
        " the menu when the window ended.",
        columns(rows),
        "![Overload: calls, answered, waiting](overload.svg)",
    ]
    parts += _erlang(several)
    return parts


def _erlang(several: Sequence[Figures]) -> list[str]:
    rows = [
        ["", "seats", "erlangs", "in 15 s: measured", "Erlang A", "Erlang C", "mean wait: measured",
         "Erlang A", "Erlang C", "hung up: measured", "Erlang A"]
    ]  # fmt: skip
    for one in several:
        found = judge.beside_erlang(one)
        rows.append(
            [
                one["name"],
                str(one["seats"]),
                f"{found['erlangs']:.0f}",
                *(_percent(found[name]) for name in ("measured_in_15", "a_in_15", "c_in_15")),
                *(_seconds(found[name]) for name in ("measured_wait", "a_wait", "c_wait")),
                *(_percent(found[name]) for name in ("measured_left", "a_left")),
            ]
        )
    return [
        "Beside Erlang ([docs/plan.md](../plan.md)), for the window's calls that asked for a person. Erlang"
        " speaks of a state that lasts; day, surge and record day change all the time or are cut off while"
        " the queue still grows, so theirs is what would come of the mean rate for ever. Erlang C has no end"
        " above one erlang a seat.",
        columns(rows),
    ]


def drawn(result: Figures) -> dict[str, str]:
    """The charts of a capacity run by file name."""
    steps = judge.jobs(result, "ours")
    found: dict[str, str] = {}

    def series(value: Any) -> list[tuple[float, float]]:
        return [
            (one["calls"]["in_window"]["talking_mean"], y) for one in steps if (y := value(one)) is not None
        ]

    if steps:
        parts = [part for part in PICTURED if any(part in one["cpu_percent"] for one in steps)]
        found["cpu.svg"] = charts.lines(
            "CPU by seats talking, everything recorded",
            "seats talking at once",
            "% of one core",
            {
                **{NAMES.get(part, part): series(lambda one, part=part: _used(one, part)) for part in parts},
                "whole machine": series(lambda one: one["cpu_percent"]["machine"]),
            },
            ("two cores", 200.0),
        )
        found["delays.svg"] = charts.lines(
            "Delays by seats talking, 99th percentile",
            "seats talking at once",
            "ms",
            {
                "pop": series(lambda one: p99(one, "pop answered over HTTP")),
                "journal lag": series(lambda one: p99(one, "journal line to ledger row")),
                "post-dial": series(lambda one: one["calls"]["post_dial_delay_ms"]["p99"]),
                "AMI event": series(lambda one: p99(one, "AMI event")),
            },
            ("pop: 500 ms", judge.POP_MS),
        )
    bars = []
    for one in judge.jobs(result, "bare"):
        ours, off = judge.job(result, "ours", one["talking"]), judge.job(result, "bare off", one["talking"])
        other = judge.job(result, "other recorder", one["talking"])
        for label, each in (("plain", off), ("bare", one), ("ours", ours), ("other", other)):
            if each:
                parts_of = {
                    NAMES.get(part, part): cost(each, *BOTH.get(part, (part,))) or 0.0
                    for part in PICTURED
                    if part in each["cpu_percent"]
                }
                bars.append(
                    (f"{each['recorder'] if label == 'other' else label}\n{one['talking']}", parts_of)
                )
    if bars:
        found["cost.svg"] = charts.stacks(
            "CPU for a talk of 180 s: not recorded, bare Asterisk, with us", "CPU seconds", bars
        )
    extreme = judge.job(result, "overload")
    if extreme:
        course = extreme["course"]
        found["overload.svg"] = charts.lines(
            f"Twice too many calls for {extreme['seats']} seats",
            "seconds",
            "calls a minute; people",
            {
                "calls": [(p["at"], p["calls_per_second"] * 60) for p in course],
                "answered": [(p["at"], p["answered_per_second"] * 60) for p in course],
                "waiting": [(p["at"], p["waiting"]) for p in course],
                "talking": [(p["at"], p["talking"]) for p in course],
            },
        )
    return found


def _used(one: Figures, part: str) -> float | None:
    """Per cent of a core of a part of the charts."""
    known = [one["cpu_percent"][name] for name in BOTH.get(part, (part,)) if name in one["cpu_percent"]]
    return sum(known) if known else None


# --- the READMEs -------------------------------------------------------------------------------------------


def block(result: Figures, chinese: bool = False) -> str:
    """The table and two charts for a README."""
    date = result["date"][:10]
    recorder = next((one["recorder"] for one in judge.jobs(result, "ours")), "")
    if chinese:
        head = [
            "同时通话席位",
            "失败",
            "录音缺口",
            "弹屏 p50 / p99",
            "台账延迟 p99",
            "CPU：Asterisk",
            "cti + 坐席端",
            "整机（共 200 %）",
        ]
        intro = (
            f"{date} 的 `make capacity`，{result['machine']['cores']} 核一台机器，"
            "PBX、我们的全部部件和压力发生器都在上面，每通都双声道录音"
            f"（{recorder}），通话平均 180 s："
        )
        more = (
            "目标是否达到、最先坏的是什么、裸 Asterisk 对照、故障与滥用："
            "[docs/capacity](docs/capacity/README.md)。"
        )
        alt = ("CPU", "过载")
    else:
        head = ["seats talking", "failed", "gaps in recordings", "pop p50 / p99", "journal lag p99",
                "CPU: Asterisk", "cti + desktop", "machine, of 200 %"]  # fmt: skip
        intro = (
            f"`make capacity` of {date} on one machine of {result['machine']['cores']} cores, with PBX, all"
            " our parts and the load generator on it, every call recorded"
            f" ({recorder}), talks of 180 s:"
        )
        more = (
            "Targets met and missed, what broke first and why, bare Asterisk beside it, faults, abuse: "
            "[docs/capacity](docs/capacity/README.md)."
        )
        alt = ("CPU by seats talking", "Overload")
    rows = [head]
    for one in judge.jobs(result, "ours"):
        cpu, pop = one["cpu_percent"], one["delays_ms"]["pop answered over HTTP"]
        heard = one["recordings"] or {}
        rows.append(
            [
                f"{one['talking']}",
                str(sum(judge.failures(one).values())),
                f"{heard['listened'] - heard['without_gap']} / {heard['listened']}"
                if heard.get("listened")
                else "–",
                f"{_n(pop['p50'])} / {_n(pop['p99'])} ms",
                f"{_n(p99(one, 'journal line to ledger row'))} ms",
                f"{cpu['pbx']:.0f} %",
                f"{cpu['cti'] + cpu['desktop']:.0f} %",
                f"{cpu['machine']:.0f} %",
            ]
        )
    pictures = f"![{alt[0]}](docs/capacity/cpu.svg)\n![{alt[1]}](docs/capacity/overload.svg)"
    return "\n".join([BEGIN, intro, "", columns(rows), "", pictures, "", more, END])


def into_readmes(result: Figures, folder: Path = REPO) -> list[Path]:
    """Rewrite the marked block of both READMEs; raises ValueError where a README has no marks."""
    written = []
    for name, chinese in (("README.md", False), ("README.zh-CN.md", True)):
        path = folder / name
        old = path.read_text("utf-8")
        if BEGIN not in old or END not in old:
            raise ValueError(f"{name} has no block between {BEGIN} and {END}")
        before, _, rest = old.partition(BEGIN)
        path.write_text(before + block(result, chinese) + rest.partition(END)[2], "utf-8")
        written.append(path)
    return written


def _n(value: float | None, digits: int | None = None) -> str:
    if value is None:
        return ""
    if digits is not None:
        return f"{value:.{digits}f}"
    return f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _seconds(value: float | None) -> str:
    if value is None:
        return ""
    return "no end" if value == float("inf") else f"{value:.1f} s"
