"""Draws charts as SVG and PDF, for a paper: `python -m ablate.report.figures`.

A process of its own, for the renderer ends its process where it meets what it does not expect, a
small address space say. It reads requests, a JSON line each, and answers each with one.
"""

import base64
import json
import re
import sys
from collections.abc import Mapping
from typing import Any

import vl_convert
from markupsafe import escape

from ablate.report.charts.theme import COLOURS, CONFIG

FONT = "Arial, Helvetica, 'Liberation Sans', sans-serif"
PADDING = {"left": 5, "top": 5, "right": 30, "bottom": 5}
INLINE_LEFT = 25
"""Beside labels that a browser sets in another, wider font."""
WARM_UP: dict[str, Any] = {"data": {"values": [{}]}, "mark": "point"}


def answer(request: Mapping[str, Any]) -> dict[str, str]:
    """Does what one request asks for.

    Args:
        request: `spec`, a chart in Vega-Lite, or `script`, to be put together with Vega; and
            `vega_lite`, the version of it, as vl_convert calls it. A chart that `is_inline` is
            for a page, whose style sheet has the colours.

    Returns:
        `svg` and, unless inline, `pdf` (in base64), or `bundle`; `error` where it cannot be done.
    """
    version: str | None = request.get("vega_lite")
    try:
        if "script" in request:
            return {"bundle": vl_convert.javascript_bundle(request["script"], vl_version=version)}
        if request.get("is_inline"):
            return {"svg": inline_svg(request["spec"], version)}
        drawn = svg(request["spec"], version)
        pdf = vl_convert.svg_to_pdf(drawn)  # from the SVG: it is laid out once
        return {"svg": drawn, "pdf": base64.b64encode(pdf).decode()}
    except (ValueError, RuntimeError) as error:
        return {"error": str(error).partition("\n\nStack backtrace:")[0]}


def svg(spec: dict[str, Any], version: str | None) -> str:
    """A chart as SVG, on white."""
    return _labelled(
        spec, vl_convert.vegalite_to_svg(_light(_unpicked(spec)), vl_version=version, **_options())
    )


def inline_svg(spec: dict[str, Any], version: str | None) -> str:
    """A chart as SVG within a page: its colours are variables of the page's style sheet."""
    config = {**CONFIG, "font": FONT, "padding": {**PADDING, "left": INLINE_LEFT}}
    return _labelled(spec, vl_convert.vegalite_to_svg(
        _unpicked(spec), vl_version=version, config=config, allowed_base_urls=[]
    ))  # fmt: skip


def _labelled(spec: Mapping[str, Any], drawn: str) -> str:
    label = escape(spec.get("description", ""))
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def _unpicked(spec: dict[str, Any]) -> dict[str, Any]:
    """With nothing picked."""
    params = [{**param, "value": None} for param in spec.get("params", [])]
    return {**spec, **({"params": params} if params else {})}


def _light(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: item if k == "datasets" else _light(item) for k, item in value.items()}
    if isinstance(value, list):
        return [_light(item) for item in value]
    named = re.fullmatch(r"var\(--(\w+)\)", value) if isinstance(value, str) else None
    return COLOURS[named[1]][0] if named and named[1] in COLOURS else value


def _options() -> dict[str, Any]:
    # An unknown font leaves a PDF without text; some text is wider in the reader's font.
    paper = {"background": COLOURS["paper"][0], "font": FONT, "padding": PADDING}
    config = _light({**CONFIG, **paper})
    return {"config": config, "allowed_base_urls": []}


def main() -> None:
    """Answers until there are no more requests."""
    answer({"spec": WARM_UP})  # starts the renderer, while nobody waits yet
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
