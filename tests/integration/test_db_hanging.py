"""PostgreSQL that hangs or is full: a request fails in its seconds, and the next one finds it well again."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from db import engine as database
from tests import postgres

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def own_url() -> Iterator[str]:
    """A server that nobody else uses, because it is made to hang."""
    with postgres.running() as url:
        yield url


@pytest.fixture
def engine(own_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(database, "WAIT_SECONDS", 2)
    opened = database.open_engine(own_url)
    yield opened
    opened.dispose()


def answer(engine: Engine) -> object:
    with engine.connect() as connection:
        return connection.scalar(text("select 1"))


def test_a_server_that_hangs_is_an_error_in_seconds_and_no_wait(engine: Engine, own_url: str) -> None:
    assert answer(engine) == 1
    folder = Path(str(make_url(own_url).query["host"]))
    server = psutil.Process(int((folder / "data/postmaster.pid").read_text().split()[0]))
    stopped = [server, *server.children(recursive=True)]
    began = time.monotonic()
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(OperationalError, match="timeout"):
            answer(engine)
        assert time.monotonic() - began < 2 * 2 + 2
    finally:
        for process in stopped:
            process.send_signal(signal.SIGCONT)
    assert answer(engine) == 1


def test_a_connection_that_the_server_ended_is_replaced(engine: Engine, own_url: str) -> None:
    with engine.connect() as connection:
        number = connection.scalar(text("select pg_backend_pid()"))
    other = database.open_engine(own_url)
    with other.connect() as connection:
        assert connection.scalar(text("select pg_terminate_backend(:number, 5000)"), {"number": number})
    other.dispose()
    assert engine.pool.status().endswith("Current Checked out connections: 0")
    assert answer(engine) == 1


def test_all_connections_in_use_is_an_error_in_seconds(engine: Engine) -> None:
    held = [engine.connect() for _ in range(40)]
    began = time.monotonic()
    with pytest.raises(PoolTimeout):
        engine.connect()
    assert time.monotonic() - began < 4
    for connection in held:
        connection.close()
    assert answer(engine) == 1
