"""Outside truth against the ledger: every count of the campaign, and the calls it is made of. Pure.

    SIPp's citizens ─┐                                      ┌─ calls, recordings, tickets of the database
    SIPp's seats ────┼─► joined by the caller's number ◄────┤
    pages, packets ──┘      a number calls once             └─ what was done to the parts, and when

A call that was up while Asterisk was killed is counted apart: it was cut off, but its row must come. So is
one in which the clock was set: its times are an hour wrong, and where nobody answered, its outcome may be.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hotline.campaign.truth import Cause, CitizenCall, Row, Sample, Stuck, Talk, Ticket, Written

SHORT_ABANDON = 5.0
MARGIN = 1.5
"""Seconds: so close to a limit the two clocks (key pressed here, heard there) may differ on its side."""
CROSSING = 0.7
"""A talk shorter than this crossed the citizen's hang-up on the wire: both outcomes are right."""
AFTER_AGENT = 3.0
"""Within this time after the agent's goodbye the PBX hangs up the citizen."""
SETTLES = 10.0
"""Seconds in which a part is back after its cause has ended: the aim for being blind."""
OFFER = 20.0
"""Seconds that the offer takes with whom it gets no key from: twice its words, and the time for a message."""
DOWN = "kill-asterisk"
DISK = "disk-full"
CLOCK = "clock-stepped"
BY_THE_CLOCK = frozenset(("short_abandon", "abandoned_in_queue", "overflowed", "voicemail_left"))
"""What a wait may end as whose beginning and end were told by two different clocks."""

MUST_BE_ZERO = (
    "calls dropped",
    "calls without ledger row",
    "calls with two rows",
    "calls with a wrong outcome",
    "answered without recording",
    "tickets lost",
    "tickets doubled",
    "seats stuck",
    "citizens in silence over 5 s",
    "blind for 10 s or longer",
)


@dataclass(frozen=True)
class Finding:
    """One thing that counts: `count` is one of MUST_BE_ZERO, or an apart of the same shape."""

    count: str
    who: str
    says: str


@dataclass
class Verdict:
    """Counts with their findings; `apart` is what is counted beside them."""

    findings: list[Finding] = field(default_factory=list)
    apart: Counter[str] = field(default_factory=Counter)

    def add(self, count: str, who: str, says: str) -> None:
        self.findings.append(Finding(count, who, says))

    def counts(self) -> dict[str, int]:
        """How many findings each count has, zeros too."""
        found = Counter(one.count for one in self.findings)
        return {name: found[name] for name in MUST_BE_ZERO}


def judge_calls(calls: Sequence[CitizenCall], rows: Iterable[Row], causes: Sequence[Cause]) -> Verdict:
    """Every citizen's call against the ledger's rows of the same number."""
    verdict = Verdict()
    by_number: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_number[row.caller].append(row)
    downs = [cause for cause in causes if cause.kind == DOWN]
    for call in calls:
        cut = _was_up(call, downs)
        verdict.apart["calls up while Asterisk was killed" if cut else "calls judged"] += 1
        _judge_rows(verdict, call, by_number.get(call.number, []), cut, causes)
        if not cut and _left_a_message(by_number.get(call.number, [])):
            verdict.apart["silences while a voice message was taken"] += len(call.silences)
        elif not cut:
            _judge_silence(verdict, call)
        if not cut:
            _judge_drop(verdict, call, by_number.get(call.number, []), causes)
    strangers = set(by_number) - {call.number for call in calls}
    verdict.apart["rows of nobody's call"] += sum(len(by_number[number]) for number in strangers)
    return verdict


def _left_a_message(rows: Sequence[Row]) -> bool:
    """Was he offered to leave a voice message? While it is taken, nobody speaks to him."""
    return any(row.outcome in ("voicemail_left", "overflowed") for row in rows)


def _judge_silence(verdict: Verdict, call: CitizenCall) -> None:
    for begin, seconds in call.silences:
        at = begin - (call.answered_at or begin)
        says = f"{seconds:.1f} s from second {at:.1f}: {_story(call)}"
        verdict.add("citizens in silence over 5 s", call.number, says)


