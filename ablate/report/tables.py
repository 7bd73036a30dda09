"""The tables of a report as text, row by row: what every renderer shows."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ablate.analysis.records import BlockRecord, MetricRecord, Note, StudyRecord
from ablate.numbers import p_text, rounded, spread_text
from ablate.report.comparisons import difference_text, lost_level_notes
from ablate.report.cost import costlier_levels_text, price_of_better, price_of_level
from ablate.report.dots import dots
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
from ablate.report.text_table import TableRow, TextTable, adjusted_tip, comparison_titles
from ablate.stats.effects import Effects, MainEffect
from ablate.stats.verdicts import VerdictKind

COUNTS = ("ok/planned", "ok/found")
"""Titles of the column that counts runs; what somebody else planned nobody knows."""
NOT_APPLICABLE = "–"
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
    labels += ["compared with"] * metric.has_baselines
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
    """Main effects: each level of each factor against the baseline's, over all other factors."""
    rows: list[TableRow] = []
    for effect in effects.mains:
        rows += _effect_rows(block, metric, effect)
    of = f" of {block.name}" if block.name else ""
    title = f"{metric.told}: each factor{of}, over all the others"
    numbers = ("mean", *comparison_titles(metric))
    notes = [*exploratory_notes(block.exploratory), *margin_notes(metric, "each factor")]
    notes += effect_notes(block, effects, metric.is_paired)
    costlier = costlier_levels_text(block, metric.cells, effects)
    notes += [Note(costlier, is_caution=True)] if costlier else []
    notes += reconciled_notes(block, metric)
    notes += [*factor_resolution_notes(block, metric), *lost_level_notes(block, metric)]
    labels = ("factor", "level")
    return TextTable(
        title=title, labels=labels, numbers=numbers, rows=rows, notes=notes,
        tips=adjusted_tip("the levels of a factor, each factor by itself"),
    )  # fmt: skip


def history_lines(record: StudyRecord, with_log: bool = True) -> list[str]:
    """What was fixed before the results, and how that was changed since: the report's footnote."""
    found = record.history
    if found is None:
        return []
    log = [f"change: {line}" for line in found.log] if with_log else []
    return [found.summary, *(f"since then: {line}" for line in found.deviations), *log]


def headline(record: StudyRecord, metric: MetricRecord) -> str:
    """`sliced_w2 (lower is better), final weights, 3 seeds`."""
    numbers = {cell.num_planned for cell in metric.cells}
    fewer = f"{min(numbers)} to " * (len(numbers) > 1 and not metric.is_foreign)
    seeds = f"{fewer}{len(record.seeds)} seed{'s' if len(record.seeds) != 1 else ''}"
    return f"{metric.directed}, {seeds}"


def _has_blocks(metric: MetricRecord) -> bool:
    return any(cell.block for cell in metric.cells)


def _cell_row(record: StudyRecord, metric: MetricRecord, index: int) -> TableRow:
    cell = metric.cells[index]
    value = cell.value
    block = [cell.block] * _has_blocks(metric)
    baseline = "" if cell.is_baseline else metric.cells[cell.reference].name
    labels = [cell.labels.get(factor, NOT_APPLICABLE) for factor in record.factors]
    return TableRow(
        labels=[*block, *labels, *[baseline] * metric.has_baselines],
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


def _effect_rows(block: BlockRecord, metric: MetricRecord, effect: MainEffect) -> list[TableRow]:
    rows: list[TableRow] = []
    for number, comparison in enumerate(effect.comparisons.each):
        is_first = number == 0
        is_baseline = comparison.verdict.kind is VerdictKind.BASELINE
        rows.append(TableRow(
            labels=[
                block.factors[effect.factor] if is_first else "",
                block.levels[effect.factor][number],
            ],
            numbers=[
                _level_mean(effect, number, metric.log_scale),
                "" if is_baseline else difference_text(comparison, metric.log_scale),
                "" if is_baseline else p_text(comparison.p),
            ],
            verdict=comparison.verdict,
            costlier=bool(price_of_level(block, metric.cells, effect, number)),
            remark=block.remark(comparison.verdict, effect.factor, number),
            own_spread=not comparison.pooled,
        ))  # fmt: skip
    return rows


def _level_mean(effect: MainEffect, number: int, log_scale: bool) -> str:
    mean, half = float(effect.level_means[number]), _half_width(effect)
    if log_scale:  # back to the metric's own units: a geometric mean
        mean = math.exp(mean)
        half *= mean
    return rounded(mean, half)


def _half_width(effect: MainEffect) -> float:
    widths = [(c.high - c.low) / 2 for c in effect.comparisons.each if c.high == c.high]
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
