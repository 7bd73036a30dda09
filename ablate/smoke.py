"""`--smoke`: every distinct cell for two steps, final metrics included, before the study starts.

A cell that cannot start, sample or be measured is known after a minute, not after a night.
"""

import shutil
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from ablate.job import Options, Outcome, execute
from ablate.paths import StudyPaths
from ablate.study import Study


def try_cells(study: Study, options: Options, console: Console) -> Outcome:
    """Runs each cell on its first seed for two steps, beside the study and untracked.

    Returns:
        How that went; what it wrote is kept where a cell failed.
    """
    paths = StudyPaths(study.directory)
    shutil.rmtree(paths.smoke, ignore_errors=True)
    trial = study.model_copy(update={
        "study": paths.smoke.name,
        "storage": str(paths.smoke.parent),
        "seeds": study.first_seeds[:1],
        "aa": False,
        "retries": 0,
    })  # fmt: skip
    console.print("smoke: every cell for two steps")
    outcome = execute(trial, replace(options, only=None, fresh=False, short=True), console)
    rows = outcome.ledger.rows.values()
    failed = [row for row in rows if row["status"] in ("failed", "diverged")]
    for row in failed:
        cause = f"{row.get('error_type')}: {row.get('error')}"
        console.print(Text(f"smoke: {row['run_name']} {row['status']}: {cause}", style="red"))
    if failed:
        logs = paths.smoke / "logs"
        console.print(Text(f"smoke: the study is not started; logs: {logs}"), soft_wrap=True)
    elif not outcome.interrupted:
        console.print(f"smoke: {len(outcome.plan.cells)} cells start, end and are measured")
        shutil.rmtree(paths.smoke)
    return outcome
