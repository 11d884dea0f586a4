"""Who listened in on whom, and who asked for help: rows of the ledger from the journal's lines.

    WATCHBEGAN ─► row listen|whisper|barge ◄─ WATCHMODE closes it and opens the next, WATCHENDED closes it
    TAKENOVER  ─► row take_over            ◄─ WATCHENDED, or CALLENDED at the latest, closes it
    HELPASKED  ─► row                      ◄─ HELPTAKEN, HELPENDED close it

Runs in the copier's transaction; lines that come again after a crash find their rows there.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cti.journal import Entry
from db.models import HelpRequest, Supervision

EVENTS = frozenset(
    ("WATCHBEGAN", "WATCHMODE", "WATCHENDED", "TAKENOVER", "HELPASKED", "HELPTAKEN", "HELPENDED")
)


def note(session: Session, entries: list[Entry]) -> None:
    """Write what the entries, in the order of the journal, say of supervision and help."""
    told = [entry for entry in entries if entry.event in EVENTS and entry.understood]
    for entry in told:
        _RULES[entry.event](session, entry)
    ended = {entry.call: entry.at for entry in entries if entry.event == "CALLENDED" and entry.call}
    if ended:
        _calls_ended(session, ended)


def _field(entry: Entry, number: int) -> str:
    return entry.data[number][:64] if len(entry.data) > number else ""


def _began(session: Session, entry: Entry) -> None:
    seat, mode, telephone, agent = (_field(entry, number) for number in (1, 2, 3, 4))
    _open(session, entry, seat, mode, telephone[:16], None if agent in ("", "NONE") else agent)


def _open(session: Session, entry: Entry, seat: str, mode: str, telephone: str, agent: str | None) -> None:
    if entry.call is None or entry.agent is None:
        return
    known = select(Supervision.id).where(
        Supervision.supervisor == entry.agent, Supervision.began_at == entry.at
    )
    if session.scalar(known) is not None:
        return
    session.add(
        Supervision(
            call_uid=entry.call,
            seat=seat[:16],
            agent=agent,
            supervisor=entry.agent,
            mode=mode[:16],
            telephone=telephone,
            began_at=entry.at,
        )
    )
    session.flush()


def _close(session: Session, entry: Entry, why: str) -> Supervision | None:
    """The supervisor's open row of this call, closed; None where there is none."""
    row = session.scalar(
        select(Supervision)
        .where(
            Supervision.supervisor == (entry.agent or ""),
            Supervision.call_uid == (entry.call or ""),
            Supervision.ended_at.is_(None),
        )
        .order_by(Supervision.began_at.desc())
        .limit(1)
    )
    if row is not None:
        row.ended_at, row.ended_as = max(entry.at, row.began_at), why[:24]
    return row


def _mode(session: Session, entry: Entry) -> None:
    before = _close(session, entry, "mode")
    telephone, agent = (before.telephone, before.agent) if before else ("", None)
    _open(session, entry, _field(entry, 1), _field(entry, 2), telephone, agent)


def _ended(session: Session, entry: Entry) -> None:
    _close(session, entry, _field(entry, 2) or "left")


def _taken(session: Session, entry: Entry) -> None:
    _close(session, entry, "mode")
    before = session.scalar(
        select(Supervision)
        .where(Supervision.supervisor == (entry.agent or ""), Supervision.call_uid == (entry.call or ""))
        .order_by(Supervision.began_at.desc())
        .limit(1)
    )
    telephone, agent = (before.telephone, before.agent) if before else ("", None)
    _open(session, entry, _field(entry, 1), "take_over", telephone, agent)


def _help_asked(session: Session, entry: Entry) -> None:
    seat = _field(entry, 1)[:16]
    known = select(HelpRequest.id).where(HelpRequest.seat == seat, HelpRequest.asked_at == entry.at)
    if session.scalar(known) is None:
        session.add(HelpRequest(seat=seat, agent=entry.agent, call_uid=entry.call or "", asked_at=entry.at))
        session.flush()


def _help_taken(session: Session, entry: Entry) -> None:
    row = _help_open(session, entry)
    if row is not None:
        row.taken_by, row.taken_at = entry.agent, entry.at
        row.ended_at, row.ended_as = entry.at, "taken"


def _help_ended(session: Session, entry: Entry) -> None:
    row = _help_open(session, entry)
    if row is not None:
        row.ended_at, row.ended_as = entry.at, _field(entry, 2)[:16] or "cancelled"


def _help_open(session: Session, entry: Entry) -> HelpRequest | None:
    return session.scalar(
        select(HelpRequest)
        .where(HelpRequest.seat == _field(entry, 1)[:16], HelpRequest.ended_at.is_(None))
        .order_by(HelpRequest.asked_at.desc())
        .limit(1)
    )


def _calls_ended(session: Session, ended: dict[str, datetime]) -> None:
    """Nobody listens to a call that is over, whatever became of the cti meanwhile."""
    rows = session.scalars(
        select(Supervision).where(Supervision.call_uid.in_(list(ended)), Supervision.ended_at.is_(None))
    )
    for row in rows:
        row.ended_at, row.ended_as = max(ended[row.call_uid], row.began_at), "call_ended"


_RULES = {
    "WATCHBEGAN": _began,
    "WATCHMODE": _mode,
    "WATCHENDED": _ended,
    "TAKENOVER": _taken,
    "HELPASKED": _help_asked,
    "HELPTAKEN": _help_taken,
    "HELPENDED": _help_ended,
}
