"""Paths, couplings, augmentations, schedules and optimizers of people's own, by `module:name`."""

import importlib
import sys

import pytest
import their_parts
import torch
import yaml
from flow_packs import assert_equals_solo, moved, pack_of, specs_of, train
from pydantic import ValidationError
from states import assert_close, assert_same

from ablate.cli.main import main
from ablate.trainable.contract import REPORT_KEY
from trainables.flow.config.own_parts import own_function
from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import preflight
from trainables.flow.networks.velocity import velocity
from trainables.flow_matching import FlowMatchingTrainable

SHAPE = "wide"
BUILT_IN = {"flow": "otcfm", "sigma": 0.1}
PATH = {"flow": "their_parts:straight", "flow_args": {"sigma": 0.1}}
OWN = [
    {
        "flow": "their_parts:noisy",
        "coupling": "their_parts:shuffled",
        "aug": "mixup+their_parts:jitter+their_parts:Stretch",
        "aug_args": {"by": 1.5, "width": 0.2},
        "schedule": "their_parts:stairs",
        "schedule_args": {"height": 0.25},
        "optimizer": "their_parts:two_rates",
        "lr": 0.01,
    },
    {"flow": "their_parts:noisy", "coupling": "their_parts:shuffled", "coupling_args": {"by": 1},
     "aug": "their_parts:jitter", "optimizer": "torch.optim:SGD", "epochs": 3,
     "optimizer_args": {"momentum": 0.9}},
    {"flow": "si", "gamma": 0.5, "coupling": "their_parts:Sampler", "aug": "their_parts:jitter",
     "optimizer": "their_parts:Replacing", "lr": 0.1},
    {"lr": 1e9, "optimizer": "torch.optim:Adam"},
    {"coupling": "their_parts:backwards", "aug": "their_parts:mirrored+their_parts:Erased"},
]  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def trained(*configs, **more):
    return train(pack_of(specs_of(configs, "mlp", SHAPE, **more)))


def assert_alike(one, other, check=assert_same):
    """Two configs train the same numbers."""
    pack = trained(one, other)
    states = [pack.run_state(run) for run in pack.runs]
    check(*states)
    assert pack.runs[0].curves.points[0][1].keys() == pack.runs[1].curves.points[0][1].keys()
    check(*(run.final_metrics for run in pack.runs))


@pytest.mark.parametrize("path", [PATH, {**PATH, "flow": "their_parts:Straight"}])
@pytest.mark.parametrize("coupling", ["transported", "as_noise", "as_pair"])
def test_copies_of_built_in_parts_train_the_same_bits(path, coupling):
    assert_alike(BUILT_IN, {**path, "coupling": f"their_parts:{coupling}"})


def test_a_flow_takes_another_coupling():
    assert_alike(BUILT_IN, {**BUILT_IN, "flow": "icfm", "coupling": "optimal_transport"})
    assert_alike({"flow": "icfm"}, {"flow": "otcfm", "coupling": "independent"})


def test_a_copy_of_a_schedule_trains_the_same_bits():
    assert_alike({}, {"schedule": "their_parts:cosine"})


