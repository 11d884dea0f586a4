"""Browsers' telephones: what Asterisk is told to make, who gets one, and what is withdrawn by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cti import telephones
from cti.ari import AriError
from cti.commands import Commands
from cti.floor import Floor, Seat
from cti.telephones import AOR, CITIZENS, LENT_SECONDS, Telephones, endpoint

AT_BROWSER = Seat("8001", agent="agent01", presence="not_ready", telephone="browser")
AT_DESK = replace(AT_BROWSER, telephone="desk")
EMPTY = Seat("8001")


@dataclass
class Asterisk:
    """ARI's dynamic configuration, by (kind, name), and the channels of each endpoint."""

    made: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    channels: dict[str, list[str]] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    away: bool = False

    async def request(self, method: str, *path: str, body: Any = None, **_: Any) -> Any:
        if self.away:
            raise AriError("no connection to Asterisk")
        if path[0] == "endpoints":
            names = [name for kind, name in self.made if kind == "endpoint"]
            return [{"resource": name, "channel_ids": self.channels.get(name, [])} for name in names]
        kind, name = path[-2:]
        self.told.append(f"{method} {kind} {name}")
        if method == "PUT":
            self.made[kind, name] = {one["attribute"]: one["value"] for one in body["fields"]}
        elif self.made.pop((kind, name), None) is None:
            raise AriError("404", 404)
        return None


@dataclass
class Place:
    """A cti with nothing but its telephones."""

    seat: Seat = EMPTY
    asterisk: Asterisk = field(default_factory=Asterisk)

    def __post_init__(self) -> None:
        self.commands = Commands(None, self.floor)  # type: ignore[arg-type]
        self.phones = Telephones(self.commands, self.floor, silence=10, media_address="127.0.0.1")
        self.phones.request = self.asterisk.request

    def floor(self) -> Floor:
        return Floor({"8001": self.seat}, {}, {})

    def move(self, seat: Seat) -> None:
        before, self.seat = self.seat, seat
        self.phones.watch(before, seat)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telephones, "JOINING", 0.05)


def at(seat: Seat, *steps: Callable[[Place], Awaitable[Any]]) -> tuple[Place, list[Any]]:
    async def go() -> tuple[Place, list[Any]]:
        place = Place(seat)
        return place, [await step(place) for step in steps]

    return asyncio.run(go())


def order(name: str, **arguments: Any) -> Callable[[Place], Awaitable[Any]]:
    return lambda place: place.commands.run({"name": name, **arguments})


PHONE = order("phone", seat="8001")


def test_a_telephone_is_made_in_the_order_that_asterisk_needs() -> None:
    place, [answer] = at(AT_BROWSER, PHONE)
    assert answer["ok"]
    assert answer["phone"]["user"] == "8001w"
    assert place.asterisk.told == ["PUT auth 8001w", "PUT aor 8001w", "PUT endpoint 8001w"]
    auth = place.asterisk.made["auth", "8001w"]
    assert (auth["username"], auth["password"]) == ("8001w", answer["phone"]["password"])
    assert place.asterisk.made["aor", "8001w"] == AOR


def test_each_asking_makes_another_password() -> None:
    _, answers = at(AT_BROWSER, PHONE, PHONE, PHONE)
    passwords = {answer["phone"]["password"] for answer in answers}
    assert len(passwords) == 3
    assert all(len(password) >= 32 for password in passwords)


def test_a_browsers_telephone_is_webrtc_silent_for_ten_seconds_at_most_and_bound_to_loopback() -> None:
    made = endpoint("8001w", "from-seat", silence=10, media_address="127.0.0.1", codecs="opus,alaw")
    assert made["webrtc"] == "yes"
    assert (made["context"], made["rtp_timeout"], made["allow"]) == ("from-seat", "10", "!all,opus,alaw")
    assert (made["callerid"], made["allow_transfer"]) == ("8001 <8001>", "no")
    assert (made["media_address"], made["bind_rtp_to_media_address"]) == ("127.0.0.1", "yes")
    assert "media_address" not in endpoint("8001w", "x", silence=10, media_address="", codecs="alaw")


