"""The sections of a report's page: a row of `SECTIONS` each, in their order."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count

from ablate.analysis.curves import curves_of
from ablate.analysis.records import BlockRecord, StudyRecord
from ablate.identity import content_id
from ablate.ledger.history import History
from ablate.report.charts.encoding import Spec
from ablate.report.charts.factors import factor_panels, interaction
from ablate.report.charts.forest import forest
from ablate.report.charts.pictures import sheet
from ablate.report.charts.training import learning_curves, run_times
from ablate.report.page import Section
from ablate.report.pictures.gallery import gallery_of
from ablate.report.pictures.shown import Gallery, Group
from ablate.report.settings import settings_listing, settings_text
from ablate.report.tables import effects_table
from ablate.study_dir import StudyPaths, file_name

MAPS_SHOWN = 6
"""Heat maps of pairs of factors, those with the smallest p first."""


def sections_of(
    record: StudyRecord, history: History, paths: StudyPaths | None = None
) -> list[Section]:
    """The sections of the page that have something to show.

    Args:
        record: What the report says.
        history: The study's curves.
        paths: The study directory, for pictures of what its runs generate.
    """
    sections = [section for make in SECTIONS.values() for section in make(record, history)]
    shown = [one for one in sections if one.charts or one.table or one.listing]
    pictures = [] if paths is None else _pictures(gallery_of(record, paths))
    return _named_apart([*pictures, *shown])


def figures_of(sections: Sequence[Section]) -> Iterator[tuple[str, Spec]]:
    """What is drawn for papers, by name: charts, and pictures side by side on sheets."""
    for section in sections:
        yield from section.charts
        yield from _sheets(section.gallery.groups if section.gallery else ())


def _sheets(groups: Iterable[Group]) -> Iterator[tuple[str, Spec]]:
    """Sheets of pictures by name; where several have one name they are numbered."""
    taken: set[str] = set()
    for group in groups:
        if (spec := sheet(group)) is not None:
            stem = file_name(group.figure)
            numbered = (f"{stem}-{number}" for number in count(2))
            name = next(name for name in chain([stem], numbered) if name not in taken)
            taken.add(name)
            yield name, spec


def _pictures(gallery: Gallery) -> Iterator[Section]:
    if gallery != Gallery():
        yield Section("What each cell generates", [], text=gallery.text, gallery=gallery)


def _differences(record: StudyRecord, history: History) -> Iterator[Section]:
    yield _section("Differences", [("forest", forest(record.metric))])


def _factors(record: StudyRecord, history: History) -> Iterator[Section]:
    metric = record.metric
    for block in metric.blocks:
        of = f" of {block.name}" if block.name else ""
        key = f"-{block.name}" if block.name else ""
        panels = factor_panels(metric, block, record.seeds)
        table = effects_table(block, block.effects, metric) if block.effects else None
        yield Section(f"Factors{of}", _drawn([(f"factors{key}", panels)]), table)
        yield _section(f"Pairs of factors{of}", list(_maps(record, block, key)), _PAIRS)


def _training(record: StudyRecord, history: History) -> Iterator[Section]:
    metric = record.metric
    what, curves = curves_of(record, history)
    charts = [
        ("curves", learning_curves(what, metric, curves)),
        ("run-times", run_times(metric, record.runs)),
    ]
    yield _section("Training", charts, _unlike(record, what))


def _settings(record: StudyRecord, history: History) -> Iterator[Section]:
    text, listing = settings_text(record.settings), settings_listing(record)
    yield Section("Settings", [], text=text, listing=listing)


SECTIONS: Mapping[str, Callable[[StudyRecord, History], Iterable[Section]]] = {
    "differences": _differences,
    "factors": _factors,
    "training": _training,
    "settings": _settings,
}
"""The page's sections in their order. A function may make several, or none.

The charts of a section are drawn as figures, too; one without charts, table and list is left out.
"""


def _named_apart(sections: Sequence[Section]) -> list[Section]:
    """With names of charts that are names of files, each of one chart alone."""
    taken: set[str] = set()
    named: list[Section] = []
    for section in sections:
        charts: list[tuple[str, Spec]] = []
        for written, spec in section.charts:
            name = file_name(written)
            if name in taken:  # what told them apart is no part of file names
                name = f"{name}-{content_id(written)}"
            taken.add(name)
            charts.append((name, spec))
        named.append(replace(section, charts=charts))
    return named


_PAIRS = (
    "Where two factors do more, or less, together than the sum of what each does alone: a pair "
    "that interacts has no effect of one factor without naming the other."
)


def _unlike(record: StudyRecord, metric: str) -> str:
    keys = ", ".join(record.incomparable.get(metric, ()))
    return (
        f"{metric} measures different things in cells that differ in {keys}: see the shape of a "
        "curve, not its height."
        if keys
        else ""
    )


def _section(title: str, charts: list[tuple[str, Spec | None]], text: str = "") -> Section:
    return Section(title, _drawn(charts), text=text)


def _drawn(charts: list[tuple[str, Spec | None]]) -> list[tuple[str, Spec]]:
    return [(name, spec) for name, spec in charts if spec is not None]


def _maps(record: StudyRecord, block: BlockRecord, key: str) -> Iterator[tuple[str, Spec | None]]:
    if block.effects is None:
        return
    pairs = block.effects.interactions
    order = sorted(range(len(pairs)), key=lambda n: pairs[n].p if pairs[n].p == pairs[n].p else 2.0)
    for number in order[:MAPS_SHOWN]:
        names = "-".join(block.factors[n] for n in pairs[number].factors)
        yield f"pair{key}-{names}", interaction(record.metric, block, number)
