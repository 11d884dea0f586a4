"""The floor, held by what a real Asterisk said.

`tests/streams/*.txt` are recorded AMI streams (fields that nobody reads cut out), with the replies to
QueueStatus, CoreShowChannels and DeviceStateList of quiet moments between `Snapshot: begin` and `end`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cti import asterisk_words as words
from cti.ami import Message, decode
from cti.floor import (
    CallEnded,
    CallQueued,
    Changes,
    Event,
    Floor,
    FloorCall,
    HelpAsked,
    RingEnded,
    Seat,
    SeatAnswered,
    SeatLeft,
    SeatRang,
    agreed,
    apply,
    difference,
)

STREAMS = Path(__file__).resolve().parents[1] / "streams"
SEATS = ("8001", "8002", "8003")


@dataclass
class Snapshot:
    """What Asterisk answered at one quiet moment."""

    at: int
    queues: list[Message] = field(default_factory=list)
    channels: list[Message] = field(default_factory=list)
    devices: list[Message] = field(default_factory=list)

    def take(self, message: Message) -> None:
        kinds = {"CoreShowChannel": self.channels, "DeviceStateChange": self.devices}
        kinds.get(message["Event"], self.queues).append(message)

    def floor(self) -> Floor:
        return words.floor_of(SEATS, self.queues, self.channels, self.devices, self.at)


def read(story: str) -> list[Snapshot | Message]:
    """The story's snapshots and events in the order in which Asterisk sent them."""
    items: list[Snapshot | Message] = []
    taking: Snapshot | None = None
    for block in (STREAMS / f"{story}.txt").read_text().strip().split("\n\n"):
        message = decode(block.replace("\n", "\r\n").encode())
        if message.get("Snapshot") == "begin":
            taking = Snapshot(int(message["At"]))
            items.append(taking)
        elif message.get("Snapshot") == "end":
            taking = None
        elif taking:
            taking.take(message)
        else:
            items.append(message)
    return items


STORIES = {path.stem: read(path.stem) for path in sorted(STREAMS.glob("*.txt"))}
MESSAGES = [item for story in STORIES.values() for item in story if isinstance(item, dict)]
UIDS = {uid for message in MESSAGES if (uid := words.variables(message).get("HL_CALL"))}
EMPTY = Floor(seats={number: Seat(number) for number in SEATS})
stories = pytest.mark.parametrize("story", STORIES)
WITH_TRUNK = {
    story
    for story, items in STORIES.items()
    if any(isinstance(item, dict) and item["Event"] == "Newchannel" for item in items)
}
"""The older ones were recorded before the trunk's channels were counted."""


def told(floor: Floor, *messages: Message) -> Floor:
    for message in messages:
        for event in words.events_of(message):
            floor = floor.with_changes(apply(floor, event))
    return floor


def first(story: str) -> Floor:
    opening = STORIES[story][0]
    assert isinstance(opening, Snapshot)
    return opening.floor()


def floors(story: str) -> Iterator[tuple[Message, Floor]]:
    """Each event of a story with the floor after it."""
    floor = first(story)
    for item in STORIES[story]:
        if isinstance(item, dict):
            floor = told(floor, item)
            yield item, floor


def walked(story: str) -> list[str]:
    """What the seats and the call went through, without repetition: "8001 ringing", "consultation 1"."""
    seen: list[str] = []
    before = first(story)
    for _, floor in floors(story):
        for change in difference(before, floor).as_list():
            value, number = change["value"], change["id"]
            if change["kind"] == "seat" and value["presence"] != "signed_out":
                seen.append(f"{number} {value['activity']} {value['reason'] or 'ready'}")
            elif change["kind"] == "seat":
                seen.append(f"{number} out")
            elif change["kind"] == "queue":
                seen.append(f"{number} {len(value['waiting'])}")
            else:
                seen.append(f"call {value['state'] if value else 'gone'}")
        before = floor
    return seen


# --- what happens --------------------------------------------------------------------------------------

TALK = """consultation 1, call queue, 8001 ringing ready, call ringing, consultation 0, 8001 talking ready,
    call talking, 8001 idle ready, call gone, 8001 idle after_call, 8001 idle ready"""


