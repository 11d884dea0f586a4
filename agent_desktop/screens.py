"""Which seats have a page open. Pure: sockets come and go, and time is told.

A seat that is ready while its page has been gone for `patience` seconds is overdue: calls would ring at
a place where nobody sees who calls. It is then made not ready, reason screen_gone, and stays so until
the agent chooses.
"""

from __future__ import annotations

from collections.abc import Iterable


class Screens:
    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._sockets: dict[str, set[str]] = {}
        self._gone_since: dict[str, float] = {}

    def came(self, seat: str, socket: str) -> None:
        self._sockets.setdefault(seat, set()).add(socket)
        self._gone_since.pop(seat, None)

    def went(self, seat: str, socket: str, now: float) -> None:
        """A page was closed at `now` (seconds); only the last one counts."""
        sockets = self._sockets.get(seat, set())
        sockets.discard(socket)
        if not sockets:
            self._sockets.pop(seat, None)
            self._gone_since[seat] = now

    def count(self) -> int:
        """Pages open at seats."""
        return sum(len(sockets) for sockets in self._sockets.values())

    def overdue(self, ready: Iterable[str], now: float) -> list[str]:
        """Seats of `ready` whose page has been gone too long. Each is named once, then counted anew.

        A seat found ready without any page (this process has just started) is counted from now on.
        """
        late = []
        wanted = {seat for seat in ready if seat not in self._sockets}
        self._gone_since = {seat: at for seat, at in self._gone_since.items() if seat in wanted}
        for seat in sorted(wanted):
            since = self._gone_since.setdefault(seat, now)
            if now - since >= self.patience:
                late.append(seat)
                self._gone_since[seat] = now
        return late
