"""Reports of made-up results."""

import math

from studies import toy_study

from ablate.analysis.build import study_record
from ablate.plan.plan import plan_study
from ablate.run_row import RunRow, RunRows

NAN = math.nan
RESULTS = {1: [10.0, 12.0, 11.0], 2: [15.0, 17.1, 16.0], 3: [10.1, 11.9, 11.0], 4: [NAN, 9.0, NAN]}


def rows_of(plan, value_of, metric="score"):
    """Ledger rows of made-up results by cell labels and seed; nan has failed."""
    rows = RunRows()
    for run in plan.runs:
        value = value_of(run.cell.labels, run.seed)
        row = {"status": "failed", "error_type": "ValueError", "error": "it | broke\n<b>"}
        if value == value:
            row = {
                "status": "ok",
                "seconds": 60.0,
                f"{metric}_best": value,
                f"{metric}_floor": 8.25,
            }
        rows[run.run_id] = RunRow(run_id=run.run_id, run_name=run.run_name, **row)
    return rows


def record(tmp_path, results=None, metric=None, **changes):
    """A study record of made-up results: one factor, three seeds."""
    results = RESULTS if results is None else results
    raw = {"factors": {"gain": list(results)}, "seeds": [1, 2, 3], **changes}
    plan = plan_study(toy_study(tmp_path, **raw))
    return study_record(plan, rows_of(plan, lambda c, seed: results[c["gain"]][seed - 1]), metric)


def grid(tmp_path, **changes):
    """Two factors that interact: b=y adds 2 to the score, but for a=3 it takes 2 away."""
    factors = {"a": [1, 2, 3], "b": ["x", "y"]}
    plan = plan_study(toy_study(tmp_path, factors=factors, seeds=[1, 2, 3, 4], **changes))
    noise = iter([0.01 * ((7 * n) % 5) for n in range(24)])

    def value(labels, seed):
        b = {"x": 0, "y": -2 if labels["a"] == 3 else 2}[labels["b"]]
        return 20 + 3 * labels["a"] + b + seed + next(noise)

    return study_record(plan, rows_of(plan, value))


def null_grid(tmp_path, **changes):
    """Six cells and not one effect; the longest question and names that people give."""
    factors = {"flow": ["icfm", "target", "vp"], "width": ["narrow", "wide"]}
    plan = plan_study(toy_study(tmp_path, factors=factors, seeds=[1, 2, 3], **changes))
    noise = iter([10 + ((7 * n) % 11) / 10 for n in range(18)])
    return study_record(plan, rows_of(plan, lambda labels, seed: next(noise)))
