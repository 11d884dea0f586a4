"""Set-up's own rules: stamps, versions, what a tree says of itself, mirrors, missing packages, refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hotline.setup import stamps, system, tree, versions
from hotline.setup.__main__ import main, setting
from hotline.setup.progress import SetupFailed, run_step


def test_step_is_done_only_for_the_same_content(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "stamps"
    (source / "deep").mkdir(parents=True)
    (source / "deep/a.txt").write_text("one")
    key = stamps.key_of_files(stamps.files_below(source), source)
    assert not stamps.is_done(folder, "build", key)
    stamps.set_done(folder, "build", key)
    assert stamps.is_done(folder, "build", stamps.key_of_files(stamps.files_below(source), source))
    (source / "deep/a.txt").write_text("two")
    assert not stamps.is_done(folder, "build", stamps.key_of_files(stamps.files_below(source), source))


def test_renamed_file_is_another_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    before = stamps.key_of_files(stamps.files_below(tmp_path), tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert stamps.key_of_files(stamps.files_below(tmp_path), tmp_path) != before


def test_left_out_folders_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "node_modules/x").mkdir(parents=True)
    (tmp_path / "node_modules/x/y.js").write_text("z")
    (tmp_path / "main.ts").write_text("z")
    assert [path.name for path in stamps.files_below(tmp_path, ["node_modules"])] == ["main.ts"]


def test_forgotten_step_is_not_done(tmp_path: Path) -> None:
    stamps.set_done(tmp_path, "npm", "k")
    stamps.forget(tmp_path, "npm")
    stamps.forget(tmp_path, "npm")
    assert not stamps.is_done(tmp_path, "npm", "k")


def test_key_keeps_the_borders_between_texts() -> None:
    assert stamps.key_of("ab", "c") != stamps.key_of("a", "bc")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Asterisk 22.10.1~dfsg+~cs6.16.60671434-1", (22, 10, 1)),
        ("Asterisk 22.10.1+dfsg+~cs6.17.60671434-1\n", (22, 10, 1)),
        ("1:22.10.1~dfsg+~cs6.16-2+b1", (22, 10, 1)),
        ("Asterisk certified/20.7-cert2", (20, 7)),
        ("Asterisk 18.10.0~dfsg+~cs6.10.40431411-2", (18, 10, 0)),
        ("Asterisk GIT-master-1a2b3c", None),
        ("", None),
    ],
)
def test_asterisk_version_is_read_as_it_says_it(text: str, version: tuple[int, ...] | None) -> None:
    assert versions.asterisk_version(text) == version


@pytest.mark.parametrize(
    ("version", "least", "enough"),
    [
        ((22,), (22,), True),
        ((22, 0, 0), (22,), True),
        ((23, 1), (22,), True),
        ((21, 12, 9), (22,), False),
        ((20, 18, 1), (20, 19), False),
        ((20, 19), (20, 19), True),
        ((100,), (22,), True),
        (None, (22,), False),
    ],
)
def test_versions_compare_by_number(
    version: tuple[int, ...] | None, least: tuple[int, ...], enough: bool
) -> None:
    assert versions.is_enough(version, least) is enough


def test_old_asterisk_is_refused_with_its_version_and_the_remedy() -> None:
    refusal = versions.asterisk_refusal("Asterisk 20.4.0", "/usr/sbin/asterisk")
    assert refusal is not None
    assert "is 20.4.0" in refusal
    assert "22 or newer" in refusal
    assert "HOTLINE_ASTERISK" in refusal
    assert versions.asterisk_refusal("Asterisk 22.0.0", "x") is None


def test_installed_asterisk_is_asked_and_an_old_one_refused(tmp_path: Path) -> None:
    old = tmp_path / "asterisk"
    old.write_text("#!/bin/sh\necho Asterisk 20.9.3\n")
    old.chmod(0o755)
    with pytest.raises(SetupFailed, match=r"is 20\.9\.3"):
        tree.ensure_tree(tmp_path, str(old), None)
    with pytest.raises(SetupFailed, match="does not run"):
        tree.ensure_tree(tmp_path, str(tmp_path / "nothing"), None)
    old.write_text("#!/bin/sh\necho Asterisk 22.10.1\n")
    tree.ensure_tree(tmp_path, str(old), None)


def test_tree_tells_what_it_was_made_of(tmp_path: Path) -> None:
    status = tmp_path / "var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text(
        "Package: libc6\nStatus: x\nVersion: 2.41-1\n\nPackage: asterisk\nVersion: 1:22.10.1~dfsg-1\n"
    )
    tree.write_made_of(tmp_path)
    made = tree.made_of(tmp_path)
    assert made["asterisk"] == "1:22.10.1~dfsg-1"
    assert made["suite"] == "testing"
    assert len(made["packages"]) == 64
    assert tree.made_of(tmp_path / "nowhere") == {}


def test_tree_with_an_old_asterisk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pbx-tree").mkdir()
    (tmp_path / "pbx-tree/MADE-OF").write_text("date: x\nasterisk: 1:20.5.0~dfsg\n")
    with pytest.raises(SetupFailed, match=r"is 20\.5\.0"):
        tree.ensure_tree(tmp_path, None, None)


def test_mirror_is_the_one_of_debian_itself() -> None:
    targets = "http://a.example/node nodistro\nhttp://b.example/debian-security Debian-Security\n"
    assert tree.apt_mirror(targets) is None
    assert tree.apt_mirror(targets + "http://c.example/debian Debian\n") == "http://c.example/debian"


def test_missing_packages_are_those_whose_programs_are_not_here() -> None:
    there = system.Need("coreutils", ("ls",))
    gone = system.Need("nonesuch", ("program-that-nobody-has",))
    no_file = system.Need("no-font", files=("/nowhere/*.ttf",))
    assert [name for name in system.missing([there, gone, no_file]) if name != "python3-venv"] == [
        "nonesuch",
        "no-font",
    ]


@pytest.mark.parametrize(
    ("restricted", "switched_off", "word"),
    [
        (True, False, "apparmor.d/bwrap"),
        (False, True, "unprivileged_userns_clone=1"),
        (False, False, "container"),
    ],
)
def test_refused_user_namespace_has_its_remedy(restricted: bool, switched_off: bool, word: str) -> None:
    said = system.namespaces_remedy("No permissions", restricted=restricted, switched_off=switched_off)
    assert word in said
    assert "remedy:" in said


def test_failed_step_shows_the_end_of_its_log_and_the_remedy(tmp_path: Path) -> None:
    log = tmp_path / "log/setup-x.log"
    program = "print('first'); print('the real reason'); raise SystemExit(3)"
    with pytest.raises(SetupFailed) as failure:
        run_step("Step x", [sys.executable, "-c", program], log, remedy="do y")
    assert "the real reason" in str(failure.value)
    assert "remedy: do y" in str(failure.value)
    assert str(log) in str(failure.value)
    with pytest.raises(SetupFailed, match="cannot start"):
        run_step("Step z", ["/nowhere/at-all"], log, remedy="do y")


def test_setting_is_read_from_the_environment_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hotline.env").write_text("# head\nHOTLINE_ASTERISK='/opt/asterisk'\n")
    monkeypatch.delenv("HOTLINE_ASTERISK", raising=False)
    assert setting("HOTLINE_ASTERISK", tmp_path) == "/opt/asterisk"
    monkeypatch.setenv("HOTLINE_ASTERISK", "/usr/sbin/asterisk")
    assert setting("HOTLINE_ASTERISK", tmp_path) == "/usr/sbin/asterisk"
    assert setting("HOTLINE_OTHER", tmp_path) is None


def test_unknown_word_is_answered_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fly"]) == 2
    assert "run|test|check|clean" in capsys.readouterr().out
