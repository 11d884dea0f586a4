"""The made-up floor keeps the cti's rules: what a desktop is shown is what a cti would show it."""

from __future__ import annotations

from datetime import UTC, datetime

from cti import floor as f
from cti.journal import parse
from cti.link.replica import Replica
from hotline.bench.made_floor import AFTER_CALL, PATIENCE, RING, MadeFloor

TALK = 20.0


def played(seconds: float, seats: int = 6, rate: float = 0.2) -> tuple[MadeFloor, list[str], f.Floor]:
    """A floor after so many seconds of its day, its journal, and the floor it began with."""
    lines: list[str] = []

    def write(line: str) -> int:
        lines.append(line)
        return len(line)

    made = MadeFloor("pbx1", seats, rate, TALK, write)
    return made, lines, made.floor


def test_a_call_rings_talks_ends_and_the_seat_is_ready_again() -> None:
    made, lines, begun = played(0)
    assert all(seat.reachable and seat.presence == "ready" for seat in begun.seats.values())
    states: list[str] = []
    for second in range(round(RING + TALK + AFTER_CALL) + 2):
        for _, changes in made.due(second):
            states += [seat.activity for number, seat in changes.seats.items() if number == "8001"]
    assert [state for n, state in enumerate(states) if n == 0 or states[n - 1] != state] == [
        "ringing",
        "talking",
        "idle",
    ]
    assert made.floor.seats["8001"].presence == "ready"
    assert all(parse(line.rstrip(), datetime.now(UTC)).understood for line in lines), lines


def test_one_in_twenty_gives_up_and_nothing_is_left_of_anybody() -> None:
    made, lines, _ = played(0, rate=1, seats=40)
    list(made.due(19.5))
    assert made.calls == 20
    list(made.due(19.5 + PATIENCE))
    assert sum("|ABANDON|" in line for line in lines) == 1
    waiting = {uid for uids in made.floor.queues.values() for uid in uids}
    assert len(waiting) <= 1


def test_the_changes_make_of_a_snapshot_what_the_floor_is() -> None:
    made, _, begun = played(0, rate=1, seats=40)
    replica = Replica()
    replica.take_snapshot(
        {"pbx": "pbx1", "epoch": "e", "seq": 0, "connected": True, "blind_since": None} | begun.as_dict()
    )
    for seq, (at, changes) in enumerate(made.due(60), start=1):
        change = {"pbx": "pbx1", "epoch": "e", "seq": seq, "event_at": at, "changes": changes.as_list()}
        assert replica.take_change(change)
    now = made.floor.as_dict()
    assert replica.seats == {seat["seat"]: seat for seat in now["seats"]}
    assert replica.calls == {call["uid"]: call for call in now["calls"]}
