"""Every table, typed. Times are UTC; names follow the field's words (ticket, unit, seat, journal, ledger)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

BigKey = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC; a naive one is refused, because nobody knows what it means."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone was given to the database")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    # Every constraint has a name, the same on both databases: a later migration can then drop it.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012


# --- people and places ---------------------------------------------------------------------------------


class User(Base):
    """Who may log in. `login` is also the member name that Asterisk's queues and the journal use."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    work_number: Mapped[str] = mapped_column(String(16), unique=True)
    role: Mapped[str] = mapped_column(String(24))
    """agent | shift_leader | supervisor | inspector | dispatcher | administrator"""
    group_id: Mapped[int | None] = mapped_column(ForeignKey("agent_groups.id"), index=True)
    """话务组; of a shift leader: the group whose seats are watched (empty: all)."""
    password_hash: Mapped[str] = mapped_column(String(256))
    totp_secret: Mapped[str | None] = mapped_column(String(64))
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    telephone: Mapped[str] = mapped_column(String(8), default="browser")
    """browser | desk: the telephone that the agent chose at the last log-in."""
    created_at: Mapped[datetime] = mapped_column(default=now)


class Seat(Base):
    """A place with a telephone: number 8001 is the PJSIP endpoint 8001."""

    __tablename__ = "seats"
    number: Mapped[str] = mapped_column(String(8), primary_key=True)
    label: Mapped[str] = mapped_column(String(64))


class Queue(Base):
    """A queue of asterisk_conf/queues.conf with the name that people see."""

    __tablename__ = "queues"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    label: Mapped[str] = mapped_column(String(64))


class QueueMembership(Base):
    """Which queues an agent serves; a lower penalty is rung first."""

    __tablename__ = "queue_memberships"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    queue: Mapped[str] = mapped_column(ForeignKey("queues.name"), primary_key=True)
    penalty: Mapped[int] = mapped_column(default=0)


class SpecialDeskPeriod(Base):
    """When a special desk (专席) is open, in the city's dates and hours (Asia/Shanghai).

    A queue without any period is always open; one with periods only within them.
    """

    __tablename__ = "special_desk_periods"
    id: Mapped[int] = mapped_column(primary_key=True)
    queue: Mapped[str] = mapped_column(ForeignKey("queues.name"), index=True)
    title: Mapped[str] = mapped_column(String(64), default="")
    opens_on: Mapped[date] = mapped_column(Date)
    closes_on: Mapped[date] = mapped_column(Date)
    """The last day that it is open."""
    from_time: Mapped[str | None] = mapped_column(String(5))
    """"09:00"; empty: the whole day."""
    to_time: Mapped[str | None] = mapped_column(String(5))


class NotReadyReason(Base):
    """示忙原因: what an agent may choose, and for how long."""

    __tablename__ = "not_ready_reasons"
    code: Mapped[str] = mapped_column(String(24), primary_key=True)
    label: Mapped[str] = mapped_column(String(32))
    limit_minutes: Mapped[int | None]
    """After this long the seat's state stands out; empty: no limit."""
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(Boolean, default=True)


class TransferTarget(Base):
    """Whom an agent can bring in: a unit's duty telephone, an expert, a lawyer. A group rings as a whole."""

    __tablename__ = "transfer_targets"
    id: Mapped[int] = mapped_column(primary_key=True)
    group: Mapped[str] = mapped_column("group_name", String(32))
    """单位值班 | 专家组 | 律师组 ..."""
    name: Mapped[str] = mapped_column(String(64))
    number: Mapped[str] = mapped_column(String(32))
    """Outside number as dialled."""
    note: Mapped[str] = mapped_column(String(128), default="")
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(Boolean, default=True)


class Unit(Base):
    """承办单位 in three levels (city department or county, office, subordinate unit)."""

    __tablename__ = "units"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"), index=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(128))
    level: Mapped[int]
    phone: Mapped[str | None] = mapped_column(String(32))


class Region(Base):
    """三级网格: city-county-town; level 1 is the city's districts and counties."""

    __tablename__ = "regions"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"), index=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    level: Mapped[int]


