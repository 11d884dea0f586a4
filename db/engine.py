"""The engine and its sessions, the same for SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session, sessionmaker


def open_engine(url: str, *, echo: bool = False) -> Engine:
    """Engine for `url` (an SQLAlchemy URL).

    SQLite runs in WAL mode, so that readers never wait for the one writer, with foreign keys on and a
    busy timeout of 5 s: a longer lock is an error that the caller meets by trying again later.
    """
    if url.startswith("sqlite"):
        engine = create_engine(url, echo=echo, connect_args={"timeout": 5, "check_same_thread": False})

        @event.listens_for(engine, "connect")
        def _tune(connection, _record):  # type: ignore[no-untyped-def]
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.close()

        return engine
    return create_engine(url, echo=echo, pool_size=10, max_overflow=30, pool_pre_ping=True)


def sessions(engine: Engine) -> sessionmaker[Session]:
    """Factory of sessions: `with sessions(engine).begin() as session:` is one transaction."""
    return sessionmaker(engine, expire_on_commit=False)
