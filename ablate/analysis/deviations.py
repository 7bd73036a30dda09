"""What of a report was chosen after results were there: facts on its cells, factors, margin."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ablate.analysis.kept_analysis import FixedBy, KeptAnalysis, num_results
from ablate.analysis.left_out import left_out_notes
from ablate.analysis.records import (
    AnalysisHistory,
    BlockRecord,
    CellRecord,
    Fixing,
    MetricRecord,
    StudyRecord,
)
from ablate.plan.analysis_changes import (
    Change,
    ChangeKind,
    Deviation,
    Topic,
    deviations_text,
    there_text,
)
from ablate.plan.plan import Plan
from ablate.run_row import RunRows

_ADDED = ((Topic.CELL, ChangeKind.ADDED), (Topic.COMPARISON, ChangeKind.ADDED))


def with_deviations(
    record: StudyRecord, plan: Plan, rows: RunRows, kept: KeptAnalysis
) -> StudyRecord:
    """A report that says what of it was not fixed before its results.

    Args:
        record: The report, which knows nothing of that.
        plan: What it is of.
        rows: The ledger's rows by run id.
        kept: The study's analysis, up to today's.
    """
    late = [deviation for deviation in kept.deviations if deviation.num_results > 0]
    first, *further = [
        _metric(metric, plan, [*late, *_asked(metric.name, plan, rows)], kept)
        for metric in record.metrics
    ]
    left_out = left_out_notes(plan, rows)
    return replace(
        record,
        metric=first,
        further=further,
        notes=[*record.notes, *left_out],
        cautions=[*left_out, *record.cautions],
        history=_history(kept),
    )


def _asked(metric: str, plan: Plan, rows: RunRows) -> list[Deviation]:
    """A metric that is none of the study's: somebody asks for it now."""
    if metric in plan.study.metrics:
        return []
    change = Change(Topic.REPORT_METRIC, ChangeKind.ADDED, metric, metric)
    found = num_results(rows)
    return [Deviation(change, found)] if found else []


def _metric(
    metric: MetricRecord, plan: Plan, late: Sequence[Deviation], kept: KeptAnalysis
) -> MetricRecord:
    is_main = metric.name == plan.study.metric
    cells = [
        _cell(cell, plan.trained[index], metric.name, late, is_main)
        for index, cell in enumerate(metric.cells)
    ]
    blocks = [_block(block, cells, plan, late, metric.name, is_main) for block in metric.blocks]
    fixing = None if metric.margin is None else _margin_fixing(late, kept)
    return replace(metric, cells=cells, blocks=blocks, margin_fixing=fixing)


def _cell(
    cell: CellRecord, trains: str, metric: str, late: Sequence[Deviation], is_main: bool
) -> CellRecord:
    added = [d.num_results for d in late if _is_added(d.change) and d.change.subject == trains]
    touching = [] if cell.is_baseline else list(_touching(late, metric, trains, is_main))
    return replace(cell, exploratory=touching, added_after=max(added, default=None))


def _block(
    block: BlockRecord,
    cells: Sequence[CellRecord],
    plan: Plan,
    late: Sequence[Deviation],
    metric: str,
    is_main: bool,
) -> BlockRecord:
    touching = [d for member in block.members
                for d in _touching(late, metric, plan.trained[member], is_main)]  # fmt: skip
    added: dict[tuple[int, int], int] = {}
    for factor, levels in enumerate(block.levels):
        for level in range(len(levels)):
            members = [cells[member].added_after for member, codes
                       in zip(block.members, block.codes, strict=True)
                       if codes[factor] == level]  # fmt: skip
            known = [number for number in members if number is not None]
            if known and len(known) == len(members):
                added[factor, level] = min(known)
    return replace(block, exploratory=list(dict.fromkeys(touching)), levels_added_after=added)


def _touching(
    late: Sequence[Deviation], metric: str, trains: str, is_main: bool
) -> Iterator[Deviation]:
    for deviation in late:
        change = deviation.change
        if change.is_exploratory and change.touches(metric, trains, is_main):
            yield deviation


def _is_added(change: Change) -> bool:
    return (change.topic, change.kind) in _ADDED


def _margin_fixing(late: Sequence[Deviation], kept: KeptAnalysis) -> Fixing:
    """Since when there is this margin, of this metric, on this scale."""
    of_it = [d for d in late if d.change.topic in (Topic.MARGIN, Topic.METRIC, Topic.SCALE)]
    if of_it:
        newest = max(of_it, key=lambda d: (d.num_results, d.change.topic is Topic.MARGIN))
        kind = newest.change.kind if newest.change.topic is Topic.MARGIN else None
        return Fixing(num_results=newest.num_results, change=kind, is_fixed=False)
    return Fixing(
        num_results=kept.base.num_results,
        is_fixed=kept.fixed is not None,
        unknown=kept.unknown,
    )


def _history(kept: KeptAnalysis) -> AnalysisHistory:
    told, log = f"analysis {fixing_of(kept)}", kept.log
    deviations = deviations_text(kept.deviations)
    told += "; changed meanwhile, and changed back" if log and not deviations else ""
    return AnalysisHistory(summary=told, deviations=deviations, log=log)


def fixing_of(kept: KeptAnalysis) -> str:
    """When the analysis was fixed, for people."""
    number = kept.base.num_results
    if kept.unknown:
        return f"not kept: {kept.unknown}; kept since {there_text(number)}"
    told = Fixing(num_results=number, is_fixed=kept.fixed is not None).text
    if kept.fixed is None:
        return f"{told}, not yet fixed (by the first whole replicate, or `ablate freeze`)"
    return f"{told} (by `ablate freeze`)" if kept.fixed_by is FixedBy.COMMAND else told
