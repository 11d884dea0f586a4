"""The journal's grammar: one line of Asterisk's queue_log as a typed entry. Pure.

A line is `epoch|call|queue|agent|EVENT|data|data...`. Lines of our own dialplan carry epoch milliseconds as
their first datum, because queue_log itself keeps whole seconds only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)

OURS = frozenset((
    "CALLARRIVED", "MENUSTEP", "TOPERSON", "AGENTANSWERED", "OVERFLOW", "CALLBACKASKED", "MESSAGELEFT",
    "SELFSERVED", "CALLCLOSED", "CALLREFUSED", "STEPFAILED", "TRANSFERRED", "OUTSIDEANSWERED",
    "CALLENDED", "SIGNIN", "SIGNOUT", "CALLLOST", "HELD", "RESUMED", "CONSULTBEGAN", "CONSULTANSWERED",
    "CONSULTENDED", "THREEWAY", "PARTYLEFT", "AGENTLEFT", "RECORDINGPAUSED", "RECORDINGRESUMED",
    "SURVEYBEGAN", "SURVEYED", "RETURNED", "DIALLED", "DIALENDED", "DESKCLOSED", "MOVED", "ANNOUNCED",
    "WATCHBEGAN", "WATCHMODE", "WATCHENDED", "TAKENOVER", "HELPASKED", "HELPTAKEN", "HELPENDED", "MEDIA",
))  # fmt: skip
"""Events written by the dialplan or, over AMI, by the cti; the first datum is epoch ms."""

ASTERISKS = frozenset((
    "QUEUESTART", "CONFIGRELOAD", "ADDMEMBER", "REMOVEMEMBER", "PAUSE", "UNPAUSE", "PAUSEALL",
    "UNPAUSEALL", "PENALTY", "RINGNOANSWER", "RINGCANCELED", "ENTERQUEUE", "CONNECT", "COMPLETECALLER",
    "COMPLETEAGENT", "ABANDON", "EXITEMPTY", "EXITWITHKEY", "EXITWITHTIMEOUT", "SYSCOMPAT", "TRANSFER",
    "BLINDTRANSFER", "ATTENDEDTRANSFER", "AGENTDUMP", "DID", "INFO", "WITHDRAW",
))  # fmt: skip
"""Events that app_queue writes by itself."""


@dataclass(frozen=True)
class Entry:
    """One line. `call`, `queue` and `agent` are None where the line says NONE."""

    at: datetime
    call: str | None
    queue: str | None
    agent: str | None
    event: str
    data: tuple[str, ...]
    understood: bool


def parse(line: str, fallback: datetime) -> Entry:
    """The entry of one line without its line break.

    Never raises: a line that is not understood comes back with `understood` False, its whole text as only
    datum and `fallback` (the time of the line before it) as its time.
    """
    fields = line.split("|")
    if len(fields) < 5 or not fields[0].isdigit() or len(fields[0]) > 11:
        return Entry(fallback, None, None, None, "UNREADABLE", (line,), understood=False)
    event, data = fields[4][:32], tuple(fields[5:])
    at = datetime.fromtimestamp(int(fields[0]), UTC)
    if event in OURS and data and data[0].isdigit() and len(data[0]) <= 14:
        at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(data[0]))
    known = event in ASTERISKS or (event in OURS and bool(data) and data[0].isdigit())
    # app_queue names who did it where no call is concerned: MANAGER, REALTIME.
    call = None if fields[1] in ("MANAGER", "REALTIME") else _name(fields[1])
    return Entry(at, call, _name(fields[2]), _name(fields[3]), event, data, understood=known)


def display_name(encoded: str) -> str:
    """A caller's name as written by the dialplan: URI-encoded, and inside it still SIP's quoted pairs
    (RFC 3261, 25.1: backslash and the character that is meant), which Asterisk hands on as they came."""
    return _QUOTED_PAIR.sub(r"\1", unquote(encoded))[:256]


def _name(field: str) -> str | None:
    return None if field in ("", "NONE") else field[:64]
