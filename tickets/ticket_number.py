"""Ticket numbers: YYMMDD, five digits counted per day, one Damm check digit. Twelve digits, in fours.

The check digit finds every single wrong digit and every swap of two neighbours, which is what happens when
a number is heard on the telephone and keyed in.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from db.models import TicketCounter
from tickets.problems import NumbersUsedUp

_QUASIGROUP = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)
"""Totally anti-symmetric quasigroup of order 10 from H. M. Damm's thesis (Marburg, 2004)."""

LAST_OF_DAY = 99_999


def check_digit(digits: str) -> str:
    """Damm's check digit of a string of decimal digits."""
    row = 0
    for digit in digits:
        row = int(_QUASIGROUP[row][int(digit)])
    return str(row)


def compose(day: date, sequence: int) -> str:
    """The number of the `sequence`-th ticket (1…99,999) of `day`."""
    if not 1 <= sequence <= LAST_OF_DAY:
        raise NumbersUsedUp
    digits = f"{day:%y%m%d}{sequence:05d}"
    return digits + check_digit(digits)


def next_number(session: Session, day: date) -> str:
    """The next number of `day` (Asia/Shanghai). One statement, so that two writers never get the same.

    The counter's row stays locked until the transaction ends: whoever comes second waits, and then sees
    what the first has written. Raises NumbersUsedUp after 99,999.
    """
    postgres = session.get_bind().dialect.name == "postgresql"
    insert = postgres_insert if postgres else sqlite_insert
    statement = insert(TicketCounter).values(day=day, last=1)
    counted = statement.on_conflict_do_update(
        index_elements=[TicketCounter.day], set_={"last": TicketCounter.last + 1}
    ).returning(TicketCounter.last)
    return compose(day, session.execute(counted).scalar_one())


def is_valid(number: str) -> bool:
    """Twelve ASCII digits with the right check digit? (The date in it is not judged.)"""
    return len(number) == 12 and number.isascii() and number.isdigit() and check_digit(number) == "0"


def spoken(number: str) -> str:
    """In groups of four, as it is read aloud: "2607 2300 0015"."""
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))