def test_torch_s_own_adamw_is_the_built_in_one_within_rounding():
    one, other = {"weight_decay": 0.1, "beta2": 0.9}, {"optimizer": "torch.optim:AdamW"}
    pack = trained(one, {**one, **other}, one)
    assert_close(*(run.model.state_dict() for run in pack.runs[:2]))
    assert pack.runs[0].progress.step == pack.runs[1].progress.step > 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("SGD", {"momentum": 0.9, "weight_decay": 0.0}), ("Adam", {}), ("RAdam", {"foreach": False}),
     ("Extrapolating", {})],
)  # fmt: skip
def test_an_optimizer_takes_the_steps_that_it_takes_in_a_plain_loop(name, arguments):
    source = torch.optim if hasattr(torch.optim, name) else their_parts
    written = {"optimizer": f"{source.__name__}:{name}", "optimizer_args": arguments, "lr": 0.01}
    pack = pack_of(specs_of([{**written, "clip": None}], "mlp", SHAPE))
    [run], config = pack.runs, pack.runs[0].spec.config
    weights = {name: t.clone().requires_grad_() for name, t in run.model.tensors.items()}
    given = {"weight_decay": 0.01} if source is torch.optim else {}
    given |= {"betas": (0.9, 0.999)} if name in ("Adam", "RAdam") else {}
    optimizer = getattr(source, name)(weights.values(), lr=0.01, **(given | arguments))
    for x_t, u_t, t in pack.chunks():
        for step in range(len(t)):
            optimizer.param_groups[0]["lr"] = run.scheduler.lr
            optimizer.zero_grad()
            stacked = {name: tensor[None] for name, tensor in weights.items()}
            (velocity(config, stacked, x_t[step], t[step]) - u_t[step]).square().mean().backward()
            optimizer.step()
            pack.train_step(x_t[step], u_t[step], t[step])
    for key, tensor in run.model.tensors.items():
        torch.testing.assert_close(tensor, weights[key].detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("epochs", [1, 2])
def test_runs_of_own_parts_are_what_they_are_alone(epochs):
    """Beside each other, moved half-way into another pack; one ends early, one diverges."""
    specs = specs_of(OWN, "mlp", SHAPE)
    pack = train(moved(train(pack_of(specs), epochs), specs[::-1]))
    statuses = [run.progress.status for run in pack.runs[::-1]]
    assert statuses == ["ok", "ok", "ok", "diverged", "ok"]
    assert_equals_solo(pack)


def test_a_student_begins_with_a_fresh_optimizer():
    own = {"flow": "reflow", "optimizer": "torch.optim:SGD", "optimizer_args": {"momentum": 0.9}}
    pack = train(pack_of(specs_of([own], "mlp", SHAPE)), 2)
    assert pack.runs[0].progress.phase == 1
    assert pack.run_state(pack.runs[0])["optimizer"]["state"] == {}
    specs = [pack.runs[0].spec]
    whole, again = train(pack_of(specs)), train(moved(train(pack_of(specs), 3), specs))
    assert_same(whole.run_state(whole.runs[0]), again.run_state(again.runs[0]))


def test_own_augmentations_come_last_in_the_order_written():
    config = FlowConfig(aug="their_parts:flip + noise+their_parts:jitter + mixup")
    assert config.aug == "mixup+noise+their_parts:flip+their_parts:jitter"
    plain, flipped = specs_of([{}, {"aug": "their_parts:flip"}], "mlp", SHAPE)
    draws = [next(pack_of([spec]).runs[0].data.epoch(1)) for spec in (plain, flipped)]
    assert torch.equal(draws[0].x_1, -draws[1].x_1)
    assert torch.equal(draws[0].x_0, draws[1].x_0)


def test_what_a_part_draws_when_it_is_made_is_the_same_everywhere():
    rows, made = torch.zeros(2, 3), []
    for given in (("x_1",), ("x_1", "generator")):  # made anew for each
        torch.randn(1)
        made.append(own_function("aug", "their_parts:Shifted", {}, given))
    assert made[0].function is not made[1].function
    assert torch.equal(made[0](x_1=rows), made[1](x_1=rows))


def test_paths_share_draws_and_no_targets():
    one, other = ({"flow": "their_parts:bent", "flow_args": {"power": p}} for p in (1.0, 2.0))
    first, second = (spec.config for spec in specs_of([one, other], "mlp", SHAPE))
    data = [run.data for run in pack_of(specs_of([one, other], "mlp", SHAPE)).runs]
    assert data[0].draw_key(0) == data[1].draw_key(0)
    assert data[0].validation_key != data[1].validation_key
    assert first.pack_key() == second.pack_key()
    assert first.same_training() != second.same_training()
    for metric in ("val_loss", "train_loss"):
        assert first.comparison(metric)["flow_args"] != second.comparison(metric)["flow_args"]
    assert first.comparison("mmd") == second.comparison("mmd")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"flow": "otcfm", "coupling": "independent"}, {"flow": "icfm"}),
        ({"flow": "icfm", "coupling": "optimal_transport"}, {"flow": "otcfm"}),
        ({"flow": "otcfm", "coupling": "their_parts:shuffled"},
         {"flow": "icfm", "coupling": "their_parts:shuffled"}),
        ({"flow": "icfm", "coupling_args": {"by": 1}}, {}),
        ({"schedule": "their_parts:cosine", "final_lr": 0.5}, {"schedule": "their_parts:cosine"}),
    ],
)  # fmt: skip
def test_one_training_under_two_names(one, other):
    first, second = FlowConfig(**one), FlowConfig(**other)
    assert first.same_training() == second.same_training()
    assert first.comparison("train_loss") == second.comparison("train_loss")


