"""The map of a routed run: which tiles went on to the big network, and how much it changed them."""

import math
from collections.abc import Mapping
from typing import Any

_LONG_SIDE = 320


def html(routing: Mapping[str, Any]) -> str:
    """A drawing and a sentence for the page, from the ``routing`` of an upscale report.

    Every tile is a square; the darker, the more the big network's answer differed from the little one's. Empty squares
    kept the little network's.
    """
    big, measured = routing["big"], routing["measured"]
    rows, columns = len(big), len(big[0])
    side = max(2, _LONG_SIDE // max(rows, columns))
    squares = "".join(
        _square(x, y, side, measured[y][x] if big[y][x] else None, routing["expected"][y][x])
        for y in range(rows)
        for x in range(columns)
    )
    picture = (
        f'<svg class="map" role="img" aria-label="Map of tiles" viewBox="0 0 {columns * side} {rows * side}" '
        f'width="{columns * side}" height="{rows * side}">{squares}</svg>'
    )
    title = "<h3>Where the big network was asked</h3>"
    return f'<section class="routing">{title}{picture}<p>{sentence(routing)}</p></section>'


def sentence(routing: Mapping[str, Any]) -> str:
    """What the routing did, and what it cost, for a person."""
    answers = [value for row in routing["measured"] for value in row if value is not None]
    total = sum(len(row) for row in routing["big"])
    milliseconds = [1000 * routing[key] for key in ("seconds_big", "seconds_little")]
    if not answers:
        return f"None of {total} tiles was expected to gain enough; the little network answered all of them."
    between = -10 * math.log10(sum(10 ** (-value / 10) for value in answers) / len(answers))
    return (
        f"{len(answers)} of {total} tiles went on to the big network: {milliseconds[0]:.0f} ms after the little "
        f"network's {milliseconds[1]:.0f} ms. There the two differ by {255 * 10 ** (-between / 20):.1f} of 255 levels "
        f"({between:.1f} dB); elsewhere they were expected to be nearer than {routing['threshold']:.1f} dB, and the "
        "little one's answer was kept."
    )


def _square(x: int, y: int, side: int, decibel: float | None, expected: float) -> str:
    if decibel is None:
        look, text = 'class="little"', f"little network, expected {expected:.0f} dB from the big one"
    else:
        shade = min(max((50 - decibel) / 22, 0.15), 1.0)
        look, text = f'class="big" fill-opacity="{shade:.2f}"', f"big network, {decibel:.1f} dB from the little one"
    return f'<rect x="{x * side}" y="{y * side}" width="{side}" height="{side}" {look}><title>{text}</title></rect>'
