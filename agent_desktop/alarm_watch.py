"""Watches the rules as time goes by, keeps the alarms that are on, tells the pages; the books follow.

    each second   look():        floors, counts ─► rules ─► conditions ─► open alarms ─push alarms─► leaders
    own thread    keep_books():  rules, counts, gaps, disks ◄─ database ─► alarms raised, ended, acknowledged

`look` touches no database: with the database away alarms are raised and shown all the same, and written when
it is back. Every desktop watches; `Alarm.open_key` lets one of them raise an alarm, `seen_by` one end it.
"""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from agent_desktop import alarm_tables as tables
from agent_desktop import floor_settings
from agent_desktop.alarm_readings import DATABASE, RECORDER, Reading, Seen, readings
from agent_desktop.alarm_rules import (
    CALM,
    KINDS,
    Condition,
    Happened,
    Rule,
    amount,
    apply,
    bound,
    gone,
    is_bad,
    is_quiet,
    quiet_until,
    taken_over,
    worse,
)
from agent_desktop.alarm_tables import Open
from agent_desktop.floor import Floor, now_ms
from agent_desktop.labels import Names
from db import alarm_defaults, open_queues
from db.models import User
from hotline.settings import Settings
from recordings.capture import ring
from reports.interval import interval

log = structlog.get_logger("desktop")

SLOW_MS = 15_000
"""How often counts, gaps, disks and rules are read."""
CONFIRM_MS = 10_000
"""How often an alarm that goes on is confirmed in the database."""
VALUES_MS = 5_000
"""Values that run on are pushed so often; what is raised, ended or acknowledged at once."""
AWAY_MS = 10_000
"""The database is away when nothing of it was heard for so long: a slow answer is no alarm."""
MOST_ENDED = 1_000
"""Ended alarms that wait for the database; the oldest are given up."""

UNWRITTEN: tuple[Rule, ...] = tuple(
    Rule(id=-place - 1, **facts)
    for place, facts in enumerate(alarm_defaults.NORM | one for one in alarm_defaults.DEFAULTS)
)
"""Until the rules have been read."""


