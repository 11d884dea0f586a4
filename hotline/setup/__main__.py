"""`python3 -m hotline.setup run|test|check|clean`: what `make` calls, on nothing but a bare Python.

run   everything `hotline run` needs          test  that, and everything the test suite needs
check what format, types and pure tests need  clean remove what set-up made, keep all data
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotline.setup import environment, system
from hotline.setup.progress import SetupFailed, say
from hotline.setup.tree import ensure_tree, remove

REPO = Path(__file__).resolve().parents[2]
WORDS = ("run", "test", "check", "clean")


def main(words: list[str]) -> int:
    """Do what the one word says; 0 when all of it is there, 1 with a sentence when not."""
    if len(words) != 1 or words[0] not in WORDS:
        say(f"usage: python3 -m hotline.setup {'|'.join(WORDS)}")
        return 2
    var = Path(os.environ.get("HOTLINE_VAR") or REPO / "var")
    try:
        system.refuse_old_python()
        if words[0] == "clean":
            clean(var)
        else:
            with _alone(var):
                prepare(words[0], var)
    except SetupFailed as failure:
        say(f"\n{failure}")
        return 1
    except KeyboardInterrupt:
        say("\nstopped; run it again to go on where it was")
        return 130
    except OSError as error:
        say(f"\nset-up cannot go on: {error}\n  remedy: check the rights and the free space of {var}")
        return 1
    return 0


def prepare(purpose: str, var: Path) -> None:
    """Everything that `purpose` (run, test or check) needs, each step only when its content changed."""
    asterisk = setting("HOTLINE_ASTERISK", var)
    needs = [system.CERTIFICATES]
    if purpose != "check":
        needs += [*system.FOR_PHONES, *system.FOR_RECORDER]
        if not asterisk:
            needs += [*system.FOR_TREE, *(system.FOR_TREE_AS_USER if os.geteuid() else ())]
    if purpose == "test":
        needs += [*system.FOR_TESTS, *system.FOR_RECORDER]
    system.install(system.missing(needs), var / "log")
    if purpose != "check":
        refusal = None if asterisk or os.geteuid() == 0 else system.user_namespaces_refusal()
        if refusal:
            raise SetupFailed(refusal)
        ensure_tree(var, asterisk, os.environ.get("PBX_MIRROR") or None)
    node_env = environment.ensure_node(REPO, var, [] if purpose == "run" else ["test"])
    if purpose == "check":
        environment.ensure_npm(REPO, var, node_env)
        return
    environment.ensure_web(REPO, var, node_env)
    try:
        environment.ensure_voice(REPO, var, node_env)
    except SetupFailed as failure:
        if purpose == "test":
            raise
        # Announcements can be recorded too: a hotline must not wait for its voice.
        say(f"  going on without the voice of announcements: {failure}")


def clean(var: Path) -> None:
    """Remove what set-up can make again; database, recordings, secrets and logs stay."""
    remove(var / "pbx-tree")
    remove(var / "pbx-tree.new")
    for folder in (
        REPO / ".venv",
        REPO / "agent_desktop/web/node_modules",
        REPO / "agent_desktop/web/dist",
        REPO / ".mypy_cache",
        REPO / ".ruff_cache",
        REPO / ".pytest_cache",
        var / "stamps",
    ):
        shutil.rmtree(folder, ignore_errors=True)
    say(f"  removed what set-up made; the data in {var} is untouched")


def setting(name: str, var: Path) -> str | None:
    """A setting that set-up needs before the settings module can run: the environment, then `hotline.env`."""
    if name in os.environ:
        return os.environ[name] or None
    try:
        lines = (var / "hotline.env").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        found, _, value = line.partition("=")
        if found.strip() == name:
            return value.strip().strip("\"'") or None
    return None


@contextmanager
def _alone(var: Path) -> Iterator[None]:
    """Two set-ups of one folder wait for each other."""
    stamps_folder = var / "stamps"
    stamps_folder.mkdir(parents=True, exist_ok=True)
    with (stamps_folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("  another set-up of this folder is running: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
