"""Bringing a database to the schema of this code, by Alembic from within the program.

`upgrade(url)` may be called at every start, by several processes at once: they take turns.
`python -m db.migrate "what changes"` drafts the next version from the difference to the models.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from db.engine import open_engine

SCRIPTS = Path(__file__).resolve().parent / "migrations"
_TURN = 12345
"""Key of the advisory lock that upgrades on PostgreSQL take."""


class DatabaseProblem(Exception):
    """One line that says what is wrong with the database and what to do."""


class DatabaseAway(DatabaseProblem):
    """It cannot be reached or opened."""


class DatabaseTooNew(DatabaseProblem):
    """It was made by a newer version of this program."""


def upgrade(url: str) -> bool:
    """Bring the database at `url` to this code's schema, in one transaction. True when something changed.

    Raises DatabaseAway or DatabaseTooNew, each with a message of one line and without the password.
    """
    try:
        engine = open_engine(url)
    except (ArgumentError, NoSuchModuleError) as error:
        raise DatabaseAway(f"the database address cannot be used: {_one_line(error)}") from error
    try:
        with engine.connect() as connection:
            _take_turn(connection)
            changed = _upgrade(connection, url)
            connection.commit()
            return changed
    except DBAPIError as error:
        raise DatabaseAway(f"the database {_named(url)} cannot be used: {_one_line(error.orig)}") from error
    finally:
        engine.dispose()


def head() -> str:
    """The schema version of this code."""
    return ScriptDirectory(str(SCRIPTS)).get_current_head() or ""


def version(connection: Connection) -> str | None:
    """The schema version of a database; None when it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection, url: str) -> bool:
    found = version(connection)
    if found == head():
        return False
    known = {script.revision for script in ScriptDirectory(str(SCRIPTS)).walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseTooNew(
            f"the database {_named(url)} has schema {found}, newer than this program's {head()}: "
            "install the newer version of the program"
        )
    command.upgrade(_config(connection), "head")
    return True


def _take_turn(connection: Connection) -> None:
    """Let one upgrade run at a time: the second finds nothing left to do."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _named(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _one_line(error: BaseException | None) -> str:
    return " ".join(str(error).split())


def draft(message: str) -> Path:
    """Write the next version from the difference between the newest version and the models."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/draft.db"
        upgrade(url)
        engine = open_engine(url)
        number = f"{len(list(SCRIPTS.glob('versions/0*.py'))) + 1:04d}"
        with engine.connect() as connection:
            script = command.revision(_config(connection), message, autogenerate=True, rev_id=number)
        engine.dispose()
    if script is None or isinstance(script, list):
        raise DatabaseProblem("the versions fork: join them first")
    return Path(script.path)


if __name__ == "__main__":
    print(draft(" ".join(sys.argv[1:])))
