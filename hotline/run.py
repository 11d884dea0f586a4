"""The process manager: starts the parts of one machine, restarts what dies, stops all of it in order.

    waiting ──start──► running ──dies──► backing off (0.5 s, doubled to 10 s) ──► running
                          │                        │
                          └────── stop asked ──────┴──► stopped

Whatever dies, the others go on. Each part leads its own process group, gets SIGTERM when this process dies
(so that a killed manager leaves nothing behind), and writes to `var/log/<name>.log`. Ready-made managers such
as honcho end everything as soon as one process ends; hence these lines of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import psutil

FIRST_DELAY, LAST_DELAY = 0.5, 10.0
STEADY_SECONDS = 30.0
"""A part that lived this long has started well: the next delay is the first one again."""
LOG_BYTES, LOG_FILES = 10_000_000, 4
TAIL_LINES = 6
DIE_WITH_MANAGER = ("setpriv", "--pdeathsig", "TERM", "--")
"""util-linux, which every Debian has; it becomes the command, so the process id is the part's own."""

Say = Callable[[str, str], None]
"""say(name of the part or "", text): one short notice on the terminal."""


class AlreadyRunning(Exception):
    """Another manager holds this folder."""


@dataclass(frozen=True)
class Part:
    """One process that is kept alive."""

    name: str
    command: tuple[str, ...]
    grace: float = 2.0
    """Seconds between SIGTERM and SIGKILL."""
    stop_name: str | None = None
    """Program among its descendants that gets the SIGTERM instead (Asterisk inside bubblewrap)."""
    ready: Callable[[], Awaitable[bool]] | None = None
    """Asked until it says True; None: ready when it has lived for a second."""


@dataclass
class Life:
    """What is known of one part: its process now, and how often it had to be started."""

    part: Part
    process: asyncio.subprocess.Process | None = None
    started_at: float = 0.0
    starts: int = 0
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))


def next_delay(delay: float, lived: float) -> float:
    """Seconds to wait before the next start of a part that died after `lived` seconds.

    `delay` was the wait before; 0 means that it has not died yet.
    """
    if delay == 0 or lived >= STEADY_SECONDS:
        return FIRST_DELAY
    return min(delay * 2, LAST_DELAY)


def ending(returncode: int) -> str:
    """How a process ended, in words: "ended with code 3", "killed by SIGKILL"."""
    if returncode >= 0:
        return f"ended with code {returncode}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-returncode).name}"
    return f"killed by signal {-returncode}"


class RotatedLog:
    """A log file of at most LOG_BYTES; `x.log.1` is the one before it."""

    def __init__(self, path: Path, most: int = LOG_BYTES, files: int = LOG_FILES) -> None:
        self.path, self.most, self.files = path, most, files
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()

    def write(self, chunk: bytes) -> None:
        """Append `chunk` as it is."""
        if self._size and self._size + len(chunk) > self.most:
            self._rotate()
        self._file.write(chunk)
        self._size += len(chunk)

    def close(self) -> None:
        """Close the file; nothing may be written afterwards."""
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self.files - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
            if newer.exists():
                newer.replace(older)
        self._file = self.path.open("ab", buffering=0)
        self._size = 0