@pytest.mark.parametrize(("seat", "error"), [(EMPTY, "not_signed_in"), (AT_DESK, "desk_telephone")])
def test_only_who_is_at_the_browser_gets_one(seat: Seat, error: str) -> None:
    place, [answer] = at(seat, PHONE)
    assert (answer["ok"], answer["error"]) == (False, error)
    assert place.asterisk.told == []


def test_the_event_of_the_sign_in_may_come_a_moment_after_its_acknowledgement() -> None:
    async def go() -> Any:
        place = Place(EMPTY)
        asking = asyncio.create_task(place.commands.run({"name": "phone", "seat": "8001"}))
        await asyncio.sleep(0)
        place.move(AT_BROWSER)
        return await asking

    assert asyncio.run(go())["ok"]


@pytest.mark.parametrize("after", [EMPTY, AT_DESK])
def test_a_log_out_or_the_desk_phone_withdraws_it_at_once(after: Seat) -> None:
    async def go() -> None:
        place = Place(AT_BROWSER)
        running = asyncio.create_task(place.phones.run())
        await place.commands.run({"name": "phone", "seat": "8001"})
        place.move(after)
        async with asyncio.timeout(2):
            while place.asterisk.made:  # noqa: ASYNC110
                await asyncio.sleep(0)
        running.cancel()
        assert place.asterisk.told[-3:] == ["DELETE endpoint 8001w", "DELETE aor 8001w", "DELETE auth 8001w"]

    asyncio.run(go())


def test_what_was_forgotten_is_withdrawn_but_never_in_a_call_and_desk_phones_never() -> None:
    async def look(place: Place) -> list[str]:
        place.asterisk.made |= {("endpoint", name): {} for name in ("8001w", "8001", "trunk")}
        await place.phones.tidy()
        return sorted(name for _, name in place.asterisk.made)

    async def look_in_a_call(place: Place) -> list[str]:
        place.asterisk.channels["8001w"] = ["1.1"]
        return await look(place)

    assert at(AT_BROWSER, look)[1] == [["8001", "8001w", "trunk"]]
    assert at(EMPTY, look_in_a_call)[1] == [["8001", "8001w", "trunk"]]
    assert at(EMPTY, look)[1] == [["8001", "trunk"]]


def test_eight_citizens_at_once_and_each_place_is_free_again() -> None:
    lend = order("citizen_phone")
    place, answers = at(EMPTY, *[lend] * 9, order("citizen_phone_gone", user="citizen3"), lend)
    assert [answer["phone"]["user"] for answer in answers[:8]] == list(CITIZENS)
    assert answers[8]["error"] == "no_telephone_free"
    assert answers[10]["phone"]["user"] == "citizen3"
    assert place.asterisk.made["endpoint", "citizen3"]["context"] == "from-citizen-page"


def test_a_visit_without_a_call_ends_after_ten_minutes_also_when_the_cti_was_restarted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(telephones.time, "monotonic", lambda: now[0])

    async def visits(place: Place) -> list[list[str]]:
        seen = []
        place.asterisk.made["endpoint", "citizen5"] = {}  # lent by a cti that is gone
        await place.commands.run({"name": "citizen_phone"})
        place.asterisk.channels["citizen1"] = ["1.1"]
        for passed in (0.0, LENT_SECONDS, LENT_SECONDS - 1, 1.0):
            now[0] += passed
            await place.phones.tidy()
            seen.append(sorted(name for kind, name in place.asterisk.made if kind == "endpoint"))
            if passed == LENT_SECONDS:
                place.asterisk.channels.clear()
        return seen

    _, [seen] = at(EMPTY, visits)
    assert seen == [["citizen1", "citizen5"], ["citizen1"], ["citizen1"], []]


def test_with_asterisk_away_the_page_is_told_and_nothing_breaks() -> None:
    async def away(place: Place) -> Any:
        place.asterisk.away = True
        running = asyncio.create_task(place.phones.run())
        await asyncio.sleep(0)
        assert not running.done()
        running.cancel()
        return await place.commands.run({"name": "phone", "seat": "8001"})

    assert at(AT_BROWSER, away)[1][0]["error"] == "pbx_down"
