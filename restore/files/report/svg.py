"""Curves and gauges as inline SVG: small drawings for a page that loads nothing."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 480, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 30, 34  # margins for the words


def curve(values: Sequence[float | None], title: str, *, reference: float | None = None) -> str:
    """Values over steps 1, 2, ... on a logarithmic scale; "" where less than 2 can be drawn.

    What is None, not finite or not positive leaves a gap. reference: a value to draw a line at.
    """
    points = [(i, v) for i, v in enumerate(values) if v is not None and 0 < v < math.inf]
    if len(points) < 2:
        return ""
    heights = [math.log10(v) for _, v in points]
    heights += [math.log10(reference)] if reference else []
    low, high = min(heights), max(heights)
    pad = max(0.05 * (high - low), 0.05)
    low, high = low - pad, high + pad

    def x(i: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * i / (len(values) - 1)

    def y(value: float) -> float:
        share = (math.log10(value) - low) / (high - low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    parts = [_text(LEFT, 16, title, "start")]
    for tick in ticks(10**low, 10**high):
        parts += [_rule(y(tick), "grid"), _text(LEFT - 8, y(tick) + 4, f"{tick:g}", "end")]
    if reference:
        parts.append(_rule(y(reference), "one"))
    path = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in points)
    parts.append(f'<polyline class="curve" points="{path}"/>')
    last, value = points[-1]
    parts.append(f'<circle class="dot" cx="{x(last):.1f}" cy="{y(value):.1f}" r="3.5"/>')
    for i in (0, len(values) - 1):
        parts.append(_text(x(i), HEIGHT - 14, f"step {i + 1}", "end" if i else "start"))
    label = f"{title}: {points[0][1]:.3g} at the start, {value:.3g} at the end"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        + "".join(parts)
        + "</svg>"
    )


def reliability(levels: Sequence[float], curves: Mapping[str, Sequence[float]]) -> str:
    """The shares that intervals hold over those they should, by name, the first one in full.

    levels, and the curves' values: from 0 to 1. The diagonal is right.
    """
    side = HEIGHT - TOP - BOTTOM

    def at(across: float, up: float) -> str:
        return f"{LEFT + side * across:.1f},{HEIGHT - BOTTOM - side * up:.1f}"

    title = "share of the reference inside intervals, over the share they are for"
    parts = [
        _text(LEFT, 16, title, "start"),
        f'<polyline class="one" points="{at(0, 0)} {at(1, 1)}"/>',
    ]
    for tick in (0.0, 0.5, 1.0):
        x, y = at(tick, tick).split(",")
        parts.append(_rule(float(y), "grid"))
        parts.append(_text(LEFT - 8, float(y) + 4, f"{tick:.0%}", "end"))
        parts.append(_text(float(x), HEIGHT - 14, f"{tick:.0%}", "middle"))
    for index, (name, shares) in enumerate(curves.items()):
        points = " ".join(at(*pair) for pair in zip(levels, shares))
        kind = "curve" if index == 0 else "curve faint"
        parts.append(f'<polyline class="{kind}" points="{points}"/>')
        place = HEIGHT - BOTTOM - 14 * (len(curves) - index)
        words = f"{name}{'' if index == 0 else ', dotted'}"
        parts.append(_text(LEFT + side + 16, place, words, "start"))
    told = "; ".join(
        f"{name}: {shares[-1]:.0%} in {levels[-1]:.0%}" for name, shares in curves.items()
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{title}: {told}")}">'
        + "".join(parts)
        + "</svg>"
    )


def gauge(value: float) -> str:
    """Where a positive value stands between 0.1 and 10, with a mark at 1."""
    share = (math.log10(max(value, 1e-9)) + 1) / 2
    place = 8 + 184 * min(1.0, max(0.0, share))
    return (
        '<svg viewBox="0 0 200 30" aria-hidden="true">'
        '<line class="grid" x1="8" x2="192" y1="15" y2="15" stroke-width="3"/>'
        '<line class="one" x1="100" x2="100" y1="4" y2="26" stroke-width="2"/>'
        f'<circle class="dot" cx="{place:.1f}" cy="15" r="6"/></svg>'
    )


def ticks(low: float, high: float) -> list[float]:
    """At most 6 round numbers of a logarithmic scale from low to high, both positive."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for leads in ((1, 2, 5), (1, 3), (1,)):
        found = [lead * 10.0**k for k in decades for lead in leads if low <= lead * 10.0**k <= high]
        if len(found) <= 6:
            return found
    return found[:: math.ceil(len(found) / 6)]


def _rule(y: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
