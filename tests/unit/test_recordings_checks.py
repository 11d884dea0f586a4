"""recordings.checks: the verdict on one call, case by case."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recordings.checks import Facts, State, verdict, verdict_of_message

GOOD = Facts(answered=True, expected_seconds=180.0, measured_seconds=179.2, speech_seconds=(60.0, 80.0))
NO_FILE = replace(GOOD, measured_seconds=None, speech_seconds=())


@pytest.mark.parametrize(
    ("facts", "state", "words"),
    [
        (GOOD, State.KEPT, None),
        (replace(GOOD, measured_seconds=176.5), State.KEPT, None),
        (replace(GOOD, measured_seconds=170.0), State.SUSPECT, "时长不符：通话 180 秒，录音 170 秒"),
        (replace(GOOD, measured_seconds=190.0), State.SUSPECT, "时长不符：通话 180 秒，录音 190 秒"),
        (replace(GOOD, expected_seconds=None), State.KEPT, None),
        (replace(GOOD, speech_seconds=(0.1, 80.0)), State.SUSPECT, "市民声道无声"),
        (replace(GOOD, speech_seconds=(60.0, 0.0)), State.SUSPECT, "坐席声道无声"),
        (replace(GOOD, speech_seconds=(0.0, 0.0)), State.SUSPECT, "双声道无声"),
        (replace(GOOD, left_over_bytes=3), State.SUSPECT, "录音文件不完整（3 字节残缺）"),
        (replace(GOOD, answered=False), State.SUSPECT, "台账无接听记录，却有录音"),
        # The second wait of a transferred call is not recorded.
        (replace(GOOD, measured_seconds=90.0, waited_again=True), State.KEPT, None),
        (
            replace(GOOD, measured_seconds=20.0, waited_again=True),
            State.SUSPECT,
            "时长不符：通话 180 秒，录音 20 秒",
        ),
        # The ledger only guesses when Asterisk died.
        (replace(GOOD, measured_seconds=90.0, pbx_died=True, end_guessed=True), State.KEPT, None),
        (NO_FILE, State.GAP, "未找到录音文件"),
        (replace(NO_FILE, measured_seconds=0.0), State.GAP, "录音文件为空"),
        (replace(NO_FILE, recorder_off=True), State.EXPLAINED, "录音已按规定关闭"),
        (replace(NO_FILE, pbx_died=True), State.EXPLAINED, "通话时交换机中断"),
        (replace(NO_FILE, expected_seconds=0.9), State.EXPLAINED, "通话不足 1 秒"),
        (replace(NO_FILE, expected_seconds=1.0), State.GAP, "未找到录音文件"),
        (replace(NO_FILE, measured_seconds=0.0, unreadable=True), State.GAP, "录音文件无法读取"),
        # One word said by one side in two seconds is an ordinary wrong number.
        (Facts(True, 2.0, 1.8, (0.0, 0.9)), State.KEPT, None),
        (Facts(True, 2.0, 1.8, (0.0, 0.0)), State.SUSPECT, "双声道无声"),
    ],
)
def test_verdict_on_a_call(facts: Facts, state: State, words: str | None) -> None:
    assert (verdict(facts).state, verdict(facts).problem) == (state, words)


def test_several_problems_are_all_told() -> None:
    bad = replace(GOOD, measured_seconds=10.0, speech_seconds=(0.0, 5.0), left_over_bytes=1)
    problem = verdict(bad).problem or ""
    assert problem.split("；") == [
        "录音文件不完整（1 字节残缺）",
        "时长不符：通话 180 秒，录音 10 秒",
        "市民声道无声",
    ]
    assert len(problem) <= 256


@pytest.mark.parametrize(
    ("facts", "state", "words"),
    [
        (Facts(False, None, 12.0, (9.0,)), State.KEPT, None),
        (Facts(False, None, 12.0, (0.0,)), State.SUSPECT, "留言无声"),
        (Facts(False, None, None), State.GAP, "未找到留言文件"),
        (Facts(False, None, 0.0), State.GAP, "留言文件为空"),
        (Facts(False, None, 0.0, unreadable=True), State.GAP, "留言文件无法读取"),
        (Facts(False, None, None, pbx_died=True), State.EXPLAINED, "留言时交换机中断"),
    ],
)
def test_verdict_on_a_message(facts: Facts, state: State, words: str | None) -> None:
    judged = verdict_of_message(facts)
    assert (judged.state, judged.problem) == (state, words)
