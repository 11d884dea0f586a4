"""Tells the city's webhook of alarms: what `webhook_deliveries` holds, in order, until it is taken.

    due row ─POST, signed─► 2xx: done  ·  else again after 5, 10, 20 ... 600 s, a day long  ·  then given up

A redirect is not followed: the address is the administrator's word, and nobody else may point elsewhere. No
transaction is open while the other side thinks, and no answer is waited for longer than LONGEST_SECONDS.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog
from sqlalchemy import or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from db.models import WebhookDelivery
from hotline.settings import Settings

log = structlog.get_logger("worker")

ROUND_SECONDS = 1.0
AT_ONCE = 20
"""Rows of one round: then those that came meanwhile are looked for."""
CONNECT_SECONDS = 5.0
LONGEST_SECONDS = 10.0
"""For the whole exchange: a server that answers letter by letter is cut off."""
RETRY_FIRST_SECONDS = 5.0
RETRY_LAST_SECONDS = 600.0
MOST_ATTEMPTS = 150
"""5, 10, 20 ... 320 s, then every 10 minutes: a day."""


@dataclass(frozen=True)
class Told:
    """What came of one attempt; `problem` empty: taken."""

    problem: str = ""


Post = Callable[[Settings, int, dict[str, Any]], Told]


def retry_after(attempts: int) -> timedelta | None:
    """How long to wait after so many failed attempts; None: a day has passed, it is given up."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return timedelta(seconds=min(RETRY_FIRST_SECONDS * 2 ** (attempts - 1), RETRY_LAST_SECONDS))


def signature(secret: str, moment: str, body: bytes) -> str:
    """ "sha256=<hex>": HMAC-SHA256 with the secret over the timestamp, a full stop, and the body as sent."""
    return "sha256=" + hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()


def post(settings: Settings, delivery_id: int, body: dict[str, Any]) -> Told:
    """One signed POST. Never raises, and returns within about LONGEST_SECONDS."""
    url = urlsplit(settings.alarm_webhook_url)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    content = json.dumps(body, ensure_ascii=False).encode()
    moment = str(int(datetime.now(UTC).timestamp()))
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "hotline-12345",
        "X-Hotline-Delivery": str(delivery_id),
        "X-Hotline-Timestamp": moment,
        "X-Hotline-Signature": signature(settings.alarm_webhook_secret, moment, content),
    }
    try:
        line = kind(url.hostname or "", url.port, timeout=CONNECT_SECONDS)
    except ValueError as error:
        return Told(f"address: {error}")
    cut = threading.Event()

    def cut_off() -> None:
        cut.set()
        if line.sock is not None:
            with contextlib.suppress(OSError):
                line.sock.shutdown(socket.SHUT_RDWR)

    end = threading.Timer(LONGEST_SECONDS, cut_off)
    end.daemon = True
    try:
        end.start()
        line.connect()
        line.request("POST", (url.path or "/") + (f"?{url.query}" if url.query else ""), content, headers)
        status = line.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Told("no answer in time" if cut.is_set() else f"{type(error).__name__}: {error}"[:200])
    finally:
        end.cancel()
        line.close()
    if 300 <= status < 400:
        return Told(f"status {status}: redirects are not followed")
    return Told() if 200 <= status < 300 else Told(f"status {status}")


def deliver_due(
    open_session: sessionmaker[Session],
    settings: Settings,
    now: datetime,
    send: Post = post,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Try what is due, the oldest first; gives how many rows were tried. The end of an alarm is told only
    after its beginning. Without an address what is left is given up. Raises SQLAlchemyError."""
    tried = 0
    for delivery_id, body, attempts in _due(open_session, now):
        if stop():
            break
        tried += 1
        told = send(settings, delivery_id, body) if settings.alarm_webhook_url else Told("no address is set")
        with open_session.begin() as session:
            row = session.get_one(WebhookDelivery, delivery_id)
            row.attempts, row.problem = attempts + 1, told.problem[:256]
            wait = retry_after(attempts + 1) if settings.alarm_webhook_url else None
            if not told.problem:
                row.done_at, row.next_at = datetime.now(UTC), None
            else:
                row.next_at = now + wait if wait else None
        if told.problem:
            word = "alarm not told, tried again" if wait else "alarm not told, given up"
            log.warning(word, delivery=delivery_id, attempts=attempts + 1, problem=told.problem)
        else:
            log.info("alarm told", delivery=delivery_id, what=body.get("event"))
    return tried


def _due(open_session: sessionmaker[Session], now: datetime) -> list[tuple[int, dict[str, Any], int]]:
    with open_session() as session:
        waiting = select(WebhookDelivery).where(WebhookDelivery.next_at.is_not(None))
        untold = waiting.with_only_columns(WebhookDelivery.alarm_id).where(WebhookDelivery.what == "raised")
        its_turn = or_(WebhookDelivery.what == "raised", WebhookDelivery.alarm_id.not_in(untold))
        rows = session.scalars(
            waiting.where(WebhookDelivery.next_at <= now, its_turn)
            .order_by(WebhookDelivery.id)
            .limit(AT_ONCE)
        )
        return [(row.id, row.body, row.attempts) for row in rows]


def deliver(open_session: sessionmaker[Session], settings: Settings, stop: threading.Event) -> None:
    """Rounds until `stop` is set, in a thread of its own. An error never ends it."""
    pause = ROUND_SECONDS
    while not stop.wait(pause):
        try:
            deliver_due(open_session, settings, datetime.now(UTC), stop=stop.is_set)
            pause = ROUND_SECONDS
        except SQLAlchemyError as error:
            pause = min(pause * 2, 10.0)
            log.error("alarms wait for the database", error=type(error).__name__)
        except Exception:
            pause = 10.0
            log.exception("alarms not told")
