"""Who may import whom: the arrows between the top-level folders, read from the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
MAY_IMPORT = {
    "db": set[str](),
    "ivr": {"db", "hotline.settings"},
    "tickets": {"db"},
    "recordings": {"db", "hotline.settings"},
    "reports": {"db"},
    "cti": {"ivr", "db", "hotline.settings"},
    "agent_desktop": {"tickets", "recordings", "reports", "ivr", "cti.link", "db", "hotline.settings"},
}
OURS = {*MAY_IMPORT, "hotline"}
WEB_ONLY = {"flask", "apiflask", "flask_socketio", "flask_login", "flask_limiter", "flask_talisman"}


def imported(source: str, package: str) -> set[str]:
    """Every module that `source` imports, at its top or in a function; relative ones below `package`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            start = parents[: len(parents) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def is_below(name: str, allowed: str) -> bool:
    return name == allowed or name.startswith(allowed + ".")


def sources(room: str) -> list[Path]:
    return [path for path in sorted((REPO / room).rglob("*.py")) if "node_modules" not in path.parts]


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_room_imports_only_what_the_design_allows(room: str) -> None:
    assert sources(room), f"{room}/ is empty"
    wrong = [
        f"{path.relative_to(REPO)} imports {name}"
        for path in sources(room)
        for name in sorted(imported(path.read_text(), ".".join(path.relative_to(REPO).parent.parts)))
        if name.split(".")[0] in OURS - {room}
        and not any(is_below(name, allowed) for allowed in MAY_IMPORT[room])
    ]
    assert not wrong, "\n".join(wrong)


def test_flask_lives_only_in_the_desktop() -> None:
    wrong = [
        f"{path.relative_to(REPO)} imports {name}"
        for room in sorted(OURS - {"agent_desktop"})
        for path in sources(room)
        for name in imported(path.read_text(), room)
        if name.split(".")[0] in WEB_ONLY
    ]
    assert not wrong, "\n".join(wrong)


def test_setup_needs_nothing_but_python() -> None:
    """It runs before anything is installed."""
    import sys

    known = sys.stdlib_module_names | {"hotline"}
    for path in sources("hotline/setup"):
        for name in imported(path.read_text(), "hotline.setup"):
            assert name.split(".")[0] in known, f"{path.name} imports {name}"
            assert not name.startswith("hotline") or name.startswith("hotline.setup"), f"{path.name}: {name}"


def test_imports_are_found_in_every_form() -> None:
    source = (
        "import a.b\nfrom c import d\nfrom . import e\nfrom .f import g\ndef late():\n    from h.i import j\n"
    )
    assert imported(source, "room.sub") == {"a.b", "c.d", "room.sub.e", "room.sub.f.g", "h.i.j"}
