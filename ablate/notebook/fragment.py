"""A report as a piece of HTML for somebody else's page: a notebook's cell."""

from pathlib import Path

from markupsafe import Markup

from ablate.analysis.records import StudyRecord
from ablate.ledger.history import History
from ablate.report.charts.encoding import Spec
from ablate.report.first_screen import first_screen
from ablate.report.html import colours, template_of
from ablate.report.page import Section
from ablate.report.renderer import NotDrawnError, Renderer
from ablate.report.sections import figures_of, sections_of
from ablate.report.strips import strips
from ablate.study_dir import StudyPaths

HERE = Path(__file__).parent


def fragment(record: StudyRecord, paths: StudyPaths, glance: str) -> str:
    """The first screen, the other tables and the charts as pictures.

    Its styles hold within it alone, and follow the notebook's theme.

    Args:
        record: What the report says.
        paths: The study directory.
        glance: How far the study is.
    """
    first = first_screen(record)
    sections = sections_of(record, History(paths), paths)
    used = [section.table for section in sections if section.table]
    with Renderer() as renderer:
        drawn = [_drawn(section, renderer) for section in sections]
    return template_of("fragment.html", HERE).render(
        record=record,
        first=first,
        glance=glance,
        strips=strips(record.metric, record.seeds),
        sections=[*zip(sections, drawn, strict=True)],
        further=[table for table in first.further if table not in used],
        colours=colours(),
    )


def _drawn(section: Section, renderer: Renderer) -> list[Markup]:
    return [_picture(name, spec, renderer) for name, spec in figures_of([section])]


def _picture(name: str, spec: Spec, renderer: Renderer) -> Markup:
    try:
        return Markup(renderer.draw_inline(spec))  # Vega escapes what it writes
    except NotDrawnError as error:
        return Markup("<p>{} is not drawn: {}</p>").format(name, error)
