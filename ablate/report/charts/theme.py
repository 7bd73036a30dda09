"""How charts look: colours by name, light and dark, safe for the colour-blind."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from ablate.stats.verdicts import Verdict, VerdictKind

COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#14171c"),
    "panel": ("#f6f7f9", "#1c2128"),
    "ink": ("#1b1f24", "#e8eaed"),
    "muted": ("#5b6470", "#a9b1bc"),
    "grid": ("#e4e7eb", "#2e353e"),
    "blue": ("#0072b2", "#56b4e9"),
    "vermillion": ("#d55e00", "#f07b2e"),
    "green": ("#009e73", "#1fb98d"),
    "purple": ("#b5588b", "#d892b9"),
    "orange": ("#c28500", "#e6a817"),
    "caution": ("#8f6200", "#e6a817"),
    "alarm": ("#b34f00", "#f07b2e"),
}
"""On light and on dark ground: the hues of Okabe and Ito, some shifted for contrast.

`caution` and `alarm` are orange and vermillion for text, which wants more contrast than marks do.
"""
HUES = ("blue", "vermillion", "green", "purple", "orange")
DASHES = ([1, 0], [7, 3], [2, 2])
STEPS = 9
"""Of the diverging scale; odd, so that zero has a colour."""


class Mark(NamedTuple):
    """How a verdict is drawn."""

    hue: str
    shape: str
    is_filled: bool = True


MARKS: dict[Verdict, Mark] = {
    Verdict(VerdictKind.BETTER): Mark("blue", "triangle-up"),
    Verdict(VerdictKind.BETTER, within_margin=True): Mark("green", "triangle-up", False),
    Verdict(VerdictKind.EQUIVALENT): Mark("purple", "square"),
    Verdict(VerdictKind.WITHIN_NOISE): Mark("muted", "circle", False),
    Verdict(VerdictKind.WORSE, within_margin=True): Mark("orange", "triangle-down", False),
    Verdict(VerdictKind.WORSE): Mark("vermillion", "triangle-down"),
    Verdict(VerdictKind.DIFFERS): Mark("purple", "diamond"),
}
"""Of each verdict that has an interval, in the order of the legend."""


def marks_of(given: Collection[Verdict]) -> Iterator[tuple[Verdict, Mark]]:
    """Verdicts that have a mark, each with its own, in the order of the legend.

    Those of the runs that ended are drawn hollow: a part of their runs is not seen.
    """
    for verdict, mark in MARKS.items():
        if verdict in given:
            yield verdict, mark
        ended = replace(verdict, of_those_that_ended=True)
        if ended in given:
            yield ended, mark._replace(is_filled=False)


def colour(name: str) -> str:
    """A colour as charts name it: the page's style sheet says what it is there."""
    if name not in COLOURS:
        raise KeyError(name)
    return f"var(--{name})"


def _mixed(one: str, other: str, share: float) -> str:
    """One colour with a share of another."""
    pairs = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + bytes(round(a + (b - a) * share) for a, b in pairs).hex()


def _luminance(tone: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = (part / 255 for part in bytes.fromhex(tone[1:]))
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _add_diverging() -> None:
    """Tiles `tile0` ... `tile8` from blue over grey to vermillion, and the text on each."""
    for step in range(STEPS):
        place = step / (STEPS - 1) * 2 - 1
        ends = COLOURS["vermillion" if place > 0 else "blue"]
        zeros = ("#f4f4f4", "#2b313a")
        light, dark = (_mixed(z, e, abs(place)) for z, e in zip(zeros, ends, strict=True))
        COLOURS[f"tile{step}"] = (light, dark)
        COLOURS[f"text{step}"] = (_readable(light), _readable(dark))


def _readable(tile: str) -> str:
    return max("#ffffff", "#14171c", key=lambda tone: contrast(tone, tile))


_add_diverging()

CONFIG: dict[str, Any] = {
    "background": None,
    "font": "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif",
    "view": {"stroke": None},
    "title": {
        "color": colour("ink"), "subtitleColor": colour("muted"), "fontSize": 14,
        "subtitleFontSize": 12, "anchor": "start", "frame": "group", "offset": 12,
        "subtitlePadding": 4,
    },
    "axis": {
        "labelColor": colour("ink"), "titleColor": colour("muted"), "tickColor": colour("grid"),
        "domainColor": colour("muted"), "gridColor": colour("grid"), "labelFontSize": 12,
        "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 260, "titlePadding": 8,
    },
    "axisBand": {"grid": False, "domain": False, "ticks": False, "labelPadding": 8},
    "legend": {
        "labelColor": colour("ink"), "titleColor": colour("muted"), "labelFontSize": 12,
        "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 260, "symbolSize": 90,
        "symbolStrokeWidth": 2, "orient": "right", "offset": 16,
    },
    "line": {"strokeWidth": 2},
    "rule": {"color": colour("muted")},
    "text": {"color": colour("ink"), "fontSize": 12},
}  # fmt: skip
"""Of Vega-Lite, for all charts."""
