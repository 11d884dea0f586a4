"""Listening in on the real PBX: who hears whom in each mode, what ends it, and that nothing stays behind.

The citizen hums 440 Hz, the agent 700, the supervisor 1500, a second one 1850; what each telephone has
heard, and the recording, say who was heard. The supervisors' telephones are desk phones at which nobody is
signed in.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import soundfile
from sqlalchemy import select

from db.models import HelpRequest, Supervision
from hotline.phones import alaw
from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import Habit, Phone, PhoneBank
from hotline.phones.identity import Caller
from tests.hearing import (
    AGENT,
    CITIZEN,
    SECOND,
    SUPERVISOR,
    WINDOW,
    ever_heard,
    hears,
    level,
    longest_gap,
)
from tests.integration.test_line_recording import recording_of
from tests.line import Desk, Line, Refused, until

pytestmark = pytest.mark.pbx

TALKS = Habit(answer_after=0.1, listen=True)
SEAT, OTHER_SEAT = "8001", "8002"
PHONE, SECOND_PHONE = "8012", "8011"
NUMBERS = itertools.count(13812390001)
NOTICED = 0.25
"""Seconds without the other's voice that nobody takes for anything."""


@dataclass
class Scene:
    """One call, the telephones around it, and a supervisor at the web."""

    line: Line
    agent: Desk
    boss: Desk
    seats: PhoneBank
    bosses: PhoneBank
    call: CitizenCall
    uid: str

    @property
    def seat(self) -> Phone:
        return self.seats.phones[SEAT]

    @property
    def phone(self) -> Phone:
        return self.bosses.phones[PHONE]

    def dial(self, number: str) -> CitizenCall:
        """Another citizen, to the same seats."""
        crowd = self.line.citizens(speech=alaw.tone(CITIZEN, 1))
        return crowd.dial(caller=Caller(number), keys="0", speak=True, listen=True)

    def watch(
        self, mode: str = "listen", *, follow: bool = False, by: Desk | None = None, on: str = PHONE
    ) -> None:
        body = {"seat": SEAT, "mode": mode, "telephone": on, "follow": follow}
        (by or self.boss).ask("POST", "/api/supervision/watch", body)

    def mode(self, mode: str) -> None:
        self.boss.ask("POST", "/api/supervision/mode", {"mode": mode})

    def leave(self, by: Desk | None = None) -> None:
        (by or self.boss).ask("POST", "/api/supervision/leave", {})

    def rows(self, count: int, uid: str | None = None) -> list[Supervision]:
        """As `rows_of`, of this call."""
        return rows_of(self.line, uid or self.uid, count)

    def left_behind(self) -> list[str]:
        """Names of what belongs to listening in, on the PBX."""
        names = [one["id"] for kind in ("channels", "bridges") for one in self.line.ari(kind)]
        return [name for name in names if name.startswith("watch-")]


def rows_of(line: Line, uid: str, count: int) -> list[Supervision]:
    """The ledger's rows of a call, once `count` of them have ended."""

    def found() -> list[Supervision] | None:
        with line.sessions() as session:
            query = select(Supervision).where(Supervision.call_uid == uid)
            rows = list(session.scalars(query.order_by(Supervision.began_at, Supervision.id)))
        return rows if len(rows) == count and all(row.ended_at for row in rows) else None

    rows: list[Supervision] = until(found, 8, f"{count} ended supervisions of {uid}")
    return rows


@pytest.fixture
def scene(line: Line) -> Iterator[Scene]:
    """Agent01 at 8001 talks with a citizen; supervisor01 has the desk phone 8012."""
    seats = line.phones(SEAT, OTHER_SEAT, habit=TALKS, speech=alaw.tone(AGENT, 1))
    bosses = line.phones(PHONE, habit=TALKS, speech=alaw.tone(SUPERVISOR, 1))
    agent = line.agent()
    boss = line.desk("supervisor01")
    crowd = line.citizens(speech=alaw.tone(CITIZEN, 1))
    call = crowd.dial(caller=Caller(str(next(NUMBERS))), keys="0", speak=True, listen=True)
    seats.phones[SEAT].wait_for_talk(25)
    here = until(lambda: agent.call() if agent.state()["activity"] == "talking" else None, 5, "talking")
    until(lambda: PHONE in _free_phones(boss), 10, "the supervisor's desk phone is there")
    talk = seats.phones[SEAT].call
    assert talk
    hears(talk, CITIZEN)
    hears(call, AGENT)
    scene = Scene(line, agent, boss, seats, bosses, call, here["uid"])
    yield scene
    scene.leave()
    until(lambda: not scene.left_behind(), 8, "all swept")


