"""The packets towards the citizens, captured on loopback by tcpdump for the whole campaign."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from hotline.campaign.silence import SNAP, Packets, read


class CannotCapture(Exception):
    """No tcpdump, or no right to capture; the text says which."""


class Capture:
    """Runs tcpdump until `packets` is called. Raises CannotCapture."""

    def __init__(self, own_address: str, first: int, last: int) -> None:
        program = shutil.which("tcpdump")
        if program is None:
            raise CannotCapture("tcpdump is not installed")
        self._folder = Path(tempfile.mkdtemp(prefix="hotline-capture-"))
        self._file = self._folder / "trunk.pcap"
        self._words = (self._folder / "said").open("w+")
        wanted = f"udp and dst host {own_address} and src portrange {first}-{last}"
        self._process = subprocess.Popen(
            [program, "-i", "lo", "-n", "-p", "-s", str(SNAP), "-B", "65536", "-w", str(self._file),
             "-Z", "root", wanted],
            stdout=subprocess.DEVNULL, stderr=self._words, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
            self._remove()
            raise CannotCapture("tcpdump may not capture on loopback (CAP_NET_RAW)")
        self.dropped = 0

    def packets(self) -> Packets:
        """End the capture and read it; `dropped` says how many packets the kernel lost of it."""
        self._end()
        self._words.seek(0)
        lost = re.search(r"(\d+) packets? dropped by kernel", self._words.read())
        self.dropped = int(lost[1]) if lost else -1
        try:
            return read([self._file.read_bytes()])
        finally:
            self._remove()

    def close(self) -> None:
        """End it without a look at what was captured."""
        self._end()
        self._remove()

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _remove(self) -> None:
        self._words.close()
        shutil.rmtree(self._folder, ignore_errors=True)
