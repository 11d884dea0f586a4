"""Files over HTTP: given with the form, bound by the save, only down as a download."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from desktop_parts import Browser, Form
from sqlalchemy import func, select

from agent_desktop.app import Parts
from db.models import AccessLog, Attachment
from hotline.settings import Settings

pytest_plugins = ["desktop_fixtures"]
Open = Callable[[], Browser]
KEY = "form-key-1"
PDF = b"%PDF-1.7 a contract"
FORM = {"request_type": "help", "category_id": 1, "title": "停水", "what": "昨晚起没有水"}


def give(browser: Browser, content: bytes = PDF, name: str = "合同.pdf", key: str = KEY) -> Any:
    return browser.post("/api/attachments", Form(form_key=key, file=(name, content)))


def files(settings: Settings) -> list[str]:
    return [path.name for path in settings.attachments.rglob("*") if path.is_file()]


def rows(parts: Parts) -> int:
    with parts.desk.sessions() as session:
        return session.scalar(select(func.count()).select_from(Attachment)) or 0


def test_a_file_goes_with_the_ticket_that_its_form_becomes(
    agent: Browser, open_browser: Open, parts: Parts
) -> None:
    given = give(agent)
    assert given.status_code == 201
    told = (given.json["name"], given.json["bytes"], given.json["media_type"])
    assert told == ("合同.pdf", len(PDF), "application/pdf")
    other = open_browser()
    other.log_in("agent02", "8002")
    path = f"/api/attachments/{given.json['id']}"
    assert other.get(path).status_code == 404, "nobody else's before it is saved"
    saved = agent.post("/api/tickets", FORM, **{"Idempotency-Key": KEY}).json
    assert [one["name"] for one in saved["attachments"]] == ["合同.pdf"]
    assert agent.send("DELETE", path).json["error"] == "already_saved"
    down = other.get(path)
    assert down.data == PDF
    assert down.headers["X-Content-Type-Options"] == "nosniff"
    assert down.headers["Content-Disposition"].startswith("attachment;")
    assert other.get(path, headers={"Range": "bytes=0-3"}).data == b"%PDF"
    with parts.desk.sessions() as session:
        noted = session.scalars(select(AccessLog).where(AccessLog.action == "download")).all()
    assert {one.object for one in noted} == {f"attachment {given.json['id']} 合同.pdf"}


def test_a_file_that_comes_after_the_save_still_finds_its_ticket(agent: Browser) -> None:
    number = agent.post("/api/tickets", FORM, **{"Idempotency-Key": KEY}).json["number"]
    assert give(agent).status_code == 201
    assert len(agent.get(f"/api/tickets/{number}").json["attachments"]) == 1


def test_a_form_keeps_its_files_apart_and_gives_them_back_after_a_reload(
    agent: Browser, open_browser: Open
) -> None:
    first, second = give(agent).json, give(agent, b"\x89PNG\r\n\x1a\n" + bytes(9), "图.jpg").json
    give(agent, key="form-key-2")
    listed = agent.get(f"/api/attachments?form_key={KEY}").json["rows"]
    assert [one["id"] for one in listed] == [first["id"], second["id"]]
    assert [one["name"] for one in listed] == ["合同.pdf", "图.png"]
    other = open_browser()
    other.log_in("agent02", "8002")
    assert other.get(f"/api/attachments?form_key={KEY}").json["rows"] == []
    assert other.send("DELETE", f"/api/attachments/{first['id']}").status_code == 404
    assert agent.send("DELETE", f"/api/attachments/{first['id']}").status_code == 204
    saved = agent.post("/api/tickets", FORM, **{"Idempotency-Key": KEY}).json
    assert [one["name"] for one in saved["attachments"]] == ["图.png"]


def test_the_tenth_file_is_refused_also_when_all_come_at_once(
    agent: Browser, parts: Parts, open_browser: Open
) -> None:
    cookie = agent.client.get_cookie("hotline")
    assert cookie is not None

    def send(n: int) -> int:
        browser = open_browser()
        browser.client.set_cookie("hotline", cookie.value)
        browser.csrf = agent.csrf
        return int(give(browser, PDF + bytes([65 + n]), "合同.pdf").status_code)

    with ThreadPoolExecutor(4) as pool:
        told = sorted(pool.map(send, range(12)))
    assert told == [201] * 9 + [409] * 3
    assert rows(parts) == 9


@pytest.mark.parametrize(
    ("content", "name", "status"),
    [
        (b"MZ\x90\x00" + bytes(50), "照片.jpg", 422),
        (b"<html></html>", "page.html", 422),
        (b"", "空.txt", 422),
        (b"%PDF-" + bytes(1024 * 1024), "大.pdf", 413),
        (b"%PDF-" + bytes(3 * 1024 * 1024), "太大.pdf", 413),
    ],
)
def test_what_is_refused_is_said_in_words_and_leaves_nothing(
    parts: Parts, agent: Browser, settings: Settings, content: bytes, name: str, status: int
) -> None:
    settings.attachment_megabytes = 1
    answer = give(agent, content, name)
    assert answer.status_code == status
    assert answer.json["message"].endswith("。")
    if status == 422:
        assert list(answer.json["fields"]) == ["file"]
    assert (files(settings), rows(parts)) == ([], 0)


def test_a_whole_document_of_many_megabytes_is_taken(agent: Browser, settings: Settings) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("[Content_Types].xml", "<xml/>")
        archive.writestr("word/document.xml", bytes(5 * 1024 * 1024))
    assert give(agent, made.getvalue(), "材料.docx").status_code == 201
    assert len(files(settings)) == 1


def test_a_full_disk_is_told_and_leaves_nothing(
    agent: Browser, parts: Parts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tickets.attachments.os.fsync", full)
    answer = give(agent)
    assert (answer.status_code, answer.json["error"]) == (503, "disk_full")
    assert (files(settings), rows(parts)) == ([], 0)


def test_a_line_cut_in_the_middle_leaves_nothing(agent: Browser, parts: Parts, settings: Settings) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.pdf"\r\n\r\n%PDF-'
    answer = agent.client.post(
        "/api/attachments",
        input_stream=io.BytesIO(body),
        content_type="multipart/form-data; boundary=b",
        headers={"X-CSRF-Token": agent.csrf, "Content-Length": str(len(body) + 5000)},
        environ_overrides={"CONTENT_LENGTH": str(len(body) + 5000)},
    )
    assert answer.status_code in (400, 422)
    assert answer.json["message"].endswith("。")
    assert (files(settings), rows(parts)) == ([], 0)


def test_only_files_may_be_large(agent: Browser) -> None:
    huge = agent.send("PUT", "/api/calls/a/draft", {"body": {"what": "x" * 1_100_000}})
    assert huge.status_code == 413
    closed = agent.client.post("/api/attachments", data={"form_key": KEY})
    assert closed.status_code == 403, "without the page's token nothing is read"
    for key in ("short", "a b c d e f g", "x" * 65):
        assert list(give(agent, key=key).json["fields"]) == ["form_key"]