@pytest.mark.parametrize("story", ["answered", "citizen-hangs-up"])
def test_a_talk_goes_through_queue_ring_talk_and_after_call_work(story: str) -> None:
    acts = [act.strip() for act in TALK.split(",")]
    # One event may change a seat, a call and a queue: their order within it means nothing.
    assert sorted(walked(story)) == sorted(acts)
    assert [act for act in walked(story) if act[0] == "8"] == [act for act in acts if act[0] == "8"]
    assert [act for act in walked(story) if act[:4] == "call"] == [act for act in acts if act[:4] == "call"]


@pytest.mark.parametrize(
    ("story", "seats"),
    [
        ("abandoned-while-ringing", "8001 ringing ready,8001 idle ready"),
        ("abandoned-in-queue", ""),
        ("signs-in-and-out", "8001 idle signed_in,8001 idle ready,8001 idle meal,8001 out"),
        (
            "held",
            "8001 ringing ready,8001 talking ready,8001 holding ready,8001 talking ready,"
            "8001 idle ready,8001 idle after_call,8001 idle ready",
        ),
    ],
)
def test_seats_go_through(story: str, seats: str) -> None:
    seen = [act for act in walked(story) if act[0] == "8"]
    assert [act for n, act in enumerate(seen) if n == 0 or act != seen[n - 1]] == (
        seats.split(",") if seats else []
    )


def test_a_transferred_citizen_comes_to_the_other_seat_and_the_first_is_free() -> None:
    after = [floor for _, floor in floors("transferred")]
    talks = [
        tuple(seat.seat for seat in floor.seats.values() if seat.activity == "talking") for floor in after
    ]
    assert [talk for n, talk in enumerate(talks) if n == 0 or talk != talks[n - 1]] == [
        (), ("8001",), (), ("8002",), (),
    ]  # fmt: skip
    queues = [call.queue for floor in after for call in floor.calls.values()]
    assert list(dict.fromkeys(queues)) == ["consultation", "complaint"]
    answers = {
        (call.seat, call.answered_at)
        for floor in after
        for call in floor.calls.values()
        if call.state == "talking"
    }
    assert len(answers) == 2, "each talk has the time of its own answer"


@pytest.mark.parametrize(
    ("story", "states"),
    [
        ("consulted-and-back", "queue ringing talking consulting talking"),
        (
            "three-way-and-handed-over",
            "queue ringing talking consulting three_way talking consulting talking",
        ),
        ("transferred-to-a-seat", "queue ringing talking ringing talking"),
        ("dialled-out", "dialing talking"),
    ],
)
def test_a_call_goes_through(story: str, states: str) -> None:
    seen = [call.state for _, floor in floors(story) for call in floor.calls.values()]
    assert " ".join(state for n, state in enumerate(seen) if n == 0 or state != seen[n - 1]) == states


def test_a_party_has_a_seat_of_its_own_and_takes_the_call_over() -> None:
    after = [
        (call, floor) for _, floor in floors("three-way-and-handed-over") for call in floor.calls.values()
    ]
    asked = [(call, floor) for call, floor in after if call.state == "consulting" and call.party]
    assert {(call.seat, call.party.seat) for call, _ in asked if call.party} == {("8001", "8002")}
    assert {floor.seats["8002"].activity for _, floor in asked} == {"ringing", "talking"}
    last, floor = after[-1]
    assert (last.seat, last.state, last.party) == ("8002", "talking", None)
    assert floor.seats["8001"].call is None


def test_a_kept_place_waits_then_dials_then_talks_with_the_citizen() -> None:
    ours = [
        call
        for _, floor in floors("called-back-from-the-queue")
        for call in floor.calls.values()
        if call.kind == "callback"
    ]
    seen = [call.state for call in ours]
    assert list(dict.fromkeys(seen)) == ["queue", "ringing", "dialing", "talking"]
    assert {call.caller for call in ours} == {"19900000005"}
    assert len({call.callback_of for call in ours}) == 1
    assert ours[-1].channel.startswith("PJSIP/trunk-"), "what is done to the citizen is done to this channel"


def test_a_refused_ring_goes_back_to_the_queue_and_pauses_the_seat() -> None:
    story = "ring-refused-then-answered-elsewhere"
    after = [floor for _, floor in floors(story)]
    paused = next(floor for floor in after if floor.seats["8002"].reason == "no_answer")
    assert paused.seats["8002"].activity == "idle"
    (waiting,) = paused.calls.values()
    assert (waiting.state, waiting.seat, waiting.ringing_at) == ("queue", None, None)
    assert any(floor.seats["8001"].activity == "talking" for floor in after)


