"""What a hotline of any size needs, by formula: the busy hour, each part's load, what gives way first. Pure.

    City (seats, calls a day, nodes, desktops) ──Erlang A──► Traffic: calls/s, talking, waiting
    Traffic × Units (what one call, one second, one page costs; measured, configured or assumed)
        ──► Part: need and limit ──► utilisation ──► the first that is full, and what is added then
        ──► Machines: cores, memory, disk for three years, bandwidth

Linear in calls, in seconds of talk and in pages; the measured points say how far that holds (`growth.check`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from reports.erlang import HOUR, Load, Waiting, queue

CORE_FULL = 0.7
"""A core counts as full at this: above, waits of whoever shares it grow faster than the load. Assumed."""
ARCHIVE_DAYS = 3 * 365
"""Default retention of recordings and ledger (DOMAIN 5)."""
MAIN_QUEUE_SHARE = 0.65
"""Of those who wait, in the main queue: as the scenario's citizens choose."""
MEAN_TO_PEAK_DAY = 0.7
"""The mean day's calls of a peak day's: 1.2 million requests a month against 50,000 on the peak day, rounded
down because the month counts every channel."""

HOURS = (*(6, 4, 3, 3, 3, 6, 14, 30, 62, 96, 101, 78, 52, 60, 82, 86, 80, 62, 42, 36, 32, 26, 18, 12),)
"""As in hotline/load/city_day.yaml, which goes before it."""

MEASURED, CONFIGURED, ASSUMED = "measured", "configured", "assumed"


@dataclass(frozen=True)
class Unit:
    """One figure that the model starts from."""

    value: float
    unit: str
    kind: str
    """measured | configured | assumed"""
    source: str


def _measured(value: float, unit: str, source: str) -> Unit:
    return Unit(value, unit, MEASURED, source)


_BENCH_POP = "`bench pop` (docs/bench.md)"
_FACTS = "150 bridged calls before the first line was written"
_PROBE = "probe"

UNITS: dict[str, Unit] = {
    # Asterisk
    "asterisk_call": _measured(34.7, "CPU ms a call", f"{_BENCH_POP}, talks of 2 s, less the talk"),
    "asterisk_talk": _measured(4.2, "CPU ms a second of talk", f"{_FACTS}: 0.63 core"),
    "asterisk_wait": _measured(2.64, "CPU ms a second of waiting", f"{_PROBE}: 100 in the queue"),
    "mixmonitor_wait": _measured(2.6, "CPU ms a second of waiting", f"{_PROBE}: armed, and writing nothing"),
    "mixmonitor": _measured(5.5, "CPU ms a second recorded", f"{_FACTS}: 1.45 cores with, 0.63 without"),
    "capture": _measured(0.2, "CPU ms a second recorded", f"{_FACTS}: 0.03 core of dumpcap"),
    "asterisk_seat": _measured(0.5, "CPU ms a second and seat", "`bench floor`: 300 seats against 50"),
    "capture_cut": _measured(0.39, "CPU ms a second recorded", "`capture`: 300 calls, segments and cuts"),
    "asterisk_channel_kb": _measured(277, "kB a channel", f"{_PROBE}: 100 in the queue"),
    # ours
    "cti_base": _measured(28, "CPU ms a second", f"{_BENCH_POP}, 10 against 3 calls/s"),
    "cti_seat": _measured(0.25, "CPU ms a second and seat", "`bench floor`: 300 seats against 50"),
    "cti_call": _measured(6.0, "CPU ms a call", f"{_BENCH_POP}, 10 against 3 calls/s"),
    "desktop_base": _measured(16, "CPU ms a second", f"{_BENCH_POP}, 10 against 3 calls/s"),
    "desktop_change": _measured(1.0, "CPU ms a change", "`bench floor`: 14 to 69 changes/s"),
    "desktop_call": _measured(9.0, "CPU ms a call of its own pages", f"{_BENCH_POP}: 16 less seven changes"),
    "desktop_push": _measured(0.18, "CPU ms a push to one page", "`bench floor`: 50 pages against 10"),
    "desktop_mb": _measured(500, "MB a desktop", "`bench floor`: 636 MB less its 43,000 calls"),
    "changes_a_call": _measured(7, "changes a call", "`bench floor`"),
    "view_bytes": _measured(1784, "bytes a call of the day", _PROBE),
    "view_read": _measured(0.034, "CPU ms a call of the day, every ten minutes", _PROBE),
    "board_figures": _measured(47.5e-6, "CPU ms a call of the day, twice a second", _PROBE),
    "login": _measured(169, "CPU ms a log-in", _PROBE),
    # recordings
    "flac": _measured(36.5, "CPU ms a recorded minute", _PROBE),
    "kept": _measured(7.8, "CPU ms a recording", "`bench floor`: the worker, less the sound"),
    "flac_kb": _measured(620, "kB a recorded minute", _PROBE),
    # database
    "commits_a_call": Unit(6, "commits a call", ASSUMED, "copier, draft, ticket, recording, by the code"),
    "database_call": Unit(4.0, "CPU ms a call", ASSUMED, "copying 2.1 (probe); the rest as much again"),
    "database_bytes": _measured(4875, "bytes a call", "copier's tables (probe)"),
    "ticket_bytes": Unit(4000, "bytes a call", ASSUMED, "ticket, its events, drafts, access log"),
    "commits_limit": _measured(2423, "commits/s", "PostgreSQL, 8 clients, on this disk (probe)"),
    "sqlite_commits_limit": _measured(330, "commits/s", "SQLite, 8 threads, on this disk (probe)"),
    # dispatcher
    "dispatcher_call": _measured(0.5, "CPU ms a call", "Kamailio 5.6.3, SIPp at 200 calls/s"),
}  # fmt: skip
"""What the model knows without a results file; `growth.units` puts newer figures in their place."""

