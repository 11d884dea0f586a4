"""Which page has the telephone of a seat, and how STUN and TURN are told."""

from __future__ import annotations

import base64
import hashlib
import hmac

from agent_desktop.ice import SHIFT_SECONDS, ice_servers
from agent_desktop.phone_holders import GRACE_MS, Holder, PhoneHolders


def test_a_page_keeps_the_telephone_while_its_socket_is_there() -> None:
    holders = PhoneHolders()
    holders.came("8001", "first", "s1")
    assert holders.take("8001", "first", 1_000) is None
    holders.came("8001", "second", "s2")
    assert holders.take("8001", "second", 900_000) == Holder("first", 1_000, connected=True)
    assert holders.elsewhere("8001", "first", 900_000) is None


def test_a_closed_or_reloaded_page_frees_it_at_once() -> None:
    holders = PhoneHolders()
    holders.came("8001", "first", "s1")
    holders.take("8001", "first", 1_000)
    holders.went("8001", "first", "s1")
    assert holders.take("8001", "reloaded", 1_001) is None


def test_a_page_that_asks_before_its_socket_is_connected_counts_for_a_moment() -> None:
    holders = PhoneHolders()
    holders.take("8001", "first", 1_000)
    assert holders.take("8001", "second", 1_000 + GRACE_MS - 1) == Holder("first", 1_000)
    assert holders.take("8001", "second", 1_000 + GRACE_MS) is None


def test_taken_over_the_other_one_must_ask_again() -> None:
    holders = PhoneHolders()
    holders.came("8001", "first", "s1")
    holders.came("8001", "second", "s2")
    holders.take("8001", "first", 1_000)
    assert holders.take("8001", "second", 2_000, take_over=True) is None
    assert holders.elsewhere("8001", "first", 3_000) == Holder("second", 2_000, connected=True)


def test_asking_again_after_a_restart_of_the_pbx_does_not_change_since_when() -> None:
    holders = PhoneHolders()
    holders.came("8001", "first", "s1")
    holders.take("8001", "first", 1_000)
    holders.take("8001", "first", 5_000)
    found = holders.elsewhere("8001", "second", 6_000)
    assert found
    assert found.since == 1_000


def test_a_page_cut_off_for_a_moment_has_it_still_unless_another_asked() -> None:
    holders = PhoneHolders()
    holders.came("8001", "first", "s1")
    holders.take("8001", "first", 1_000)
    holders.went("8001", "first", "s1")
    holders.came("8001", "first", "s3")
    found = holders.elsewhere("8001", "second", 90_000)
    assert found
    assert found.page == "first"


def test_two_sockets_of_one_page_and_other_seats_are_kept_apart() -> None:
    holders = PhoneHolders()
    holders.came("8001", "first", "s1")
    holders.came("8001", "first", "s2")
    holders.take("8001", "first", 1_000)
    holders.went("8001", "first", "s1")
    assert holders.elsewhere("8001", "second", 90_000)
    assert holders.take("8002", "second", 90_000) is None
    holders.release("8001")
    assert holders.elsewhere("8001", "second", 90_000) is None


def test_stun_needs_no_password_and_turn_gets_one_for_a_shift() -> None:
    said = ice_servers("stun:a.example:3478, turn:b.example:3478?transport=tcp", "secret", "8001w", 1_000.9)
    user = f"{1_000 + SHIFT_SECONDS}:8001w"
    proof = base64.b64encode(hmac.new(b"secret", user.encode(), hashlib.sha1).digest()).decode()
    assert said == [
        {"urls": ["stun:a.example:3478"]},
        {"urls": ["turn:b.example:3478?transport=tcp"], "username": user, "credential": proof},
    ]


def test_without_settings_there_are_no_servers() -> None:
    assert ice_servers("", "", "8001w", 1.0) == []
    assert ice_servers("turn:b.example", "", "8001w", 1.0) == []
