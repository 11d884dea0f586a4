"""N bridged queue calls on a bare Asterisk: `asterisk_conf/` as shipped, no Python part running.

    SIPp citizens (127.0.0.2) ──RTP──► Asterisk ◄──RTP── SIPp seats (127.0.0.1)
                                          ▲
                       AMI: members are added, a recorder is begun or ended in mid-call

Two things differ from an installation: the menu sends everybody to the queue at once, and a manager user
`bench` may do what the cti may not (MixMonitor, Command). What a variant changes is an `Edit` of a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil

from cti.ami import Ami, Message
from hotline import pbx
from hotline.phones import alaw
from hotline.phones.sipp_process import find_sipp
from hotline.private_line import free_port, until
from hotline.settings import Settings

SCENARIOS = Path(__file__).parent / "sipp"
QUEUE = "consultation"
CITIZENS, SEATS = "127.0.0.2", "127.0.0.1"
STRAIGHT_TO_THE_QUEUE = f"[menu-entry]\nexten => s,1,Goto(to-person,{QUEUE},1)\n"
BENCH_USER = (
    "[bench]\nsecret = bench\ndeny = 0.0.0.0/0.0.0.0\npermit = 127.0.0.1/255.255.255.255\nread = system\n"
)
BENCH_USER += "write = all\nwritetimeout = 5000\neventfilter(action(include),name(FullyBooted)) =\n"
Answer = TypeVar("Answer")


class EditMissed(Exception):
    """A variant wanted to change a line that is not in the shipped file."""


class NotInstalled(Exception):
    """A variant needs a package that this machine has not; the text names its library."""


class CallsFailed(Exception):
    """Not all calls came to a talk; the text says how many did."""


@dataclass(frozen=True)
class Edit:
    """A change of one laid-out file: `pattern` (multi-line regex) becomes `text`; without one it is added."""

    file: str
    text: str
    pattern: str = ""

    def apply(self, content: str) -> str:
        """The file's new content. Raises EditMissed when the pattern is not there."""
        if not self.pattern:
            return f"{content.rstrip()}\n{self.text}\n"
        changed, times = re.subn(self.pattern, self.text, content, flags=re.MULTILINE)
        if not times:
            raise EditMissed(f"{self.file}: {self.pattern!r} is not in it")
        return changed


@dataclass(frozen=True)
class Usage:
    """What a process has used since its start: seconds, counts; `threads` is seconds by thread id."""

    at: float
    user: float
    system: float
    switches: int
    threads: Mapping[int, float]
    bytes_written: int


@dataclass(frozen=True)
class Window:
    """A stretch of steady talk. `cores`: CPU seconds a second, as scheduled; `switches` a second."""

    seconds: float
    cores: float
    user: float
    system: float
    switches: float
    megabytes: float
    threads: int
    kilobytes_written: float
    by_thread: Mapping[str, float]


def look(process: psutil.Process) -> Usage:
    """Read /proc of a running process."""
    task = Path(f"/proc/{process.pid}/task")
    threads: dict[int, float] = {}
    switches = 0
    for each in task.iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            threads[int(each.name)] = int((each / "schedstat").read_text().split()[0]) / 1e9
            found = re.findall(r"ctxt_switches:\s+(\d+)", (each / "status").read_text())
            switches += sum(map(int, found))
    times = process.cpu_times()
    written = int(re.findall(r"^wchar: (\d+)", Path(f"/proc/{process.pid}/io").read_text(), re.MULTILINE)[0])
    return Usage(time.monotonic(), times.user, times.system, switches, threads, written)


def between(before: Usage, after: Usage, names: Mapping[int, str], megabytes: float, threads: int) -> Window:
    """What was used from one look to the next; threads of one name are added up, below 0.1 % left out."""
    seconds = after.at - before.at
    by_name: dict[str, float] = defaultdict(float)
    for number, used in after.threads.items():
        by_name[names.get(number, "other")] += (used - before.threads.get(number, 0.0)) / seconds
    return Window(
        seconds=round(seconds, 2),
        cores=round(sum(by_name.values()), 4),
        user=round((after.user - before.user) / seconds, 4),
        system=round((after.system - before.system) / seconds, 4),
        switches=round((after.switches - before.switches) / seconds),
        megabytes=round(megabytes, 1),
        threads=threads,
        kilobytes_written=round((after.bytes_written - before.bytes_written) / seconds / 1000, 1),
        by_thread={name: round(used, 4) for name, used in sorted(by_name.items()) if used >= 0.001},
    )


def thread_names(said: str) -> dict[int, str]:
    """Thread id -> function that it runs, from `core show threads`."""
    return {int(lwp): name for lwp, name in re.findall(r"^\S+ (\d+) (\w+) +started at", said, re.MULTILINE)}


