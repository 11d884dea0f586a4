"""Callers' numbers and names as SIP headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.phones.identity import Caller, identity_headers, quoted, read_from, user_part


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", ""),
        ("张三", '"张三"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a,b|c;d", '"a,b|c;d"'),
        ("${EXTEN}<b>", '"${EXTEN}<b>"'),
        ("two\r\nlines\t", '"two%0D%0Alines%09"'),
    ],
)
def test_hostile_names_stay_inside_their_quotes(name: str, shown: str) -> None:
    assert quoted(name) == shown


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc"))))
def test_any_name_is_read_back_as_it_was_written(name: str) -> None:
    shown, _, _ = identity_headers(Caller("13812345678", name), "127.0.0.2")
    assert read_from(shown + ";tag=x") == (name, "13812345678")


@given(st.text())
def test_no_name_and_no_number_breaks_out_of_its_line(text: str) -> None:
    for withheld in ("no", "privacy", "asserted", "anonymous"):
        headers = identity_headers(Caller(text, text, withheld), "127.0.0.2")
        assert not any(ch in line for line in headers for ch in "\r\n\0")


def test_numbers_keep_what_a_sip_user_may_hold() -> None:
    assert user_part("+8613812345678") == "+8613812345678"
    assert user_part("87654321,801") == "87654321,801"
    assert user_part("1 2@3") == "1%202%403"


def test_a_withheld_number_is_shown_to_nobody_but_the_carrier() -> None:
    shown, first, second = identity_headers(Caller("13812345678", "", "asserted"), "127.0.0.2")
    assert "13812345678" not in shown
    assert first == "P-Asserted-Identity: <sip:13812345678@127.0.0.2>"
    assert second == "Privacy: id"
    assert "13812345678" not in "".join(identity_headers(Caller("13812345678", "", "anonymous"), "h"))


def test_from_headers_without_name_or_number_are_read() -> None:
    assert read_from(" <sip:110@127.0.0.1>;tag=1") == ("", "110")
    assert read_from("Li Si <sip:110@127.0.0.1>") == ("Li Si", "110")
    assert read_from("<sip:127.0.0.1>") == ("", "")