def test_who_waits_stands_in_order_and_goes_when_giving_up() -> None:
    lengths = [len(floor.queues["consultation"]) for _, floor in floors("abandoned-in-queue")]
    assert [n for k, n in enumerate(lengths) if k == 0 or n != lengths[k - 1]] == [1, 2, 1, 0]
    two = next(f for _, f in floors("abandoned-in-queue") if len(f.queues["consultation"]) == 2)
    arrivals = [two.calls[uid].queued_at or 0 for uid in two.queues["consultation"]]
    assert arrivals == sorted(arrivals)
    assert {call.caller for call in two.calls.values()} == {"13812345672", "13812345673"}


def test_a_call_that_is_taken_over_stays_on_the_floor_and_frees_its_seat() -> None:
    seen = [
        (call.seat, call.taken_by)
        for _, floor in floors("taken-over")
        for call in floor.calls.values()
        if call.state == "talking"
    ]
    assert list(dict.fromkeys(seen)) == [("8001", None), (None, "leader01")]
    taken = [floor for _, floor in floors("taken-over") if any(c.taken_by for c in floor.calls.values())]
    assert {floor.seats["8001"].activity for floor in taken} == {"idle"}
    assert {floor.seats["8003"].activity for floor in taken} == {"idle"}, (
        "the supervisor's phone is no seat's"
    )
    (call,) = taken[0].calls.values()
    assert call.asked_at
    assert call.answered_at
    assert call.asked_at < call.answered_at


def test_the_trunks_channels_are_counted_from_arrival_to_hang_up() -> None:
    counts = [len(floor.trunk) for _, floor in floors("taken-over")]
    assert [n for i, n in enumerate(counts) if i == 0 or n != counts[i - 1]] == [1, 0]


def test_help_is_lit_and_put_out_and_goes_out_with_the_agent() -> None:
    seats = {"8001": Seat("8001", agent="agent01", presence="ready", queues=("consultation",))}
    lit = Floor(seats).with_changes(apply(Floor(seats), HelpAsked(7, "8001", asked=True)))
    assert lit.seats["8001"].as_dict()["help_since"] == 7
    assert apply(lit, HelpAsked(8, "8001", asked=True)) == Changes()
    assert words.keeping_holds(lit, Floor(seats)).seats["8001"].help_since == 7, "Asterisk cannot tell it"
    off = lit.with_changes(apply(lit, HelpAsked(9, "8001", asked=False)))
    assert off.seats["8001"].help_since is None
    out = lit.with_changes(apply(lit, SeatLeft(9, "8001", "consultation")))
    assert out.seats["8001"].help_since is None


def test_an_unplugged_telephone_is_unreachable_until_it_is_back() -> None:
    seen = [floor.seats["8001"].reachable for _, floor in floors("telephone-unplugged")]
    assert [there for n, there in enumerate(seen) if n == 0 or there != seen[n - 1]] == [False, True]


def test_a_call_carries_name_number_path_and_times() -> None:
    call = next(c for _, floor in floors("answered") for c in floor.calls.values() if c.state == "talking")
    assert (call.caller, call.caller_name) == ("13812345678", "A,b|c ${X} <i>")
    assert call.path[-1] == ("main", "1")
    times = [call.arrived_at, call.queued_at, call.ringing_at, call.answered_at]
    assert times == sorted({at for at in times if at})
    shown = call.as_dict()
    assert "channel" not in shown
    assert "seat_channel" not in shown


# --- snapshots and events agree ------------------------------------------------------------------------


@stories
def test_snapshot_plus_events_is_the_next_snapshot(story: str) -> None:
    floor, compared = first(story), 0
    for item in STORIES[story][1:]:
        if isinstance(item, dict):
            floor = told(floor, item)
            continue
        fresh = words.keeping_holds(floor, item.floor())
        if story not in WITH_TRUNK:
            fresh = replace(fresh, trunk=floor.trunk)
        assert difference(floor, fresh) == Changes()
        assert difference(fresh, floor) == Changes()
        compared += 1
    assert compared


