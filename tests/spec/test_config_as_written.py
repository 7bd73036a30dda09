"""Which config a trainable gets: as it is written, whatever its keys are."""

from typing import Annotated, Literal

import pytest
import toy
from pydantic import BaseModel, ConfigDict, Field

from ablate.dotted import decode_keys, encode_keys
from ablate.errors import InputError
from ablate.plan.plan import plan_study
from ablate.plan.select import select_runs
from ablate.spec.load import load_saved_study, read_study, save_study
from ablate.spec.yaml12 import parse_yaml
from ablate.study_dir import StudyPaths

TOY = {"study": "t", "trainable": "toy:Counter", "metric": "score", "seeds": [1]}


def plan(overrides=(), **changes):
    return plan_study(read_study({**TOY, **changes}, "grid.yaml", overrides))


def mistakes(overrides=(), **changes):
    with pytest.raises(InputError) as error:
        plan(overrides, **changes)
    return str(error.value)


def configs(planned):
    return [planned.launch_config(run) for run in planned.runs]


ODD = parse_yaml(
    '{weights: {"layer.0": 1, a: {"b.c.": 2}}, opt.lr: 3, at: {0: 1, "0": 2, null: 3, true: 4, '
    "1.5: 5}, list: [{1: 2}], empty: {}}",
    "x",
)


def test_a_base_reaches_the_trainable_as_it_is_written(tmp_path):
    planned = plan(base=ODD, storage=str(tmp_path))
    assert configs(planned) == [ODD]
    assert list(configs(planned)[0]["at"]) == [0, "0", None, True, 1.5]
    assert "opt.lr reaches the trainable as one key" in planned.notes[0]
    save_study(planned.study, StudyPaths(planned.study.directory))
    saved = load_saved_study(planned.study.directory)
    assert [run.run_id for run in plan_study(saved).runs] == [run.run_id for run in planned.runs]
    assert decode_keys(parse_yaml(str(encode_keys(ODD)).replace("None", "null"), "x")) == ODD


def test_keys_that_differ_make_runs_that_differ():
    bases = [{"at": {key: 1}} for key in (0, "0", None, "null", True, "True", 0.5, "0.5")]
    assert len({plan(base=base).runs[0].run_id for base in bases}) == len(bases)


def test_ids_of_configs_of_words_are_those_of_earlier_versions():
    base = {"data": {"size": 5, "source": "x"}, "layers": [1, {"a": None}], "on": True, "lr": 1e-3}
    assert [run.run_id for run in plan(base=base, factors={"data.size": [5, 6]}).runs] == [
        "9dec83fc9a0f", "8a160350ca11",
    ]  # fmt: skip


def test_dots_of_factors_levels_and_set_address_keys_as_they_are_spelled():
    factors = {
        "weights.layer.0": [5, 6],
        "m": {"x": {"at.0": 7, "new.key": 1}, "y": {"at.null": 8, "at.true": 9}},
    }
    base = {**ODD, "at": {0: 1, None: 3, True: 4}}
    first, *_, last = configs(plan(["base.weights.a.b.c=9"], base=base,
                                   factors=factors))  # fmt: skip
    assert first["weights"] == {"layer.0": 5, "a": {"b.c.": 2, "b": {"c": 9}}}
    assert (first["at"], first["new"]) == ({0: 7, None: 3, True: 4}, {"key": 1})
    assert (last["weights"]["layer.0"], last["at"]) == (6, {0: 1, None: 8, True: 9})
    assert configs(plan(["base.opt.lr=4"], base=ODD))[0]["opt.lr"] == 4


def test_a_level_below_what_is_no_mapping_is_refused():
    told = mistakes(base={"opt": "adam", "list": [1]}, factors={"opt.lr": [1], "list.0": [2]})
    assert "factors.opt.lr: sets a key inside opt, which is not a mapping in base" in told
    assert "factors.list.0: sets a key inside list" in told
    assert "base.opt is not a mapping" in mistakes(["base.opt.lr=1"], base={"opt": "adam"})


def test_runs_share_no_lists():
    planned = plan(base={"a": {"layers": [1]}}, factors={"b": [[1], [2]]})
    configs(planned)[0]["a"]["layers"].append(2)
    assert [config["a"]["layers"] for config in configs(planned)] == [[1], [1]]


class Adam(BaseModel):
    kind: Literal["adam"] = "adam"
    betas: tuple[float, float] = (0.9, 0.99)


