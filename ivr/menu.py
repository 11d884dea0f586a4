"""The voice menu as data: frozen dataclasses, and the reader that keeps file and line of everything.

The reader never raises for the contents of a file: it gives back what it could read and a list of problems.
It walks the composed YAML nodes, not loaded values, so every mark is there and no value is guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

KEYS = "0123456789*#"
PERSON_KEY = "0"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
RESERVED = {"entry", "workday"}
"""Node names whose context the compiler needs for itself."""


@dataclass(frozen=True)
class Place:
    file: str
    line: int


@dataclass(frozen=True)
class Problem:
    """One mistake in a file, as told to the person who wrote it."""

    file: str
    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}\n    → {self.remedy}"


@dataclass(frozen=True)
class Target:
    """The name of a node or of opening hours, with the place where it is named."""

    name: str
    place: Place


@dataclass(frozen=True)
class Prompt:
    id: str
    place: Place


@dataclass(frozen=True)
class Hours:
    name: str
    place: Place
    days: tuple[str, ...]
    """("workdays",), ("every_day",) or names of weekdays."""
    opens: str
    """Local time, HH:MM."""
    closes: str


@dataclass(frozen=True)
class MenuNode:
    """Prompts, then keys."""

    name: str
    place: Place
    greeting: tuple[Prompt, ...]
    say: tuple[Prompt, ...]
    wrong: tuple[Prompt, ...]
    silence: tuple[Prompt, ...]
    wait: int
    """Seconds to wait for a key after the last word."""
    retries: int
    keys: dict[str, Target]


@dataclass(frozen=True)
class Say:
    """Prompts, then the next node."""

    name: str
    place: Place
    say: tuple[Prompt, ...]
    then: Target | None


@dataclass(frozen=True)
class ToQueue:
    """A person: the queue, with opening hours where it has some."""

    name: str
    place: Place
    queue: str
    priority: int
    hours: Target | None
    otherwise: Target | None


@dataclass(frozen=True)
class Progress:
    """Progress of a ticket, answered by Python."""

    name: str
    place: Place
    retries: int


@dataclass(frozen=True)
class End:
    """An end without a person: message, callback or closed."""

    name: str
    place: Place
    kind: str


MenuPart = MenuNode | Say | ToQueue | Progress | End


@dataclass(frozen=True)
class Menu:
    file: str
    profile: Target | None = None
    profiles: dict[str, Target] = field(default_factory=dict)
    person: Target | None = None
    hours: dict[str, Hours] = field(default_factory=dict)
    nodes: dict[str, MenuPart] = field(default_factory=dict)

    @property
    def start(self) -> str:
        """Name of the node where the chosen profile begins. The menu must have passed the checker."""
        assert self.profile is not None
        return self.profiles[self.profile.name].name


def prompts_of(node: MenuPart) -> tuple[Prompt, ...]:
    """Every prompt that the node itself plays and that is named in the file."""
    if isinstance(node, MenuNode):
        return node.greeting + node.say + node.wrong + node.silence
    return node.say if isinstance(node, Say) else ()


def targets_of(node: MenuPart) -> Iterator[tuple[str, Target]]:
    """Where the node leads: (key or word, target)."""
    if isinstance(node, MenuNode):
        yield from node.keys.items()
    elif isinstance(node, Say) and node.then:
        yield "then", node.then
    elif isinstance(node, ToQueue) and node.otherwise:
        yield "otherwise", node.otherwise


@dataclass
class Reader:
    """Reads one file's marked nodes; collects problems instead of raising."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def place(self, node: Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)

    def complain(self, node: Node, what: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, what, remedy))

    def fields(
        self, node: Node, what: str, known: tuple[str, ...] | None = None
    ) -> dict[str, tuple[Node, Node]]:
        """The mapping's entries by name: (key, value). Says what is doubled, unknown or not a mapping."""
        if not isinstance(node, MappingNode):
            self.complain(
                node,
                f"{what} must be a block of `name: value` lines",
                "indent the lines below it by two spaces, each as `name: value`",
            )
            return {}
        found: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.complain(key, f"a name in {what} is not a plain word", "write it as `name: value`")
            elif key.value in found:
                first = found[key.value][0].start_mark.line + 1
                self.complain(
                    key,
                    f"`{short(key.value)}` stands twice in {what} (first in line {first})",
                    "keep one of the two",
                )
            elif known is not None and key.value not in known:
                self.complain(
                    key, f"unknown field `{short(key.value)}` in {what}", f"use one of: {', '.join(known)}"
                )
            else:
                found[key.value] = (key, value)
        return found

    def word(self, node: Node, what: str, fits: Callable[[str], object], remedy: str) -> str | None:
        """The scalar's text when it fits; otherwise None and a problem."""
        if isinstance(node, ScalarNode) and fits(node.value):
            return str(node.value)
        shown = f" (`{short(node.value)}`)" if isinstance(node, ScalarNode) else ""
        self.complain(node, f"{what} is not right{shown}", remedy)
        return None

    def name(self, node: Node, what: str) -> str | None:
        return self.word(
            node,
            what,
            NAME.fullmatch,
            "write one name of small letters, digits and -, beginning with a letter",
        )

    def target(self, node: Node, what: str) -> Target | None:
        name = self.name(node, what)
        return Target(name, self.place(node)) if name else None

    def number(self, node: Node, what: str, low: int, high: int) -> int:
        """The whole number within low..high; `low` and a problem otherwise."""
        text = self.word(
            node,
            what,
            lambda value: re.fullmatch(r"[0-9]{1,6}", value) and low <= int(value) <= high,
            f"write a whole number from {low} to {high}",
        )
        return int(text) if text is not None else low

    def items(self, node: Node) -> list[Node]:
        """The list's entries; a single value counts as a list of one."""
        return list(node.value) if isinstance(node, SequenceNode) else [node]

    def prompts(self, node: Node, what: str) -> tuple[Prompt, ...]:
        named = ((self.name(item, f"a prompt in {what}"), item) for item in self.items(node))
        return tuple(Prompt(name, self.place(item)) for name, item in named if name)


