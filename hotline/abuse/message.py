"""SIP messages as text: a proper one, and the means to spoil it. Pure."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

_numbers = itertools.count(1)
Header = tuple[str, str]
SDP = "\r\n".join(
    (
        "v=0",
        "o=- 1 1 IN IP4 {host}",
        "s=-",
        "c=IN IP4 {host}",
        "t=0 0",
        "m=audio 30000 RTP/AVP 8 0",
        "a=rtpmap:8 PCMA/8000",
        "",
    )
)


@dataclass(frozen=True)
class Place:
    """Who sends and who is sent to: (address, port) each, and by which transport."""

    own: tuple[str, int]
    pbx: tuple[str, int]
    transport: str = "UDP"


@dataclass(frozen=True)
class Message:
    """First line, headers in order, body. `raw` stands for all of it where a message is no text any more."""

    first: str
    headers: tuple[Header, ...]
    body: bytes = b""
    tail: bytes = b""
    """Bytes behind the end of the message."""
    length: str | None = None
    """Content-Length; None: the true one, '' : no such header."""
    line_end: str = "\r\n"

    def encode(self) -> bytes:
        """The bytes on the wire."""
        headers = list(self.headers)
        said = str(len(self.body)) if self.length is None else self.length
        if said:
            headers.append(("Content-Length", said))
        text = self.line_end.join([self.first, *(f"{name}: {value}" for name, value in headers), "", ""])
        return text.encode("utf-8", "surrogateescape") + self.body + self.tail

    def header(self, name: str, value: str | None) -> Message:
        """With this value instead of the one it has; None takes the header out, a new name is added."""
        kept = [
            (known, value if known == name and value is not None else old)
            for known, old in self.headers
            if known != name or value is not None
        ]
        if value is not None and name not in dict(self.headers):
            kept.append((name, value))
        return replace(self, headers=tuple(kept))

    def also(self, *more: Header) -> Message:
        """With further headers, also of a name that it has."""
        return replace(self, headers=(*self.headers, *more))

    def but(self, **changes: object) -> Message:
        """With other fields: `first`, `body`, `length`, ..."""
        return replace(self, **changes)  # type: ignore[arg-type]


def request(
    place: Place, method: str, user: str = "13800000000", *, uri: str = "", to: str = "", body: bytes = b""
) -> Message:
    """A proper request from `user`, with a branch, a tag and a Call-ID of its own."""
    number = next(_numbers)
    own, pbx = f"{place.own[0]}:{place.own[1]}", f"{place.pbx[0]}:{place.pbx[1]}"
    uri = uri or (f"sip:{pbx}" if method == "REGISTER" else f"sip:12345@{pbx}")
    headers = [
        ("Via", f"SIP/2.0/{place.transport} {own};branch=z9hG4bK-{number}-{place.own[1]};rport"),
        ("Max-Forwards", "70"),
        ("From", f"<sip:{user}@{place.pbx[0]}>;tag=t{number}"),
        ("To", to or (f"<sip:{user}@{place.pbx[0]}>" if method == "REGISTER" else f"<{uri}>")),
        ("Call-ID", f"{number}-{place.own[1]}@{place.own[0]}"),
        ("CSeq", f"1 {method}"),
        ("Contact", f"<sip:{user}@{own}>"),
    ]
    if body:
        headers.append(("Content-Type", "application/sdp"))
    return Message(f"{method} {uri} SIP/2.0", tuple(headers), body)


def invite(place: Place, user: str = "13800000000") -> Message:
    """A call to the hotline with an offer of A-law."""
    return request(place, "INVITE", user, body=SDP.format(host=place.own[0]).encode())


def response(place: Place, status: str) -> Message:
    """An answer to something that nobody has asked."""
    asked = request(place, "INVITE")
    return asked.but(first=f"SIP/2.0 {status}")


def status_of(answer: bytes) -> int | None:
    """Status of a response; None for a request or for what is no SIP."""
    words = answer[:64].split(b" ", 2)
    return int(words[1]) if words[0] == b"SIP/2.0" and len(words) > 1 and words[1].isdigit() else None


def challenge_of(answer: bytes) -> str:
    """The value of WWW-Authenticate; '' where there is none."""
    for line in answer.decode(errors="replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "www-authenticate":
            return value.strip()
    return ""
