"""Measures metrics of finished runs from their best weights, without training."""

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablate.driver.code_changes import outdated_runs
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import Plan, Run
from ablate.plan.reconcile import changed_data
from ablate.run_row import RunRow, Status
from ablate.study_dir import StudyPaths
from ablate.text import num_runs, some, told_error
from ablate.trainable.code_files import dump_hashes, parse_hashes, shown
from ablate.trainable.loaded_code import RunCode, import_path


@dataclass(frozen=True)
class Measuring:
    """Where metrics are measured, and who hears of it.

    Attributes:
        plan: The plan of the runs.
        ledger: Gets the values.
        tell: Is told of each run that could not be measured, and why.
    """

    plan: Plan
    ledger: Ledger
    tell: Callable[[str], None]

    def measure(self, run: Run, metric: str) -> bool:
        """Adds a metric of a finished run to its row; returns whether it has it now."""
        row = self.ledger.rows[run.run_id]
        evaluate = run.cell.entry.evaluate()
        assert evaluate is not None
        best = StudyPaths(self.plan.study.directory).best(row.run_name)
        try:
            columns = dict(evaluate(best, self.plan.launch_config(run), metric))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a run's boundary
            self.tell(f"{row.run_name}: {told_error(error)}")
            return False
        columns |= _of_final_weights(row, columns)
        wrong = {name: value for name, value in columns.items() if not math.isfinite(value)}
        for name, value in wrong.items():
            self.tell(f"{row.run_name}: {name} is {value}: left out of the metrics")
        kept = {n: v for n, v in columns.items() if n not in wrong}
        self.ledger.patch(run.run_id, **kept, **_code_with_metrics(run, row))
        return f"{metric}_best" in columns.keys() - wrong.keys()


def add_new_metrics(
    plan: Plan, runs: Iterable[Run], facts: Mapping[str, Mapping[str, Any]], ledger: Ledger,
    tell: Callable[[str], None],
) -> None:  # fmt: skip
    """Measures what a study has asked for since its runs finished, and says so in one line.

    Args:
        plan: The plan.
        runs: Those that were asked for and had finished before.
        facts: What `check_data` returned, by run id.
        ledger: Their record.
        tell: Is told what was measured, and of each run that could not be.
    """
    lacking = {run.run_id: _lacking(run, ledger, facts) for run in runs}
    finished = [run for run in runs if lacking[run.run_id]]
    if not finished:
        return
    changed = outdated_runs(plan, ledger.rows)
    outdated = {
        run.run_id
        for run in finished
        if _is_outdated(run, changed.get(run.run_id, frozenset()), ledger.rows[run.run_id])
    }
    if outdated:
        tell(f"{num_runs(len(outdated))} made with other training code: metrics that are new "
             "are not measured of their weights")  # fmt: skip
    done = [run for run in finished if run.run_id not in outdated]
    now = {run_id: each.get("data_fingerprint", "") for run_id, each in facts.items()}
    other = {run.run_id for run in changed_data(ledger.rows, done, now)}
    measuring, counts = Measuring(plan, ledger, tell), dict[str, list[bool]]()
    for run in (run for run in done if run.run_id not in other):
        row = ledger.rows[run.run_id]
        for metric in lacking[run.run_id]:
            if not has_metric(row, metric):  # another key of one dict may have brought it
                measuring.measure(run, metric)
        for metric in lacking[run.run_id]:
            counts.setdefault(metric, []).append(has_metric(row, metric))
    for each in dict.fromkeys(map(tuple, counts.values())):
        names = some([metric for metric, own in counts.items() if tuple(own) == each])
        failed = each.count(False)
        tell(f"{names}: added to {sum(each)} finished runs, from their best weights"
             f"{f'; {failed} could not be measured' if failed else ''}")  # fmt: skip


def _lacking(run: Run, ledger: Ledger, facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The metrics that a finished run is asked for and does not have."""
    if not is_measurable(run, ledger):
        return []
    asked, row = _asked_of(run, facts.get(run.run_id, {})), ledger.rows[run.run_id]
    return [metric for metric in asked if not has_metric(row, metric)]


def _is_outdated(run: Run, files: Collection[str], row: RunRow) -> bool:
    """Whether today's code would put other things than the run's into its weights.

    Args:
        run: A finished run.
        files: Those that differ since; files of metrics alone do not count.
        row: Its record.
    """
    model, metrics = run.cell.model, tuple[str, ...]()
    for key, names in model.code(model.validate(run.config)).items():
        if key in model.study_keys:
            metrics += tuple(f"{n.partition(':')[0].replace('.', '/')}.py" for n in names)
    later = json.loads(row.measured_with or "[]")
    return any(file not in later and not file.endswith(metrics) for file in files)


def is_measurable(run: Run, ledger: Ledger) -> bool:
    """Whether a run has finished, and its trainable says how to measure it."""
    is_ok = ledger.rows.status(run.run_id) is Status.OK
    return is_ok and run.cell.entry.hooks.evaluate is not None


def _code_with_metrics(run: Run, row: RunRow) -> dict[str, str]:
    """A row's code, with the files of its study's metrics and of what they import.

    Of files that the row has, its own version counts: the run was made with it.
    """
    known, model = parse_hashes(row.code_files), run.cell.model
    if not (known and model.study_keys & model.code(model.validate(run.config)).keys()):
        return {}
    today = RunCode(run.cell.entry.target, import_path()).hashes()
    later = [*json.loads(row.measured_with or "[]"), *map(shown, today.keys() - known.keys())]
    files = dump_hashes({**today, **known})
    return {"code_files": files, "measured_with": json.dumps(sorted(later))}


def has_metric(row: RunRow, metric: str) -> bool:
    """Whether a row has a metric of its run's best weights."""
    return row.get(f"{metric}_best") is not None


def _asked_of(run: Run, facts: Mapping[str, Any]) -> Sequence[str]:
    """The metrics that a run ends with and that can be measured later."""
    model, found = run.cell.model, facts.get("metrics", {})
    own = (name for name, spec in model.own_metrics.items()
           if spec.is_measurable and model.measured(run.cell.validated, name))  # fmt: skip
    return tuple(dict.fromkeys([*own, *found]))


def _of_final_weights(row: RunRow, columns: Mapping[str, float]) -> dict[str, float]:
    """The same as of the final weights, where those are the best ones."""
    if row.best_step is None or row.best_step != row.step:
        return {}
    best = {name: value for name, value in columns.items() if name.endswith("_best")}
    return {f"{name.removesuffix('_best')}_final": value for name, value in best.items()}
