"""One small step of the capacity run on a real line: what SIPp, ledger, wire and recordings say agrees."""

from __future__ import annotations

import pytest

from hotline.capacity import judge, step
from hotline.capacity.plan import Job
from hotline.load import draw
from hotline.private_line import pbx_tree

pytestmark = pytest.mark.pbx


def test_a_small_step_is_measured_from_all_sides() -> None:
    job = Job("3 talking", "ours", 3, 60, window=4, settle=4, idle=0.3)
    found = step.run(job, pbx_tree(), draw.read(), lambda _: None)
    calls, ledger = found["calls"], found["ledger"]
    assert calls["connected"] == calls["begun"] == ledger["rows"] >= 5
    assert ledger["complete"]
    assert judge.failures(found) == {}
    assert found["channels_left"] == 0
    assert calls["in_window"]["talking_mean"] >= 2
    heard = found["recordings"]
    assert heard["listened"] >= 1
    assert heard["gap_ms"] / 10 < 5 * heard["channel_seconds"], "not a twentieth of what was said is there"
    assert found["cpu_percent"]["pbx"] > 0
    assert found["memory_mb"]["desktop"] > 10
