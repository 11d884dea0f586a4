"""The rule: which lines of Asterisk's security log count against an address, and when it is shut out. Pure.

    line of security.log ──read──► Seen(kind, address) ──Guard.heard──► address shut out until a moment

    ChallengeResponseFailed   a wrong password. The address has got our challenge: it is no forged one
    InvalidAccountID, ...     somebody unknown
    ChallengeSent             a request without a password: the first half of every registration, so it
                              counts only where no right password follows

A sender's address in a UDP packet can be forged. So where a telephone has registered lately, only wrong
passwords count, and more of them: behind one address there may be a whole office.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

WRONG = "ChallengeResponseFailed"
ASKED = "ChallengeSent"
GOOD = "SuccessfulAuth"
UNKNOWN = frozenset({"InvalidAccountID", "FailedACL", "RequestNotAllowed", "RequestBadFormat"})
REMEMBERED = 10_000
"""Addresses that are counted at one time; whoever was heard longest ago is forgotten first."""

_LINE = re.compile(r'SecurityEvent="(\w+)",EventTV="[^"]*",Severity="\w+",Service="PJSIP"')
_ADDRESS = re.compile(r',RemoteAddress="IPV[46]/\w+/([0-9A-Fa-f.:]+)/\d+"')

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Terms:
    """So much within `window` seconds shuts an address out for `closed` seconds, the next time four times as
    long, up to `longest`."""

    misses: int = 8
    misses_where_trusted: int = 40
    asked: int = 60
    """Requests without a password, none with a right one among them."""
    window: float = 60.0
    closed: float = 600.0
    longest: float = 86_400.0
    trusted_for: float = 900.0
    """Longer than a telephone's registration lasts."""


@dataclass(frozen=True)
class Seen:
    """One line of the security log about SIP."""

    kind: str
    address: str


def read(line: str) -> Seen | None:
    """The event in a line of `security.log`; None for what is no event of SIP.

    Account, Call-ID and response come from the sender and stand in the line as they are, with quotes and all.
    The address is the one that nothing of the sender's can follow: the last of the line, or the only one.
    """
    found = _LINE.search(line)
    if found is None:
        return None
    addresses = list(_ADDRESS.finditer(line))
    if not addresses or (found[1] in (WRONG, GOOD) and len(addresses) > 1):
        return None
    last = addresses[-1]
    ends = {ASKED: ',Challenge=""', WRONG: None, GOOD: None}.get(found[1], "")
    if ends is not None and line[last.end() :].rstrip() != ends:
        return None
    return Seen(found[1], last[1])


def networks(words: str) -> tuple[Network, ...]:
    """Addresses and networks with commas, as in the settings; what is neither (a name) is left out."""
    found = []
    for one in words.split(","):
        with contextlib.suppress(ValueError):
            found.append(ipaddress.ip_network(one.strip(), strict=False))
    return tuple(found)


@dataclass
class Guard:
    """Counts by address. `never` are those that are not shut out: the carrier, this machine."""

    terms: Terms = field(default_factory=Terms)
    never: Sequence[Network] = ()
    out: dict[str, float] = field(default_factory=dict)
    """address -> until when (seconds of the caller's clock)."""
    _misses: dict[str, deque[float]] = field(default_factory=dict)
    _asked: dict[str, deque[float]] = field(default_factory=dict)
    _good: dict[str, float] = field(default_factory=dict)
    _times: dict[str, int] = field(default_factory=dict)

    def heard(self, seen: Seen, at: float) -> bool:
        """Take a line in; True when its address is shut out by it."""
        address, terms = seen.address, self.terms
        if seen.kind == GOOD:
            _note(self._good, address, at)
            self._asked.pop(address, None)
            return False
        if address in self.out:
            return False
        trusted = at - self._good.get(address, float("-inf")) <= terms.trusted_for
        if seen.kind == WRONG:
            most = terms.misses_where_trusted if trusted else terms.misses
            full = self._full(self._misses, address, most, at)
        elif trusted:
            return False
        elif seen.kind == ASKED:
            full = self._full(self._asked, address, terms.asked, at)
        elif seen.kind in UNKNOWN:
            full = self._full(self._misses, address, terms.misses, at)
        else:
            return False
        if not full or self._is_never(address):
            return False
        times = self._times.get(address, 0)
        _note(self._times, address, times + 1)
        self.out[address] = at + min(terms.closed * 4.0**times, terms.longest)
        return True

    def let_in(self, at: float) -> list[str]:
        """Addresses whose time is over; they are taken off."""
        over = [address for address, until in self.out.items() if until <= at]
        for address in over:
            del self.out[address]
        return over

    def _full(self, counts: dict[str, deque[float]], address: str, most: int, at: float) -> bool:
        times = counts.pop(address, None) or deque()
        times.append(at)
        while times[0] < at - self.terms.window:
            times.popleft()
        if len(times) >= most:
            return True
        _note(counts, address, times)
        return False

    def _is_never(self, address: str) -> bool:
        try:
            one = ipaddress.ip_address(address)
        except ValueError:
            return True
        return any(one.version == net.version and one in net for net in self.never)


def _note(kept: dict[str, Any], address: str, value: Any) -> None:
    """The newest last, and no more than REMEMBERED."""
    kept.pop(address, None)
    kept[address] = value
    while len(kept) > REMEMBERED:
        del kept[next(iter(kept))]


def counted(lines: Iterable[str]) -> dict[str, int]:
    """Lines that fail2ban's filter (docs/fail2ban) is to match, by address."""
    found: dict[str, int] = {}
    for line in lines:
        seen = read(line)
        if seen and (seen.kind == WRONG or seen.kind in UNKNOWN):
            found[seen.address] = found.get(seen.address, 0) + 1
    return found
