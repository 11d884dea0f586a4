"""SIPp processes that follow a plan by themselves: no Python runs while they call.

    draw.py ──CSV──► SIPp (scenario of hotline/load/sipp/) ──SIP, RTP──► PBX
                       └──log: one line an event──► read when it has ended (records.py)

Our own end is only a leash: when it goes, by kill -9 too, the process and its folder go with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from hotline.load import records
from hotline.load.draw import MADE_A_SECOND
from hotline.phones import alaw
from hotline.phones.digest import authorization
from hotline.phones.errors import NotRegistered, SippDied
from hotline.phones.sipp_process import (
    CONTROL_PORTS,
    LEASH,
    MEDIA_PORTS,
    SIP_PORTS,
    find_sipp,
    free_port,
    order,
)

SCENARIOS = Path(__file__).parent / "sipp"
STEADY = ("nice", "-n", "-8") if os.geteuid() == 0 else ()
"""The load comes from outside in truth: it keeps its 20 ms also where the machine is full, if it may."""
REGISTER_AGAIN = 240.0
CITIZEN_HERTZ, SEAT_HERTZ = 440.0, 760.0
"""What both sides say without a pause. 20 ms are no whole periods of either: a missing packet shows."""


def csv(lines: Iterable[Sequence[object]]) -> str:
    """An injection file of SIPp, read in order and from the beginning again."""
    return "SEQUENTIAL\n" + "".join(";".join(map(str, line)) + "\n" for line in lines)


class Sipps:
    """One SIPp with a scenario of this folder; `lines` are its injection file.

    `calls` 0: it waits for calls until it is closed. Raises SippMissing, SippDied (it ended within its first
    quarter of a second).
    """

    def __init__(
        self,
        scenario: str,
        lines: Iterable[Sequence[object]],
        *,
        own_address: str,
        pbx: tuple[str, int],
        calls: int = 0,
        port: int = 0,
        hertz: float = CITIZEN_HERTZ,
        rate: int = MADE_A_SECOND,
        echo: bool = False,
        tasks: int = 0,
        keys: dict[str, str] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hotline-load-"))
        self.scenario, self.hertz, self.calls = scenario, hertz, calls
        self.address = (own_address, port or free_port(own_address, SIP_PORTS))
        self.media_port = free_port("0.0.0.0", MEDIA_PORTS)
        alaw.write_sounds(self.folder, alaw.tone(hertz, 1.0))
        (self.folder / "lines.csv").write_text(csv(lines))
        self._used = 0.0
        program = find_sipp()
        arguments = [
            "/bin/sh", "-c", LEASH, "sh", *STEADY,
            program, f"{pbx[0]}:{pbx[1]}", "-sf", str(SCENARIOS / scenario), "-inf", "lines.csv",
            "-i", own_address, "-p", str(self.address[1]), "-bind_local",
            "-mi", own_address, "-mp", str(self.media_port),
            "-ci", "127.0.0.1", "-cp", str(free_port("127.0.0.1", CONTROL_PORTS)),
            "-trace_logs", "-log_file", str(self.log),
            "-trace_err", "-error_file", str(self.folder / "errors"),
            "-default_behaviors", "all,-abortunexp", "-nostdin", "-skip_rlimit", "-deadcall_wait", "4000",
            "-fd", "600",
        ]  # fmt: skip
        if calls:
            arguments += ["-m", str(calls), "-r", str(rate), "-l", str(calls)]
        trace = os.environ.get("HOTLINE_SIPP_TRACE")
        if trace:
            arguments += ["-trace_msg", "-message_file", f"{trace}/load-{self.address[1]}.log"]
        if echo:
            arguments.append("-rtp_echo")
        if tasks:
            arguments += ["-rtp_threadtasks", str(tasks)]
        for name, value in (keys or {}).items():
            arguments += ["-key", name, value]
        with (self.folder / "said").open("wb") as said:
            self._process = subprocess.Popen(
                arguments,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
                env={**os.environ, "TERM": "dumb"},
            )
        if not calls:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.25)
                raise SippDied(f"{scenario}: SIPp ended at once: {self.last_words()}")

    @property
    def log(self) -> Path:
        """Where its scenario's log lines are."""
        return self.folder / "log"

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def events(self) -> list[records.Event]:
        """What has happened so far, in order."""
        if not self.log.exists():
            return []
        return records.read(self.log.read_text(errors="replace"))

    def last_words(self) -> str:
        """What SIPp has complained of, shortened."""
        for name in ("errors", "said"):
            path = self.folder / name
            if path.exists() and (text := path.read_text(errors="replace").strip()):
                return " ".join(text.split())[:900]
        return "no reason given"

    @property
    def cpu_seconds(self) -> float:
        """CPU time used so far; the last known value when it has ended."""
        with contextlib.suppress(psutil.Error):
            for part in psutil.Process(self._process.pid).children(recursive=True):
                if part.name() == "sipp":
                    times = part.cpu_times()
                    self._used = float(times.user + times.system)
        return self._used

    def wait(self, timeout: float) -> bool:
        """Whether it has ended by itself within so many seconds."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> None:
        """End it, whatever it does, and remove its folder."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Registrations:
    """Keeps seats registered at one SIPp of telephones until it is closed. `seats` are (number, password).

    The REGISTER must leave the telephones' own port: the PBX calls a seat where its registration came from.
    Raises NotRegistered for those that were not taken in time.
    """

    AT_ONCE = 20

    def __init__(self, seats: Sequence[tuple[str, str]], phones: Sipps, pbx: tuple[str, int]) -> None:
        self._words, self._phones, self._pbx = dict(seats), phones, pbx
        self._stop = threading.Event()
        self._round = 0
        self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._control.bind((phones.address[0], 0))
        missing = self._register()
        if missing:
            self._control.close()
            raise NotRegistered(f"{len(missing)} of {len(seats)} seats were not registered: {missing[:5]}")
        self._thread = threading.Thread(target=self._again, daemon=True)
        self._thread.start()

    def _register(self) -> list[str]:
        """Register all; the seats that failed."""
        self._round += 1
        waiting, asked = list(reversed(self._words)), set[str]()
        open_until = {}
        tail = _Tail(self._phones.log)
        while (waiting or asked) and not self._stop.is_set():
            while waiting and len(asked) < self.AT_ONCE:
                seat = waiting.pop()
                asked.add(seat)
                open_until[seat] = time.monotonic() + 20
                headers = {"X-Seat": seat}
                self._tell("PLUG", f"plug-{self._round}-{seat}", headers)
            for event in tail.read():
                seat, _, challenge = event.who.partition(" ")
                if event.name == "CHALLENGED" and seat in asked:
                    line = authorization(
                        challenge, seat, self._words[seat], "REGISTER", f"sip:{self._pbx[0]}:{self._pbx[1]}"
                    )
                    self._tell("AUTHORIZE", event.call_id, {"X-Authorization": line})
                elif event.name == "REGISTERED":
                    asked.discard(seat)
            late = [seat for seat in asked if open_until[seat] < time.monotonic()]
            if late:
                return [*late, *waiting]
            self._stop.wait(0.01)
        return []

    def _tell(self, method: str, call_id: str, headers: dict[str, str]) -> None:
        # SIPp answers to whom it was told by; the scenario turns to the PBX by its own remote address.
        self._control.sendto(
            order(method, call_id, self._control.getsockname(), headers), self._phones.address
        )

    def _again(self) -> None:
        while not self._stop.wait(REGISTER_AGAIN):
            self._register()

    def close(self) -> None:
        """Stop registering; what is registered runs out."""
        self._stop.set()
        self._thread.join(10)
        self._control.close()


class _Tail:
    """The events that a growing log has since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = path.stat().st_size if path.exists() else 0

    def read(self) -> list[records.Event]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._place)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._place += len(whole)
        return records.read(whole.decode(errors="replace"))
