"""Journal to ledger, exactly once, on both databases, whatever happens to the file or to us."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from cti.copier import Copier, Lag, NoteEnded, lag
from db import models
from db.engine import open_engine, sessions
from tests.unit.test_cti_ledger import ANSWERED, IN_MENU, OVERFLOWED
from tests.unit.test_cti_parts import CALLED_BACK, HANDED_OVER_TO_A_SEAT, LONG_CALL, TALKING

START = "1795288300|NONE|NONE|NONE|QUEUESTART|\n"


@pytest.fixture
def engine(database_url: str):  # type: ignore[no-untyped-def]
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "queue_log"


def copier(journal: Path, engine: Engine, note_ended: NoteEnded | None = None) -> Copier:
    return Copier(journal, "pbx1", sessions(engine), area_code="0571", note_ended=note_ended)


def copy_all(one: Copier) -> int:
    total = 0
    while copied := one.copy_once():
        total += copied
    return total


def calls(engine: Engine) -> dict[str, models.Call]:
    with sessions(engine)() as session:
        return {call.uid: call for call in session.scalars(select(models.Call))}


def parts(engine: Engine) -> list[tuple[str, int, str, str | None, str, str, bool]]:
    with sessions(engine)() as session:
        rows = session.scalars(
            select(models.CallPart).order_by(models.CallPart.call_uid, models.CallPart.position)
        )
        return [
            (row.call_uid, row.position, row.kind, row.agent, row.who, row.label, row.ended_at is not None)
            for row in rows
        ]


def lines_kept(engine: Engine) -> int:
    with sessions(engine)() as session:
        return session.scalar(select(func.count()).select_from(models.JournalEvent)) or 0


def test_calls_arrive_in_the_ledger_with_their_outcomes(journal: Path, engine: Engine) -> None:
    journal.write_text(START + OVERFLOWED + IN_MENU + ANSWERED)
    assert copy_all(copier(journal, engine)) == 1 + 4 + 3 + 9
    rows = calls(engine)
    assert sorted(str(row.outcome) for row in rows.values()) == [
        "abandoned_in_menu",
        "answered",
        "overflowed",
    ]
    assert rows["pbx1-1795289075.0"].caller == "8613812345678"
    assert rows["pbx1-1795289032.0"].caller == ""


def test_every_split_of_the_file_gives_the_same_ledger(journal: Path, engine: Engine) -> None:
    """A copier that dies after any byte, and a new one each time: nothing lost, nothing twice."""
    text = (START + OVERFLOWED + ANSWERED).encode()
    cuts = sorted(random.Random(7).sample(range(1, len(text)), 40))
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        with journal.open("ab") as file:
            file.write(text[begin:end])
        copy_all(copier(journal, engine))
    assert lines_kept(engine) == text.count(b"\n")
    rows = calls(engine)
    assert {uid: str(row.outcome) for uid, row in rows.items()} == {
        "pbx1-1795288423.0": "overflowed",
        "pbx1-1795289075.0": "answered",
    }
    assert rows["pbx1-1795289075.0"].wait_ms == 2506


def test_a_transaction_that_fails_is_done_again_whole(
    journal: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.write_text(START + ANSWERED)
    one = copier(journal, engine)
    real = one._set_position

    def away(*_: object) -> None:
        raise OperationalError("commit", {}, Exception("database is away"))

    monkeypatch.setattr(one, "_set_position", away)
    with pytest.raises(OperationalError):
        one.copy_once()
    assert lines_kept(engine) == 0
    monkeypatch.setattr(one, "_set_position", real)
    copy_all(one)
    assert lines_kept(engine) == 10
    assert [str(c.outcome) for c in calls(engine).values()] == ["answered"]


def test_rotation_is_followed_to_the_end_of_the_old_file(journal: Path, engine: Engine) -> None:
    lines = ANSWERED.splitlines(keepends=True)
    journal.write_text(START + "".join(lines[:3]))
    one = copier(journal, engine)
    copy_all(one)
    with journal.open("a") as file:
        file.write("".join(lines[3:5]))
    journal.rename(journal.with_name("queue_log.0"))
    journal.write_text("".join(lines[5:]))
    copy_all(one)
    with sessions(engine)() as session:
        position = session.get(models.JournalPosition, "pbx1")
        assert position
    assert lag(journal, position.file, position.offset) == Lag(0, None)
    oldest = journal.with_name("queue_log.0")
    assert lag(journal, None, 0).since == 1795288300, "nothing copied: the oldest line is in the rotated file"
    assert lag(journal, None, 0).bytes == journal.stat().st_size + oldest.stat().st_size
    assert lines_kept(engine) == 10
    assert [str(c.outcome) for c in calls(engine).values()] == ["answered"]


@pytest.mark.parametrize("step", [3600, -3600])
def test_a_clock_that_was_set_between_two_rotations_stops_nothing(
    journal: Path, engine: Engine, step: int
) -> None:
    """Rotated files stand in the order of their stamps: the one of the wrong hour lies in the wrong place."""
    lines = ANSWERED.splitlines(keepends=True)
    one = copier(journal, engine)
    journal.write_text(START + "".join(lines[:3]))
    copy_all(one)
    journal.rename(journal.with_name("queue_log.0"))
    stamp = int(lines[3].split("|", 1)[0])
    journal.write_text("".join(line.replace(str(stamp), str(stamp + step), 1) for line in lines[3:5]))
    copy_all(one)
    journal.rename(journal.with_name("queue_log.1"))
    journal.write_text("".join(lines[5:7]))
    copy_all(one)
    journal.rename(journal.with_name("queue_log.2"))
    journal.write_text("".join(lines[7:]))
    copy_all(one)
    assert lines_kept(engine) == 10
    with sessions(engine)() as session:
        position = session.get_one(models.JournalPosition, "pbx1")
        assert lag(journal, position.file, position.offset, session, "pbx1") == Lag(0, None)
        with journal.open("a") as file:
            file.write("1795289400|NONE|NONE|NONE|QUEUESTART|\n")
        assert lag(journal, position.file, position.offset, session, "pbx1").bytes == 38
    assert [str(c.outcome) for c in calls(engine).values()] == ["answered"]
    assert copier(journal, engine).copy_once() == 1


def test_two_rotations_while_we_were_dead_lose_nothing(journal: Path, engine: Engine) -> None:
    lines = ANSWERED.splitlines(keepends=True)
    journal.write_text(START + lines[0])
    copy_all(copier(journal, engine))
    journal.rename(journal.with_name("queue_log.1"))
    journal.with_name("queue_log.0").write_text("".join(lines[1:6]))
    journal.write_text("".join(lines[6:]))
    copy_all(copier(journal, engine))
    assert lines_kept(engine) == 10
    assert [str(c.outcome) for c in calls(engine).values()] == ["answered"]


def test_what_is_not_understood_is_kept(journal: Path, engine: Engine) -> None:
    journal.write_bytes(
        START.encode() + b"garbage \xff\xfe\0 line\n" + b"1795288423|x|NONE|NONE|FROMTHEFUTURE|1\n"
    )
    copy_all(copier(journal, engine))
    with sessions(engine)() as session:
        unknown = session.scalars(select(models.JournalEvent).where(~models.JournalEvent.understood)).all()
    assert [row.event for row in unknown] == ["UNREADABLE", "FROMTHEFUTURE"]


def test_calls_open_when_the_pbx_died_are_closed_at_its_next_start(journal: Path, engine: Engine) -> None:
    talking = "".join(ANSWERED.splitlines(keepends=True)[:7])
    waiting = "".join(OVERFLOWED.splitlines(keepends=True)[:2])
    journal.write_text(START + waiting + talking)
    copy_all(copier(journal, engine))
    with journal.open("a") as file:
        file.write("1795289400|NONE|NONE|NONE|QUEUESTART|\n")
    copy_all(copier(journal, engine))
    rows = calls(engine)
    assert {str(r.outcome): r.reason for r in rows.values()} == {"failed": "pbx_died", "answered": "pbx_died"}


def test_two_copiers_at_once_count_nothing_twice(journal: Path, engine: Engine) -> None:
    """An old cti that is not quite dead beside its successor: one of them loses, the ledger does not."""
    journal.write_text(START + OVERFLOWED + ANSWERED)
    first, second = copier(journal, engine), copier(journal, engine)
    factory: sessionmaker[Session] = sessions(engine)
    first.copy_once()
    second.copy_once()
    with factory() as session:
        assert session.scalar(select(func.count()).select_from(models.JournalEvent)) == 14


def test_parts_of_a_call_are_the_same_however_the_journal_came(journal: Path, engine: Engine) -> None:
    text = (START + LONG_CALL + CALLED_BACK).encode()
    cuts = sorted(random.Random(3).sample(range(1, len(text)), 25))
    seen = []
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        with journal.open("ab") as file:
            file.write(text[begin:end])
        copy_all(copier(journal, engine))
        seen.append(parts(engine))
    long, back = "pbx1-1795289075.0", "pbx1-1795289075.0b"
    duty = ("057188000009", "市住建局值班")
    assert seen[-1] == [
        (long, 0, "agent", "agent01", "", "", True),
        (long, 1, "hold", "agent01", "", "", True),
        (long, 2, "recording_paused", "agent01", "", "", True),
        (long, 3, "consult", "agent01", *duty, True),
        (long, 4, "party", "agent01", *duty, True),
        (long, 5, "survey", "agent01", "", "", True),
        (back, 0, "agent", "agent02", "", "", True),
    ]
    assert any(row[-1] is False for rows in seen for row in rows), "a part that goes on is written too"
    row = calls(engine)[long]
    assert (row.talk_ms, row.hold_ms, row.rating, row.rating_reason) == (230_000, 50_000, 3, 2)
    row = calls(engine)[back]
    assert (row.direction, row.caller, row.callback_of) == ("outbound", "8613812345678", long)
    assert (row.outcome, row.answered_at and row.answered_at.timestamp()) == ("answered", 1795289531.0)


def test_a_colleague_is_looked_up_where_the_journal_names_the_seat(journal: Path, engine: Engine) -> None:
    signed_in = "".join(
        f"{at}|NONE|NONE|{agent}|SIGNIN|{at}000|{seat}\n"
        for at, agent, seat in [
            (1795288400, "agent07", "8002"),
            (1795288500, "agent02", "8002"),
            (1795288600, "agent03", "8003"),
            (1795289900, "agent09", "8002"),
        ]
    )
    journal.write_text(START + signed_in + TALKING + HANDED_OVER_TO_A_SEAT.replace("|agent02|", "|NONE|"))
    copy_all(copier(journal, engine))
    assert [row[2:5] for row in parts(engine)] == [
        ("agent", "agent01", ""),
        ("consult", "agent01", "agent02"),
        ("agent", "agent02", ""),
    ]


def test_parts_that_are_open_when_the_pbx_dies_end_with_it(journal: Path, engine: Engine) -> None:
    journal.write_text(START + "".join(LONG_CALL.splitlines(keepends=True)[:12]))
    copy_all(copier(journal, engine))
    assert [row[2] for row in parts(engine) if not row[-1]] == ["agent", "party"]
    with journal.open("a") as file:
        file.write("1795289400|NONE|NONE|NONE|QUEUESTART|\n")
    copy_all(copier(journal, engine))
    assert all(row[-1] for row in parts(engine))
    assert calls(engine)["pbx1-1795289075.0"].talk_ms == 309_750


def test_what_was_open_when_the_pbx_died_ends_also_where_the_clock_was_set_back(
    journal: Path, engine: Engine
) -> None:
    journal.write_text(START + "".join(LONG_CALL.splitlines(keepends=True)[:12]))
    copy_all(copier(journal, engine))
    with journal.open("a") as file:
        file.write("1795285475|NONE|NONE|NONE|QUEUESTART|\n")  # an hour before the call came
    copy_all(copier(journal, engine))
    row = calls(engine)["pbx1-1795289075.0"]
    assert (row.outcome, row.reason) == ("answered", "pbx_died")
    assert row.ended_at is not None
    assert row.ended_at >= row.arrived_at


class Noted:
    """What `note_ended` was told, and what was in the session then."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls: list[tuple[object, ...]] = []

    def __call__(self, session: Session, *, uid: str, outcome: str, ended_at: object, **_: object) -> None:
        session.add(models.AccessLog(action="noted", object=uid))
        session.flush()
        if self.failures:
            raise self.failures.pop()
        row = session.scalars(select(models.Call).where(models.Call.uid == uid)).one()
        lost = row.reason == "pbx_died" and row.outcome == "answered"
        assert ("failed" if lost else str(row.outcome), row.ended_at) == (outcome, ended_at)
        self.calls.append((uid, outcome))