def _free_phones(boss: Desk) -> list[str]:
    return [one["seat"] for one in boss.ask("GET", "/api/supervision/phones")["phones"]]


def test_listen_whisper_barge_listen_again_and_leave_without_a_trace(scene: Scene) -> None:
    talk, began = scene.seat.call, len(scene.call.heard)
    assert talk
    scene.watch("listen")
    boss = scene.phone.wait_for_talk()
    hears(boss, CITIZEN, AGENT)
    at_whisper = hears(talk, CITIZEN)

    scene.mode("whisper")
    both = hears(talk, CITIZEN, SUPERVISOR)
    hears(boss, CITIZEN, AGENT)
    hears(talk, CITIZEN, SUPERVISOR, since=both)
    at_barge = hears(scene.call, AGENT)
    assert ever_heard(scene.call, began, at_barge) == {AGENT}, "a whisper is for the agent alone"
    assert ever_heard(talk, at_whisper - WINDOW, at_whisper) == {CITIZEN}

    scene.mode("barge")
    both = hears(scene.call, AGENT, SUPERVISOR)
    hears(talk, CITIZEN, SUPERVISOR)
    hears(boss, CITIZEN, AGENT)
    hears(scene.call, AGENT, SUPERVISOR, since=both)

    scene.mode("listen")
    after = hears(scene.call, AGENT)
    hears(talk, CITIZEN)
    hears(boss, CITIZEN, AGENT)
    scene.leave()
    scene.phone.wait_for_idle()
    until(lambda: not scene.left_behind(), 5, "nothing left")
    hears(talk, CITIZEN)
    end = hears(scene.call, AGENT, since=after)
    assert ever_heard(scene.call, after, end) == {AGENT}
    assert longest_gap(scene.call, AGENT, began, end) <= NOTICED, "the citizen notices nobody come and go"
    assert longest_gap(talk, CITIZEN, at_whisper - WINDOW) <= NOTICED, "nor does the agent"

    rows = scene.rows(4)
    assert [(row.mode, row.ended_as) for row in rows] == [
        ("listen", "mode"),
        ("whisper", "mode"),
        ("barge", "mode"),
        ("listen", "left"),
    ]
    for row, following in itertools.pairwise(rows):
        assert row.ended_at == following.began_at, "one stretch ends where the next begins"
    assert {(row.supervisor, row.agent, row.seat, row.telephone) for row in rows} == {
        ("supervisor01", "agent01", SEAT, PHONE)
    }
    scene.seat.hang_up()
    scene.call.wait_for_end(10)
    row = scene.line.over(scene.uid)
    assert (row.outcome, row.agent, row.ended_by) == ("answered", "agent01", "agent")
    barge_is_recorded_and_a_whisper_is_not(scene.line, scene.boss, rows[1], rows[2])


def recorded(line: Line, boss: Desk, row: Supervision) -> dict[str, float]:
    """How loud the supervisor is on each side of the record during one stretch."""
    kept = recording_of(line, row.call_uid)
    _, audio, _ = boss.raw("GET", f"/api/recordings/{kept.id}/audio")
    sound, rate = soundfile.read(io.BytesIO(audio))
    answered = line.over(row.call_uid).answered_at
    begin, end = ((at - answered).total_seconds() for at in (row.began_at, row.ended_at))  # type: ignore[operator]
    middle = sound[round((begin + 0.3) * rate) : round((end - 0.3) * rate)]
    assert len(middle), f"too short to measure: {begin} to {end}"
    return {side: level(middle[:, n], SUPERVISOR) for n, side in enumerate(("citizen", "house"))}


def barge_is_recorded_and_a_whisper_is_not(
    line: Line, boss: Desk, whispered: Supervision, barged: Supervision
) -> None:
    assert max(recorded(line, boss, whispered).values()) < 0.01, "a whisper is not for the citizen's record"
    barge = recorded(line, boss, barged)
    assert barge["house"] > 0.02, "who speaks to the citizen is on the record"
    assert barge["citizen"] < 0.01, "and not on the citizen's side of it"


