"""A whole ticket without the mouse: script, knowledge, a file, what may be the same matter, the next call."""

from __future__ import annotations

import re
import struct
import zlib

import pytest
from playwright.sync_api import expect

from hotline.phones.desk_phone import Habit
from tests.browser.conftest import OpenScreen
from tests.browser.screen import LIN, Screen
from tests.line import Line, until

pytestmark = [pytest.mark.pbx, pytest.mark.browser]

WHAT = "湖心路与柳荫街路口往北约两百米的路灯连续三晚不亮，夜间出行不便。"
NOTE = "听力不好，请放慢语速并复述要点"


def a_photograph() -> bytes:
    """A PNG of one dot: the server judges a file by what is in it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0\0"))
        + chunk(b"IEND", b"")
    )


def will_choose_files(screen: Screen) -> None:
    """From now on the file dialog of the page is answered: a photograph, and something that is refused."""
    photo = {"name": "现场照片.png", "mimeType": "image/png", "buffer": a_photograph()}
    wrong = {"name": "路灯.exe", "mimeType": "application/octet-stream", "buffer": b"MZ"}
    screen.page.on("filechooser", lambda chooser: chooser.set_files([photo, wrong]))


def answers_the_script(screen: Screen) -> None:
    """Ctrl+J leads to the first answer; what is typed there stands in the form, and the other way round."""
    screen.press("Control+j")
    expect(screen.by("script-field-what").first).to_be_focused()
    screen.page.keyboard.type(WHAT)
    expect(screen.by("f-what")).to_have_value(WHAT)
    expect(screen.by("script-field-who").first).to_have_value("林慧")
    screen.by("script-field-when").first.focus()
    screen.page.keyboard.type("三天前晚上起")
    screen.press("Enter")
    expect(screen.by("script-field-where").first).to_be_focused()
    screen.page.keyboard.type("湖心路与柳荫街路口")
    expect(screen.by("f-where")).to_have_value("湖心路与柳荫街路口")
    screen.by("script-field-asked_for").first.focus()
    screen.page.keyboard.type("尽快维修路灯")
    expect(screen.by("five-words")).to_have_text("五要素齐全")
    screen.picture("form-script")
    screen.press("Escape")
    expect(screen.by("f-category").locator("input")).to_be_focused()


def attaches(screen: Screen) -> None:
    """The button is reached by key; one file is taken, one that is none of the known kinds says so."""
    screen.by("f-attachments-choose").focus()
    screen.press("Enter")
    rows = screen.by("attachment-row")
    expect(rows.nth(0)).to_have_attribute("data-state", "there")
    expect(rows.nth(1)).to_contain_text("不支持这种文件")
    rows.nth(1).get_by_test_id("attachment-remove").press("Enter")
    expect(rows).to_have_count(1)


def test_a_whole_ticket_is_written_by_keyboard_and_the_next_call_may_come(
    line: Line, screens: OpenScreen
) -> None:
    leader = line.desk("leader01")
    note = leader.ask(
        "POST", "/api/caller-notes", {"number": "057188000001", "kind": "care", "note": NOTE, "until": None}
    )
    line.phones("8001", habit=Habit(answer_after=0.2))
    screen = screens().at_the_desk()
    will_choose_files(screen)
    call = line.citizens().dial(caller=LIN, keys="1")
    screen.sees_state("talking", 20)
    screen.sees_pop()
    expect(screen.by("pop-notes")).to_contain_text("特别关怀")
    expect(screen.by("pop-notes")).to_contain_text(NOTE)
    expect(screen.by("pop-previous-agent")).to_contain_text("上次由")

    screen.press("F3")
    screen.press("2")
    expect(screen.by("candidate").nth(1).locator("input")).to_be_checked()
    screen.press("F6")
    screen.press("ArrowRight")
    expect(screen.by("f-type-help").locator("input")).to_be_checked()
    screen.press("Tab")
    screen.pick_typed("f-category", "ldbl")
    answers_the_script(screen)
    screen.press("F6")
    expect(screen.by("f-title")).to_be_focused()
    screen.page.keyboard.type("湖心路路灯整段不亮")
    attaches(screen)

    screen.press("Control+l")
    expect(screen.by("pop-nearby")).to_be_visible()
    screen.press("Control+k")
    expect(screen.by("knowledge-search")).to_be_focused()
    expect(screen.by("knowledge-entry").first).to_contain_text("路灯")
    screen.picture("form-knowledge")
    screen.press("Enter")
    expect(screen.by("f-answer")).to_be_focused()
    expect(screen.by("f-answer")).to_have_value(re.compile("灯杆编号"))
    expect(screen.by("f-disposition-direct").locator("input")).to_be_checked()
    expect(screen.by("duplicates")).to_be_visible()
    expect(screen.by("draft-state")).to_have_attribute("data-state", "saved")

    screen.page.reload()
    screen.sees_state("talking")
    expect(screen.by("f-what")).to_have_value(WHAT)
    expect(screen.by("attachment-row")).to_contain_text("现场照片.png")
    expect(screen.by("duplicates")).to_be_visible()

    screen.press("Alt+Enter")
    expect(screen.by("duplicates")).to_have_attribute("data-asking", "true")
    expect(screen.by("btn-save-anyway")).to_contain_text("仍要保存")
    assert screen.overflow() == []
    screen.picture("form-duplicates")
    screen.press("Alt+Enter")
    number = screen.by("ticket-saved").get_attribute("data-number")
    saved = screen.page.request.get(f"{line.address}/api/tickets/{number}").json()
    assert (saved["what"], saved["who"], saved["disposition"]) == (WHAT, "林慧", "direct")
    assert [one["name"] for one in saved["attachments"]] == ["现场照片.png"]

    screen.press("F7")
    call.wait_for_end(5)
    screen.sees_state("ready", 10)
    until(lambda: leader.ask("DELETE", f"/api/caller-notes/{note['id']}") is None, 5, "the note is gone")


def test_two_records_of_one_person_are_merged_and_taken_apart_again(line: Line, screens: OpenScreen) -> None:
    line.phones("8001", habit=Habit(answer_after=0.2))
    screen = screens().at_the_desk()
    line.citizens().dial(caller=LIN, keys="1")
    screen.sees_state("talking", 20)
    screen.sees_pop()
    people = screen.by("candidate")
    expect(people).to_have_count(2)

    def work(task: str, reason: str) -> None:
        screen.press("F3")
        screen.press("1")
        screen.by(f"citizen-{task}").press("Enter")
        if task == "split":
            screen.by("citizen-undo").check()
        screen.by("citizen-submit").press("Enter")
        expect(screen.page.get_by_role("alert").filter(has_text="请写明原因")).to_be_visible()
        screen.by("citizen-reason").fill(reason)
        screen.press("Enter")
        expect(screen.page.get_by_role("dialog")).to_have_count(0)

    work("merge", "市民确认是同一人")
    expect(people).to_have_count(1)
    work("split", "市民确认不是同一人")
    expect(people).to_have_count(2)
    screen.by("citizen-history").press("Enter")
    expect(screen.by("citizen-event")).to_have_count(2)
    expect(screen.by("citizen-event").last).to_contain_text("市民确认是同一人")
    screen.press("Escape")
    screen.press("F7")
    screen.sees_state("after_call")
