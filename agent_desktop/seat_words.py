"""The state of a seat as one word. Pure."""

from __future__ import annotations

from typing import Any


def seat_word(seat: dict[str, Any] | None) -> str:
    """The seat's state as one word: the call before the presence, as on the agent's own screen."""
    if seat is None or not seat["agent"] or seat["presence"] == "signed_out":
        return "signed_out"
    if seat["activity"] != "idle":
        return str(seat["activity"])
    if not seat["reachable"]:
        return "unreachable"
    return "after_call" if seat["reason"] == "after_call" else str(seat["presence"])
