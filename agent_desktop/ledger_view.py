"""The ledger in memory: what the floor's figures are counted from, followed line by line, never guessed.

    journal marker ─► follow: rows of the calls in new journal lines, at one moment of the database
                      start, midnight, QUEUESTART, every ten minutes: everything anew
    Columns (numpy): inbound calls that asked for a person in the last 24 h ─► figures of any window
    Agents: today's calls of each agent ─► the same figures as `reports.agent_day`
    presence lines ─► seats signed in, by quarter of an hour

`version` is {pbx: id of its last journal line in the view}: `reports.interval` asked at that version gives
the same figures. Database away: the last figures stay, and `stale_since` says since when they are old.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import structlog
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from agent_desktop.errors import is_database_away
from db.engine import at_one_moment
from db.models import Call, CallPart, JournalEvent
from reports import forecast
from reports.agent_day import (
    OVER_MIDNIGHT,
    WITH_A_CALL,
    WITH_THE_CITIZEN,
    Line,
    Span,
    Talked,
    midnight,
    presence,
    talked,
    talks,
)
from reports.interval import COUNTED_AS, Asked, Fate, Tally, epoch_ms, fate, moment, version

log = structlog.get_logger("desktop")

KEPT = timedelta(hours=24)
RELOAD_SECONDS = 600.0
"""Everything is read anew so often, in case something was missed; and what is older than a day is let go."""
TOO_MANY = 20_000
"""Journal lines behind at which reading everything anew is quicker."""
AT_ONCE = 500
MEMBERSHIP = "event IN ('SIGNIN', 'SIGNOUT', 'ADDMEMBER', 'REMOVEMEMBER', 'QUEUESTART')"
"""In so many words, as the partial index has it."""
PRESENCE = frozenset({"SIGNIN", "SIGNOUT", "ADDMEMBER", "REMOVEMEMBER"})

_CALL = (
    Call.uid,
    Call.direction,
    Call.queue,
    Call.to_person_at,
    Call.agent,
    Call.arrived_at,
    Call.answered_at,
    Call.talk_ms,
    Call.ended_at,
    Call.wait_ms,
    Call.rating,
    Call.rated_agent,
    Call.outcome,
)


# What follows the ledger is asked several times a second: made once, and by the tables, without the mapper.
_CALLS = select(*(one.property.columns[0] for one in _CALL)).where(
    Call.__table__.c.uid.in_(bindparam("uids", expanding=True))
)
_part = CallPart.__table__.c
_PARTS = (
    select(_part.call_uid, _part.agent, _part.began_at, _part.ended_at)
    .where(_part.call_uid.in_(bindparam("uids", expanding=True)), _part.kind.in_(WITH_THE_CITIZEN))
    .order_by(_part.call_uid, _part.position)
)
_line = JournalEvent.__table__.c
_LINES = (
    select(_line.pbx, _line.at, _line.event, _line.agent, _line.queue, _line.call_uid)
    .where(_line.id > bindparam("known"), _line.id <= bindparam("last"))
    .order_by(_line.id)
    .limit(TOO_MANY)
)

_FATE = [COUNTED_AS[one] for one in Fate]

# --- queues ------------------------------------------------------------------------------------------


class Columns:
    """Calls that asked for a person, as columns. A call that changes keeps its place."""

    def __init__(self, capacity: int = 1024) -> None:
        self._at: dict[str, int] = {}
        self._queues: dict[str, int] = {}
        self._size = 0
        self._numbers = np.zeros((5, capacity), np.int64)
        """asked (ms), queue, fate, wait (ms, -1: unknown), talk (ms, -1: not over)."""

    def __len__(self) -> int:
        return self._size

    def put(self, uid: str, call: Asked) -> None:
        """Add a call, or give it the facts that it has now."""
        place = self._at.get(uid)
        if place is None:
            place = self._at[uid] = self._size
            self._size += 1
            if self._size > self._numbers.shape[1]:
                self._numbers = np.concatenate([self._numbers, np.zeros_like(self._numbers)], axis=1)
        queue = self._queues.setdefault(call.queue, len(self._queues))
        wait = -1 if call.wait_ms is None else call.wait_ms
        talk = -1 if call.talk_ms is None else call.talk_ms
        self._numbers[:, place] = (call.at, queue, call.fate, wait, talk)

    def tallies(self, begins: int, ends: int, norm_ms: int) -> dict[str, Tally]:
        """The tally of each queue over [begins, ends), epoch ms; queues without a call are left out."""
        asked, queue, fates, wait, talk = self._numbers[:, : self._size]
        inside = np.flatnonzero((asked >= begins) & (asked < ends))
        if not len(inside):
            return {}
        queue, fates, wait, talk = queue[inside], fates[inside], wait[inside], talk[inside]
        many, kinds = len(self._queues), len(Fate)
        by_fate = np.bincount(queue * kinds + fates, minlength=many * kinds).reshape(many, kinds)
        answered = fates == Fate.ANSWERED
        waited = np.flatnonzero(answered & (wait >= 0))
        talks = np.flatnonzero(answered & (talk >= 0))
        wait_of, queue_of, talk_of = wait[waited], queue[waited], talk[talks]
        worst = np.zeros(many, np.int64)
        np.maximum.at(worst, queue_of, wait_of)
        sums = (
            np.bincount(queue_of[wait_of <= norm_ms], minlength=many),
            np.bincount(queue_of, minlength=many),
            _sum(queue_of, wait_of, many),
            worst,
            np.bincount(queue[talks], minlength=many),
            _sum(queue[talks], talk_of, many),
        )
        in_norm, waits, wait_ms, longest, talked_of, talk_ms = (one.tolist() for one in sums)
        return {
            name: Tally(
                **{_FATE[kind]: count for kind, count in enumerate(by_fate[code].tolist())},
                in_norm=in_norm[code],
                waits=waits[code],
                wait_ms=wait_ms[code],
                longest_wait_ms=longest[code],
                talks=talked_of[code],
                talk_ms=talk_ms[code],
            )
            for name, code in self._queues.items()
            if by_fate[code].any()
        }

    def day(self, begins: int, now: int) -> dict[str, list[int]]:
        """offered, answered, abandoned and most waiting of each quarter of an hour of the day."""
        asked, _queue, fates, wait, _talk = self._numbers[:, : self._size]
        # Who waits still has waited until now, and goes on.
        until = np.where(fates == Fate.WAITING, now + 1, asked + np.maximum(wait, 0))
        counted = forecast.counted(asked, fates, begins)
        return counted | {"waiting": forecast.most_waiting(asked, until, begins)}


def _sum(where: Any, values: Any, many: int) -> Any:
    # Floats hold whole numbers to 2**53 ms: 285,000 years of waiting.
    return np.bincount(where, weights=values, minlength=many).astype(np.int64)


def asked(row: Any) -> Asked | None:
    """A call's row as the queues' figures see it; None where they do not."""
    if row.direction != "inbound" or row.to_person_at is None:
        return None
    return Asked(
        epoch_ms(row.to_person_at),
        row.queue or "",
        fate(row.outcome, row.answered_at is not None),
        row.wait_ms,
        row.talk_ms,
    )


# --- agents ------------------------------------------------------------------------------------------


@dataclass
class Agents:
    """Today's calls of each agent; which are an agent's is the rule of `reports.agent_day`.

    Of a call that is over only what its agents had of it is kept: a day has 50,000.
    """

    begins: datetime
    """Midnight in the city."""
    calls: dict[str, tuple[Any, list[tuple[str | None, datetime, datetime | None]]]] = field(
        default_factory=dict
    )
    """uid -> row and parts of a call that goes on."""
    had: dict[str, dict[str, Talked | None]] = field(default_factory=dict)
    """login -> uid -> the call as this agent had it, once it is over."""
    whose: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """uid -> logins."""

    def put(self, row: Any, parts: list[tuple[str | None, datetime, datetime | None]]) -> tuple[str, ...]:
        """A call with its facts of now, after `join` with everybody who had it. The logins whose figures it
        changes."""
        if row.ended_at is not None and row.ended_at < self.begins:
            return ()
        if row.agent and row.arrived_at >= self.begins - OVER_MIDNIGHT:
            self.join(row.agent, row.uid)
        whose = self.whose.get(row.uid, ())
        if row.ended_at is None:
            self.calls[row.uid] = row, parts
        else:
            self.calls.pop(row.uid, None)
        for login in whose:
            over = None if row.ended_at is None else _talked(row, parts, login, row.ended_at)
            self.had[login][row.uid] = over
        return whose

    def join(self, login: str, uid: str) -> None:
        """This agent had the call, by a journal line or by the ledger."""
        self.had.setdefault(login, {}).setdefault(uid, None)
        whose = self.whose.get(uid, ())
        if login not in whose:
            self.whose[uid] = (*whose, login)

    def today(self, login: str, now: datetime) -> dict[str, Any]:
        """{"answered", "outbound", "talk_seconds", "average_talk_seconds"} of the day until `now`."""
        mine = self.had.get(login, {})
        calls = [over or self._goes_on(login, uid, now) for uid, over in mine.items()]
        day = talks([call for call in calls if call], (self.begins, now))
        average = day.average_talk_seconds
        return {
            "answered": day.answered,
            "outbound": day.outbound,
            "talk_seconds": round(day.talk_seconds),
            "average_talk_seconds": None if average is None else round(average),
        }

    def _goes_on(self, login: str, uid: str, now: datetime) -> Talked | None:
        """None for a call that nobody has told us of yet, or of another day."""
        known = self.calls.get(uid)
        return _talked(*known, login, now) if known else None


def _talked(
    row: Any, parts: Iterable[tuple[str | None, datetime, datetime | None]], login: str, now: datetime
) -> Talked:
    return talked(row, [(began, ended) for agent, began, ended in parts if agent == login], login, now)


# --- the view ----------------------------------------------------------------------------------------


@dataclass
class State:
    """What one reading of everything gave, and what followed it."""

    day: datetime
    agents: Agents
    columns: Columns = field(default_factory=Columns)
    version: dict[str, int] = field(default_factory=dict)
    lines: dict[str, dict[str, list[Line]]] = field(default_factory=dict)
    """pbx -> agent ("" for the PBX's starts) -> presence lines in the journal's order."""
    forecast: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class News:
    """What a look at the database has changed."""

    agents: frozenset[str] = frozenset()
    """Logins whose figures of today are different."""
    calls: frozenset[str] = frozenset()
    everything: bool = False

    def __bool__(self) -> bool:
        return bool(self.agents or self.calls or self.everything)


class LedgerView:
    """Ask it from any thread. `follow` is called by one thread at a time."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        norm_ms: int,
        clock: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._sessions, self._norm_ms, self._clock = sessions, norm_ms, clock
        self._lock = threading.Lock()
        self._following = threading.Lock()
        self._state: State | None = None
        self._read_at = 0.0
        self._good_at: int | None = None
        self.stale_since: int | None = clock()
        """Epoch ms of the last figures while the database is away; None: they are of now."""

    # --- following -------------------------------------------------------------------------------

    def follow(self) -> News:
        """Take in what the ledger has got since the last time. Never raises for a database that is away:
        then the figures stay as they are, and are marked."""
        with self._following:
            at = self._clock()
            try:
                news = self._look(moment(at))
            except SQLAlchemyError as error:
                if not is_database_away(error):
                    raise
                if self.stale_since is None:
                    self.stale_since = self._good_at or at
                    log.warning("figures_stale", error=type(error).__name__)
                return News()
            if self.stale_since is not None and self._good_at is not None:
                log.info("figures_go_on")
                news = News(news.agents, news.calls, everything=True)
            self.stale_since, self._good_at = None, at
            return news

    def _look(self, now: datetime) -> News:
        state = self._state
        old = state is None or state.day != midnight(now)
        if state is None or old or time.monotonic() - self._read_at > RELOAD_SECONDS:
            return self._reload(now)
        with self._sessions() as session:
            at_one_moment(session)
            latest = version(session)
            if latest == state.version:
                return News()
            lines = self._lines(session, state.version, latest)
            if lines is None or any(line.event == "QUEUESTART" for line in lines):
                return self._reload(now)
            uids = sorted({line.call_uid for line in lines if line.call_uid})
            rows, parts = _calls(session, uids)
        with self._lock:
            agents = _take(state, rows, parts, lines)
            state.version = latest
        return News(frozenset(agents), frozenset(uids))

    @staticmethod
    def _lines(session: Session, known: Mapping[str, int], latest: Mapping[str, int]) -> list[Any] | None:
        """The journal lines that are new, by PBX in order; None where they are too many."""
        found: list[Any] = []
        for pbx, last in latest.items():
            rows = session.connection().execute(_LINES, {"known": known.get(pbx, 0), "last": last}).all()
            if len(rows) >= TOO_MANY:
                return None
            # By the primary key alone: with the PBX in the question SQLite would look through all its lines.
            found += [row for row in rows if row.pbx == pbx]
        return found

    def _reload(self, now: datetime) -> News:
        begins = midnight(now)
        with self._sessions() as session:
            at_one_moment(session)
            state = read_everything(session, begins, now)
            before = self._state
            state.forecast = (
                before.forecast
                if before and before.day == begins
                else forecast.forecast_of(session, (begins + timedelta(hours=12)).date())
            )
        with self._lock:
            self._state = state
        self._read_at = time.monotonic()
        return News(everything=True)

    # --- figures ---------------------------------------------------------------------------------

    @property
    def loaded(self) -> bool:
        return self._state is not None

    def version(self) -> dict[str, int]:
        with self._lock:
            return dict(self._state.version) if self._state else {}

    def tallies(
        self, windows: Mapping[str, tuple[int, int]]
    ) -> tuple[dict[str, int], dict[str, dict[str, Tally]]]:
        """(version, window -> queue -> tally) of one moment; windows are [from, to) in epoch ms."""
        with self._lock:
            if self._state is None:
                return {}, {name: {} for name in windows}
            columns = self._state.columns
            return dict(self._state.version), {
                name: columns.tallies(begins, ends, self._norm_ms) for name, (begins, ends) in windows.items()
            }

    def today(self, login: str) -> dict[str, Any] | None:
        """An agent's figures of today; None before the first reading."""
        with self._lock:
            return self._state.agents.today(login, moment(self._clock())) if self._state else None

    def day(self) -> dict[str, Any]:
        """The day in quarters of an hour: steps, offered, answered, abandoned, waiting, seats, forecast."""
        now = self._clock()
        with self._lock:
            state = self._state
            if state is None:
                return {"steps": forecast.labels()} | {
                    name: [None] * forecast.STEPS
                    for name in ("offered", "answered", "abandoned", "waiting", "seats", "forecast")
                }
            begins = epoch_ms(state.day)
            counted = state.columns.day(begins, now)
            lines = {pbx: {who: list(own) for who, own in by.items()} for pbx, by in state.lines.items()}
        return {
            "steps": forecast.labels(),
            **{name: forecast.until_now(values, begins, now) for name, values in counted.items()},
            "seats": forecast.mean_signed_in(
                signed_in(lines, state.day, moment(now)), state.day, moment(now)
            ),
            "forecast": state.forecast,
        }


def signed_in(
    lines: Mapping[str, Mapping[str, list[Line]]], begins: datetime, now: datetime
) -> dict[str, list[Span]]:
    """When each agent was signed in, by the membership lines of every PBX; "" holds a PBX's starts."""
    found: dict[str, list[Span]] = {}
    for by_agent in lines.values():
        starts = by_agent.get("", [])
        for login, own in by_agent.items():
            if login:
                merged = sorted([*own, *starts], key=lambda line: line.at) if starts else own
                found.setdefault(login, []).extend(presence(merged, begins - KEPT, now).signed_in)
    return found


# --- reading -----------------------------------------------------------------------------------------


def read_everything(session: Session, begins: datetime, now: datetime) -> State:
    """The last 24 hours, and the day that began at `begins`, as the database has them at this moment."""
    state = State(begins, Agents(begins), version=version(session))
    since = begins - OVER_MIDNIGHT
    older = select(*_CALL).where(Call.to_person_at >= min(now - KEPT, begins), Call.arrived_at < since)
    for row in session.execute(older):
        _take_asked(state, row)
    today = session.execute(select(*_CALL).where(Call.arrived_at >= since)).all()
    lines = session.execute(
        select(JournalEvent.agent, JournalEvent.call_uid).where(
            JournalEvent.at >= since, JournalEvent.event.in_(WITH_A_CALL), JournalEvent.agent.is_not(None)
        )
    ).all()
    parts: dict[str, list[tuple[str | None, datetime, datetime | None]]] = {}
    for call_uid, agent, began, ended in session.execute(
        select(CallPart.call_uid, CallPart.agent, CallPart.began_at, CallPart.ended_at)
        .where(CallPart.began_at >= since, CallPart.kind.in_(WITH_THE_CITIZEN))
        .order_by(CallPart.call_uid, CallPart.position)
    ):
        parts.setdefault(call_uid, []).append((agent, began, ended))
    for who, uid in lines:
        if who and uid:
            state.agents.join(who, uid)
    _take(state, today, parts, ())
    known = {row.uid for row in today}
    far, far_parts = _calls(session, sorted({uid for _, uid in lines if uid and uid not in known}))
    _take(state, far, far_parts, ())
    for pbx, member, at, event, queue in session.execute(
        select(JournalEvent.pbx, JournalEvent.agent, JournalEvent.at, JournalEvent.event, JournalEvent.queue)
        .where(JournalEvent.at >= begins - KEPT, text(MEMBERSHIP))
        .order_by(JournalEvent.id)
    ):
        _take_presence(state, pbx, member, at, event, queue)
    return state


def _calls(session: Session, uids: list[str]) -> tuple[list[Any], dict[str, list[Any]]]:
    """These calls' rows, and their parts with the citizen."""
    connection = session.connection()
    rows: list[Any] = []
    parts: dict[str, list[Any]] = {}
    for start in range(0, len(uids), AT_ONCE):
        some = {"uids": uids[start : start + AT_ONCE]}
        rows += connection.execute(_CALLS, some).all()
        for uid, agent, began, ended in connection.execute(_PARTS, some):
            parts.setdefault(uid, []).append((agent, began, ended))
    return rows, parts


def _take(
    state: State, rows: Iterable[Any], parts: Mapping[str, list[Any]], lines: Iterable[Any]
) -> set[str]:
    """Put calls and journal lines into the state; the logins whose figures are different now."""
    changed: set[str] = set()
    for line in lines:
        if line.event in WITH_A_CALL and line.agent and line.call_uid:
            state.agents.join(line.agent, line.call_uid)
        if line.event in PRESENCE:
            _take_presence(state, line.pbx, line.agent, line.at, line.event, line.queue)
    for row in rows:
        _take_asked(state, row)
        changed.update(state.agents.put(row, parts.get(row.uid, [])))
    return changed


def _take_asked(state: State, row: Any) -> None:
    call = asked(row)
    if call is not None:
        state.columns.put(row.uid, call)


def _take_presence(
    state: State, pbx: str, who: str | None, at: datetime, event: str, queue: str | None
) -> None:
    state.lines.setdefault(pbx, {}).setdefault(who or "", []).append(Line(at, event, queue))
