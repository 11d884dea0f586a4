"""Writing tickets in a real database: one transaction, no number twice, no lost update."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from db.engine import sessions
from db.models import Category, Citizen, CitizenPhone, Ticket, TicketCounter, Unit, User
from tickets import desk
from tickets.life import Actor
from tickets.problems import Invalid, NotAllowed, NumbersUsedUp, Stale
from tickets.states import State
from tickets.ticket_number import LAST_OF_DAY, is_valid, next_number

NOW = datetime(2024, 7, 23, 2, 0, tzinfo=UTC)
NUMBER = "8619900000077"


@dataclass(frozen=True)
class City:
    agent: Actor
    other: Actor
    dispatcher: Actor
    unit: int
    form: dict[str, Any]


@pytest.fixture
def engine(demo_engine: Engine) -> Engine:
    return demo_engine


@pytest.fixture
def session(demo_session: Session) -> Session:
    return demo_session


@pytest.fixture
def city(engine: Engine) -> City:
    with sessions(engine)() as session:

        def actor(login: str) -> Actor:
            user = session.scalars(select(User).where(User.login == login)).one()
            return Actor(user.id, user.role)

        leaf = session.scalars(select(Category.id).where(Category.name == "路灯不亮")).one()
        unit = session.scalars(select(Unit.id).where(Unit.code == "cgj")).one()
        form = {"request_type": "help", "category_id": leaf, "title": "路灯不亮", "what": "三天没亮"}
        return City(actor("agent01"), actor("agent02"), actor("dispatcher01"), unit, form)


def written(session: Session) -> int:
    """Tickets that these tests wrote."""
    return session.scalar(select(func.count()).where(Ticket.number.startswith("240723"))) or 0


def make(session: Session, city: City, key: str | None = None, **changed: Any) -> Ticket:
    return desk.create(session, city.agent, city.form | changed, "pbx1-1.2", NUMBER, NOW, form_key=key)


def actions(session: Session, ticket: Ticket) -> list[str]:
    return [line.action for line in desk.timeline(session, ticket)]


def test_a_ticket_and_its_timeline(session: Session, city: City) -> None:
    ticket = make(session, city)
    assert is_valid(ticket.number)
    assert ticket.number.startswith("240723")
    assert (ticket.state, ticket.contact_number, ticket.call_uid) == ("pre_review", NUMBER, "pbx1-1.2")
    assert actions(session, ticket) == ["create", "accept"]
    assert desk.by_number(session, ticket.number) is ticket


def test_the_number_carries_the_day_of_the_city(session: Session, city: City) -> None:
    late = datetime(2024, 7, 23, 16, 30, tzinfo=UTC)
    assert desk.create(session, city.agent, city.form, None, "", late).number.startswith("240724")


def test_a_direct_answer_ends_it(session: Session, city: City) -> None:
    ticket = make(session, city, disposition="direct", answer="已告知维修时间。")
    assert (ticket.state, ticket.answer, ticket.disposition) == (
        "direct_answered",
        "已告知维修时间。",
        "direct",
    )
    assert ticket.closed_at == NOW


def test_the_whole_way_of_a_dispatched_ticket(session: Session, city: City) -> None:
    ticket = make(session, city, disposition="dispatch", unit_id=city.unit)
    assert (ticket.state, ticket.unit_id) == ("to_sign", city.unit)
    way = [("sign", {}), ("reply", {"answer": "已修好"}), ("approve_reply", {}), ("close", {"note": "满意"})]
    for action, inputs in way:
        desk.act(session, ticket, city.dispatcher, action, inputs, ticket.version)
    assert ticket.state == State.CLOSED
    expected = ["create", "accept", "dispatch", "sign", "reply", "approve_reply", "close"]
    assert actions(session, ticket) == expected


def test_wrong_ids_are_told_at_their_fields(session: Session, city: City) -> None:
    wrong = {"category_id": 1, "region_id": 9999, "unit_id": 9999, "citizen": {"id": 9999}}
    with pytest.raises(Invalid) as caught:
        make(session, city, **wrong)
    assert set(caught.value.fields) == {"category_id", "region_id", "unit_id", "citizen.id"}
    assert written(session) == 0


def test_dispatch_to_a_unit_that_is_not_there(session: Session, city: City) -> None:
    with pytest.raises(Invalid) as caught:
        desk.act(session, make(session, city), city.agent, "dispatch", {"unit_id": 9999})
    assert set(caught.value.fields) == {"unit_id"}


def test_what_the_table_forbids_is_refused_and_leaves_no_trace(session: Session, city: City) -> None:
    ticket = make(session, city)
    with pytest.raises(NotAllowed) as caught:
        desk.act(session, ticket, city.agent, "close", {})
    assert caught.value.code == "not_allowed_in_state"
    assert actions(session, ticket) == ["create", "accept"]


def test_a_new_citizen_gets_the_number(session: Session, city: City) -> None:
    ticket = make(session, city, citizen={"id": None, "name": "王芳", "gender": "女"})
    citizen = session.get(Citizen, ticket.citizen_id)
    assert citizen is not None
    assert [phone.number for phone in citizen.phones] == [NUMBER]


def test_a_known_citizen_gets_a_second_number_once(session: Session, city: City) -> None:
    for _ in range(2):
        make(session, city, citizen={"id": 1, "address": "新地址"})
    phones = select(func.count()).where(CitizenPhone.citizen_id == 1, CitizenPhone.number == NUMBER)
    assert session.scalar(phones) == 1
    citizen = session.get(Citizen, 1)
    assert citizen is not None
    assert (citizen.name, citizen.address) == ("林建国", "新地址")


def test_the_same_form_twice_is_one_ticket(session: Session, city: City) -> None:
    assert make(session, city, "key-1") is make(session, city, "key-1")
    assert session.scalar(select(TicketCounter.last).where(TicketCounter.day == date(2024, 7, 23))) == 1
    with pytest.raises(NotAllowed):
        desk.create(session, city.other, city.form, None, "", NOW, form_key="key-1")


def test_the_same_form_sent_at_once_by_many_is_one_ticket(engine: Engine, city: City) -> None:
    def send(_: int) -> str:
        with sessions(engine).begin() as session:
            return make(session, city, "key-1").number

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(send, range(12)))) == 1
    with sessions(engine)() as session:
        assert written(session) == 1


def test_many_writers_never_share_a_number(engine: Engine, city: City) -> None:
    def write(_: int) -> str:
        with sessions(engine).begin() as session:
            return make(session, city).number

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(write, range(40)))
    assert len(set(numbers)) == 40
    assert sorted(int(number[6:11]) for number in numbers) == list(range(1, 41))


def test_a_day_is_full_after_99_999(session: Session) -> None:
    session.add(TicketCounter(day=date(2024, 7, 23), last=LAST_OF_DAY))
    session.flush()
    with pytest.raises(NumbersUsedUp):
        next_number(session, date(2024, 7, 23))


def test_an_old_version_is_stale(session: Session, city: City) -> None:
    ticket = make(session, city)
    seen = ticket.version
    desk.act(session, ticket, city.agent, "remark", {"note": "补充地址"}, seen)
    with pytest.raises(Stale):
        desk.act(session, ticket, city.dispatcher, "remark", {"note": "迟到的备注"}, seen)


def test_of_two_who_act_at_once_the_second_is_stale(engine: Engine, city: City) -> None:
    with sessions(engine).begin() as session:
        number = make(session, city).number
    open_session = sessions(engine)
    with open_session() as first, open_session() as second:
        mine, theirs = desk.by_number(first, number), desk.by_number(second, number)
        assert mine is not None
        assert theirs is not None
        seen = mine.version
        desk.act(first, mine, city.agent, "dispatch", {"unit_id": city.unit}, seen)
        first.commit()
        with pytest.raises(Stale):
            desk.act(second, theirs, city.dispatcher, "not_accept", {"note": "不属职责"}, seen)
        second.rollback()
    with open_session() as session:
        ticket = desk.by_number(session, number)
        assert ticket is not None
        assert ticket.state == "to_sign"
        assert actions(session, ticket) == ["create", "accept", "dispatch"]
