"""On whose seats a person may act from the live floor. Pure.

    supervisor, administrator   every seat, and what concerns the whole floor (queues, overflow, settings)
    shift_leader                seats whose agent is in the own group; without a group: every seat
    everybody else              none

Everybody who may act sees the whole floor; this is about listening, forcing and moving only.
"""

from __future__ import annotations

OF_THE_WHOLE_FLOOR = frozenset({"supervisor", "administrator"})
"""Roles (`db.models.User.role`) that switch queues, set overflow rules and act on every seat."""


def may_act_on(role: str, group: int | None, agent_group: int | None) -> bool:
    """Whether someone with this role and group (id, None: no group) may act on a seat whose signed-in agent
    is in `agent_group`."""
    if role in OF_THE_WHOLE_FLOOR:
        return True
    return role == "shift_leader" and (group is None or group == agent_group)
