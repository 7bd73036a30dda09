"""Decides which runs share a trial: runs of one shape can be trained as one."""

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

from ablate.plan.plan import Plan, Run

RunPack = tuple[Run, ...]
Rows = Mapping[str, Mapping[str, Any]]

MOST_ON_GPU = 32
"""Small networks saturate a GPU at 16 to 32 runs."""
MOST_ON_CPU = 8
"""On a CPU, packs gain up to a third if steps are small, and nothing beyond 8 runs."""
SMALL_STEP = 70_000_000
"""Parameters x batch above which one run keeps a CPU core busy: packs hardly gain."""
BYTES_A_PARAMETER = 48
"""Weights, gradient, average, two moments, and activations."""
GPU_BYTES = 16 * 1024**3
"""Memory assumed of every GPU: the workers' GPUs are unknown before they start."""


def packs_of(
    plan: Plan, runs: Sequence[Run], rows: Rows, at_once: int, alone: Container[str] = ()
) -> list[RunPack]:
    """Groups runs into packs, in the order of the plan: each pack in the place of its first run.

    Args:
        plan: The plan; its study says how many runs a pack may hold, or `auto`.
        runs: The runs to do.
        rows: The ledger's rows by run id, for `num_parameters` if known.
        at_once: Trials that run at a time.
        alone: Ids of runs that get a pack of their own.
    """
    by_key: dict[object, list[Run]] = {}
    for index, run in enumerate(runs):
        key = index if run.run_id in alone else _key(plan, run, index)
        by_key.setdefault(key, []).append(run)
    packs: list[RunPack] = []
    for alike in by_key.values():
        size = _size(plan, alike, rows, at_once)
        packs += [tuple(alike[start : start + size]) for start in range(0, len(alike), size)]
    position = {run.run_id: index for index, run in enumerate(runs)}
    return sorted(packs, key=lambda pack: position[pack[0].run_id])


def auto_size(
    num_runs: int,
    at_once: int,
    num_parameters: int,
    batch_size: int,
    gpu: float,
    gains_on_cpu: bool = True,
) -> int:
    """How many runs of one shape a trial should carry.

    At most what the hardware gains from: on a GPU as many as saturate it and fit its memory, on a
    CPU more than one only if calls cost more than arithmetic. Within that, few enough that every
    place gets a trial, and all places are busy to the end.

    Args:
        num_runs: Runs of the shape.
        at_once: Trials that run at a time.
        num_parameters: Of the network; 0 if unknown.
        batch_size: Rows per step.
        gpu: GPUs per trial.
        gains_on_cpu: Whether packs of small runs of the shape pay off on a CPU.
    """
    if gpu:
        fit = int(GPU_BYTES * min(1.0, gpu) / max(1, BYTES_A_PARAMETER * num_parameters))
        most = max(1, min(MOST_ON_GPU, fit))
    elif gains_on_cpu and num_parameters and num_parameters * batch_size <= SMALL_STEP:
        most = MOST_ON_CPU
    else:
        most = 1
    places = max(1, at_once)
    rounds = math.ceil(num_runs / (places * most))
    return math.ceil(num_runs / (places * rounds))


def _key(plan: Plan, run: Run, index: int) -> object:
    """Equal for runs that may share a pack; the run's own index if it may not share one."""
    model, entry = run.cell.model, run.cell.entry
    if not entry.hooks.packs or plan.study.pack == 1:
        return index
    key = model.pack_key(model.validate(run.config))
    return index if key is None else (entry.name, key)


def _size(plan: Plan, alike: Sequence[Run], rows: Rows, at_once: int) -> int:
    if plan.study.pack != "auto":
        return plan.study.pack
    counts = [rows.get(run.run_id, {}).get("num_parameters") or 0 for run in alike]
    model = alike[0].cell.model
    config = model.validate(alike[0].config)
    return auto_size(
        len(alike), at_once, max(counts), model.rows_a_step(config),
        plan.study.resources.gpu, model.gains_on_cpu(config),
    )  # fmt: skip
