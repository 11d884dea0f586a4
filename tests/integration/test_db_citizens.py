"""Citizens merged and taken apart on both databases, also while tickets are saved and others merge."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Barrier

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.engine import sessions
from db.models import Category, Citizen, CitizenEvent, CitizenPhone, Ticket, User
from tickets import citizens, desk, search
from tickets.life import Actor
from tickets.problems import Invalid, NotAllowed

NOW = datetime(2024, 7, 23, 2, 0, tzinfo=UTC)
OWN, SHARED, SECOND = "8613900000001", "8613900000002", "8613900000003"


@dataclass(frozen=True)
class Pair:
    """Two records of what may be one person: `kept` has OWN and SHARED, `other` SHARED and SECOND."""

    actor: Actor
    category: int
    kept: int
    other: int


@pytest.fixture
def pair(engine: Engine) -> Pair:
    with sessions(engine).begin() as session:
        user = User(login="a", name="甲", work_number="1", role="agent", password_hash="x")
        category = Category(code="c", name="供水")
        kept = Citizen(name="林建国", gender="男", note="听力不好")
        other = Citizen(name="林先生", address="湖心社区 3 幢", note="下午方便", language="青溪话")
        session.add_all([user, category, kept, other])
        session.flush()
        for citizen, number in ((kept, OWN), (kept, SHARED), (other, SHARED), (other, SECOND)):
            session.add(CitizenPhone(citizen_id=citizen.id, number=number))
        made = Pair(Actor(user.id, user.role), category.id, kept.id, other.id)
        for citizen_id, number in ((kept.id, OWN), (other.id, SHARED), (other.id, SECOND)):
            write(session, made, citizen_id, number)
        return made


def write(session: Session, pair: Pair, citizen_id: int, number: str, **facts: str) -> Ticket:
    form = {
        "request_type": "help",
        "category_id": pair.category,
        "title": "停水",
        "what": "昨晚起没有水",
        "citizen": {"id": citizen_id, **facts},
    }
    return desk.create(session, pair.actor, form, None, number, NOW)


def numbers(session: Session, citizen_id: int) -> set[str]:
    return set(session.scalars(select(CitizenPhone.number).where(CitizenPhone.citizen_id == citizen_id)))


def tickets(session: Session, citizen_id: int) -> list[str]:
    found = select(Ticket.contact_number).where(Ticket.citizen_id == citizen_id).order_by(Ticket.id)
    return list(session.scalars(found))


def merge(session: Session, pair: Pair, reason: str = "同一人") -> CitizenEvent:
    return citizens.merge(session, pair.actor, pair.kept, pair.other, reason, NOW)


def undo(session: Session, pair: Pair) -> Citizen:
    return citizens.undo_merge(session, pair.actor, pair.kept, pair.other, "不是同一人", NOW)


def test_everything_moves_to_the_kept_record_and_the_other_is_history(session: Session, pair: Pair) -> None:
    merge(session, pair)
    assert numbers(session, pair.kept) == {OWN, SHARED, SECOND}
    assert numbers(session, pair.other) == set()
    assert tickets(session, pair.kept) == [OWN, SHARED, SECOND]
    kept, other = session.get_one(Citizen, pair.kept), session.get_one(Citizen, pair.other)
    assert (kept.name, kept.gender, kept.address, kept.language) == (
        "林建国",
        "男",
        "湖心社区 3 幢",
        "青溪话",
    )
    assert kept.note == "听力不好\n下午方便"
    assert (other.name, other.merged_into) == ("林先生", pair.kept)
    assert [one.id for one in search.candidates(session, SHARED)] == [pair.kept]
    assert search.candidates(session, SHARED)[0].ticket_count == 3
    assert [one.id for one in search.citizens(session, q="林", number="")[0]] == [pair.kept]
    assert citizens.current(session, pair.other) is kept


def test_a_ticket_that_somebody_works_on_is_not_stale_after_a_merge(session: Session, pair: Pair) -> None:
    ticket = session.scalars(select(Ticket).where(Ticket.citizen_id == pair.other).limit(1)).one()
    seen = ticket.version
    merge(session, pair)
    desk.act(session, ticket, pair.actor, "remark", {"note": "已联系"}, seen)
    assert ticket.citizen_id == pair.kept


def test_a_merge_undone_leaves_both_as_they_were(session: Session, pair: Pair) -> None:
    merge(session, pair)
    undo(session, pair)
    assert (numbers(session, pair.kept), numbers(session, pair.other)) == ({OWN, SHARED}, {SHARED, SECOND})
    assert (tickets(session, pair.kept), tickets(session, pair.other)) == ([OWN], [SHARED, SECOND])
    kept, other = session.get_one(Citizen, pair.kept), session.get_one(Citizen, pair.other)
    assert (kept.address, kept.language, kept.note, other.merged_into) == (None, None, "听力不好", None)
    with pytest.raises(NotAllowed) as caught:
        undo(session, pair)
    assert caught.value.code == "not_merged"
    merge(session, pair)
    assert numbers(session, pair.kept) == {OWN, SHARED, SECOND}


def test_what_came_after_the_merge_stays_where_it_was_written(session: Session, pair: Pair) -> None:
    merge(session, pair)
    write(session, pair, pair.kept, "8613900000009", address="新地址")
    undo(session, pair)
    assert tickets(session, pair.kept) == [OWN, "8613900000009"]
    assert session.get_one(Citizen, pair.kept).address == "新地址"


def test_a_form_with_a_merged_record_is_saved_with_the_kept_one(session: Session, pair: Pair) -> None:
    merge(session, pair)
    ticket = write(session, pair, pair.other, SECOND, name="林先生", address="湖心社区 3 幢")
    assert ticket.citizen_id == pair.kept
    assert session.get_one(Citizen, pair.kept).name == "林建国", "what the page showed corrects nothing"
    assert numbers(session, pair.other) == set()


def test_some_numbers_with_their_tickets_become_a_record(session: Session, pair: Pair) -> None:
    merge(session, pair)
    phone = session.scalars(select(CitizenPhone.id).where(CitizenPhone.number == SECOND)).one()
    made = citizens.split(session, pair.actor, pair.kept, [phone], " 林慧 ", "号码属于女儿", NOW)
    assert (made.name, numbers(session, made.id), tickets(session, made.id)) == ("林慧", {SECOND}, [SECOND])
    assert tickets(session, pair.kept) == [OWN, SHARED]
    undo(session, pair)
    assert numbers(session, made.id) == {SECOND}, "what was split off since does not come back"
    assert tickets(session, pair.other) == [SHARED]


def test_what_cannot_be_is_refused_in_words(session: Session, pair: Pair) -> None:
    phones = session.scalars(select(CitizenPhone.id).where(CitizenPhone.citizen_id == pair.kept)).all()
    for chosen, name in ((phones, "林慧"), ([], "林慧"), ([99_999], "林慧"), (phones[:1], " ")):
        with pytest.raises(Invalid):
            citizens.split(session, pair.actor, pair.kept, chosen, name, "原因说明", NOW)
    for kept, other in ((pair.kept, pair.kept), (pair.kept, 99_999), (99_999, pair.kept)):
        with pytest.raises(Invalid):
            citizens.merge(session, pair.actor, kept, other, "原因说明", NOW)
    merge(session, pair)
    for kept, other in ((pair.kept, pair.other), (pair.other, pair.kept)):
        with pytest.raises(NotAllowed) as caught:
            citizens.merge(session, pair.actor, kept, other, "原因说明", NOW)
        assert caught.value.code == "already_merged"
    with pytest.raises(NotAllowed):
        citizens.split(session, pair.actor, pair.other, phones[:1], "林慧", "原因说明", NOW)


def test_a_chain_of_merges_is_undone_from_its_end(session: Session, pair: Pair) -> None:
    last = Citizen(name="林建国（旧）")
    session.add(last)
    session.flush()
    merge(session, pair)
    citizens.merge(session, pair.actor, last.id, pair.kept, "同一人", NOW)
    assert tickets(session, last.id) == [OWN, SHARED, SECOND]
    assert citizens.current(session, pair.other) is last
    with pytest.raises(NotAllowed):
        undo(session, pair)
    citizens.undo_merge(session, pair.actor, last.id, pair.kept, "不是同一人", NOW)
    undo(session, pair)
    assert (tickets(session, last.id), tickets(session, pair.other)) == ([], [SHARED, SECOND])


def test_history_says_who_did_what_and_why(session: Session, pair: Pair) -> None:
    merge(session, pair, "来电核实为同一人")
    undo(session, pair)
    write(session, pair, pair.kept, OWN, address="云谷社区")
    lines = citizens.history(session, pair.kept)
    assert [(one.action_label, one.summary, one.other_name) for one in lines] == [
        ("更正", "地址", None),
        ("撤销合并", "号码 2 个、工单 2 张", "林先生"),
        ("合并", "号码 2 个、工单 2 张", "林先生"),
    ]
    assert (lines[2].reason, lines[2].actor_name) == ("来电核实为同一人", "甲")
    assert [one.other_name for one in citizens.history(session, pair.other)] == ["林建国", "林建国"]


def test_history_cannot_be_rewritten(session: Session, pair: Pair) -> None:
    event = merge(session, pair)
    event.reason = "另一个原因"
    with pytest.raises(DBAPIError):
        session.flush()


def test_of_merges_tried_at_once_in_both_directions_one_wins(engine: Engine, pair: Pair) -> None:
    start = Barrier(6)

    def attempt(n: int) -> str:
        kept, other = (pair.kept, pair.other) if n % 2 else (pair.other, pair.kept)
        start.wait()
        try:
            with sessions(engine).begin() as session:
                citizens.merge(session, pair.actor, kept, other, "同一人", NOW)
            return "merged"
        except NotAllowed as refused:
            return refused.code

    with ThreadPoolExecutor(6) as pool:
        told = sorted(pool.map(attempt, range(6)))
    assert told == ["already_merged"] * 5 + ["merged"]
    with sessions(engine)() as session:
        assert session.scalar(select(func.count()).select_from(CitizenEvent)) == 1
        merged = select(func.count()).where(Citizen.merged_into.is_not(None))
        assert session.scalar(merged) == 1


def test_no_ticket_saved_during_a_merge_stays_at_the_merged_record(engine: Engine, pair: Pair) -> None:
    start = Barrier(9)

    def save(n: int) -> None:
        start.wait()
        with sessions(engine).begin() as session:
            write(session, pair, pair.other, f"86139100000{n:02d}")

    def join() -> None:
        start.wait()
        with sessions(engine).begin() as session:
            merge(session, pair)

    with ThreadPoolExecutor(9) as pool:
        done = [pool.submit(save, n) for n in range(8)] + [pool.submit(join)]
        for one in done:
            one.result()
    with sessions(engine)() as session:
        assert tickets(session, pair.other) == []
        assert len(tickets(session, pair.kept)) == 11
        assert numbers(session, pair.other) == set()
