"""The composition: settings and database in, a running web application out. Tests use the same function.

create_app -> Flask (guard, blueprints, errors) + SocketIO (pages, ctis) + Floor + Screens
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from apiflask import APIFlask
from flask import Response, g, request
from flask_login import LoginManager
from flask_socketio import SocketIO
from flask_talisman import Talisman
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.middleware.proxy_fix import ProxyFix

import ivr.menu
from agent_desktop import (
    alarms,
    announcements,
    attachments,
    browser_files,
    caller_notes,
    calls,
    catalogue,
    citizens,
    desk_settings,
    drafts,
    floor_pages,
    knowledge,
    listening,
    meeting,
    menu_words,
    messages,
    missed,
    phone_pages,
    roster,
    roster_now,
    seat,
    session,
    supervision,
    ticket_pages,
)
from agent_desktop.access import guard_requests
from agent_desktop.alarm_watch import AlarmWatch
from agent_desktop.boards import Boards
from agent_desktop.cookie import Cookie
from agent_desktop.desk import Desk
from agent_desktop.errors import Refusal, speak_json
from agent_desktop.figures import Figures
from agent_desktop.floor import Floor, now_ms
from agent_desktop.labels import Names
from agent_desktop.pages import THREADS_FOR_REQUESTS, CtiNamespace, PageNamespace, Pages
from agent_desktop.people import People, Person
from agent_desktop.phone_holders import PhoneHolders
from agent_desktop.screens import Screens
from db import numbers
from db.engine import open_engine, sessions
from hotline.settings import Settings
from ivr import prompts
from ivr.menu import load as load_menu

log = structlog.get_logger("desktop")

MENU_FILE = Path(ivr.menu.__file__).with_name("menu.yaml")
BODY_LIMIT = 1024 * 1024
LINK_MESSAGE_LIMIT = 8 * 1024 * 1024
"""A floor's snapshot with 1,000 calls has about 1 MB."""
SESSION_HOURS = 16
NAMES_SECONDS = 60.0
BEAT_SECONDS = 2.0
POLICY = {
    "default-src": "'self'",
    "style-src": ["'self'", "'unsafe-inline'"],
    "img-src": ["'self'", "data:", "blob:"],
    "font-src": ["'self'", "data:"],
    "media-src": ["'self'", "blob:"],
    "worker-src": ["'self'", "blob:"],
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
"""Styles may be inline, because Element Plus and ECharts place things that way; scripts may not. Connections:
here, and to the SIP server of this installation."""


@dataclass(frozen=True)
class Parts:
    """What `create_app` made: `app` is the WSGI application."""

    app: APIFlask
    socketio: SocketIO
    desk: Desk
    close: Callable[[], None]
    """Stop the clock and let all sockets go; after this no seat is made not ready for a missing page."""


def create_app(settings: Settings, *, clock: bool = True) -> Parts:
    """Put the desktop together. `clock=False` leaves out the thread that watches screens and names.

    Raises ValueError where a secret is missing.
    """
    for name in ("session_key", "link_token"):
        if not getattr(settings, name):
            raise ValueError(f"HOTLINE_{name.upper()} is not set: run `make run`, which makes the secrets")
    app = _flask(settings)
    socketio = SocketIO(
        app,
        async_mode="threading",
        manage_session=False,
        async_handlers=False,
        always_connect=False,
        ping_interval=10,
        ping_timeout=15,
        max_http_buffer_size=LINK_MESSAGE_LIMIT,
    )
    desk = _desk(settings, socketio)
    app.extensions["desk"] = desk
    app.extensions["roster_now"] = who_is_there = roster_now.RosterNow(desk.floor, desk.sessions)
    _log_in(app, desk)
    guard_requests(app)
    _measure(app, desk)
    for part in (
        session,
        seat,
        phone_pages,
        calls,
        drafts,
        ticket_pages,
        attachments,
        citizens,
        caller_notes,
        knowledge,
        listening,
        missed,
        catalogue,
        desk_settings,
        roster,
        meeting,
        supervision,
        announcements,
        messages,
        alarms,
        floor_pages,
        browser_files,
    ):
        app.register_blueprint(part.blueprint)
    socketio.on_namespace(PageNamespace(desk))
    socketio.on_namespace(CtiNamespace(desk))
    stop = threading.Event()
    _prepare(desk)
    if clock:
        threading.Thread(target=_tick, args=(desk, stop), name="desktop-clock", daemon=True).start()
        threading.Thread(target=_beat, args=(desk, stop), name="beat", daemon=True).start()
        threading.Thread(target=_keep_books, args=(desk, stop), name="alarm-books", daemon=True).start()
        threading.Thread(target=desk.boards.run_pushes, args=(stop,), name="boards", daemon=True).start()
        threading.Thread(target=desk.boards.run_ledger, args=(stop,), name="ledger", daemon=True).start()
        threading.Thread(
            target=roster_now.watch, args=(who_is_there, stop), name="roster-watch", daemon=True
        ).start()
    return Parts(app, socketio, desk, lambda: _close(socketio, stop))


def _flask(settings: Settings) -> APIFlask:
    app = APIFlask(
        __name__,
        title="12345 desktop",
        version="1",
        spec_path="/api/openapi.json",
        docs_path=None,
        static_folder=None,  # type: ignore[arg-type]
    )
    app.config.update(
        SECRET_KEY=settings.session_key,
        SESSION_COOKIE_NAME="hotline",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=SESSION_HOURS),
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=BODY_LIMIT,
        AUTO_404_RESPONSE=False,
        AUTO_SERVERS=False,
        RATELIMIT_HEADERS_ENABLED=False,
        SECURITY_SCHEMES={
            "session": {"type": "apiKey", "in": "cookie", "name": "hotline"},
            "page": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
        },
    )
    app.session_interface = Cookie()
    proxies = settings.trusted_proxies
    if proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies
        )
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    sip = urlsplit(settings.sip_ws)
    Talisman(
        app,
        force_https=False,
        strict_transport_security=settings.secure_cookies,
        strict_transport_security_include_subdomains=False,
        session_cookie_secure=settings.secure_cookies,
        session_cookie_samesite="Lax",
        content_security_policy=POLICY | {"connect-src": ["'self'", f"{sip.scheme}://{sip.netloc}"]},
        frame_options="DENY",
        referrer_policy="same-origin",
        permissions_policy={"microphone": "(self)", "camera": "()"},
    )
    session.limiter.init_app(app)
    speak_json(app)
    return app


