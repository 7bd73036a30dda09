"""What Ray Tune itself writes is read."""

import random

import pytest
from judging import judged, verdicts
from studies import ONE_AT_A_TIME

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster"), pytest.mark.timeout(300)]


def train(config):
    """A trial of somebody's: one of its runs breaks."""
    from ray import tune

    noise = random.Random(repr(config))
    for step in range(2):
        if (config["net"]["width"], config["seed"], step) == (64, 3, 1):
            raise FloatingPointError("loss is nan")
        score = (config["net"]["width"] == 64) + 0.2 * config["seed"] + step
        tune.report({"eval": {"score": score + noise.gauss(0, 0.01)}})


def test_an_experiment_of_tune_is_judged(tmp_path):
    from ray import tune

    space = {"net": {"width": tune.grid_search([32, 64])}, "seed": tune.grid_search([1, 2, 3])}
    run_config = tune.RunConfig(name="nets", storage_path=str(tmp_path), verbose=0)
    one_worker = tune.TuneConfig(reuse_actors=True)
    trainable = tune.with_resources(train, ONE_AT_A_TIME)
    tune.Tuner(trainable, param_space=space, tune_config=one_worker, run_config=run_config).fit()
    record = judged(tmp_path / "nets", "--factors", "net.width", "--metric", "eval/score",
                    "--mode", "max", "--baseline", "net.width=32")  # fmt: skip
    assert verdicts(record) == {
        "net.width=32": "baseline",
        "net.width=64": "better, of the runs that ended",
    }
    [missing] = record.missing
    assert (missing.status, missing.cause) == ("failed", "FloatingPointError: loss is nan")
    assert not any("how the trials ended" in note for note in record.notes)
