"""The figures of any history: the database's count, the view in memory and the plain fold say the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete
from sqlalchemy.orm import Session, sessionmaker

from agent_desktop.boards import windows
from agent_desktop.ledger_view import LedgerView, asked
from agent_desktop.today import shown
from db.engine import at_one_moment, open_engine, sessions
from db.models import Base, Call, CallPart, JournalEvent, JournalPosition
from reports.agent_day import agent_day
from reports.forecast import STEPS, forecast_of, offered_by_step
from reports.interval import Tally, by_queue, epoch_ms, figures, interval, moment, tally, version

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
"""11:00 in the city."""
AGENTS = ("agent01", "agent02", "agent03")
ENDS = ("abandoned_in_queue", "short_abandon", "callback_requested", "voicemail_left", "overflowed", "closed")


class History:
    """A ledger that grows: each step is what one commit of the copier writes, journal line and row."""

    def __init__(self, made: sessionmaker[Session], seed: int, pbxs: tuple[str, ...] = ("pbx1",)) -> None:
        self.sessions, self.pbxs = made, pbxs
        self.random = random.Random(seed)
        self.at = NOW - timedelta(hours=27)
        self.offsets = dict.fromkeys(pbxs, 0)
        self.open: list[str] = []
        self.made = 0

    def step(self) -> None:
        self.at = min(NOW, self.at + timedelta(seconds=self.random.expovariate(1 / 400)))
        with self.sessions.begin() as session:
            if not self.open or self.random.random() < 0.4:
                self._arrives(session)
            else:
                self._goes_on(session, self.random.choice(self.open))

    def _arrives(self, session: Session) -> None:
        self.made += 1
        pbx = self.random.choice(self.pbxs)
        uid = f"{pbx}-{self.made}.1"
        outbound = self.random.random() < 0.15
        agent = self.random.choice(AGENTS) if outbound else None
        session.add(
            Call(
                uid=uid,
                pbx=pbx,
                direction="outbound" if outbound else "inbound",
                arrived_at=self.at - timedelta(seconds=self.random.randrange(60)),
                to_person_at=None if outbound or self.random.random() < 0.2 else self.at,
                queue=self.random.choice(["consultation", "complaint", "heating", None]),
                agent=agent,
            )
        )
        self.open.append(uid)
        self._line(session, uid, "DIALLED" if outbound else "TOPERSON", agent)

    def _goes_on(self, session: Session, uid: str) -> None:
        call = session.query(Call).filter_by(uid=uid).one()
        chance = self.random.random()
        if call.answered_at is None and chance < 0.5:
            call.answered_at, call.agent = self.at, call.agent or self.random.choice(AGENTS)
            call.seat = "8001"
            if call.direction == "inbound":
                call.wait_ms = epoch_ms(self.at) - epoch_ms(call.to_person_at or self.at)
            session.add(self._part(call, 0, call.agent))
            self._line(session, uid, "CONNECT", call.agent)
        elif call.answered_at and chance < 0.3:
            self._handed_over(session, call)
        elif chance < 0.4:
            call.queue = self.random.choice(["consultation", "complaint"])
            self._line(session, uid, "ENTERQUEUE", None)
        else:
            self._ends(session, call)

    def _part(self, call: Call, position: int, agent: str | None) -> CallPart:
        return CallPart(call_uid=call.uid, position=position, kind="agent", agent=agent, began_at=self.at)

    def _handed_over(self, session: Session, call: Call) -> None:
        parts = session.query(CallPart).filter_by(call_uid=call.uid).order_by(CallPart.position).all()
        parts[-1].ended_at = self.at
        agent = self.random.choice(AGENTS)
        session.add(self._part(call, len(parts), agent))
        self._line(session, call.uid, "CONNECT", agent)

    def _ends(self, session: Session, call: Call) -> None:
        call.ended_at = self.at
        if call.answered_at:
            call.outcome = "answered"
            call.talk_ms = epoch_ms(self.at) - epoch_ms(call.answered_at)
        else:
            call.outcome = self.random.choice(ENDS if call.direction == "inbound" else ("busy", "failed"))
            call.wait_ms = 1_000
        for part in session.query(CallPart).filter_by(call_uid=call.uid, ended_at=None):
            part.ended_at = self.at
        self.open.remove(call.uid)
        self._line(session, call.uid, "CALLENDED", None)

    def _line(self, session: Session, uid: str, event: str, agent: str | None) -> None:
        pbx = uid.split("-")[0]
        self.offsets[pbx] += 1
        line = JournalEvent(pbx=pbx, file="f", offset=self.offsets[pbx], at=self.at, event=event, data=[])
        line.call_uid, line.agent = uid, agent
        session.add(line)
        session.merge(JournalPosition(pbx=pbx, file="f", offset=self.offsets[pbx] + 1, copied_at=self.at))


def same(view: LedgerView, made: sessionmaker[Session], at: datetime) -> None:
    """The view against the database, at the version that both are of."""
    spans = windows(epoch_ms(at))
    known, counted = view.tallies(spans)
    with made() as session:
        at_one_moment(session)
        assert version(session) == known
        calls = [call for call in map(asked, session.query(Call)) if call]
        for name, (begins, ends) in spans.items():
            told = by_queue(session, moment(begins), moment(ends))
            assert counted[name] == told, name
            assert sum(told.values(), Tally()) == tally(calls, begins, ends)
            for queue, one in told.items():
                assert interval(session, moment(begins), moment(ends), queue=queue or None) == figures(
                    one if queue else sum(told.values(), Tally())
                )
        for login in AGENTS:
            day = shown(agent_day(session, login, at))
            mine = view.today(login)
            assert mine == {name: day[name] for name in mine or ()}


def grow(made: sessionmaker[Session], seed: int, looks: list[int], pbxs: tuple[str, ...]) -> None:
    """Let a history grow, and look at it after so many steps, time after time."""
    history = History(made, seed, pbxs)
    view = LedgerView(made, 15_000, lambda: epoch_ms(history.at))
    for steps in looks:
        for _ in range(steps):
            history.step()
        assert view.follow() or not steps
        same(view, made, history.at)
    assert view._state is not None
    assert all(row.ended_at is None for row, _ in view._state.agents.calls.values()), "a day has 50,000"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sessionmaker[Session]]:
    """An SQLite database that each example empties."""
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('scratch') / 'hotline.db'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    Base.metadata.create_all(engine)
    yield sessions(engine)
    engine.dispose()


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 40), min_size=1, max_size=5))
def test_the_view_says_what_the_report_says_of_any_history(
    scratch: sessionmaker[Session], seed: int, looks: list[int]
) -> None:
    with scratch.begin() as session:
        for table in (CallPart, Call, JournalEvent, JournalPosition):
            session.execute(delete(table))
    grow(scratch, seed, looks, ("pbx1",))


def test_on_both_databases_and_with_two_exchanges(engine: Engine) -> None:
    grow(sessions(engine), 5, [150, 1, 0, 40, 80], ("pbx1", "pbx2"))


def test_one_moment_is_one_moment_whatever_is_written_meanwhile(engine: Engine) -> None:
    made = sessions(engine)
    history = History(made, 1)
    history.step()
    with made() as session:
        at_one_moment(session)
        before = version(session)
        history.step()
        assert version(session) == before
        assert sum(by_queue(session, NOW - timedelta(days=3), NOW).values(), Tally()).abandoned == 0
    with made() as session:
        assert version(session) != before


def test_a_restart_of_the_exchange_is_read_anew(engine: Engine) -> None:
    made = sessions(engine)
    history = History(made, 3)
    for _ in range(40):
        history.step()
    view = LedgerView(made, 15_000, lambda: epoch_ms(history.at))
    view.follow()
    with made.begin() as session:
        # What was open ends with it, and no line of the journal says so of each call.
        for call in session.query(Call).filter_by(outcome=None):
            call.ended_at, call.outcome = history.at, "answered" if call.answered_at else "failed"
            call.talk_ms = 1_000 if call.answered_at else None
        history._line(session, "pbx1-0.0", "QUEUESTART", None)
    assert view.follow().everything
    same(view, made, history.at)


def test_the_day_is_told_in_quarters_with_its_forecast(engine: Engine) -> None:
    made = sessions(engine)
    with made.begin() as session:
        for number, at in enumerate(
            [NOW - timedelta(weeks=back, minutes=minute) for back in (0, 1, 2, 3) for minute in (1, 2, 31)]
        ):
            session.add(
                Call(
                    uid=f"pbx1-{number}.1",
                    pbx="pbx1",
                    arrived_at=at,
                    to_person_at=at + timedelta(microseconds=7),
                )
            )
        for number, (minutes, event) in enumerate([(-90, "SIGNIN"), (-90, "ADDMEMBER"), (-15, "SIGNOUT")]):
            session.add(
                JournalEvent(
                    pbx="pbx1",
                    file="f",
                    offset=number,
                    at=NOW + timedelta(minutes=minutes),
                    event=event,
                    agent="agent01",
                    queue="consultation" if event == "ADDMEMBER" else None,
                    data=["8001"],
                )
            )
    view = LedgerView(made, 15_000, lambda: epoch_ms(NOW))
    view.follow()
    day: dict[str, list[Any]] = view.day()
    step = 10 * 4 + 3  # 10:45 to 11:00
    assert (day["offered"][step - 2], day["offered"][step - 1], day["offered"][step]) == (1, 0, 2)
    assert (day["waiting"][step], day["offered"][step + 2]) == (3, None)
    assert (day["forecast"][step], day["forecast"][step - 2]) == (2.0, 1.0)
    assert (day["seats"][step - 1], day["seats"][step], day["seats"][step + 2]) == (1.0, 0.0, None)
    with made() as session:
        told = offered_by_step(session, [date(2026, 11, 14), date(2026, 11, 13)])
        assert list(told) == [date(2026, 11, 14)]
        assert sum(told[date(2026, 11, 14)]) == 3
        assert len(forecast_of(session, date(2026, 11, 21))) == STEPS
