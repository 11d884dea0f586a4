"""How an address is shut out: by a filter on Asterisk's own sockets, and by Asterisk's ACL behind it.

    packet ──► kernel: filter on the SIP sockets ─┬─ shut out: gone; no answer, no work, no line in a log
                                                  └─► Asterisk ──► ACL `shut-out` ─┬─ 403
                                                                                   └─► trunk, seat, challenge

The filter needs no root: the worker and Asterisk belong to one user, and the kernel lets one process of a
user take a socket of another (pidfd_getfd) and attach a classic BPF program to it. Where it does not (Yama's
ptrace_scope above 0), or for IPv6, the ACL alone holds: then the address is answered 403 to whatever it asks.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from hotline import pbx
from hotline.settings import Settings

PIDFD_GETFD = 438
SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27
FROM_NETWORK_HEADER = 0xFFF00000
"""SKF_NET_OFF: counted from the beginning of the IP header, whatever the socket's own data begin with."""
SOURCE_ADDRESS = 12
MOST = 2_000
"""Addresses in a filter: two instructions each, of the kernel's 4,096."""
ACCEPT_ALL, DROP = 0xFFFFFFFF, 0
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06


class NotAllowed(Exception):
    """The kernel does not let us reach Asterisk's sockets; the text says why."""


def program(addresses: Iterable[str]) -> bytes:
    """The BPF program that drops what comes from these IPv4 addresses; others are left out.

    Eight bytes an instruction: load the source; for each address "equal? next : skip one", "drop"; accept.
    """
    steps = [struct.pack("HBBI", LOAD_WORD, 0, 0, FROM_NETWORK_HEADER + SOURCE_ADDRESS)]
    for address in list(addresses)[-MOST:]:
        one = ipaddress.ip_address(address)
        if one.version == 4:
            steps += [
                struct.pack("HBBI", JUMP_IF_EQUAL, 0, 1, int(one)),
                struct.pack("HBBI", RETURN, 0, 0, DROP),
            ]
    steps.append(struct.pack("HBBI", RETURN, 0, 0, ACCEPT_ALL))
    return b"".join(steps)


def asterisk(settings: Settings) -> int | None:
    """Process id of the running Asterisk; None when it does not run."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((settings.pbx / "run" / "asterisk.pid").read_text())
        if Path(f"/proc/{pid}/comm").read_text().strip() == "asterisk":
            return pid
    return None


def sip_sockets(pid: int, port: int) -> list[int]:
    """Descriptors of Asterisk's UDP and TCP sockets whose own port is `port`, connections included."""
    inodes = set()
    for table in ("udp", "tcp"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if int(words[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{words[9]}]")
    found = []
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(one) in inodes:
                found.append(int(one.name))
    return found


def attach(pid: int, port: int, addresses: Sequence[str]) -> int:
    """Put the filter on Asterisk's SIP sockets, in place of the one before; gives how many sockets have it.

    Raises NotAllowed, OSError.
    """
    code = program(addresses)
    memory = ctypes.create_string_buffer(code, len(code))
    packed = struct.pack("HL", len(code) // 8, ctypes.addressof(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    done = 0
    try:
        for descriptor in sip_sockets(pid, port):
            copy = libc.syscall(PIDFD_GETFD, process, descriptor, 0)
            if copy < 0:
                number = ctypes.get_errno()
                raise NotAllowed(f"the kernel does not hand out Asterisk's sockets: {os.strerror(number)}")
            with socket.socket(fileno=copy) as one:
                one.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, packed)
                done += 1
    finally:
        os.close(process)
    return done


def acl(addresses: Iterable[str]) -> str:
    """The text of `site/shut-out.conf`, which `acl.conf` includes."""
    return "".join(f"deny = {ipaddress.ip_address(address)}\n" for address in addresses)


def write_acl(settings: Settings, addresses: Iterable[str]) -> None:
    """Have Asterisk refuse these addresses. Raises ConsoleFailed, OSError."""
    path = settings.pbx / "etc" / "site" / "shut-out.conf"
    new = path.with_suffix(".new")
    new.write_text(acl(addresses))
    new.chmod(0o600)
    new.replace(path)
    pbx.console(settings, "module reload acl")
