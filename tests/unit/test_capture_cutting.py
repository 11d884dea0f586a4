"""The ring and what is cut out of it: bounds, whose packets, pauses, outages, the worker's rounds."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy.orm import Session, sessionmaker

from db.engine import open_engine, sessions
from db.models import Call, CallPart, JournalEvent, Recording
from hotline.settings import Settings
from recordings import checks, rounds
from recordings.capture import packets, recorder, ring
from recordings.capture.cut import Leg, Wanted, cut, note_of, of_a_stepped_call, of_the_call, rows_between
from recordings.capture.cutting import Cutter, leg_of
from recordings.capture.packets import Rows
from recordings.capture.ring import Outage
from recordings.checks import Facts, State
from tests.unit.test_capture_packets import (
    BEGIN,
    CITIZEN,
    FRAME,
    OURS,
    TRUNK,
    US,
    capture,
    rows_of,
    rtp,
    sound_of,
    span,
    udp,
)

THEM = packets.address("127.0.0.2:24000")
STRANGER = packets.address("10.9.9.9:5")


def leg_rows(frames: int, *, out: int = 0, port: int = 10024, remote: int = THEM, **more: int) -> Rows:
    rows = rows_of(frames, **more)
    rows["out"], rows["port"], rows["remote"] = out, port, remote
    return rows


# --- ring ----------------------------------------------------------------------------------------------


def test_a_segment_gives_each_ports_rows_in_order_and_is_thinned_to_those_wanted(tmp_path: Path) -> None:
    one, other = leg_rows(50), leg_rows(50, port=10030, ssrc=8)
    mixed = np.concatenate([one, other])
    mixed = mixed[np.argsort(mixed["at"], kind="stable")]
    segment = ring.write_segment(tmp_path / "5.rtp", mixed)
    assert (segment.begin, segment.end) == (BEGIN, BEGIN + 49 * FRAME)
    again = ring.open_segment(segment.path)
    assert again == segment
    assert (ring.rows_of(segment, 10024) == one).all()
    assert (ring.rows_of(segment, 10030) == other).all()
    assert not len(ring.rows_of(segment, 10026))
    left = ring.thin(segment, lambda port, _stream: port == 10030)
    assert left is not None
    assert (list(left.streams), left.path.stat().st_size < segment.data_at + 51 * 230) == ([10030], True)
    assert (ring.rows_of(left, 10030) == other).all()
    assert ring.thin(left, lambda *_: False) is None
    assert not left.path.exists()


def test_a_finished_capture_becomes_a_segment_and_a_broken_one_is_moved_aside(tmp_path: Path) -> None:
    run = tmp_path / "a" / "000001"
    run.mkdir(parents=True)
    (run / "10.pcap").write_bytes(capture([(BEGIN, udp(CITIZEN, US, rtp(1, 0, b"\x55" * 160)))]))
    (run / "15.pcap").write_bytes(b"no pcap file at all, but long enough")
    (run / "20.pcap").write_bytes(b"")
    found = ring.files(tmp_path / "a")
    assert [one.second for one in ring.finished(found, is_alive=True, now=0)] == [10, 15]
    assert len(ring.finished(found, is_alive=False, now=time.time() + 60)) == 3
    assert ring.make_segment(found[0], OURS, TRUNK) is not None
    assert ring.make_segment(found[1], OURS, TRUNK) is None
    assert sorted(path.name for path in run.iterdir()) == ["10.rtp", "15.bad", "20.pcap"]


def test_the_ring_keeps_to_its_bounds_and_never_removes_what_is_being_written(tmp_path: Path) -> None:
    run = tmp_path / "000001"
    run.mkdir()
    for second in range(6):
        (run / f"{second}.pcap").write_bytes(bytes(1000))
    assert ring.prune(tmp_path, 10_000, 0, lambda: 0) == []
    assert [one.second for one in ring.prune(tmp_path, 4000, 0, lambda: 0)] == [0, 1]
    # A disk that others have filled takes everything but the newest.
    assert [one.second for one in ring.prune(tmp_path, 10_000, 500, lambda: 100)] == [2, 3, 4]
    assert [path.name for path in run.iterdir()] == ["5.pcap"]


def test_with_two_recorders_only_what_neither_has_is_missing() -> None:
    first = [Outage(10, 20, "dead"), Outage(40, 50, "dead"), Outage(0, 99, "dropped", 5)]
    assert ring.not_covered([first]) == [(10, 20), (40, 50)]
    assert ring.not_covered([first, [Outage(15, 45, "dead")]]) == [(15, 20), (40, 45)]
    assert ring.not_covered([first, []]) == []


# --- one call ------------------------------------------------------------------------------------------


def test_only_the_citizens_packets_are_the_citizens() -> None:
    came, sent = leg_rows(50), leg_rows(50, out=1, ssrc=8)
    forged = leg_rows(50, remote=STRANGER, ssrc=66)
    rows = np.concatenate([came, sent, forged])
    inward, outward = of_the_call(rows, [Leg(BEGIN, 10024, 0)], BEGIN + 50 * FRAME)
    assert (set(inward["ssrc"].tolist()), set(outward["ssrc"].tolist())) == ({7}, {8})


def test_a_call_that_changes_its_port_goes_on_there() -> None:
    change = BEGIN + 50 * FRAME
    rows = np.concatenate([leg_rows(50), leg_rows(50, port=10030, begin=change, first=50, ssrc=9)])
    before = leg_rows(40, port=10030, begin=BEGIN, ssrc=66)  # somebody else's, whose port it was
    rows = np.concatenate([before, rows])
    end = BEGIN + 100 * FRAME
    legs = [Leg(BEGIN, 10024, THEM), Leg(change, 10030, THEM)]
    inward, _ = of_the_call(rows, legs, end)
    assert set(inward["ssrc"].tolist()) == {7, 9}
    # Told only with the end: from where the first port fell silent.
    late = [legs[0], Leg(end, 10030, THEM)]
    inward, _ = of_the_call(rows, late, end)
    assert set(inward["ssrc"].tolist()) == {7, 9}


def test_a_cut_has_both_sides_with_pauses_silent_and_outages_told() -> None:
    frames, wide = 200, 100
    came = np.delete(leg_rows(frames), np.arange(150, 190))
    sent = np.delete(leg_rows(frames, out=1, ssrc=8, first=wide), np.arange(150, 190))
    rows = rows_between([], [came, sent], [Leg(BEGIN, 10024, THEM)], BEGIN, BEGIN + frames * FRAME)
    pause = (BEGIN + 10 * FRAME, BEGIN + 20 * FRAME)
    wanted = Wanted("pbx1-1.0", tuple(span(frames)), (pause,), (Leg(BEGIN, 10024, THEM),))
    dead = Outage(BEGIN + 150 * FRAME, BEGIN + 190 * FRAME, "dead")
    sound, note = cut(wanted, rows, [[dead, Outage(BEGIN, BEGIN + 5, "dropped", 12)]])
    left, right = sound_of(frames).reshape(-1, 160), sound_of(frames, wide).reshape(-1, 160)
    for each in (left, right):
        each[10:20] = each[150:190] = 0
    assert (sound[:, 0].reshape(-1, 160) == left).all()
    assert (sound[:, 1].reshape(-1, 160) == right).all()
    assert (note.missing_seconds, note.why, note.dropped) == (0.8, "dead", 12)
    assert note.packets == (160, 160)


def test_a_clock_that_was_set_back_in_a_call_loses_nothing_of_it() -> None:
    hour = 3_600_000_000
    before, after = leg_rows(100), leg_rows(100, begin=BEGIN + 100 * FRAME - hour, first=100)
    after["seq"] += 100
    after["stamp"] += 100 * 160
    stranger = leg_rows(50, begin=BEGIN - 2 * hour, ssrc=66)
    rows = np.concatenate([stranger, after, before])
    wanted, rows = of_a_stepped_call(Wanted("x-1.1", (), (), (Leg(BEGIN, 10024, THEM),)), rows)
    sound, note = cut(wanted, rows, [])
    assert (sound[:, 0] == sound_of(200)).all()
    assert note.packets == (200, 0)


@pytest.mark.parametrize(
    ("facts", "state", "words"),
    [
        (Facts(True, 9.0, 9.0, (3.0, 3.0), lost_seconds=4.2, lost_why="dead"), State.SUSPECT, "缺 4 秒"),
        (Facts(True, 60.0, None, lost_seconds=60.0, lost_why="dead"), State.GAP, "无录音：旁路录音中断"),
        (Facts(True, 60.0, None, lost_seconds=60.0, lost_why="nothing"), State.GAP, "未收到语音包"),
        (Facts(True, 60.0, 60.0, (30.0, 30.0), lost_share=0.08), State.SUSPECT, "语音包丢失 8%"),
        (Facts(True, 60.0, 60.0, (30.0, 30.0), lost_share=0.01), State.KEPT, ""),
    ],
)  # fmt: skip
def test_what_a_recorder_lost_is_said(facts: Facts, state: State, words: str) -> None:
    judged = checks.verdict(facts)
    assert judged.state is state
    assert words in (judged.problem or "")


def test_a_leg_is_taken_only_where_the_capture_is_responsible() -> None:
    line = ["1795000000000", "127.0.0.1:10024", "127.0.0.2:24000", "(alaw)", "plain", "capture"]
    assert leg_of(line, 5) == Leg(5, 10024, THEM)
    assert leg_of([*line[:5], "mixmonitor"], 5) is None
    assert leg_of([*line[:4], "secure", "capture"], 5) is None
    assert leg_of(["1795000000000", "|", "", "", "plain", "capture"], 5) is None
    assert leg_of(["1795000000000"], 5) is None


# --- rounds --------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = Settings(var=tmp_path, recorder="capture", rtp_first=OURS[0], rtp_last=OURS[1])
    found.monitor.mkdir(parents=True)
    return found


@pytest.fixture
def database(settings: Settings, new_database: Callable[[Path], str]) -> sessionmaker[Session]:
    return sessions(open_engine(new_database(settings.var / "hotline.db")))


def ended_call(database: sessionmaker[Session], began: datetime, seconds: float) -> str:
    """An answered call of the ledger with its MEDIA line."""
    uid, ended = "pbx1-9.1", began + timedelta(seconds=seconds)
    with database.begin() as session:
        session.add(
            Call(
                uid=uid, pbx="pbx1", arrived_at=began, answered_at=began, ended_at=ended,
                talk_ms=round(seconds * 1000), outcome="answered", agent="agent01",
            )
        )  # fmt: skip
        session.add(CallPart(call_uid=uid, position=0, kind="agent", began_at=began, ended_at=ended))
        for offset, (event, at, data) in enumerate(
            (
                ("MEDIA", began, ["127.0.0.1:10024", "127.0.0.2:24000", "(alaw)", "plain", "capture"]),
                ("CALLENDED", ended, ["16", "caller", "queue"]),
            )
        ):
            ms = str(round(at.timestamp() * 1000))
            session.add(
                JournalEvent(
                    pbx="pbx1", file="f", offset=offset, at=at, call_uid=uid, event=event, data=[ms, *data]
                )
            )
    return uid


def captured(settings: Settings, began: datetime, frames: int) -> None:
    """Both directions of that call in a recorder's file that is finished, and an empty one behind it."""
    run = settings.ring / "a" / "000001"
    run.mkdir(parents=True)
    at = round(began.timestamp() * 1_000_000)
    frames_of = [
        (at + n * FRAME, udp(*way, rtp(n, n * 160, bytes([(n * 7 + ssrc) % 256]) * 160, ssrc=ssrc)))
        for n in range(frames)
        for way, ssrc in (((CITIZEN, US), 7), ((US, CITIZEN), 8))
    ]
    (run / f"{at // 1_000_000}.pcap").write_bytes(capture(frames_of))
    (run / f"{at // 1_000_000 + 5}.pcap").write_bytes(b"")


