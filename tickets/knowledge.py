"""知识库 and 话术: what an agent answers from, and what to say in a type of call. Only reads.

A category's entries are its own, then those of the categories above it, then the general ones. Typed words
are cut as Chinese is, and each may stand in title, keywords or body; letters are initials of the title.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

import rjieba
from pypinyin.constants import PINYIN_DICT
from sqlalchemy import ColumnElement, case, literal, or_, select
from sqlalchemy.orm import Session

from db.models import Category, KnowledgeEntry, Script

MOST = 20
MOST_WORDS = 8
"""Words of a query that are looked for; the rest adds nothing but time."""
MOST_INITIALS = 200
"""Titles that pinyin initials may find; more are not what was meant."""
IN_TITLE, IN_KEYWORDS, IN_BODY = 6, 4, 1
"""What a word is worth where it stands."""
IN_BRANCH = 2
"""What it is worth to belong to the chosen category or one above it, where words are looked for too."""

_LETTERS = re.compile(r"[a-z]{2,32}")


@dataclass(frozen=True)
class Knowledge:
    """One entry as an agent sees it. `updated_at` is aware (UTC)."""

    id: int
    category_id: int | None
    category: str | None
    title: str
    body: str
    source: str
    updated_at: datetime

    def as_json(self) -> dict[str, Any]:
        """As the API sends it: `updated_at` in epoch milliseconds."""
        return self.__dict__ | {"updated_at": int(self.updated_at.timestamp() * 1000)}


def find(session: Session, category_id: int | None, q: str, today: date) -> list[Knowledge]:
    """Entries that are valid today for a category, or for what was typed, or for both; <= 20, best first.

    Without a query: those of the category and above, the nearest first. With one: every entry that has one of
    its words, those with more of them, and in the title, first. At most three SQL statements.
    """
    branch = branch_of(session, category_id)
    words = _words(q)
    valid = or_(KnowledgeEntry.valid_until.is_(None), KnowledgeEntry.valid_until >= today)
    near = _nearness(KnowledgeEntry.category_id, branch)
    wanted = select(KnowledgeEntry, Category.name).outerjoin(
        Category, Category.id == KnowledgeEntry.category_id
    )
    if words:
        points = _points(session, words, valid)
        rank: ColumnElement[Any] = points + case((near < len(branch), IN_BRANCH), else_=0)
        wanted = wanted.where(valid, points > 0).order_by(rank.desc(), near)
    elif branch:
        general = KnowledgeEntry.category_id.is_(None)
        wanted = wanted.where(valid, or_(KnowledgeEntry.category_id.in_(branch), general)).order_by(near)
    else:
        return []
    found = session.execute(wanted.order_by(KnowledgeEntry.updated_at.desc(), KnowledgeEntry.id).limit(MOST))
    return [
        Knowledge(one.id, one.category_id, name, one.title, one.body, one.source, one.updated_at)
        for one, name in found
    ]


def scripts(session: Session, request_type: str | None, category_id: int | None) -> list[Script]:
    """Scripts for a type of call and a category, the most specific first. At most two SQL statements.

    A script without a category is for all, one with a category also for what is below it.
    """
    branch = branch_of(session, category_id)
    of_category = or_(Script.category_id.is_(None), Script.category_id.in_(branch or [-1]))
    of_type = or_(Script.request_type.is_(None), Script.request_type == (request_type or ""))
    near = _nearness(Script.category_id, branch)
    untyped = case((Script.request_type.is_(None), 1), else_=0)
    order = near, untyped, Script.position, Script.id
    return list(session.scalars(select(Script).where(of_category, of_type).order_by(*order).limit(MOST)))


def branch_of(session: Session, category_id: int | None) -> list[int]:
    """A category and those above it, from the leaf to the top; empty where there is none. One statement."""
    if category_id is None:
        return []
    above = select(Category.id, Category.parent_id, literal(0).label("up")).where(Category.id == category_id)
    climbing = above.cte("branch", recursive=True)
    parents = select(Category.id, Category.parent_id, climbing.c.up + 1).where(
        Category.id == climbing.c.parent_id, climbing.c.up < 16
    )
    branch = climbing.union_all(parents)
    return list(session.scalars(select(branch.c.id).order_by(branch.c.up)))


def _nearness(column: Any, branch: list[int]) -> ColumnElement[Any]:
    """0 for the category itself, 1, 2, ... for those above, the length of the branch for everything else."""
    if not branch:
        return literal(0)
    return case(*((column == key, place) for place, key in enumerate(branch)), else_=len(branch))


def _words(q: str) -> list[str]:
    """The words of a query, letters and digits as typed; single letters count only where nothing else is."""
    text = unicodedata.normalize("NFKC", q).replace("\x00", "").lower()
    cut = [word for word in rjieba.cut(text) if any(sign.isalnum() for sign in word)]
    long = [word for word in cut if len(word) > 1]
    return list(dict.fromkeys(long or cut))[:MOST_WORDS]


def _points(session: Session, words: list[str], valid: ColumnElement[bool]) -> ColumnElement[Any]:
    """What an entry is worth for these words."""
    columns = (
        (KnowledgeEntry.title, IN_TITLE),
        (KnowledgeEntry.keywords, IN_KEYWORDS),
        (KnowledgeEntry.body, IN_BODY),
    )
    points: ColumnElement[Any] = literal(0)
    for word in words:
        for column, worth in columns:
            # Chinese has no capitals, and looking for none is three times as fast.
            holds = column.contains if word.isdigit() or not word.isascii() else column.icontains
            points = points + case((holds(word, autoescape=True), worth), else_=0)
    letters = [word for word in words if _LETTERS.fullmatch(word)]
    if letters:
        ids = _with_initials(session, letters, valid)
        points = points + case((KnowledgeEntry.id.in_(ids), IN_TITLE), else_=0)
    return points


def _with_initials(session: Session, typed: list[str], valid: ColumnElement[bool]) -> list[int]:
    """Entries whose title or keywords have one of these rows of pinyin initials."""
    pattern = re.compile("|".join(initials_pattern(letters) for letters in typed), re.IGNORECASE)
    texts = select(KnowledgeEntry.id, KnowledgeEntry.title + " " + KnowledgeEntry.keywords).where(valid)
    found = [key for key, text in session.execute(texts) if pattern.search(text)]
    return found[:MOST_INITIALS]


@cache
def _letters() -> dict[str, str]:
    """Pinyin initial -> all characters that may be read so; a character with two readings is under both."""
    found: dict[str, list[str]] = {}
    for code, readings in PINYIN_DICT.items():
        if 0x4E00 <= code <= 0x9FFF:
            firsts = {unicodedata.normalize("NFD", one)[:1] for one in readings.split(",")}
            for first in firsts:
                found.setdefault(first, []).append(chr(code))
    return {first: "".join(signs) for first, signs in found.items()}


@cache
def _class_of(letter: str) -> str:
    return f"[{letter}{_letters().get(letter, '')}]"


def initials_pattern(typed: str) -> str:
    """Regular expression for texts whose pinyin initials contain these letters: "ybbx" finds 医保报销.

    Built the other way round than by spelling every title: 40,000 titles are searched in milliseconds, and
    characters with several readings are found by each.
    """
    return "".join(_class_of(letter) for letter in typed)
