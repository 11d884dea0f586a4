"""The ring and what is cut out of it: bounds, whose packets, pauses, outages, the worker's rounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.orm import Session, sessionmaker

from db.engine import open_engine, sessions
from db.models import Call, CallPart, JournalEvent, Recording
from hotline.settings import Settings
from recordings import checks, rounds
from recordings.capture import packets, recorder, ring
from recordings.capture.cut import Leg, Wanted, cut, note_of, of_the_call, rows_between
from recordings.capture.cutting import Cutter, leg_of
from recordings.capture.packets import Rows
from recordings.capture.ring import Outage
from recordings.capture.set_clock import RunningOn, Step
from recordings.capture.sound_of import ALAW, TABLES
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
    assert [one.second for one in ring.finished(found, is_alive=True, now=0, writing=(1,))] == [10, 15]
    assert len(ring.finished(found, is_alive=False, now=time.time() + 60)) == 3
    assert ring.make_segment(found[0], OURS, TRUNK) is not None
    assert ring.make_segment(found[1], OURS, TRUNK) is None
    assert sorted(path.name for path in run.iterdir()) == ["10.rtp", "15.bad", "20.pcap"]
    # Two tcpdumps write for a moment when the clock was set: the newest of each is left alone.
    (tmp_path / "a" / "000008").mkdir()
    (tmp_path / "a" / "000008" / "12.pcap").write_bytes(b"")
    found = ring.files(tmp_path / "a")
    assert ring.finished(found, is_alive=True, now=0, writing=(1, 8)) == []
    assert [one.second for one in ring.finished(found, is_alive=True, now=0, writing=(8,))] == [20]


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


# --- a clock that is set -------------------------------------------------------------------------------


def test_a_moment_is_the_latest_at_which_the_clock_showed_it() -> None:
    hour, second = 3_600_000_000, 1_000_000
    clock = RunningOn([Step(BEGIN, BEGIN - hour)])
    now = clock.now(BEGIN - hour + 9 * second)
    assert now == BEGIN + 9 * second
    assert clock.moment(BEGIN - 5 * second, now) == BEGIN - 5 * second, (
        "an hour to come, if it were shown now"
    )
    assert clock.moment(BEGIN - hour + 4 * second, now) == BEGIN + 4 * second, "shown twice"
    assert clock.was_set(BEGIN - 5 * second, BEGIN + 4 * second)
    assert not clock.was_set(BEGIN - 9 * second, BEGIN - 5 * second)
    assert not clock.was_set(BEGIN + second, BEGIN + 4 * second)
    forward = RunningOn([Step(BEGIN, BEGIN + hour)])
    assert forward.moment(BEGIN + hour + 5) == BEGIN + 5
    assert forward.moment(BEGIN - 5) == BEGIN - 5
    assert forward.walls(BEGIN - 7, BEGIN + 7) == [(BEGIN - 7, BEGIN), (BEGIN + hour - 7, BEGIN + hour + 7)]
    assert RunningOn([]).moment(BEGIN) == RunningOn([]).now(BEGIN) == BEGIN


# --- rounds --------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = Settings(var=tmp_path, recorder="capture", rtp_first=OURS[0], rtp_last=OURS[1])
    found.monitor.mkdir(parents=True)
    return found


@pytest.fixture
def database(settings: Settings, new_database: Callable[[Path], str]) -> sessionmaker[Session]:
    return sessions(open_engine(new_database(settings.var / "hotline.db")))


def ended_call(database: sessionmaker[Session], began: datetime, ended: datetime) -> str:
    """An answered call of the ledger with its MEDIA line; times as the clock showed them."""
    uid = "pbx1-9.1"
    talk = max(timedelta(0), ended - began)
    with database.begin() as session:
        session.add(
            Call(
                uid=uid, pbx="pbx1", arrived_at=began, answered_at=began, ended_at=ended,
                talk_ms=round(talk.total_seconds() * 1000), outcome="answered", agent="agent01",
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


def captured(settings: Settings, began: datetime, frames: int, *, first: int = 0, run: int = 1) -> None:
    """Both directions of that call in a recorder's file that is finished, and an empty one behind it."""
    folder = settings.ring / "a" / f"{run:06d}"
    folder.mkdir(parents=True)
    at = round(began.timestamp() * 1_000_000)
    frames_of = [
        (at + k * FRAME, udp(*way, rtp(n, n * 160, bytes([(n * 7 + ssrc) % 256]) * 160, ssrc=ssrc)))
        for k, n in enumerate(range(first, first + frames))
        for way, ssrc in (((CITIZEN, US), 7), ((US, CITIZEN), 8))
    ]
    (folder / f"{at // 1_000_000}.pcap").write_bytes(capture(frames_of))
    (folder / f"{at // 1_000_000 + 5}.pcap").write_bytes(b"")


