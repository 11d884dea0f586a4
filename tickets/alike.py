"""Is it the same matter? Places and texts compared, and why two tickets look alike. Pure.

place  "东湖街道 湖心路12号附近" → "东湖街道湖心路12号"; one that holds the other is the same place
text   words of 2 letters and more; overlap = common words ÷ words of the shorter text
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import rjieba

LEAST_PLACE = 4
"""A shorter place ("小区", "家中") is too common to hold another one."""
LEAST_WORDS = 3
"""Texts with fewer words agree by chance."""
LONGEST_TEXT = 600
"""As much of a text as is compared: the matter stands at the beginning."""
ALIKE = 0.6
"""From this overlap on, two texts of one category are probably about one matter."""
ALIKE_ALONE = 0.75
"""The same where nothing but the text speaks for it."""

_FILLING = re.compile(r"[\W_]+")
_VAGUE = re.compile(r"(?:附近|旁边|周边|对面|门口|一带|左右|边上|里面|内)+$")
_HOUSE = re.compile(r"(?<=[0-9])(?:号楼|栋|座)")


def place(text: str) -> str:
    """The bare place: no signs, no spaces, no "附近"; "3号楼" and "3栋" are "3幢"."""
    bare = _FILLING.sub("", unicodedata.normalize("NFKC", text).lower())
    return _HOUSE.sub("幢", _VAGUE.sub("", bare))


def same_place(one: str, other: str) -> bool:
    """Do two bare places (from `place`) mean the same? Equal, or the longer one ends with the shorter."""
    if not one or not other:
        return False
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= LEAST_PLACE and long.endswith(short))


@lru_cache(maxsize=4096)
def words(text: str) -> frozenset[str]:
    """The words of a text that mean something: two letters and more."""
    cut = rjieba.cut(unicodedata.normalize("NFKC", text[:LONGEST_TEXT]).lower())
    return frozenset(word for word in cut if len(word) > 1 and not word.isspace())


def overlap(one: Collection[str], other: Collection[str]) -> float:
    """Common words ÷ words of the shorter text, 0..1; 0 where one has too few words to say anything."""
    fewer = min(len(one), len(other))
    return len(set(one) & set(other)) / fewer if fewer >= LEAST_WORDS else 0.0


@dataclass(frozen=True)
class Matter:
    """What is compared of a ticket or of a form."""

    number: str
    """Contact number in normal form, or ''."""
    category_id: int | None
    region_id: int | None
    place: str
    """Bare, from `place`."""
    words: frozenset[str]
    open: bool = True


@dataclass(frozen=True)
class Likeness:
    """Why two may be one matter: `why` for the person, `score` 0..1."""

    why: str
    score: float


def likeness(form: Matter, ticket: Matter) -> Likeness | None:
    """The strongest reason why this ticket may be the matter of the form; None where there is none."""
    same_number = bool(form.number) and form.number == ticket.number
    same_category = form.category_id is not None and form.category_id == ticket.category_id
    alike = overlap(form.words, ticket.words)
    shown = f"内容相似 {round(alike * 100)}%"
    if same_number and same_category and ticket.open:
        return Likeness("同一号码、同一分类，尚未办结", 0.95 + 0.05 * alike)
    if same_category and same_place(form.place, ticket.place):
        return Likeness("同一分类、同一地点", 0.85 + 0.09 * alike)
    if same_number and alike >= ALIKE:
        return Likeness(f"同一号码，{shown}", 0.7 + 0.15 * alike)
    if same_category and alike >= ALIKE:
        same_region = form.region_id is not None and form.region_id == ticket.region_id
        where = "同一分类、同一区域" if same_region else "同一分类"
        return Likeness(f"{where}，{shown}", (0.65 if same_region else 0.5) + 0.15 * alike)
    if alike >= ALIKE_ALONE:
        return Likeness(shown, 0.4 + 0.1 * alike)
    return None
