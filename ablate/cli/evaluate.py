"""`python -m ablate.evaluate STUDY_DIR --metric mmd --samples`: adds to finished runs.

A metric to the ledger, samples to be looked at to their files.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from ablate.analysis.build import study_record
from ablate.analysis.kept_analysis import analysis_today
from ablate.analysis.seed_rule import plan_so_far
from ablate.cli.guard import guarded
from ablate.driver.data_check import check_data
from ablate.driver.measuring import Measuring, has_metric, is_measurable
from ablate.driver.sampling import Sampling
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
from ablate.text import some
from ablate.tracking.wandb.places import lacking_places
from ablate.tracking.wandb.settings import destination


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluates runs; returns the exit code: 0 all evaluated, 1 some could not be."""
    return guarded(lambda console: evaluate_command(build_parser().parse_args(argv), console))


def build_parser(parser: argparse.ArgumentParser | None = None) -> argparse.ArgumentParser:
    """The arguments of `python -m ablate.evaluate` and of `ablate evaluate`."""
    parser = parser or Arguments(
        prog="python -m ablate.evaluate",
        description="Adds a metric, or samples to be looked at, to finished runs, from their best "
        "weights, without training.",
    )
    parser.add_argument("study_dir", metavar="STUDY_DIR")
    parser.add_argument("--metric", metavar="NAME", help="mmd, nll, ...")
    parser.add_argument("--samples", action="store_true",
                        help="keep samples of runs that have none, for the report")  # fmt: skip
    return parser


def evaluate_command(arguments: argparse.Namespace, console: Console) -> int:
    """Adds to finished runs what they lack: a metric, and prints the table; samples.

    Raises:
        AblateError: If there is no such metric, nothing makes samples, or the runs were made with
            other data.
    """
    if not (arguments.metric or arguments.samples):
        told = "says what to add to the runs, if --samples does not"
        raise InputError("command line", [Problem("--metric", told, fix="give one, or both")])
    study = load_saved_study(Path(arguments.study_dir))
    paths, metric = StudyPaths(study.directory), arguments.metric
    with driver_lock(paths.lock):
        ledger = Ledger(paths, study.metric, study.mode, journal="evaluate")
        plan = plan_so_far(study, ledger)
        if metric:
            metric = _known(plan, metric)
        if arguments.samples:
            _refuse_unsampled(plan, ledger)
        done = [run for run in plan.runs if _is_asked_about(run, ledger, arguments)]
        _refuse_changed_data(plan, ledger, done)
        failed = _measure(plan, ledger, done, metric, console) if metric else 0
        if arguments.samples:
            sampled = Sampling(plan, ledger, _in_red(console)).sample(done)
            console.print(Text(f"samples: {sampled.told}"), soft_wrap=True)
            if sampled.num_made:
                shows = f"ablate report {shlex.quote(arguments.study_dir)} shows them"
                console.print(Text(shows), soft_wrap=True)
            failed += sampled.num_failed
    if metric:
        _show(plan, ledger, metric, arguments.study_dir, console)
    return 1 if failed else 0


def _measure(plan: Plan, ledger: Ledger, done: Sequence[Run], metric: str, console: Console) -> int:
    """Measures a metric of the runs that lack it; returns how many could not be measured."""
    done = [run for run in done if is_measurable(run, ledger)]
    missing = [run for run in done if not has_metric(ledger.rows[run.run_id], metric)]
    measuring = Measuring(plan, ledger, _in_red(console))
    with ledger.writing():
        failed = [measuring.measure(run, metric) for run in missing].count(False)
    num_had = len(done) - len(missing)
    console.print(Text(f"{metric}: {len(missing) - failed} runs evaluated, {num_had} "
                       f"had it before{f', {failed} failed' if failed else ''}"))  # fmt: skip
    return failed


def _show(plan: Plan, ledger: Ledger, metric: str, study_dir: str, console: Console) -> None:
    """The table of a metric, and where the runs in W&B lack it now."""
    kept = analysis_today(plan, ledger.rows)
    print_report(study_record(plan, ledger.rows, metric, kept=kept), console)
    if StudyPaths(plan.study.directory).wandb_notes.exists():  # the runs in W&B now lack it
        place = destination(plan.study)
        for name, found in lacking_places(plan, ledger, place, study_dir):
            console.print(Text(f"{name}: {found}"), soft_wrap=True)


def _in_red(console: Console) -> Callable[[str], None]:
    return lambda told: console.print(Text(told, style="red"), soft_wrap=True)


def _is_asked_about(run: Run, ledger: Ledger, arguments: argparse.Namespace) -> bool:
    """Whether a run has finished, and its trainable can add something that is asked for."""
    hooks = run.cell.entry.hooks
    can = (arguments.metric and hooks.evaluate) or (arguments.samples and hooks.keep_samples)
    return bool(can) and ledger.rows.status(run.run_id) is Status.OK


def _known(plan: Plan, metric: str) -> str:
    """A metric's name; one of people's own may be written as the study does: `module:name`."""
    measurable = tuple(name for name, spec in plan.model.metrics.items() if spec.is_measurable)
    if not any(entry.hooks.evaluate for entry in plan.entries):
        names = some([entry.name for entry in plan.entries])
        raise AblateError(f"{names}: nothing says how to evaluate finished runs")
    name = metric.rpartition(":")[2]
    if name in measurable:
        return name
    fix = (f"write base.metrics: [{metric}] in the study and run it again: finished runs get it, "
           "without training") * (":" in metric)  # fmt: skip
    problem = Problem("--metric", "cannot be measured on finished runs", metric, measurable, fix)
    raise InputError("command line", [problem])


def _refuse_unsampled(plan: Plan, ledger: Ledger) -> None:
    entries = [entry for entry in plan.entries if entry.hooks.keep_samples]
    if not entries:
        names = some([entry.name for entry in plan.entries])
        raise AblateError(f"{names}: nothing says how to make samples of finished runs "
                          "(TrainableHooks.keep_samples)")  # fmt: skip
    if not any(ledger.rows.status(run.run_id) is Status.OK for run in plan.runs):
        raise AblateError(f"{plan.study.directory}: no run has finished, of which samples "
                          "could be made")  # fmt: skip


def _refuse_changed_data(plan: Plan, ledger: Ledger, runs: Sequence[Run]) -> None:
    facts_by_run = check_data(plan, runs)
    now = {run_id: facts.get("data_fingerprint", "") for run_id, facts in facts_by_run.items()}
    changed = changed_data(ledger.rows, runs, now)
    if changed:
        names = ", ".join(run.run_name for run in changed[:5])
        raise AblateError(
            f"the data have changed since {len(changed)} finished runs were made ({names}): "
            "what is added now would be of other data"
        )


if __name__ == "__main__":
    sys.exit(main())
