"""A short campaign: forty calls during which parts die, hang and lose each other; nothing is lost."""

from __future__ import annotations

import pytest

from hotline.campaign.report import passed, section
from hotline.campaign.run import Plan, run
from hotline.private_line import pbx_tree

pytestmark = pytest.mark.pbx

FAULTS = (
    "kill-cti",
    "kill-desktop",
    "kill-worker",
    "database-locked",
    "link-cut",
    "journal-rotated",
)


def test_forty_calls_during_a_dozen_faults_lose_nothing() -> None:
    plan = Plan(
        calls=40,
        seed=12345,
        database="sqlite",
        rate=2.2,
        seats=10,
        faults=FAULTS,
        share=0.01,
        longest=4.0,
        talk=(1.0, 2.5),
        patience=(7.0, 8.0),
    )
    result = run(plan, pbx_tree())
    assert passed(result), section(result)
    assert result["calls"]["dialled"] == 40
    assert {row["fault"] for row in result["faults"]} == set(FAULTS)
    assert result["packets"]["why_not"] or result["packets"]["dropped"] == 0
