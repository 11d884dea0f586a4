"""One line for the whole run, left as it was found after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.line import Line, pbx_tree, whole_line


@pytest.fixture(scope="session")
def shared_line() -> Iterator[Line]:
    """Started once: a start costs some five seconds."""
    yield from whole_line(pbx_tree())


@pytest.fixture
def line(shared_line: Line) -> Iterator[Line]:
    """The line with nobody on it; the leak check follows each test."""
    yield shared_line
    shared_line.clear()
    shared_line.check_nothing_left()