class Category(Base):
    """A node of the category tree; leaves are chosen. `initials` are the pinyin initials for the keyboard."""

    __tablename__ = "categories"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"), index=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    initials: Mapped[str] = mapped_column(String(64), default="")
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    """The unit that the dispatch catalogue proposes."""


class Citizen(Base):
    """市民. A citizen can have many numbers, and a number several citizens."""

    __tablename__ = "citizens"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    gender: Mapped[str | None] = mapped_column(String(8))
    address: Mapped[str | None] = mapped_column(String(256))
    note: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(default=now)
    merged_into: Mapped[int | None] = mapped_column(ForeignKey("citizens.id"), index=True)
    """Set: this record is history, the person is kept there."""
    phones: Mapped[list[CitizenPhone]] = relationship(back_populates="citizen")


class CitizenPhone(Base):
    """One number of one citizen, in the normal form of `db.numbers.normal` (E.164 without '+')."""

    __tablename__ = "citizen_phones"
    id: Mapped[int] = mapped_column(primary_key=True)
    citizen_id: Mapped[int] = mapped_column(ForeignKey("citizens.id"), index=True)
    number: Mapped[str] = mapped_column(String(32), index=True)
    citizen: Mapped[Citizen] = relationship(back_populates="phones")
    __table_args__ = (UniqueConstraint("citizen_id", "number"),)


