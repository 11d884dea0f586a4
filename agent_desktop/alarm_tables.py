"""Alarms and their rules in the database: read, judge, write. Functions take `session` and never commit.

raised ──► alarms (open_key) + webhook_deliveries (raised) ──► ended: open_key empty, cleared_at, + (cleared)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from agent_desktop import alarm_rules
from agent_desktop.alarm_rules import CITY_TIME, KINDS, Rule
from agent_desktop.desk_tables import Change, version_of
from agent_desktop.errors import Refusal, invalid
from db.models import Alarm, AlarmRule, Call, Queue, Recording, User, WebhookDelivery

Row = dict[str, Any]

RULE_FIELDS = tuple(one.name for one in fields(Rule))
PAGE_SIZE = 20
STALE = timedelta(seconds=25)
"""A desktop that has not confirmed its alarm for so long has died, or cannot write: others look after it."""


@dataclass(frozen=True)
class Open:
    """One alarm that is on, as every screen shows it. `id` None: not written yet. Times in epoch ms."""

    key: str
    rule_id: int
    kind: str
    queue: str
    subject: str
    detail: str
    value: float
    worst: float
    threshold: float
    raised_at: int
    quiet: bool
    """In its quiet hours."""
    sound: bool
    webhook: bool
    id: int | None = None
    seen_at: int = 0
    seen_by: str = ""
    acknowledged_by: str | None = None
    """Name of the person."""
    acknowledged_at: int | None = None
    note: str = ""
    cleared_at: int | None = None
    quiet_until: int = 0
    """When the webhook may be told again."""

    def kept_by(self, desktop: str, at: int) -> bool:
        """Whether this desktop is the one that may end it."""
        mine = self.id is None or self.seen_by == desktop
        return mine or at - self.seen_at > STALE.total_seconds() * 1000


def ms(at: datetime | None) -> int | None:
    """Epoch ms of a moment."""
    return None if at is None else round(at.timestamp() * 1000)


def moment(at: int) -> datetime:
    """The moment of epoch ms, in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC)


# --- rules -------------------------------------------------------------------------------------------


def rules(session: Session) -> list[Rule]:
    """All rules in the order of the list; those of a kind that this version does not know are left out."""
    rows = session.scalars(select(AlarmRule).order_by(AlarmRule.position, AlarmRule.id))
    return [_rule(row) for row in rows if row.kind in KINDS]


def _rule(row: AlarmRule) -> Rule:
    return Rule(**{name: getattr(row, name) for name in RULE_FIELDS})


def rules_of(session: Session) -> Row:
    """{"version", "rules"}: what the page shows."""
    shown = [vars(one) for one in rules(session)]
    return {"version": version_of(shown), "rules": shown}


def keep_rules(session: Session, version: str, wish: Sequence[Row]) -> list[Change]:
    """Replace the rules by those given, in their order; one without `id` is new, a missing one is deleted.

    Gives what changed, in words. Raises Refusal: stale; invalid, with a sentence for each field.
    """
    known = {rule.id: rule for rule in rules(session)}
    _check(version, known.values())
    wished = [
        Rule(**{**row, "id": -place - 1 if row["id"] is None else row["id"]})
        for place, row in enumerate(wish)
    ]
    kept = [rule.id for rule in wished if rule.id >= 0]
    if len(set(kept)) != len(kept) or not set(kept) <= known.keys():
        raise _stale()
    _judge(session, wished)
    changes = []
    for rule_id in known.keys() - set(kept):
        session.execute(update(Alarm).where(Alarm.rule_id == rule_id).values(rule_id=None))
        session.delete(session.get_one(AlarmRule, rule_id))
        changes.append(Change(f"alarm_rules {rule_id}", f"{in_words(known[rule_id])} → （删除）"))
    for place, rule in enumerate(wished):
        facts = {name: getattr(rule, name) for name in RULE_FIELDS if name != "id"} | {"position": place}
        if rule.id < 0:
            made = AlarmRule(**facts)
            session.add(made)
            session.flush()
            changes.append(Change(f"alarm_rules {made.id}", f"（新） → {in_words(rule)}"))
            continue
        row = session.get_one(AlarmRule, rule.id)
        for name, value in facts.items():
            setattr(row, name, value)
        if rule != known[rule.id]:
            changes.append(Change(f"alarm_rules {rule.id}", f"{in_words(known[rule.id])} → {in_words(rule)}"))
    session.flush()
    if not changes and kept != list(known):
        changes.append(Change("alarm_rules", "顺序"))
    return changes


def _judge(session: Session, wished: Sequence[Rule]) -> None:
    queues = {"", *session.scalars(select(Queue.name))}
    wrong: dict[str, str] = {}
    for place, rule in enumerate(wished):
        found = alarm_rules.faults(rule)
        if rule.queue not in queues:
            found["queue"] = "没有这个队列。"
        wrong |= {f"rules.{place}.{name}": sentence for name, sentence in found.items()}
    if wrong:
        raise invalid(wrong)


