"""Compiles a checked menu to native Asterisk 22 dialplan, and prints it as a tree.

    python -m ivr.compile            writes asterisk_conf/generated/menu.conf
    python -m ivr.compile --show     prints the tree

Each node is a context `menu-<node>` entered at `s`. Keys are extensions waited for by Background and
WaitExten, so a key pressed during the prompt, or before it, counts. What fails ends at a person.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import chinese_calendar
from chinese_calendar import constants

from ivr.check import MENU, check_files
from ivr.menu import (
    WEEKDAYS,
    End,
    Hours,
    Menu,
    MenuNode,
    MenuPart,
    Progress,
    Prompt,
    Say,
    Target,
    ToQueue,
    load,
    targets_of,
)
from ivr.prompts import texts

TARGET = Path(__file__).resolve().parent.parent / "asterisk_conf" / "generated" / "menu.conf"
FIRST_YEAR = 2026
"""Dates before the project began are not compiled in."""
ENDS = {"message": "take-message", "callback": "ask-callback", "closed": "closed"}
DIGIT_SECONDS = 4
"""Pause between two digits of a ticket number that ends it."""
NUMBER_SECONDS = 10
"""Time to find the slip of paper with the ticket number."""
ANSWER_SECONDS = 4

HEADER = """\
; GENERATED from ivr/{file} by `hotline menu compile` (python -m ivr.compile). Do not edit: edit the menu.
; Calls enter at menu-entry,s,1, answered. Out: to-person, self-served, take-message, ask-callback, closed.
; Calls back into: journal, journal-step (node, key, result), ask-python (step, ticket number, last four).
"""


def compile_menu(menu: Menu) -> str:
    """The dialplan of a menu that passed the checker."""
    assert menu.person is not None
    blocks = [HEADER.format(file=Path(menu.file).name), entry(menu)]
    for node in menu.nodes.values():
        blocks += compiled(node, f"menu-{menu.person.name},s,1")
    if menu.hours:
        blocks += [*map(opening, menu.hours.values()), workday()]
    return "\n".join(blocks)


def context(name: str, *extensions: str) -> str:
    return f"[{name}]\n" + "".join(f"{extension}\n" for extension in extensions)


def extension(name: str, *steps: str) -> str:
    """One extension; a step may begin with `(label)`."""
    lines = [f"exten => {name},1,{steps[0]}"]
    lines += [f" same => n{step}" if step.startswith("(") else f" same => n,{step}" for step in steps[1:]]
    return "\n".join(lines)


def sounds(*prompts: Prompt | str) -> str:
    """Asterisk's list of files: hotline/a&hotline/b."""
    return "&".join(f"hotline/{prompt.id if isinstance(prompt, Prompt) else prompt}" for prompt in prompts)


def asked(seconds: int, *prompts: Prompt | str) -> list[str]:
    return [f"Background({sounds(*prompts)})", f"WaitExten({seconds})"]


def step(node: str, key: str, result: str) -> str:
    """The journal's line of one menu step."""
    return f"Gosub(journal-step,s,1({node},{key},{result}))"


def counted(limit: int, otherwise: str) -> list[str]:
    """Counts a failed try; beyond the limit the caller goes elsewhere."""
    return ["Set(HL_TRIES=$[0${HL_TRIES} + 1])", f"GotoIf($[${{HL_TRIES}} > {limit}]?{otherwise})"]


def entry(menu: Menu) -> str:
    assert menu.profile is not None
    return f"; profile {menu.profile.name}\n" + context(
        "menu-entry", extension("s", f"Goto(menu-{menu.start},s,1)"), *failing("menu-" + menu.start + ",s,1")
    )


def failing(person: str) -> list[str]:
    """Where Asterisk sends a call whose extension is missing, that timed out, or that met an error."""
    return [extension(name, f"Goto({person})") for name in ("i", "t", "e")]


def compiled(node: MenuPart, person: str) -> list[str]:
    """The node's contexts; `person` is where everything ends that fails."""
    if isinstance(node, MenuNode):
        return [menu_context(node, person)]
    if isinstance(node, Say):
        assert node.then is not None
        steps = extension("s", f"Playback({sounds(*node.say)})", f"Goto(menu-{node.then.name},s,1)")
        return [context(f"menu-{node.name}", steps, *failing(person))]
    if isinstance(node, ToQueue):
        return [
            context(
                f"menu-{node.name}", extension("s", *to_queue(node)), *failing(f"to-person,{node.queue},1")
            )
        ]
    if isinstance(node, Progress):
        return progress_contexts(node, person)
    return [context(f"menu-{node.name}", extension("s", f"Goto({ENDS[node.kind]},s,1)"), *failing(person))]


