"""People's side of the missed-call worklist: taking a row, dialling, what came of it, giving up, the list.

    open ─take, dial─► open, held ─┬─ no answer, busy, switched off ─► open, free for others
          (30 min)                 ├─ reached ───────────────────────► closed: reached
                                   └─ wrong number, refused, given up ► closed: given up

Each function works in the caller's transaction. Two people who take a row at once: on PostgreSQL the second
waits and is told who has it; on SQLite the second's flush raises StaleDataError, and trying again tells it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from db.models import MissedAttempt, MissedCall, MissedCaller, Queue, Recording, User
from ivr import missed_rules as rules
from ivr.missed import reopen, settle_by_hand, spoken_since
from ivr.missed_rules import CLOSES, SAID_BY_PEOPLE, Closed, Result

PAGE_SIZE = 20
LAST_TRY = timedelta(hours=1)
"""A result that is entered belongs to the own call made within this time."""
HAS_SOUND = ("kept", "suspect")


class MissedProblem(Exception):
    """A request about the worklist that cannot be carried out."""


class UnknownRow(MissedProblem):
    """There is no such row."""


class ClosedRow(MissedProblem):
    """The row is closed, or the citizen has been spoken with and it is about to be; `how` says how."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class HeldRow(MissedProblem):
    """Somebody else has the row; `by` is the user's id."""

    def __init__(self, by: int) -> None:
        super().__init__(by)
        self.by = by


class ChangedRow(MissedProblem):
    """The row has changed since the person saw it: the citizen has called again, or somebody has tried."""


@dataclass(frozen=True)
class Attempt:
    """The last try at a row."""

    at: datetime
    result: str
    note: str
    user_name: str | None


@dataclass(frozen=True)
class Message:
    """The citizen's last voice message that can be played."""

    id: int
    state: str
    seconds: float | None


@dataclass(frozen=True)
class WorkRow:
    """One row of the list. `caller` is whole: to be masked before it leaves the server."""

    id: int
    caller: str
    kind: str
    queue: str | None
    queue_label: str
    times: int
    first_at: datetime
    last_at: datetime
    last_call_uid: str
    attempts: int
    last_attempt: Attempt | None
    held_by: int | None
    held_by_name: str | None
    closed_at: datetime | None
    closed_as: str | None
    closed_by_name: str | None
    message: Message | None
    version: int


@dataclass(frozen=True)
class Page:
    """One page of the list; `page` counts from 1."""

    rows: tuple[WorkRow, ...]
    total: int
    page: int
    page_size: int = PAGE_SIZE


# --- what people do ------------------------------------------------------------------------------------


def take(session: Session, missed_id: int, user_id: int, at: datetime) -> MissedCaller:
    """Take a row for calling back. Raises UnknownRow, ClosedRow, HeldRow."""
    row = _free_for(session, missed_id, user_id, at)
    row.taken_by, row.taken_at = user_id, at
    session.flush()
    return row


def release(session: Session, missed_id: int, user_id: int, at: datetime, *, leader: bool) -> None:
    """Give a row back to everybody; leaders also other people's. Raises UnknownRow, HeldRow."""
    row = _locked(session, missed_id)
    by = rules.holder(row.taken_by, row.taken_at, at)
    if by not in (None, user_id) and not leader:
        raise HeldRow(by or 0)
    row.taken_by = row.taken_at = None
    session.flush()


def number_to_dial(session: Session, missed_id: int, user_id: int, at: datetime) -> str:
    """Take a row and give the number to call, in normal form. Raises UnknownRow, ClosedRow, HeldRow."""
    return take(session, missed_id, user_id, at).caller


def note_dialled(session: Session, missed_id: int, user_id: int, call_uid: str | None, at: datetime) -> None:
    """A call to this citizen was begun. What comes of it is written by the ledger when it has ended."""
    row = _locked(session, missed_id)
    session.add(
        MissedAttempt(
            missed_id=row.id, at=at, user_id=user_id, call_uid=call_uid, result=Result.DIALLED.value
        )
    )
    row.attempts += 1
    session.flush()


