"""An agent's states of today in order, from the journal's pauses and from the parts of the calls. Pure.

SIGNIN, PAUSE reason, UNPAUSE, SIGNOUT ─► presence ─┐
parts: agent, hold, consult ────────────────────────┴─► what the telephone did goes before what was chosen
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

PAUSES = ("PAUSE", "PAUSEALL")
READY = ("UNPAUSE", "UNPAUSEALL")
LINES = ("SIGNIN", "SIGNOUT", *PAUSES, *READY)
STATES = {"agent": "talking", "hold": "holding", "consult": "consulting"}
"""Kind of a part -> state; a later one in this order goes before an earlier one."""
LABELS = {
    "ready": "示闲",
    "talking": "通话中",
    "holding": "保持中",
    "consulting": "咨询中",
    "after_call": "话后处理",
    "signed_out": "未签入",
}


@dataclass(frozen=True)
class Turn:
    """A journal line of the agent; `at` in epoch ms, `reason` the datum of a pause."""

    at: int
    event: str
    reason: str = ""


@dataclass(frozen=True)
class Stretch:
    """A part of a call with this agent; `until` None: it goes on."""

    kind: str
    began: int
    until: int | None


def history(
    turns: Iterable[Turn], talks: Sequence[Stretch], now: int, reason_label: Callable[[str], str]
) -> list[dict[str, Any]]:
    """[{"at", "state", "label", "ms"}], oldest first; `ms` of the last one, which goes on, is None."""
    chosen: list[tuple[int, str, str]] = []
    for turn in sorted(turns, key=lambda one: one.at):
        state, label = _chosen(turn, reason_label)
        if state and (not chosen or chosen[-1][1:] != (state, label)):
            chosen.append((turn.at, state, label))
    edges = {at for at, _, _ in chosen}
    edges |= {edge for talk in talks for edge in (talk.began, talk.until or now)}
    found: list[dict[str, Any]] = []
    for began, ends in pairwise([*sorted(edge for edge in edges if edge < now), now]):
        state, label = _at(began, chosen, talks, now)
        if found and (found[-1]["state"], found[-1]["label"]) == (state, label):
            found[-1]["ms"] += ends - began
        elif state:
            found.append({"at": began, "state": state, "label": label, "ms": ends - began})
    if found and found[-1]["at"] + found[-1]["ms"] >= now:
        found[-1]["ms"] = None
    return found


def _chosen(turn: Turn, reason_label: Callable[[str], str]) -> tuple[str, str]:
    if turn.event in READY:
        return "ready", LABELS["ready"]
    if turn.event == "SIGNOUT":
        return "signed_out", LABELS["signed_out"]
    if turn.event in PAUSES:
        reason = turn.reason.split(":", 1)[0]
        state = "after_call" if reason == "after_call" else "not_ready"
        return state, reason_label(reason) if reason else "示忙"
    return "not_ready", reason_label("signed_in")


def _at(
    moment: int, chosen: Sequence[tuple[int, str, str]], talks: Sequence[Stretch], now: int
) -> tuple[str, str]:
    for kind in reversed(STATES):
        if any(one.kind == kind and one.began <= moment < (one.until or now) for one in talks):
            return STATES[kind], LABELS[STATES[kind]]
    last = next((one for one in reversed(chosen) if one[0] <= moment), None)
    return (last[1], last[2]) if last else ("", "")
