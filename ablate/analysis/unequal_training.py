"""Whether cells were trained alike: steps, parameters, machines."""

from collections import Counter
from collections.abc import Iterator

from ablate.plan.plan import Plan
from ablate.plan.unequal import Amount, Inequality, inequality, is_asked_length
from ablate.run_row import RunRow, RunRows, Status
from ablate.spec.models import text
from ablate.text import num_runs, printable

EARLY = "early_stopping"
"""Why a run ended that would have gone on, but for the metric that it is selected by."""


def unequal_training(plan: Plan, rows: RunRows) -> Iterator[str]:
    """How cells differ in how they were trained, with the numbers."""
    found = _steps(plan, rows)
    if found is not None:
        yield f"cells trained for {found.summary}"
        if found.details:
            yield f"steps: {found.details}"
    parameters = _parameters(plan, rows)
    if parameters is not None:
        yield f"cells have {parameters.summary}"
    yield from _machines(plan, rows)
    yield from _world_sizes(plan, rows)


def misleading_training(plan: Plan, rows: RunRows) -> Iterator[str]:
    """What of it misleads whoever does not read it: steps over 10 % more, machines by factor.

    How long cells train may be what is asked: then it misleads nobody.
    """
    found = _steps(plan, rows)
    if found is not None and found.is_clear and not is_asked_length(plan, found):
        yield f"cells trained for {found.summary}"
    yield from _machines(plan, rows)
    yield from _world_sizes(plan, rows)


def _steps(plan: Plan, rows: RunRows) -> Inequality | None:
    found: dict[int, Amount] = {}
    for cell, row in _finished(plan, rows):
        if row.step:
            amount = found.setdefault(cell, Amount())
            amount.numbers.append(row.step)
            amount.num_early += row.stop_reason == EARLY
    return inequality(plan, "steps", found)


def _parameters(plan: Plan, rows: RunRows) -> Inequality | None:
    found: dict[int, Amount] = {}
    for cell, row in _finished(plan, rows):
        if row.num_parameters:
            found.setdefault(cell, Amount()).numbers.append(row.num_parameters)
    return inequality(plan, "parameters", found)


def _machines(plan: Plan, rows: RunRows) -> Iterator[str]:
    """Factors of which each level was trained on a kind of device of its own."""
    finished = [(cell, row.device) for cell, row in _finished(plan, rows) if row.device]
    for name in plan.factors if len({device for _, device in finished}) > 1 else ():
        devices: dict[str, set[str]] = {}
        for cell, device in finished:
            labels = plan.cells[cell].labels
            if name in labels:
                devices.setdefault(text(labels[name]), set()).add(device)
        kinds = {min(each) for each in devices.values() if len(each) == 1}
        if len(kinds) > 1 and all(len(each) == 1 for each in devices.values()):
            told = "; ".join(f"{level} on {min(each)}" for level, each in devices.items())
            yield (
                f"{printable(name)}: {told}: what the levels do cannot be told from what the "
                "machines do"
            )


def _world_sizes(plan: Plan, rows: RunRows) -> Iterator[str]:
    """Numbers of processes, where runs of a command differ in them."""
    sizes = Counter(row.world_size for _, row in _finished(plan, rows) if row.world_size)
    if len(sizes) > 1:
        told = ", ".join(f"{num_runs(num)} with {size}" for size, num in sorted(sizes.items()))
        yield f"runs trained with unlike numbers of processes ({told}): batches differ with them"


def _finished(plan: Plan, rows: RunRows) -> Iterator[tuple[int, RunRow]]:
    for cell in plan.cells:
        for run in plan.runs_of.get(cell.index, {}).values():
            row = rows.of(run.run_id)
            if row.status is Status.OK:
                yield cell.index, row
