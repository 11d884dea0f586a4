"""The engine and its sessions, the same for SQLite and PostgreSQL."""

from __future__ import annotations

import select
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.orm import Session, sessionmaker

if TYPE_CHECKING:
    import psycopg

WAIT_SECONDS = 5
"""How long a request waits for the database at one point before it fails."""


def open_engine(url: str, *, echo: bool = False) -> Engine:
    """Engine for `url` (an SQLAlchemy URL).

    SQLite runs in WAL mode, so that readers never wait for the one writer, with foreign keys on and a
    busy timeout of WAIT_SECONDS: a longer lock is an error that the caller meets by trying again later.

    PostgreSQL that hangs is an error too, never a wait without end: a new connection, one of the pool and
    an answer to the question whether it is alive each have WAIT_SECONDS. Then OperationalError or
    sqlalchemy.exc.TimeoutError is raised, and the next request tries anew.
    """
    if url.startswith("sqlite"):
        # A connection costs as much as a whole page: as many stay open as threads may ask at once.
        pool: dict[str, Any] = {} if url in ("sqlite://", "sqlite:///:memory:") else {"pool_size": 64}
        engine = create_engine(
            url, echo=echo, connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False}, **pool
        )

        @event.listens_for(engine, "connect")
        def _tune(connection: Any, _record: object) -> None:
            cursor = connection.cursor()
            _write_ahead(cursor)
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.close()

        return engine
    engine = create_engine(
        url,
        echo=echo,
        pool_size=10,
        max_overflow=30,
        pool_timeout=WAIT_SECONDS,
        # tcp_user_timeout: a host that vanished takes no data any more.
        connect_args={"connect_timeout": WAIT_SECONDS, "tcp_user_timeout": WAIT_SECONDS * 1000},
    )

    # Instead of SQLAlchemy's pool_pre_ping, which waits for a hanging server for ever.
    @event.listens_for(engine, "checkout")
    def _ask(connection: psycopg.Connection[Any], _record: object, _proxy: object) -> None:
        if not _answers(connection, WAIT_SECONDS):
            raise InvalidatePoolError("PostgreSQL does not answer on this connection")

    return engine


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """WAL mode. Where several processes open a new database together, SQLite refuses the change at once
    instead of waiting as for any other lock; so the waiting is done here."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _answers(connection: psycopg.Connection[Any], seconds: float) -> bool:
    """Whether the server answers an empty statement in time."""
    import psycopg

    wire, end = connection.pgconn, time.monotonic() + seconds
    try:
        wire.send_query(b"")
        wire.flush()
        readable = select.poll()
        readable.register(wire.socket, select.POLLIN)
        while wire.is_busy():
            if not readable.poll(max(0.0, end - time.monotonic()) * 1000):
                return False
            wire.consume_input()
        while wire.get_result() is not None:
            pass
    except psycopg.Error:
        return False
    return wire.status == psycopg.pq.ConnStatus.OK


def sessions(engine: Engine) -> sessionmaker[Session]:
    """Factory of sessions: `with sessions(engine).begin() as session:` is one transaction."""
    return sessionmaker(engine, expire_on_commit=False)


def at_one_moment(session: Session) -> None:
    """From here until its end the session sees the database as at one moment, whatever it asks.

    To be called before the first statement of a session that only reads. Without it each statement sees what
    was committed until it began: two of them may tell of two different moments.
    """
    if session.get_bind().dialect.name == "sqlite":
        # Python's sqlite3 begins a transaction only at the first change; in WAL mode a reader hinders nobody.
        session.connection().exec_driver_sql("BEGIN")
    else:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
