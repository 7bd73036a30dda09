"""`arch: my_nets:Net`: modules of one's own in the engine."""

import json
import sys
import zlib

import numpy as np
import odd_nets
import pytest
import torch
from flow_packs import assert_equals_solo, moved, pack_of, specs_of, train
from pydantic import ValidationError
from studies import by_name, stop_at_result
from torch import nn

from ablate.cli.main import main
from ablate.ledger.ledger import Ledger
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import ConfigError
from trainables.flow.config.elsewhere import installed_names, load_ingredient
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.schedule import ema_decay, lr_factor, warmup_steps
from trainables.flow.config.shapes import parameter_shapes
from trainables.flow.engine.state import RunSpec
from trainables.flow.networks.module_check import check_module
from trainables.flow.networks.velocity import initial_numbers, velocity_of
from trainables.flow.randomness import stream_seed

PLAIN = "own_nets:Plain"
MIXED = [
    {"flow": "otcfm", "sigma": 0.1, "aug": "mixup", "epochs": 5},
    {"flow": "vp", "lr": 3e-3, "epochs": 3},
    {"lr": 1e9, "clip": None},
    {"flow": "reflow"},
    {"flow": "reflow", "lr": 3e-3},
]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def own_specs(arch, configs=MIXED[:3], shape=(6, 13, 60), **more):
    return [
        RunSpec(spec.run_id, spec.seed, FlowConfig.model_validate(
            {**spec.config.model_dump(exclude_unset=True), "arch": arch, **more}))
        for spec in specs_of(configs, "mlp", shape)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arch", "configs", "more"),
    [
        ("own_nets:Everything", MIXED[:3], {"arch_args": {"width": 8}}),
        ("own_nets:Everything", MIXED[3:], {}),
        ("own_nets:Plain", MIXED[:2], {"dtype": "bfloat16"}),
        ("own_nets:Concatenated", MIXED[:2], {"call": "cat", "dtype": "float64"}),
    ],
)
def test_each_run_of_a_pack_that_moved_half_way_equals_itself_alone(arch, configs, more):
    specs = own_specs(arch, configs, **more)
    pack = train(moved(train(pack_of(specs), 2), specs[::-1]))
    assert_equals_solo(pack)


def test_gradients_and_steps_are_those_of_a_plain_loop():
    """The loop that a researcher writes, on the same draws; all of its state after every step."""
    settings = {"epochs": 3, "weight_decay": 0.1, "lr": 1e-2, "clip": 0.5}
    spec = own_specs("own_nets:Everything", [settings])[0]
    config, pack = spec.config, pack_of([spec])
    torch.manual_seed(stream_seed(spec.seed, 0, "init"))
    import own_nets

    module = own_nets.Everything((6,))
    trained = [p for p in module.parameters() if p.requires_grad]
    adamw = torch.optim.AdamW(trained, fused=True, weight_decay=0.1)
    average = [p.detach().clone() for p in trained]
    step, total = 0, 3 * pack.runs[0].data.steps_per_epoch
    while pack.active:
        for x_t, u_t, t in pack.chunks():
            for own_x, own_u, own_t in zip(x_t[:, 0], u_t[:, 0], t[:, 0], strict=True):
                torch.manual_seed(stream_seed(spec.seed, step, "network"))
                loss = nn.functional.mse_loss(module(own_t, own_x), own_u)
                loss.backward()
                norm = nn.utils.clip_grad_norm_(trained, 0.5).item()
                warmup = warmup_steps(config.warmup, total)
                adamw.param_groups[0]["lr"] = 1e-2 * lr_factor(step, warmup, total)
                adamw.step()
                adamw.zero_grad()
                for mean, p in zip(average, trained, strict=True):
                    mean.lerp_(p.detach(), 1 - ema_decay(step, config.ema_decay))
                step += 1
        pack.train_epoch()
        state = pack.run_state(pack.runs[0])
        for name, p in module.named_parameters():
            torch.testing.assert_close(state["model"][name], p.detach(), msg=name)
        for name, buffer in module.named_buffers():
            torch.testing.assert_close(state["model"][name], buffer, msg=name)
    assert norm > 0.5, "clipping was part of it"
    assert state["model"]["calls"] == step
    torch.testing.assert_close(
        state["ema"]["leave.bias"], average[[n for n, _ in named(module)].index("leave.bias")]
    )


def named(module):
    return [(name, p) for name, p in module.named_parameters() if p.requires_grad]


def take_weights(run, trained):
    with torch.no_grad():
        for own, p in zip(run.model.tensors.values(), trained, strict=True):
            p.copy_(torch.view_as_complex(own) if p.is_complex() else own)


