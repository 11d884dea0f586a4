"""Fixtures of the fast tests: a database is a copy of one file, made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from db.engine import open_engine
from db.models import Base


@pytest.fixture(scope="session")
def schema_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with every table and no row."""
    path = tmp_path_factory.mktemp("schema") / "hotline.db"
    engine = open_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    return path


@pytest.fixture
def new_database(schema_file: Path) -> Callable[[Path], str]:
    """`new_database(path)` puts an empty database there and gives its URL."""
    return lambda path: f"sqlite:///{shutil.copy(schema_file, path)}"