def _desk(settings: Settings, socketio: SocketIO) -> Desk:
    def emit(event: str, payload: Mapping[str, Any], room: str | None) -> None:
        socketio.emit(event, payload, to=room)

    def ask(socket: str, command: Mapping[str, Any], answer: Callable[[Any], None]) -> None:
        socketio.server.emit("command", command, to=socket, namespace="/cti", callback=answer)

    factory = sessions(open_engine(settings.database))
    names, figures = Names(), Figures()
    floor = Floor([settings.pbx_name], emit, ask, names, figures)
    return Desk(
        settings=settings,
        sessions=factory,
        people=People(factory),
        floor=floor,
        screens=Screens(settings.screen_gone_seconds),
        holders=PhoneHolders(),
        pages=Pages(max(1, settings.web_threads - THREADS_FOR_REQUESTS)),
        names=names,
        figures=figures,
        alarms=AlarmWatch(settings, factory, floor, names),
        boards=Boards(settings, floor, names, factory, emit),
    )


def _log_in(app: APIFlask, desk: Desk) -> None:
    manager = LoginManager(app)
    manager.session_protection = None  # behind a balancer the address changes; the cookie is signed

    @manager.user_loader
    def _load(user_id: str) -> Person | None:
        return desk.people.find(int(user_id)) if user_id.isdigit() else None


def _measure(app: APIFlask, desk: Desk) -> None:
    @app.before_request
    def _begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def _end(response: Response) -> Response:
        name = request.endpoint or "none"
        desk.figures.requests.labels(name, request.method, response.status_code).inc()
        if "began" in g:
            desk.figures.seconds.labels(name).observe(time.perf_counter() - g.began)
        if request.path.startswith("/api/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def _prepare(desk: Desk) -> None:
    """What the first pop must not wait for: names, the menu's words, the table of mobile numbers."""
    desk.names.steps = _menu_steps()
    numbers.region("8613800000000")
    _read_names(desk)


@lru_cache
def _menu_steps() -> dict[tuple[str, str], str]:
    menu, _problems = load_menu(MENU_FILE)
    return menu_words.steps(menu, {text.id: text.words for text in prompts.texts()})


def _read_names(desk: Desk) -> None:
    try:
        with desk.sessions() as db:
            desk.names.read(db)
    except SQLAlchemyError as error:
        log.warning("names_not_read", error=type(error).__name__)


def _tick(desk: Desk, stop: threading.Event) -> None:
    """Once a second: seats without a page, who waits for a call back; once a minute: names of queues."""
    names_at = time.monotonic()
    missed_calls = missed.Watch(desk)
    announced = announcements.Watch(desk)
    while not stop.wait(1.0):
        watch_screens(desk, time.monotonic())
        missed_calls.look(time.monotonic())
        announced.look()
        desk.alarms.look()
        if time.monotonic() - names_at >= NAMES_SECONDS:
            names_at = time.monotonic()
            _read_names(desk)


def _beat(desk: Desk, stop: threading.Event) -> None:
    """Every two seconds a sign of life to leaders' pages, and a look at those of the ctis. A thread of its
    own: whatever else waits here, a page must not take it for a dead line."""
    while not stop.wait(BEAT_SECONDS):
        desk.floor.look_for_silence()
        desk.floor.emit("beat", {"at": now_ms()}, "floor")


def _keep_books(desk: Desk, stop: threading.Event) -> None:
    """Alarms and the database, apart from the clock: a database that hangs delays no alarm."""
    desk.alarms.keep_books()
    while not stop.wait(1.0):
        desk.alarms.keep_books()


def watch_screens(desk: Desk, now: float) -> None:
    """Make seats not ready whose page has been gone too long (`now` in seconds, monotonic)."""
    ready = [seat["seat"] for seat in desk.floor.seats() if seat["agent"] and seat["presence"] == "ready"]
    for number in desk.screens.overdue(ready, now):
        log.warning("screen_gone", seat=number)
        try:
            desk.floor.command("not_ready", number, reason="screen_gone")
        except Refusal as refusal:
            log.warning("screen_gone_not_told", seat=number, error=refusal.code)


def _close(socketio: SocketIO, stop: threading.Event) -> None:
    """Cut the lines without a farewell: after one, a client would take it for final and not come back."""
    stop.set()
    for socket in list(socketio.server.eio.sockets.values()):
        socket.close(wait=False, abort=True)
