"""The ledger's side of the missed-call worklist: ended calls open rows and close them.

    copier ─ended call─► note_ended ─┬─ inbound, not spoken with ─► open row, or one more call in it
                                     ├─ inbound, answered ────────► row closed: got through
                                     └─ outbound ─────────────────► attempt's result; answered: row closed
    desktop's clock ───► settle ─────── what two writers at once did not see of each other

Everything happens in the caller's transaction. A call noted twice is noted once. Two ctis may write at the
same time: an open row is unique for its number, and whoever comes second waits and adds to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, CompoundSelect, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from db.models import Call, MissedAttempt, MissedCall, MissedCaller, User
from ivr import missed_rules as rules
from ivr.missed_rules import Closed, Gathered, MissedOne, Result

LONGEST_CALL = timedelta(hours=12)
"""From arrival to answer: how far back a call answered later may have arrived."""
ASKED_BACK = timedelta(days=30)
"""So long ago a citizen may have left another number to be called at."""
DIAL_TO_END = timedelta(hours=6)
"""Between dialling and the end of that call."""


def note_ended(
    session: Session,
    uid: str,
    caller: str,
    outcome: str,
    queue: str | None,
    ended_at: datetime,
    direction: str = "inbound",
    callback_number: str | None = None,
    *,
    about: str | None = None,
    callback_of: str | None = None,
    answered_at: datetime | None = None,
    agent: str | None = None,
    short_abandons: bool = True,
) -> None:
    """Note one ended call. The ledger's own row of it is in the session already.

    `caller` is the citizen's number in normal form in both directions, '' when withheld: such a call opens
    no row, unless another number was left to call (`callback_number`). `agent` is the login of who dialled.
    """
    spoken_at = answered_at or ended_at
    if direction == "outbound":
        _note_outbound(session, uid, caller, outcome, spoken_at, about, callback_of, agent, ended_at)
    elif outcome == "answered":
        _note_contact(session, caller, spoken_at, Closed.GOT_THROUGH)
    elif rules.opens(outcome, short_abandons) and (callback_number or caller):
        one = MissedOne(uid, ended_at, outcome, queue)
        _note_missed(session, one, callback_number or caller, caller)


def open_row(session: Session, number: str) -> MissedCaller | None:
    """The open row of a number in normal form: for the pop of a citizen who calls again."""
    if not number:
        return None
    return session.scalar(select(MissedCaller).where(MissedCaller.open_caller == number))


def open_count(session: Session) -> int:
    """How many citizens wait to be called back."""
    return session.scalar(select(func.count()).where(MissedCaller.open_caller.is_not(None))) or 0


def spoken_since(session: Session, row: MissedCaller) -> bool:
    """Has somebody spoken with the citizen since the last missed call, and the row is about to be closed?"""
    return _next_contact(session, {row.caller}, row.last_at) is not None


def settle(session: Session, limit: int = 200) -> int:
    """Close the open rows whose citizens have been spoken with since; their number is returned.

    Two ctis that write at the same moment do not see each other's calls; this is what they missed.
    """
    late = session.execute(
        select(MissedCaller.open_caller, Call.answered_at, Call.direction)
        .join(Call, Call.caller == MissedCaller.open_caller)
        .where(
            Call.outcome == "answered",
            Call.answered_at >= MissedCaller.first_at,
            _not_gainsaid(),
        )
        .order_by(MissedCaller.open_caller, Call.answered_at)
        .limit(limit)
    ).all()
    for number, at, direction in late:
        if number and at:
            _note_contact(session, number, at, _how(direction))
    return len(late)


def settle_by_hand(row: MissedCaller, at: datetime, how: Closed, by: int) -> None:
    """Somebody closes a row. A call that ended before this will not open another."""
    _close(row, at, how, by)


def reopen(session: Session, row: MissedCaller) -> bool:
    """Open a row again whose citizen was not reached after all, unless another is open for the number."""
    if open_row(session, row.caller) is not None:
        return False
    row.open_caller, row.closed_at, row.closed_as, row.closed_by = row.caller, None, None, None
    session.flush()
    return True


# --- missed calls --------------------------------------------------------------------------------------


def _note_missed(session: Session, call: MissedOne, number: str, caller: str) -> None:
    if session.get(MissedCall, call.uid) is not None:
        return
    row = _row_for(session, call, number, {number, caller} - {""})
    session.add(MissedCall(call_uid=call.uid, missed_id=row.id, outcome=call.kind, at=call.at))
    session.flush()


def _row_for(session: Session, call: MissedOne, number: str, numbers: set[str]) -> MissedCaller:
    """The row that this call belongs to, counted in it."""
    contact = _next_contact(session, numbers, call.at)
    if contact:  # the ledger may know of it before it was noted here
        _note_contact(session, contact.number, contact.at, contact.how)
    by_hand = _closed_by_hand(session, number, call.at)
    end = rules.boundary(call.at, [at for at in (contact and contact.at, by_hand) if at])
    if end is None:
        return _open(session, call, number)
    row = session.scalar(
        select(MissedCaller)
        .where(MissedCaller.caller == number, MissedCaller.closed_at == end)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is not None:
        return _fill(row, rules.with_call(_gathered(row), call))
    if contact is None:  # what was closed by hand was opened again at this very moment
        return _open(session, call, number)
    row = _fill(MissedCaller(caller=number, attempts=0), rules.gathered(call))
    _close(row, contact.at, contact.how)
    session.add(row)
    session.flush()
    return row


def _open(session: Session, call: MissedOne, number: str) -> MissedCaller:
    """The open row of a number, made if there is none. Another writer's is waited for and added to."""
    insert = postgres_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    one = rules.gathered(call)
    made = session.execute(
        insert(MissedCaller)
        .values(
            caller=number,
            open_caller=number,
            kind=one.kind,
            queue=one.queue,
            times=one.times,
            first_at=one.first_at,
            last_at=one.last_at,
            last_call_uid=one.last_call_uid,
            attempts=0,
            version=1,
        )
        .on_conflict_do_nothing(index_elements=[MissedCaller.open_caller])
        .returning(MissedCaller.id)
    ).scalar_one_or_none()
    if made is not None:
        return session.get_one(MissedCaller, made)
    row = session.scalar(
        select(MissedCaller)
        .where(MissedCaller.open_caller == number)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None:  # closed by another at this very moment
        return _open(session, call, number)
    return _fill(row, rules.with_call(_gathered(row), call))


def _gathered(row: MissedCaller) -> Gathered:
    return Gathered(row.kind, row.queue, row.times, row.first_at, row.last_at, row.last_call_uid)


def _fill(row: MissedCaller, facts: Gathered) -> MissedCaller:
    row.kind, row.queue, row.times = facts.kind, facts.queue, facts.times
    row.first_at, row.last_at, row.last_call_uid = facts.first_at, facts.last_at, facts.last_call_uid
    return row


# --- contacts ------------------------------------------------------------------------------------------


def _note_contact(session: Session, number: str, at: datetime, how: Closed) -> None:
    """Somebody spoke with this number at `at`: what was missed until then is settled."""
    if not number:
        return
    session.flush()
    for row in _concerned(session, number, at):
        if row.caller == number and row.last_at <= at:
            _close(row, at, how)
            continue
        members = _members(session, row)
        settled = [one for one, by in members if one.at <= at and (row.caller == number or by == number)]
        if len(settled) == len(members):
            _close(row, at, how)
        elif settled:
            _part(session, row, settled, [one for one, _ in members if one not in settled], at, how)
    session.flush()


def _concerned(session: Session, number: str, at: datetime) -> list[MissedCaller]:
    """Rows of this number, or of calls from it that left another number, which reach beyond `at`."""
    asked = {"number": number, "at": at, "since": at - ASKED_BACK}
    ids = session.scalars(_ids_concerned(), asked).all()
    if not ids:
        return []
    found = session.scalars(
        select(MissedCaller)
        .where(MissedCaller.id.in_(ids), _reaches_beyond(), MissedCaller.first_at <= at)
        .order_by(MissedCaller.id)
        .with_for_update()
        .execution_options(populate_existing=True),
        asked,
    )
    return list(found)


@cache
def _ids_concerned() -> CompoundSelect[*tuple[Any, ...]]:
    # Built once: it is asked for every answered call, and nearly always finds nothing.
    number: BindParameter[Any] = bindparam("number")
    at = bindparam("at", type_=MissedCaller.first_at.type)
    beyond = [MissedCaller.first_at <= at, _reaches_beyond()]
    left_another = (
        select(MissedCaller.id)
        .select_from(Call)
        .join(MissedCall, MissedCall.call_uid == Call.uid)
        .join(MissedCaller, MissedCaller.id == MissedCall.missed_id)
        .where(
            Call.caller == number,
            Call.arrived_at > bindparam("since", type_=Call.arrived_at.type),
            Call.outcome == "callback_requested",
            Call.callback_number != number,
            *beyond,
        )
    )
    return select(MissedCaller.id).where(MissedCaller.caller == number, *beyond).union(left_another)


def _reaches_beyond() -> ColumnElement[bool]:
    """Open, or closed later than `at` and not by a person."""
    at = bindparam("at", type_=MissedCaller.first_at.type)
    return or_(
        MissedCaller.closed_at.is_(None),
        (MissedCaller.closed_at > at) & MissedCaller.closed_by.is_(None),
    )


def _close(row: MissedCaller, at: datetime, how: Closed, by: int | None = None) -> None:
    row.open_caller, row.closed_at, row.closed_as, row.closed_by = None, at, how.value, by


def _members(session: Session, row: MissedCaller) -> list[tuple[MissedOne, str]]:
    """The calls of a row, each with the number it came from."""
    found = session.execute(
        select(MissedCall, Call.queue, Call.caller)
        .outerjoin(Call, Call.uid == MissedCall.call_uid)
        .where(MissedCall.missed_id == row.id)
    )
    return [
        (MissedOne(one.call_uid, one.at, one.outcome, queue), caller or row.caller)
        for one, queue, caller in found
    ]


def _part(
    session: Session,
    row: MissedCaller,
    settled: list[MissedOne],
    left: list[MissedOne],
    at: datetime,
    how: Closed,
) -> None:
    """A call that became known late settles the earlier part of a row; the later part goes on as it is."""
    past = _fill(MissedCaller(caller=row.caller, attempts=0), rules.gather(settled))
    _close(past, at, how)
    session.add(past)
    session.flush()
    session.execute(
        update(MissedCall)
        .where(MissedCall.call_uid.in_([one.uid for one in settled]))
        .values(missed_id=past.id)
    )
    session.execute(
        update(MissedAttempt)
        .where(MissedAttempt.missed_id == row.id, MissedAttempt.at <= at)
        .values(missed_id=past.id)
    )
    _fill(row, rules.gather(left))
    for one in (past, row):
        one.attempts = session.scalar(select(func.count()).where(MissedAttempt.missed_id == one.id)) or 0


@dataclass(frozen=True)
class Contact:
    """Somebody spoke with this number."""

    number: str
    at: datetime
    how: Closed


def _next_contact(session: Session, numbers: set[str], at: datetime) -> Contact | None:
    """The first answered call with one of these numbers at or after `at`, as the ledger has it."""
    found = session.execute(
        select(Call.caller, Call.answered_at, Call.direction)
        .where(
            Call.caller.in_(numbers),
            Call.arrived_at > at - LONGEST_CALL,
            Call.outcome == "answered",
            Call.answered_at >= at,
            _not_gainsaid(),
        )
        .order_by(Call.answered_at)
        .limit(1)
    ).first()
    return Contact(found[0], found[1], _how(found[2])) if found and found[1] else None


def _not_gainsaid() -> ColumnElement[bool]:
    """No agent has said that an "answered" outbound call met somebody else, or an announcement."""
    said = MissedAttempt.result.not_in([Result.REACHED.value, Result.DIALLED.value])
    return ~select(MissedAttempt.id).where(MissedAttempt.call_uid == Call.uid, said).exists()


def _how(direction: str) -> Closed:
    return Closed.REACHED if direction == "outbound" else Closed.GOT_THROUGH


def _closed_by_hand(session: Session, number: str, at: datetime) -> datetime | None:
    """When a person first closed a row of this number at or after `at`: a call before it opens none anew."""
    return session.scalar(
        select(func.min(MissedCaller.closed_at)).where(
            MissedCaller.caller == number,
            MissedCaller.closed_by.is_not(None),
            MissedCaller.closed_at >= at,
        )
    )


# --- outbound calls ------------------------------------------------------------------------------------


def _note_outbound(
    session: Session,
    uid: str,
    number: str,
    outcome: str,
    at: datetime,
    about: str | None,
    callback_of: str | None,
    agent: str | None,
    ended_at: datetime,
) -> None:
    row = _row_dialled(session, about, callback_of)
    if row is not None:
        attempt = _attempt(session, row, uid, agent, ended_at)
        if attempt.result == Result.DIALLED:  # what the agent has said already stands
            attempt.result = rules.OF_THE_LINE.get(outcome, Result.DIALLED).value
        session.flush()
        if attempt.result != Result.REACHED:
            return
    if outcome != "answered":
        return
    _note_contact(session, number, at, Closed.REACHED)
    if row is not None and row.closed_at is None and row.first_at <= at:
        _close(row, at, Closed.REACHED)
        session.flush()


def _row_dialled(session: Session, about: str | None, callback_of: str | None) -> MissedCaller | None:
    missed_id: int | None = None
    if about and about.startswith("missed:") and about[7:].isdigit():
        missed_id = int(about[7:])
    elif callback_of:
        call = session.get(MissedCall, callback_of)
        missed_id = call.missed_id if call else None
    if missed_id is None or missed_id > 2**31 - 1:
        return None
    return session.scalar(
        select(MissedCaller)
        .where(MissedCaller.id == missed_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _attempt(
    session: Session, row: MissedCaller, uid: str, agent: str | None, ended_at: datetime
) -> MissedAttempt:
    """The try that this call was: the one noted when the agent dialled, else a new one."""
    known = session.scalar(select(MissedAttempt).where(MissedAttempt.call_uid == uid))
    if known is not None:
        return known
    user_id = session.scalar(select(User.id).where(User.login == agent)) if agent else None
    noted = session.scalar(
        select(MissedAttempt)
        .where(
            MissedAttempt.missed_id == row.id,
            MissedAttempt.call_uid.is_(None),
            MissedAttempt.user_id == user_id,
            MissedAttempt.result != Result.GIVEN_UP.value,
            MissedAttempt.at > ended_at - DIAL_TO_END,
            MissedAttempt.at < ended_at + timedelta(minutes=1),
        )
        .order_by(MissedAttempt.id.desc())
        .limit(1)
    )
    if noted is not None:
        noted.call_uid = uid
        return noted
    made = MissedAttempt(
        missed_id=row.id, at=ended_at, user_id=user_id, call_uid=uid, result=Result.DIALLED.value
    )
    session.add(made)
    row.attempts += 1
    return made
