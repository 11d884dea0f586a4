"""Lists and look-ups over the demo city, with their SQL counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from db.models import CitizenPhone, Ticket, User
from tickets import catalogue, search
from tickets.states import FINISHED


@pytest.fixture
def town(demo_session: Session) -> Session:
    return demo_session


@contextmanager
def counted(session: Session) -> Iterator[list[str]]:
    """The SQL statements that the session sends meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    yield sent
    event.remove(session.get_bind(), "before_cursor_execute", note)


def test_pages_are_newest_first_and_together_all(town: Session) -> None:
    with counted(town) as sent:
        first = search.page(town)
    assert len(sent) == 2
    second = search.page(town, page=2)
    rows = first.rows + second.rows
    assert (first.total, len(first.rows), len({row.id for row in rows})) == (40, 20, 40)
    assert [row.created_at for row in rows] == sorted((row.created_at for row in rows), reverse=True)
    assert first.rows[0].as_json()["created_at"] == int(first.rows[0].created_at.timestamp() * 1000)


def test_a_page_beyond_the_end_is_the_last_one(town: Session) -> None:
    assert search.page(town, page=99).page == 2
    assert search.page(town, page=-1).page == 1
    assert search.page(town, q="没有这样的工单", page=5).rows == []


@pytest.mark.parametrize("field", ["number", "title", "what", "contact_number"])
def test_a_part_of_a_field_finds_the_ticket(town: Session, field: str) -> None:
    ticket = town.scalars(select(Ticket).where(Ticket.contact_number != "").limit(1)).one()
    part = getattr(ticket, field)[2:-1]
    assert ticket.id in {row.id for row in search.page(town, q=part, page_size=100).rows}


@pytest.mark.parametrize("q", ["%", "_", "\\", "'; DROP TABLE tickets; --", "\x00%"])
def test_signs_of_the_pattern_language_are_plain_letters(town: Session, q: str) -> None:
    assert search.page(town, q=q).total == 0


def test_filters(town: Session) -> None:
    open_ = search.page(town, state="open", page_size=100)
    finished = search.page(town, state="finished", page_size=100)
    assert open_.total + finished.total == 40
    assert all(row.open for row in open_.rows)
    assert {row.state for row in finished.rows} <= FINISHED
    assert {row.state for row in search.page(town, state="to_sign").rows} == {"to_sign"}
    agent = town.scalars(select(User).where(User.login == "agent03")).one()
    mine = search.page(town, created_by=agent.id).rows
    assert {row.created_by_name for row in mine} <= {agent.name}


def test_tickets_of_a_number_stand_open_ones_first(town: Session) -> None:
    number = town.scalars(
        select(Ticket.contact_number)
        .where(Ticket.contact_number.in_(select(CitizenPhone.number)))
        .group_by(Ticket.contact_number)
        .limit(1)
    ).one()
    with counted(town) as sent:
        rows = search.for_number(town, number)
    assert len(sent) == 1
    assert rows
    assert [row.open for row in rows] == sorted((row.open for row in rows), reverse=True)
    assert search.for_number(town, "") == []


def test_a_citizen_who_calls_from_another_number_has_the_same_tickets(town: Session) -> None:
    ticket = town.scalars(select(Ticket).where(Ticket.citizen_id.is_not(None)).limit(1)).one()
    assert ticket.number not in [row.number for row in search.for_number(town, "8619900009999")]
    rows = search.for_number(town, "8619900009999", [ticket.citizen_id or 0])
    assert ticket.number in [row.number for row in rows]


def test_all_holders_of_a_shared_number_are_candidates_in_two_statements(town: Session) -> None:
    with counted(town) as sent:
        found = search.candidates(town, "8657188000001")
    assert len(sent) == 2
    assert {one.name for one in found} == {"林建国", "林慧"}
    for one in found:
        mine = town.scalars(select(Ticket).where(Ticket.citizen_id == one.id)).all()
        assert one.ticket_count == len(mine)
        assert one.open_tickets == sum(ticket.state not in FINISHED for ticket in mine)
        assert "8657188000001" in [number for _, number in one.numbers]
    assert search.candidates(town, "") == search.candidates(town, "8619911111111") == []


def test_tickets_of_calls(town: Session) -> None:
    ticket = town.scalars(select(Ticket).where(Ticket.call_uid.is_not(None)).limit(1)).one()
    assert search.for_calls(town, [str(ticket.call_uid), "pbx1-9.9"]) == {ticket.call_uid: [ticket.number]}
    assert search.for_calls(town, []) == {}


def test_one_row(town: Session) -> None:
    ticket = town.scalars(select(Ticket).limit(1)).one()
    row = search.row(town, ticket.id)
    assert row is not None
    assert row.number == ticket.number
    assert search.row(town, 99_999) is None


def test_catalogue_trees(town: Session) -> None:
    with counted(town) as sent:
        trees = catalogue.categories(town), catalogue.regions(town), catalogue.units(town)
    assert len(sent) == 3
    top = [set(tree[0]) for tree in trees]
    assert top[0] == {"id", "code", "name", "initials", "unit_id", "children"}
    assert top[1] == {"id", "name", "children"}
    assert top[2] == {"id", "name", "level", "children"}
    assert trees[1][0]["children"][0]["children"][0]["name"] == "湖心社区"


@pytest.mark.parametrize("typed", ["路灯", "ldbl", "szss ld", "市政 路灯", "LDBL", "城市管理 ldbl"])
def test_a_category_is_found_by_words_and_initials(town: Session, typed: str) -> None:
    found = catalogue.find(catalogue.categories(town), typed)
    assert ("城市管理", "市政设施", "路灯不亮") in [leaf.path for leaf in found]
    assert catalogue.find(catalogue.categories(town), typed + " xxxx") == []
