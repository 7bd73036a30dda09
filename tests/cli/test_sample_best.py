"""`ablate sample STUDY best`: the run that somebody wants who names none, and why that one."""

import json
from typing import ClassVar

import numpy as np
import pytest
from ray.tune import Trainable
from studies import toy_study

from ablate.cli.main import main
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import plan_study
from ablate.spec.load import save_study
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import MetricSpec, TrainableConfig, TrainableHooks


def draw(best, num, seed, solver, steps):
    """The number in the weights, over and over."""
    return np.full((num, 1), json.loads(best.read_text(encoding="utf-8")))


class Config(TrainableConfig):
    metrics: ClassVar = {"score": MetricSpec(mode="max"), "shape": MetricSpec(ranks=False)}
    selected_by: ClassVar = "score"
    gain: int = 1


class Drawn(Trainable):
    """Can be drawn from; nobody trains it here."""

    Config = Config
    ablate = TrainableHooks(sample=draw)


RESULTS = {  # of the cell gain=1 all are good, of gain=2 one is very good; final weights say else
    (1, 1): (7.0, 1.0), (1, 2): (7.5, 1.0), (1, 3): (8.0, 9.0),
    (2, 1): (9.0, 2.0), (2, 2): (1.0, 3.0), (2, 3): (2.0, 4.0),
}  # fmt: skip


@pytest.fixture
def study(tmp_path):
    """Makes a study whose runs have these results of best and of final weights."""

    def make(**changes):
        made = toy_study(tmp_path, trainable="test_sample_best:Drawn", base={}, value="last",
                         seeds=[1, 2, 3], **changes)  # fmt: skip
        paths = StudyPaths(made.directory)
        save_study(made, paths)
        ledger = Ledger(paths)
        ledger.open()
        for run in plan_study(made).runs:
            best, final = RESULTS.get((run.cell.labels["gain"], run.seed), (0, 0))
            ledger.add(run.run_id, run_name=run.run_name, seed=run.seed)
            ledger.patch(run.run_id, status="ok", score_best=best, score_final=final)
            paths.best(run.run_name).parent.mkdir(parents=True)
            paths.best(run.run_name).write_text(str(best), encoding="utf-8")
        ledger.close()
        return paths

    return make


def drawn(paths, name, capsys):
    code = main(["sample", str(paths.root), name, "-n", "2", "-o", str(paths.root / "x.npy")])
    told = capsys.readouterr()
    return code, told.out.splitlines() if code == 0 else told.err


def test_the_best_run_is_that_of_the_best_weights_and_says_so(study, capsys):
    paths = study()
    code, told = drawn(paths, "best", capsys)
    assert code == 0
    assert np.load(paths.root / "x.npy").tolist() == [[9.0], [9.0]]
    assert told[:2] == [
        "gain=2-s1: gain=2, seed 1; the best of 6 runs by score (higher is better), best weights "
        "by score: 9; its cell 4.0 ± 4.4 over 3 seeds",
        "the best mean is another cell's: gain=1, 7.50 ± 0.50 over 3 seeds",
    ]


def test_a_run_without_weights_is_passed_over_and_told(study, capsys):
    paths = study()
    for name in ("gain=2-s1", "gain=1-s3"):
        paths.best(name).unlink()
    _, told = drawn(paths, "best", capsys)
    assert told[0].startswith("gain=1-s2: gain=1, seed 2; the best of 6 runs by score")
    assert told[1] == "better, but without best weights: gain=2-s1, gain=1-s3"
    for path in paths.root.glob("checkpoints/*/best.pt"):
        path.unlink()
    code, told = drawn(paths, "best", capsys)
    assert (code, "no finished run has both best weights and a value of score" in told) == (2, True)


def test_best_values_are_never_compared_with_last_ones(study, capsys):
    """A run without a best value is passed over; where none has one, the last ones count."""
    paths = study()
    names = {row.run_name: run_id for run_id, row in Ledger(paths).rows.items()}

    def without_best(*of):
        ledger = Ledger(paths)
        with ledger.writing():
            for name in of:
                ledger.patch(names[name], score_best=None)

    without_best("gain=1-s3", "gain=2-s1")
    _, told = drawn(paths, "best", capsys)
    assert told[0].startswith("gain=1-s2: gain=1, seed 2; the best of 4 runs by score")
    assert "passed over, without a value of best weights: gain=2-s1, gain=1-s3" in told
    without_best(*names)
    _, told = drawn(paths, "best", capsys)
    assert told[0].startswith("gain=1-s3: gain=1, seed 3; the best of 6 runs by score (higher is "
                              "better), final weights: 9")  # fmt: skip
    assert "no run has a value of its best weights: the last one counts instead" in told


def test_where_neither_side_is_better_no_run_is_the_best(study, capsys):
    code, told = drawn(study(metric="shape"), "best", capsys)
    assert code == 2
    assert "RUN_NAME = 'best': neither lower nor higher shape is better" in told


def test_of_many_names_those_nearest_to_an_unknown_one_are_shown(study, capsys):
    gains = {"gain": list(range(1, 21))}
    code, told = drawn(study(factors=gains), "gain=17-s4", capsys)
    assert code == 2
    assert "(nearest: gain=17-s" in told
    assert told.count("gain=") < 15
    assert ", best (" in told


def test_a_run_is_drawn_by_its_own_trainable_beside_one_that_cannot(study, capsys):
    block = {"name": "other", "trainable": "toy:Counter", "base": {"length": 2}}
    paths = study(blocks=[{**block, "factors": {"gain": [1, 2]}}])
    assert drawn(paths, "gain=1-s1", capsys)[0] == 0
    assert np.load(paths.root / "x.npy").tolist() == [[7.0], [7.0]]
    code, told = drawn(paths, "other-gain=1-s1", capsys)
    assert (code, "does not say how to sample" in told, "toy:Counter" in told) == (2, True, True)
