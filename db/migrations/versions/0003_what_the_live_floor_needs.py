"""What the live floor needs: groups, seat map, supervision, switches, announcements, alarms, roster.

Revision 0003, follows 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = "roster_events"


def upgrade() -> None:
    membership = sa.text("event IN ('SIGNIN', 'SIGNOUT', 'ADDMEMBER', 'REMOVEMEMBER', 'QUEUESTART')")
    op.create_index(
        "ix_journal_events_membership",
        "journal_events",
        ["event", "at"],
        sqlite_where=membership,
        postgresql_where=membership,
    )
    op.create_table(
        "agent_groups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_agent_groups_name")),
    )
    op.create_table(
        "alarm_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("clear_at", sa.Double(), nullable=False),
        sa.Column("hold_seconds", sa.Integer(), nullable=False),
        sa.Column("clear_seconds", sa.Integer(), nullable=False),
        sa.Column("window_minutes", sa.Integer(), nullable=False),
        sa.Column("least_calls", sa.Integer(), nullable=False),
        sa.Column("quiet_from", sa.String(length=5), nullable=True),
        sa.Column("quiet_to", sa.String(length=5), nullable=True),
        sa.Column("sound", sa.Boolean(), nullable=False),
        sa.Column("webhook", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm_rules")),
    )
    op.create_table(
        "help_requests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("seat", sa.String(length=16), nullable=False),
        sa.Column("agent", sa.String(length=64), nullable=True),
        sa.Column("call_uid", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_by", sa.String(length=64), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_as", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_help_requests")),
        sa.UniqueConstraint("seat", "asked_at", name=op.f("uq_help_requests_seat_asked_at")),
    )
    with op.batch_alter_table("help_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_help_requests_agent"), ["agent"], unique=False)
        batch_op.create_index(batch_op.f("ix_help_requests_asked_at"), ["asked_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_help_requests_call_uid"), ["call_uid"], unique=False)

    op.create_table(
        "seat_places",
        sa.Column("seat", sa.String(length=8), nullable=False),
        sa.Column("room", sa.String(length=64), nullable=False),
        sa.Column("grid_column", sa.Integer(), nullable=False),
        sa.Column("grid_row", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("seat", name=op.f("pk_seat_places")),
    )
    op.create_table(
        "shift_kinds",
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=32), nullable=False),
        sa.Column("from_time", sa.String(length=5), nullable=False),
        sa.Column("to_time", sa.String(length=5), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_shift_kinds")),
    )
    op.create_table(
        "supervisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("call_uid", sa.String(length=64), nullable=False),
        sa.Column("seat", sa.String(length=16), nullable=False),
        sa.Column("agent", sa.String(length=64), nullable=True),
        sa.Column("supervisor", sa.String(length=64), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("telephone", sa.String(length=16), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_as", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_supervisions")),
        sa.UniqueConstraint("supervisor", "began_at", name=op.f("uq_supervisions_supervisor_began_at")),
    )
    with op.batch_alter_table("supervisions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_supervisions_agent"), ["agent"], unique=False)
        batch_op.create_index(batch_op.f("ix_supervisions_began_at"), ["began_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_supervisions_call_uid"), ["call_uid"], unique=False)

    op.create_table(
        "alarms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("open_key", sa.String(length=96), nullable=True),
        sa.Column("rule_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("worst", sa.Double(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("quiet", sa.Boolean(), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_by", sa.String(length=32), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Integer(), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["acknowledged_by"], ["users.id"], name=op.f("fk_alarms_acknowledged_by")),
        sa.ForeignKeyConstraint(["rule_id"], ["alarm_rules.id"], name=op.f("fk_alarms_rule_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
        sa.UniqueConstraint("open_key", name=op.f("uq_alarms_open_key")),
    )
    with op.batch_alter_table("alarms", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_alarms_raised_at"), ["raised_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_alarms_rule_id"), ["rule_id"], unique=False)

    op.create_table(
        "announcements",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("problem", sa.String(length=256), nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("made_by", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heard_by", sa.Integer(), nullable=True),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("on_air_by", sa.Integer(), nullable=True),
        sa.Column("on_air_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Integer(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["ended_by"], ["users.id"], name=op.f("fk_announcements_ended_by")),
        sa.ForeignKeyConstraint(["heard_by"], ["users.id"], name=op.f("fk_announcements_heard_by")),
        sa.ForeignKeyConstraint(["made_by"], ["users.id"], name=op.f("fk_announcements_made_by")),
        sa.ForeignKeyConstraint(["on_air_by"], ["users.id"], name=op.f("fk_announcements_on_air_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
    )
    on_air = sa.text("state = 'on_air'")
    op.create_index(
        "uq_announcements_on_air",
        "announcements",
        ["scope"],
        unique=True,
        sqlite_where=on_air,
        postgresql_where=on_air,
    )
    op.create_table(
        "floor_messages",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sender_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("text", sa.String(length=500), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["sender_id"], ["users.id"], name=op.f("fk_floor_messages_sender_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_floor_messages")),
    )
    with op.batch_alter_table("floor_messages", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_floor_messages_sender_id"), ["sender_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_floor_messages_sent_at"), ["sent_at"], unique=False)

    op.create_table(
        "floor_settings",
        sa.Column("key", sa.String(length=48), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("changed_by", sa.Integer(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["changed_by"], ["users.id"], name=op.f("fk_floor_settings_changed_by")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_floor_settings")),
    )
    op.create_table(
        "meeting_sheets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("points", sa.Text(), nullable=False),
        sa.Column("recordings", sa.JSON(), nullable=False),
        sa.Column("changed_by", sa.Integer(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["changed_by"], ["users.id"], name=op.f("fk_meeting_sheets_changed_by")),
        sa.ForeignKeyConstraint(["group_id"], ["agent_groups.id"], name=op.f("fk_meeting_sheets_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_sheets")),
        sa.UniqueConstraint("day", "group_id", name=op.f("uq_meeting_sheets_day_group_id")),
    )
    op.create_table(
        "overflow_rules",
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("after_seconds", sa.Integer(), nullable=False),
        sa.Column("then_do", sa.String(length=8), nullable=False),
        sa.Column("target", sa.String(length=32), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["made_by"], ["users.id"], name=op.f("fk_overflow_rules_made_by")),
        sa.ForeignKeyConstraint(["queue"], ["queues.name"], name=op.f("fk_overflow_rules_queue")),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_overflow_rules")),
    )
    op.create_table(
        "queue_switches",
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(length=256), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["made_by"], ["users.id"], name=op.f("fk_queue_switches_made_by")),
        sa.ForeignKeyConstraint(["queue"], ["queues.name"], name=op.f("fk_queue_switches_queue")),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_queue_switches")),
    )
    op.create_table(
        "roster_entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("to_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("absence", sa.String(length=16), nullable=True),
        sa.Column("note", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_roster_entries_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_entries")),
        sa.UniqueConstraint("user_id", "from_at", name=op.f("uq_roster_entries_user_id_from_at")),
    )
    with op.batch_alter_table("roster_entries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_roster_entries_day"), ["day"], unique=False)

    op.create_table(
        "roster_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name=op.f("fk_roster_events_actor_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_roster_events_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_events")),
    )
    with op.batch_alter_table("roster_events", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_roster_events_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_roster_events_day"), ["day"], unique=False)

    op.create_table(
        "skill_overrides",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("queue", sa.String(length=32), nullable=False),
        sa.Column("penalty", sa.Integer(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=256), nullable=False),
        sa.Column("made_by", sa.Integer(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["made_by"], ["users.id"], name=op.f("fk_skill_overrides_made_by")),
        sa.ForeignKeyConstraint(["queue"], ["queues.name"], name=op.f("fk_skill_overrides_queue")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_skill_overrides_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_skill_overrides")),
        sa.UniqueConstraint("user_id", "queue", name=op.f("uq_skill_overrides_user_id_queue")),
    )
    op.create_table(
        "message_receipts",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["floor_messages.id"], name=op.f("fk_message_receipts_message_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_message_receipts_user_id")),
        sa.PrimaryKeyConstraint("message_id", "user_id", name=op.f("pk_message_receipts")),
    )
    with op.batch_alter_table("message_receipts", schema=None) as batch_op:
        batch_op.create_index("ix_message_receipts_user_id_read_at", ["user_id", "read_at"], unique=False)

    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("alarm_id", sa.Integer(), nullable=False),
        sa.Column("what", sa.String(length=8), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"], name=op.f("fk_webhook_deliveries_alarm_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("alarm_id", "what", name=op.f("uq_webhook_deliveries_alarm_id_what")),
    )
    with op.batch_alter_table("webhook_deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_deliveries_alarm_id"), ["alarm_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_webhook_deliveries_next_at"), ["next_at"], unique=False)

    with op.batch_alter_table("call_parts", schema=None) as batch_op:
        batch_op.create_index("ix_call_parts_began_at", ["began_at"], unique=False)

    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_calls_to_person_at"), ["to_person_at"], unique=False)

    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("group_id", sa.Integer(), nullable=True))
        batch_op.create_index(batch_op.f("ix_users_group_id"), ["group_id"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_users_group_id"), "agent_groups", ["group_id"], ["id"])

    _refuse_changes()


def _refuse_changes() -> None:
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
    op.drop_index("ix_journal_events_membership", table_name="journal_events")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_users_group_id"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_users_group_id"))
        batch_op.drop_column("group_id")

    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_calls_to_person_at"))

    with op.batch_alter_table("call_parts", schema=None) as batch_op:
        batch_op.drop_index("ix_call_parts_began_at")

    with op.batch_alter_table("webhook_deliveries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webhook_deliveries_next_at"))
        batch_op.drop_index(batch_op.f("ix_webhook_deliveries_alarm_id"))

    op.drop_table("webhook_deliveries")
    with op.batch_alter_table("message_receipts", schema=None) as batch_op:
        batch_op.drop_index("ix_message_receipts_user_id_read_at")

    op.drop_table("message_receipts")
    op.drop_table("skill_overrides")
    with op.batch_alter_table("roster_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_roster_events_day"))
        batch_op.drop_index(batch_op.f("ix_roster_events_at"))

    op.drop_table("roster_events")
    with op.batch_alter_table("roster_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_roster_entries_day"))

    op.drop_table("roster_entries")
    op.drop_table("queue_switches")
    op.drop_table("overflow_rules")
    op.drop_table("meeting_sheets")
    op.drop_table("floor_settings")
    with op.batch_alter_table("floor_messages", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_floor_messages_sent_at"))
        batch_op.drop_index(batch_op.f("ix_floor_messages_sender_id"))

    op.drop_table("floor_messages")
    op.drop_table("announcements")
    with op.batch_alter_table("alarms", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_alarms_rule_id"))
        batch_op.drop_index(batch_op.f("ix_alarms_raised_at"))

    op.drop_table("alarms")
    with op.batch_alter_table("supervisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_supervisions_call_uid"))
        batch_op.drop_index(batch_op.f("ix_supervisions_began_at"))
        batch_op.drop_index(batch_op.f("ix_supervisions_agent"))

    op.drop_table("supervisions")
    op.drop_table("shift_kinds")
    op.drop_table("seat_places")
    with op.batch_alter_table("help_requests", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_help_requests_call_uid"))
        batch_op.drop_index(batch_op.f("ix_help_requests_asked_at"))
        batch_op.drop_index(batch_op.f("ix_help_requests_agent"))

    op.drop_table("help_requests")
    op.drop_table("alarm_rules")
    op.drop_table("agent_groups")
