"""Citizens on the trunk: dial, listen, press keys, speak, hang up, one or a thousand, all by one SIPp.

dialling ──► ringing ──► talking ──► ended      end: "citizen" | "pbx"
    │           │
    └───────────┴──────────────────► ended      end: "cancelled" | "refused" | "lost"
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from hotline.phones.ear import Ear
from hotline.phones.errors import PhoneTimeout, SippDied
from hotline.phones.identity import Caller, identity_headers
from hotline.phones.plan import KEY_EVERY, Step, key_steps, make_plan
from hotline.phones.sipp_process import Event, Sipp, require_listener
from hotline.phones.timers import Timers

SCENARIO = "citizen-dials-and-does-as-told.xml"
State = Literal["dialling", "ringing", "talking", "ended"]
End = Literal["", "citizen", "pbx", "cancelled", "refused", "lost"]
INSIST_EVERY, INSIST_TIMES = 0.2, 40
"""An order to hang up is repeated until the call has ended: it may meet SIPp between two states."""


@dataclass
class CitizenCall:
    """One call of one citizen; made by `Citizens.dial`. Times are time.monotonic() seconds."""

    call_id: str
    caller: Caller
    plan: tuple[Step, ...]
    _citizens: Citizens
    state: State = "dialling"
    end: End = ""
    code: int = 0
    """Status of the refusal (486, 404, ...), else 0."""
    pressed: str = ""
    dialled_at: float = 0.0
    ringing_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    media: tuple[str, int] | None = None
    """Address and port of the PBX that the call's audio comes from, once it is answered."""
    _ear: Ear | None = None

    @property
    def answered(self) -> bool:
        return self.answered_at is not None

    @property
    def talk_seconds(self) -> float:
        """Seconds from the answer to the end (or to now)."""
        if self.answered_at is None:
            return 0.0
        return (self.ended_at or time.monotonic()) - self.answered_at

    @property
    def heard(self) -> bytes:
        """A-law bytes that the citizen has heard so far; b'' unless dialled with listen=True."""
        return self._ear.heard if self._ear else b""

    @property
    def heard_keys(self) -> str:
        """Keys pressed by the other side; '' unless dialled with listen=True."""
        return self._ear.heard_keys if self._ear else ""

    def press(self, keys: str) -> None:
        """Press keys now, 0.45 s apart. Raises BadScript for what is no key."""
        for step in key_steps(keys):
            self._citizens._after(step.after, self, step.order)

    def speak(self) -> None:
        """Speak the sentence that the citizens were made with, again and again."""
        self._citizens._tell(self, "SPEAK")

    def quiet(self) -> None:
        """Be silent (silence is sent, as a telephone does)."""
        self._citizens._tell(self, "QUIET")

    def hang_up(self) -> None:
        """Give up (CANCEL before the answer, BYE after it); nothing happens when the call has ended."""
        self._citizens._hang_up(self)

    def wait_for_ring(self, timeout: float = 10) -> CitizenCall:
        return self._wait(lambda: self.ringing_at is not None or self.answered, "ringing", timeout)

    def wait_for_answer(self, timeout: float = 10) -> CitizenCall:
        """Return when the call is answered. Raises PhoneTimeout, also when it ended unanswered."""
        return self._wait(lambda: self.answered, "an answer", timeout)

    def wait_for_end(self, timeout: float = 30) -> CitizenCall:
        return self._wait(lambda: self.state == "ended", "the end", timeout)

    def wait_for_keys(self, keys: str, timeout: float = 10) -> CitizenCall:
        """Return when these keys have been sent, in this order, as the last ones."""
        return self._wait(lambda: self.pressed.endswith(keys), f"the keys {keys}", timeout)

    def wait_for_sound(self, seconds: float, timeout: float = 10) -> bytes:
        """Return what was heard when that much sound has arrived (needs listen=True)."""
        if self._ear is None or not self._ear.wait_for(seconds, timeout):
            raise PhoneTimeout(
                f"{seconds} s of sound did not arrive within {timeout} s (call {self.call_id})"
            )
        return self._ear.heard

    def _wait(self, done: Callable[[], bool], what: str, timeout: float) -> CitizenCall:
        with self._citizens.change:
            self._citizens.change.wait_for(lambda: done() or self.state == "ended", timeout)
            if not done():
                state = f"{self.state} {self.end} {self.code or ''}".strip()
                raise PhoneTimeout(
                    f"citizen {self.caller.number}: no {what} within {timeout} s, state: {state}"
                )
        return self


