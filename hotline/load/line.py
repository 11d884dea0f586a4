"""A private line under load: its people, its SIPps, and looks at what each part uses.

LoadLine ── PrivateLine with more RTP ports, agents for all seats
  .seats()     telephones by SIPp, registered       .bare_members()  their queues, without our parts
  .dial()      citizens with a drawn plan by SIPp   .look()          CPU, memory, calls so far
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from hotline.bench import machine
from hotline.load import city, draw
from hotline.load.sipps import CITIZEN_HERTZ, SEAT_HERTZ, Registrations, Sipps
from hotline.private_line import PrivateLine, cheap_hash
from hotline.secrets import seat_password

RTP_FIRST, RTP_LAST = 10_000, 15_998
"""Room for 3,000 channels; where SIPp's own ports begin lies above."""
HABITS = 5_000


@dataclass(frozen=True)
class Look:
    """What everybody had used at a moment: CPU seconds and resident bytes by part."""

    at: float
    cpu: dict[str, float]
    memory: dict[str, int]


class LoadLine(PrivateLine):
    """A line for `seats` seats with an agent each. `overrides` are settings as for a private line."""

    def __init__(self, tree: Path, seats: int, database_url: str = "", **overrides: Any) -> None:
        settled = {
            "seats": seats,
            "survey": False,
            "web_threads": seats + 40,
            "wrapup_seconds": 30,
        } | overrides
        super().__init__(tree, database_url, **settled)
        self.settings = self.settings.model_copy(update={"rtp_first": RTP_FIRST, "rtp_last": RTP_LAST})
        self.sipps: dict[str, Sipps] = {}
        self.registrations: Registrations | None = None
        with self.sessions.begin() as session:
            city.add_agents(session, seats, cheap_hash())

    # --- people ------------------------------------------------------------------------------------------

    def seats(self, habits: Sequence[Sequence[object]]) -> Sipps:
        """All desk phones in one SIPp, registered; and citizens at home who take a call-back.

        Raises SippDied, NotRegistered.
        """
        phones = Sipps(
            "seat-answers-and-talks.xml", habits, own_address="127.0.0.1", pbx=self.sip, hertz=SEAT_HERTZ
        )
        self.sipps["seats"] = phones
        self.sipps["at home"] = Sipps(
            "seat-answers-and-talks.xml",
            [(2000, 20, 0)],
            own_address=self.settings.trunk_match,
            pbx=self.sip,
            port=self.settings.trunk_port,
            hertz=CITIZEN_HERTZ,
        )
        key = self.settings.seat_key
        words = [(seat, seat_password(key, seat)) for seat in self.settings.seat_numbers]
        self.registrations = Registrations(words, phones, self.sip)
        return phones

    def dial(self, plans: Sequence[draw.Planned], name: str = "citizens") -> Sipps:
        """Citizens who follow the plan, from now on."""
        crowd = Sipps(
            "citizen-follows-the-plan.xml",
            draw.lines(plans),
            own_address=self.settings.trunk_match,
            pbx=self.sip,
            calls=len(plans),
            hertz=CITIZEN_HERTZ,
        )
        self.sipps[name] = crowd
        return crowd

    def bare_members(self) -> None:
        """The seats as members of their queues although no cti runs."""
        numbers = self.settings.seat_numbers
        self.many_ami(
            [
                ("QueueAdd", {"Queue": queue, "Interface": f"PJSIP/{seat}", "MemberName": seat,
                              "StateInterface": f"PJSIP/{seat}"})
                for place, seat in enumerate(numbers)
                for queue in city.queues_of(place, len(numbers))
            ]
        )  # fmt: skip

    def hang_up_all(self) -> None:
        """End every call at once, from the carrier's side: the ledger and the recordings get their ends."""
        self.ami("Hangup", Channel="/^PJSIP/trunk-.*$/")

    def ready(self) -> int:
        """Seats that the main queue may ring: not paused, telephone there and free."""
        return sum(
            m["Event"] == "QueueMember"
            and m["Queue"] == "consultation"
            and m["Paused"] == "0"
            and m["Status"] == "1"
            for m in self.ami("QueueStatus")
        )

    def channels(self) -> int:
        """Calls that Asterisk has now; a citizen with an agent is two channels and counts as one or two."""
        return int(self.ami("CoreStatus")[0].get("CoreCurrentCalls", 0))

    # --- what is used ------------------------------------------------------------------------------------

    def look(self, others: dict[str, psutil.Process] | None = None) -> Look:
        """What our parts (with children), the SIPps, `others` and the whole machine have used."""
        cpu: dict[str, float] = {}
        memory: dict[str, int] = {}
        for part, process in self.running.items():
            found = self.processes(process.pid)
            cpu[part], memory[part] = machine.cpu_seconds(found[:1]), _resident(found)
        for name, sipp in self.sipps.items():
            cpu[f"load: {name}"] = sipp.cpu_seconds
        for name, one in (others or {}).items():
            found = self.processes(one.pid)
            cpu[name] = machine.cpu_seconds(found[:1])
            memory[name] = _resident(found)
        cpu["machine"] = machine.busy_seconds()
        return Look(time.time(), cpu, memory)

    def send_home(self) -> None:
        """End all SIPps, then as every private line."""
        if self.registrations:
            self.registrations.close()
            self.registrations = None
        for sipp in self.sipps.values():
            sipp.close()
        self.sipps.clear()
        super().send_home()


def _resident(processes: Sequence[psutil.Process]) -> int:
    total = 0
    for one in processes:
        with contextlib.suppress(psutil.Error):
            total += int(one.memory_info().rss)
    return total
