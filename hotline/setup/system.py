"""The machine itself: what it lacks, and its own apt to bring that."""

from __future__ import annotations

import glob
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotline.setup.progress import SetupFailed, run_step, say
from hotline.setup.versions import LEAST_NODE, LEAST_PYTHON, dotted, is_enough, node_version

APT_OPTIONS = ("-y", "-o", "DPkg::Lock::Timeout=600", "--no-install-recommends")


@dataclass(frozen=True)
class Need:
    """A Debian package, and how to see that what it brings is here (however it came)."""

    package: str
    commands: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Patterns, one of which must match."""

    def is_met(self) -> bool:
        """True when each command is on the path and a file matches."""
        return all(shutil.which(name, path=_search_path()) for name in self.commands) and (
            not self.files or any(glob.glob(pattern) for pattern in self.files)
        )


CERTIFICATES = Need("ca-certificates", files=("/etc/ssl/certs/ca-certificates.crt",))
FOR_TREE = (
    Need("bubblewrap", ("bwrap",)),
    Need("mmdebstrap", ("mmdebstrap",)),
    Need("debian-archive-keyring", files=("/usr/share/keyrings/debian-archive-keyring.gpg",)),
)
FOR_TREE_AS_USER = (Need("uidmap", ("newuidmap",)),)
FOR_TESTS = (
    Need("sip-tester", ("sipp",)),
    Need("chromium", files=("/usr/bin/chromium",)),
    Need("fonts-noto-cjk", files=("/usr/share/fonts/opentype/noto/NotoSansCJK*",)),
    Need("postgresql", files=("/usr/lib/postgresql/*/bin/initdb",)),
)
FOR_RECORDER = (Need("tcpdump", ("tcpdump",)), Need("libcap2-bin", ("getcap", "setcap")))
"""The passive recorder of calls (HOTLINE_RECORDER) captures with it."""
FOR_PHONES = (Need("sip-tester", ("sipp",)),)
"""`hotline call` and `hotline phone` play people on the telephone with it."""


def os_release(path: str = "/etc/os-release") -> dict[str, str]:
    """What the machine says it is: {"ID": "debian", "VERSION_ID": "12", ...}; empty where it does not say."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines) if value}


def refuse_old_python() -> None:
    """Raises SetupFailed when this Python is too old to go on with."""
    if sys.version_info[:2] < LEAST_PYTHON:
        raise SetupFailed(
            f"Python {dotted(tuple(sys.version_info[:3]))} is too old: {dotted(LEAST_PYTHON)} or newer\n"
            "  remedy: use Debian 12 or Ubuntu 24.04, or give another one: make run PYTHON=/path/to/python3"
        )


def missing(needs: Sequence[Need]) -> list[str]:
    """The packages of the needs that are not met; python3-venv too when this Python lacks it."""
    packages = [need.package for need in needs if not need.is_met()]
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        packages.append("python3-venv")
    return list(dict.fromkeys(packages))


def install(packages: Sequence[str], log_folder: Path) -> None:
    """Bring `packages` by apt, as root or by sudo; the package lists are fetched when they lack one.

    Raises SetupFailed with the command for an administrator where there is neither root nor sudo nor apt.
    """
    if not packages:
        return
    by_hand = "apt-get update && apt-get install " + " ".join(packages)
    if not shutil.which("apt-get"):
        raise SetupFailed(
            f"missing: {', '.join(packages)}, and this machine has no apt\n"
            "  remedy: install what these Debian packages bring by the machine's own means, then try again"
        )
    prefix = _as_root(by_hand)
    command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]

    def update() -> None:
        run_step(
            "Package lists (apt-get update)",
            [*command, "update", "-o", "DPkg::Lock::Timeout=600"],
            log_folder / "setup-apt-update.log",
            remedy="look at the network and at the sources in /etc/apt, then run it again",
        )

    def bring() -> None:
        run_step(
            f"System packages: {' '.join(packages)}",
            [*command, "install", *APT_OPTIONS, *packages],
            log_folder / "setup-apt.log",
            remedy=f"run it by hand to see what apt says: {by_hand}",
        )

    if all(_is_known(package) for package in packages):
        try:
            bring()
            return
        except SetupFailed:
            say("  the package lists may be old: fetching them")
    update()
    bring()


def system_node() -> str | None:
    """Path of a node new enough to build with and with npm beside it, or None."""
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return node if is_enough(node_version(said), LEAST_NODE) else None


def user_namespaces_refusal() -> str | None:
    """Why an ordinary user cannot use bubblewrap here, with the remedy; None when it works."""
    bwrap = shutil.which("bwrap")
    if not bwrap:
        return None
    tried = subprocess.run(
        [bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode == 0:
        return None
    return namespaces_remedy(
        tried.stderr.strip(),
        restricted=_reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
        switched_off=_reads("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    )


def namespaces_remedy(said: str, *, restricted: bool, switched_off: bool) -> str:
    """The sentence for a bubblewrap that says `said` instead of running."""
    if restricted:
        return (
            f"bubblewrap may not make a user namespace ({said}): AppArmor forbids it to ordinary users here "
            "(Ubuntu 23.10 and later)\n"
            "  remedy: allow it to bubblewrap alone, then try again:\n"
            "    printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\n"
            "profile bwrap /usr/bin/bwrap flags=(unconfined) {\\n  userns,\\n}\\n' "
            "| sudo tee /etc/apparmor.d/bwrap && sudo systemctl reload apparmor\n"
            "    or run as root, or use an installed Asterisk: HOTLINE_ASTERISK=/usr/sbin/asterisk"
        )
    if switched_off:
        return (
            f"bubblewrap may not make a user namespace ({said}): the kernel has them switched off\n"
            "  remedy: sudo sysctl -w kernel.unprivileged_userns_clone=1, or run the hotline as root"
        )
    return (
        f"bubblewrap does not run here: {said}\n"
        "  remedy: in a container, start it with --privileged or with seccomp and AppArmor unconfined; "
        "or use an installed Asterisk: HOTLINE_ASTERISK=/usr/sbin/asterisk"
    )


def _as_root(by_hand: str) -> list[str]:
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        raise SetupFailed(
            f"packages are missing, and neither root nor sudo is at hand\n  remedy: as root: {by_hand}"
        )
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode:
        say(f"  sudo is needed for: {by_hand}")
        if subprocess.run(["sudo", "-v"], check=False).returncode:
            raise SetupFailed(f"sudo was refused\n  remedy: have run as root: {by_hand}")
    return ["sudo", "-n"]


def _is_known(package: str) -> bool:
    said = subprocess.run(
        ["apt-cache", "policy", package], capture_output=True, text=True, check=False
    ).stdout
    return "Candidate:" in said and "Candidate: (none)" not in said


def _search_path() -> str:
    # Debian keeps some programs in sbin, which is not on an ordinary user's path.
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _reads(path: str, value: str) -> bool:
    try:
        return Path(path).read_text().strip() == value
    except OSError:
        return False
