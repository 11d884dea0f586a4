"""`hotline run` itself: everything up on one command, what dies comes back, Ctrl-C leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from hotline import ports
from hotline.settings import REPO, Settings
from tests.line import pbx_tree, until

NAMES = ("HOTLINE_SIP_PORT", "HOTLINE_PBX_HTTP_PORT", "HOTLINE_AMI_PORT", "HOTLINE_WEB_PORT")


def free_ports(count: int) -> list[int]:
    taken = [socket.socket() for _ in range(count)]
    try:
        for one in taken:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in taken]
    finally:
        for one in taken:
            one.close()


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A fresh state folder with the PBX tree, and the environment of a hotline in it."""
    (tmp_path / "pbx-tree").symlink_to(pbx_tree())
    numbers = dict(zip(NAMES, map(str, free_ports(len(NAMES))), strict=True))
    return tmp_path, {**os.environ, **numbers, "HOTLINE_VAR": str(tmp_path)}


@contextmanager
def running(env: dict[str, str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "hotline.cli", "run"], cwd=REPO, env=env, stdout=out, stderr=out
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def health(env: dict[str, str]) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{env['HOTLINE_WEB_PORT']}/api/health", timeout=2
        ) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, ValueError):
        return {}


def is_linked(env: dict[str, str]) -> bool:
    return bool(health(env).get("links", {}).get("pbx1", {}).get("connected"))


def parts(var: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((var / "processes.json").read_text())["parts"]
    return found


@pytest.mark.pbx
def test_whole_hotline_starts_heals_and_stops(place: tuple[Path, dict[str, str]]) -> None:
    var, env = place
    output = var / "output"
    with running(env, output) as manager:
        until(
            lambda: "The hotline is up" in output.read_text() or manager.poll() is not None,
            90,
            "everything up",
        )
        assert manager.poll() is None, output.read_text()
        said = output.read_text()
        assert f"http://127.0.0.1:{env['HOTLINE_WEB_PORT']}" in said
        assert "agent01" in said
        assert "hotline phone" in said
        assert is_linked(env)
        assert stat.S_IMODE((var / "hotline.env").stat().st_mode) == 0o600
        assert not stat.S_IMODE((var / "hotline.db").stat().st_mode) & stat.S_IRWXO

        before = parts(var)
        os.kill(before["cti"]["pid"], signal.SIGKILL)
        until(lambda: parts(var)["cti"]["starts"] == 2 and is_linked(env), 60, "the killed cti up again")
        assert parts(var)["pbx"]["pid"] == before["pbx"]["pid"]
        assert parts(var)["desktop"]["pid"] == before["desktop"]["pid"]

        doctor = subprocess.run(
            [sys.executable, "-m", "hotline.cli", "doctor"], cwd=REPO, env=env, capture_output=True, text=True
        )
        assert doctor.returncode == 0, doctor.stdout

        pids = [part["pid"] for part in parts(var).values()]
        manager.send_signal(signal.SIGINT)
        assert manager.wait(15) == 0, output.read_text()
    order = [line.split("|")[0].strip() for line in output.read_text().splitlines() if "| stopped" in line]
    assert order == ["desktop", "worker", "recorder2", "recorder", "cti", "pbx"], output.read_text()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    settings = Settings(**{name.removeprefix("HOTLINE_").lower(): int(env[name]) for name in NAMES})
    assert [line for line in map(ports.problem, ports.ports(settings)) if line] == []


@pytest.mark.pbx
def test_taken_port_is_said_with_its_remedy_and_nothing_is_started(
    place: tuple[Path, dict[str, str]],
) -> None:
    var, env = place
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(env["HOTLINE_WEB_PORT"])))
        taken.listen(1)
        done = subprocess.run(
            [sys.executable, "-m", "hotline.cli", "run"], cwd=REPO, env=env, capture_output=True, text=True
        )
    assert done.returncode == 1
    line = next((line for line in done.stdout.splitlines() if "is taken by" in line), done.stdout)
    assert f"port {env['HOTLINE_WEB_PORT']}/tcp" in line
    assert "HOTLINE_WEB_PORT" in line
    assert not (var / "processes.json").exists()


def test_wrong_setting_is_said_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hotline.cli", "migrate"],
        cwd=REPO,
        env={**os.environ, "HOTLINE_VAR": str(tmp_path), "HOTLINE_SEATS": "many"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("setting HOTLINE_SEATS is 'many'")
    assert len(done.stderr.splitlines()) == 1
