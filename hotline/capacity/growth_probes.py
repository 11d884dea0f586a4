"""What parts cost that no run of calls can load on two cores: ledger, its view, log-ins, FLAC, disk.

    made-up journal ──cti.copier──► SQLite, PostgreSQL      ms and bytes a call, commits a second
    a day of 1,000,000 calls in PostgreSQL ──► the day's report, an agent's day, the desktop's view in memory
    two voices of the repository ──recordings.sound──► CPU and bytes of a recorded minute
    citizens who wait at a bare Asterisk with music   ──► CPU and memory of a channel

Each probe loads one part alone, with the part's own code. Figures are of this machine; `cpu` is user and
system time, so they hold where somebody else works beside. `hotline capacity growth --measure` runs them.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile as sf
from argon2 import PasswordHasher
from sqlalchemy import Engine, text
from sqlalchemy.orm import sessionmaker

from agent_desktop.ledger_view import read_everything
from cti.copier import Copier
from db.engine import open_engine, sessions
from db.migrate import upgrade
from hotline.capacity.talking import CITIZENS, QUEUE, BarePbx, Edit, Window
from hotline.private_line import free_port, until
from ivr.missed import note_ended
from recordings import sound
from reports.agent_day import agent_day, midnight_of
from reports.interval import NORM_MS, by_queue, epoch_ms

AREA_CODE = "0571"
AGENTS = 3000
TALK_SECONDS = 180
DAY = date(2026, 11, 20)
"""The day that the made-up ledgers are of."""
VOICES = Path(__file__).resolve().parents[1] / "phones" / "voices"

Say = Callable[[str], None]


def measure(postgres: str, tree: Path, *, calls: int, days: int, say: Say = print) -> dict[str, Any]:
    """All probes. `postgres` is the URL of an empty database ('': those of PostgreSQL are left out); a day of
    the large ledger has so many calls; `tree` is the PBX's."""
    found: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds")}
    say("citizens who wait")
    found["waiting"] = waiting(tree)
    with tempfile.TemporaryDirectory(prefix="hotline-growth-") as folder:
        place = Path(folder)
        say("log-ins, FLAC, disk")
        found |= {"argon2": argon2(), "flac": flac(place), "fsync": fsync(place)}
        say("copier into SQLite")
        found["sqlite"] = ledger(f"sqlite:///{place / 'ledger.db'}", place / "journal-sqlite")
        if postgres:
            say("copier into PostgreSQL")
            found["postgresql"] = ledger(postgres, place / "journal-postgres")
            say(f"{days} days of {calls:,} calls in PostgreSQL")
            found["day"] = day(postgres, calls, days)
    return found


# --- citizens who wait ---------------------------------------------------------------------------------


class _Waiting(BarePbx):
    """The bare Asterisk, with citizens who call and nobody who answers."""

    def start(self) -> _Waiting:
        super().start()
        # Somebody who takes a break: else nobody would be let into the queue.
        seat = f"PJSIP/{self.settings.seat_numbers[0]}"
        self.ask(lambda wire: wire.action("QueueAdd", Queue=QUEUE, Interface=seat, Paused="true"))
        return self

    def called(self, rate: float) -> None:
        """All of them call, so many a second, and are in the queue when this returns. Raises NotInTime."""
        callers = str(self.calls)
        self._sipp(
            *("citizen-talks-until-the-end", CITIZENS, "-p", str(free_port())),
            *("-r", str(rate), "-m", callers, "-l", callers),
        )
        until(lambda: len(self.channels()) >= self.calls, 30, "everybody in the queue")

    def used(self, seconds: float) -> Window:
        """What Asterisk uses for so long."""
        begun = self.begin()
        time.sleep(seconds)
        return self.end(begun)


WITHOUT_RECORDER = Edit("extensions.conf", " same => n,NoOp()", r"^ same => n,MixMonitor\(\$\{MONITOR\}.*$")


def waiting(tree: Path) -> dict[str, Any]:
    """A citizen who waits, with the recorder armed before the queue as it is for MixMonitor, and without."""
    return {"mixmonitor": _waiting(tree, ()), "none": _waiting(tree, (WITHOUT_RECORDER,))}


def _waiting(
    tree: Path, edits: tuple[Edit, ...], callers: int = 100, seconds: float = 8.0
) -> dict[str, float]:
    """So many citizens in one queue of a bare Asterisk, with music and their place told; nobody answers."""
    line = _Waiting(tree, callers, edits)
    with line:
        line.start()
        still = line.used(seconds / 2)
        line.called(rate=20.0)
        busy = line.used(seconds)
        there = len(line.channels())
        return {
            "callers": there,
            "cpu_ms_a_second": round((busy.cores - still.cores) / there * 1000, 3),
            "kilobytes_a_channel": round((busy.megabytes - still.megabytes) / there * 1000, 1),
            "idle_cores": still.cores,
        }