@pytest.mark.parametrize("name", ["Guided", "Scaled", "Complex", "Forced", "Recurrent", "Bound"])
def test_what_does_more_in_a_step_than_to_compute_it_is_a_plain_loop_s_too(name):
    specs = own_specs(f"odd_nets:{name}", [{"lr": 1e-2, "epochs": 2}, {"lr": 1e-3, "epochs": 2}])
    check_module(specs[0].config, (6,))
    pack = pack_of(specs)
    torch.manual_seed(stream_seed(specs[0].seed, 0, "init"))
    module = getattr(odd_nets, name)(6)
    trained = [p for p in module.parameters() if p.requires_grad]
    for step, (x, u, t) in enumerate(zip(*(part[:, 0] for part in next(pack.chunks())),
                                         strict=True)):  # fmt: skip
        take_weights(pack.runs[0], trained)
        torch.manual_seed(stream_seed(specs[0].seed, step, "network"))
        module.zero_grad()
        nn.functional.mse_loss(module(x, t), u).backward()
        pack.train_step(*(torch.stack([part, part]) for part in (x, u, t)))
        norm = torch.stack([p.grad.norm() for p in trained]).norm()
        pack.runs[0].curves.point(step)
        assert pack.runs[0].curves.points[-1][1]["grad_norm"] == pytest.approx(norm.item(), 1e-4)
    for buffer_name, buffer in module.named_buffers():
        assert pack.runs[0].buffers[buffer_name].dtype == buffer.dtype
        assert torch.equal(pack.runs[0].buffers[buffer_name], buffer)
    take_weights(pack.runs[0], trained)
    field = velocity_of(specs[0].config, pack.runs[0].model.state_dict(), (6,))
    points = x.detach().requires_grad_()
    slopes = [torch.autograd.grad(velocity.sum(), points)[0]
              for velocity in (field(points, t), module.eval()(points, t))]  # fmt: skip
    torch.testing.assert_close(*slopes)
    half = train(pack_of(specs), 1)
    assert_equals_solo(train(moved(half, specs[::-1])))


