"""`hotline plan`: a day measured from calls and a pasted journal, and what the command says of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from typer.testing import CliRunner

from db.engine import open_engine, sessions
from db.models import Call, JournalEvent
from hotline.cli import app
from hotline.plan_commands import differences, verdict
from hotline.settings import load as load_settings
from reports.agent_day import Line
from reports.erlang import NORM, Load
from reports.interval import Fate
from reports.plan import (
    Crew,
    Held,
    Seen,
    Terms,
    crew,
    last_day,
    measured,
    measured_day,
    planned,
    volumes,
)

DAY = date(2026, 11, 20)
BEGINS = datetime(2026, 11, 19, 16, tzinfo=UTC)
ENDS = BEGINS + timedelta(days=1)


def at(clock: str) -> datetime:
    hour, minute, *second = (int(part) for part in clock.split(":"))
    return BEGINS + timedelta(hours=hour, minutes=minute, seconds=second[0] if second else 0)


# --- planning ------------------------------------------------------------------------------------------


def test_a_plan_has_seats_roster_and_trunks() -> None:
    one = planned(Load(2700, 180), Terms(NORM, 0.25, 0.001, menu_seconds=20))
    assert (one.seats, one.rostered) == (150, 200)
    assert one.waiting.in_time >= 0.95
    # 2,700 × (20 s menu + 2 s wait + 180 s talk) are 151 erlangs.
    assert one.trunks is not None
    assert 180 < one.trunks < 195


def test_after_call_work_needs_seats_and_no_trunks() -> None:
    short, long = planned(Load(2700, 180), Terms()), planned(Load(2700, 180, 60), Terms())
    assert long.seats > short.seats + 40
    assert short.trunks is not None
    assert long.trunks is not None
    assert abs(long.trunks - short.trunks) <= 2


def test_seats_that_are_given_are_not_looked_for() -> None:
    one = planned(Load(5040, 180), Terms(), 150)
    assert (one.seats, one.trunks) == (150, None)
    assert planned(Load(5040, 180, patience_seconds=120), Terms(), 150).trunks is not None


# --- measuring -----------------------------------------------------------------------------------------

SHIFT = """
08:59:50 PAUSEALL - signed_in
08:59:50 ADDMEMBER consultation
08:59:50 SIGNIN - 8001
09:00 UNPAUSEALL
09:10 PAUSEALL - after_call:ready:1
09:10:30 UNPAUSEALL
09:30 PAUSEALL - break
09:45 UNPAUSEALL
09:50 PAUSEALL - after_call
09:51 PAUSEALL - meal
10:15 UNPAUSEALL
11:00 REMOVEMEMBER consultation
11:00 SIGNOUT - 8001
"""


def shift(text: str) -> list[Line]:
    found = []
    for row in text.strip().splitlines():
        clock, event, queue, data = (*row.split(), "-", "")[:4]
        found.append(Line(at(clock), event, None if queue == "-" else queue, data))
    return found


def test_breaks_and_after_call_work_are_told_apart() -> None:
    one = crew(shift(SHIFT), BEGINS - timedelta(hours=24), (at("09:00"), at("18:00")))
    assert one.signed_in == ((at("09:00"), at("11:00")),)
    assert one.after_call == ((at("09:10"), at("09:10:30")), (at("09:50"), at("09:51")))
    assert one.not_ready == ((at("09:30"), at("09:45")), (at("09:51"), at("10:15")))


CALLS = [
    Seen(at("09:05"), Fate.ANSWERED, 4_000, 100_000, "a", "consultation"),
    Seen(at("09:06"), Fate.ANSWERED, 26_000, 200_000, "b", "consultation", rings=1),
    Seen(at("09:07"), Fate.ABANDONED, 60_000, None, "c", "complaint"),
    Seen(at("09:08"), Fate.SHORT_ABANDON, 2_000, None, "d", "complaint"),
    Seen(at("10:20"), Fate.ANSWERED, 8_000, 300_000, "c", "complaint"),
    Seen(at("10:30"), Fate.CALLBACK, 50_000, None, "", "complaint"),
]


def test_a_day_is_folded_into_hours_and_means() -> None:
    held = [
        Held(at("09:04:50"), at("09:07"), at("09:05")),
        Held(at("09:06"), at("09:10"), None),
        Held(at("09:07"), at("09:09"), None),
        Held(at("12:00"), at("12:05"), None, 240.0),
    ]
    crews = crew(shift(SHIFT), BEGINS - timedelta(hours=24), (BEGINS, ENDS)) + Crew(ring_seconds=(2.5, 3.5))
    seen = measured(DAY, BEGINS, at("11:30"), CALLS, held, crews)
    assert len(seen.hours) == 12
    nine, ten, eleven = seen.hours[9:]
    assert (nine.asked, nine.decided, nine.answered, nine.in_time, nine.hung_up) == (4, 4, 2, 1, 2)
    assert (nine.in_time_rate, nine.hung_up_rate, nine.wait_seconds) == (0.25, 0.5, 23.0)
    assert (nine.signed_in, nine.at_work) == (1.0, pytest.approx(1 - 24 / 60))
    assert (nine.busiest_quarter, nine.trunks) == (4, 2)
    assert (ten.asked, ten.elsewhere, ten.hung_up) == (2, 1, 0)
    assert (eleven.seconds, eleven.asked, eleven.in_time_rate) == (1800, 0, None)
    assert seen.talk_seconds == pytest.approx(200)
    # 90 s after three answered calls and an outbound one.
    assert seen.after_call_seconds == pytest.approx(90 / 4)
    assert seen.patience_seconds == pytest.approx((4 + 26 + 60 + 2 + 8 + 50) / 2)
    assert (seen.ring_seconds, seen.menu_seconds, seen.in_vain) == (3.0, 10.0, 1)
    assert seen.shrinkage == pytest.approx((10 + 15 * 60 + 24 * 60) / (2 * 3600 + 10))
    assert (seen.retries, seen.short_abandons, seen.outbound_seconds) == (1, 1, 240.0)
    assert seen.by_queue == {"consultation": 2, "complaint": 4}


def test_a_day_without_anybody_has_no_means() -> None:
    seen = measured(DAY, BEGINS, ENDS, [], [], Crew())
    assert (seen.talk_seconds, seen.patience_seconds, seen.shrinkage) == (None, None, None)
    assert seen.load(100) is None
    assert "No hour can be compared" in verdict(seen, 15)


def test_the_patience_that_was_drawn_is_found_again() -> None:
    drawn = random.Random(5)
    calls = []
    for number in range(4_000):
        patience, offered = drawn.expovariate(1 / 120), drawn.expovariate(1 / 40)
        kind = Fate.ABANDONED if patience < offered else Fate.ANSWERED
        wait = round(1000 * min(patience, offered))
        calls.append(Seen(at("09:00") + timedelta(seconds=number / 2), kind, wait, 1_000))
    seen = measured(DAY, BEGINS, ENDS, calls, [], Crew())
    assert seen.patience_seconds == pytest.approx(120, rel=0.1)


# --- words ---------------------------------------------------------------------------------------------


def test_every_difference_is_told_with_its_figure() -> None:
    crews = crew(shift(SHIFT), BEGINS, (BEGINS, ENDS))
    held = [Held(at("12:00"), at("12:05"), None, 240.0)]
    words = "\n".join(differences(measured(DAY, BEGINS, ENDS, CALLS, held, crews)))
    for word in ("1 rings went unanswered", "2 queues", "22 s per answered call", "Retries: 1 of 6",
                 "1 hung up within the first seconds", "1 calls left the queue", "4 minutes",
                 "Breaks took"):  # fmt: skip
        assert word in words


def test_the_verdict_says_which_way_reality_differs() -> None:
    calls = [
        Seen(at("09:00") + timedelta(seconds=36 * number), Fate.ANSWERED, 20_000, 100_000)
        for number in range(100)
    ]
    there = Crew(signed_in=((at("09:00"), at("10:00")),) * 6)
    assert "worse by" in verdict(measured(DAY, BEGINS, ENDS, calls, [], there), 15)
    quick = [Seen(call.at, call.fate, 1_000, call.talk_ms) for call in calls]
    assert "they agree" in verdict(
        measured(DAY, BEGINS, ENDS, quick, [], Crew(signed_in=there.signed_in * 2)), 15
    )


# --- the command ---------------------------------------------------------------------------------------


@pytest.fixture
def ledger(
    tmp_path: Path, new_database: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[sessionmaker[Session]]:
    url = new_database(tmp_path / "hotline.db")
    monkeypatch.setenv("HOTLINE_VAR", str(tmp_path))
    monkeypatch.setenv("HOTLINE_DATABASE_URL", url)
    load_settings.cache_clear()
    engine = open_engine(url)
    yield sessions(engine)
    engine.dispose()
    load_settings.cache_clear()


def plan(*words: str) -> Any:
    # A wide screen, so that no word is broken.
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["plan", *words])


def filled(made: sessionmaker[Session], day: datetime = BEGINS, count: int = 120) -> None:
    """A day with six agents from 9 to 11, `count` calls in these hours, one in ten given up."""
    drawn = random.Random(7)
    with made.begin() as session:
        lines: list[tuple[datetime, str, str, str | None, list[Any]]] = []
        for agent in range(6):
            began = day + timedelta(hours=9)
            lines.append((began, "SIGNIN", f"agent{agent:02d}", None, ["8001"]))
            lines.append((began + timedelta(hours=2), "SIGNOUT", f"agent{agent:02d}", None, ["8001"]))
        for number in range(count):
            came = day + timedelta(hours=9, seconds=7200 * number / count)
            uid, lost = f"pbx1-{day:%d}{number}.1", number % 10 == 0
            talk, wait = drawn.expovariate(1 / 120), drawn.expovariate(1 / 6)
            session.add(
                Call(
                    uid=uid,
                    pbx="pbx1",
                    direction="inbound",
                    caller=f"1381234{number:04d}",
                    arrived_at=came - timedelta(seconds=12),
                    to_person_at=came,
                    queue="consultation" if number % 3 else "complaint",
                    answered_at=None if lost else came + timedelta(seconds=wait),
                    wait_ms=round(wait * 1000),
                    talk_ms=None if lost else round(talk * 1000),
                    ended_at=came + timedelta(seconds=wait + (0 if lost else talk)),
                    outcome="abandoned_in_queue" if lost else "answered",
                )
            )
            if not lost:
                lines.append((came, "CONNECT", "agent00", uid, ["3", "pbx1-9.9", "2"]))
        for number, (moment, event, agent_name, call, data) in enumerate(lines):
            session.add(
                JournalEvent(
                    pbx="pbx1", file=f"{day:%d}", offset=number, at=moment, event=event, agent=agent_name,
                    call_uid=call, data=data,
                )
            )  # fmt: skip


def test_a_volume_gives_the_seats_of_the_norm() -> None:
    shown = plan("--calls", "2717", "--shrinkage", "0.25")
    assert shown.exit_code == 0, shown.output
    for word in ("2,717", "135.8", "150", "200", "Erlang C"):
        assert word in shown.output


def test_seats_alone_say_what_they_carry() -> None:
    shown = plan("--seats", "150")
    assert (
        "150 seats at work carry 2,717.5 calls an hour at 180 s a call with 95% within 15 s" in shown.output
    )


def test_an_overload_is_shown_as_one() -> None:
    assert "no end" in plan("--calls", "5040", "--seats", "150").output
    shown = plan("--calls", "5040", "--seats", "150", "--patience", "120", "--abandon", "0.1")
    assert "40.5%" in shown.output
    assert "at most 10.0% hanging up" in shown.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "say how many calls an hour"),
        (["--calls", "10", "--talk", "0"], "talk time in seconds is 0"),
        (["--calls", "10", "--share", "95"], "as 0.95"),
        (["--calls", "10", "--abandon", "0.02"], "needs a patience"),
        (["--calls", "10", "--shrinkage", "1"], "shrinkage is 1"),
        (["--calls", "10", "--ring", "20"], "ring 20 s"),
        (["--calls", "0"], "nothing to plan"),
        (["--from-ledger", "--day", "yesterday"], "is no day"),
        (["--from-ledger"], "no call that asked for a person yet"),
        (["--day", "2026-11-20"], "nobody asked for a person"),
        (["--forecast", "2026-11-27"], "nothing can be forecast"),
    ],
)
def test_what_cannot_be_planned_is_told_in_one_sentence(
    ledger: sessionmaker[Session], words: list[str], told: str
) -> None:
    shown = plan(*words)
    assert shown.exit_code == 1
    assert told in shown.stderr
    assert "Traceback" not in shown.output


def test_without_a_database_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTLINE_VAR", str(tmp_path))
    monkeypatch.setenv("HOTLINE_DATABASE_URL", f"sqlite:///{tmp_path}/none/hotline.db")
    load_settings.cache_clear()
    try:
        shown = plan("--from-ledger")
    finally:
        load_settings.cache_clear()
    assert (shown.exit_code, "the database cannot be read" in shown.stderr) == (2, True)


def test_a_day_of_the_ledger_is_measured(ledger: sessionmaker[Session]) -> None:
    filled(ledger)
    with ledger() as session:
        assert last_day(session) == DAY
        seen = measured_day(session, DAY, ENDS)
    nine = seen.hours[9]
    assert (nine.asked, nine.answered, nine.hung_up, nine.signed_in, nine.at_work) == (60, 54, 6, 6.0, 6.0)
    assert (seen.ring_seconds, seen.menu_seconds, seen.shrinkage) == (2.5, 12.0, 0.0)
    assert len(seen.hours) == 24
    assert seen.hours[12].signed_in == 0


def test_the_ledger_is_planned_and_set_beside_what_was_measured(ledger: sessionmaker[Session]) -> None:
    filled(ledger)
    shown = plan("--from-ledger")
    assert shown.exit_code == 0, shown.output + shown.stderr
    for word in ("2026-11-20, as it was asked for", "Erlang A", "ring 2.5 s", "Measured on 2026-11-20",
                 "09:00", "10:00", "leastrecent", "Skills: 2 queues"):  # fmt: skip
        assert word in shown.output
    assert "08:00" not in shown.output


def test_an_option_goes_before_what_was_measured(ledger: sessionmaker[Session]) -> None:
    filled(ledger)
    shown = plan("--from-ledger", "--talk", "240", "--patience", "77", "--calls", "500")
    assert "talk 240 s" in shown.output
    assert "patience 77 s" in shown.output
    assert "Plan: an hour" in shown.output


def test_a_day_to_come_is_planned_by_its_forecast(ledger: sessionmaker[Session]) -> None:
    for back in (0, 7, 14):
        filled(ledger, BEGINS - timedelta(days=back), 120)
    with ledger() as session:
        expected = volumes(session, DAY + timedelta(days=7))
    assert expected[9] == pytest.approx(60, abs=1)
    shown = plan("--forecast", "2026-11-27", "--talk", "180")
    assert "2026-11-27, forecast" in shown.output
    assert "09:00" in shown.output
    assert "Measured" not in shown.output
