"""What the desk needs: parts of a call, missed callers, special desks, knowledge, scripts, attachments.

Revision 0002, follows 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = "citizen_events"


def upgrade() -> None:
    only_restarts = sa.text("event = 'QUEUESTART'")
    op.create_index(
        "ix_journal_events_restarts",
        "journal_events",
        ["at"],
        sqlite_where=only_restarts,
        postgresql_where=only_restarts,
    )
    op.create_table(
        "call_parts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("call_uid", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("agent", sa.String(length=64), nullable=True),
        sa.Column("who", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_parts")),
        sa.UniqueConstraint("call_uid", "position", name=op.f("uq_call_parts_call_uid_position")),
    )
    with op.batch_alter_table("call_parts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_call_parts_call_uid"), ["call_uid"], unique=False)

    op.create_table(
        "not_ready_reasons",
        sa.Column("code", sa.String(length=24), nullable=False),
        sa.Column("label", sa.String(length=32), nullable=False),
        sa.Column("limit_minutes", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_not_ready_reasons")),
    )
    op.create_table(
        "transfer_targets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("group_name", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("note", sa.String(length=128), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_targets")),
    )
    op.create_table(
        "caller_notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("note", sa.String(length=256), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_caller_notes_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caller_notes")),
    )
    with op.batch_alter_table("caller_notes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_caller_notes_number"), ["number"], unique=False)

    op.create_table(
        "citizen_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("citizen_id", sa.Integer(), nullable=False),
        sa.Column("other_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=256), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name=op.f("fk_citizen_events_actor_id")),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizens.id"], name=op.f("fk_citizen_events_citizen_id")),
        sa.ForeignKeyConstraint(["other_id"], ["citizens.id"], name=op.f("fk_citizen_events_other_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_citizen_events")),
    )
    with op.batch_alter_table("citizen_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_citizen_events_citizen_id"), ["citizen_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_citizen_events_other_id"), ["other_id"], unique=False)

    op.create_table(
        "missed_callers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("caller", sa.String(length=32), nullable=False),
        sa.Column("open_caller", sa.String(length=32), nullable=True),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("queue", sa.String(length=64), nullable=True),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_call_uid", sa.String(length=64), nullable=False),
        sa.Column("taken_by", sa.Integer(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_as", sa.String(length=24), nullable=True),
        sa.Column("closed_by", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["closed_by"], ["users.id"], name=op.f("fk_missed_callers_closed_by")),
        sa.ForeignKeyConstraint(["taken_by"], ["users.id"], name=op.f("fk_missed_callers_taken_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_missed_callers")),
        sa.UniqueConstraint("open_caller", name=op.f("uq_missed_callers_open_caller")),
    )
    with op.batch_alter_table("missed_callers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_missed_callers_caller"), ["caller"], unique=False)
        batch_op.create_index(batch_op.f("ix_missed_callers_last_at"), ["last_at"], unique=False)

    op.create_table(
        "special_desk_periods",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=64), nullable=False),
        sa.Column("opens_on", sa.Date(), nullable=False),
        sa.Column("closes_on", sa.Date(), nullable=False),
        sa.Column("from_time", sa.String(length=5), nullable=True),
        sa.Column("to_time", sa.String(length=5), nullable=True),
        sa.ForeignKeyConstraint(["queue"], ["queues.name"], name=op.f("fk_special_desk_periods_queue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_special_desk_periods")),
    )
    with op.batch_alter_table("special_desk_periods", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_special_desk_periods_queue"), ["queue"], unique=False)

    op.create_table(
        "knowledge_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("category_id", sa.Integer(), nullable=True),
        sa.Column("title", sa.String(length=128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("keywords", sa.String(length=256), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"], ["categories.id"], name=op.f("fk_knowledge_entries_category_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_entries")),
    )
    with op.batch_alter_table("knowledge_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_knowledge_entries_category_id"), ["category_id"], unique=False)

    op.create_table(
        "missed_attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("missed_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("call_uid", sa.String(length=64), nullable=True),
        sa.Column("result", sa.String(length=24), nullable=False),
        sa.Column("note", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(
            ["missed_id"], ["missed_callers.id"], name=op.f("fk_missed_attempts_missed_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_missed_attempts_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_missed_attempts")),
        sa.UniqueConstraint("call_uid", name=op.f("uq_missed_attempts_call_uid")),
    )
    with op.batch_alter_table("missed_attempts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_missed_attempts_missed_id"), ["missed_id"], unique=False)

    op.create_table(
        "missed_calls",
        sa.Column("call_uid", sa.String(length=64), nullable=False),
        sa.Column("missed_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["missed_id"], ["missed_callers.id"], name=op.f("fk_missed_calls_missed_id")),
        sa.PrimaryKeyConstraint("call_uid", name=op.f("pk_missed_calls")),
    )
    with op.batch_alter_table("missed_calls", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_missed_calls_missed_id"), ["missed_id"], unique=False)

    op.create_table(
        "scripts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=64), nullable=False),
        sa.Column("request_type", sa.String(length=16), nullable=True),
        sa.Column("category_id", sa.Integer(), nullable=True),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["category_id"], ["categories.id"], name=op.f("fk_scripts_category_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scripts")),
        sa.UniqueConstraint("code", name=op.f("uq_scripts_code")),
    )
    with op.batch_alter_table("scripts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_scripts_category_id"), ["category_id"], unique=False)

    op.create_table(
        "attachments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=True),
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_attachments_ticket_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_attachments_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
    )
    with op.batch_alter_table("attachments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attachments_form_key"), ["form_key"], unique=False)
        batch_op.create_index(batch_op.f("ix_attachments_ticket_id"), ["ticket_id"], unique=False)

    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hold_ms", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("about", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("callback_of", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("rating", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("rating_reason", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("rated_agent", sa.String(length=64), nullable=True))
        batch_op.create_index(batch_op.f("ix_calls_callback_of"), ["callback_of"], unique=False)

    with op.batch_alter_table("citizens", schema=None) as batch_op:
        batch_op.add_column(sa.Column("merged_into", sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f("ix_citizens_merged_into"), ["merged_into"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_citizens_merged_into"), "citizens", ["merged_into"], ["id"]
        )

    with op.batch_alter_table("tickets", schema=None) as batch_op:
        batch_op.create_index(
            "ix_tickets_category_id_created_at", ["category_id", "created_at"], unique=False
        )

    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("telephone", sa.String(length=8), nullable=False, server_default="browser")
        )

    _guard()


def _guard() -> None:
    """Refuse UPDATE and DELETE on what is only ever added to, as revision 0001 does for the timeline."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {APPEND_ONLY}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {APPEND_ONLY} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {APPEND_ONLY}_no_{verb.lower()} BEFORE {verb} ON {APPEND_ONLY} BEGIN "
            f"SELECT RAISE(ABORT, '{APPEND_ONLY} is append-only: {verb} refused'); END"
        )


