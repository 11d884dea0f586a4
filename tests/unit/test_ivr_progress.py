"""Who may hear a ticket's progress by telephone, and which phrases say it."""

from __future__ import annotations

import pytest

from ivr import prompts
from ivr.progress import Claim, may_hear, spoken, unit_phrase
from tickets.states import State

CONTACT = "8613812345678"


@pytest.mark.parametrize(
    ("contact", "confidential", "last4", "calling", "may"),
    [
        (CONTACT, False, "5678", "", True),
        (CONTACT, False, "5678", "8657187654321", True),
        (CONTACT, False, "5679", CONTACT, False),
        (CONTACT, False, "", CONTACT, True),
        (CONTACT, False, "", "8613812345679", False),
        (CONTACT, False, "", "", False),
        (CONTACT, True, "", CONTACT, False),
        (CONTACT, True, "5678", "", True),
        ("", False, "", "", False),
        ("", False, "0000", "", False),
        ("110", False, "110", "", False),
        ("1234", False, "1234", "", False),
        (CONTACT, False, "五六七八", "", False),
        (CONTACT, False, "56789", "", False),
        (CONTACT, False, "45678", "", False),
    ],
)
def test_who_may_hear_a_ticket(contact: str, confidential: bool, last4: str, calling: str, may: bool) -> None:
    assert may_hear(contact, confidential, Claim(last4, calling)) is may


def test_every_ticket_state_has_its_own_phrase() -> None:
    phrases = {spoken(state, ())[1] for state in State}
    assert len(phrases) == len(State)
    assert "hotline/state-other" not in phrases
    assert spoken("new state of a later issue", ())[1] == "hotline/state-other"


def test_every_sound_of_an_answer_is_rendered() -> None:
    for state in State:
        for sound in spoken(state, ("市教育局",)):
            assert (prompts.FOLDER / f"{sound.removeprefix('hotline/')}.wav").exists()


def test_unit_is_named_only_when_it_is_settled() -> None:
    assert spoken("to_dispatch", ("市教育局",)) == ("hotline/ticket-state-is", "hotline/state-to-dispatch")
    assert spoken("in_progress", ("市教育局",))[2:] == ("hotline/unit-is", "hotline/unit-education")
    assert spoken("in_progress", ())[2:] == ()


def test_unit_without_a_phrase_shares_that_of_the_unit_above_it() -> None:
    assert unit_phrase(("清扫保洁科", "市市容环卫中心", "市城市管理局")) == "unit-city-management"
    assert unit_phrase(("云东区人民政府",)) == "unit-other"
