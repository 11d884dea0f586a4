"""The line of a campaign: the product's parts under the product's own process manager, so that what is killed
is started again as in a city hall; a link to be cut, a disk to be filled, a clock to be set.

    hotline.run.Supervision (a thread) ─► pbx ─ cti ─ worker ─ desktop       cti ─► Wire ─► desktop
    spool and archive on a small tmpfs ; clock.c preloaded, with one file for all parts
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from hotline.campaign.wire import Wire
from hotline.private_line import PrivateLine, free_port, until
from hotline.private_postgres import Cluster
from hotline.run import Supervision
from hotline.settings import REPO
from hotline.start import parts

CLOCK = Path(__file__).with_name("clock.c")
DISK_MEGABYTES = 768


def compiler() -> str | None:
    """What makes the library that steps a clock; None where there is no C compiler."""
    return shutil.which("cc") or shutil.which("gcc")


def can_mount() -> bool:
    """May this process mount a file system?"""
    return os.geteuid() == 0 and shutil.which("mount") is not None


class CampaignLine(PrivateLine):
    """A private line whose parts are kept alive by `hotline.run`. `small_disk` and `clock` prepare the faults
    that need it; `cluster` is the PostgreSQL it stands on, if it does."""

    def __init__(
        self, tree: Path, cluster: Cluster | None, *, small_disk: bool, clock: bool, **overrides: Any
    ) -> None:
        port = free_port()
        super().__init__(
            tree, cluster.url if cluster else "", desktops=f"http://127.0.0.1:{port}", **overrides
        )
        self.cluster = cluster
        self.wire = Wire(port, self.settings.web_port)
        self.disk = self.var / "disk" if small_disk else None
        self.clock_file = self.settings.pbx / "clock" if clock else None
        self.said: list[str] = []
        """What the process manager had to tell."""
        self.of_database = ThreadPoolExecutor(1)
        """One thread starts the database: Linux ends it together with the thread that started it."""
        self._supervision: Supervision | None = None
        self._managing: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        if self.disk:
            self._mount(self.disk)

    # --- processes -------------------------------------------------------------------------------

    def start_all(self) -> None:
        """Start the parts under the process manager and wait until they work. Raises NotInTime."""
        if self.clock_file:
            self._make_clock(self.clock_file)
        wanted = [
            replace(part, command=self._command(part.name), ready=None) for part in parts(self.settings)
        ]
        self._supervision = Supervision(
            wanted, self.var, lambda name, text: self.said.append(f"{name}: {text}"), cwd=REPO
        )
        self._managing = threading.Thread(target=self._manage, name="manager", daemon=True)
        self._managing.start()
        until(self._asterisk_answers, 40, "Asterisk up")
        self.wait_until_linked()

    def _manage(self) -> None:
        assert self._supervision is not None
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._supervision.run())
        self._loop.close()

    def _command(self, name: str) -> tuple[str, ...]:
        """The part with the settings of this line: the manager gives every part its own environment."""
        said = {key: value for key, value in self.environment().items() if os.environ.get(key) != value}
        if self.clock_file:
            said |= {
                "LD_PRELOAD": str(self.clock_file.with_suffix(".so")),
                "HOTLINE_CLOCK": str(self.clock_file),
            }
        return ("env", *(f"{key}={value}" for key, value in said.items()), sys.executable, *self.PARTS[name])

    def part(self, name: str) -> list[psutil.Process]:
        """A part's processes now; none between its death and its next start."""
        assert self._supervision is not None
        life = next(life for life in self._supervision.lives if life.part.name == name)
        if life.process is None or life.process.returncode is not None:
            return []
        return self.processes(life.process.pid)

    def asterisk(self) -> psutil.Process | None:
        """Asterisk itself, inside its wrapper."""
        for process in self.part("pbx"):
            with contextlib.suppress(psutil.Error):
                if process.name() == "asterisk":
                    return process
        return None

    def starts(self) -> dict[str, int]:
        """How often each part has been started."""
        assert self._supervision is not None
        return {life.part.name: life.starts for life in self._supervision.lives}

    def log(self, part: str) -> str:
        """What a part has printed."""
        path = self.var / "log" / f"{part}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        """Stop everything and remove the folder."""
        self.send_home()
        if self._supervision and self._loop and self._managing:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._supervision.stop)
            self._managing.join(20)
        self.wire.close()
        self.of_database.shutdown()
        if self.disk:
            for folder in (self.settings.recordings, self.settings.pbx / "spool", self.disk):
                subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
        super().stop()

    # --- what faults need ------------------------------------------------------------------------

    def set_clock(self, seconds: int) -> None:
        """Every part's wall clock, so many seconds ahead of the true one, at once."""
        assert self.clock_file is not None
        with self.clock_file.open("r+b", buffering=0) as file:
            (before,) = struct.unpack("=q", file.read(8))
            # The first number is what everybody looks at: it comes last.
            file.seek(8)
            file.write(struct.pack("=qq", before, time.time_ns() // 1000))
            file.seek(0)
            file.write(struct.pack("=q", seconds))

    @staticmethod
    def _make_clock(file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(struct.pack("=qqq", 0, 0, 0))
        made = str(file.with_suffix(".so"))
        program = compiler() or "cc"
        subprocess.run([program, "-shared", "-fPIC", "-O2", "-o", made, str(CLOCK), "-ldl"], check=True)

    def _mount(self, disk: Path) -> None:
        """Spool and archive on a disk of their own, which the parts see under the usual names."""
        places = {disk / "spool": self.settings.pbx / "spool", disk / "archive": self.settings.recordings}
        disk.mkdir()
        size = f"size={DISK_MEGABYTES}m,mode=755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "campaign", str(disk)], check=True)
        for inside, name in places.items():
            inside.mkdir()
            name.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", str(inside), str(name)], check=True)