@stories
def test_events_of_before_a_snapshot_end_in_the_same_floor(story: str) -> None:
    """After a reconnect the events that came while the snapshot was taken are given after it."""
    before: list[Message] = []
    for item in STORIES[story]:
        if isinstance(item, dict):
            before.append(item)
            continue
        fresh = item.floor()
        for n in range(len(before)):
            late = told(fresh, *before[n:])
            if story not in WITH_TRUNK:
                late = replace(late, trunk=fresh.trunk)
            assert difference(late, words.keeping_holds(late, fresh)) == Changes()


@stories
def test_an_event_that_comes_twice_changes_nothing(story: str) -> None:
    for message, floor in floors(story):
        for event in words.events_of(message):
            assert apply(floor, event) == Changes(), message


@stories
def test_at_the_end_nothing_is_left(story: str) -> None:
    *_, (_, floor) = floors(story)
    assert not floor.calls
    assert not any(floor.queues.values())
    assert {(seat.activity, seat.call) for seat in floor.seats.values()} == {("idle", None)}


@settings(max_examples=60)
@given(st.lists(st.sampled_from(MESSAGES), max_size=60))
def test_any_order_never_breaks_and_the_end_of_a_call_frees_every_seat(messages: list[Message]) -> None:
    floor = told(EMPTY, *messages)
    for number, seat in floor.seats.items():
        assert seat.seat == number
        assert (seat.call is None) == (seat.activity == "idle")
        assert (seat.agent is None) == (seat.presence == "signed_out")
    floor.as_dict()
    for uid in UIDS:
        floor = floor.with_changes(apply(floor, CallEnded(9, uid)))
        assert apply(floor, CallEnded(10, uid)) == Changes()
    assert not floor.calls
    assert not any(floor.queues.values())
    assert all(seat.activity == "idle" for seat in floor.seats.values())


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(sorted({k for m in MESSAGES for k in m})), st.text(max_size=12)))
def test_a_message_with_strange_fields_gives_events_or_a_plain_error(strange: dict[str, str]) -> None:
    for message in MESSAGES[::9]:
        try:
            told(EMPTY, {**message, **strange, "Event": message["Event"]})
        except (KeyError, ValueError, IndexError, OverflowError):
            continue


def test_a_seat_busy_with_another_call_is_not_freed_by_an_old_one() -> None:
    def after(floor: Floor, *events: Event) -> Floor:
        for event in events:
            floor = floor.with_changes(apply(floor, event))
        return floor

    old, new = FloorCall("pbx1-1.1"), FloorCall("pbx1-1.2")
    floor = after(EMPTY, SeatAnswered(1, "8001", old), SeatRang(2, "8001", new))
    floor = after(floor, RingEnded(3, "8001", old.uid), CallEnded(4, old.uid))
    assert (floor.seats["8001"].call, floor.seats["8001"].activity) == (new.uid, "ringing")


def test_a_call_that_jumps_the_queue_stands_where_asterisk_put_it() -> None:
    floor = EMPTY
    for uid, position in (("a", 1), ("b", 2), ("c", 1)):
        floor = floor.with_changes(apply(floor, CallQueued(1, FloorCall(uid), "consultation", position)))
    assert floor.queues == {"consultation": ("c", "a", "b")}


@pytest.mark.parametrize(
    ("interface", "seat"),
    [
        ("PJSIP/8001", "8001"),
        ("PJSIP/8001w", "8001"),
        ("PJSIP/8001-0000001f", "8001"),
        ("PJSIP/8001w-0000001f", "8001"),
        ("PJSIP/trunk-00000001", None),
        ("Local/8001@x-1;2", None),
        ("PJSIP/8001\n", None),
        ("", None),
    ],
)
def test_a_seat_is_read_from_interfaces_and_channels_alone(interface: str, seat: str | None) -> None:
    assert words.seat_of(interface) == seat


def test_only_what_two_looks_found_alike_is_corrected() -> None:
    stuck = Seat("8001", agent="agent01", presence="ready", activity="talking", call="u1")
    free = Seat("8001", agent="agent01", presence="ready")
    passing = Seat("8002", agent="agent02", presence="ready", activity="ringing", call="u2")
    seats = {"8001": free, "8002": passing}
    first = Changes(seats=seats, calls={"u1": None}, queues={"dialect": ("u3",)})
    second = Changes(seats={"8001": free}, calls={"u1": None}, queues={"dialect": ()})
    assert agreed(first, second) == Changes(seats={"8001": free}, calls={"u1": None})
    assert not agreed(Changes(seats={"8001": stuck}), second).seats
