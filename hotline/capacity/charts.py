"""Charts as SVG, drawn by a few lines of our own: no library, and the same picture for the same figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 170, 46, 48
COLOURS = ("#1f5fa8", "#c8501e", "#2f8a4c", "#7b4fa0", "#8a7a1e", "#555555", "#b03060")
BAR = 62
"""A bar with the room for its name."""
FONT = 'font-family="system-ui, sans-serif"'

Points = Sequence[tuple[float, float]]


def steps(most: float) -> list[float]:
    """Round marks from 0 to at least `most`, four to eight of them."""
    if most <= 0:
        return [0.0, 1.0]
    size = 10 ** math.floor(math.log10(most))
    step = next(one * size for one in (0.1, 0.2, 0.25, 0.5, 1, 2) if most / (one * size) <= 7)
    return [round(step * n, 10) for n in range(math.ceil(most / step - 1e-9) + 1)]


def lines(
    title: str, across: str, up: str, series: Mapping[str, Points], limit: tuple[str, float] | None = None
) -> str:
    """A chart of lines; `limit` draws a broken line with its name."""
    drawn = {name: [p for p in points if p[1] is not None] for name, points in series.items()}
    drawn = {name: points for name, points in drawn.items() if points}
    xs = steps(max((x for points in drawn.values() for x, _ in points), default=1))
    highest = max((y for points in drawn.values() for _, y in points), default=1)
    ys = steps(max(highest, limit[1] if limit and limit[1] < 4 * highest else 0))

    def px(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * x / xs[-1]

    def py(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(y, ys[-1]) / ys[-1]

    out = [*_head(title, f"{title}: {up} by {across}")]
    for y in ys:
        out.append(_line(LEFT, py(y), WIDTH - RIGHT, py(y), "#dddddd"))
        out.append(_text(LEFT - 8, py(y) + 4, f"{y:g}", "end"))
    for x in xs:
        out.append(_text(px(x), HEIGHT - BOTTOM + 18, f"{x:g}", "middle"))
    out.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, across, "middle"))
    out.append(_text(LEFT - 8, TOP - 12, up, "start", "#555555"))
    if limit and limit[1] <= ys[-1]:
        out.append(_line(LEFT, py(limit[1]), WIDTH - RIGHT, py(limit[1]), "#c00000", "5 4"))
        out.append(_text(WIDTH - RIGHT - 4, py(limit[1]) - 5, limit[0], "end", "#c00000"))
    ends = _apart([py(points[-1][1]) for points in drawn.values()])
    for place, ((name, points), end) in enumerate(zip(drawn.items(), ends, strict=True)):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
        out.append(_text(WIDTH - RIGHT + 6, end + 4, name, "start", colour))
    return "\n".join([*out, "</svg>", ""])


def stacks(title: str, up: str, bars: Sequence[tuple[str, Mapping[str, float]]]) -> str:
    """Bars of parts on top of each other; the parts have one colour in all bars."""
    names = list(dict.fromkeys(name for _, parts in bars for name in parts))
    width = max(WIDTH, LEFT + RIGHT + BAR * len(bars))
    ys = steps(max((sum(parts.values()) for _, parts in bars), default=1))

    def py(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / ys[-1]

    out = [*_head(title, f"{title}: {up}", width)]
    for y in ys:
        out.append(_line(LEFT, py(y), width - RIGHT, py(y), "#dddddd"))
        out.append(_text(LEFT - 8, py(y) + 4, f"{y:g}", "end"))
    out.append(_text(LEFT - 8, TOP - 12, up, "start", "#555555"))
    place = (width - LEFT - RIGHT) / max(1, len(bars))
    for n, (label, parts) in enumerate(bars):
        at, below = LEFT + place * (n + 0.2), 0.0
        for name in names:
            value = parts.get(name, 0.0)
            if value > 0:
                colour = COLOURS[names.index(name) % len(COLOURS)]
                out.append(
                    f'<rect x="{at:.1f}" y="{py(below + value):.1f}" width="{place * 0.6:.1f}" '
                    f'height="{py(below) - py(below + value):.1f}" fill="{colour}"/>'
                )
                below += value
        for row, words in enumerate(label.split("\n")):
            out.append(_text(at + place * 0.3, HEIGHT - BOTTOM + 16 + 14 * row, words, "middle"))
    for n, name in enumerate(reversed(names)):
        colour = COLOURS[names.index(name) % len(COLOURS)]
        out.append(
            f'<rect x="{width - RIGHT + 8}" y="{TOP + 20 * n}" width="12" height="12" fill="{colour}"/>'
        )
        out.append(_text(width - RIGHT + 26, TOP + 10 + 20 * n, name, "start"))
    return "\n".join([*out, "</svg>", ""])


def _apart(wanted: Sequence[float], least: float = 15.0) -> list[float]:
    """Heights of labels moved just so far that none covers another, or lies below the last line."""
    order = sorted(range(len(wanted)), key=lambda n: wanted[n])
    found = list(wanted)
    last = -math.inf
    for n in order:
        found[n] = max(wanted[n], last + least)
        last = found[n]
    last = HEIGHT - BOTTOM + least
    for n in reversed(order):
        found[n] = min(found[n], last - least)
        last = found[n]
    return found


def _head(title: str, told: str, width: int = WIDTH) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" '
        f'height="{HEIGHT}" role="img" aria-label="{escape(told)}" {FONT} font-size="12">',
        f'<rect width="{width}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT - 8}" y="20" font-size="15" font-weight="600" fill="#222222">{escape(title)}</text>',
    ]


def _text(x: float, y: float, words: str, anchor: str, colour: str = "#333333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "") -> str:
    broken = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{broken}/>'
