"""The recorder process: keeps one tcpdump capturing the trunk's RTP into its folder of the ring.

    python -m recordings.capture [a|b]

    tcpdump ─► ring/a/<run>/<second>.pcap          each half second: heartbeat, statistics, bounds
       │ dies: noted as an outage, started again after 0.2 s (doubled to 5 s)
       │ the clock is set: noted, and a new run, whose names cannot meet those of the old

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
from pathlib import Path

import psutil
import structlog

from hotline.settings import Settings, load
from recordings.capture import ring
from recordings.capture.set_clock import Step

log = structlog.get_logger("recorder")

SNAPLEN = 600
"""Bytes of a packet that are kept: all headers and 60 ms of G.711. What is shorter costs no more for it."""
KERNEL_BUFFER_KIB = 65536
"""64 MB between kernel and tcpdump: some 15 s of 150 calls, while disk or scheduler are busy."""
TICK_SECONDS = 0.5
STEP_US = 300_000
"""What the wall clock gains or loses between two looks beyond this is a step, not a correction."""
ENDS_WITHIN = 2.0
NEW_WITHIN = 5.0
"""Seconds in which a tcpdump ends when it is told to, and in which a new one hears."""
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


class Capture:
    """One tcpdump, from its start to its last word."""

    def __init__(self, settings: Settings, place: Path) -> None:
        """Starts it. Raises OSError."""
        self.place = place
        self.born = time.monotonic()
        self.captured = self.dropped = 0
        self.listening = False
        self._said = b""
        self._asked_at = self.born
        self._told_to_end_at = 0.0
        place.mkdir(mode=0o770)
        self.process = subprocess.Popen(
            command(settings, place),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            # The recorder blocks them to wait for them; with that mask tcpdump could not be ended, and would
            # outlive a recorder that is killed.
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING),
        )
        assert self.process.stderr is not None
        os.set_blocking(self.process.stderr.fileno(), False)

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    @property
    def is_capturing(self) -> bool:
        return self.listening and not self.is_over

    def read(self) -> int:
        """Reads its statistics; gives how many packets the kernel has dropped since the last look."""
        assert self.process.stderr is not None
        # A pipe that is empty raises, one that is closed gives nothing.
        with suppress(OSError):
            while chunk := os.read(self.process.stderr.fileno(), 65536):
                self._said = self._said[-4096:] + chunk
        self.listening = self.listening or b"listening on" in self._said
        found = WRITTEN.findall(self._said)
        before = self.dropped
        if found:
            self.captured, _, self.dropped = map(int, found[-1])
        return max(0, self.dropped - before)

    def ask(self, now: float) -> None:
        """For statistics, now and then; before it listens the signal would end it."""
        if self.is_capturing and now - self._asked_at >= STATISTICS_SECONDS:
            self._asked_at = now
            self._signal(signal.SIGUSR1)

    def end(self, now: float) -> bool:
        """Tells it to write out what it has, and by force to go; is it gone?"""
        if self.is_over:
            return True
        if not self._told_to_end_at:
            self._told_to_end_at = now
            self._signal(signal.SIGTERM)
        elif now - self._told_to_end_at > ENDS_WITHIN:
            self._signal(signal.SIGKILL)
        return False

    def last_words(self) -> str:
        """Why it ended, in its own words where it had some."""
        lines = [line for line in self._said.decode(errors="replace").splitlines() if line.strip()]
        words = [line for line in lines if "listening on" not in line and "packets" not in line]
        return words[-1][:200] if words else f"tcpdump ended with {self.process.returncode}"

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)


class Keeper:
    """Keeps one tcpdump alive and the folder within its bounds."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings, self.name = settings, name
        self.folder = settings.ring / name
        self.capture: Capture | None = None
        self.leaving: list[Capture] = []
        """Those that end as soon as the new one hears."""
        self._ahead = _ahead_us()
        self.captured = self.dropped = 0
        """Of tcpdumps that have ended."""
        self._delay = FIRST_DELAY
        self._again_at = 0.0
        self._problem = ""
        self._was_capturing = False
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
        if before.get("boot") == ring.boot():
            self._alive_steady_us = int(before.get("steady_at", 0)) * 1000
            if self._alive_us and self._alive_steady_us:
                self._ahead = self._alive_us - self._alive_steady_us
        self.captured, self.dropped = int(before.get("captured", 0)), int(before.get("dropped", 0))

    def tick(self) -> None:
        """One look: starts what is dead, counts, prunes, tells."""
        now = time.monotonic()
        step = _ahead_us() - self._ahead
        # Looked at each time, so that a clock which is only corrected never adds up to a step.
        self._ahead += step
        if abs(step) > STEP_US:
            self._clock_was_set(step)
        if self.capture and self.capture.is_over:
            self._ended(self.capture, now)
        if self.capture is None and now >= self._again_at:
            self._start(now)
        self._prune()
        for one in (*self.leaving, self.capture):
            if one:
                self._count(one)
                one.ask(now)
        self._let_go(now)
        self._tell()

    def stop(self) -> None:
        """Ends tcpdump; it writes out what it has and its last statistics."""
        if self.capture:
            self.leaving.append(self.capture)
            self.capture = None
        for one in self.leaving:
            one.end(time.monotonic())
            try:
                one.process.wait(ENDS_WITHIN)
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()
        self._let_go(time.monotonic())

    # --- tcpdump ------------------------------------------------------------------------------------

    def _clock_was_set(self, step: int) -> None:
        """A new run, whose names cannot meet those of the old one, which goes on until the new one hears."""
        at = _now_us()
        log.warning("the clock was set", seconds=round(step / 1e6, 3))
        ring.note_step(self.folder, Step(at - step, at))
        if self._alive_us:
            self._alive_us += step
        if self.capture:
            self.leaving.append(self.capture)
            self.capture = None
            self._again_at = 0.0
            # Before the new file is there: the old one's last is not finished.
            self._tell()

    def _start(self, now: float) -> None:
        run = max((int(one.name) for one in self.folder.iterdir() if one.name.isdigit()), default=0) + 1
        try:
            self.capture = Capture(self.settings, self.folder / f"{run:06d}")
        except OSError as error:
            self._fail(f"tcpdump cannot be started: {error}", 0.0, now)

    def _ended(self, capture: Capture, now: float) -> None:
        self._count(capture)
        self._add_up(capture)
        self.capture = None
        self._fail(capture.last_words(), now - capture.born, now)

    def _fail(self, why: str, lived: float, now: float) -> None:
        self._delay = FIRST_DELAY if lived > 30 else min(self._delay * 2, LAST_DELAY)
        self._again_at = now + self._delay
        if why != self._problem:
            log.error("not recording", why=why)
        self._problem = why

    def _let_go(self, now: float) -> None:
        """Ends those that are leaving, once nothing can be lost by it; or when the new one does not come."""
        for one in list(self.leaving):
            heard = self.capture is None or self.capture.is_capturing or now - self.capture.born > NEW_WITHIN
            if one.is_over or (heard and one.end(now)):
                self._count(one)
                self._add_up(one)
                self.leaving.remove(one)

    def _add_up(self, capture: Capture) -> None:
        self.captured += capture.captured
        self.dropped += capture.dropped

    def _is_capturing(self) -> bool:
        return any(one.is_capturing for one in (*self.leaving, self.capture) if one)

    def _count(self, capture: Capture) -> None:
        many = capture.read()
        if many:
            log.error("the kernel dropped packets", packets=many)
            at = _now_us()
            since = at - int((STATISTICS_SECONDS + TICK_SECONDS) * 1e6)
            ring.note_outage(self.folder, ring.Outage(since, at, "dropped", many))

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
            if run.name.isdigit() and int(run.name) not in self._writing():
                with suppress(OSError):
                    run.rmdir()  # only where nothing is left in it

    def _writing(self) -> list[int]:
        """Runs that a tcpdump writes into."""
        return [int(one.place.name) for one in (*self.leaving, self.capture) if one]

    def _tell(self) -> None:
        at, steady = _now_us(), ring.steady_us()
        flushed = self._alive_us
        if self._is_capturing():
            # Between two looks the wall clock may have been set by an hour: no hour without a recorder.
            was_away = steady - self._alive_steady_us if self._alive_steady_us else at - self._alive_us
            if not self._was_capturing and self._alive_us and was_away > LEAST_OUTAGE_US:
                ring.note_outage(self.folder, ring.Outage(at - was_away, at, "dead"))
            self._was_capturing, self._problem = True, ""
            self._alive_us, self._alive_steady_us = at, steady
            with suppress(OSError):
                heartbeat = self.settings.recorder_alive / self.name
                heartbeat.touch()
                os.utime(heartbeat, ns=(at * 1000, at * 1000))
        else:
            self._was_capturing = False
        now = [one for one in (*self.leaving, self.capture) if one]
        with suppress(OSError):
            ring.write_json(
                self.folder / "state.json",
                {
                    "pid": os.getpid(),
                    "alive_at": self._alive_us // 1000,
                    "steady_at": self._alive_steady_us // 1000,
                    "boot": ring.boot(),
                    "flushed_at": flushed // 1000,
                    "writing": self._writing(),
                    "captured": self.captured + sum(one.captured for one in now),
                    "dropped": self.dropped + sum(one.dropped for one in now),
                    "problem": self._problem,
                },
            )


def free_bytes(folder: Path) -> int:
    """Room on the folder's disk; a disk that cannot be asked counts as having some."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return sys.maxsize


def _now_us() -> int:
    return time.time_ns() // 1000


def _ahead_us() -> int:
    """The wall clock less the clock that nobody sets, by which it is seen that it was set."""
    return _now_us() - ring.steady_us()


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
    log.info("recorder stopped", captured=keeper.captured, dropped=keeper.dropped)


if __name__ == "__main__":
    main()
