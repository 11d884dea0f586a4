"""Telephone numbers as carriers and people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.numbers import display, masked, normal, region

MOBILE, FIXED = "8613812345678", "8657187654321"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("13812345678", MOBILE),
        ("+8613812345678", MOBILE),
        ("008613812345678", MOBILE),
        ("013812345678", MOBILE),
        ("8613812345678", MOBILE),
        ("138-1234-5678", MOBILE),
        ("+86 138 1234 5678", MOBILE),
        ("１３８１２３４５６７８", MOBILE),
        ("sip:+8613812345678@203.0.113.1", MOBILE),
        ("13812345678\r\n", MOBILE),
        ("87654321", FIXED),
        ("0571-87654321", FIXED),
        ("0571-8765-4321", FIXED),
        ("(0571) 8765 4321", FIXED),
        ("+86 0571 87654321", FIXED),
        ("57187654321", FIXED),
        ("057187654321,801", FIXED),
        ("87654321-801", FIXED),
        ("0571-87654321-1", FIXED),
        ("0571-87654321 转 801", FIXED),
        ("tel:+86-571-8765-4321;ext=801", FIXED),
        ("01087654321", "861087654321"),
        ("0379-6543210", "863796543210"),
        ("400-800-1234", "864008001234"),
        ("12345", "12345"),
        ("0571 12345", "12345"),
        ("110", "110"),
        ("1008611", "1008611"),
        ("+1 312 555 0123", "0013125550123"),
        ("0085261234567", "0085261234567"),
        ("106900001234567", "106900001234567"),
        ("1" * 30, ""),
        ("anonymous", ""),
        ("Restricted", ""),
        ("", ""),
        ("+", ""),
        ("0086", ""),
        ("${EXTEN}", ""),
        ('1381234"5678', ""),
        ("1381234|5678", ""),
    ],
)
def test_a_number_is_known_however_it_was_written(raw: str, expected: str) -> None:
    assert normal(raw, "0571") == expected


def test_a_local_number_without_area_code_stays_as_it_is() -> None:
    assert normal("87654321", "") == "87654321"
    assert normal("87654321", "not an area") == "87654321"


def test_a_foreign_number_is_not_taken_for_a_chinese_mobile() -> None:
    assert normal("+13125550123", "0571") != normal("13125550123", "0571")


@pytest.mark.parametrize(
    ("number", "hidden", "shown"),
    [
        (MOBILE, "138****5678", "138 1234 5678"),
        (FIXED, "0571-8765****", "0571-87654321"),
        ("861087654321", "010-8765****", "010-87654321"),
        ("863796543210", "0379-654****", "0379-6543210"),
        ("864008001234", "400-800****", "400-8001234"),
        ("0013125550123", "+131****23", "+13125550123"),
        ("12345", "12345", "12345"),
        ("", "", ""),
    ],
)
def test_masked_and_displayed(number: str, hidden: str, shown: str) -> None:
    assert masked(number) == hidden
    assert display(number) == shown


@pytest.mark.parametrize(
    ("number", "place"),
    [
        (MOBILE, "江苏 连云港 移动"),
        ("8619900001234", "电信"),
        (FIXED, "浙江 杭州 固话"),
        ("861087654321", "北京 固话"),
        ("869932012345", "新疆 石河子 固话"),
        ("0013125550123", "美国"),
        ("864008001234", "全国 400 电话"),
        ("12345", ""),
        ("", ""),
    ],
)
def test_region(number: str, place: str) -> None:
    assert region(number) == place


AREAS = st.sampled_from(["0571", "571", "010", "021", "0379", "", "0", "garbage", "0571x"])
LIKELY = st.text(alphabet="0123456789+-()*# ,;.转extp@:tl８\u00b2\u0661\x00\n", max_size=40)


@given(raw=st.one_of(st.text(max_size=300), LIKELY), area=AREAS)
def test_never_raises_and_normal_is_idempotent(raw: str, area: str) -> None:
    number = normal(raw, area)
    assert normal(number, area) == number
    assert number == "" or (number.isascii() and number.isdigit() and len(number) <= 17)
    for shown in (masked(number), display(number), region(number), masked(raw), display(raw), region(raw)):
        assert isinstance(shown, str)


@given(digits=st.text(alphabet="0123456789", min_size=1, max_size=20), area=AREAS)
def test_bare_digits_are_idempotent(digits: str, area: str) -> None:
    assert normal(normal(digits, area), area) == normal(digits, area)


@given(digits=st.text(alphabet="0123456789", min_size=7, max_size=17))
def test_masked_hides_at_least_four_digits(digits: str) -> None:
    number = normal(digits, "0571")
    if len(number) > 6:
        assert sum(one.isdigit() for one in masked(number)) <= len(display(number).replace("-", "")) - 3
        assert "****" in masked(number)
        assert number not in masked(number)
