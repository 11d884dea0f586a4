"""The growth model's figures in words and tables: its part of docs/capacity/README.md. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SHOWN = (
    ("Asterisk's processors", "Asterisk"),
    ("RTP ports of a node", "RTP ports"),
    ("places in one queue", "queue places"),
    ("cti (one process)", "cti"),
    ("worker (one thread)", "worker"),
    ("desktop (one process)", "desktop"),
    ("pages of a desktop", "pages"),
    ("memory of a desktop", "its memory"),
    ("PostgreSQL's commits", "commits"),
    ("PostgreSQL's connections", "connections"),
)
"""Parts that have a column, and what stands over it."""
ORDER_SHOWN = 8


def section(result: Mapping[str, Any]) -> str:
    """Markdown, with its heading; drawings are beside it. Raises KeyError for results of another part."""
    blocks = (
        "## Growth: 150 to 3,000 seats",
        _steps(result),
        "![How full each part is](growth-parts.svg)",
        _order(result),
        _machines(result),
        _split(result),
        "![Answered in 15 s, by how calls are spread over nodes](growth-split.svg)",
        _day(result),
        _check(result),
        _units(result),
    )
    return "\n\n".join(blocks) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _percent(share: float, digits: int = 0) -> str:
    return f"{share * 100:.{digits}f} %"


def _mark(used: float) -> str:
    return f"**{_percent(used)}**" if used > 1 else _percent(used)


def _steps(result: Mapping[str, Any]) -> str:
    rows = []
    for step in result["steps"]:
        used = {part["name"]: part["used"] for part in step["parts"]}
        rows.append(
            [
                f"{step['nodes']} / {step['desktops']}",
                f"{step['seats']:,}",
                f"{step['calls_a_day']:,}",
                f"{step['busy_hour']['calls_per_second']:.1f}",
                *(_mark(used[name]) for name, _ in SHOWN),
            ]
        )
    first = result["steps"][0]
    alone = "; ".join(
        f"`{kind}` {sum(cores.values()):.2f} cores, of them Asterisk {cores['asterisk']:.2f}"
        for kind, cores in result["one_machine"].items()
    )
    return (
        "Peak day of [the scenario](../../hotline/load/city_day.yaml), with "
        f"{first['calls_a_day'] / first['seats']:.0f} calls for each seat at every size: in the busy hour "
        f"all seats talk, and {_percent(first['busy_hour']['hung_up'])} of the citizens hang up. Recorder "
        f"`{result['recorder']}`, PostgreSQL, nodes of {result['limits']['node_cores']} cores. How full "
        "each part is then (a core is full at 70 %, everything else at its limit; **bold** is too much):\n\n"
        + _table(["nodes / desktops", "seats", "calls/day", "calls/s", *(label for _, label in SHOWN)], rows)
        + f"\n\n150 seats, everything on one machine, without what makes the load, by recorder: {alone}. "
        "MixMonitor is armed before the queue, so that it costs for those who wait, too."
    )


def _from(full: Mapping[str, Any]) -> tuple[str, str]:
    """Seats and calls; what does not depend on them is full from the first on."""
    if full["seats"] <= 1:
        return "any", "any"
    return f"{full['seats']:,}", f"{full['calls_a_day']:,.0f}"


def _order(result: Mapping[str, Any]) -> str:
    def rows(key: str) -> list[list[str]]:
        return [
            [
                str(n),
                one["part"],
                *_from(one),
                one["limit_is"],
                one["then"],
            ]
            for n, one in enumerate(result[key][:ORDER_SHOWN], start=1)
        ]

    head = ["", "full", "from seats", "calls/day", "limit is", "then"]
    return (
        "What is full first while nothing but seats and calls is added. One node, one desktop:\n\n"
        + _table(head, rows("order_on_one_node"))
        + "\n\nEight nodes, thirteen desktops, everything else as shipped:\n\n"
        + _table(head, rows("order_on_eight_nodes"))
        + "\n\n`measured` limits are of this machine; `configured` ones are one line to change; `assumed` "
        "ones (that a core is full at 70 %, that Asterisk uses eight cores as well as two) were not "
        "reached here."
    )


def _machines(result: Mapping[str, Any]) -> str:
    rows = []
    for step in result["steps"]:
        one = step["machines"]
        rows.append(
            [
                f"{step['seats']:,}",
                f"{one['nodes']} × {one['node_cores']} cores, {one['node_memory_gb']} GB",
                f"{one['desktops']} × {one['desktop_memory_gb']:.1f} GB",
                f"{one['database_cores']} cores, {one['database_memory_gb']} GB",
                f"{one['cores']} cores, {one['memory_gb']} GB",
                f"{one['archive_tb']:,.0f}",
                f"{one['database_tb']:.1f}",
                f"{one['trunk_channels']:,}, {one['trunk_megabits']:.0f} Mbit/s",
                f"{step['seats_for_the_norm']:,}, {step['agents_on_the_roster']:,}",
            ]
        )
    head = [
        *("seats", "nodes", "desktops", "database", "together", "archive, TB", "ledger, TB"),
        *("trunk channels", "seats, roster for the norm"),
    ]
    return (
        "What it costs in machines. Archive and ledger: three years, mean day 70 % of the peak day, one "
        "copy. Last column: who would be needed for 95 % in 15 s in that busy hour, with 30 % shrinkage:\n\n"
        + _table(head, rows)
        + "\n\nPeople cost most, then the recordings' disks; processors are a few servers at every size."
    )


def _played(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table(
        ["", "in 15 s", "by Erlang", "hang up", "mean wait, s", "longest, s", "handed on"],
        [
            [
                one["name"],
                _percent(one["in_time_share"], 1),
                _percent(one["formula"]["in_time_share"], 1) if one["formula"] else "–",
                _percent(one["hung_up_share"], 1),
                f"{one['mean_wait']:.1f}",
                f"{one['longest_wait']:.0f}",
                f"{one['carried_on']:,}",
            ]
            for one in rows
        ],
    )


def _split(result: Mapping[str, Any]) -> str:
    played = result["simulated"]
    return (
        "Eight Asterisks have eight queues. Played call by call, two hours of a volume that one queue of all "
        "3,000 seats just carries within the norm, spread over eight nodes in different ways:\n\n"
        + _played(played["split"])
        + "\n\nA special desk is chosen in the menu, when the node has been chosen already:\n\n"
        + _played(played["special_desk"])
        + "\n\nSo the dispatcher counts calls and takes the node with the fewest (eight queues are then as "
        "good as one), log-in gives an agent the node with the fewest seats, and a special desk has all its "
        "seats at one node."
    )


def _day(result: Mapping[str, Any]) -> str:
    return "The largest day, played call by call over eight nodes, fewest calls first:\n\n" + _table(
        ["", "calls", "answered", "hang up", "dropped", "in 15 s", "most waiting", "most calls in a node"],
        [
            [
                one["name"],
                f"{one['offered']:,}",
                f"{one['answered']:,}",
                f"{one['hung_up']:,}",
                f"{one['dropped']:,}",
                _percent(one["in_time_share"], 1),
                f"{one['most_waiting']:,}",
                f"{one['most_calls']:,}",
            ]
            for one in result["simulated"]["day"]
        ],
    )


def _check(result: Mapping[str, Any]) -> str:
    rows = [
        [
            one["point"],
            one["part"],
            f"{one['measured']:.3f}",
            f"{one['model']:.3f}",
            f"{one['error'] * 100:+.0f} %",
            one["used"],
        ]
        for one in result["check"]
    ]
    played = [
        [
            one["name"],
            f"{_percent(one['in_time_share'], 1)} / {_percent(one['formula']['in_time_share'], 1)}",
            f"{_percent(one['hung_up_share'], 1)} / {_percent(one['formula']['hung_up_share'], 1)}",
            f"{one['mean_wait']:.1f} / {one['formula']['mean_wait']:.1f}",
        ]
        for one in result["simulated"]["against_formula"]
    ]
    return (
        "Model against measured points, in cores. `held out`: no cost was found by this point. Of a capacity "
        "run the smaller half of the steady steps gives the costs, the larger half and all others are held "
        "out; where the machine was full, the model says more than was used, because packets were lost.\n\n"
        + _table(["point", "part", "measured", "model", "error", ""], rows)
        + "\n\nSimulation / Erlang:\n\n"
        + _table(["", "in 15 s", "hang up", "mean wait, s"], played)
    )


def _units(result: Mapping[str, Any]) -> str:
    rows = [
        [name.replace("_", " "), f"{one['value']:.4g}", one["unit"], one["kind"], one["source"]]
        for name, one in result["units"].items()
    ]
    return "What the model starts from:\n\n" + _table(["", "", "unit", "", "source"], rows)
