"""Finds what is wrong with a menu before a citizen does. Pure, but for `check_files`, which reads the files.

python -m ivr.check [menu.yaml]
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from ruamel.yaml.nodes import MappingNode

from ivr.menu import (
    PERSON_KEY,
    Menu,
    MenuNode,
    MenuPart,
    Place,
    Problem,
    Progress,
    Reader,
    Say,
    Target,
    ToQueue,
    composed,
    load,
    prompts_of,
    short,
    targets_of,
)

HERE = Path(__file__).resolve().parent
MENU = HERE / "menu.yaml"
PROMPTS = HERE / "prompts.yaml"
WAVS = HERE / "prompts"
QUEUES_CONF = HERE.parent / "asterisk_conf" / "queues.conf"
PROGRESS_PROMPTS = (
    "enter-number",
    "ticket-not-found",
    "enter-last-four",
    "wrong-digits",
    "hear-again",
    "wrong-key",
    "system-trouble",
)
"""What the compiler plays for a progress step without the menu naming it."""


def queue_names(queues_conf: str) -> set[str]:
    """The queues of a queues.conf: its sections, but for [general] and templates."""
    sections = re.findall(r"^\[([^\]\n]+)\][ \t]*(\([^)\n]*\))?", queues_conf, re.MULTILINE)
    return {name for name, options in sections if name != "general" and "!" not in options}


def check(
    menu: Menu, queues: Collection[str], texts: Mapping[str, str], wavs: Collection[str] | None = None
) -> list[Problem]:
    """Everything wrong with a menu that was read, in the order of the file.

    queues: names of the queues that exist. texts: prompt id → text. wavs: prompt ids that have a sound file;
    None leaves the files unchecked.
    """
    problems = [
        *wrong_profiles(menu),
        *unknown_targets(menu, queues),
        *bad_hours(menu),
        *unreachable(menu),
        *endless(menu),
        *person_too_far(menu),
        *silent_nodes(menu),
        *missing_prompts(menu, texts, wavs),
    ]
    return sorted(set(problems), key=lambda problem: (problem.file, problem.line, problem.what))


def at(place: Place, what: str, remedy: str) -> Problem:
    return Problem(place.file, place.line, what, remedy)


def listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "(none)"


def wrong_profiles(menu: Menu) -> Iterator[Problem]:
    if menu.profile and menu.profile.name not in menu.profiles:
        yield at(
            menu.profile.place,
            f"there is no profile `{menu.profile.name}`",
            f"choose one of: {listed(menu.profiles)}",
        )
    for profile, start in menu.profiles.items():
        node = menu.nodes.get(start.name)
        if (
            node
            and not isinstance(last_of_says(menu, node), MenuNode)
            and not leads_to_person(menu, start.name)
        ):
            yield at(
                start.place,
                f"profile `{profile}` never reaches a person",
                "let it begin with a menu, or end in a queue",
            )
    if menu.person and menu.person.name in menu.nodes and not leads_to_person(menu, menu.person.name):
        yield at(
            menu.person.place,
            f"`{menu.person.name}` is not a person at every hour",
            "name a node of kind queue without hours, or one whose `otherwise` ends in a queue",
        )


def last_of_says(menu: Menu, node: MenuPart) -> MenuPart:
    """The node where a chain of announcements ends (the chain's last one when it is a loop)."""
    seen = set()
    while isinstance(node, Say) and node.then and node.then.name in menu.nodes and node.name not in seen:
        seen.add(node.name)
        node = menu.nodes[node.then.name]
    return node


def leads_to_person(menu: Menu, name: str) -> bool:
    """Whether the node puts the caller into a queue by itself, at every hour."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        node = menu.nodes.get(name)
        follow = automatic(node)
        if isinstance(node, ToQueue) and node.hours is None:
            return True
        if not isinstance(node, ToQueue | Say) or follow is None:
            return False
        name = follow.name
    return False


def automatic(node: MenuPart | None) -> Target | None:
    """Where the node leads without a key."""
    if isinstance(node, Say):
        return node.then
    return node.otherwise if isinstance(node, ToQueue) else None


def unknown_targets(menu: Menu, queues: Collection[str]) -> Iterator[Problem]:
    named = [("`person`", menu.person)] if menu.person else []
    named += [(f"profile `{name}`", start) for name, start in menu.profiles.items()]
    for node in menu.nodes.values():
        named += [(f"`{word}` of `{node.name}`", target) for word, target in targets_of(node)]
        if isinstance(node, ToQueue) and node.queue and node.queue not in queues:
            yield at(
                node.place,
                f"node `{node.name}` names the queue `{node.queue}`, which does not exist",
                f"use one of {listed(queues)}, or add [{node.queue}] to asterisk_conf/queues.conf",
            )
    for what, target in named:
        if target and target.name not in menu.nodes:
            yield at(
                target.place,
                f"{what} leads to `{target.name}`, which does not exist",
                f"use one of {listed(menu.nodes)}, or add the node",
            )


def bad_hours(menu: Menu) -> Iterator[Problem]:
    for hours in menu.hours.values():
        if hours.opens >= hours.closes:
            yield at(
                hours.place,
                f"hours `{hours.name}` close at {hours.closes}, not after they open",
                "let `to` be later than `from` on the same day (up to 24:00)",
            )
    for node in menu.nodes.values():
        if not isinstance(node, ToQueue):
            continue
        if node.hours and node.hours.name not in menu.hours:
            yield at(
                node.hours.place,
                f"node `{node.name}` names the hours `{node.hours.name}`, which do not exist",
                f"use one of {listed(menu.hours)}, or add them under `hours`",
            )
        if node.hours and not node.otherwise:
            yield at(
                node.place,
                f"node `{node.name}` has hours but does not say where to go outside them",
                "add `otherwise:` with the name of a node",
            )
        if node.otherwise and not node.hours:
            yield at(
                node.place,
                f"`otherwise` of `{node.name}` is never used, because it has no hours",
                "add `hours:`, or take `otherwise` away",
            )


def unreachable(menu: Menu) -> Iterator[Problem]:
    waiting = [start.name for start in menu.profiles.values()] + ([menu.person.name] if menu.person else [])
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in menu.nodes and name not in reached:
            reached.add(name)
            waiting += [target.name for _, target in targets_of(menu.nodes[name])]
    for name, node in menu.nodes.items():
        if name not in reached:
            yield at(
                node.place, f"no key and no profile leads to `{name}`", "lead a key to it, or take it away"
            )


def endless(menu: Menu) -> Iterator[Problem]:
    """Loops that run without a key being pressed: the caller could never leave them."""
    told: set[str] = set()
    for name in menu.nodes:
        walked: list[str] = []
        while name in menu.nodes and name not in walked:
            walked.append(name)
            follow = automatic(menu.nodes[name])
            if follow is None:
                break
            name = follow.name
        else:
            loop = walked[walked.index(name) :] if name in walked else []
            if loop and not told & set(loop):
                told |= set(loop)
                yield at(
                    menu.nodes[loop[0]].place,
                    f"loop without a way out: {' → '.join([*loop, loop[0]])}",
                    "let one of them lead to a menu or to a queue",
                )


def person_too_far(menu: Menu) -> Iterator[Problem]:
    for node in menu.nodes.values():
        if not isinstance(node, MenuNode):
            continue
        target = node.keys.get(PERSON_KEY)
        if target is None:
            yield at(
                node.place,
                f"in menu `{node.name}` a person is more than one key away: it has no key 0",
                f"add `{PERSON_KEY}: {menu.person.name if menu.person else 'person'}` to its keys",
            )
        elif target.name in menu.nodes and not leads_to_person(menu, target.name):
            yield at(
                target.place,
                f"in menu `{node.name}` a person is more than one key away: key 0 leads to `{target.name}`",
                "let 0 lead to a node of kind queue that has a person at every hour",
            )


def silent_nodes(menu: Menu) -> Iterator[Problem]:
    for node in menu.nodes.values():
        if isinstance(node, MenuNode | Say) and not node.say:
            yield at(node.place, f"node `{node.name}` says nothing", "give `say` at least one prompt id")
        if isinstance(node, MenuNode):
            for word, prompts in (("wrong", node.wrong), ("silence", node.silence)):
                if not prompts:
                    yield at(
                        node.place, f"`{word}` of menu `{node.name}` says nothing", "give it a prompt id"
                    )


def missing_prompts(menu: Menu, texts: Mapping[str, str], wavs: Collection[str] | None) -> Iterator[Problem]:
    used = [(prompt.id, prompt.place) for node in menu.nodes.values() for prompt in prompts_of(node)]
    for node in menu.nodes.values():
        if isinstance(node, Progress):
            used += [(name, node.place) for name in PROGRESS_PROMPTS]
    for name, place in used:
        if not texts.get(name, "").strip():
            yield at(place, f"prompt `{name}` has no text", f"add `{name}: …` to ivr/prompts.yaml")
        elif wavs is not None and name not in wavs:
            yield at(place, f"prompt `{name}` has a text but no sound file", "run `python -m ivr.render`")


def read_texts(content: bytes, file: str) -> tuple[dict[str, str], list[Problem]]:
    """Prompt id → text of a prompts.yaml, and what was wrong with its form."""
    reader = Reader(file)
    root = composed(reader, content)
    if root is None:
        return {}, reader.problems
    top = reader.fields(root, "the prompts file", ("voice", "speed", "prompts", "digits"))
    found: dict[str, str] = {}
    for block, prefix in (("prompts", ""), ("digits", "digits/")):
        if block not in top:
            if isinstance(root, MappingNode):
                reader.complain(root, f"`{block}` is missing", f"add `{block}:` at the left edge of the file")
            continue
        for key, value in reader.fields(top[block][1], f"`{block}`").values():
            text = reader.word(
                value, f"the text of `{short(key.value)}`", str.strip, "write the words to be spoken"
            )
            if text:
                found[prefix + key.value] = text
    for word in ("voice", "speed"):
        if word in top:
            fits = re.compile(r"[a-z]{2}_[a-z]+" if word == "voice" else r"[0-9](\.[0-9]+)?").fullmatch
            reader.word(top[word][1], f"`{word}`", fits, "write a voice like zf_xiaoyi and a speed like 1.1")
    return found, reader.problems


def wav_names(folder: Path) -> set[str]:
    """Ids of the prompts that have a sound file below the folder."""
    return {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.wav")}


def check_files(
    menu: Path = MENU, prompts: Path = PROMPTS, queues_conf: Path = QUEUES_CONF, wavs: Path = WAVS
) -> list[Problem]:
    """Reads and checks an installation's files; empty: the menu can be compiled. Contents never raise."""
    read, problems = load(menu)
    texts: dict[str, str] = {}
    queues: set[str] = set()
    try:
        texts, more = read_texts(prompts.read_bytes(), str(prompts))
        problems += more
    except OSError as error:
        problems.append(
            Problem(str(prompts), 1, f"cannot be read: {error.strerror}", "put the prompts file there")
        )
    try:
        queues = queue_names(queues_conf.read_text("utf-8", "replace"))
    except OSError as error:
        problems.append(
            Problem(str(queues_conf), 1, f"cannot be read: {error.strerror}", "put queues.conf there")
        )
    return problems + check(read, queues, texts, wav_names(wavs))


def main() -> None:
    problems = check_files(Path(sys.argv[1]) if len(sys.argv) > 1 else MENU)
    print("\n".join(map(str, problems)) or "the menu is in order")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
