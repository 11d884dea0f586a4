"""Files given with a ticket: judged by what is in them, kept by their hash, bound when the ticket is saved.

    upload ─► <folder>/tmp/x ─judge─► <folder>/aa/<sha256> ─► row (form_key, no ticket)
    save   ─► row.ticket_id, in the ticket's transaction
    7 days ─► rows that no ticket took are removed; files without a row a day after they came

Two rows may share one file. Only `sweep` deletes files, so that no upload loses one to a deletion beside it.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from db.models import Attachment, Ticket, User
from tickets.problems import Invalid, NotAllowed

MOST_PER_FORM = 9
UNSAVED_DAYS = 7
FILE_DAYS = 1
"""A file without a row is deleted after this long: younger ones may belong to an upload under way."""
LONGEST_NAME = 128
PIECE = 1024 * 1024
HEAD = 4096

MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "txt": "text/plain",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "mp4": "video/mp4",
}
"""What may be given, by the ending of its name."""
_SPELLINGS = {"jpg": ("jpg", "jpeg"), "mp4": ("mp4", "m4v", "m4a")}
NOT_ALLOWED = "只能上传 jpg、png、webp、pdf、docx、xlsx、txt、mp3、wav、mp4 文件。"

_MP4_BRANDS = (b"iso", b"mp4", b"avc", b"M4V", b"M4A", b"MSN", b"dash", b"3gp", b"f4v")
_OFFICE = {"word/document.xml": "docx", "xl/workbook.xml": "xlsx"}
_MOST_PARTS = 10_000
"""A document has dozens of parts; more are somebody's trick."""
_WRONG_SIGNS = re.compile(r'[<>:"|?*\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]')
_LONE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Kept:
    """A file in its place: `path` below the folder, and what the row needs."""

    path: Path
    bytes: int
    sha256: str
    ending: str


class TooLarge(Exception):
    """The file is larger than allowed; nothing of it is left."""


def keep(folder: Path, source: BinaryIO, name: str, most_bytes: int) -> Kept:
    """Read a file to its end into its place below `folder`. Whatever fails, nothing of it stays.

    Raises TooLarge, Invalid (field "file": empty, or a kind that is not allowed), OSError (disk full).
    """
    waiting = folder / "tmp"
    waiting.mkdir(parents=True, exist_ok=True)
    handle, raw = tempfile.mkstemp(dir=waiting)
    temporary = Path(raw)
    try:
        with os.fdopen(handle, "wb") as target:
            size, digest = _copy(source, target, most_bytes)
            target.flush()
            os.fsync(target.fileno())
        if not size:
            raise Invalid({"file": "文件是空的。"})
        ending = judge(temporary, name)
        if ending is None:
            raise Invalid({"file": NOT_ALLOWED})
        place = path_of(folder, digest)
        place.parent.mkdir(exist_ok=True)
        temporary.chmod(0o640)
        temporary.replace(place)
        return Kept(place, size, digest, ending)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(source: BinaryIO, target: BinaryIO, most_bytes: int) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    while piece := source.read(PIECE):
        size += len(piece)
        if size > most_bytes:
            raise TooLarge
        digest.update(piece)
        target.write(piece)
    return size, digest.hexdigest()


def path_of(folder: Path, sha256: str) -> Path:
    return folder / sha256[:2] / sha256


def judge(path: Path, name: str) -> str | None:
    """Ending of the kind of file that this is by its content ("pdf"), or None where it is none of ours.

    The name counts for text only: a page of HTML is text too, but it is not what a citizen sends.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(b"PK\x03\x04"):
        return _office(path)
    for ending, fits in (
        ("jpg", head.startswith(b"\xff\xd8\xff")),
        ("png", head.startswith(b"\x89PNG\r\n\x1a\n")),
        ("webp", head[:4] == b"RIFF" and head[8:12] == b"WEBP"),
        ("wav", head[:4] == b"RIFF" and head[8:12] == b"WAVE"),
        ("pdf", head.startswith(b"%PDF-")),
        ("mp4", head[4:8] == b"ftyp" and head[8:12].startswith(_MP4_BRANDS)),
        ("mp3", head.startswith(b"ID3") or _is_mp3_frame(head)),
    ):
        if fits:
            return ending
    return "txt" if name.lower().endswith(".txt") and _is_text(path) else None


def _is_mp3_frame(head: bytes) -> bool:
    """Begins with an MPEG audio frame of layer III, with a bit rate and a sample rate that exist."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or head[1] & 0x18 == 0x08:
        return False
    return head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3