def say_result(
    session: Session, missed_id: int, user_id: int, result: Result, note: str, at: datetime
) -> MissedCaller:
    """What came of the last try, as the agent knows it; it stands against what the line has said.

    Without an own call within the last hour it is a try of its own, made on another telephone. Raises
    UnknownRow, HeldRow, and ClosedRow where somebody else closed it.
    """
    if result not in SAID_BY_PEOPLE:
        raise ValueError(f"{result} is not for people to say")
    row = _locked(session, missed_id)
    attempt = _own_try(session, row.id, user_id, at)
    if row.closed_at is not None and attempt is None:
        raise ClosedRow(row.closed_as or "")
    by = rules.holder(row.taken_by, row.taken_at, at)
    if row.closed_at is None and by not in (None, user_id):
        raise HeldRow(by or 0)
    if attempt is None:
        attempt = MissedAttempt(missed_id=row.id, at=at, user_id=user_id)
        session.add(attempt)
        row.attempts += 1
    attempt.result, attempt.note = result.value, note
    session.flush()
    _follow(session, row, result, user_id, at)
    return row


def give_up(
    session: Session, missed_id: int, user_id: int, note: str, version: int | None, at: datetime
) -> MissedCaller:
    """Close a row without having reached the citizen; `note` says why.

    Raises UnknownRow, ClosedRow, HeldRow, and ChangedRow where the row is not as the person saw it.
    """
    row = _free_for(session, missed_id, user_id, at, spoken=False)
    if version is not None and version != row.version:
        raise ChangedRow
    session.add(
        MissedAttempt(missed_id=row.id, at=at, user_id=user_id, result=Result.GIVEN_UP.value, note=note)
    )
    settle_by_hand(row, at, Closed.GIVEN_UP, user_id)
    session.flush()
    return row


