"""The report as one page of HTML that needs no network: text, tables, interactive charts."""

import base64
import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from markupsafe import Markup

from ablate.analysis.records import StudyRecord
from ablate.identity import content_id
from ablate.numbers import clock
from ablate.report.charts.encoding import VEGA_LITE, Spec
from ablate.report.charts.pictures import cloud_panel
from ablate.report.charts.theme import CONFIG
from ablate.report.first_screen import first_screen
from ablate.report.html import HERE, colours, template_of
from ablate.report.pictures.shown import Gallery, Plane, Shown
from ablate.report.renderer import Renderer
from ablate.report.strips import strips
from ablate.report.text_table import Listing, TextTable
from ablate.run_row import Status
from ablate.study_dir import user_cache, write_atomically


@dataclass(frozen=True)
class Section:
    """A part of the page: charts by name, and perhaps a table, a list, or pictures."""

    title: str
    charts: Sequence[tuple[str, Spec]]
    table: TextTable | None = None
    text: str = ""
    listing: Listing | None = None
    gallery: Gallery | None = None


def page(
    record: StudyRecord, sections: Sequence[Section], script: str, undrawn: Sequence[str] = ()
) -> str:
    """The page.

    What users wrote is text wherever it stands: the template escapes it, and in scripts it is
    JSON that cannot end them.

    Args:
        record: What the report says.
        sections: With the charts.
        script: From `page_script`.
        undrawn: What could not be drawn, and why.
    """
    template = template_of("page.html")
    used = [section.table for section in sections if section.table]
    first = first_screen(record)
    return template.render(
        record=record,
        first=first,
        strips=strips(record.metric, record.seeds),
        panel=_panel,
        sections=[_rendered(section) for section in sections],
        further=[table for table in first.further if table not in used],
        progress=_progress(record),
        training_time=clock(record.seconds),
        made=_made(record),
        undrawn=undrawn,
        colours=colours(),
        policy=_policy(script),
        config=_json(CONFIG),
        scripts=Markup(script),
    )


def page_script(renderer: Renderer) -> str:
    """The page's script and Vega in one: the same for every report, and slow to put together.

    Raises:
        NotDrawnError: Where they cannot be put together.
    """
    script = (HERE / "page.js").read_text("utf-8")
    made_of = content_id([script, VEGA_LITE, version("vl-convert-python")])
    cache = user_cache()
    kept = cache / f"report-{made_of}.js"
    with contextlib.suppress(OSError, ValueError):  # not there, or torn
        bundle = kept.read_text("utf-8")
        if bundle:
            return bundle
    bundle = renderer.bundle(script)
    with contextlib.suppress(OSError):  # no place to keep it: then it is made again
        cache.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, bundle)
    return bundle


def _rendered(section: Section) -> dict[str, Any]:
    charts = [(name, _json(spec)) for name, spec in section.charts]
    return {**vars(section), "charts": charts}


def _panel(shown: Shown, plane: Plane) -> Markup:
    return _json(cloud_panel(shown, plane))


def _progress(record: StudyRecord) -> str:
    """`18 of 18 runs ok`; of runs that somebody else made, those that have a result."""
    num = len(record.runs)
    if record.origin:
        return f"{num - len(record.missing)} of {num} runs have a result"
    return f"{sum(run.status is Status.OK for run in record.runs)} of {num} runs ok"


def _made(record: StudyRecord) -> list[tuple[str, Sequence[str]]]:
    made = record.environment
    span = [f"{moment:%Y-%m-%d %H:%M} UTC" for moment in (made.started, made.ended) if moment]
    named = [
        ("data", made.data), ("code", made.code), ("versions", made.versions),
        ("devices", made.devices),
        ("made", [" to ".join(span)] if span else []),
    ]  # fmt: skip
    return [(name, values) for name, values in named if values]


def _policy(bundle: str) -> str:
    """What a browser lets the page do: run its own script, and reach nothing."""
    digest = base64.b64encode(hashlib.sha256(bundle.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _json(value: object) -> Markup:
    """JSON that may stand inside a script element: no tag or comment can come out of it."""
    return Markup(json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"))
