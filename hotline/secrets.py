"""Secrets made at set-up, and the passwords derived from them.

Each seat's SIP password is a function of one key, so that nothing but the key has to be stored.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets


def make_secret() -> str:
    """A new secret: 48 hexadecimal characters (192 bits), safe in every configuration file."""
    return secrets.token_hex(24)


def seat_password(seat_key: str, seat: str) -> str:
    """SIP password of a seat ("8001"): the first 24 hexadecimal characters of HMAC-SHA256(seat_key, seat).

    Raises ValueError when the key is empty: then set-up has not been run, and a guessable password
    would be worse than none.
    """
    if not seat_key:
        raise ValueError("seat_key is empty: set-up has not made the secrets")
    return hmac.new(seat_key.encode(), seat.encode(), hashlib.sha256).hexdigest()[:24]
