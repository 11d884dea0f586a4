"""Knowledge, scripts, and tickets of the same matter, over the demo city on both databases."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Category, KnowledgeEntry, Region, Script, Ticket, now
from tickets import knowledge, same_matter
from tickets.states import RequestType

TODAY = date(2026, 11, 21)


@pytest.fixture
def town(demo_session: Session) -> Session:
    return demo_session


def category(town: Session, name: str) -> int:
    return town.scalars(select(Category.id).where(Category.name == name).order_by(Category.id)).first() or 0


def titles(town: Session, name: str | None, q: str = "") -> list[str]:
    chosen = category(town, name) if name else None
    return [one.title for one in knowledge.find(town, chosen, q, TODAY)]


def test_a_category_brings_its_own_then_what_is_above_then_the_general(town: Session) -> None:
    found = knowledge.find(town, category(town, "室温不达标"), "", TODAY)
    assert found[0].title == "供热温度标准与测温"
    assert {one.category for one in found[1:]} == {None}
    assert len(found) == 4
    assert titles(town, "停水查询")[0] == "停水信息与抢修时限", "the entry of the category above"
    assert knowledge.find(town, None, "", TODAY) == []
    assert knowledge.find(town, 99_999, "", TODAY) == []


FOUND_BY = (
    ("异地住院报销", "异地就医备案与报销比例"),
    ("住院 医保", "异地就医备案与报销比例"),
    ("ydjy", "异地就医备案与报销比例"),
    ("YDJY", "异地就医备案与报销比例"),
    ("wxzj", "住宅专项维修资金怎么使用"),
    ("96333", "电梯困人与频繁故障"),
    ("app", "供热报停与恢复"),
    ("暖气不热", "供热温度标准与测温"),
    ("煤气", "燃气泄漏的应答要点"),
)
ODD = ("%", "_", "'; --", "\x00", "，。", "[", "zzzz", "没有这样的词语组合xyz")


def test_words_letters_and_figures_find_an_entry(town: Session) -> None:
    assert {typed: titles(town, None, typed)[:1] for typed, _ in FOUND_BY} == {
        typed: [title] for typed, title in FOUND_BY
    }
    assert {typed: titles(town, None, typed) for typed in ODD} == {typed: [] for typed in ODD}


def test_of_equal_entries_the_one_of_the_category_comes_first(town: Session) -> None:
    leaf = category(town, "路灯不亮")
    general = KnowledgeEntry(title="报修电话一览", body="报修", keywords="", source="")
    special = KnowledgeEntry(title="报修电话一览", body="报修", keywords="", source="", category_id=leaf)
    town.add_all([general, special])
    town.flush()
    found = [one.id for one in knowledge.find(town, leaf, "报修电话一览", TODAY)]
    assert found.index(special.id) < found.index(general.id)


def test_what_is_out_of_date_is_not_shown(town: Session) -> None:
    entry = town.scalars(select(KnowledgeEntry).where(KnowledgeEntry.title == "供热温度标准与测温")).one()
    entry.valid_until = TODAY
    town.flush()
    assert titles(town, None, "供热测温")[0] == entry.title
    entry.valid_until = TODAY - timedelta(days=1)
    town.flush()
    assert entry.title not in titles(town, None, "供热测温") + titles(town, "室温不达标")


def test_scripts_come_most_specific_first(town: Session) -> None:
    def codes(request_type: str | None, name: str | None) -> list[str]:
        chosen = category(town, name) if name else None
        return [one.code for one in knowledge.scripts(town, request_type, chosen)]

    assert codes("complaint", "室温不达标") == ["demo-heating", "demo-complaint", "demo-any"]
    assert codes("complaint", "噪声扰民") == ["demo-noise", "demo-complaint", "demo-any"]
    assert codes("help", "噪声扰民") == ["demo-any"]
    assert codes(None, None) == ["demo-any"]


def test_the_demo_shelf_is_whole(town: Session) -> None:
    entries = town.scalars(select(KnowledgeEntry)).all()
    assert len(entries) >= 25
    assert all(one.source.startswith("演示") and one.body for one in entries)
    fields = {*("who", "when", "where", "what", "asked_for", "answer", "confidential", "urgency", None)}
    scripts = town.scalars(select(Script)).all()
    assert len(scripts) >= 8
    for script in scripts:
        assert script.request_type in {None, *RequestType}
        assert {step["field"] for step in script.steps} <= fields
        assert all(step["say"] or step["ask"] for step in script.steps)


def a_ticket(town: Session) -> Ticket:
    """One of the demo city, moved to yesterday at a place of its own."""
    ticket = town.scalars(
        select(Ticket)
        .where(Ticket.contact_number != "", Ticket.state == "in_progress", Ticket.region_id.is_not(None))
        .limit(1)
    ).one()
    ticket.where, ticket.created_at = "东湖街道湖心路 12 号附近", now() - timedelta(days=1)
    town.flush()
    return ticket


def near(town: Session, ticket: Ticket, days: int = 30, own: str = "", **asked: object) -> list[str]:
    question = {"category_id": ticket.category_id, "region_id": None, "where": ""} | asked
    found = same_matter.nearby(town, own_number=own, now=now(), days=days, **question)  # type: ignore[arg-type]
    return [one.distance for one in found if one.row.id == ticket.id]


def test_nearby_is_the_same_category_at_the_place_or_in_the_region(town: Session) -> None:
    ticket = a_ticket(town)
    region = town.get_one(Region, ticket.region_id)
    far = town.scalars(
        select(Region.id).where(Region.level == 3, Region.parent_id != region.parent_id).limit(1)
    ).one()
    assert near(town, ticket, where="湖心路12号") == ["same_category_and_place"]
    assert near(town, ticket, region_id=ticket.region_id) == ["same_category_and_region"]
    assert near(town, ticket, region_id=region.parent_id) == ["same_category_within_region"]
    assert near(town, ticket, region_id=far, where="古城街 8 号") == []
    assert near(town, ticket) == []
    other = category(town, "燃气报装")
    assert near(town, ticket, category_id=other, where="湖心路12号") == []
    assert near(town, ticket, own=ticket.contact_number, where="湖心路12号") == []
    ticket.created_at = now() - timedelta(days=31)
    town.flush()
    assert near(town, ticket, where="湖心路12号") == []


def test_doubles_are_found_with_their_reason_and_best_first(town: Session) -> None:
    ticket = a_ticket(town)
    form = {"category_id": ticket.category_id, "title": ticket.title, "what": ticket.what}
    found = same_matter.duplicates(town, form, ticket.contact_number, now(), 30)
    assert (found[0].row.id, found[0].why) == (ticket.id, "同一号码、同一分类，尚未办结")
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    of_others = same_matter.duplicates(town, form | {"where": "湖心路12号"}, "", now(), 30)
    assert (of_others[0].row.id, of_others[0].why) == (ticket.id, "同一分类、同一地点")
    assert same_matter.duplicates(town, {}, "", now(), 30) == []


STRANGE: tuple[dict[str, object], ...] = (
    {"category_id": "1", "title": 7, "what": None, "where": [], "region_id": True},
    {"category_id": 2**40, "title": "x" * 10_000, "what": "\x00"},
    {"category_id": -1},
)


def test_a_form_half_filled_or_strange_breaks_nothing(town: Session) -> None:
    for form in STRANGE:
        assert same_matter.duplicates(town, form, "", now(), 30) == []
