"""Telephones of browsers: PJSIP endpoints in Asterisk's memory, each with a password made for one log-in.

    page ─HTTP─► desktop ─phone─► PUT auth, aor, endpoint 8001w       asked again: a new password
    seat signed out, or at its desk phone ─► DELETE endpoint, aor, auth 8001w, and with them its registration

Asterisk forgets them when it restarts; the page, whose registration is then refused, asks again. Those of the
citizen page are lent for a visit. What Asterisk has and nobody may use is withdrawn, whoever forgot it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from cti.ari import AriError
from cti.commands import Commands, Refused
from cti.floor import Floor, Seat

log = structlog.get_logger()

CITIZENS = tuple(f"citizen{number}" for number in range(1, 9))
"""So many citizen pages may have a telephone at once."""
LENT_SECONDS = 600.0
"""So long without a call a citizen page keeps its telephone."""
CODECS = "alaw"
"""As carriers speak. With Opus among them, even unused, Asterisk bridges at 48 kHz: it transcodes both sides
of every call, and MixMonitor's two-channel file (option D) holds a sixth of each packet, stretched."""
TIDY_EVERY = 30.0
JOINING = 0.5
"""Seconds that Asterisk's event may come after the acknowledged sign-in."""
_SEAT = re.compile(r"([0-9]{3,6})w")
_LEADER = re.compile(r"v[0-9]+")
UNUSED_SECONDS = 60.0
"""A supervisor's telephone that no page has registered for so long is withdrawn."""


class Request(Protocol):
    """`cti.ari.Ari.request`."""

    async def __call__(self, method: str, *path: str, body: Any = None) -> Any: ...


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

    def __init__(
        self, commands: Commands, floor: Callable[[], Floor], *, silence: int = 10, media_address: str = ""
    ) -> None:
        self._floor = floor
        self._silence, self._media_address = silence, media_address
        self.request: Request | None = None
        """`Ari.request`, once there is one."""
        self._lent: dict[str, float] = {}
        """Citizens' telephones in use, with the time (monotonic) of the last look that found a call."""
        self._leaders: dict[str, float] = {}
        """Supervisors' telephones, with the time (monotonic) of the last look that found one registered."""
        self._lock = asyncio.Lock()
        self._wake, self._changed = asyncio.Event(), asyncio.Event()
        commands.verbs |= {
            "phone": self.phone,
            "phone_gone": self.phone_gone,
            "citizen_phone": self.citizen_phone,
            "citizen_phone_gone": self.citizen_phone_gone,
            "leader_phone": self.leader_phone,
            "leader_phone_gone": self.leader_phone_gone,
        }

    # --- commands ---------------------------------------------------------------------------------

    async def phone(self, seat: str) -> dict[str, Any]:
        """The telephone of a seat's browser, with a new password: {"phone": {"user": "8001w", "password"}}.

        A page that registered with an earlier password keeps its call but can register no more. Refused where
        nobody is signed in, or at the desk phone. Raises AriError.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(JOINING):
                while not self._is_at_browser(seat):
                    await self._changed.wait()
        async with self._lock:
            place = self._floor().seats.get(seat)
            if place is None or place.presence == "signed_out":
                raise Refused("not_signed_in", f"nobody is signed in at seat {seat}")
            if place.telephone != "browser":
                raise Refused("desk_telephone", f"seat {seat} has taken its desk phone")
            return {"phone": await self._make(f"{seat}w", "from-seat", CODECS)}

    async def phone_gone(self, seat: str) -> None:
        """Withdraw a seat's browser telephone; nothing happens when there is none. Raises AriError."""
        async with self._lock:
            await self._withdraw(f"{seat}w")

    async def citizen_phone(self) -> dict[str, Any]:
        """A telephone for a citizen page: {"phone": {"user": "citizen1", "password"}}. Raises AriError."""
        async with self._lock:
            name = next((one for one in CITIZENS if one not in self._lent), None)
            if name is None:
                raise Refused("no_telephone_free", "every telephone for citizen pages is in use")
            # A-law as from a trunk: what is demonstrated is what a citizen's telephone does.
            phone = await self._make(name, "from-citizen-page", CODECS)
            self._lent[name] = time.monotonic()
            return {"phone": phone}

    async def citizen_phone_gone(self, user: str) -> None:
        """The visit is over. Names of others are passed over. Raises AriError."""
        async with self._lock:
            if user in self._lent:
                await self._withdraw(user)
                del self._lent[user]

    async def leader_phone(self, user: int) -> dict[str, Any]:
        """A telephone for a supervisor's page, for listening in: {"phone": {"user": "v7", "password"}}.

        `user` is the number of the account. It can dial nothing. Raises AriError.
        """
        async with self._lock:
            name = f"v{int(user)}"
            phone = await self._make(name, "from-seat", CODECS)
            self._leaders[name] = time.monotonic()
            return {"phone": phone}

    async def leader_phone_gone(self, user: int) -> None:
        """The page listens no more. Raises AriError."""
        async with self._lock:
            self._leaders.pop(f"v{int(user)}", None)
            await self._withdraw(f"v{int(user)}")

    # --- withdrawing ------------------------------------------------------------------------------

    def watch(self, before: Seat | None, after: Seat) -> None:
        """To be told each change of a seat."""
        self._changed.set()
        self._changed = asyncio.Event()
        was = before is not None and before.agent and before.telephone == "browser"
        if was and not (after.agent and after.telephone == "browser"):
            self._wake.set()

    async def run(self) -> None:
        """Withdraw what nobody may use: at once when told of a log-out, and every TIDY_EVERY seconds."""
        while True:
            self._wake.clear()
            with contextlib.suppress(AriError):  # Asterisk is away: it forgets them all, or is asked again
                async with self._lock:
                    await self.tidy()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TIDY_EVERY):
                    await self._wake.wait()

    async def tidy(self) -> None:
        """One look at what Asterisk has. Raises AriError."""
        if self.request is None:
            return
        now = time.monotonic()
        endpoints = await self.request("GET", "endpoints", "PJSIP")
        there = {one["resource"]: one["channel_ids"] for one in endpoints}
        online = {one["resource"] for one in endpoints if one.get("state") == "online"}
        for name in set(self._lent) - set(there):
            del self._lent[name]
        for name, channels in there.items():
            seat = _SEAT.fullmatch(name)
            if name in CITIZENS:
                # After a restart of the cti a visit is counted anew.
                since = self._lent[name] = now if channels else self._lent.get(name, now)
                over = now - since >= LENT_SECONDS
            elif _LEADER.fullmatch(name):
                used = channels or name in online
                since = self._leaders[name] = now if used else self._leaders.get(name, now)
                over = now - since >= UNUSED_SECONDS
            else:
                over = bool(seat) and not channels and not self._is_at_browser(seat.group(1) if seat else "")
            if over:
                await self._withdraw(name)
                self._lent.pop(name, None)
                self._leaders.pop(name, None)
                log.info("telephone_withdrawn", name=name)

    def _is_at_browser(self, seat: str) -> bool:
        place = self._floor().seats.get(seat)
        return place is not None and place.presence != "signed_out" and place.telephone == "browser"

    # --- Asterisk's words -------------------------------------------------------------------------

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
        return await self.request(method, "asterisk", "config", "dynamic", "res_pjsip", kind, name, **body)
