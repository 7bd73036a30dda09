"""`python -m ablate.evaluate STUDY_DIR --metric mmd`: adds a metric to finished runs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ablate.analysis.build import study_record
from ablate.analysis.kept_analysis import analysis_today
from ablate.analysis.seed_rule import plan_so_far
from ablate.cli.guard import guarded
from ablate.driver.data_check import check_data
from ablate.errors import AblateError, InputError, Problem
from ablate.ledger.ledger import Ledger
from ablate.ledger.lock import driver_lock
from ablate.plan.plan import Plan, Run
from ablate.plan.reconcile import changed_data
from ablate.process.screen import Arguments, Text
from ablate.report.terminal import print_report
from ablate.run_row import Status
from ablate.spec.load import load_saved_study
from ablate.study_dir import StudyPaths
from ablate.tracking.wandb.places import lacking_places
from ablate.tracking.wandb.settings import destination


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluates runs; returns the exit code: 0 all evaluated, 1 some could not be."""
    return guarded(lambda console: evaluate_command(build_parser().parse_args(argv), console))


def build_parser(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """The arguments of `python -m ablate.evaluate` and of `ablate evaluate`."""
    parser = parser or Arguments(
        prog="python -m ablate.evaluate",
        description="Adds a metric to finished runs, from their best weights, without training.",
    )
    parser.add_argument("study_dir", metavar="STUDY_DIR")
    parser.add_argument("--metric", required=True, metavar="NAME", help="mmd, nll, ...")
    return parser


def evaluate_command(arguments: argparse.Namespace, console: Console) -> int:
    """Evaluates the finished runs that lack the metric, adds it to the ledger, prints the table.

    Raises:
        AblateError: If there is no such metric, or the runs were made with other data.
    """
    study = load_saved_study(Path(arguments.study_dir))
    paths, metric = StudyPaths(study.directory), arguments.metric
    with driver_lock(paths.lock):
        ledger = Ledger(paths, study.metric, study.mode, journal="evaluate")
        plan = plan_so_far(study, ledger)
        _refuse_unknown(plan, metric)
        done = [r for r in plan.runs if ledger.rows.status(r.run_id) is Status.OK]
        _refuse_changed_data(plan, ledger, done)
        missing = [run for run in done if ledger.rows[run.run_id].get(f"{metric}_best") is None]
        with ledger.writing():
            failed = _evaluate(plan, ledger, paths, missing, metric, console)
    num_had = len(done) - len(missing)
    console.print(Text(f"{metric}: {len(missing) - failed} runs evaluated, {num_had} "
                       f"had it before{f', {failed} failed' if failed else ''}"))  # fmt: skip
    kept = analysis_today(plan, ledger.rows)
    print_report(study_record(plan, ledger.rows, metric, kept=kept), console)
    if paths.wandb_notes.exists():  # the runs in W&B now lack the metric
        for name, place in lacking_places(plan, ledger, destination(study), arguments.study_dir):
            console.print(Text(f"{name}: {place}"), soft_wrap=True)
    return 1 if failed else 0


def _evaluate(
    plan: Plan, ledger: Ledger, paths: StudyPaths, runs: Sequence[Run], metric: str,
    console: Console,
) -> int:  # fmt: skip
    """Evaluates runs one by one; returns how many could not be."""
    evaluate = plan.entry.evaluate()
    assert evaluate is not None
    failed = 0
    for run in runs:
        name = ledger.rows[run.run_id].run_name
        try:
            metrics = evaluate(paths.best(name), plan.launch_config(run), metric)
        except Exception as error:  # noqa: BLE001 - a run's boundary: the others continue
            failed += 1
            cause = f"{name}: {type(error).__name__}: {error}"
            console.print(Text(cause, style="red"), soft_wrap=True)
        else:
            ledger.patch(run.run_id, **metrics)
    return failed


def _refuse_unknown(plan: Plan, metric: str) -> None:
    measurable = tuple(name for name, spec in plan.model.metrics.items() if spec.is_measurable)
    if plan.entry.hooks.evaluate is None:
        raise AblateError(f"{plan.entry.name} does not say how to evaluate finished runs")
    if metric not in measurable:
        problem = Problem("--metric", "cannot be measured on finished runs", metric, measurable)
        raise InputError("command line", [problem])


def _refuse_changed_data(plan: Plan, ledger: Ledger, runs: Sequence[Run]) -> None:
    facts_by_run = check_data(plan, runs)
    now = {run_id: facts.get("data_fingerprint", "") for run_id, facts in facts_by_run.items()}
    changed = changed_data(ledger.rows, runs, now)
    if changed:
        names = ", ".join(run.run_name for run in changed[:5])
        raise AblateError(
            f"the data have changed since {len(changed)} finished runs were made ({names}): "
            "their metrics would be of other data"
        )


if __name__ == "__main__":
    sys.exit(main())