class CitizenEvent(Base):
    """What was merged, split or corrected in the citizens' records: written once, enough to undo it."""

    __tablename__ = "citizen_events"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    citizen_id: Mapped[int] = mapped_column(ForeignKey("citizens.id"), index=True)
    other_id: Mapped[int | None] = mapped_column(ForeignKey("citizens.id"), index=True)
    at: Mapped[datetime] = mapped_column(default=now)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str] = mapped_column(String(16))
    """merge | split | edit"""
    reason: Mapped[str] = mapped_column(String(256), default="")
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class CallerNote(Base):
    """What an agent should know before answering this number: sensitive, blocked, a dialect, a warning."""

    __tablename__ = "caller_notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(32), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    """sensitive | blocked | language | care"""
    note: Mapped[str] = mapped_column(String(256))
    until: Mapped[datetime | None]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]


# --- journal and ledger --------------------------------------------------------------------------------


class JournalPosition(Base):
    """How far the journal of one PBX is copied; committed together with the rows made of it."""

    __tablename__ = "journal_positions"
    pbx: Mapped[str] = mapped_column(String(16), primary_key=True)
    file: Mapped[str] = mapped_column(String(80))
    """Identity of the file: a fingerprint of its first line and its inode; survives renaming by rotation."""
    offset: Mapped[int] = mapped_column(BigInteger)
    copied_at: Mapped[datetime]


class JournalEvent(Base):
    """One line of the journal. Unknown lines are kept too (`understood` false) and shown by `doctor`."""

    __tablename__ = "journal_events"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    pbx: Mapped[str] = mapped_column(String(16))
    file: Mapped[str] = mapped_column(String(80))
    offset: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(index=True)
    """In milliseconds where the line carries them, else whole seconds."""
    call_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    queue: Mapped[str | None] = mapped_column(String(64))
    agent: Mapped[str | None] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(32))
    data: Mapped[list[Any]]
    understood: Mapped[bool] = mapped_column(Boolean, default=True)
    __table_args__ = (
        UniqueConstraint("pbx", "file", "offset"),
        Index("ix_journal_events_agent_at", "agent", "at"),
        # A handful of rows among millions: when each PBX was started.
        Index(
            "ix_journal_events_restarts",
            "at",
            sqlite_where=text("event = 'QUEUESTART'"),
            postgresql_where=text("event = 'QUEUESTART'"),
        ),
        # Who came and went, of everybody and of weeks, without a look at each call's lines.
        Index(
            "ix_journal_events_membership",
            # The event first: by the time alone SQLite would take the index of all lines.
            "event",
            "at",
            sqlite_where=text("event IN ('SIGNIN', 'SIGNOUT', 'ADDMEMBER', 'REMOVEMEMBER', 'QUEUESTART')"),
            postgresql_where=text(
                "event IN ('SIGNIN', 'SIGNOUT', 'ADDMEMBER', 'REMOVEMEMBER', 'QUEUESTART')"
            ),
        ),
    )


class Call(Base):
    """The ledger's row of one call. `outcome` is set exactly once, when the call has ended."""

    __tablename__ = "calls"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    uid: Mapped[str] = mapped_column(String(64), unique=True)
    """`<pbx>-<Asterisk's unique id>`: one spelling in floor, ledger, recordings and tickets."""
    pbx: Mapped[str] = mapped_column(String(16))
    direction: Mapped[str] = mapped_column(String(8), default="inbound")
    caller_raw: Mapped[str] = mapped_column(String(256), default="")
    """As the carrier sent it."""
    caller: Mapped[str] = mapped_column(String(32), default="")
    """The citizen's number in normal form (outbound: the one dialled); empty: withheld, or not a number."""
    caller_name: Mapped[str] = mapped_column(String(256), default="")
    called: Mapped[str] = mapped_column(String(64), default="")
    arrived_at: Mapped[datetime] = mapped_column(index=True)
    menu_path: Mapped[list[Any]] = mapped_column(JSON, default=list)
    """Steps walked: [{"node", "key", "result"}]."""
    queue: Mapped[str | None] = mapped_column(String(64))
    """The queue the call went to last."""
    to_person_at: Mapped[datetime | None] = mapped_column(index=True)
    """When the caller left the menu for a person."""
    rings: Mapped[int] = mapped_column(default=0)
    """Seats rung in vain."""
    answered_at: Mapped[datetime | None]
    agent: Mapped[str | None] = mapped_column(String(64))
    """Login of the first agent who answered."""
    seat: Mapped[str | None] = mapped_column(String(16))
    wait_ms: Mapped[int | None]
    """Queue and ring, until answered or given up."""
    talk_ms: Mapped[int | None]
    transfers: Mapped[int] = mapped_column(default=0)
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(16))
    """caller | agent | system"""
    cause: Mapped[int | None]
    """Q.850 cause of the hang-up."""
    callback_number: Mapped[str | None] = mapped_column(String(32))
    """In normal form, where a call-back was asked for: the number keyed in, else the caller's own."""
    reason: Mapped[str | None] = mapped_column(String(64))
    """Why, where the outcome alone does not say: the service of a self-served call, why it overflowed..."""
    outcome: Mapped[str | None] = mapped_column(String(32), index=True)
    hold_ms: Mapped[int] = mapped_column(default=0)
    """Time that the citizen was on hold or waited while the agent consulted; part of `talk_ms`."""
    about: Mapped[str | None] = mapped_column(String(64))
    """Outbound: what it was dialled for: "ticket:<number>", "missed:<id>", "call:<uid>", "redial"."""
    callback_of: Mapped[str | None] = mapped_column(String(64), index=True)
    """Outbound: the inbound call in whose queue this call-back was asked for."""
    rating: Mapped[int | None]
    """Keypress after the call: 1 satisfied, 2 fairly, 3 not."""
    rating_reason: Mapped[int | None]
    """Second keypress where not satisfied: 1 attitude, 2 matter not solved, 3 answer unclear, 4 other."""
    rated_agent: Mapped[str | None] = mapped_column(String(64))
    """Login of the agent who talked last before the rating."""
    __table_args__ = (
        Index("ix_calls_caller_arrived_at", "caller", "arrived_at"),
        Index("ix_calls_agent_arrived_at", "agent", "arrived_at"),
    )


