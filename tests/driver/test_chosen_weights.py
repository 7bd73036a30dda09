"""Results of best weights of a trainable of one's own that says by what it chooses them."""

from typing import ClassVar

import pytest
from ray.tune import Trainable
from studies import toy_study

from ablate.analysis.build import study_record
from ablate.driver.session import execute
from ablate.launch.base import Options
from ablate.trainable.contract import TrainableConfig


class Config(TrainableConfig):
    selected_by: ClassVar = "loss"
    gain: int = 1


class Choosing(Trainable):
    """Its loss is least at the second of four steps, its score highest at the last but one."""

    Config = Config

    def step(self):
        at = self.iteration
        score = [1.0, 5.0, 9.0, 7.0][at] + self.config["gain"]
        found = {"loss": [4.0, 1.0, 2.0, 3.0][at], "score": score, "done": at == 3}
        return found if at != 1 else {**found, "rare": 1.0}

    def save_checkpoint(self, checkpoint_dir):
        return {}

    def load_checkpoint(self, checkpoint):
        pass


@pytest.mark.parametrize(("changes", "mean", "told"), [
    ({}, 6, "best weights by loss"),
    ({"value": "last"}, 8, "final weights"),
    ({"metric": "loss", "mode": "min"}, 1, "best weights by loss"),
])  # fmt: skip
def test_best_is_the_value_where_what_chooses_was_best(tmp_path, console, changes, mean, told):
    study = toy_study(tmp_path, trainable="test_chosen_weights:Choosing", base={}, **changes)
    outcome = execute(study, Options(local=True), console)
    metric = study_record(outcome.plan, outcome.ledger.rows).metric
    assert (metric.cells[0].value.mean, metric.value_text) == (mean, told)