def downgrade() -> None:
    op.drop_index("ix_journal_events_restarts", table_name="journal_events")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_column("telephone")

    with op.batch_alter_table("tickets", schema=None) as batch_op:
        batch_op.drop_index("ix_tickets_category_id_created_at")

    with op.batch_alter_table("citizens", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_citizens_merged_into"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_citizens_merged_into"))
        batch_op.drop_column("merged_into")

    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_calls_callback_of"))
        batch_op.drop_column("rated_agent")
        batch_op.drop_column("rating_reason")
        batch_op.drop_column("rating")
        batch_op.drop_column("callback_of")
        batch_op.drop_column("about")
        batch_op.drop_column("hold_ms")

    with op.batch_alter_table("attachments", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attachments_ticket_id"))
        batch_op.drop_index(batch_op.f("ix_attachments_form_key"))

    op.drop_table("attachments")
    with op.batch_alter_table("scripts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_scripts_category_id"))

    op.drop_table("scripts")
    with op.batch_alter_table("missed_calls", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_missed_calls_missed_id"))

    op.drop_table("missed_calls")
    with op.batch_alter_table("missed_attempts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_missed_attempts_missed_id"))

    op.drop_table("missed_attempts")
    with op.batch_alter_table("knowledge_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_knowledge_entries_category_id"))

    op.drop_table("knowledge_entries")
    with op.batch_alter_table("special_desk_periods", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_special_desk_periods_queue"))

    op.drop_table("special_desk_periods")
    with op.batch_alter_table("missed_callers", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_missed_callers_last_at"))
        batch_op.drop_index(batch_op.f("ix_missed_callers_caller"))

    op.drop_table("missed_callers")
    with op.batch_alter_table("citizen_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_citizen_events_other_id"))
        batch_op.drop_index(batch_op.f("ix_citizen_events_citizen_id"))

    op.drop_table("citizen_events")
    with op.batch_alter_table("caller_notes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_caller_notes_number"))

    op.drop_table("caller_notes")
    op.drop_table("transfer_targets")
    op.drop_table("not_ready_reasons")
    with op.batch_alter_table("call_parts", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_call_parts_call_uid"))

    op.drop_table("call_parts")