def alive(settings: Settings, *, ago: float = 0.0) -> None:
    told = round((time.time() - ago) * 1000)
    ring.write_json(settings.ring / "a" / "state.json", {"alive_at": told, "flushed_at": told})


def test_an_ended_call_is_cut_kept_and_its_packets_thrown_away(settings, database) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=100)
    uid = ended_call(database, began, began + timedelta(seconds=4))
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
    uid = ended_call(database, began, began + timedelta(seconds=4))
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
    uid = ended_call(database, began, began + timedelta(seconds=990))
    with database.begin() as session:
        call = session.query(Call).filter_by(uid=uid).one()
        call.ended_at = call.outcome = None
    captured(settings, began, 200)
    alive(settings)
    cutter = Cutter(database, settings)
    assert cutter.round(datetime.now(UTC)).cut == []
    assert len(list(settings.ring.rglob("*.rtp"))) == 1


HOUR = timedelta(hours=1)


@pytest.mark.parametrize("ahead", [(HOUR,), (-HOUR,), (HOUR, timedelta(0)), (-HOUR, timedelta(0))])
def test_a_call_in_which_the_clock_was_set_is_whole_and_has_its_true_length(
    settings, database, ahead: tuple[timedelta, ...]
) -> None:
    """After two seconds each time the clock goes `ahead` of the true one; the last of them is now."""
    true = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=100) - ahead[-1]
    two = timedelta(seconds=2)
    clocks = (timedelta(0), *ahead)
    for index, off in enumerate(clocks):
        captured(settings, true + index * two + off, 100, first=100 * index, run=index + 1)
    for index, (old, new) in enumerate(pairwise(clocks), 1):
        # The recorder notices it within half a second.
        noticed = true + index * two + timedelta(milliseconds=400)
        step = Step(*(round((noticed + off).timestamp() * 1e6) for off in (old, new)))
        ring.note_step(settings.ring / "a", step)
    uid = ended_call(database, true, true + len(clocks) * two + ahead[-1])
    alive(settings)
    done = Cutter(database, settings).round(datetime.now(UTC))
    assert ([note.uid for note in done.cut], done.failed) == ([uid], {})
    frames = 100 * len(clocks)
    sound = np.fromfile(settings.monitor / f"{uid}.raw", "<i2").reshape(-1, 2)
    assert len(sound) == frames * 160
    assert (done.cut[0].packets, done.cut[0].lost, done.cut[0].why) == ((frames, frames), (0, 0), "")
    expected = np.repeat([packets_of(n, 7) for n in range(frames)], 160)
    assert (sound[:, 0] == expected).all()


def packets_of(frame: int, ssrc: int) -> int:
    """The sample that all of a packet of `captured` is."""
    return int(TABLES[ALAW][(frame * 7 + ssrc) % 256])


def test_nothing_is_cut_before_a_recorder_has_told_that_the_clock_was_set(settings, database) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=100)
    uid = ended_call(database, began, began + timedelta(seconds=4))
    captured(settings, began, 200)
    for off, cut_now in ((3600, []), (0, [uid])):
        told = round(time.time() * 1000) - off * 1000
        ring.write_json(
            settings.ring / "a" / "state.json",
            {
                "alive_at": told,
                "flushed_at": told,
                "steady_at": ring.steady_us() // 1000,
                "boot": ring.boot(),
            },
        )
        done = Cutter(database, settings).round(datetime.now(UTC))
        assert [note.uid for note in done.cut] == cut_now
        assert done.waiting == 1 - len(cut_now)
        assert done.cut == [] or done.cut[0].why == "", "no hour without a recorder"


def test_old_packets_are_thrown_away_by_the_time_that_runs_on(settings, database) -> None:
    """The clock was an hour ahead when they came; by it they are of an hour to come."""
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=300)
    captured(settings, began + HOUR, 100)
    noticed = round((began + timedelta(seconds=10)).timestamp() * 1e6)
    hour = 3_600_000_000
    ring.note_step(settings.ring / "a", Step(noticed - hour - 20_000_000, noticed - 20_000_000))
    ended_call(database, began + timedelta(seconds=200), began + timedelta(seconds=204))
    alive(settings)
    cutter = Cutter(database, settings)
    cutter.round(datetime.now(UTC))
    assert len(list(settings.ring.rglob("*.rtp"))) == 1, "of an hour to come, for whoever knows of no step"
    ring.note_step(settings.ring / "a", Step(noticed + hour, noticed))
    cutter._thinned_at = 0.0
    cutter.round(datetime.now(UTC))
    assert not list(settings.ring.rglob("*.rtp"))


