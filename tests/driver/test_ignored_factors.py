"""A factor that the trainable misses is told while the study runs, once a pair of runs shows it."""

from dataclasses import replace

import pytest
from studies import flow_study, toy_study

from ablate.cli.run import show_plan
from ablate.driver.session import execute
from ablate.launch.base import Options

LOCAL = Options(local=True)


def cautions(study, console, **options):
    execute(study, replace(LOCAL, **options), console)
    return [line for line in shown(console) if line.startswith("caution")]


def shown(console):
    return console.export_text(clear=False).splitlines()


def deaf(tmp_path, factors, **changes):
    return toy_study(tmp_path, trainable="toy:Deaf", base={}, factors=factors, **changes)


@pytest.mark.parametrize("changes", [{}, {"pairing": "none"}])
def test_it_is_told_at_once_and_once(tmp_path, console, changes):
    study = deaf(tmp_path, {"model.depth": [1, 2], "gain": [1, 2]}, **changes)
    told = "model.depth: the same score for 1 and 2 at gain=1 on seed 1 (at_s differs): does the "
    assert cautions(study, console) == [f"caution: {told}trainable read it there?"]
    lines = shown(console)
    [before] = [n for n, line in enumerate(lines) if "[3/8]" in line]
    assert lines[before + 1].startswith("caution: model.depth")


def test_a_level_without_effect_on_one_network(tmp_path, console):
    factors = {"dropout": [0, 0.1, 0.2], "net": ["mlp"]}
    [told] = cautions(deaf(tmp_path, factors, seeds=[1]), console)
    assert told.startswith("caution: dropout: the same score for 0.1 and 0.2 at net=mlp on seed 1 ")
    assert told.endswith("does it take effect there?")


def test_nothing_is_said_of_a_smoke_or_of_coarse_scores(tmp_path, console):
    assert cautions(deaf(tmp_path, {"depth": [1, 2]}), console, is_smoke=True) == []
    counts = toy_study(tmp_path, factors={"depth": [1, 2]})
    assert cautions(counts, console) == []


def test_cells_that_were_told_to_be_the_same_training_are_not_told_again(tmp_path, console):
    base = {"hidden_dim": 64, "num_layers": 1, "epochs": 2}
    study = flow_study(tmp_path, base=base, factors={"data.size": [1259, "all"]}, seeds=[1])
    assert cautions(study, console) == []
    assert sum("train the same thing under two names" in line for line in shown(console)) == 1


def test_the_plan_says_that_keys_are_not_checked(tmp_path, console):
    told = "note: keys of base and factors are not checked, so a misspelt one goes unnoticed: "
    show_plan(deaf(tmp_path, {"dpeth": [1, 2]}), LOCAL, console)
    assert f"{told}toy:Deaf has no Config" in shown(console)
    show_plan(flow_study(tmp_path), LOCAL, console)
    assert sum(line.startswith(told) for line in shown(console)) == 1
