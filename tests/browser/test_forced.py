"""What a supervisor does to a seat is said on the agent's page; who is signed out finds the way back."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenScreen
from tests.line import Line, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]


def test_who_is_signed_out_by_a_supervisor_reads_why_and_logs_in_again(
    line: Line, screens: OpenScreen
) -> None:
    line.phones("8001")
    screen = screens().at_the_desk()
    # What the desk was asking at that moment is answered by a server that knows it no more.
    screen.excuse("Failed to load resource: the server responded with a status of 401")
    leader = line.desk("supervisor01")
    order = {"verb": "not_ready", "reason_code": "meeting", "reason": "班前会"}
    leader.ask("POST", "/api/floor/seats/8001/force", order)
    expect(screen.by("told")).to_contain_text("班前会", timeout=5_000)
    leader.ask("POST", "/api/floor/seats/8001/force", {"verb": "sign_out", "reason": "换班"})
    expect(screen.page.get_by_text("换班")).to_be_visible(timeout=5_000)
    expect(screen.page.get_by_text("重新登录")).to_be_visible()
    screen.picture("forced-out")
    members = [m for m in line.ami("QueueStatus") if m["Event"] == "QueueMember"]
    assert members == []
    screen.log_in("agent01", "8001")
    until(lambda: [m for m in line.ami("QueueStatus") if m["Event"] == "QueueMember"], 5, "signed in again")