def alive(settings: Settings, *, ago: float = 0.0) -> None:
    told = round((time.time() - ago) * 1000)
    ring.write_json(settings.ring / "a" / "state.json", {"alive_at": told, "flushed_at": told})


def test_an_ended_call_is_cut_kept_and_its_packets_thrown_away(settings, database) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=100)
    uid = ended_call(database, began, 4.0)
    captured(settings, began, 200)
    alive(settings)
    done = Cutter(database, settings).round(datetime.now(UTC))
    assert ([note.uid for note in done.cut], done.failed) == ([uid], {})
    raw = settings.monitor / f"{uid}.raw"
    assert raw.stat().st_size == 4 * 8000 * 4
    note = note_of(settings.captured, uid)
    assert note is not None
    assert (note.packets, note.lost, note.why) == ((200, 200), (0, 0), "")
    assert not list(settings.ring.rglob("*.rtp")), "nobody needs them any more"
    kept = rounds.collect(database, settings, datetime.now(UTC))
    assert kept.kept == [uid]
    assert Cutter(database, settings).round(datetime.now(UTC)).cut == []


def test_a_call_that_nobody_captured_is_a_gap_that_says_why(settings, database) -> None:
    began = datetime.now(UTC) - timedelta(seconds=100)
    uid = ended_call(database, began, 4.0)
    (settings.ring / "a").mkdir(parents=True)
    alive(settings, ago=200)
    done = Cutter(database, settings).round(datetime.now(UTC))
    assert [(note.why, note.is_empty) for note in done.cut] == [("dead", True)]
    assert not list(settings.monitor.iterdir())
    rounds.note_gaps(database, settings, datetime.now(UTC), began - timedelta(hours=1), datetime.now(UTC))
    with database() as session:
        row = session.query(Recording).one()
    assert (row.call_uid, row.state, row.problem) == (uid, "gap", "无录音：旁路录音中断")
    assert Cutter(database, settings).round(datetime.now(UTC)).cut == [], "looked for once"


