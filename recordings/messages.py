"""Voice messages of the missed-call worklist: who has to hear them in order to call back."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import MissedAttempt, MissedCall, MissedCaller, User


@dataclass(frozen=True)
class CallBack:
    """What the worklist says of one call."""

    waiting: bool
    """The citizen waits to be called back."""
    tried: frozenset[str]
    """Logins of those who have tried."""


def call_backs(session: Session, uids: set[str]) -> dict[str, CallBack]:
    """The calls among `uids` that are on the worklist, in two queries; none for no call."""
    if not uids:
        return {}
    listed = session.execute(
        select(MissedCall.call_uid, MissedCall.missed_id, MissedCaller.open_caller)
        .join(MissedCaller, MissedCaller.id == MissedCall.missed_id)
        .where(MissedCall.call_uid.in_(uids))
    ).all()
    tried = session.execute(
        select(MissedAttempt.missed_id, User.login)
        .join(User, User.id == MissedAttempt.user_id)
        .where(MissedAttempt.missed_id.in_({missed_id for _, missed_id, _ in listed}))
    ).all()
    return {
        uid: CallBack(bool(open_caller), frozenset(login for row, login in tried if row == missed_id))
        for uid, missed_id, open_caller in listed
    }
