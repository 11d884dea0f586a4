"""The live floors as this desktop knows them, and what it tells the pages about them.

    cti --floor_snapshot, floor_change--> Floor (one Replica per PBX) --seat, link--> rooms of pages
    page --HTTP--> Floor.command --command, acknowledged--> cti

Pushes are numbered per seat room (`n`), so that a page notices what it missed. Nothing here touches the
database: with the database away the pages still see who rings.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent_desktop.errors import Refusal
from agent_desktop.figures import Figures
from agent_desktop.labels import Names
from cti.link.replica import Fact, Replica

COMMAND_SECONDS = 5.0
CLOCKS_DIFFER_MS = 1_000
TIMES = (
    *("since", "until", "help_since", "arrived_at", "asked_at", "queued_at", "ringing_at", "answered_at"),
    *("paused_since", "event_at"),
)
SILENT_MS = 7_000
"""A cti beats every two seconds; one that has said nothing so long hangs, or its line is half open."""
REMEMBERED_CALLS = 2000
"""The last half hour of a busy day: the ledger knows of older ones, and of these while it can be asked."""
PUSHED_OF_CALL = (
    *("uid", "state", "queue", "arrived_at", "queued_at", "ringing_at", "answered_at", "event_at"),
    *("direction", "kind", "recording", "paused_since", "about", "callback_of", "seat"),
)
PUSHED_OF_PARTY = ("kind", "label", "seat", "state", "since")
"""Never the number of somebody who is brought in: only the name under which the agent chose it."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def seats_of(call: Fact) -> list[str]:
    """The seats that a call is at: of its agent, and of a colleague who is being consulted."""
    party = call.get("party") or {}
    return [number for number in (call.get("seat"), party.get("seat")) if number]


def role_at(call: Fact, number: str | None) -> str:
    """ "party" at the seat that was asked for help, else "agent"."""
    return "party" if number != call.get("seat") and number in seats_of(call) else "agent"


def party_view(call: Fact) -> Fact | None:
    """Who is being brought in, as a page may see it."""
    party = call.get("party")
    return {key: party.get(key) for key in PUSHED_OF_PARTY} if party else None


def _in_our_time(facts: Mapping[str, Fact], ahead_ms: int) -> dict[str, Fact]:
    """Facts of a PBX by id, their times by our clock where the two differ by more than a second: what a wall
    says must not depend on which machine's clock is wrong."""
    if abs(ahead_ms) <= CLOCKS_DIFFER_MS:
        return dict(facts)
    ahead = round(ahead_ms, -2)
    return {
        key: fact | {name: fact[name] - ahead for name in TIMES if fact.get(name)}
        for key, fact in facts.items()
    }


class Emit(Protocol):
    def __call__(self, event: str, payload: Mapping[str, Any], room: str | None) -> None:
        """Push to one room of pages, or to every page (None)."""


class Ask(Protocol):
    def __call__(self, socket: str, command: Mapping[str, Any], answer: Callable[[Any], None]) -> None:
        """Send a command to the cti behind `socket`; `answer` is called with its acknowledgement."""


class Listener(Protocol):
    """Who is told at once of what has changed; called under the floor's lock: it notes, no more."""

    def floor_changed(self, pbx: str, seats: Iterable[str], parts: Iterable[Fact]) -> None:
        """The seats concerned, and the parts of the change as the cti sent them (none: a snapshot)."""

    def link_changed(self, pbx: str) -> None: ...


@dataclass(frozen=True)
class Picture:
    """One PBX's floor at one moment: facts by id, never changed afterwards."""

    seats: Mapping[str, Fact]
    calls: Mapping[str, Fact]
    queues: Mapping[str, Fact]
    watches: tuple[Fact, ...]
    trunk_in_use: int
    blind_since: int | None


@dataclass
class Link:
    """The line to one cti: the socket it came by, or since when it is gone or silent (ms)."""

    socket: str | None
    gone_since: int | None
    heard_at: int = 0
    """Its last beat on this socket, by our clock; 0: none yet."""
    silent: bool = False
    """`gone_since` was set because it said nothing, not because its socket has gone."""
    ahead_ms: int = 0
    """So far its clock is ahead of ours (negative: behind)."""


@dataclass(frozen=True)
class Sight:
    """One PBX at a glance. `blind_since` (ms) is None while it is seen."""

    blind_since: int | None
    seats: tuple[Fact, ...] = ()
    calls: tuple[Fact, ...] = ()
    trunk_in_use: int = 0


@dataclass
class Remembered:
    """A call seen on a floor lately, with everybody at whose seat it has been."""

    call: Fact
    agents: set[str] = field(default_factory=set)


