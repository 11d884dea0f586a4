"""The worker: everything slow. Run by `python -m hotline.worker`.

    collecting thread ─ every second ─► recordings.rounds.collect   (the spool folder is its own queue)
    cutting thread    ─ every second ─► calls out of the passive recorders' capture, where there is one
    telling thread    ─ every second ─► hotline.alarm_webhook: alarms that the city's webhook is to know
    announcing thread ─ every second ─► sounds of announcements that are wanted (announcing.py)
    guarding thread   ─ 10 a second  ─► who guesses SIP passwords is shut out (hotline/guard)
    huey, 2 threads   ─ every minute ─► gaps of the last hours
                      ─ every hour   ─► nightly check, once a day from 02:30 Asia/Shanghai
                      ─ every day    ─► what has passed the retention (reported only)
                      ─ 03:05        ─► a new journal file; old ones that the ledger holds go after 30 days
                      ─ 03:15        ─► attachments that no ticket has taken within 7 days go

Collecting is no huey job, because huey's clock ticks in minutes and a recording is to be playable about
five seconds after the end of its call; nothing is enqueued for it, so nothing can be lost with a queue.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import structlog
from huey import SqliteHuey, crontab
from sqlalchemy import func, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from agent_desktop.heaps import keep_few_heaps
from db.engine import open_engine, sessions
from db.models import JournalEvent
from hotline import alarm_webhook, pbx
from hotline.announcing import Announcer
from hotline.cutting import Cutting
from hotline.guard.watch import Watch
from hotline.settings import Settings, load
from recordings import nightly, retention, rounds
from recordings.keep import SpoolAway
from recordings.rounds import Round
from tickets import attachments

log = structlog.get_logger("worker")

ROUND_SECONDS = 1.0
"""With keep.QUIET, 2 s, and about 0.5 s for a talk of three minutes: playable within 4 s."""
LONGEST_PAUSE_SECONDS = 10.0
"""After errors rounds come slower, up to this; a database that is back is noticed at once for people."""
RETRY_FIRST_SECONDS = 5.0
RETRY_LAST_SECONDS = 600.0
"""A file that fails is tried again after 5, 10, 20 ... 600 s, so that it cannot fill the log."""
SAME_WORDS_SECONDS = 60.0
"""An error that lasts is logged once in this time."""
CATCH_UP_DAYS = 7
"""The nightly job also looks for gaps this far back: a ledger that was days late has caught up since."""
JOURNAL_DAYS = 30
"""A rotated journal stays this long beside the ledger that was made of it."""
AWAY = (OperationalError, InterfaceError)
THREADS = 2
STOP_SECONDS = 1.5
"""Below the process manager's grace of 2 s."""
ENDING = frozenset({signal.SIGTERM, signal.SIGINT})


class Collector:
    """Runs rounds of collecting until stopped; remembers what failed and when to try it again."""

    def __init__(self, open_session: sessionmaker[Session], settings: Settings) -> None:
        self._open_session = open_session
        self._settings = settings
        self._failures: dict[str, tuple[int, float]] = {}
        self._said: dict[str, float] = {}
        self._orphans: frozenset[str] = frozenset()
        self.stop = threading.Event()

    def run(self) -> None:
        """Rounds until `stop` is set. An error never ends it: the next round comes a little later."""
        pause = ROUND_SECONDS
        while not self.stop.wait(pause):
            done = self.round(datetime.now(UTC), time.monotonic())
            if done is None or done.disk_full or done.busy:
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                pause = 0.0 if done.more and not done.failed else ROUND_SECONDS

    def round(self, now: datetime, clock: float) -> Round | None:
        """One round; None when the database or the spool was away. `clock` is monotonic, in seconds."""
        skip = [uid for uid, (_, again_at) in self._failures.items() if clock < again_at]
        try:
            done = rounds.collect(self._open_session, self._settings, now, skip=skip, stop=self.stop.is_set)
        except AWAY as error:
            self._say(clock, "database is away, recordings wait", error=_one_line(error.orig or error))
            return None
        except SpoolAway as error:
            self._say(clock, "spool is away", error=str(error))
            return None
        except Exception as error:
            self._say(clock, "round failed", error=f"{type(error).__name__}: {_one_line(error)}")
            return None
        self._remember(done, clock)
        self._tell(done, clock)
        return done

    def _remember(self, done: Round, clock: float) -> None:
        for uid in (*done.kept, *done.suspect, *done.missing):
            self._failures.pop(uid, None)
        for uid, why in done.failed.items():
            times = self._failures.get(uid, (0, 0.0))[0] + 1
            wait = min(RETRY_FIRST_SECONDS * 2 ** (times - 1), RETRY_LAST_SECONDS)
            self._failures[uid] = (times, clock + wait)
            log.error("recording not kept", call=uid, error=why, times=times, again_in_seconds=wait)

    def _tell(self, done: Round, clock: float) -> None:
        if done.kept or done.suspect or done.missing:
            log.info("kept", good=len(done.kept), suspect=done.suspect, missing=done.missing)
        if done.disk_full:
            self._say(clock, "disk full, recordings stay in the spool", error=done.disk_full)
        if not done.more and frozenset(done.orphans) != self._orphans:
            self._orphans = frozenset(done.orphans)
            if self._orphans:
                log.warning("files unknown to the ledger", count=len(self._orphans), first=min(self._orphans))

    def _say(self, clock: float, what: str, **fields: Any) -> None:
        """Logs an error that may last, at most once a minute."""
        if clock - self._said.get(what, float("-inf")) >= SAME_WORDS_SECONDS:
            self._said[what] = clock
            log.error(what, **fields)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300]


