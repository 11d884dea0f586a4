"""The two drawings of the growth model, as SVG without a library. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import escape

from hotline.capacity.growth_model import City, Limits, Unit, grown, parts

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 400, 56, 214, 34, 46
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f")
SHOWN = (
    "RTP ports of a node",
    "pages of a desktop",
    "places in one queue",
    "Asterisk's processors",
    "worker (one thread)",
    "memory of a desktop",
    "desktop (one process)",
    "cti (one process)",
)
SEATS = (50, 75, 100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2200, 3000)


def curve(one: City, units: Mapping[str, Unit], limits: Limits | None = None) -> dict[str, list[list[float]]]:
    """How full each part of one node with one desktop is, by seats: {part: [[seats, used], ...]}."""
    found: dict[str, list[list[float]]] = {name: [] for name in SHOWN}
    for seats in SEATS:
        for part in parts(grown(replace(one, nodes=1, desktops=1), seats), units, limits):
            if part.name in found:
                found[part.name].append([seats, round(part.used, 4)])
    return found


@dataclass(frozen=True)
class Axes:
    """Where a value lies in the drawing; both axes are logarithmic."""

    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, value: float) -> float:
        return LEFT + _part(value, self.x) * (WIDTH - LEFT - RIGHT)

    def up(self, value: float) -> float:
        return HEIGHT - BOTTOM - _part(max(value, self.y[0]), self.y) * (HEIGHT - TOP - BOTTOM)


def _part(value: float, ends: tuple[float, float]) -> float:
    return (math.log(value) - math.log(ends[0])) / (math.log(ends[1]) - math.log(ends[0]))


def lines(title: str, along: str, drawn: Mapping[str, Sequence[Sequence[float]]], full: float = 1.0) -> str:
    """A drawing of lines over seats, with a dashed line where a part is full."""
    axes = Axes((SEATS[0], SEATS[-1]), (0.01, 20.0))
    out = [_head(title)]
    for share in (0.01, 0.1, 1.0, 10.0):
        y = axes.up(share)
        out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share * 100:g} %</text>')
    for seats in (50, 150, 300, 600, 1200, 3000):
        x = axes.across(seats)
        out.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{seats}</text>')
    y = axes.up(full)
    out.append(_dashed(LEFT, y, WIDTH - RIGHT, y))
    labels = _apart([axes.up(points[-1][1]) if points else y for points in drawn.values()])
    for (name, points), colour, at in zip(drawn.items(), COLOURS, labels, strict=False):
        where = " ".join(f"{axes.across(x):.1f},{axes.up(value):.1f}" for x, value in points)
        out.append(f'<polyline points="{where}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 8}" y="{at + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    out.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(along)}</text>'
    )
    return "\n".join([*out, "</svg>\n"])


def _apart(wanted: Sequence[float], least: float = 15.0) -> list[float]:
    """The same heights, moved until labels do not touch."""
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    placed = list(wanted)
    for before, after in pairwise(order):
        placed[after] = max(placed[after], placed[before] + least)
    over = max(placed, default=0.0) - (HEIGHT - BOTTOM)
    return [at - over for at in placed] if over > 0 else placed


def bars(title: str, rows: Sequence[tuple[str, float]], mark: float) -> str:
    """Shares as bars, with a line at the share that is wanted."""
    height = TOP + 30 * len(rows) + 26
    room, left = 250, 390
    out = [_head(title, height)]
    for n, (name, share) in enumerate(rows):
        y = TOP + 8 + 30 * n
        colour = COLOURS[2] if share >= mark - 0.01 else COLOURS[1]
        out.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        out.append(f'<rect x="{left}" y="{y}" width="{share * room:.1f}" height="20" fill="{colour}"/>')
        out.append(f'<text x="{left + room + 14}" y="{y + 15}">{share * 100:.1f} %</text>')
    x = left + mark * room
    out.append(_dashed(x, TOP, x, height - 20))
    out.append(f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{mark * 100:.0f} %</text>')
    return "\n".join([*out, "</svg>\n"])


def _dashed(x1: float, y1: float, x2: float, y2: float) -> str:
    where = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {where} stroke="#333" stroke-dasharray="5 4"/>'


def _head(title: str, height: int = HEIGHT) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="{escape(title)}">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n'
        f'<text x="{LEFT}" y="20" font-size="14" font-weight="bold">{escape(title)}</text>'
    )


def charts(result: Mapping[str, Any]) -> dict[str, str]:
    """{file name: drawing}."""
    split = [(one["name"], one["in_time_share"]) for one in result["simulated"]["split"]]
    desk = [(f"desk: {one['name']}", one["in_time_share"]) for one in result["simulated"]["special_desk"]]
    short = [(_short(name), share) for name, share in (*split, *desk)]
    return {
        "growth-parts.svg": lines(
            "How full each part is: one node of 8 cores, one desktop, peak day",
            "seats, with as many calls for each",
            result["curve"],
        ),
        "growth-split.svg": bars(
            "Answered within 15 s, 8 nodes, a volume for 95 % in one queue", short, 0.95
        ),
    }


def _short(name: str) -> str:
    for long, brief in (
        (" of all seats, which several nodes cannot have", ""),
        (
            "fewest calls first, but a fifth of every other node's seats is at its neighbour",
            "fewest first, seats uneven",
        ),
        ("one after the other", "in turn"),
    ):
        name = name.replace(long, brief)
    return name
