"""A call's way through the house in words, from its journal lines and from the floor as it is now. Pure.

CALLARRIVED ─► MENUSTEP ─► TOPERSON ─► ENTERQUEUE ─► RINGNOANSWER ─► AGENTANSWERED ─► HELD … ─► CALLENDED
each line may begin a step, and end one that is open: so a step knows how long it lasted
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from agent_desktop.labels import OUTCOMES, RATINGS, WATCH_MODES, Names

_NUMBER = re.compile(r"\+?\d{7,}")
_RESULTS = {"wrong": "按键有误", "silence": "未按键"}
_ENDED_BY = {"caller": "市民挂断", "agent": "坐席挂断", "system": "系统结束"}
_DIALLED = {"NOANSWER": "无人接听", "BUSY": "占线", "CHANUNAVAIL": "无法接通", "CONGESTION": "无法接通"}


@dataclass(frozen=True)
class JournalLine:
    """One line of the call; `at` in epoch ms."""

    at: int
    event: str
    agent: str | None = None
    queue: str | None = None
    data: tuple[str, ...] = ()

    def field(self, number: int) -> str:
        return self.data[number] if len(self.data) > number else ""


@dataclass(frozen=True)
class Step:
    """What a line means: `ends` are the kinds of open steps that are over with it; `lasts`: it stays open."""

    kind: str
    label: str
    detail: Callable[[JournalLine, Names], str | None] = lambda line, names: None
    seat: int | None = None
    """Which datum names the telephone."""
    ends: tuple[str, ...] = ()
    lasts: bool = False


def _queue(line: JournalLine, names: Names) -> str:
    return names.queue(line.queue)


def _said(number: int) -> Callable[[JournalLine, Names], str | None]:
    """A label as typed or chosen by a person; whole numbers in it are masked."""
    return lambda line, names: _NUMBER.sub(_masked, unquote(line.field(number))) or None


def _masked(found: re.Match[str]) -> str:
    return found[0][:3] + "****" + found[0][-4:]


def _menu(line: JournalLine, names: Names) -> str:
    result = _RESULTS.get(line.field(3))
    return names.step(line.field(1), line.field(2)) + (f"（{result}）" if result else "")


_TALKS = ("answered", "outside", "taken_over")
_WITH_SOMEBODY = (*_TALKS, "hold", "consult", "three_way")
_ALL = ("queued", *_WITH_SOMEBODY, "returned", "recording_paused", "survey", "watch", "help")

STEPS: Mapping[str, Step] = {
    "CALLARRIVED": Step("arrived", "来电"),
    "DIALLED": Step("dialled", "呼出", seat=1),
    "DIALENDED": Step("dial_ended", "呼叫结束", lambda line, names: _DIALLED.get(line.field(1))),
    "MENUSTEP": Step("menu", "语音导航", _menu),
    "TOPERSON": Step("to_person", "要求人工", lambda line, names: names.queue(line.field(1))),
    "DESKCLOSED": Step("desk_closed", "专席已关闭", lambda line, names: names.queue(line.field(1))),
    "ENTERQUEUE": Step("queued", "排队等待", _queue, ends=("queued", *_WITH_SOMEBODY), lasts=True),
    "RINGNOANSWER": Step("rung", "振铃未接"),
    "AGENTANSWERED": Step("answered", "坐席接听", seat=1, ends=("queued", "returned"), lasts=True),
    "OUTSIDEANSWERED": Step("outside", "外线接听", _said(1), ends=("queued", "returned"), lasts=True),
    "HELD": Step("hold", "保持", lasts=True),
    "RESUMED": Step("", "", ends=("hold",)),
    "CONSULTBEGAN": Step("consult", "咨询", _said(4), ends=("consult",), lasts=True),
    "CONSULTENDED": Step("", "", ends=("consult",)),
    "THREEWAY": Step("three_way", "三方通话", ends=("consult", "hold"), lasts=True),
    "PARTYLEFT": Step("", "", ends=("three_way", "consult")),
    "TRANSFERRED": Step("transferred", "转接", _said(3), ends=_WITH_SOMEBODY),
    "AGENTLEFT": Step("left", "坐席退出，市民与第三方继续通话", ends=_TALKS),
    "RETURNED": Step("returned", "坐席电话中断，市民等待", seat=1, ends=_WITH_SOMEBODY, lasts=True),
    "RECORDINGPAUSED": Step("recording_paused", "录音暂停", lasts=True),
    "RECORDINGRESUMED": Step("", "", ends=("recording_paused",)),
    "WATCHBEGAN": Step(
        "watch",
        "监听开始",
        lambda line, names: WATCH_MODES.get(line.field(2)),
        seat=1,
        ends=("watch",),
        lasts=True,
    ),
    "WATCHMODE": Step(
        "watch_mode", "切换监听方式", lambda line, names: WATCH_MODES.get(line.field(2)), seat=1
    ),
    "WATCHENDED": Step("", "", ends=("watch",)),
    "TAKENOVER": Step("taken_over", "接管通话", seat=1, ends=_WITH_SOMEBODY, lasts=True),
    "HELPASKED": Step("help", "坐席求助", seat=1, ends=("help",), lasts=True),
    "HELPTAKEN": Step("help_taken", "响应求助", seat=1, ends=("help",)),
    "HELPENDED": Step("", "", ends=("help",)),
    "OVERFLOW": Step(
        "overflow", "溢出", lambda line, names: names.queue(line.field(2)) or None, ends=("queued",)
    ),
    "CALLBACKASKED": Step("callback", OUTCOMES["callback_requested"]),
    "MESSAGELEFT": Step("message", OUTCOMES["voicemail_left"]),
    "SELFSERVED": Step("self_served", OUTCOMES["self_served"]),
    "CALLCLOSED": Step("closed", OUTCOMES["closed"]),
    "CALLREFUSED": Step("refused", OUTCOMES["refused"]),
    "MOVED": Step("moved", "被移动", lambda line, names: names.queue(line.field(2)) or line.field(2) or None),
    "SURVEYBEGAN": Step("survey", "满意度评价", ends=_WITH_SOMEBODY, lasts=True),
    "SURVEYED": Step(
        "rated",
        "市民评价",
        lambda line, names: RATINGS.get(int(line.field(1))) if line.field(1).isdigit() else None,
        ends=("survey",),
    ),
    "COMPLETEAGENT": Step("", "", ends=_WITH_SOMEBODY),
    "COMPLETECALLER": Step("", "", ends=_WITH_SOMEBODY),
    "CALLENDED": Step("ended", "结束", lambda line, names: _ENDED_BY.get(line.field(2)), ends=_ALL),
    "CALLLOST": Step("ended", "结束", ends=_ALL),
}
"""Lines that are not here say nothing that people ask for, or say it twice."""


def path(
    lines: Iterable[JournalLine], live: Mapping[str, Any] | None, names: Names, people: Mapping[str, str]
) -> list[dict[str, Any]]:
    """[{"at", "kind", "label", "detail", "seat", "agent_name", "ms"}] in order.

    `ms` is None while a step goes on, and where it has no length. `live` is the call on the floor, `people`
    maps logins to names.
    """
    steps: list[dict[str, Any]] = []
    going_on: dict[str, dict[str, Any]] = {}
    for line in sorted(lines, key=lambda one: one.at):
        if line.event == "CONNECT":
            _name_who_answered(steps, line, people)
            continue
        step = STEPS.get(line.event)
        if step is None:
            continue
        for kind in step.ends:
            over = going_on.pop(kind, None)
            if over:
                over["ms"] = max(0, line.at - over["at"])
        if not step.label or _stands_already(steps, step, line):
            continue
        entry = {
            "at": line.at,
            "kind": step.kind,
            "label": step.label,
            "detail": step.detail(line, names),
            "seat": _seat(line.field(step.seat)) if step.seat is not None else None,
            "agent_name": people.get(line.agent, line.agent) if line.agent else None,
            "ms": int(line.field(0)) if step.kind == "rung" and line.field(0).isdigit() else None,
        }
        steps.append(entry)
        if step.lasts:
            going_on[step.kind] = entry
    return [*steps, *_now(steps, live, people)]


def _stands_already(steps: Sequence[Mapping[str, Any]], step: Step, line: JournalLine) -> bool:
    """A member of several queues has several lines of one thing."""
    return bool(steps) and steps[-1]["kind"] == step.kind == "rung" and steps[-1]["at"] == line.at


def _name_who_answered(steps: Sequence[dict[str, Any]], line: JournalLine, people: Mapping[str, str]) -> None:
    """app_queue knows who it was; the dialplan's line, which stands before it, knows when."""
    for entry in reversed(steps):
        if entry["kind"] == "answered":
            if entry["agent_name"] is None and line.agent:
                entry["agent_name"] = people.get(line.agent, line.agent)
            return


def _now(
    steps: Sequence[Mapping[str, Any]], live: Mapping[str, Any] | None, people: Mapping[str, str]
) -> list[dict[str, Any]]:
    """What the floor knows before the ledger does: that it rings."""
    if live is None or live["state"] != "ringing" or not live.get("seat"):
        return []
    return [
        {
            "at": live.get("ringing_at") or live["event_at"],
            "kind": "ringing",
            "label": "正在振铃",
            "detail": None,
            "seat": live["seat"],
            "agent_name": people.get(live.get("agent") or ""),
            "ms": None,
        }
    ]


def _seat(telephone: str) -> str | None:
    """8001 is the desk phone, 8001w the browser of seat 8001."""
    return telephone.removesuffix("w") or None