RTP_BITS = 87_200.0
"""Of one direction of one leg: 50 packets/s of 160 bytes A-law with RTP, UDP, IP and Ethernet: 218 bytes."""


@dataclass(frozen=True)
class Limits:
    """What is configured, or how large a machine is bought."""

    node_cores: int = 8
    desktop_cores: int = 8
    database_cores: int = 8
    rtp_sessions: int = 1_000
    """HOTLINE_RTP_FIRST..LAST, two ports each."""
    queue_places: int = 200
    """queues.conf maxlen: one queue of one node."""
    node_seats: int = 999
    """HOTLINE_SEATS."""
    http_sessions: int = 1500
    """http.conf sessionlimit: browsers' telephones of one node."""
    node_megabits: float = 500.0
    """Half of a gigabit port, each way."""
    pages: int = 248
    """HOTLINE_WEB_THREADS, less the eight kept for requests."""
    view_mb: float = 4000.0
    """Memory that one desktop may take for the day's calls; it holds them twice while it reads them anew."""
    connections: int = 97
    """PostgreSQL's max_connections of 100, less those of its superuser."""
    connections_a_process: int = 10
    """Kept open by one process (db/engine.py: pool_size)."""
    dispatcher_cores: int = 2


@dataclass(frozen=True)
class City:
    """A hotline and its peak day. Times are means in seconds."""

    seats: int
    calls_a_day: float
    nodes: int = 1
    desktops: int = 1
    recorder: str = "capture"
    """mixmonitor | capture | both | none"""
    database: str = "postgresql"
    hours: tuple[float, ...] = HOURS
    """The day's calls by hour, in parts of their sum."""
    talk_seconds: float = 180.0
    after_call_seconds: float = 15.0
    ring_seconds: float = 2.5
    patience_seconds: float = 180.0
    menu_seconds: float = 15.0
    leaders: int = 0
    """Pages of map, board and wall; 0: one for fifteen seats."""

    @property
    def busy_hour_share(self) -> float:
        return max(self.hours) / sum(self.hours)

    @property
    def leader_pages(self) -> int:
        return self.leaders or math.ceil(self.seats / 15)


@dataclass(frozen=True)
class Traffic:
    """The busy hour of the peak day, of the whole city."""

    calls: float
    """A second, in the trunk."""
    answered: float
    """A second."""
    talking: float
    waiting: float
    in_menu: float
    in_time: float
    hung_up: float
    busy: float

    @property
    def trunk(self) -> float:
        """Channels that the carrier brings."""
        return self.talking + self.waiting + self.in_menu