class BarePbx:
    """Asterisk with calls up. `options` stand behind its command line."""

    def __init__(
        self,
        tree: Path,
        calls: int,
        edits: Iterable[Edit] = (),
        *,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        folder: str | None = None,
        echo: bool = False,
        place: int = 0,
    ) -> None:
        """`folder` holds the installation's own; with `echo` the seats send back what they get.

        Lines that stand abreast have a `place` each, for their RTP ports.
        """
        self.calls = calls
        self.var = Path(tempfile.mkdtemp(prefix="hl-cost-", dir=folder))
        (self.var / "pbx-tree").symlink_to(tree)
        own: dict[str, Any] = {
            "var": self.var,
            "rtp_first": 10_000 + 400 * place,
            "rtp_last": 10_098 + 400 * place + max(300, 4 * calls),
            "seats": calls,
            "recorder": "mixmonitor",
            **{f"{name}_port": free_port() for name in ("sip", "pbx_http", "ami", "trunk")},
            **{name: "a" * 24 for name in ("ami_password", "ari_password", "seat_key")},
        }
        self.settings = Settings(**own)
        self._running: list[subprocess.Popen[bytes]] = []
        self._options = list(options)
        self._environment = {**os.environ, "TZ": "Asia/Shanghai", **(environment or {})}
        if preload := self._environment.get("LD_PRELOAD"):
            self._environment["LD_PRELOAD"] = str(shutil.copy(_library(preload), self.var))
        self._seat_port = free_port()
        self._echo = echo
        etc = pbx.render(self.settings)
        (etc / "generated" / "menu.conf").write_text(STRAIGHT_TO_THE_QUEUE)
        contacts = Edit("site/pjsip-seats.conf", rf"\g<0>contact = sip:\1@{SEATS}:{self._seat_port}\n",
                        r"^\[(\d+)\]\(seat-aor\)\n")  # fmt: skip
        for edit in (contacts, Edit("site/manager-users.conf", BENCH_USER), *edits):
            path = etc / edit.file
            path.write_text(edit.apply(path.read_text() if path.exists() else ""))

    def start(self) -> BarePbx:
        """Start Asterisk and the telephones. Raises NotInTime."""
        self._sipp("seat-answers-and-talks", SEATS, "-p", str(self._seat_port))
        line = [*pbx.command(self.settings), *self._options]
        self._spawn(line, "pbx.log", env=self._environment)
        until(self._answers, 30, "Asterisk up")
        found = until(self._find, 5, "Asterisk's process")
        self.process: psutil.Process = found
        return self

    def _find(self) -> psutil.Process | None:
        first = psutil.Process(self._running[1].pid)
        return next((p for p in (first, *first.children(recursive=True)) if p.name() == "asterisk"), None)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, TimeoutError):
            return bool(self.ask(lambda wire: wire.action("CoreStatus")))
        return False

    def _spawn(self, line: list[str], log: str, **options: Any) -> None:
        with (self.var / log).open("wb") as out:
            self._running.append(
                subprocess.Popen(line, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **options)
            )

    def _sipp(self, scenario: str, own: str, *arguments: str) -> None:
        folder = self.var / scenario
        folder.mkdir()
        alaw.write_sounds(folder, None)
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        if self._echo and own == SEATS:
            text = re.sub(r"<nop>.*rtp_stream=.*</nop>", "", text)
            text = text.replace("[rtpstream_audio_port]", "[media_port]")
            arguments = (*arguments, "-rtp_echo")
        (folder / "scenario.xml").write_text(text)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((own, 0))
            media = 30_000 + probe.getsockname()[1] % 5_000 * 4
        line = [
            find_sipp(), f"127.0.0.1:{self.settings.sip_port}", "-sf", "scenario.xml",
            "-i", own, "-bind_local", "-mi", own, "-mp", str(media), "-nostdin", "-skip_rlimit",
            "-trace_err", "-error_file", "errors.log", "-default_behaviors", "all,-abortunexp", "-aa",
            *arguments,
        ]  # fmt: skip
        self._spawn(line, f"{scenario}.log", cwd=folder, env={**os.environ, "TERM": "dumb"})

    def talk(self, rate: float = 20.0) -> float:
        """Bring all calls to a talk, `rate` a second; returns CPU seconds of Asterisk for one set-up.

        What the calls cost while they stand (prompts, music, talk) is in it too. Raises CallsFailed.
        """
        self._seats_sign_in()
        before = sum(self.process.cpu_times()[:2])
        self._citizens_call(rate)
        end = time.monotonic() + self.calls / rate + 25
        while (up := self.bridged()) < self.calls:
            if time.monotonic() > end:
                raise CallsFailed(f"{up} of {self.calls} calls came to a talk\n{self.log()}")
            time.sleep(0.3)
        return (sum(self.process.cpu_times()[:2]) - before) / self.calls

    def wait_in_queue(self, rate: float = 20.0) -> None:
        """Bring all calls into the queue, where every seat is paused. Raises NotInTime."""
        self._seats_sign_in()

        async def pause(wire: Ami) -> None:
            for seat in self.settings.seat_numbers:
                await wire.action("QueuePause", Queue=QUEUE, Interface=f"PJSIP/{seat}", Paused="true")

        self.ask(pause)
        self._citizens_call(rate)
        until(self._all_wait, self.calls / rate + 25, "all in the queue")

    def _all_wait(self) -> bool:
        said = self.ask(lambda wire: wire.listing("QueueStatus"))
        return sum(message.get("Event") == "QueueEntry" for message in said) == self.calls

    def _seats_sign_in(self) -> None:
        self.ask(self._sign_in)
        until(self._all_ready, 15, "seats reachable")

    def _citizens_call(self, rate: float) -> None:
        self._sipp(
            "citizen-talks-until-the-end", CITIZENS, "-p", str(free_port()),
            "-r", str(rate), "-m", str(self.calls), "-l", str(self.calls),
        )  # fmt: skip

    async def _sign_in(self, wire: Ami) -> None:
        await asyncio.gather(
            *(
                wire.action("QueueAdd", Queue=QUEUE, Interface=f"PJSIP/{seat}")
                for seat in self.settings.seat_numbers
            )
        )

    def _all_ready(self) -> bool:
        members = [
            m for m in self.ask(lambda wire: wire.listing("QueueStatus")) if m.get("Event") == "QueueMember"
        ]
        return len(members) == self.calls and all(member["Status"] == "1" for member in members)

    def bridged(self) -> int:
        """Calls in which two channels are up at this moment."""
        said = self.cli("bridge show all")
        return len(re.findall(r"^\S{36} .* 2 basic ", said, re.MULTILINE))

    def channels(self) -> list[Message]:
        """All channels, as CoreShowChannels tells them."""
        return self.ask(lambda wire: wire.listing("CoreShowChannels"))

    def cli(self, words: str) -> str:
        """What the console prints."""
        said = self.ask(lambda wire: wire.action("Command", Command=words))
        return said.get("Output", "")

    def log(self) -> str:
        """What Asterisk and SIPp have complained of last."""
        paths = [*self.var.glob("*.log"), *self.var.glob("*/errors.log")]
        return "\n".join(f"{p.name}: {p.read_text(errors='replace')[-600:]}" for p in paths)

    def ask(self, what: Callable[[Ami], Awaitable[Answer]]) -> Answer:
        """Log in as `bench`, await `what(wire)`, log out."""

        async def run() -> Answer:
            up = asyncio.Event()

            async def on_up() -> None:
                up.set()

            wire = Ami("127.0.0.1", self.settings.ami_port, "bench", "bench",
                       on_event=lambda _: None, on_up=on_up, on_down=lambda: None)  # fmt: skip
            running = asyncio.create_task(wire.run())
            try:
                await asyncio.wait_for(up.wait(), 5)
                return await what(wire)
            finally:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running

        return _apart(run())

    def begin(self) -> tuple[Usage, dict[int, str]]:
        """The first look of a window, for `end`."""
        names = thread_names(self.cli("core show threads"))
        return look(self.process), names

    def end(self, begun: tuple[Usage, dict[int, str]]) -> Window:
        """What Asterisk has used since `begin`."""
        before, names = begun
        after = look(self.process)
        return between(before, after, names, self.process.memory_info().rss / 1e6, len(after.threads))

    def __enter__(self) -> BarePbx:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything that was started here and remove the folder."""
        for one in reversed(self._running):
            family = []
            with contextlib.suppress(psutil.NoSuchProcess):
                family = psutil.Process(one.pid).children(recursive=True)
            with contextlib.suppress(ProcessLookupError):
                one.send_signal(signal.SIGKILL)
            for child in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            one.wait(10)
        self._running.clear()
        shutil.rmtree(self.var, ignore_errors=True)


def _library(name: str) -> Path:
    """A shared library of this machine. Raises NotInstalled."""
    for folder in (Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/lib/aarch64-linux-gnu"), Path("/usr/lib64")):
        if (folder / name).exists():
            return (folder / name).resolve()
    raise NotInstalled(name)


def _apart(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run it in a thread of its own: whoever asks may be inside a loop already."""
    with ThreadPoolExecutor(1) as own:
        return own.submit(asyncio.run, work).result()
