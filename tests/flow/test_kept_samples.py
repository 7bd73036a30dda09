"""What a run keeps to be looked at: from which noise, of which shape, and at which size."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ablate.samples.files import keep
from ablate.samples.kept import read_data, read_samples
from ablate.study_dir import StudyPaths
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import load_dataset
from trainables.flow.evaluation.kept import kept_data, kept_noise, kept_samples
from trainables.flow.evaluation.projection import components_of
from trainables.flow.networks.velocity import initial_numbers
from trainables.flow_matching import REPORT_KEY, FlowMatchingTrainable

CPU = torch.device("cpu")
SMALL = {"scale": "tiny", "epochs": 2, "batch_size": 64, "solver_steps": 3}
MOONS = {"source": "moons", "rows": 300}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def made(seed=1, change=lambda number: number, **config):
    """Samples of weights that nobody trained, their data, and the rows they are of."""
    config = FlowConfig(**{**SMALL, **config})
    data = load_dataset(config.data)
    weights, _ = initial_numbers(config, data.shape, seed)
    weights = {name: change(numbers) for name, numbers in weights.items()}
    samples = kept_samples(config, data, data.normalisation, weights, 7, CPU)
    return samples, kept_data(config.data, data, CPU), data


def gaussians(dim, **more):
    return {"source": "gaussians", "dim": dim, "rows": 200, **more}


def test_in_the_plane_the_way_from_the_noise_is_kept():
    """For all cells and seeds the same noise, and for the first samples of many."""
    samples, beside, data = made(data=MOONS, keep_samples=100)
    assert (samples.rows.shape, samples.paths.shape) == ((100, 2), (64, 4, 2))
    assert (samples.shape, samples.step, samples.solver) == ((2,), 7, "midpoint, 3 steps")
    np.testing.assert_array_equal(samples.paths[:, -1], samples.rows[:64])
    start = data.normalisation.undo(kept_noise(64, 2).numpy())
    for seed, config in ((2, {"flow": "vp"}), (3, {"solver": "rk4", "keep_samples": 10**6})):
        other, _, _ = made(seed, data={**MOONS, "size": 100}, **config)
        np.testing.assert_array_equal(other.paths[:, 0], start)
    assert 10_000 < len(other.rows) < 10**6, "as many as a file has room for"
    np.testing.assert_array_equal(beside.rows, data.test)
    many, _, _ = made(data=MOONS, solver_steps=50)
    assert many.paths.shape == (64, 17, 2)


@pytest.mark.parametrize(
    ("data", "shape", "is_projected"),
    [
        ({"source": "digits", "size": 60}, (1, 8, 8), False),
        (gaussians(12, shape=[3, 2, 2]), (3, 2, 2), False),
        (gaussians(12, shape=[2, 6]), (2, 6), False),
        (gaussians(12, shape=[2, 3, 2]), (2, 3, 2), True),
        (gaussians(12), (12,), True),
        (gaussians(300), (300,), True),
        (gaussians(1), (1,), False),
    ],
)
def test_what_rows_are_decides_how_they_are_seen(data, shape, is_projected):
    samples, beside, rows = made(data=data)
    assert samples.shape == beside.shape == shape
    assert samples.paths is None
    assert (samples.projected is not None) == (beside.explained is not None) == is_projected
    assert len(beside.rows) == min(len(rows.test), 2048 if is_projected or rows.dim < 3 else 64)
    apart = np.linalg.norm(samples.rows[:, None] - rows.train[None].astype(float), axis=2)
    np.testing.assert_allclose(samples.nearest, apart.min(axis=1), rtol=1e-5)
    if is_projected:
        centred = rows.reference - rows.reference.mean(axis=0, dtype=float)
        _, strength, axes = np.linalg.svd(centred, full_matrices=False)
        signs = [np.sign(axis[np.abs(axis).argmax()]) for axis in axes[:2]]
        expected = (rows.test - rows.reference.mean(axis=0, dtype=float)) @ (axes[:2].T * signs)
        np.testing.assert_allclose(beside.rows, expected, atol=1e-4)
        share = np.square(strength[:2]).sum() / np.square(strength).sum()
        assert beside.explained == pytest.approx(share)


def test_data_without_variance_have_no_share_of_it():
    data = SimpleNamespace(reference=np.ones((40, 4), np.float32), dim=4)
    assert components_of.__wrapped__(data).explained == 0


def test_of_huge_data_a_bounded_part_is_compared(monkeypatch):
    monkeypatch.setattr("trainables.flow.evaluation.kept.MOST_COMPARED", 5)
    monkeypatch.setattr("trainables.flow.evaluation.kept.MAX_ROWS", 7)
    samples, _, data = made(data=MOONS, keep_samples=9)
    apart = np.linalg.norm(samples.rows[:7, None] - data.train[None, :5], axis=2).min(axis=1)
    np.testing.assert_allclose(samples.nearest, [*apart, np.nan, np.nan], rtol=1e-5)


def test_long_rows_are_fewer_and_a_file_is_small(tmp_path):
    paths = StudyPaths(tmp_path)
    for dim, num in ((384, 256), (3072, 32)):
        samples, beside, _ = made(data=gaussians(dim, rows=60), hidden_dim=64, num_layers=1)
        keep(paths, f"x{dim}", samples, lambda kept=beside: kept)
        assert len(read_samples(paths.samples(f"x{dim}")).rows) == num
        assert paths.samples(f"x{dim}").stat().st_size < 410_000


def test_what_is_not_finite_stays_as_it_is(tmp_path):
    paths = StudyPaths(tmp_path)
    for data, bad in ((MOONS, torch.nan), (gaussians(5), torch.inf), (MOONS, 1e38)):
        samples, beside, _ = made(data=data, change=lambda number, bad=bad: number * 0 + bad)
        keep(paths, "wild", samples, lambda kept=beside: kept)
        assert not np.isfinite(read_samples(paths.samples("wild")).rows).all()
        assert np.isfinite(read_data(paths.sampled_data(samples.data)).rows).all()


def ended(folder, **config):
    run = {"run_id": "x", "run_name": "x-s1", "seed": 1,
           "config": {**SMALL, "data": MOONS, **config}}  # fmt: skip
    trial = FlowMatchingTrainable({"runs": [run], "study_dir": str(folder)})
    while not (result := trial.step())["done"]:
        pass
    return result[REPORT_KEY][0]


def test_a_run_is_not_lost_to_its_samples(tmp_path, monkeypatch):
    whole = ended(tmp_path)
    assert StudyPaths(tmp_path).samples("x-s1").exists()
    none = ended(tmp_path / "none", keep_samples=0)
    assert not (tmp_path / "none" / "samples").exists()

    def full(*arguments):
        raise OSError(28, "No space left on device", "x-s1.parquet")

    monkeypatch.setattr("ablate.samples.files.write_samples", full)
    lost = ended(tmp_path)
    [told] = lost["warnings"]
    assert told.startswith("its samples could not be kept: OSError: [Errno 28] No space left on")
    for name in ("status", "metrics"):
        assert lost[name] == none[name] == whole[name]