# --- jobs ----------------------------------------------------------------------------------------------


def note_recent_gaps(open_session: sessionmaker[Session], settings: Settings, now: datetime) -> list[str]:
    """Writes rows for calls of the last hours that have no recording; returns their uids."""
    noted = rounds.note_gaps(open_session, settings, now, *rounds.recent(now))
    if noted:
        log.warning("answered calls without a recording", count=len(noted), calls=noted[:10])
    return noted


def check_yesterday(
    open_session: sessionmaker[Session], settings: Settings, now: datetime
) -> nightly.DayReport | None:
    """The nightly check, if it is due and not yet done; its report is saved, which marks it as done."""
    day = nightly.day_due(settings, now)
    if day is None:
        return None
    rounds.note_gaps(open_session, settings, now, now - timedelta(days=CATCH_UP_DAYS), now)
    return check(open_session, settings, day, now)


def check(
    open_session: sessionmaker[Session], settings: Settings, day: date, now: datetime
) -> nightly.DayReport:
    """Checks one day and saves its report."""
    done = rounds.check_day(open_session, settings, day, now)
    nightly.save_report(settings, done)
    log.log(
        logging.INFO if done.ok else logging.ERROR,
        "recordings checked",
        day=str(day),
        calls=done.calls,
        gaps=done.gaps,
        suspect=done.suspect,
        explained=done.explained,
        damaged=done.damaged,
        orphans=len(done.orphans),
    )
    return done


def report_overdue(open_session: sessionmaker[Session], now: datetime) -> retention.Overdue:
    """Logs what has passed the retention. Nothing is deleted."""
    with open_session() as session:
        found = retention.overdue(session, now)
    if found.files:
        log.info("past retention", files=found.files, bytes=found.bytes, oldest=str(found.oldest))
    return found


def rotate_journal(open_session: sessionmaker[Session], settings: Settings) -> list[str]:
    """Begins a new journal file and deletes those rotated more than JOURNAL_DAYS ago; returns their names.
    Asterisk's logs are rotated with it, and kept as long.

    A file is deleted only when the ledger holds lines that much younger than the file's last one: the copier
    takes the files in order, so all of the older file is in it.
    """
    try:
        pbx.rotate_journal(settings)
    except pbx.ConsoleFailed as error:
        log.warning("the journal was not rotated", error=_one_line(error))
        return []
    with open_session() as session:
        newest = session.scalar(
            select(func.max(JournalEvent.at)).where(JournalEvent.pbx == settings.pbx_name)
        )
    deleted = []
    for old in settings.journal.parent.glob(settings.journal.name + ".*"):
        if newest and old.stat().st_mtime < newest.timestamp() - JOURNAL_DAYS * 86400:
            old.unlink()
            deleted.append(old.name)
    month_ago = time.time() - JOURNAL_DAYS * 86400
    for name in ("messages.log", "security.log"):
        for old in settings.journal.parent.glob(f"{name}.*"):
            if old.stat().st_mtime < month_ago:
                old.unlink()
                deleted.append(old.name)
    return deleted


def tidy_attachments(open_session: sessionmaker[Session], settings: Settings, now: datetime) -> int:
    """Removes what was attached to forms never saved, and files that no row names; gives how many files."""
    with open_session.begin() as session:
        forgotten = attachments.forget_unsaved(session, now)
    with open_session() as session:
        deleted = attachments.sweep(session, settings.attachments, now)
    if forgotten or deleted:
        log.info("attachments tidied", forgotten=forgotten, files=deleted)
    return deleted


