"""The replica of the floor: snapshot plus changes is what a fresh snapshot says."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cti.link.replica import Replica

SEATS, CALLS, QUEUES = ["8001", "8002", "8003"], ["pbx1-1.1", "pbx1-1.2"], ["consultation", "complaint"]


def snapshot(seq: int = 10, epoch: str = "e1", **parts: Any) -> dict[str, Any]:
    return {
        "pbx": "pbx1",
        "epoch": epoch,
        "seq": seq,
        "connected": True,
        "blind_since": None,
        "seats": [],
        "calls": [],
        "queues": [],
    } | parts


def change(seq: int, *changes: dict[str, Any], epoch: str = "e1") -> dict[str, Any]:
    return {"pbx": "pbx1", "epoch": epoch, "seq": seq, "event_at": None, "changes": list(changes)}


def seat_change(number: str, **facts: Any) -> dict[str, Any]:
    return {"kind": "seat", "id": number, "value": {"seat": number, **facts}}


def state(replica: Replica) -> tuple[Any, ...]:
    return (
        replica.epoch,
        replica.seq,
        replica.connected,
        replica.blind_since,
        replica.seats,
        replica.calls,
        replica.queues,
    )


def test_a_change_before_any_snapshot_is_a_gap() -> None:
    assert not Replica().take_change(change(0, seat_change("8001")))


def test_the_next_change_is_applied_and_a_skipped_number_is_a_gap() -> None:
    replica = Replica()
    replica.take_snapshot(snapshot())
    assert replica.take_change(change(11, seat_change("8001", presence="ready")))
    assert not replica.take_change(change(13, seat_change("8001", presence="not_ready")))
    seat = replica.seat("8001")
    assert seat is not None
    assert seat["presence"] == "ready"
    assert replica.seq == 11


def test_a_repeated_change_is_ignored() -> None:
    replica = Replica()
    replica.take_snapshot(snapshot())
    replica.take_change(change(11, seat_change("8001", presence="ready")))
    replica.take_change(change(12, seat_change("8001", presence="not_ready")))
    assert replica.take_change(change(11, seat_change("8001", presence="ready")))
    seat = replica.seat("8001")
    assert seat is not None
    assert seat["presence"] == "not_ready"


def test_a_change_of_another_epoch_is_a_gap_until_its_snapshot_comes() -> None:
    replica = Replica()
    replica.take_snapshot(snapshot(seq=500))
    assert not replica.take_change(change(1, seat_change("8001"), epoch="e2"))
    assert replica.take_snapshot(snapshot(seq=1, epoch="e2"))
    assert replica.take_change(change(2, seat_change("8001"), epoch="e2"))


def test_a_snapshot_overtaken_by_changes_is_ignored() -> None:
    replica = Replica()
    replica.take_snapshot(snapshot(seq=10))
    replica.take_change(change(11, seat_change("8001")))
    assert not replica.take_snapshot(snapshot(seq=10))
    assert replica.seat("8001") is not None


def test_gone_means_gone_and_an_unknown_kind_is_passed_over() -> None:
    replica = Replica()
    replica.take_snapshot(snapshot(calls=[{"uid": "pbx1-1.1", "state": "queue"}]))
    assert replica.take_change(
        change(
            11, {"kind": "call", "id": "pbx1-1.1", "value": None}, {"kind": "weather", "id": "x", "value": {}}
        )
    )
    assert replica.call("pbx1-1.1") is None


def test_the_pbx_going_blind_is_a_change_too() -> None:
    replica = Replica()
    replica.take_snapshot(snapshot())
    replica.take_change(
        change(11, {"kind": "link", "id": "pbx1", "value": {"connected": False, "blind_since": 99}})
    )
    assert (replica.connected, replica.blind_since) == (False, 99)


def _part(kind: str, key: str, ids: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    value = st.one_of(st.none(), st.integers(0, 5))
    return st.builds(
        lambda i, v: {"kind": kind, "id": i, "value": None if v is None else {key: i, "v": v}},
        st.sampled_from(ids),
        value,
    )


parts = st.one_of(
    _part("seat", "seat", SEATS),
    _part("call", "uid", CALLS),
    _part("queue", "queue", QUEUES),
    st.builds(
        lambda c: {"kind": "link", "id": "pbx1", "value": {"connected": c, "blind_since": None}},
        st.booleans(),
    ),
)


def _truth_after(changes: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """What a cti that made these changes would send as a fresh snapshot."""
    facts: dict[str, dict[str, Any]] = {"seat": {}, "call": {}, "queue": {}}
    connected = True
    for change_parts in changes:
        for part in change_parts:
            if part["kind"] == "link":
                connected = part["value"]["connected"]
            elif part["value"] is None:
                facts[part["kind"]].pop(part["id"], None)
            else:
                facts[part["kind"]][part["id"]] = part["value"]
    return snapshot(
        seq=10 + len(changes),
        connected=connected,
        seats=list(facts["seat"].values()),
        calls=list(facts["call"].values()),
        queues=list(facts["queue"].values()),
    )


@given(st.lists(st.lists(parts, max_size=3), max_size=12), st.data())
def test_snapshot_and_changes_equal_a_fresh_snapshot(changes: list[list[dict[str, Any]]], data: Any) -> None:
    """Whatever the changes, however often each is repeated, and wherever the copy was joined in."""
    followed = Replica()
    joined_at = data.draw(st.integers(0, len(changes)))
    followed.take_snapshot(_truth_after(changes[:joined_at]))
    for number, change_parts in enumerate(changes[joined_at:], start=11 + joined_at):
        for _ in range(data.draw(st.integers(1, 2))):
            assert followed.take_change(change(number, *change_parts))
    fresh = Replica()
    fresh.take_snapshot(_truth_after(changes))
    assert state(followed) == state(fresh)
