"""Before Socket.IO: only who has logged in, or is a cti, may open a line, because each line holds a thread.

GET /socket.io/ ─┬─ X-Hotline-Link is the link's token ─► Socket.IO ─► namespace /cti asks for the token again
                 ├─ cookie of a log-in, signed by us ───► Socket.IO ─► namespace / asks who that is now
                 └─ neither ────────────────────────────► 403, no line, nothing kept
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import BadSignature

TOKEN_HEADER = "HTTP_X_HOTLINE_LINK"
REFUSED = b"not logged in"

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class SocketDoor:
    """WSGI around the whole application; everything but /socket.io/ passes."""

    def __init__(self, app: Flask, inner: Wsgi, link_token: str) -> None:
        self._inner = inner
        self._cookie = app.config["SESSION_COOKIE_NAME"]
        interface = app.session_interface
        assert isinstance(interface, SecureCookieSessionInterface)
        self._signer = interface.get_signing_serializer(app)
        self._token = link_token.encode()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not str(environ.get("PATH_INFO", "")).startswith("/socket.io"):
            return self._inner(environ, start_response)
        if not (self._is_cti(environ) or self._has_logged_in(environ)):
            start_response(
                "403 FORBIDDEN",
                [
                    ("Content-Type", "text/plain"),
                    ("Content-Length", str(len(REFUSED))),
                    ("Connection", "close"),
                ],
            )
            return [REFUSED]
        return self._inner(environ, start_response)

    def _is_cti(self, environ: dict[str, Any]) -> bool:
        return hmac.compare_digest(str(environ.get(TOKEN_HEADER, "")).encode(), self._token)

    def _has_logged_in(self, environ: dict[str, Any]) -> bool:
        """Its age does not matter: that the log-in is over is said by the namespace, in words."""
        try:
            cookie = SimpleCookie(str(environ.get("HTTP_COOKIE", ""))).get(self._cookie)
            return bool(
                cookie
                and self._signer
                and str(self._signer.loads(cookie.value).get("_user_id", "")).isdigit()
            )
        except (CookieError, BadSignature, AttributeError):
            return False
