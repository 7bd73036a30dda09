import torch

from trainables.flow.config.run import FlowConfig
from trainables.flow.data.dataset import load_dataset
from trainables.flow.engine.pack import Pack
from trainables.flow.engine.reflow import teacher_cost
from trainables.flow.engine.state import RunSpec
from trainables.flow.networks.velocity import velocity_of
from trainables.flow.sampling import integrate

BASE = {"scale": "tiny", "data": {"source": "moons", "rows": 1000}, "batch_size": 50, "lr": 5e-3}


def start(**values):
    config = FlowConfig(**{**BASE, "patience": None, **values})
    return Pack([RunSpec("x", 1, config)], [load_dataset(config.data)], torch.device("cpu"))


def trained(**values):
    pack = start(**values)
    while pack.active:
        pack.train_epoch()
    return pack.runs[0]


def test_the_teacher_is_the_icfm_run_of_the_same_config_and_seed():
    pack, icfm = start(flow="reflow", epochs=4), start(flow="icfm", epochs=2)
    for _ in range(2):
        pack.train_epoch()
        icfm.train_epoch()
    assert pack.runs[0].progress.phase == 1
    teacher = icfm.runs[0].progress.best
    assert all(torch.equal(teacher[k], v) for k, v in pack.runs[0].progress.teacher.items())


def test_the_second_phase_starts_over():
    pack = start(flow="reflow", epochs=4, warmup=0.5)
    lrs = []
    while pack.active:
        lrs.append(pack.runs[0].scheduler.lr)
        pack.train_epoch()
        if len(lrs) == 2:
            run = pack.runs[0]
            assert run.progress.best_val_loss == float("inf")
            moments = run.optimizer.state_dict()["state"].values()
            assert not any(tensor.any() for state in moments for tensor in state.values())
            assert all(
                torch.equal(run.model.tensors[k], v) for k, v in run.progress.teacher.items()
            )
    run = pack.runs[0]
    assert lrs[:2] == lrs[2:]
    assert (run.progress.epoch, run.progress.best_epoch > 2) == (4, True)


def test_pairs_are_noise_and_what_the_teacher_makes_of_it():
    pack = start(flow="reflow", epochs=4)
    pack.train_epoch()
    pack.train_epoch()
    run = pack.runs[0]
    velocity = velocity_of(run.spec.config, run.progress.teacher)
    x_0, x_1 = run.data.pairs
    torch.testing.assert_close(integrate(velocity, x_0), x_1)
    assert len(x_0) == len(run.data.train)
    draw = next(run.data.epoch(2))
    number = (x_0 == draw.x_0[0, 0]).all(dim=1).nonzero().item()
    assert torch.equal(draw.x_1[0, 0], x_1[number])


def test_the_budget_is_that_of_any_other_run_and_the_cost_is_told():
    for length, steps in (({"epochs": 6}, 84), ({"epochs": 7}, 98), ({"steps": 31}, 31)):
        reflow, icfm = trained(flow="reflow", **length), trained(flow="icfm", **length)
        assert reflow.progress.step == icfm.progress.step == steps
    assert teacher_cost(icfm) == {}
    cost = teacher_cost(reflow)
    assert (cost["teacher_steps"], cost["teacher_epochs"]) == (15, 2)
    assert cost["teacher_evaluations"] == (700 + 100) * 20 * 2


def test_a_students_paths_are_straighter():
    reflow, icfm = (trained(flow=flow, epochs=60) for flow in ("reflow", "icfm"))
    assert reflow.final_metrics["straightness_best"] < 0.5 * icfm.final_metrics["straightness_best"]
