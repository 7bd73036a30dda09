"""Samples and further metrics from `best.pt`, through the commands."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from studies import by_name, flow_study

from ablate.cli import evaluate, sample
from ablate.driver.run_study import run_study
from ablate.errors import AblateError, InputError
from ablate.ledger.journal import read_journal
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import plan_study
from ablate.study_dir import StudyPaths
from trainables.flow.evaluation.likelihood import negative_log_likelihood
from trainables.flow.inference import load_trained
from trainables.flow.networks.velocity import velocity_of


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    base = {"scale": "tiny", "epochs": 3, "data": {"source": "moons", "rows": 400}}
    made = flow_study(tmp_path_factory.mktemp("study"), base=base, seeds=[1])
    run_study(made, local=True)
    return made


def ask(module, console, *arguments):
    command = {sample: "sample_command", evaluate: "evaluate_command"}[module]
    parsed = module.build_parser().parse_args([str(a) for a in arguments])
    return getattr(module, command)(parsed, console)


def test_samples_are_in_the_datas_own_coordinates(study, tmp_path, console):
    for name in ("x.parquet", "y.npy"):
        assert ask(sample, console, study.directory, "vp-s1", "-n", 500, "-o", tmp_path / name) == 0
    column = pq.read_table(tmp_path / "x.parquet").column("embedding").combine_chunks()
    rows = column.flatten().to_numpy().reshape(500, 2)
    np.testing.assert_array_equal(rows, np.load(tmp_path / "y.npy"))
    scale = load_trained(StudyPaths(study.directory).best("vp-s1")).normalisation
    # Three epochs teach little: samples are still noise, but in the data's place and scale.
    assert np.abs(rows.mean(axis=0) - scale.mean).max() < 0.2
    assert np.abs(rows.std(axis=0) / scale.std - 1).max() < 0.5


def test_seed_solver_and_steps_are_the_users(study, tmp_path, console):
    def draw(*more):
        path = tmp_path / "x.npy"
        ask(sample, console, study.directory, "icfm-s1", "-n", 5, "-o", path, *more)
        return np.load(path)

    first = draw()
    np.testing.assert_array_equal(first, draw())
    np.testing.assert_array_equal(first, draw("--solver", "midpoint", "--steps", "20"))
    assert not np.array_equal(first, draw("--seed", "1"))
    euler = draw("--solver", "euler", "--steps", "1")
    model = load_trained(StudyPaths(study.directory).best("icfm-s1"))
    from trainables.flow.randomness import generator

    x_0 = torch.randn(5, 2, generator=generator(0, 0, "sample"))
    x_1 = x_0 + velocity_of(model.config, model.weights)(x_0, torch.zeros(5))
    np.testing.assert_allclose(euler, model.normalisation.undo(x_1.detach().numpy()), rtol=1e-5)


def test_mistakes_of_sample_are_told_at_once(study, tmp_path, console):
    arguments = (study.directory, "vp-s2", "-n", 0, "-o", "x.csv", "--solver", "rk5")
    with pytest.raises(InputError) as error:
        ask(sample, console, *arguments)
    assert str(error.value) == (
        "command line: 4 mistakes\n\n"
        "  RUN_NAME = 'vp-s2': is not in the ledger\n"
        "      choices: icfm-s1, vp-s1, best (nearest: vp-s1)\n      fix: write vp-s1\n\n"
        "  -n = 0: should be at least 1\n\n"
        "  -o = 'x.csv': has no known format\n      choices: .parquet, .npy\n\n"
        "  --solver = 'rk5': is not a solver\n"
        "      choices: euler, midpoint, heun, rk4 (nearest: rk4)\n      fix: write rk4"
    )


def test_evaluate_gives_what_training_measured(study, console):
    """A metric taken out of the ledger comes back with the same bits."""
    paths = StudyPaths(study.directory)
    ledger = Ledger(paths)
    before = {run_id: dict(row) for run_id, row in ledger.rows.items()}
    ledger.open()
    for run_id in ledger.rows:
        ledger.patch(run_id, mmd_best=None, mmd_floor=None)
    ledger.close()
    assert ask(evaluate, console, study.directory, "--metric", "mmd") == 0
    for run_id, row in Ledger(paths).rows.items():
        for name in ("mmd_best", "mmd_floor"):
            assert row[name] == before[run_id][name]
    assert len(read_journal(paths.journal_of("evaluate")).patches) == len(before)
    shown = console.export_text()
    assert "mmd: 2 runs evaluated, 0 had it before" in shown
    assert "mmd (lower is better)" in shown
    assert ask(evaluate, console, study.directory, "--metric", "mmd") == 0
    assert "mmd: 0 runs evaluated, 2 had it before" in console.export_text()


def test_evaluate_adds_what_training_was_not_asked_for(study, console):
    assert ask(evaluate, console, study.directory, "--metric", "nll") == 0
    row = by_name(Ledger(StudyPaths(study.directory)))["icfm-s1"]
    run = next(run for run in plan_study(study).runs if run.run_name == "icfm-s1")
    model = load_trained(StudyPaths(study.directory).best("icfm-s1"))
    from trainables.flow.config.data import DataConfig
    from trainables.flow.data.dataset import load_dataset

    data = load_dataset(DataConfig(**run.config["data"]))
    test = torch.from_numpy(model.normalisation.apply(data.test))
    nll = negative_log_likelihood(velocity_of(model.config, model.weights), test).mean().item()
    # In the data's own coordinates the density is that of the normalised ones over the scale.
    assert row["nll_best"] == pytest.approx(nll + np.log(model.normalisation.std).sum(), rel=1e-5)


def test_evaluate_refuses_what_it_cannot_measure(study, console):
    with pytest.raises(InputError, match="choices: sliced_w2, energy_distance, mmd"):
        ask(evaluate, console, study.directory, "--metric", "val_loss")


def test_a_run_without_weights_is_told_and_the_others_go_on(study, console):
    best = StudyPaths(study.directory).best("vp-s1")
    kept = best.read_bytes()
    best.unlink()
    ledger = Ledger(StudyPaths(study.directory))
    ledger.open()
    for run_id in ledger.rows:
        ledger.patch(run_id, straightness_best=None)
    ledger.close()
    try:
        assert ask(evaluate, console, study.directory, "--metric", "straightness") == 1
        assert "vp-s1: CheckpointError:" in console.export_text()
        with pytest.raises(AblateError, match=r"vp-s1 has no best weights \(it is ok\)"):
            ask(sample, console, study.directory, "vp-s1", "-o", best.with_name("x.npy"))
    finally:
        best.write_bytes(kept)
    rows = by_name(Ledger(StudyPaths(study.directory)))
    assert rows["icfm-s1"]["straightness_best"] >= 0
    assert rows["vp-s1"].get("straightness_best") is None
