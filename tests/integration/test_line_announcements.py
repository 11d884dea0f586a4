"""紧急公告 on the real telephone: what is published is heard before the menu, and its end needs no Python."""

from __future__ import annotations

import io
import json
import time
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from hotline import pbx
from hotline.phones import alaw
from hotline.phones.identity import Caller
from ivr.announce_files import SOUNDS
from tests.line import Desk, Line, Refused, until

pytestmark = pytest.mark.pbx

HERTZ, SECONDS = 1000, 2.0


@pytest.fixture
def supervisor(line: Line) -> Iterator[Desk]:
    """Whatever is on air is off it again at the end."""
    desk = line.desk("supervisor01")
    yield desk
    for row in desk.ask("GET", "/api/announcements")["rows"]:
        if row["state"] != "ended":
            desk.ask("POST", f"/api/announcements/{row['id']}/end", {})


def tone_wav() -> bytes:
    """A quiet tone in stereo at 44.1 kHz, as a recorder would give it."""
    mono = 0.05 * np.sin(2 * np.pi * HERTZ * np.arange(int(SECONDS * 44100)) / 44100)
    given = io.BytesIO()
    sf.write(given, np.column_stack([mono, mono]), 44100, format="WAV")
    return given.getvalue()


def upload(desk: Desk, scope: str, wav: bytes) -> dict[str, Any]:
    """POST a form with a file, as the page does."""
    border = uuid.uuid4().hex
    head = f'--{border}\r\nContent-Disposition: form-data; name="scope"\r\n\r\n{scope}\r\n--{border}\r\n'
    head += 'Content-Disposition: form-data; name="file"; filename="tone.wav"\r\n\r\n'
    request = urllib.request.Request(
        f"{desk.address}/api/announcements/upload",
        data=head.encode() + wav + f"\r\n--{border}--\r\n".encode(),
        headers={"Content-Type": f"multipart/form-data; boundary={border}", "X-CSRF-Token": desk.csrf},
    )
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(desk.cookies))
    with opener.open(request, timeout=15) as answer:
        made: dict[str, Any] = json.load(answer)
    return made


def made(desk: Desk, number: int) -> dict[str, Any]:
    """The row, once its sound is made."""

    def row() -> dict[str, Any] | None:
        rows = desk.ask("GET", "/api/announcements")["rows"]
        found: dict[str, Any] = next(one for one in rows if one["id"] == number)
        assert found["state"] != "failed", found["problem"]
        return found if found["state"] == "ready" else None

    ready: dict[str, Any] = until(row, 150, "the sound is made")
    return ready


def hear(desk: Desk, number: int) -> bytes:
    """Listen to the end; the sound."""
    _, sound, _ = desk.raw("GET", f"/api/announcements/{number}/audio")

    def said() -> bool:
        status, answer, _ = desk.raw("POST", f"/api/announcements/{number}/heard", {})
        assert status == 200 or json.loads(answer)["error"] == "not_listened"
        return status == 200

    until(said, 15, "heard to the end")
    return sound


def publish(desk: Desk, number: int) -> None:
    in_an_hour = round((time.time() + 3600) * 1000)
    answer = desk.ask("POST", f"/api/announcements/{number}/publish", {"until": in_an_hour})
    assert answer["confirmed"]


def first_seconds(line: Line, caller: str, seconds: float = SECONDS + 1) -> bytes:
    """What a citizen who presses nothing hears first."""
    call = line.citizens().dial(caller=Caller(caller), listen=True)
    sound = call.wait_for_sound(seconds, 20)
    call.hang_up()
    call.wait_for_end()
    return sound


def share(sound: bytes, begin: float, end: float) -> float:
    """Of the tone in a stretch of what was heard."""
    return float(alaw.share_of(HERTZ, sound[int(begin * alaw.RATE) : int(end * alaw.RATE)]))


