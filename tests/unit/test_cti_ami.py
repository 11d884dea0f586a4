"""The AMI wire's grammar, and its behaviour against a peer that misbehaves."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.ami import ActionRefused, ActionTimeout, Ami, NotConnected, decode, encode


@pytest.mark.parametrize("bad", ["a\r\nAction: Originate", "a\nb", "a\rb", "a\0b"])
def test_a_line_break_in_a_value_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        encode([("Action", "QueueAdd"), ("MemberName", bad)])


@given(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])))
def test_what_is_encoded_reads_back(value: str) -> None:
    assert decode(encode([("Action", "X"), ("Value", value)])[:-4])["Value"] == value


def test_repeated_headers_are_kept() -> None:
    assert decode(b"Event: X\r\nChanVariable: A=1\r\nChanVariable: B=2")["ChanVariable"] == "A=1\nB=2"


class Manager:
    """A manager interface that answers as told; `silent` makes it hang like a half-open connection."""

    def __init__(self) -> None:
        self.silent = False
        self.logins = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        while True:
            try:
                block = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if self.silent:
                continue
            message = decode(block[:-4])
            number, action = message["ActionID"], message["Action"]
            if action == "Login":
                self.logins += 1
                writer.write(f"Response: Success\r\nActionID: {number}\r\n\r\n".encode())
                writer.write(b"Event: FullyBooted\r\n\r\nEvent: Early\r\n\r\n")
            elif action == "Bad":
                writer.write(
                    f"Response: Error\r\nActionID: {number}\r\nMessage: No such thing\r\n\r\n".encode()
                )
            elif action == "List":
                writer.write(
                    f"Response: Success\r\nActionID: {number}\r\nEventList: start\r\n\r\n"
                    f"Event: Item\r\nActionID: {number}\r\nN: 1\r\n\r\n"
                    f"Event: Item\r\nActionID: {number}\r\nN: 2\r\n\r\n"
                    f"Event: Done\r\nActionID: {number}\r\nEventList: Complete\r\n\r\n".encode()
                )
            elif action != "Mute":
                writer.write(f"Response: Success\r\nActionID: {number}\r\n\r\n".encode())


class Wire:
    """An Ami against a Manager, with what it said in the order it said it."""

    def __init__(self) -> None:
        self.manager = Manager()
        self.said: list[str] = []
        self.news = asyncio.Event()
        self.up, self.down = asyncio.Event(), asyncio.Event()

    async def __aenter__(self) -> "Wire":
        self.server = await asyncio.start_server(self.manager.serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.ami = Ami("127.0.0.1", port, "u", "p", on_event=self._event, on_up=self._up, on_down=self._down)
        self.ami.PING_EVERY, self.ami.PING_WITHIN = 0.05, 0.2
        self.task = asyncio.create_task(self.ami.run())
        await asyncio.wait_for(self.up.wait(), 5)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        self.server.close()
        for writer in self.manager.writers:
            writer.close()

    def _event(self, message: dict[str, str]) -> None:
        self._say(message["Event"])
        if message["Event"] == "Bad":
            raise RuntimeError("a reader's mistake")

    async def _up(self) -> None:
        await self.ami.action("Snapshot")
        self._say("snapshot")
        self.up.set()

    def _down(self) -> None:
        self._say("down")
        self.down.set()

    def _say(self, word: str) -> None:
        self.said.append(word)
        self.news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was said makes `condition` true."""
        async with asyncio.timeout(5):
            while not condition():
                self.news.clear()
                await self.news.wait()


def test_events_before_the_snapshot_are_given_after_it() -> None:
    async def story() -> None:
        async with Wire() as wire:
            await wire.until(lambda: "Early" in wire.said)
            assert wire.said == ["snapshot", "Early"]

    asyncio.run(story())


def test_replies_refusals_lists_and_silence_are_told_apart() -> None:
    async def story() -> None:
        async with Wire() as wire:
            assert (await wire.ami.action("Anything"))["Response"] == "Success"
            assert [m["N"] for m in await wire.ami.listing("List")] == ["1", "2"]
            with pytest.raises(ActionRefused, match="No such thing"):
                await wire.ami.action("Bad")
            with pytest.raises(ActionTimeout):
                await wire.ami.action("Mute", within=0.05)
            answers = await asyncio.gather(*(wire.ami.action("Anything") for _ in range(50)))
            assert len(answers) == 50

    asyncio.run(story())


def test_a_half_open_connection_is_noticed_and_made_anew() -> None:
    async def story() -> None:
        async with Wire() as wire:
            wire.manager.silent = True
            await asyncio.wait_for(wire.down.wait(), 5)
            with pytest.raises(NotConnected):
                await wire.ami.action("Anything")
            wire.manager.silent = False
            await wire.until(lambda: wire.manager.logins == 2 and wire.said.count("snapshot") == 2)

    asyncio.run(story())


def test_a_mistake_in_one_event_does_not_stop_the_next() -> None:
    async def story() -> None:
        async with Wire() as wire:
            await wire.until(lambda: "Early" in wire.said)
            wire.manager.writers[0].write(b"Event: Bad\r\n\r\nEvent: Good\r\n\r\n")
            await wire.until(lambda: "Good" in wire.said)

    asyncio.run(story())
