"""Finding a category, and the README's diagram held against the table."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tickets.catalogue import Tree, find, initials, leaves
from tickets.life import TABLE

README = Path(__file__).resolve().parents[2] / "tickets" / "README.md"


def node(number: int, name: str, *children: dict[str, object]) -> dict[str, object]:
    return {
        "id": number,
        "name": name,
        "initials": initials(name),
        "unit_id": None,
        "children": list(children),
    }


TREE: Tree = [node(1, "公用事业", node(2, "供水", node(3, "停水查询"), node(4, "水费疑问"))), node(5, "其他")]


def test_leaves_carry_their_way_down() -> None:
    assert [leaf.path for leaf in leaves(TREE)] == [
        ("公用事业", "供水", "停水查询"),
        ("公用事业", "供水", "水费疑问"),
        ("其他",),
    ]


def test_words_and_initials_narrow_together() -> None:
    assert [leaf.id for leaf in find(TREE, "供水")] == [3, 4]
    assert [leaf.id for leaf in find(TREE, "供水 sf")] == [4]
    assert [leaf.id for leaf in find(TREE, "TSCX")] == [3]
    assert find(TREE, "供电") == []
    assert len(find(TREE, "", limit=2)) == 2


def test_initials_of_mixed_names() -> None:
    assert initials("12路公交(A线)") == "12lgjax"


@given(st.text(max_size=30))
def test_initials_are_plain_letters_and_digits(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]*", initials(name))


def test_the_diagram_in_the_readme_is_the_table() -> None:
    drawn = set(re.findall(r"^    (\w+) --> (\w+): (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert drawn == {
        (source, row.target, row.action) for row in TABLE if row.target for source in row.sources
    }
