from typing import ClassVar

import pytest
from pydantic import BaseModel

from ablate.errors import InputError
from ablate.identity import canonical_json, content_id
from ablate.plan.plan import plan_study
from ablate.plan.select import select_runs
from ablate.spec.load import read_study

RAW = {
    "study": "s",
    "metric": "sliced_w2",
    "base": {"epochs": 3},
    "factors": {
        "flow": ["icfm", "vp"],
        "net": {"small": {"hidden_dim": 64}, "large": {"hidden_dim": 128, "lr": 1e-4}},
    },
    "baseline": {"net": "large"},
    "exclude": [{"flow": "vp", "net": "small"}],
    "seeds": [42, 7],
}


def plan(**changes):
    return plan_study(read_study({**RAW, **changes}, "x"))


def test_exact_plan():
    """These ids are a promise: they must be the same on every machine and every day."""
    planned = plan()
    assert [(r.run_id, r.run_name, r.seed) for r in planned.runs] == [
        ("480d110c5f84", "icfm-small-s42", 42),
        ("fd4acff033b9", "icfm-large-s42", 42),
        ("538109a8a82a", "vp-large-s42", 42),
        ("a66420d68f6d", "icfm-small-s7", 7),
        ("7e2b960415a3", "icfm-large-s7", 7),
        ("c6842ad392fd", "vp-large-s7", 7),
    ]
    assert planned.baseline.labels == {"flow": "icfm", "net": "large"}
    config = planned.runs[2].config
    assert (config["flow"], config["hidden_dim"], config["lr"], config["epochs"]) == (
        "vp", 128, 1e-4, 3,
    )  # fmt: skip


def ids(planned):
    return [run.run_id for run in planned.runs]


def test_ids_come_from_content():
    same = plan(
        base={"data": {"source": "digits"}, "epochs": 3, "lr": 0.001, "device": "cpu"},
        study="other",
        resources={"cpu": 2},
    )
    assert ids(same) == ids(plan())
    spelled = plan(
        factors={
            **RAW["factors"],
            "net": {"small": {"hidden_dim": 64}, "large": {"lr": 0.0001, "hidden_dim": 128}},
        }
    )
    assert ids(spelled) == ids(plan())
    assert not set(ids(plan(base={"epochs": 4}))) & set(ids(plan()))
    assert canonical_json({"b": 1.0, "a": [1e0, True]}) == '{"a":[1,true],"b":1}'
    assert content_id({"a": 1, "b": 0.001}) == content_id({"b": 1e-3, "a": 1.0})


def test_a_new_default_key_orphans_no_run_and_a_new_version_does():
    from ablate.plan.trainings import content_of
    from ablate.spec.design import Cell
    from ablate.trainable.contract import TrainableHooks
    from ablate.trainable.registry import TrainableEntry

    class Old(BaseModel):
        lr: float = 1.0

    class New(BaseModel):
        lr: float = 1.0
        extra: str = "none"

    class Changed(New):
        version: ClassVar[int] = 2

    def content(model):
        cell = Cell({}, {"lr": 2}, entry=TrainableEntry("t", "", TrainableHooks(config=model)))
        return content_of(cell, cell.config, cell.model.defaults)

    assert content(Old) == content(New) != content(Changed)


def test_names_say_the_key_of_numbers_and_stay_unique():
    planned = plan(
        factors={"lr": [1e-3, 0.01], "data.size": [100, "all"], "clip": [None, 1.0]},
        baseline={}, exclude=[], seeds=[1],
    )  # fmt: skip
    assert [r.run_name for r in planned.runs][:3] == [
        "lr=0.001-size=100-clip=null-s1",
        "lr=0.001-size=100-clip=1-s1",
        "lr=0.001-all-clip=null-s1",
    ]
    toys = {"study": "t", "metric": "score", "trainable": "toy:Counter", "seeds": [1]}
    twins = read_study({**toys, "factors": {"a": ["x-y", "x"], "b": ["z", "y-z"]}}, "x")
    names = [run.run_name for run in plan_study(twins).runs]
    assert len(set(names)) == 4
    paths = read_study({**toys, "factors": {"path": ["a/../b", "c d"]}}, "x")
    assert [run.run_name for run in plan_study(paths).runs] == ["a_.._b-s1", "c_d-s1"]


def test_names_of_started_runs_stay():
    study = read_study(RAW, "x")
    run = plan_study(study).runs[0]
    assert plan_study(study, {run.run_id: "as-it-was"}).runs[0].run_name == "as-it-was"


def test_cells_that_train_the_same_are_named():
    planned = plan(factors={"flow": ["icfm", "target"]}, baseline={}, exclude=[])
    assert planned.notes[-1:] == ["flow=icfm and flow=target train the same thing under two names"]
    assert not any("under two names" in note for note in plan().notes)


def test_only_names_a_part_of_the_plan():
    planned = plan()
    assert [r.run_name for r in select_runs(planned, "flow=icfm,seed=7")] == [
        "icfm-small-s7", "icfm-large-s7",
    ]  # fmt: skip
    with pytest.raises(InputError) as error:
        select_runs(planned, "flw=icfm,net=medium,seed=3")
    assert [(p.key, p.value, p.nearest) for p in error.value.problems] == [
        ("--only", "flw", "flow"), ("--only net", "medium", None), ("--only seed", 3, None),
    ]  # fmt: skip


def test_paths_are_hashed_as_written_and_launched_absolute(tmp_path):
    def at(folder):
        base = {"data": {"source": "parquet", "path": "rows.parquet"}}
        return plan(base=base, folder=str(folder))

    one, other = at(tmp_path), at(tmp_path / "elsewhere")
    assert ids(one) == ids(other)
    assert one.launch_config(one.runs[0])["data"]["path"] == str(tmp_path / "rows.parquet")


def test_order_is_seed_by_seed():
    assert [run.seed for run in plan(seeds=[3, 1, 2]).runs] == [3] * 3 + [1] * 3 + [2] * 3
