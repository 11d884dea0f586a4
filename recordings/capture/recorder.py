"""The recorder process: keeps one tcpdump capturing the trunk's RTP into its folder of the ring.

    python -m recordings.capture [a|b]

    tcpdump ─► ring/a/<run>/<second>.pcap          each half second: heartbeat, statistics, bounds
       │ dies: noted as an outage, started again after 0.2 s (doubled to 5 s)
       │ the clock is stepped: a new run, whose names cannot meet those of the old

It needs CAP_NET_RAW and nothing else, opens no socket of its own and knows no database. Two of them are two
independent captures of the same traffic; whoever cuts the calls merges them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil
import structlog

from hotline.settings import Settings, load
from recordings.capture import ring

log = structlog.get_logger("recorder")

SNAPLEN = 600
"""Bytes of a packet that are kept: all headers and 60 ms of G.711. What is shorter costs no more for it."""
KERNEL_BUFFER_KIB = 65536
"""64 MB between kernel and tcpdump: some 15 s of 150 calls, while disk or scheduler are busy."""
TICK_SECONDS = 0.5
STEP_SECONDS = 0.3
"""A difference between wall and monotonic clock beyond this is a step, not a correction."""
FIRST_DELAY, LAST_DELAY = 0.2, 5.0
STATISTICS_SECONDS = 2.0
LEAST_OUTAGE_US = 800_000
"""Starting takes some tenths of a second, and the first look at a new one comes half a second later."""
WRITTEN = re.compile(
    rb"(\d+) packets? captured[,\s]+(\d+) packets? received by filter[,\s]+(\d+) packets? dropped"
)
ENDING = frozenset({signal.SIGTERM, signal.SIGINT})


def filter_of(settings: Settings) -> str:
    """tcpdump's filter: UDP between the carrier's media addresses and our RTP ports."""
    nets = " or ".join(f"net {net}" for net in settings.trunk_media_nets)
    return f"udp and ({nets}) and portrange {settings.rtp_first}-{settings.rtp_last}"


def interface_of(settings: Settings) -> str:
    """Where the trunk's packets pass: as set, else the interface that has the PBX's address, else any."""
    if settings.recorder_interface:
        return settings.recorder_interface
    for name, addresses in psutil.net_if_addrs().items():
        if any(one.address == settings.sip_address for one in addresses):
            return name
    return "lo" if settings.sip_address.startswith("127.") else "any"


def command(settings: Settings, folder: Path) -> list[str]:
    """The tcpdump that writes into `folder`. As root it stays root: it could not open the next file else."""
    line = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    line += ["tcpdump", "-n", "-p", "-i", interface_of(settings)]
    # -U: each packet is in its file at once. (To have it flush by SIGUSR2 tears its output under load,
    # because the handler meets a write that is half done.)
    line += ["-U", "-s", str(SNAPLEN), "-B", str(KERNEL_BUFFER_KIB)]
    line += ["-G", str(ring.FILE_SECONDS), "-w", str(folder / "%s.pcap")]
    line += ["-Z", "root"] if os.geteuid() == 0 else []
    return [*line, filter_of(settings)]


@dataclass
class Clock:
    """The difference between wall and monotonic clock, by which a step is seen."""

    offset: float

    @staticmethod
    def now() -> float:
        """Seconds; what is left of the wall clock when steady time is taken away."""
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class Keeper:
    """Keeps one tcpdump alive and the folder within its bounds."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings, self.name = settings, name
        self.folder = settings.ring / name
        self.process: subprocess.Popen[bytes] | None = None
        self.clock = Clock(Clock.now())
        self.captured = self.dropped = 0
        self._before = (0, 0)
        """Captured and dropped by tcpdumps that have ended."""
        self._now = (0, 0)
        self._statistics_at = 0.0
        self._born = 0.0
        self._delay = FIRST_DELAY
        self._again_at = 0.0
        self._problem = ""
        self._place: Path | None = None
        """The run that tcpdump writes into."""
        self._said = b""
        self._listening = self._was_capturing = False
        self._alive_us = 0
        """When it was last seen capturing, before this look."""
        self._alive_steady_us = 0
        """The same by the clock that nobody sets: how long an outage was. 0: of another boot."""

    def open(self) -> None:
        """Makes the folder; whatever time has passed since the last life is an outage."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o770)
        self.settings.recorder_alive.mkdir(parents=True, exist_ok=True)
        before = ring.read_json(self.folder / "state.json")
        self._alive_us = int(before.get("alive_at", 0)) * 1000
        if before.get("boot") == _boot():
            self._alive_steady_us = int(before.get("steady_at", 0)) * 1000
        self._before = (int(before.get("captured", 0)), int(before.get("dropped", 0)))

    def tick(self) -> None:
        """One look: starts what is dead, counts, prunes, tells."""
        now = time.monotonic()
        if abs(Clock.now() - self.clock.offset) > STEP_SECONDS and self.process:
            log.warning("the clock was stepped", seconds=round(Clock.now() - self.clock.offset, 3))
            self.stop()
        if self.process and self.process.poll() is not None:
            self._ended(now)
        if self.process is None and now >= self._again_at:
            self._start(now)
        self._prune()
        if self.process:
            self._read_statistics()
            # Before it listens the signal would end it.
            if self._is_capturing() and now - self._statistics_at >= STATISTICS_SECONDS:
                self._statistics_at = now
                self._signal(signal.SIGUSR1)
        self._tell()

    def stop(self) -> None:
        """Ends tcpdump; it writes out what it has and its last statistics."""
        if self.process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._read_statistics()
        self._forget()

    # --- tcpdump ------------------------------------------------------------------------------------

    def _start(self, now: float) -> None:
        self.clock = Clock(Clock.now())
        run = max((int(one.name) for one in self.folder.iterdir() if one.name.isdigit()), default=0) + 1
        place = self._place = self.folder / f"{run:06d}"
        try:
            place.mkdir(mode=0o770)
            self.process = subprocess.Popen(
                command(self.settings, place),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            self._fail(f"tcpdump cannot be started: {error}", now)
            return
        assert self.process.stderr is not None
        os.set_blocking(self.process.stderr.fileno(), False)
        self._born, self._said, self._now, self._listening = now, b"", (0, 0), False
        self._statistics_at = now

    def _ended(self, now: float) -> None:
        assert self.process is not None
        self._read_statistics()
        lines = [line for line in self._said.decode(errors="replace").splitlines() if line.strip()]
        words = [line for line in lines if "listening on" not in line and "packets" not in line]
        code = self.process.returncode
        self._forget()
        self._fail(words[-1][:200] if words else f"tcpdump ended with {code}", now)

    def _fail(self, why: str, now: float) -> None:
        lived = now - self._born if self._born else 0.0
        self._delay = FIRST_DELAY if lived > 30 else min(self._delay * 2, LAST_DELAY)
        self._again_at = now + self._delay
        if why != self._problem:
            log.error("not recording", why=why)
        self._problem = why

    def _forget(self) -> None:
        self._before = (self._before[0] + self._now[0], self._before[1] + self._now[1])
        self._now = (0, 0)
        self.process = None

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self.process:
                self.process.send_signal(number)

    def _is_capturing(self) -> bool:
        return bool(self.process and self.process.poll() is None and self._listening)

    def _read_statistics(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        # A pipe that is empty raises, one that is closed gives nothing.
        with suppress(OSError):
            while chunk := os.read(self.process.stderr.fileno(), 65536):
                self._said = self._said[-4096:] + chunk
        self._listening = self._listening or b"listening on" in self._said
        found = WRITTEN.findall(self._said)
        if found:
            captured, _, dropped = map(int, found[-1])
            if dropped > self._now[1]:
                many = dropped - self._now[1]
                log.error("the kernel dropped packets", packets=many)
                at = _now_us()
                since = at - int((STATISTICS_SECONDS + TICK_SECONDS) * 1e6)
                ring.note_outage(self.folder, ring.Outage(since, at, "dropped", many))
            self._now = (captured, dropped)

    # --- folder -------------------------------------------------------------------------------------

    def _prune(self) -> None:
        settings = self.settings
        most = settings.ring_megabytes * 1_000_000 // settings.recorders
        removed = ring.prune(
            self.folder, most, settings.ring_free_megabytes * 1_000_000, lambda: free_bytes(self.folder)
        )
        if removed:
            log.error("the ring is full: the oldest is thrown away", files=len(removed))
            begin, end = removed[0].second, removed[-1].second + ring.FILE_SECONDS
            ring.note_outage(self.folder, ring.Outage(begin * 1_000_000, end * 1_000_000, "pruned"))
        for run in self.folder.iterdir():
            if run.name.isdigit() and run != self._place:
                with suppress(OSError):
                    run.rmdir()  # only where nothing is left in it

    def _tell(self) -> None:
        at, steady = _now_us(), _steady_us()
        flushed = self._alive_us
        if self._is_capturing():
            # Between two looks the wall clock may have been set by an hour: no hour without a recorder.
            was_away = steady - self._alive_steady_us if self._alive_steady_us else at - self._alive_us
            if not self._was_capturing and self._alive_us and was_away > LEAST_OUTAGE_US:
                ring.note_outage(self.folder, ring.Outage(at - was_away, at, "dead"))
            self._was_capturing, self._problem = True, ""
            self._alive_us, self._alive_steady_us = at, steady
            with suppress(OSError):
                (self.settings.recorder_alive / self.name).touch()
        else:
            self._was_capturing = False
        captured, dropped = (a + b for a, b in zip(self._before, self._now, strict=True))
        with suppress(OSError):
            ring.write_json(
                self.folder / "state.json",
                {
                    "pid": os.getpid(),
                    "alive_at": self._alive_us // 1000,
                    "steady_at": self._alive_steady_us // 1000,
                    "boot": _boot(),
                    "flushed_at": flushed // 1000,
                    "captured": captured,
                    "dropped": dropped,
                    "problem": self._problem,
                },
            )


def free_bytes(folder: Path) -> int:
    """Room on the folder's disk; a disk that cannot be asked counts as having some."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return sys.maxsize


@cache
def _boot() -> str:
    """Which start of the machine this is; '' where nobody says."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _now_us() -> int:
    return time.time_ns() // 1000


def _steady_us() -> int:
    """Since the machine was started; nobody sets it."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def main() -> None:
    """Record until SIGTERM or SIGINT."""
    structlog.configure(processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
    ])  # fmt: skip
    try:
        settings = load()
    except PermissionError:
        # A user of its own may not read the secrets in hotline.env: the environment says all that is needed.
        settings = Settings(var=Path(os.environ["HOTLINE_VAR"]))  # type: ignore[call-arg]
    name = sys.argv[1] if len(sys.argv) > 1 else "a"
    if name not in ("a", "b"):
        sys.exit("recorders are called a and b")
    # The worker, of the same group, turns captures into segments and throws them away.
    os.umask(0o007)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    keeper = Keeper(settings, name)
    keeper.open()
    log.info("recorder started", name=name, ring=str(keeper.folder), filter=filter_of(settings))
    while signal.sigtimedwait(ENDING, TICK_SECONDS) is None:
        keeper.tick()
    keeper.stop()
    log.info("recorder stopped", captured=keeper._before[0], dropped=keeper._before[1])


if __name__ == "__main__":
    main()