class Supervision:
    """Keeps the parts alive until it is told to stop; `parts` are started in order and stopped in reverse."""

    def __init__(
        self, parts: Sequence[Part], var: Path, say: Say, *, cwd: Path, verbose: bool = False
    ) -> None:
        self.lives = [Life(part) for part in parts]
        self.var, self.say, self.cwd, self.verbose = var, say, cwd, verbose
        self._stopping = asyncio.Event()
        self._forced = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        """True from the first `stop` on."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Stop all parts in order; a second call kills what is still there at once."""
        if self._stopping.is_set():
            self._forced.set()
        self._stopping.set()

    async def run(self) -> None:
        """Keep the parts alive; returns when `stop` was called and none is left."""
        keepers = [asyncio.create_task(self._keep_alive(life)) for life in self.lives]
        await self._stopping.wait()
        try:
            for life in reversed(self.lives):
                await self._end(life)
            await asyncio.gather(*keepers)
        finally:
            for life in self.lives:
                if life.process and life.process.returncode is None:
                    _kill_group(life.process)
            self._state_file().unlink(missing_ok=True)

    async def until_ready(self, seconds: float) -> list[str]:
        """Wait until each part is ready; returns those that are not after `seconds`, none when stopped."""
        began = time.monotonic()

        async def ready(life: Life) -> bool:
            while not self._stopping.is_set() and time.monotonic() - began < seconds:
                if life.process and life.process.returncode is None and await _is_ready(life):
                    self.say(life.part.name, f"up after {time.monotonic() - began:.1f} s")
                    return True
                await asyncio.sleep(0.1)
            return False

        answers = await asyncio.gather(*(ready(life) for life in self.lives))
        if self._stopping.is_set():
            return []
        return [life.part.name for life, answer in zip(self.lives, answers, strict=True) if not answer]

    async def _keep_alive(self, life: Life) -> None:
        log = RotatedLog(self.var / "log" / f"{life.part.name}.log")
        delay = 0.0
        told: list[str] = []
        try:
            while not self._stopping.is_set():
                life.started_at = time.monotonic()
                how = await self._live(life, log)
                if self._stopping.is_set():
                    return
                delay = next_delay(delay, time.monotonic() - life.started_at)
                self.say(life.part.name, f"{how}; starting it again in {delay:g} s (log: {log.path})")
                if list(life.tail) != told:  # the same words again and again would hide the others'
                    for line in life.tail:
                        self.say(life.part.name, f"  | {line}")
                told = list(life.tail)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay)
        finally:
            log.close()

    async def _live(self, life: Life, log: RotatedLog) -> str:
        """One life of a part, from start to end; returns how it ended."""
        life.tail.clear()
        life.starts += 1
        log.write(f"--- {time.strftime('%Y-%m-%d %H:%M:%S')} start {life.starts}\n".encode())
        # A pipe of our own: asyncio's `wait` also waits for its pipes, which a part's child may hold open.
        output, its_end = os.pipe()
        try:
            life.process = process = await asyncio.create_subprocess_exec(
                *DIE_WITH_MANAGER,
                *life.part.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=its_end,
                stderr=its_end,
                cwd=self.cwd,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        except OSError as error:
            life.process = None
            os.close(output)
            return f"cannot be started: {error}"
        finally:
            os.close(its_end)
        self._write_state()
        copying = asyncio.create_task(self._copy_output(life, output, log))
        try:
            returncode = await process.wait()
        finally:
            # What the part has left behind would hold its ports when it is started again.
            _kill_group(process)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(copying, 1.0)
        self._write_state()
        return ending(returncode)

    async def _copy_output(self, life: Life, output: int, log: RotatedLog) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(output, "rb", 0)
        )
        try:
            await self._copy_lines(life, reader, log)
        finally:
            transport.close()

    async def _copy_lines(self, life: Life, reader: asyncio.StreamReader, log: RotatedLog) -> None:
        rest = b""
        while chunk := await reader.read(65536):
            log.write(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-65536:]
            for raw in lines:
                line = raw.decode(errors="replace").rstrip()
                if line:
                    life.tail.append(line[:300])
                    if self.verbose:
                        self.say(life.part.name, line)

    async def _end(self, life: Life) -> None:
        """Ask one part to end, and kill it when its grace is over or force was asked for."""
        process = life.process
        if process is None or process.returncode is not None:
            return
        began = time.monotonic()
        _ask_to_end(process, life.part.stop_name)
        ended = asyncio.create_task(process.wait())
        forced = asyncio.create_task(self._forced.wait())
        await asyncio.wait({ended, forced}, timeout=life.part.grace, return_when=asyncio.FIRST_COMPLETED)
        forced.cancel()
        in_time = ended.done()
        _kill_group(process)
        await ended
        self.say(life.part.name, f"stopped ({time.monotonic() - began:.1f} s)" if in_time else "killed")

    def _state_file(self) -> Path:
        return self.var / "processes.json"

    def _write_state(self) -> None:
        """What `hotline doctor` reads: {"manager": pid, "parts": {name: {"pid": ..., "starts": ...}}}."""
        parts = {
            life.part.name: {
                "pid": life.process.pid if life.process and life.process.returncode is None else None,
                "starts": life.starts,
            }
            for life in self.lives
        }
        new = self.var / "processes.json.new"
        new.write_text(json.dumps({"manager": os.getpid(), "parts": parts}))
        new.replace(self._state_file())


async def run_until_signal(
    supervision: Supervision, when_started: Callable[[], Coroutine[None, None, None]]
) -> None:
    """Run with Ctrl-C and SIGTERM as the stop, a second one as the force; `when_started` runs beside it."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _on_signal, supervision)
    beside = asyncio.create_task(when_started())
    try:
        await supervision.run()
    finally:
        beside.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beside


@contextlib.contextmanager
def held(var: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises AlreadyRunning with the other manager's process id."""
    file = _lock(var)
    try:
        yield
    finally:
        file.close()


def _lock(var: Path) -> TextIO:
    var.mkdir(parents=True, exist_ok=True)
    file = (var / "hotline.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        other = file.read().strip() or "unknown"
        file.close()
        raise AlreadyRunning(
            f"the hotline of {var} is running already (process {other}): stop that one first (kill {other})"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _on_signal(supervision: Supervision) -> None:
    if not supervision.is_stopping:
        supervision.say("", "stopping; Ctrl-C once more kills what is left")
    supervision.stop()


async def _is_ready(life: Life) -> bool:
    if life.part.ready is None:
        return time.monotonic() - life.started_at >= 1.0
    try:
        return await life.part.ready()
    except (OSError, ValueError):
        return False


def _ask_to_end(process: asyncio.subprocess.Process, stop_name: str | None) -> None:
    """SIGTERM to the program called `stop_name` below the process, else to the process itself."""
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        if stop_name:
            below = [
                one for one in psutil.Process(process.pid).children(recursive=True) if one.name() == stop_name
            ]
            if below:
                below[-1].terminate()
                return
        process.terminate()


def _kill_group(process: asyncio.subprocess.Process) -> None:
    """SIGKILL to whatever is left of the process's own group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