def menu_context(node: MenuNode, person: str) -> str:
    wrong = [step(node.name, "${INVALID_EXTEN}", "wrong"), *counted(node.retries, person)]
    silence = [step(node.name, "", "silence"), *counted(node.retries, person)]
    return context(
        f"menu-{node.name}",
        extension("s", "Set(HL_TRIES=0)", *asked(node.wait, *node.greeting, *node.say)),
        *(pressed(node.name, key, f"menu-{target.name},s,1") for key, target in sorted(node.keys.items())),
        extension("i", *wrong, *asked(node.wait, *node.wrong, *node.say)),
        extension("t", *silence, *asked(node.wait, *node.silence, *node.say)),
        extension("e", f"Goto({person})"),
    )


def pressed(node: str, key: str, target: str) -> str:
    return extension(key, step(node, key[0], "pressed"), f"Goto({target})")


def to_queue(node: ToQueue) -> Iterator[str]:
    if node.hours and node.otherwise:
        yield f"Gosub(menu-hours-{node.hours.name},s,1(${{EPOCH}}))"
        yield f'GotoIf($["${{GOSUB_RETVAL}}" != "1"]?menu-{node.otherwise.name},s,1)'
    yield f"Set(HL_PRIORITY={node.priority})"
    yield f"Goto(to-person,{node.queue},1)"


def progress_contexts(node: Progress, person: str) -> list[str]:
    """Number, last four digits, answer, and what is journalled at a hang-up: four contexts.

    A ticket number begins with the year, so 0 alone is a person at once. The # that many press after the
    number falls into the second question, where it means `I call from that telephone`: asked silently, and
    when it is not so, the question is put again without counting.
    """
    here, name, limit = f"menu-{node.name}", node.name, node.retries
    again = [*counted(limit, person), *asked(NUMBER_SECONDS, "ticket-not-found", "enter-number")]
    number = context(
        here,
        extension(
            "s",
            "Set(HL_TRIES=0)",
            "Set(HL_HASHED=)",
            f"Set(TIMEOUT(digit)={DIGIT_SECONDS})",
            *asked(NUMBER_SECONDS, "enter-number"),
        ),
        extension(
            "_[1-9]" + "X" * 11,
            "Set(HL_TICKET=${EXTEN})",
            step(name, "#", "pressed"),
            f"Goto({here}.last4,s,1)",
        ),
        pressed(name, "0", person),
        extension("again", *again),
        extension("i", step(name, "#", "wrong"), "Goto(again,1)"),
        extension("t", step(name, "", "silence"), f"Goto({person})"),
        extension("e", f"Goto({person})"),
    )
    last4 = context(
        f"{here}.last4",
        extension("s", *asked(NUMBER_SECONDS, "enter-last-four")),
        extension("_XXXX", "Set(HL_LAST4=${EXTEN})", "Goto(ask,1)"),
        extension("#", "Set(HL_LAST4=)", "Goto(ask,1)"),
        pressed(name, "0", person),
        pressed(name, "0#", person),
        extension(
            "ask",
            "Gosub(ask-python,s,1(progress,${HL_TICKET},${HL_LAST4}))",
            f'GotoIf($["${{HL_RESULT}}" = "found" & "${{HL_ANSWER}}" != ""]?{here}.answer,s,1)',
            f'GotoIf($["${{HL_RESULT}}" = "not_found"]?{here},again,1)',
            'GotoIf($["${HL_RESULT}" = "wrong_digits"]?wrong,1)',
            f"Playback({sounds('system-trouble')})",
            f"Goto({person})",
        ),
        extension(
            "wrong",
            'GotoIf($["${HL_LAST4}${HL_HASHED}" = ""]?hashed)',
            *counted(limit, person),
            *asked(NUMBER_SECONDS, "wrong-digits", "enter-last-four"),
            "(hashed),Set(HL_HASHED=1)",
            "Goto(s,1)",
        ),
        extension("i", step(name, "#", "wrong"), "Set(HL_LAST4=none)", "Goto(wrong,1)"),
        extension("t", step(name, "", "silence"), f"Goto({person})"),
        extension("e", f"Goto({person})"),
    )
    # Who hangs up while hearing the answer, or after it, was served: most people do not wait for the goodbye.
    withdrawn = "Set(CHANNEL(hangup_handler_pop)=)"
    answer = context(
        f"{here}.answer",
        extension(
            "s",
            "Set(HL_TRIES=0)",
            f"Set(CHANNEL(hangup_handler_push)={here}.served,s,1)",
            f"(hear),Background(${{HL_ANSWER}}&{sounds('hear-again')})",
            f"WaitExten({ANSWER_SECONDS})",
        ),
        extension("1", step(name, "1", "pressed"), "Goto(s,hear)"),
        extension("0", step(name, "0", "pressed"), withdrawn, f"Goto({person})"),
        extension(
            "i",
            step(name, "${INVALID_EXTEN}", "wrong"),
            *counted(2, "t,1"),
            *asked(ANSWER_SECONDS, "wrong-key", "hear-again"),
        ),
        extension("t", withdrawn, "Goto(self-served,progress,1)"),
        extension("e", withdrawn, f"Goto({person})"),
    )
    served = context(
        f"{here}.served",
        extension("s", "Set(HL_STAGE=served)", "Gosub(journal,s,1(SELFSERVED,progress))", "Return()"),
    )
    return [number, last4, answer, served]


