"""Files: judged by their content, named safely, kept whole or not at all, swept when nobody wants them."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from db.engine import open_engine, sessions
from db.models import Attachment, User
from hotline import worker
from hotline.settings import Settings
from tickets import attachments
from tickets.attachments import MEDIA_TYPES, clean_name, judge, keep
from tickets.problems import Invalid

MB = 1024 * 1024
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def archive(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as target:
        for name in names:
            target.writestr(name, "<xml/>")
    return made.getvalue()


SAMPLES = {
    "jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "png": b"\x89PNG\r\n\x1a\n" + bytes(20),
    "webp": b"RIFF\x10\x00\x00\x00WEBPVP8 ",
    "pdf": b"%PDF-1.7\n",
    "docx": archive("[Content_Types].xml", "word/document.xml"),
    "xlsx": archive("[Content_Types].xml", "xl/workbook.xml"),
    "txt": "三号楼电梯停运".encode(),
    "mp3": b"\xff\xfb\x90\x00" + bytes(20),
    "wav": b"RIFF\x10\x00\x00\x00WAVEfmt ",
    "mp4": b"\x00\x00\x00\x18ftypisom" + bytes(20),
}


def judged(folder: Path, content: bytes, name: str) -> str | None:
    path = folder / "x"
    path.write_bytes(content)
    return judge(path, name)


@pytest.mark.parametrize("ending", SAMPLES)
def test_content_says_what_a_file_is(tmp_path: Path, ending: str) -> None:
    assert judged(tmp_path, SAMPLES[ending], "x.txt") == ending
    assert set(SAMPLES) == set(MEDIA_TYPES)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"MZ\x90\x00" + bytes(60), "photo.jpg"),
        (b"\x7fELF" + bytes(60), "report.pdf"),
        (b"<html><script>alert(1)</script>", "page.html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing.svg"),
        (b"@echo off", "run.bat"),
        (b"text\x00with\x01signs", "x.txt"),
        (archive("anything.exe"), "photo.docx"),
        (archive("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"), "macro.docx"),
        (b"PK\x03\x04 cut off", "broken.docx"),
        (b"\x00\x00\x00\x18ftypheic", "photo.mp4"),
        (b"\xff\xff\xff\xff", "noise.mp3"),
    ],
)
def test_what_is_not_ours_is_refused_whatever_its_name(tmp_path: Path, content: bytes, name: str) -> None:
    assert judged(tmp_path, content, name) is None


@given(st.binary(max_size=300), st.sampled_from(["x.txt", "x.pdf", "x"]))
def test_judging_never_fails(content: bytes, name: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        assert judged(Path(folder), content, name) in {None, *MEDIA_TYPES}


@pytest.mark.parametrize(
    ("given", "ending", "kept"),
    [
        ("现场照片.JPG", "jpg", "现场照片.JPG"),
        ("photo.jpeg", "jpg", "photo.jpeg"),
        ("photo.jpg", "png", "photo.png"),
        ("../../etc/passwd", "txt", "passwd.txt"),
        ("C:\\Users\\x\\报告.pdf", "pdf", "报告.pdf"),
        ("invoice\u202efdp.exe", "pdf", "invoicefdp.exe.pdf"),
        ('a<b>:"|?*c.png', "png", "abc.png"),
        ("", "pdf", "附件.pdf"),
        ("...", "pdf", "附件.pdf"),
        ("line\nbreak\x00.txt", "txt", "linebreak.txt"),
        ("长" * 300 + ".docx", "docx", "长" * 123 + ".docx"),
    ],
)
def test_names_are_made_safe_and_true(given: str, ending: str, kept: str) -> None:
    assert clean_name(given, ending) == kept


@given(st.text(max_size=400), st.sampled_from(sorted(MEDIA_TYPES)))
def test_every_name_becomes_a_usable_one(name: str, ending: str) -> None:
    clean = clean_name(name, ending)
    assert 0 < len(clean) <= attachments.LONGEST_NAME
    assert not set(clean) & set('/\\\x00\r\n"')
    clean.encode()


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_is_kept_by_its_hash(tmp_path: Path) -> None:
    kept = keep(tmp_path, io.BytesIO(SAMPLES["pdf"]), "x.pdf", MB)
    digest = hashlib.sha256(SAMPLES["pdf"]).hexdigest()
    assert (kept.sha256, kept.bytes, kept.ending) == (digest, len(SAMPLES["pdf"]), "pdf")
    keep(tmp_path, io.BytesIO(SAMPLES["pdf"]), "again.pdf", MB)
    assert left(tmp_path) == [f"{digest[:2]}/{digest}"]


class Broken(io.BytesIO):
    """A line that is cut, or a disk that is full, after the first piece."""

    def read(self, *_size: int | None) -> bytes:  # type: ignore[override]
        if self.tell():
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().read(8)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (io.BytesIO(b"%PDF-" + bytes(MB)), attachments.TooLarge),
        (io.BytesIO(b""), Invalid),
        (io.BytesIO(b"MZ" + bytes(100)), Invalid),
        (Broken(SAMPLES["pdf"] * 9), OSError),
    ],
)
def test_what_fails_leaves_nothing(tmp_path: Path, source: io.BytesIO, error: type[Exception]) -> None:
    with pytest.raises(error):
        keep(tmp_path, source, "x.pdf", MB)
    assert left(tmp_path) == []


@pytest.fixture
def session(tmp_path: Path, new_database: Callable[[Path], str]) -> Iterator[Session]:
    engine = open_engine(new_database(tmp_path / "hotline.db"))
    with sessions(engine)() as opened:
        opened.add(User(login="a", name="A", work_number="1", role="agent", password_hash="x"))
        opened.commit()
        yield opened
    engine.dispose()


def test_the_nightly_job_removes_what_no_ticket_took(tmp_path: Path, session: Session) -> None:
    settings = Settings(var=tmp_path)
    folder = settings.attachments
    old, young = NOW - timedelta(days=8), NOW - timedelta(days=6)
    kept = {name: keep(folder, io.BytesIO(SAMPLES[name]), "x", MB) for name in ("pdf", "png", "jpg", "wav")}
    for name, created in (("pdf", old), ("png", young)):
        attachments.add(session, 1, f"form-{name}", f"x.{name}", kept[name], created)
    attachments.add(session, 1, "form-both", "x.png", kept["png"], old)
    session.commit()
    (folder / "tmp" / "broken-upload").write_bytes(b"x")
    for path in (*(kept[name].path for name in ("pdf", "png", "jpg")), folder / "tmp" / "broken-upload"):
        os.utime(path, (old.timestamp(), old.timestamp()))
    os.utime(kept["wav"].path, (NOW.timestamp(), NOW.timestamp()))
    assert worker.tidy_attachments(sessions(session.get_bind()), settings, NOW) == 3  # type: ignore[arg-type]
    session.expire_all()
    assert [one.name for one in session.query(Attachment)] == ["x.png"]
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert names == {kept["png"].sha256, kept["wav"].sha256}, "one is still named, one has just come"


def test_an_upload_beside_the_sweep_keeps_its_file(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "attachments"
    kept = keep(folder, io.BytesIO(SAMPLES["pdf"]), "x", MB)
    os.utime(kept.path, (1, 1))
    asked = session.scalar

    def asked_while_another_comes(*arguments: object, **more: object) -> object:
        answer = asked(*arguments, **more)  # type: ignore[call-overload]
        keep(folder, io.BytesIO(SAMPLES["pdf"]), "x", MB)
        return answer

    monkeypatch.setattr(session, "scalar", asked_while_another_comes)
    assert attachments.sweep(session, folder, datetime.now(UTC)) == 0
    assert kept.path.is_file()
