"""A whole line of one's own beside the running one: Asterisk from `asterisk_conf/`, cti, desktop, worker.

    citizens (SIPp, 127.0.0.2) ──► Asterisk ──► phones (SIPp) at the seats
                                      │ journal, AMI, ARI
                     cti ──► ledger (a database of its own) ◄── desktop ◄── pages

Own folder, own free ports on loopback, own demo city. The tests and `hotline bench` stand on it; the
installation in `var/` is never touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psutil
from argon2 import PasswordHasher

from cti.ami import Ami, Message
from db.engine import open_engine, sessions
from db.migrate import upgrade
from db.seed import seed
from hotline.phones.citizen import Citizens
from hotline.phones.desk_phone import Habit, PhoneBank
from hotline.secrets import seat_password
from hotline.settings import REPO, Settings, load
from tickets.demo import seed_tickets

Result = TypeVar("Result")

PASSWORD = "rain-on-the-roof"
"""Of every account of a private line; nobody but its own processes can reach it."""
PORTS = (5_200, 9_900)


class NotInTime(Exception):
    """What was waited for did not happen; the text says what it was."""


def until(condition: Callable[[], Any], timeout: float = 10.0, what: str = "") -> Any:
    """Wait for `condition()` to be true and return what it gave; NotInTime with `what` after `timeout` s."""
    end = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() >= end:
            raise NotInTime(f"not within {timeout:g} s: {what or condition}")
        time.sleep(0.03)


_given: set[int] = set()


def free_port() -> int:
    """A port on loopback that nobody has at this moment, neither for TCP nor for UDP, and that this process
    was not given before: the parts of a line take theirs only later, and two must not have the same."""
    while True:
        if len(_given) > (PORTS[1] - PORTS[0]) // 2:
            _given.clear()
        port = random.randint(*PORTS)
        if port in _given:
            continue
        _given.add(port)
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
            return port
        except OSError:
            continue


def cheap_hash() -> str:
    """Hash of PASSWORD as argon2 makes it with the least work: nothing here is worth guarding."""
    return PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD)


class PrivateLine:
    """All parts, each a process of its own that may be killed and started again.

    `tree` is the PBX tree (unused where the setting `asterisk` names an installed one); `overrides` are
    settings. The database is made and filled with the demo city at once; `start` starts the processes.
    """

    PARTS: dict[str, tuple[str, ...]] = {  # noqa: RUF012
        "pbx": ("-m", "hotline.pbx"),
        "cti": ("-m", "cti"),
        "desktop": ("-m", "agent_desktop"),
        "worker": ("-m", "hotline.worker"),
        "recorder": ("-m", "recordings.capture", "a"),
        "recorder2": ("-m", "recordings.capture", "b"),
    }

    def __init__(self, tree: Path, database_url: str = "", **overrides: Any) -> None:
        self.var = Path(tempfile.mkdtemp(prefix="hl-"))
        (self.var / "pbx-tree").symlink_to(tree)
        first = 10_000 + random.randrange(0, 5) * 1000
        self.settings = Settings(
            var=self.var,
            sip_port=free_port(),
            pbx_http_port=free_port(),
            ami_port=free_port(),
            web_port=free_port(),
            trunk_port=free_port(),
            rtp_first=first,
            rtp_last=first + 998,
            ami_password="a" * 24,
            ari_password="b" * 24,
            link_token="c" * 24,
            session_key="d" * 24,
            seat_key="e" * 24,
            demo_password=PASSWORD,
            database_url=database_url,
            **overrides,
        )
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.banks: list[PhoneBank] = []
        self.crowds: list[Citizens] = []
        upgrade(self.settings.database)
        self.engine = open_engine(self.settings.database)
        self.sessions = sessions(self.engine)
        with self.sessions.begin() as session:
            hashed = cheap_hash()
            seed(session, lambda login: hashed, self.settings.seats)
            seed_tickets(session)

    # --- processes -------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The settings as the processes read them."""
        said = {
            f"HOTLINE_{name.upper()}": str(value)
            for name, value in self.settings.model_dump().items()
            if value is not None
        }
        return {**os.environ, **said, "PYTHONPATH": str(REPO), "PYTHONUNBUFFERED": "1"}

    def start(self, *parts: str) -> None:
        """Start parts (default: all that are wanted) and wait until each does its work. Raises NotInTime."""
        asterisk_first = [part for part in self.PARTS if not part.startswith("recorder")]
        recorders = ["recorder", "recorder2"][: len(self.settings.recorder_names)]
        for part in parts or (*asterisk_first, *recorders):
            with (self.var / f"{part}.log").open("ab") as out:
                self.running[part] = subprocess.Popen(
                    [sys.executable, *self.PARTS[part]],
                    env=self.environment(),
                    cwd=REPO,
                    stdout=out,
                    stderr=out,
                    stdin=subprocess.DEVNULL,
                )
            if part == "pbx":
                until(self._asterisk_answers, 30, "Asterisk up")
        if {"cti", "desktop", "pbx"} <= self.running.keys():
            self.wait_until_linked()

    def kill(self, part: str, number: int = signal.SIGKILL) -> None:
        """Send a signal (default: kill -9) and wait for the end.

        kill -9 hits the process first and then what it has started, so that it can start nothing anew; of the
        PBX Asterisk itself is hit too, not only its wrapper.
        """
        process = self.running.pop(part)
        hit = self.processes(process.pid) if part == "pbx" or number == signal.SIGKILL else []
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        for each in hit[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(number)
        process.wait(15)
        psutil.wait_procs(hit[1:], timeout=5)

    def restart(self, part: str) -> None:
        """kill -9 and start again."""
        self.kill(part)
        self.start(part)

    @staticmethod
    def processes(pid: int) -> list[psutil.Process]:
        """A process with all that it has started; none when it is gone."""
        try:
            process = psutil.Process(pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def wait_until_linked(self, timeout: float = 45) -> None:
        """Until the desktop sees the floor. Raises NotInTime."""

        def linked() -> bool:
            with (
                contextlib.suppress(OSError, ValueError, http.client.HTTPException),
                urllib.request.urlopen(f"{self.address}/api/health", timeout=5) as answer,
            ):
                return bool(json.load(answer)["links"][self.settings.pbx_name]["connected"])
            return False

        until(linked, timeout, "cti linked to desktop and PBX")

    def _asterisk_answers(self) -> bool:
        try:
            return bool(self.ami("CoreStatus"))
        except (OSError, TimeoutError):
            return False

    def stop(self) -> None:
        """Stop everything and remove the folder."""
        self.send_home()
        for part in reversed(list(self.running)):
            self.kill(part, signal.SIGTERM if part != "pbx" else signal.SIGKILL)
        self.engine.dispose()
        shutil.rmtree(self.var, ignore_errors=True)

    # --- people ----------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.settings.web_port}"

    @property
    def sip(self) -> tuple[str, int]:
        return "127.0.0.1", self.settings.sip_port

    def phones(self, *seats: str, habit: Habit | None = None, **options: Any) -> PhoneBank:
        """Desk phones at the seats, registered."""
        bank = PhoneBank(
            seats, self.sip, lambda seat: seat_password(self.settings.seat_key, seat), habit=habit, **options
        )
        self.banks.append(bank)
        return bank

    def citizens(self, **options: Any) -> Citizens:
        """Citizens who can dial."""
        crowd = Citizens(self.sip, **options)
        self.crowds.append(crowd)
        return crowd

    def send_home(self) -> None:
        """End the calls and processes of all citizens and telephones."""
        for crowd in self.crowds:
            crowd.close()
        for bank in self.banks:
            bank.close()
        self.crowds.clear()
        self.banks.clear()

    # --- facts -----------------------------------------------------------------------------------

    def ami(self, action: str, **headers: Any) -> list[Message]:
        """What Asterisk itself says: the list of a listing action, else the one response."""

        async def ask() -> list[Message]:
            async with self._wire() as wire:
                if action in ("CoreShowChannels", "QueueStatus", "DeviceStateList"):
                    return await wire.listing(action, **headers)
                return [await wire.action(action, **headers)]

        return self._apart(ask())

    def many_ami(self, actions: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Actions one after the other over one log-in. Raises AmiError, TimeoutError."""

        async def tell() -> None:
            async with self._wire() as wire:
                for action, headers in actions:
                    await wire.action(action, **headers)

        self._apart(tell())

    @contextlib.asynccontextmanager
    async def _wire(self) -> AsyncIterator[Ami]:
        """An AMI link that is logged in."""
        up = asyncio.Event()

        async def on_up() -> None:
            up.set()

        wire = Ami(
            "127.0.0.1", self.settings.ami_port, "cti", self.settings.ami_password,
            on_event=lambda _: None, on_up=on_up, on_down=lambda: None,
        )  # fmt: skip
        running = asyncio.create_task(wire.run())
        try:
            await asyncio.wait_for(up.wait(), 10)
            yield wire
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    @staticmethod
    def _apart(work: Coroutine[Any, Any, Result]) -> Result:
        """In a thread of its own: whoever asks may be inside a loop already, as Playwright's callers are."""
        with ThreadPoolExecutor(1) as own:
            return own.submit(asyncio.run, work).result()

    def log(self, part: str) -> str:
        """What a part has printed."""
        path = self.var / f"{part}.log"
        return path.read_text(errors="replace") if path.exists() else ""


def pbx_tree() -> Path:
    """The PBX tree to start from: made by set-up, or named by HOTLINE_TEST_TREE."""
    named = os.environ.get("HOTLINE_TEST_TREE")
    return Path(named) if named else load().pbx_tree