# --- opening hours -------------------------------------------------------------------------------------


def opening(hours: Hours) -> str:
    """A subroutine: Gosub(menu-hours-<name>,s,1(<epoch seconds>)) returns 1 when open then, else 0."""
    clock = "1${STRFTIME(${ARG1},Asia/Shanghai,%H%M)}"
    opens, closes = (f"1{side.replace(':', '')}" for side in (hours.opens, hours.closes))
    within = f"{clock} >= {opens} & {clock} < {closes}"
    weekday = "${STRFTIME(${ARG1},Asia/Shanghai,%u)}"
    if hours.days == ("workdays",):
        steps = [
            "Gosub(menu-workday,${STRFTIME(${ARG1},Asia/Shanghai,%Y%m%d)},1(${ARG1}))",
            f'Return($["${{GOSUB_RETVAL}}" = "1" & {within}])',
        ]
    elif hours.days == ("every_day",):
        steps = [f"Return($[{within}])"]
    else:
        days = " | ".join(f"{weekday} = {WEEKDAYS.index(day) + 1}" for day in hours.days)
        steps = [f"Return($[({days}) & {within}])"]
    return context(f"menu-hours-{hours.name}", extension("s", *steps))


def exceptions() -> dict[date, bool]:
    """Days unlike their weekday: free weekdays (False) and make-up days (True), as far as known."""
    known = [*constants.holidays, *constants.workdays]
    last = max(day.year for day in known)
    days = (
        date(FIRST_YEAR, 1, 1) + timedelta(n)
        for n in range((date(last + 1, 1, 1) - date(FIRST_YEAR, 1, 1)).days)
    )
    return {
        day: works for day in days if (works := bool(chinese_calendar.is_workday(day))) != (day.weekday() < 5)
    }


def workday() -> str:
    """A subroutine: Gosub(menu-workday,<YYYYMMDD>,1(<epoch seconds>)) returns 1 on a working day, else 0."""
    listed = [extension(f"{day:%Y%m%d}", f"Return({works:d})") for day, works in exceptions().items()]
    plain = extension("_XXXXXXXX", "Return($[${STRFTIME(${ARG1},Asia/Shanghai,%u)} < 6])")
    return (
        "; Holidays and make-up days (chinese-calendar); other days, and years not yet announced: Mon-Fri.\n"
        + context("menu-workday", *listed, plain, extension("i", "Return(0)"))
    )


# --- the tree ------------------------------------------------------------------------------------------


def show(menu: Menu, words: Mapping[str, str]) -> str:
    """The menu as a tree; `words` is prompt id → text."""
    lines = []
    for profile, start in menu.profiles.items():
        chosen = "  ← in use" if menu.profile and menu.profile.name == profile else ""
        lines.append(f"profile {profile}{chosen}")
        lines += branch(menu, words, start, "", "└─ ", "   ", ())
    return "\n".join(lines) + "\n"


def branch(
    menu: Menu,
    words: Mapping[str, str],
    target: Target,
    indent: str,
    mark: str,
    below: str,
    path: tuple[str, ...],
) -> Iterator[str]:
    node = menu.nodes.get(target.name)
    if node is None:
        yield f"{indent}{mark}{target.name} ?"
    elif target.name in path:
        yield f"{indent}{mark}↑ {target.name}"
    else:
        yield f"{indent}{mark}{target.name}: {described(menu, node, words)}"
        targets = list(targets_of(node))
        for word, following in targets:
            last = following is targets[-1][1]
            yield from branch(
                menu,
                words,
                following,
                indent + below,
                f"{'└─' if last else '├─'} {word} → ",
                "   " if last else "│  ",
                (*path, target.name),
            )


def described(menu: Menu, node: MenuPart, words: Mapping[str, str]) -> str:
    def spoken(prompts: tuple[Prompt, ...]) -> str:
        return "“" + "".join(words.get(prompt.id, f"[{prompt.id}]") for prompt in prompts) + "”"

    if isinstance(node, MenuNode):
        return f"{spoken(node.greeting + node.say)} ({node.wait} s, {node.retries} retries, then a person)"
    if isinstance(node, Say):
        return spoken(node.say)
    if isinstance(node, ToQueue):
        hours = menu.hours.get(node.hours.name) if node.hours else None
        when = f", {'/'.join(hours.days)} {hours.opens}-{hours.closes}" if hours else ""
        return f"queue {node.queue} (priority {node.priority}{when})"
    if isinstance(node, Progress):
        return f"progress of a ticket ({node.retries} retries, 0 → a person)"
    assert isinstance(node, End)
    return node.kind


def main() -> None:
    problems = check_files()
    if problems:
        print("\n".join(map(str, problems)), file=sys.stderr)
        sys.exit(1)
    menu, _ = load(MENU)
    if "--show" in sys.argv:
        print(show(menu, {text.id: text.words for text in texts()}), end="")
    else:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(compile_menu(menu), "utf-8")
        print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
