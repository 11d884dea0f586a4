"""The missed-call worklist on both databases: rows open, add up and close by what the ledger notes."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from db.engine import sessions
from db.models import Base, Call, MissedAttempt, MissedCall, MissedCaller, Recording, User
from ivr import missed, missed_rules, missed_work
from ivr.missed_rules import MissedOne, Result
from ivr.missed_work import ChangedRow, ClosedRow, HeldRow, UnknownRow

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)
CITIZEN, OTHER = "8613812345678", "8613987654321"


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


@dataclass(frozen=True)
class Ended:
    """One ended call as the copier notes it."""

    uid: str
    minute: float
    outcome: str
    caller: str = CITIZEN
    direction: str = "inbound"
    callback_number: str | None = None
    about: str | None = None
    callback_of: str | None = None
    agent: str | None = None
    queue: str | None = "consultation"


def note(session: Session, *calls: Ended, short_abandons: bool = True) -> None:
    """As the copier does: the ledger's row first, then the worklist."""
    for call in calls:
        answered = at(call.minute) if call.outcome == "answered" else None
        if session.scalar(select(Call.id).where(Call.uid == call.uid)) is None:
            session.add(
                Call(
                    uid=call.uid,
                    pbx="pbx1",
                    caller=call.caller,
                    arrived_at=at(call.minute - 1),
                    answered_at=answered,
                    ended_at=at(call.minute),
                    outcome=call.outcome,
                    direction=call.direction,
                    callback_number=call.callback_number,
                    queue=call.queue,
                )
            )
        missed.note_ended(
            session,
            call.uid,
            call.caller,
            call.outcome,
            call.queue,
            at(call.minute),
            call.direction,
            call.callback_number,
            about=call.about,
            callback_of=call.callback_of,
            answered_at=answered,
            agent=call.agent,
            short_abandons=short_abandons,
        )


def rows(session: Session, number: str = CITIZEN) -> list[MissedCaller]:
    session.flush()
    found = session.scalars(select(MissedCaller).where(MissedCaller.caller == number))
    return sorted(found, key=lambda row: (row.closed_at is None, row.last_at))


def state(session: Session, number: str = CITIZEN) -> list[tuple[Any, ...]]:
    return [
        (row.closed_at, row.closed_as, row.kind, row.times, row.first_at, row.last_at, row.last_call_uid)
        for row in rows(session, number)
    ]


def only(session: Session, number: str = CITIZEN) -> MissedCaller:
    (row,) = rows(session, number)
    return row


@pytest.fixture
def people(session: Session) -> tuple[int, int]:
    """Ids of agent01 and agent02."""
    made = [
        User(login=login, name=f"姓名{login}", work_number=login, role="agent", password_hash="x")
        for login in ("agent01", "agent02")
    ]
    session.add_all(made)
    session.flush()
    return made[0].id, made[1].id


# --- rows open and add up ------------------------------------------------------------------------------


def test_a_caller_has_one_row_whatever_was_tried_and_it_says_the_weightiest(session: Session) -> None:
    note(
        session,
        Ended("a", 0, "abandoned_in_queue"),
        Ended("b", 5, "voicemail_left", queue="complaint"),
        Ended("c", 9, "short_abandon"),
        Ended("other", 9, "overflowed", caller=OTHER),
    )
    row = only(session)
    assert (row.kind, row.times, row.first_at, row.last_at) == ("voicemail_left", 3, at(0), at(9))
    assert (row.last_call_uid, row.queue, row.open_caller) == ("c", "consultation", CITIZEN)
    assert only(session, OTHER).kind == "overflowed"
    assert missed.open_count(session) == 2
    linked = session.scalars(select(MissedCall.call_uid).where(MissedCall.missed_id == row.id))
    assert sorted(linked) == ["a", "b", "c"]


def test_a_call_noted_twice_counts_once(session: Session) -> None:
    call = Ended("a", 0, "abandoned_in_queue")
    note(session, call, call, call)
    assert only(session).times == 1


