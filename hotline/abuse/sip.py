"""Abusers on SIP: from addresses that are neither trunk nor seat, by UDP and TCP."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType

from hotline.abuse import torture
from hotline.abuse.message import (
    Message,
    Place,
    challenge_of,
    invite,
    request,
    status_of,
)
from hotline.phones.digest import authorization

PATIENCE = 0.5
"""Seconds that an abuser waits for an answer."""
OVERSIZED = 60_000
"""Bytes of the largest datagrams: PJSIP reads 4,000 and has to throw the rest away."""


class Abuser:
    """One sender at one address. Use it as a context."""

    def __init__(self, pbx: tuple[str, int], address: str, transport: str = "UDP") -> None:
        kind = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.bind((address, 0))
        if transport != "UDP":
            # The PBX's queue for new connections holds five: who comes sixth is heard a second later.
            self.socket.settimeout(10 * PATIENCE)
            self.socket.connect(pbx)
        self.socket.settimeout(PATIENCE)
        own = self.socket.getsockname()
        self.place = Place((own[0], own[1]), pbx, transport)

    def send(self, message: Message | bytes) -> None:
        """Send it; a full buffer or a closed line is no concern of an abuser's."""
        data = message if isinstance(message, bytes) else message.encode()
        with contextlib.suppress(OSError):
            if self.place.transport == "UDP":
                self.socket.sendto(data, self.place.pbx)
            else:
                self.socket.sendall(data)

    def answer(self) -> bytes:
        """What comes back, b'' for nothing within PATIENCE."""
        with contextlib.suppress(OSError):
            return self.socket.recv(65535)
        return b""

    def ask(self, message: Message | bytes) -> int | None:
        """Status of the answer; None for none."""
        self.send(message)
        return status_of(self.answer())

    def guess(self, user: str, password: str) -> int | None:
        """Register with a password; the status of the second answer, or None when there was no challenge."""
        asked = request(self.place, "REGISTER", user)
        self.send(asked)
        challenge = challenge_of(self.answer())
        if not challenge:
            return None
        uri = f"sip:{self.place.pbx[0]}:{self.place.pbx[1]}"
        name, _, value = authorization(challenge, user, password, "REGISTER", uri).partition(": ")
        return self.ask(request(self.place, "REGISTER", user).also((name, value)))

    def __enter__(self) -> Abuser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()


def tries_until_shut_out(guess: Callable[[], int | None], most: int = 200) -> tuple[int | None, float]:
    """How many guesses got an answer before three in a row got none, and the seconds that it took.

    None when it went on being answered.
    """
    began, silent, answered = time.monotonic(), 0, 0
    for _ in range(most):
        if guess() is None:
            silent += 1
            if silent == 3:
                return answered, time.monotonic() - began - 3 * PATIENCE
        else:
            silent = 0
            answered += 1
    return None, time.monotonic() - began


def tortured(pbx: tuple[str, int], addresses: Iterator[str], transport: str = "UDP") -> dict[str, int | None]:
    """Each torture message from an address of its own; section -> status of the answer, None for none."""
    with contextlib.ExitStack() as stack:
        abusers = {}
        for one in torture.ALL:
            abuser = stack.enter_context(Abuser(pbx, next(addresses), transport))
            abuser.send(one.make(abuser.place))
            abusers[one.section] = abuser
        until = time.monotonic() + PATIENCE
        found = {}
        for section, abuser in abusers.items():
            abuser.socket.settimeout(max(0.001, until - time.monotonic()))
            found[section] = status_of(abuser.answer())
    return found


def addresses(first: str = "127.9") -> Iterator[str]:
    """Addresses of loopback that are nobody's, each once: 127.9.0.1, 127.9.0.2, ..."""
    for high in range(256):
        for low in range(1, 255):
            yield f"{first}.{high}.{low}"


@dataclass
class Flood:
    """Messages at a rate from a thread, until it is stopped. `each` messages come from one address."""

    pbx: tuple[str, int]
    make: Callable[[Place, random.Random], Message | bytes]
    rate: float
    source: Iterator[str]
    each: int = 1_000_000
    seed: int = 1
    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Flood:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        draw = random.Random(self.seed)
        began = time.monotonic()
        while not self._stop.is_set():
            with Abuser(self.pbx, next(self.source)) as abuser:
                abuser.socket.setblocking(False)
                for _ in range(self.each):
                    if self._stop.wait(max(0.0, began + self.sent / self.rate - time.monotonic())):
                        return
                    abuser.send(self.make(abuser.place, draw))
                    self.sent += 1
                    answer = abuser.answer()
                    self.answers[str(status_of(answer) or "none")] += 1


def an_invite(place: Place, draw: random.Random) -> Message:
    """A call by an unknown number, or in the name of a seat."""
    return invite(place, draw.choice(("13800000000", "8001", "anonymous", "100")))


def garbage(place: Place, draw: random.Random) -> bytes:
    """What is hardly SIP: random bytes, messages cut off or with bits turned, keep-alives, oversized ones."""
    whole = bytearray(invite(place, "100").encode())
    kind = draw.randrange(6)
    if kind == 0:
        return draw.randbytes(draw.randrange(1, 1400))
    if kind == 1:
        return bytes(whole[: draw.randrange(1, len(whole))])
    if kind == 2:
        for _ in range(draw.randrange(1, 30)):
            whole[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        return bytes(whole)
    if kind == 3:
        return b"\r\n" * draw.randrange(1, 700)
    if kind == 4:
        return bytes(whole).replace(b"Max-Forwards", b"X" * draw.randrange(1, 50_000))[:OVERSIZED]
    return draw.choice(torture.ALL).make(place)


@dataclass
class Connections:
    """TCP connections that say nothing, some hundred a second, 500 from each address; closed at the end."""

    pbx: tuple[str, int]
    count: int
    source: Iterator[str]
    opened: list[socket.socket] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Connections:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(5)
        for one in self.opened:
            one.close()

    def _run(self) -> None:
        address = next(self.source)
        for number in range(1, self.count + 1):
            if number % 500 == 0:
                address = next(self.source)
            # The PBX's queue for new connections holds five.
            if self._stop.wait(0.003):
                return
            one = socket.socket()
            one.settimeout(4 * PATIENCE)
            try:
                one.bind((address, 0))
                one.connect(self.pbx)
            except OSError:
                one.close()
                self.refused += 1
            else:
                self.opened.append(one)
