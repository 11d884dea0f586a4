"""Slow and greedy clients: a request is judged before it gets a thread, a line is for the known only."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from agent_desktop.cookie import Cookie
from agent_desktop.patient import HEAD_BYTES, SMALL_BODY, TimedSocket, progress
from agent_desktop.socket_door import SocketDoor

HEAD = b"POST /api/session HTTP/1.1\r\nHost: desk\r\n"


def test_a_request_gets_a_thread_when_it_is_whole() -> None:
    assert progress(b"") == "more"
    assert progress(HEAD) == "more"
    assert progress(HEAD + b"\r\n") == "whole"
    assert progress(HEAD + b"Content-Length: 3\r\n\r\nab") == "more"
    assert progress(HEAD + b"content-length:3 \r\n\r\nabc") == "whole"
    assert progress(HEAD + b"\r\nGET /next HTTP/1.1\r\n") == "whole", "the next one may have begun"


def test_what_cannot_be_waited_for_here_is_large() -> None:
    assert progress(HEAD + b"Content-Length: %d\r\n\r\n" % (SMALL_BODY + 1)) == "large"
    assert progress(HEAD + b"Transfer-Encoding: chunked\r\n\r\n") == "large"
    assert progress(HEAD + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n") == "large"


def test_heads_have_a_limit() -> None:
    assert progress(b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES) == "too long"
    assert progress(b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES + b"\r\n\r\n") == "too long"


def test_a_length_that_is_none_is_left_to_the_parser() -> None:
    assert progress(HEAD + b"Content-Length: -5\r\n\r\n") == "whole"
    assert progress(HEAD + b"Content-Length: 5x\r\n\r\n") == "whole"


@given(st.binary(max_size=300), st.integers(0, 300))
def test_more_bytes_never_make_a_whole_request_incomplete(body: bytes, cut: int) -> None:
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    assert progress(request) == "whole"
    assert progress(request[: max(0, len(request) - 1 - cut)]) in ("more", "whole")


def test_a_read_that_takes_too_long_ends_like_a_client_that_has_gone() -> None:
    ours, theirs = socket.socketpair()
    with TimedSocket(fileno=ours.detach()) as timed, theirs:
        timed.until = time.monotonic() + 0.05
        theirs.send(b"abc")
        assert timed.recv(10) == b"abc"
        with pytest.raises(ConnectionResetError):
            timed.recv(10)
        timed.until = None
        theirs.send(b"d")
        assert timed.recv(10) == b"d"


@pytest.fixture
def door() -> tuple[Flask, SocketDoor]:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="k", SESSION_COOKIE_NAME="hotline")
    app.session_interface = Cookie()

    def inside(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"inside"]

    return app, SocketDoor(app, inside, "token")


def _ask(door: SocketDoor, path: str, **environ: str) -> str:
    said: list[str] = []
    door({"PATH_INFO": path, **environ}, lambda status, _headers: said.append(status))
    return said[0][:3]


def test_a_line_is_opened_to_who_has_logged_in_and_to_ctis(door: tuple[Flask, SocketDoor]) -> None:
    app, opens = door
    signer = Cookie().get_signing_serializer(app)
    assert signer is not None
    mine, nobodys = signer.dumps({"_user_id": "7"}), signer.dumps({"csrf": "x"})
    assert _ask(opens, "/socket.io/", HTTP_COOKIE=f"hotline={mine}") == "200"
    assert _ask(opens, "/socket.io/", HTTP_X_HOTLINE_LINK="token") == "200"
    assert _ask(opens, "/socket.io/", HTTP_COOKIE=f"hotline={nobodys}") == "403"
    assert _ask(opens, "/socket.io/", HTTP_COOKIE=f"hotline={mine}x") == "403"
    assert _ask(opens, "/socket.io/", HTTP_COOKIE="hotline=\x00; ;=") == "403"
    assert _ask(opens, "/socket.io/", HTTP_X_HOTLINE_LINK="guess") == "403"
    assert _ask(opens, "/socket.io/") == "403"
    assert _ask(opens, "/api/session") == "200"
