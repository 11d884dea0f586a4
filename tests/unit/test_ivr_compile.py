"""The compiled dialplan is the committed one, leads nowhere it should not, and lets nobody fall silent."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr import check, compile, menu
from ivr.prompts import texts

MENU, _ = menu.load(check.MENU)
WEEKDAY = "${STRFTIME(${ARG1},Asia/Shanghai,%u)}"
DIALPLAN = compile.compile_menu(MENU)
OURS = {
    "journal",
    "journal-step",
    "to-person",
    "self-served",
    "take-message",
    "ask-callback",
    "closed",
    "ask-python",
}
"""Contexts of the hand-written dialplan that a menu may use."""


def contexts(dialplan: str) -> dict[str, dict[str, list[str]]]:
    """context → extension → its steps in order."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in dialplan.splitlines():
        if match := re.fullmatch(r"\[([^]]+)\]", line):
            steps: list[str] = []
            extensions = found.setdefault(match[1], {})
        elif match := re.fullmatch(r"exten => (.+?),1,(.*)", line):
            steps = extensions.setdefault(match[1], [])
            assert not steps, f"{match[1]} stands twice"
            steps.append(match[2])
        elif match := re.fullmatch(r" same => n(?:\(\w+\))?,(.*)", line):
            steps.append(match[1])
        else:
            assert line == "" or line.startswith(";"), line
    return found


def test_committed_dialplan_is_what_the_menu_compiles_to() -> None:
    assert compile.TARGET.read_text("utf-8") == DIALPLAN, "run `hotline menu compile` and commit the result"
    assert "GENERATED" in DIALPLAN.splitlines()[0]


def test_calls_enter_at_the_chosen_profile() -> None:
    assert contexts(DIALPLAN)["menu-entry"]["s"] == ["Goto(menu-main,s,1)"]
    text = check.MENU.read_text("utf-8").replace("profile: normal", "profile: zero_menu", 1)
    zero, problems = menu.read(text.encode(), "menu.yaml")
    assert problems == []
    parts = contexts(compile.compile_menu(zero))
    assert parts["menu-entry"]["s"] == ["Goto(menu-straight,s,1)"]
    assert parts["menu-straight"]["s"] == ["Playback(hotline/greeting)", "Goto(menu-person,s,1)"]
    assert parts["menu-person"]["s"][-1] == "Goto(to-person,consultation,1)"


def assert_whole(dialplan: str) -> None:
    parts = contexts(dialplan)
    for name, extensions in parts.items():
        for steps in extensions.values():
            for context, extension in re.findall(
                r"(?:Goto\(|\?|Gosub\()([a-z][\w.-]+),([^,()]+),", "\n".join(steps)
            ):
                if context in OURS or context.startswith("menu-workday"):
                    continue
                assert extension in parts[context], f"{name} goes to {context},{extension}"
            last = steps[-1]
            assert last.startswith(("Goto(", "WaitExten(", "Return(")), f"{name} falls off its end: {last}"
        if any("WaitExten" in step for steps in extensions.values() for step in steps):
            assert {"i", "t", "e"} <= set(extensions), f"{name} has no way on"
        assert max(len(step) for steps in extensions.values() for step in steps) < 500


def test_every_jump_has_a_target_and_every_wait_a_way_on() -> None:
    assert_whole(DIALPLAN)


def test_every_sound_that_is_played_has_a_text() -> None:
    played = set(re.findall(r"hotline/([\w-]+)", DIALPLAN))
    assert played <= {text.id for text in texts()}


def test_zero_is_a_person_in_every_context_that_waits_for_a_key() -> None:
    for name, extensions in contexts(DIALPLAN).items():
        if any("WaitExten" in step for steps in extensions.values() for step in steps):
            assert extensions["0"][-1] == "Goto(menu-person,s,1)", name


def test_each_key_is_journalled_before_the_call_goes_on() -> None:
    main = contexts(DIALPLAN)["menu-main"]
    assert main["2"] == ["Gosub(journal-step,s,1(main,2,pressed))", "Goto(menu-complaint-menu,s,1)"]
    assert main["i"][0] == "Gosub(journal-step,s,1(main,${INVALID_EXTEN},wrong))"
    assert main["t"][0] == "Gosub(journal-step,s,1(main,,silence))"


def test_ticket_number_is_never_journalled() -> None:
    assert not re.search(
        r"journal-step[^\n]*(EXTEN\}|HL_TICKET|HL_LAST4)", DIALPLAN.replace("${INVALID_EXTEN}", "")
    )


