"""Trees the form chooses from (categories, regions, units), and finding a category by words or pinyin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pypinyin import Style, lazy_pinyin
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Category, Region, Unit

Tree = list[dict[str, Any]]


def categories(session: Session) -> Tree:
    """[{id, code, name, initials, unit_id, children: [...]}], in the order they were laid down."""
    rows = session.scalars(select(Category).order_by(Category.id))
    return _tree((one.id, one.parent_id, _category(one)) for one in rows)


def regions(session: Session) -> Tree:
    """[{id, name, children}]."""
    rows = session.scalars(select(Region).order_by(Region.id))
    return _tree((one.id, one.parent_id, {"id": one.id, "name": one.name}) for one in rows)


def units(session: Session) -> Tree:
    """[{id, name, level, children}]."""
    rows = session.scalars(select(Unit).order_by(Unit.id))
    return _tree(
        (one.id, one.parent_id, {"id": one.id, "name": one.name, "level": one.level}) for one in rows
    )


def initials(name: str) -> str:
    """Pinyin initials in lower case: "供水管网" → "gsgw". Letters and digits stay."""
    letters = "".join(lazy_pinyin(name, style=Style.FIRST_LETTER, errors="default")).lower()
    return "".join(one for one in letters if one.isascii() and one.isalnum())


@dataclass(frozen=True)
class Leaf:
    """A category that can be chosen, with the names on its way down."""

    id: int
    path: tuple[str, ...]
    initials: str
    """Initials of the whole path."""
    unit_id: int | None


def leaves(tree: Tree, above: tuple[str, ...] = (), letters: str = "") -> Iterator[Leaf]:
    """All leaves of a tree of categories, in order."""
    for node in tree:
        path, run = (*above, node["name"]), letters + node["initials"]
        if node["children"]:
            yield from leaves(node["children"], path, run)
        else:
            yield Leaf(node["id"], path, run, node["unit_id"])


def find(tree: Tree, text: str, limit: int = 20) -> list[Leaf]:
    """Leaves for what was typed: every word must be in the path's names or in its pinyin initials."""
    words = text.lower().split()
    return [leaf for leaf in leaves(tree) if all(_fits(leaf, word) for word in words)][:limit]


def _fits(leaf: Leaf, word: str) -> bool:
    return word in "/".join(leaf.path).lower() or (word.isascii() and word in leaf.initials)


def _category(one: Category) -> dict[str, Any]:
    return {
        "id": one.id,
        "code": one.code,
        "name": one.name,
        "initials": one.initials,
        "unit_id": one.unit_id,
    }


def _tree(rows: Iterable[tuple[int, int | None, dict[str, Any]]]) -> Tree:
    """Nested dicts of (id, parent id, values). A row whose parent is not there stands at the top."""
    nodes = {key: (parent, values | {"children": []}) for key, parent, values in rows}
    top: Tree = []
    for parent, node in nodes.values():
        (nodes[parent][1]["children"] if parent in nodes else top).append(node)
    return top
