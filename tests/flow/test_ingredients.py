"""Ingredients are rows: what the tables say agrees with what is there, and a row is enough."""

import inspect
import re
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from ablate.spec.load import read_study
from trainables.flow.config.augmentations import AUGMENTATIONS, Augmentation
from trainables.flow.config.data import SOURCES, DataConfig, Source
from trainables.flow.config.flows import COUPLINGS, FLOWS, Coupling, Flow
from trainables.flow.config.metrics import METRICS, Metric
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.shapes import ARCHS, Arch
from trainables.flow.data.dataset import load_dataset
from trainables.flow.data.sources import READERS
from trainables.flow.engine.pack import Pack
from trainables.flow.engine.state import RunSpec
from trainables.flow.evaluation.measure import MEASURES, Measure
from trainables.flow.ingredients.augmentation import AUGMENT
from trainables.flow.ingredients.couplings import PAIR
from trainables.flow.ingredients.probability_paths import PATHS, Coefficients
from trainables.flow.ingredients.probability_paths import Path as ProbabilityPath
from trainables.flow.networks.layers import linear
from trainables.flow.networks.velocity import NETWORKS

MEASURABLE = tuple(name for name, row in METRICS.items() if row.is_measurable)
ROOT = Path(__file__).parents[2]
BASE = {
    "scale": "tiny", "epochs": 2, "batch_size": 16, "solver_steps": 2,
    "data": {"source": "gaussians", "rows": 120},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("rows", "functions", "given"),
    [
        (AUGMENTATIONS, AUGMENT, 2),
        (COUPLINGS, PAIR, 2),
        (FLOWS, {name: PATHS[row.path].coefficients for name, row in FLOWS.items()}, 1),
        (ARCHS, NETWORKS, 4),
        (ARCHS, {name: row.shapes for name, row in ARCHS.items()}, 4),
    ],
)
def test_each_row_has_a_function_that_takes_its_knobs(rows, functions, given):
    assert list(rows) == list(functions)
    for name, row in rows.items():
        inspect.signature(functions[name]).bind(*[None] * given, **dict.fromkeys(row.knobs))
        assert {*row.knobs, *row.refuses} <= FlowConfig.model_fields.keys()


def test_sources_and_metrics_have_theirs():
    assert list(SOURCES) == list(READERS)
    keys = {key for row in SOURCES.values() for key in (*row.keys, *row.needs)}
    assert keys < DataConfig.model_fields.keys()
    assert tuple(MEASURES) == MEASURABLE
    asked = {row.asked_by for row in METRICS.values()} - {None}
    assert asked <= FlowConfig.model_fields.keys()


def test_every_row_is_in_the_readme():
    rows = {*FLOWS, *AUGMENTATIONS, *ARCHS, *SOURCES, *MEASURABLE}
    text = re.sub(r"```.*?```", "", (ROOT / "trainables" / "README.md").read_text(), flags=re.S)
    assert rows <= set(re.findall(r"`([^`]+)`", text)) | {"nll"}


def pack_of(*configs):
    specs = [RunSpec(str(k), 1, config) for k, config in enumerate(configs)]
    datasets = [load_dataset(config.data) for config in configs]
    return Pack(specs, datasets, torch.device("cpu"))


def trained(*configs):
    pack = pack_of(*configs)
    while pack.active:
        pack.train_epoch()
    return pack.runs


def inputs(pack):
    """What each run of a pack is shown in its first steps."""
    return next(pack.chunks())[0].unbind(1)


def assert_apart(one, other):
    """Two runs of one pack see other rows than each other, and what each sees alone."""
    assert one.pack_key() == other.pack_key()
    assert one.same_training() != other.same_training()
    first, second = inputs(pack_of(one, other))
    assert not torch.equal(first, second)
    for config, run in zip((one, other), trained(one, other), strict=True):
        [alone] = trained(config)
        for name, tensor in alone.model.tensors.items():
            assert torch.equal(run.model.tensors[name], tensor)
        assert run.final_metrics == alone.final_metrics


class Cutout(FlowConfig):
    cutout_size: float = 0.5


def cut_out(x_1, streams, cutout_size):
    return x_1 * (torch.rand(x_1.shape, generator=streams["cutout"]) >= cutout_size)


class TestAnAugmentation:
    @pytest.fixture(autouse=True)
    def _added(self, monkeypatch):
        row = Augmentation(knobs=("cutout_size",), idle=lambda config: not config.cutout_size)
        monkeypatch.setitem(AUGMENTATIONS, "cutout", row)
        monkeypatch.setitem(AUGMENT, "cutout", cut_out)

    @pytest.mark.parametrize("aug", ["cutout", "mixup+cutout"])
    def test_runs_that_differ_in_its_knob_alone_do_not_share_their_draws(self, aug):
        one, other = (Cutout(**BASE, aug=aug, cutout_size=size) for size in (0.2, 0.6))
        assert_apart(one, other)
        assert one.comparison("train_loss") != other.comparison("train_loss")
        assert one.comparison("val_loss") == other.comparison("val_loss")

    def test_its_knob_is_nothing_to_runs_without_it(self):
        one, other = (Cutout(**BASE, aug="noise", cutout_size=size) for size in (0.2, 0.6))
        assert one.same_training() == other.same_training()
        data = [run.data for run in pack_of(one, other).runs]
        assert data[0].draw_key(0) == data[1].draw_key(0)
        idle = Cutout(**BASE, aug="cutout", cutout_size=0.0)
        assert idle.same_training() == Cutout(**BASE).same_training()

    def test_a_knob_that_its_row_forgot_is_missed_at_once(self, monkeypatch):
        monkeypatch.setitem(AUGMENTATIONS, "cutout", Augmentation())
        with pytest.raises(TypeError, match="cutout_size"):
            inputs(pack_of(Cutout(**BASE, aug="cutout")))

    def test_a_wrong_name_is_told_with_it_among_the_choices(self):
        with pytest.raises(ValidationError, match="one of mixup, noise, dropout, cutout, or a sum"):
            FlowConfig(aug="cutuot")


