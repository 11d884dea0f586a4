"""The network between cti and desktop: a TCP relay that can be cut, closed for a while, or made to swallow.

cti ──► 127.0.0.1:port ══ relay ══► 127.0.0.1:web port of the desktop
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading


class Wire:
    """Relays until `close`. One thread; connections are few and long."""

    def __init__(self, port: int, to: int) -> None:
        self.port, self._to = port, to
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._refuses = self._swallows = self._closing = False
        self._lock = threading.Lock()
        self._listener = self._listen()
        self._thread = threading.Thread(target=self._relay, name="wire", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Close every connection at once, as when a plug is pulled and put back."""
        with self._lock:
            for end in list(self._pairs):
                self._drop(end)

    def refuse(self, yes: bool) -> None:
        """From now on nobody gets through; what is up is closed."""
        with self._lock:
            self._refuses = yes
        if yes:
            self.cut()

    def swallow(self, yes: bool) -> None:
        """Connections stay up and nothing passes: a firewall that has forgotten them."""
        with self._lock:
            self._swallows = yes

    def close(self) -> None:
        """End the relay and its connections."""
        self._closing = True
        self._thread.join(5)
        self.cut()
        self._listener.close()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(16)
        return listener

    def _relay(self) -> None:
        while not self._closing:
            with self._lock:
                ends = [] if self._swallows else list(self._pairs)
            readable, _, _ = select.select([self._listener, *ends], [], [], 0.1)
            for end in readable:
                if end is self._listener:
                    self._accept()
                else:
                    self._pass_on(end)

    def _accept(self) -> None:
        here, _ = self._listener.accept()
        with self._lock:
            if self._refuses:
                here.close()
                return
        try:
            there = socket.create_connection(("127.0.0.1", self._to), timeout=2)
        except OSError:
            here.close()
            return
        for end in (here, there):
            end.settimeout(2)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._pairs[here], self._pairs[there] = there, here

    def _pass_on(self, end: socket.socket) -> None:
        with self._lock:
            other = self._pairs.get(end)
            if other is None or self._swallows:
                return
        try:
            data = end.recv(65536)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        with self._lock:
            self._drop(end)

    def _drop(self, end: socket.socket) -> None:
        other = self._pairs.pop(end, None)
        for each in (end, other):
            if each is not None:
                self._pairs.pop(each, None)
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
