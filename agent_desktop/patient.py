"""gunicorn's worker with threads, but a thread is given only to a request that has come in whole.

    accept ─► waiting in the poller, no thread ─┬─ whole ──────────────► a thread, as gunicorn does it
      ▲       (head, small body)                ├─ large body ─────────► one of LARGE_AT_ONCE threads, timed
      │                                         ├─ too slow, too long ─► closed
      └──────── answered, kept alive ◄──────────┴─ too many wait ──────► who waits longest is closed

gunicorn reads a request in the thread that answers it: with as many slow clients as there are threads (each
agent's page holds one) the desk stands still. A reverse proxy that buffers requests (nginx does) keeps such
clients away; this holds without one.
"""

from __future__ import annotations

import contextlib
import errno
import re
import select
import selectors
import socket
import struct
import time
from collections import OrderedDict
from functools import partial
from typing import Any, Literal

from gunicorn.workers.gthread import TConn, ThreadWorker

HEAD_BYTES = 64 * 1024
SMALL_BODY = 64 * 1024
"""Bodies up to this size are read before a thread is taken: all of the desk's but files."""
REQUEST_SECONDS = 15.0
"""From the first byte of a request to its last, where the body is small."""
KEPT_SECONDS = 30.0
"""So long may a connection be silent."""
BODY_SECONDS, BODY_BYTES_A_SECOND = 20.0, 16_384
"""A large body may take so long, and a second more for each so many bytes that have come."""
SEND_SECONDS = 30
"""A client that takes nothing of its answer for so long is let go."""
FAREWELL_SECONDS = 2.0
LARGE_AT_ONCE = 24
MOST_WAITING = 4_000
"""Connections without a thread; the kernel's limit of open files has to be above it."""
MOST_OF_AN_ADDRESS = 400
"""Of one address, where no proxy stands in front; an office of 150 desks has some 300."""
ACCEPTS_AT_ONCE = 64

Verdict = Literal["more", "whole", "large", "too long"]

_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*(\d{1,18})[ \t]*(?=\r\n)", re.IGNORECASE)
_STREAMED = re.compile(rb"\r\n(?:transfer-encoding|expect)[ \t]*:", re.IGNORECASE)
_CLOSED = b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_REFUSALS = {
    "too long": b"HTTP/1.1 431 Request Header Fields Too Large" + _CLOSED,
    "busy": b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5" + _CLOSED,
}