class AlarmWatch:
    """The alarms of this desktop. `look` and `keep_books` are called by one thread each, the rest by any."""

    def __init__(
        self,
        settings: Settings,
        open_session: sessionmaker[Session],
        floor: Floor,
        names: Names,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._settings, self._sessions, self._floor, self._names = settings, open_session, floor, names
        self._clock = clock
        self.desktop = secrets.token_hex(8)
        self._lock = threading.RLock()
        self._rules = UNWRITTEN
        self._conditions: dict[str, Condition] = {}
        self._open: dict[str, Open] = {}
        self._ended: list[Open] = []
        self._confirmed_at: dict[str, int] = {}
        self._slow_at = self._pushed_at = 0
        self._begun_at = clock()
        self._pushed: tuple[object, object] = ((), ())
        self._heard_at = clock()
        self._tried = False
        self._seen = Seen(at=0, pictures={})

    # --- each second -------------------------------------------------------------------------------

    def look(self) -> None:
        """Judge every rule by what is seen now, and push what has changed. No database, no waiting."""
        with self._lock:
            if not self._tried:
                return  # what is open is not known yet
            at = self._clock()
            seen = self._see(at)
            for rule in self._rules:
                if rule.active:
                    self._read_and_judge(rule, seen, at)
            self._end_what_is_over(at)
            self.tell()

    def _see(self, at: int) -> Seen:
        away = at - self._heard_at > AWAY_MS
        return replace(
            self._seen,
            at=at,
            pictures=self._floor.pictures(),
            database_gone_since=self._heard_at if away else None,
            counted=None if away else self._seen.counted,
            gaps=None if away else self._seen.gaps,
            reasons=self._names.reasons,
            queue_name=self._names.queue,
        )

    def _read_and_judge(self, rule: Rule, seen: Seen, at: int) -> None:
        try:
            self._judge(rule, readings(rule, seen), at)
        except (KeyError, TypeError, ValueError) as error:
            # A fact that a newer cti says otherwise must not stop the desktop's clock.
            log.error("alarm_rule_not_judged", rule=rule.id, kind=rule.kind, error=repr(error))

    def _judge(self, rule: Rule, found: dict[str, Reading], at: int) -> None:
        before = rule.key("")
        known = [key.removeprefix(before) for key in self._conditions if key.startswith(before)]
        for subject in [*found, *(one for one in known if one not in found)]:
            key = rule.key(subject)
            condition, reading = self._conditions.get(key, CALM), found.get(subject)
            if condition is CALM and key not in self._open and reading and not is_bad(rule, reading.value):
                continue  # as nearly every seat, each second
            if reading is None:
                after, happened = gone(rule, condition, at)
            else:
                after, happened = apply(rule, condition, reading.value, at)
            if after.state is CALM.state:
                self._conditions.pop(key, None)
            else:
                self._conditions[key] = after
            if happened is Happened.RAISED and key not in self._open:
                self._raise(rule, subject, reading.detail if reading else "", after)
            elif key in self._open:
                self._follow(rule, key, after, reading, at)

    def _raise(self, rule: Rule, subject: str, detail: str, condition: Condition) -> None:
        key, at = rule.key(subject), condition.raised_at
        self._open[key] = Open(
            key=key,
            rule_id=rule.id,
            kind=rule.kind,
            queue=rule.queue,
            subject=subject,
            detail=detail,
            value=condition.value,
            worst=condition.worst,
            threshold=rule.threshold,
            raised_at=condition.raised_at,
            quiet=is_quiet(rule, at),
            quiet_until=quiet_until(rule, at),
            sound=rule.sound,
            webhook=rule.webhook,
        )
        log.warning("alarm_raised", kind=rule.kind, queue=rule.queue, subject=subject, value=condition.value)

    def _follow(self, rule: Rule, key: str, condition: Condition, reading: Reading | None, at: int) -> None:
        alarm = self._open[key]
        seen = reading is not None and reading.value is not None
        self._open[key] = replace(
            alarm,
            value=condition.value,
            worst=worse(rule, alarm.worst, condition.worst) if condition.open else alarm.worst,
            detail=reading.detail if reading and seen and condition.open and reading.detail else alarm.detail,
            quiet=is_quiet(rule, at),
            quiet_until=quiet_until(rule, at),
            sound=rule.sound,
            webhook=rule.webhook,
        )

    def _end_what_is_over(self, at: int) -> None:
        """Alarms whose condition is calm, or whose rule is gone; another desktop ends its own."""
        active = {rule.id for rule in self._rules if rule.active}
        for key in list(self._conditions):
            if int(key.partition(":")[0]) not in active:
                del self._conditions[key]
        for key, alarm in list(self._open.items()):
            condition = self._conditions.get(key)
            if (condition is None or not condition.open) and alarm.kept_by(self.desktop, at):
                del self._open[key]
                self._ended = [*self._ended, replace(alarm, cleared_at=at)][-MOST_ENDED:]
                log.info("alarm_cleared", kind=alarm.kind, queue=alarm.queue, subject=alarm.subject)

    # --- for the pages -----------------------------------------------------------------------------

    def shown(self) -> list[dict[str, Any]]:
        """Every alarm that is on: not acknowledged ones first, then the newest."""
        with self._lock:
            alarms = sorted(
                self._open.values(), key=lambda one: (one.acknowledged_at is not None, -one.raised_at)
            )
            return [self.view(alarm) for alarm in alarms]

    def view(self, alarm: Open) -> dict[str, Any]:
        """An alarm as JSON; `sounds`: it should be heard now."""
        return {
            "id": alarm.id,
            "key": alarm.key,
            "kind": alarm.kind,
            "kind_label": KINDS[alarm.kind].label if alarm.kind in KINDS else alarm.kind,
            "queue": alarm.queue or None,
            "queue_label": self._names.queue(alarm.queue) if alarm.queue else None,
            "subject": alarm.subject or None,
            "subject_label": self._subject(alarm),
            "detail": alarm.detail,
            "value": alarm.value,
            "value_label": amount(alarm.kind, alarm.value),
            "worst": alarm.worst,
            "worst_label": amount(alarm.kind, alarm.worst),
            "threshold": alarm.threshold,
            "threshold_label": bound(alarm.kind, alarm.threshold),
            "raised_at": alarm.raised_at,
            "cleared_at": alarm.cleared_at,
            "quiet": alarm.quiet,
            "sounds": alarm.sound and not alarm.quiet and not alarm.acknowledged_at and not alarm.cleared_at,
            "acknowledged_by": alarm.acknowledged_by,
            "acknowledged_at": alarm.acknowledged_at,
            "note": alarm.note,
        }

    def _subject(self, alarm: Open) -> str | None:
        if alarm.kind == "state_too_long":
            return self._names.seat(alarm.subject)
        if alarm.kind == "link_lost":
            return _link(alarm.subject)
        return alarm.subject or None

    def tell(self) -> None:
        """Push what has changed: facts at once, values that run on every VALUES_MS."""
        with self._lock:
            at, shown = self._clock(), self.shown()
            facts = tuple(
                (one["key"], one["id"], one["raised_at"], one["sounds"], one["quiet"], one["acknowledged_at"])
                for one in shown
            )
            values = tuple((one["value"], one["detail"]) for one in shown)
            late = abs(at - self._pushed_at) >= VALUES_MS
            if facts == self._pushed[0] and (values == self._pushed[1] or not late):
                return
            self._pushed, self._pushed_at = (facts, values), at
            self._floor.emit("alarms", {"open": shown}, "floor")

    def acknowledged(self, alarm: Open) -> None:
        """Somebody has acknowledged an alarm here: the pages are told before the books are looked at."""
        with self._lock:
            known = self._open.get(alarm.key)
            if known and known.id == alarm.id:
                self._open[alarm.key] = _with_books(known, alarm)
        self.tell()

    def rules_changed(self) -> None:
        """Read rules and counts with the next turn of the books."""
        with self._lock:
            self._slow_at = 0

    # --- the books ---------------------------------------------------------------------------------

    def keep_books(self) -> None:
        """Write what was raised and ended, read what others have done. An error means: next time."""
        at = self._clock()
        try:
            self._write_defaults()
            with self._sessions.begin() as session:
                self._read_slow(session, at)
                ended, written = self._write(session, at)
        except IntegrityError:
            log.info("alarm_raised_elsewhere")
            self._heard_at = self._clock()
        except (SQLAlchemyError, StaleDataError, OSError) as error:
            log.warning("alarm_books_wait", error=type(error).__name__)
        except Exception:
            log.exception("alarm_books_failed")
        else:
            self._heard_at = self._clock()
            self._note_written(ended, written, at)
        self._tried = True

    def _write_defaults(self) -> None:
        """A hotline that is new, or of an older version, gets its first rules; one process writes them."""
        if self._rules is not UNWRITTEN:
            return
        try:
            with self._sessions.begin() as session:
                alarm_defaults.add_defaults(session)
        except IntegrityError:
            return

    def _read_slow(self, session: Session, at: int) -> None:
        if 0 <= at - self._slow_at < SLOW_MS:
            return
        moment = tables.moment(at)
        rules = tuple(tables.rules(session))
        openings = open_queues.read(session)
        windows = {
            (rule.queue, rule.window_minutes) for rule in rules if rule.active and KINDS[rule.kind].rate
        }
        norm_ms = self._settings.answer_norm_seconds * 1000
        counted = {
            (queue, minutes): interval(
                session, moment - timedelta(minutes=minutes), moment, queue=queue or None, norm_ms=norm_ms
            )
            for queue, minutes in windows
        }
        names = {login: name for login, name in session.execute(select(User.login, User.name))}
        seen = Seen(
            at=at,
            pictures={},
            is_open=lambda queue: (
                queue not in openings or openings[queue].is_open(tables.moment(self._clock()))
            ),
            settings=floor_settings.read(session),
            counted=counted,
            gaps=tables.recording_gaps(session, moment),
            disks=disks(self._folders()),
            recorders=self._recorders(at),
            agent_name=lambda login: names.get(login, login),
        )
        with self._lock:
            self._rules, self._seen, self._slow_at = rules, seen, at

    def _recorders(self, at: int) -> dict[str, int | None]:
        """Passive recorders that have run on this machine; one that starts together with us has a moment."""
        return {
            one.name: None if one.is_alive(at) else max(one.alive_at, self._begun_at + SLOW_MS)
            for one in ring.recorders(self._settings.ring)
            if one.name in self._settings.recorder_names
        }

    def _folders(self) -> Iterable[tuple[str, Any]]:
        yield "数据目录", self._settings.var
        yield "录音目录", self._settings.recordings

    def _write(self, session: Session, at: int) -> tuple[list[Open], dict[str, int]]:
        """In this order: what others did, what ended, what is new, what goes on. Gives the ended ones that
        are settled, and the id of each that is on and was written."""
        moment, webhook = tables.moment(at), bool(self._settings.alarm_webhook_url)
        rows = {alarm.key: alarm for alarm in tables.open_alarms(session)}
        with self._lock:
            ended = list(self._ended)
            self._take(rows, {alarm.key for alarm in ended}, at)
            alarms = list(self._open.values())
            held = {key for key, condition in self._conditions.items() if condition.open}
        others: set[str] = set()
        for alarm in ended:
            row = rows.get(alarm.key)
            if alarm.id is None and row is None:
                tables.write_raised(session, alarm, self.desktop, moment, webhook=webhook)
                continue
            known = replace(alarm, id=row.id) if row and alarm.id in (None, row.id) else None
            if known and not tables.write_ended(session, known, self.desktop, moment):
                others.add(alarm.key)
        written: dict[str, int] = {}
        for alarm in alarms:
            if alarm.id is None and alarm.key not in others:
                written[alarm.key] = tables.write_raised(
                    session, alarm, self.desktop, moment, webhook=webhook
                )
            elif (
                alarm.id and alarm.key in held and alarm.kept_by(self.desktop, at) and self._is_due(alarm, at)
            ):
                tables.write_seen(session, alarm, self.desktop, moment, webhook=webhook)
                written[alarm.key] = alarm.id
        return ended, written

    def _note_written(self, ended: list[Open], written: dict[str, int], at: int) -> None:
        with self._lock:
            self._ended = [alarm for alarm in self._ended if alarm not in ended]
            for key, row_id in written.items():
                known = self._open.get(key)
                if known:
                    self._confirmed_at[key] = at
                    self._open[key] = replace(known, id=row_id, seen_at=at, seen_by=self.desktop)
            for key in self._confirmed_at.keys() - self._open.keys():
                del self._confirmed_at[key]
            # An alarm that ended while it was being written is ended with its row.
            self._ended = [
                replace(alarm, id=written[alarm.key], seen_by=self.desktop)
                if alarm.id is None and alarm.key in written
                else alarm
                for alarm in self._ended
            ]
        self.tell()

    def _is_due(self, alarm: Open, at: int) -> bool:
        """Confirm from time to time, and at once where the quiet hours are over."""
        return abs(at - self._confirmed_at.get(alarm.key, 0)) >= CONFIRM_MS

    def _take(self, rows: dict[str, Open], ending: set[str], at: int) -> None:
        """What the database says: alarms to take over, acknowledged ones, those that others ended."""
        rules = {rule.id: rule for rule in self._rules}
        for key, row in rows.items():
            known = self._open.get(key)
            if key in ending:
                continue
            if known is not None:
                self._open[key] = _with_books(known, row)
            else:
                self._open[key] = row
                rule = rules.get(row.rule_id)
                if rule and rule.active and key not in self._conditions:
                    self._conditions[key] = taken_over(row.raised_at, row.value, row.worst, at)
        for key, alarm in list(self._open.items()):
            if alarm.id is not None and key not in rows:
                del self._open[key]
                self._conditions.pop(key, None)


def _link(subject: str) -> str:
    """Whom link_lost is about, in words."""
    if subject == DATABASE:
        return "数据库"
    if subject.startswith(RECORDER):
        return f"旁路录音 {subject.removeprefix(RECORDER)}"
    return f"电话系统 {subject}"


def _with_books(known: Open, row: Open) -> Open:
    """What memory has, with what only the database knows."""
    return replace(
        known,
        id=row.id,
        raised_at=row.raised_at,
        seen_at=row.seen_at,
        seen_by=row.seen_by,
        acknowledged_by=row.acknowledged_by,
        acknowledged_at=row.acknowledged_at,
        note=row.note,
    )


def disks(folders: Iterable[tuple[str, Any]]) -> dict[str, float]:
    """Percent used of the disk of each folder (name, path); two on one disk are one, under the first name."""
    found: dict[str, float] = {}
    known: set[int] = set()
    for name, path in folders:
        try:
            device = path.stat().st_dev
            used = shutil.disk_usage(path)
        except OSError:
            continue  # not made yet
        if device not in known:
            known.add(device)
            found[name] = 100 * (1 - used.free / used.total) if used.total else 0.0
    return found
