"""Desk phones at the seats: register, ring, answer or not, talk, hang up; one seat or fifty, all by one SIPp.

     unplugged ──REGISTER──► idle ──INVITE──► ringing ──200──► talking
                              ▲                  │ CANCEL, 486    │ BYE
                              └──────────────────┴────────────────┘

All decisions are taken here; the scenario only obeys. The registration is refreshed every `refresh` seconds,
so a PBX that was restarted has the phones back within that time.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from hotline.phones.digest import authorization
from hotline.phones.ear import Ear
from hotline.phones.errors import NotRegistered, PhoneError, PhoneTimeout, SippDied
from hotline.phones.identity import read_from
from hotline.phones.plan import key_steps
from hotline.phones.sipp_process import Event, Sipp, require_listener
from hotline.phones.timers import Timers

SCENARIO = "desk-phone-rings-and-does-as-told.xml"
State = Literal["unplugged", "idle", "ringing", "talking"]
End = Literal["", "pbx", "phone", "cancelled", "rejected", "lost"]
OnRing = Literal["answer", "reject", "wait"]
EXPIRES = 60
INSIST_EVERY, INSIST_TIMES = 0.2, 40


@dataclass
class RungCall:
    """One call that rang at a seat. Times are time.monotonic() seconds.

    end: "pbx" (the other side hung up), "phone" (we hung up), "cancelled" (the caller or the queue stopped
    ringing), "rejected" (486), "lost" (unplugged, SIPp gone, or never acknowledged).
    """

    call_id: str
    seat: str
    caller_name: str
    caller_number: str
    rung_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    end: End = ""
    ear: Ear | None = None
    speaking: bool = False
    """SPEAK has been obeyed once."""

    @property
    def heard(self) -> bytes:
        """A-law bytes that the agent has heard; b'' unless the phone listens."""
        return self.ear.heard if self.ear else b""

    @property
    def talk_seconds(self) -> float:
        if self.answered_at is None:
            return 0.0
        return (self.ended_at or time.monotonic()) - self.answered_at


@dataclass(frozen=True)
class Habit:
    """What a phone does by itself.

    answer_after  answers so many seconds after it began to ring; None: waits to be told
    on_ring       "answer" (as above), "reject" (486 at once), "wait" (never answers by itself)
    talk          hangs up so many seconds after the answer; None: waits to be told or for BYE
    speak         speaks while it talks (needs `speech`)
    listen        keeps what it hears
    """

    answer_after: float | None = None
    on_ring: OnRing = "answer"
    talk: float | None = None
    speak: bool = True
    listen: bool = False


class Phone:
    """The phone of one seat in a bank: its state, its calls, and what can be done with it."""

    def __init__(self, bank: PhoneBank, seat: str, habit: Habit) -> None:
        self._bank = bank
        self.seat = seat
        self.habit = habit
        self.registered = False
        self.registrations = 0
        """How often the PBX has accepted a registration."""
        self.call: RungCall | None = None
        """The call that rings or talks now."""
        self.calls: list[RungCall] = []
        """All calls since the start, also the one that goes on."""
        self.pressed = ""

    @property
    def state(self) -> State:
        if not self._bank.sipp.running:
            return "unplugged"
        if self.call is not None:
            return "ringing" if self.call.answered_at is None else "talking"
        return "idle" if self.registered else "unplugged"

    @property
    def running(self) -> bool:
        """Whether the SIPp behind the phone runs."""
        return self._bank.sipp.running

    def wait_for_registration(self, timeout: float = 30) -> None:
        """Return after the next registration that the PBX accepts. Raises PhoneTimeout."""
        seen = self.registrations
        self._wait(lambda: self.registrations > seen and self.registered, "registration", timeout)

    def wait_for_ring(self, timeout: float = 10) -> RungCall:
        """Return the call that rings (or already talks). Raises PhoneTimeout."""
        self._wait(lambda: self.call is not None, "ring", timeout)
        assert self.call is not None
        return self.call

    def wait_for_talk(self, timeout: float = 10) -> RungCall:
        """Return the call once it is answered and acknowledged. Raises PhoneTimeout."""
        self._wait(lambda: self.state == "talking", "call that talks", timeout)
        assert self.call is not None
        return self.call

    def wait_for_idle(self, timeout: float = 10) -> RungCall | None:
        """Return the last call when the phone is idle again. Raises PhoneTimeout."""
        self._wait(lambda: self.state == "idle", "idle state", timeout)
        return self.calls[-1] if self.calls else None

    def wait_for_calls(self, count: int, timeout: float = 30) -> list[RungCall]:
        """Return the calls when `count` of them have ended. Raises PhoneTimeout."""
        self._wait(lambda: sum(c.end != "" for c in self.calls) >= count, f"{count} ended calls", timeout)
        return [c for c in self.calls if c.end]

    def answer(self, timeout: float = 5) -> RungCall:
        """Answer the ringing call; returns when the PBX has acknowledged.

        Raises PhoneError when nothing rings, PhoneTimeout when the caller was faster.
        """
        call = self._ringing()
        self._bank._answer(self, call)
        self._wait(lambda: call.answered_at is not None or call.end != "", "acknowledged answer", timeout)
        if call.answered_at is None:
            raise PhoneTimeout(f"seat {self.seat}: the call ended before the answer ({call.end})")
        return call

    def reject(self, timeout: float = 5) -> RungCall:
        """Reject the ringing call with 486; returns when done. Raises PhoneError when nothing rings."""
        call = self._ringing()
        self._bank.sipp.tell("REJECT", call.call_id)
        self._wait(lambda: call.end != "", "end of the rejected call", timeout)
        return call

    def hang_up(self, timeout: float = 5) -> RungCall | None:
        """End the call (BYE, or 486 while it rings); returns it, or None when there is none."""
        call = self.call
        if call is None:
            return None
        self._bank._end(call)
        self._wait(lambda: call.end != "", "end of the call", timeout)
        return call

    def press(self, keys: str) -> None:
        """Press keys in the call, 0.45 s apart. Raises BadScript, PhoneError when no call is up."""
        call = self.call
        if call is None or call.answered_at is None:
            raise PhoneError(f"seat {self.seat}: no call is up")
        for step in key_steps(keys):
            self._bank._after(step.after, step.order, call)

    def hold(self) -> None:
        """Put the other on hold by a re-INVITE. Does nothing without a call."""
        if self.call:
            self._bank.sipp.tell("HOLD", self.call.call_id)

    def resume(self) -> None:
        """Take the other up again. Does nothing without a call."""
        if self.call:
            self._bank.sipp.tell("RESUME", self.call.call_id)

    def speak(self) -> None:
        """Speak in the call. Does nothing without a call."""
        if self.call:
            self._bank._tell(self.call, "SPEAK")

    def quiet(self) -> None:
        """Be silent in the call (silence is sent). Does nothing without a call."""
        if self.call:
            self._bank._tell(self.call, "QUIET")

    def _ringing(self) -> RungCall:
        if self.call is None or self.call.answered_at is not None:
            raise PhoneError(f"seat {self.seat}: nothing rings")
        return self.call

    def _wait(self, done: Callable[[], bool], what: str, timeout: float) -> None:
        with self._bank.change:
            if not self._bank.change.wait_for(done, timeout):
                raise PhoneTimeout(f"seat {self.seat}: no {what} within {timeout} s (state: {self.state})")


class PhoneBank:
    """Phones of many seats in one SIPp process, one port, registered and ready when the constructor returns.

    password   gives the SIP password of a seat: `lambda seat: seat_password(settings.seat_key, seat)`
    habit      what each phone does by itself; `bank.phones[seat].habit` may be replaced at any time
    refresh    seconds between registrations
    register   False: a phone outside (own_address 127.0.0.2 and `port` where the trunk sends outbound calls);
               a number that is not among the seats gets a phone when it rings
    on_change  `on_change(phone, event name)` in the reading thread

    Raises NotRegistered, NobodyListens, SippMissing, SippDied.
    """

    def __init__(
        self,
        seats: Sequence[str],
        pbx: tuple[str, int],
        password: Callable[[str], str],
        *,
        habit: Habit | None = None,
        own_address: str = "127.0.0.1",
        port: int | None = None,
        register: bool = True,
        speech: bytes | None = None,
        refresh: float = 10.0,
        on_change: Callable[[Phone, str], None] | None = None,
        life: int = 3600,
        phones: Callable[[PhoneBank], dict[str, Phone]] | None = None,
    ) -> None:
        require_listener(*pbx, own_address)
        self.pbx = pbx
        self.own_address = own_address
        self.habit = habit or Habit()
        self.change = threading.Condition()
        self._passwords = {seat: password(seat) for seat in seats} if register else {}
        self._register = register
        self._refresh = refresh
        self._on_change = on_change
        self._speech = speech
        self._life = life
        self._port = port
        self._by_call: dict[str, RungCall] = {}
        self._refused: dict[str, str] = {}
        self._generation = itertools.count(1)
        self._plugged_in = 0
        self.phones = phones(self) if phones else {seat: Phone(self, seat, self.habit) for seat in seats}
        self.plug_in()

    # --- the plug ----------------------------------------------------------------------------------

    def plug_in(self, timeout: float = 15) -> None:
        """Start SIPp and register all seats; also after `unplug`. Raises NotRegistered."""
        self._plugged_in = next(self._generation)
        self._refused.clear()
        self._timers = Timers()
        try:
            self.sipp = Sipp(
                SCENARIO, own_address=self.own_address, pbx=self.pbx, on_event=self._hear,
                speech=self._speech, life=self._life, port=self._port,
            )  # fmt: skip
        except BaseException:
            self._timers.close()
            raise
        if not self._register:
            return
        try:
            for n, seat in enumerate(self.phones):
                # 100 a second: a city's seats are plugged in within a second and no buffer overflows.
                self._timers.after(n * 0.01, self._registering(seat, self._plugged_in))
            self.wait_for_registration(timeout)
        except BaseException:
            self.close()
            raise

    def wait_for_registration(self, timeout: float = 15) -> None:
        """Return when all seats are registered. Raises NotRegistered with the first reason."""
        with self.change:
            self.change.wait_for(
                lambda: bool(self._refused) or all(phone.registered for phone in self.phones.values()),
                timeout,
            )
            for seat, reason in self._refused.items():
                raise NotRegistered(
                    f"the PBX refused seat {seat} ({reason}): is its password the one of this set-up?"
                )
            missing = [seat for seat, phone in self.phones.items() if not phone.registered]
            if missing:
                raise NotRegistered(f"seat {missing[0]} got no answer to its registration within {timeout} s")

    def unplug(self) -> None:
        """Pull the plug: the process is killed, the PBX is told nothing. `plug_in` undoes it."""
        self._timers.close()
        self.sipp.kill()
        with self.change:
            for phone in self.phones.values():
                phone.registered = False
            self.change.notify_all()

    def _registering(self, seat: str, generation: int) -> Callable[[], None]:
        def act() -> None:
            if generation != self._plugged_in or not self.sipp.running:
                return
            self._plug(seat, EXPIRES)
            self._timers.after(self._refresh, act)

        return act

    def _plug(self, seat: str, expires: int) -> None:
        call_id = f"plug-{seat}-{uuid.uuid4().hex[:12]}"
        with contextlib.suppress(SippDied, OSError):
            self.sipp.tell("PLUG", call_id, {"X-Seat": seat, "X-Expires": str(expires)})

    # --- calls -------------------------------------------------------------------------------------

    def _answer(self, phone: Phone, call: RungCall) -> None:
        if phone.habit.listen and call.ear is None:
            call.ear = Ear(self.own_address, self._speech, lambda key: self._key_sent(phone, key))
        self.sipp.tell("ANSWER", call.call_id, {"X-Ear": str(call.ear.port)} if call.ear else None)

    def _end(self, call: RungCall, times: int = INSIST_TIMES) -> None:
        """Reject or hang up, repeated until it has ended: an order may meet a moment between two states."""
        if call.end or times == 0:
            return
        try:
            if call.answered_at is None:
                self.sipp.tell("REJECT", call.call_id)
            self.sipp.tell("HANGUP", call.call_id)
        except (SippDied, OSError):
            return
        self._timers.after(INSIST_EVERY, lambda: self._end(call, times - 1))

    def _speak(self, call: RungCall, times: int = INSIST_TIMES) -> None:
        """SPEAK until it is obeyed: right after the answer SIPp may still be between two states."""
        if call.speaking or call.end or times == 0:
            return
        self._tell(call, "SPEAK")
        if call.ear is None:
            self._timers.after(0.1, lambda: self._speak(call, times - 1))

    def _after(self, seconds: float, order: str, call: RungCall) -> None:
        self._timers.after(seconds, lambda: self._tell(call, order))

    def _tell(self, call: RungCall, order: str) -> None:
        if call.ear:
            call.ear.obey(order)
        elif not call.end:
            with contextlib.suppress(SippDied, OSError):
                self.sipp.tell(order, call.call_id)

    def _key_sent(self, phone: Phone, key: str) -> None:
        with self.change:
            phone.pressed += key
            self.change.notify_all()

    def _hear(self, event: Event) -> None:
        phone = None
        with self.change:
            if event.name == "DIED":
                for call in list(self._by_call.values()):
                    self._finish(call, "lost", event.at)
                for each in self.phones.values():
                    each.registered = False
            elif event.call_id.startswith("plug-"):
                phone = self._hear_plug(event)
            elif event.name == "INVITED":
                phone = self._hear_invite(event)
            elif (known := self._by_call.get(event.call_id)) is not None:
                phone = self.phones[known.seat]
                self._apply(phone, known, event)
            self.change.notify_all()
        if phone is not None:
            self._keep_habit(phone, event)
            if self._on_change:
                self._on_change(phone, event.name)

    def _hear_plug(self, event: Event) -> Phone | None:
        seat = event.call_id.split("-")[1]
        phone = self.phones.get(seat)
        if phone is None:
            return None
        if event.name == "CHALLENGED":
            uri = f"sip:{self.pbx[0]}:{self.pbx[1]}"
            line = authorization(event.rest, seat, self._passwords[seat], "REGISTER", uri)
            self.sipp.tell("AUTHORIZE", event.call_id, {"X-Authorization": line})
        elif event.name == "REGISTERED":
            phone.registered = not event.rest.endswith(" 0")
            phone.registrations += 1
            self._refused.pop(seat, None)
        elif event.name == "FORBIDDEN":
            phone.registered = False
            self._refused[seat] = event.rest.split(" ")[-1]
        else:
            phone.registered = False
        return phone

    def _hear_invite(self, event: Event) -> Phone:
        seat, _, sender = event.rest.partition(" ")
        phone = self.phones.get(seat)
        if phone is None:
            phone = self.phones[seat] = Phone(self, seat, self.habit)
            phone.registered = True
        name, number = read_from(sender)
        call = RungCall(event.call_id, seat, name, number, event.at)
        self._by_call[event.call_id] = call
        phone.calls.append(call)
        if phone.call is None:
            phone.call = call
        return phone

    def _apply(self, phone: Phone, call: RungCall, event: Event) -> None:
        """One event moves one call; what comes twice changes nothing."""
        match event.name:
            case "ANSWERED":
                call.answered_at = event.at
                if call.ear:
                    host, port = event.rest.split()
                    call.ear.start((host, int(port)))
            case "SPEAKING":
                call.speaking = True
            case "PRESSED":
                phone.pressed += event.rest
            case "ENDED":
                self._finish(call, {"pbx": "pbx", "phone": "phone"}.get(event.rest, "lost"), event.at)  # type: ignore[arg-type]
            case "CANCELLED":
                self._finish(call, "cancelled", event.at)
            case "REJECTED":
                self._finish(call, "rejected", event.at)
            case "LOST":
                self._finish(call, "lost", event.at)

    def _finish(self, call: RungCall, end: End, at: float) -> None:
        if call.end:
            return
        call.end, call.ended_at = end, at
        self._by_call.pop(call.call_id, None)
        phone = self.phones[call.seat]
        if phone.call is call:
            phone.call = None
        if call.ear:
            call.ear.close()

    def _keep_habit(self, phone: Phone, event: Event) -> None:
        call = self._by_call.get(event.call_id)
        if call is None:
            return
        habit = phone.habit
        if event.name == "INVITED":
            if phone.call is not call or habit.on_ring == "reject":
                self._end(call)  # busy, or in a bad mood
            elif habit.on_ring == "answer" and habit.answer_after is not None:
                self._timers.after(habit.answer_after, lambda: self._answer_by_itself(phone, call))
        elif event.name == "ANSWERED":
            if habit.speak and self._speech:
                self._speak(call)
            if habit.talk is not None:
                self._timers.after(habit.talk, lambda: self._end(call))

    def _answer_by_itself(self, phone: Phone, call: RungCall) -> None:
        if call.end or call.answered_at is not None:
            return
        with contextlib.suppress(SippDied, OSError):
            self._answer(phone, call)

    def close(self) -> None:
        """Hang up, take the registrations away (up to 3 s each), end SIPp. Repeated calls do nothing."""
        if self.sipp.running:
            for call in list(self._by_call.values()):
                self._end(call)
            with self.change:
                self.change.wait_for(lambda: not self._by_call or not self.sipp.running, 3)
            self._plugged_in = next(self._generation)
            if self._register:
                for seat, phone in self.phones.items():
                    if phone.registered:
                        self._plug(seat, 0)
                with self.change:
                    self.change.wait_for(
                        lambda: not any(p.registered for p in self.phones.values()) or not self.sipp.running,
                        3,
                    )
        self._timers.close()
        self.sipp.close()

    def __enter__(self) -> PhoneBank:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class DeskPhone(Phone):
    """The phone of one seat with a SIPp of its own: registered when the constructor returns.

    `with DeskPhone("8001", pbx, password) as phone: phone.wait_for_ring(); phone.answer(); phone.hang_up()`

    Arguments and errors as PhoneBank and Habit; `password` is the text itself.
    """

    def __init__(
        self,
        seat: str,
        pbx: tuple[str, int],
        password: str,
        *,
        answer_after: float | None = None,
        on_ring: OnRing = "answer",
        talk: float | None = None,
        speak: bool = True,
        listen: bool = False,
        speech: bytes | None = None,
        refresh: float = 10.0,
        on_change: Callable[[Phone, str], None] | None = None,
        life: int = 3600,
    ) -> None:
        habit = Habit(answer_after, on_ring, talk, speak, listen)

        def this_phone(bank: PhoneBank) -> dict[str, Phone]:
            Phone.__init__(self, bank, seat, habit)
            return {seat: self}

        self._bank = PhoneBank(
            [seat], pbx, lambda _: password,
            habit=habit, speech=speech, refresh=refresh, on_change=on_change, life=life, phones=this_phone,
        )  # fmt: skip

    def unplug(self) -> None:
        """Pull the plug: nothing is said to the PBX."""
        self._bank.unplug()

    def plug_in(self) -> None:
        """Plug in again after `unplug`. Raises NotRegistered."""
        self._bank.plug_in()

    def close(self) -> None:
        self._bank.close()

    def __enter__(self) -> DeskPhone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
