"""One SIPp process that plays many telephones: started, told, watched and ended here.

SIPp runs a scenario of hotline/phones/sipp/ as a server. Orders go to it as SIP requests with methods of our
own (DIAL, ANSWER, KEY1, HANGUP...) on its UDP port; the Call-ID joins them to a call. What happens comes back
as the lines of its <log> actions through a pipe, one event a line: `NAME call-id rest`. Nothing is polled.

    our thread ──UDP: DIAL, ANSWER, HANGUP──► SIPp ◄──SIP, RTP──► PBX
        ▲                                       │
        └────────pipe: RINGING, ANSWERED────────┘
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from hotline.phones import alaw
from hotline.phones.errors import NobodyListens, SippDied, SippMissing

SCENARIOS = Path(__file__).parent / "sipp"
SIP_PORTS = range(20100, 24000)
MEDIA_PORTS = range(24000, 31990, 4)
"""SIPp 3.6.1 has one socket for the audio of all its calls, at `-mp`, and one for video at `-mp` + 2."""
CONTROL_PORTS = range(16000, 18000)
LEASH = '{ "$@"; kill -KILL 0; } & read -r _; rm -rf "$PWD"; kill -KILL 0'
"""SIPp's own -timeout waits for calls to end. So a shell holds SIPp: when our end of its standard input
closes, even by kill -9, the folder goes and the group dies; when SIPp ends by itself, so does the shell."""
STARTS = 5
"""Another process may take a port between our look and SIPp's; then SIPp ends and is started again."""
EAR_PORTS = range(18000, 20000, 2)


@dataclass(frozen=True)
class Event:
    """One line of the scenario's log: `at` is time.monotonic() in seconds when it was read."""

    name: str
    call_id: str
    rest: str
    at: float


def read_event(line: str, at: float) -> Event | None:
    """The event in a log line, or None when the line is not one (`NAME call-id [rest]`)."""
    match = re.fullmatch(r"([A-Z]+) (\S+)(?: (.*))?", line.strip("\r\n"))
    return Event(match[1], match[2], match[3] or "", at) if match else None


def read_failure(line: str, at: float) -> Event | None:
    """The event LOST in a line of SIPp's error log, when SIPp gave up a call; else None.

    SIPp gives up when the PBX does not answer its retransmissions or does something the scenario
    cannot follow.
    """
    match = re.search(r"Call-I[dD]:? ?'?([^\s',]+)", line)
    if match is None or "bort" not in line:
        return None
    return Event("LOST", match[1], line.split(": ", 1)[-1].strip(), at)


def order(method: str, call_id: str, sender: tuple[str, int], headers: Mapping[str, str]) -> bytes:
    """The SIP request that carries an order to SIPp.

    Raises ValueError when a header would break out of its line.
    """
    for name, value in headers.items():
        if any(ch in value for ch in "\r\n\0"):
            raise ValueError(f"{name} holds a line break")
    host, port = sender
    token = uuid.uuid4().hex[:16]
    lines = [
        f"{method} sip:phone@{host} SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{token}",
        f"From: <sip:controller@{host}>;tag={token}",
        f"To: <sip:phone@{host}>",
        f"Call-ID: {call_id}",
        f"CSeq: 1 {method}",
        # No space after the colon: SIPp's ereg would keep it.
        *(f"{name}:{value}" for name, value in headers.items()),
        "Content-Length: 0",
        "",
        "",
    ]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def find_sipp() -> str:
    """Path of SIPp. Raises SippMissing."""
    found = shutil.which("sipp")
    if found is None:
        raise SippMissing("SIPp is not installed: apt-get install sip-tester")
    return found


def bound_socket(address: str, ports: range) -> socket.socket:
    """A UDP socket bound to a free port of the range. Raises OSError when none is free."""
    for port in random.sample(ports, len(ports)):
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            bound.bind((address, port))
        except OSError:
            bound.close()
        else:
            return bound
    raise OSError(f"no free UDP port in {ports.start}-{ports.stop} on {address}")


def free_port(address: str, ports: range) -> int:
    """A UDP port of the range that is free now, in random order so that processes started together differ.

    Raises OSError when none is free.
    """
    with bound_socket(address, ports) as found:
        port: int = found.getsockname()[1]
    return port


def somebody_listens(address: str, port: int, own: str = "127.0.0.1", seconds: float = 2.0) -> bool:
    """Whether a SIP server answers OPTIONS there (any status), or at least does not refuse the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(seconds)
        probe.bind((own, 0))
        probe.connect((address, port))
        try:
            probe.send(order("OPTIONS", uuid.uuid4().hex, probe.getsockname(), {"Max-Forwards": "70"}))
            probe.recv(4096)
        except ConnectionRefusedError:
            return False
        except TimeoutError:
            # Asterisk ignores strangers (an unidentified trunk): silence is not a closed port.
            return True
    return True


def require_listener(address: str, port: int, own: str = "127.0.0.1") -> None:
    """Raises NobodyListens when the PBX's SIP port is closed."""
    if not somebody_listens(address, port, own):
        raise NobodyListens(
            f"nothing listens at {address}:{port} (SIP over UDP): start the hotline with `make run`"
        )