def traffic(city: City) -> Traffic:
    """By Erlang A: who does not find a seat waits, and hangs up when patience ends. Everybody asks for a
    person: a menu that serves some by itself only makes it less."""
    per_hour = city.calls_a_day * city.busy_hour_share
    met = _met(city, per_hour)
    calls = per_hour / HOUR
    answered = calls * (1 - met.abandoned)
    return Traffic(
        calls=calls,
        answered=answered,
        talking=answered * city.talk_seconds,
        waiting=calls * met.mean_wait_seconds,
        in_menu=calls * city.menu_seconds,
        in_time=met.in_time,
        hung_up=met.abandoned,
        busy=met.busy,
    )


def _met(city: City, per_hour: float) -> Waiting:
    load = Load(
        per_hour, city.talk_seconds, city.after_call_seconds, city.ring_seconds, city.patience_seconds
    )
    return queue(city.seats, load)


def answered_share(city: City, of_the_peak: float = 1.0) -> float:
    """Of a whole day's calls, all seats at work all the time; `of_the_peak` of the peak day's calls."""
    whole = sum(city.hours)
    volumes = [city.calls_a_day * of_the_peak * part / whole for part in city.hours]
    answered = sum(volume * (1 - _met(city, volume).abandoned) for volume in volumes)
    return answered / sum(volumes)


@dataclass(frozen=True)
class Part:
    """One thing that can be full. `need` and `limit` have the same unit; what is added is said in `then`."""

    name: str
    need: float
    limit: float
    unit: str
    limit_is: str
    """measured | configured | assumed: where the limit comes from."""
    then: str

    @property
    def used(self) -> float:
        return self.need / self.limit


def value(units: Mapping[str, Unit], name: str) -> float:
    return units[name].value


def recorded(city: City, units: Mapping[str, Unit]) -> tuple[float, float]:
    """CPU ms a second of talk, (in Asterisk, in the recorder beside it)."""
    in_asterisk = value(units, "mixmonitor") if city.recorder in ("mixmonitor", "both") else 0.0
    beside = value(units, "capture") if city.recorder in ("capture", "both") else 0.0
    return in_asterisk, beside


def waiting_ms(recorder: str, units: Mapping[str, Unit]) -> float:
    """CPU ms of Asterisk for a second of waiting: MixMonitor is armed before the queue."""
    armed = value(units, "mixmonitor_wait") if recorder in ("mixmonitor", "both") else 0.0
    return value(units, "asterisk_wait") + armed


def asterisk_cores(city: City, met: Traffic, units: Mapping[str, Unit]) -> float:
    """Of all nodes together."""
    in_asterisk, _ = recorded(city, units)
    return (
        met.calls * value(units, "asterisk_call")
        + met.talking * (value(units, "asterisk_talk") + in_asterisk)
        + met.waiting * waiting_ms(city.recorder, units)
        + city.seats * value(units, "asterisk_seat")
    ) / 1000


def cti_cores(calls: float, seats: float, units: Mapping[str, Unit]) -> float:
    """Of one node with so many calls a second and so many seats."""
    each = calls * value(units, "cti_call") + seats * value(units, "cti_seat")
    return (value(units, "cti_base") + each) / 1000


def changes_a_second(met: Traffic, units: Mapping[str, Unit]) -> float:
    return met.calls * value(units, "changes_a_call")


def desktop_cores(city: City, met: Traffic, units: Mapping[str, Unit]) -> float:
    """Of one desktop. Every cti tells every desktop everything, so the changes and the day's figures are not
    divided by their number; pages and their requests are."""
    whole = (
        value(units, "desktop_base")
        + changes_a_second(met, units) * value(units, "desktop_change")
        + 2 * city.calls_a_day * value(units, "board_figures")
        + city.calls_a_day * value(units, "view_read") / 600
    )
    pushes = changes_a_second(met, units) + city.leader_pages * 3.0
    own = met.answered * value(units, "desktop_call") + pushes * value(units, "desktop_push")
    return (whole + own / city.desktops) / 1000


def worker_cores(answered: float, city: City, units: Mapping[str, Unit]) -> float:
    """Of one node with so many answered calls a second."""
    cut = value(units, "capture_cut") if city.recorder in ("capture", "both") else 0.0
    each = city.talk_seconds * (value(units, "flac") / 60 + cut) + value(units, "kept")
    return answered * each / 1000


