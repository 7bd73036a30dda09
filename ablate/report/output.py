"""The files of a report, in the study's `report` folder."""

import shutil
from importlib import import_module

from ablate.garbage import uncollected
from ablate.history import History
from ablate.paths import StudyPaths, write_atomically
from ablate.report.files import latex, markdown
from ablate.report.records import StudyRecord


def prepare_report() -> None:
    """Does beforehand what a first report waits for: imports, and the renderer's start; 1.5 s."""
    slow = "ablate.report.page", "ablate.report.sections", "scipy.special"
    with uncollected():
        for name in slow:
            import_module(name)
        from ablate.report.figures import svg

        svg({"data": {"values": [{}]}, "mark": "point"})


def write_report(record: StudyRecord, paths: StudyPaths) -> None:
    """Writes `index.html`, `table.md`, `table.tex` and `figures/`."""
    # Altair takes a second to import: not where nothing is drawn.
    from ablate.report.figures import pdf, svg
    from ablate.report.page import page
    from ablate.report.sections import sections_of

    figures = paths.report / "figures"
    paths.report.mkdir(exist_ok=True)
    write_atomically(paths.report / "table.md", markdown(record))
    write_atomically(paths.report / "table.tex", latex(record))
    sections = sections_of(record, History(paths))
    write_atomically(paths.report / "index.html", page(record, sections))
    shutil.rmtree(figures, ignore_errors=True)  # an older plan's, perhaps
    figures.mkdir(exist_ok=True)
    for section in sections:
        for name, spec in section.charts:
            drawn = svg(spec)
            write_atomically(figures / f"{name}.svg", drawn)
            write_atomically(figures / f"{name}.pdf", pdf(drawn))