def test_who_hangs_up_after_the_answer_was_served_but_not_who_asks_for_a_person() -> None:
    parts = contexts(DIALPLAN)
    answer = parts["menu-progress.answer"]
    assert "Set(CHANNEL(hangup_handler_push)=menu-progress.served,s,1)" in answer["s"]
    assert all("Set(CHANNEL(hangup_handler_pop)=)" in answer[way_out] for way_out in "0te")
    assert "Gosub(journal,s,1(SELFSERVED,progress))" in parts["menu-progress.served"]["s"]


def test_calendar_holds_only_the_days_unlike_their_weekday() -> None:
    days = compile.exceptions()
    assert days[date(2026, 10, 1)] is False
    assert days[date(2026, 10, 10)] is True
    assert date(2026, 11, 23) not in days
    assert all(works != (day.weekday() < 5) for day, works in days.items())


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ("every_day", "Return($[1${STRFTIME(${ARG1},Asia/Shanghai,%H%M)} >= 10830"),
        ("[mon, sat]", f"Return($[({WEEKDAY} = 1 | {WEEKDAY} = 6) & "),
    ],
)
def test_other_opening_hours_compile_too(days: str, said: str) -> None:
    text = check.MENU.read_text("utf-8").replace("days: workdays", f"days: {days}").replace("09:00", "08:30")
    read, problems = menu.read(text.encode(), "menu.yaml")
    assert problems == []
    assert contexts(compile.compile_menu(read))["menu-hours-office"]["s"][0].startswith(said)


def test_ends_without_a_person_compile_to_their_contexts() -> None:
    more = "\n  note: {kind: message}\n  ring-back: {kind: callback}\n  shut: {kind: closed}\n"
    text = check.MENU.read_text("utf-8") + more
    parts = contexts(compile.compile_menu(menu.read(text.encode(), "menu.yaml")[0]))
    assert [parts[f"menu-{name}"]["s"] for name in ("note", "ring-back", "shut")] == [
        ["Goto(take-message,s,1)"], ["Goto(ask-callback,s,1)"], ["Goto(closed,s,1)"],
    ]  # fmt: skip


def test_tree_shows_every_node_and_its_words() -> None:
    tree = compile.show(MENU, {text.id: text.words for text in texts()})
    assert "profile normal  ← in use" in tree
    assert "├─ 2 → complaint-menu: “投诉请按一" in tree
    assert "* → ↑ main" in tree
    assert all(f"{name}:" in tree for name in MENU.nodes)


@settings(max_examples=40)
@given(st.data())
def test_any_menu_that_passes_the_checker_compiles_whole(data: st.DataObject) -> None:
    names = [f"n{n}" for n in range(data.draw(st.integers(1, 5)))]
    anywhere = st.sampled_from([*names, "p"])
    nodes = ["  p: {kind: queue, queue: consultation}"]
    for name in names:
        kind = data.draw(
            st.sampled_from(["menu", "say", "queue", "progress", "message", "callback", "closed"])
        )
        if kind == "menu":
            keys = data.draw(st.dictionaries(st.sampled_from("123456789*#"), anywhere, max_size=4))
            listed = ", ".join(f'"{key}": {target}' for key, target in keys.items())
            words = "say: main-menu, wrong: wrong-key, silence: no-key"
            nodes.append(f"  {name}: {{kind: menu, {words}, keys: {{0: p, {listed}}}}}")
        elif kind == "say":
            nodes.append(f"  {name}: {{kind: say, say: [goodbye], then: {data.draw(anywhere)}}}")
        elif kind == "queue":
            more = f", hours: h, otherwise: {data.draw(anywhere)}" if data.draw(st.booleans()) else ""
            nodes.append(f"  {name}: {{kind: queue, queue: complaint{more}}}")
        else:
            nodes.append(f"  {name}: {{kind: {kind}}}")
    text = (
        "profile: a\nprofiles: {a: n0}\nperson: p\n"
        "hours:\n  h: {days: [sun], from: '08:00', to: '24:00'}\nnodes:\n" + "\n".join(nodes)
    )
    read, form = menu.read(text.encode(), "menu.yaml")
    assert form == []
    problems = check.check(read, {"consultation", "complaint"}, {text.id: text.words for text in texts()})
    if all("no key and no profile" in problem.what for problem in problems):
        assert_whole(compile.compile_menu(read))
        compile.show(read, {})