def database_cores(met: Traffic, units: Mapping[str, Unit]) -> float:
    return met.calls * value(units, "database_call") / 1000


def parts(city: City, units: Mapping[str, Unit], limits: Limits | None = None) -> list[Part]:
    """Everything that can be full in the busy hour of the peak day."""
    own = limits or Limits()
    met, n, d = traffic(city), city.nodes, city.desktops
    core = CORE_FULL
    found = [
        Part("Asterisk's processors", asterisk_cores(city, met, units) / n, own.node_cores * core, "cores",
             ASSUMED, "cores up to about 8, then another node behind the dispatcher"),
        Part("RTP ports of a node", (2 * met.talking + met.waiting + met.in_menu) / n, own.rtp_sessions,
             "sessions", CONFIGURED, "HOTLINE_RTP_LAST up by two ports a session"),
        Part("places in one queue", met.waiting * MAIN_QUEUE_SHARE / n, own.queue_places, "callers",
             CONFIGURED, "maxlen in queues.conf; who finds it full is offered a call-back"),
        Part("seats of a node", city.seats / n, own.node_seats, "seats",
             CONFIGURED, "another node"),
        Part("HTTP sessions of a node", city.seats / n, own.http_sessions, "sessions",
             CONFIGURED, "sessionlimit in http.conf, or another node"),
        Part("network of a node", (met.talking * 2 + met.waiting + met.in_menu) / n * RTP_BITS / 1e6,
             own.node_megabits, "Mbit/s each way", ASSUMED, "a second port, or another node"),
        Part("cti (one process)", cti_cores(met.calls / n, city.seats / n, units), core, "cores",
             ASSUMED, "another node brings its own"),
        Part("worker (one thread)", worker_cores(met.answered / n, city, units), core, "cores",
             ASSUMED, "another node brings its own; it may also catch up at night"),
        Part("desktop (one process)", desktop_cores(city, met, units), core, "cores",
             ASSUMED, "another desktop, while the part that each repeats leaves room"),
        Part("pages of a desktop", (city.seats + city.leader_pages) / d, own.pages, "pages",
             CONFIGURED, "another desktop, or HOTLINE_WEB_THREADS"),
        Part("memory of a desktop", 2 * city.calls_a_day * value(units, "view_bytes") / 1e6, own.view_mb,
             "MB", ASSUMED, "memory; later the day's figures from the database"),
    ]  # fmt: skip
    commits = met.calls * value(units, "commits_a_call")
    if city.database == "sqlite":
        found.append(
            Part("SQLite's one writer", commits, value(units, "sqlite_commits_limit") * core, "commits/s",
                 MEASURED, "PostgreSQL; at the latest with the second machine")
        )  # fmt: skip
    else:
        processes = 2 * n + d
        found += [
            Part("PostgreSQL's commits", commits, value(units, "commits_limit") * core, "commits/s",
                 MEASURED, "a disk with a battery or flash; synchronous_commit stays on"),
            Part("PostgreSQL's processors", database_cores(met, units), own.database_cores * core, "cores",
                 ASSUMED, "cores; reports on a standby"),
            Part("PostgreSQL's connections", processes * own.connections_a_process, own.connections,
                 "connections", CONFIGURED, "max_connections"),
        ]  # fmt: skip
    if n > 1:
        found.append(
            Part("dispatcher (Kamailio)", met.calls * value(units, "dispatcher_call") / 1000,
                 own.dispatcher_cores * core, "cores", ASSUMED, "a second one; it carries no audio")
        )  # fmt: skip
    return found


def fullest(found: list[Part]) -> Part:
    return max(found, key=lambda part: part.used)


# --- what gives way first ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Full:
    """At so many seats, with as many calls for each as the city has now, this part is full."""

    part: str
    seats: int
    calls_a_day: float
    limit_is: str
    then: str


def grown(city: City, seats: int) -> City:
    """The same city with so many seats, and as many calls for each."""
    return replace(city, seats=seats, calls_a_day=city.calls_a_day * seats / city.seats, leaders=0)