def progress(data: bytes | bytearray) -> Verdict:
    """How much of a request is there. What is wrong in it is said by those who read it."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return "more" if len(data) <= HEAD_BYTES else "too long"
    if end > HEAD_BYTES:
        return "too long"
    head = bytes(data[: end + 2])
    if _STREAMED.search(head):
        return "large"
    length = _LENGTH.search(head)
    body = int(length[1]) if length else 0
    if body > SMALL_BODY:
        return "large"
    return "whole" if len(data) >= end + 4 + body else "more"


class TimedSocket(socket.socket):
    """A blocking socket whose reads must be over by `until` (monotonic seconds; None: no limit)."""

    until: float | None

    __slots__ = ("until",)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        until: float | None = getattr(self, "until", None)
        if until is None:
            return super().recv(size, flags)
        looking = select.poll()
        looking.register(self, select.POLLIN)
        if not looking.poll(max(0.0, until - time.monotonic()) * 1000):
            # As if the client had gone: gunicorn writes nothing of it into the log.
            raise ConnectionResetError(errno.ECONNRESET, "the request has not come in time")
        data = super().recv(size, flags)
        self.until = until + len(data) / BODY_BYTES_A_SECOND
        return data


class PatientWorker(ThreadWorker):
    """Set as gunicorn's `worker_class`; `of_an_address` is 0 behind a proxy, whose address is everybody's."""

    of_an_address = MOST_OF_AN_ADDRESS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting: OrderedDict[TConn, None] = OrderedDict()
        """Who has waited longest is the first."""
        self._by_address: dict[str, OrderedDict[TConn, None]] = {}
        self._large = 0
        self._swept_at = 0.0

    # --- in ------------------------------------------------------------------------------------------

    def accept(self, listener: socket.socket) -> None:
        """Take in who has come; nobody gets a thread for coming."""
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                opened, client = listener.accept()
            except OSError as error:
                # EMFILE too: who waits longest makes room.
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._let_go_of_oldest(self._waiting)
                return
            timed = TimedSocket(fileno=opened.detach())
            timed.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(SEND_SECONDS))
            self.nr_conns += 1
            conn = TConn(self.cfg, timed, client, listener.getsockname())
            conn.data_ready = True
            self._wait(conn, b"")

    def _wait(self, conn: TConn, begun: bytes) -> None:
        """Wait for a request, of which `begun` has come already."""
        conn.begun = bytearray(begun)
        conn.timeout = time.monotonic() + (REQUEST_SECONDS if begun else KEPT_SECONDS)
        conn.sock.setblocking(False)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._readable, conn))
        self._wait_with_others(conn)

    def _wait_with_others(self, conn: TConn) -> None:
        """If too many do, who has waited longest goes."""
        self._waiting[conn] = None
        of_address = self._by_address.setdefault(_address(conn), OrderedDict())
        of_address[conn] = None
        if len(self._waiting) > MOST_WAITING:
            self._let_go_of_oldest(self._waiting)
        if self.of_an_address and len(of_address) > self.of_an_address:
            self._let_go_of_oldest(of_address)

    def _readable(self, conn: TConn, _sock: Any) -> None:
        if conn not in self._waiting:
            return  # let go in the same round
        try:
            data = conn.sock.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._let_go(conn)
            return
        if not conn.begun:
            conn.timeout = time.monotonic() + REQUEST_SECONDS
        conn.begun += data
        self._judge(conn)

    def _judge(self, conn: TConn) -> None:
        verdict = progress(conn.begun)
        if verdict == "more":
            return
        if verdict == "large" and self._large >= LARGE_AT_ONCE:
            self._refuse(conn, "busy")
        elif verdict == "too long":
            self._refuse(conn, "too long")
        else:
            conn.large = verdict == "large"
            self._large += conn.large
            self._forget(conn)
            conn.sock.until = time.monotonic() + BODY_SECONDS
            self.enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """In a thread: what has come is given back to the reader, then all is gunicorn's."""
        conn.sock.setblocking(True)
        conn.init()
        conn.parser.unreader.unread(bytes(conn.begun))
        conn.begun = bytearray()
        return super().handle(conn)

    # --- out -----------------------------------------------------------------------------------------

    def finish_request(self, conn: TConn, done: Any) -> None:
        """After the answer, on the main thread: wait for the next request, or close."""
        self._large -= conn.large
        conn.large = False
        try:
            keep = bool(done.result()) if not done.cancelled() else False
        except Exception:
            keep = False
        if not keep or not self.alive:
            self._say_farewell(conn)
            return
        # The next request may have come with the last one.
        self._wait(conn, conn.parser.unreader.take_buffered())
        if conn.begun:
            self._judge(conn)

    def _say_farewell(self, conn: TConn) -> None:
        """Say that no more comes, and wait for the client to close, so that the end of an answer is not lost.

        gunicorn waits for it in this thread, two seconds for each client that does not close.
        """
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._drain, conn))
        except (OSError, KeyError, ValueError):
            # A page's line: it has been closed by those who spoke on it.
            self.nr_conns -= 1
            conn.close()
            return
        conn.begun, conn.timeout = bytearray(), time.monotonic() + FAREWELL_SECONDS
        self._wait_with_others(conn)

    def _drain(self, conn: TConn, _sock: Any) -> None:
        if conn not in self._waiting:
            return
        try:
            data = conn.sock.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        conn.drained = getattr(conn, "drained", 0) + len(data)
        if not data or conn.drained > HEAD_BYTES:
            self._let_go(conn)

    def murder_pending(self) -> None:
        """Once a second: let go of whom the time is over for."""
        now = time.monotonic()
        if now - self._swept_at < 1.0:
            return
        self._swept_at = now
        for conn in [one for one in self._waiting if one.timeout < now]:
            self._let_go(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """When the worker stops: nobody who only waits is waited for."""
        for conn in list(self._waiting):
            self._let_go(conn)
        super()._cap_keepalive(deadline)

    def _let_go_of_oldest(self, waiting: OrderedDict[TConn, None]) -> None:
        if waiting:
            self._let_go(next(iter(waiting)))

    def _refuse(self, conn: TConn, why: str) -> None:
        with contextlib.suppress(OSError):
            conn.sock.send(_REFUSALS[why])
        self._let_go(conn)

    def _let_go(self, conn: TConn) -> None:
        self._forget(conn)
        self.nr_conns -= 1
        conn.close()

    def _forget(self, conn: TConn) -> None:
        """It waits no more."""
        del self._waiting[conn]
        of_address = self._by_address[_address(conn)]
        del of_address[conn]
        if not of_address:
            del self._by_address[_address(conn)]
        with contextlib.suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)


def _address(conn: TConn) -> str:
    return str(conn.client[0]) if conn.client else ""


def _timeval(seconds: int) -> bytes:
    return struct.pack("ll", seconds, 0)