def journalled(line: Line) -> int:
    return line.settings.journal.read_text(errors="replace").count("|ANNOUNCED|")


def on_air(line: Line) -> bool:
    return f"ANNOUNCE_arrival={SOUNDS}/" in pbx.console(line.settings, "dialplan show globals")


def test_a_published_announcement_is_heard_before_the_menu_until_its_time(
    line: Line, supervisor: Desk
) -> None:
    number = upload(supervisor, "arrival", tone_wav())["id"]
    row = made(supervisor, number)
    assert row["seconds"] == SECONDS
    with pytest.raises(Refused):
        publish(supervisor, number)
    kept, rate = sf.read(io.BytesIO(hear(supervisor, number)))
    assert rate == alaw.RATE
    assert abs(20 * np.log10(np.sqrt((kept**2).mean())) + 20) < 0.5
    publish(supervisor, number)

    sound = first_seconds(line, "13812397001")
    assert share(sound, 0.3, SECONDS - 0.2) > 0.9
    assert share(sound, SECONDS + 0.3, SECONDS + 1) < 0.2
    assert 0.05 < alaw.loudness(sound[alaw.RATE // 2 : alaw.RATE]) < 0.2
    uid = line.ended("8613812397001").uid
    assert line.events(uid)[:2] == ["CALLARRIVED", "ANNOUNCED"]

    # Asterisk forgets its globals when it starts; the table is the truth.
    line.restart("pbx")
    until(lambda: on_air(line), 30, "on air again after a restart")
    assert share(first_seconds(line, "13812397002"), 0.3, SECONDS - 0.2) > 0.9

    # With no Python running: a file that is gone costs nothing, and the end comes by itself.
    line.kill("cti")
    heard = journalled(line)
    [file] = (line.settings.pbx / "data/sounds/zh" / SOUNDS).glob("*.wav")
    file.rename(file.with_suffix(".away"))
    assert share(first_seconds(line, "13812397003"), 0.3, 1.5) < 0.2
    file.with_suffix(".away").rename(file)
    soon = int(time.time()) + 2
    pbx.console(line.settings, f"dialplan set global ANNOUNCE_UNTIL_arrival {soon}")
    until(lambda: time.time() > soon, 5)
    assert share(first_seconds(line, "13812397004"), 0.3, 1.5) < 0.2
    assert journalled(line) == heard
    line.start("cti")
    line.wait_until_linked()


def test_a_queue_has_its_own_and_a_key_cuts_it_short(line: Line, supervisor: Desk) -> None:
    number = upload(supervisor, "consultation", tone_wav())["id"]
    made(supervisor, number)
    hear(supervisor, number)
    publish(supervisor, number)
    call = line.citizens().dial(caller=Caller("13812397005"), keys="0", listen=True)
    until(lambda: line.ledger("8613812397005"), 10)
    uid = line.ledger("8613812397005")[-1].uid
    until(lambda: "ANNOUNCED" in line.events(uid), 20, "before waiting")
    call.press("5")
    until(lambda: "TOPERSON" in line.events(uid), 5, "to a person at once")
    call.hang_up()
    call.wait_for_end()
    line.over(uid)
    assert line.events(uid)[:4] == ["CALLARRIVED", "MENUSTEP", "ANNOUNCED", "TOPERSON"]


def test_a_typed_text_is_spoken(line: Line, supervisor: Desk) -> None:
    text = {"text": "今晚22:00停水，咨询12345。", "scope": "arrival"}
    row = supervisor.ask("POST", "/api/announcements", text)
    assert row["state"] == "rendering"
    row = made(supervisor, row["id"])
    assert 3 < row["seconds"] < 8
    _, sound, _ = supervisor.raw("GET", f"/api/announcements/{row['id']}/audio")
    samples, rate = sf.read(io.BytesIO(sound))
    assert (rate, samples.ndim) == (8000, 1)
    assert -24 < 20 * np.log10(np.sqrt((samples**2).mean())) < -18
