"""Tables of the roster: encodings, layouts, dates, people, shifts; each fault with its cell and remedy."""

from __future__ import annotations

import io
from datetime import date, datetime

import pytest
from openpyxl import Workbook, load_workbook

from agent_desktop.roster_files import UnreadableSheet, read, written, written_csv
from agent_desktop.roster_import import Agent, Cell, Kind, Read, shift_cell
from agent_desktop.roster_import import read as understood

TODAY = date(2026, 11, 22)
AGENTS = [
    Agent(1, "1001", "演示·王小雨"),
    Agent(2, "0102", "演示·李晓晨"),
    Agent(3, "1003", "演示·张明月", mine=False),
    Agent(4, "1004", "陈思远"),
    Agent(5, "1005", "陈思远"),
]
KINDS = [Kind("early", "早班"), Kind("night", "夜班"), Kind("m2", "中二班")]


def table(text: str, month: tuple[int, int] | None = None, title: str = "") -> Read:
    rows = [tuple(cell.strip() for cell in line.split(",")) for line in text.strip().splitlines()]
    return understood(rows, AGENTS, KINDS, TODAY, month, title)


def wishes(found: Read) -> list[tuple[int, str, str | None, str | None]]:
    assert found.faults == ()
    return [(one.user_id, one.day.isoformat(), one.kind, one.absence) for one in found.wishes]


# --- files ---------------------------------------------------------------------------------------------

LIST = "工号,姓名,日期,班次\n1001,王小雨,2026-11-23,早班\n"


@pytest.mark.parametrize(
    "content",
    [
        LIST.encode("utf-8-sig"),
        LIST.encode(),
        LIST.encode("gb18030"),
        LIST.replace(",", "\t").encode("gb18030"),
        LIST.replace("\n", "\r\n").replace(",", ";").encode(),
    ],
    ids=["utf-8 with its mark", "utf-8", "gb18030", "tabs", "semicolons"],
)
def test_a_csv_is_read_however_it_was_saved(content: bytes) -> None:
    sheet = read("排班.csv", content)
    assert sheet.rows == (("工号", "姓名", "日期", "班次"), ("1001", "王小雨", "2026-11-23", "早班"))


def test_a_spreadsheet_gives_dates_and_numbers_as_people_see_them() -> None:
    book = Workbook()
    book.active.append(["工号", "姓名", datetime(2026, 11, 23), date(2026, 11, 24)])  # type: ignore[union-attr]
    book.active.append([1001.0, " 王小雨 ", "早班", None])  # type: ignore[union-attr]
    book.active.append([None, None, None, None])  # type: ignore[union-attr]
    out = io.BytesIO()
    book.save(out)
    sheet = read("x.xlsx", out.getvalue())
    assert sheet.rows == (("工号", "姓名", "2026-11-23", "2026-11-24"), ("1001", "王小雨", "早班", ""))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("old.xls", b"\xd0\xcf\x11\xe0rest", "旧版 Excel"),
        ("x.xlsx", b"no spreadsheet", "不是有效的 Excel"),
        ("x.xlsx", b"PK\x03\x04broken", "不是有效的 Excel"),
        ("x.csv", b"\x00\x01\x02", "编码无法识别"),
        ("x.csv", b"a,b\n" * 2_001, "超过 2000 行"),
    ],
)
def test_what_is_no_table_is_told_in_a_sentence(name: str, content: bytes, words: str) -> None:
    with pytest.raises(UnreadableSheet, match=words):
        read(name, content)


def test_a_template_comes_back_as_it_went_out() -> None:
    rows = [["工号", "姓名", "2026-11-23"], ["0102", "李晓晨", "早班"]]
    assert read("t.xlsx", written([("排班", rows), ("填写说明", [["a", "b"]])])).rows == tuple(
        tuple(row) for row in rows
    )
    assert read("t.csv", written_csv(rows)).rows == tuple(tuple(row) for row in rows)
    assert load_workbook(io.BytesIO(written([("排班", rows)])))["排班"]["A2"].value == "0102"


# --- layouts -------------------------------------------------------------------------------------------


def test_a_list_has_a_line_for_each_agent_and_day() -> None:
    found = table(
        "工号,姓名,日期,班次\n1001,王小雨,2026-11-23,早班\n0102,,11月24日,夜班/病假\n,王小雨,11-25,休"
    )
    assert found.layout == "list"
    assert wishes(found) == [
        (1, "2026-11-23", "early", None),
        (2, "2026-11-24", "night", "sick"),
        (1, "2026-11-25", None, None),
    ]


