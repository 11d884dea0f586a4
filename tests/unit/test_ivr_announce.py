"""Announcements: who may be on air when, what the dialplan is told, and how a sound is made or refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from sqlalchemy.orm import Session, sessionmaker

from db.engine import open_engine, sessions
from db.models import Announcement, Queue, User
from hotline.announcing import Announcer
from hotline.settings import Settings
from ivr import announce, announce_files, announce_sound, telephone_sound, voice
from ivr.announce_sound import SoundProblem

AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def factory(tmp_path: Path, new_database: Callable[[Path], str]) -> Iterator[sessionmaker[Session]]:
    engine = open_engine(new_database(tmp_path / "hotline.db"))
    made = sessions(engine)
    with made.begin() as db:
        db.add_all([Queue(name="consultation", label="综合咨询"), Queue(name="heating", label="供热专席")])
        db.add(User(login="s", name="主管", work_number="1", role="supervisor", password_hash="x"))
    yield made
    engine.dispose()


def ready(db: Session, scope: str = announce.ARRIVAL, sha256: str = "ab" * 32) -> int:
    one = announce.order(db, "停水", "voice", scope, 1, AT)
    assert announce.note_made(db, one.id, sha256, 5.0)
    return one.id


@pytest.mark.parametrize(
    ("state", "heard", "hours", "problem"),
    [
        ("ready", True, 1, None),
        ("on_air", True, 2, None),
        ("ready", False, 1, announce.NotHeard),
        ("rendering", True, 1, announce.NotReady),
        ("failed", True, 1, announce.NotReady),
        ("ended", True, 1, announce.NotReady),
        ("ready", True, -1, announce.BadEnd),
        ("ready", True, 0, announce.BadEnd),
        ("ready", True, 24 * 8, announce.BadEnd),
    ],
)
def test_only_what_was_heard_goes_on_air_and_only_for_a_while(
    state: str, heard: bool, hours: int, problem: type[Exception] | None
) -> None:
    def ask() -> None:
        announce.refuse_publishing(state, AT if heard else None, AT + hours * HOUR, AT)

    if problem is None:
        ask()
    else:
        with pytest.raises(problem):
            ask()


def test_one_is_on_air_for_each_scope_and_publishing_replaces_after_a_word(
    factory: sessionmaker[Session],
) -> None:
    with factory.begin() as db:
        first, second, other = ready(db), ready(db, sha256="cd" * 32), ready(db, "heating")
        for one in (first, second, other):
            announce.note_heard(db, one, 1, AT)
        announce.publish(db, first, AT + HOUR, 1, AT, replace=False)
        announce.publish(db, other, AT + HOUR, 1, AT, replace=False)
        with pytest.raises(announce.ScopeTaken) as taken:
            announce.publish(db, second, AT + HOUR, 1, AT, replace=False)
        assert taken.value.other.id == first
        _, replaced = announce.publish(db, second, AT + 2 * HOUR, 1, AT, replace=True)
        assert replaced is not None
        assert (replaced.id, replaced.state, replaced.ended_by) == (first, "ended", 1)
        assert announce.on_air(db, AT) == {
            "ANNOUNCE_arrival": "announcements/cdcdcdcdcdcdcdcd",
            "ANNOUNCE_UNTIL_arrival": str(int((AT + 2 * HOUR).timestamp())),
            "ANNOUNCE_consultation": "",
            "ANNOUNCE_UNTIL_consultation": "0",
            "ANNOUNCE_heating": "announcements/abababababababab",
            "ANNOUNCE_UNTIL_heating": str(int((AT + HOUR).timestamp())),
        }


def test_its_time_ends_it_and_by_hand_it_ends_too(factory: sessionmaker[Session]) -> None:
    with factory.begin() as db:
        first, second, unused = ready(db), ready(db, "heating"), ready(db)
        for one in (first, second):
            announce.note_heard(db, one, 1, AT)
            announce.publish(db, one, AT + HOUR, 1, AT, replace=False)
        announce.end(db, second, 1, AT)
        assert [one.id for one in announce.playing(db, AT)] == [first]
        later = AT + 2 * HOUR
        assert announce.on_air(db, later)["ANNOUNCE_arrival"] == ""
        assert announce.settle(db, later) == 1
        one = announce.find(db, first)
        assert (one.state, one.ended_at, one.ended_by) == ("ended", AT + HOUR, None)
        with pytest.raises(announce.NotReady):
            announce.end(db, first, 1, later)
        assert announce.end(db, unused, 1, later).on_air_at is None
        with pytest.raises(announce.UnknownAnnouncement):
            announce.order(db, "x", "voice", "no-such-queue", 1, AT)


def test_what_is_wanted_no_more_takes_no_sound(factory: sessionmaker[Session]) -> None:
    with factory.begin() as db:
        one = announce.order(db, "停水", "voice", announce.ARRIVAL, 1, AT).id
        announce.end(db, one, 1, AT)
        assert not announce.note_progress(db, one, 50)
        assert not announce.note_made(db, one, "ab" * 32, 1.0)
        announce.note_failed(db, one, "x")
        assert announce.find(db, one).state == "ended"


# --- sound ---------------------------------------------------------------------------------------------


def tone(seconds: float, rate: int = 8000, level: float = 0.3, hertz: float = 1000) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def test_any_rate_comes_out_as_the_telephone_wants_it() -> None:
    for rate in (8000, 11025, 44100, 48000):
        samples = telephone_sound.for_telephone(tone(2, rate, level=0.02), rate)
        assert samples.dtype == np.int16
        assert len(samples) == 16000
        level = 20 * np.log10(np.sqrt((samples.astype(float) ** 2).mean()) / 32767)
        assert abs(level - telephone_sound.LEVEL_DBFS) < 0.5
        spectrum = np.abs(np.fft.rfft(samples.astype(float)))
        assert abs(np.argmax(spectrum) / 2 - 1000) < 1


def test_what_the_telephone_cannot_carry_is_left_out() -> None:
    mixed = tone(1, 48000) + tone(1, 48000, hertz=6000)
    narrow = telephone_sound.narrowed(mixed, 48000)
    spectrum = np.abs(np.fft.rfft(narrow))
    assert spectrum[2000] < spectrum[1000] / 1000  # 6 kHz would fold to 2 kHz


@pytest.mark.parametrize(
    ("seconds", "level", "problem"),
    [
        (2, 0.3, None),
        (0.4, 0.3, "too_short"),
        (121, 0.3, "too_long"),
        (2, 0.0005, "silent"),
        (2, 0, "silent"),
    ],
)
def test_an_upload_is_taken_or_refused_in_words(
    tmp_path: Path, seconds: float, level: float, problem: str | None
) -> None:
    given, out = tmp_path / "given", tmp_path / "out.wav"
    sf.write(given, np.column_stack([tone(seconds, 16000, level)] * 2), 16000, format="WAV")
    if problem:
        with pytest.raises(SoundProblem) as refused:
            announce_sound.take(given, out)
        assert (refused.value.code, refused.value.sentence) == (problem, announce_sound.PROBLEMS[problem])
    else:
        assert announce_sound.take(given, out) == seconds
        info = sf.info(str(out))
        assert (info.samplerate, info.channels, info.subtype) == (8000, 1, "PCM_16")


def test_what_is_no_sound_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "given").write_bytes(b"<html>no sound</html>" * 100)
    with pytest.raises(SoundProblem) as refused:
        announce_sound.take(tmp_path / "given", tmp_path / "out.wav")
    assert refused.value.code == "not_a_sound"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("import time; time.sleep(60)", "timeout"),
        ("import os; os.abort()", "crashed"),
        ('print(\'{"problem": "silent"}\')', "silent"),
        ("print('a library speaks'); print('{\"percent\": 5}')", "crashed"),
    ],
)
def test_a_process_that_hangs_or_dies_is_a_sentence(script: str, code: str) -> None:
    with pytest.raises(SoundProblem) as failed:
        announce_sound.run(
            [], "停水", lambda _percent: True, limit=1.0, command=[sys.executable, "-c", script]
        )
    assert failed.value.code == code
    assert failed.value.sentence


def test_a_sound_that_is_wanted_no_more_is_stopped() -> None:
    script = "import time; print('{\"percent\": 5}', flush=True); time.sleep(60)"
    with pytest.raises(SoundProblem) as stopped:
        announce_sound.run([], "停水", lambda _percent: False, command=[sys.executable, "-c", script])
    assert stopped.value.code == "unwanted"


def test_the_worker_makes_what_is_wanted_and_lays_it_out(
    factory: sessionmaker[Session], tmp_path: Path
) -> None:
    settings = Settings(var=tmp_path)
    with factory.begin() as db:
        spoken = announce.order(db, "停水", "voice", announce.ARRIVAL, 1, AT).id
        given = announce.order(db, "", "upload", announce.ARRIVAL, 1, AT).id
        gone = announce.order(db, "", "upload", announce.ARRIVAL, 1, AT).id
    upload = announce_files.given_file(settings.announcements, given)
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"RIFF")
    progress: list[bool] = []

    def make(what: list[str], text: str, on_percent: Callable[[int], bool]) -> float:
        progress.append(on_percent(40))
        if what[0] == "speak":
            raise SoundProblem("voice_missing")
        Path(what[1]).write_bytes(b"sound" + text.encode())
        return 5.25

    announcer = Announcer(factory, settings, make)
    assert announcer.look() == [spoken, given, gone]
    assert announcer.look() == []
    with factory() as db:
        failed, made, lost = (db.get_one(Announcement, one) for one in (spoken, given, gone))
        assert (failed.state, failed.problem) == ("failed", announce_sound.PROBLEMS["voice_missing"])
        assert (lost.state, lost.problem) == ("failed", announce_sound.PROBLEMS["no_file"])
        assert (made.state, made.seconds, made.progress) == ("ready", 5.25, 100)
        assert made.sha256
        laid = settings.pbx / "data/sounds/zh" / f"{announce_files.sound_name(made.sha256)}.wav"
    assert laid.read_bytes() == b"sound"
    assert progress == [True, True]
    assert not upload.exists()
    assert [path.name for path in settings.announcements.glob(".making-*")] == []


def test_sounds_are_laid_out_again_where_they_are_missing(tmp_path: Path) -> None:
    kept = announce_files.kept_file(tmp_path / "kept", "ab" * 32)
    kept.parent.mkdir()
    kept.write_bytes(b"sound")
    assert announce_files.lay_out(tmp_path / "kept", tmp_path / "sounds") == ["abababababababab"]
    assert announce_files.lay_out(tmp_path / "kept", tmp_path / "sounds") == []
    assert announce_files.lay_out(tmp_path / "none", tmp_path / "sounds") == []


# --- voice ---------------------------------------------------------------------------------------------


def test_a_text_is_spoken_in_sentences_that_the_model_can_take() -> None:
    assert voice.pieces("停水通知。请储水！\n咨询请拨幺二三四五") == [
        "停水通知。",
        "请储水！",
        "咨询请拨幺二三四五",
    ]
    long = "，".join(["东湖区部分路段停水"] * 20) + "。"
    parts = voice.pieces(long)
    assert "".join(parts) == long
    assert max(map(len, parts)) <= voice.LONGEST_PIECE
    assert voice.pieces("无标点" * 60)[0] == ("无标点" * 60)[: voice.LONGEST_PIECE]
    assert voice.pieces(" …！？\n") == []