@dataclass(frozen=True)
class Result:
    """What became of a number of calls."""

    calls: tuple[CitizenCall, ...]

    @property
    def made(self) -> int:
        return len(self.calls)

    @property
    def answered(self) -> int:
        return sum(call.answered for call in self.calls)

    @property
    def failed(self) -> int:
        """Calls that were refused or lost; a citizen who gives up has not failed."""
        return sum(call.end in ("refused", "lost") for call in self.calls)

    @property
    def ends(self) -> dict[str, int]:
        """How many calls ended how; "" are still up."""
        return dict(Counter(call.end for call in self.calls))

    @property
    def codes(self) -> dict[int, int]:
        """Refusals by SIP status."""
        return dict(Counter(call.code for call in self.calls if call.code))


class Citizens:
    """All citizens of one SIPp process at `own_address`, calling the PBX at `pbx` (address, port).

    `speech` is what they say when they speak (A-law bytes: `alaw.tone`, `alaw.speech`).
    `on_change(call, event)` is told each event in the reading thread.

    Raises NobodyListens, SippMissing, SippDied.
    """

    def __init__(
        self,
        pbx: tuple[str, int],
        *,
        own_address: str = "127.0.0.2",
        speech: bytes | None = None,
        on_change: Callable[[CitizenCall, str], None] | None = None,
        life: int = 3600,
    ) -> None:
        require_listener(*pbx, own_address)
        self.pbx = pbx
        self.own_address = own_address
        self.speech = speech
        self.change = threading.Condition()
        self.calls: dict[str, CitizenCall] = {}
        self._on_change = on_change
        self._timers = Timers()
        try:
            self.sipp = Sipp(
                SCENARIO, own_address=own_address, pbx=pbx, on_event=self._hear, speech=speech, life=life
            )
        except BaseException:
            self._timers.close()
            raise

    def dial(
        self,
        number: str = "12345",
        caller: Caller | None = None,
        *,
        keys: str = "",
        speak: bool = False,
        talk: float | None = None,
        give_up_after: float | None = None,
        listen: bool = False,
    ) -> CitizenCall:
        """Dial `number`; returns at once with the call in state "dialling".

        keys           pressed after the answer: "1", "3,w2,261121000427#"
        speak          speak after the keys (needs `speech`)
        talk           hang up so many seconds after the last key, or after the answer; None: stay until told
        give_up_after  CANCEL when not answered after so many seconds
        listen         keep what is heard: `call.heard`

        Raises BadScript, SippDied.
        """
        plan = make_plan(keys, speak, talk)
        caller = caller or Caller()
        call = CitizenCall(f"citizen-{uuid.uuid4().hex}", caller, plan, self, dialled_at=time.monotonic())
        if listen:
            call._ear = Ear(self.own_address, self.speech, lambda key: self._key_sent(call, key))
        shown, line1, line2 = identity_headers(caller, self.own_address)
        uri = f"sip:{number}@{self.pbx[0]}:{self.pbx[1]}"
        headers = {
            "X-Uri": uri,
            "X-To": f"<{uri}>",
            "X-From": shown,
            "X-Line-1": line1,
            "X-Line-2": line2,
            "X-Branch": uuid.uuid4().hex[:20],
        }
        if call._ear:
            headers["X-Ear"] = str(call._ear.port)
        with self.change:
            self.calls[call.call_id] = call
        self.sipp.tell("DIAL", call.call_id, headers)
        if give_up_after is not None:
            self._timers.after(give_up_after, lambda: None if call.answered else self._hang_up(call))
        return call

    def dial_many(
        self,
        count: int,
        rate: float,
        *,
        concurrency: int | None = None,
        callers: Sequence[Caller] = (Caller(),),
        number: str = "12345",
        keys: str = "",
        speak: bool = False,
        talk: float | None = None,
        give_up_after: float | None = None,
        timeout: float = 600,
    ) -> Result:
        """Make `count` calls, `rate` a second, at most `concurrency` at once, callers in turn; wait for all.

        The beat is kept absolutely: a late call does not delay the next ones. Raises PhoneTimeout when calls
        are still up `timeout` seconds after the last one was dialled.
        """
        calls: list[CitizenCall] = []
        start = time.monotonic()
        for n in range(count):
            with self.change:
                self.change.wait_for(
                    lambda: not self.sipp.running, max(0.0, start + n / rate - time.monotonic())
                )
                if concurrency:
                    self.change.wait_for(
                        lambda: self.up(calls) < concurrency or not self.sipp.running, timeout
                    )
            calls.append(
                self.dial(
                    number, callers[n % len(callers)],
                    keys=keys, speak=speak, talk=talk, give_up_after=give_up_after,
                )
            )  # fmt: skip
        self.wait_for_all(calls, timeout)
        return Result(tuple(calls))

    def wait_for_all(self, calls: Iterable[CitizenCall] | None = None, timeout: float = 60) -> None:
        """Return when the calls (default: all) have ended. Raises PhoneTimeout."""
        chosen = list(self.calls.values() if calls is None else calls)
        with self.change:
            if not self.change.wait_for(lambda: self.up(chosen) == 0, timeout):
                raise PhoneTimeout(f"{self.up(chosen)} calls are still up after {timeout} s")

    @staticmethod
    def up(calls: Iterable[CitizenCall]) -> int:
        """How many of the calls have not ended."""
        return sum(call.state != "ended" for call in calls)

    def _tell(self, call: CitizenCall, order: str) -> None:
        if call._ear:
            call._ear.obey(order)
        elif call.state != "ended":
            self.sipp.tell(order, call.call_id)

    def _key_sent(self, call: CitizenCall, key: str) -> None:
        with self.change:
            call.pressed += key
            self.change.notify_all()

    def _after(self, seconds: float, call: CitizenCall, order: str) -> None:
        def act() -> None:
            try:
                if order == "HANGUP":
                    self._hang_up(call)
                else:
                    self._tell(call, order)
            except (SippDied, OSError):
                return  # DIED has ended the call already

        if seconds <= 0:
            act()
        else:
            self._timers.after(seconds, act)

    def _hang_up(self, call: CitizenCall, times: int = INSIST_TIMES) -> None:
        if call.state == "ended" or times == 0:
            return
        try:
            self.sipp.tell("HANGUP", call.call_id)
        except (SippDied, OSError):
            return
        self._timers.after(INSIST_EVERY, lambda: self._hang_up(call, times - 1))

    def _hear(self, event: Event) -> None:
        if event.name == "DIED":
            with self.change:
                for call in self.calls.values():
                    if call.state != "ended":
                        self._finish(call, "lost", event.at)
                self.change.notify_all()
            return
        call_or_none = self.calls.get(event.call_id)
        if call_or_none is None or call_or_none.state == "ended":
            return
        call = call_or_none
        with self.change:
            self._apply(call, event)
            self.change.notify_all()
        if event.name == "ANSWERED":
            for step in call.plan:
                self._after(step.after, call, step.order)
        if self._on_change:
            self._on_change(call, event.name)

    def _apply(self, call: CitizenCall, event: Event) -> None:
        """One event moves one call; what comes twice changes nothing."""
        match event.name:
            case "RINGING" if call.state == "dialling":
                call.state, call.ringing_at = "ringing", event.at
            case "ANSWERED":
                call.state, call.answered_at = "talking", event.at
                host, port = event.rest.split()
                call.media = host, int(port)
                if call._ear:
                    call._ear.start(call.media)
            case "CROSSED":
                call.answered_at = event.at
            case "PRESSED":
                call.pressed += event.rest
            case "ENDED":
                self._finish(call, "pbx" if event.rest == "pbx" else "citizen", event.at)
            case "CANCELLED":
                self._finish(call, "cancelled", event.at)
            case "REFUSED":
                call.code = int(event.rest or 0)
                self._finish(call, "refused", event.at)
            case "LOST":
                self._finish(call, "lost", event.at)

    def _finish(self, call: CitizenCall, end: End, at: float) -> None:
        call.state, call.end, call.ended_at = "ended", end, at
        if call._ear:
            call._ear.close()

    def close(self) -> None:
        """Hang up what is still up, wait up to 3 s for it, end SIPp."""
        for call in list(self.calls.values()):
            self._hang_up(call)
        with self.change:
            self.change.wait_for(lambda: self.up(self.calls.values()) == 0 or not self.sipp.running, 3)
        self._timers.close()
        self.sipp.close()
        for call in self.calls.values():
            if call._ear:
                call._ear.close()

    def __enter__(self) -> Citizens:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["KEY_EVERY", "Caller", "CitizenCall", "Citizens", "Result"]
