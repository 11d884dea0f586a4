"""What a table of the roster means, line by line: wishes for the roster, or what is wrong and how to mend it.

    list     工号 | 姓名 | 日期 | 班次           one line for each agent and day
    matrix   工号 | 姓名 | 11-23 | 11-24 | ...   one line for each agent, a column for each day

A cell is a shift's name or code (早班, 早, early), with an absence behind it where one is planned
(早班/请假), an absence alone (of the shift that is there), 休 for a day off, or empty: unchanged. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

EARLIEST = timedelta(days=31)
LATEST = timedelta(days=366)
HEADING_WITHIN = 10
"""The heading stands within so many lines: above it there may be a title."""
MOST_FAULTS = 200

_OFF = frozenset({"休", "休息", "轮休", "公休", "调休", "补休", "off", "/", "-", "—", "–", "x", "○"})
ABSENCES = {
    "leave": ("请假", "年假", "事假", "休假", "婚假", "产假", "丧假", "假", "leave"),
    "sick": ("病假", "病", "sick"),
    "other": ("缺勤", "其他", "外出", "培训", "公差", "other"),
}
"""Codes of a planned absence, with the words that centres write for it."""
_ABSENCE_OF = {word: code for code, words in ABSENCES.items() for word in words}
_WEEKDAY = re.compile(r"(星期|周|礼拜)?[一二三四五六日天]")
_YEAR_MONTH = re.compile(r"(20\d\d)\s*[年./-]\s*(\d{1,2})\s*月?")
_FULL = re.compile(r"(20\d\d)\s*[年./-]\s*(\d{1,2})\s*[月./-]\s*(\d{1,2})\s*日?")
_MONTH_DAY = re.compile(r"(\d{1,2})\s*[月./-]\s*(\d{1,2})\s*日?")
_DAY = re.compile(r"(\d{1,2})\s*[日号]?")


@dataclass(frozen=True)
class Agent:
    """Somebody who can be rostered."""

    id: int
    work_number: str
    name: str
    mine: bool = True
    """Whoever imports may change this one's roster."""


@dataclass(frozen=True)
class Kind:
    code: str
    label: str


@dataclass(frozen=True)
class Fault:
    """What is wrong in one cell: `line` counts from 1 as in the file, `column` is the heading's word."""

    line: int
    column: str
    found: str
    problem: str
    mend: str


@dataclass(frozen=True)
class Wish:
    """One cell: what this agent is to work on this day. No kind: an absence of what is there, or, without
    one, a day off."""

    user_id: int
    day: date
    kind: str | None
    absence: str | None
    line: int
    column: str


@dataclass(frozen=True)
class Read:
    """What a table says. With faults nothing of it is to be used."""

    layout: str
    """list | matrix | '' (neither)"""
    wishes: tuple[Wish, ...] = ()
    faults: tuple[Fault, ...] = ()
    lines: int = 0


@dataclass(frozen=True)
class Cell:
    """A shift's cell, understood."""

    kind: str | None = None
    absence: str | None = None


@dataclass
class _Reading:
    agents: Sequence[Agent]
    kinds: Sequence[Kind]
    today: date
    month: tuple[int, int] | None
    wishes: list[Wish] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    seen: dict[tuple[int, date], list[Wish]] = field(default_factory=dict)
    lines: int = 0

    def fault(self, line: int, column: str, found: str, problem: str, mend: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(line, column, found[:40], problem, mend))


def read(
    rows: Sequence[Sequence[str]],
    agents: Sequence[Agent],
    kinds: Sequence[Kind],
    today: date,
    month: tuple[int, int] | None = None,
    title: str = "",
) -> Read:
    """The wishes of a table, or its faults. `month` (year, month) is for columns that say the day alone."""
    heading = next((at for at, row in enumerate(rows[:HEADING_WITHIN]) if _is_heading(row)), None)
    if heading is None:
        mend = "第一行应有“工号、姓名、日期、班次”，或“工号、姓名”和每天一列；可下载模板填写。"
        return Read(
            "", faults=(Fault(1, "", " ".join(rows[0])[:40] if rows else "", "没有找到表头。", mend),)
        )
    above = " ".join([title, *(" ".join(row) for row in rows[:heading])])
    reading = _Reading(agents, kinds, today, _month_in(above) or month)
    names = [_plain(cell) for cell in rows[heading]]
    is_list = "日期" in names and "班次" in names
    body = [(at + 1, row) for at, row in enumerate(rows) if at > heading and any(row)]
    if is_list:
        _read_list(reading, names, body)
    else:
        _read_matrix(reading, list(rows[heading]), names, heading + 1, body)
    if not reading.faults and not reading.wishes:
        reading.fault(heading + 1, "", "", "表里没有可导入的班次。", "在日期对应的单元格中填写班次名称。")
    return Read(
        "list" if is_list else "matrix",
        () if reading.faults else tuple(reading.wishes),
        tuple(sorted(reading.faults, key=lambda one: one.line)),
        reading.lines,
    )