def _office(path: Path) -> str | None:
    """docx or xlsx by the parts in the archive; one with macros is neither. Nothing is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if len(names) > _MOST_PARTS or "[Content_Types].xml" not in names:
        return None
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        return None
    return next((ending for part, ending in _OFFICE.items() if part in names), None)


def _is_text(path: Path) -> bool:
    content = path.read_bytes()
    if any(sign < 32 and sign not in (9, 10, 12, 13) for sign in set(content)):
        return False
    for encoding in ("utf-8", "gb18030"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return True
    return False


def clean_name(name: str, ending: str) -> str:
    """A name safe on every system that says what the file is: "报告.pdf"; never empty, <= 128 letters."""
    bare = unicodedata.normalize("NFC", _LONE.sub("", name)).replace("\\", "/").rpartition("/")[2]
    bare = " ".join(_WRONG_SIGNS.sub("", bare).split()).strip(". ")
    stem, dot, last = bare.rpartition(".")
    if not dot or last.lower() not in {*MEDIA_TYPES, "jpeg", "m4v", "m4a"}:
        stem, last = bare, ""
    kept = last.lower() in _SPELLINGS.get(ending, (ending,))
    tail = "." + (last if kept else ending)
    return (stem.strip(". ")[: LONGEST_NAME - len(tail)] or "附件") + tail


def add(
    session: Session,
    user_id: int,
    form_key: str,
    name: str,
    kept: Kept,
    now: datetime,
    most: int = MOST_PER_FORM,
) -> Attachment:
    """The row of a file in its place. A form that was saved meanwhile gives it to its ticket at once.

    Raises NotAllowed (too_many_files).
    """
    # One after the other for each person, so that the count is right and no save is missed.
    session.execute(select(User.id).where(User.id == user_id).with_for_update())
    made = Attachment(
        form_key=form_key,
        user_id=user_id,
        name=clean_name(name, kept.ending),
        media_type=MEDIA_TYPES[kept.ending],
        bytes=kept.bytes,
        sha256=kept.sha256,
        created_at=now,
    )
    session.add(made)
    session.flush()
    of_form = Attachment.form_key == form_key, Attachment.user_id == user_id
    if (session.scalar(select(func.count()).select_from(Attachment).where(*of_form)) or 0) > most:
        raise NotAllowed("too_many_files", f"每张工单最多 {most} 个附件。")
    saved = select(Ticket.id).where(Ticket.form_key == form_key, Ticket.created_by == user_id)
    made.ticket_id = session.scalar(saved)
    session.flush()
    return made


def bind(session: Session, user_id: int, form_key: str | None, ticket_id: int) -> None:
    """Give the ticket what was attached to its form, in the transaction that saves it."""
    if not form_key:
        return
    session.execute(select(User.id).where(User.id == user_id).with_for_update())
    mine = Attachment.form_key == form_key, Attachment.user_id == user_id, Attachment.ticket_id.is_(None)
    session.execute(update(Attachment).where(*mine).values(ticket_id=ticket_id))


def of_form(session: Session, user_id: int, form_key: str) -> list[Attachment]:
    """What this person has attached to a form, in the order in which it came."""
    mine = Attachment.form_key == form_key, Attachment.user_id == user_id
    return list(session.scalars(select(Attachment).where(*mine).order_by(Attachment.id)))


def of_ticket(session: Session, ticket_id: int) -> Sequence[tuple[Attachment, str]]:
    """What was given with a ticket, with the names of who gave it."""
    found = session.execute(
        select(Attachment, User.name)
        .join(User, User.id == Attachment.user_id)
        .where(Attachment.ticket_id == ticket_id)
        .order_by(Attachment.id)
    )
    return [(one, name) for one, name in found]


def drop(session: Session, user_id: int, attachment_id: int) -> bool:
    """Remove one's own attachment of a form not saved yet; False: there is none. Raises NotAllowed."""
    one = session.get(Attachment, attachment_id)
    if one is None or one.user_id != user_id:
        return False
    unsaved = Attachment.id == attachment_id, Attachment.ticket_id.is_(None)
    if not session.execute(delete(Attachment).where(*unsaved)).rowcount:  # type: ignore[attr-defined]
        raise NotAllowed("already_saved", "附件已随工单保存，不能删除。")
    return True


def forget_unsaved(session: Session, now: datetime) -> int:
    """Remove the rows that no ticket has taken within 7 days; gives how many."""
    old = Attachment.ticket_id.is_(None), Attachment.created_at < now - timedelta(days=UNSAVED_DAYS)
    return int(session.execute(delete(Attachment).where(*old)).rowcount)  # type: ignore[attr-defined]


def sweep(session: Session, folder: Path, now: datetime) -> int:
    """Delete files that no row names any more, and what broken uploads left; gives how many.

    A file is set aside before it is deleted, and looked at once more: an upload of the same content may have
    put a new one in its place meanwhile, and that one is young.
    """
    before = now.timestamp() - timedelta(days=FILE_DAYS).total_seconds()
    deleted = 0
    for path in sorted(folder.glob("*/*")):
        if not path.is_file() or path.stat().st_mtime >= before:
            continue
        if path.parent.name == "tmp":
            path.unlink(missing_ok=True)
        elif session.scalar(select(Attachment.id).where(Attachment.sha256 == path.name).limit(1)) is None:
            aside = folder / "tmp" / path.name
            aside.parent.mkdir(exist_ok=True)
            path.replace(aside)
            if aside.stat().st_mtime >= before:
                aside.replace(path)
                continue
            aside.unlink()
        else:
            continue
        deleted += 1
    return deleted
