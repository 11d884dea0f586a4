"""`make check` and the tests of `make test`: every check at once as far as the cores go, then pytest.

Run by the environment's Python: `.venv/bin/python -m hotline.setup.check [all]`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hotline.setup.environment import npm_scripts
from hotline.setup.progress import say

REPO = Path(__file__).resolve().parents[2]
WEB = REPO / "agent_desktop/web"
TYPED = ("hotline", "db", "ivr", "cti", "tickets", "recordings", "agent_desktop")
WEB_CHECKS = (
    ("format of the browser application", "lint"),
    ("types (vue-tsc)", "type-check"),
    ("vitest", "test"),
)


@dataclass(frozen=True)
class Check:
    """One command whose exit code says whether all is well."""

    title: str
    command: tuple[str, ...]
    folder: Path = REPO


def checks() -> list[Check]:
    """Every check, the longest first, so that two cores finish together."""
    python = sys.executable
    scripts = npm_scripts(WEB)
    return [
        Check("types (mypy)", (python, "-m", "mypy", *TYPED)),
        *(
            Check(title, ("npm", "run", "--silent", name), WEB)
            for title, name in WEB_CHECKS[1:]
            if name in scripts
        ),
        Check("format (ruff)", (python, "-m", "ruff", "format", "--check", ".")),
        Check("lint (ruff)", (python, "-m", "ruff", "check", ".")),
        *(
            Check(title, ("npm", "run", "--silent", name), WEB)
            for title, name in WEB_CHECKS[:1]
            if name in scripts
        ),
        Check("pure tests", (python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit")),
    ]


def run_checks(wanted: Sequence[Check]) -> bool:
    """Run them, two at a time, and say how each went. True when all passed."""
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        return all(list(pool.map(_run, wanted)))


def main(words: list[str]) -> int:
    """The checks, and with the word "all" the tests on a real Asterisk and in a browser after them."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    started = time.monotonic()
    say("Checks")
    passed = run_checks(checks())
    say(f"  {'all checks passed' if passed else 'some checks failed'} ({time.monotonic() - started:.0f} s)")
    if not passed:
        return 1
    return _tests() if words == ["all"] else 0


def _tests() -> int:
    """pytest on the real parts, in a state folder of its own that is removed afterwards."""
    say("Tests on a real Asterisk, a real database and in a browser (some minutes; progress by test)")
    tree = Path(os.environ.get("HOTLINE_VAR") or REPO / "var") / "pbx-tree"
    own = Path(tempfile.mkdtemp(prefix="hotline-test-"))
    try:
        if tree.exists():
            (own / "pbx-tree").symlink_to(tree.resolve())
        return subprocess.run(
            [
                *(sys.executable, "-u", "-m", "pytest", "-v", "--durations=10"),
                *("-p", "no:cacheprovider", "-o", "faulthandler_timeout=300"),
                *("tests/integration", "tests/browser"),
            ],
            cwd=REPO,
            env={**os.environ, "HOTLINE_VAR": str(own), "PYTHONUNBUFFERED": "1"},
            check=False,
        ).returncode
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _run(check: Check) -> bool:
    started = time.monotonic()
    done = subprocess.run(
        check.command,
        cwd=check.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    output = done.stdout.strip()
    took = f"{time.monotonic() - started:.0f} s"
    if done.returncode:
        say(f"  FAILED  {check.title} ({took}): {' '.join(check.command)}\n{output}\n")
        return False
    closing = output.splitlines()[-1].strip("= ")[:100] if output and check.title in ("pure tests",) else ""
    say(f"  ok      {check.title} ({took}){'  ' + closing if closing else ''}")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
