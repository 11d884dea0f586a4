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
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from hotline.setup.environment import npm_scripts
from hotline.setup.progress import say

REPO = Path(__file__).resolve().parents[2]
WEB = REPO / "agent_desktop/web"
TYPED = ("hotline", "db", "ivr", "cti", "tickets", "recordings", "reports", "agent_desktop")
WEB_CHECKS = (
    ("format of the browser application", "lint"),
    ("types (vue-tsc)", "type-check"),
    ("vitest", "test"),
)

PURE_TESTS = "pure tests"
REAL_TESTS = (("tests/integration",), ("tests/browser", "tests/runs"))
"""Side by side; what is in one of them, one after the other."""
STUCK_SECONDS = 300
"""A test that runs longer has the stacks of its threads printed."""
LIMIT_SECONDS = 70 * 60


@dataclass(frozen=True)
class Check:
    """One command whose exit code says whether all is well."""

    title: str
    command: tuple[str, ...]
    folder: Path = REPO


def checks(fast_disk: Path) -> list[Check]:
    """Every check, the longest first, so that two cores finish together.

    The pure tests' databases stand on `fast_disk`: each commit of theirs waits until the disk has it.
    """
    python = sys.executable
    # schemathesis is a plugin that pure tests have no use for and that takes a second to load.
    plugins = ("-p", "no:cacheprovider", "-p", "no:schemathesis")
    place = (f"--basetemp={fast_disk}/t", "-o", "tmp_path_retention_policy=none")
    scripts = npm_scripts(WEB)
    return [
        Check(PURE_TESTS, (python, "-m", "pytest", "-q", *plugins, *place, "tests/unit")),
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
    ]


def run_checks(wanted: Sequence[Check], env: Mapping[str, str]) -> bool:
    """Run them, two at a time, and say how each went. True when all passed."""
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        return all(list(pool.map(lambda check: _run(check, env), wanted)))


def main(words: list[str]) -> int:
    """The checks, and with the word "all" the tests on a real Asterisk and in a browser after them."""
    with own_environment() as env, _in_memory() as fast_disk:
        started = time.monotonic()
        say("Checks")
        passed = run_checks(checks(fast_disk), env)
        verdict = "all checks passed" if passed else "some checks failed"
        say(f"  {verdict} ({time.monotonic() - started:.0f} s)")
        if not passed:
            return 1
        return _tests(env) if words == ["all"] else 0


@contextmanager
def own_environment() -> Iterator[dict[str, str]]:
    """The environment of the checks: a state folder of its own, removed at the end, and none of our settings.

    Whoever has a running hotline in `var/`, or its settings in the shell, can run the tests beside it.
    """
    tree = Path(os.environ.get("HOTLINE_VAR") or REPO / "var").absolute() / "pbx-tree"
    env = {name: value for name, value in os.environ.items() if not name.startswith("HOTLINE_")}
    for name in ("HOTLINE_ASTERISK", "HOTLINE_TEST_TREE"):
        if name in os.environ:
            env[name] = os.environ[name]
    # A short name: the path of a Unix socket (Asterisk's, Chromium's) has room for 108 letters.
    own = Path(tempfile.mkdtemp(prefix="hlt-"))
    own.chmod(0o711)
    try:
        if tree.exists():
            (own / "pbx-tree").symlink_to(tree)
            env.setdefault("HOTLINE_TEST_TREE", str(tree))
        yield {
            **env,
            "HOTLINE_VAR": str(own),
            "TMPDIR": str(own),
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{Path(sys.executable).parent}:{env['PATH']}",
        }
    finally:
        shutil.rmtree(own, ignore_errors=True)


@contextmanager
def _in_memory() -> Iterator[Path]:
    """A folder in memory where the system has one, else on disk; removed at the end."""
    memory = Path("/dev/shm")
    usable = memory.is_dir() and os.access(memory, os.W_OK)
    with tempfile.TemporaryDirectory(prefix="hlt-", dir=memory if usable else None) as folder:
        yield Path(folder)


def _tests(env: Mapping[str, str]) -> int:
    """pytest on the real parts, two sides beside each other: most of their time is waiting for telephones.

    The first side's progress is seen as it goes, the other's when it is done; each has its summary.
    """
    say("Tests on a real Asterisk, real databases and in a browser (some minutes), side by side")
    logs = [None, *(Path(env["HOTLINE_VAR"]) / f"{n}.log" for n in range(1, len(REAL_TESTS)))]
    running = [
        _pytest(env, folders, n, log) for n, (folders, log) in enumerate(zip(REAL_TESTS, logs, strict=True))
    ]
    ends = time.monotonic() + LIMIT_SECONDS
    worst = 0
    try:
        for folders, log, process in zip(REAL_TESTS, logs, running, strict=True):
            worst = max(worst, _finished(process, ends - time.monotonic(), " ".join(folders)))
            if log:
                say(log.read_text(errors="replace"))
    except KeyboardInterrupt:
        for process in running:
            process.wait()
        return 130
    return worst


def _pytest(
    env: Mapping[str, str], folders: tuple[str, ...], number: int, log: Path | None
) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "pytest", "-v", "--durations=10"),
        *("-p", "no:cacheprovider", "-o", f"faulthandler_timeout={STUCK_SECONDS}"),
        f"--basetemp={env['HOTLINE_VAR']}/t{number}",
        *folders,
    ]
    with log.open("wb") if log else nullcontext() as out:
        return subprocess.Popen(
            command, cwd=REPO, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )


def _finished(process: subprocess.Popen[bytes], seconds: float, what: str) -> int:
    try:
        return abs(process.wait(timeout=max(1.0, seconds)))
    except subprocess.TimeoutExpired:
        process.terminate()
        say(f"{what} was stopped after {LIMIT_SECONDS // 60} minutes: the last test named hangs")
        return 1


def _run(check: Check, env: Mapping[str, str]) -> bool:
    started = time.monotonic()
    done = subprocess.run(
        check.command,
        cwd=check.folder,
        env=dict(env),
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
    summary = f"  {output.splitlines()[-1].strip('= ')}" if output and check.title == PURE_TESTS else ""
    say(f"  ok      {check.title} ({took}){summary}")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