def test_a_full_disk_leaves_the_call_in_the_ring(settings, database, monkeypatch) -> None:
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=100)
    uid = ended_call(database, began, began + timedelta(seconds=4))
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


class Heard:
    """A tcpdump as the keeper sees it."""

    def __init__(self, settings: Settings, place: Path) -> None:
        place.mkdir()
        self.place, self.born = place, time.monotonic()
        self.captured = self.dropped = 0
        self.is_capturing = self.is_over = False
        self.told_to_end = False

    def read(self) -> int:
        return 0

    def ask(self, now: float) -> None: ...

    def end(self, now: float) -> bool:
        self.told_to_end = True
        return self.is_over


@dataclass
class Clocks:
    """Wall clock and the one that nobody sets, in microseconds."""

    wall: int = 1_795_000_000_000_000
    steady: int = 500_000_000

    def go_on(self, seconds: float) -> None:
        self.wall += round(seconds * 1e6)
        self.steady += round(seconds * 1e6)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    found = Clocks()
    monkeypatch.setattr(recorder, "_now_us", lambda: found.wall)
    monkeypatch.setattr(ring, "steady_us", lambda: found.steady)
    monkeypatch.setattr(recorder, "Capture", Heard)
    return found


def outages(settings: Settings) -> list[tuple[int, int, str]]:
    (told,) = ring.recorders(settings.ring)
    return [(one.begin, one.end, one.why) for one in told.outages]


def test_what_passed_while_no_recorder_lived_is_written_down(settings: Settings, clocks: Clocks) -> None:
    (settings.ring / "a").mkdir(parents=True)
    ring.write_json(
        settings.ring / "a" / "state.json", {"alive_at": clocks.wall // 1000 - 7000, "captured": 5}
    )
    keeper = recorder.Keeper(settings, "a")
    keeper.open()
    keeper.tick()
    assert keeper.capture is not None
    keeper.capture.is_capturing = True  # type: ignore[misc]
    keeper.tick()
    clocks.go_on(0.5)
    keeper.tick()
    assert outages(settings) == [(clocks.wall - 7_500_000, clocks.wall - 500_000, "dead")]
    (told,) = ring.recorders(settings.ring)
    now = clocks.wall // 1000
    assert (told.alive_at, told.flushed_at, told.captured, told.writing) == (now, now - 500, 5, (1,))
    assert (settings.recorder_alive / "a").stat().st_mtime_ns == clocks.wall * 1000


@pytest.mark.parametrize("step", [3_600_000_000, -3_600_000_000])
def test_a_clock_that_is_set_costs_no_second_and_is_no_hour_without_a_recorder(
    settings: Settings, clocks: Clocks, step: int
) -> None:
    keeper = recorder.Keeper(settings, "a")
    keeper.open()
    keeper.tick()
    old = keeper.capture
    assert old is not None
    old.is_capturing = True  # type: ignore[misc]
    keeper.tick()
    clocks.go_on(0.5)
    clocks.wall += step
    keeper.tick()
    new = keeper.capture
    assert new is not None
    assert new is not old
    (told,) = ring.recorders(settings.ring)
    assert (told.writing, told.alive_at) == ((1, 2), clocks.wall // 1000)
    assert told.steps == (Step(clocks.wall - step, clocks.wall),)
    clocks.go_on(0.5)
    keeper.tick()
    assert not old.told_to_end, "as long as the new one does not hear"
    new.is_capturing = True  # type: ignore[misc]
    keeper.tick()
    assert old.told_to_end
    old.is_over, old.is_capturing = True, False  # type: ignore[misc]
    clocks.go_on(0.5)
    keeper.tick()
    assert keeper.leaving == []
    assert outages(settings) == []
    # Set again while nobody records: what it was away for is measured all the same.
    again = recorder.Keeper(settings, "a")
    again.open()
    clocks.go_on(3)
    clocks.wall += step
    again.tick()
    assert again.capture is not None
    again.capture.is_capturing = True  # type: ignore[misc]
    again.tick()
    assert outages(settings) == [(clocks.wall - 3_000_000, clocks.wall, "dead")]
    assert len(ring.recorders(settings.ring)[0].steps) == 2