def _check(version: str, known: Iterable[Rule]) -> None:
    if version != version_of([vars(one) for one in known]):
        raise _stale()


def _stale() -> Refusal:
    return Refusal("stale", "设置刚被他人修改，请核对最新内容后再保存。", status=409)


def in_words(rule: Rule) -> str:
    """A rule in one line, for the access log."""
    quiet = f" 静默{rule.quiet_from}-{rule.quiet_to}" if rule.quiet_from else ""
    window = f" {rule.window_minutes}分钟 至少{rule.least_calls}个" if KINDS[rule.kind].rate else ""
    marks = "".join(
        word
        for word, there in ((" 声音", rule.sound), (" 外发", rule.webhook), (" 停用", not rule.active))
        if there
    )
    return (
        f"{KINDS[rule.kind].label} {rule.queue or '全部'} {alarm_rules.bound(rule.kind, rule.threshold)}"
        f" 持续{rule.hold_seconds}秒 恢复{rule.clear_at:g} {rule.clear_seconds}秒{window}{quiet}{marks}"
    )


# --- alarms ------------------------------------------------------------------------------------------


def open_alarms(session: Session) -> list[Open]:
    """What is on now, whichever desktop has raised it."""
    query = _with_names().where(Alarm.open_key.is_not(None)).order_by(Alarm.raised_at)
    return [_open(*found) for found in session.execute(query)]


def _with_names() -> Select[Alarm, str, AlarmRule]:
    return (
        select(Alarm, User.name, AlarmRule)
        .outerjoin(User, User.id == Alarm.acknowledged_by)
        .outerjoin(AlarmRule, AlarmRule.id == Alarm.rule_id)
    )


def _open(row: Alarm, name: str | None, rule: AlarmRule | None) -> Open:
    return Open(
        key=row.open_key or "",
        rule_id=row.rule_id or 0,
        kind=row.kind,
        queue=row.queue,
        subject=row.subject,
        detail=row.detail,
        value=row.value,
        worst=row.worst,
        threshold=row.threshold,
        raised_at=ms(row.raised_at) or 0,
        quiet=row.quiet,
        sound=bool(rule and rule.sound),
        webhook=bool(rule and rule.webhook),
        id=row.id,
        seen_at=ms(row.seen_at) or 0,
        seen_by=row.seen_by,
        acknowledged_by=name,
        acknowledged_at=ms(row.acknowledged_at),
        note=row.note,
        cleared_at=ms(row.cleared_at),
    )


def history(session: Session, *, page: int, **wanted: Any) -> tuple[list[Open], int]:
    """One page of alarms that are over, the newest first, and how many there are.

    `wanted`: kind, queue, since, until (aware), acknowledged (bool); None: all.
    """
    where: list[ColumnElement[bool]] = [Alarm.open_key.is_(None)]
    if wanted.get("kind"):
        where.append(Alarm.kind == wanted["kind"])
    if wanted.get("queue"):
        where.append(Alarm.queue == wanted["queue"])
    if wanted.get("since"):
        where.append(or_(Alarm.cleared_at.is_(None), Alarm.cleared_at >= wanted["since"]))
    if wanted.get("until"):
        where.append(Alarm.raised_at < wanted["until"])
    if wanted.get("acknowledged") is not None:
        there = Alarm.acknowledged_at.is_not(None)
        where.append(there if wanted["acknowledged"] else ~there)
    total = session.scalar(select(func.count()).select_from(Alarm).where(*where)) or 0
    query = _with_names().where(*where).order_by(Alarm.raised_at.desc(), Alarm.id.desc())
    rows = session.execute(query.limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE))
    return [_open(*found) for found in rows], total


def write_raised(session: Session, alarm: Open, desktop: str, at: datetime, *, webhook: bool) -> int:
    """Write an alarm (one that is over already, too, where the database was away meanwhile); gives its id.

    `webhook`: there is one to tell. Raises IntegrityError where another desktop was faster.
    """
    row = Alarm(
        open_key=None if alarm.cleared_at else alarm.key,
        rule_id=alarm.rule_id if session.get(AlarmRule, alarm.rule_id) else None,
        kind=alarm.kind,
        queue=alarm.queue,
        subject=alarm.subject,
        detail=alarm.detail[:128],
        value=alarm.value,
        worst=alarm.worst,
        threshold=alarm.threshold,
        quiet=alarm.quiet,
        raised_at=moment(alarm.raised_at),
        seen_at=at,
        seen_by=desktop,
        cleared_at=moment(alarm.cleared_at) if alarm.cleared_at else None,
    )
    session.add(row)
    session.flush()
    if webhook and alarm.webhook and not alarm.quiet:
        _tell(session, replace(alarm, id=row.id), "raised", at)
        if alarm.cleared_at:
            _tell(session, replace(alarm, id=row.id), "cleared", at)
    return row.id


