"""The campaign: outside truth against the ledger, faults in time, silence in packets."""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from cti.asterisk_words import called_in_the_future
from hotline.campaign import judge
from hotline.campaign.plan import BY_NAME, KINDS, draw_citizens, draw_faults
from hotline.campaign.report import passed, section
from hotline.campaign.silence import first_media, read, silences
from hotline.campaign.truth import Cause, CitizenCall, Row, Sample, Stuck, Talk, Ticket, Written
from hotline.phones import alaw

NUMBER = "13907000001"
TALK = Talk("8001", 1002.0, 1003.0, 1010.0, "phone")
SERVED = CitizenCall(NUMBER, 1000.0, 1000.1, 1000.7, 1010.1, "pbx", talks=(TALK,))
LEFT = CitizenCall(NUMBER, 1000.0, 1000.1, 1000.7, 1020.0, "citizen")
ROW = Row("pbx1-1.1", NUMBER, "answered", "8001", talk_ms=7000, recording="kept")
TRACK = {kind.name: kind.track for kind in KINDS}


def counts(calls: list[CitizenCall], rows: list[Row], *causes: Cause) -> dict[str, int]:
    """Only what was found."""
    found = judge.judge_calls(calls, rows, causes).counts()
    return {name: count for name, count in found.items() if count}


def test_a_call_that_went_well_is_no_finding() -> None:
    assert counts([SERVED], [ROW]) == {}
    assert counts([LEFT], [replace(ROW, outcome="abandoned_in_queue")]) == {}


@pytest.mark.parametrize(
    ("call", "rows", "found"),
    [
        (SERVED, [], "calls without ledger row"),
        (SERVED, [ROW, replace(ROW, uid="pbx1-1.2")], "calls with two rows"),
        (SERVED, [replace(ROW, outcome="failed")], "calls with a wrong outcome"),
        (SERVED, [replace(ROW, outcome=None)], "calls with a wrong outcome"),
        (SERVED, [replace(ROW, seat="8002")], "calls with a wrong outcome"),
        (LEFT, [ROW], "calls with a wrong outcome"),
        (LEFT, [replace(ROW, outcome="short_abandon")], "calls with a wrong outcome"),
        (SERVED, [replace(ROW, recording=None)], "answered without recording"),
        (SERVED, [replace(ROW, recording="gap")], "answered without recording"),
        (replace(LEFT, end="pbx"), [replace(ROW, outcome="abandoned_in_queue")], "calls dropped"),
        (replace(LEFT, end="lost"), [replace(ROW, outcome="abandoned_in_queue")], "calls dropped"),
        (replace(SERVED, ended_at=1014.0, talks=(replace(TALK, end="pbx"),)), [ROW], "calls dropped"),
        (replace(SERVED, silences=((1004.0, 6.0),)), [ROW], "citizens in silence over 5 s"),
    ],
)
def test_each_kind_of_loss_is_counted_once(call: CitizenCall, rows: list[Row], found: str) -> None:
    assert counts([call], rows)[found] == 1


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (replace(LEFT, asked_at=None), {"abandoned_in_menu"}),
        (replace(LEFT, ended_at=1002.9), {"short_abandon"}),
        (replace(LEFT, ended_at=1005.9), {"short_abandon", "abandoned_in_queue"}),
        (LEFT, {"abandoned_in_queue"}),
        (SERVED, {"answered"}),
        (
            replace(LEFT, talks=(Talk("8001", 1019.0, 1019.9, 1020.1, "pbx"),)),
            {"answered", "abandoned_in_queue"},
        ),
    ],
)
def test_the_outcome_follows_from_what_the_telephones_saw(call: CitizenCall, right: set[str]) -> None:
    assert judge.expected(call) == right


def test_a_call_cut_off_by_asterisks_death_is_apart_but_its_row_must_come() -> None:
    down = Cause("kill-asterisk", 1004.0, 1006.0)
    cut = replace(SERVED, end="citizen", talks=(replace(TALK, ended_at=1005.5),))
    assert counts([cut], [replace(ROW, reason="pbx_died", recording="suspect")], down) == {}
    assert counts([cut], [], down) == {"calls without ledger row": 1}
    never_there = replace(LEFT, answered_at=None, asked_at=None, end="cancelled")
    assert counts([never_there], [], down) == {}


