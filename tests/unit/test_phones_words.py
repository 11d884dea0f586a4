"""What `hotline call` and `hotline phone` say."""

from __future__ import annotations

from typing import cast

import pytest

from hotline.phones.citizen import CitizenCall, Citizens, End, Result
from hotline.phones.commands import call_words, summary
from hotline.phones.identity import Caller


def ended(end: End, code: int = 0, seconds: float | None = None) -> CitizenCall:
    call = CitizenCall(
        "cid", Caller(), (), cast(Citizens, None), state="ended", end=end, code=code, ended_at=100.0
    )
    if seconds is not None:
        call.answered_at = 100.0 - seconds
    return call


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (ended("pbx", seconds=4), "the hotline hung up after 4 s"),
        (ended("refused", 486), "refused (486)"),
        (ended("cancelled"), "gave up before the answer"),
    ],
)
def test_each_end_is_said_in_plain_words(call: CitizenCall, words: str) -> None:
    assert call_words(call) == words


def test_the_summary_counts_a_citizen_who_gave_up_as_no_failure() -> None:
    calls = (ended("pbx", seconds=1), ended("cancelled"), ended("lost"))
    assert summary(Result(calls)).startswith("3 calls, 1 answered, 1 failed (")
