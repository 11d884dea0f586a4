"""The pages that are connected, and the two Socket.IO namespaces: `/` for pages, `/cti` for ctis.

page --connect (session cookie)--> rooms user:<id>, seat:<n>, floor (leaders); gets `snapshot`
cti  --connect (token)-----------> floor_snapshot, floor_change -> Floor -> pushes
"""

from __future__ import annotations

import hmac
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from flask import request, session
from flask_socketio import ConnectionRefusedError as Refused
from flask_socketio import Namespace, SocketIO, emit, join_room, leave_room
from sqlalchemy.exc import SQLAlchemyError

from agent_desktop.floor import now_ms
from agent_desktop.phone_holders import of_leader

if TYPE_CHECKING:
    from agent_desktop.desk import Desk

log = structlog.get_logger("desktop")

LEADERS = frozenset({"shift_leader", "supervisor", "administrator"})
VIEWS = ("map", "board", "wall")
FORBIDDEN = {"error": "forbidden", "status": 403, "message": "您的岗位无权查看现场。"}
PAGE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
THREADS_FOR_REQUESTS = 8
"""Each open page holds one thread of the server: these are kept free for requests."""


@dataclass(frozen=True)
class Page:
    user_id: int
    seat: str | None
    id: str = ""
    """Made by the page at each load; '' where it gave none."""


