"""The AMI wire: an asyncio client for Asterisk's manager interface.

Connects, logs in, waits for FullyBooted, answers actions by ActionID, collects list replies, notices a
half-open connection by pings and comes back with back-off. It knows the protocol and no hotline.

    DOWN ──connect+login+FullyBooted──► UP ──EOF | ping unanswered | write error──► DOWN (retry 0.2 s → 5 s)
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

Message = dict[str, str]
"""One AMI message; repeated headers (ChanVariable) are joined with a newline."""

_FORBIDDEN = re.compile(r"[\r\n\0]")


class AmiError(Exception):
    """Something between us and the manager interface went wrong; the text says what."""


class NotConnected(AmiError):
    """There is no connection to Asterisk at this moment."""


class ActionTimeout(AmiError):
    """Asterisk did not answer the action in time; whether it was carried out is unknown."""


class ActionRefused(AmiError):
    """Asterisk answered `Response: Error`; the text is its own message."""


def encode(headers: list[tuple[str, str]]) -> bytes:
    """One action as bytes.

    Raises ValueError for a header name or value with CR, LF or NUL: through it a second action could be
    smuggled in by whoever chose a caller's name.
    """
    for name, value in headers:
        if _FORBIDDEN.search(name) or _FORBIDDEN.search(value) or ":" in name:
            raise ValueError(f"AMI header {name!r} holds a line break, NUL or colon")
    return ("".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n").encode()


def decode(block: bytes) -> Message:
    """One message from the bytes between two empty lines. Lines without a colon are ignored."""
    message: Message = {}
    for line in block.decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon:
            continue
        value = value.removeprefix(" ")
        message[name] = f"{message[name]}\n{value}" if name in message else value
    return message


@dataclass
class _Pending:
    future: asyncio.Future[list[Message]]
    wants_list: bool
    messages: list[Message] = field(default_factory=list)


class Ami:
    """One connection to one Asterisk, kept up for as long as `run` runs.

    `on_up()` is awaited after each log-in, before any buffered event is given out: the place for snapshots.
    `on_event(message)` is called for each event, in order, never before `on_up` has returned.
    `on_down()` is called when the connection is lost.
    """

    PING_EVERY = 3.0
    PING_WITHIN = 4.0
    BUFFER = 100_000
    """Events kept while a snapshot is being taken; more than that starts over with a new connection."""

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        secret: str,
        *,
        on_event: Callable[[Message], None],
        on_up: Callable[[], Awaitable[None]],
        on_down: Callable[[], None],
    ) -> None:
        self.host, self.port, self.user, self.secret = host, port, user, secret
        self._on_event, self._on_up, self._on_down = on_event, on_up, on_down
        self._writer: asyncio.StreamWriter | None = None
        self._pending: dict[str, _Pending] = {}
        self._ids = itertools.count(1)
        self._buffer: list[Message] | None = None
        self._booted = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._writer is not None

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        delay = 0.2
        while True:
            try:
                reader, writer = await asyncio.wait_for(
                    asyncio.open_connection(self.host, self.port, limit=1 << 20), 5
                )
            except (OSError, TimeoutError) as error:
                log.debug("ami_unreachable", error=str(error))
                await asyncio.sleep(delay)
                delay = min(delay * 1.6, 5.0)
                continue
            try:
                await self._live(reader, writer)
                delay = 0.2
            except (AmiError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                log.warning("ami_lost", error=str(error) or type(error).__name__)
                delay = min(delay * 1.6, 5.0)
            finally:
                self._drop(writer)
            await asyncio.sleep(delay)

    async def _live(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.wait_for(reader.readline(), 5)  # greeting
        self._writer, self._buffer = writer, []
        self._booted.clear()
        reading = asyncio.create_task(self._read(reader))
        starting = asyncio.create_task(self._start())
        try:
            done, _ = await asyncio.wait({reading, starting}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            pinging = asyncio.create_task(self._ping())
            try:
                done, _ = await asyncio.wait({reading, pinging}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                pinging.cancel()
        finally:
            for task in (reading, starting):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, AmiError, OSError):
                    await task

    async def _start(self) -> None:
        await self.action("Login", Username=self.user, Secret=self.secret, within=5)
        await asyncio.wait_for(self._booted.wait(), 60)
        await self._on_up()
        buffered, self._buffer = self._buffer or [], None
        for message in buffered:
            self._give(message)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self.PING_EVERY)
            await self.action("Ping", within=self.PING_WITHIN)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        async for message in _messages(reader):
            self._take(message)
        raise AmiError("Asterisk closed the connection")

    def _take(self, message: Message) -> None:
        pending = self._pending.get(message.get("ActionID", ""))
        if pending and not pending.future.done():
            self._take_reply(pending, message)
            return
        if "Event" not in message:
            return
        if message["Event"] == "FullyBooted":
            self._booted.set()
        elif self._buffer is None:
            self._give(message)
        elif len(self._buffer) >= self.BUFFER:
            raise AmiError("more events during the snapshot than can be kept")
        else:
            self._buffer.append(message)

    def _give(self, message: Message) -> None:
        try:
            self._on_event(message)
        except Exception:
            # A reader that stops at one bad event would blind every screen; it is logged, the next one comes.
            log.exception("event_not_understood", event_name=message.get("Event"))

    @staticmethod
    def _take_reply(pending: _Pending, message: Message) -> None:
        if message.get("Response") == "Error":
            pending.future.set_exception(ActionRefused(message.get("Message", "refused")))
            return
        pending.messages.append(message)
        listing = message.get("EventList", "")
        if not pending.wants_list or listing.lower() == "complete":
            pending.future.set_result(pending.messages)

    async def action(self, action: str, *, within: float = 3.0, **headers: str) -> Message:
        """Send one action and return its response, waiting `within` seconds for it.

        Raises NotConnected, ActionTimeout, ActionRefused, and ValueError for a forbidden character.
        """
        return (await self._send(action, headers, within, wants_list=False))[0]

    async def listing(self, action: str, *, within: float = 10.0, **headers: str) -> list[Message]:
        """Send an action that answers with a list and return the list's events, without start and end."""
        messages = await self._send(action, headers, within, wants_list=True)
        return [m for m in messages if "Event" in m and "EventList" not in m]

    async def _send(
        self, action: str, headers: dict[str, str], within: float, *, wants_list: bool
    ) -> list[Message]:
        if self._writer is None:
            raise NotConnected("no connection to Asterisk")
        number = str(next(self._ids))
        data = encode([("Action", action), ("ActionID", number), *headers.items()])
        future: asyncio.Future[list[Message]] = asyncio.get_running_loop().create_future()
        self._pending[number] = _Pending(future, wants_list)
        try:
            self._writer.write(data)
            async with asyncio.timeout(within):
                await self._writer.drain()
                return await future
        except TimeoutError:
            raise ActionTimeout(f"Asterisk did not answer {action} within {within:g} s") from None
        except ConnectionError as error:
            raise NotConnected(str(error)) from error
        finally:
            del self._pending[number]

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        was_up, self._writer, self._buffer = self._buffer is None, None, None
        writer.close()
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(NotConnected("the connection to Asterisk was lost"))
        if was_up:
            self._on_down()


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[Message]:
    while True:
        try:
            block = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        yield decode(block[:-4])
