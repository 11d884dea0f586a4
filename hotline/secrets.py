"""Secrets: made at set-up, and the seats' SIP passwords derived from one of them."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def make_secret() -> str:
    """A new random secret of 32 letters and digits (160 bit and more), safe in any configuration line."""
    return secrets.token_hex(20)


def seat_password(seat_key: str, seat: str) -> str:
    """The SIP password of endpoint `seat` ("8001", or "8001w" for its browser): HMAC-SHA256, 24 hex digits.

    Raises ValueError when set-up has not made the key yet.
    """
    if not seat_key:
        raise ValueError("setting seat_key is empty: run `make run` once, it makes the secrets")
    return hmac.new(seat_key.encode(), seat.encode(), hashlib.sha256).hexdigest()[:24]
