"""Recording cost: windows, ratios and the table; every variant still fits our files."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hotline.capacity import recording_cost
from hotline.capacity.recording_cost import FINALS, anatomy, groups, rows, section
from hotline.capacity.recording_variants import ARMED, NONE, RECORDERS, SHIPPED, STARTS, VARIANTS
from hotline.capacity.talking import Edit, EditMissed, Usage, between, thread_names
from hotline.pbx import CONF

THREADS = """0x7fb3064c26c0 20989 bridge_channel_ind_thread started at [ 2044] bridge.c bridge_impart_int()
0x7fb30653f6c0 20988 mixmonitor_thread    started at [ 1229] app_mixmonitor.c launch_monitor_thread()
0x7fb3069276c0 20873 pbx_thread           started at [ 4762] pbx.c ast_pbx_start()
3 threads listed."""
"""`core show threads` of Asterisk 22.10.1."""


def window(cores: float, **more: Any) -> dict[str, Any]:
    plain = {"user": cores / 3, "system": cores / 1.5, "switches": 100, "megabytes": 90.0, "by_thread": {}}
    return {**plain, "cores": cores, **more}


def line(recorded: list[float], bare: list[float], beside: str = "") -> dict[str, Any]:
    return {
        "calls": 10,
        "recorded": [window(c) for c in recorded],
        "bare": [window(c) for c in bare],
        "setup_ms": 20.0,
        "beside": beside,
    }


def test_a_window_is_what_was_used_in_it_thread_by_thread() -> None:
    names = thread_names(THREADS)
    before = Usage(100.0, 5.0, 3.0, 1000, {20988: 1.0, 20989: 2.0, 20873: 1.0}, 0)
    after = Usage(110.0, 6.0, 6.0, 3000, {20988: 1.5, 20989: 3.0, 20873: 1.0, 7: 0.005}, 50_000)
    measured = between(before, after, names, 90.04, 4)
    assert measured.cores == 0.1505
    assert (measured.user, measured.system, measured.switches) == (0.1, 0.3, 200)
    assert measured.kilobytes_written == 5.0
    assert measured.by_thread == {"bridge_channel_ind_thread": 0.1, "mixmonitor_thread": 0.05}


def test_a_ratio_is_to_the_shipped_neighbour_of_the_same_window() -> None:
    # The second window is twice as dear for everybody: the machine was busy, the ratio is the same.
    found = rows([{SHIPPED: line([0.6, 1.2], [0.2, 0.4]), "mixed wav": line([0.3, 0.6], [0.2, 0.4])}])
    assert found["mixed wav"]["to_shipped"] == 0.5
    assert (found["mixed wav"]["to_shipped_least"], found["mixed wav"]["to_shipped_most"]) == (0.5, 0.5)
    assert found["mixed wav"]["bare_to_shipped"] == 1.0
    assert found[SHIPPED]["to_none"] == 3.0


def test_a_variant_may_be_held_against_another_than_the_shipped_form() -> None:
    echo = "seats echo, 20 ms packets"
    found = rows([{SHIPPED: line([0.6], [0.3]), echo: line([0.5], [0.2]), "x": line([0.25], [0.2], echo)}])
    assert found["x"]["to_shipped"] == 0.5
    assert found["x"]["bare_to_shipped"] == 1.0


def test_where_the_time_goes_is_read_from_the_threads() -> None:
    shipped = line([0.6], [0.2])
    shipped["recorded"][0]["by_thread"] = {"pbx_thread": 0.3, "mixmonitor_thread": 0.1, "sched_run": 0.1}
    found = anatomy([{SHIPPED: shipped}])
    assert found["shipped"]["channel_threads"] == 3.0
    assert found["shipped"]["mixmonitor"] == 1.0
    assert found["none"]["cores"] == 2.0
    assert "simple" not in found


def test_a_variant_shares_its_session_with_what_it_is_held_against() -> None:
    for group in groups(VARIANTS):
        names = {variant.name for variant in group}
        assert all(not one.beside or one.beside in names for one in STARTS if one in group)
    assert sum(len(group) for group in groups(VARIANTS)) == len(VARIANTS)


@pytest.mark.parametrize("start", [one for one in STARTS if one.edits], ids=lambda one: str(one.name))
def test_what_a_variant_changes_is_in_the_shipped_configuration(start: Any) -> None:
    for edit in start.edits:
        if not edit.file.startswith("site/"):
            assert edit.apply((CONF / edit.file).read_text()) != (CONF / edit.file).read_text()


def test_a_line_that_is_not_there_is_said() -> None:
    with pytest.raises(EditMissed, match=r"modules\.conf"):
        Edit("modules.conf", "", "^load = no_such$").apply("[modules]\n")


def test_the_finalists_without_a_recorder_take_the_arming_out_of_the_shipped_dialplan() -> None:
    assert len(re.findall(ARMED, (CONF / "extensions.conf").read_text())) == 1
    assert RECORDERS[0].name == SHIPPED


def test_the_chapter_has_a_row_for_everything_measured_and_a_reason_for_everything_not() -> None:
    session = {SHIPPED: line([0.1], [0.04]), "without b": line([0.1], [0.04])}
    told = section(
        {
            "calls_each": 10,
            "seconds": 5.0,
            "load_average_before": 0.5,
            "command": "hotline capacity recording-cost",
            "variants": list(rows([session]).values()),
            "anatomy": anatomy([session]),
            "waiting": [{"calls": 50, "armed": [0.3, 0.29], "unarmed": [0.15, 0.15]}],
            "failed": {"jemalloc": "NotInstalled: libjemalloc.so.2"},
            "finals": [
                {"calls": 150, "name": name, "cores": cores, "setup_ms": 20, "megabytes": 100, "load": 1.0}
                for name, cores in zip(FINALS[:2], (0.4, 1.0), strict=True)
            ],
        }
    )
    assert "| without b | 100% | 2.50 | 1.00 (1.00–1.00) | 40% | 1.00 |" in told
    assert "| jemalloc | | | | | | | not measured: NotInstalled: libjemalloc.so.2 |" in told
    assert "take 30% of a core, and 59% with MixMonitor armed" in told
    assert f"| 150 | {SHIPPED} | 100% | 2.50 | 20 | 100 | 1.0 |" in told
    assert f"| 150 | {NONE} | 40% | 1.00 |" in told


def test_nothing_measured_yet_is_a_chapter_too() -> None:
    empty = {"calls_each": 10, "seconds": 5.0, "load_average_before": 0.5, "command": ""}
    assert recording_cost.section(empty).startswith("## What a recording costs")
