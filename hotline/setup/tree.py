"""The PBX tree: Debian testing's Asterisk in `var/pbx-tree`, or the installed Asterisk that a setting names.

The tree is made beside its place and renamed when it is whole, so a half-made one is never used. It is
packed and unpacked as one stream: so every file belongs to the user who made it, root or not, and can
be read and deleted by that user.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from hotline.setup.progress import SetupFailed, run_step, say
from hotline.setup.stamps import key_of
from hotline.setup.system import os_release
from hotline.setup.versions import asterisk_refusal

SUITE = "testing"
PACKAGES = ("asterisk", "ca-certificates")
APT_OPTIONS = (
    'Apt::Install-Recommends "false"',
    'Acquire::Check-Valid-Until "false"',
)
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
NOT_UNPACKED = ("./dev/*", "./proc/*", "./sys/*", "./var/cache/*")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def made_of(tree: Path) -> dict[str, str]:
    """What the tree is made of: date, suite, asterisk, packages (sha256); empty when it is not whole."""
    try:
        lines = (tree / "MADE-OF").read_text().splitlines()
    except OSError:
        return {}
    return {
        name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines) if value
    }


def packages_in(status: str) -> dict[str, str]:
    """Package -> version, from the text of dpkg's status file."""
    found: dict[str, str] = {}
    name = ""
    for line in status.splitlines():
        if line.startswith("Package: "):
            name = line.removeprefix("Package: ").strip()
        elif line.startswith("Version: "):
            found[name] = line.removeprefix("Version: ").strip()
    return found


def apt_mirror(targets: str) -> str | None:
    """This machine's Debian mirror, from lines "<address> <label>" of `apt-get indextargets`."""
    for line in targets.splitlines():
        address, _, label = line.strip().partition(" ")
        if label == "Debian" and address.startswith(("http", "file", "mirror")):
            return address
    return None


def ensure_tree(var: Path, asterisk: str | None, mirror: str | None) -> None:
    """Make `var/pbx-tree` unless it is there, or check the Asterisk at the path `asterisk` instead.

    `mirror` is the address of a Debian mirror (setting PBX_MIRROR); None: the one of this machine's apt,
    else mmdebstrap's own. Raises SetupFailed.
    """
    if asterisk:
        say(f"  PBX: {check_installed(asterisk)} at {asterisk}")
        return
    tree = var / "pbx-tree"
    made = made_of(tree)
    if not made:
        _make(tree, var / "log", mirror or _own_mirror())
        made = made_of(tree)
    refusal = asterisk_refusal(made.get("asterisk", ""), str(tree))
    if refusal:
        raise SetupFailed(
            f"{refusal}\n  remedy: rm -rf {tree}, and give a mirror that has it: make run PBX_MIRROR=..."
        )


def write_made_of(tree: Path) -> None:
    """Write MADE-OF into a tree that is whole, from its own package list."""
    packages = packages_in((tree / "var/lib/dpkg/status").read_text())
    listed = key_of(*(f"{name} {version}" for name, version in sorted(packages.items())))
    (tree / "MADE-OF").write_text(
        f"date: {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\nsuite: {SUITE}\n"
        f"asterisk: {packages.get('asterisk', '')}\npackages: {listed}\n"
    )


def check_installed(asterisk: str) -> str:
    """What the Asterisk at a path says it is. Raises SetupFailed when it does not run or is too old."""
    try:
        said = subprocess.run([asterisk, "-V"], capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise SetupFailed(
            f"HOTLINE_ASTERISK={asterisk} does not run: {error}\n"
            "  remedy: give the path of the program (such as /usr/sbin/asterisk), or unset it to use the tree"
        ) from None
    refusal = asterisk_refusal(said, asterisk)
    if refusal:
        raise SetupFailed(refusal)
    return said.strip()


def _make(tree: Path, log_folder: Path, mirror: str | None) -> None:
    new = tree.with_name("pbx-tree.new")
    remove(new)
    new.mkdir(parents=True)
    build = [
        "mmdebstrap",
        f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
        "--variant=minbase",
        "--format=tar",
        f"--include={','.join(PACKAGES)}",
        *(f"--aptopt={option}" for option in APT_OPTIONS),
        *(f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT),
        SUITE,
        "-",
        *([_source_line(mirror)] if mirror else []),
    ]
    unpack = ["tar", "-x", "-C", str(new), "--no-same-owner", *(f"--exclude={path}" for path in NOT_UNPACKED)]
    run_step(
        f"PBX tree: Asterisk from Debian {SUITE} (about a minute, 340 MB)",
        ["bash", "-c", f"set -o pipefail; {shlex.join(build)} | {shlex.join(unpack)}"],
        log_folder / "setup-tree.log",
        remedy=_tree_remedy(),
        env={"LC_ALL": "C.UTF-8"},
    )
    # Owner may read and enter everything: as another user than the package meant, 0640 root:asterisk is ours.
    subprocess.run(["chmod", "-R", "u+rwX", str(new)], check=True)
    (new / "srv/pbx").mkdir(parents=True, exist_ok=True)
    write_made_of(new)
    remove(tree)
    new.rename(tree)


def remove(tree: Path) -> None:
    """Delete a tree, also one whose folders are read-only."""
    if tree.exists():
        subprocess.run(["chmod", "-R", "u+rwX", str(tree)], check=False)
        shutil.rmtree(tree)


def _own_mirror() -> str | None:
    if os_release().get("ID") != "debian":
        return None
    said = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)"],
        capture_output=True,
        text=True,
        check=False,
    )
    return apt_mirror(said.stdout)


def _source_line(mirror: str) -> str:
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    return f"deb {signed}{mirror} {SUITE} main"


def _tree_remedy() -> str:
    remedy = (
        "look at the network; give another mirror: make run PBX_MIRROR=<address of a Debian mirror>; "
        "or use an installed Asterisk 22: make run HOTLINE_ASTERISK=/usr/sbin/asterisk"
    )
    if os.geteuid() != 0:
        remedy += (
            "; as an ordinary user mmdebstrap needs user namespaces and a line for you in /etc/subuid "
            "(docs/install.md), else run this once as root"
        )
    return remedy