class Sipp:
    """One running SIPp; `on_event` is called in the reading thread for each event, in order.

    `life` bounds the process in seconds, whatever happens to us. `speech` is what SPEAK plays: alaw bytes.
    With HOTLINE_SIPP_TRACE set to a folder, every SIP message is written there (for looking into a fault).
    Events of our own: LOST (SIPp gave up a call), DIED (the process ended; call id "-").
    """

    def __init__(
        self,
        scenario: str,
        *,
        own_address: str,
        pbx: tuple[str, int],
        on_event: Callable[[Event], None],
        speech: bytes | None = None,
        life: int = 3600,
        port: int | None = None,
    ) -> None:
        program = find_sipp()
        self._on_event = on_event
        self._closing = False
        self._errors: list[str] = []
        self._folder = Path(tempfile.mkdtemp(prefix="hotline-sipp-"))
        self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            alaw.write_sounds(self._folder, speech)
            self._control.bind((own_address, 0))
            for start in range(1, STARTS + 1):
                self.address = (own_address, port or free_port(own_address, SIP_PORTS))
                try:
                    self._start(program, scenario, pbx, life)
                    break
                except SippDied:
                    if start == STARTS:
                        raise
        except BaseException:
            self._control.close()
            self._clear_up()
            raise

    def _start(self, program: str, scenario: str, pbx: tuple[str, int], life: int) -> None:
        log_out, log_in = os.pipe()
        err_out, err_in = os.pipe()
        own, port = self.address
        remote = f"{pbx[0]}:{pbx[1]}"
        arguments = [
            "/bin/sh", "-c", LEASH, "sh",
            program, remote, "-sf", str(SCENARIOS / scenario),
            "-i", own, "-p", str(port), "-bind_local",
            "-mi", own, "-mp", str(free_port("0.0.0.0", MEDIA_PORTS)),
            "-ci", "127.0.0.1", "-cp", str(free_port("127.0.0.1", CONTROL_PORTS)),
            "-trace_logs", "-log_file", f"/dev/fd/{log_in}",
            "-trace_err", "-error_file", f"/dev/fd/{err_in}",
            "-default_behaviors", "all,-abortunexp", "-nostdin", "-skip_rlimit",
            "-timeout", f"{life}s", "-deadcall_wait", "4000",
        ]  # fmt: skip
        trace = os.environ.get("HOTLINE_SIPP_TRACE")
        if trace:
            arguments += ["-trace_msg", "-message_file", f"{trace}/sipp-{port}.log"]
        try:
            self._process = subprocess.Popen(
                arguments,
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=err_in,
                pass_fds=(log_in, err_in),
                start_new_session=True,
                env={**os.environ, "TERM": "dumb"},
            )
        finally:
            os.close(log_in)
            os.close(err_in)
        self._readers = [
            threading.Thread(target=self._read, args=(log_out, read_event, True), daemon=True),
            threading.Thread(target=self._read, args=(err_out, read_failure, False), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self._await_answer()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def cpu_seconds(self) -> float:
        """CPU time used by the process so far, user and system together; 0.0 when it is gone."""
        try:
            for part in psutil.Process(self._process.pid).children(recursive=True):
                if part.name() == "sipp":
                    times = part.cpu_times()
                    return float(times.user + times.system)
        except psutil.Error:
            pass
        return 0.0

    def tell(self, method: str, call_id: str, headers: Mapping[str, str] | None = None) -> None:
        """Send an order to a call. Raises SippDied when the process is gone."""
        if not self.running or self._closing:
            raise SippDied("the SIPp process has ended")
        self._control.sendto(order(method, call_id, self._control.getsockname(), headers or {}), self.address)

    def _await_answer(self) -> None:
        """Return when SIPp answers an OPTIONS of ours: then its ports are bound and its scenario is read."""
        until = time.monotonic() + 10
        self._control.settimeout(0.03)
        while True:
            asked = order("OPTIONS", uuid.uuid4().hex, self._control.getsockname(), {})
            with contextlib.suppress(OSError):
                self._control.sendto(asked, self.address)
                if self._control.recv(4096).startswith(b"SIP/2.0 200"):
                    return
            if not self.running:
                for reader in self._readers:
                    reader.join(2)
                reason = " ".join(self._errors) or "no reason given"
                raise SippDied(f"SIPp ended at once: {reason}")
            if time.monotonic() > until:
                self._end_process()
                raise SippDied("SIPp did not answer within 10 s of its start")

    def _read(self, descriptor: int, parse: Callable[[str, float], Event | None], tell_end: bool) -> None:
        with os.fdopen(descriptor, encoding="utf-8", errors="surrogateescape", newline="\n") as pipe:
            for line in pipe:
                event = parse(line, time.monotonic())
                if not tell_end and len(self._errors) < 20 and line.strip() not in self._errors:
                    self._errors.append(line.strip())
                if event is not None:
                    self._on_event(event)
        if tell_end:
            self._on_event(Event("DIED", "-", "closed" if self._closing else "", time.monotonic()))

    def kill(self) -> None:
        """End the process at once, as a pulled plug would: nothing is said to the PBX."""
        self._closing = True
        self._end_process()
        for reader in self._readers:
            if reader is not threading.current_thread():
                reader.join(5)
        self._control.close()
        self._clear_up()

    def _end_process(self) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def close(self) -> None:
        """End the process; repeated calls do nothing. Calls must have been ended by orders before."""
        if self._closing:
            return
        self.kill()

    def _clear_up(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Sipp:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