def _is_heading(row: Sequence[str]) -> bool:
    names = {_plain(cell) for cell in row}
    return bool(names & {"工号", "姓名"}) and len([name for name in names if name]) >= 3


def _plain(cell: str) -> str:
    """As people mean it: full-width letters and blanks do not matter."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", cell)).lower()


# --- the two layouts ---------------------------------------------------------------------------------


def _read_list(reading: _Reading, names: list[str], body: Iterable[tuple[int, Sequence[str]]]) -> None:
    at = {name: names.index(name) for name in ("工号", "姓名", "日期", "班次") if name in names}
    for line, row in body:
        given = {name: row[place] if place < len(row) else "" for name, place in at.items()}
        reading.lines += 1
        agent = _agent(reading, line, given.get("工号", ""), given.get("姓名", ""))
        day = _day_of(given["日期"], reading.month, reading.today)
        if day is None:
            reading.fault(line, "日期", given["日期"], "日期无法识别。", "写成 2026-11-23 或 11月23日。")
        elif not _in_reach(reading, line, "日期", given["日期"], day):
            day = None
        if not given["班次"]:
            mend = "填写班次名称；休息写“休”，不需要的行请删除。"
            reading.fault(line, "班次", "", "没有填写班次。", mend)
            continue
        if agent and day:
            _wish(reading, agent, day, given["班次"], line, "班次")


def _read_matrix(
    reading: _Reading,
    heads: list[str],
    names: list[str],
    heading: int,
    body: Iterable[tuple[int, Sequence[str]]],
) -> None:
    number, name = (names.index(word) if word in names else None for word in ("工号", "姓名"))
    first = max(place for place in (number, name) if place is not None) + 1
    days = _day_columns(reading, heads, first, heading)
    for line, row in body:
        cell = lambda place: row[place] if place is not None and place < len(row) else ""  # noqa: B023, E731
        if not cell(number) and not cell(name) and all(_WEEKDAY.fullmatch(_plain(one)) for one in row if one):
            continue  # 一 二 三 … beneath the dates
        reading.lines += 1
        agent = _agent(reading, line, cell(number), cell(name))
        for place, day in days.items():
            if agent and cell(place):
                _wish(reading, agent, day, cell(place), line, heads[place])


def _day_columns(reading: _Reading, heads: list[str], first: int, heading: int) -> dict[int, date]:
    days: dict[int, date] = {}
    for place in range(first, len(heads)):
        head = heads[place]
        # Sums and remarks at the end of a line are no days.
        if not head or not re.search(r"\d", head):
            continue
        day = _day_of(head, reading.month, reading.today)
        if day is None:
            alone = bool(_DAY.match(_plain(head))) and reading.month is None
            mend = (
                "选择月份，或在表头上方写“2026年11月”，或把列名写成 11-23。"
                if alone
                else "列名写成 2026-11-23、11-23 或日数。"
            )
            reading.fault(heading, head, head, "这一列的日期无法识别。", mend)
        elif day in days.values():
            reading.fault(heading, head, head, "这一天有两列。", "删除重复的一列。")
        elif _in_reach(reading, heading, head, head, day):
            days[place] = day
    if not days and not reading.faults:
        mend = "在“姓名”之后为每天写一列，例如 11-23。"
        reading.fault(heading, "", "", "没有找到日期列。", mend)
    return days


# --- cells -------------------------------------------------------------------------------------------


def _agent(reading: _Reading, line: int, number: str, name: str) -> Agent | None:
    wanted, called = _plain(number), _bare(name)
    if wanted:
        found = [one for one in reading.agents if _plain(one.work_number) == wanted]
        # Excel takes a work number for a figure and drops its zeros.
        found = found or [
            one for one in reading.agents if _plain(one.work_number).lstrip("0") == wanted.lstrip("0")
        ]
        if len(found) != 1:
            reading.fault(line, "工号", number, "没有这个工号的话务员。", "核对工号；新话务员请先建账号。")
            return None
        if called and _bare(found[0].name) != called:
            problem = f"工号 {number} 是{found[0].name}，与表中姓名不一致。"
            reading.fault(line, "姓名", name, problem, "核对工号和姓名，改正其中一个。")
            return None
    elif called:
        found = [one for one in reading.agents if _bare(one.name) == called]
        if len(found) != 1:
            problem = "有几位同名的话务员。" if found else "没有这位话务员。"
            reading.fault(line, "姓名", name, problem, "填写工号。")
            return None
    else:
        reading.fault(line, "工号", "", "没有工号和姓名。", "填写工号，或删除这一行。")
        return None
    if not found[0].mine:
        reading.fault(
            line,
            "工号",
            number or name,
            f"{found[0].name}不在您的组里。",
            "只导入本组；其他组由该组班长导入。",
        )
        return None
    return found[0]


def _bare(name: str) -> str:
    """A name without the mark of the demo city."""
    return _plain(name).removeprefix("演示·")


def _day_of(text: str, month: tuple[int, int] | None, today: date) -> date | None:
    """The day that a heading or cell names: "2026-11-23", "11/23 周一", "11月23日", "23" with `month`."""
    plain = _plain(text).replace("(", "").replace(")", "")
    plain = re.sub(r"(星期|周|礼拜)[一二三四五六日天]$|[一二三四五六天]$", "", plain).removesuffix("00:00:00")
    try:
        if hit := _FULL.fullmatch(plain):
            return date(*(int(part) for part in hit.groups()))
        if hit := _MONTH_DAY.fullmatch(plain):
            return _nearest(int(hit[1]), int(hit[2]), today)
        if (hit := _DAY.fullmatch(plain)) and month:
            return date(*month, int(hit[1]))
    except ValueError:
        return None
    return None


def _nearest(month: int, day: int, today: date) -> date:
    """This day of the year that lies nearest to today. Raises ValueError where there is none."""
    years = [year for year in (today.year - 1, today.year, today.year + 1) if _exists(year, month, day)]
    if not years:
        raise ValueError(f"{month}-{day}")
    return min((date(year, month, day) for year in years), key=lambda one: abs(one - today))


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _month_in(text: str) -> tuple[int, int] | None:
    hit = _YEAR_MONTH.search(unicodedata.normalize("NFKC", text))
    return (int(hit[1]), int(hit[2])) if hit and 1 <= int(hit[2]) <= 12 else None


def _in_reach(reading: _Reading, line: int, column: str, found: str, day: date) -> bool:
    if day < reading.today - EARLIEST:
        problem = f"{day} 已过去 {EARLIEST.days} 天以上，不能再改。"
    elif day > reading.today + LATEST:
        problem = f"{day} 在一年以后。"
    else:
        return True
    reading.fault(line, column, found, problem, "核对年份和月份。")
    return False


def shift_cell(text: str, kinds: Collection[Kind]) -> Cell | None:
    """What a shift's cell says; None where it is not understood."""
    plain = _plain(text)
    if plain in _OFF:
        return Cell()
    if plain in _ABSENCE_OF:
        return Cell(absence=_ABSENCE_OF[plain])
    named = _by_name(kinds)
    if plain in named:
        return Cell(named[plain])
    for word, code in sorted(_ABSENCE_OF.items(), key=lambda pair: -len(pair[0])):
        if plain.removesuffix(")").endswith(word):
            rest = plain.removesuffix(")").removesuffix(word).rstrip("/(-:+·、,;")
            if rest in named:
                return Cell(named[rest], code)
    return None


