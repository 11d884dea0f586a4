"""Is a recording good? Plain rules on facts: no file, no database.

answered, file there  ──► kept, or suspect with a sentence saying what does not fit
answered, no file     ──► explained with the reason, or gap
not answered, empty   ──► nothing to keep
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SHORT_TALK_SECONDS = 1.0
"""A talk shorter than this may end before Asterisk has bridged both sides and written the first frame."""
LENGTH_SLACK_SECONDS = 2.0
"""The queue's own times are whole seconds on both ends, and the first frames of a bridge are lost."""
LENGTH_SLACK_SHARE = 0.02
"""Beyond that: lost packets of an ordinary line, which are missing in the file."""
WAITED_AGAIN_SHARE = 0.3
"""A second wait (transfer, vanished telephone) is talk by the ledger but not recorded; where less than this
share is recorded, it is no longer the wait that explains it."""
SILENCE_JUDGED_SECONDS = 3.0
"""In a shorter call one side may well have said nothing."""
SPEECH_NEEDED_SECONDS = 0.2
"""Shorter than any word: clicks of the line are not speech."""
LEFT_OVER_IS_DAMAGE = 1
"""Asterisk writes whole frames; even one byte too many means that the writing was cut."""


class State(StrEnum):
    """States of a Recording row."""

    KEPT = "kept"
    SUSPECT = "suspect"
    GAP = "gap"
    EXPLAINED = "explained"


STATE_LABELS = {
    State.KEPT: "正常",
    State.SUSPECT: "存疑",
    State.GAP: "缺失",
    State.EXPLAINED: "缺失（有说明）",
}


LOST = {
    "dead": "旁路录音中断",
    "pruned": "磁盘空间不足，旁路录音缓存被清除",
    "nothing": "旁路录音未收到语音包",
}
LOST_SECONDS_TOLD = 0.5
LOST_SHARE_TOLD = 0.05
"""What an ordinary line loses is no reason to look at a recording."""


@dataclass(frozen=True)
class Facts:
    """What is known of one call and its file."""

    answered: bool
    expected_seconds: float | None
    """Talk by the ledger, without what is not recorded of it; None where it cannot say."""
    measured_seconds: float | None
    """None: there is no file."""
    speech_seconds: tuple[float, ...] = ()
    """Per channel: caller, agent; a voice message has the caller only."""
    left_over_bytes: int = 0
    waited_again: bool = False
    """After the answer the citizen waited once more or others came and went: seams that are not recorded."""
    paused_seconds: float = 0.0
    """Silence of the recording that an agent asked for, while a citizen read out a card number."""
    pbx_died: bool = False
    """Asterisk ended with the call: the file may lack its last moments, or never have been written."""
    end_guessed: bool = False
    """The call has no end line, so the ledger's end is later than the true one."""
    recorder_off: bool = False
    lost_seconds: float = 0.0
    """In which no passive recorder captured anything."""
    lost_why: str = ""
    """Why, a key of LOST; empty: nothing is known to be lost."""
    lost_share: float = 0.0
    """Of the packets that were sent, how many never came."""
    unreadable: bool = False


@dataclass(frozen=True)
class Verdict:
    """State and, unless it is kept, one sentence in Chinese for the screen (at most 256 characters)."""

    state: State
    problem: str | None = None


def verdict(facts: Facts) -> Verdict:
    """Judges the recording of a call."""
    if facts.measured_seconds is None or facts.measured_seconds == 0:
        return _missing(facts)
    problems = [*_damage(facts), *_lost(facts), *_length(facts), *_silence(facts)]
    if not facts.answered:
        problems.append("台账无接听记录，却有录音")
    return Verdict(State.SUSPECT, "；".join(problems)) if problems else Verdict(State.KEPT)


def verdict_of_message(facts: Facts) -> Verdict:
    """Judges a voice message: no length is expected, but it must be there and say something."""
    if facts.unreadable:
        return Verdict(State.GAP, "留言文件无法读取")
    if not facts.measured_seconds:
        if facts.pbx_died:
            return Verdict(State.EXPLAINED, "留言时交换机中断")
        return Verdict(State.GAP, "未找到留言文件" if facts.measured_seconds is None else "留言文件为空")
    problems = _damage(facts)
    if max(facts.speech_seconds, default=0.0) < SPEECH_NEEDED_SECONDS:
        problems.append("留言无声")
    return Verdict(State.SUSPECT, "；".join(problems)) if problems else Verdict(State.KEPT)


def _missing(facts: Facts) -> Verdict:
    if facts.recorder_off:
        return Verdict(State.EXPLAINED, "录音已按规定关闭")
    if facts.expected_seconds is not None and facts.expected_seconds < SHORT_TALK_SECONDS:
        return Verdict(State.EXPLAINED, "通话不足 1 秒")
    if facts.pbx_died:
        return Verdict(State.EXPLAINED, "通话时交换机中断")
    if facts.unreadable:
        return Verdict(State.GAP, "录音文件无法读取")
    if facts.lost_why:
        return Verdict(State.GAP, f"无录音：{LOST.get(facts.lost_why, facts.lost_why)}")
    return Verdict(State.GAP, "未找到录音文件" if facts.measured_seconds is None else "录音文件为空")


def _damage(facts: Facts) -> list[str]:
    if facts.left_over_bytes < LEFT_OVER_IS_DAMAGE:
        return []
    return [f"录音文件不完整（{facts.left_over_bytes} 字节残缺）"]


def _lost(facts: Facts) -> list[str]:
    if facts.lost_why and facts.lost_seconds >= LOST_SECONDS_TOLD:
        return [f"录音缺 {facts.lost_seconds:.0f} 秒：{LOST.get(facts.lost_why, facts.lost_why)}"]
    if facts.lost_share >= LOST_SHARE_TOLD:
        return [f"语音包丢失 {facts.lost_share:.0%}"]
    return []


def _length(facts: Facts) -> list[str]:
    expected, measured = facts.expected_seconds, facts.measured_seconds
    if not facts.answered or expected is None or measured is None or facts.recorder_off:
        return []
    slack = max(LENGTH_SLACK_SECONDS, expected * LENGTH_SLACK_SHARE)
    shortest = expected * WAITED_AGAIN_SHARE if facts.waited_again else expected - slack
    too_short = measured < shortest and not facts.end_guessed
    if too_short or measured > expected + slack:
        return [f"时长不符：通话 {expected:.0f} 秒，录音 {measured:.0f} 秒"]
    return []


def _silence(facts: Facts) -> list[str]:
    silent = [spoken < SPEECH_NEEDED_SECONDS for spoken in facts.speech_seconds]
    judged = (facts.measured_seconds or 0) - facts.paused_seconds
    if facts.paused_seconds and judged < SILENCE_JUDGED_SECONDS:
        return []
    if silent and all(silent):
        return ["双声道无声"]
    if judged < SILENCE_JUDGED_SECONDS:
        return []
    return [f"{side}声道无声" for side, quiet in zip(("市民", "坐席"), silent, strict=False) if quiet]
