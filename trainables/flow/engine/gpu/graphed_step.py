"""Steps of a pack that synchronise with the host once per epoch, for GPUs.

The ordinary step waits for each loss, and the host launches every kernel: small networks leave a
GPU idle most of the time. Here the epoch's learning rates are on the device beforehand, runs with
a loss that is not finite are stopped there, and the whole step is replayed as one CUDA graph.
Rounding may come in another order: results agree with those of ordinary steps within a tolerance,
not to the bit. Each graph's first steps are checked against ordinary ones.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from trainables.flow.config.schedule import ema_decay
from trainables.flow.engine.batches import Targets
from trainables.flow.engine.gpu.cuda_graph import NotCapturedError, can_capture, captured
from trainables.flow.engine.gpu.graph_check import StepRecord, difference
from trainables.flow.engine.optimizer import AdamW
from trainables.flow.engine.parameters import Rows
from trainables.flow.engine.run import FlowRun

NORM_EPS = 1e-6
"""Added to gradient norms before they divide."""
LANES = 8
"""Streams for the updates of a pack: one of 1M parameters occupies 16 of an H100's 132 cores."""
CHECKED_STEPS = 3
"""How many first steps of each graph are checked; they end with the ordinary step's results."""

FillGradients = Callable[[Tensor, Tensor, Tensor], Tensor]
"""x_t, u_t, t of a step -> the losses (K,); leaves the gradients in the pack's rows."""


class GraphedStep:
    """One step of K runs, captured as a graph on a GPU.

    Args:
        fill_gradients: Forward and backward pass of the pack.
        runs: Its active runs, in the order of the rows.
        rows: Their numbers.
        shape: Shape of a step's points, (K, batch, dim).
    """

    def __init__(
        self,
        fill_gradients: FillGradients,
        runs: Sequence[FlowRun],
        rows: Rows,
        shape: tuple[int, int, int],
    ) -> None:
        device, dtype = rows.weights.device, rows.weights.dtype
        self._fill_gradients = fill_gradients
        self._optimizers = [_replayable(run) for run in runs]
        self._rows = rows
        shapes = (shape, shape, shape[:2])
        self._inputs = [torch.zeros(s, dtype=dtype, device=device) for s in shapes]
        self._controls = torch.zeros(3, len(runs), device=device)
        self._alive = torch.ones(len(runs), device=device)
        self._measured = torch.zeros(2, len(runs), dtype=dtype, device=device)
        clips = [run.spec.config.clip or math.inf for run in runs]
        self._clips = torch.tensor(clips, device=device)
        self._lanes = _lanes(device)[: len(runs)] if device.type == "cuda" else ()
        self.warnings: list[str] = []
        """Why steps are not replayed as a graph, although the device supports it."""
        self._graph = self._captured() if can_capture(device) else None
        self._unchecked = CHECKED_STEPS

    @torch.no_grad()
    def __call__(self, inputs: Targets, controls: Tensor, measured: Tensor) -> None:
        """Takes a step.

        Args:
            inputs: x_t, u_t (K, batch, dim) and t (K, batch).
            controls: This step's part of `step_controls`, (3, K).
            measured: Where losses and gradient norms go, (2, K).
        """
        for static, tensor in zip(self._inputs, inputs, strict=True):
            static.copy_(tensor)
        self._controls.copy_(controls)
        if self._graph is None:
            self._step()
        elif self._unchecked:
            self._check(self._graph)
        else:
            self._graph.replay()
        measured.copy_(self._measured)

    def _check(self, graph: torch.cuda.CUDAGraph) -> None:
        """Takes the step by the graph, then ordinarily and for good; drops a graph that differs."""
        numbers = {**vars(self._rows), "alive": self._alive, "measured": self._measured}
        before = StepRecord.of(numbers)
        graph.replay()
        replayed = StepRecord.of(numbers)
        before.put_back(numbers)
        self._step()
        self._unchecked -= 1
        if differs := difference(before, StepRecord.of(numbers), replayed):
            self._graph = None
            self.warnings.append(
                f"the CUDA graph is not used: its step differs from the ordinary one in {differs}"
            )

    def _step(self) -> None:
        """The step on the static tensors; never synchronises with the host."""
        with torch.enable_grad():
            losses = self._fill_gradients(*self._inputs)
        norms = torch.linalg.vector_norm(self._rows.gradients, dim=1)
        lr, forgotten, due = self._controls.unbind(0)
        finite = torch.isfinite(losses) & torch.isfinite(norms)
        self._alive.mul_(finite | (due == 0))
        takes_part = due * self._alive
        too_long = ((norms.float() + NORM_EPS) / self._clips).clamp(min=1.0)
        self._rows.count.add_(takes_part)
        self._update(lr, too_long, 1 - takes_part)
        weight = (forgotten * takes_part).to(self._rows.average.dtype).unsqueeze(1)
        self._rows.average.lerp_(self._rows.weights, weight)
        self._measured.copy_(torch.stack([losses, norms]))

    def _update(self, lr: Tensor, too_long: Tensor, skipped: Tensor) -> None:
        """The optimizers' updates, (K,) each, in parallel: one run's fills a fraction of a GPU."""
        for lane in self._lanes:
            lane.wait_stream(torch.cuda.current_stream())
        for k, optimizer in enumerate(self._optimizers):
            with torch.cuda.stream(self._lanes[k % len(self._lanes)] if self._lanes else None):
                optimizer.update(lr[k], too_long[k], skipped[k])
        for lane in self._lanes:
            torch.cuda.current_stream().wait_stream(lane)

    @torch.no_grad()
    def _captured(self) -> torch.cuda.CUDAGraph | None:
        """The step as a graph; None if it cannot be captured.

        No run is due during the capture, so no weights change.
        """
        try:
            return captured(self._step)
        except NotCapturedError as error:
            self.warnings.append(f"steps are not replayed as a CUDA graph: {error}")
            return None


def _replayable(run: FlowRun) -> AdamW:
    if not isinstance(run.optimizer, AdamW):  # configs refuse it, and a CPU takes ordinary steps
        raise TypeError(f"{run.spec.config.optimizer} takes its steps on the host")
    return run.optimizer


@lru_cache(maxsize=8)
def _lanes(device: torch.device) -> tuple[torch.cuda.Stream, ...]:
    return tuple(torch.cuda.Stream(device) for _ in range(LANES))


def step_controls(runs: Sequence[FlowRun], num_steps: int, device: torch.device) -> Tensor:
    """What controls each run's next steps of an epoch, (steps, 3, K).

    Its learning rate, the share of the average that is replaced, and 1 as long as it has steps
    left.

    Args:
        runs: The active runs.
        num_steps: How many steps.
        device: Where the result goes.
    """
    controls = [
        [
            run.scheduler.rates(num_steps),
            [1 - ema_decay(run.phase_steps + s, run.spec.config.ema_decay)
             for s in range(num_steps)],
            [float(s < run.steps_left) for s in range(num_steps)],
        ]
        for run in runs
    ]  # fmt: skip
    return torch.tensor(controls).permute(2, 1, 0).contiguous().to(device)


def record_epoch(runs: Sequence[FlowRun], measured: Tensor) -> None:
    """Records what an epoch's steps measured, (steps, 2, K), in each run until it ends."""
    for losses, norms in measured.tolist():
        for run, loss, norm in zip(runs, losses, norms, strict=True):
            if run.training and run.measured(loss, norm):
                run.advance()
