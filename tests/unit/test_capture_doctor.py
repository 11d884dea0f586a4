"""What doctor says of the passive recorder, and a pause of a call that has no MixMonitor."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cti.ami import ActionRefused
from cti.recording import NO_MIXMONITOR, Recording
from hotline import recorder_findings
from hotline.recorder_findings import findings, trunk_findings
from hotline.settings import Settings
from recordings.capture import ring
from recordings.capture.ring import Outage
from tests.unit.test_capture_packets import TRUNK

PLAIN = ["1795000000000", "127.0.0.1:10024", "127.0.0.2:24000", "(alaw)", "plain", "capture"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(recorder_findings, "_trunk", lambda *_: [])
    monkeypatch.setattr(recorder_findings, "may_capture", lambda _path: True)
    monkeypatch.setattr(recorder_findings.shutil, "which", lambda *_args, **_named: "/usr/bin/tcpdump")
    return Settings(var=tmp_path, recorder="capture", recorders=1)


def said(settings: Settings, running: bool = True) -> dict[str, tuple[str, str]]:
    return {one.what: (one.grade, one.said) for one in findings(settings, running)}


def test_where_asterisk_records_there_is_nothing_to_say(settings: Settings) -> None:
    alone = settings.model_copy(update={"recorder": "mixmonitor"})
    assert said(alone) == {"recorder": ("ok", "Asterisk records (MixMonitor)")}


def test_a_living_recorder_tells_what_it_lost(settings: Settings) -> None:
    now = round(time.time() * 1000)
    (settings.ring / "a").mkdir(parents=True)
    assert said(settings.model_copy(update={"recorders": 2}))["recorder b"] == ("bad", "has never captured")
    ring.write_json(settings.ring / "a" / "state.json", {"alive_at": now, "captured": 70})
    assert said(settings)["recorder a"][0] == "ok"
    ring.note_outage(settings.ring / "a", Outage(now * 1000 - 9_000_000, now * 1000 - 2_000_000, "dead"))
    ring.note_outage(settings.ring / "a", Outage(now * 1000 - 9_000_000, now * 1000, "dropped", 12))
    assert said(settings)["recorder a"] == (
        "note",
        "70 packets; since yesterday 12 dropped by the kernel, dead for 7 s",
    )
    ring.note_outage(settings.ring / "a", Outage(now * 1000 - 9_000_000, now * 1000, "pruned"))
    assert said(settings)["recorder a"][0] == "bad"
    ring.write_json(
        settings.ring / "a" / "state.json", {"alive_at": now - 60_000, "problem": "lo: no permission"}
    )
    grade, words = said(settings)["recorder a"]
    assert grade == "bad"
    assert "for 60 s: lo: no permission" in words


def test_a_right_that_is_missing_and_a_setting_that_is_wrong_have_their_remedy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_findings, "may_capture", lambda _path: False)
    found = next(one for one in findings(settings, False) if one.what == "tcpdump")
    assert (found.grade, "setcap cap_net_raw=ep" in found.remedy) == ("bad", True)
    wrong = settings.model_copy(update={"trunk_media": "10.0.0.300"})
    assert [one.grade for one in findings(wrong, False)] == ["bad"]


def test_the_trunk_is_told_when_nobody_can_hear_it() -> None:
    assert [one.grade for one in trunk_findings([PLAIN], TRUNK)] == ["ok"]
    secure = [*PLAIN[:4], "secure", "mixmonitor"]
    (found,) = trunk_findings([PLAIN, secure], TRUNK)
    assert (found.grade, "SRTP" in found.said) == ("note", True)
    elsewhere = [*PLAIN[:2], "10.1.1.1:5000", *PLAIN[3:]]
    (found,) = trunk_findings([elsewhere], TRUNK)
    assert (found.grade, "10.1.1.1" in found.said) == ("bad", True)
    assert list(trunk_findings([], TRUNK)) == []


@pytest.mark.parametrize(
    ("captured", "words", "paused"),
    [(True, NO_MIXMONITOR, True), (False, NO_MIXMONITOR, False), (True, "No such channel", False)],
)
def test_a_captured_call_is_paused_by_its_journal_line(captured: bool, words: str, paused: bool) -> None:
    lines: list[str] = []

    async def refuse(action: str, **_named: Any) -> None:
        if action == "MixMonitorMute":
            raise ActionRefused(words)

    async def journal(word: str, *_args: Any) -> None:
        lines.append(word)

    call = SimpleNamespace(uid="1.1", answered_at=1, channel="PJSIP/trunk-1", recording="on", seat="8001")
    commands: Any = SimpleNamespace(call=lambda _seat: call, verbs={}, journal_call=journal)

    async def pause() -> None:
        recording = Recording(SimpleNamespace(action=refuse), commands, lambda _: None, captured=captured)  # type: ignore[arg-type]
        await recording.pause_recording("8001")

    if paused:
        asyncio.run(pause())
        assert lines == ["RECORDINGPAUSED"]
    else:
        with pytest.raises(ActionRefused):
            asyncio.run(pause())
        assert lines == []
