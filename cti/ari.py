"""The ARI wire: events and REST requests over one WebSocket.

Knows the protocol and no hotline. Comes back by itself; a Stasis application whose socket is gone is
deactivated by Asterisk, and the dialplan goes on without us.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import quote, urlencode

import structlog
import websockets
from websockets.asyncio.client import ClientConnection, connect

log = structlog.get_logger()


class AriError(Exception):
    """A request was not carried out: no connection, no answer in time, or a refusal; the text says which.

    `status` is the HTTP status of a refusal, else 0.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Ari:
    """One Stasis application on one Asterisk. `on_event(event)` is awaited in a task of its own per event,
    `on_up()` in one each time the connection has come up."""

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        password: str,
        application: str,
        on_event: Callable[[dict[str, Any]], Awaitable[None]],
        on_up: Callable[[], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        query = urlencode({"app": application, "api_key": f"{user}:{password}"})
        self._url = f"ws://{host}:{port}/ari/events?{query}"
        self._on_event, self._on_up = on_event, on_up
        self._socket: ClientConnection | None = None
        self._pending: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._ids = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        return self._socket is not None

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        delay = 0.2
        while True:
            try:
                async with connect(
                    self._url, close_timeout=1, ping_interval=5, ping_timeout=5, max_size=1 << 22, proxy=None
                ) as socket:
                    self._socket, delay = socket, 0.2
                    log.info("ari_up")
                    if self._on_up:
                        self._spawn(self._on_up())
                    async for text in socket:
                        self._take(json.loads(text))
            except (OSError, TimeoutError, websockets.WebSocketException, json.JSONDecodeError) as error:
                log.debug("ari_lost", error=str(error) or type(error).__name__)
            finally:
                self._socket = None
                for future in self._pending.values():
                    if not future.done():
                        future.set_exception(AriError("the connection to Asterisk was lost"))
            await asyncio.sleep(delay)
            delay = min(delay * 1.6, 5.0)

    def _take(self, event: dict[str, Any]) -> None:
        if event.get("type") == "RESTResponse":
            future = self._pending.get(str(event.get("request_id")))
            if future and not future.done():
                future.set_result(event)
            return
        self._spawn(self._give(event))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _give(self, event: dict[str, Any]) -> None:
        try:
            await self._on_event(event)
        except Exception:
            log.exception("ari_event_failed", event_type=event.get("type"))

    async def request(
        self, method: str, *path: str, within: float = 2.0, body: Any = None, **query: str
    ) -> Any:
        """One REST request, e.g. `request("POST", "channels", uid, "continue")`; `body` goes as JSON.

        Returns the decoded body or None. Ids in `path` are percent-encoded here. Raises AriError, also when
        there is no answer `within` seconds.
        """
        if self._socket is None:
            raise AriError("no connection to Asterisk")
        number = str(next(self._ids))
        uri = "/".join(quote(part, safe="") for part in path)
        if query:
            uri += "?" + urlencode(query, quote_via=quote)
        said = {"type": "RESTRequest", "request_id": number, "method": method, "uri": uri}
        if body is not None:
            said |= {"content_type": "application/json", "message_body": json.dumps(body)}
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            async with asyncio.timeout(within):
                await self._socket.send(json.dumps(said))
                answer = await future
        except TimeoutError:
            raise AriError(f"Asterisk did not answer {method} {uri} within {within:g} s") from None
        except websockets.WebSocketException as error:
            raise AriError(str(error)) from error
        finally:
            del self._pending[number]
        status = int(answer.get("status_code", 0))
        if status >= 400:
            raise AriError(f"{method} {uri}: {status} {answer.get('message_body', '')}", status)
        text = answer.get("message_body")
        return json.loads(text) if text else None
