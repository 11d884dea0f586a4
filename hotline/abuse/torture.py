"""The torture messages of RFC 4475, all 49, built from what the RFC says of each. Pure.

    3.1.1 valid, but hardly ever seen      3.1.2 not valid      3.2 transactions
    3.3   valid, but nonsense to an application                 3.4 RFC 2543

Each is aimed at the PBX with fresh branch, tag and Call-ID. None may open a channel or end Asterisk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hotline.abuse.message import SDP, Message, Place, invite, request, response


@dataclass(frozen=True)
class Torture:
    """One message: its section in RFC 4475 and what is strange in it."""

    section: str
    what: str
    make: Callable[[Place], bytes]


ALL: list[Torture] = []


def _torture(
    section: str, what: str
) -> Callable[[Callable[[Place], Message | bytes]], Callable[[Place], Message | bytes]]:
    def keep(make: Callable[[Place], Message | bytes]) -> Callable[[Place], Message | bytes]:
        def encoded(place: Place) -> bytes:
            made = make(place)
            return made if isinstance(made, bytes) else made.encode()

        ALL.append(Torture(section, what, encoded))
        return make

    return keep


def _aim(place: Place) -> str:
    return f"{place.pbx[0]}:{place.pbx[1]}"


def _offer(place: Place) -> bytes:
    return SDP.format(host=place.own[0]).encode()


# --- 3.1.1 valid messages --------------------------------------------------------------------------------


@_torture(
    "3.1.1.1", "short tortuous INVITE: folded lines, odd case, empty values, escaped quotes, unknown headers"
)
def _tortuous(place: Place) -> Message:
    made = invite(place, "vivekg")
    tag, branch = dict(made.headers)["From"].partition("tag=")[2], dict(made.headers)["Via"]
    return made.but(
        first=f"INVITE sip:12345@{_aim(place)};unknownparam SIP/2.0",
        headers=(
            ("TO ", f"\r\n sip:12345@{place.pbx[0]} ;   x    = y"),
            ("from", f'"J Rosenberg \\\\\\""       <sip:jdrosen@{place.pbx[0]}>\r\n  ;\r\n  tag = {tag}'),
            ("MaX-fOrWaRdS", "0068"),
            ("Call-ID", dict(made.headers)["Call-ID"]),
            ("Content-Type", "application/sdp"),
            ("cseq", "0009\r\n  INVITE"),
            ("s", ""),
            ("NewFangledHeader", "newfangled value\r\n continued newfangled value"),
            ("UnknownHeaderWithUnusualValue", ";;,,;;,;"),
            ("Route", "<sip:services.example.com;lr;unknownwith=value;unknown-no-value>"),
            ("v", f"{branch.replace('SIP/2.0/', 'SIP  / 2.0  / ')}\r\n , SIP/2.0/UDP spindle.example.com"),
            (
                "m",
                f'"Quoted string \\"\\"" <sip:j@{place.own[0]}:{place.own[1]}>; newparam = new ; q = 0.33',
            ),
        ),
    )


@_torture("3.1.1.2", "every character that a token, a user part or a quoted string may have")
def _characters(place: Place) -> Message:
    method = "!interesting-Method0123456789_*+`.%indeed'~"
    made = request(
        place,
        method,
        uri=f"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@{_aim(place)}",
    )
    return made.header(
        "From", '"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual@x>;tag=_token~1\'+`*%!-.'
    ).also(("extensionHeader-!.%*+_`'~", "﻿大停电"))


@_torture("3.1.1.3", "% escapes in the URI that mean something")
def _escapes(place: Place) -> Message:
    made = invite(place).but(first=f"INVITE sip:sips%3Auser%40example.com@{_aim(place)} SIP/2.0")
    return made.header("From", f"<sip:I%20have%20spaces@{place.pbx[0]}>;tag=938")


@_torture("3.1.1.4", "escaped zero bytes in URIs")
def _zeroes(place: Place) -> Message:
    made = request(place, "REGISTER", to=f"<sip:null-%00-null@{place.pbx[0]}>")
    return made.header("From", f"<sip:null-%00-null@{place.pbx[0]}>;tag=839923423").also(
        ("Contact", f"<sip:%00@{place.own[0]}>"), ("Contact", f"<sip:%00%00@{place.own[0]}>")
    )


@_torture("3.1.1.5", "% where it is no escape")
def _percent(place: Place) -> Message:
    return request(place, "RE%47IST%45R").header("Contact", f'<sip:alias1@{place.own[0]}>;x="%Z%45"')


@_torture("3.1.1.6", "no space between display name and <")
def _tight(place: Place) -> Message:
    return request(place, "OPTIONS").header("From", f"caller<sip:caller@{place.pbx[0]}>;tag=323")


@_torture("3.1.1.7", "long values everywhere")
def _long(place: Place) -> Message:
    made = invite(place, "amazinglylongcallername" * 8)
    name = "I have a user name of " + "extreme" * 30 + " proportion"
    vias = tuple(
        ("Via", f"SIP/2.0/UDP sip{n}.example.com;branch=z9hG4bK{'very' * 12}long{n}") for n in range(30)
    )
    return (
        made.header("To", f'"{name}" <sip:12345@{_aim(place)}:6000;unknownparam1=very{"long" * 20}value>')
        .header("Call-ID", f"{dict(made.headers)['Call-ID']}-{'really' * 20}long")
        .also(("Unknown-" + "Long" * 30 + "-Name", "unknown-" + "long" * 30 + "-value"), *vias)
    )


@_torture("3.1.1.8", "further octets behind a datagram's message")
def _two_in_one(place: Place) -> bytes:
    return request(place, "REGISTER", "j").but(tail=invite(place, "joe").encode()).encode()


@_torture("3.1.1.9", "semicolons in the user part")
def _semicolons(place: Place) -> Message:
    return request(place, "OPTIONS", uri=f"sip:user;par=u%40example.net@{_aim(place)}")


@_torture("3.1.1.10", "transports that nobody knows")
def _transports(place: Place) -> Message:
    return request(place, "OPTIONS").also(
        *(
            ("Via", f"SIP/2.0/{name} t{n}.example.com;branch=z9hG4bK{n}")
            for n, name in enumerate(("TLS", "UNKNOWN", "SCTP", "TCP"))
        )
    )


@_torture("3.1.1.11", "a body of several parts, one of them binary")
def _parts(place: Place) -> Message:
    mark = "7a9cbec02ceef655"
    body = (
        (
            f"--{mark}\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nHello\r\n"
            f"--{mark}\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode()
        + bytes(range(256)) * 2
        + f"\r\n--{mark}--".encode()
    )
    return request(place, "MESSAGE", body=body).header("Content-Type", f'multipart/mixed;boundary="{mark}"')


@_torture("3.1.1.12", "response with an unusual reason phrase")
def _reason(place: Place) -> Message:
    return response(place, "200 = 2**3 * 5**2 но сто девяносто девять - простое")


@_torture("3.1.1.13", "response with an empty reason phrase")
def _no_reason(place: Place) -> Message:
    return response(place, "100 ")


# --- 3.1.2 invalid messages ------------------------------------------------------------------------------


@_torture("3.1.2.1", "separators too many")
def _separators(place: Place) -> Message:
    made = invite(place)
    return made.header("Via", dict(made.headers)["Via"] + ";;,;,,").header(
        "Contact", '"Joe" <sip:joe@example.org>;;;;'
    )


@_torture("3.1.2.2", "Content-Length larger than the message")
def _too_long(place: Place) -> Message:
    return invite(place).but(length="9999")


@_torture("3.1.2.3", "negative Content-Length")
def _negative(place: Place) -> Message:
    return invite(place).but(length="-999")


@_torture("3.1.2.4", "request with numbers too large")
def _overflow(place: Place) -> Message:
    return (
        request(place, "REGISTER")
        .header("CSeq", "36893488147419103232 REGISTER")
        .header("Max-Forwards", "300")
        .header("Contact", f"<sip:user@{place.own[0]}>;expires=280297596632815")
        .also(("Expires", "10000000000000000000"))
    )


@_torture("3.1.2.5", "response with numbers too large")
def _overflow_answer(place: Place) -> Message:
    return (
        response(place, "503 Service Unavailable")
        .header("CSeq", "9292394834772304023312 OPTIONS")
        .also(("Retry-After", "949302838503028349304023988"), ("Warning", '1812 overture "In Progress"'))
    )


@_torture("3.1.2.6", "quoted string that does not end")
def _open_quote(place: Place) -> Message:
    return invite(place).header("To", f'"Mr. J. User <sip:j.user@{place.pbx[0]}>')


@_torture("3.1.2.7", "<> around the Request-URI")
def _brackets(place: Place) -> Message:
    return invite(place).but(first=f"INVITE <sip:12345@{_aim(place)}> SIP/2.0")


@_torture("3.1.2.8", "spaces within the Request-URI")
def _spaces_in_uri(place: Place) -> Message:
    return invite(place).but(first=f"INVITE sip:12345@{_aim(place)}; lr SIP/2.0")


@_torture("3.1.2.9", "several spaces in the first line")
def _spaces(place: Place) -> Message:
    return invite(place).but(first=f"INVITE  sip:12345@{_aim(place)}  SIP/2.0")


@_torture("3.1.2.10", "spaces behind the first line")
def _trailing(place: Place) -> Message:
    return request(place, "OPTIONS").but(first=f"OPTIONS sip:remote-target@{_aim(place)} SIP/2.0  ")


@_torture("3.1.2.11", "escaped headers in the Request-URI")
def _headers_in_uri(place: Place) -> Message:
    return invite(place).but(first=f"INVITE sip:12345@{_aim(place)}?Route=%3Csip:example.com%3E SIP/2.0")


@_torture("3.1.2.12", "Date with an unknown time zone")
def _date(place: Place) -> Message:
    return invite(place).also(("Date", "Fri, 01 Jan 2010 16:00:00 EST"))


@_torture("3.1.2.13", "Contact with parameters and without <>")
def _bare_contact(place: Place) -> Message:
    return request(place, "REGISTER").header(
        "Contact", "sip:user@example.com?Route=%3Csip:sip.example.com%3E"
    )


@_torture("3.1.2.14", "spaces within an address")
def _spaced_address(place: Place) -> Message:
    return request(place, "OPTIONS").header("To", f'"Watson, Thomas" < sip:t.watson@{place.pbx[0]} >')


@_torture("3.1.2.15", "display name with characters that are no token")
def _display(place: Place) -> Message:
    return request(place, "OPTIONS").header("From", f"Bell, Alexander <sip:a.g.bell@{place.pbx[0]}>;tag=43")


@_torture("3.1.2.16", "unknown version of SIP")
def _version(place: Place) -> Message:
    return request(place, "OPTIONS").but(first=f"OPTIONS sip:t.watson@{_aim(place)} SIP/7.0")


@_torture("3.1.2.17", "method in the first line and in CSeq differ")
def _mismatch(place: Place) -> Message:
    return request(place, "OPTIONS").header("CSeq", "8 INVITE")


@_torture("3.1.2.18", "unknown method, and another one in CSeq")
def _unknown_mismatch(place: Place) -> Message:
    return request(place, "NEWMETHOD").header("CSeq", "8 INVITE")


@_torture("3.1.2.19", "response code too large")
def _big_code(place: Place) -> Message:
    return response(place, "4294967301 better not break the receiver")


# --- 3.2 transaction layer -------------------------------------------------------------------------------


@_torture("3.2.1", "branch that is the magic cookie and nothing else")
def _bare_branch(place: Place) -> Message:
    return request(place, "OPTIONS").header(
        "Via", f"SIP/2.0/{place.transport} {place.own[0]}:{place.own[1]};branch=z9hG4bK"
    )


# --- 3.3 application layer -------------------------------------------------------------------------------


@_torture("3.3.1", "Call-ID, From and To are missing")
def _insufficient(place: Place) -> Message:
    return invite(place).header("Call-ID", None).header("From", None).header("To", None)


@_torture("3.3.2", "Request-URI of an unknown scheme")
def _scheme(place: Place) -> Message:
    return request(place, "OPTIONS").but(first="OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0")


@_torture("3.3.3", "Request-URI of a scheme that is not SIP's")
def _soap(place: Place) -> Message:
    return request(place, "OPTIONS").but(first="OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0")


@_torture("3.3.4", "unknown schemes in To, From and Contact")
def _schemes(place: Place) -> Message:
    return (
        request(place, "REGISTER")
        .header("To", "isbn:2983792873")
        .header("From", "<http://www.example.com>;tag=32332")
        .header("Contact", "<name:John_Smith>")
    )


@_torture("3.3.5", "Require and Proxy-Require of what nobody has")
def _require(place: Place) -> Message:
    return request(place, "OPTIONS").also(
        ("Require", "nothingSupportsThis, nothingSupportsThisEither"),
        ("Proxy-Require", "noProxiesSupportThis"),
    )


@_torture("3.3.6", "body of an unknown type")
def _type(place: Place) -> Message:
    body = b'<audio>\r\n <pcmu port="443"/>\r\n</audio>'
    return request(place, "INVITE", body=body).header("Content-Type", "application/unknownformat")


@_torture("3.3.7", "unknown scheme of Authorization")
def _authorization(place: Place) -> Message:
    return request(place, "REGISTER").also(("Authorization", "NoOneKnowsThisScheme opaque-data=here"))


@_torture("3.3.8", "several values where there may be one")
def _several(place: Place) -> Message:
    return invite(place).also(
        ("CSeq", "8 INVITE"),
        ("Call-ID", "5b3c1e@other"),
        ("Max-Forwards", "5"),
        ("From", "<sip:other@example.com>;tag=x"),
        ("To", "<sip:other@example.net>"),
    )


@_torture("3.3.9", "two values of Content-Length")
def _lengths(place: Place) -> Message:
    return request(place, "OPTIONS", body=b"There's no way to know how many octets").also(
        ("Content-Length", "5")
    )


@_torture("3.3.10", "200 whose Via is the broadcast address")
def _broadcast(place: Place) -> Message:
    return response(place, "200 OK").also(("Via", "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23"))


@_torture("3.3.11", "Max-Forwards of zero")
def _no_hops(place: Place) -> Message:
    return request(place, "OPTIONS").header("Max-Forwards", "0")


@_torture("3.3.12", "REGISTER with a parameter of the Contact header")
def _header_parameter(place: Place) -> Message:
    return request(place, "REGISTER").header("Contact", f"sip:+19725552222@{place.own[0]};unknownparam")


@_torture("3.3.13", "REGISTER with a parameter of the Contact's URI")
def _uri_parameter(place: Place) -> Message:
    return request(place, "REGISTER").header("Contact", f"<sip:+19725552222@{place.own[0]};unknownparam>")


@_torture("3.3.14", "REGISTER with escaped headers in the Contact's URI")
def _uri_headers(place: Place) -> Message:
    return request(place, "REGISTER").header(
        "Contact", "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"
    )


@_torture("3.3.15", "INVITE that accepts nothing that it can be answered with")
def _accept(place: Place) -> Message:
    return invite(place).also(("Accept", "text/nobodyKnowsThis"))


# --- 3.4 backward compatibility --------------------------------------------------------------------------


@_torture("3.4.1", "INVITE as RFC 2543 had it: no magic cookie, no tag, no Max-Forwards")
def _old(place: Place) -> Message:
    return (
        invite(place)
        .header("Via", f"SIP/2.0/{place.transport} {place.own[0]}:{place.own[1]}")
        .header("From", f"<sip:caller@{place.own[0]}>")
        .header("Max-Forwards", None)
        .header("Contact", None)
        .but(body=_offer(place))
    )