class CallPart(Base):
    """One stretch of a call, in order: who talked, held, was brought in. Written by the ledger."""

    __tablename__ = "call_parts"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    call_uid: Mapped[str] = mapped_column(String(64), index=True)
    position: Mapped[int]
    """0, 1, ... within the call; the row is rewritten while the call goes on."""
    kind: Mapped[str] = mapped_column(String(24))
    """agent | hold | consult | party | outside | returned | recording_paused | survey"""
    agent: Mapped[str | None] = mapped_column(String(64))
    """Login of the agent concerned."""
    who: Mapped[str] = mapped_column(String(64), default="")
    """consult, party, outside: the other's number, or the login of the other agent."""
    label: Mapped[str] = mapped_column(String(128), default="")
    """The other's name as the agent chose it."""
    began_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    """consult: when the other answered; empty: nobody did."""
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("call_uid", "position"),
        Index("ix_call_parts_began_at", "began_at"),
    )


class MissedCaller(Base):
    """漏话回拨: one row for each caller whom nobody has spoken to yet. The ledger opens it and closes it."""

    __tablename__ = "missed_callers"
    id: Mapped[int] = mapped_column(primary_key=True)
    caller: Mapped[str] = mapped_column(String(32), index=True)
    """Number to call, in normal form."""
    open_caller: Mapped[str | None] = mapped_column(String(32), unique=True)
    """`caller` while the row is open, else empty: at most one open row for each caller."""
    kind: Mapped[str] = mapped_column(String(24))
    """The weightiest reason so far: short_abandon | abandoned_in_queue | overflowed | failed |
    voicemail_left | callback_requested."""
    queue: Mapped[str | None] = mapped_column(String(64))
    times: Mapped[int] = mapped_column(default=1)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)
    last_call_uid: Mapped[str] = mapped_column(String(64))
    taken_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    taken_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    closed_at: Mapped[datetime | None]
    closed_as: Mapped[str | None] = mapped_column(String(24))
    """reached (we called) | got_through (the citizen called again) | given_up (with a note)"""
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    version: Mapped[int] = mapped_column(default=1)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class MissedCall(Base):
    """Which calls a row of the worklist stands for."""

    __tablename__ = "missed_calls"
    call_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    missed_id: Mapped[int] = mapped_column(ForeignKey("missed_callers.id"), index=True)
    outcome: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]


class MissedAttempt(Base):
    """One try to reach a missed caller: the call, and what came of it."""

    __tablename__ = "missed_attempts"
    id: Mapped[int] = mapped_column(primary_key=True)
    missed_id: Mapped[int] = mapped_column(ForeignKey("missed_callers.id"), index=True)
    at: Mapped[datetime] = mapped_column(default=now)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    call_uid: Mapped[str | None] = mapped_column(String(64), unique=True)
    result: Mapped[str] = mapped_column(String(24))
    """dialled | reached | no_answer | busy | wrong_number | switched_off | refused | given_up"""
    note: Mapped[str] = mapped_column(String(256), default="")


class Recording(Base):
    """One recording, or the gap where one should be."""

    __tablename__ = "recordings"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    call_uid: Mapped[str] = mapped_column(ForeignKey("calls.uid"), index=True)
    kind: Mapped[str] = mapped_column(String(16), default="call")
    """call | message (a voice message)"""
    state: Mapped[str] = mapped_column(String(16))
    """kept | suspect (there, but a check failed) | gap (missing) | explained (missing, with a reason)"""
    problem: Mapped[str | None] = mapped_column(String(256))
    path: Mapped[str | None] = mapped_column(String(256))
    """Relative to the recordings folder."""
    seconds: Mapped[float | None]
    expected_seconds: Mapped[float | None]
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    level_caller_db: Mapped[float | None]
    level_agent_db: Mapped[float | None]
    made_at: Mapped[datetime] = mapped_column(default=now)
    checked_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("call_uid", "kind"),)


# --- tickets -------------------------------------------------------------------------------------------


