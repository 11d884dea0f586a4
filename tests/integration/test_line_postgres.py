"""The whole line on PostgreSQL, and PostgreSQL gone in the middle of a call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hotline.phones.desk_phone import Habit
from hotline.phones.identity import Caller
from tests import postgres
from tests.line import Line, pbx_tree, until, whole_line

pytestmark = [pytest.mark.pbx, pytest.mark.postgres]


@pytest.fixture
def cluster() -> Iterator[postgres.Cluster]:
    with postgres.cluster() as started:
        yield started


@pytest.fixture
def line(cluster: postgres.Cluster) -> Iterator[Line]:
    for line in whole_line(pbx_tree(), database_url=cluster.url):
        yield line
        line.clear()
        line.check_nothing_left()


def test_postgresql_gone_in_a_call_delays_the_ledger_and_loses_nothing(
    line: Line, cluster: postgres.Cluster
) -> None:
    bank = line.phones("8001", habit=Habit(answer_after=0.1))
    agent = line.agent()
    first, second = Caller("13812380001"), Caller("13812380002")
    line.citizens().dial(caller=first, keys="1")
    bank.phones["8001"].wait_for_talk(20)
    bank.phones["8001"].hang_up()
    assert line.ended("86" + first.number).outcome == "answered"
    until(lambda: agent.state()["presence"] == "ready", 8, "ready again")

    cluster.stop()
    call = line.citizens().dial(caller=second, keys="1")
    bank.phones["8001"].wait_for_talk(20)
    until(lambda: agent.state()["activity"] == "talking", 5, "the screen still follows the telephone")
    pop = agent.ask("GET", f"/api/calls/{agent.call()['uid']}/pop")
    assert (pop["database"], pop["number"]["masked"]) == (False, "138****0002")
    status, body, _ = agent.raw("GET", "/api/tickets")
    assert status == 503
    assert "message" in body.decode()
    bank.phones["8001"].hang_up()
    call.wait_for_end()
    cluster.start()

    row = line.ended("86" + second.number, timeout=30)
    assert (row.outcome, row.agent, row.seat) == ("answered", "agent01", "8001")
    assert line.events(row.uid).count("CALLENDED") == 1
    assert agent.ask("GET", "/api/tickets")["rows"], "the page's lists work again without a log-in"