def _locked(session: Session, missed_id: int) -> MissedCaller:
    row = session.scalar(
        select(MissedCaller)
        .where(MissedCaller.id == missed_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise UnknownRow
    return row


def _free_for(
    session: Session, missed_id: int, user_id: int, at: datetime, *, spoken: bool = True
) -> MissedCaller:
    row = _locked(session, missed_id)
    if row.closed_at is not None:
        raise ClosedRow(row.closed_as or "")
    by = rules.holder(row.taken_by, row.taken_at, at)
    if by not in (None, user_id):
        raise HeldRow(by or 0)
    if spoken and spoken_since(session, row):
        raise ClosedRow(Closed.GOT_THROUGH)
    return row


def _own_try(session: Session, missed_id: int, user_id: int, at: datetime) -> MissedAttempt | None:
    return session.scalar(
        select(MissedAttempt)
        .where(
            MissedAttempt.missed_id == missed_id,
            MissedAttempt.user_id == user_id,
            MissedAttempt.at > at - LAST_TRY,
            MissedAttempt.result != Result.GIVEN_UP.value,
        )
        .order_by(MissedAttempt.id.desc())
        .limit(1)
    )


def _follow(session: Session, row: MissedCaller, result: Result, user_id: int, at: datetime) -> None:
    """What a result means for the row."""
    how = CLOSES.get(result)
    if how is not None:
        if row.closed_at is None:
            settle_by_hand(row, at, how, user_id)
        elif row.closed_as == Closed.REACHED:
            row.closed_as, row.closed_by = how.value, user_id
    elif row.closed_as == Closed.REACHED and row.closed_by in (None, user_id):
        # The line took an announcement, or somebody else, for the citizen.
        reopen(session, row)
    if how is None:
        row.taken_by = row.taken_at = None
    session.flush()


# --- the list ------------------------------------------------------------------------------------------


def page(
    session: Session, state: str, user_id: int, at: datetime, *, number: int = 1, only: int | None = None
) -> Page:
    """Rows of one state: `open` (the weightiest first, then who waits longest), `mine` (open, held by this
    user), `closed` (the latest first). `only`: one row by its id, in whatever state."""
    conditions = _of_state(state, user_id, at) if only is None else [MissedCaller.id == only]
    total = session.scalar(select(func.count()).select_from(MissedCaller).where(*conditions)) or 0
    number = min(max(number, 1), max(1, -(-total // PAGE_SIZE)))
    weight = case(rules.WEIGHTS, value=MissedCaller.kind, else_=0)
    order = (
        [MissedCaller.closed_at.desc(), MissedCaller.id.desc()]
        if state == "closed"
        else [weight.desc(), MissedCaller.first_at, MissedCaller.id]
    )
    found = session.scalars(
        select(MissedCaller)
        .where(*conditions)
        .order_by(*order)
        .limit(PAGE_SIZE)
        .offset((number - 1) * PAGE_SIZE)
    ).all()
    return Page(tuple(_rows(session, found, at)), total, number)


def _of_state(state: str, user_id: int, at: datetime) -> list[ColumnElement[bool]]:
    if state == "closed":
        return [MissedCaller.closed_at.is_not(None)]
    still_open: ColumnElement[bool] = MissedCaller.open_caller.is_not(None)
    if state == "mine":
        held = [MissedCaller.taken_by == user_id, MissedCaller.taken_at > at - rules.TAKE_LAPSES]
        return [still_open, *held]
    return [still_open]


def _rows(session: Session, found: Sequence[MissedCaller], at: datetime) -> list[WorkRow]:
    ids = [row.id for row in found]
    tries = _last_tries(session, ids)
    messages = _messages(session, ids)
    held = {row.id: rules.holder(row.taken_by, row.taken_at, at) for row in found}
    people = _names(session, {*held.values(), *(row.closed_by for row in found)})
    queues = {
        name: label
        for name, label in session.execute(
            select(Queue.name, Queue.label).where(Queue.name.in_({row.queue for row in found if row.queue}))
        )
    }
    return [
        WorkRow(
            id=row.id,
            caller=row.caller,
            kind=row.kind,
            queue=row.queue,
            queue_label=queues.get(row.queue or "", row.queue or ""),
            times=row.times,
            first_at=row.first_at,
            last_at=row.last_at,
            last_call_uid=row.last_call_uid,
            attempts=row.attempts,
            last_attempt=tries.get(row.id),
            held_by=None if row.closed_at else held[row.id],
            held_by_name=None if row.closed_at else people.get(held[row.id]),
            closed_at=row.closed_at,
            closed_as=row.closed_as,
            closed_by_name=people.get(row.closed_by),
            message=messages.get(row.id),
            version=row.version,
        )
        for row in found
    ]


def _names(session: Session, ids: set[int | None]) -> dict[int | None, str]:
    known = ids - {None}
    found = session.execute(select(User.id, User.name).where(User.id.in_(known))) if known else ()
    return {key: name for key, name in found}


def _last_tries(session: Session, ids: list[int]) -> dict[int, Attempt]:
    newest = (
        select(func.max(MissedAttempt.id))
        .where(MissedAttempt.missed_id.in_(ids))
        .group_by(MissedAttempt.missed_id)
    )
    found = session.execute(
        select(MissedAttempt, User.name)
        .outerjoin(User, User.id == MissedAttempt.user_id)
        .where(MissedAttempt.id.in_(newest))
    )
    return {one.missed_id: Attempt(one.at, one.result, one.note, name) for one, name in found}


def _messages(session: Session, ids: list[int]) -> dict[int, Message]:
    found = session.execute(
        select(MissedCall.missed_id, Recording.id, Recording.state, Recording.seconds)
        .join(Recording, Recording.call_uid == MissedCall.call_uid)
        .where(MissedCall.missed_id.in_(ids), Recording.kind == "message", Recording.state.in_(HAS_SOUND))
        .order_by(MissedCall.at)
    )
    return {missed_id: Message(key, state, seconds) for missed_id, key, state, seconds in found}
