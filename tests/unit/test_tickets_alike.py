"""Same place, same text, same matter: pure comparisons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets import alike
from tickets.alike import Matter, likeness, overlap, place, same_place, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("湖心路12号", "东湖街道 湖心路 12 号附近"),
        ("湖心社区3号楼", "湖心社区 3栋"),
        ("湖心社区３幢", "湖心社区3幢门口"),
        ("云谷社区8幢", "高新区科苑街道云谷社区8幢"),
    ],
)
def test_one_place_written_in_two_ways(one: str, other: str) -> None:
    assert same_place(place(one), place(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("湖心路1号", "湖心路12号"),
        ("西桥路12号", "西桥路112号"),
        ("小区", "湖心小区"),
        ("", ""),
        ("附近", "湖心路附近"),
        ("湖心路", "湖心路12号"),
    ],
)
def test_places_that_are_not_the_same(one: str, other: str) -> None:
    assert not same_place(place(one), place(other))


@given(st.text(max_size=300), st.text(max_size=300))
def test_comparing_never_fails_and_knows_no_order(one: str, other: str) -> None:
    assert same_place(place(one), place(other)) == same_place(place(other), place(one))
    assert place(place(one)) == place(one)
    assert 0 <= overlap(words(one), words(other)) == overlap(words(other), words(one)) <= 1


STORY = "湖心路与柳荫街路口路灯连续三晚不亮，夜间出行不便"
LIKE = "柳荫街路口的路灯连续三个晚上都不亮，夜间出行很不方便"


def matter(**facts: object) -> Matter:
    values: dict[str, object] = {
        "number": "8613800000001",
        "category_id": 1,
        "region_id": 1,
        "place": place("湖心路12号"),
        "words": words(STORY),
    }
    return Matter(**(values | facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ticket", "why"),
    [
        (matter(words=words("完全不同的另外一件事情")), "同一号码、同一分类，尚未办结"),
        (matter(number="2", words=frozenset()), "同一分类、同一地点"),
        (matter(number="2", place="", words=words(STORY)), "同一分类、同一区域，内容相似 100%"),
        (matter(number="2", place="", region_id=2, words=words(STORY)), "同一分类，内容相似 100%"),
        (matter(category_id=2, open=False), "同一号码，内容相似 100%"),
        (matter(number="2", category_id=2), "内容相似 100%"),
    ],
)
def test_the_reason_is_said(ticket: Matter, why: str) -> None:
    found = likeness(matter(), ticket)
    assert found is not None
    assert found.why == why


def test_reasons_rank_from_the_caller_down_to_the_bare_text() -> None:
    others = [
        matter(),
        matter(number="2"),
        matter(category_id=2),
        matter(number="2", place=""),
        matter(number="2", place="", region_id=2),
        matter(number="2", category_id=2),
    ]
    scores = [found.score for one in others if (found := likeness(matter(), one))]
    assert len(scores) == 6
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


def test_the_same_story_in_other_words_is_alike() -> None:
    assert overlap(words(STORY), words(LIKE)) >= alike.ALIKE


@pytest.mark.parametrize(
    "ticket",
    [
        matter(number="2", place="", words=words("咨询异地住院医保报销比例和所需材料")),
        matter(open=False, place="", words=frozenset()),
        matter(number="", category_id=None, region_id=None, place="", words=frozenset()),
    ],
)
def test_nothing_in_common_is_no_double(ticket: Matter) -> None:
    assert likeness(matter(), ticket) is None
