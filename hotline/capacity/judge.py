"""What the figures say to the targets, and what broke first. Pure: from the result of a run to sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hotline.bench.run import QUEUE_WRAPUP
from hotline.capacity.plan import MUST_CARRY
from reports import erlang

POP_MS, LAG_MS = 500.0, 2_000.0
OURS_SHARE = 0.25
FLAT = 1.25
"""A call of any step costs at most so many times one of any smaller step."""
FULL_PERCENT = 190.0
"""Of two cores: from here on everybody waits for the processor."""
AT_MOST_ANSWERED = 0.95

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """One target: what was asked, what was found, whether it is met (None: not measured)."""

    target: str
    found: str
    met: bool | None


def job(result: Figures, kind: str, talking: int | None = None) -> Figures | None:
    """The good job of a kind (and size); None where there is none or it failed."""
    for one in result["jobs"]:
        if one["kind"] == kind and one["ok"] and (talking is None or one["talking"] == talking):
            found: Figures = one
            return found
    return None


def jobs(result: Figures, kind: str) -> list[Figures]:
    """The good jobs of a kind, smallest first."""
    found = [one for one in result["jobs"] if one["kind"] == kind and one["ok"]]
    return sorted(found, key=lambda one: one["talking"])


def failures(one: Figures) -> dict[str, int]:
    """Calls that failed by SIPp, were lost at a seat, or that the ledger calls failed or does not know."""
    calls, ledger = one["calls"], one.get("ledger")
    found = {"failed at SIPp": calls["failed"], "lost at a seat": calls["seats_lost"]}
    if ledger:
        found["failed in the ledger"] = ledger["outcomes"].get("failed", 0)
        found["without ledger row"] = max(0, ledger["calls_by_sipp"] - ledger["rows"])
        found["two ledger rows"] = max(0, ledger["rows"] - calls["begun"])
    return {name: count for name, count in found.items() if count}


def p99(one: Figures, delay: str) -> float | None:
    found: float | None = one.get("delays_ms", {}).get(delay, {}).get("p99")
    return found


def share(one: Figures) -> float | None:
    """(cti + desktop) / Asterisk, in CPU seconds of the window."""
    cpu = one["cpu_percent"]
    return (cpu["cti"] + cpu["desktop"]) / cpu["pbx"] if cpu.get("pbx") and "cti" in cpu else None


def cost(one: Figures, *parts: str, idle: bool = False) -> float | None:
    """CPU seconds for 180 s of talk; `idle`: without what the parts take when nobody calls."""
    talked = one["calls"]["in_window"]["talk_seconds"] / 180
    known = [part for part in parts if part in one["cpu_percent"]]
    if not talked or not known:
        return None
    percent = sum(
        one["cpu_percent"][part] - (one["idle_percent"].get(part, 0.0) if idle else 0.0) for part in known
    )
    return float(percent / 100 * one["window_seconds"] / talked)


def gaps(one: Figures) -> str:
    """What was found in the recordings, in a few words; '' where nobody recorded."""
    heard = one.get("recordings")
    if not heard:
        return ""
    if not heard["listened"]:
        return "none listened to"
    if heard["without_gap"] == heard["listened"]:
        return f"none in {heard['listened']} recordings"
    return (
        f"in {heard['listened'] - heard['without_gap']} of {heard['listened']} recordings, "
        f"{heard['gap_ms'] / 10 / max(heard['channel_seconds'], 0.1):.2f} % of the time, "
        f"longest {heard['longest_gap_ms']:.0f} ms"
    )


def carried(one: Figures) -> list[Verdict]:
    """What a line with 150 seats talking at once must be."""
    heard, bad = one["recordings"] or {}, failures(one)
    pop, lag = p99(one, "pop answered over HTTP"), p99(one, "journal line to ledger row")
    parts = share(one)
    return [
        Verdict(
            "no failed call",
            ", ".join(f"{n} {name}" for name, n in bad.items())
            or f"0 of {one['calls']['begun']} ({one['calls']['in_window']['talking_mean']:.0f} talking)",
            not bad,
        ),
        Verdict(
            "no gap in a recording",
            gaps(one),
            heard["without_gap"] == heard["listened"] if heard.get("listened") else None,
        ),
        Verdict("p99 pop < 500 ms", _ms(pop), None if pop is None else pop < POP_MS),
        Verdict("journal lag < 2 s (p99)", _ms(lag), None if lag is None else lag < LAG_MS),
        Verdict(
            "cti + desktop < 25 % of Asterisk's CPU",
            "not measured" if parts is None else f"{parts:.0%}",
            None if parts is None else parts < OURS_SHARE,
        ),
    ]


def flat(result: Figures) -> Verdict:
    """Cost per call from 10 to 300 seats, without what everything takes when nobody calls."""
    steps = jobs(result, "ours")
    found = [(one["talking"], cost(one, "pbx", "cti", "desktop", idle=True)) for one in steps]
    known = [(n, value) for n, value in found if value]
    if len(known) < 2:
        return Verdict("cost per call flat from 10 to 300 seats", "not measured", None)
    words = ", ".join(f"{n}: {value:.2f} s" for n, value in known)
    whole = known[0][0] == 10 and known[-1][0] == 300
    # Dearer than it was at any smaller step: that is growth. Small steps may be dearer than large ones.
    grown = max(
        value / min(smaller for _, smaller in known[:place])
        for place, (_, value) in enumerate(known)
        if place
    )
    return Verdict(
        "cost per call flat from 10 to 300 seats",
        f"{words} (CPU of Asterisk, cti, desktop for a talk of 180 s)"
        + ("" if whole else "; not all steps were measured"),
        grown <= FLAT if whole else None,
    )


def broken(one: Figures) -> list[str]:
    """What no longer holds at a step, in words; [] where all is well."""
    found = [f"{n} calls {name}" for name, n in failures(one).items()]
    heard = one.get("recordings") or {}
    if heard.get("listened") and heard["without_gap"] < heard["listened"]:
        found.append(f"gaps in recordings: {gaps(one)}")
    pop, lag = p99(one, "pop answered over HTTP"), p99(one, "journal line to ledger row")
    if pop is not None and pop >= POP_MS:
        found.append(f"pop p99 {_ms(pop)}")
    if lag is not None and lag >= LAG_MS:
        found.append(f"journal lag p99 {_ms(lag)}")
    wire = (one.get("rtp") or {}).get("from_pbx") or {}
    if (wire.get("lost_percent") or 0) > 0.1:
        found.append(f"{wire['lost_percent']:.2f} % of the audio packets missing on the wire")
    delay = one["calls"]["post_dial_delay_ms"]["p99"]
    if delay is not None and delay > 1000:
        found.append(f"post-dial delay p99 {_ms(delay)}")
    return found


def broke_first(result: Figures) -> str:
    """The paragraph about the first step that did not hold, and why."""
    for one in sorted(
        (one for one in result["jobs"] if one["kind"] == "ours"), key=lambda one: one["talking"]
    ):
        if not one["ok"]:
            return f"At **{one['name']}** the step itself failed: {one['why']}."
        found = broken(one)
        if found:
            return f"First to give, at **{one['name']}**: {'; '.join(found)}. {_why(one)}"
    return "Nothing gave up to the largest step."


def _why(one: Figures) -> str:
    cpu = one["cpu_percent"]
    most = sorted(
        ((name, value) for name, value in cpu.items() if name != "machine"), key=lambda pair: -pair[1]
    )
    parts = ", ".join(f"{name.removeprefix('load: ')} {value:.0f} %" for name, value in most[:4])
    missing = ((one.get("rtp") or {}).get("from_load") or {}).get("missing", 0)
    words = f"The machine was {cpu['machine'] / 2:.0f} % busy of its two cores ({parts}, each of one core)"
    if cpu["machine"] >= FULL_PERCENT:
        words += ": the processor was full, and whoever needs it every 20 ms comes too late first."
    elif missing:
        words += f"; the load itself left out {missing} packets in the sample, which are gaps too."
    else:
        words += "."
    return words


def overload(one: Figures) -> list[Verdict]:
    """Twice too many callers: as many answered as ever, and everybody is told something."""
    means, seats = one["drawn_means"], one["seats"]
    talk = one["calls"]["in_window"].get("talk_mean") or means["talk"]
    most = seats / (talk + max(means["after_call"], QUEUE_WRAPUP) + means["ring"])
    course = one["course"][len(one["course"]) // 3 :]
    reached = sum(piece["answered_per_second"] for piece in course) / len(course) if course else 0.0
    bad, heard = failures(one), one.get("heard_in_queue") or {}
    words = heard.get("heard", [])
    return [
        Verdict(
            "answered calls per hour stay at the maximum",
            f"{reached * 3600:.0f} of {most * 3600:.0f} that {seats} seats can answer at "
            f"{one['calls_per_second'] * 3600:.0f} calls an hour",
            reached >= AT_MOST_ANSWERED * most,
        ),
        Verdict(
            "nothing is refused without words",
            ", ".join(f"{n} {name}" for name, n in bad.items()) or f"0 of {one['calls']['begun']}",
            not bad,
        ),
        Verdict(
            "waiting callers hear their place, call-back is offered",
            f"heard by one who waited: {', '.join(words) or 'nothing of it'}, {heard.get('likeness', heard)}",
            len(words) == 2 if "heard" in heard else None,
        ),
    ]


def beside_erlang(one: Figures) -> dict[str, float | None]:
    """Waits as measured in a job and as Erlang A (with patience) and C have them; shares 0..1."""
    means, waits = one["drawn_means"], one["waits"]
    per_hour = waits["asked"] / one["window_seconds"] * 3600
    load = erlang.Load(
        calls_per_hour=per_hour,
        talk_seconds=means["talk"],
        after_call_seconds=means["after_call"],
        ring_seconds=means["ring"],
        patience_seconds=means["patience"],
    )
    a = erlang.queue(one["seats"], load, 15)
    c = erlang.queue(one["seats"], replace(load, patience_seconds=None), 15)
    asked = waits["asked"] or 1
    left = sum(n for name, n in waits["outcomes"].items() if name in ("abandoned_in_queue", "short_abandon"))
    return {
        "erlangs": round(load.erlangs, 1),
        "calls_per_hour": round(per_hour),
        "measured_in_15": waits["answered_in_15"] / asked,
        "a_in_15": a.in_time,
        "c_in_15": c.in_time,
        "measured_wait": waits["mean_wait_seconds"],
        "a_wait": a.mean_wait_seconds,
        "c_wait": c.mean_wait_seconds,
        "measured_left": left / asked,
        "a_left": a.abandoned,
    }


def ramp_gave(one: Figures) -> str:
    """Where the ramp of calls/s stopped being good, in words."""
    for piece in one["course"]:
        why = []
        if piece["failed"]:
            why.append(f"{piece['failed']} calls failed")
        if (piece["post_dial_p99_ms"] or 0) > 1000:
            why.append(f"post-dial delay p99 {_ms(piece['post_dial_p99_ms'])}")
        if why:
            return f"At {piece['calls_per_second']:.1f} calls/s: {', '.join(why)}."
    most = max((piece["calls_per_second"] for piece in one["course"]), default=0.0)
    return f"Nothing gave up to {most:.1f} calls/s."


def verdicts(result: Figures) -> list[Verdict]:
    """All targets of the run, in the order of the report."""
    found: list[Verdict] = []
    for kind in ("ours", "other recorder"):
        one = job(result, kind, MUST_CARRY)
        if one:
            at = f"{MUST_CARRY} seats talking, {one['recorder']}: "
            found += [Verdict(at + v.target, v.found, v.met) for v in carried(one)]
        elif kind == "ours":
            found.append(Verdict(f"{MUST_CARRY} seats talking", "not measured", None))
    found.append(flat(result))
    extreme = job(result, "overload")
    if extreme:
        found += [Verdict("twice too many calls: " + v.target, v.found, v.met) for v in overload(extreme)]
    return found


def words(met: bool | None) -> str:
    return {True: "met", False: "**missed**", None: "not measured"}[met]


def _ms(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = rows
    return "\n".join(
        [
            "| " + " | ".join(head) + " |",
            "|" + "---|" * len(head),
            *("| " + " | ".join(row) + " |" for row in body),
        ]
    )
