"""The AMI and ARI clients on the real Asterisk: AMI beside pyst2, an independent reader of the same words."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import queue
from collections.abc import Iterator
from typing import Any

import pytest
from asterisk.manager import Manager

from cti.ami import ActionRefused, Ami, Message
from cti.ari import Ari, AriError
from tests.line import Line

# pyst2 calls threading by its old names.
pytestmark = [pytest.mark.pbx, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SEAT = "PJSIP/8005"
SPOKEN = ("Event", "Queue", "MemberName", "Interface", "StateInterface", "Membership", "Penalty", "Paused")
STRANGE = 'agent "5": 席位, <b> ; x=1'


@pytest.fixture
def peer(line: Line) -> Iterator[tuple[Manager, queue.Queue[dict[str, str]]]]:
    """pyst2, logged in, with the events of queue members that it read."""
    manager, seen = Manager(), queue.Queue()
    manager.connect("127.0.0.1", line.settings.ami_port)
    manager.login("cti", line.settings.ami_password)
    for name in ("QueueMemberAdded", "QueueMemberPause", "QueueMemberRemoved"):
        manager.register_event(name, lambda event, _manager: seen.put(dict(event.headers)))
    yield manager, seen
    # Asterisk may hang up while pyst2 is still flushing its good-bye.
    with contextlib.suppress(ValueError):
        manager.close()


class Ours:
    """Our client with the events that it read."""

    def __init__(self, line: Line) -> None:
        self.seen: asyncio.Queue[Message] = asyncio.Queue()
        self.up = asyncio.Event()
        self.ami = Ami(
            "127.0.0.1",
            line.settings.ami_port,
            "cti",
            line.settings.ami_password,
            on_event=self._take,
            on_up=self._up,
            on_down=lambda: None,
        )

    async def __aenter__(self) -> Ours:
        self.task = asyncio.create_task(self.ami.run())
        await asyncio.wait_for(self.up.wait(), 10)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()

    async def _up(self) -> None:
        self.up.set()

    def _take(self, message: Message) -> None:
        if message["Event"].startswith("QueueMember"):
            self.seen.put_nowait(message)

    async def next(self) -> Message:
        async with asyncio.timeout(5):
            return await self.seen.get()


def test_two_readers_agree_on_queue_members(
    line: Line, peer: tuple[Manager, queue.Queue[dict[str, str]]]
) -> None:
    _, seen = peer

    async def story() -> list[Message]:
        async with Ours(line) as ours:
            here = {"Queue": "consultation", "Interface": SEAT}
            await ours.ami.action("QueueAdd", **here, MemberName=STRANGE, Paused="true", Reason="signed_in")
            await ours.ami.action("QueuePause", Interface=SEAT, Paused="false")
            await ours.ami.action("QueuePause", Interface=SEAT, Paused="true", Reason="meal")
            await ours.ami.action("QueueRemove", **here)
            return [await ours.next() for _ in range(4)]

    read = asyncio.run(story())
    for mine in read:
        theirs = seen.get(timeout=5)
        assert {k: v.strip() for k, v in mine.items()} == theirs
        assert all(mine[name] for name in SPOKEN)
        assert mine["MemberName"] == STRANGE
    assert [(m["Event"], m["Paused"], m["PausedReason"]) for m in read] == [
        ("QueueMemberAdded", "1", "signed_in"),
        ("QueueMemberPause", "0", ""),
        ("QueueMemberPause", "1", "meal"),
        ("QueueMemberRemoved", "1", "meal"),
    ]


def test_two_readers_agree_on_a_reply_and_on_a_refusal(
    line: Line, peer: tuple[Manager, queue.Queue[dict[str, str]]]
) -> None:
    manager, _ = peer

    async def story() -> tuple[Message, str]:
        async with Ours(line) as ours:
            status = await ours.ami.action("CoreStatus")
            with pytest.raises(ActionRefused) as refusal:
                await ours.ami.action("QueueRemove", Queue="consultation", Interface=SEAT)
            return status, str(refusal.value)

    mine, refused = asyncio.run(story())
    theirs = dict(manager.send_action({"Action": "CoreStatus"}).headers)
    assert {k: v for k, v in mine.items() if k != "ActionID"} == {
        k: v for k, v in theirs.items() if k != "ActionID"
    }
    assert mine["CoreStartupDate"]
    answer = manager.send_action({"Action": "QueueRemove", "Queue": "consultation", "Interface": SEAT})
    assert (answer.headers["Response"], answer.headers["Message"]) == ("Error", refused)


# --- ARI -----------------------------------------------------------------------------------------------


APPLICATIONS = itertools.count(1)


def asked(line: Line, *requests: tuple[Any, ...], **query: str) -> list[Any]:
    """The answers to requests on an application of our own; an AriError stands where one was refused."""

    async def on_event(_event: dict[str, Any]) -> None:
        return None

    async def story() -> list[Any]:
        s = line.settings
        # A name of its own each time: Asterisk may still be closing the one before.
        application = f"wire-test-{next(APPLICATIONS)}"
        ari = Ari("127.0.0.1", s.pbx_http_port, "cti", s.ari_password, application, on_event)
        running = asyncio.create_task(ari.run())
        answers: list[Any] = []
        try:
            async with asyncio.timeout(10):
                while not ari.connected:  # noqa: ASYNC110 (the client has no event for it)
                    await asyncio.sleep(0.02)
            for request in requests:
                try:
                    answers.append(await ari.request(*request, **query))
                except AriError as error:
                    answers.append(error)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        return answers

    return asyncio.run(story())


STRANGE_IDS = ["pbx1-1.1", "no/such", "a?b=c&d", "50%", "席 位", "..", "#x", 'q"uote', "%2e%2e", "+"]


def test_an_unknown_id_is_an_ari_error_whatever_it_is_made_of(line: Line) -> None:
    requests = [(verb, "channels", uid) for uid in STRANGE_IDS for verb in ("GET", "DELETE")]
    answers = asked(line, *requests)
    assert [type(answer) for answer in answers] == [AriError] * len(answers)
    assert all("Channel not found" in str(answer) for answer in answers), answers


def test_names_and_values_arrive_as_they_were_given(line: Line) -> None:
    for value in ("plain", "50% & a=b", 'q"席#?+', "a/../b", ""):
        (kept,) = asked(line, ("POST", "asterisk", "variable"), variable="WIRE_TEST", value=value)
        (read,) = asked(line, ("GET", "asterisk", "variable"), variable="WIRE_TEST")
        assert kept is None
        assert read == {"value": value}


def test_a_refusal_and_a_lost_connection_are_ari_errors(line: Line) -> None:
    answers = asked(line, ("PATCH", "channels"), ("GET", "nothing", "here"), ("POST", "channels"))
    assert [type(answer) for answer in answers] == [AriError] * 3

    async def unconnected() -> None:
        async def on_event(_event: dict[str, Any]) -> None:
            return None

        await Ari("127.0.0.1", 1, "cti", "x", "wire-test", on_event).request("GET", "channels")

    with pytest.raises(AriError, match="no connection"):
        asyncio.run(unconnected())
