"""Fixtures for everybody: a database of one's own, on SQLite and on PostgreSQL.

`database_url` is an upgraded, empty database; a test that asks for it runs on both. `session` is a session
on it, rolled back at the end; `demo_database_url` and `demo_session` hold the demo city. Making them takes
milliseconds, because each is a copy. Unit tests of pure modules need none of this.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine, make_url
from sqlalchemy.orm import Session

from db.engine import open_engine, sessions
from db.migrate import upgrade
from db.seed import seed
from tests import postgres
from tickets.demo import seed_tickets

# The clock on the wall says how busy the machine is, not whether the code is right.
hypothesis_settings.register_profile("hotline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("hotline")

BOTH = (pytest.param("sqlite"), pytest.param("postgres", marks=pytest.mark.postgres))
_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A private PostgreSQL, started when the first test asks for it."""
    with postgres.running() as url:
        yield url


@pytest.fixture(scope="session")
def templates(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Databases to copy, each made when it is first asked for: upgraded, and upgraded with the demo city."""
    return Templates(tmp_path_factory.mktemp("templates"), lambda: request.getfixturevalue("postgres_url"))


class Templates:
    """`copy(kind, content, folder)` gives the URL of a new database; migrating and seeding happen once."""

    def __init__(self, folder: Path, postgres_url: Callable[[], str]) -> None:
        self.folder = folder
        self.postgres_url = postgres_url
        self.made: dict[tuple[str, str], str] = {}

    def copy(self, kind: str, content: str, folder: Path) -> str:
        """`kind` is sqlite or postgres; `content` is empty, upgraded or demo."""
        if kind == "sqlite":
            path = folder / "hotline.db"
            if content != "empty":
                shutil.copy(str(make_url(self._made(kind, content)).database), path)
            return f"sqlite:///{path}"
        template = "template0" if content == "empty" else make_url(self._made(kind, content)).database
        return _create_database(self.postgres_url(), str(template))

    def _made(self, kind: str, content: str) -> str:
        if (kind, content) not in self.made:
            place = self.folder / content
            place.mkdir(exist_ok=True)
            url = self.copy(kind, "empty", place)
            upgrade(url)
            if content == "demo":
                _seed(url)
            self.made[kind, content] = url
        return self.made[kind, content]


@pytest.fixture(params=BOTH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path, templates: Templates) -> str:
    """A database without any table."""
    return templates.copy(request.param, "empty", tmp_path)


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path, templates: Templates) -> str:
    """A database with this code's schema and no rows."""
    return templates.copy(request.param, "upgraded", tmp_path)


@pytest.fixture(params=BOTH)
def demo_database_url(request: pytest.FixtureRequest, tmp_path: Path, templates: Templates) -> str:
    """A database with the demo city; the hash of every account's password is "x"."""
    return templates.copy(request.param, "demo", tmp_path)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on `database_url`, closed at the end."""
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session on `database_url`, rolled back at the end."""
    with sessions(engine)() as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def demo_engine(demo_database_url: str) -> Iterator[Engine]:
    """An engine on `demo_database_url`, closed at the end."""
    opened = open_engine(demo_database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def demo_session(demo_engine: Engine) -> Iterator[Session]:
    """A session on the demo city, rolled back at the end."""
    with sessions(demo_engine)() as opened:
        yield opened
        opened.rollback()


def _seed(url: str) -> None:
    opened = open_engine(url)
    with sessions(opened).begin() as session:
        seed(session, lambda login: "x")
        seed_tickets(session)
    opened.dispose()


def _create_database(server_url: str, template: str) -> str:
    name = f"test{next(_numbers)}"
    opened = open_engine(server_url)
    with opened.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    opened.dispose()
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)