class Pages:
    """The connected pages by socket id. `limit`: more than this many are refused."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._pages: dict[str, Page] = {}
        self._lock = threading.Lock()

    def add(self, socket: str, page: Page) -> bool:
        with self._lock:
            if len(self._pages) >= self.limit:
                return False
            self._pages[socket] = page
            return True

    def remove(self, socket: str) -> Page | None:
        with self._lock:
            return self._pages.pop(socket, None)

    def get(self, socket: str) -> Page | None:
        return self._pages.get(socket)

    def of_seat(self, seat: str, *, user: int | None = None, but_not: int | None = None) -> list[str]:
        """Sockets at a seat: of one user, or of everybody but one."""
        with self._lock:
            return [
                socket
                for socket, page in self._pages.items()
                if page.seat == seat
                and (user is None or page.user_id == user)
                and (but_not is None or page.user_id != but_not)
            ]

    def of_user(self, user: int) -> list[str]:
        with self._lock:
            return [socket for socket, page in self._pages.items() if page.user_id == user]

    def __len__(self) -> int:
        return len(self._pages)


class PageNamespace(Namespace):
    """Pages. Only pushes travel here; what a page wants done goes by HTTP."""

    def __init__(self, desk: Desk) -> None:
        super().__init__("/")
        self.desk = desk

    def on_connect(self, auth: Any = None) -> None:
        person = self._person()
        if person is None:
            raise Refused("not_logged_in")
        seat = session.get("seat") if person.role == "agent" else None
        held = self.desk.floor.seat(seat) if seat else None
        if held and held["agent"] not in (None, person.login):
            seat = None
        said = str(auth.get("page", "")) if isinstance(auth, dict) else ""
        page = Page(person.id, seat, said if PAGE_ID.fullmatch(said) else "")
        if not self.desk.pages.add(request.sid, page):  # type: ignore[attr-defined]
            log.warning("too_many_pages", limit=self.desk.pages.limit)
            raise Refused("too_many_pages")
        join_room(f"user:{person.id}")
        if seat:
            join_room(f"seat:{seat}")
            self.desk.screens.came(seat, request.sid)  # type: ignore[attr-defined]
            self.desk.holders.came(seat, page.id, request.sid)  # type: ignore[attr-defined]
        if person.role in LEADERS:
            join_room("floor")
            self.desk.holders.came(of_leader(person.id), page.id, request.sid)  # type: ignore[attr-defined]
        self.desk.figures.pages.set(len(self.desk.pages))
        emit("snapshot", self.desk.floor.snapshot_for(seat))
        # A page that was cut off while another one took its telephone over has missed the push.
        held_by = seat or (of_leader(person.id) if person.role in LEADERS else "")
        holder = self.desk.holders.elsewhere(held_by, page.id, now_ms()) if held_by else None
        if holder:
            emit("phone_taken", {"page": holder.page})

    def on_disconnect(self, _reason: Any = None) -> None:
        page = self.desk.pages.remove(request.sid)  # type: ignore[attr-defined]
        if page and page.seat:
            self.desk.screens.went(page.seat, request.sid, time.monotonic())  # type: ignore[attr-defined]
            self.desk.holders.went(page.seat, page.id, request.sid)  # type: ignore[attr-defined]
        if page:
            self.desk.holders.went(of_leader(page.user_id), page.id, request.sid)  # type: ignore[attr-defined]
        self.desk.boards.gone(request.sid)  # type: ignore[attr-defined]
        self.desk.figures.pages.set(len(self.desk.pages))

    def on_floor_open(self, data: Any = None) -> dict[str, Any]:
        """Into the room of a view; answered with the view as it is now."""
        person, view = self._leader(), _said(data, "view")
        if person is None:
            return FORBIDDEN
        boards = self.desk.boards
        views = {"map": lambda: boards.floor_view(person), "board": boards.board, "wall": boards.wall}
        if view not in views:
            return {"error": "not_found", "status": 404, "message": ""}
        join_room(f"floor:{view}")
        boards.opened(view, request.sid)  # type: ignore[attr-defined]
        return views[view]()

    def on_floor_close(self, data: Any = None) -> None:
        view = _said(data, "view")
        if view in VIEWS:
            leave_room(f"floor:{view}")
            self.desk.boards.closed(view, request.sid)  # type: ignore[attr-defined]

    def on_focus_open(self, data: Any = None) -> dict[str, Any]:
        """A page looks at one seat: it is told when there is something new of it to fetch."""
        seat = _said(data, "seat")
        if self._leader() is None:
            return FORBIDDEN
        if self.desk.floor.seat(seat) is None:
            return {"error": "not_found", "status": 404, "message": ""}
        self.on_focus_close()
        join_room(f"focus:{seat}")
        self.desk.boards.focus_opened(seat, request.sid)  # type: ignore[attr-defined]
        return {"seat": seat}

    def on_focus_close(self, _data: Any = None) -> None:
        for seat in self.desk.boards.focus_closed(request.sid):  # type: ignore[attr-defined]
            leave_room(f"focus:{seat}")

    def _leader(self) -> Any:
        """Who asks, if a leader; asked at each event, because roles change."""
        person = self._person()
        return person if person is not None and person.role in LEADERS else None

    def _leave_the_floor(self) -> None:
        for view in VIEWS:
            leave_room(f"floor:{view}")
        self.on_focus_close()
        self.desk.boards.gone(request.sid)  # type: ignore[attr-defined]

    def on_ping_screen(self, _data: Any = None) -> dict[str, Any]:
        """Is the page still entitled? The acknowledgement tells it, and what time it is here."""
        page = self.desk.pages.get(request.sid)  # type: ignore[attr-defined]
        person = self._person()
        if page is None or person is None or person.id != page.user_id:
            return {"error": "not_logged_in", "server_time": now_ms()}
        if person.role not in LEADERS and self.desk.boards.looks(request.sid):  # type: ignore[attr-defined]
            self._leave_the_floor()
        return {"server_time": now_ms()}

    def _person(self) -> Any:
        user_id = str(session.get("_user_id", ""))
        if not user_id.isdigit():
            return None
        try:
            return self.desk.people.find(int(user_id))
        except SQLAlchemyError:
            raise Refused("database_away") from None


def _said(data: Any, key: str) -> str:
    return str(data.get(key, ""))[:16] if isinstance(data, dict) else ""


class CtiNamespace(Namespace):
    """Ctis. A wrong token is refused; a gap is answered by asking for a snapshot."""

    def __init__(self, desk: Desk) -> None:
        super().__init__("/cti")
        self.desk = desk
        self._pbx: dict[str, str] = {}

    def on_connect(self, auth: Any = None) -> None:
        given = str(auth.get("token", "")) if isinstance(auth, dict) else ""
        if not hmac.compare_digest(given.encode(), self.desk.settings.link_token.encode()):
            log.warning("link_refused", address=request.remote_addr)
            raise Refused("bad_token")
        pbx = str(auth.get("pbx", ""))
        if pbx not in self.desk.floor.links():
            log.warning("link_refused", address=request.remote_addr, pbx=pbx[:32])
            raise Refused("unknown_pbx")
        self._pbx[request.sid] = pbx  # type: ignore[attr-defined]
        self.desk.floor.link_came(pbx, request.sid)  # type: ignore[attr-defined]
        log.info("link_came", pbx=pbx)

    def on_disconnect(self, reason: Any = None) -> None:
        pbx = self._pbx.pop(request.sid, None)  # type: ignore[attr-defined]
        if pbx is not None:
            log.warning("link_went", pbx=pbx, reason=str(reason))
            self.desk.floor.link_went(pbx, request.sid)  # type: ignore[attr-defined]

    def on_floor_snapshot(self, snapshot: Any) -> None:
        pbx = self._pbx[request.sid]  # type: ignore[attr-defined]
        try:
            self.desk.floor.take_snapshot(pbx, request.sid, snapshot)  # type: ignore[attr-defined]
        except (KeyError, TypeError) as error:
            log.error("snapshot_not_understood", pbx=pbx, error=repr(error))

    def trigger_event(self, event: str, *args: Any) -> Any:
        """A change goes straight to the floor: some ten come with each call, and Flask's request, session
        and all, which the others get, would cost more than the change itself."""
        if event == "floor_change":
            return self._change(*args)
        if event == "beat":
            return self._beat(*args)
        return super().trigger_event(event, *args)

    def _change(self, socket: str, change: Any) -> None:
        pbx = self._pbx[socket]
        try:
            followed = self.desk.floor.take_change(pbx, socket, change)
        except (KeyError, TypeError) as error:
            log.error("change_not_understood", pbx=pbx, error=repr(error))
            followed = False
        if not followed:
            self.socketio.emit("snapshot_please", {}, namespace="/cti", to=socket)

    def _beat(self, socket: str, said: Any) -> None:
        at = said.get("at") if isinstance(said, dict) else None
        self.desk.floor.heard(self._pbx[socket], socket, at if isinstance(at, int) else None)


def drop(socketio: SocketIO, sockets: list[str]) -> None:
    """Close pages: of somebody who logs out, or whose seat another agent has taken."""
    for socket in sockets:
        socketio.server.disconnect(socket, namespace="/")
