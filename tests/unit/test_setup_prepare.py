"""Secrets are made once, kept, and closed to others; the manager's small rules; doctor's pure findings."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from hotline import doctor, prepare
from hotline.run import FIRST_DELAY, LAST_DELAY, RotatedLog, ending, next_delay


def test_secrets_are_made_once_and_closed_to_others(tmp_path: Path) -> None:
    assert prepare.ensure_secrets(tmp_path)
    file = tmp_path / "hotline.env"
    first = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not prepare.ensure_secrets(tmp_path)
    assert file.read_text() == first
    values = [line.partition("=")[2] for line in first.splitlines() if line.startswith("HOTLINE_")]
    assert len(values) == len(set(values)) == len(prepare.SECRETS)
    assert all(len(value) >= 14 for value in values)


def test_secrets_that_are_missing_are_added_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "hotline.env"
    file.write_text("HOTLINE_WEB_PORT=9000\nHOTLINE_AMI_PASSWORD=mine\n# HOTLINE_ARI_PASSWORD=old")
    assert prepare.ensure_secrets(tmp_path)
    lines = file.read_text().splitlines()
    assert lines[:3] == ["HOTLINE_WEB_PORT=9000", "HOTLINE_AMI_PASSWORD=mine", "# HOTLINE_ARI_PASSWORD=old"]
    assert sum(line.startswith("HOTLINE_AMI_PASSWORD") for line in lines) == 1
    assert sum(line.startswith("HOTLINE_ARI_PASSWORD") for line in lines) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_demo_password_has_no_letters_that_look_alike() -> None:
    assert not set(prepare.demo_password()) & set("0O1lIi")


def test_back_off_doubles_to_its_end_and_starts_anew_after_a_steady_life() -> None:
    delays, delay = [], 0.0
    for _ in range(7):
        delay = next_delay(delay, lived=0.1)
        delays.append(delay)
    assert delays == [FIRST_DELAY, 1.0, 2.0, 4.0, 8.0, LAST_DELAY, LAST_DELAY]
    assert next_delay(LAST_DELAY, lived=60.0) == FIRST_DELAY


@pytest.mark.parametrize(
    ("code", "words"), [(0, "ended with code 0"), (3, "ended with code 3"), (-9, "killed by SIGKILL")]
)
def test_end_of_a_part_is_said_in_words(code: int, words: str) -> None:
    assert ending(code) == words


def test_log_is_rotated_by_size_and_old_ones_are_dropped(tmp_path: Path) -> None:
    log = RotatedLog(tmp_path / "x.log", most=10, files=3)
    for number in range(5):
        log.write(f"line {number}\n".encode())
    log.close()
    assert (tmp_path / "x.log").read_text() == "line 4\n"
    assert (tmp_path / "x.log.1").read_text() == "line 3\n"
    assert (tmp_path / "x.log.2").read_text() == "line 2\n"
    assert not (tmp_path / "x.log.3").exists()


def test_doctor_wants_the_secrets_closed(tmp_path: Path) -> None:
    file = tmp_path / "hotline.env"
    assert doctor.secrets_file(file).grade == "bad"
    file.write_text("x")
    file.chmod(0o644)
    open_to_all = doctor.secrets_file(file)
    assert (open_to_all.grade, open_to_all.remedy) == ("bad", f"chmod 600 {file}")
    file.chmod(0o600)
    assert doctor.secrets_file(file).grade == "ok"


def test_doctor_names_the_part_that_is_down() -> None:
    state = {"manager": 1, "parts": {"pbx": {"pid": 2, "starts": 1}, "cti": {"pid": 3, "starts": 4}}}
    found = doctor.processes(state, lambda pid: pid != 3)
    assert [(one.what, one.grade) for one in found] == [("pbx", "ok"), ("cti", "bad")]
    assert "started 4 times" in found[1].said
    assert doctor.processes({}, lambda pid: True)[0].grade == "note"


def test_doctor_sees_a_journal_that_is_not_copied(tmp_path: Path) -> None:
    from cti.copier import journal_files

    file, now = tmp_path / "queue_log", int(time.time())
    assert doctor.journal(file, None, 0).grade == "note"
    old = f"{now - 900}|NONE|NONE|NONE|QUEUESTART|\n"
    file.write_text(old + f"{now}|NONE|NONE|NONE|CONFIGRELOAD|\n")
    name = journal_files(file)[0].name
    assert doctor.journal(file, name, len(old)).grade == "ok", "a line of this second is on its way"
    late = doctor.journal(file, name, 0)
    assert late.grade == "bad"
    assert f"{file.stat().st_size} bytes" in late.said
    assert doctor.journal(file, name, file.stat().st_size).grade == "ok"
    file.rename(tmp_path / "queue_log.0")
    file.write_text(f"{now}|NONE|NONE|NONE|CONFIGRELOAD|\n")
    assert doctor.journal(file, name, 0).grade == "bad", (
        "an old file that is not copied counts after a rotation"
    )
