"""The process manager on small real processes: what dies is started again, all of it stops in order."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from hotline.run import AlreadyRunning, Part, Supervision, held

STAYS = "import time; print('here', flush=True); time.sleep(600)"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
IGNORES = STAYS.replace("'here'", "'deaf'").replace("import time", "import signal, time;" + DEAF)


def python(name: str, program: str, grace: float = 2.0) -> Part:
    return Part(name, (sys.executable, "-c", program), grace=grace)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (the conditions are files and processes)
            await asyncio.sleep(0.02)


class Watched:
    """A supervision with what it said, and the processes as they are now."""

    def __init__(self, var: Path, *parts: Part) -> None:
        self.said: list[tuple[str, str]] = []
        self.supervision = Supervision(parts, var, lambda *notice: self.said.append(notice), cwd=var)
        self.task = asyncio.create_task(self.supervision.run())
        self.var = var

    def pid(self, name: str) -> int | None:
        life = next(one for one in self.supervision.lives if one.part.name == name)
        return life.process.pid if life.process and life.process.returncode is None else None

    def log(self, name: str) -> str:
        file = self.var / "log" / f"{name}.log"
        return file.read_text() if file.exists() else ""

    async def end(self) -> None:
        self.supervision.stop()
        await asyncio.wait_for(self.task, 15)


def test_part_that_dies_is_started_again_and_the_others_go_on(tmp_path: Path) -> None:
    async def scene() -> None:
        watched = Watched(tmp_path, python("first", STAYS), python("second", STAYS))
        await until(lambda: "here" in watched.log("first") and "here" in watched.log("second"))
        dead, other = watched.pid("first"), watched.pid("second")
        assert dead is not None
        os.kill(dead, signal.SIGKILL)
        await until(lambda: watched.log("first").count("here") == 2)
        assert watched.pid("first") not in (None, dead)
        assert watched.pid("second") == other
        assert any(name == "first" and "killed by SIGKILL" in text for name, text in watched.said)
        await watched.end()

    asyncio.run(scene())


def test_part_that_cannot_be_started_does_not_stop_the_others(tmp_path: Path) -> None:
    async def scene() -> None:
        watched = Watched(tmp_path, Part("broken", ("/nowhere/at-all",)), python("sound", STAYS))
        await until(lambda: any(name == "broken" for name, _ in watched.said))
        await until(lambda: "here" in watched.log("sound"))
        await watched.end()

    asyncio.run(scene())


def test_parts_stop_in_reverse_order_and_leave_no_process(tmp_path: Path) -> None:
    async def scene() -> None:
        watched = Watched(tmp_path, python("pbx", STAYS), python("cti", STAYS), python("desktop", STAYS))
        await until(lambda: all("here" in watched.log(name) for name in ("pbx", "cti", "desktop")))
        pids = [watched.pid(name) for name in ("pbx", "cti", "desktop")]
        await watched.end()
        assert [name for name, text in watched.said if text.startswith("stopped")] == [
            "desktop",
            "cti",
            "pbx",
        ]
        assert not any(psutil.pid_exists(pid) for pid in pids if pid)
        assert not (tmp_path / "processes.json").exists()

    asyncio.run(scene())


def test_part_that_does_not_listen_is_killed_after_its_grace(tmp_path: Path) -> None:
    async def scene() -> None:
        watched = Watched(tmp_path, python("deaf", IGNORES, grace=0.3))
        await until(lambda: "deaf\n" in watched.log("deaf"))
        await watched.end()
        assert ("deaf", "killed") in watched.said

    asyncio.run(scene())


def test_second_stop_kills_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        watched = Watched(tmp_path, python("deaf", IGNORES, grace=60.0))
        await until(lambda: "deaf\n" in watched.log("deaf"))
        began = time.monotonic()
        watched.supervision.stop()
        watched.supervision.stop()
        await asyncio.wait_for(watched.task, 5)
        assert time.monotonic() - began < 5

    asyncio.run(scene())


def test_children_of_a_dead_part_do_not_linger(tmp_path: Path) -> None:
    """A grandchild that held the port would keep the part from starting again."""
    program = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print('child', child.pid, flush=True); time.sleep(600)"
    )

    async def scene() -> None:
        watched = Watched(tmp_path, python("parent", program))
        await until(lambda: "child " in watched.log("parent"))
        child = int(watched.log("parent").split("child ")[1].split()[0])
        parent = watched.pid("parent")
        assert parent is not None
        os.kill(parent, signal.SIGKILL)
        await until(lambda: watched.log("parent").count("child ") == 2)
        assert not _is_alive(child)
        await watched.end()

    asyncio.run(scene())


def test_children_end_when_the_manager_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from hotline.run import Part, Supervision\n"
        f"part = Part('orphan', (sys.executable, '-c', {STAYS!r}))\n"
        f"asyncio.run(Supervision([part], Path({str(tmp_path)!r}), print, cwd=Path('.')).run())\n"
    )
    manager = subprocess.Popen([sys.executable, "-c", program])
    try:
        child = _wait_for_child(manager.pid, tmp_path / "log/orphan.log")
    finally:
        manager.kill()
        manager.wait()

    asyncio.run(until(lambda: not _is_alive(child), 5))


def test_two_managers_of_one_folder_are_refused(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"), held(tmp_path):
        pass
    with held(tmp_path):
        pass


def test_readiness_names_the_part_that_is_not_up(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    async def scene() -> None:
        slow = Part("slow", (sys.executable, "-c", STAYS), ready=never)
        watched = Watched(tmp_path, slow, python("sound", STAYS))
        assert await watched.supervision.until_ready(1.5) == ["slow"]
        await watched.end()

    asyncio.run(scene())


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_for_child(manager: int, log: Path) -> int:
    asyncio.run(until(lambda: log.exists() and "here" in log.read_text()))
    return psutil.Process(manager).children()[0].pid