class Ticket(Base):
    """工单. Its state changes only through `tickets.life.apply`, which writes the timeline too."""

    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(String(16), unique=True)
    """YYMMDD + five digits + check digit: can be read aloud and keyed in on a telephone."""
    state: Mapped[str] = mapped_column(String(24))
    request_type: Mapped[str] = mapped_column(String(16))
    """consultation | help | complaint | report | suggestion | praise"""
    channel: Mapped[str] = mapped_column(String(16), default="telephone")
    category_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"))
    region_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"))
    title: Mapped[str] = mapped_column(String(128))
    who: Mapped[str] = mapped_column(String(128), default="")
    when: Mapped[str] = mapped_column("occurred_when", String(128), default="")
    where: Mapped[str] = mapped_column("occurred_where", String(256), default="")
    what: Mapped[str] = mapped_column("what_happened", Text, default="")
    asked_for: Mapped[str] = mapped_column(Text, default="")
    urgency: Mapped[str] = mapped_column(String(16), default="normal")
    """normal 一般 | urgent 紧急 | very_urgent 特急"""
    confidential: Mapped[bool] = mapped_column(Boolean, default=False)
    disposition: Mapped[str | None] = mapped_column(String(16))
    """direct 直办 | dispatch 转派"""
    answer: Mapped[str | None] = mapped_column(Text)
    """What the citizen was told (direct answer) or what the unit replied."""
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("units.id"))
    citizen_id: Mapped[int | None] = mapped_column(ForeignKey("citizens.id"), index=True)
    contact_number: Mapped[str] = mapped_column(String(32), default="", index=True)
    """Number that the citizen can be reached at, in normal form."""
    call_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    """The call it was written in. Not a foreign key: the ledger may be a second behind the agent."""
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    """The last entry of its timeline."""
    closed_at: Mapped[datetime | None]
    form_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Key of the form that it was saved from: the same form sent twice is one ticket."""
    version: Mapped[int] = mapped_column(default=1)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (
        Index("ix_tickets_state_created_at", "state", "created_at"),
        Index("ix_tickets_created_by_created_at", "created_by", "created_at"),
        Index("ix_tickets_category_id_created_at", "category_id", "created_at"),
    )


class TicketEvent(Base):
    """One entry of a ticket's timeline: written once, never changed."""

    __tablename__ = "ticket_events"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime] = mapped_column(default=now)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str] = mapped_column(String(32))
    from_state: Mapped[str | None] = mapped_column(String(24))
    to_state: Mapped[str] = mapped_column(String(24))
    note: Mapped[str] = mapped_column(Text, default="")
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class Attachment(Base):
    """A file given with a ticket; kept below `settings.attachments` by its hash."""

    __tablename__ = "attachments"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    """Empty until the ticket is saved."""
    form_key: Mapped[str] = mapped_column(String(64), index=True)
    """Key of the form that it was added to."""
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(128))
    media_type: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)


class KnowledgeEntry(Base):
    """知识库: what an agent answers from."""

    __tablename__ = "knowledge_entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    category_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"), index=True)
    title: Mapped[str] = mapped_column(String(128))
    body: Mapped[str] = mapped_column(Text)
    keywords: Mapped[str] = mapped_column(String(256), default="")
    source: Mapped[str] = mapped_column(String(128), default="")
    valid_until: Mapped[date | None] = mapped_column(Date)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class Script(Base):
    """话术: what to say in a type of call, step by step; a step may ask for a field of the form."""

    __tablename__ = "scripts"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    title: Mapped[str] = mapped_column(String(64))
    request_type: Mapped[str | None] = mapped_column(String(16))
    category_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"), index=True)
    """Empty: for every category; else for this one and what is below it."""
    steps: Mapped[list[Any]] = mapped_column(JSON, default=list)
    """[{"say": "...", "field": "where" | None, "ask": "..." | None}]"""
    position: Mapped[int] = mapped_column(default=0)


class TicketCounter(Base):
    """The last ticket number given out on a day (Asia/Shanghai)."""

    __tablename__ = "ticket_counters"
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    last: Mapped[int]


class Draft(Base):
    """What an agent has typed and not saved yet, one per call; survives page, server and power."""

    __tablename__ = "drafts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    call_uid: Mapped[str] = mapped_column(String(64), default="")
    body: Mapped[dict[str, Any]]
    saved_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (UniqueConstraint("user_id", "call_uid"),)


