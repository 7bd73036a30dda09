"""The training loop: K >= 1 runs of one shape trained as one; a solo run is a pack of one."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainables.flow.checkpoint import Stateful, load_run_state, run_state
from trainables.flow.data import Dataset
from trainables.flow.ema import ema_update
from trainables.flow.metrics import sliced_w2
from trainables.flow.networks import StackedMLP, State, initial_state
from trainables.flow.run import NormalisationState, Point, Progress, RunData, RunSpec
from trainables.flow.sampling import integrate
from trainables.flow.schedule import WarmupCosine

POINT_EVERY_STEPS = 10
"""Optimizer steps between the points of a run's curves."""


class _Weights:
    """One run's slice of the stacked parameters, as a part of its state."""

    def __init__(self, tensors: State) -> None:
        self.tensors = tensors

    def state_dict(self) -> dict[str, Any]:
        return {name: tensor.clone() for name, tensor in self.tensors.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, tensor in self.tensors.items():
            tensor.copy_(state[name])


class FlowRun:
    """One run of a pack: its slice of the weights and all that is its own."""

    def __init__(self, spec: RunSpec, dataset: Dataset, model: State, average: State) -> None:
        config = spec.config
        self.spec = spec
        self.dataset = dataset
        self.normalisation = NormalisationState(dataset.normalisation)
        self.progress = Progress()
        self.model = _Weights(model)
        self.ema = _Weights(average)
        self.points: list[Point] = []
        self.final_metrics: dict[str, float] = {}
        self.optimizer = torch.optim.AdamW(
            list(model.values()), lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.load_data()
        self.scheduler = WarmupCosine(
            self.optimizer, config.lr, config.warmup, config.epochs * self.data.steps_per_epoch
        )

    @property
    def num_parameters(self) -> int:
        """Trainable parameters of the run."""
        return sum(tensor.numel() for tensor in self.model.tensors.values())

    def load_data(self) -> None:
        """Brings the rows into the coordinates of the current normalisation."""
        self.data = RunData(self.spec, self.dataset, self.normalisation.current)

    def parts(self) -> dict[str, Stateful]:
        """The run's state by part, see `checkpoint.ORDER`."""
        return {
            "model": self.model,
            "ema": self.ema,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
            "progress": self.progress,
            "normalisation": self.normalisation,
        }

    def drain_points(self) -> list[Point]:
        """Points measured since the last call."""
        points, self.points = self.points, []
        return points

    def record(self, step: int, **metrics: float) -> None:
        """Adds metrics to the point of a step."""
        if self.points and self.points[-1][0] == step:
            self.points[-1][1].update(metrics)
        else:
            self.points.append((step, metrics))


class Pack:
    """K runs of one shape, trained together step by step.

    Each run keeps its own data, draws, optimizer and schedule, and ends on its own: on the CPU it
    gives the same bits as if it were alone.

    Args:
        specs: The runs; equal in architecture, width, batch size and number of batches.
        datasets: Each run's data.
        device: Where to train.
    """

    def __init__(
        self, specs: Sequence[RunSpec], datasets: Sequence[Dataset], device: torch.device
    ) -> None:
        self.device = device
        states = [
            initial_state(data.dim, spec.config.hidden_dim, spec.config.num_layers, spec.seed)
            for spec, data in zip(specs, datasets, strict=True)
        ]
        self._shape = (datasets[0].dim, specs[0].config.hidden_dim, specs[0].config.num_layers)
        self._stack(states, states)
        self.runs = [
            FlowRun(spec, data, self.model.run_parameters(k), self.average.run_parameters(k))
            for k, (spec, data) in enumerate(zip(specs, datasets, strict=True))
        ]
        self.active = list(self.runs)
        """Runs still training, in the order of the stacked weights."""
        self._load_validation()

    def train_epoch(self) -> None:
        """One epoch of every run that is still training, then validation and the end of runs."""
        x_t, u_t, t = (
            torch.stack(draws, dim=1).to(self.device)
            for draws in zip(
                *[run.data.epoch(run.progress.epoch) for run in self.active], strict=True
            )
        )
        for step in range(len(x_t)):
            self._train_step(x_t[step], u_t[step], t[step])
        self._end_epoch()

    def run_state(self, run: FlowRun) -> dict[str, Any]:
        """A run's whole state, loadable in this pack, another one or alone."""
        return run_state(run.parts())

    def load_run_state(self, run: FlowRun, state: Mapping[str, dict[str, Any]]) -> None:
        """Puts a run where a state left it; call `settle` once all runs are loaded."""
        load_run_state(run.parts(), state)
        run.load_data()

    def settle(self) -> None:
        """After loading: runs that had ended leave the stack."""
        self._drop_ended()
        self._load_validation()

    def velocity(self, weights: State) -> Callable[[Tensor, Tensor], Tensor]:
        """The velocity field v(x, t) of one run's weights, alone."""
        model = StackedMLP(*self._shape, [weights]).to(self.device)
        return lambda x, t: model(x.unsqueeze(0), t.unsqueeze(0)).squeeze(0)

    def _stack(self, states: Sequence[State], averages: Sequence[State]) -> None:
        self.model = StackedMLP(*self._shape, states).to(self.device)
        self.average = StackedMLP(*self._shape, averages).to(self.device)
        self.average.requires_grad_(False)

    def _train_step(self, x_t: Tensor, u_t: Tensor, t: Tensor) -> None:
        losses = self._losses(self.model, x_t, u_t, t)
        gradients = torch.autograd.grad(losses.sum(), list(self.model.parameters()))
        for k, (run, loss) in enumerate(zip(self.active, losses.tolist(), strict=True)):
            if run.progress.status != "running":
                continue
            if not math.isfinite(loss):
                self._diverge(run, loss)
                continue
            self._update(run, loss, [gradient[k].contiguous() for gradient in gradients])

    def _losses(self, model: StackedMLP, x_t: Tensor, u_t: Tensor, t: Tensor) -> Tensor:
        error = model(x_t, t) - u_t
        # A slice a run: a mean over all at once may sum in another order for another K.
        return torch.stack([part.square().mean() for part in error.unbind(0)])

    def _update(self, run: FlowRun, loss: float, gradients: list[Tensor]) -> None:
        norm = torch.stack(torch._foreach_norm(gradients)).norm()
        clip = run.spec.config.clip
        if clip is not None:
            torch._foreach_mul_(gradients, (clip / (norm + 1e-6)).clamp(max=1.0))
        for parameter, gradient in zip(run.model.tensors.values(), gradients, strict=True):
            parameter.grad = gradient
        lr = run.scheduler.lr
        run.optimizer.step()
        run.scheduler.advance()
        ema_update(
            list(run.ema.tensors.values()),
            list(run.model.tensors.values()),
            run.progress.step,
            run.spec.config.ema_decay,
        )
        run.progress.step += 1
        if run.progress.step % POINT_EVERY_STEPS == 0:
            run.record(run.progress.step, train_loss=loss, lr=lr, grad_norm=norm.item())

    def _diverge(self, run: FlowRun, loss: float) -> None:
        step = run.progress.step + 1
        run.progress.status = "diverged"
        run.progress.stop_reason = "diverged"
        run.progress.error = f"training loss is {loss} at step {step}"

    @torch.no_grad()
    def _end_epoch(self) -> None:
        losses = self._losses(self.average, *self._validation).tolist()
        for run, loss in zip(self.active, losses, strict=True):
            if run.progress.status == "running":
                self._judge_epoch(run, loss)
        for run in self.active:
            if run.progress.status == "ok":
                self._evaluate(run)
        self._drop_ended()

    def _judge_epoch(self, run: FlowRun, val_loss: float) -> None:
        progress, config = run.progress, run.spec.config
        progress.epoch += 1
        progress.val_loss = val_loss
        run.record(progress.step, epoch=progress.epoch, val_loss=val_loss)
        if not math.isfinite(val_loss):
            progress.status, progress.stop_reason = "diverged", "diverged"
            progress.error = f"validation loss is {val_loss} after step {progress.step}"
        elif val_loss < progress.best_val_loss:
            progress.best_val_loss = val_loss
            progress.best_epoch, progress.best_step = progress.epoch, progress.step
            progress.best = run.ema.state_dict()
        elif config.patience and progress.epoch - progress.best_epoch >= config.patience:
            progress.status, progress.stop_reason = "ok", "early_stopping"
        if progress.status == "running" and progress.epoch >= config.epochs:
            progress.status, progress.stop_reason = "ok", "epochs"

    def _evaluate(self, run: FlowRun) -> None:
        """What is measured once, at the end, with the best epoch's averaged weights."""
        noise = run.data.sampling_noise().to(self.device)
        samples = integrate(self.velocity(run.progress.best), noise)
        distance = sliced_w2(samples, run.data.test.to(self.device))
        run.final_metrics = {"sliced_w2": distance}
        run.record(run.progress.step, sliced_w2=distance)

    def _drop_ended(self) -> None:
        """Ended runs leave the stack by selection; the others' slices move, their bits do not."""
        kept = [run for run in self.active if run.progress.status == "running"]
        if len(kept) == len(self.active):
            return
        self.active = kept
        if not kept:
            return
        self._stack([r.model.tensors for r in kept], [r.ema.tensors for r in kept])
        for k, run in enumerate(kept):
            run.ema.tensors = self.average.run_parameters(k)
            self._move_optimizer(run, self.model.run_parameters(k))
        self._load_validation()

    def _move_optimizer(self, run: FlowRun, tensors: State) -> None:
        """Points a run's optimizer at the new home of its weights, moments and all."""
        state = run.optimizer.state_dict()
        run.model.tensors = tensors
        group = run.optimizer.param_groups[0]
        run.optimizer.state.clear()
        group["params"] = list(tensors.values())
        run.optimizer.load_state_dict(state)

    def _load_validation(self) -> None:
        if self.active:
            draws = zip(*[run.data.validation() for run in self.active], strict=True)
            x_t, u_t, t = (torch.stack(part).to(self.device) for part in draws)
            self._validation = (x_t, u_t, t)
