"""What every view reaches for: the parts that `app.create_app` has put together, and one transaction."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import cast

from flask import current_app
from flask_login import current_user
from sqlalchemy.orm import Session, sessionmaker

from agent_desktop.alarm_watch import AlarmWatch
from agent_desktop.boards import Boards
from agent_desktop.figures import Figures
from agent_desktop.floor import Floor
from agent_desktop.labels import Names
from agent_desktop.pages import Pages
from agent_desktop.people import People, Person
from agent_desktop.phone_holders import PhoneHolders
from agent_desktop.screens import Screens
from hotline.settings import Settings


@dataclass(frozen=True)
class Desk:
    settings: Settings
    sessions: sessionmaker[Session]
    people: People
    floor: Floor
    screens: Screens
    holders: PhoneHolders
    pages: Pages
    names: Names
    figures: Figures
    alarms: AlarmWatch
    boards: Boards


def desk() -> Desk:
    """The parts of the running application."""
    return cast(Desk, current_app.extensions["desk"])


def transaction() -> AbstractContextManager[Session]:
    """One transaction: committed at the end of the block, rolled back by an error. Push after it."""
    return desk().sessions.begin()


def me() -> Person:
    """Who makes this request; the guard has seen to it that somebody does."""
    return cast(Person, current_user._get_current_object())
