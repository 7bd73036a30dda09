"""The tables of a report as text, row by row: what every renderer shows."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ablate.analysis.records import BlockRecord, MetricRecord, Note, StudyRecord
from ablate.numbers import p_text, rounded, spread_text
from ablate.report.comparisons import difference_text, lost_level_notes, no_partner_text
from ablate.report.cost import costlier_levels_text, price_of_better, price_of_level
from ablate.report.dots import dots
from ablate.report.level_rows import level_rows
from ablate.report.notes import (
    NOTES,
    compared_text,
    effect_notes,
    exploratory_notes,
    margin_notes,
)
from ablate.report.pair_table import LETTERS, pair_table
from ablate.report.reconciled import reconciled_notes
from ablate.report.resolutions import factor_resolution_notes
from ablate.report.text_table import (
    NOT_APPLICABLE,
    TableRow,
    TextTable,
    adjusted_tip,
    comparison_titles,
)
from ablate.stats.effects import Effects
from ablate.stats.verdicts import Comparisons
from ablate.text import seeds_text

COUNTS = ("ok/planned", "ok/found")
"""Titles of the column that counts runs; what somebody else planned nobody knows."""
MEAN = "mean ± sd"


def tables_of(record: StudyRecord) -> list[TextTable]:
    """The tables of a report in their order, see `TABLES`."""
    return [table for make in TABLES.values() for table in make(record)]


def metric_table(record: StudyRecord, metric: MetricRecord) -> TextTable:
    """The ablation table: a row a cell."""
    rows = [_cell_row(record, metric, index) for index in range(len(metric.cells))]
    compared = comparison_titles(metric) if metric.pairs is None else (LETTERS,)
    numbers = (COUNTS[metric.is_foreign], MEAN, *compared)
    labels = ["block"] * _has_blocks(metric) + list(record.factors)
    labels += ["against"] * _is_told_by_row(metric)
    whole = metric is record.metric
    notes = [note for make in NOTES.values() for note in make(metric, whole)]
    unlike = metric.scope.unlike(record.metric.scope)
    notes += [Note(f"its scope differs: {unlike}")] if unlike else []
    title = headline(record, metric)
    return TextTable(
        title=title, labels=labels, numbers=numbers, rows=rows, notes=notes,
        tips=adjusted_tip(compared_text(metric)), dots=dots(metric),
    )  # fmt: skip


def effects_table(block: BlockRecord, effects: Effects, metric: MetricRecord) -> TextTable:
    """Each level of each factor: over all others, or within those that it interacts with."""
    rows: list[TableRow] = []
    for factor in range(len(block.factors)):
        rows += _effect_rows(block, metric, factor)
    of = f" of {block.name}" if block.name else ""
    title = f"{metric.told}: each factor{of}, over all the others"
    title += " or within those it interacts with" * bool(block.within)
    numbers = ("mean", *comparison_titles(metric))
    notes = [*exploratory_notes(block.exploratory), *margin_notes(metric, "each factor")]
    notes += effect_notes(block, effects, metric.is_paired)
    costlier = costlier_levels_text(block)
    notes += [Note(costlier, is_caution=True)] if costlier else []
    notes += reconciled_notes(block, metric)
    notes += [*factor_resolution_notes(block, metric), *lost_level_notes(block, metric)]
    labels = ("factor", *["within"] * bool(block.within), "level")
    return TextTable(
        title=title, labels=labels, numbers=numbers, rows=rows, notes=notes,
        tips=adjusted_tip("what is told of a factor, each factor by itself"),
    )  # fmt: skip


def history_lines(record: StudyRecord, with_log: bool = True) -> list[str]:
    """What was fixed before the results, and how that was changed since: the report's footnote."""
    found = record.history
    if found is None:
        return []
    log = [f"change: {line}" for line in found.log] if with_log else []
    return [found.summary, *(f"since then: {line}" for line in found.deviations), *log]