def _was_up(call: CitizenCall, downs: Sequence[Cause]) -> bool:
    end = call.ended_at or float("inf")
    return any(call.dialled_at <= down.end and end >= down.begin for down in downs)


def _judge_rows(
    verdict: Verdict, call: CitizenCall, rows: Sequence[Row], cut: bool, causes: Sequence[Cause]
) -> None:
    if not rows:
        if cut and call.answered_at is None:
            verdict.apart["never reached Asterisk while it was down"] += 1
        else:
            verdict.add("calls without ledger row", call.number, _story(call))
        return
    if len(rows) > 1:
        verdict.add("calls with two rows", call.number, ", ".join(row.uid for row in rows))
    row = rows[0]
    right = expected(call, cut)
    if _clock_set_in(call, causes):
        verdict.apart["calls in which the clock was set"] += 1
        if row.outcome in BY_THE_CLOCK and row.outcome not in right and "answered" not in right:
            verdict.apart["outcomes changed by a clock that was set"] += 1
            right = right | BY_THE_CLOCK
    if _offered(call, row):
        verdict.apart["kept silent at the offer of a call-back or a message, and were said goodbye to"] += 1
        right = right | {"overflowed", "voicemail_left"}
    if row.outcome not in right:
        verdict.add(
            "calls with a wrong outcome",
            call.number,
            f"{row.uid} {row.outcome} ({row.reason}), not {'/'.join(sorted(right))}: {_story(call)}",
        )
    talk = _first_talk(call)
    if talk and row.outcome == "answered" and row.seat != talk.seat and not cut:
        verdict.add("calls with a wrong outcome", call.number, f"{row.uid} seat {row.seat}, not {talk.seat}")
    if row.outcome == "answered":
        _judge_recording(verdict, call, row, cut, causes)


def expected(call: CitizenCall, cut: bool = False) -> frozenset[str]:
    """The outcomes that are right for a call by its outside record; `cut`: Asterisk was killed in it."""
    right = set()
    talk = _first_talk(call)
    ended = call.ended_at or call.dialled_at
    if talk is not None:
        right.add("answered")
        length = (talk.ended_at or ended) - (talk.answered_at or ended)
        if length >= CROSSING and not cut:
            return frozenset(right)
    if call.asked_at is None or ended - call.asked_at < MARGIN:
        right.add("abandoned_in_menu")
    if call.asked_at is not None:
        waited = ended - call.asked_at
        if waited < SHORT_ABANDON + MARGIN:
            right.add("short_abandon")
        if waited > SHORT_ABANDON - MARGIN:
            right.add("abandoned_in_queue")
    if cut:
        right |= {"failed", "abandoned_in_menu", "short_abandon", "abandoned_in_queue", "overflowed"}
    return frozenset(right)


def _offered(call: CitizenCall, row: Row) -> bool:
    """Did the PBX end it with its goodbye, after an offer which nobody here presses a key at?"""
    return (
        call.end == "pbx"
        and row.ended_by == "system"
        and row.outcome in ("overflowed", "voicemail_left")
        and call.asked_at is not None
        and (call.ended_at or 0) - call.asked_at > OFFER
    )


def _first_talk(call: CitizenCall) -> Talk | None:
    return next((talk for talk in call.talks if talk.answered_at is not None), None)


def _clock_set_in(call: CitizenCall, causes: Sequence[Cause]) -> bool:
    """Was the clock put forward or back between this call's first second and its last?"""
    begin, end = call.dialled_at - 1, (call.ended_at or call.dialled_at) + 1
    return any(begin <= step <= end for step in _steps(causes))


def _clock_set_at(moment: float, causes: Sequence[Cause]) -> bool:
    """Was the clock set at this moment, within what two observers may differ by?"""
    return any(abs(moment - step) < MARGIN for step in _steps(causes))


def _steps(causes: Sequence[Cause]) -> list[float]:
    return [moment for cause in causes if cause.kind == CLOCK for moment in (cause.begin, cause.end)]