def test_packets_of_calls_that_go_on_stay_however_old(settings, database) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1000)
    uid = ended_call(database, began, 990.0)
    with database.begin() as session:
        call = session.query(Call).filter_by(uid=uid).one()
        call.ended_at = call.outcome = None
    captured(settings, began, 200)
    alive(settings)
    cutter = Cutter(database, settings)
    assert cutter.round(datetime.now(UTC)).cut == []
    assert len(list(settings.ring.rglob("*.rtp"))) == 1


def test_a_full_disk_leaves_the_call_in_the_ring(settings, database, monkeypatch) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=100)
    uid = ended_call(database, began, 4.0)
    captured(settings, began, 200)
    alive(settings)
    cutter = Cutter(database, settings)

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("recordings.capture.cutting.write", full)
        assert list(cutter.round(datetime.now(UTC)).failed) == [uid]
    assert len(list(settings.ring.rglob("*.rtp"))) == 1
    assert [note.uid for note in cutter.round(datetime.now(UTC)).cut] == [uid]


# --- recorder ------------------------------------------------------------------------------------------


def test_the_filter_has_the_carriers_addresses_and_our_ports() -> None:
    settings = Settings(trunk_media="10.1.2.0/24, 10.3.0.7", rtp_first=12000, rtp_last=12999)
    assert recorder.filter_of(settings) == (
        "udp and (net 10.1.2.0/24 or net 10.3.0.7/32) and portrange 12000-12999"
    )
    assert recorder.interface_of(Settings(recorder_interface="eth7")) == "eth7"
    assert recorder.interface_of(Settings(sip_address="127.0.0.1")) == "lo"
    assert recorder.interface_of(Settings(sip_address="192.0.2.200")) == "any"


