"""Citizens and desk phones of a campaign, played by SIPp; their records are the outside truth.

A citizen's call and its ring at a seat are joined by the citizen's number, which calls once.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from random import Random

from hotline.campaign import truth
from hotline.campaign.line import CampaignLine
from hotline.campaign.plan import Citizen
from hotline.phones import alaw
from hotline.phones.citizen import CitizenCall
from hotline.phones.desk_phone import Habit, Phone, RungCall
from hotline.phones.errors import PhoneError
from hotline.phones.identity import Caller
from hotline.phones.timers import Timers

GIVES_UP_DIALLING = 40.0
"""Seconds that a citizen waits for any sound at all: longer than a restart of Asterisk takes."""
NOTICES_SILENCE = 1.5
"""So long after Asterisk's death everybody hangs up."""
REFRESH = 8.0
"""Seconds between two registrations: a desk phone is back within this time after a restart of Asterisk."""


class People:
    """Everybody with a telephone. `dial_all` returns when the last citizen has dialled."""

    def __init__(self, line: CampaignLine, seats: Sequence[str], seed: int) -> None:
        self.line = line
        # Epoch seconds of the true clock at monotonic zero: SIPp's events are stamped with the latter.
        self._epoch = time.time() - time.monotonic()
        self._chance = Random(f"people {seed}")
        self._timers = Timers()
        self._lock = threading.Lock()
        self._plans: dict[str, Citizen] = {}
        self._calls: dict[str, CitizenCall] = {}
        self._asked: dict[str, float] = {}
        self._talking: set[str] = set()
        tone = alaw.tone(440, 5.0)
        self.bank = line.phones(
            *seats,
            habit=Habit(answer_after=0.5, talk=None, speak=True),
            speech=tone,
            refresh=REFRESH,
            on_change=self._seat_changed,
        )
        self.citizens = line.citizens(speech=tone, on_change=self._citizen_changed)

    def dial_all(self, plans: Sequence[Citizen], stop: threading.Event) -> None:
        """Everybody dials at his second, whatever happens to the parts meanwhile."""
        began = time.monotonic()
        for plan in plans:
            if stop.wait(max(0.0, began + plan.at - time.monotonic())):
                return
            self._plans[plan.number] = plan
            call = self.citizens.dial(
                caller=Caller(plan.number),
                keys=plan.key,
                speak=True,
                give_up_after=GIVES_UP_DIALLING,
            )
            self._calls[plan.number] = call

    def wait_until_all_have_ended(self, timeout: float) -> int:
        """How many citizens' calls are still up after so many seconds."""
        with contextlib.suppress(PhoneError):
            self.citizens.wait_for_all(timeout=timeout)
        return self.citizens.up(list(self.citizens.calls.values()))

    def asterisk_was_killed(self) -> None:
        """Everybody hears that the line is dead, and hangs up."""
        calls = [call for call in list(self._calls.values()) if call.state == "talking"]
        rung = [phone.call for phone in self.bank.phones.values() if phone.call]
        self._timers.after(NOTICES_SILENCE, lambda: self._all_hang_up(calls, rung))

    def close(self) -> None:
        """No more hanging up at a time; the telephones themselves are the line's."""
        self._timers.close()

    # --- what they do ----------------------------------------------------------------------------

    def _all_hang_up(self, calls: Sequence[CitizenCall], rung: Sequence[RungCall]) -> None:
        for call in calls:
            call.hang_up()
        for each in rung:
            self.bank._end(each)

    def _citizen_changed(self, call: CitizenCall, event: str) -> None:
        plan = self._plans.get(call.caller.number)
        if plan is None:
            return
        if event == "ANSWERED" and plan.does == "menu":
            self._timers.after(plan.patience, call.hang_up)
        elif event == "PRESSED" and plan.number not in self._asked:
            self._asked[plan.number] = time.monotonic()
            self._timers.after(plan.patience, lambda: self._gives_up(plan, call))

    def _gives_up(self, plan: Citizen, call: CitizenCall) -> None:
        if plan.number not in self._talking:
            call.hang_up()

    def _seat_changed(self, phone: Phone, event: str) -> None:
        rung = phone.call
        if rung is None or rung.answered_at is None or event != "ANSWERED":
            return
        plan, call = self._plans.get(rung.caller_number), self._calls.get(rung.caller_number)
        if plan is None or call is None:
            return
        self._talking.add(plan.number)
        if plan.ended_by == "agent":
            self._timers.after(plan.talk, lambda: self.bank._end(rung))
        else:
            self._timers.after(plan.talk, call.hang_up)

    # --- what they saw ---------------------------------------------------------------------------

    def telephones(self) -> Mapping[str, str]:
        """State of each desk phone now: unplugged | idle | ringing | talking."""
        return {seat: phone.state for seat, phone in self.bank.phones.items()}

    def records(self) -> list[tuple[truth.CitizenCall, int | None]]:
        """Every citizen's call with its rings at seats, and the port that its audio came from."""
        talks: dict[str, list[truth.Talk]] = {}
        for phone in self.bank.phones.values():
            for rung in list(phone.calls):
                talk = truth.Talk(
                    phone.seat,
                    self._at(rung.rung_at),
                    self._when(rung.answered_at),
                    self._when(rung.ended_at),
                    rung.end,
                )
                talks.setdefault(rung.caller_number, []).append(talk)
        found = []
        for number, call in self._calls.items():
            record = truth.CitizenCall(
                number=number,
                dialled_at=self._at(call.dialled_at),
                answered_at=self._when(call.answered_at),
                asked_at=self._when(self._asked.get(number)),
                ended_at=self._when(call.ended_at),
                end=call.end,
                code=call.code,
                talks=tuple(sorted(talks.get(number, ()), key=lambda talk: talk.rung_at)),
            )
            found.append((record, call.media[1] if call.media else None))
        return found

    def _at(self, moment: float) -> float:
        return moment + self._epoch

    def _when(self, moment: float | None) -> float | None:
        return None if moment is None else self._at(moment)
