"""What stands between a built machine and a running one: secrets, database, demo city, menu.

Each is done only when it is missing or its source has changed; a second start redoes nothing.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from hotline.secrets import make_secret
from hotline.settings import REPO, Settings, load
from hotline.setup import stamps

SECRETS = (
    *("AMI_PASSWORD", "ARI_PASSWORD", "LINK_TOKEN", "SESSION_KEY", "SEAT_KEY"),
    *("ALARM_WEBHOOK_SECRET", "DEMO_PASSWORD"),
)
HEAD = """\
# Settings of this installation: HOTLINE_<NAME>=<value>, names as in hotline/settings.py.
# The secrets below were made at set-up. Nobody but the hotline's own user may read this file.
"""
PLAIN_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look alike: the demo password is typed by hand."""


class PrepareFailed(Exception):
    """One line that says what is wrong and what to do."""


def prepare(say: Callable[[str], None]) -> Settings:
    """Make what is missing in the writable state folder; the settings to start with. Raises PrepareFailed."""
    settings = load()
    if ensure_secrets(settings.var):
        say(f"made the secrets in {settings.var / 'hotline.env'}")
        load.cache_clear()
        settings = load()
    if ensure_database(settings):
        say("brought the database up to date")
    if ensure_city(settings):
        say(f"made the demo city {settings.city}")
    if ensure_menu(settings):
        say("compiled the voice menu")
    return settings


def ensure_secrets(var: Path) -> bool:
    """Write the secrets that `var/hotline.env` lacks; mode 600. True when one was made."""
    file = var / "hotline.env"
    there = file.read_text() if file.exists() else ""
    named = {
        line.partition("=")[0].strip() for line in there.splitlines() if not line.lstrip().startswith("#")
    }
    lacking = [name for name in SECRETS if f"HOTLINE_{name}" not in named]
    if file.exists():
        file.chmod(0o600)
    if not lacking:
        return False
    new = "".join(
        f"HOTLINE_{name}={demo_password() if name == 'DEMO_PASSWORD' else make_secret()}\n"
        for name in lacking
    )
    text = (there if there.endswith("\n") or not there else there + "\n") or HEAD
    var.mkdir(parents=True, exist_ok=True)
    beside = var / "hotline.env.new"
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
        out.write(text + new)
    beside.replace(file)
    return True


def demo_password() -> str:
    """Twelve letters and digits in groups of four, 59 bit: "k3vd-9mtw-x7qe"."""
    groups = ("".join(secrets.choice(PLAIN_LETTERS) for _ in range(4)) for _ in range(3))
    return "-".join(groups)


def ensure_database(settings: Settings) -> bool:
    """Bring the database to this code's schema; True when something changed."""
    from db.migrate import DatabaseProblem, upgrade

    settings.var.mkdir(parents=True, exist_ok=True)
    try:
        return upgrade(settings.database)
    except DatabaseProblem as error:
        raise PrepareFailed(f"{error}\n  remedy: check HOTLINE_DATABASE_URL, then `hotline doctor`") from None


def ensure_city(settings: Settings) -> bool:
    """Seed the demo city into a database that has no account yet; a real city's own data is left alone."""
    from sqlalchemy import func, select

    from db.engine import open_engine
    from db.models import Seat, User

    engine = open_engine(settings.database)
    try:
        with engine.connect() as connection:
            people = connection.scalar(select(func.count()).select_from(User))
            seats = connection.scalar(select(func.count()).select_from(Seat)) or 0
    finally:
        engine.dispose()
    demo = stamps.is_done(settings.var / "stamps", "demo-city", "seeded")
    if people and not (demo and seats < settings.seats):
        return False
    seed_city(settings)
    return True


def seed_city(settings: Settings) -> None:
    """Add what is missing of the demo city, each account with the demo password."""
    from argon2 import PasswordHasher

    from db.engine import open_engine, sessions
    from db.seed import seed
    from tickets.demo import seed_tickets

    if not settings.demo_password:
        raise PrepareFailed("HOTLINE_DEMO_PASSWORD is empty: a demo city needs one for its accounts")
    hasher = PasswordHasher()
    engine = open_engine(settings.database)
    try:
        with sessions(engine).begin() as session:
            seed(session, lambda _login: hasher.hash(settings.demo_password), seats=settings.seats)
            seed_tickets(session)
    finally:
        engine.dispose()
    stamps.set_done(settings.var / "stamps", "demo-city", "seeded")


def ensure_menu(settings: Settings) -> bool:
    """Compile the menu when its source or the compiler changed; True when it did."""
    from hotline.menu_commands import MenuProblems, compiled_menu

    ivr = REPO / "ivr"
    key = stamps.key_of_files([*ivr.glob("*.py"), *ivr.glob("*.yaml")], REPO)
    generated = REPO / "asterisk_conf/generated"
    made = stamps.key_of_files(generated.glob("*.conf"), REPO)
    if stamps.is_done(settings.var / "stamps", "menu", key + made):
        return False
    try:
        compiled_menu()
    except MenuProblems as problems:
        raise PrepareFailed(f"the voice menu cannot be used:\n{problems}") from None
    made = stamps.key_of_files(generated.glob("*.conf"), REPO)
    stamps.set_done(settings.var / "stamps", "menu", key + made)
    return True


def make_writable(var: Path) -> None:
    """Make the state folder and try it. Raises PrepareFailed."""
    try:
        var.mkdir(parents=True, exist_ok=True)
        probe = var / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise PrepareFailed(
            f"{var} cannot be written ({error.strerror}): give it to this user "
            f"(chown -R $USER {var}), or set HOTLINE_VAR to another folder"
        ) from None
