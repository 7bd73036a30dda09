"""Which of a run's values counts, and whether runs may end early, if cells share no yardstick."""

import pytest
from studies import flow_study, toy_study

from ablate.analysis.build import study_record
from ablate.plan.plan import plan_study
from trainables.flow.config.run import FlowConfig

VALUES = {"sliced_w2_best": 1.0, "sliced_w2_final": 2.0}


def rows_of(plan, **more):
    return {
        run.run_id: {"status": "ok", **{k: v + n / 100 for k, v in VALUES.items()}, **more}
        for n, run in enumerate(plan.runs)
    }


def first_mean(plan, rows):
    record = study_record(plan, rows)
    return round(record.metric.cells[0].value.mean), record.metric


@pytest.mark.parametrize(
    ("factors", "mean", "weights"),
    [
        ({"flow": ["icfm", "vp"]}, 2, "final weights"),
        ({"sigma": [0.0, 0.1]}, 2, "final weights"),
        ({"lr": [1e-3, 1e-2]}, 1, "best weights by val_loss"),
        ({"arch": ["mlp", "unet"]}, 1, "best weights by val_loss"),
    ],
)
def test_best_weights_count_where_all_cells_share_what_chose_them(tmp_path, factors, mean, weights):
    plan = plan_study(flow_study(tmp_path, factors=factors))
    found, metric = first_mean(plan, rows_of(plan))
    assert (found, metric.value_text) == (mean, weights)


def test_early_ends_by_another_yardstick_are_told_where_there_are_any(tmp_path):
    plan = plan_study(flow_study(tmp_path))
    [told] = plan.notes
    assert "val_loss measures different things in cells that differ in flow" in told
    assert "patience: null trains all of them to the end" in told
    stopped = study_record(plan, rows_of(plan, stop_reason="early_stopping"))
    assert told in stopped.metric.cautions
    assert study_record(plan, rows_of(plan, stop_reason="epochs")).metric.cautions == []
    base = {"hidden_dim": 64, "num_layers": 2, "epochs": 6, "patience": None}
    assert plan_study(flow_study(tmp_path, base=base)).notes == []


def test_best_weights_are_taken_where_asked_for_with_a_caution(tmp_path):
    plan = plan_study(flow_study(tmp_path, value="best", base={"patience": None}))
    found, metric = first_mean(plan, rows_of(plan))
    assert found == 1
    assert "value: best takes weights that were chosen by it" in metric.cautions[0]


def test_the_same_value_is_taken_of_all_runs(tmp_path):
    """`ablate evaluate` adds the metric of best weights alone."""
    plan = plan_study(flow_study(tmp_path))
    rows = rows_of(plan)
    for row in list(rows.values())[:2]:
        del row["sliced_w2_final"]
    found, metric = first_mean(plan, rows)
    assert (found, metric.value_text) == (1, "best weights by val_loss")


def test_of_a_trainable_of_ones_own_the_last_value_counts(tmp_path):
    for value, mean in ((None, 3), ("last", 3), ("best", 9)):
        plan = plan_study(toy_study(tmp_path, value=value))
        rows = {run.run_id: {"status": "ok", "score_best": 9.0, "score_final": 3.0}
                for run in plan.runs}  # fmt: skip
        found, metric = first_mean(plan, rows)
        assert (found, metric.value_text) == (mean, f"{value or 'last'} value")


def test_a_run_of_given_steps_takes_them_all_unless_patience_is_asked_for():
    assert FlowConfig(steps=100).patience is None
    assert FlowConfig(steps=100, patience=20).patience == 20
    assert FlowConfig(epochs=100).patience == 20
