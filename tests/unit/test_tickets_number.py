"""Ticket numbers: their shape and what the check digit finds."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.problems import NumbersUsedUp
from tickets.ticket_number import check_digit, compose, is_valid, spoken

NUMBERS = st.builds(compose, st.dates(date(2020, 1, 1), date(2099, 12, 31)), st.integers(1, 99_999))


def test_damm_agrees_with_its_published_example() -> None:
    assert check_digit("572") == "4"


def test_shape_and_speech() -> None:
    number = compose(date(2026, 7, 23), 15)
    assert number[:11] == "26072300015"
    assert is_valid(number)
    assert spoken(number).split() == [number[:4], number[4:8], number[8:]]


@given(NUMBERS, st.integers(0, 11), st.integers(1, 9))
def test_any_single_wrong_digit_is_found(number: str, at: int, shift: int) -> None:
    wrong = number[:at] + str((int(number[at]) + shift) % 10) + number[at + 1 :]
    assert is_valid(number)
    assert not is_valid(wrong)


@given(NUMBERS, st.integers(0, 10))
def test_any_swap_of_neighbours_is_found(number: str, at: int) -> None:
    swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    assert swapped == number or not is_valid(swapped)


@given(st.text(max_size=20))
def test_any_text_can_be_judged(text: str) -> None:
    assert is_valid(text) in (True, False)


@pytest.mark.parametrize("sequence", [0, 100_000])
def test_only_99_999_numbers_a_day(sequence: int) -> None:
    with pytest.raises(NumbersUsedUp):
        compose(date(2026, 7, 23), sequence)
