"""One long step after another on a terminal: what is done, how long it takes, and why it failed.

With a terminal a line with the elapsed seconds is redrawn; without one (CI) a line at the start, every
twenty seconds and at the end. All output of the step goes to `var/log/setup-<step>.log`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

QUIET_SECONDS = 20.0
LAST_LINES = 15


class SetupFailed(Exception):
    """A step could not be done; the text is for the person and ends with the remedy."""


def say(text: str) -> None:
    """One line on the terminal, at once."""
    print(text, flush=True)


def run_step(
    title: str,
    command: Sequence[str],
    log: Path,
    *,
    remedy: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run `command` to its end with progress on the terminal and its output in `log`.

    Raises SetupFailed with the last lines of the log and `remedy` when it fails or cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    live = sys.stdout.isatty()
    if not live:
        say(f"  {title} ...")
    with log.open("wb") as out:
        out.write(f"$ {' '.join(command)}\n".encode())
        out.flush()
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(env or {})},
            )
        except OSError as error:
            raise SetupFailed(
                f"{title}: cannot start {command[0]}: {error.strerror}\n  remedy: {remedy}"
            ) from None
        try:
            _watch(process, title, started, live)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    took = f"{time.monotonic() - started:.0f} s"
    if process.returncode:
        _redraw(live, f"  {title}: failed after {took}", end=True)
        raise SetupFailed(f"{title} failed. The last lines of {log}:\n{last_lines(log)}\n  remedy: {remedy}")
    _redraw(live, f"  {title}: done ({took})", end=True)


def last_lines(log: Path, count: int = LAST_LINES) -> str:
    """The end of a log, indented for the terminal."""
    lines = log.read_text(errors="replace").rstrip().splitlines()[-count:]
    return "\n".join(f"    | {line[:200]}" for line in lines)


def _watch(process: subprocess.Popen[bytes], title: str, started: float, live: bool) -> None:
    told = started
    while True:
        try:
            process.wait(timeout=0.25)
            return
        except subprocess.TimeoutExpired:
            now = time.monotonic()
            if live:
                spinner = "|/-\\"[int((now - started) * 4) % 4]
                _redraw(True, f"{spinner} {title} ... {now - started:.0f} s")
            elif now - told >= QUIET_SECONDS:
                told = now
                say(f"  {title} ... {now - started:.0f} s")


def _redraw(live: bool, text: str, end: bool = False) -> None:
    if live:
        print(f"\r\x1b[K{text}", end="\n" if end else "", flush=True)
    else:
        say(text)