def test_a_matrix_has_a_column_for_each_day() -> None:
    found = table(
        """
        2026年12月排班表,,,,
        工号,姓名,1,2日,3 周四,合计
        ,,二,三,四,
        1001,王小雨,早,,夜班,2
        102,李晓晨,休,请假,中二,1
        """
    )
    assert found.layout == "matrix"
    assert found.lines == 2
    assert wishes(found) == [
        (1, "2026-12-01", "early", None),
        (1, "2026-12-03", "night", None),
        (2, "2026-12-01", None, None),
        (2, "2026-12-02", None, "leave"),
        (2, "2026-12-03", "m2", None),
    ]


@pytest.mark.parametrize(
    ("heading", "month", "title", "day"),
    [
        ("2026-11-23", None, "", "2026-11-23"),
        ("2026/11/23", None, "", "2026-11-23"),
        ("11-23 周一", None, "", "2026-11-23"),
        ("11月23日(星期一)", None, "", "2026-11-23"),
        ("23", (2026, 11), "", "2026-11-23"),
        ("23", None, "2026年11月", "2026-11-23"),
        ("1/2", None, "", "2027-01-02"),
    ],
)
def test_a_day_may_be_written_in_many_ways(
    heading: str, month: tuple[int, int] | None, title: str, day: str
) -> None:
    found = table(f"工号,姓名,{heading}\n1001,王小雨,早班", month, title)
    assert wishes(found) == [(1, day, "early", None)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("早班", Cell("early")),
        ("早", Cell("early")),
        ("EARLY", Cell("early")),
        ("早班（请假）", Cell("early", "leave")),
        ("早班/年假", Cell("early", "leave")),
        ("夜-病假", Cell("night", "sick")),
        ("病假", Cell(None, "sick")),
        ("休", Cell()),
        ("/", Cell()),
        ("下午班", None),
        ("早班早班", None),
    ],
)
def test_what_a_cell_says(text: str, expected: Cell | None) -> None:
    assert shift_cell(text, KINDS) == expected


# --- faults --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "column", "problem", "mend"),
    [
        ("9999,无此人,2026-11-23,早班", "工号", "没有这个工号", "核对工号"),
        ("1001,李晓晨,2026-11-23,早班", "姓名", "工号 1001 是演示·王小雨", "改正其中一个"),
        (",陈思远,2026-11-23,早班", "姓名", "几位同名", "填写工号"),
        (",无此人,2026-11-23,早班", "姓名", "没有这位话务员", "填写工号"),
        (",,2026-11-23,早班", "工号", "没有工号和姓名", "删除这一行"),
        ("1003,张明月,2026-11-23,早班", "工号", "不在您的组里", "只导入本组"),
        ("1001,王小雨,11月31日,早班", "日期", "日期无法识别", "2026-11-23"),
        ("1001,王小雨,2026-09-01,早班", "日期", "31 天以上", "核对年份"),
        ("1001,王小雨,2028-09-01,早班", "日期", "一年以后", "核对年份"),
        ("1001,王小雨,2026-11-23,下午班", "班次", "没有这个班次", "早班、夜班、中二班之一"),
        ("1001,王小雨,2026-11-23,", "班次", "没有填写班次", "休息写“休”"),
    ],
)
def test_each_fault_names_its_cell_and_its_remedy(line: str, column: str, problem: str, mend: str) -> None:
    found = table(f"工号,姓名,日期,班次\n0102,李晓晨,2026-11-23,早班\n{line}")
    assert [(one.line, one.column) for one in found.faults] == [(3, column)]
    assert problem in found.faults[0].problem
    assert mend in found.faults[0].mend


def test_the_same_person_and_day_twice_is_a_slip_but_two_different_shifts_are_not() -> None:
    twice = "工号,姓名,日期,班次\n1001,,2026-11-23,早班\n1001,,2026-11-23,早班"
    assert "在第 2 行已有安排" in table(twice).faults[0].problem
    both = "工号,姓名,日期,班次\n1001,,2026-11-23,早班\n1001,,2026-11-23,夜班"
    assert len(wishes(table(both))) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a,b,c\n1,2,3", "没有找到表头"),
        ("工号,姓名,23,24\n1001,王小雨,早班,早班", "日期无法识别"),
        ("工号,姓名,11-23,11-23\n1001,王小雨,早班,早班", "有两列"),
        ("工号,姓名,备注\n1001,王小雨,早班", "没有找到日期列"),
        ("工号,姓名,日期,班次", "没有可导入的班次"),
    ],
)
def test_a_table_without_sense_says_what_is_missing(text: str, problem: str) -> None:
    found = table(text)
    assert found.wishes == ()
    assert problem in found.faults[0].problem
    assert found.faults[0].mend
