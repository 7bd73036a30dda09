"""Charts as SVG and PDF, for a paper."""

import json
import re
from typing import Any

import vl_convert
from markupsafe import escape

from ablate.report.charts.encoding import Spec
from ablate.report.charts.theme import COLOURS, CONFIG
from ablate.report.page import VEGA_LITE

FONT = "Arial, Helvetica, 'Liberation Sans', sans-serif"
PADDING = {"left": 5, "top": 5, "right": 30, "bottom": 5}


def svg(spec: Spec) -> str:
    """A chart as SVG, on white."""
    drawn = vl_convert.vegalite_to_svg(_on_paper(spec), **_options())
    label = escape(spec.get("description", ""))
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def pdf(drawn: str) -> bytes:
    """A drawn chart as PDF: from its SVG, so that it is laid out once."""
    return vl_convert.svg_to_pdf(drawn)


def _on_paper(spec: Spec) -> Spec:
    """With light colours in the place of their names, and nothing picked."""
    params = [{**param, "value": None} for param in spec.get("params", [])]
    return _light({**spec, **({"params": params} if params else {})})


def _light(value: Any) -> Any:
    named = re.compile(r"var\(--(\w+)\)")
    return json.loads(named.sub(lambda match: COLOURS[match[1]][0], json.dumps(value)))


def _options() -> dict[str, Any]:
    # An unknown font leaves a PDF without text; some text is wider in the reader's font.
    paper = {"background": COLOURS["paper"][0], "font": FONT, "padding": PADDING}
    config = _light({**CONFIG, **paper})
    return {"vl_version": VEGA_LITE, "config": config, "allowed_base_urls": []}
