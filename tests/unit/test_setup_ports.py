"""A taken port or a missing right is said in one line: the port, the setting, the remedy."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace

import pytest

from hotline import ports

WEB = ports.Port("the web desk", "desktop", "HOTLINE_WEB_PORT", "127.0.0.1", 8012, "tcp")


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (errno.EADDRINUSE, "is taken by nginx (process 7)"),
        (errno.EACCES, "run as root"),
        (errno.EADDRNOTAVAIL, "no such address"),
        (errno.ENETDOWN, "ENETDOWN"),
    ],
)
def test_each_refusal_is_one_line_with_port_setting_and_remedy(number: int, word: str) -> None:
    line = ports.said(WEB, number, "nginx (process 7)")
    assert "\n" not in line
    assert word in line
    assert "8012/tcp" in line
    assert "HOTLINE_WEB_PORT" in line


@pytest.mark.parametrize(("kind", "protocol"), [(socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")])
def test_taken_port_names_who_has_it(kind: socket.SocketKind, protocol: ports.Protocol) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            taken.listen(1)
        port = replace(WEB, number=taken.getsockname()[1], protocol=protocol)
        line = ports.problem(port)
        assert line is not None
        assert "is taken by" in line
        assert f"(process {os.getpid()})" in line
    assert ports.problem(port) is None


def test_address_that_the_machine_does_not_have_is_said() -> None:
    line = ports.problem(replace(WEB, address="192.0.2.1", number=0))
    assert line is not None
    assert "no such address" in line
