"""Menu steps that need Python: a citizen's channel waits in Stasis for at most two seconds.

The dialplan's own watchdog (`ask-python` in extensions.conf) takes the citizen to a person when nothing comes
back; here each step therefore has a shorter limit and always lets the channel go on.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from cti.ari import Ari, AriError
from db.numbers import normal
from ivr.progress import progress

log = structlog.get_logger()

NOT_OURS = ("watch", "snoop")
"""First arguments of channels that supervision has put into the application."""
LIMIT = 1.5
"""Seconds a step may take, below the dialplan's two."""


class Steps:
    """Answers StasisStart events: arguments are the step's name, its two arguments and the calling number."""

    def __init__(self, sessions: sessionmaker[Session], area_code: str) -> None:
        self._sessions, self._area_code = sessions, area_code
        self.ari: Ari | None = None

    async def take(self, event: dict[str, Any]) -> None:
        """One ARI event; only StasisStart means something here."""
        if event.get("type") != "StasisStart" or self.ari is None or event.get("args", [""])[0] in NOT_OURS:
            return
        channel = event["channel"]["id"]
        result, answer = await self._answer([*event.get("args", []), "", "", "", ""])
        try:
            # The result last: the dialplan takes an empty one for "no answer".
            for name, value in (("HL_ANSWER", answer), ("HL_RESULT", result)):
                await self.ari.request("POST", "channels", channel, "variable", variable=name, value=value)
            await self.ari.request("POST", "channels", channel, "continue")
        except AriError as error:
            log.info("step_not_delivered", channel=channel, error=str(error))

    async def _answer(self, args: list[str]) -> tuple[str, str]:
        step, first, second, calling = args[:4]
        if step != "progress":
            log.error("unknown_step", step=step)
            return "trouble", ""
        try:
            async with asyncio.timeout(LIMIT):
                return await asyncio.to_thread(self._progress, first, second, calling)
        except (SQLAlchemyError, TimeoutError) as error:
            log.warning("step_failed", step=step, error=str(error) or type(error).__name__)
            return "trouble", ""

    def _progress(self, number: str, last4: str, calling: str) -> tuple[str, str]:
        with self._sessions() as session:
            found = progress(session, number, last4, normal(unquote(calling), self._area_code))
        return found.result, "&".join(found.sounds)
