"""`--smoke`: runs every cell for two steps, final metrics included, and stops.

So a cell that cannot start, sample or be measured shows after a minute, not after a night.
"""

import math
import shutil
import time
from dataclasses import replace

from rich.console import Console

from ablate.analysis.forecast import expected_seconds
from ablate.driver.directory import make_directory
from ablate.driver.question import check_question
from ablate.driver.session import Outcome, examine, execute, ledger_of
from ablate.launch.base import Options
from ablate.launch.early_end import TRIED
from ablate.ledger.lock import driver_lock
from ablate.numbers import clock
from ablate.plan.endings import ends_by_itself
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
        AnotherQuestionError: If the directory has results of another question.
        StudyInUseError: If another driver works in the study directory.
    """
    paths = StudyPaths(study.directory)
    make_directory(study, paths)
    with driver_lock(paths.lock, options.wait_for_lock_s):
        check_question(study, ledger_of(study, options).rows, options)
        began_at = time.monotonic()
        outcome = _try_cells(study, paths, options, console)
        if not outcome.interrupted:
            told = [*_found(study, outcome), f"took {clock(time.monotonic() - began_at)}"]
            if not outcome.exit_code:
                told += [*_still_going(study, outcome), _whole(study, options)]
            for line in told:
                style = "red" if outcome.exit_code else ""
                console.print(Text(f"smoke: {line}", style), soft_wrap=True)
        if not (outcome.interrupted or outcome.exit_code):
            shutil.rmtree(paths.smoke)
    return outcome


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
    only = _without_seed(options.only)
    smoke_options = replace(options, only=only, fresh=False, reuse=False, is_smoke=True)
    return execute(trial, smoke_options, console)


def _found(study: Study, outcome: Outcome) -> list[str]:
    """What became of the cells: each that failed, and why; then how many did not."""
    rows = list(outcome.ledger.rows.values())
    failed = [row for row in rows if row.status.has_failed]
    tried = [row for row in rows if row.status is Status.OK]
    num_cells = len(outcome.plan.cells)
    if failed:
        logs = StudyPaths(study.directory).smoke / "logs"
        counts = f"{len(failed)} of {len(failed) + len(tried)} cells failed"
        return [
            *(f"{row.run_name} {row.status}: {row.cause}" for row in failed),
            counts,
            f"the study was not started; see {logs}",
        ]
    silent = sum(row.measured(study.metric) is None for row in tried)
    ends = f"start and end; {silent} reported no {study.metric} within two results"
    ends = ends if silent else "start, end and are measured"
    return [f"{len(tried)} of {num_cells} cells tried: they {ends}"]


def _still_going(study: Study, outcome: Outcome) -> list[str]:
    """Runs of which nobody knows yet what ends them."""
    rows = outcome.ledger.rows
    open_ended = [run for run in outcome.plan.runs if not ends_by_itself(run.cell.entry)]
    cut = sum(rows.of(run.run_id).stop_reason == TRIED for run in open_ended)
    if not cut or study.stop:
        return []
    return [
        f"{cut} of {len(outcome.plan.cells)} cells had not said done within two results, and the "
        "study has no stop: what ends their runs is theirs to say"
    ]


def _whole(study: Study, options: Options) -> str:
    """How long the whole study will take, as far as runs that have ended tell.

    Two steps do not: most of their time is what a run needs to start.
    """
    ledger = ledger_of(study, options)
    plan, remaining = examine(study, ledger, options)
    seconds = expected_seconds(plan, remaining.todo, ledger.rows) if remaining.todo else 0.0
    left = f"{len(remaining.todo)} of {len(plan.runs)} runs are to do"
    if math.isnan(seconds):
        return f"{left}; how long they take shows when the first has ended: two steps do not tell"
    return f"{left}: about {clock(seconds)} of training"


def _without_seed(only: str | None) -> str | None:
    """`--only` without its seed: a smoke test uses the study's first one."""
    parts = [part for part in (only or "").split(",") if not part.strip().startswith("seed=")]
    return ",".join(filter(None, parts)) or None