class Sgd(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["sgd"] = "sgd"
    momentum: float = 0.0
    inner: "Sgd | None" = None


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")
    opt: Annotated[Adam | Sgd, Field(discriminator="kind")] | None = None
    either: int | Sgd = 1
    weights: dict[str, float] = {}
    at: dict[int, float] | None = None
    lr: float = 0.1


class Modelled(toy.Counter):
    Config = Model


@pytest.fixture
def modelled(monkeypatch):
    monkeypatch.setattr(toy, "Modelled", Modelled, raising=False)
    return {"trainable": "toy:Modelled"}


def test_keys_of_dict_fields_and_of_any_member_of_a_union_are_known(modelled):
    base = {"opt": {"kind": "sgd"}, "weights": {"layer.0": 1}}
    factors = {"opt.momentum": [0.1, 0.2], "either.inner.momentum": [0.3], "weights.layer.0": [2],
               "weights.new": [3], "at": [{0: 0.1, 10: 0.2}]}  # fmt: skip
    config = configs(plan(base=base, factors=factors, **modelled))[1]
    assert config["opt"]["momentum"] == 0.2
    assert config["either"]["inner"]["momentum"] == 0.3
    assert config["weights"] == {"layer.0": 2, "new": 3}
    assert config["at"] == {0: 0.1, 10: 0.2}
    told = mistakes(factors={"opt.betaz": [1], "lr.x": [1], "either.inner.mom": [1]}, **modelled)
    for key in ("opt.betaz", "lr.x", "either.inner.mom"):
        assert f"factors.{key}: is not a config key" in told
    assert "opt.betas, opt.momentum" in told.replace("opt.kind, ", "")


def test_mistakes_in_a_union_are_told_at_their_keys(modelled):
    told = mistakes(base={"opt": {"kind": "sgd", "momentum": "x"}}, **modelled)
    assert "base.opt.momentum = 'x': should be a valid number" in told
    told = mistakes(base={"opt": {"kind": "sgd", "mometum": 1}}, **modelled)
    assert "base.opt.mometum: unknown key\n      choices: kind, momentum, inner (nearest" in told
    assert "base.at.x" in mistakes(base={"at": {"x": 1}}, **modelled)


def test_dotted_keys_of_a_base_that_mean_nested_ones_of_the_model_are_such(modelled):
    planned = plan(base={"weights.a": 1, "opt.kind": "adam"}, **modelled)
    assert configs(planned)[0]["weights"] == {"a": 1}
    assert "base: weights.a is read as weights: {a: ...}" in planned.notes
    told = mistakes(base={"weights.a": 1, "weights": {"a": 2}}, **modelled)
    assert "base.weights.a = 1: is set twice" in told


HARD = [[0.9, 0.99], [0.9, 0.999], "a,b", "x=1,seed=2", "q: r", "é 😀", 'say "so"', None, True,
        {"k": {"l": [1, 2]}}, "it's", ""]  # fmt: skip


@pytest.mark.parametrize("label", HARD)
def test_levels_of_any_kind_are_named_by_only_when_and_exclude(label):
    others = [other for other in HARD if other != label]
    factors = {"b": [*others, label], "c": [1, 2]}
    planned = plan(factors=factors, when={"c": {"b": label}})
    assert [len(cell.levels) for cell in planned.cells] == [1] * len(others) + [2, 2]
    left = plan(factors=factors, exclude=[{"b": label, "c": 1}])
    assert len(left.cells) == 2 * len(HARD) - 1
    shown = planned.cells[-1].levels["b"].text
    for part in (f"b={shown}", f"b={shown},c=2,seed=1", f"seed=1,b={shown}"):
        found = select_runs(planned, part)
        assert found
        assert all(run.cell.labels["b"] == label for run in found)


def test_only_reads_levels_as_yaml_has_them():
    planned = plan(factors={"b": HARD, "n": [0.001]})
    for written, label in (("[0.9, 0.99]", HARD[0]), ("'x=1,seed=2'", HARD[3]), ("null", None),
                           ("{k: {l: [1, 2]}}", HARD[9]), ('"a,b"', "a,b")):  # fmt: skip
        assert [r.cell.labels["b"] for r in select_runs(planned, f"n=1e-3,b={written}")] == [label]
    with pytest.raises(InputError, match=r"--only b = '\[0.9': is not in the study"):
        select_runs(planned, "b=[0.9")