def test_what_passed_while_no_recorder_lived_is_written_down(settings: Settings, monkeypatch) -> None:
    now = [1_795_000_000_000_000]
    monkeypatch.setattr(recorder, "_now_us", lambda: now[0])
    (settings.ring / "a").mkdir(parents=True)
    ring.write_json(settings.ring / "a" / "state.json", {"alive_at": now[0] // 1000 - 7000, "captured": 5})
    keeper = recorder.Keeper(settings, "a")
    keeper.open()
    keeper.process, keeper._listening = SimpleNamespace(poll=lambda: None), True  # type: ignore[assignment]
    keeper._tell()
    now[0] += 500_000
    keeper._tell()
    lines = (settings.ring / "a" / "outages.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"begin": now[0] - 7_500_000, "end": now[0] - 500_000, "why": "dead", "packets": 0}
    ]
    (told,) = ring.recorders(settings.ring)
    assert (told.alive_at, told.flushed_at, told.captured) == (now[0] // 1000, now[0] // 1000 - 500, 5)
    assert (settings.recorder_alive / "a").exists()


@pytest.mark.parametrize("step", [3_600_000_000, -3_600_000_000])
def test_a_clock_that_is_set_is_no_hour_without_a_recorder(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    wall, steady = [1_795_000_000_000_000], [500_000_000]
    monkeypatch.setattr(recorder, "_now_us", lambda: wall[0])
    monkeypatch.setattr(recorder, "_steady_us", lambda: steady[0])

    def look(*, captures: bool, after: int) -> None:
        wall[0] += after
        steady[0] += after
        keeper._listening = captures
        keeper._tell()

    keeper = recorder.Keeper(settings, "a")
    keeper.open()
    keeper.process = SimpleNamespace(poll=lambda: None)  # type: ignore[assignment]
    look(captures=True, after=0)
    wall[0] += step
    look(captures=False, after=500_000)  # tcpdump is started anew
    look(captures=True, after=500_000)
    lines = (settings.ring / "a" / "outages.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"begin": wall[0] - 1_000_000, "end": wall[0], "why": "dead", "packets": 0}
    ]
    again = recorder.Keeper(settings, "a")
    again.open()
    again.process, again._listening = keeper.process, True
    steady[0] += 3_000_000
    wall[0] += 3_000_000 + step
    again._tell()
    last = json.loads((settings.ring / "a" / "outages.jsonl").read_text().splitlines()[-1])
    assert (last["end"] - last["begin"], last["end"]) == (3_000_000, wall[0])
