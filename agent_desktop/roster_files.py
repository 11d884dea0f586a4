"""Spreadsheets of the roster as they come and go: CSV and XLSX as rows of text, and the template.

A cell is always text: a date "2026-11-23", a whole number without its ".0". What the rows mean is judged by
`roster_import`.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

MOST_ROWS = 2_000
MOST_COLUMNS = 80
MOST_UNPACKED = 64 * 1024 * 1024
"""Bytes of an XLSX once it is unpacked: a small file can hold very much of nothing."""


class UnreadableSheet(Exception):
    """The file is no table that we can read; the text is a sentence for the person."""


@dataclass(frozen=True)
class Sheet:
    """The table of a file: `rows[0]` is line 1. `name` is the worksheet's, '' for CSV."""

    rows: tuple[tuple[str, ...], ...]
    name: str = ""


def read(name: str, content: bytes) -> Sheet:
    """The table of an uploaded file, told apart by what is in it, not by its name.

    Raises UnreadableSheet.
    """
    if content.startswith(b"PK\x03\x04"):
        return _xlsx(content)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise UnreadableSheet("这是旧版 Excel（.xls）文件，请另存为 .xlsx 或 CSV 后再导入。")
    if name.lower().endswith((".xlsx", ".xls")):
        raise UnreadableSheet("文件不是有效的 Excel 表格，请重新另存为 .xlsx 后再导入。")
    return _csv(content)


def _csv(content: bytes) -> Sheet:
    text = _decoded(content)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",\t;", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return Sheet(_bounded(tuple(cell.strip() for cell in row) for row in rows))
    except csv.Error:
        raise UnreadableSheet("文件不是有效的 CSV，请用模板重新填写。") from None


def _decoded(content: bytes) -> str:
    """Excel in China writes GB18030 without a word, and UTF-8 with a mark; others write UTF-8."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise UnreadableSheet("文件编码无法识别，请另存为 .xlsx，或 UTF-8、GB18030 编码的 CSV。")


def _xlsx(content: bytes) -> Sheet:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            if sum(part.file_size for part in parts.infolist()) > MOST_UNPACKED:
                raise UnreadableSheet("表格内容过大，请只保留排班所需的工作表。")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        widest = min(sheet.max_column or MOST_COLUMNS, MOST_COLUMNS)
        rows = sheet.iter_rows(max_col=widest, values_only=True)
        return Sheet(_bounded(tuple(_text(cell) for cell in row) for row in rows), sheet.title or "")
    except UnreadableSheet:
        raise
    except (InvalidFileException, zipfile.BadZipFile, KeyError, IndexError, ValueError, OSError, TypeError):
        raise UnreadableSheet("文件不是有效的 Excel 表格，请重新另存为 .xlsx 后再导入。") from None


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _bounded(rows: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    kept: list[tuple[str, ...]] = []
    for row in rows:
        if len(kept) >= MOST_ROWS:
            raise UnreadableSheet(f"表格超过 {MOST_ROWS} 行，请分几次导入。")
        kept.append(row[:MOST_COLUMNS])
    while kept and not any(kept[-1]):
        kept.pop()
    return tuple(kept)


# --- out ---------------------------------------------------------------------------------------------

_HEAD = PatternFill("solid", fgColor="EAF1FA")


def written(tables: Sequence[tuple[str, Sequence[Sequence[str]]]], widths: Sequence[int] = ()) -> bytes:
    """An XLSX with a worksheet for each (name, rows); the first row is its heading. Numbers stay text, so
    that Excel leaves the zeros of a work number where they are."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in tables:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        for cell in sheet[1]:
            cell.font, cell.fill = Font(bold=True), _HEAD
            cell.alignment = Alignment(horizontal="center", wrap_text=True)
        for place, width in enumerate(widths, start=1):
            sheet.column_dimensions[get_column_letter(place)].width = width
        sheet.freeze_panes = "C2"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def written_csv(rows: Sequence[Sequence[str]]) -> bytes:
    """A CSV that Excel opens as what it is: UTF-8 with the mark."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8-sig")
