"""The morning sheet: what is worth hearing and why, what is chosen of it, points, and changes to the week."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from docx import Document
from hypothesis import given
from hypothesis import strategies as st

from reports.agent_day import AgentDay, Presence, Talked, figures
from reports.interval import Figures, Tally
from reports.interval import figures as of_tally
from reports.morning import Heard, chosen, compared, points, worth_hearing
from reports.morning_document import SheetText, document
from reports.roster import Adherence

AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def heard(uid: str, agent: str = "a", **facts: Any) -> Heard:
    return Heard(uid, agent, AT, **{"talk_seconds": 120.0, **facts})


PLAIN = [heard(f"p{n}", talk_seconds=100.0 + n) for n in range(9)]


@pytest.mark.parametrize(
    ("call", "code", "reason"),
    [
        (heard("x", rating=3, rating_reason=1), "not_satisfied", "市民评价不满意：服务态度不好"),
        (heard("x", rating=3), "not_satisfied", "市民评价不满意，没有说明原因"),
        (
            heard("x", talk_seconds=1500.0),
            "long_talk",
            "通话 25 分 0 秒，是本组中位数（1 分 44 秒）的 14.4 倍",
        ),
        (heard("x", holds=2, hold_seconds=90.0), "much_handling", "处理曲折：保持 2 次共 1 分 30 秒"),
        (heard("x", brought_in=2), "much_handling", "处理曲折：咨询或转接 2 次"),
        (heard("x", returned=1), "returned", "通话中坐席电话中断，市民被接回等候"),
        (
            heard("x", rating=1, talk_seconds=60.0),
            "praised",
            "正面示例：市民满意，通话 1 分 0 秒，没有保持和转接",
        ),
    ],
)
def test_each_recording_has_its_reason(call: Heard, code: str, reason: str) -> None:
    found = worth_hearing([*PLAIN, call])
    assert [(pick.uid, pick.code, pick.reason) for pick in found] == [("x", code, reason)]


@pytest.mark.parametrize(
    "call",
    [
        heard("x", rating=2),
        heard("x", talk_seconds=290.0),
        heard("x", rating=1, talk_seconds=20.0),
        heard("x", rating=1, talk_seconds=60.0, holds=1),
        heard("x", rating=1, talk_seconds=600.0 / 2),
        heard("x", holds=1, hold_seconds=60.0, brought_in=0),
    ],
)
def test_what_is_ordinary_is_not_shown(call: Heard) -> None:
    assert worth_hearing([*PLAIN, call]) == []


def test_attitude_is_graver_than_a_matter_that_was_not_solved() -> None:
    found = worth_hearing([heard("n", rating=3, rating_reason=2), heard("m", rating=3, rating_reason=1)])
    assert [pick.uid for pick in found] == ["m", "n"]


def test_three_are_chosen_one_of_each_reason_and_an_example_to_follow() -> None:
    calls = [
        heard("bad1", "a", rating=3, rating_reason=1),
        heard("bad2", "b", rating=3, rating_reason=2),
        heard("gone", "b", returned=1),
        heard("long", "c", talk_seconds=2000.0),
        heard("good1", "a", rating=1, talk_seconds=70.0),
        heard("good2", "d", rating=1, talk_seconds=80.0),
        *PLAIN,
    ]
    assert [pick.uid for pick in chosen(worth_hearing(calls))] == ["bad1", "gone", "good2"]
    assert [pick.uid for pick in chosen(worth_hearing(calls[:3]))] == ["bad1", "gone", "bad2"]
    assert [pick.uid for pick in chosen(worth_hearing([calls[4], *PLAIN]))] == ["good1"]
    assert chosen(worth_hearing([])) == []


@given(
    st.lists(
        st.builds(
            Heard,
            uid=st.integers(0, 30).map(str),
            agent=st.sampled_from("abc"),
            answered_at=st.just(AT),
            talk_seconds=st.floats(0, 4000),
            holds=st.integers(0, 4),
            hold_seconds=st.floats(0, 400),
            brought_in=st.integers(0, 3),
            returned=st.integers(0, 2),
            rating=st.sampled_from([None, 1, 2, 3]),
            rating_reason=st.sampled_from([None, 1, 2, 3, 4]),
        ),
        unique_by=lambda call: call.uid,
        max_size=15,
    )
)
def test_of_any_calls_three_different_ones_at_the_most_are_chosen(calls: list[Heard]) -> None:
    picks = worth_hearing(calls)
    taken = chosen(picks)
    assert len({pick.uid for pick in taken}) == len(taken) == min(3, len({pick.uid for pick in picks}))
    assert all(pick.reason for pick in taken)
    assert taken == chosen(worth_hearing(reversed(calls))), "the order of the ledger does not matter"


# --- points --------------------------------------------------------------------------------------------


def day(calls: int, after_call: float) -> AgentDay:
    """A day of so many calls with so much after-call work each."""
    begins = AT
    work = [
        (begins.replace(minute=n), begins.replace(minute=n, second=int(after_call))) for n in range(calls)
    ]
    talked = [Talked(spans=(), began=begins.replace(minute=n)) for n in range(calls)]
    return figures([Presence((), tuple(work))], talked, (AT.replace(hour=0), AT.replace(hour=23)))


def hour(**counts: int) -> Figures:
    return of_tally(Tally(**counts))


def test_points_are_proposed_with_their_ground() -> None:
    agents = {"a": day(10, 30), "b": day(10, 20), "c": day(10, 59), "few": day(2, 59)}
    names = {"a": "甲", "b": "乙", "c": "丙", "few": "丁"}
    kept = {
        "a": Adherence(shifts=1, late=1, late_seconds=720, rostered_seconds=100, present_seconds=95),
        "b": Adherence(shifts=1, absent=1, rostered_seconds=100),
        "c": Adherence(shifts=1, rostered_seconds=100, present_seconds=80),
    }
    hours = {
        9: hour(answered=20, in_norm=19),
        10: hour(answered=20, in_norm=14),
        3: hour(answered=3, in_norm=0),
        11: hour(answered=30, in_norm=28, short_abandons=9),
    }
    found = {point.code: point.text for point in points(agents, names, kept, hours)}
    assert found["after_call"].startswith("丙平均话后 59 秒，高出本组均值（38 秒）56%")
    assert "10–11 时 70%、11–12 时 72%" in found["slow_hours"]
    assert "3–4 时" not in found["slow_hours"], "too few to speak of"
    assert found["short_abandons"].startswith("速挂较多的时段：11–12 时 9 个")
    assert found["late"] == "签入迟到 1 人次：甲（12 分钟）。"
    assert found["absent"] == "排班未到：乙。"
    assert found["adherence"].startswith("排班遵守率低于 90%：丙 80%")
    assert "not_satisfied" not in found
    assert "丁" not in "".join(found.values())


def test_only_the_worst_hours_are_named() -> None:
    hours = {n: hour(answered=20, in_norm=n) for n in range(6)}
    text = points({}, {}, {}, hours)[0].text
    assert "有 6 个，最低的是0–1 时 0%、1–2 时 5%、2–3 时 10%" in text


def test_an_ordinary_day_proposes_nothing() -> None:
    assert points({"a": day(10, 30), "b": day(10, 31)}, {}, {}, {9: hour(answered=20, in_norm=20)}) == []
    assert points({}, {}, {}, {}) == []


# --- against the week ----------------------------------------------------------------------------------


def test_counts_are_compared_by_day_and_rates_as_sums() -> None:
    before = [
        figures([_signed_in()], _calls(10, 100), _WINDOW, 1, 2),
        figures([_signed_in()], _calls(4, 50), _WINDOW, 2, 2),
        AgentDay(),
    ]
    found = compared(figures([_signed_in()], _calls(8, 80), _WINDOW, 2, 4), before)
    assert (found["answered"].value, found["answered"].before, found["answered"].change) == (8, 7, 1)
    assert found["average_talk_seconds"].before == pytest.approx((10 * 100 + 4 * 50) / 14)
    assert (found["direct_rate"].value, found["direct_rate"].before) == (0.5, 0.75)
    assert found["satisfaction"].change is None
    assert compared(AgentDay(), [])["answered"].before is None


_WINDOW = (AT.replace(hour=0), AT.replace(hour=23))


def _signed_in() -> Presence:
    return Presence(((AT, AT.replace(hour=5)),), ())


def _calls(many: int, seconds: int) -> list[Talked]:
    minutes, rest = divmod(seconds, 60)
    return [
        Talked(
            spans=((AT.replace(minute=2 * n), AT.replace(minute=2 * n + minutes, second=rest)),),
            began=AT.replace(minute=2 * n),
        )
        for n in range(many)
    ]


def test_the_document_holds_what_the_sheet_says() -> None:
    sheet = SheetText(
        "一组晨会 2026-11-20",
        "与前七日相比",
        ("姓名", "接听"),
        (("本组", "210\n+25.1"), ("甲", "36\n−1.8")),
        (("甲", "16:33　138****5678　1 分 42 秒", "市民评价不满意：服务态度不好"),),
        "第一点\n第二点",
        "说明",
    )
    paper = Document(io.BytesIO(document(sheet)))
    texts = [paragraph.text for paragraph in paper.paragraphs]
    assert texts[0] == sheet.title
    assert "第二点" in texts
    cells = [cell.text for table in paper.tables for row in table.rows for cell in row.cells]
    assert "210\n+25.1" in cells
    assert "市民评价不满意：服务态度不好" in cells
