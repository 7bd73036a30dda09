"""Numbered seeds of commands are 1,000 apart, since scripts add their processes' ranks to them."""

import pytest
from commanded_studies import READ, command_study, project
from studies import toy_study

from ablate.errors import InputError
from ablate.plan.plan import plan_study
from ablate.spec.load import load_saved_study, save_study
from ablate.study_dir import StudyPaths

RULE = {"min": 2, "max": 5, "until": {"half_width": 0.1}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return project(tmp_path_factory.mktemp("seeds") / "p", git=False)


@pytest.mark.parametrize(("seeds", "found"), [
    (3, (0, 1000, 2000)),
    ([0, 1, 2], (0, 1, 2)),
    (RULE, (0, 1000)),
    ({"baseline": 3, "others": 1}, (0, 1000, 2000)),
], ids=str)  # fmt: skip
def test_numbers_are_apart_and_lists_stay(folder, seeds, found):
    assert command_study(folder, seeds=seeds).first_seeds == found


def test_a_block_with_a_command_is_enough(folder):
    block = {"trainable": {"command": "{python} train.py {overrides}", "read": READ},
             "factors": {"lr": [0.1, 0.2]}}  # fmt: skip
    study = command_study(folder, None, trainable="toy:Counter", factors={"gain": [1, 2]},
                          blocks=[block])  # fmt: skip
    assert study.first_seeds == (0, 1000)


def test_others_count_as_before_and_a_rule_counts_on(folder, tmp_path):
    assert toy_study(tmp_path, seeds=3).first_seeds == (0, 1, 2)
    assert command_study(folder, seeds=RULE).numbered(4) == (0, 1000, 2000, 3000)


def test_a_saved_study_has_the_same_seeds(folder):
    study = command_study(folder, seeds={"baseline": 2, "others": 1})
    save_study(study, StudyPaths(study.directory))
    again = load_saved_study(study.directory)
    assert [run.run_id for run in plan_study(again).runs] == [
        run.run_id for run in plan_study(study).runs
    ]


def test_the_second_baseline_has_seeds_of_its_own_or_is_refused(folder):
    seeds = [run.seed for run in plan_study(command_study(folder, aa=True, seeds=3)).runs]
    assert len(set(seeds)) == 6
    with pytest.raises(InputError, match="aa = 1000000: the second baseline of seed 0"):
        command_study(folder, aa=True, seeds=1001)
