"""A line that is half open: Asterisk or the cti hangs, sockets stay up, nothing is said any more."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests.line import Line, until

pytestmark = pytest.mark.pbx

WITHIN = {"pbx": 9.0, "cti": 9.5}
"""Seconds: a ping every three with four for its answer; beats every two, seven of silence, looked at once a
second."""


@contextlib.contextmanager
def hanging(line: Line, part: str) -> Iterator[None]:
    """All processes of a part are stopped, and go on in the end."""
    processes = line.processes(line.running[part].pid)
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("part", ["pbx", "cti"])
def test_what_hangs_is_blind_within_seconds_and_right_again_after_it(line: Line, part: str) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1))
    agent, boss = line.agent(), line.desk("supervisor01")
    call = line.citizens().dial(caller=Caller("13812391001" if part == "pbx" else "13812391002"), keys="0")
    bank.phones["8001"].wait_for_talk(25)
    until(lambda: agent.state()["activity"] == "talking", 5, "talking on the screen")

    def link() -> dict[str, object]:
        found: dict[str, object] = boss.ask("GET", "/api/session")["links"][line.settings.pbx_name]
        return found

    assert link()["connected"]
    stopped = time.time() * 1000
    with hanging(line, part):
        until(lambda: not link()["connected"], WITHIN[part], "blind")
        since = link()["blind_since"]
        assert isinstance(since, int)
        assert -3000 < since - stopped < WITHIN[part] * 1000
        assert agent.state()["activity"] == "talking", "the last known state is kept, and known to be old"
        call.hang_up()  # something that nobody sees; Asterisk, once it goes on, takes the repeated BYE
    until(lambda: link()["connected"], 10, "seen again")
    call.wait_for_end(10)
    until(lambda: agent.state()["activity"] == "idle", 6, "the seat is right again")
    until(lambda: agent.state()["presence"] == "ready", 10, "and takes calls")
