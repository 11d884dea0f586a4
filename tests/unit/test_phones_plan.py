"""Texts of keys to press, and the plan made of them."""

from __future__ import annotations

import pytest

from hotline.phones.errors import BadScript
from hotline.phones.plan import FIRST_KEY_AFTER, KEY_EVERY, make_plan, read_keys


def test_one_key_comes_a_moment_after_the_answer() -> None:
    assert [(step.after, step.order) for step in read_keys("1")] == [(FIRST_KEY_AFTER, "KEY1")]


def test_a_wait_counts_from_the_key_before_it() -> None:
    steps = read_keys("3,w2,2*#")
    assert [step.order for step in steps] == ["KEY3", "KEY2", "KEYSTAR", "KEYPOUND"]
    assert steps[1].after == pytest.approx(FIRST_KEY_AFTER + KEY_EVERY + 2)
    assert steps[3].after - steps[2].after == pytest.approx(KEY_EVERY)


def test_a_wait_of_nothing_presses_before_the_greeting_has_begun() -> None:
    assert read_keys("w0,1")[0].after == 0


@pytest.mark.parametrize("text", ["a", "1,x2", "w", "w-1", "1;2"])
def test_what_is_on_no_telephone_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadScript, match=r"key|wait"):
        read_keys(text)


def test_a_plan_presses_speaks_and_hangs_up_in_this_order() -> None:
    plan = make_plan("12", speak=True, talk=3)
    assert [step.order for step in plan] == ["KEY1", "KEY2", "SPEAK", "HANGUP"]
    assert plan[3].after == pytest.approx(FIRST_KEY_AFTER + 2 * KEY_EVERY + 3)


def test_a_plan_without_talking_time_stays_until_told() -> None:
    assert make_plan() == ()