class AccessLog(Base):
    """Who looked at what is protected: listening to a recording, revealing a number, log-ins."""

    __tablename__ = "access_log"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    action: Mapped[str] = mapped_column(String(32))
    """listen | download | reveal_number | log_in | log_in_refused | log_out"""
    object: Mapped[str] = mapped_column(String(128), default="")
    reason: Mapped[str] = mapped_column(String(256), default="")
    address: Mapped[str] = mapped_column(String(64), default="")


# --- the live floor ------------------------------------------------------------------------------------


class AgentGroup(Base):
    """话务组: agents with their shift leaders."""

    __tablename__ = "agent_groups"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    position: Mapped[int] = mapped_column(default=0)


class SeatPlace(Base):
    """Where a seat's tile stands on the map, dragged once and kept; a seat without a row comes at the end."""

    __tablename__ = "seat_places"
    seat: Mapped[str] = mapped_column(String(8), primary_key=True)
    room: Mapped[str] = mapped_column(String(64))
    column: Mapped[int] = mapped_column("grid_column")
    row: Mapped[int] = mapped_column("grid_row")


class FloorSetting(Base):
    """What supervisors set for the floor; `agent_desktop/floor_settings.py` knows keys and defaults."""

    __tablename__ = "floor_settings"
    key: Mapped[str] = mapped_column(String(48), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime] = mapped_column(default=now)


class Supervision(Base):
    """One stretch of listening, whispering, barging in or a take-over. Written by the ledger."""

    __tablename__ = "supervisions"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    call_uid: Mapped[str] = mapped_column(String(64), index=True)
    seat: Mapped[str] = mapped_column(String(16))
    """The seat whose call it was."""
    agent: Mapped[str | None] = mapped_column(String(64), index=True)
    """Login of the agent there."""
    supervisor: Mapped[str] = mapped_column(String(64))
    """Login of who listened."""
    mode: Mapped[str] = mapped_column(String(16))
    """listen | whisper | barge | take_over"""
    telephone: Mapped[str] = mapped_column(String(16), default="")
    """browser, or the number of the desk phone."""
    began_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    ended_as: Mapped[str | None] = mapped_column(String(24))
    """mode (changed) | left | call_ended | phone_gone | transferred | cti_restarted"""
    __table_args__ = (UniqueConstraint("supervisor", "began_at"),)


class HelpRequest(Base):
    """求助: an agent has asked the shift leader to come. Written by the ledger."""

    __tablename__ = "help_requests"
    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    seat: Mapped[str] = mapped_column(String(16))
    agent: Mapped[str | None] = mapped_column(String(64), index=True)
    call_uid: Mapped[str] = mapped_column(String(64), default="", index=True)
    asked_at: Mapped[datetime] = mapped_column(index=True)
    taken_by: Mapped[str | None] = mapped_column(String(64))
    """Login of who came."""
    taken_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_as: Mapped[str | None] = mapped_column(String(16))
    """taken | cancelled | call_ended"""
    __table_args__ = (UniqueConstraint("seat", "asked_at"),)


class SkillOverride(Base):
    """A seat's agent added to a queue, or taken out of one, for a while; the skills come back after it."""

    __tablename__ = "skill_overrides"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    queue: Mapped[str] = mapped_column(ForeignKey("queues.name"))
    penalty: Mapped[int | None]
    """Empty: taken out of the queue."""
    until: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(256), default="")
    made_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (UniqueConstraint("user_id", "queue"),)


class QueueSwitch(Base):
    """A queue or special desk opened or closed by hand, over its periods; `until` empty: until undone."""

    __tablename__ = "queue_switches"
    queue: Mapped[str] = mapped_column(ForeignKey("queues.name"), primary_key=True)
    state: Mapped[str] = mapped_column(String(8))
    """open | closed"""
    until: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(String(256), default="")
    made_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime] = mapped_column(default=now)


