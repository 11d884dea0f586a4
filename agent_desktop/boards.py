"""Map, board and wall as the pages have them, and what they are told of changes.

    Floor ──listener──► notes (no work) ─┐                       ┌─ floor_map    changed tiles, 4/s at most
    LedgerView.follow ──► News ──────────┼─► push_due (a thread) ┼─ floor_board  changed rows, 2/s at most
    tables ──► Knowledge ────────────────┘                       ├─ wall         changed parts, 2/s at most
                                                                 └─ floor_focus  news of a seat in focus

The first change after quiet is pushed at once. Only tiles that were touched are made anew, and only those
that came out differently travel, encoded once for all pages of a room. `n` counts the pushes of a view: a
page that misses one asks again. Numbers are masked here; rooms are joined after a look at the role (`pages`).

Neither thread waits for the other's work: a database that hangs delays figures, never a tile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from agent_desktop import floor_knowledge, tiles
from agent_desktop.errors import is_database_away
from agent_desktop.floor import Emit, Floor, Picture, now_ms, seats_of
from agent_desktop.floor_knowledge import Knowledge
from agent_desktop.labels import Names
from agent_desktop.ledger_view import LedgerView, News
from agent_desktop.pace import Pace
from agent_desktop.people import Person
from agent_desktop.tiles import Caller
from db import numbers
from hotline.settings import Settings
from reports.agent_day import midnight
from reports.interval import Tally, epoch_ms, moment

log = structlog.get_logger("desktop")

Fact = dict[str, Any]

PACES = {"map": 0.25, "board": 0.5, "wall": 0.5}
"""Seconds between two pushes of a view at least (FACTS 5)."""
FOCUS_SECONDS = 0.25
SLIDE_SECONDS = 5.0
"""Figures of the last minutes change by themselves: they are counted anew so often, also without a call."""
CHARTS_SECONDS = 15.0
TABLES_SECONDS = 5.0
LOOK_SECONDS = 5.0
"""So often the ledger is looked at where no journal marker comes."""
FOLLOW_SECONDS = 0.5
UNSEEN_SECONDS = 2.0
"""Between two looks at the ledger, at least: while a page shows figures, and while only alarms use them."""
MINUTES = {"m5": 5, "m15": 15, "m60": 60}
REMEMBERED = 4000


def windows(at: int) -> dict[str, tuple[int, int]]:
    """[from, to) of each window of the board at `at`, epoch ms."""
    minutes = {name: (at - length * 60_000, at) for name, length in MINUTES.items()}
    return minutes | {"today": (epoch_ms(midnight(moment(at))), at), "h24": (at - 86_400_000, at)}


@dataclass
class _Notes:
    """What has happened since the pusher looked last. Written by anybody, under a lock of its own."""

    seats: set[str] = field(default_factory=set)
    views: set[str] = field(default_factory=set)
    focus: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """(seat, what) -> uid"""
    all_seats: bool = False

    def __bool__(self) -> bool:
        return bool(self.seats or self.views or self.focus or self.all_seats)


class Boards:
    """Every method may be called from any thread. `clock` gives epoch ms."""

    def __init__(
        self,
        settings: Settings,
        floor: Floor,
        names: Names,
        sessions: sessionmaker[Session],
        emit: Emit,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._settings, self._floor, self._names = settings, floor, names
        self._sessions, self._emit, self._clock = sessions, emit, clock
        self.view = LedgerView(sessions, settings.answer_norm_seconds * 1000, clock)
        self.known = Knowledge()
        self._lock = threading.RLock()
        self._tiles: dict[str, Fact] = {}
        self._old: set[str] = set()
        """Seats whose tile must be made anew."""
        self._unsent: dict[str, None] = {}
        self._today: dict[str, Fact | None] = {}
        """Figures of agents as of the ledger's last news of them."""
        self._callers: dict[str, tuple[Any, Caller]] = {}
        self._rows: dict[str, Fact] = {}
        self._told: dict[str, Any] = {}
        """What the last push of each view said besides tiles and rows. Forgotten when a page takes a
        snapshot: it may have seen what no push has said, and must hear of it when all is as before."""
        self._n = dict.fromkeys(PACES, 0)
        self._open: dict[str, set[str]] = {view: set() for view in PACES}
        self._focused: dict[str, set[str]] = {}
        self._paces = {view: Pace(gap) for view, gap in PACES.items()}
        self._focus_paces: dict[tuple[str, str], tuple[Pace, str | None]] = {}
        self._slid_at = self._charted_at = float("-inf")
        self._wake = threading.Condition()
        self._notes = _Notes(all_seats=True)
        self._ledger_news = threading.Event()
        self._opened = threading.Event()
        """A page shows figures now."""
        self._tables_at = float("-inf")
        floor.listeners.append(self)

    # --- what is noted ---------------------------------------------------------------------------

    def floor_changed(self, pbx: str, seats: Iterable[str], parts: Iterable[Fact]) -> None:
        """As `floor.Listener`."""
        del pbx
        kinds = {part["kind"] for part in parts}
        with self._wake:
            notes = self._notes
            notes.seats.update(seats)
            if not kinds or kinds & {"seat", "call", "watch"}:
                notes.views.add("map")
            if not kinds or kinds & {"seat", "call", "queue", "trunk"}:
                notes.views.update(("board", "wall"))
            for part in parts:
                if part["kind"] == "call" and self._focused:
                    for seat in self._focused.keys() & set(seats):
                        notes.focus[seat, "call"] = part["id"]
            self._wake.notify()
        if "journal" in kinds:
            self._ledger_news.set()

    def link_changed(self, pbx: str) -> None:
        """As `floor.Listener`: tiles of this PBX are blind, or are seen again."""
        del pbx
        with self._wake:
            self._notes.views.update(PACES)
            self._wake.notify()

    def tables_changed(self) -> None:
        """Layout, switches, overflow, groups, settings: somebody has changed one of them."""
        self._tables_at = float("-inf")
        self._ledger_news.set()
        with self._wake:
            self._notes.all_seats = True
            self._wake.notify()

    def ticket_changed(self, uid: str, login: str) -> None:
        """The draft or a ticket of this call was saved by this person: tell whoever has the seat in focus."""
        with self._wake:
            if not self._focused:
                return
        call = self._floor.live_call(uid)
        seats = set(seats_of(call)) if call else set()
        seats |= {number for number in (self._floor.seat_of(login),) if number}
        with self._wake:
            for seat in self._focused.keys() & seats:
                self._notes.focus[seat, "ticket"] = uid
            self._wake.notify()

    def _ledger_changed(self, news: News) -> None:
        """Agents are counted here, in the thread that may be slow: tiles only take what is there."""
        if not news:
            return
        pictures = self._floor.pictures()
        agents = {
            seat["agent"]: number
            for picture in pictures.values()
            for number, seat in picture.seats.items()
            if seat["agent"]
        }
        fresh = {login: self.view.today(login) for login in (agents if news.everything else news.agents)}
        with self._lock:
            different = {login for login, today in fresh.items() if self._today.get(login) != today}
            self._today = fresh if news.everything else self._today | fresh
        at = {
            number: uid
            for picture in pictures.values()
            for uid in news.calls & picture.calls.keys()
            for number in seats_of(picture.calls[uid])
        }
        with self._wake:
            seats = {agents[login] for login in different if login in agents}
            self._notes.seats |= seats
            self._notes.views.update(PACES if seats else ("board", "wall"))
            for seat in self._focused.keys() & at.keys():
                self._notes.focus[seat, "path"] = at[seat]
            self._wake.notify()

    # --- who looks -------------------------------------------------------------------------------

    def opened(self, view: str, socket: str) -> None:
        """This page is in the room of a view now."""
        with self._lock:
            self._open[view].add(socket)
        self._look_now()

    def closed(self, view: str, socket: str) -> None:
        with self._lock:
            self._open[view].discard(socket)

    def focus_opened(self, seat: str, socket: str) -> None:
        with self._wake:
            self._focused.setdefault(seat, set()).add(socket)
        self._look_now()

    def _look_now(self) -> None:
        """What nobody saw was looked at less often."""
        self._opened.set()
        self._ledger_news.set()

    def focus_closed(self, socket: str) -> list[str]:
        """The seats that this page had in focus."""
        with self._wake:
            seats = [seat for seat, sockets in self._focused.items() if socket in sockets]
            for seat in seats:
                self._focused[seat].discard(socket)
                if not self._focused[seat]:
                    del self._focused[seat]
        return seats

    def looks(self, socket: str) -> bool:
        """This page is in the room of a view, or has a seat in focus."""
        with self._lock:
            looks = any(socket in sockets for sockets in self._open.values())
        with self._wake:
            return looks or any(socket in sockets for sockets in self._focused.values())

    def gone(self, socket: str) -> None:
        """The page is not connected any more."""
        for view in PACES:
            self.closed(view, socket)
        self.focus_closed(socket)

    # --- snapshots -------------------------------------------------------------------------------

    def floor_view(self, person: Person) -> Fact:
        """GET /api/floor, and what opening the map is answered with."""
        self._get_ready()
        with self._lock:
            self._told.pop("map", None)
            n, pictures = self._n["map"], self._take_notes()
            self._rebuild(pictures)
            shown = [self._tiles[number] for number in sorted(self._tiles)]
        watches = self._watches(pictures)
        known = self.known
        return {
            "n": n,
            "at": self._clock(),
            "seats": shown,
            "board": self.board(),
            "watches": watches,
            "settings": dict(self._names.floor),
            "groups": [{"id": key, "name": name} for key, name in known.groups.items()],
            "rooms": sorted({room for room, _, _ in known.places.values()}),
            "me": {
                "login": person.login,
                "group_id": person.group_id,
                "watch": next((one for one in watches if one["by"] == person.login), None),
            },
        }

    def board(self) -> Fact:
        """GET /api/board: counted now."""
        self._get_ready()
        with self._lock:
            self._told.pop("board", None)
            self._rows.clear()
            n = self._n["board"]
            return {"n": n, **self._count(self._floor.pictures())}

    def wall(self) -> Fact:
        """GET /api/wall."""
        self._get_ready()
        with self._lock:
            self._told.pop("wall", None)
            n = self._n["wall"]
            board = self._count(self._floor.pictures())
        return {
            "n": n,
            "at": board["at"],
            "board": {"n": n, **_without_callers(board)},
            "day": self.view.day(),
            "city": self._settings.city,
            "notice": self._names.floor.get("wall_notice") or None,
        }

    def tile(self, number: str) -> Fact | None:
        """One seat's tile as it is now; None: no such seat."""
        self._get_ready()
        with self._lock:
            self._rebuild(self._take_notes())
            return self._tiles.get(number)

    def _get_ready(self) -> None:
        """Before the first reading a page waits for it; afterwards the database is never asked here."""
        if not self.view.loaded:
            self.view.follow()
            self._read_tables()

    # --- pushes ----------------------------------------------------------------------------------

    def push_due(self, now: float) -> float | None:
        """Push what is due at `now` (monotonic seconds); when the next thing will be, None: nothing waits."""
        with self._lock:
            pictures = self._take_notes()
            if now - self._slid_at >= SLIDE_SECONDS:
                self._slid_at = now
                self._paces["board"].changed()
                self._paces["wall"].changed()
            if self._paces["map"].take(now) and self._open["map"]:
                self._push_map(pictures)
            board, wall = (self._paces[view].take(now) and self._open[view] for view in ("board", "wall"))
            if board or wall:
                counted = self._count(pictures)
                if board:
                    self._push_board(counted)
                if wall:
                    self._push_wall(counted, now)
            self._push_focus(now)
            waiting = [self._paces[view].due_at() for view in PACES]
            waiting += [pace.due_at() for pace, _ in self._focus_paces.values()]
            return min((at for at in waiting if at is not None), default=None)

    def _take_notes(self) -> dict[str, Picture]:
        """What was noted goes to the paces; then the floors are looked at: no note is newer than they."""
        with self._wake:
            notes, self._notes = self._notes, _Notes()
        pictures = self._floor.pictures()
        self._old |= notes.seats
        if notes.all_seats:
            self._old.update(number for picture in pictures.values() for number in picture.seats)
            notes.views.update(PACES)
        for view in notes.views:
            self._paces[view].changed()
        for key, uid in notes.focus.items():
            pace, _ = self._focus_paces.get(key, (Pace(FOCUS_SECONDS), None))
            pace.changed()
            self._focus_paces[key] = pace, uid
        return pictures

    def _push_map(self, pictures: Mapping[str, Picture]) -> None:
        self._rebuild(pictures)
        changed = [self._tiles[number] for number in self._unsent if number in self._tiles]
        self._unsent.clear()
        said = {"watches": self._watches(pictures), "blind": _blind(pictures)}
        if changed or self._told.get("map") != said:
            self._told["map"] = said
            self._push("map", "floor_map", {"at": self._clock(), "seats": changed, **said})

    def _push_board(self, counted: Fact) -> None:
        changed = [row for row in counted["queues"] if self._rows.get(row["queue"]) != row]
        said = {key: value for key, value in counted.items() if key not in ("at", "queues")}
        self._rows.update((row["queue"], row) for row in changed)
        if changed or self._told.get("board") != said:
            self._told["board"] = said
            self._push("board", "floor_board", {"at": counted["at"], "queues": changed, **said})

    def _push_wall(self, counted: Fact, now: float) -> None:
        notice = self._names.floor.get("wall_notice") or None
        parts: Fact = {}
        shown = _without_callers(counted)
        if self._told.get("wall") != {**shown, "at": 0}:
            self._told["wall"] = {**shown, "at": 0}
            parts["board"] = {"n": self._n["wall"] + 1, **shown}
        if self._told.get("notice", ...) != notice:
            parts["notice"] = self._told["notice"] = notice
        if now - self._charted_at >= CHARTS_SECONDS:
            self._charted_at = now
            parts["day"] = self.view.day()
        if parts:
            self._push("wall", "wall", {"at": counted["at"], **parts})

    def _push_focus(self, now: float) -> None:
        for (seat, what), (pace, uid) in list(self._focus_paces.items()):
            if pace.take(now):
                self._emit("floor_focus", {"seat": seat, "uid": uid, "what": what}, f"focus:{seat}")
            elif not pace.waiting and now - pace.last > FOCUS_SECONDS:
                del self._focus_paces[seat, what]

    def _push(self, view: str, event: str, payload: Fact) -> None:
        self._n[view] += 1
        self._emit(event, {"n": self._n[view], **payload}, f"floor:{view}")

    # --- making them -----------------------------------------------------------------------------

    def _rebuild(self, pictures: Mapping[str, Picture]) -> None:
        """Make the touched tiles anew; what came out differently is to be sent."""
        old, self._old = self._old, set()
        for pbx, picture in pictures.items():
            here = old & picture.seats.keys()
            if not here:
                continue
            calls = {number: call for call in picture.calls.values() for number in seats_of(call)}
            for number in here:
                seat = picture.seats[number]
                call = picture.calls.get(seat["call"] or "") or calls.get(number)
                made = tiles.tile(
                    pbx,
                    seat,
                    call,
                    self._caller(call) if call else None,
                    [one for one in picture.watches if one["seat"] == number],
                    self._of_today(seat["agent"]) if seat["agent"] else None,
                    self._names,
                    self.known,
                )
                if self._tiles.get(number) != made:
                    self._tiles[number] = made
                    self._unsent[number] = None

    def _of_today(self, login: str) -> Fact | None:
        if login not in self._today:
            self._today[login] = self.view.today(login)
        return self._today[login]

    def _count(self, pictures: Mapping[str, Picture]) -> Fact:
        """The board, without its number."""
        at = self._clock()
        version, tallies = self.view.tallies(windows(at))
        seats = [seat for picture in pictures.values() for seat in picture.seats.values() if seat["agent"]]
        serving: dict[str, list[Fact]] = {}
        for seat in seats:
            for queue in seat["queues"]:
                serving.setdefault(queue, []).append(seat)
        waiting = self._waiting(pictures)
        known, now = self.known, moment(at)
        names = dict.fromkeys([*self._names.queues, *sorted(waiting)])
        rows = [
            tiles.queue_row(
                queue,
                waiting.get(queue, []),
                serving.get(queue, []),
                {name: counted.get(queue, Tally()) for name, counted in tallies.items()},
                is_open=known.openings[queue].is_open(now) if queue in known.openings else True,
                wrapup_seconds=self._settings.wrapup_seconds,
                names=self._names,
                known=known,
            )
            for queue in names
        ]
        total = tiles.queue_row(
            "",
            [one for row in rows for one in row["waiting"]],
            seats,
            {name: sum(counted.values(), Tally()) for name, counted in tallies.items()},
            is_open=True,
            wrapup_seconds=self._settings.wrapup_seconds,
            names=self._names,
            known=known,
        )
        return {
            "at": at,
            "version": version,
            "blind": _blind(pictures),
            "queues": rows,
            "total": total,
            "trunk": {
                "in_use": sum(picture.trunk_in_use for picture in pictures.values()),
                "limit": self._names.floor.get("trunk_channels") or None,
            },
            "callbacks_owed": total["callbacks_owed"],
            "wait_norm_seconds": self._settings.answer_norm_seconds,
            "figures_since": self.view.stale_since,
        }

    def _waiting(self, pictures: Mapping[str, Picture]) -> dict[str, list[Fact]]:
        found: dict[str, list[Fact]] = {}
        for picture in pictures.values():
            for name, queue in picture.queues.items():
                own = found.setdefault(name, [])
                for uid in queue["waiting"]:
                    call = picture.calls.get(uid)
                    if call:
                        own.append(tiles.waiting_caller(call, self._caller(call), len(own) + 1, self.known))
        return {name: own for name, own in found.items() if own}

    def _caller(self, call: Fact) -> Caller:
        shape = (call["caller"], len(call["path"] or ()))
        kept = self._callers.get(call["uid"])
        if kept and kept[0] == shape:
            return kept[1]
        number = numbers.normal(call["caller"] or "", self._settings.area_code)
        caller = Caller(
            number,
            numbers.masked(number) if number else "未知号码",
            numbers.region(number) if number else "",
            tuple(
                self._names.step(str(step.get("node", "")), str(step.get("key", "")))
                for step in call["path"] or ()
            ),
        )
        if len(self._callers) >= REMEMBERED:
            self._callers.clear()
        self._callers[call["uid"]] = shape, caller
        return caller

    def _watches(self, pictures: Mapping[str, Picture]) -> list[Fact]:
        return [
            {
                **one,
                "by_name": self.known.people[one["by"]].name if one["by"] in self.known.people else one["by"],
            }
            for picture in pictures.values()
            for one in picture.watches
        ]

    # --- threads ---------------------------------------------------------------------------------

    def run_pushes(self, stop: threading.Event) -> None:
        """Until `stop`: sleeps until something is noted or due."""
        while not stop.is_set():
            try:
                due = self.push_due(time.monotonic())
            except Exception as error:  # one view that cannot be made must not end all pushes
                log.error("push_failed", exc_info=error)
                due = time.monotonic() + 1.0
            slide = self._slid_at + SLIDE_SECONDS
            with self._wake:
                if not self._notes:
                    until = slide if due is None else min(slide, due)
                    self._wake.wait(max(0.0, until - time.monotonic()))

    def run_ledger(self, stop: threading.Event) -> None:
        """Until `stop`: follows the ledger as its markers come, and reads the tables."""
        while not stop.is_set():
            try:
                self.look_at_ledger()
            except Exception as error:  # figures that cannot be counted now are counted the next time
                log.error("ledger_not_followed", exc_info=error)
            stop.wait(FOLLOW_SECONDS)
            if not self._is_seen():
                self._opened.wait(UNSEEN_SECONDS - FOLLOW_SECONDS)
            self._opened.clear()
            self._ledger_news.wait(LOOK_SECONDS)

    def _is_seen(self) -> bool:
        with self._lock, self._wake:
            return any(self._open.values()) or bool(self._focused)

    def look_at_ledger(self) -> None:
        """Take in what the database has got: calls, tables, notes on those who wait."""
        self._ledger_news.clear()
        try:
            was = self.view.stale_since
            self._ledger_changed(self.view.follow())
            if was != self.view.stale_since:
                with self._wake:
                    self._notes.views.update(("board", "wall"))
                    self._wake.notify()
            self._read_tables()
        except SQLAlchemyError as error:
            if not is_database_away(error):
                raise

    def _read_tables(self) -> None:
        callers = {
            self._caller(call).number
            for picture in self._floor.pictures().values()
            for call in picture.calls.values()
            if call["state"] in tiles.WAITING
        } - {""}
        now, flags = moment(self._clock()), dict(self.known.flags)
        if time.monotonic() - self._tables_at >= TABLES_SECONDS:
            self._tables_at = time.monotonic()
            with self._sessions() as session:
                known = floor_knowledge.read(session, now, callers)
        elif callers - flags.keys():
            with self._sessions() as session:
                known = replace(self.known, flags=floor_knowledge.flags(session, now, callers))
        else:
            return
        if known == self.known:
            return
        self.known = known
        with self._wake:
            self._notes.all_seats = True
            self._wake.notify()


def _blind(pictures: Mapping[str, Picture]) -> dict[str, int | None]:
    return {pbx: picture.blind_since for pbx, picture in pictures.items()}


def _without_callers(board: Fact) -> Fact:
    return {
        **board,
        "queues": [tiles.without_callers(row) for row in board["queues"]],
        "total": tiles.without_callers(board["total"]),
    }