def test_a_call_is_taken_over_and_the_agent_is_free(scene: Scene) -> None:
    scene.watch("listen")
    boss = scene.phone.wait_for_talk()
    hears(boss, CITIZEN, AGENT)
    scene.boss.ask("POST", "/api/supervision/take-over", {"reason": "市民情绪激动"})
    hears(scene.call, SUPERVISOR)
    hears(boss, CITIZEN)
    scene.seat.wait_for_idle()
    until(lambda: scene.agent.state()["reason"] == "after_call", 5, "the agent has after-call work")
    until(lambda: not scene.left_behind() or len(scene.left_behind()) == 1, 5, "only the leg is left")
    until(lambda: scene.agent.state()["presence"] == "ready", 8, "and takes calls again")
    assert scene.call.state == "talking"
    scene.phone.hang_up()
    scene.call.wait_for_end(10)
    row = scene.line.over(scene.uid)
    assert (row.outcome, row.agent) == ("answered", "agent01")
    listened, taken = scene.rows(2)
    assert (listened.mode, taken.mode) == ("listen", "take_over")
    assert (taken.supervisor, taken.agent, taken.seat) == ("supervisor01", "agent01", SEAT)
    assert listened.ended_at
    assert listened.ended_at <= taken.began_at
    assert abs((taken.ended_at - row.ended_at).total_seconds()) < 2  # type: ignore[operator]


def test_who_follows_a_seat_hears_its_next_call_too(scene: Scene) -> None:
    scene.watch("listen", follow=True)
    hears(scene.phone.wait_for_talk(), CITIZEN, AGENT)
    scene.seat.hang_up()
    scene.call.wait_for_end(10)
    scene.phone.wait_for_idle()
    assert [(row.mode, row.ended_as) for row in scene.rows(1)] == [("listen", "call_ended")]
    until(lambda: scene.agent.state()["presence"] == "ready", 8, "ready again")
    following = scene.dial(str(next(NUMBERS)))
    hears(scene.phone.wait_for_talk(25), CITIZEN, AGENT)
    uid = scene.agent.call()["uid"]
    assert uid != scene.uid
    scene.leave()
    scene.phone.wait_for_idle()
    following.hang_up()
    assert [row.ended_as for row in scene.rows(1, uid)] == ["left"]


def test_two_supervisors_on_one_call_do_not_disturb_each_other(scene: Scene) -> None:
    second = scene.line.phones(SECOND_PHONE, habit=TALKS, speech=alaw.tone(SECOND, 1))
    other = scene.line.desk("leader01")
    until(lambda: SECOND_PHONE in _free_phones(other), 10, "the other's desk phone is there")
    talk, began = scene.seat.call, len(scene.call.heard)
    assert talk
    scene.watch("whisper")
    scene.phone.wait_for_talk()
    with pytest.raises(Refused) as refused:
        scene.watch("listen", by=other, on=PHONE)
    assert refused.value.body["error"] == "telephone_busy"
    scene.watch("listen", by=other, on=SECOND_PHONE)
    second.phones[SECOND_PHONE].wait_for_talk()
    hears(talk, CITIZEN, SUPERVISOR)
    scene.leave()
    scene.phone.wait_for_idle()
    hears(second.phones[SECOND_PHONE].call, CITIZEN, AGENT)
    assert ever_heard(scene.call, began) == {AGENT}
    scene.leave(by=other)
    second.phones[SECOND_PHONE].wait_for_idle()
    hears(talk, CITIZEN)
    assert {row.supervisor for row in scene.rows(2)} == {"supervisor01", "leader01"}


def test_listening_goes_on_through_a_consultation_and_three_and_ends_with_the_transfer(
    scene: Scene,
) -> None:
    scene.watch("listen")
    boss = scene.phone.wait_for_talk()
    hears(boss, CITIZEN, AGENT)
    colleague = scene.line.desk("agent02", OTHER_SEAT)
    scene.agent.ask("POST", "/api/seat/consult", {"kind": "seat", "target": OTHER_SEAT})
    scene.seats.phones[OTHER_SEAT].wait_for_talk()
    until(lambda: (scene.agent.call() or {}).get("state") == "consulting", 5, "consulting")
    hears(boss, AGENT)
    scene.agent.ask("POST", "/api/seat/three-way", {})
    hears(boss, CITIZEN, AGENT)
    scene.agent.ask("POST", "/api/seat/drop-party", {})
    until(lambda: (scene.agent.call() or {}).get("state") == "talking", 5, "the two again")
    hears(boss, CITIZEN, AGENT)

    scene.agent.ask("POST", "/api/seat/transfer", {"kind": "seat", "target": OTHER_SEAT})
    scene.phone.wait_for_idle(15)
    assert scene.rows(1)[0].ended_as == "transferred"
    until(lambda: colleague.state()["activity"] == "talking", 10, "the colleague has the citizen")
    scene.call.hang_up()


