"""What all HTML of results has in common: templates that escape, classes of verdicts, colours."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup

from ablate.report.charts.theme import COLOURS
from ablate.stats.verdicts import Cause, Verdict, VerdictKind
from ablate.text import printable_lines

HERE = Path(__file__).parent


def template_of(name: str, folder: Path = HERE) -> Template:
    """A template, which may use the tables of `tables.html`.

    What users wrote is text in it, of what HTML can hold.

    Args:
        name: Its file.
        folder: Where that is.
    """
    loader = FileSystemLoader([folder, HERE], encoding="utf-8")
    templates = Environment(autoescape=True, finalize=_shown, loader=loader)
    return templates.get_template(name, globals={"css_class": css_class})


_CLASSES = {
    VerdictKind.WITHIN_NOISE: "within", VerdictKind.NOT_COMPARED: "not",
    VerdictKind.IN_PAIRS: "not", Cause.FURTHER_METRIC: "not", Cause.NOT_MEASURED: "not",
    Cause.TOO_FEW_SEEDS: "not", Cause.NO_BASELINE: "no", Cause.SAME_NUMBERS: "partial",
}  # fmt: skip


def css_class(verdict: Verdict) -> str:
    """How style sheets call what they show alike."""
    if verdict.is_partial:
        return "partial"
    return _CLASSES.get(verdict.gist, verdict.gist.value)


def colours() -> Markup:
    """The colours of charts by name, for a style sheet: light and dark."""
    return Markup(" ").join(
        Markup("--{}: light-dark({}, {});").format(name, light, dark)
        for name, (light, dark) in COLOURS.items()
    )


def _shown(value: Any) -> Any:
    """What a template is given, as text that HTML can hold."""
    return printable_lines(value) if type(value) is str else value
