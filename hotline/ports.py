"""The ports of one machine: which there are, who has them, and what to do about a taken one."""

from __future__ import annotations

import contextlib
import errno
import socket
from dataclasses import dataclass
from typing import Literal

import psutil

from hotline.settings import Settings

Protocol = Literal["tcp", "udp"]


@dataclass(frozen=True)
class Port:
    """A port that a part of the hotline listens on."""

    what: str
    part: str
    """pbx | desktop"""
    setting: str
    """Environment variable that moves it."""
    address: str
    number: int
    protocol: Protocol


def ports(settings: Settings) -> list[Port]:
    """Every port that this installation listens on; RTP's range stands for itself by its first one."""
    sip, local = settings.sip_address, "127.0.0.1"
    https = Port("Asterisk's HTTPS", "pbx", "HOTLINE_PBX_HTTPS_PORT", sip, settings.pbx_https_port, "tcp")
    return [
        *([https] if settings.tls_certificate else []),
        Port("SIP", "pbx", "HOTLINE_SIP_PORT", sip, settings.sip_port, "udp"),
        Port("SIP", "pbx", "HOTLINE_SIP_PORT", sip, settings.sip_port, "tcp"),
        Port("Asterisk's HTTP server", "pbx", "HOTLINE_PBX_HTTP_PORT", local, settings.pbx_http_port, "tcp"),
        Port("AMI", "pbx", "HOTLINE_AMI_PORT", local, settings.ami_port, "tcp"),
        Port("the web desk", "desktop", "HOTLINE_WEB_PORT", settings.web_address, settings.web_port, "tcp"),
    ]


def problem(port: Port) -> str | None:
    """Why `port` cannot be listened on, in one line with the remedy; None when it can."""
    kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if port.protocol == "tcp":
            # As servers do: connections of a stopped one that still close do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.address, port.number))
            if port.protocol == "tcp":
                probe.listen(1)
        except OSError as error:
            return said(port, error.errno or 0, holder(port))
    return None


def said(port: Port, number: int, who: str | None) -> str:
    """The line for an `errno` number met when listening on `port`; `who` holds it, as far as known."""
    place = f"{port.what}: port {port.number}/{port.protocol} at {port.address}"
    if number == errno.EADDRINUSE:
        return f"{place} is taken by {who or 'another program'}: stop it, or set another {port.setting}"
    if number == errno.EACCES:
        return f"{place} needs the right to ports below 1024: set {port.setting} above, or run as root"
    if number == errno.EADDRNOTAVAIL:
        return (
            f"{place}: this machine has no such address: set the address beside {port.setting} to one it has"
        )
    return f"{place} cannot be opened ({errno.errorcode.get(number, number)}): set another {port.setting}"


def holder(port: Port) -> str | None:
    """Who listens on `port`, such as "asterisk (process 812)"; None when nobody, or hidden from us."""
    kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
    with contextlib.suppress(psutil.Error, OSError):
        for one in psutil.net_connections("inet"):
            listens = one.status == psutil.CONN_LISTEN or port.protocol == "udp"
            if one.type == kind and listens and one.laddr and one.laddr.port == port.number and one.pid:
                with contextlib.suppress(psutil.Error):
                    return f"{psutil.Process(one.pid).name()} (process {one.pid})"
    return None
