"""What came of those who asked for a person: one fate each, and figures with their denominators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_desktop.ledger_view import Columns
from cti.ledger import Outcome
from reports.definitions import DEFINITIONS
from reports.interval import Asked, Fate, Figures, Tally, epoch_ms, fate, figures, moment, tally

INBOUND = list(Outcome)[:11]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("answered", Fate.ANSWERED),
        ("abandoned_in_queue", Fate.ABANDONED),
        ("short_abandon", Fate.SHORT_ABANDON),
        ("callback_requested", Fate.CALLBACK),
        ("voicemail_left", Fate.OVERFLOWED),
        ("overflowed", Fate.OVERFLOWED),
        ("failed", Fate.FAILED),
        ("closed", Fate.OTHER),
        ("refused", Fate.OTHER),
        ("self_served", Fate.OTHER),
        (None, Fate.WAITING),
    ],
)
def test_every_outcome_has_one_fate(outcome: str | None, expected: Fate) -> None:
    assert fate(outcome, answered=False) is expected
    assert fate(outcome, answered=True) is Fate.ANSWERED


def test_short_abandons_and_callbacks_stand_apart_from_the_abandoned() -> None:
    calls = [
        Asked(0, "q", Fate.ANSWERED, 4_000, 60_000),
        Asked(1, "q", Fate.ANSWERED, 15_000, None),
        Asked(2, "q", Fate.ANSWERED, 15_001, 120_000),
        Asked(3, "q", Fate.ABANDONED, 30_000),
        Asked(4, "q", Fate.SHORT_ABANDON, 2_000),
        Asked(5, "q", Fate.CALLBACK, 90_000),
        Asked(6, "q", Fate.OVERFLOWED, 600_000),
        Asked(7, "q", Fate.WAITING),
        Asked(1_000, "q", Fate.ANSWERED, 1, 1),
    ]
    assert figures(tally(calls, 0, 1_000)) == Figures(
        offered=8,
        decided=7,
        waiting=1,
        answered=3,
        answered_in_15=2,
        abandoned=1,
        short_abandons=1,
        callbacks=1,
        overflowed=1,
        failed=0,
        other=0,
        answer_rate=round(3 / 7, 4),
        in_15_rate=round(2 / 7, 4),
        abandon_rate=round(1 / 7, 4),
        average_wait_seconds=11.3,
        longest_wait_seconds=15.0,
        average_talk_seconds=90.0,
    )


def test_without_a_call_there_is_no_rate() -> None:
    nothing = figures(Tally())
    assert (nothing.offered, nothing.answer_rate, nothing.average_wait_seconds) == (0, None, None)
    assert figures(tally([Asked(0, "q", Fate.WAITING)], 0, 9)).answer_rate is None


def test_a_moment_lies_in_an_interval_by_milliseconds_as_it_does_by_itself() -> None:
    just_before = moment(5_000) - timedelta(microseconds=1)
    assert (epoch_ms(just_before), epoch_ms(moment(5_000))) == (4_999, 5_000)
    assert epoch_ms(datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC)) == 1_000


def test_each_figure_of_a_queue_is_explained() -> None:
    shown = {f"queue_{name}" for name in Figures.__dataclass_fields__}
    assert shown <= DEFINITIONS.keys()


CALLS = st.builds(
    Asked,
    at=st.integers(0, 3_000),
    queue=st.sampled_from(["a", "b", ""]),
    fate=st.sampled_from(Fate),
    wait_ms=st.none() | st.integers(0, 40_000),
    talk_ms=st.none() | st.integers(0, 900_000),
)


@given(st.lists(CALLS, max_size=40), st.integers(0, 3_000), st.integers(0, 3_000))
def test_columns_count_what_the_fold_counts(calls: list[Asked], begins: int, ends: int) -> None:
    columns = Columns(capacity=2)
    for number, call in enumerate(calls):
        columns.put(str(number), Asked(call.at + 7, "elsewhere", Fate.WAITING))
    for number, call in enumerate(calls):
        columns.put(str(number), call)
    counted = columns.tallies(begins, ends, 15_000)
    for queue in ("a", "b", "", "elsewhere"):
        mine = [call for call in calls if call.queue == queue]
        assert counted.get(queue, Tally()) == tally(mine, begins, ends)
    whole = figures(sum(counted.values(), Tally()))
    assert whole == figures(tally(calls, begins, ends))
    sorts = (whole.answered, whole.abandoned, whole.short_abandons, whole.callbacks)
    assert whole.offered == whole.waiting + sum(sorts) + whole.overflowed + whole.failed + whole.other
    assert all(not isinstance(value, np.generic) for value in vars(whole).values())