class Power(FlowConfig):
    power: float = 1.0


def power_path(t, power):
    zero, slope = torch.zeros_like(t), power * t ** (power - 1)
    return Coefficients(1 - t**power, t**power, zero, -slope, slope, zero)


def test_a_flow(monkeypatch):
    row = Flow(
        path="power",
        knobs=("power",),
        same_as=lambda config: "icfm" if config.power == 1 else None,
        refuses={"aug": "wants no {value}", "sigma": "has no noise"},
    )
    monkeypatch.setitem(FLOWS, "power", row)
    monkeypatch.setitem(PATHS, "power", ProbabilityPath(power_path))
    one, other = (Power(**BASE, flow="power", power=power) for power in (2.0, 3.0))
    assert_apart(one, other)
    assert one.comparison("val_loss") != other.comparison("val_loss")
    assert Power(flow="power").same_training() == Power().same_training()
    with pytest.raises(ValidationError, match="flow power wants no mixup"):
        Power(flow="power", aug="mixup")
    with pytest.raises(ValidationError, match="'si', 'reflow', 'power' or 'module:name"):
        Power(flow="pwoer")


def test_a_flow_of_a_path_and_a_coupling_that_are_there(monkeypatch):
    row = Flow(path="trigonometric", coupling="optimal_transport", knobs=("sigma",))
    monkeypatch.setitem(FLOWS, "otvp", row)
    assert_apart(FlowConfig(**BASE, flow="otvp"), FlowConfig(**BASE, flow="vp"))


class Rolled(FlowConfig):
    shift: int = 1


def test_a_coupling(monkeypatch):
    monkeypatch.setitem(COUPLINGS, "rolled", Coupling(knobs=("shift",)))
    monkeypatch.setitem(PAIR, "rolled", lambda x_0, x_1, shift: x_0.roll(shift, dims=1))
    monkeypatch.setitem(FLOWS, "rolled", Flow(path="straight", coupling="rolled", knobs=("sigma",)))
    one, other = (Rolled(**BASE, flow="rolled", shift=shift) for shift in (1, 2))
    assert_apart(one, other)
    data = [run.data for run in pack_of(one, other).runs]
    assert data[0].draw_key(0) == data[1].draw_key(0)  # one draw, paired in two ways
    assert one.comparison("val_loss") != other.comparison("val_loss")


class Linear(FlowConfig):
    bend: float = 0.0


def test_a_network(monkeypatch):
    def shapes(dim, hidden_dim, num_layers, data_width, bend):
        return {"out.weight": (data_width(dim), data_width(dim)), "out.bias": (data_width(dim),)}

    def network(weights, x, time, num_layers, bend):
        padded = torch.nn.functional.pad(x, (0, weights["out.weight"].shape[-2] - x.shape[-1]))
        return linear(weights, "out", padded)[..., : x.shape[-1]] + bend * x

    row = Arch(scales={"tiny": (64, 1)}, shapes=shapes, zero_init=("out",), knobs=("bend",))
    monkeypatch.setitem(ARCHS, "linear", row)
    monkeypatch.setitem(NETWORKS, "linear", network)
    one, other = (Linear(**BASE, arch="linear", bend=bend) for bend in (0.0, 0.5))
    assert one.pack_key() != other.pack_key()
    with pytest.raises(ValueError, match="cannot share a pack"):
        pack_of(one, other)
    runs = [*trained(one), *trained(other)]
    assert runs[0].final_metrics != runs[1].final_metrics
    assert Linear(**BASE, bend=0.5).same_training() == Linear(**BASE).same_training()


class RingData(DataConfig):
    radius: float | None = None


class Ring(FlowConfig):
    data: RingData = RingData()


def ring(config):
    angle = torch.rand(config.rows or 200, generator=torch.Generator().manual_seed(0)) * 6.28
    radius = 1.0 if config.radius is None else config.radius
    return (radius * torch.stack([angle.cos(), angle.sin()], dim=1) + 1).numpy()


def test_a_data_source(monkeypatch):
    monkeypatch.setitem(SOURCES, "ring", Source(keys={"rows": 200, "radius": 1.0}))
    monkeypatch.setitem(READERS, "ring", ring)
    values = {key: value for key, value in BASE.items() if key != "data"}
    one, other, null = (
        Ring(**values, data={"source": "ring", "radius": radius}) for radius in (1.0, 2.0, None)
    )
    assert one.pack_key() != other.pack_key()
    assert one.comparison("mmd") != other.comparison("mmd")
    assert one.same_training() == null.same_training() != other.same_training()
    assert not torch.equal(*inputs(pack_of(one, other)))
    with pytest.raises(ValidationError, match=r"data\.radius is for source ring"):
        Ring(data={"source": "moons", "radius": 2.0})


def test_a_metric(monkeypatch):
    monkeypatch.setitem(METRICS, "spread", Metric(mode="max"))
    monkeypatch.setitem(MEASURES, "spread", Measure(lambda e: e.samples.std().item()))
    study = {"study": "s", "metric": "spread", "seeds": [1]}
    assert read_study(study, "x").metric == "spread"
    [run] = trained(FlowConfig(**BASE))
    assert {"spread_best", "spread_final"} <= run.final_metrics.keys()
    assert "spread_floor" not in run.final_metrics
