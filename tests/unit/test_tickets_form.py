"""The ticket form: each wrong field gets its own sentence, and no input breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.form import ELEMENTS, CitizenForm, TicketForm, elements, read
from tickets.problems import Invalid

GOOD: dict[str, Any] = {"request_type": "help", "category_id": 3, "title": "路灯不亮", "what": "三天没亮"}


def faults(**changed: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        read(GOOD | changed)
    return caught.value.fields


def test_the_least_form() -> None:
    form = read(GOOD)
    assert (form.urgency, form.confidential, form.disposition, form.citizen) == ("normal", False, None, None)


def test_an_empty_form_names_every_missing_field() -> None:
    with pytest.raises(Invalid) as caught:
        read({})
    assert set(caught.value.fields) == {"request_type", "category_id", "title", "what"}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"title": "长" * 129}, "title"),
        ({"title": 5}, "title"),
        ({"title": "\x00 "}, "title"),
        ({"category_id": "3"}, "category_id"),
        ({"category_id": 2**40}, "category_id"),
        ({"region_id": -1}, "region_id"),
        ({"urgency": "now"}, "urgency"),
        ({"urgency": ["normal"]}, "urgency"),
        ({"confidential": "yes"}, "confidential"),
        ({"disposition": "burn"}, "disposition"),
        ({"disposition": ["direct"]}, "disposition"),
        ({"disposition": "direct"}, "answer"),
        ({"disposition": "dispatch"}, "unit_id"),
        ({"citizen": "王"}, "citizen"),
        ({"citizen": {"name": "长" * 65}}, "citizen.name"),
        ({"citizen": {"id": "x", "name": "王"}}, "citizen.id"),
    ],
)
def test_each_fault_is_told_at_its_field(changed: dict[str, Any], field: str) -> None:
    assert set(faults(**changed)) == {field}


def test_a_citizen_without_name_or_id_is_nobody() -> None:
    assert read(GOOD | {"citizen": {"id": None, "name": ""}}).citizen is None


def test_a_named_citizen() -> None:
    citizen = read(GOOD | {"citizen": {"id": None, "name": " 王芳 ", "gender": "女"}}).citizen
    assert citizen == CitizenForm(None, "王芳", "女", "", "", "")


def lacking(**body: Any) -> set[str]:
    whole = {
        "who": "王女士",
        "when": "昨晚",
        "where": "湖心路 3 号",
        "what": "小区从昨晚起停水",
        "asked_for": "尽快恢复",
    }
    return {name for name, good in elements(whole | body).items() if not good}


def test_five_elements_are_judged_by_length_and_by_signs_of_time_and_place() -> None:
    assert lacking() == set()
    assert lacking(who=" ", when="", where=None, what="噪音", asked_for=7) == set(ELEMENTS)
    assert lacking(when="不清楚", where="那里的附近") == {"when", "where"}


def test_a_question_needs_no_time_and_no_place() -> None:
    assert lacking(request_type="consultation", when="", where="") == set()
    assert lacking(request_type="suggestion", when="", where="") == {"where"}
    assert lacking(request_type="consultation", where="那里的附近") == {"where"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*TicketForm.__dataclass_fields__, "citizen", "other"])


@given(st.dictionaries(NAMES, JSON))
def test_any_json_gives_a_form_or_sentences(body: dict[str, Any]) -> None:
    assert judged(body)
    assert set(elements(body)) == set(ELEMENTS)


def judged(body: dict[str, Any]) -> TicketForm | dict[str, str]:
    try:
        return read(GOOD | body)
    except Invalid as problem:
        return problem.fields
