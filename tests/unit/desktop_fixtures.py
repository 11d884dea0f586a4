"""Fixtures of the desktop's tests; a module that wants them names this one in `pytest_plugins`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desktop_parts import Browser, Cti, small_city

from agent_desktop.app import Parts, create_app
from agent_desktop.session import limiter
from db.engine import open_engine, sessions
from db.models import Base
from hotline.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path, session_key="k" * 40, link_token="t" * 40, web_threads=24)


@pytest.fixture(scope="session")
def city_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small city as an SQLite file to copy."""
    path = tmp_path_factory.mktemp("city") / "hotline.db"
    engine = open_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    with sessions(engine).begin() as session:
        small_city(session)
    engine.dispose()
    return path


@pytest.fixture
def parts(settings: Settings, city_file: Path) -> Iterator[Parts]:
    shutil.copy(city_file, settings.var / "hotline.db")
    made = create_app(settings, clock=False)
    limiter.reset()
    yield made
    made.close()
    made.desk.sessions.kw["bind"].dispose()


@pytest.fixture
def cti(parts: Parts) -> Cti:
    """Connected, both seats signed out."""
    made = Cti(parts)
    parts.desk.floor.ask = made.ask
    made.connect()
    return made


@pytest.fixture
def open_browser(parts: Parts) -> Callable[[], Browser]:
    return lambda: Browser(parts.app.test_client())


@pytest.fixture
def agent(cti: Cti, open_browser: Callable[[], Browser]) -> Browser:
    """agent01, logged in at 8001."""
    browser = open_browser()
    assert browser.log_in("agent01", "8001").status_code == 200
    return browser