def _judge_recording(
    verdict: Verdict, call: CitizenCall, row: Row, cut: bool, causes: Sequence[Cause]
) -> None:
    if row.recording == "kept":
        verdict.apart["recordings whole"] += 1
        return
    begin, end = call.dialled_at, call.ended_at or call.dialled_at
    full = [c for c in causes if c.kind == DISK and begin <= c.end + SETTLES and end >= c.begin]
    says = f"{row.uid} {row.recording}: {row.problem} ({row.seconds} s of {(row.talk_ms or 0) / 1000:.1f})"
    if row.recording == "explained":
        verdict.apart["recordings missing, explained by the hotline itself"] += 1
    elif full:
        verdict.apart[f"recordings {row.recording} because the disk was full"] += 1
    elif row.recording == "suspect" and _clock_set_in(call, causes):
        verdict.apart["recordings kept, their length doubted because the clock was set"] += 1
    elif cut:
        verdict.apart[f"recordings {row.recording} because Asterisk was killed"] += 1
    elif row.recording == "suspect":
        verdict.apart["recordings kept with a doubt"] += 1
        verdict.add("recording doubted", call.number, says)
    else:
        verdict.add("answered without recording", call.number, says)


def _judge_drop(verdict: Verdict, call: CitizenCall, rows: Sequence[Row], causes: Sequence[Cause]) -> None:
    if call.end in ("refused", "lost", ""):
        verdict.add("calls dropped", call.number, _story(call))
        return
    said_goodbye = any(
        talk.end == "phone"
        and talk.ended_at
        and -MARGIN <= (call.ended_at or 0) - talk.ended_at <= AFTER_AGENT
        for talk in call.talks
    )
    served = any(
        row.outcome in ("voicemail_left", "callback_requested", "self_served") or _offered(call, row)
        for row in rows
    )
    if call.end == "pbx" and not said_goodbye and not served:
        verdict.add("calls dropped", call.number, _story(call))
        return
    for talk in call.talks:
        alone = (call.ended_at or 0) - (talk.ended_at or call.ended_at or 0)
        if talk.answered_at and talk.end in ("pbx", "lost") and alone > MARGIN:
            if _clock_set_at(talk.ended_at or 0, causes):
                # Its telephone was taken for gone; the citizen was put back to the head of the queue.
                verdict.apart["talks broken off by a clock that was set, citizen back in the queue"] += 1
                continue
            verdict.add("calls dropped", call.number, f"the agent's leg was ended: {_story(call)}")
            return


def _story(call: CitizenCall) -> str:
    def at(moment: float | None) -> str:
        return "-" if moment is None else f"{moment - call.dialled_at:.1f}"

    talks = ", ".join(
        f"{t.seat} rung {at(t.rung_at)} answered {at(t.answered_at)} ended {at(t.ended_at)} {t.end}"
        for t in call.talks
    )
    return (
        f"dialled {call.dialled_at:.1f}, answered +{at(call.answered_at)}, asked +{at(call.asked_at)}, "
        f"ended +{at(call.ended_at)} by {call.end or 'nobody'} {call.code or ''}; seats: {talks or 'none'}"
    )


def judge_tickets(written: Iterable[Written], tickets: Iterable[Ticket]) -> Verdict:
    """Every ticket that a page has sent: there once, and acknowledged."""
    verdict = Verdict()
    there: dict[str, list[Ticket]] = defaultdict(list)
    for ticket in tickets:
        there[ticket.mark].append(ticket)
    for form in written:
        found = there.get(form.mark, [])
        verdict.apart["tickets written"] += 1
        verdict.apart["tickets sent more than once"] += form.tries > 1
        if len(found) > 1:
            verdict.add("tickets doubled", form.mark, ", ".join(one.number for one in found))
        if not found or form.number not in [one.number for one in found]:
            why = form.refused or ("not acknowledged" if not form.number else "acknowledged, not there")
            verdict.add("tickets lost", form.mark, f"{why} after {form.tries} tries, call {form.call_uid}")
    return verdict