WRONG = [
    ({"flow": "their_parts:Strait"}, "has no attribute 'Strait'"),
    ({"flow": "no_such_module:path"}, "No module named 'no_such_module'"),
    ({"flow": "their_parts:odd_shape"}, "x_t of their_parts:odd_shape has the shape (128, 1), for"),
    ({"flow": "their_parts:infinite"}, "returns numbers that are not finite"),
    ({"flow": "their_parts:lonely"}, "returns a Tensor: return x_t and u_t"),
    ({"flow": "their_parts:strange"}, "requires label"),
    ({"flow": "their_parts:flip"}, "does not take x_0 and t"),
    ({"flow": "their_parts:raises"}, "fails: RuntimeError: no path here"),
    ({"flow_args": {"sgima": 1}, "flow": "their_parts:Straight"}, "unexpected keyword arg"),
    ({"flow_args": {"sgima": 1}, "flow": "their_parts:straight"}, "unexpected keyword arg"),
    ({"flow": "their_parts:bent"}, "requires power"),
    ({"coupling": "their_parts:masked"}, "are truth values, not numbers of rows"),
    ({"coupling": "their_parts:too_far"}, "return one of 0 to 127 for each"),
    ({"aug": "their_parts:halves"}, "has the shape (64, 64), for rows of the shape (128, 64)"),
    ({"aug": "their_parts:changing"}, "draw from the argument `generator`"),
    ({"aug_args": {"by": 1}, "aug": "their_parts:flip+their_parts:jitter"}, "takes by"),
    ({"schedule": "their_parts:falling"}, "a finite number from 0"),
    ({"optimizer": "torch.optim:LBFGS"}, "LBFGS fails: TypeError: LBFGS.step() missing 1 required"),
    ({"optimizer": "torch.optim:Muon"}, "fails: ValueError: Muon only supports 2D parameters"),
    ({"optimizer": "their_parts:Straight"}, "does not take params and lr"),
    ({"optimizer": "their_parts:Forgetful"}, "keep what it remembers in its state_dict"),
    ({"optimizer": "their_parts:Lookahead"}, "keep what it remembers in its state_dict"),
    ({"optimizer": "their_parts:Callbacks"}, "cannot be in a checkpoint"),
    ({"optimizer_args": {"lr": 1}, "optimizer": "torch.optim:SGD"}, "has lr, which torch.optim"),
]


@pytest.mark.parametrize(("base", "told"), WRONG)
def test_what_cannot_be_used_is_told_before_anything_trains(
    base, told, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    study = {"study": "s", "metric": "mmd", "seeds": [1], "base": base}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(study))
    assert main(["run", "grid.yaml", "--local"]) == 2
    found = capsys.readouterr()
    text = " ".join((found.out + found.err).split())
    assert f"base.{next(iter(base))}: " in text
    assert told in text
    assert "1 mistake" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ({"flow": "reflow", "coupling": "independent"}, "flow reflow trains on pairs that its"),
        ({"coupling": "teacher"}, "'independent', 'optimal_transport' or 'module:name"),
        ({"optimizer": "torch.optim:SGD", "cuda_graph": True}, "optimizer torch.optim:SGD takes"),
        ({"aug": "flip"}, "or module:name of your own"),
    ],
)
def test_what_cannot_be_is_refused_when_the_config_is_read(base, told):
    with pytest.raises(ValidationError, match=told):
        FlowConfig(**base)


def test_a_dotted_name_is_told_how_to_name_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    study = {"study": "s", "metric": "mmd", "base": {"optimizer": "torch.optim.SGD",
             "metrics": "mine:fid"}}  # fmt: skip
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(study))
    assert main(["run", "grid.yaml", "--local"]) == 2
    told = capsys.readouterr().err
    assert "fix: write torch.optim:SGD" in told
    assert "fix: write [mine:fid]" in told


THEIRS = """
import torch
class Net(torch.nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.layer = torch.nn.Linear(dim, dim)
    def forward(self, x, t): return torch.randn(()) * 0 + self.layer(x) * NUMBER
def path(x_0, x_1, t): return x_0 + t[:, None] * (x_1 - x_0), NUMBER * (x_1 - x_0)
def decay(progress): return 1 / NUMBER
def measured(samples): return NUMBER
"""


def test_a_module_that_is_read_again_counts_and_nobody_elses_draws_move(tmp_path, monkeypatch):
    """As in a notebook: another number, then `importlib.reload`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    config = {"arch": "edited:Net", "flow": "edited:path", "schedule": "edited:decay",
              "metrics": ["edited:measured"], "epochs": 1,
              "data": {"source": "moons", "rows": 60}}  # fmt: skip
    losses, values = [], []
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    for number in (1.0, 2.0):
        (tmp_path / "edited.py").write_text(THEIRS.replace("NUMBER", str(number)))
        importlib.reload(importlib.import_module("edited"))
        preflight(FlowConfig(**config).model_dump())
        run = {"run_id": "r", "run_name": "r", "seed": 1, "config": config}
        trial = FlowMatchingTrainable({"runs": [run]})
        [report] = trial.train()[REPORT_KEY]
        losses.append(report["points"][-1][1]["train_loss"])
        values.append(report["metrics"]["measured_best"])
    assert losses[0] != losses[1]
    assert values == [1.0, 2.0]
    assert torch.equal(torch.rand(2), expected)


def test_a_check_finds_nothing_wrong_with_what_trains():
    for own in OWN:
        [spec] = specs_of([own], "mlp", SHAPE)
        assert preflight(spec.config.model_dump())["planned_steps"] > 0
