"""`hotline seats`: what a person types into a desk phone."""

from __future__ import annotations

from typer.testing import CliRunner

from hotline.cli import app
from hotline.secrets import seat_password
from hotline.settings import load


def test_every_seat_is_listed_with_the_password_that_the_pbx_knows(monkeypatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HOTLINE_VAR", str(tmp_path))
    monkeypatch.setenv("HOTLINE_SEAT_KEY", "a key of the test")
    monkeypatch.setenv("HOTLINE_SEATS", "3")
    load.cache_clear()
    try:
        shown = CliRunner().invoke(app, ["seats"])
    finally:
        load.cache_clear()
    assert shown.exit_code == 0
    for number in ("8001", "8002", "8003"):
        assert seat_password("a key of the test", number) in shown.output
    assert "8004" not in shown.output


def test_without_a_key_it_says_what_to_do(monkeypatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("HOTLINE_VAR", str(tmp_path))
    monkeypatch.delenv("HOTLINE_SEAT_KEY", raising=False)
    load.cache_clear()
    try:
        shown = CliRunner().invoke(app, ["seats"])
    finally:
        load.cache_clear()
    assert shown.exit_code == 1
    assert "make run" in shown.output
