"""The plan of a study in a terminal."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rich.console import Console

from ablate.analysis.arrays import value_text
from ablate.analysis.forecast import price, visible
from ablate.analysis.records import directed
from ablate.analysis.resolution import further_visible, no_verdict
from ablate.plan.against import against, compared_text
from ablate.plan.command_lines import first_lines
from ablate.plan.endings import endings
from ablate.plan.packing import packs_of
from ablate.plan.plan import Plan
from ablate.plan.reconcile import Remaining
from ablate.process.screen import Text
from ablate.report.columns import Column, Folds
from ablate.report.screen_table import print_plain_table
from ablate.report.text_table import NOT_APPLICABLE
from ablate.run_row import RunRows, Status
from ablate.spec.design import UNPLACED, Cell
from ablate.spec.models import text
from ablate.spec.seeds import SeedsByRole
from ablate.stats.verdicts import VerdictKind
from ablate.text import num_runs, printable, seeds_text

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
    _print_cells(plan, rows, known, console)
    if told := compared_text(plan):
        console.print(Text(told), soft_wrap=True)
    console.print(Text(f"metric: {_metric(plan, rows)}"), soft_wrap=True)
    console.print(Text(f"{_total(plan)}; {len(left.todo)} to do, {len(left.kept)} done"))
    for told in filter(None, (price(plan, left.todo, rows, at_once), *_found(plan, rows))):
        console.print(Text(told), soft_wrap=True)
    if study.pack != 1:
        console.print(Text(_packs(plan, left, known, at_once)))
        for told in _pack_notes(plan, left):
            console.print(Text(told), soft_wrap=True)
    for told in endings(study, plan.stop_rule):
        console.print(Text(told), soft_wrap=True)
    console.print(Text(f"a trial takes {study.resources.cpu:g} CPU, {study.resources.gpu:g} GPU"))
    for told in first_lines(plan):
        console.print(Text(told), soft_wrap=True)
    console.print(Text(f"study directory: {study.directory}"), soft_wrap=True)


def _total(plan: Plan) -> str:
    """`4 cells x 3 seeds (0, 1, 2) = 12 runs`."""
    seeds = ", ".join(map(str, plan.seeds))
    num = f"{len(plan.cells)} cell{'s' * (len(plan.cells) != 1)}"
    of_cells = f"{num} x {seeds_text(len(plan.seeds))} ({seeds})"
    if isinstance(plan.study.seeds, SeedsByRole):
        roles = {"baselines": plan.study.seeds.baseline, "others": plan.study.seeds.others}
        told = [f"{len(of)} of {role} ({', '.join(map(str, of))})" for role, of in roles.items()]
        of_cells = f"{num}, seeds: {', '.join(told)}"
    num_again = len(plan.runs_of.get(UNPLACED, ()))
    again = f" + {num_again} of the baseline again" if plan.aa_cell else ""
    return f"{of_cells}{again} = {num_runs(len(plan.runs))}"


def _metric(plan: Plan, rows: RunRows) -> str:
    """What verdicts will be about: `score (higher is better), last value`."""
    metric = plan.study.metric
    ranks = plan.model.metric(metric).ranks
    return directed(metric, plan.mode(metric), ranks, value_text(plan, rows, metric))


def _found(plan: Plan, rows: RunRows) -> list[str]:
    """What the design can find, or why it can find nothing."""
    seen = visible(plan, rows)
    return [seen, *further_visible(plan, rows)] if seen else [no_verdict(plan)]


def _print_cells(
    plan: Plan, rows: RunRows, known: Mapping[str, Mapping[str, Any]], console: Console
) -> None:
    print_plain_table(_columns(plan, rows, known), console)
    if len(plan.cells) > CELLS_SHOWN:
        console.print(Text(f"... and {len(plan.cells) - CELLS_SHOWN} more cells{_beyond(plan)}"))


def _columns(plan: Plan, rows: RunRows, known: Mapping[str, Mapping[str, Any]]) -> Sequence[Column]:
    """The factors may go where all cells are alike in one; what is done and marked stays."""
    cells, sizes, status = (
        plan.cells[:CELLS_SHOWN],
        _sizes(plan, known),
        _status_by_cell(plan, rows),
    )
    are_all = len(cells) == len(plan.cells)  # of others a table says nothing
    labels = [("block", [cell.block for cell in cells])] * any(c.block for c in plan.cells)
    for name in plan.factors:
        texts = [text(cell.labels.get(name, NOT_APPLICABLE)) for cell in cells]
        labels.append((printable(name), texts))
    said = against(plan)
    if any(said.each) and not said.all_alike:
        labels.append(("against", list(said.each[: len(cells)])))
    columns = [
        Column(title=title, texts=texts, folds=Folds.LABEL, may_be_told=are_all)
        for title, texts in labels
    ]
    if sizes:
        texts = [sizes.get(cell.index, "") for cell in cells]
        columns.append(Column(title="parameters", texts=texts, is_number=True, may_be_told=are_all))
    done = [status[cell.index] for cell in cells]
    counts = [f"{each[Status.OK]}/{each.total()}" for each in done]
    marks = [_marks(plan, cell, each) for cell, each in zip(cells, done, strict=True)]
    return [*columns, Column(title="done", texts=counts), Column(title="", texts=marks)]


def _marks(plan: Plan, cell: Cell, done: Counter[Status]) -> str:
    """`baseline, 1 failed`; `not compared` where its partner is left out."""
    names = (Status.FAILED, Status.DIVERGED, Status.INTERRUPTED)
    others = [f"{done[name]} {name}" for name in names if done[name]]
    role = ["baseline"] * (cell.index in _baselines(plan))
    if cell.index in plan.alone and not plan.study.compares_pairs:
        role = [VerdictKind.NOT_COMPARED.value]
    return ", ".join(role + others)


def _baselines(plan: Plan) -> Collection[int]:
    """Positions of the cells that others are compared with: none where all are in pairs."""
    return () if plan.study.compares_pairs else plan.baselines


def _beyond(plan: Plan) -> str:
    num = sum(cell.index in _baselines(plan) for cell in plan.cells[CELLS_SHOWN:])
    return f", {num} of them baseline{'s' * (num > 1)}" * bool(num)


def _packs(
    plan: Plan, left: Remaining, known: Mapping[str, Mapping[str, Any]], at_once: int
) -> str:
    """`pack: auto: 12 runs in 3 trials of 4`."""
    packs = packs_of(plan, left.todo, known, at_once)
    sizes = Counter(len(pack) for pack in packs)
    told = ", ".join(f"{count} of {size}" for size, count in sorted(sizes.items(), reverse=True))
    return f"pack: {plan.study.pack}: {len(left.todo)} runs in {len(packs)} trials ({told})"


def _pack_notes(plan: Plan, left: Remaining) -> list[str]:
    """What trainables say of packs, each sentence once."""
    cells = {run.cell.index: run.cell for run in left.todo}.values()
    notes = (cell.model.pack_note(cell.model.validate(cell.config)) for cell in cells)
    return [f"pack: {note}" for note in dict.fromkeys(filter(None, notes))]


def _sizes(plan: Plan, known: Mapping[str, Mapping[str, Any]]) -> dict[int, str]:
    """Parameters of each cell's network, for people."""
    found = {run.cell.index: known.get(run.run_id, {}).get("num_parameters") for run in plan.runs}
    return {cell: f"{number:,}" for cell, number in found.items() if number is not None}


def _status_by_cell(plan: Plan, rows: RunRows) -> dict[int, Counter[Status]]:
    counts: dict[int, Counter[Status]] = {key: Counter() for key in plan.runs_of}
    for run in plan.runs:
        counts[run.cell.index][rows.status(run.run_id)] += 1
    return counts
