"""The Python interface to running a study, equivalent to the commands."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ablate.analysis import build
from ablate.analysis.kept_analysis import analysis_today
from ablate.analysis.records import StudyRecord
from ablate.analysis.seed_rule import plan_so_far
from ablate.driver.finish import complete_study
from ablate.driver.session import Outcome
from ablate.errors import ClusterGoneError
from ablate.events import Listener
from ablate.launch.base import Options
from ablate.ledger.ledger import Ledger
from ablate.process.screen import standard_output
from ablate.spec.load import load_saved_study
from ablate.spec.models import Study
from ablate.study_dir import StudyPaths


def run_study(
    study: Study,
    console: Console | None = None,
    *,
    local: bool = False,
    only: str | None = None,
    retry_failed: bool = False,
    fresh: bool = False,
    same_study: bool = False,
    reuse: bool = False,
    accept_changed_data: bool = False,
    address: str | None = None,
    trust_owner: bool = False,
    wait_for_lock_s: float = 0.0,
    verbose: bool = False,
    listeners: Sequence[Listener] = (),
) -> Ledger:
    """Runs what a study still needs, as `python -m ablate.run` does, with report and tracking.

    Args:
        study: A checked study, from `load_study`.
        console: Where progress and tables are shown; the terminal by default.
        local: Run in this process, one run after another, without Ray.
        only: Run only a part of the plan: `flow=vp,seed=42`.
        retry_failed: Run failed and diverged runs again.
        fresh: Start over; the old directory is renamed and kept.
        same_study: Go on where the directory has results of another question.
        reuse: Take runs that another study of the same storage has finished.
        accept_changed_data: Keep runs made with different data.
        address: Of a running Ray cluster, or `local`.
        trust_owner: Unpickle checkpoints that another user owns.
        wait_for_lock_s: How long to wait for another driver to end.
        verbose: Show the table so far whenever a replicate has ended.
        listeners: Get the events of runs.

    Returns:
        The ledger: `rows` by run id, `history(run_id)`.

    Raises:
        InputError: If the options, the data or the cluster do not fit the study.
        AnotherQuestionError: If the directory has results of another question.
        StudyInUseError: If another driver is using the study directory.
        KeyboardInterrupt, ClusterGoneError: If it was stopped, after everything is saved.
    """
    options = Options(
        local=local, only=only, retry_failed=retry_failed, fresh=fresh, same_study=same_study,
        reuse=reuse, accept_changed_data=accept_changed_data, address=address, verbose=verbose,
        trust_owner=trust_owner, wait_for_lock_s=wait_for_lock_s)  # fmt: skip
    console = console or standard_output()
    return _ended(complete_study(study, options, console, listeners=listeners))


def _ended(outcome: Outcome) -> Ledger:
    """The ledger of a command that was not stopped."""
    if outcome.gone:
        raise ClusterGoneError(f"the cluster at {outcome.gone} is gone; the state is saved")
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome.ledger


def study_record(study_dir: str | Path, metric: str | None = None) -> StudyRecord:
    """What the report of a study says, as records: cells, comparisons, effects, missing runs.

    Args:
        study_dir: A study directory; the study may still be running.
        metric: What to report instead of the study's own metrics.

    Raises:
        InputError: If the directory holds no study.
    """
    study = load_saved_study(Path(study_dir))
    ledger = Ledger(StudyPaths(study.directory))
    plan = plan_so_far(study, ledger)
    return build.study_record(plan, ledger.rows, metric, kept=analysis_today(plan, ledger.rows))
