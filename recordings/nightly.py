"""The nightly check: every answered call of a day has a good recording, or is listed with the reason.

Pure apart from the session given and the files read; `recordings.rounds.check_day` is its edge.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.models import Call, Recording
from hotline.settings import Settings
from recordings import sound
from recordings.checks import STATE_LABELS, State
from recordings.keep import CITY_TIME, GAP_AFTER

TIME_OF_CHECK = time(2, 30)
"""Asia/Shanghai: the quietest hour of a hotline, and the day before is surely in the ledger."""
NOT_COLLECTED = "尚未收取"
CHANGED = "校验和不符：文件在保存后被改动"
GONE = "文件已不在归档中"


@dataclass(frozen=True)
class Entry:
    """One answered call (or voice message) of the day and what is kept of it."""

    call_uid: str
    kind: str
    arrived_at: datetime
    agent: str | None
    talk_seconds: float | None
    recording_id: int | None
    state: State | None
    """None: the ledger has the call, but nothing was collected yet."""
    problem: str | None
    path: str | None
    sha256: str | None


@dataclass(frozen=True)
class Finding:
    """A kept file that is no longer what was kept."""

    recording_id: int
    call_uid: str
    problem: str


@dataclass(frozen=True)
class Line:
    """One row of the report's table."""

    call_uid: str
    arrived: str
    """Asia/Shanghai."""
    agent: str
    talk_seconds: float | None
    label: str
    problem: str


@dataclass(frozen=True)
class DayReport:
    """What the check of one day found."""

    day: date
    checked_at: datetime
    calls: int
    """Calls that should have a recording."""
    kept: int
    suspect: int
    explained: int
    gaps: int
    """Missing without an explanation, not yet collected ones included."""
    proved: int
    """Kept files whose checksum was read again."""
    damaged: int
    """Of these, files that are gone or changed."""
    orphans: tuple[str, ...]
    spool_away: bool
    lines: tuple[Line, ...]
    """Everything without a good recording."""

    @property
    def ok(self) -> bool:
        """No unexplained gap, no damaged file, and the spool was there to look at."""
        return not self.gaps and not self.damaged and not self.spool_away

    def table(self) -> list[tuple[str, ...]]:
        """Rows of text for a table with the columns of COLUMNS."""
        return [
            (
                line.call_uid,
                line.arrived,
                line.agent,
                "" if line.talk_seconds is None else f"{line.talk_seconds:.0f}",
                line.label,
                line.problem,
            )
            for line in self.lines
        ]


COLUMNS = ("通话", "来电时间", "坐席", "通话秒数", "状态", "说明")


def bounds(day: date) -> tuple[datetime, datetime]:
    """First moment of `day` in Asia/Shanghai and of the next day, in UTC."""
    start = datetime.combine(day, time(), CITY_TIME)
    return start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC)


def entries(session: Session, pbx: str, day: date, now: datetime) -> list[Entry]:
    """Every call of one PBX that arrived on `day` and should have a recording, in order of arrival.

    A call that ended a moment ago and is still to be collected is not among them.
    """
    since, until = bounds(day)
    query = (
        select(Call, Recording)
        .outerjoin(
            Recording,
            (Recording.call_uid == Call.uid)
            & or_(
                (Call.outcome == "answered") & (Recording.kind == "call"),
                (Call.outcome == "voicemail_left") & (Recording.kind == "message"),
            ),
        )
        .where(
            Call.pbx == pbx,
            Call.outcome.in_(("answered", "voicemail_left")),
            Call.ended_at.is_not(None),
            Call.arrived_at >= since,
            Call.arrived_at < until,
            or_(Recording.id.is_not(None), Call.ended_at < now - GAP_AFTER),
        )
        .order_by(Call.arrived_at, Call.id)
    )
    return [_entry(call, row) for call, row in session.execute(query)]