def judge_seats(stuck: Iterable[Stuck]) -> Verdict:
    """Every seat that was shown wrongly for too long, or was not free at the end."""
    verdict = Verdict()
    for one in stuck:
        says = f"shown {one.shown}, telephone {one.telephone}, {one.seconds:.0f} s from {one.begin:.1f}"
        verdict.add("seats stuck", one.seat, says)
    return verdict


HITS: dict[str, frozenset[str]] = {
    "screens": frozenset(("cti", "desktop", "asterisk", "link", "clock")),
    "ledger": frozenset(("cti", "database", "asterisk", "clock", "journal")),
    "recordings": frozenset(("worker", "cti", "database", "asterisk", "disk", "clock")),
}
"""Which tracks' faults each sign may suffer from; whatever else makes it bad
is charged to the fault before it."""
LOGS_IN = frozenset(("desktop", "link"))
"""A page that has to come anew asks the database who it is."""


@dataclass(frozen=True)
class Blindness:
    """After one cause: seconds from its end until every sign that it may hit was good again."""

    cause: Cause
    seconds: float
    sign: str


def blindness(
    samples: Sequence[Sample], causes: Sequence[Cause], track: Mapping[str, str]
) -> list[Blindness]:
    """For each cause, in order of its end, the longest of its signs' recoveries.

    A bad stretch counts from the end of the last cause in it; while a cause that hits the sign lasts, nobody
    expects to see. A stretch that no cause of the sign explains is charged whole to the cause before it.
    `track`: the track of each kind.
    """
    ordered = sorted(causes, key=lambda cause: cause.end)
    worst: dict[Cause, tuple[float, str]] = {}
    for sign, looks in _by_sign(samples).items():
        for begin, end in _bad_stretches(looks):
            cause, seconds = _charged(sign, begin, end, ordered, track)
            if cause is not None and seconds > worst.get(cause, (0.0, ""))[0]:
                worst[cause] = (seconds, sign)
    return [Blindness(cause, *worst.get(cause, (0.0, ""))) for cause in ordered]


def _by_sign(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in sorted(samples, key=lambda one: one.at):
        found[sample.sign].append(sample)
    return found


def _bad_stretches(looks: Sequence[Sample]) -> list[tuple[float, float]]:
    """(first bad look, next good look or the last look) of each run of bad looks."""
    found, begin = [], None
    for look in looks:
        if not look.good and begin is None:
            begin = look.at
        elif look.good and begin is not None:
            found.append((begin, look.at))
            begin = None
    if begin is not None:
        found.append((begin, looks[-1].at))
    return found


def _charged(
    sign: str, begin: float, end: float, causes: Sequence[Cause], track: Mapping[str, str]
) -> tuple[Cause | None, float]:
    """Which cause a bad stretch of a sign is charged to, and its seconds after the end of that cause."""
    touching = [c for c in causes if c.begin <= end and c.end >= begin - SETTLES]
    tracks = {track[c.kind] for c in touching}
    hitting = HITS[sign] | ({"database"} if tracks & LOGS_IN else set())
    ours = [c for c in touching if track[c.kind] in hitting]
    if any(c.end >= end for c in ours):
        return None, 0.0
    if ours:
        return ours[-1], end - max(ours[-1].end, begin)
    before = [c for c in causes if c.begin <= end]
    return (before[-1], end - begin) if before else (None, 0.0)


def judge_blindness(found: Iterable[Blindness]) -> Verdict:
    """Each recovery that took SETTLES or longer."""
    verdict = Verdict()
    for one in found:
        if one.seconds >= SETTLES:
            says = f"{one.seconds:.1f} s ({one.sign}) after {one.cause.end:.1f} {one.cause.note}".strip()
            verdict.add("blind for 10 s or longer", one.cause.kind, says)
    return verdict


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """All of them as one."""
    whole = Verdict()
    for verdict in verdicts:
        whole.findings += verdict.findings
        whole.apart.update(verdict.apart)
    return whole
