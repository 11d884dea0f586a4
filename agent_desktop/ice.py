"""STUN and TURN servers for a browser's telephone. Pure: time is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

SHIFT_SECONDS = 12 * 3600
"""How long a user of the TURN server is good for: longer than any shift."""


def ice_servers(servers: str, turn_secret: str, user: str, now_seconds: float) -> list[dict[str, Any]]:
    """RTCIceServer objects, as RTCPeerConnection takes them, for the addresses in `servers` (with commas).

    TURN servers get a user and a password made from the shared secret, as coturn's `use-auth-secret` checks
    them: "<end, epoch s>:<name>" and base64(HMAC-SHA1(secret, user)).
    """
    urls = [url.strip() for url in servers.split(",") if url.strip()]
    stun = [url for url in urls if url.startswith(("stun:", "stuns:"))]
    turn = [url for url in urls if url.startswith(("turn:", "turns:"))]
    found: list[dict[str, Any]] = [{"urls": stun}] if stun else []
    if turn and turn_secret:
        name = f"{int(now_seconds) + SHIFT_SECONDS}:{user}"
        proof = hmac.new(turn_secret.encode(), name.encode(), hashlib.sha1).digest()
        found.append({"urls": turn, "username": name, "credential": base64.b64encode(proof).decode()})
    return found