class OverflowRule(Base):
    """After how long a queue gives a waiting caller on, and where to."""

    __tablename__ = "overflow_rules"
    queue: Mapped[str] = mapped_column(ForeignKey("queues.name"), primary_key=True)
    after_seconds: Mapped[int]
    then: Mapped[str] = mapped_column("then_do", String(8))
    """offer (call-back or message) | duty (the duty telephone) | queue (another one)"""
    target: Mapped[str] = mapped_column(String(32), default="")
    """queue: its name."""
    made_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime] = mapped_column(default=now)


class Announcement(Base):
    """紧急公告: typed or recorded, heard before it is published, on air until a moment."""

    __tablename__ = "announcements"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Text, default="")
    source: Mapped[str] = mapped_column(String(8), default="voice")
    """voice (synthesised from the text) | upload (a recorded file)"""
    state: Mapped[str] = mapped_column(String(16))
    """rendering | ready | failed | on_air | ended"""
    problem: Mapped[str] = mapped_column(String(256), default="")
    scope: Mapped[str] = mapped_column(String(32), default="arrival")
    """arrival (everybody, before the menu), or the name of a queue (before waiting)."""
    progress: Mapped[int] = mapped_column(default=0)
    """Percent of the sound that is made."""
    seconds: Mapped[float | None]
    sha256: Mapped[str | None] = mapped_column(String(64))
    """Of the kept file; its name on air is made of it."""
    made_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime] = mapped_column(default=now)
    heard_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    heard_at: Mapped[datetime | None]
    """Somebody has listened to it to the end: only then it can be published."""
    on_air_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    on_air_at: Mapped[datetime | None]
    until: Mapped[datetime | None]
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


# Two who publish at once cannot both be on air.
Index(
    "uq_announcements_on_air",
    Announcement.scope,
    unique=True,
    sqlite_where=Announcement.state == "on_air",
    postgresql_where=Announcement.state == "on_air",
)


class FloorMessage(Base):
    """A message from a supervisor to one agent, a group or all, or from an agent to the shift leaders."""

    __tablename__ = "floor_messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    sender_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    """user | group | all"""
    target: Mapped[str] = mapped_column(String(64), default="")
    """user: login; group: its id."""
    text: Mapped[str] = mapped_column(String(500))
    urgent: Mapped[bool] = mapped_column(Boolean, default=False)
    sent_at: Mapped[datetime] = mapped_column(default=now, index=True)


class MessageReceipt(Base):
    """To whom a message went, and when it was read."""

    __tablename__ = "message_receipts"
    message_id: Mapped[int] = mapped_column(ForeignKey("floor_messages.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    read_at: Mapped[datetime | None]
    __table_args__ = (Index("ix_message_receipts_user_id_read_at", "user_id", "read_at"),)


class AlarmRule(Base):
    """When an alarm is raised and when it is over."""

    __tablename__ = "alarm_rules"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(24))
    """longest_wait | abandon_rate | in_15_rate | state_too_long | no_seat_ready | trunk_full | link_lost |
    recording_missing | disk"""
    queue: Mapped[str] = mapped_column(String(32), default="")
    """Empty: the whole floor."""
    threshold: Mapped[float]
    clear_at: Mapped[float]
    """Beyond this the alarm is over: hysteresis."""
    hold_seconds: Mapped[int] = mapped_column(default=0)
    """So long the threshold must be passed before the alarm is raised."""
    clear_seconds: Mapped[int] = mapped_column(default=30)
    window_minutes: Mapped[int] = mapped_column(default=15)
    """Rates: over so many minutes until now."""
    least_calls: Mapped[int] = mapped_column(default=20)
    """Rates: judged only with so many decided calls within them."""
    quiet_from: Mapped[str | None] = mapped_column(String(5))
    """"22:00": from here until `quiet_to` shown, but without sound and webhook."""
    quiet_to: Mapped[str | None] = mapped_column(String(5))
    sound: Mapped[bool] = mapped_column(Boolean, default=True)
    webhook: Mapped[bool] = mapped_column(Boolean, default=False)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    position: Mapped[int] = mapped_column(default=0)


class Alarm(Base):
    """One alarm from raised to cleared: the history."""

    __tablename__ = "alarms"
    id: Mapped[int] = mapped_column(primary_key=True)
    open_key: Mapped[str | None] = mapped_column(String(96), unique=True)
    """rule and subject while it lasts, else empty: several desktops raise it once."""
    rule_id: Mapped[int | None] = mapped_column(ForeignKey("alarm_rules.id"), index=True)
    kind: Mapped[str] = mapped_column(String(24))
    queue: Mapped[str] = mapped_column(String(32), default="")
    subject: Mapped[str] = mapped_column(String(64), default="")
    """Seat, PBX or folder concerned."""
    detail: Mapped[str] = mapped_column(String(128), default="")
    """What it was, in words: the seat's state with its agent. Never sent outside."""
    value: Mapped[float]
    worst: Mapped[float]
    threshold: Mapped[float]
    quiet: Mapped[bool] = mapped_column(Boolean, default=False)
    raised_at: Mapped[datetime] = mapped_column(index=True)
    seen_at: Mapped[datetime]
    """When a desktop last found it going on..."""
    seen_by: Mapped[str] = mapped_column(String(32), default="")
    """...and which one: while that is fresh, no other desktop ends it."""
    cleared_at: Mapped[datetime | None]
    acknowledged_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    acknowledged_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(String(256), default="")