def write_seen(session: Session, alarm: Open, desktop: str, at: datetime, *, webhook: bool) -> None:
    """This desktop still finds it on. Where its quiet hours are over, the webhook is told now."""
    row = session.get(Alarm, alarm.id)
    if row is None or row.open_key is None:
        return
    was_quiet = row.quiet
    row.value, row.worst, row.quiet = alarm.value, alarm.worst, alarm.quiet
    row.seen_at, row.seen_by = at, desktop
    if was_quiet and not alarm.quiet and webhook and alarm.webhook and not _was_told(session, alarm):
        _tell(session, alarm, "raised", at)


def write_ended(session: Session, alarm: Open, desktop: str, at: datetime) -> bool:
    """End an alarm; False: another desktop has done so, or is the one to do so."""
    ended = session.execute(
        update(Alarm)
        .where(
            Alarm.id == alarm.id,
            Alarm.open_key.is_not(None),
            or_(Alarm.seen_by == desktop, Alarm.seen_at < at - STALE),
        )
        .values(
            open_key=None,
            cleared_at=moment(alarm.cleared_at or alarm.seen_at),
            value=alarm.value,
            worst=alarm.worst,
        )
    )
    if not isinstance(ended, CursorResult) or not ended.rowcount:
        return False
    if _was_told(session, alarm):
        _tell(session, alarm, "cleared", max(at, moment(alarm.quiet_until)))
    return True


def acknowledge(session: Session, alarm_id: int, user_id: int, note: str, at: datetime) -> Open:
    """Somebody has taken note of an alarm. Raises Refusal: not_found, or acknowledged by somebody already."""
    found = session.execute(_with_names().where(Alarm.id == alarm_id)).one_or_none()
    if found is None:
        raise Refusal("not_found", "没有这条告警。")
    changed = session.execute(
        update(Alarm)
        .where(Alarm.id == alarm_id, Alarm.acknowledged_at.is_(None))
        .values(acknowledged_by=user_id, acknowledged_at=at, note=note)
        .execution_options(synchronize_session=False)
    )
    if not isinstance(changed, CursorResult) or not changed.rowcount:
        session.refresh(found[0])
        who = session.get(User, found[0].acknowledged_by or 0)
        raise Refusal("acknowledged", f"这条告警已由{who.name if who else '其他同事'}确认。", status=409)
    session.expire_all()
    return _open(*session.execute(_with_names().where(Alarm.id == alarm_id)).one())


# --- for the webhook -----------------------------------------------------------------------------------


def _was_told(session: Session, alarm: Open) -> bool:
    raised = select(WebhookDelivery.id).where(
        WebhookDelivery.alarm_id == alarm.id, WebhookDelivery.what == "raised"
    )
    return session.scalar(raised) is not None


def _tell(session: Session, alarm: Open, what: str, at: datetime) -> None:
    session.add(WebhookDelivery(alarm_id=alarm.id, what=what, body=told(session, alarm, what), next_at=at))
    session.flush()


def told(session: Session, alarm: Open, what: str) -> Row:
    """What the webhook gets: nothing about any person, citizen or agent."""
    queue = session.get(Queue, alarm.queue) if alarm.queue else None
    body: Row = {
        "event": f"alarm.{what}",
        "alarm": alarm.id,
        "kind": alarm.kind,
        "kind_label": KINDS[alarm.kind].label,
        "queue": alarm.queue or None,
        "queue_label": queue.label if queue else None,
        "subject": alarm.subject or None,
        "value": alarm.value,
        "worst": alarm.worst,
        "threshold": alarm.threshold,
        "unit": KINDS[alarm.kind].unit,
        "raised_at": _iso(alarm.raised_at),
        "cleared_at": _iso(alarm.cleared_at) if what == "cleared" and alarm.cleared_at else None,
    }
    where = " ".join(part for part in (body["queue_label"], alarm.subject) if part)
    said = alarm_rules.amount(alarm.kind, alarm.worst if what == "cleared" else alarm.value)
    bound = alarm_rules.bound(alarm.kind, alarm.threshold)
    body["text"] = (
        f"【告警解除】{body['kind_label']} {where} 最差 {said}"
        if what == "cleared"
        else f"【告警】{body['kind_label']} {where} {said}（{bound}）"
    ).replace("  ", " ")
    return body


def _iso(at: int) -> str:
    """ "2026-11-21T14:03:09+08:00": the city's time."""
    return moment(at).astimezone(CITY_TIME).isoformat(timespec="seconds")


# --- what the rules are judged by ------------------------------------------------------------------------


def recording_gaps(session: Session, at: datetime) -> int:
    """Recordings missing without an explanation, of calls of the last 24 hours."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Recording)
            .join(Call, Call.uid == Recording.call_uid)
            .where(Recording.state == "gap", Call.arrived_at >= at - timedelta(days=1))
        )
        or 0
    )
