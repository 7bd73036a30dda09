"""The record of a study as its directory stands, also while a driver runs it."""

from collections.abc import Sequence

from ablate.analysis.build import study_record
from ablate.analysis.kept_analysis import analysis_today
from ablate.analysis.records import StudyRecord
from ablate.ledger.ledger import Ledger
from ablate.ledger.seals import lost_files
from ablate.plan.plan import Plan
from ablate.plan.reconcile import lost_notes
from ablate.study_dir import StudyPaths


def record_as_it_stands(
    plan: Plan,
    ledger: Ledger,
    metric: str | None = None,
    notes: Sequence[str] = (),
    tracked_at: str = "",
) -> StudyRecord:
    """What is to be reported, with the ledger's notes and those on lost files; writes nothing.

    Args:
        plan: The study's plan so far.
        ledger: Its ledger.
        metric: What to report in the place of the study's own metrics.
        notes: Further ones.
        tracked_at: Its page in W&B.
    """
    paths, rows = StudyPaths(plan.study.directory), ledger.rows
    lost = lost_notes(rows, lost_files(paths, rows, plan.by_id))
    return study_record(
        plan, rows, metric, paths.study_yaml.read_text("utf-8"), [*ledger.notes, *lost, *notes],
        tracked_at, analysis_today(plan, rows),
    )  # fmt: skip
