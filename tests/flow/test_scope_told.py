"""What the metrics of a run are said to be measured of."""

import pytest

from trainables.flow.config.metrics import MAX_ROWS, METRICS
from trainables.flow.config.run import FlowConfig


@pytest.mark.parametrize(("data", "told"), [
    ({}, "digits, all training rows"),
    ({"size": "1k"}, "digits, 1,000 training rows"),
    ({"source": "moons"}, "moons, 5,000 rows, all training rows"),
    ({"source": "gaussians", "rows": 300, "dim": 7, "size": 50},
     "gaussians, 300 rows, 7 dimensions, 50 training rows"),
    ({"source": "npy", "path": "s3://b/rows.npy"}, "npy, s3://b/rows.npy, all training rows"),
])  # fmt: skip
def test_data_are_told(data, told):
    assert FlowConfig(data=data).scope("mmd")["data"] == told


def test_each_metric_is_told_by_what_measures_it():
    config = FlowConfig(solver="heun", solver_steps=7, data={"split_seed": 3})
    told = {name: config.scope(name) for name in METRICS}
    assert {parts["split_seed"] for parts in told.values()} == {"3, the same for all seeds"}
    assert told["mmd"]["solver"] == "heun, 7 steps"
    assert told["nll"]["solver"] == "rk4, 7 steps", "a likelihood has a solver of its own"
    assert "solver" not in told["val_loss"]
    assert f"{MAX_ROWS:,} samples from fixed noise" in told["sliced_w2"]["measured on"]
    assert "samples" not in told["nll"]["measured on"]
    assert "validation part (10 % of all rows)" in told["val_loss"]["measured on"]
    assert "weights" not in told["train_loss"], "it is taken while they change"
    assert config.scope("a metric of somebody's own").keys() == {"data", "split_seed", "seeds"}


@pytest.mark.parametrize(("metric", "data", "ratio"), [
    ("mmd", {}, 0.2 / 0.7),
    ("a metric of somebody's own", {}, 0.2 / 0.7),
    ("val_loss", {}, 0.1 / 0.7),
    ("train_loss", {}, 0.7 / 0.3),
    ("mmd", {"size": 100}, 0.2 * 1797 / 100),
    ("mmd", {"size": "1k", "source": "moons"}, 0.2 * 5),
    ("mmd", {"size": 100, "source": "gaussians", "rows": 120}, 0.2 / 0.7),
    ("mmd", {"size": 100, "source": "npy", "path": "rows.npy"}, 0.2 / 0.7),
])  # fmt: skip
def test_rows_measured_on_for_each_row_trained_on(metric, data, ratio):
    assert FlowConfig(data=data).held_out(metric) == pytest.approx(ratio)