def _by_name(kinds: Collection[Kind]) -> Mapping[str, str]:
    """Code by each word that a shift is called: its code, its name, and its name without 班."""
    named: dict[str, str] = {}
    for kind in kinds:
        for word in (_plain(kind.label).removesuffix("班"), _plain(kind.label), _plain(kind.code)):
            if word:
                named[word] = kind.code
    return named


def _wish(reading: _Reading, agent: Agent, day: date, text: str, line: int, column: str) -> None:
    cell = shift_cell(text, reading.kinds)
    if cell is None:
        known = "、".join(kind.label for kind in reading.kinds) or "（还没有设置班次）"
        mend = f"写{known}之一，休息写“休”，缺勤写成“早班/请假”。"
        reading.fault(line, column, text, "没有这个班次。", mend)
        return
    wish = Wish(agent.id, day, cell.kind, cell.absence, line, column)
    before = reading.seen.setdefault((agent.id, day), [])
    # Two different shifts of a day are possible; the same twice, or a shift and a day off, are a slip.
    if any(one.kind == wish.kind or one.kind is None or wish.kind is None for one in before):
        problem = f"{agent.name} {day} 在第 {before[0].line} 行已有安排。"
        reading.fault(line, column, text, problem, "每人每天只保留一处，删除另一处。")
        return
    before.append(wish)
    reading.wishes.append(wish)