# --- small ones ----------------------------------------------------------------------------------------


def argon2(times: int = 8) -> dict[str, float]:
    """CPU and memory of one log-in's hash, as shipped."""
    hasher = PasswordHasher()
    known = hasher.hash("a password")
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        hasher.verify(known, "a password")
    return {
        "cpu_ms": round((time.process_time() - cpu) / times * 1000, 1),
        "wall_ms": round((time.perf_counter() - began) / times * 1000, 1),
        "memory_mb": round(hasher.memory_cost / 1024),
    }


def conversation(seconds: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    """(n, 2) samples at 8 kHz: the repository's voices in turns over a quiet line's noise, in A-law steps."""
    spoken = np.concatenate([_voice(path) for path in sorted(VOICES.glob("*.wav")) if path.stem != "noise"])
    frames = seconds * sound.RATE
    random = np.random.default_rng(5)
    both = random.integers(-8, 9, (frames, 2)).astype(np.int16)
    at, channel, taken = 0, 0, 0
    while at < frames:
        turn = int(random.uniform(2, 9) * sound.RATE)
        piece = np.take(spoken, range(taken, taken + min(turn, frames - at)), mode="wrap")
        both[at : at + len(piece), channel] += piece
        taken, at, channel = (taken + turn) % len(spoken), at + turn, 1 - channel
    return _through_alaw(both)


def _voice(path: Path) -> Any:
    samples, rate = sf.read(path, dtype="int16")
    return samples[:: max(1, rate // sound.RATE)]


def _through_alaw(samples: Any) -> Any:
    """The steps that A-law leaves: what comes from a carrier has no finer ones."""
    size = np.abs(samples.astype(np.int32))
    step = np.where(size < 512, 16, 2 ** np.maximum(0, np.floor(np.log2(np.maximum(size, 1))) - 4))
    return (np.sign(samples) * (size // step * step + step / 2)).astype(np.int16)


def flac(place: Path) -> dict[str, float]:
    """One recording of a talk, as `recordings.keep.convert` treats it: written, synced, read back, hashed."""
    raw, kept = place / "talk.raw", place / "talk.flac"
    conversation(TALK_SECONDS).astype("<i2").tofile(raw)
    began, cpu = time.perf_counter(), time.process_time()
    times = 5
    for _ in range(times):
        heard = sound.write_flac(raw, kept)
        with kept.open("rb") as file:
            os.fsync(file.fileno())
        assert sound.measure(kept).fingerprint == heard.fingerprint
        sound.sha256(kept)
        sound.sha256(kept)  # once more before the spool file is removed
    minutes = times * TALK_SECONDS / 60
    return {
        "cpu_ms_a_minute": round((time.process_time() - cpu) / minutes * 1000, 1),
        "wall_ms_a_minute": round((time.perf_counter() - began) / minutes * 1000, 1),
        "kilobytes_a_minute": round(kept.stat().st_size / (TALK_SECONDS / 60) / 1000, 1),
        "raw_kilobytes_a_minute": round(raw.stat().st_size / (TALK_SECONDS / 60) / 1000, 1),
    }


def fsync(place: Path, seconds: float = 1.0) -> dict[str, float]:
    """How many times a second this disk says that 8 kB are safe."""
    times, block = 0, b"\0" * 8192
    with (place / "fsync").open("wb", buffering=0) as file:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            file.write(block)
            os.fsync(file.fileno())
            times += 1
    return {"a_second": round(times / seconds)}


# --- the ledger ----------------------------------------------------------------------------------------


def journal_lines(calls: int, pbx: str = "pbx1") -> Iterator[str]:
    """The lines of so many answered calls, all kinds that Asterisk and the dialplan write for one."""
    begins = epoch_ms(midnight_of(DAY))
    yield f"{begins // 1000}|NONE|NONE|NONE|QUEUESTART|"
    for n in range(calls):
        at = begins + n * 1000
        uid, agent, seat = f"{pbx}-{at // 1000}.{n}", f"agent{n % AGENTS:04d}", str(8001 + n % AGENTS)

        def line(after: int, event: str, data: str, queue: str = "NONE", who: str = "NONE") -> str:
            return f"{(at + after) // 1000}|{uid}|{queue}|{who}|{event}|{data}"  # noqa: B023

        end = 9_000 + TALK_SECONDS * 1000
        yield line(0, "CALLARRIVED", f"{at}|139{n % 10**8:08d}|12345||inbound")
        yield line(3000, "MENUSTEP", f"{at + 3000}|main|1|pressed")
        yield line(3000, "TOPERSON", f"{at + 3000}|consultation|0|main:1")
        yield line(3000, "ENTERQUEUE", f"|139{n % 10**8:08d}|1", "consultation")
        yield line(9000, "AGENTANSWERED", f"{at + 9000}|{seat}")
        yield line(9000, "CONNECT", f"6|{uid}b|3", "consultation", agent)
        yield line(end, "COMPLETEAGENT", f"6|{TALK_SECONDS}|1", "consultation", agent)
        yield f"{(at + end) // 1000}|NONE|consultation|{agent}|PAUSE|after_call"
        yield line(end + 200, "SURVEYBEGAN", f"{at + end + 200}|")
        yield line(end + 9000, "SURVEYED", f"{at + end + 9000}|1|")
        yield line(end + 9100, "CALLENDED", f"{at + end + 9100}|16|caller|survey")
        yield f"{(at + end) // 1000 + 20}|NONE|consultation|{agent}|UNPAUSE|after_call"


LINES_A_CALL = 12


def ledger(url: str, journal: Path, calls: int = 3000, single: int = 300) -> dict[str, float]:
    """Copying calls in large batches (catching up) and call by call, and what they weigh."""
    upgrade(url)
    engine = open_engine(url)
    try:
        before = _weight(engine)
        lines = [one + "\n" for one in journal_lines(calls + single)]
        bulk = 1 + calls * LINES_A_CALL
        journal.write_text("".join(lines[:bulk]))
        copier = Copier(journal, "pbx1", sessions(engine), area_code=AREA_CODE, note_ended=note_ended)
        backend = _server(engine)
        with _Costs(backend) as many:
            while copier.copy_once():
                pass
        weight = (_weight(engine) - before) / calls
        with _Costs(backend) as each:
            for n in range(single):
                with journal.open("a") as file:
                    file.writelines(lines[bulk + n * LINES_A_CALL : bulk + (n + 1) * LINES_A_CALL])
                while copier.copy_once():
                    pass
        return {
            "catching_up_calls_a_second": round(calls / many.wall),
            "catching_up_cpu_ms_a_call": round(many.own / calls * 1000, 3),
            "catching_up_server_cpu_ms_a_call": round(many.server / calls * 1000, 3),
            "call_by_call_a_second": round(single / each.wall),
            "call_by_call_cpu_ms": round(each.own / single * 1000, 3),
            "call_by_call_server_cpu_ms": round(each.server / single * 1000, 3),
            "bytes_a_call": round(weight),
            "commits_a_second_alone": _commits(engine, 1),
            "commits_a_second_of_eight": _commits(engine, 8),
        }
    finally:
        engine.dispose()


class _Costs:
    """Wall time, own CPU and CPU of the database's processes of the block."""

    wall = own = server = 0.0

    def __init__(self, backend: psutil.Process | None) -> None:
        self._backend = backend

    def __enter__(self) -> _Costs:
        self._began = (time.perf_counter(), time.process_time(), self._busy())
        return self

    def __exit__(self, *_: object) -> None:
        ended = (time.perf_counter(), time.process_time(), self._busy())
        self.wall, self.own, self.server = (b - a for a, b in zip(self._began, ended, strict=True))

    def _busy(self) -> float:
        if self._backend is None:
            return 0.0
        total = 0.0
        for one in (self._backend, *self._backend.children()):
            with contextlib.suppress(psutil.Error):
                total += sum(one.cpu_times()[:2])
        return total


def _server(engine: Engine) -> psutil.Process | None:
    """PostgreSQL's first process, where it runs on this machine."""
    if engine.dialect.name != "postgresql":
        return None
    with engine.connect() as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with contextlib.suppress(psutil.Error):
        return psutil.Process(backend).parent()
    return None


def _weight(engine: Engine) -> float:
    """Bytes of all tables with their indexes."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            return float(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
        pages, size = (
            connection.exec_driver_sql(f"PRAGMA {one}").scalar_one() for one in ("page_count", "page_size")
        )
        return float(pages * size)


def _commits(engine: Engine, clients: int, seconds: float = 2.0) -> int:
    """One-row transactions a second, each on the disk before the next one of its client."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE growth_probe (id INTEGER PRIMARY KEY, n INTEGER)"))
        for client in range(clients):
            connection.execute(text("INSERT INTO growth_probe VALUES (:id, 0)"), {"id": client})

    def write(client: int) -> int:
        done, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            with engine.begin() as own:
                own.execute(text("UPDATE growth_probe SET n = n + 1 WHERE id = :id"), {"id": client})
            done += 1
        return done

    with ThreadPoolExecutor(clients) as pool:
        total = sum(pool.map(write, range(clients)))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE growth_probe"))
    return round(total / seconds)


# --- a day of a million calls --------------------------------------------------------------------------

_FILL = (
    "TRUNCATE journal_events, calls, call_parts CASCADE",
    """
    INSERT INTO calls (uid, pbx, direction, caller_raw, caller, caller_name, called, arrived_at, menu_path,
                       queue, to_person_at, rings, answered_at, agent, seat, wait_ms, talk_ms, transfers,
                       ended_at, ended_by, cause, hold_ms, outcome, rating, rated_agent)
    SELECT 'pbx' || (1 + n % 8) || '-' || d || '.' || n, 'pbx' || (1 + n % 8), 'inbound',
           '139' || lpad(n::text, 8, '0'), '139' || lpad(n::text, 8, '0'), '', '12345', at,
           '[{"node": "main", "key": "1", "result": "pressed"}]',
           (ARRAY['consultation', 'complaint', 'enterprise', 'dialect'])[1 + n % 4], at + interval '3 s', 0,
           CASE WHEN n % 20 > 0 THEN at + interval '9 s' END,
           CASE WHEN n % 20 > 0 THEN 'agent' || lpad((n % 3000)::text, 4, '0') END,
           CASE WHEN n % 20 > 0 THEN (8001 + n % 3000)::text END, 6000,
           CASE WHEN n % 20 > 0 THEN 180000 END, 0, at + interval '190 s', 'caller', 16, 0,
           CASE WHEN n % 20 > 0 THEN 'answered' ELSE 'abandoned_in_queue' END,
           CASE WHEN n % 3 = 0 AND n % 20 > 0 THEN 1 END,
           CASE WHEN n % 3 = 0 AND n % 20 > 0 THEN 'agent0001' END
    FROM generate_series(0, :days - 1) AS d, generate_series(0, :calls - 1) AS n,
         LATERAL (SELECT CAST(:begins AS timestamptz) - make_interval(days => d)
                         + make_interval(secs => n * 86400.0 / :calls) AS at) AS moment
    """,
    """
    INSERT INTO call_parts (call_uid, position, kind, began_at, ended_at, agent, who, label)
    SELECT uid, 0, 'agent', answered_at, ended_at, agent, '', '' FROM calls
    WHERE answered_at IS NOT NULL AND arrived_at >= :begins
    """,
    """
    INSERT INTO journal_events (pbx, file, "offset", at, call_uid, queue, agent, event, data, understood)
    SELECT pbx, 'made-up', id, answered_at, uid, queue, agent, 'CONNECT', '["6", "b", "3"]', true FROM calls
    WHERE answered_at IS NOT NULL AND arrived_at >= :begins
    """,
)


def day(url: str, calls: int, days: int) -> dict[str, float]:
    """`days` days of so many calls: what the day's report, an agent's day and the desktop's view take."""
    engine = open_engine(url)
    begins = midnight_of(DAY)
    now = begins + timedelta(days=1) - timedelta(seconds=1)
    try:
        began = time.perf_counter()
        with engine.begin() as connection:
            for statement in _FILL:
                connection.execute(text(statement), {"days": days, "calls": calls, "begins": begins})
        filled = time.perf_counter() - began
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in ("calls", "call_parts", "journal_events"):
                connection.execute(text(f"VACUUM ANALYZE {table}"))
            size = connection.execute(text("SELECT pg_total_relation_size('calls')")).scalar_one()
        return {
            "calls_a_day": calls,
            "days": days,
            "fill_seconds": round(filled, 1),
            "calls_table_bytes_a_row": round(size / calls / days),
            **_reports(sessions(engine), begins, now, calls),
        }
    finally:
        engine.dispose()


def _reports(factory: sessionmaker[Any], begins: datetime, now: datetime, calls: int) -> dict[str, float]:
    with factory() as session:
        began = time.perf_counter()
        counted = by_queue(session, begins, now)
        report = time.perf_counter() - began
        began = time.perf_counter()
        by_queue(session, now - timedelta(hours=1), now)
        hour = time.perf_counter() - began
        began = time.perf_counter()
        agent_day(session, "agent0007", now)
        agent = time.perf_counter() - began
    memory, cpu = psutil.Process().memory_info().rss, time.process_time()
    with factory() as session:
        state = read_everything(session, begins, now)
    reading = time.process_time() - cpu
    held = psutil.Process().memory_info().rss - memory
    cpu = time.process_time()
    times, ends = 5, epoch_ms(now)
    for _ in range(times):  # the windows that the board shows
        for minutes in (5, 15, 60, 24 * 60, 24 * 60):
            state.columns.tallies(ends - minutes * 60_000, ends, NORM_MS)
    board = (time.process_time() - cpu) / times
    assert sum(sum(one.values()) for one in ({"n": t.answered + t.abandoned} for t in counted.values())) > 0
    return {
        "day_report_seconds": round(report, 2),
        "hour_report_seconds": round(hour, 3),
        "agent_day_seconds": round(agent, 3),
        "view_read_cpu_seconds": round(reading, 1),
        "view_bytes_a_call": round(held / calls),
        "board_figures_cpu_ms": round(board * 1000, 1),
    }
