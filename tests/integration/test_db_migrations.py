"""Migrations make exactly the schema of the models, on both databases, and guard what is append-only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, delete, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.engine import open_engine
from db.migrate import DatabaseAway, DatabaseProblem, DatabaseTooNew, head, upgrade, version
from db.models import AccessLog, Base, TicketEvent


def test_migrations_make_exactly_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_upgrade_changes_something_only_once(empty_database_url: str) -> None:
    assert upgrade(empty_database_url) is True
    assert upgrade(empty_database_url) is False
    engine = open_engine(empty_database_url)
    with engine.connect() as connection:
        assert version(connection) == head()
    engine.dispose()


def test_processes_that_start_together_upgrade_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        changed = list(pool.map(upgrade, [empty_database_url] * 4))
    assert sorted(changed) == [False, False, False, True]


def test_a_newer_database_is_refused_in_one_line(database_url: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseTooNew, match="9999, newer than"):
        upgrade(database_url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://hotline:secret@127.0.0.1:1/hotline",
        "sqlite:////proc/no/such/folder/hotline.db",
        "nonsense",
        "nosuch+driver://x",
    ],
)
def test_a_database_out_of_reach_is_told_in_one_line(url: str) -> None:
    with pytest.raises(DatabaseAway) as caught:
        upgrade(url)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "hotline.db").write_text("no database " * 1000)
    with pytest.raises(DatabaseProblem, match="not a database"):
        upgrade(f"sqlite:///{tmp_path / 'hotline.db'}")


@pytest.mark.parametrize("change", [update(AccessLog).values(reason="x"), delete(AccessLog)])
def test_the_access_log_cannot_be_changed(session: Session, change: object) -> None:
    session.add(AccessLog(action="listen", object="1"))
    session.flush()
    with pytest.raises(DBAPIError, match="access_log is append-only"):
        session.execute(change)  # type: ignore[call-overload]


@pytest.mark.parametrize("change", [update(TicketEvent).values(note="x"), delete(TicketEvent)])
def test_the_timeline_cannot_be_changed(demo_session: Session, change: object) -> None:
    with pytest.raises(DBAPIError, match="ticket_events is append-only"):
        demo_session.execute(change)  # type: ignore[call-overload]