def short(text: str) -> str:
    """At most 40 signs of someone's text, on one line and printable."""
    return "".join(sign if sign.isprintable() else "·" for sign in text[:40]) + (
        "…" if len(text) > 40 else ""
    )


def composed(reader: Reader, content: bytes) -> Node | None:
    """The file's YAML as marked nodes; None and a problem when it is not YAML."""
    try:
        node: Node | None = YAML(typ="rt").compose(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        reader.problems.append(Problem(reader.file, line, "the file is not UTF-8 text", "save it as UTF-8"))
        return None
    except (RecursionError, MarkedYAMLError, YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        said = short(str(getattr(error, "problem", None) or "this is not readable YAML"))
        reader.problems.append(
            Problem(
                reader.file,
                mark.line + 1 if mark else 1,
                f"not YAML: {said}",
                "look at this line and the one before: indentation (spaces, no tabs), "
                "a colon, a quote or a bracket",
            )
        )
        return None
    if node is None:
        reader.problems.append(
            Problem(reader.file, 1, "the file is empty", "write a menu (see ivr/README.md)")
        )
    return node


def read(content: bytes, file: str) -> tuple[Menu, list[Problem]]:
    """The menu in the file's bytes, and what was wrong with its form. `file` is the name to be printed."""
    reader = Reader(file)
    root = composed(reader, content)
    if root is None:
        return Menu(file), reader.problems
    top = reader.fields(root, "the menu file", ("profile", "profiles", "person", "hours", "nodes"))
    for wanted in ("profile", "profiles", "person", "nodes"):
        if wanted not in top and isinstance(root, MappingNode):
            reader.complain(root, f"`{wanted}` is missing", f"add `{wanted}:` at the left edge of the file")
    menu = Menu(
        file=file,
        profile=read_profile(reader, top["profile"][1]) if "profile" in top else None,
        profiles=read_profiles(reader, top["profiles"][1]) if "profiles" in top else {},
        person=reader.target(top["person"][1], "`person`") if "person" in top else None,
        hours=read_hours(reader, top["hours"][1]) if "hours" in top else {},
        nodes=read_nodes(reader, top["nodes"][1]) if "nodes" in top else {},
    )
    return menu, reader.problems


def load(path: Path) -> tuple[Menu, list[Problem]]:
    """`read` for a file on disk; a file that cannot be opened is a problem too."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return Menu(str(path)), [
            Problem(
                str(path),
                1,
                f"cannot be read: {error.strerror}",
                "give the path of a menu file that exists and may be read",
            )
        ]
    return read(content, str(path))


def _profile_name(text: str) -> object:
    return re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", text)


def read_profile(reader: Reader, node: Node) -> Target | None:
    name = reader.word(node, "`profile`", _profile_name, "write the name of one of the `profiles`")
    return Target(name, reader.place(node)) if name else None


def read_profiles(reader: Reader, node: Node) -> dict[str, Target]:
    found = {}
    for key, value in reader.fields(node, "`profiles`").values():
        name = reader.word(key, "a profile's name", _profile_name, "use small letters, digits, - and _")
        target = reader.target(value, f"the start of profile `{short(key.value)}`")
        if name and target:
            found[name] = target
    return found


def read_hours(reader: Reader, node: Node) -> dict[str, Hours]:
    found = {}
    for key, value in reader.fields(node, "`hours`").values():
        name = reader.name(key, "the name of opening hours")
        entry = reader.fields(value, f"hours `{short(key.value)}`", ("days", "from", "to"))
        days = read_days(reader, entry["days"][1]) if "days" in entry else ()
        clocks = [
            reader.word(
                entry[side][1], f"`{side}`", CLOCK.fullmatch, 'write the time as "09:00", with quotes'
            )
            for side in ("from", "to")
            if side in entry
        ]
        for wanted in ("days", "from", "to"):
            if isinstance(value, MappingNode) and wanted not in entry:
                reader.complain(key, f"hours `{short(key.value)}` have no `{wanted}`", f"add `{wanted}:`")
        if name and len(clocks) == 2 and clocks[0] and clocks[1]:
            found[name] = Hours(name, reader.place(key), days, clocks[0], clocks[1])
    return found


def read_days(reader: Reader, node: Node) -> tuple[str, ...]:
    if isinstance(node, ScalarNode) and node.value in ("workdays", "every_day"):
        return (str(node.value),)
    remedy = "write workdays, every_day, or a list like [mon, tue, wed]"
    days = [reader.word(item, "a day", WEEKDAYS.__contains__, remedy) for item in reader.items(node)]
    if not days:
        reader.complain(node, "the list of days is empty", remedy)
    return tuple(day for day in days if day)


FIELDS = {
    "menu": ("kind", "greeting", "say", "wrong", "silence", "wait", "retries", "keys"),
    "say": ("kind", "say", "then"),
    "queue": ("kind", "queue", "priority", "hours", "otherwise"),
    "progress": ("kind", "retries"),
    "message": ("kind",),
    "callback": ("kind",),
    "closed": ("kind",),
}
NEEDED = {"menu": ("say", "wrong", "silence", "keys"), "say": ("say", "then"), "queue": ("queue",)}


def read_nodes(reader: Reader, node: Node) -> dict[str, MenuPart]:
    found = {}
    for key, value in reader.fields(node, "`nodes`").values():
        name = reader.name(key, "a node's name")
        if name in RESERVED or (name and name.startswith("hours-")):
            reader.complain(key, f"the node name `{name}` is taken by the compiler", "choose another name")
        elif name:
            part = read_node(reader, name, key, value)
            if part:
                found[name] = part
    return found


def read_node(reader: Reader, name: str, key: Node, value: Node) -> MenuPart | None:
    entries = reader.fields(value, f"node `{name}`")
    if not isinstance(value, MappingNode):
        return None
    if "kind" not in entries:
        reader.complain(key, f"node `{name}` has no `kind`", f"add `kind:` with one of {', '.join(FIELDS)}")
        return None
    kind = reader.word(
        entries["kind"][1],
        f"the kind of node `{name}`",
        FIELDS.__contains__,
        f"use one of: {', '.join(FIELDS)}",
    )
    if kind is None:
        return None
    for entry in [entry for entry in entries if entry not in FIELDS[kind]]:
        reader.complain(
            entries.pop(entry)[0],
            f"unknown field `{short(entry)}` in node `{name}` of kind {kind}",
            f"use one of: {', '.join(FIELDS[kind])}",
        )
    for wanted in NEEDED.get(kind, ()):
        if wanted not in entries:
            reader.complain(key, f"node `{name}` has no `{wanted}`", f"add `{wanted}:` to it")
    return build(reader, kind, name, reader.place(key), {entry: pair[1] for entry, pair in entries.items()})


def build(reader: Reader, kind: str, name: str, place: Place, entries: dict[str, Node]) -> MenuPart:
    """The node of its kind; what is missing was complained of already and is left empty."""

    def prompts(entry: str) -> tuple[Prompt, ...]:
        return reader.prompts(entries[entry], f"`{entry}` of `{name}`") if entry in entries else ()

    def target(entry: str) -> Target | None:
        return reader.target(entries[entry], f"`{entry}` of `{name}`") if entry in entries else None

    def number(entry: str, low: int, high: int, otherwise: int) -> int:
        wanted = entries.get(entry)
        return reader.number(wanted, f"`{entry}` of `{name}`", low, high) if wanted else otherwise

    if kind == "menu":
        return MenuNode(
            name,
            place,
            prompts("greeting"),
            prompts("say"),
            prompts("wrong"),
            prompts("silence"),
            number("wait", 1, 30, 5),
            number("retries", 0, 9, 2),
            read_keys(reader, name, entries["keys"]) if "keys" in entries else {},
        )
    if kind == "say":
        return Say(name, place, prompts("say"), target("then"))
    if kind == "queue":
        queue = reader.name(entries["queue"], f"the queue of `{name}`") if "queue" in entries else None
        return ToQueue(
            name, place, queue or "", number("priority", 0, 100, 0), target("hours"), target("otherwise")
        )
    if kind == "progress":
        return Progress(name, place, number("retries", 0, 5, 1))
    return End(name, place, kind)


def read_keys(reader: Reader, name: str, node: Node) -> dict[str, Target]:
    """Key → target. `1` and `"1"` are one key; the doubled one is told by Reader.fields."""
    found = {}
    for key, value in reader.fields(node, f"`keys` of `{name}`").values():
        pressed = reader.word(
            key,
            f"a key of `{name}`",
            lambda text: len(text) == 1 and text in KEYS,
            'use one of the keys 0-9, "*" or "#" (these two with quotes)',
        )
        target = reader.target(value, f"the target of key {short(key.value)} of `{name}`")
        if pressed and target:
            found[pressed] = target
    return found
