"""What can go wrong with a played telephone, as sentences for the person at the terminal.

PhoneError
 ├─ SippMissing        SIPp is not installed
 ├─ NobodyListens      nothing answers at the PBX's SIP port
 ├─ SippDied           a SIPp process ended by itself
 ├─ NotRegistered      the PBX refused or did not hear a registration
 ├─ PhoneTimeout       an awaited event did not come in time
 └─ BadScript          the text of keys to press cannot be read
"""

from __future__ import annotations


class PhoneError(Exception):
    """Any failure of a played telephone; `str()` is one line with the remedy."""


class SippMissing(PhoneError):
    """SIPp is not installed."""


class NobodyListens(PhoneError):
    """Nothing answers at the PBX's SIP port."""


class SippDied(PhoneError):
    """A SIPp process ended although nobody asked it to."""


class NotRegistered(PhoneError):
    """The PBX refused a registration or did not hear it."""


class PhoneTimeout(PhoneError):
    """An awaited event did not come in time."""


class BadScript(PhoneError):
    """A text of keys and waits cannot be read."""
