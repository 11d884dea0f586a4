"""The virtual environment in `.venv` and the browser application: made again only when changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hotline.setup import stamps
from hotline.setup.progress import run_step
from hotline.setup.system import system_node

VOICE_STEPS = """\
"$0/pip" install --quiet --disable-pip-version-check -c constraints.txt -r ivr/requirements-voice.txt
"$0/python" -m ivr.voice
"""
NOT_SOURCE = ("node_modules", "dist", ".vite", "coverage", "test-results")


def ensure_python(repo: Path, var: Path, extras: Sequence[str]) -> None:
    """Environment with the pinned dependencies of `extras`; an environment with more than these will do."""
    venv, folder = repo / ".venv", var / "stamps"
    step = "python"
    # The editable installation knows the top-level folders by name: a new one means a new installation.
    rooms = sorted({path.parent.name for path in repo.glob("*/*.py")})
    base = stamps.key_of(
        (repo / "pyproject.toml").read_text(),
        (repo / "constraints.txt").read_text(),
        sys.version,
        str(repo),
        *rooms,
    )
    wanted = set(extras) | _extras_there(folder, step, base)
    if (venv / "bin/hotline").exists() and stamps.is_done(folder, step, _key(base, wanted)):
        return
    stamps.forget(folder, step)
    if not (venv / "bin/pip").exists():
        shutil.rmtree(venv, ignore_errors=True)
        run_step(
            "Python environment",
            [sys.executable, "-m", "venv", str(venv)],
            var / "log/setup-venv.log",
            remedy="install python3-venv for this Python",
        )
    target = f".[{','.join(sorted(wanted))}]" if wanted else "."
    run_step(
        "Python packages",
        [
            str(venv / "bin/pip"),
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-c",
            "constraints.txt",
            "-e",
            target,
        ],
        var / "log/setup-pip.log",
        remedy="look at the network and pip's settings (pip config list), then run it again",
        cwd=repo,
    )
    stamps.set_done(folder, step, _key(base, wanted))
    (folder / "python-extras").write_text(" ".join(sorted(wanted)))


def ensure_node(repo: Path, var: Path, extras: Sequence[str]) -> dict[str, str]:
    """A node to build with: the system's, else PyPI's in the environment. Returns the PATH to use it with."""
    if system_node() is None:
        ensure_python(repo, var, [*extras, "node"])
    else:
        ensure_python(repo, var, extras)
    return node_path(repo)


def node_path(repo: Path) -> dict[str, str]:
    """What finds the environment's node, where the system has none that is new enough."""
    return {"PATH": f"{repo / '.venv/bin'}:{os.environ.get('PATH', '')}"} if system_node() is None else {}


def ensure_web(repo: Path, var: Path, node_env: dict[str, str]) -> None:
    """The browser application in `agent_desktop/web/dist`, with its packages from the lock file."""
    web, folder = repo / "agent_desktop/web", var / "stamps"
    ensure_npm(repo, var, node_env)
    key = stamps.key_of_files(stamps.files_below(web, NOT_SOURCE), web)
    if (web / "dist/index.html").exists() and stamps.is_done(folder, "web", key):
        return
    stamps.forget(folder, "web")
    run_step(
        "Browser application",
        ["npm", "run", "build"],
        var / "log/setup-web.log",
        remedy="the log says which file; `npm run build` in agent_desktop/web shows it again",
        cwd=web,
        env=node_env,
    )
    stamps.set_done(folder, "web", key)


def ensure_npm(repo: Path, var: Path, node_env: dict[str, str]) -> None:
    """The packages of the browser application, exactly those of its lock file."""
    web, folder = repo / "agent_desktop/web", var / "stamps"
    said = subprocess.run(
        ["node", "--version"], capture_output=True, text=True, check=False, env={**os.environ, **node_env}
    ).stdout
    key = stamps.key_of((web / "package-lock.json").read_text(), said.split(".")[0])
    if (web / "node_modules").is_dir() and stamps.is_done(folder, "npm", key):
        return
    stamps.forget(folder, "npm")
    run_step(
        "Browser packages (npm ci)",
        ["npm", "ci", "--no-audit", "--no-fund"],
        var / "log/setup-npm.log",
        remedy="look at the network and npm's settings (npm config list), then run it again",
        cwd=web,
        env=node_env,
    )
    stamps.set_done(folder, "npm", key)


def ensure_voice(repo: Path, var: Path, node_env: dict[str, str]) -> None:
    """The synthesiser in the environment: packages by pip, its voice by npm. Raises SetupFailed."""
    venv, folder = repo / ".venv", var / "stamps"
    key = stamps.key_of(
        (repo / "ivr/requirements-voice.txt").read_text(),
        (repo / "constraints.txt").read_text(),
        (repo / "ivr/voice.py").read_text(),
        sys.version,
    )
    # The voice lies inside the environment: it is there only as long as the packages are.
    if any((venv / "share/hotline-voice").glob("*.bin")) and stamps.is_done(folder, "voice", key):
        return
    stamps.forget(folder, "voice")
    run_step(
        "Voice of announcements (about half a minute, 450 MB)",
        ["sh", "-ec", VOICE_STEPS, str(venv / "bin")],
        var / "log/setup-voice.log",
        remedy="look at the network, then: .venv/bin/hotline voice install",
        cwd=repo,
        env=node_env,
    )
    stamps.set_done(folder, "voice", key)


def npm_scripts(web: Path) -> dict[str, str]:
    """The scripts that package.json names."""
    scripts = json.loads((web / "package.json").read_text()).get("scripts", {})
    return {str(name): str(command) for name, command in scripts.items()}


def _key(base: str, extras: set[str]) -> str:
    return stamps.key_of(base, *sorted(extras))


def _extras_there(folder: Path, step: str, base: str) -> set[str]:
    try:
        extras = set((folder / "python-extras").read_text().split())
    except OSError:
        return set()
    return extras if stamps.is_done(folder, step, _key(base, extras)) else set()