def test_the_first_weights_are_of_the_runs_own_stream():
    config = FlowConfig(arch="own_nets:Plain")
    before = torch.random.get_rng_state()
    one, same, other = (initial_numbers(config, 4, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(one["layers.0.weight"], same["layers.0.weight"])
    assert not torch.equal(one["layers.0.weight"], other["layers.0.weight"])
    assert torch.equal(before, torch.random.get_rng_state())
    field = velocity_of(config, one)
    assert field(torch.zeros(5, 4), torch.zeros(5)).shape == (5, 4)


BAD = """
import odd_nets as odd
import torch
from torch import nn
class Base(nn.Module):
    def __init__(self, dim, width=4):
        super().__init__()
        self.layer = nn.Linear(dim, dim)
class NoTime(Base):
    def forward(self, x): return self.layer(x)
class Other(Base):
    def forward(self, points, times): return self.layer(points)
class Wide(Base):
    def forward(self, x, t): return torch.cat([self.layer(x), t[:, None]], dim=1)
class Tuple(Base):
    def forward(self, x, t): return self.layer(x), t
class NaN(Base):
    def forward(self, x, t): return self.layer(x) / 0
class Raises(Base):
    def forward(self, x, t): raise RuntimeError("no such luck")
class Double(Base):
    def forward(self, x, t): return self.layer(x).double()
class Detached(Base):
    def forward(self, x, t): return self.layer(x).detach()
class Remembers(Base):
    count = 0
    def forward(self, x, t):
        self.count += 1
        return self.layer(x) + self.count
class Exits(Base):
    def __init__(self, dim): raise SystemExit("no licence")
class Untrained(nn.Module):
    def forward(self, x, t): return x
class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.LazyLinear(2)
    def forward(self, x, t): return self.layer(x)
def function(dim): return 3
class Backward(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.layer = nn.Linear(dim, dim)
made = nn.Linear(3, 2)
"""


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize(
    ("base", "key", "told"),
    [
        ({"arch": "NoTime"}, "arch", "does not take t"),
        ({"arch": "Other"}, "arch", "does not take x and t and requires points, times"),
        ({"arch": "Wide"}, "arch", "returns (4, 65) for x (4, 64)"),
        ({"arch": "Tuple"}, "arch", "returns a tuple, not a tensor"),
        ({"arch": "NaN"}, "arch", "not finite"),
        ({"arch": "Raises"}, "arch", "RuntimeError: no such luck (nets_"),
        ({"arch": "Double"}, "arch", "returns torch.float64 for x of torch.float32"),
        ({"arch": "Detached"}, "arch", "depend on none of its parameters"),
        ({"arch": "Remembers"}, "arch", "returns other velocities when it is called again"),
        ({"arch": "Exits"}, "arch", "SystemExit: no licence"),
        ({"arch": "Untrained"}, "arch", "has no parameters to train"),
        ({"arch": "Lazy"}, "arch", "lazy layers"),
        ({"arch": "function"}, "arch", "makes 3, not a torch.nn.Module"),
        ({"arch": "Backward"}, "arch", "makes a Backward, which has no method forward"),
        ({"arch": "made"}, "arch", "is a module that is there already: name its class"),
        ({"arch": "Missing"}, "arch", "cannot be imported"),
        ({"arch": "odd.Listed"}, "arch", "depends on numbers beside its parameters and buffers"),
        ({"arch": "odd.Zeroed"}, "arch", "has another gradient of leave.weight when its numbers"),
        ({"arch": "odd.Drawn"}, "arch", "depends on numbers beside its parameters and buffers"),
        ({"arch": "odd.Counting"}, "arch", "counts in calls, which all runs of a process share"),
        ({"arch": "odd.Unready"}, "arch", "fails in the backward pass: RuntimeError"),
        ({"arch": "odd.once"}, "arch", "make a new one in each call"),
        ({"arch": "odd.Timed"}, "arch", "a module around it, whose forward(x, t) calls it"),
        ({"arch": "odd.scripted"}, "arch", "makes a ScriptModule"),
        ({"arch": "Wide", "arch_args": {"widht": 3}}, "arch_args", "widht"),
        ({"arch": "NoTime", "cuda_graph": True}, "cuda_graph", "takes its steps one by one"),
    ],
)
def test_a_network_that_does_not_fit_is_told_before_anything_trains(
    tmp_path, monkeypatch, capsys, base, key, told
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = f"nets_{zlib.crc32(str(base).encode())}"
    (tmp_path / f"{module}.py").write_text(BAD)
    raw = {"study": "s", "metric": "mmd", "seeds": [1, 2],
           "base": {"epochs": 1, **base, "arch": f"{module}:{base['arch']}"}}  # fmt: skip
    (tmp_path / "grid.yaml").write_text(json.dumps(raw))
    assert main(["run", "grid.yaml", "--local"]) == 2
    shown = capsys.readouterr().err
    assert told in shown
    assert f"base.{key}" in shown
    assert "Traceback" not in shown
    assert not list(tmp_path.rglob("*.pt"))


NETS = """
from own_nets import Plain
class Net(Plain):
    pass
"""


def test_a_study_goes_on_to_the_same_bits_samples_and_notices_new_code(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("trainables.flow_matching.STEP_S", 0.0)
    (tmp_path / "my_nets.py").write_text(NETS)
    raw = {"study": "s", "metric": "mmd", "seeds": [1, 2], "checkpoint_every_s": 0, "pack": "auto",
           "base": {"epochs": 4, "arch": "my_nets:Net", "data": {"source": "moons", "rows": 200}},
           "factors": {"arch_args.width": [8, 16]}}  # fmt: skip
    (tmp_path / "grid.yaml").write_text(json.dumps(raw))
    assert main(["run", "grid.yaml", "--local", "--set", "storage=whole"]) == 0
    with monkeypatch.context() as patch:
        stop_at_result(patch, 6)
        assert main(["run", "grid.yaml", "--local"]) == 130
    assert main(["run", "grid.yaml", "--local"]) == 0
    rows, whole = (by_name(Ledger(StudyPaths(tmp_path / place))) for place in
                   ("studies/s", "whole/s"))  # fmt: skip
    columns = ("status", "step", "val_loss_best", "mmd_final", "num_parameters")
    assert [[row[c] for c in columns] for row in rows.values()] == [
        [row[c] for c in columns] for row in whole.values()
    ]
    assert {row["num_parameters"] for row in rows.values()} == {8 * 4 + 72 + 18, 64 + 272 + 34}
    assert all("my_nets.py" in row["code_files"] for row in rows.values())
    name = next(iter(rows))
    assert main(["sample", "studies/s", name, "-n", "5", "-o", "x.npy"]) == 0
    assert np.load("x.npy").shape == (5, 2)
    assert main(["evaluate", "studies/s", "--metric", "nll"]) == 0
    capsys.readouterr()
    (tmp_path / "my_nets.py").write_text(NETS + "    more = 1\n")
    monkeypatch.delitem(sys.modules, "my_nets")
    assert main(["run", "grid.yaml", "--local"]) in (0, 2)
    assert "my_nets.py" in str(capsys.readouterr())


def test_a_package_gives_a_network_a_short_name(tmp_path, monkeypatch):
    info = tmp_path / "their_nets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-nets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ablate.arch]\nplain = own_nets:Plain\n")
    monkeypatch.syspath_prepend(tmp_path)
    installed_names.cache_clear()
    try:
        shapes = [parameter_shapes(FlowConfig(arch=arch), 3) for arch in ("plain", PLAIN)]
        with pytest.raises(ValidationError, match="'unet', 'plain' or 'module:name of your own'"):
            FlowConfig(arch="plan")
    finally:
        installed_names.cache_clear()
    assert shapes[0] == shapes[1]


def test_a_short_name_that_two_packages_give_is_told_with_both(tmp_path, monkeypatch):
    for target in ("Plain", "Either"):
        info = tmp_path / f"{target}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {target}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[ablate.arch]\ntwo = own_nets:{target}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"\(own_nets:Either, own_nets:Plain\): write which, as"):
        load_ingredient("arch", "two")


def test_runs_with_code_of_ones_own_share_no_pack_with_others():
    """What fails in it costs no other run."""
    keys = [FlowConfig(flow=flow).pack_key() for flow in ("icfm", "vp", "their_parts:straight")]
    assert keys[0] == keys[1] != keys[2]
