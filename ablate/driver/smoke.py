"""`--smoke`: runs every cell for two steps, final metrics included, before the study starts.

So a cell that cannot start, sample or be measured shows after a minute, not after a night.
"""

import shutil
from dataclasses import replace

from rich.console import Console

from ablate.driver.session import Outcome, execute, make_directory
from ablate.launch.base import Options
from ablate.ledger.lock import driver_lock
from ablate.process.screen import Text
from ablate.run_row import Status
from ablate.spec.models import Study
from ablate.study_dir import StudyPaths


def try_cells(study: Study, options: Options, console: Console) -> Outcome:
    """Runs each cell on its first seed for two steps, beside the study and untracked.

    Args:
        study: A checked study.
        options: How to run it.
        console: Where progress and the result are shown.

    Returns:
        The outcome; the smoke test's files are kept if a cell failed.

    Raises:
        StudyInUseError: If another driver works in the study directory.
    """
    paths = StudyPaths(study.directory)
    make_directory(study, paths)
    with driver_lock(paths.lock, options.wait_for_lock_s):
        return _try_cells(study, paths, options, console)


def _try_cells(study: Study, paths: StudyPaths, options: Options, console: Console) -> Outcome:
    shutil.rmtree(paths.smoke, ignore_errors=True)
    trial = study.model_copy(update={
        "study": paths.smoke.name,
        "storage": str(paths.smoke.parent),
        "seeds": study.first_seeds[:1],
        "aa": False,
        "retries": 0,
    })  # fmt: skip
    console.print(Text("smoke: every cell for two steps"))
    smoke_options = replace(options, only=_without_seed(options.only), fresh=False, is_smoke=True)
    outcome = execute(trial, smoke_options, console)
    rows = outcome.ledger.rows.values()
    failed = [row for row in rows if row.status.has_failed]
    for row in failed:
        result = f"smoke: {row.run_name} {row.status}: {row.cause}"
        console.print(Text(result, style="red"))
    if failed:
        logs = paths.smoke / "logs"
        console.print(Text(f"smoke: the study was not started; see {logs}"), soft_wrap=True)
    elif not outcome.interrupted:
        tried = [row for row in rows if row.status is Status.OK]
        silent = sum(row.measured(study.metric) is None for row in tried)
        result = f"they start and end; {silent} reported no {study.metric} within two results"
        result = result if silent else "they start, end and are measured"
        tried_of = f"{len(tried)} of {len(outcome.plan.cells)} cells tried"
        console.print(Text(f"smoke: {tried_of}: {result}"))
        shutil.rmtree(paths.smoke)
    return outcome


def _without_seed(only: str | None) -> str | None:
    """`--only` without its seed: a smoke test uses the study's first one."""
    parts = [part for part in (only or "").split(",") if not part.strip().startswith("seed=")]
    return ",".join(filter(None, parts)) or None
