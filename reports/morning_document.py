"""The sheet of the morning meeting as a Word document: A4, upright, black on white."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from docx import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor
from docx.text.paragraph import Paragraph

FONT = "微软雅黑"


@dataclass(frozen=True)
class SheetText:
    """What stands on the sheet, each cell as people read it."""

    title: str
    subtitle: str
    heads: tuple[str, ...]
    """Of the table of figures; the first is the name's."""
    rows: tuple[tuple[str, ...], ...]
    """The group first, then its agents. A line break within a cell stands before the change."""
    recordings: tuple[tuple[str, str, str], ...]
    """Agent, when and how long, why."""
    points: str
    foot: str


def document(sheet: SheetText) -> bytes:
    """The .docx file of a sheet."""
    paper = Document()
    section = paper.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(15)
    section.top_margin = section.bottom_margin = Mm(14)
    normal = paper.styles["Normal"]
    normal.font.name, normal.font.size = FONT, Pt(10)
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), FONT)
    _line(paper.add_paragraph(), sheet.title, 16, bold=True).alignment = WD_ALIGN_PARAGRAPH.CENTER
    _line(paper.add_paragraph(), sheet.subtitle, 9, grey=True).alignment = WD_ALIGN_PARAGRAPH.CENTER
    _heading(paper.add_paragraph(), "一、数据")
    _table(paper, sheet.heads, sheet.rows)
    _heading(paper.add_paragraph(), "二、录音讲评")
    if sheet.recordings:
        _table(paper, ("话务员", "通话", "为什么听"), sheet.recordings)
    else:
        paper.add_paragraph("当日没有值得讲评的录音。")
    _heading(paper.add_paragraph(), "三、改进要点")
    for text in sheet.points.splitlines() or ["无。"]:
        if text.strip():
            _line(paper.add_paragraph(), text.strip(), 10.5)
    _line(paper.add_paragraph(), sheet.foot, 8, grey=True)
    out = io.BytesIO()
    paper.core_properties.title = sheet.title
    paper.core_properties.author = ""
    paper.save(out)
    return out.getvalue()


def _line(
    paragraph: Paragraph, text: str, size: float, *, bold: bool = False, grey: bool = False
) -> Paragraph:
    run = paragraph.add_run(text)
    run.font.size, run.font.bold, run.font.name = Pt(size), bold, FONT
    run._element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), FONT)
    if grey:
        run.font.color.rgb = RGBColor(0x51, 0x62, 0x7A)
    paragraph.paragraph_format.space_after = Pt(2)
    return paragraph


def _heading(paragraph: Paragraph, text: str) -> None:
    _line(paragraph, text, 12, bold=True)
    paragraph.paragraph_format.space_before = Pt(10)
    paragraph.paragraph_format.keep_with_next = True


def _table(paper: object, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = paper.add_table(rows=1, cols=len(heads))  # type: ignore[attr-defined]
    table.style, table.alignment = "Table Grid", WD_TABLE_ALIGNMENT.CENTER
    for cell, text in zip(table.rows[0].cells, heads, strict=True):
        _line(cell.paragraphs[0], text, 9, bold=True)
    # A heading over each page that the table goes on to.
    marks = table.rows[0]._tr.get_or_add_trPr()
    marks.append(marks.makeelement(qn("w:tblHeader"), {qn("w:val"): "true"}))
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            first, _, rest = text.partition("\n")
            _line(cell.paragraphs[0], first, 9)
            if rest:
                _line(cell.add_paragraph(), rest, 7.5, grey=True)
