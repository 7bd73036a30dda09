"""The training loop: K >= 1 runs of one shape trained as one; a solo run is a pack of one."""

import contextlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.linalg import vector_norm

from trainables.flow.config.sharing import stack_key
from trainables.flow.data.dataset import Dataset
from trainables.flow.engine.batches import Draw, Targets, stacked
from trainables.flow.engine.checkpoint import load_run_state, run_state
from trainables.flow.engine.ema import ema_update
from trainables.flow.engine.gpu.graphed_step import (
    NORM_EPS,
    GraphedStep,
    record_epoch,
    step_controls,
)
from trainables.flow.engine.gpu.prefetch import prefetched
from trainables.flow.engine.gradients import fill_gradients
from trainables.flow.engine.parameters import RowLayout, Rows
from trainables.flow.engine.reflow import begin_student, make_pairs
from trainables.flow.engine.run import FlowRun
from trainables.flow.engine.state import RunSpec
from trainables.flow.engine.validation import ValidationDraws
from trainables.flow.evaluation.measure import final_metrics
from trainables.flow.networks.velocity import NONE, State, Surroundings, initial_numbers, is_module


class Pack:
    """K runs of one shape, trained together step by step.

    Each run keeps its own data, draws, optimizer and schedule, and ends independently. On the CPU
    it gives the same bits as on its own, as long as torch has one thread (`device.ready_device`
    sees to it).

    Args:
        specs: The runs; their configs have equal `pack_key`.
        datasets: Each run's data.
        device: Where to train.
        watched: Whether the host reads the losses after every step, instead of once per epoch
            (`graphed_step`); by default it does, unless the configs ask for `cuda_graph` on a GPU.

    Raises:
        ValueError: If the runs differ in shape or in the number of batches.
    """

    def __init__(
        self,
        specs: Sequence[RunSpec],
        datasets: Sequence[Dataset],
        device: torch.device,
        watched: bool | None = None,
    ) -> None:
        self.device = device
        graphed = specs[0].config.cuda_graph and device.type != "cpu"
        self._watched = not graphed if watched is None else watched
        numbers = [
            initial_numbers(spec.config, data.shape, spec.seed)
            for spec, data in zip(specs, datasets, strict=True)
        ]
        states = [trained for trained, _ in numbers]
        _check_alike(specs, states)
        self._config = specs[0].config
        self._layout = RowLayout(states[0])
        self._stack(Rows.of(self._layout.rows(states, device)))
        self.runs = [
            FlowRun(spec, data, self._layout, self.rows.row(k), on_device(buffers, device))
            for k, (spec, data, (_, buffers)) in enumerate(
                zip(specs, datasets, numbers, strict=True)
            )
        ]
        if len({run.data.steps_per_epoch for run in self.runs}) > 1:
            raise ValueError("runs of a pack need the same number of batches an epoch")
        self.active = list(self.runs)
        """Runs still training, in the order of the stacked weights."""
        self._validation_draws = ValidationDraws.of(self.runs, device)

    def train_epoch(self) -> None:
        """Trains every active run for one epoch, then validates and ends runs."""
        self.take_steps()
        self._end_epoch()

    def take_steps(self) -> None:
        """Takes the optimizer steps of one epoch of every active run."""
        if self._watched:
            self._train_watched()
        else:
            self._train_on_device()

    def chunks(self) -> Iterator[Targets]:
        """The epoch's steps in chunks: x_t, u_t (steps, K, batch, dim), t (steps, K, batch).

        Runs with equal `RunData.draw_key` share draws, and pairings if their couplings agree.
        """
        keys = [run.data.draw_key(run.progress.epoch) for run in self.active]
        sources: dict[Hashable, Iterator[Draw]] = {}
        for key, run in zip(keys, self.active, strict=True):
            if key not in sources:
                sources[key] = run.data.epoch(run.progress.epoch)
        # All have the same number of steps, so all end at once.
        for parts in zip(*sources.values(), strict=True):
            draws = dict(zip(sources, parts, strict=True))
            targets = [
                draws[key].targets(run.spec.config)
                for key, run in zip(keys, self.active, strict=True)
            ]
            yield stacked(targets, 1, self.device)

    def train_step(self, x_t: Tensor, u_t: Tensor, t: Tensor) -> None:
        """Takes one optimizer step of every run that has one left.

        Args:
            x_t: Points of the paths, (K, batch, dim).
            u_t: Their target velocities, (K, batch, dim).
            t: Their times, (K, batch).
        """
        losses = self._fill_gradients(x_t, u_t, t, self._surroundings(in_training=True))
        # Row by row: a norm of all runs at once may sum in another order for another K.
        norms = torch.stack([vector_norm(run.row.gradients) for run in self.active])
        measured = torch.stack([losses, norms], dim=1).tolist()
        for run, (loss, norm) in zip(self.active, measured, strict=True):
            if run.training and run.measured(loss, norm):
                self._update(run, norm)

    def run_state(self, run: FlowRun) -> dict[str, Any]:
        """A run's whole state, loadable in this pack, another one or alone."""
        return run_state(run.parts())

    def load_run_state(self, run: FlowRun, state: Mapping[str, dict[str, Any]]) -> None:
        """Restores a run's state; call `settle` once all runs are loaded."""
        load_run_state(run.parts(), state)
        run.load_data()
        if run.progress.phase and run.progress.status == "running":
            make_pairs(run, self.device)

    def settle(self) -> None:
        """After loading: removes runs that had ended from the stack."""
        self._drop_ended()
        if self.active:
            self._validation_draws = ValidationDraws.of(self.active, self.device)

    def _stack(self, rows: Rows) -> None:
        self.rows = rows
        """The numbers of the active runs."""
        self._graphed_step: GraphedStep | None = None
        self._average = self._layout.views(rows.average)
        gradients = self._layout.views(rows.gradients)
        weights = {
            name: view.requires_grad_() for name, view in self._layout.views(rows.weights).items()
        }
        # Holds no reference to the pack: it would delay the release of the pack's GPU memory.
        self._fill_gradients = partial(fill_gradients, self._config, weights, gradients)

    def _surroundings(self, in_training: bool) -> Surroundings:
        if not is_module(self._config):
            return NONE
        shape = self.runs[0].dataset.shape
        if not in_training:
            return Surroundings(shape, [run.buffers for run in self.active])
        # One that has ended computes along until the epoch does, but must not change any more.
        buffers = [
            run.buffers if run.training else on_device(run.buffers, self.device, copy=True)
            for run in self.active
        ]
        return Surroundings(shape, buffers, [run.step_seed for run in self.active])

    def _train_watched(self) -> None:
        steps = (
            (x_t[step], u_t[step], t[step])
            for x_t, u_t, t in self.chunks()
            for step in range(len(t))
        )
        for x_t, u_t, t in steps:
            self.train_step(x_t, u_t, t)
            if not any(run.training for run in self.active):
                break

    def _train_on_device(self) -> None:
        """Trains the epoch without synchronising with the device before its end."""
        most = max(run.steps_left for run in self.active)
        num_steps = min(most, self.active[0].data.steps_per_epoch)
        controls = step_controls(self.active, num_steps, self.device)
        measured = torch.zeros_like(controls[:, :2], dtype=self.rows.weights.dtype)
        take_step = self._ready_step()  # captured first: nothing else may use the GPU meanwhile
        with contextlib.closing(prefetched(self.chunks(), self.device)) as chunks:
            inputs = (step for chunk in chunks for step in zip(*chunk, strict=True))
            for control, place, step in zip(controls, measured, inputs, strict=False):
                take_step(step, control, place)
        record_epoch(self.active, measured)
        for run in self.active:
            run.progress.warnings += take_step.warnings
        take_step.warnings.clear()

    def _ready_step(self) -> GraphedStep:
        """The step of the runs that are active now."""
        if self._graphed_step is None:
            shape = len(self.active), self._config.batch_size, self.active[0].data.dim
            self._graphed_step = GraphedStep(self._fill_gradients, self.active, self.rows, shape)
        return self._graphed_step

    def _update(self, run: FlowRun, norm: float) -> None:
        config, row = run.spec.config, run.row
        if config.clip is not None and norm + NORM_EPS > config.clip:
            row.gradients.mul_(config.clip / (norm + NORM_EPS))
        run.optimizer.step()
        ema_update(row.average, row.weights, run.phase_steps, config.ema_decay)
        run.advance()

    @torch.no_grad()
    def _end_epoch(self) -> None:
        phases = [run.progress.phase for run in self.active]
        for run, loss in zip(self.active, self._validation_losses(), strict=True):
            reason = run.end_epoch(loss) if run.progress.status == "running" else None
            if reason is not None:
                self._end_phase(run, reason)
        if phases != [run.progress.phase for run in self.active]:
            self._validation_draws = ValidationDraws.of(self.active, self.device)
        self._drop_ended()

    def _validation_losses(self) -> list[float | None]:
        """The mean loss of each run over its validation draws; None for runs that are not due."""
        due = [run.validates for run in self.active]
        if not any(due):
            return [None] * len(due)
        around = self._surroundings(in_training=False)
        losses = self._validation_draws.losses(self._config, self._average, around)
        return [loss if wanted else None for loss, wanted in zip(losses, due, strict=True)]

    def _end_phase(self, run: FlowRun, reason: str) -> None:
        if run.progress.phase + 1 < len(run.phases):
            begin_student(run, self.device)
            return
        run.finish(reason, final_metrics(run, self.device))

    def _drop_ended(self) -> None:
        """Removes ended runs from the stack; the others' slices move with the same bits."""
        places = [k for k, run in enumerate(self.active) if run.progress.status == "running"]
        remaining = [self.active[k] for k in places]
        if len(remaining) == len(self.active):
            return
        for run in self.active:
            if run not in remaining:
                run.move(run.row.copied())  # a view would keep all rows in memory
        self.active = remaining
        if not remaining:
            self._graphed_step = None  # its graph holds memory
            return
        self._stack(self.rows.selected(places))
        for k, run in enumerate(remaining):
            run.move(self.rows.row(k))
        self._validation_draws = self._validation_draws.selected(places)


def on_device(state: State, device: torch.device, copy: bool = False) -> State:
    """A run's numbers where they are needed."""
    return {name: tensor.to(device, copy=copy) for name, tensor in state.items()}


def _check_alike(specs: Sequence[RunSpec], states: Sequence[State]) -> None:
    kinds = {
        (stack_key(spec.config), *((name, tensor.shape) for name, tensor in state.items()))
        for spec, state in zip(specs, states, strict=True)
    }
    if len(kinds) > 1:
        names = ", ".join(spec.run_id for spec in specs)
        raise ValueError(f"runs of several shapes cannot share a pack: {names}")
