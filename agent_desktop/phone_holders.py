"""Which page holds the telephone of a seat. Pure: pages come and go by their sockets, and time is told.

    free ──take──► held by page A ──A's last socket gone──► free
                        └─ B takes over (or A is gone): held by B, A is told

A seat has one telephone. A second tab, or a second computer with the same account, would take its
registration silently; here it is asked first. Page ids are made anew at each load, so that a reloaded page is
another one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

GRACE_MS = 10_000
"""A page may ask for the telephone before its socket is connected; so long it counts as there."""


def of_leader(user_id: int) -> str:
    """Under which a supervisor's telephone is held: no seat is called so."""
    return f"user:{user_id}"


@dataclass(frozen=True)
class Holder:
    """`since` in epoch ms; `connected`: its socket has been seen."""

    page: str
    since: int
    connected: bool = False


class PhoneHolders:
    """The holders of all seats. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._holders: dict[str, Holder] = {}
        self._sockets: dict[tuple[str, str], set[str]] = {}
        self._lock = threading.Lock()

    def came(self, seat: str, page: str, socket: str) -> None:
        """A page's socket is connected."""
        with self._lock:
            self._sockets.setdefault((seat, page), set()).add(socket)
            holder = self._holders.get(seat)
            if holder and holder.page == page:
                self._holders[seat] = replace(holder, connected=True)

    def went(self, seat: str, page: str, socket: str) -> None:
        """A page's socket is gone. A holder who comes back before anybody else asked has it still."""
        with self._lock:
            sockets = self._sockets.get((seat, page), set())
            sockets.discard(socket)
            if not sockets:
                self._sockets.pop((seat, page), None)

    def elsewhere(self, seat: str, page: str, now: int) -> Holder | None:
        """The live holder of a seat's telephone, when that is another page."""
        with self._lock:
            return self._elsewhere(seat, page, now)

    def take(self, seat: str, page: str, now: int, *, take_over: bool = False) -> Holder | None:
        """Give the telephone to `page`; None, or the other live page that keeps it (not with `take_over`)."""
        with self._lock:
            other = self._elsewhere(seat, page, now)
            if other and not take_over:
                return other
            known = self._holders.get(seat)
            since = known.since if known and known.page == page else now
            self._holders[seat] = Holder(page, since, (seat, page) in self._sockets)
            return None

    def is_held(self, seat: str) -> bool:
        with self._lock:
            return seat in self._holders

    def release(self, seat: str) -> None:
        """Nobody holds it any more: the seat is signed out."""
        with self._lock:
            self._holders.pop(seat, None)

    def _elsewhere(self, seat: str, page: str, now: int) -> Holder | None:
        holder = self._holders.get(seat)
        if holder is None or holder.page == page:
            return None
        fresh = not holder.connected and now - holder.since < GRACE_MS
        return holder if fresh or (seat, holder.page) in self._sockets else None
