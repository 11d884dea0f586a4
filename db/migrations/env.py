"""Alembic's entry. `db.migrate` hands over an open connection; there is no ini file."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from db.models import Base, UtcDateTime


def render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """A drafted version must not import the models: they move on, it stays as it was."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
    render_item=render,
    # SQLite cannot alter a column in place: Alembic then copies the table.
    render_as_batch=True,
    # On SQLite too: db.migrate opens the transaction itself and commits the whole upgrade or nothing.
    transactional_ddl=True,
)
context.run_migrations()