class WebhookDelivery(Base):
    """One alarm's news to be told to the city's webhook, until it is taken or given up."""

    __tablename__ = "webhook_deliveries"
    id: Mapped[int] = mapped_column(primary_key=True)
    alarm_id: Mapped[int] = mapped_column(ForeignKey("alarms.id"), index=True)
    what: Mapped[str] = mapped_column(String(8))
    """raised | cleared"""
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None] = mapped_column(index=True)
    """Empty: taken, or given up."""
    done_at: Mapped[datetime | None]
    problem: Mapped[str] = mapped_column(String(256), default="")
    __table_args__ = (UniqueConstraint("alarm_id", "what"),)


class ShiftKind(Base):
    """班次: 早班 08:00-16:00 ... `to_time` before `from_time`: it ends on the next day."""

    __tablename__ = "shift_kinds"
    code: Mapped[str] = mapped_column(String(16), primary_key=True)
    label: Mapped[str] = mapped_column(String(32))
    from_time: Mapped[str] = mapped_column(String(5))
    to_time: Mapped[str] = mapped_column(String(5))
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(Boolean, default=True)


class RosterEntry(Base):
    """Who works when. Times are kept with the entry, so that a changed shift kind changes no past."""

    __tablename__ = "roster_entries"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    day: Mapped[date] = mapped_column(Date, index=True)
    """The city's day on which it begins."""
    kind: Mapped[str] = mapped_column(String(16))
    from_at: Mapped[datetime]
    to_at: Mapped[datetime]
    absence: Mapped[str | None] = mapped_column(String(16))
    """leave | sick | other: planned, and known to be away."""
    note: Mapped[str] = mapped_column(String(128), default="")
    version: Mapped[int] = mapped_column(default=1)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (UniqueConstraint("user_id", "from_at"),)


class RosterEvent(Base):
    """What was changed in the roster: imported, edited, swapped. Written once."""

    __tablename__ = "roster_events"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now, index=True)
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str] = mapped_column(String(16))
    """import | add | change | remove | swap"""
    day: Mapped[date | None] = mapped_column(Date, index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class MeetingSheet(Base):
    """晨会: what the shift leader adds to the sheet of a group's day; its figures are counted anew."""

    __tablename__ = "meeting_sheets"
    id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date)
    group_id: Mapped[int] = mapped_column(ForeignKey("agent_groups.id"))
    points: Mapped[str] = mapped_column(Text, default="")
    recordings: Mapped[list[Any]] = mapped_column(JSON, default=list)
    """Call uids chosen by hand instead of the proposed ones; empty: as proposed."""
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    changed_at: Mapped[datetime] = mapped_column(default=now)
    version: Mapped[int] = mapped_column(default=1)
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (UniqueConstraint("day", "group_id"),)