def test_a_withheld_number_opens_no_row_unless_another_was_left(session: Session) -> None:
    note(session, Ended("a", 0, "abandoned_in_queue", caller=""))
    assert missed.open_count(session) == 0
    note(session, Ended("b", 1, "callback_requested", caller="", callback_number=OTHER))
    assert only(session, OTHER).kind == "callback_requested"


def test_short_abandons_stay_off_the_list_where_the_setting_says_so(session: Session) -> None:
    note(session, Ended("a", 0, "short_abandon"), short_abandons=False)
    assert missed.open_count(session) == 0
    note(session, Ended("b", 1, "short_abandon"))
    assert only(session).kind == "short_abandon"


@pytest.mark.parametrize("outcome", ["self_served", "abandoned_in_menu", "refused", "closed"])
def test_who_asked_for_nobody_is_not_on_the_list(session: Session, outcome: str) -> None:
    note(session, Ended("a", 0, outcome))
    assert missed.open_count(session) == 0


# --- rows close by themselves --------------------------------------------------------------------------


def test_a_citizen_who_got_through_needs_no_call_back(session: Session) -> None:
    note(session, Ended("a", 0, "abandoned_in_queue"), Ended("b", 5, "answered"))
    row = only(session)
    assert (row.closed_as, row.closed_at, row.open_caller) == ("got_through", at(5), None)
    note(session, Ended("c", 20, "abandoned_in_queue"))
    assert [one.closed_as for one in rows(session)] == ["got_through", None]


def test_a_call_that_ended_before_the_citizen_got_through_opens_nothing(session: Session) -> None:
    note(session, Ended("a", 0, "abandoned_in_queue"), Ended("b", 5, "answered"))
    note(session, Ended("late", 3, "overflowed"))
    row = only(session)
    assert (row.times, row.closed_as, missed.open_count(session)) == (2, "got_through", 0)


def test_an_answer_that_becomes_known_late_settles_only_what_was_before_it(session: Session) -> None:
    note(session, Ended("a", 0, "voicemail_left"), Ended("b", 9, "short_abandon"))
    note(session, Ended("late", 5, "answered"))
    past, left = rows(session)
    assert (past.closed_as, past.kind, past.times) == ("got_through", "voicemail_left", 1)
    assert (left.closed_as, left.kind, left.times, left.first_at) == (None, "short_abandon", 1, at(9))


def test_a_citizen_who_left_another_number_gets_through_from_the_first(session: Session) -> None:
    note(session, Ended("a", 0, "callback_requested", callback_number=OTHER))
    note(session, Ended("b", 5, "answered"))
    assert only(session, OTHER).closed_as == "got_through"


def test_who_left_the_number_settles_the_own_call_only(session: Session) -> None:
    note(
        session,
        Ended("a", 0, "callback_requested", callback_number=OTHER),
        Ended("b", 1, "abandoned_in_queue", caller=OTHER),
        Ended("c", 5, "answered"),
    )
    past, left = rows(session, OTHER)
    assert (past.closed_as, past.times, left.closed_as, left.times) == ("got_through", 1, None, 1)


def test_every_order_of_a_morning_ends_the_same(engine: Engine) -> None:
    calls = [
        Ended("a", 0, "abandoned_in_queue"),
        Ended("b", 2, "callback_requested"),
        Ended("c", 4, "answered"),
        Ended("d", 6, "voicemail_left"),
        Ended("e", 8, "answered", direction="outbound"),
    ]
    expected = None
    for order in random.Random(3).sample([calls, *map(list, permutations(calls))], 25):
        with sessions(engine)() as session:
            note(session, *order)
            got = state(session)
            session.rollback()
        expected = expected or got
        assert got == expected, [call.uid for call in order]
    assert expected is not None
    assert [row[1] for row in expected] == ["got_through", "reached"]


events = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.sampled_from(["answered", "answered", "short_abandon", "abandoned_in_queue", "voicemail_left"]),
        st.sampled_from(["inbound", "inbound", "outbound"]),
    ),
    max_size=9,
    unique_by=lambda drawn: drawn[0],
)


@settings(max_examples=40)
@given(events, st.randoms(use_true_random=False))
def test_any_order_of_calls_ends_as_the_rules_say(drawn: list[tuple[int, str, str]], chance: Any) -> None:
    calls = [
        Ended(str(n), minute, outcome, direction=direction if outcome == "answered" else "inbound")
        for n, (minute, outcome, direction) in enumerate(drawn)
    ]
    wanted = missed_rules.rows(
        [
            MissedOne(call.uid, at(call.minute), call.outcome, call.queue)
            for call in calls
            if call.outcome != "answered"
        ],
        [at(call.minute) for call in calls if call.outcome == "answered"],
    )
    memory = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(memory)
    with sessions(memory)() as session:
        note(session, *chance.sample(calls, len(calls)))
        found = {row.closed_at: missed._gathered(row) for row in rows(session)}
        assert found == wanted
        assert missed.settle(session) == 0
    memory.dispose()


def test_what_two_writers_did_not_see_of_each_other_is_settled_later(session: Session) -> None:
    note(session, Ended("a", 0, "abandoned_in_queue"))
    session.add(
        Call(
            uid="b",
            pbx="pbx2",
            caller=CITIZEN,
            arrived_at=at(4),
            answered_at=at(5),
            outcome="answered",
        )
    )
    session.flush()
    assert missed.settle(session) == 1
    assert only(session).closed_as == "got_through"
    assert missed.settle(session) == 0


def test_two_ctis_that_write_at_once_make_one_row(engine: Engine) -> None:
    """Each in a transaction of its own, many callers in another order: nothing lost, nothing twice."""
    numbers = [f"861381234{n:04d}" for n in range(12)]
    failures: list[BaseException] = []

    def write(pbx: str) -> None:
        try:
            for number in numbers:
                with sessions(engine).begin() as session:
                    note(session, Ended(f"{pbx}-{number}", 1, "abandoned_in_queue", caller=number))
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(pbx,)) for pbx in ("pbx1", "pbx2", "pbx3")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert not failures, failures
    with sessions(engine)() as session:
        assert {row.times for row in session.scalars(select(MissedCaller))} == {3}
        assert missed.open_count(session) == len(numbers)


# --- calling back --------------------------------------------------------------------------------------


def dialled(row: MissedCaller, uid: str, minute: float, outcome: str) -> Ended:
    return Ended(
        uid,
        minute,
        outcome,
        caller=row.caller,
        direction="outbound",
        about=f"missed:{row.id}",
        agent="agent01",
    )


def tries(session: Session, row: MissedCaller) -> list[tuple[str, str | None]]:
    session.flush()
    found = select(MissedAttempt).where(MissedAttempt.missed_id == row.id).order_by(MissedAttempt.id)
    return [(one.result, one.call_uid) for one in session.scalars(found)]


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        ("no_answer", "no_answer"),
        ("cancelled", "no_answer"),
        ("busy", "busy"),
        ("unreachable", "switched_off"),
        ("failed", "dialled"),
    ],
)
def test_a_try_in_vain_gets_its_result_from_the_line(
    session: Session, people: tuple[int, int], outcome: str, result: str
) -> None:
    note(session, Ended("a", 0, "abandoned_in_queue"))
    row = only(session)
    assert missed_work.number_to_dial(session, row.id, people[0], at(5)) == CITIZEN
    missed_work.note_dialled(session, row.id, people[0], None, at(5))
    call = dialled(row, "out", 6, outcome)
    note(session, call, call)
    assert tries(session, row) == [(result, "out")]
    assert (row.attempts, row.closed_at) == (1, None)