def in_order(
    city: City, units: Mapping[str, Unit], limits: Limits | None = None, most: int = 20_000
) -> list[Full]:
    """The parts in the order in which they are full while nothing but seats and calls is added; those that
    are not full at `most` seats are left out."""
    found = []
    for part in parts(city, units, limits):
        seats = _first(lambda n, name=part.name: _used(grown(city, n), units, limits, name) > 1.0, most)  # type: ignore[misc]
        if seats is not None:
            whole = grown(city, seats).calls_a_day
            found.append(Full(part.name, seats, whole, part.limit_is, part.then))
    return sorted(found, key=lambda full: full.seats)


def _used(city: City, units: Mapping[str, Unit], limits: Limits | None, name: str) -> float:
    return next(part.used for part in parts(city, units, limits) if part.name == name)


def _first(holds: Callable[[int], bool], most: int) -> int | None:
    if not holds(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def one_machine_cores(city: City, units: Mapping[str, Unit]) -> dict[str, float]:
    """Cores of everything, where all of it runs on one machine."""
    met = traffic(city)
    return {
        "asterisk": asterisk_cores(city, met, units),
        "recorder": met.talking * recorded(city, units)[1] / 1000,
        "cti": cti_cores(met.calls, city.seats, units),
        "desktop": desktop_cores(city, met, units),
        "worker": worker_cores(met.answered, city, units),
        "database": database_cores(met, units),
    }


# --- what it costs -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Machines:
    """What has to be bought. Cores are whole; each machine's are those used, divided by CORE_FULL."""

    nodes: int
    node_cores: int
    node_memory_gb: int
    desktops: int
    desktop_memory_gb: float
    database_cores: int
    database_memory_gb: int
    cores: int
    memory_gb: int
    archive_tb: float
    """Recordings of three years of mean days, once."""
    database_tb: float
    trunk_megabits: float
    """Each way, in the busy hour of the peak day."""
    trunk_channels: int
    desk_megabits: float
    """Each way, to the agents' telephones."""


def machines(city: City, units: Mapping[str, Unit]) -> Machines:
    """The machines of a city; a node's cores hold Asterisk, cti, worker and recorder."""
    met = traffic(city)
    n = city.nodes
    _, beside = recorded(city, units)
    node = (
        asterisk_cores(city, met, units) / n
        + met.talking / n * beside / 1000
        + cti_cores(met.calls / n, city.seats / n, units)
        + worker_cores(met.answered / n, city, units)
    )
    node_cores = max(2, math.ceil(node / CORE_FULL))
    channels = (2 * met.talking + met.waiting + met.in_menu) / n
    node_memory = math.ceil(2 + channels * value(units, "asterisk_channel_kb") / 1e6)
    desktop_memory = (
        value(units, "desktop_mb") + 2 * city.calls_a_day * value(units, "view_bytes") / 1e6
    ) / 1000
    database = max(2, math.ceil(database_cores(met, units) / CORE_FULL))
    database_memory = max(4, math.ceil(4 * city.calls_a_day * value(units, "database_bytes") / 1e9))
    answered = city.calls_a_day * MEAN_TO_PEAK_DAY * answered_share(city, MEAN_TO_PEAK_DAY)
    archive = answered * ARCHIVE_DAYS * city.talk_seconds / 60 * value(units, "flac_kb") / 1e9
    rows = value(units, "database_bytes") + value(units, "ticket_bytes")
    desktop_cores_each = max(1, math.ceil(desktop_cores(city, met, units) / CORE_FULL))
    dispatcher = 2 * 2 if n > 1 else 0
    return Machines(
        nodes=n,
        node_cores=node_cores,
        node_memory_gb=node_memory,
        desktops=city.desktops,
        desktop_memory_gb=round(desktop_memory, 1),
        database_cores=database,
        database_memory_gb=database_memory,
        cores=n * node_cores + city.desktops * desktop_cores_each + database + dispatcher,
        memory_gb=math.ceil(n * node_memory + city.desktops * desktop_memory + database_memory + dispatcher),
        archive_tb=round(archive, 1),
        database_tb=round(city.calls_a_day * MEAN_TO_PEAK_DAY * ARCHIVE_DAYS * rows / 1e12, 2),
        trunk_megabits=round(met.trunk * RTP_BITS / 1e6, 1),
        trunk_channels=math.ceil(met.trunk + 3 * math.sqrt(met.trunk)),
        desk_megabits=round(met.talking * RTP_BITS / 1e6, 1),
    )
