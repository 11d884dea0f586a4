"""A desktop's copy of one PBX's floor: a snapshot, then numbered changes. Pure: no socket, no clock.

    (nothing) --snapshot--> following --change seq+1--> following
                               |  change of another epoch, or seq skipped
                               v
                        take_change says False: the owner asks for a new snapshot, shows what it has

Shapes are those of the link (epoch times in ms): seat {"seat", "agent", "presence", ...},
call {"uid", "state", "seat", ...}, queue {"queue", "waiting": [uid, ...]}, watch {"id", "by", "mode", ...},
trunk {"in_use"}. A change of kind "journal" says that the ledger has new rows; it is no fact and is not kept.
"""

from __future__ import annotations

from typing import Any

Fact = dict[str, Any]


class Replica:
    """The floor of one PBX as last told. `seats`, `calls`, `queues` map an id to the fact as sent."""

    def __init__(self) -> None:
        self.pbx: str | None = None
        self.epoch: str | None = None
        self.seq = -1
        self.connected = False
        self.blind_since: int | None = None
        self.seats: dict[str, Fact] = {}
        self.calls: dict[str, Fact] = {}
        self.queues: dict[str, Fact] = {}
        self.watches: dict[str, Fact] = {}
        """Who listens in on whom, by the supervisor's login."""
        self.trunk: Fact = {"in_use": 0}

    def seat(self, number: str) -> Fact | None:
        return self.seats.get(number)

    def call(self, uid: str) -> Fact | None:
        return self.calls.get(uid)

    def take_snapshot(self, snapshot: Fact) -> bool:
        """Replace everything by `snapshot`. False, and nothing changed, where it is older than what we have.

        Raises KeyError where a part of the snapshot is missing.
        """
        epoch, seq = snapshot["epoch"], snapshot["seq"]
        if epoch == self.epoch and seq < self.seq:
            return False
        seats = {seat["seat"]: seat for seat in snapshot["seats"]}
        calls = {call["uid"]: call for call in snapshot["calls"]}
        queues = {queue["queue"]: queue for queue in snapshot["queues"]}
        self.pbx, self.epoch, self.seq = snapshot["pbx"], epoch, seq
        self.connected, self.blind_since = snapshot["connected"], snapshot["blind_since"]
        self.seats, self.calls, self.queues = seats, calls, queues
        self.watches = {watch["id"]: watch for watch in snapshot.get("watches", ())}
        self.trunk = snapshot.get("trunk", {"in_use": 0})
        return True

    def take_change(self, change: Fact) -> bool:
        """Apply one numbered change. A change seen before is ignored (True).

        False means a gap: a number was skipped, the cti has started anew, or no snapshot has come yet.
        """
        if change["epoch"] != self.epoch or change["seq"] > self.seq + 1:
            return False
        if change["seq"] <= self.seq:
            return True
        for part in change["changes"]:
            self._apply(part["kind"], part["id"], part["value"])
        self.seq = change["seq"]
        return True

    def _apply(self, kind: str, key: str, value: Fact | None) -> None:
        if kind == "link":
            if value is not None:
                self.connected, self.blind_since = value["connected"], value["blind_since"]
            return
        if kind == "trunk":
            self.trunk = value or {"in_use": 0}
            return
        kinds = {"seat": self.seats, "call": self.calls, "queue": self.queues, "watch": self.watches}
        facts = kinds.get(kind)
        if facts is None:
            return  # a kind that a newer cti knows and this desktop does not show
        if value is None:
            facts.pop(key, None)
        else:
            facts[key] = value
