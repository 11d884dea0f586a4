"""One step: a line of its own, its people, a load, a window in which everything is measured, nothing left.

line up ─► pages in ─► calls under way at all seats ─► [ window: calls come and go ] ─► all hung up
        (bare: members by AMI, no cti, desktop, worker)      │
              CPU, memory, delays, RTP on the wire ──────────┘      ledger, recordings, SIPp's records
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import func, select

from cti.ami import AmiError
from db.models import Call, Recording
from hotline.bench.child import Child, ChildFailed
from hotline.bench.figures import percentile, spread, within
from hotline.bench.run import versions
from hotline.capacity.listening import PROBE
from hotline.capacity.plan import Job, rate_of, resolved
from hotline.load import city, draw, heard, records, rtp
from hotline.load.line import RTP_FIRST, RTP_LAST, LoadLine, Look
from hotline.load.sipps import CITIZEN_HERTZ, SEAT_HERTZ, Sipps
from hotline.private_line import PASSWORD, NotInTime, until

Say = Callable[[str], None]
SEED = 12345
FILL_RATE = 7.0
"""Calls a second that fill the seats: as fast as that only at the beginning of a step."""
LISTENED = 60
"""Recordings of a step in which the tone is looked for."""


def run(step: Job, tree: Path, scenario: draw.Scenario, say: Say = print) -> dict[str, Any]:
    """The step's figures. Raises what a line or its people raise; the machine is left as it was."""
    step = resolved(step, scenario)
    began = time.time()
    load = round(os.getloadavg()[0], 2)
    with contextlib.ExitStack() as stack:
        database, cluster_pid = _database(step, stack)
        recorder = "mixmonitor" if step.recorder == "off" else step.recorder
        line = LoadLine(tree, seats_of(step), database, recorder=recorder)
        stack.callback(line.stop)
        found = _Run(step, scenario.compressed(step.times), line, stack, say, cluster_pid).measure()
    return {
        "ok": True,
        "load_before": load,
        "took_seconds": round(time.time() - began, 1),
        **{name: value for name, value in step.as_dict().items() if name not in ("seconds", "limits")},
        "seats": seats_of(step),
        **found,
    }


def seats_of(step: Job) -> int:
    """Seats with an agent: a tenth more than talk, who ring or do after-call work."""
    return step.seats or max(step.talking + 2, round(step.talking * 1.1))


def _database(step: Job, stack: contextlib.ExitStack) -> tuple[str, int]:
    """(URL, process id of the server); ('', 0) for SQLite. Raises NoPostgres."""
    if step.database != "postgresql":
        return "", 0
    from hotline.private_postgres import cluster

    started = stack.enter_context(cluster())
    return started.url, started.processes()[0].pid


