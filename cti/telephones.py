"""Telephones of browsers: PJSIP endpoints in Asterisk's memory, each with a password made for one log-in.

    page ─HTTP─► desktop ─phone────► PUT auth, aor, endpoint 8001w       asked again: a new password
    log-out ─────────────sign_out──► DELETE endpoint, aor, auth 8001w    what had registered there is gone too

Asterisk forgets them when it restarts; the page, whose registration is then refused, asks again. Those of the
citizen page are lent for a visit and come back by themselves.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from typing import Any, Protocol

import structlog

from cti.ari import AriError

log = structlog.get_logger()

CITIZENS = tuple(f"citizen{number}" for number in range(1, 9))
"""So many citizen pages may have a telephone at once."""
LENT_SECONDS = 600.0
SESSION = "res_pjsip"


class Request(Protocol):
    """`cti.ari.Ari.request`."""

    async def __call__(self, method: str, *path: str, body: Any = None) -> Any: ...


class AllLent(Exception):
    """Every telephone for citizen pages is in use."""


def endpoint(name: str, context: str, *, silence: int, media_address: str, codecs: str) -> dict[str, str]:
    """PJSIP's parameters of a browser's telephone.

    `silence`: seconds without audio after which it counts as vanished; `media_address`: the loopback address
    of a machine that is alone, or ''.
    """
    number = name.removesuffix("w")
    loopback = {"media_address": media_address, "bind_rtp_to_media_address": "yes"} if media_address else {}
    return {
        "webrtc": "yes",
        "auth": name,
        "aors": name,
        "context": context,
        "callerid": f"{number} <{number}>",
        "identify_by": "username",
        "allow": f"!all,{codecs}",
        "direct_media": "no",
        "dtmf_mode": "rfc4733",
        "language": "zh",
        "rtp_symmetric": "yes",
        "force_rport": "yes",
        "rewrite_contact": "yes",
        "rtp_timeout": str(silence),
        "rtp_timeout_hold": "3600",
        "device_state_busy_at": "1",
        # Calls are transferred by commands of the screen, which are journalled; not by the telephone.
        "allow_transfer": "no",
        "send_pai": "no",
        "moh_suggest": "default",
        **loopback,
    }


AOR = {
    "max_contacts": "1",
    "remove_existing": "yes",
    "minimum_expiration": "30",
    "maximum_expiration": "300",
    "default_expiration": "120",
    # A page that is frozen or cut off answers no OPTIONS: no call rings there five seconds later.
    "qualify_frequency": "3",
    "qualify_timeout": "2.0",
}


class Telephones:
    """Makes and withdraws the browsers' telephones of one PBX."""

    def __init__(self, *, silence: int = 10, media_address: str = "", lent: float = LENT_SECONDS) -> None:
        self._silence, self._media_address, self._lent_seconds = silence, media_address, lent
        self.request: Request | None = None
        """`Ari.request`, once there is one."""
        self._lent: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def make(self, seat: str) -> dict[str, str]:
        """The telephone of a seat's browser, with a new password: {"user": "8001w", "password"}.

        A page that registered with an earlier password keeps its call but can register no more.
        Raises AriError.
        """
        return await self._make(f"{seat}w", "from-seat", "opus,alaw")

    async def withdraw(self, seat: str) -> None:
        """Take a seat's browser telephone away; nothing happens when there is none. Raises AriError."""
        await self._withdraw(f"{seat}w")

    async def lend(self) -> dict[str, str]:
        """A telephone for a citizen page: {"user": "citizen1", "password"}. Raises AllLent, AriError."""
        name = next((one for one in CITIZENS if one not in self._lent), None)
        if name is None:
            raise AllLent
        self._remind(name)
        try:
            # A-law as from a trunk: what is demonstrated is what a citizen's telephone does.
            return await self._make(name, "from-citizen-page", "alaw,opus")
        except BaseException:
            self._forget(name)
            raise

    async def take_back(self, name: str) -> None:
        """The visit is over. Names of others are passed over. Raises AriError."""
        if name in self._lent:
            await self._withdraw(name)
            self._forget(name)

    async def _make(self, name: str, context: str, codecs: str) -> dict[str, str]:
        password = secrets.token_urlsafe(24)
        auth = {"auth_type": "userpass", "username": name, "password": password}
        about = endpoint(
            name, context, silence=self._silence, media_address=self._media_address, codecs=codecs
        )
        for kind, fields in (("auth", auth), ("aor", AOR), ("endpoint", about)):
            listed = [{"attribute": key, "value": value} for key, value in fields.items()]
            await self._ask("PUT", kind, name, body={"fields": listed})
        return {"user": name, "password": password}

    async def _withdraw(self, name: str) -> None:
        for kind in ("endpoint", "aor", "auth"):
            try:
                await self._ask("DELETE", kind, name)
            except AriError as error:
                if error.status != 404:
                    raise

    async def _ask(self, method: str, kind: str, name: str, **body: Any) -> Any:
        if self.request is None:
            raise AriError("no connection to Asterisk")
        return await self.request(method, "asterisk", "config", "dynamic", SESSION, kind, name, **body)

    # --- lending ---------------------------------------------------------------------------------

    def _remind(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        self._lent[name] = loop.call_later(self._lent_seconds, lambda: self._spawn(self._over(name)))

    def _forget(self, name: str) -> None:
        timer = self._lent.pop(name, None)
        if timer:
            timer.cancel()

    async def _over(self, name: str) -> None:
        """The time is up: back with it, unless it is in a call."""
        try:
            if self.request and (await self.request("GET", "endpoints", "PJSIP", name))["channel_ids"]:
                self._remind(name)
                return
            await self._withdraw(name)
            self._forget(name)
        except AriError as error:
            if error.status == 404:  # Asterisk has restarted and forgotten it
                self._forget(name)
                return
            log.warning("citizen_telephone_not_taken_back", name=name, error=str(error))
            self._remind(name)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
