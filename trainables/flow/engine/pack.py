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
from trainables.flow.engine.gpu.graphed_step import NORM_EPS, DeviceSteps, orders_of, take_note
from trainables.flow.engine.gpu.prefetch import ahead
from trainables.flow.engine.gradients import fill_gradients
from trainables.flow.engine.parameters import Layout, Rows
from trainables.flow.engine.reflow import begin_student, make_pairs
from trainables.flow.engine.run import FlowRun
from trainables.flow.engine.state import RunSpec
from trainables.flow.engine.validation import HeldOut
from trainables.flow.evaluation.measure import final_metrics
from trainables.flow.networks.velocity import State, initial_state


class Pack:
    """K runs of one shape, trained together step by step.

    Each run keeps its own data, draws, optimizer and schedule, and ends on its own: on the CPU it
    gives the same bits as if it were alone, as long as torch has one thread (`device.ready_device`
    sees to it).

    Args:
        specs: The runs; equal in their configs' `pack_key`.
        datasets: Each run's data.
        device: Where to train.
        watched: Whether the host looks at every step's losses, instead of an epoch's at its end
            (`device_steps`); by default it does, unless the configs ask a GPU for `cuda_graph`.

    Raises:
        ValueError: Where runs of several shapes or numbers of batches are put into one pack.
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
        states = [
            initial_state(spec.config, data.dim, spec.seed)
            for spec, data in zip(specs, datasets, strict=True)
        ]
        _check_alike(specs, states)
        self._config = specs[0].config
        self._layout = Layout(states[0])
        self._stack(Rows.of(self._layout.rows(states, device)))
        self.runs = [
            FlowRun(spec, data, self._layout, self.rows.row(k))
            for k, (spec, data) in enumerate(zip(specs, datasets, strict=True))
        ]
        if len({run.data.steps_per_epoch for run in self.runs}) > 1:
            raise ValueError("runs of a pack need the same number of batches an epoch")
        self.active = list(self.runs)
        """Runs still training, in the order of the stacked weights."""
        self._held_out = HeldOut.of(self.runs, device)

    def train_epoch(self) -> None:
        """One epoch of every run that is still training, then validation and the end of runs."""
        self.take_steps()
        self._end_epoch()

    def take_steps(self) -> None:
        """The optimizer steps of an epoch of every run that is still training."""
        if self._watched:
            self._train_watched()
        else:
            self._train_on_device()

    def chunks(self) -> Iterator[Targets]:
        """The epoch's steps some at a time: x_t, u_t (steps, K, batch, dim), t (steps, K, batch).

        Runs with one `RunData.draw_key` share their draws, and pairings where couplings agree.
        """
        keys = [run.data.draw_key(run.progress.epoch) for run in self.active]
        sources: dict[Hashable, Iterator[Draw]] = {}
        for key, run in zip(keys, self.active, strict=True):
            if key not in sources:
                sources[key] = run.data.epoch(run.progress.epoch)
        # All have as many steps, so all end at once.
        for parts in zip(*sources.values(), strict=True):
            draws = dict(zip(sources, parts, strict=True))
            targets = [
                draws[key].targets(run.spec.config)
                for key, run in zip(keys, self.active, strict=True)
            ]
            yield stacked(targets, 1, self.device)

    def train_step(self, x_t: Tensor, u_t: Tensor, t: Tensor) -> None:
        """One optimizer step of every run that has one left.

        Args:
            x_t: Points of the paths, (K, batch, dim).
            u_t: Their target velocities, (K, batch, dim).
            t: Their times, (K, batch).
        """
        losses = self._fill_gradients(x_t, u_t, t)
        # A row a run: a norm of all at once may sum in another order for another K.
        norms = torch.stack([vector_norm(run.row.gradients) for run in self.active])
        measured = torch.stack([losses, norms], dim=1).tolist()
        for run, (loss, norm) in zip(self.active, measured, strict=True):
            if run.training and run.measured(loss, norm):
                self._update(run, norm)

    def run_state(self, run: FlowRun) -> dict[str, Any]:
        """A run's whole state, loadable in this pack, another one or alone."""
        return run_state(run.parts())

    def load_run_state(self, run: FlowRun, state: Mapping[str, dict[str, Any]]) -> None:
        """Puts a run where a state left it; call `settle` once all runs are loaded."""
        load_run_state(run.parts(), state)
        run.load_data()
        if run.progress.phase and run.progress.status == "running":
            make_pairs(run, self.device)

    def settle(self) -> None:
        """After loading: runs that had ended leave the stack."""
        self._drop_ended()
        if self.active:
            self._held_out = HeldOut.of(self.active, self.device)

    def _stack(self, rows: Rows) -> None:
        self.rows = rows
        """The numbers of the active runs."""
        self._device_steps: DeviceSteps | None = None
        self._average = self._layout.views(rows.average)
        gradients = self._layout.views(rows.gradients)
        weights = {
            name: view.requires_grad_() for name, view in self._layout.views(rows.weights).items()
        }
        # Knows nothing of the pack: or a pack that is let go would keep its GPU's memory for long.
        self._fill_gradients = partial(fill_gradients, self._config, weights, gradients)

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
        """The epoch without a word from the device before its end."""
        most = max(run.steps_left for run in self.active)
        num_steps = min(most, self.active[0].data.steps_per_epoch)
        orders = orders_of(self.active, num_steps, self.device)
        measured = torch.zeros_like(orders[:, :2], dtype=self.rows.weights.dtype)
        take_step = self._device_step()  # made first: nothing else may use a GPU meanwhile
        with contextlib.closing(ahead(self.chunks(), self.device)) as chunks:
            inputs = (step for chunk in chunks for step in zip(*chunk, strict=True))
            for order, place, step in zip(orders, measured, inputs, strict=False):
                take_step(step, order, place)
        take_note(self.active, measured)
        for run in self.active:
            run.progress.warnings += take_step.warnings
        take_step.warnings.clear()

    def _device_step(self) -> DeviceSteps:
        """The step of the runs that are active now."""
        if self._device_steps is None:
            shape = len(self.active), self._config.batch_size, self.active[0].data.dim
            self._device_steps = DeviceSteps(self._fill_gradients, self.active, self.rows, shape)
        return self._device_steps

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
            self._held_out = HeldOut.of(self.active, self.device)
        self._drop_ended()

    def _validation_losses(self) -> list[float | None]:
        """The mean loss of each run over its held-out draws, None for those that wait with it."""
        due = [run.validates for run in self.active]
        if not any(due):
            return [None] * len(due)
        losses = self._held_out.losses(self._config, self._average)
        return [loss if wanted else None for loss, wanted in zip(losses, due, strict=True)]

    def _end_phase(self, run: FlowRun, reason: str) -> None:
        if run.progress.phase + 1 < len(run.phases):
            begin_student(run, self.device)
            return
        run.finish(reason, final_metrics(run, self.device))

    def _drop_ended(self) -> None:
        """Ended runs leave the stack by selection; the others' slices move, their bits do not."""
        places = [k for k, run in enumerate(self.active) if run.progress.status == "running"]
        kept = [self.active[k] for k in places]
        if len(kept) == len(self.active):
            return
        for run in self.active:
            if run not in kept:
                run.move(run.row.copied())  # or it would keep the rows of all
        self.active = kept
        if not kept:
            self._device_steps = None  # its graph holds memory
            return
        self._stack(self.rows.kept(places))
        for k, run in enumerate(kept):
            run.move(self.rows.row(k))
        self._held_out = self._held_out.kept(places)


def _check_alike(specs: Sequence[RunSpec], states: Sequence[State]) -> None:
    kinds = {
        (stack_key(spec.config), *((name, tensor.shape) for name, tensor in state.items()))
        for spec, state in zip(specs, states, strict=True)
    }
    if len(kinds) > 1:
        names = ", ".join(spec.run_id for spec in specs)
        raise ValueError(f"runs of several shapes cannot share a pack: {names}")