def test_a_citizen_who_is_reached_leaves_the_list(session: Session, people: tuple[int, int]) -> None:
    note(session, Ended("a", 0, "abandoned_in_queue"))
    row = only(session)
    missed_work.note_dialled(session, row.id, people[0], "out", at(5))
    note(session, dialled(row, "out", 6, "answered"))
    assert tries(session, row) == [("reached", "out")]
    assert (row.closed_as, row.closed_at, row.attempts) == ("reached", at(6), 1)


def test_a_call_back_out_of_the_queue_counts_as_a_try(session: Session, people: tuple[int, int]) -> None:
    note(session, Ended("a", 0, "callback_requested"))
    row = only(session)
    back = Ended("out", 4, "no_answer", direction="outbound", callback_of="a", agent="agent02")
    note(session, back)
    assert (tries(session, row), row.closed_as) == ([("no_answer", "out")], None)
    note(session, replace(back, uid="out2", minute=8, outcome="answered"))
    assert (tries(session, row)[-1], row.closed_as, row.attempts) == (("reached", "out2"), "reached", 2)


def test_the_agent_knows_better_than_the_line(session: Session, people: tuple[int, int]) -> None:
    """An announcement "answered": the row is open again, and neither the ledger nor the sweep closes it."""
    note(session, Ended("a", 0, "abandoned_in_queue"))
    row = only(session)
    missed_work.take(session, row.id, people[0], at(5))
    missed_work.note_dialled(session, row.id, people[0], None, at(5))
    answered = dialled(row, "out", 6, "answered")
    note(session, answered)
    assert row.closed_as == "reached"
    missed_work.say_result(session, row.id, people[0], Result.SWITCHED_OFF, "关机提示音", at(7))
    assert (row.open_caller, row.taken_by, tries(session, row)) == (CITIZEN, None, [("switched_off", "out")])
    note(session, answered)
    assert missed.settle(session) == 0
    note(session, Ended("b", 3, "overflowed"))
    assert (only(session).times, only(session).closed_at) == (2, None)


def test_what_the_agent_said_first_stands(session: Session, people: tuple[int, int]) -> None:
    note(session, Ended("a", 0, "abandoned_in_queue"))
    row = only(session)
    missed_work.note_dialled(session, row.id, people[0], None, at(5))
    missed_work.say_result(session, row.id, people[0], Result.BUSY, "", at(6))
    note(session, dialled(row, "out", 6, "answered"))
    assert (tries(session, row), row.closed_at) == ([("busy", "out")], None)


@pytest.mark.parametrize(
    ("result", "closed_as"),
    [("reached", "reached"), ("wrong_number", "given_up"), ("refused", "given_up"), ("busy", None)],
)
def test_a_result_closes_the_row_or_gives_it_back(
    session: Session, people: tuple[int, int], result: str, closed_as: str | None
) -> None:
    note(session, Ended("a", 0, "abandoned_in_queue"))
    row = only(session)
    missed_work.take(session, row.id, people[0], at(5))
    missed_work.say_result(session, row.id, people[0], Result(result), "话机自拨", at(6))
    assert (row.closed_as, row.attempts) == (closed_as, 1)
    assert (row.taken_by is None) is (closed_as is None)
    note(session, Ended("late", 4, "abandoned_in_queue"))
    assert (only(session).times, only(session).closed_as) == (2, closed_as)


def test_one_row_is_held_by_one_person(session: Session, people: tuple[int, int]) -> None:
    note(session, Ended("a", 0, "abandoned_in_queue"))
    row, (first, second) = only(session), people
    missed_work.take(session, row.id, first, at(1))
    with pytest.raises(HeldRow) as refused:
        missed_work.number_to_dial(session, row.id, second, at(2))
    assert refused.value.by == first
    with pytest.raises(HeldRow):
        missed_work.release(session, row.id, second, at(2), leader=False)
    with pytest.raises(HeldRow):
        missed_work.say_result(session, row.id, second, Result.BUSY, "", at(2))
    missed_work.release(session, row.id, second, at(2), leader=True)
    missed_work.take(session, row.id, second, at(3))
    missed_work.take(session, row.id, first, at(3) + missed_rules.TAKE_LAPSES)
    assert row.taken_by == first