def test_a_missing_recording_is_explained_by_a_full_disk_and_by_nothing_else() -> None:
    gap = [replace(ROW, recording="gap")]
    assert counts([SERVED], gap, Cause("disk-full", 950.0, 1002.0)) == {}
    assert counts([SERVED], gap, Cause("disk-full", 900.0, 960.0)) == {"answered without recording": 1}
    assert counts([SERVED], gap, Cause("kill-cti", 1005.0, 1005.0)) == {"answered without recording": 1}


def test_a_wait_told_by_two_clocks_is_apart() -> None:
    row = replace(ROW, outcome="short_abandon")
    assert counts([LEFT], [row], Cause("clock-stepped", 980.0, 1010.0)) == {}
    assert counts([LEFT], [row], Cause("clock-stepped", 900.0, 950.0)) == {"calls with a wrong outcome": 1}


def test_a_talk_that_a_set_clock_broke_off_is_apart_while_the_citizen_is_served_again() -> None:
    cut_off = replace(TALK, ended_at=1005.0, end="pbx")
    again = replace(TALK, seat="8002", rung_at=1007.0, answered_at=1008.0)
    call = replace(SERVED, talks=(cut_off, again))
    assert counts([call], [ROW], Cause("clock-stepped", 1004.5, 1024.5)) == {}
    assert counts([call], [ROW], Cause("clock-stepped", 980.0, 1000.0)) == {"calls dropped": 1}
    hung_up_on = replace(call, talks=(cut_off,), end="pbx", ended_at=1005.1)
    assert counts([hung_up_on], [ROW], Cause("clock-stepped", 1004.5, 1024.5)) == {"calls dropped": 1}


def test_who_kept_silent_at_the_offer_was_not_dropped_if_there_was_one() -> None:
    left = replace(LEFT, end="pbx", ended_at=LEFT.asked_at + 30.0)
    row = replace(ROW, outcome="overflowed", recording=None, seat=None, ended_by="system")
    assert counts([left], [row]) == {}
    dropped = {"calls dropped": 1, "calls with a wrong outcome": 1}
    assert counts([left], [replace(row, ended_by="caller")]) == dropped
    assert counts([replace(left, ended_at=LEFT.asked_at + 9.0)], [row]) == dropped


def test_tickets_are_lost_or_doubled_by_their_mark() -> None:
    sent = Written("campaign-1", "8001", "pbx1-1.1", 1000.0, 2, "26112200001")
    there = Ticket("campaign-1", "26112200001", "pbx1-1.1")

    def found(form: Written, *tickets: Ticket) -> dict[str, int]:
        return {k: v for k, v in judge.judge_tickets([form], tickets).counts().items() if v}

    assert found(sent, there) == {}
    assert found(sent) == {"tickets lost": 1}
    assert found(sent, there, replace(there, number="26112200002")) == {"tickets doubled": 1}
    assert found(replace(sent, number=""), there) == {"tickets lost": 1}


def looks(sign: str, bad_from: float, bad_until: float) -> list[Sample]:
    return [Sample(sign, 990 + n / 2, not bad_from <= 990 + n / 2 < bad_until) for n in range(100)]


def test_blindness_counts_from_the_end_of_the_cause() -> None:
    killed, hung = Cause("kill-cti", 1000.0, 1000.0), Cause("hang-cti", 1000.0, 1005.0, "5 s")
    for cause, seconds in ((killed, 7.0), (hung, 2.0)):
        found = judge.blindness(looks("screens", 1000.0, 1007.0), [cause], TRACK)
        assert [(one.cause, one.seconds, one.sign) for one in found] == [(cause, seconds, "screens")]
    assert judge.judge_blindness(judge.blindness(looks("screens", 1000, 1012), [killed], TRACK)).findings


def test_a_cause_that_cannot_hit_a_sign_neither_excuses_it_nor_is_charged_with_anothers() -> None:
    cti, disk = Cause("kill-cti", 1000.0, 1000.0), Cause("disk-full", 1000.0, 1030.0, "30 s")
    found = judge.blindness(looks("screens", 1000.0, 1004.0), [cti, disk], TRACK)
    assert {one.cause.kind: one.seconds for one in found} == {"kill-cti": 4.0, "disk-full": 0.0}


def test_a_seat_that_stays_wrong_is_stuck() -> None:
    verdict = judge.judge_seats([Stuck("8001", 1000.0, 12.0, "talking", "idle")])
    assert verdict.counts()["seats stuck"] == 1