def jobs(open_session: sessionmaker[Session], settings: Settings, *, immediate: bool = False) -> SqliteHuey:
    """The huey with its periodic jobs. `immediate` runs them in the caller, in memory: for tests.

    A job that meets a database that is away is tried again for half an hour; the clock of crontab is UTC.
    """
    settings.jobs.parent.mkdir(parents=True, exist_ok=True)
    huey = SqliteHuey("hotline", filename=str(settings.jobs), immediate=immediate, results=False, utc=True)

    @huey.periodic_task(crontab(minute="*"), name="note_recent_gaps", expires=50)
    def _gaps() -> None:
        _patiently(lambda: note_recent_gaps(open_session, settings, datetime.now(UTC)))

    @huey.periodic_task(crontab(minute="30"), name="check_yesterday", retries=30, retry_delay=60)
    def _nightly() -> None:
        check_yesterday(open_session, settings, datetime.now(UTC))

    @huey.periodic_task(crontab(hour="19", minute="10"), name="report_overdue", retries=30, retry_delay=60)
    def _retention() -> None:
        report_overdue(open_session, datetime.now(UTC))

    @huey.periodic_task(crontab(hour="19", minute="5"), name="rotate_journal", retries=3, retry_delay=60)
    def _rotate() -> None:
        rotate_journal(open_session, settings)

    @huey.periodic_task(crontab(hour="19", minute="15"), name="tidy_attachments", retries=3, retry_delay=60)
    def _tidy() -> None:
        tidy_attachments(open_session, settings, datetime.now(UTC))

    return huey


def _patiently(job: Any) -> None:
    """Runs a job that comes again in a minute anyway: being away is one line in the log, not a traceback."""
    try:
        job()
    except (*AWAY, SpoolAway) as error:
        log.error("job waits for its next turn", error=_one_line(getattr(error, "orig", None) or error))


# --- the process ---------------------------------------------------------------------------------------


def log_in_lines() -> None:
    """One line for each event on stdout, those of huey and other libraries too."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    to_stdout = logging.StreamHandler(sys.stdout)
    to_stdout.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _error_in_one_line,
                renderer,
            ],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[to_stdout], force=True)
    logging.getLogger("huey").setLevel(logging.WARNING)


def _error_in_one_line(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """What was raised as one field instead of a traceback over many lines."""
    raised = event.pop("exc_info", None)
    if isinstance(raised, tuple):
        raised = raised[1]
    elif raised is True:
        raised = sys.exc_info()[1]
    if isinstance(raised, BaseException):
        event["error"] = f"{type(raised).__name__}: {_one_line(raised)}"
    return event


def main() -> None:
    """Collects and runs jobs until SIGTERM or SIGINT; ends within three seconds.

    A recording that is just being converted is left: its temporary file is written anew next time.
    """
    log_in_lines()
    keep_few_heaps()
    settings = load()
    settings.var.mkdir(parents=True, exist_ok=True)
    open_session = sessions(open_engine(settings.database))
    collector = Collector(open_session, settings)
    consumer = jobs(open_session, settings).create_consumer(
        workers=THREADS, max_delay=2.0, check_worker_health=True
    )
    # Blocked before any thread starts and then waited for: a handler could meet a lock that is held, and
    # huey's own handlers wait for tasks or drop them as they like.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    collecting = threading.Thread(target=collector.run, name="collect", daemon=True)
    telling = threading.Thread(
        target=alarm_webhook.deliver, args=(open_session, settings, collector.stop), name="tell", daemon=True
    )
    cutting = Cutting(open_session, settings)
    cutting_thread = threading.Thread(target=cutting.run, name="cut", daemon=True)
    announcer = Announcer(open_session, settings)
    announcing = threading.Thread(target=announcer.run, name="announce", daemon=True)
    if settings.guard:
        watch = Watch(settings)
        threading.Thread(target=watch.run, args=(collector.stop,), name="guard", daemon=True).start()
    consumer.start()
    collecting.start()
    telling.start()
    announcing.start()
    if settings.recorder_names:
        cutting_thread.start()
    log.info("worker started", database=settings.database.split("@")[-1], recordings=str(settings.recordings))
    while signal.sigtimedwait(ENDING, 1.0) is None:
        is_cutting = cutting_thread.is_alive() or not settings.recorder_names
        if not (collecting.is_alive() and announcing.is_alive() and is_cutting):
            log.error("a thread ended by itself; the process manager starts the worker again")
            sys.exit(1)
    collector.stop.set()
    announcer.stop.set()
    cutting.stop.set()
    consumer.stop()
    collecting.join(STOP_SECONDS)
    log.info("worker stopped", unfinished=collecting.is_alive())


if __name__ == "__main__":
    main()
