"""Browsers' telephones on the real PBX: made at the log-in, withdrawn at the log-out, and in no file."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import Any

import pytest
from websockets.asyncio.client import connect

from hotline import pbx
from hotline.phones.digest import authorization
from tests.line import PASSWORD, Desk, Line, Refused, until

pytestmark = pytest.mark.pbx
_numbers = itertools.count(1)


def headset(line: Line) -> Desk:
    """agent01 logged in at 8001 with the browser's telephone."""
    desk = Desk(line.address)
    line.desks.append(desk)
    desk.csrf = desk.ask("GET", "/api/session")["csrf"]
    choose(desk, "browser")
    return desk


def choose(desk: Desk, telephone: str) -> None:
    """Log in (again) at the own seat with that telephone."""
    form = {"login": "agent01", "password": PASSWORD, "seat": "8001", "telephone": telephone}
    desk.csrf = desk.ask("POST", "/api/session", form)["csrf"]
    until(lambda: desk.state()["telephone"] == telephone, 5, f"the floor knows of the {telephone}")


def register(account: dict[str, Any]) -> str:
    """The status of the answer to a REGISTER with these credentials, as a page sends it."""
    user, number = account["user"], next(_numbers)

    async def page() -> str:
        async with connect(account["ws"], subprotocols=["sip"], proxy=None, close_timeout=0.1) as wire:  # type: ignore[list-item]

            async def ask(cseq: int, *proof: str) -> str:
                lines = [
                    "REGISTER sip:hotline SIP/2.0",
                    f"Via: SIP/2.0/WS page.invalid;branch=z9hG4bK{number}-{cseq}",
                    "Max-Forwards: 70",
                    f"From: <sip:{user}@hotline>;tag=page{number}",
                    f"To: <sip:{user}@hotline>",
                    f"Call-ID: page-{number}",
                    f"CSeq: {cseq} REGISTER",
                    f"Contact: <sip:{user}@page{number}.invalid;transport=ws>",
                    "Expires: 60",
                    *(one if one.startswith("Authorization:") else f"Authorization: {one}" for one in proof),
                    "Content-Length: 0",
                ]
                await wire.send("\r\n".join(lines) + "\r\n\r\n")
                while True:  # Asterisk may ask by OPTIONS in between whether the page is there
                    said = str(await asyncio.wait_for(wire.recv(), 5))
                    if f"CSeq: {cseq} REGISTER" in said:
                        return said

            said = await ask(1)
            challenge = re.search(r"WWW-Authenticate: *(.*)\r\n", said)
            if challenge:
                proof = authorization(
                    challenge.group(1), user, account["password"], "REGISTER", "sip:hotline"
                )
                said = await ask(2, proof)
            return said.split("\r\n", 1)[0].removeprefix("SIP/2.0 ")

    return asyncio.run(page())


def endpoints(line: Line) -> str:
    return pbx.console(line.settings, "pjsip show endpoints")


def test_credentials_made_at_the_log_in_register_and_are_withdrawn_at_the_log_out(line: Line) -> None:
    assert "8001w" not in endpoints(line), "no standing telephone for a browser"
    desk = headset(line)
    first = desk.ask("POST", "/api/seat/phone", {"page": "p1"})
    assert (first["user"], len(first["password"])) == ("8001w", 32)
    assert register(first) == "200 OK"
    again = desk.ask("POST", "/api/seat/phone", {"page": "p1"})
    assert again["password"] != first["password"]
    assert register(first).startswith("401"), "an earlier password is good for nothing"
    assert register(again) == "200 OK"
    desk.ask("DELETE", "/api/session")
    until(lambda: "8001w" not in endpoints(line), 5, "withdrawn")
    assert "8001w" not in pbx.console(line.settings, "database show registrar"), "nor is it still registered"
    assert register(again).startswith("401")


def test_the_seat_is_reachable_by_the_telephone_that_was_chosen_and_moves_to_the_other(line: Line) -> None:
    bank = line.phones("8001")
    desk = headset(line)
    assert not desk.state()["reachable"], "the desk phone is there, but it is not the one that was taken"
    account = desk.ask("POST", "/api/seat/phone", {"page": "p1"})
    assert register(account) == "200 OK"
    choose(desk, "desk")
    until(lambda: desk.state()["reachable"], 5, "the desk phone is there")
    until(lambda: "8001w" not in endpoints(line), 5, "the browser's telephone is withdrawn")
    with pytest.raises(Refused, match="desk_telephone"):
        desk.ask("POST", "/api/seat/phone", {"page": "p1"})
    bank.close()


def test_after_a_restart_of_asterisk_the_page_asks_again(line: Line) -> None:
    desk = headset(line)
    account = desk.ask("POST", "/api/seat/phone", {"page": "p1"})
    line.restart("pbx")
    line.wait_until_linked()
    assert register(account).startswith("401"), "Asterisk has forgotten it"

    def made() -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = desk.ask("POST", "/api/seat/phone", {"page": "p1"})
        except Refused as refused:
            if refused.status != 503:  # for a moment the cti's second wire is not up again
                raise
            return None
        return found

    assert register(until(made, 10, "made again")) == "200 OK"
    assert desk.state()["telephone"] == "browser"


def test_a_citizen_page_gets_a_telephone_for_the_visit_and_eight_are_the_most(line: Line) -> None:
    visitor = Desk(line.address)
    visitor.csrf = visitor.ask("GET", "/api/session")["csrf"]
    lent = [visitor.ask("POST", "/api/citizen/phone", {}) for _ in range(8)]
    assert len({one["user"] for one in lent}) == 8
    with pytest.raises(Refused, match="no_telephone_free"):
        visitor.ask("POST", "/api/citizen/phone", {})
    for one in lent:
        visitor.ask("DELETE", f"/api/citizen/phone?user={one['user']}")
    assert "citizen" not in endpoints(line)
    assert register(lent[0]).startswith("401")
