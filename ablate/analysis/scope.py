"""What the results of a study are of: data, split, test part, samples, weights."""

from typing import Any

from ablate.analysis.arrays import value_text
from ablate.analysis.records import Scope
from ablate.plan.plan import Plan, Run
from ablate.run_row import RunRows
from ablate.text import printable
from ablate.trainable.config_model import ConfigModel

OVER_SPLITS = "over random splits"
MOST_NAMED = 4
"""Ways in which cells differ that are named one by one."""


def scope_of(plan: Plan, rows: RunRows, metric: str) -> Scope:
    """What a metric's verdicts are of.

    What the trainable says of each cell, see `TrainableConfig.scope`, and which value of a run
    counts. Where cells differ in a part, it has what each says: `solver by cell: euler | heun`.

    Args:
        plan: The plan.
        rows: The ledger's rows.
        metric: The metric.
    """
    told = [model.scope(config, metric) for model, config in _configs(plan)]
    over = _of_splits(plan, metric)
    names = dict.fromkeys(name for parts in told for name in parts)
    parts = [
        OVER_SPLITS if name in over else _part(name, [said.get(name, "none") for said in told])
        for name in names
    ]
    parts += [OVER_SPLITS] * (plan.study.split_seed is not None and len(plan.seeds) > 1)
    return Scope([part for part in dict.fromkeys(parts) if part], _value(plan, rows, metric))


def _configs(plan: Plan) -> list[tuple[ConfigModel, Any]]:
    """A config of each cell: that of its first run, where runs differ in their split."""
    if plan.study.split_seed is None:
        return [cell.configured for cell in plan.cells]
    first = plan.seeds[0]
    return [_configured(plan.runs_of[cell.index][first]) for cell in plan.cells]


def _configured(run: Run) -> tuple[ConfigModel, Any]:
    return run.cell.model, run.cell.model.validate(run.config)


def _of_splits(plan: Plan, metric: str) -> set[str]:
    """The parts of a scope that differ between runs of one cell: what is said of the split."""
    if plan.study.split_seed is None:
        return set()
    configs = [_configured(run) for run in plan.runs_of[0].values()]
    told = [model.scope(config, metric) for model, config in configs]
    names = {name for parts in told for name in parts}
    return {name for name in names if len({parts.get(name) for parts in told}) > 1}


def _value(plan: Plan, rows: RunRows, metric: str) -> str:
    """Which of a run's values counts; empty where it has one."""
    if plan.origin:
        return plan.values_told.get(metric, "")
    ends = (f"{metric}_best", f"{metric}_final")
    if not any(rows.of(run.run_id).get(name) is not None for run in plan.runs for name in ends):
        return ""
    text = value_text(plan, rows, metric)
    return text if plan.model.selected_by else f"the {text} of each run"


def _part(name: str, texts: list[str]) -> str:
    different = list(dict.fromkeys(map(printable, texts)))
    if len(different) == 1:
        return f"{printable(name)} {different[0]}".strip()
    listed = " | ".join(different[:MOST_NAMED])
    more = len(different) - MOST_NAMED
    return f"{printable(name)} by cell: {listed}".strip() + f" and {more} more" * (more > 0)