class _Waiting:
    """One command under way."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self._done = threading.Event()
        self._answer: Fact = {}

    def take(self, answer: Any) -> None:
        self._answer = answer if isinstance(answer, dict) else {"ok": False, "error": "refused"}
        self._done.set()

    def result(self, seconds: float) -> Fact:
        return self._answer if self._done.wait(seconds) else {"ok": False, "error": "timeout"}


class Floor:
    """Replicas of all floors. Every method may be called from any thread."""

    def __init__(
        self,
        pbx_names: list[str],
        emit: Emit,
        ask: Ask,
        names: Names,
        figures: Figures,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.emit, self.ask = emit, ask
        self._names, self._figures, self._clock = names, figures, clock
        self._lock = threading.RLock()
        self._replicas: dict[str, Replica] = {name: Replica() for name in pbx_names}
        self._links = {name: Link(None, clock()) for name in pbx_names}
        self._counters: dict[str, int] = {}
        self._remembered: OrderedDict[str, Remembered] = OrderedDict()
        self._waiting: set[_Waiting] = set()
        self.listeners: list[Listener] = []

    # --- facts from the cti ----------------------------------------------------------------------

    def link_came(self, pbx: str, socket: str) -> None:
        """A cti has connected; its snapshot follows, and until then the old floor stays blind."""
        with self._lock:
            self._replicas.setdefault(pbx, Replica())
            link = self._links.setdefault(pbx, Link(None, self._clock()))
            link.socket, link.heard_at = socket, 0

    def link_went(self, pbx: str, socket: str) -> None:
        """A cti is gone. A newer connection of the same PBX is left alone."""
        with self._lock:
            link = self._links.get(pbx)
            for waiting in [w for w in self._waiting if w.socket == socket]:
                waiting.take({"ok": False, "error": "link_down"})
            if link is None or link.socket != socket:
                return
            link.socket, link.silent = None, False
            link.gone_since = link.gone_since or self._clock()
            self._push_link(pbx)

    def heard(self, pbx: str, socket: str, at: int | None) -> None:
        """A sign of life of a cti, with its time (ms). One that was silent is seen again: nothing of what it
        sent is lost, it comes in order."""
        with self._lock:
            link = self._links[pbx]
            if link.socket != socket:
                return
            link.heard_at = self._clock()
            if at is not None:
                link.ahead_ms = at - link.heard_at
            if link.silent:
                link.gone_since, link.silent = None, False
                self._push_link(pbx)

    def look_for_silence(self) -> None:
        """To be called every second: a cti that hangs is as blind as one that is gone."""
        with self._lock:
            for pbx, link in self._links.items():
                alive = link.socket is not None and link.gone_since is None and link.heard_at
                if alive and self._clock() - link.heard_at > SILENT_MS:
                    link.gone_since, link.silent = link.heard_at, True
                    self._push_link(pbx)

    def ahead_ms(self, pbx: str) -> int:
        """How far the clock of this PBX's machine is ahead of ours."""
        return self._links[pbx].ahead_ms

    def take_snapshot(self, pbx: str, socket: str, snapshot: Fact) -> None:
        with self._lock:
            link = self._links[pbx]
            if link.socket != socket:
                return
            replica = self._replicas[pbx]
            before = set(replica.seats)
            replica.take_snapshot(snapshot)
            # A sign of life too: it may hang before its first beat.
            link.gone_since, link.silent, link.heard_at = None, False, self._clock()
            for call in replica.calls.values():
                self._remember(call)
            self._push_link(pbx)
            for number in sorted(before | set(replica.seats)):
                self._push_seat(number)
            for listener in self.listeners:
                listener.floor_changed(pbx, before | set(replica.seats), ())

    def take_change(self, pbx: str, socket: str, change: Fact) -> bool:
        """Apply one change and push it to the rooms that it concerns. False: a gap, ask for a snapshot."""
        with self._lock:
            if self._links[pbx].socket != socket:
                return True
            replica = self._replicas[pbx]
            touched: dict[str, None] = {}
            for part in change["changes"]:
                self._note_seats(touched, replica, part)
            listened = {number: self._modes_at(number) for number in self._listened_to(replica, change)}
            known = replica.seq
            if not replica.take_change(change):
                self._figures.gaps.inc()
                return False
            if replica.seq == known:
                return True  # a repetition
            for part in change["changes"]:
                if part["kind"] == "link":
                    self._push_link(pbx)
                elif part["kind"] == "call" and part["value"]:
                    self._remember(part["value"])
            for number in touched:
                self._push_seat(number)
            for number, modes in listened.items():
                if self._modes_at(number) != modes:
                    self.emit("watched", {"modes": self._modes_at(number)}, f"seat:{number}")
            for listener in self.listeners:
                listener.floor_changed(pbx, {*touched, *listened}, change["changes"])
        return True

    @staticmethod
    def _note_seats(touched: dict[str, None], replica: Replica, part: Fact) -> None:
        """The seats that a change concerns: itself, or where the call was and where it is now."""
        if part["kind"] == "seat":
            touched[part["id"]] = None
        elif part["kind"] == "call":
            for call in (replica.call(part["id"]), part["value"]):
                if call:
                    touched.update(dict.fromkeys(seats_of(call)))

    @staticmethod
    def _listened_to(replica: Replica, change: Fact) -> set[str]:
        """The seats that somebody begins or ceases to listen to."""
        told = [part for part in change["changes"] if part["kind"] == "watch"]
        facts = [fact for part in told for fact in (replica.watches.get(part["id"]), part["value"]) if fact]
        return {str(fact["seat"]) for fact in facts}

    def _remember(self, call: Fact) -> None:
        known = self._remembered.pop(call["uid"], None) or Remembered(call)
        # Each message brings its own keys: of thousands of calls they are most of what is kept.
        known.call = {sys.intern(name): value for name, value in call.items()}
        for number in seats_of(call):
            seat = self.seat(number)
            if seat and seat["agent"]:
                known.agents.add(seat["agent"])
        self._remembered[call["uid"]] = known
        while len(self._remembered) > REMEMBERED_CALLS:
            self._remembered.popitem(last=False)

    # --- questions -------------------------------------------------------------------------------

    def seat(self, number: str) -> Fact | None:
        return next((r.seats[number] for r in self._replicas.values() if number in r.seats), None)

    def seats(self) -> list[Fact]:
        with self._lock:
            return [seat for replica in self._replicas.values() for seat in replica.seats.values()]

    def seat_of(self, login: str) -> str | None:
        """Number of the seat at which this agent is signed in."""
        return next((seat["seat"] for seat in self.seats() if seat["agent"] == login), None)

    def call(self, uid: str) -> Fact | None:
        """A call as it is now, or as it was last where it has ended lately."""
        live = self.live_call(uid)
        if live is not None:
            return live
        remembered = self._remembered.get(uid)
        return remembered.call if remembered else None

    def live_call(self, uid: str) -> Fact | None:
        return next((r.calls[uid] for r in self._replicas.values() if uid in r.calls), None)

    def call_at(self, number: str) -> Fact | None:
        """The call that rings or talks at a seat."""
        seat = self.seat(number)
        if seat is None:
            return None
        named = self.live_call(seat["call"]) if seat["call"] else None
        if named is not None:
            return named
        return next(
            (
                call
                for replica in self._replicas.values()
                for call in list(replica.calls.values())
                if number in seats_of(call)
            ),
            None,
        )

    def pbx_of_call(self, uid: str) -> str:
        """Name of the PBX that has this call; '' where none has."""
        return next((pbx for pbx, replica in self._replicas.items() if uid in replica.calls), "")

    def watches(self) -> list[Fact]:
        """Everybody who listens, or waits for a seat's next call."""
        with self._lock:
            return [watch for replica in self._replicas.values() for watch in replica.watches.values()]

    def watch_of(self, login: str) -> Fact | None:
        """What this supervisor listens to."""
        return next((r.watches[login] for r in self._replicas.values() if login in r.watches), None)

    def has_had(self, login: str, uid: str) -> bool:
        """Was this call at a seat of this agent lately?"""
        for number in seats_of(self.live_call(uid) or {}):
            seat = self.seat(number)
            if seat and seat["agent"] == login:
                return True
        remembered = self._remembered.get(uid)
        return remembered is not None and login in remembered.agents

    def links(self) -> dict[str, Fact]:
        """{"pbx1": {"connected": bool, "blind_since": ms or None}}: can we see this PBX now?"""
        with self._lock:
            return {pbx: self._link_view(pbx) for pbx in self._links}

    def sights(self) -> dict[str, Sight]:
        """Each PBX as it is known now, or was when it was lost."""
        with self._lock:
            return {
                pbx: Sight(
                    self._link_view(pbx)["blind_since"],
                    tuple(replica.seats.values()),
                    tuple(replica.calls.values()),
                    int(replica.trunk.get("in_use", 0)),
                )
                for pbx, replica in self._replicas.items()
            }

    def pictures(self) -> dict[str, Picture]:
        """Each PBX's floor as it is now, or was when it was lost."""
        with self._lock:
            return {
                pbx: Picture(
                    _in_our_time(replica.seats, self._links[pbx].ahead_ms),
                    _in_our_time(replica.calls, self._links[pbx].ahead_ms),
                    dict(replica.queues),
                    tuple(replica.watches.values()),
                    int(replica.trunk.get("in_use", 0)),
                    self._link_view(pbx)["blind_since"],
                )
                for pbx, replica in self._replicas.items()
            }

    def _link_view(self, pbx: str) -> Fact:
        link, replica = self._links[pbx], self._replicas[pbx]
        if link.gone_since is not None:
            return {"connected": False, "blind_since": replica.blind_since or link.gone_since}
        return {"connected": replica.connected, "blind_since": replica.blind_since}

    # --- pushes ----------------------------------------------------------------------------------

    def snapshot_for(self, number: str | None) -> Fact:
        """What a page is told when it connects; `n` is the number of the room's last push."""
        with self._lock:
            seat = self.seat(number) if number else None
            call = self.call_at(number) if number else None
            return {
                "n": self._counters.get(number or "", 0),
                "seat": seat,
                "call": self._pushed(call, number),
                "links": self.links(),
                "watched": self._modes_at(number) if number else [],
                "sent_at": self._clock(),
            }

    def _pushed(self, call: Fact | None, number: str | None) -> Fact | None:
        """Ids and states only: who calls goes over HTTP."""
        if call is None:
            return None
        return {key: call.get(key) for key in PUSHED_OF_CALL} | {
            "queue_label": self._names.queue(call["queue"]),
            "party": party_view(call),
            "role": role_at(call, number),
        }

    def _push_seat(self, number: str) -> None:
        n = self._counters[number] = self._counters.get(number, 0) + 1
        self._figures.pushes.inc()
        self.emit(
            "seat",
            {
                "n": n,
                "seat": self.seat(number),
                "call": self._pushed(self.call_at(number), number),
                "sent_at": self._clock(),
            },
            f"seat:{number}",
        )

    def _modes_at(self, number: str) -> list[str]:
        """How the call at a seat is listened to, where agents are to know of it."""
        if not self._names.floor["supervision_notice"]:
            return []
        return sorted(
            {one["mode"] for one in self.watches() if one["seat"] == number and one["state"] == "on"}
        )

    def _push_link(self, pbx: str) -> None:
        view = self._link_view(pbx)
        self._figures.linked.labels(pbx).set(view["connected"])
        self.emit(
            "link", {"pbx": pbx, **view, "desktop_blind": self._links[pbx].gone_since is not None}, None
        )
        for listener in self.listeners:
            listener.link_changed(pbx)

    # --- commands --------------------------------------------------------------------------------

    def command(self, name: str, seat: str, *, pbx: str = "", **arguments: Any) -> Fact:
        """Send a command for a seat to its cti ('': to that of `pbx`, or the first), wait for the
        acknowledgement, return it.

        Raises Refusal with the code that the cti gave, or link_down, or timeout.
        """
        with self._lock:
            link = self._links[pbx or self._pbx_of(seat)]
            if link.socket is None:
                raise Refusal("link_down")
            waiting = _Waiting(link.socket)
            self._waiting.add(waiting)
        try:
            about = {"seat": seat} if seat else {}
            self.ask(waiting.socket, {"name": name, **about, **arguments}, waiting.take)
            answer = waiting.result(COMMAND_SECONDS)
        finally:
            with self._lock:
                self._waiting.discard(waiting)
        self._figures.commands.labels(name, "ok" if answer.get("ok") else str(answer.get("error"))).inc()
        if not answer.get("ok"):
            raise Refusal(str(answer.get("error") or "refused"))
        return answer

    def skills_changed(self) -> None:
        """Ask every cti in sight to look at skills and special desks now; the others look by themselves."""
        with self._lock:
            known = [next(iter(self._replicas[pbx].seats), "") for pbx in self._links]
        for seat in known:
            with contextlib.suppress(Refusal):
                self.command("skills_changed", seat)

    def follow_tables(self, seat: str = "", agent: str = "") -> list[str] | None:
        """As `skills_changed`, but every cti must say that its Asterisk is as the tables want it; gives the
        queues of `agent` at `seat` then. Raises Refusal."""
        queues: list[str] | None = None
        home = self._pbx_of(seat) if seat else ""
        for pbx in list(self._links):
            about = {"agent": agent} if agent and pbx == home else {}
            answer = self.command("skills_changed", "", pbx=pbx, **about)
            queues = answer.get("queues") if about else queues
        return queues

    def _pbx_of(self, seat: str) -> str:
        """The PBX that knows this seat; a seat that nobody knows is asked of the first."""
        return next(
            (pbx for pbx, replica in self._replicas.items() if seat in replica.seats), next(iter(self._links))
        )
