"""Reflow: a student learns straight paths from noise to what its teacher maps it to.

Liu et al. 2023 (arXiv:2209.03003), algorithm 1: the teacher is the same run's I-CFM model, which
gets half of the run's steps; its ODE couples noise to data, and the student, which starts from the
teacher's averaged weights, is trained on these pairs with a fresh optimizer and schedule.
"""

import torch

from trainables.flow.engine.batches import Pairs
from trainables.flow.engine.run import FlowRun
from trainables.flow.networks.velocity import State, velocity_of
from trainables.flow.randomness import generator
from trainables.flow.sampling import integrate

EVALUATIONS = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}
"""Velocity evaluations per step."""


def begin_student(run: FlowRun, device: torch.device) -> None:
    """Begins the second phase of a run whose teacher is trained: its student's."""
    progress = run.progress
    progress.teacher = progress.best
    run.model.load_state_dict(progress.teacher)
    run.ema.load_state_dict(progress.teacher)
    run.optimizer.reset()
    progress.enter_phase(1)
    run.scheduler.enter(1)
    make_pairs(run, device)


def make_pairs(run: FlowRun, device: torch.device) -> None:
    """Gives a student its fixed pairs, one per row, and the same ones after every restore."""
    data = run.data
    noise = torch.randn(data.train.shape, generator=generator(run.spec.seed, 0, "reflow noise"))
    pairs = _pairs(run, noise.to(data.train.dtype), run.progress.teacher, device)
    data.pairs = Pairs(*(rows.to(data.train.device) for rows in pairs))
    validation_noise = data.validation_noise()
    data.validation_pairs = _pairs(run, validation_noise, run.progress.teacher, device)


def teacher_cost(run: FlowRun) -> dict[str, int]:
    """What the teacher cost: its training, and the network evaluations for the pairs."""
    progress, config = run.progress, run.spec.config
    if not progress.teacher:
        return {}
    rows = len(run.data.train) + run.data.num_validation
    return {
        "teacher_epochs": progress.first_epoch,
        "teacher_steps": progress.first_step,
        "teacher_evaluations": rows * config.solver_steps * EVALUATIONS[config.solver],
    }


def _pairs(run: FlowRun, x_0: torch.Tensor, teacher: State, device: torch.device) -> Pairs:
    config = run.spec.config
    state = {name: tensor.to(device) for name, tensor in teacher.items()}
    velocity = velocity_of(config, state, run.dataset.shape)
    x_1 = integrate(velocity, x_0.to(device), config.solver_steps, config.solver)
    return Pairs(x_0, x_1.to("cpu"))
