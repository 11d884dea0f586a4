"""What a run of `hotline abuse` has to come to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SLOWER_MS = 1000.0
"""So much later may the slowest hundredth of calls and pops be than on the quiet line."""
MEMORY_MB = 300.0
"""So much more may Asterisk and the desktop have than on the quiet line."""


def verdicts(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """[{"aim", "measured", "met"}, ...]: of each phase against the quiet one, and of what was let in."""
    quiet, *phases = result["phases"]
    found = [_verdict("calls answered on the quiet line, of all", _share(quiet), _share(quiet) == 1.0)]
    for phase in phases:
        kind, share = phase["kind"], _share(phase)
        found.append(_verdict(f"{kind}: calls answered, of all", share, share == 1.0))
        for name, what in (("post_dial_ms", "post-dial delay"), ("pop_ms", "pop over HTTP")):
            later = _later(phase[name]["p99"], quiet[name]["p99"])
            found.append(
                _verdict(
                    f"{kind}: {what}, p99 ms later than quiet", later, later is not None and later < SLOWER_MS
                )
            )
        more = max(
            (
                phase["memory_mb"].get(part, 0.0) - quiet["memory_mb"].get(part, 0.0)
                for part in ("pbx", "desktop")
            ),
            default=0.0,
        )
        found.append(_verdict(f"{kind}: MB more", round(more, 1), more < MEMORY_MB))
    for name, guess in result["guesses"].items():
        found.append(
            _verdict(
                f"guesses at {name}: answered before silence",
                guess["answered"],
                guess["answered"] is not None and guess["right_password_after"] is None,
            )
        )
    inside = result["inside"]
    for name in ("channels_left", "ledger_rows_beyond_calls", "registered_strangers"):
        found.append(_verdict(name.replace("_", " "), inside[name], inside[name] == 0))
    alive = all(inside["parts_alive"].values())
    found.append(_verdict("every part is the process that it was", alive, alive))
    return found


def _share(phase: Mapping[str, Any]) -> float:
    return round(phase["answered"] / phase["calls"], 4) if phase["calls"] else 0.0


def _later(now: float | None, then: float | None) -> float | None:
    return None if now is None or then is None else round(now - then, 1)


def _verdict(aim: str, measured: Any, met: bool) -> dict[str, Any]:
    return {"aim": aim, "measured": measured, "met": met}
