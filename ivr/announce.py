"""紧急公告: from typed or recorded to on air. Rules and rows; the sound is made by `announce_sound.py`.

rendering ─┬─► ready ──heard to the end──► on_air ──its time, or by hand──► ended
           └─► failed                        │ one for each scope: publishing replaces, after a word
                                             ▼
on_air() ─► dialplan globals ANNOUNCE_<scope>, ANNOUNCE_UNTIL_<scope>; the dialplan itself watches the end
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Announcement, Queue
from ivr.announce_files import sound_name

ARRIVAL = "arrival"
"""The scope of every citizen, before the menu; any other scope is the name of a queue, before waiting."""
LONGEST_TEXT = 400
"""About 90 s of speech."""
LONGEST_ON_AIR = timedelta(days=7)
"""What holds longer belongs into the menu."""
SHORTEST_ON_AIR = timedelta(minutes=1)


class AnnounceProblem(Exception):
    """An announcement cannot be changed so; `code` says why."""

    code = "refused"


class UnknownAnnouncement(AnnounceProblem):
    code = "not_found"


class NotReady(AnnounceProblem):
    """Its sound is not made, could not be made, or it has ended."""

    code = "not_ready"


class NotHeard(AnnounceProblem):
    """Nobody has listened to it to the end."""

    code = "not_heard"


class BadEnd(AnnounceProblem):
    """The end is past, or further off than LONGEST_ON_AIR."""

    code = "bad_until"


class ScopeTaken(AnnounceProblem):
    """Another one is on air there, and nobody has said that it is to be replaced."""

    code = "scope_taken"

    def __init__(self, other: Announcement) -> None:
        super().__init__(f"announcement {other.id} is on air for {other.scope}")
        self.other = other


# --- rules ---------------------------------------------------------------------------------------------


def refuse_publishing(state: str, heard_at: datetime | None, until: datetime, at: datetime) -> None:
    """Raises AnnounceProblem when an announcement in this state may not be on air until `until`."""
    if state not in ("ready", "on_air"):
        raise NotReady
    if heard_at is None:
        raise NotHeard
    if not at + SHORTEST_ON_AIR <= until <= at + LONGEST_ON_AIR:
        raise BadEnd


# --- for Asterisk --------------------------------------------------------------------------------------


def on_air(session: Session, at: datetime) -> dict[str, str]:
    """The dialplan's globals as they must be now, of every scope; empty and 0 where nothing is on air.

    ANNOUNCE_<scope> is a sound's name, ANNOUNCE_UNTIL_<scope> epoch seconds. The end comes after the name,
    so that between two Setvars nothing is on air that should not be.
    """
    scopes = [ARRIVAL, *session.scalars(select(Queue.name).order_by(Queue.name))]
    now = {one.scope: one for one in playing(session, at)}
    found: dict[str, str] = {}
    for scope in scopes:
        one = now.get(scope)
        found[f"ANNOUNCE_{scope}"] = sound_name(one.sha256) if one and one.sha256 else ""
        found[f"ANNOUNCE_UNTIL_{scope}"] = str(int(one.until.timestamp())) if one and one.until else "0"
    return found


# --- rows ----------------------------------------------------------------------------------------------


def playing(session: Session, at: datetime) -> list[Announcement]:
    """What citizens hear at `at`."""
    found = select(Announcement).where(Announcement.state == "on_air", Announcement.until > at)
    return list(session.scalars(found.order_by(Announcement.on_air_at, Announcement.id)))


def listing(session: Session, limit: int = 100) -> list[Announcement]:
    """The newest first."""
    return list(session.scalars(select(Announcement).order_by(Announcement.id.desc()).limit(limit)))


def find(session: Session, announcement_id: int) -> Announcement:
    """Raises UnknownAnnouncement."""
    found = session.get(Announcement, announcement_id)
    if found is None:
        raise UnknownAnnouncement
    return found


def order(session: Session, text: str, source: str, scope: str, by: int, at: datetime) -> Announcement:
    """A new announcement whose sound is to be made. `scope` is ARRIVAL or the name of a queue that exists.

    Raises UnknownAnnouncement for a scope that does not exist.
    """
    if scope != ARRIVAL and session.get(Queue, scope) is None:
        raise UnknownAnnouncement
    made = Announcement(text=text, source=source, scope=scope, state="rendering", made_by=by, made_at=at)
    session.add(made)
    session.flush()
    return made


def to_make(session: Session) -> list[tuple[int, str, str]]:
    """(id, source, text) of announcements whose sound is wanted, the oldest first."""
    found = select(Announcement.id, Announcement.source, Announcement.text)
    rows = session.execute(found.where(Announcement.state == "rendering").order_by(Announcement.id))
    return [(row.id, row.source, row.text) for row in rows]


def note_progress(session: Session, announcement_id: int, percent: int) -> bool:
    """So much of the sound is made; False when it is wanted no more."""
    one = session.get(Announcement, announcement_id)
    if one is None or one.state != "rendering":
        return False
    one.progress = percent
    return True


def note_made(session: Session, announcement_id: int, sha256: str, seconds: float) -> bool:
    """The sound is there. False when it is wanted no more."""
    one = session.get(Announcement, announcement_id)
    if one is None or one.state != "rendering":
        return False
    one.state, one.sha256, one.seconds, one.progress = "ready", sha256, round(seconds, 2), 100
    return True


def note_failed(session: Session, announcement_id: int, problem: str) -> None:
    """The sound could not be made: `problem` is the sentence for the person who asked for it."""
    one = session.get(Announcement, announcement_id)
    if one is not None and one.state == "rendering":
        one.state, one.problem = "failed", problem[:256]


def note_heard(session: Session, announcement_id: int, by: int, at: datetime) -> Announcement:
    """Somebody has listened to it to the end; the first one is kept. Raises UnknownAnnouncement, NotReady."""
    one = find(session, announcement_id)
    if one.state not in ("ready", "on_air"):
        raise NotReady
    if one.heard_at is None:
        one.heard_by, one.heard_at = by, at
        session.flush()
    return one


def publish(
    session: Session, announcement_id: int, until: datetime, by: int, at: datetime, *, replace: bool
) -> tuple[Announcement, Announcement | None]:
    """On air until `until` (for one that is on air: with another end); gives it and the one it replaces.

    Raises AnnounceProblem: UnknownAnnouncement, NotReady, NotHeard, BadEnd, ScopeTaken; IntegrityError or
    StaleDataError where somebody else was faster.
    """
    one = find(session, announcement_id)
    settle(session, at)
    refuse_publishing(one.state, one.heard_at, until, at)
    other = next((o for o in playing(session, at) if o.scope == one.scope and o.id != one.id), None)
    if other is not None:
        if not replace:
            raise ScopeTaken(other)
        other.state, other.ended_by, other.ended_at = "ended", by, at
        session.flush()
    if one.state == "ready":
        one.state, one.on_air_by, one.on_air_at = "on_air", by, at
    one.until = until
    session.flush()
    return one, other


def end(session: Session, announcement_id: int, by: int, at: datetime) -> Announcement:
    """Off the air, or put away before it ever was. Raises UnknownAnnouncement, NotReady (it has ended)."""
    settle(session, at)
    one = find(session, announcement_id)
    if one.state == "ended":
        raise NotReady
    one.state, one.ended_by, one.ended_at = "ended", by, at
    session.flush()
    return one


def settle(session: Session, at: datetime) -> int:
    """What is past its time has ended then; gives how many. The dialplan knew without us."""
    past = select(Announcement).where(Announcement.state == "on_air", Announcement.until <= at)
    rows = list(session.scalars(past))
    for one in rows:
        one.state, one.ended_at = "ended", one.until
    session.flush()
    return len(rows)


def mark(session: Session) -> tuple[int, int]:
    """Changes whenever an announcement does: (how many there are, sum of their versions)."""
    count, versions = session.execute(select(func.count(), func.sum(Announcement.version))).one()
    return int(count), int(versions or 0)


def utc(at_ms: int) -> datetime:
    """A moment of the pages as the database has it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
