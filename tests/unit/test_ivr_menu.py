"""The checker finds every mistake a menu can hold, says where and what to do, and never breaks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr import check, menu

GOOD = check.MENU.read_text("utf-8")
QUEUES = check.queue_names(check.QUEUES_CONF.read_text("utf-8"))
TEXTS, _ = check.read_texts(check.PROMPTS.read_bytes(), "prompts.yaml")
WAVS = check.wav_names(check.WAVS)


def problems(text: str | bytes) -> list[menu.Problem]:
    content = text.encode() if isinstance(text, str) else text
    read, found = menu.read(content, "menu.yaml")
    return found + check.check(read, QUEUES, TEXTS, WAVS)


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_demo_menu_is_in_order() -> None:
    assert check.check_files() == []


def test_demo_menu_is_a_real_12345_menu() -> None:
    read, _ = menu.load(check.MENU)
    main = read.nodes["main"]
    assert isinstance(main, menu.MenuNode)
    assert sorted(main.keys) == ["0", "1", "2", "3", "4", "9"]
    assert set(read.profiles) == {"normal", "zero_menu"}
    assert read.start == "main"
    assert (main.place.file, main.place.line) == (str(check.MENU), line_of(GOOD, "  main:\n"))


def test_queue_names_are_the_sections_but_for_general_and_templates() -> None:
    conf = "[general]\nautofill=yes\n[hotline](!)\nx=1\n[complaint](hotline)\n;[old]\n[dialect]\n"
    assert check.queue_names(conf) == {"complaint", "dialect"}


MISTAKES = [
    ("unknown node", "1: consultation\n", "1: consultaton\n", "leads to `consultaton`, which does not exist"),
    ("unknown queue", "queue: dialect", "queue: dialects", "the queue `dialects`, which does not exist"),
    ("unknown profile", "profile: normal", "profile: norml", "there is no profile `norml`"),
    ("unknown hours", "hours: office\n", "hours: ofice\n", "the hours `ofice`, which do not exist"),
    ("unknown person", "person: person\n\n", "person: persn\n\n", "`person` leads to `persn`"),
    ("unreachable", "      9: dialect\n", "", "no key and no profile leads to `dialect`"),
    ("loop", "then: consultation", "then: enterprise-closed", "loop without a way out: enterprise-closed"),
    ("no key 0", '"*": main\n      0: person\n', '"*": main\n', "more than one key away: it has no key 0"),
    (
        "0 is no person",
        "9: dialect\n      0: person",
        "9: dialect\n      0: progress",
        "key 0 leads to `progress`",
    ),
    ("key twice", "      2: report", "      2: report\n      2: complaint", "`2` stands twice"),
    ("quoted key twice", "      2: report", '      2: report\n      "2": complaint', "`2` stands twice"),
    ("odd key", '"*": main', "12: main", "a key of `complaint-menu` is not right (`12`)"),
    (
        "node twice",
        "  dialect: {",
        "  person: {kind: closed}\n  dialect: {",
        "`person` stands twice in `nodes`",
    ),
    ("prompt unknown", "say: [main-menu]", "say: [man-menu]", "prompt `man-menu` has no text"),
    ("says nothing", "say: [complaint-menu]", "say: []", "node `complaint-menu` says nothing"),
    ("hours turned round", 'from: "09:00"', 'from: "18:00"', "close at 17:00, not after they open"),
    ("hours no clock", 'from: "09:00"', "from: 9am", "`from` is not right (`9am`)"),
    ("hour 25", 'to: "17:00"', 'to: "25:00"', "`to` is not right (`25:00`)"),
    ("unknown day", "days: workdays ", "days: [mon, monday] ", "a day is not right (`monday`)"),
    ("no otherwise", "    otherwise: enterprise-closed\n", "", "does not say where to go outside them"),
    ("useless otherwise", "    hours: office\n", "", "`otherwise` of `enterprise` is never used"),
    ("unknown field", "    retries: 1", "    retires: 1", "unknown field `retires` in node `progress`"),
    ("unknown top", "person: person\n\n", "person: person\ncolour: red\n\n", "unknown field `colour`"),
    ("unknown kind", "kind: progress", "kind: progres", "the kind of node `progress` is not right"),
    ("no kind", "    kind: progress  ", "    ", "node `progress` has no `kind`"),
    ("wait is a word", "wait: 4 ", "wait: soon ", "`wait` of `main` is not right (`soon`)"),
    ("wait too long", "wait: 4 ", "wait: 500 ", "`wait` of `main` is not right (`500`)"),
    ("priority negative", "priority: 5", "priority: -5", "`priority` of `report` is not right (`-5`)"),
    ("list for word", "queue: dialect,", "queue: [dialect],", "the queue of `dialect` is not right"),
    (
        "node is a word",
        "dialect: {kind: queue, queue: dialect, priority: 0}",
        "dialect: queue",
        "must be a block",
    ),
    (
        "keys are a list",
        "    keys:\n      1: complaint\n",
        "    keys: []\n    x:\n      1: y\n",
        "must be a block",
    ),
    ("bad node name", "  straight:", "  Straight Ahead:", "a node's name is not right"),
    ("taken name", "  straight:\n", "  entry:\n", "the node name `entry` is taken"),
    ("hostile name", "  straight:", '  "a,1)\\nexten":', "a node's name is not right (`a,1)·exten`)"),
    ("tab", "    kind: progress", "\tkind: progress", "not YAML"),
    ("open bracket", "say: [main-menu]", "say: [main-menu", "not YAML"),
    (
        "person has hours",
        "person: person\n\n",
        "person: enterprise-x\n\n",
        "`enterprise-x`, which does not exist",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), [pytest.param(*row[1:], id=row[0]) for row in MISTAKES])
def test_mistake_is_found_with_line_and_remedy(old: str, new: str, said: str) -> None:
    text = changed(old, new)
    found = [problem for problem in problems(text) if said in problem.what]
    assert found, "\n".join(map(str, problems(text)))
    for problem in found:
        assert problem.file == "menu.yaml"
        assert 1 <= problem.line <= text.count("\n") + 2
        assert problem.remedy
        assert str(problem).count("\n") <= 1


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("1: consultation\n", "1: consultaton\n", "consultaton"),
        ("queue: dialect", "queue: dialects", "queue: dialects"),
        ("      2: report", "      2: report\n      2: complaint", "2: complaint\n"),
        ("wait: 4 ", "wait: soon ", "wait: soon"),
    ],
)
def test_problem_stands_in_its_line(old: str, new: str, part: str) -> None:
    text = changed(old, new)
    assert line_of(text, part) in {problem.line for problem in problems(text)}


def test_person_who_is_not_always_there_is_refused() -> None:
    text = changed("then: consultation", "then: night") + "\n  night: {kind: closed}\n"
    text = text.replace("person: person\n\n", "person: enterprise\n\n", 1)
    assert any("`enterprise` is not a person at every hour" in problem.what for problem in problems(text))


def test_profile_without_a_person_is_refused() -> None:
    text = changed("    then: person", "    then: night") + "\n  night: {kind: closed}\n"
    assert any("`zero_menu` never reaches a person" in problem.what for problem in problems(text))


def test_missing_sound_file_is_told() -> None:
    read, _ = menu.load(check.MENU)
    found = check.check(read, QUEUES, TEXTS, WAVS - {"main-menu", "hear-again"})
    assert [problem.what for problem in found] == [
        "prompt `main-menu` has a text but no sound file",
        "prompt `hear-again` has a text but no sound file",
    ]


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    found = check.check_files(tmp_path / "no", tmp_path / "none", tmp_path / "nothing", tmp_path)
    assert len([problem for problem in found if "cannot be read" in problem.what]) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\n", b"---", b"- a\n- b", b"1", b"\xff\xfe\x00", b"\x00", b"a: &a [*a]", b"? [a]\n: b",
        b"%YAML 9.9\n---", b"nodes: {main: 2024-13-45}", b"!!python/object:os.system x", b"[" * 600,
        b"{a: " * 3000, b"nodes: !!int x", b"&a nodes: {*a : 1}", b"profile: ~", b"<<: *x",
        b"a: b\n---\nc: d",
        b"keys: 0x_", "\ufeffprofile: 一".encode(),
    ],
)  # fmt: skip
def test_strange_files_give_problems_and_no_trace(content: bytes) -> None:
    assert problems(content)


@given(st.binary(max_size=200))
def test_any_bytes_give_problems_and_no_trace(content: bytes) -> None:
    assert problems(content)
    check.read_texts(content, "prompts.yaml")


LINES = GOOD.splitlines()
ODD = ["~", "!!map", "&a", "*a", "|", "0x1", "1e9", "\t"]
WORDS = [*sorted(set(re.findall(r"[\w\"*:-]+|[\[\]{},]", GOOD))), *ODD]


@settings(max_examples=60)
@given(st.data())
def test_damaged_menus_give_problems_or_a_menu_and_no_trace(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "double", "indent", "word", "text"])):
            case "drop":
                lines.pop(at)
            case "double":
                lines.insert(at, lines[data.draw(st.integers(0, len(lines) - 1))])
            case "indent":
                lines[at] = " " * data.draw(st.integers(0, 8)) + lines[at].lstrip()
            case "word":
                words = re.findall(r"[\w\"*:-]+|[\[\]{},]", lines[at]) or [" "]
                place = data.draw(st.integers(0, len(words) - 1))
                lines[at] = lines[at].replace(words[place], data.draw(st.sampled_from(WORDS)), 1)
            case "text":
                lines[at] = data.draw(st.text(max_size=30))
        if not lines:
            break
    for problem in problems("\n".join(lines).encode("utf-8", "surrogatepass")):
        assert problem.line >= 1
        assert str(problem).count("\n") <= 1
