"""`python -m ablate.watch.report_now STUDY_DIR`: the report as it stands, on standard output."""

import sys
from pathlib import Path

from ablate.analysis.as_it_stands import record_as_it_stands
from ablate.analysis.seed_rule import plan_so_far
from ablate.errors import AblateError
from ablate.ledger.history import History
from ablate.ledger.ledger import Ledger
from ablate.report.page import page, page_script
from ablate.report.renderer import NotDrawnError, Renderer
from ablate.report.sections import sections_of
from ablate.spec.load import load_saved_study
from ablate.study_dir import StudyPaths


def report_page(study_dir: Path) -> str:
    """The page of a study's report, without writing anything to its directory.

    Raises:
        AblateError: If the study cannot be read, or nothing can be said of it.
    """
    study = load_saved_study(study_dir)
    paths = StudyPaths(study.directory)
    ledger = Ledger(paths)
    record = record_as_it_stands(plan_so_far(study, ledger), ledger)
    script, undrawn = "", []
    with Renderer() as renderer:
        try:
            script = page_script(renderer)
        except NotDrawnError as error:
            undrawn = [f"the charts: {error}"]
    return page(record, sections_of(record, History(paths), paths), script, undrawn)


def main() -> int:
    """Prints the page; 2 where there is none."""
    try:
        made = report_page(Path(sys.argv[1]))
    except AblateError as error:
        print(error, file=sys.stderr)
        return AblateError.exit_code
    sys.stdout.buffer.write(made.encode(errors="backslashreplace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