def headline(record: StudyRecord, metric: MetricRecord) -> str:
    """`sliced_w2 (lower is better), final weights, 3 seeds, each cell against flow=icfm`."""
    numbers = {cell.num_planned for cell in metric.cells}
    fewer = f"{min(numbers)} to " * (len(numbers) > 1 and not metric.is_foreign)
    seeds = f"{fewer}{seeds_text(len(record.seeds))}"
    against = f", each cell against {metric.against}" if metric.against else ""
    return f"{metric.directed}, {seeds}{against}{no_partner_text(metric)}"


def _is_told_by_row(metric: MetricRecord) -> bool:
    """Whether cells are compared with so unlike ones that each row says with which."""
    return metric.has_baselines and not metric.against


def _has_blocks(metric: MetricRecord) -> bool:
    return any(cell.block for cell in metric.cells)


def _cell_row(record: StudyRecord, metric: MetricRecord, index: int) -> TableRow:
    cell = metric.cells[index]
    value = cell.value
    block = [cell.block] * _has_blocks(metric)
    labels = [cell.labels.get(factor, NOT_APPLICABLE) for factor in record.factors]
    return TableRow(
        labels=[*block, *labels, *[cell.against] * _is_told_by_row(metric)],
        numbers=[
            f"{value.num}/{cell.num_planned}",
            spread_text(value.mean, value.sd),
            *_compared(metric, index),
        ],
        costlier=bool(price_of_better(cell)),
        remark=cell.remark,
        verdict=cell.comparison.verdict,
        own_spread=not cell.comparison.pooled,
        bold=1 if cell.may_be_best else None,
    )


def _compared(metric: MetricRecord, index: int) -> Sequence[str]:
    """The difference to the baseline and its p, or the letters that a cell shares with others."""
    cell = metric.cells[index]
    if metric.pairs is not None:
        return [metric.pairs.letters[index]]
    if cell.is_baseline:
        return ["", ""]
    return [difference_text(cell.comparison, metric.log_scale), p_text(cell.comparison.p)]


def _effect_rows(block: BlockRecord, metric: MetricRecord, factor: int) -> list[TableRow]:
    rows: list[TableRow] = []
    place = None
    half = _half_width(block.compared(factor))
    for row in level_rows(block, factor):
        within = [row.place if row.place != place else ""] * bool(block.within)
        found, place = row.comparison, row.place
        rows.append(TableRow(
            labels=[block.factors[factor] if not rows else "", *within, row.label],
            numbers=[
                _level_mean(row.mean, half, metric.log_scale),
                "" if row.is_baseline else difference_text(found, metric.log_scale),
                "" if row.is_baseline else p_text(found.p),
            ],
            verdict=found.verdict,
            costlier=bool(price_of_level(block, row)),
            remark=block.remark(found.verdict, factor, row.level),
            own_spread=not found.pooled,
        ))  # fmt: skip
    return rows


def _level_mean(mean: float, half: float, log_scale: bool) -> str:
    if log_scale:  # back to the metric's own units: a geometric mean
        mean = math.exp(mean)
        half *= mean
    return rounded(mean, half)


def _half_width(found: Comparisons) -> float:
    widths = [(c.high - c.low) / 2 for c in found.each if c.high == c.high]
    return max(widths, default=float("nan"))


def _metric_tables(record: StudyRecord) -> Iterator[TextTable]:
    for metric in record.metrics:
        yield metric_table(record, metric)
        if metric.pairs is not None:
            yield pair_table(metric, metric.pairs)


def _effects_tables(record: StudyRecord) -> Iterator[TextTable]:
    for block in record.metric.blocks:
        if block.effects is not None:
            yield effects_table(block, block.effects, record.metric)


TABLES: Mapping[str, Callable[[StudyRecord], Iterable[TextTable]]] = {
    "metrics": _metric_tables,
    "effects": _effects_tables,
}
"""The tables of all outputs in their order, the ablation table first."""
