"""What `hotline doctor` says of the passive recorder: the program, its right, its losses, the trunk."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network

from hotline.doctor import Finding
from hotline.settings import Settings
from recordings.capture import packets, ring

WHAT = "recorder"
RIGHT = "cap_net_raw"
LOOKED_AT = 200
"""Newest MEDIA lines that are looked at."""


def findings(settings: Settings, running: bool) -> Iterable[Finding]:
    """One finding after the other; nothing but a note where Asterisk records alone."""
    if not settings.recorder_names:
        yield Finding(WHAT, "ok", "Asterisk records (MixMonitor)")
        return
    try:
        nets = settings.trunk_media_nets
    except ValueError as error:
        yield Finding(WHAT, "bad", f"HOTLINE_TRUNK_MEDIA: {error}", "IPv4 addresses or networks, with commas")
        return
    yield _program()
    if running:
        for recorder in ring.recorders(settings.ring):
            if recorder.name in settings.recorder_names:
                yield _life(recorder)
        missing = set(settings.recorder_names) - {one.name for one in ring.recorders(settings.ring)}
        for name in sorted(missing):
            yield Finding(f"recorder {name}", "bad", "has never captured", "see var/log/recorder.log")
    yield _room(settings)
    yield from _trunk(settings, nets)


def _program() -> Finding:
    path = shutil.which("tcpdump", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        return Finding("tcpdump", "bad", "not here: nothing can be captured", "apt-get install tcpdump")
    if may_capture(path):
        return Finding("tcpdump", "ok", f"{path}, may capture")
    return Finding(
        "tcpdump",
        "bad",
        "an ordinary user may not capture: calls are recorded by MixMonitor instead",
        f"systemd's unit gives the right; without it, as root: setcap {RIGHT}=ep {path}",
    )


def may_capture(path: str) -> bool:
    """Whether this process, or the program itself, has CAP_NET_RAW."""
    with open("/proc/self/status") as file:
        effective = next((line for line in file if line.startswith("CapEff:")), "CapEff: 0")
    if int(effective.split()[1], 16) & 1 << 13:
        return True
    getcap = shutil.which("getcap", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not getcap:
        return False
    return RIGHT in subprocess.run([getcap, path], capture_output=True, text=True, check=False).stdout


def _life(recorder: ring.Recorder) -> Finding:
    what, now_ms = f"recorder {recorder.name}", round(time.time() * 1000)
    day = (now_ms - 86_400_000) * 1000
    dropped = sum(one.packets for one in recorder.outages if one.why == "dropped" and one.end > day)
    dead = sum(one.end - one.begin for one in recorder.outages if one.why == "dead" and one.end > day) / 1e6
    pruned = sum(one.why == "pruned" and one.end > day for one in recorder.outages)
    said = (
        f"{recorder.captured} packets; since yesterday {dropped} dropped by the kernel, dead for {dead:.0f} s"
    )
    if not recorder.is_alive(now_ms):
        since = "" if not recorder.alive_at else f" for {(now_ms - recorder.alive_at) / 1000:.0f} s"
        return Finding(what, "bad", f"captures nothing{since}: {recorder.problem or 'it is not running'}",
                       "see var/log/recorder.log; calls are recorded by MixMonitor meanwhile")  # fmt: skip
    if pruned:
        return Finding(what, "bad", f"{said}; its ring was full {pruned} times", "make room on its disk")
    if dropped:
        return Finding(what, "note", said, "two recorders, or a machine with less to do: docs/operate.md")
    return Finding(what, "ok", said)


def _room(settings: Settings) -> Finding:
    held = sum(
        one.path.stat().st_size
        for folder in ring.folders(settings.ring)
        for one in ring.files(folder)
        if one.path.exists()
    )
    said = f"{settings.ring}: {held / 1e6:.0f} MB of at most {settings.ring_megabytes} MB"
    if held > settings.ring_megabytes * 900_000:
        return Finding("ring", "bad", said, "is the worker running? it cuts the calls: var/log/worker.log")
    return Finding("ring", "ok", said)


def _trunk(settings: Settings, nets: packets.Nets) -> Iterable[Finding]:
    """What the newest MEDIA lines of the ledger say of the trunk's audio."""
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    from db.engine import open_engine, sessions
    from db.models import JournalEvent

    engine = open_engine(settings.database)
    try:
        with sessions(engine)() as session:
            query = select(JournalEvent.data).where(
                JournalEvent.pbx == settings.pbx_name,
                JournalEvent.event == "MEDIA",
                JournalEvent.at > datetime.now(UTC) - timedelta(days=1),
            )
            lines = list(session.scalars(query.order_by(JournalEvent.id.desc()).limit(LOOKED_AT)))
    except SQLAlchemyError:
        return  # the database has a finding of its own
    finally:
        engine.dispose()
    yield from trunk_findings(lines, nets)


def trunk_findings(lines: list[list[str]], nets: packets.Nets) -> Iterable[Finding]:
    """Encrypted audio, and audio from elsewhere than the filter takes; `lines` as for `leg_of`."""
    known = [line for line in lines if len(line) > 5]
    secure = sum(line[4] != "plain" for line in known)
    outside = {
        line[2].rpartition(":")[0]
        for line in known
        if line[5] == "capture" and not any(_is_in(line[2], net) for net in nets)
    }
    if outside:
        yield Finding(
            "trunk media",
            "bad",
            f"comes from {', '.join(sorted(outside)[:5])}, which nobody captures",
            "name these addresses in HOTLINE_TRUNK_MEDIA and start the recorder again",
        )
    if secure:
        yield Finding(
            "trunk media",
            "note",
            f"{secure} of the last {len(known)} calls were encrypted (SRTP): no passive recorder can hear "
            "them, MixMonitor recorded them",
            "HOTLINE_RECORDER=mixmonitor where the whole trunk is encrypted",
        )
    elif known and not outside:
        yield Finding("trunk media", "ok", f"plain, {len(known)} calls looked at")


def _is_in(address: str, net: IPv4Network) -> bool:
    found = packets.address(address) >> 16
    return found & int(net.netmask) == int(net.network_address)
