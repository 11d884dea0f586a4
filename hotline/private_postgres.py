"""A private PostgreSQL: own folder, a Unix socket and no port, stopped by its own process id.

`with running() as url:` gives an SQLAlchemy URL; afterwards nothing is left. PostgreSQL refuses to run as
root: then it runs as the user `postgres`, which its package makes. For tests, benches and campaigns: nothing
in it survives a power cut.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

_FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB")
"""Nothing of a private database has to survive a power cut."""
_FASTER = (*_FAST, "synchronous_commit=off")
"""Nor a kill -9."""


class NoPostgres(Exception):
    """No PostgreSQL server programs on this machine."""


def binaries() -> Path:
    """The folder with initdb and postgres, the newest version first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    if shutil.which("pg_config"):
        told = Path(subprocess.check_output(["pg_config", "--bindir"], text=True).strip())
        if (told / "postgres").exists():
            return told
    raise NoPostgres("PostgreSQL is not installed: install the package postgresql")


class Cluster:
    """One server in its folder; it may be stopped or killed, and started again.

    `lasting`: what was committed survives a kill -9 of the server.
    """

    def __init__(self, folder: Path, seconds: float = 20, *, lasting: bool = False) -> None:
        self._folder, self._seconds = folder, seconds
        self._settings = _FAST if lasting else _FASTER
        self._server: subprocess.Popen[bytes] | None = None
        _make_cluster(folder)

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the empty database `postgres`."""
        return f"postgresql+psycopg://postgres@/postgres?host={quote(str(self._folder), safe='')}"

    def start(self) -> None:
        """Start the server and wait until it answers. Raises NoPostgres with its log."""
        self._server = _start(self._folder, self._settings)
        _until_open(self._folder, self._server, self._seconds)

    def stop(self) -> None:
        """Stop it as an operator would: clients are cut off at once."""
        if self._server is not None:
            # SIGINT: PostgreSQL's fast shutdown, which does not wait for clients.
            self._server.send_signal(2)
            self._server.wait(self._seconds)
            self._server = None

    def processes(self) -> list[psutil.Process]:
        """The server and what serves its clients; none when it is gone."""
        if self._server is None:
            return []
        try:
            server = psutil.Process(self._server.pid)
            return [server, *server.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """kill -9 of all its processes, and the wait for their end; `start` starts it again."""
        hit = self.processes()
        for process in hit:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._server is not None:
            self._server.wait(self._seconds)
            self._server = None
        psutil.wait_procs(hit, timeout=5)


@contextmanager
def cluster(seconds: float = 20, *, lasting: bool = False) -> Iterator[Cluster]:
    """A started server that answers within `seconds`; stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="hotline-pg-"))
    try:
        made = Cluster(folder, seconds, lasting=lasting)
        try:
            made.start()
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder)


@contextmanager
def running(seconds: float = 20) -> Iterator[str]:
    """The URL of a server of one's own, for as long as the block lasts."""
    with cluster(seconds) as made:
        yield made.url


def _as_postgres() -> list[str]:
    """Prefix of a command: not as root, and stopped by the kernel if the tests are killed."""
    change = ["--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *change, "--pdeathsig=INT"]


def _make_cluster(folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    command = [str(binaries() / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"]
    options = ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
    done = subprocess.run(
        [*_as_postgres(), *command, *options], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoPostgres(f"initdb failed: {done.stderr.strip()}")


def _start(folder: Path, more: tuple[str, ...]) -> subprocess.Popen[bytes]:
    settings = [f"unix_socket_directories={folder}", "listen_addresses=", "max_connections=100", *more]
    command = [str(binaries() / "postgres"), "-D", str(folder / "data")]
    for setting in settings:
        command += ["-c", setting]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([*_as_postgres(), *command], cwd=folder, stdout=log, stderr=log)


def _until_open(folder: Path, server: subprocess.Popen[bytes], seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(f"host={folder} user=postgres dbname=postgres", connect_timeout=2).close()
            return
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > until:
                raise NoPostgres((folder / "log").read_text(errors="replace")[-2000:]) from error
            # The server has no event to wait for before its socket is open.
            time.sleep(0.02)