def noted(engine: Engine) -> list[str]:
    with sessions(engine)() as session:
        return list(session.scalars(select(models.AccessLog.object).order_by(models.AccessLog.id)))


def test_every_ended_call_is_told_once_in_the_order_of_the_ends(journal: Path, engine: Engine) -> None:
    told = Noted()
    text = START + ANSWERED + OVERFLOWED + IN_MENU
    for end in (400, len(text) // 2, len(text)):
        journal.write_text(text[:end])
        copy_all(copier(journal, engine, told))
    with journal.open("a") as file:
        file.write(ANSWERED + "1795289400|NONE|NONE|NONE|QUEUESTART|\n")
    copy_all(copier(journal, engine, told))
    assert sorted(told.calls) == [
        ("pbx1-1795288423.0", "overflowed"),
        ("pbx1-1795289032.0", "abandoned_in_menu"),
        ("pbx1-1795289075.0", "answered"),
    ]
    assert sorted(noted(engine)) == sorted(str(uid) for uid, _ in told.calls)


def test_a_talk_that_asterisks_death_cut_off_is_owed_a_call(journal: Path, engine: Engine) -> None:
    told = Noted()
    talking = "".join(LONG_CALL.splitlines(keepends=True)[:12])
    journal.write_text(START + talking + "1795289400|NONE|NONE|NONE|QUEUESTART|\n")
    copy_all(copier(journal, engine, told))
    assert told.calls == [("pbx1-1795289075.0", "failed")]
    assert calls(engine)["pbx1-1795289075.0"].outcome == "answered", "the ledger keeps what was"


def test_a_transaction_done_again_tells_the_call_again_and_keeps_it_once(
    journal: Path, engine: Engine
) -> None:
    told = Noted(OperationalError("insert", {}, Exception("database is away")))
    journal.write_text(START + ANSWERED)
    one = copier(journal, engine, told)
    with pytest.raises(OperationalError):
        one.copy_once()
    assert (lines_kept(engine), noted(engine)) == (0, [])
    copy_all(one)
    assert noted(engine) == ["pbx1-1795289075.0"]


@pytest.mark.parametrize(("failures", "kept"), [(1, ["pbx1-1795289075.0"]), (2, [])])
def test_rules_that_fail_are_tried_again_and_never_stop_the_ledger(
    journal: Path, engine: Engine, failures: int, kept: list[str]
) -> None:
    journal.write_text(START + ANSWERED)
    copy_all(copier(journal, engine, Noted(*[ValueError("a mistake of ours")] * failures)))
    assert noted(engine) == kept
    assert [str(call.outcome) for call in calls(engine).values()] == ["answered"]


def test_what_app_queue_says_of_a_channel_it_was_left_with_is_no_call(journal: Path, engine: Engine) -> None:
    stray = "1795289111|pbx1-1795289111.9|consultation|agent01|COMPLETECALLER|1|15|1\n"
    journal.write_text(START + ANSWERED + stray)
    copy_all(copier(journal, engine))
    with journal.open("a") as file:
        file.write(stray)
    copy_all(copier(journal, engine))
    assert list(calls(engine)) == ["pbx1-1795289075.0"]
    assert lines_kept(engine) == 12


def test_a_real_journal_of_a_three_way_whose_colleague_stays(journal: Path, engine: Engine) -> None:
    pasted = Path(__file__).parents[1] / "journals" / "colleague-of-a-three-way-stays.txt"
    journal.write_text(START + pasted.read_text())
    copy_all(copier(journal, engine))
    uid = "pbx1-1795301158.0"
    colleague = ("agent02", "8002 演示·李晓晨")
    assert parts(engine) == [
        (uid, 0, "agent", "agent01", "", "", True),
        (uid, 1, "recording_paused", "agent01", "", "", True),
        (uid, 2, "consult", "agent01", *colleague, True),
        (uid, 3, "party", "agent01", *colleague, True),
        (uid, 4, "agent", "agent02", "", "", True),
    ]
    row = calls(engine)[uid]
    assert (row.outcome, row.wait_ms, row.talk_ms, row.hold_ms) == ("answered", 2903, 294, 151)


WATCHED = """\
1795311696|pbx1-1795311696.0|NONE|NONE|CALLARRIVED|1795311696086|13812345671|12345||inbound
1795311696|pbx1-1795311696.0|NONE|NONE|TOPERSON|1795311696865|consultation|0|main:0
1795311699|pbx1-1795311696.0|NONE|NONE|AGENTANSWERED|1795311699785|8001
1795311699|pbx1-1795311696.0|consultation|agent01|CONNECT|0|1795311699.1|0
1795311701|pbx1-1795311696.0|NONE|leader01|WATCHBEGAN|1795311701557|8001|listen|8003|agent01
1795311702|pbx1-1795311696.0|NONE|supervisor01|WATCHBEGAN|1795311702000|8001|listen|browser|agent01
1795311703|pbx1-1795311696.0|NONE|leader01|WATCHMODE|1795311703168|8001|whisper
1795311707|pbx1-1795311696.0|NONE|agent01|HELPASKED|1795311707986|8001|
1795311708|pbx1-1795311696.0|NONE|leader01|HELPTAKEN|1795311708987|8001|taken
1795311709|pbx1-1795311696.0|NONE|leader01|WATCHENDED|1795311709000|8001|take_over
1795311709|pbx1-1795311696.0|NONE|leader01|TAKENOVER|1795311709001|8001|8003
1795311710|NONE|NONE|agent01|HELPASKED|1795311710000|8001|
1795311711|NONE|NONE|agent01|HELPENDED|1795311711000|8001|cancelled
1795311714|pbx1-1795311696.0|NONE|NONE|CALLENDED|1795311714606|16|agent|consult
"""
"""A real journal; the second listener and the second call for help were put in by hand. The cti was gone when
the call ended: no WATCHENDED of those who still listened."""


def test_who_listened_in_and_who_was_asked_for_help_is_in_the_ledger(engine: Engine, journal: Path) -> None:
    lines = WATCHED.splitlines(keepends=True)
    one = copier(journal, engine)
    for line in lines:  # one at a time: what is open is found again in the database
        with journal.open("a") as out:
            out.write(line)
        copy_all(one)
    with sessions(engine)() as session:
        rows = session.scalars(select(models.Supervision).order_by(models.Supervision.began_at)).all()
        watched = [
            (
                r.supervisor,
                r.agent,
                r.mode,
                r.telephone,
                r.ended_as,
                (r.ended_at - r.began_at).total_seconds(),
            )
            for r in rows
            if r.ended_at
        ]
        asked = [
            (r.agent, r.call_uid, r.taken_by, r.ended_as)
            for r in session.scalars(select(models.HelpRequest).order_by(models.HelpRequest.asked_at))
        ]
        talks = session.execute(
            select(models.CallPart.agent)
            .where(models.CallPart.kind == "agent")
            .order_by(models.CallPart.position)
        ).scalars()
        assert watched == [
            ("leader01", "agent01", "listen", "8003", "mode", 1.611),
            ("supervisor01", "agent01", "listen", "browser", "call_ended", 12.606),
            ("leader01", "agent01", "whisper", "8003", "take_over", 5.832),
            ("leader01", "agent01", "take_over", "8003", "call_ended", 5.605),
        ]
        assert asked == [
            ("agent01", "pbx1-1795311696.0", "leader01", "taken"),
            ("agent01", "", None, "cancelled"),
        ]
        assert list(talks) == ["agent01", "leader01"]
    (call,) = calls(engine).values()
    assert (call.outcome, call.agent, call.talk_ms) == ("answered", "agent01", 14821)
