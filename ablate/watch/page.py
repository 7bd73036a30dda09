"""The page, with its style and script inside: live from a server, or whole as a file."""

import base64
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment as Templates
from markupsafe import Markup

from ablate.report.charts.theme import COLOURS
from ablate.text import printable

HERE = Path(__file__).parent / "web"
SCRIPTS = ("elements.js", "looks.js", "chart.js", "grid.js", "study.js", "list.js", "main.js")
"""In the order in which they stand in one script."""


def live_page(only: str | None) -> tuple[str, str]:
    """The page that asks its server for what is new, and its policy.

    Args:
        only: The name in URLs of the one study that there is to see; None: the page lists them
            first.
    """
    return _rendered({"only": only}, "connect-src 'self'; ")


def whole_page(study: Mapping[str, Any]) -> str:
    """The page of one study, all of which is inside.

    Args:
        study: What a server would tell of it, see `ablate.watch.archive`.
    """
    return _rendered({"archive": study}, "")[0]


def _rendered(given: Mapping[str, Any], connects: str) -> tuple[str, str]:
    style, script = _style(), _script()
    policy = (
        f"default-src 'none'; {connects}script-src {_digest(script)}; style-src {_digest(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    archive = given.get("archive")
    title = archive["head"]["name"] if archive else printable(given.get("only") or "studies")
    template = Templates(autoescape=True).from_string((HERE / "page.html").read_text("utf-8"))
    html = template.render(
        title=title, policy=policy, style=Markup(style), script=Markup(script),
        given=Markup(_json(given)),
    )  # fmt: skip
    return html, policy


@functools.cache
def _style() -> str:
    colours = " ".join(
        f"--{name}: light-dark({light}, {dark});" for name, (light, dark) in COLOURS.items()
        if not name.startswith(("tile", "text"))
    )  # fmt: skip
    style = (HERE / "page.css").read_text("utf-8")
    return f":root {{ color-scheme: light dark; {colours} }}\n{style}"


@functools.cache
def _script() -> str:
    return "\n".join((HERE / name).read_text("utf-8") for name in SCRIPTS)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(value: object) -> str:
    """JSON that may stand inside a script element: no tag or comment can come out of it."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