# --- drawing -------------------------------------------------------------------------------------------


def test_one_seed_gives_one_campaign_and_another_seed_another() -> None:
    assert draw_citizens(7, 50, 2.0) == draw_citizens(7, 50, 2.0) != draw_citizens(8, 50, 2.0)
    assert draw_faults(7, 600) == draw_faults(7, 600) != draw_faults(8, 600)


def test_every_number_calls_once_and_faults_of_one_track_never_overlap() -> None:
    people = draw_citizens(7, 1000, 1.7)
    assert len({one.number for one in people}) == 1000
    faults = draw_faults(7, people[-1].at)
    assert {one.kind for one in faults} == set(BY_NAME)
    assert all(count >= 3 for count in Counter(one.kind for one in faults).values())
    for track in set(TRACK.values()):
        mine = [one for one in faults if TRACK[one.kind] == track]
        assert all(a.at + a.seconds < b.at for a, b in pairwise(mine))


def test_a_short_campaign_leaves_out_what_does_not_fit() -> None:
    faults = draw_faults(7, 30.0, share=0.1, longest=5.0)
    assert max(one.at + one.seconds for one in faults) <= 30.0
    assert "kill-cti" in {one.kind for one in faults}


# --- packets -------------------------------------------------------------------------------------------


def captured(*packets: tuple[float, int, bytes]) -> bytes:
    """A capture of (second, port of Asterisk, payload)."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 96, 1)
    for at, port, payload in packets:
        kept = (bytes(34) + struct.pack(">H", port) + bytes(18) + payload)[:96]
        data += struct.pack("<IIII", int(at), round(at % 1 * 1e6), len(kept), 54 + len(payload)) + kept
    return data


def test_silence_is_a_stretch_without_sound_or_without_packets() -> None:
    tone, quiet = alaw.tone(440, 0.02), alaw.SILENCE * 160
    heard = [(1000 + n / 50, 11000, tone) for n in range(100)]
    hushed = [(1002 + n / 50, 11000, quiet) for n in range(300)]
    after = [(1008 + n / 50, 11000, tone) for n in range(50)]
    other = [(1004.0, 11002, tone)]
    packets = read([captured(*sorted(heard + hushed + after + other))[:-3]])
    assert packets.count == 449 + len(other)
    ((begin, seconds),) = silences(packets, 11000, 999.9, 1009.0)
    assert begin == pytest.approx(1001.98)
    assert seconds == pytest.approx(6.02)
    assert first_media(packets, 11000, 999.9, 1009.0) == pytest.approx(1000.0)
    assert silences(packets, 11000, 999.9, 1020.0)[1][1] == pytest.approx(11.04, abs=0.05)
    assert silences(packets, 11004, 1000.0, 1010.0) == ((1000.0, 10.0),)


# --- the clock -----------------------------------------------------------------------------------------


def test_a_last_call_in_the_future_tells_that_the_clock_went_back() -> None:
    member = {"Event": "QueueMember", "Name": "agent01", "LastCall": "1795328800"}
    assert called_in_the_future([member], 1795325218)
    assert not called_in_the_future([member], 1795328799)
    assert not called_in_the_future([member | {"LastCall": "0"}, {"Event": "QueueParams"}], 1795325218)


def test_the_report_says_what_was_counted() -> None:
    result = {
        "calls": {"dialled": 40, "first_sound_p50_s": 0.03, "first_sound_max_s": 0.1},
        "plan": {"seats": 8, "seed": 7, "left_out": {"disk-full": "needs root"}},
        "seconds": 30.0,
        "versions": {"database": "sqlite"},
        "command": "hotline campaign",
        "date": "2026-11-22",
        "load_average_before": 1.0,
        "counts": {"calls dropped": 1},
        "apart": {"calls judged": 40},
        "findings": [{"count": "calls dropped", "who": NUMBER, "says": "ended by pbx"}],
        "faults": [
            {
                "fault": "kill-cti", "lasting": "", "times": 2, "calls_during": 9,
                "blind_p50_s": 2.1, "blind_max_s": 3.0, "sign": "screens",
            }
        ],
        "packets": {"captured": 1000, "dropped": 0, "why_not": ""},
    }  # fmt: skip
    text = section(result)
    assert "| calls dropped | 0 | 1 |" in text
    assert "| kill-cti | a moment | 2 | 9 | 2.1 | 3.0 |" in text
    assert "needs root" in text
    assert not passed(result)
