"""`split_seed: with_seed`: each run's split is its seed's."""

from typing import ClassVar

import pytest
from pydantic import Field
from ray.tune import Trainable

from ablate.driver.data_check import check_data
from ablate.driver.session import plan_notes
from ablate.errors import InputError
from ablate.plan.analysis_changes import differences
from ablate.plan.analysis_plan import AnalysisPlan
from ablate.plan.packing import packs_of
from ablate.plan.plan import plan_study
from ablate.spec.load import read_study
from ablate.spec.models import AA_SEED_OFFSET
from ablate.trainable.contract import TrainableConfig

RAW = {
    "study": "s", "metric": "sliced_w2", "base": {"epochs": 3},
    "factors": {"flow": ["icfm", "vp"]}, "seeds": [0, 7],
}  # fmt: skip


NETS = {
    "a": {"schedule": "constant"}, "b": {"schedule": "constant", "final_lr": 0.5},
    "c": {"lr": 0.01},
}  # fmt: skip
"""The first two are the same training."""


class Folds(Trainable):
    """Somebody's own trainable, with ten folds."""

    class Config(TrainableConfig):
        shares_draws: ClassVar[bool] = True
        split_key: ClassVar[str | None] = "fold"
        gain: int = 1
        fold: int = Field(0, lt=10)

        def held_out(self, metric):
            return None if metric == "unheard" else 1 / 9


def plan(**changes):
    return plan_study(read_study({**RAW, "split_seed": "with_seed", **changes}, "x"))


def mistakes(**changes):
    with pytest.raises(InputError) as error:
        plan(**changes)
    return {problem.key: problem for problem in error.value.problems}


def splits(planned):
    return [run.config["data"]["split_seed"] for run in planned.runs]


def test_each_run_splits_by_its_seed():
    varied, fixed = plan(aa=True), plan(split_seed=None, aa=True)
    assert splits(varied) == [0, 0, AA_SEED_OFFSET, 7, 7, AA_SEED_OFFSET + 7]
    assert set(splits(fixed)) == {0}
    assert [run.run_name for run in varied.runs] == [run.run_name for run in fixed.runs]
    assert varied.launch_config(varied.runs[3])["data"]["split_seed"] == 7
    same_split = plan(split_seed=None, seeds=[7], base={"epochs": 3, "data.split_seed": 7})
    ids = [{run.run_id for run in planned.runs} for planned in (varied, fixed, same_split)]
    assert len(set.union(*ids)) == sum(map(len, ids)), "a fixed split is another design"


def test_names_in_the_ledger_stay_apart():
    fixed = plan(split_seed=None)
    names = {run.run_id: run.run_name for run in fixed.runs}
    both = plan_study(read_study({**RAW, "split_seed": "with_seed"}, "x"), names)
    assert not {run.run_name for run in both.runs} & set(names.values())


def test_all_mistakes_at_once():
    found = mistakes(
        base={"data.split_seed": 4}, seeds={"max": 5, "until": {"half_width": 0.1}},
        factors={"d": {"a": {"data": {"split_seed": 3}}, "b": {"lr": 0.1}}},
        blocks=[{"base": {"data": {"split_seed": 1}}, "factors": {"data.split_seed": [5, 6]}}],
    )  # fmt: skip
    assert {key: problem.value for key, problem in found.items()} == {
        "split_seed": "with_seed", "base.data.split_seed": 4, "factors.d.a.data.split_seed": 3,
        "blocks[0].base.data.split_seed": 1, "blocks[0].factors.data.split_seed[0]": 5,
        "blocks[0].factors.data.split_seed[1]": 6,
    }  # fmt: skip
    assert "overlap" in found["split_seed"].message
    assert all(problem.fix for problem in found.values())


def test_the_trainable_must_know_its_split():
    toy = {"trainable": "toy:Counter", "metric": "score", "base": {}, "factors": {"gain": [1, 2]}}
    assert "toy:Counter names no key" in mistakes(**toy)["split_seed"].message
    folds = {**toy, "trainable": "test_random_splits:Folds"}
    assert [run.config["fold"] for run in plan(**folds).runs] == [0, 0, 7, 7]
    assert "is refused as fold" in mistakes(**folds, seeds=[3, 10])["seeds"].message
    assert "held_out" in mistakes(**{**folds, "metric": "unheard"})["metric"].message


def test_cells_of_one_seed_share_data_packs_and_notes():
    planned = plan(pack=8, factors={"net": NETS},
                   base={"epochs": 3, "data": {"source": "moons", "rows": 200}})  # fmt: skip
    packs = packs_of(planned, planned.runs, {}, 1)
    assert [{run.seed for run in pack} for pack in packs] == [{0}, {7}]
    late = [run for run in planned.runs if (run.seed, run.cell.index) != (7, 1)]
    facts = check_data(planned, late)
    assert [facts[run.run_id]["same_training"]["data"]["split_seed"] for run in late] == [
        run.seed for run in late
    ]
    [note] = [note for note in plan_notes(planned, facts) if "same thing" in note]
    assert note.startswith("net=a and net=b ")


def test_the_change_is_part_of_the_analysis():
    before, after = (AnalysisPlan.of(planned) for planned in (plan(split_seed=None), plan()))
    [change] = differences(before, after)
    assert (change.topic, change.was, change.now) == ("split_seed", "", "with_seed")
    assert change.is_exploratory


def test_unpaired_runs_have_no_splits_in_common():
    assert mistakes(pairing="none")["split_seed"].fix.startswith("set pairing: seed")
