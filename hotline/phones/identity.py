"""Who calls: the caller's number and name as SIP headers, also when they are hostile or withheld."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Withheld = Literal["no", "anonymous", "privacy", "asserted"]
"""How a carrier hides a number.

no         From carries number and name
anonymous  From is anonymous@anonymous.invalid, nothing else is known
privacy    From carries the number, `Privacy: id` asks not to show it
asserted   From is anonymous; the number stands in P-Asserted-Identity beside `Privacy: id` (RFC 3325)
"""

_USER_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()&=+$,;?/")


@dataclass(frozen=True)
class Caller:
    """A citizen's number and display name as they shall reach the PBX."""

    number: str = "13812345678"
    name: str = ""
    withheld: Withheld = "no"


def quoted(name: str) -> str:
    r"""A display name as SIP quoted-string (RFC 3261, 25.1); '' for an empty name.

    Quotes and backslashes become quoted pairs. A quoted-string cannot hold a line break or another control
    character: these are written as %0A, %0D, ..., which is what gateways do.
    """
    if not name:
        return ""
    safe = "".join(f"%{ord(ch):02X}" if ord(ch) < 0x20 or ord(ch) == 0x7F else ch for ch in name)
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'


def user_part(number: str) -> str:
    """A number as the user part of a SIP URI: bytes that RFC 3261 does not allow there are %-escaped."""
    return "".join(
        ch if ch in _USER_SAFE else "".join(f"%{byte:02X}" for byte in ch.encode()) for ch in number
    )


def identity_headers(caller: Caller, host: str) -> tuple[str, str, str]:
    """From value (without tag) and two further header lines, never empty, for a call from `host`."""
    address = f"<sip:{user_part(caller.number) or 'anonymous'}@{host}>"
    shown = f"{quoted(caller.name)} {address}".strip()
    hidden = '"Anonymous" <sip:anonymous@anonymous.invalid>'
    # SIPp cannot leave a line out, so a header that says nothing stands where none is needed.
    nothing = "Subject: 12345"
    lines: dict[str, tuple[str, str, str]] = {
        "no": (shown, nothing, "Organization: carrier"),
        "anonymous": (hidden, nothing, "Privacy: id"),
        "privacy": (shown, nothing, "Privacy: id"),
        "asserted": (hidden, f"P-Asserted-Identity: {shown}", "Privacy: id"),
    }
    return lines[caller.withheld]


def read_from(header: str) -> tuple[str, str]:
    """(name, number) of a From header's value, `"name" <sip:number@host>;tag=...`; '' for what is missing."""
    text = header.strip()
    name = ""
    if text.startswith('"'):
        at = 1
        while at < len(text) and text[at] != '"':
            if text[at] == "\\":
                at += 1
            name += text[at : at + 1]
            at += 1
        text = text[at + 1 :]
    elif "<" in text:
        name = text.split("<", 1)[0].strip()
    user = text.split("sip:", 1)[1] if "sip:" in text else ""
    return name, user.split("@", 1)[0] if "@" in user else ""
