"""Every ready study is planned, and each of its cells trained for a few steps."""

import math
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ablate.driver.data_check import check_data
from ablate.plan.plan import plan_study
from ablate.spec.load import load_study
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import load_dataset
from trainables.flow.engine.pack import Pack
from trainables.flow.engine.state import RunSpec

SPACES = Path(__file__).parents[1] / "search_spaces"
RUNS = {
    "quickstart": 18, "flow": 18, "arch": 9, "data_size": 9, "augmentation": 15, "scale": 9,
    "images": 6, "full": 324,
}  # fmt: skip
FEW_STEPS = (
    "base.epochs=null", "base.steps=3", "base.batch_size=16", "base.solver_steps=2",
)  # fmt: skip
SMALL = {
    "scale": ["factors.scale=[tiny, small]"],
    "data_size": ["base.data={source: gaussians, dim: 32, rows: 400}",
                  "factors.data.size=[200, 100, 50]"],
    "full": ["base.data={source: gaussians, dim: 1024, rows: 150}", "base.scale=tiny",
             "factors.data.size=[50, 60, 100]"],
}  # fmt: skip


def test_all_are_here():
    assert {path.stem for path in SPACES.glob("*.yaml")} == set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_plans_as_it_stands(name):
    plan = plan_study(load_study(SPACES / f"{name}.yaml"))
    assert len(plan.runs) == RUNS[name]
    assert plan.study.question
    assert plan.notes == []
    sizes = {facts["num_parameters"] for facts in check_data(plan, plan.runs).values()}
    if name == "full":
        assert sizes == {1_052_224, 9_094_400, 6_901_312}


@pytest.mark.parametrize("name", RUNS)
def test_every_cell_trains(name):
    """A few steps of each cell of the first replicate, packed where shapes allow."""
    torch.set_num_threads(1)
    plan = plan_study(load_study(SPACES / f"{name}.yaml", [*FEW_STEPS, *SMALL.get(name, [])]))
    packs = defaultdict(list)
    for run in plan.runs[: len(plan.cells)]:
        config = FlowConfig.model_validate(run.config)
        packs[config.pack_key()].append(RunSpec(run.run_id, run.seed, config))
    if name == "full":
        assert len(packs) == 9  # 3 architectures x 3 numbers of batches
    for specs in packs.values():
        datasets = [load_dataset(spec.config.data) for spec in specs]
        pack = Pack(specs, datasets, torch.device("cpu"))
        while pack.active:
            pack.train_epoch()
        for run in pack.runs:
            assert (run.progress.status, run.progress.step) == ("ok", 3)
            assert all(math.isfinite(value) for value in run.final_metrics.values())


@pytest.mark.parametrize("name", sorted(RUNS.keys() - {"images"}))  # vectors are no images
def test_a_users_parquet_takes_the_place_of_the_built_in_data(name, tmp_path):
    path = tmp_path / "rows.parquet"
    rows = torch.randn(2000, 4).tolist()
    pq.write_table(pa.table({"embedding": pa.array(rows, type=pa.list_(pa.float32(), 4))}), path)
    overrides = [f"base.data={{source: parquet, path: {path}}}"]
    if name in ("data_size", "full"):
        overrides.append("factors.data.size=[1k, all]")
    plan = plan_study(load_study(SPACES / f"{name}.yaml", overrides))
    for facts in check_data(plan, plan.runs).values():
        assert facts["data_fingerprint"].startswith("2000x4-")
    config = FlowConfig.model_validate({**plan.runs[0].config, "epochs": 2, "steps": None})
    pack = Pack([RunSpec("x", 1, config)], [load_dataset(config.data)], torch.device("cpu"))
    pack.train_epoch()
    assert math.isfinite(pack.runs[0].progress.val_loss)