class _Run:
    """One step under way; `measure` goes through its stages in order."""

    def __init__(
        self,
        step: Job,
        scenario: draw.Scenario,
        line: LoadLine,
        stack: contextlib.ExitStack,
        say: Say,
        cluster_pid: int,
    ) -> None:
        self.step, self.scenario, self.line, self.stack, self.say = step, scenario, line, stack, say
        if step.talk:
            self.scenario = replace(
                self.scenario, talk=draw.Spread("exponential", step.talk, least=1, most=60)
            )
        if step.patience:
            self.scenario = scenario.with_patience(step.patience)
        self.chance = random.Random(SEED)
        self.children: dict[str, Child] = {}
        self.others: dict[str, psutil.Process] = {}
        if cluster_pid:
            self.others["database"] = psutil.Process(cluster_pid)

    # --- stages ------------------------------------------------------------------------------------------

    def measure(self) -> dict[str, Any]:
        step, line = self.step, self.line
        self._people()
        idle = self._idle()
        filling, plans = self._plan()
        self.say(f"{step.name}: {len(plans)} calls are drawn")
        drops = rtp.udp_drops(RTP_FIRST, RTP_LAST + 1)
        citizens = line.dial(plans)
        start = time.time()
        ear = self._probe(start, filling) if step.probe else None
        begin_at = start + filling + step.settle
        _pause_until(begin_at)
        self.say(f"{step.name}: measuring for {step.window:g} s")
        capture = rtp.Capture.open(rtp.sample(RTP_FIRST, RTP_LAST, _one_of(step.talking)))
        if capture:
            self.stack.callback(capture.close)
            self.others["measuring: tcpdump"] = psutil.Process(capture.pid)
        before = line.look(self.others)
        most = 0
        while time.time() < begin_at + step.window:
            most = max(most, _asked(line.channels, -1))
            _pause_until(min(time.time() + 5, begin_at + step.window))
        after = line.look(self.others)
        self.others.pop("measuring: tcpdump", None)
        streams = capture.result() if capture else None
        heard_words = ear() if ear else None
        return self._gather(
            _Window(before, after, streams, most, rtp.udp_drops(RTP_FIRST, RTP_LAST + 1) - drops, idle),
            citizens,
            heard_words,
        )

    def _people(self) -> None:
        step, line = self.step, self.line
        recorders = ["recorder", "recorder2"][: len(line.settings.recorder_names)]
        line.start(*(["pbx", *recorders] if step.bare else []))
        for name in line.settings.recorder_names:
            until((line.settings.recorder_alive / name).exists, 15, f"recorder {name} at work")
        if step.recorder == "off":
            # For the whole line: every call is recorded already, and paused, so record-call begins nothing.
            line.ami("Setvar", Variable="HL_RECORDING", Value="1")
            line.ami("Setvar", Variable="HL_MUTED", Value="1")
        line.seats(draw.habits(self.scenario, 5_000, self.chance))
        if step.bare:
            line.bare_members()
        else:
            self._pages()
        seats = seats_of(step)
        until(lambda: line.ready() >= seats - seats // 50, 40, f"{seats} seats ready, {line.ready()} are")

    def _pages(self) -> None:
        step, line = self.step, self.line
        agents = city.agents(seats_of(step))
        with line.sessions() as session:
            category = city.a_category(session)
        desktop = {"address": line.address, "password": PASSWORD}
        jobs: dict[str, dict[str, Any]] = {
            "desktops": desktop
            | {
                "agents": agents[step.chromium :],
                "after": asdict(self.scenario.after_call),
                "tickets": self.scenario.ticket_share,
                "category": category,
                "seed": SEED,
            },
            "our wire": {"port": line.settings.ami_port, "user": "cti", "secret": line.settings.ami_password},
            "ledger": {"database": line.settings.database, "look_every": 0.25},
        }
        if step.chromium:
            jobs["chromium"] = desktop | {"agents": agents[: step.chromium]}
        for kind, job in jobs.items():
            child = Child(kind, job, line.environment())
            self.stack.callback(child.close)
            try:
                self.children[kind] = child.ready()
            except ChildFailed as failure:
                if kind != "chromium":
                    raise
                self.say(f"{step.name}: without Chromium: {failure}")
        for kind, child in self.children.items():
            name = "load: pages" if kind in ("desktops", "chromium") else f"measuring: {kind}"
            self.others[name if kind != "chromium" else "load: chromium"] = psutil.Process(child.process.pid)

    def _idle(self) -> dict[str, float]:
        """Per cent of a core that each part takes while nobody calls."""
        before = self.line.look(self.others)
        _pause_until(time.time() + self.step.idle)
        return _percent(before, self.line.look(self.others))

    def _plan(self) -> tuple[float, list[draw.Planned]]:
        """(seconds of the filling, all calls)."""
        step, scenario, chance = self.step, self.scenario, self.chance
        filling, plans = 0.0, list[draw.Planned]()
        given = rate_of(step.rate, scenario, step.window)
        if step.fill:
            filling = max(2.0, seats_of(step) / FILL_RATE)
            # The pages that are looked at are rung first, as soon as the others talk.
            filled = seats_of(step) - step.chromium if given is None else step.talking
            plans = draw.already_talking(scenario, filled, filling, "1", chance)
        end = filling + step.settle + step.window
        rate = given or draw.steady(step.talking / scenario.talk.drawn_mean() * 1.05)
        queue = max(2, step.talking // 25) if step.fill and given is None else 0
        starts = [filling + chance.random() for _ in range(queue)]
        starts += [filling + at for at in draw.arrivals(rate, end - filling, chance)]
        plans += draw.callers(scenario, sorted(starts), chance)
        return filling, plans

    def _probe(self, start: float, filling: float) -> Callable[[], dict[str, Any]]:
        from hotline.capacity.listening import listen_in_queue

        # When the queue is long; menu, first words, and the offer after a minute in it fit into 100 s.
        after = max(0.0, start - time.time()) + filling + self.step.settle + self.step.window * 0.3
        return listen_in_queue(self.line, after, self.step.window * 0.67)

    # --- what came of it -----------------------------------------------------------------------------------

    def _gather(self, window: _Window, citizens: Sipps, heard_words: dict[str, Any] | None) -> dict[str, Any]:
        step, line = self.step, self.line
        citizens.wait(0)
        cut_at = time.time()
        _asked(line.hang_up_all, None)
        with contextlib.suppress(NotInTime):
            until(lambda: _asked(line.channels, -1) == 0, 20, "all calls ended")
        left = _asked(line.channels, -1)
        calls, seat_calls = records.calls(citizens.events()), records.calls(line.sipps["seats"].events())
        begun = [call for call in calls if "DIALLED" in call.at]
        found: dict[str, Any] = {
            "window_seconds": round(window.after.at - window.before.at, 2),
            "versions": _asked(lambda: versions(line), {}),
            "drawn_means": {
                "talk": round(self.scenario.talk.drawn_mean(), 2),
                "after_call": round(self.scenario.after_call.drawn_mean(), 2),
                "ring": round(self.scenario.answer.drawn_mean(), 2),
                "patience": round(self.scenario.patience.drawn_mean(), 2),
            },
            "channels_most": window.most,
            "channels_left": left,
            "calls": _calls(begun, seat_calls, window),
            "cpu_percent": _percent(window.before, window.after),
            "idle_percent": window.idle,
            "memory_mb": {name: round(size / 1e6, 1) for name, size in window.after.memory.items()},
            "udp_drops": window.drops,
            "rtp": None if window.streams is None else wire(window.streams),
        }
        found |= _cost(found)
        if step.bucket:
            found["course"] = _course(begun, seat_calls, window, step.bucket)
        if heard_words is not None:
            found["heard_in_queue"] = heard_words
        if not step.bare:
            inside = found["calls"]["in_window"]
            found["cores"] = {
                part: round(percent / 100, 4)
                for part, percent in found["cpu_percent"].items()
                if part in PARTS
            }
            found["calls_per_second"] = round(inside["begun"] / found["window_seconds"], 3)
            found["mean_talking"] = inside["talking_mean"]
            found |= self._ours(window, begun, cut_at)
        found["recordings"] = self._recordings(found["calls"]["served"]) if step.recorder != "off" else None
        return found

    def _ours(self, window: _Window, begun: list[records.Call], cut_at: float) -> dict[str, Any]:
        line, name = self.line, self.line.settings.pbx_name
        complete = False
        with contextlib.suppress(NotInTime):
            complete = bool(until(lambda: self._caught_up(len(begun)), 20, "the ledger has all calls"))
        results = {kind: child.result() for kind, child in self.children.items()}
        begin, end = round(window.before.at * 1000), round(window.after.at * 1000)
        desktops, chromium = results["desktops"], results.get("chromium", {})

        def delay(samples: Sequence[Sequence[float]]) -> dict[str, Any]:
            return asdict(spread(within([(int(at), one) for at, one in samples], begin, end)))

        with line.sessions() as session:
            ends = session.execute(
                select(Call.outcome, Call.ended_at).where(
                    Call.pbx == name, Call.direction == "inbound", *_not_the_probe()
                )
            ).all()
        # Who still waited at the end was hung up by the harness: no outcome of the hotline's.
        outcomes = Counter(
            str(row.outcome)
            if row.ended_at is None or row.ended_at.timestamp() < cut_at or row.outcome == "answered"
            else "cut by the harness"
            for row in ends
        )
        return {
            "delays_ms": {
                "AMI event": delay(results["our wire"]["samples"]),
                "push in the page's socket": delay(desktops["pushed"]),
                "pop answered over HTTP": delay(desktops["popped"]),
                # Two seats among many are seldom rung: from the first call on, when calls come fastest.
                "pop painted in Chromium": asdict(
                    spread([p["painted_at"] - p["event_at"] for p in chromium.get("pops", [])])
                ),
                "ticket saved": delay(desktops["saved"]),
                "journal line to ledger row": delay(results["ledger"]["samples"]),
            },
            "ledger": {
                "outcomes": dict(outcomes),
                "rows": len(ends),
                "calls_by_sipp": sum("CONNECTED" in call.at for call in begun),
                "complete": complete,
            },
            "waits": self._waits(window),
            "desktop_faults": desktops["faults"],
            "errors_logged": {
                part: sum("[error" in text or "Traceback" in text for text in line.log(part).splitlines())
                for part in line.running
                if part != "pbx"
            },
        }

    def _caught_up(self, begun: int) -> bool:
        """Whether every call has its outcome; call-backs are calls of their own."""
        with self.line.sessions() as session:
            ended = session.scalar(
                select(func.count()).where(
                    Call.pbx == self.line.settings.pbx_name,
                    Call.outcome.is_not(None),
                    Call.direction == "inbound",
                    *_not_the_probe(),
                )
            )
            return (ended or 0) >= begun

    def _waits(self, window: _Window) -> dict[str, Any]:
        """Waits of those who asked for a person in the window, as the ledger has them."""
        with self.line.sessions() as session:
            rows = session.execute(
                select(Call.to_person_at, Call.answered_at, Call.outcome, Call.wait_ms).where(
                    Call.pbx == self.line.settings.pbx_name,
                    Call.direction == "inbound",
                    Call.to_person_at.is_not(None),
                )
            ).all()
        inside = [row for row in rows if window.before.at <= row.to_person_at.timestamp() <= window.after.at]
        answered = [row.wait_ms for row in inside if row.answered_at is not None and row.wait_ms is not None]
        return {
            "asked": len(inside),
            "answered": len(answered),
            "answered_in_15": sum(wait <= 15_000 for wait in answered),
            "wait_ms": asdict(spread(answered)),
            "mean_wait_seconds": round(sum(row.wait_ms or 0 for row in inside) / len(inside) / 1000, 2)
            if inside
            else None,
            "outcomes": {str(k): n for k, n in Counter(row.outcome for row in inside).items()},
        }

    def _recordings(self, served: int) -> dict[str, Any]:
        """The tone in the kept recordings, and in those still in the spool."""
        line = self.line
        files: list[Path] = []
        kept = 0
        if not self.step.bare:
            with contextlib.suppress(NotInTime):
                until(lambda: self._kept() >= min(12, served), 25, "recordings kept")
            with line.sessions() as session:
                rows = session.scalars(select(Recording).where(Recording.path.is_not(None))).all()
                kept = len(rows)
                states = Counter(row.state for row in rows)
                files = [line.settings.recordings / row.path for row in rows if row.path]
        else:
            states = Counter()
        listened = [path for path in files if path.exists()][:LISTENED]
        raw = sorted(line.settings.monitor.glob("*.raw"), key=lambda path: -path.stat().st_size)
        listened += raw[: max(0, LISTENED - len(listened))]
        return {"kept": kept, "states": dict(states), "in_spool": len(raw)} | listen(listened)

    def _kept(self) -> int:
        with self.line.sessions() as session:
            return session.scalar(select(func.count(Recording.id)).where(Recording.path.is_not(None))) or 0


@dataclass(frozen=True)
class _Window:
    """What was seen at both ends of the measured time."""

    before: Look
    after: Look
    streams: list[rtp.Stream] | None
    most: int
    drops: int
    idle: dict[str, float]


def _not_the_probe() -> list[Any]:
    """The citizen with the ear is none of SIPp's."""
    return [Call.caller.is_(None) | ~Call.caller.contains(PROBE)]


def _pause_until(moment: float) -> None:
    """A load takes its time; what is waited for here is the clock itself."""
    left = moment - time.time()
    if left > 0:
        time.sleep(left)


def _asked(question: Callable[[], Any], otherwise: Any) -> Any:
    """What Asterisk answers; an Asterisk too busy to answer in time is no reason to end a step."""
    try:
        return question()
    except (OSError, TimeoutError, AmiError):
        return otherwise


def _one_of(talking: int) -> int:
    return next(n for n in (1, 2, 4, 8, 16) if talking / n <= 25 or n == 16)


def _percent(before: Look, after: Look) -> dict[str, float]:
    """Per cent of one core between two looks; what came or went meanwhile is left out."""
    seconds = after.at - before.at
    return {
        name: round((after.cpu[name] - before.cpu[name]) / seconds * 100, 2)
        for name in after.cpu
        if name in before.cpu
    }


def _calls(begun: list[records.Call], seat_calls: list[records.Call], window: _Window) -> dict[str, Any]:
    """What SIPp's records say: of all calls, and of the window."""
    begin, end = window.before.at, window.after.at
    why = Counter(found for call in begun if (found := records.failed(call)))
    unanswered = [
        c for c in begun if "CONNECTED" not in c.at and not records.failed(c) and c.at["DIALLED"] < end - 5
    ]
    connects = [
        delay * 1000
        for call in begun
        if begin <= call.at["DIALLED"] <= end and (delay := call.between("DIALLED", "CONNECTED")) is not None
    ]
    talked = [(c.at["ANSWERED"], _end(c)) for c in seat_calls if "ANSWERED" in c.at]
    seconds = sum(max(0.0, min(stop, end) - max(first, begin)) for first, stop in talked)
    return {
        "begun": len(begun),
        "connected": sum("CONNECTED" in call.at for call in begun),
        "served": sum("SERVED" in call.at for call in begun),
        "left": sum("LEFT" in call.at and "SERVED" not in call.at for call in begun),
        "asked_back": sum("ASKEDBACK" in call.at for call in begun),
        "failed": sum(why.values()) + len(unanswered),
        "why_failed": dict(why) | ({"never connected": len(unanswered)} if unanswered else {}),
        "seats_lost": sum("LOST" in call.at for call in seat_calls),
        "seats_refused": sum("REFUSED" in call.at for call in seat_calls),
        "in_window": {
            "begun": sum(begin <= call.at["DIALLED"] <= end for call in begun),
            "answered": sum(begin <= c.at["ANSWERED"] <= end for c in seat_calls if "ANSWERED" in c.at),
            "ended": sum(begin <= stop <= end for _, stop in talked),
            "talking_mean": round(seconds / (end - begin), 1),
            "talk_seconds": round(seconds, 1),
            "talk_mean": _round(_mean([stop - first for first, stop in talked if begin <= stop <= end])),
        },
        "post_dial_delay_ms": asdict(spread(connects)),
    }


def _course(
    begun: list[records.Call], seat_calls: list[records.Call], window: _Window, bucket: float
) -> list[dict[str, Any]]:
    """The window in pieces: calls/s, answered/s, post-dial delay, failed, waiting, talking."""
    course = []
    at = window.before.at
    while at + bucket <= window.after.at + 1:
        end = at + bucket
        dialled = [call for call in begun if at <= call.at["DIALLED"] < end]
        delays = [one * 1000 for call in dialled if (one := call.between("DIALLED", "CONNECTED")) is not None]
        course.append(
            {
                "at": round(at - window.before.at, 1),
                "calls_per_second": round(len(dialled) / bucket, 2),
                "answered_per_second": round(
                    sum(at <= call.at.get("ANSWERED", 0) < end for call in seat_calls) / bucket, 2
                ),
                "failed": sum(bool(records.failed(call)) for call in dialled),
                "unconnected": sum("CONNECTED" not in call.at for call in dialled),
                "left": sum(at <= call.at.get("LEFT", 0) < end and "SERVED" not in call.at for call in begun),
                "post_dial_p99_ms": _round(percentile(delays, 99)),
                "talking": sum(c.at["ANSWERED"] < end <= _end(c) for c in seat_calls if "ANSWERED" in c.at),
                "waiting": sum(
                    (
                        call.at.get("PRESSED", 9e9) < end
                        and "SERVED" not in call.at
                        and min(call.at.get(name, 9e9) for name in ("LEFT", "ENDED")) >= end
                    )
                    or call.at.get("PRESSED", 9e9) < end <= call.at.get("SERVED", 0)
                    for call in begun
                ),
            }
        )
        at = end
    return course


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _end(call: records.Call) -> float:
    """When a seat's talk ended; far away where it has not."""
    return min((call.at[name] for name in ("HUNGUP", "ENDED", "LOST") if name in call.at), default=9e9)


PARTS = ("pbx", "cti", "desktop", "worker", "database", "recorder", "recorder2")


def _cost(found: dict[str, Any]) -> dict[str, Any]:
    """CPU seconds for 180 s of talk, by part: what was used in the window over what was talked in it."""
    talked = found["calls"]["in_window"]["talk_seconds"] / 180
    if talked <= 0:
        return {"cpu_seconds_per_call": {}}
    seconds = found["window_seconds"]
    return {
        "cpu_seconds_per_call": {
            part: round(percent / 100 * seconds / talked, 3)
            for part, percent in found["cpu_percent"].items()
            if part in PARTS
        }
    }


def wire(streams: Sequence[rtp.Stream]) -> dict[str, Any]:
    """What the sampled calls say of audio: of the PBX's streams, and of the load's own beside them."""

    def side(chosen: list[rtp.Stream]) -> dict[str, Any]:
        packets = sum(one.packets for one in chosen)
        return {
            "streams": len(chosen),
            "packets": packets,
            "lost": sum(one.lost for one in chosen),
            "missing": sum(one.missing for one in chosen),
            "late": sum(one.late for one in chosen),
            "lost_percent": round(sum(one.lost + one.missing for one in chosen) / packets * 100, 4)
            if packets
            else None,
            "worst_jitter_ms_p50": _round(percentile([one.worst_jitter_ms for one in chosen], 50)),
            "worst_jitter_ms_p99": _round(percentile([one.worst_jitter_ms for one in chosen], 99)),
            "longest_gap_ms": _round(max((one.longest_ms for one in chosen), default=None)),
        }

    ours = [one for one in streams if RTP_FIRST <= one.source <= RTP_LAST + 1]
    return {"from_pbx": side(ours), "from_load": side([one for one in streams if one not in ours])}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def listen(paths: Sequence[Path]) -> dict[str, Any]:
    """Gaps in recordings: of calls that were talked for at least three seconds."""
    import numpy as np
    import soundfile

    looked = good = gaps = jumps = 0
    seconds = gap_ms = longest = 0.0
    bad: list[str] = []
    for path in paths:
        try:
            if path.suffix == ".raw":
                data = np.fromfile(path, "<i2")
                samples = data[: len(data) // 2 * 2].reshape(-1, 2)[4000:-4000] / 32768
                pair = heard.listen(samples[:, 0], CITIZEN_HERTZ), heard.listen(samples[:, 1], SEAT_HERTZ)
            else:
                pair = heard.recording(path, (CITIZEN_HERTZ, SEAT_HERTZ))
        except (OSError, soundfile.LibsndfileError):
            continue
        if pair[0].seconds < 3:
            continue
        looked += 1
        seconds += sum(one.seconds for one in pair)
        gaps += sum(one.gaps for one in pair)
        jumps += sum(one.jumps for one in pair)
        gap_ms += sum(one.gap_ms for one in pair)
        longest = max(longest, *(one.longest_ms for one in pair))
        if all(one.good for one in pair):
            good += 1
        else:
            bad.append(path.name)
    return {
        "listened": looked,
        "without_gap": good,
        "channel_seconds": round(seconds, 1),
        "gaps": gaps,
        "gap_ms": gap_ms,
        "longest_gap_ms": longest,
        "jumps": jumps,
        "bad": bad[:5],
    }


def main() -> None:
    """One job as JSON on the standard input, its figures on the last line of the standard output."""
    import json
    import sys

    import structlog

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    said = json.loads(sys.stdin.readline())
    job = Job(**said["job"])

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    found = run(job, Path(said["tree"]), draw.read(Path(said["scenario"])), say)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
