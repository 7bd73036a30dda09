"""The plan of a study in a terminal."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from ablate.analysis.forecast import price, visible
from ablate.analysis.resolution import further_visible, no_verdict
from ablate.plan.against import against, compared_text
from ablate.plan.packing import packs_of
from ablate.plan.plan import Plan
from ablate.plan.reconcile import Remaining
from ablate.process.screen import Text
from ablate.report.text_table import NOT_APPLICABLE
from ablate.run_row import RunRows, Status
from ablate.spec.design import UNPLACED
from ablate.spec.models import text
from ablate.spec.seeds import SeedsByRole
from ablate.stats.verdicts import VerdictKind
from ablate.text import printable

CELLS_SHOWN = 60


def print_plan(
    plan: Plan,
    left: Remaining,
    rows: RunRows,
    known: Mapping[str, Mapping[str, Any]],
    at_once: int,
    console: Console,
) -> None:
    """Prints cells, runs, resources, and what is already done.

    Args:
        plan: The plan.
        left: What is left of it to do.
        rows: The ledger's rows by run id.
        known: What is known of runs before they start: `num_parameters`, where it is.
        at_once: How many trials run at a time.
        console: Where to print.
    """
    study = plan.study
    console.print(Text(study.question or study.study, style="bold"), soft_wrap=True)
    console.print(_table(plan, rows, known))
    if len(plan.cells) > CELLS_SHOWN:
        console.print(Text(f"... and {len(plan.cells) - CELLS_SHOWN} more cells"))
    if told := compared_text(plan):
        console.print(Text(told), soft_wrap=True)
    console.print(Text(f"{_total(plan)}; {len(left.todo)} to do, {len(left.kept)} done"))
    for told in filter(None, (price(plan, left.todo, rows, at_once), *_found(plan, rows))):
        console.print(Text(told), soft_wrap=True)
    if study.pack != 1:
        console.print(Text(_packs(plan, left, known, at_once)))
    console.print(Text(f"a trial takes {study.resources.cpu:g} CPU, {study.resources.gpu:g} GPU"))
    console.print(Text(f"study directory: {study.directory}"), soft_wrap=True)


def _total(plan: Plan) -> str:
    """`4 cells x 3 seeds (0, 1, 2) = 12 runs`."""
    seeds = ", ".join(map(str, plan.seeds))
    of_cells = f"{len(plan.cells)} cells x {len(plan.seeds)} seeds ({seeds})"
    if isinstance(plan.study.seeds, SeedsByRole):
        roles = {"baselines": plan.study.seeds.baseline, "others": plan.study.seeds.others}
        told = [f"{len(of)} of {role} ({', '.join(map(str, of))})" for role, of in roles.items()]
        of_cells = f"{len(plan.cells)} cells, seeds: {', '.join(told)}"
    num_again = len(plan.runs_of.get(UNPLACED, ()))
    again = f" + {num_again} of the baseline again" if plan.aa_cell else ""
    return f"{of_cells}{again} = {len(plan.runs)} runs"


def _found(plan: Plan, rows: RunRows) -> list[str]:
    """What the design can find, or why it can find nothing."""
    seen = visible(plan, rows)
    return [seen, *further_visible(plan, rows)] if seen else [no_verdict(plan)]


def _table(plan: Plan, rows: RunRows, known: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    sizes = _sizes(plan, known)
    has_blocks = any(cell.block for cell in plan.cells)
    for name in ["block"] * has_blocks + list(plan.factors):
        table.add_column(Text(printable(name)))
    said = against(plan)
    by_row = [] if said.all_alike or not any(said.each) else [*said.each]
    if by_row:
        table.add_column("against")
    if sizes:
        table.add_column("parameters", justify="right")
    table.add_column("done")
    table.add_column("")
    status = _status_by_cell(plan, rows)
    in_pairs = plan.study.compares_pairs
    baselines = frozenset[int]() if in_pairs else plan.baselines
    for cell in plan.cells[:CELLS_SHOWN]:
        labels = [text(cell.labels.get(name, NOT_APPLICABLE)) for name in plan.factors]
        labels = [cell.block] * has_blocks + labels + by_row[cell.index : cell.index + 1]
        labels += [sizes.get(cell.index, "")] * bool(sizes)
        mark = "baseline" if cell.index in baselines else ""
        mark = VerdictKind.NOT_COMPARED.value if not in_pairs and cell.index in plan.alone else mark
        done = status[cell.index]
        table.add_row(
            *map(Text, labels), f"{done[Status.OK]}/{done.total()}", _others(done) or mark
        )
    return table


def _packs(
    plan: Plan, left: Remaining, known: Mapping[str, Mapping[str, Any]], at_once: int
) -> str:
    """`pack: auto: 12 runs in 3 trials of 4`."""
    packs = packs_of(plan, left.todo, known, at_once)
    sizes = Counter(len(pack) for pack in packs)
    told = ", ".join(f"{count} of {size}" for size, count in sorted(sizes.items(), reverse=True))
    return f"pack: {plan.study.pack}: {len(left.todo)} runs in {len(packs)} trials ({told})"


def _sizes(plan: Plan, known: Mapping[str, Mapping[str, Any]]) -> dict[int, str]:
    """Parameters of each cell's network, for people."""
    found = {run.cell.index: known.get(run.run_id, {}).get("num_parameters") for run in plan.runs}
    return {cell: f"{number:,}" for cell, number in found.items() if number is not None}


def _status_by_cell(plan: Plan, rows: RunRows) -> dict[int, Counter[Status]]:
    counts: dict[int, Counter[Status]] = {key: Counter() for key in plan.runs_of}
    for run in plan.runs:
        counts[run.cell.index][rows.status(run.run_id)] += 1
    return counts


def _others(done: Counter[Status]) -> str:
    names = (Status.FAILED, Status.DIVERGED, Status.INTERRUPTED)
    return ", ".join(f"{done[name]} {name}" for name in names if done[name])
