"""Two trainables in one study that do not say the same of a metric."""

from typing import ClassVar

import pytest
from ray.tune import Trainable
from studies import toy_study

from ablate.errors import InputError
from ablate.spec.load import load_saved_study, save_study
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import MetricSpec, TrainableConfig


class Up(Trainable):
    """Of its score more is better."""

    class Config(TrainableConfig):
        metrics: ClassVar = {"score": MetricSpec(mode="max"), "side": MetricSpec(mode="max")}
        gain: int = 1


class Down(Trainable):
    """Of its score less is better."""

    class Config(TrainableConfig):
        metrics: ClassVar = {"score": MetricSpec(mode="min"), "side": MetricSpec(mode="min")}
        gain: int = 1


def both(folder, **changes):
    block = {"name": "down", "trainable": f"{__name__}:Down", "factors": {"gain": [1, 2]}}
    given = {"trainable": f"{__name__}:Up", "base": {}, "blocks": [block], "mode": None}
    return toy_study(folder, **{**given, **changes})


def test_a_direction_of_which_trainables_disagree_is_the_studys_to_say(tmp_path):
    with pytest.raises(InputError) as error:
        both(tmp_path, report_metrics=["side"])
    told = {problem.key: problem.fix for problem in error.value.problems}
    assert told["metric"] == "write mode: min or mode: max"
    assert told["report_metrics[0]"].startswith("drop it")
    study = both(tmp_path, mode="max")
    save_study(study, StudyPaths(study.directory))
    assert load_saved_study(study.directory).mode == "max"