def test_nobody_is_called_who_has_got_through_meanwhile(session: Session, people: tuple[int, int]) -> None:
    note(session, Ended("a", 0, "abandoned_in_queue"))
    row = only(session)
    session.add(
        Call(uid="b", pbx="pbx2", caller=CITIZEN, arrived_at=at(1), answered_at=at(2), outcome="answered")
    )
    with pytest.raises(ClosedRow):
        missed_work.number_to_dial(session, row.id, people[0], at(3))
    with pytest.raises(UnknownRow):
        missed_work.take(session, row.id + 1, people[0], at(3))


def test_giving_up_needs_the_row_as_it_was_seen(session: Session, people: tuple[int, int]) -> None:
    note(session, Ended("a", 0, "abandoned_in_queue"))
    seen = only(session).version
    note(session, Ended("b", 5, "abandoned_in_queue"))
    row = only(session)
    with pytest.raises(ChangedRow):
        missed_work.give_up(session, row.id, people[0], "空号", seen, at(6))
    missed_work.give_up(session, row.id, people[0], "空号", row.version, at(6))
    assert (row.closed_as, row.closed_by, tries(session, row)) == (
        "given_up",
        people[0],
        [("given_up", None)],
    )
    with pytest.raises(ClosedRow):
        missed_work.take(session, row.id, people[0], at(7))
    note(session, Ended("late", 5.5, "abandoned_in_queue"), Ended("new", 8, "abandoned_in_queue"))
    assert [one.times for one in rows(session)] == [3, 1]


# --- the list ------------------------------------------------------------------------------------------


def test_the_list_shows_the_weightiest_first_and_what_is_known(
    session: Session, people: tuple[int, int]
) -> None:
    note(
        session,
        Ended("a", 0, "short_abandon", caller="8613800000001"),
        Ended("b", 1, "abandoned_in_queue", caller="8613800000002"),
        Ended("c", 2, "abandoned_in_queue", caller="8613800000003"),
        Ended("d", 3, "voicemail_left", caller="8613800000004"),
        Ended("e", 4, "callback_requested", caller="8613800000005"),
    )
    session.add(Recording(call_uid="d", kind="message", state="kept", path="d.flac", seconds=7.5))
    listed = missed_work.page(session, "open", people[0], at(9))
    assert [row.last_call_uid for row in listed.rows] == ["e", "d", "b", "c", "a"]
    message = listed.rows[1].message
    assert message is not None
    assert (message.state, message.seconds) == ("kept", 7.5)
    held = listed.rows[2].id
    missed_work.take(session, held, people[0], at(9))
    missed_work.note_dialled(session, held, people[0], None, at(9))
    (mine,) = missed_work.page(session, "mine", people[0], at(9)).rows
    assert (mine.held_by, mine.held_by_name, mine.attempts) == (people[0], "姓名agent01", 1)
    assert mine.last_attempt is not None
    assert (mine.last_attempt.result, mine.last_attempt.user_name) == ("dialled", "姓名agent01")
    assert missed_work.page(session, "mine", people[1], at(9)).rows == ()
    missed_work.give_up(session, held, people[0], "不再需要", None, at(10))
    (closed,) = missed_work.page(session, "closed", people[1], at(11)).rows
    assert (closed.closed_as, closed.closed_by_name, closed.held_by) == ("given_up", "姓名agent01", None)


def test_pages_are_counted(session: Session, people: tuple[int, int]) -> None:
    note(session, *(Ended(str(n), n, "overflowed", caller=f"861380000{n:04d}") for n in range(25)))
    last = missed_work.page(session, "open", people[0], at(99), number=9)
    assert (last.total, last.page, len(last.rows)) == (25, 2, 5)
