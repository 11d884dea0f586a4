"""The rules of the missed-call worklist: what adds up to a row, in whatever order it becomes known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr import missed_rules as rules
from ivr.missed_rules import CLOSES, SAID_BY_PEOPLE, Kind, MissedOne, Result

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def one(
    uid: str, minute: int, kind: str = "abandoned_in_queue", queue: str | None = "consultation"
) -> MissedOne:
    return MissedOne(uid, at(minute), kind, queue)


minutes = st.integers(0, 30)
calls = st.lists(
    st.tuples(minutes, st.sampled_from([kind.value for kind in Kind]), st.sampled_from([None, "a", "b"])),
    min_size=1,
    max_size=12,
).map(lambda drawn: [MissedOne(str(n), at(m), kind, queue) for n, (m, kind, queue) in enumerate(drawn)])


@given(calls, st.randoms())
def test_a_row_is_the_same_in_whatever_order_its_calls_come(found: list[MissedOne], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(found, len(found))
    assert rules.gather(shuffled) == rules.gather(sorted(found, key=lambda call: call.at))


@given(calls, st.lists(minutes, max_size=4))
def test_every_call_is_in_exactly_one_row_and_what_is_open_came_last(
    found: list[MissedOne], spoken: list[int]
) -> None:
    rows = rules.rows(found, [at(minute) for minute in spoken])
    assert sum(row.times for row in rows.values()) == len(found)
    left = rows.pop(None, None)
    assert all(row.last_at <= end for end, row in rows.items() if end)
    if left:
        assert left.first_at > max((at(minute) for minute in spoken), default=NOON - timedelta(1))


def test_calls_until_the_citizen_got_through_are_one_row_and_later_ones_another() -> None:
    rows = rules.rows([one("a", 0), one("b", 5), one("c", 30)], [at(20)])
    assert (rows[at(20)].times, rows[None].times) == (2, 1)


def test_a_row_needs_a_call() -> None:
    with pytest.raises(ValueError, match="one call"):
        rules.gather([])


def test_the_weightiest_reason_is_shown_and_the_latest_queue() -> None:
    row = rules.gather([one("a", 0, "callback_requested", "a"), one("b", 5, "short_abandon", "b")])
    assert (row.kind, row.queue, row.last_call_uid) == ("callback_requested", "b", "b")


def test_a_short_abandon_is_the_lightest_and_opens_a_row_only_by_setting() -> None:
    assert rules.heavier("short_abandon", "abandoned_in_queue") == "abandoned_in_queue"
    assert rules.opens("short_abandon")
    assert not rules.opens("short_abandon", short_abandons=False)


@pytest.mark.parametrize("outcome", ["answered", "self_served", "abandoned_in_menu", "refused", "closed"])
def test_who_asked_for_nobody_is_not_called_back(outcome: str) -> None:
    assert not rules.opens(outcome)


def test_a_row_taken_and_forgotten_is_free_again() -> None:
    assert rules.holder(7, at(0), at(29)) == 7
    assert rules.holder(7, at(0), at(30)) is None
    assert rules.holder(None, None, at(0)) is None


def test_six_results_have_a_key_and_three_of_them_close() -> None:
    assert len(SAID_BY_PEOPLE) == 6
    assert [result for result in SAID_BY_PEOPLE if result in CLOSES] == [
        Result.REACHED,
        Result.WRONG_NUMBER,
        Result.REFUSED,
    ]
