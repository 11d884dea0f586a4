"""One thread that calls functions at their time: the patience of all played telephones of a process."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Timers:
    """`after(seconds, act)` calls `act` once in the timer thread; `close()` drops what is left."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()
        self._change = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` in `seconds` seconds. It must be short and must not raise."""
        with self._change:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._number), act))
            self._change.notify()

    def _run(self) -> None:
        while True:
            with self._change:
                while self._open and (not self._due or self._due[0][0] > time.monotonic()):
                    self._change.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if not self._open:
                    return
                act = heapq.heappop(self._due)[2]
            act()

    def close(self) -> None:
        with self._change:
            self._open = False
            self._change.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(5)
