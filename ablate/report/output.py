"""The files of a report, in the study's `report` folder."""

import shutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from ablate.analysis.records import StudyRecord
from ablate.ledger.history import History
from ablate.process.gc_pause import gc_paused
from ablate.report.files import latex, markdown
from ablate.report.methods import methods
from ablate.report.paper import paper
from ablate.report.renderer import NotDrawnError, Renderer
from ablate.study_dir import StudyPaths, write_atomically

if TYPE_CHECKING:
    from ablate.report.page import Section


def prepare_report(renderer: Renderer) -> None:
    """Does beforehand what a first report waits for: imports, and the renderer's start; 1.5 s."""
    renderer.start()
    with gc_paused():
        for name in ("ablate.report.page", "ablate.report.sections", "scipy.optimize"):
            import_module(name)


def write_report(
    record: StudyRecord, paths: StudyPaths, renderer: Renderer | None = None
) -> list[str]:
    """Writes `index.html`, `table.md`, `table.tex`, `paper.tex`, `methods.tex` and `figures/`.

    Args:
        record: What the report says.
        paths: The study directory.
        renderer: The caller's own, which may have been started before.

    Returns:
        What could not be drawn, and why.
    """
    if renderer is None:
        with Renderer() as own:
            return write_report(record, paths, own)
    renderer.start()
    # Altair takes a second to import: not where nothing is drawn.
    from ablate.report.page import page, page_script
    from ablate.report.sections import sections_of

    paths.report.mkdir(exist_ok=True)
    write_atomically(paths.report / "table.md", markdown(record))
    write_atomically(paths.report / "table.tex", latex(record))
    write_atomically(paths.report / "paper.tex", paper(record))
    write_atomically(paths.report / "methods.tex", methods(record))
    sections = sections_of(record, History(paths), paths)
    script, undrawn = "", []
    try:
        script = page_script(renderer)
    except NotDrawnError as error:
        undrawn = [f"the charts of index.html: {error}"]
    write_atomically(paths.report / "index.html", page(record, sections, script, undrawn))
    missing = _write_figures(sections, paths, renderer)
    undrawn = [*undrawn, *(f"figure {name}: {why}" for name, why in missing.items())]
    if missing:  # the page was there at once, in case that drawing takes long
        write_atomically(paths.report / "index.html", page(record, sections, script, undrawn))
    return undrawn


def _write_figures(
    sections: Sequence["Section"], paths: StudyPaths, renderer: Renderer
) -> Mapping[str, str]:
    """Draws the charts, each by itself; returns those that could not be drawn, and why."""
    from ablate.report.sections import figures_of

    folder, undrawn = paths.report / "figures", {}
    shutil.rmtree(folder, ignore_errors=True)  # an older plan's, perhaps
    folder.mkdir(exist_ok=True)
    for name, spec in figures_of(sections):
        try:
            drawn = renderer.draw(spec)
        except NotDrawnError as error:
            undrawn[name] = str(error)
            continue
        write_atomically(folder / f"{name}.svg", drawn.svg)
        write_atomically(folder / f"{name}.pdf", drawn.pdf)
    return undrawn