def test_a_supervisor_whose_telephone_drops_while_whispering_leaves_nothing(scene: Scene) -> None:
    talk = scene.seat.call
    assert talk
    scene.watch("whisper")
    scene.phone.wait_for_talk()
    hears(talk, CITIZEN, SUPERVISOR)
    scene.bosses.unplug()
    hears(talk, CITIZEN, timeout=5)
    until(lambda: not scene.left_behind(), 25, "the PBX lets the dead telephone go")
    hears(talk, CITIZEN)
    hears(scene.call, AGENT)
    row = scene.rows(1)[0]
    assert row.mode == "whisper"
    assert row.ended_as in ("left", "phone_gone")


def test_a_barge_outlives_the_desktop_and_a_cti_killed_in_it_leaves_no_snoop_and_no_bridge(
    scene: Scene,
) -> None:
    talk = scene.seat.call
    assert talk
    scene.watch("barge")
    scene.phone.wait_for_talk()
    before = hears(scene.call, AGENT, SUPERVISOR)
    scene.line.restart("desktop")
    mine = scene.boss.ask("GET", "/api/floor")["me"]["watch"]
    assert (mine["seat"], mine["mode"], mine["state"]) == (SEAT, "barge", "on")
    hears(scene.call, AGENT, SUPERVISOR, since=before)
    scene.line.kill("cti", signal.SIGKILL)
    assert scene.left_behind(), "Asterisk keeps what a dead application had"
    scene.line.start("cti")
    until(lambda: not scene.left_behind(), 10, "the next cti sweeps")
    scene.phone.wait_for_idle()
    hears(scene.call, AGENT)
    hears(talk, CITIZEN)
    # What it did not live to write is written with the call's end at the latest.
    scene.seat.hang_up()
    scene.call.wait_for_end(10)
    assert [row.mode for row in scene.rows(1)] == ["barge"]


def test_whoever_comes_as_the_agent_hangs_up_finds_nobody_and_leaves_nothing(scene: Scene) -> None:
    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(scene.watch, "barge")
        scene.seat.hang_up()
        with contextlib.suppress(Refused):  # the call may have been over first
            coming.result()
    scene.call.wait_for_end(10)
    until(lambda: not scene.left_behind(), 8, "nothing left")
    until(lambda: scene.boss.ask("GET", "/api/floor")["me"]["watch"] is None, 8, "no watch on the floor")
    assert scene.phone.wait_for_idle() is None or scene.phone.calls[-1].end
    until(lambda: scene.agent.state()["presence"] == "ready", 8, "the seat takes calls")


def test_a_hand_that_is_raised_lights_the_seat_until_somebody_comes(scene: Scene) -> None:
    def lit() -> bool:
        return scene.agent.state().get("help_since") is not None

    for verb in ("cancelled", "taken", "call_ended"):
        scene.agent.ask("POST", "/api/seat/ask-help", {})
        until(lit, 5, "lit")
        if verb == "cancelled":
            scene.agent.ask("POST", "/api/seat/cancel-help", {})
        elif verb == "taken":
            scene.boss.ask("POST", f"/api/floor/seats/{SEAT}/take-help", {})
        else:
            scene.call.hang_up()
        until(lambda: not lit(), 5, "out")
    query = select(HelpRequest).where(HelpRequest.call_uid == scene.uid).order_by(HelpRequest.asked_at)

    def rows() -> list[tuple[str | None, str | None, str | None]] | None:
        with scene.line.sessions() as session:
            found = [(one.ended_as, one.agent, one.taken_by) for one in session.scalars(query)]
        return found if len(found) == 3 and all(one[0] for one in found) else None

    assert until(rows, 5, "all ended") == [
        ("cancelled", "agent01", None),
        ("taken", "agent01", "supervisor01"),
        ("call_ended", "agent01", None),
    ]
