"""The passive recorder beside MixMonitor: the same calls, the same sound, killed or not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest
import soundfile

from db import models
from hotline.phones import alaw
from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from recordings.capture import ring
from tests.hearing import AGENT, CITIZEN, SECOND, level
from tests.integration.test_line_recorded_parts import lasts
from tests.integration.test_line_recording import recording_of
from tests.line import Desk, Line, pbx_tree, until, whole_line

pytestmark = pytest.mark.pbx

PIECE = 800
"""Samples over which a tone is looked for: a tenth of a second."""


@pytest.fixture(scope="module")
def both() -> Iterator[Line]:
    """A line that is recorded by both, with two passive recorders."""
    yield from whole_line(pbx_tree(), recorder="both", recorders=2)


@pytest.fixture
def alone() -> Iterator[Line]:
    """A line with one passive recorder in place of MixMonitor."""
    yield from whole_line(pbx_tree(), recorder="capture", recorders=1)


def tones(sound: npt.NDArray[Any]) -> list[tuple[frozenset[int], frozenset[int]]]:
    """Who is heard left and right in each tenth of a second."""

    def heard(samples: npt.NDArray[Any]) -> frozenset[int]:
        return frozenset(hertz for hertz in (CITIZEN, AGENT, SECOND) if level(samples, hertz) > 0.03)

    pieces = sound[: len(sound) // PIECE * PIECE].reshape(-1, PIECE, 2)
    return [(heard(piece[:, 0]), heard(piece[:, 1])) for piece in pieces]


def missing(of: npt.NDArray[Any], within: npt.NDArray[Any]) -> list[tuple[float, str]]:
    """(second, side) of each sound of a tenth of a second that the other recording does not hold within 0.3 s
    of the same place. A tone is known by its pitch, the music of a hold by its waveform. That is each half of
    the tenth by itself: where talk becomes music, or MixMonitor has dropped a frame, the two may lie unlike
    far apart. The first and the last tenth may be cut."""
    theirs, ours = tones(of), tones(within)
    found: list[tuple[float, str]] = []
    for tenth in range(1, len(theirs) - 1):
        around = slice(max(0, tenth - 3) * PIECE, (tenth + 4) * PIECE)
        for side, name in enumerate(("citizen", "agent")):
            near = [pair[side] for pair in ours[max(0, tenth - 3) : tenth + 4]]
            if theirs[tenth][side] and any(theirs[tenth][side] <= heard for heard in near):
                continue
            begin = tenth * PIECE
            halves = (of[begin + at : begin + at + PIECE // 2, side] for at in (0, PIECE // 2))
            loud = [half for half in halves if float(np.sqrt(np.mean(half**2))) > 0.02]
            if len(loud) == 2 and not any(holds(within[around, side], half) for half in loud):
                found.append((tenth / 10, name))
    return found


def holds(sound: npt.NDArray[Any], piece: npt.NDArray[Any]) -> bool:
    """Whether a piece is somewhere in a sound: normalised cross-correlation."""
    alike = np.correlate(sound, piece, "valid")
    energy = np.convolve(sound**2, np.ones(len(piece)), "valid")
    return bool((alike / np.sqrt(np.maximum(energy, 1e-6) * np.sum(piece**2))).max() > 0.7)


def captured(line: Line, uid: str) -> npt.NDArray[Any]:
    """The cut of a call, -1.0 to 1.0."""
    raw = line.settings.captured / f"{uid}.raw"
    until(raw.exists, 15, f"the cut of {uid}: {line.log('worker')[-600:]}")
    return np.fromfile(raw, "<i2").reshape(-1, 2) / 32768


def note(line: Line, uid: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((line.settings.captured / f"{uid}.json").read_text())
    return found


def mixed(line: Line, uid: str) -> tuple[models.Recording, npt.NDArray[Any]]:
    """What MixMonitor recorded of the call, as kept."""
    row = recording_of(line, uid)
    sound, _ = soundfile.read(line.settings.recordings / str(row.path), always_2d=True)
    return row, sound


def captures_again(line: Line) -> ring.Recorder | None:
    (one,) = ring.recorders(line.settings.ring)
    return one if one.outages and one.is_alive(round(time.time() * 1000)) else None


def talking(line: Line, number: str) -> tuple[Desk, Any, str]:
    agent = line.agent()
    citizen = line.citizens(speech=alaw.tone(CITIZEN, 1)).dial(caller=Caller(number), keys="0", speak=True)
    until(lambda: (agent.call() or {}).get("state") == "talking", 25, "talking")
    return agent, citizen, (agent.call() or {})["uid"]


def test_the_cut_is_what_mixmonitor_recorded(both: Line) -> None:
    """Through a pause, a hold and a transfer, with a recorder killed on the way."""
    line = both
    phone = line.phones("8001", habit=Habit(answer_after=0.1), speech=alaw.tone(AGENT, 1)).phones["8001"]
    second = line.phones("8002", habit=Habit(answer_after=0.1), speech=alaw.tone(SECOND, 1)).phones["8002"]
    colleague = line.desk("agent02", "8002")
    agent, citizen, uid = talking(line, "13812366001")
    lasts(agent, "talking", 1.0)
    agent.ask("POST", "/api/seat/pause-recording", {})
    until(lambda: (agent.call() or {}).get("paused_since"), 5, "paused")
    lasts(agent, "talking", 0.6)
    agent.ask("POST", "/api/seat/resume-recording", {})
    until(lambda: (agent.call() or {}).get("recording") == "on", 5, "on again")
    lasts(agent, "talking", 0.6)
    phone.hold()
    lasts(agent, "holding", 1.0)
    line.restart("recorder")  # kill -9; the other one goes on
    phone.resume()
    lasts(agent, "talking", 0.6)
    until(lambda: colleague.state().get("reachable"), 10, "telephone 8002 reachable")
    colleague.ready()
    agent.ask("POST", "/api/seat/transfer", {"kind": "seat", "target": "8002"})
    lasts(colleague, "talking", 1.5)
    second.hang_up()
    citizen.wait_for_end(8)
    row, theirs = mixed(line, uid)
    ours = captured(line, uid)
    told = note(line, uid)
    assert row.state == "kept", row.problem
    # What MixMonitor holds back to keep its two channels together, at each begin and end, is up to 0.1 s.
    assert abs(len(ours) - len(theirs)) < 1600, (len(ours) / 8000, len(theirs) / 8000)
    assert (told["lost"], told["missing_seconds"], told["why"]) == ([0, 0], 0.0, "")
    assert missing(theirs, ours) == [], "what MixMonitor heard, the passive recorder heard too"
    for name, sound in (("capture", ours), ("mixmonitor", theirs)):
        heard = dict(_runs(tones(sound)))
        assert heard[frozenset({CITIZEN}), frozenset({AGENT})] >= 5, name
        assert heard[frozenset({CITIZEN}), frozenset({SECOND})] >= 14, name
        assert heard[frozenset(), frozenset()] >= 4, f"{name}: the pause is silent"


def _runs(every: list[Any]) -> list[tuple[Any, int]]:
    """Each value that lasts, with its count."""
    found: list[tuple[Any, int]] = []
    for one in every:
        found = (
            [*found[:-1], (one, found[-1][1] + 1)] if found and found[-1][0] == one else [*found, (one, 1)]
        )
    return [(one, count) for one, count in found if count > 1]


def test_a_recorder_killed_in_a_call_loses_the_seconds_it_was_dead(alone: Line) -> None:
    """With one recorder, and in place of MixMonitor; its part is started again after two seconds."""
    line = alone
    line.phones("8001", habit=Habit(answer_after=0.1), speech=alaw.tone(AGENT, 1))
    agent, citizen, uid = talking(line, "13812366002")
    lasts(agent, "talking", 1.5)
    assert not list(line.settings.monitor.iterdir()), "no MixMonitor"
    process = line.running.pop("recorder")
    tcpdump = line.processes(process.pid)[1:]
    assert tcpdump
    process.kill()
    process.wait(5)
    assert psutil.wait_procs(tcpdump, timeout=5)[1] == [], "no capture outlives its recorder"
    lasts(agent, "talking", 3.5)
    line.start("recorder")
    before = until(lambda: captures_again(line), 20, "the recorder captures again").captured
    # A hundred packets a second: enough of the rest to be heard.
    until(lambda: ring.recorders(line.settings.ring)[0].captured > before + 150, 15, "and goes on")
    citizen.hang_up()
    citizen.wait_for_end(8)
    row, sound = mixed(line, uid)
    assert row.state == "suspect"
    assert "旁路录音中断" in str(row.problem)
    told = note(line, uid)
    runs = _runs(tones(sound))
    talk = (frozenset({CITIZEN}), frozenset({AGENT}))
    silent = sum(count for pair, count in runs if pair == (frozenset(), frozenset())) / 10
    quiet = next(at for at, (pair, _) in enumerate(runs) if pair == (frozenset(), frozenset()))
    assert talk in [pair for pair, _ in runs[:quiet]], runs
    assert talk in [pair for pair, _ in runs[quiet:]], runs
    assert told["missing_seconds"] == pytest.approx(silent, abs=1.6), (
        "a second's block of the kernel goes too"
    )
    assert line.ledger("8613812366002")[0].outcome == "answered"