def _entry(call: Call, row: Recording | None) -> Entry:
    return Entry(
        call_uid=call.uid,
        kind="call" if call.outcome == "answered" else "message",
        arrived_at=call.arrived_at,
        agent=call.agent,
        talk_seconds=None if call.talk_ms is None else call.talk_ms / 1000,
        recording_id=row.id if row else None,
        state=State(row.state) if row else None,
        problem=row.problem if row else None,
        path=row.path if row else None,
        sha256=row.sha256 if row else None,
    )


def chosen(day: Sequence[Entry], sample: int | None) -> list[Entry]:
    """The entries whose files are proved: all with a file, or `sample` of them spread evenly over the day."""
    with_file = [entry for entry in day if entry.path]
    if sample is None or sample >= len(with_file):
        return with_file
    return [with_file[index * len(with_file) // sample] for index in range(sample)]


def prove(settings: Settings, entry: Entry) -> Finding | None:
    """Reads one kept file again; None when it is what the row says."""
    if entry.path is None or entry.recording_id is None:
        return None
    try:
        if sound.sha256(settings.recordings / entry.path) == entry.sha256:
            return None
    except FileNotFoundError:
        return Finding(entry.recording_id, entry.call_uid, GONE)
    except OSError as error:
        return Finding(entry.recording_id, entry.call_uid, f"无法读取：{error.strerror}")
    return Finding(entry.recording_id, entry.call_uid, CHANGED)


def write_finding(session: Session, finding: Finding, now: datetime) -> None:
    """Marks the row: a lost file is a gap, a changed one suspect. Path and checksum stay as evidence."""
    row = session.get(Recording, finding.recording_id)
    if row is None:
        return
    row.state = State.GAP.value if finding.problem == GONE else State.SUSPECT.value
    row.problem, row.checked_at = finding.problem, now


def report(
    day: date,
    found: Sequence[Entry],
    findings: Sequence[Finding],
    *,
    proved: int,
    orphans: tuple[str, ...],
    spool_away: bool,
    now: datetime,
) -> DayReport:
    """Adds up one day."""
    states = [entry.state for entry in found]
    bad = {finding.call_uid for finding in findings}
    return DayReport(
        day=day,
        checked_at=now,
        calls=len(found),
        kept=states.count(State.KEPT),
        suspect=states.count(State.SUSPECT),
        explained=states.count(State.EXPLAINED),
        gaps=states.count(State.GAP) + states.count(None),
        proved=proved,
        damaged=len(bad),
        orphans=orphans,
        spool_away=spool_away,
        lines=tuple(_line(entry) for entry in found if entry.state is not State.KEPT),
    )


def _line(entry: Entry) -> Line:
    return Line(
        call_uid=entry.call_uid,
        arrived=f"{entry.arrived_at.astimezone(CITY_TIME):%Y-%m-%d %H:%M:%S}",
        agent=entry.agent or "",
        talk_seconds=entry.talk_seconds,
        label=STATE_LABELS[entry.state] if entry.state else STATE_LABELS[State.GAP],
        problem=entry.problem or ("" if entry.state else NOT_COLLECTED),
    )


# --- the report on disk: it also says which nights were done --------------------------------------------


def report_file(settings: Settings, day: date) -> Path:
    """Where the report of a day lies."""
    return settings.recordings / "checks" / f"{settings.pbx_name}-{day:%Y-%m-%d}.json"


def save_report(settings: Settings, done: DayReport) -> Path:
    """Writes the report as JSON, in one piece."""
    path = report_file(settings, done.day)
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(asdict(done), ensure_ascii=False, indent=1, default=str), encoding="utf-8")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    return path


def day_due(settings: Settings, now: datetime) -> date | None:
    """Yesterday (Asia/Shanghai), when it is past the time of the check and no report of it lies there."""
    local = now.astimezone(CITY_TIME)
    yesterday = local.date() - timedelta(days=1)
    if local.time() < TIME_OF_CHECK or report_file(settings, yesterday).exists():
        return None
    return yesterday
