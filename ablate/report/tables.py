"""The tables of a report as text, row by row: what every renderer shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.analysis.records import BlockRecord, CellRecord, MetricRecord, Note, StudyRecord
from ablate.numbers import interval_text, p_text, rounded, share_text, spread_text
from ablate.stats.aa_test import AATest
from ablate.stats.effects import Effects, MainEffect
from ablate.stats.error_terms import ErrorTerm
from ablate.stats.units import ROUNDING
from ablate.stats.verdicts import Cause, Comparison, Comparisons, Verdict, VerdictKind
from ablate.text import printable

NOT_APPLICABLE = "–"
NAMED = 6
"""Cells that are named one by one."""
ALPHA = 0.05
"""Of what is said of factors, each by itself, and of their pairs."""


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One row: labels to the left, numbers to the right, and what may be said of it."""

    labels: Sequence[str]
    numbers: Sequence[str]
    verdict: Verdict
    own_spread: bool = False
    """Whether it was judged by the spread of its own pairs."""

    @property
    def verdict_text(self) -> str:
        """The verdict for people."""
        return self.verdict.text + " (own spread)" * self.own_spread

    @property
    def texts(self) -> list[str]:
        """The whole row, as text."""
        return [*self.labels, *self.numbers, self.verdict_text]


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table whose last column is a verdict."""

    title: str
    labels: Sequence[str]
    """Titles of the columns with labels."""
    numbers: Sequence[str]
    """Titles of the columns with numbers."""
    rows: Sequence[TableRow]
    notes: Sequence[Note]

    @property
    def columns(self) -> list[str]:
        """All titles."""
        return [*self.labels, *self.numbers, "verdict"]


def tables_of(record: StudyRecord) -> list[TextTable]:
    """The ablation table of each metric, then what each factor does over the others."""
    tables = [metric_table(record, metric) for metric in record.metrics]
    for block in record.metric.blocks:
        if block.effects is not None:
            tables.append(effects_table(block, block.effects, record.metric))
    return tables


def metric_table(record: StudyRecord, metric: MetricRecord) -> TextTable:
    """The ablation table: a row a cell."""
    rows = [_cell_row(record, metric, cell) for cell in metric.cells]
    numbers = ("ok/planned", "mean ± sd", *_comparison_titles(metric))
    labels = ["block"] * _has_blocks(metric) + list(record.factors)
    labels += ["compared with"] * _has_baselines(metric)
    notes = _notes(metric, whole=metric is record.metric)
    title = headline(record, metric)
    return TextTable(title=title, labels=labels, numbers=numbers, rows=rows, notes=notes)


def effects_table(block: BlockRecord, effects: Effects, metric: MetricRecord) -> TextTable:
    """Main effects: each level of each factor against the baseline's, over all other factors."""
    rows: list[TableRow] = []
    for effect in effects.mains:
        rows += _effect_rows(block, metric, effect)
    of = f" of {block.name}" if block.name else ""
    title = f"{printable(metric.name)}: each factor{of}, over all the others"
    numbers = ("mean", *_comparison_titles(metric), "share of variance")
    notes = [*_margin_notes(metric), *_effect_notes(block, effects)]
    labels = ("factor", "level")
    return TextTable(title=title, labels=labels, numbers=numbers, rows=rows, notes=notes)


def headline(record: StudyRecord, metric: MetricRecord) -> str:
    """`sliced_w2 (lower is better), 3 seeds`."""
    direction = f"{'lower' if metric.mode == 'min' else 'higher'} is better"
    if not metric.ranked:
        direction = "neither lower nor higher is better"
    seeds = f"{len(record.seeds)} seed{'s' if len(record.seeds) != 1 else ''}"
    return f"{printable(metric.name)} ({direction}), {seeds}"


def difference_text(comparison: Comparison, log_scale: bool) -> str:
    """A difference with its interval; on the log scale a change by a share."""
    show = share_text if log_scale else interval_text
    return show(comparison.difference, comparison.low, comparison.high)


def _comparison_titles(metric: MetricRecord) -> tuple[str, str]:
    return ("change [95 %]" if metric.log_scale else "difference [95 %]", "adj. p")


def _has_baselines(metric: MetricRecord) -> bool:
    return len({cell.reference for cell in metric.cells}) > 1


def _has_blocks(metric: MetricRecord) -> bool:
    return any(cell.block for cell in metric.cells)


def _cell_row(record: StudyRecord, metric: MetricRecord, cell: CellRecord) -> TableRow:
    found, value = cell.comparison, cell.value
    block = [cell.block] * _has_blocks(metric)
    baseline = "" if cell.is_baseline else metric.cells[cell.reference].name
    labels = [cell.labels.get(factor, NOT_APPLICABLE) for factor in record.factors]
    return TableRow(
        labels=[*block, *labels, *[baseline] * _has_baselines(metric)],
        numbers=[
            f"{value.num}/{cell.num_planned}",
            spread_text(value.mean, value.sd),
            "" if cell.is_baseline else difference_text(found, metric.log_scale),
            "" if cell.is_baseline else p_text(found.p),
        ],
        verdict=found.verdict,
        own_spread=found.error is ErrorTerm.OWN_PAIRS,
    )


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
                f"{effect.omega2:.0%}" if is_first and effect.omega2 == effect.omega2 else "",
            ],
            verdict=comparison.verdict,
            own_spread=comparison.error is ErrorTerm.OWN_PAIRS,
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


def _effect_notes(block: BlockRecord, effects: Effects) -> list[Note]:
    notes = [
        Note(
            "each factor is tested by itself, against its own scatter over seeds "
            f"({ErrorTerm.FACTOR_BY_SEED})"
            f"{_false_share(len(effects.mains))}; share of variance: omega squared"
        )
    ]
    for pair in effects.interactions:
        one, other = (block.factors[number] for number in pair.factors)
        if pair.across_groups:
            notes.append(Note(f"{one} x {other}: not tested, its levels measure different things"))
        elif not pair.estimable:
            notes.append(Note(f"{one} x {other}: cannot be estimated from these runs"))
        elif pair.p < ALPHA:
            told = f"what {one} does depends on {other}"
            notes.append(_caution(f"{one} x {other} interact (adj. p {p_text(pair.p)}): {told}"))
    notes += [
        Note(
            f"{block.factors[effect.factor]}: its levels are means of very different numbers of "
            "runs; each is judged by its own pairs with the baseline's level (Bonferroni)"
        )
        for effect in effects.mains
        if effect.uneven
    ]
    noisy = [block.factors[e.factor] for e in effects.mains if e.has_noisy_level]
    if noisy:
        notes.append(Note(
            f"error: (own spread): a level of {', '.join(noisy)} scatters more over seeds than the "
            f"others; what it is compared with rests on {ErrorTerm.OWN_PAIRS.text} alone"
        ))  # fmt: skip
    notes += [
        _caution(
            f"levels of {block.factors[effect.factor]} measure different things: each is judged by "
            "its own pairs, means over them are mostly those of the largest values, and shares of "
            "variance have no meaning"
        )
        for effect in effects.mains
        if effect.across_groups
    ]
    certain = [block.factors[e.factor] for e in effects.mains if _is_certain(e.comparisons)]
    if certain:
        told = f"no scatter over seeds of {', '.join(certain)}: intervals and p values say nothing"
        notes.append(_caution(f"{told} there"))
    for name in (name for name in block.factors if name in block.conditions):
        told = f"other factors apply only at some levels of {name}: its effect holds theirs"
        notes.append(_caution(f"{told}, averaged"))
    return notes


def _caution(text: str) -> Note:
    return Note(text, is_caution=True)


def _false_share(num_factors: int) -> str:
    """How many tables have a wrong verdict: that of any of several tests at 5 %."""
    if num_factors < 2:
        return ""
    percent = 100 * (1 - (1 - ALPHA) ** num_factors)
    return f": of such tables with {num_factors} factors about {percent:.0f} % have a wrong verdict"


def _notes(metric: MetricRecord, whole: bool) -> list[Note]:
    """How the table is to be read, and what this study cannot see; of further metrics in brief."""
    notes: list[Note] = []
    if metric.floor is not None:
        low, high = (rounded(bound) for bound in metric.floor)
        shown = low if low == high else f"{low} to {high}"
        notes.append(Note(f"floor, training data against test data: {shown}"))
    unmeasured = sum(cell.comparison.verdict.cause is Cause.NOT_MEASURED for cell in metric.cells)
    if unmeasured:
        notes.append(_caution(f"{unmeasured} cells have finished runs that did not measure it"))
    if metric.resolution > 0:
        notes += [Note(_interval_text(metric))] if whole else []
        notes.append(Note(_resolution_text(metric)))
    notes += _error_notes(metric)
    if whole and metric.resolution > 0 and metric.comparisons.spread_check:
        notes.append(Note(metric.comparisons.spread_check))
    notes += _margin_notes(metric)
    if _is_certain(metric.comparisons):
        notes.append(_caution(_what_never_varies(metric.cells)))
    if metric.again is not None:
        notes.append(_again_note(metric.again, metric.log_scale))
    return [*notes, *map(_caution, metric.cautions)]


def _error_notes(metric: MetricRecord) -> list[Note]:
    """What the intervals of cells rest on, where it is not one residual of all of them."""
    errors, notes = {cell.comparison.error for cell in metric.cells}, list[Note]()
    groups = [group for group in metric.comparisons.groups if group.residual_sd > 0]
    if len(groups) > 1:
        sds = [group.residual_sd for group in groups]
        show = share_text if metric.log_scale else rounded
        low, high = (show(sd).lstrip("+") for sd in (min(sds), max(sds)))
        notes.append(Note(
            f"{len(groups)} groups of cells measure different things: each has its own seed "
            f"effects and residual (sd {low} to {high}), intervals hold over all (Sidak)"
        ))  # fmt: skip
    if ErrorTerm.SPLIT_PLOT in errors:
        factors = " and ".join(metric.seed_factors)
        notes.append(Note(
            f"error: seeds seem to change what {factors} does, so cells that differ in it from "
            f"their baseline rest on {ErrorTerm.SPLIT_PLOT.text} (split plot, df by "
            "Satterthwaite), the others on the residual alone"
        ))  # fmt: skip
    if ErrorTerm.OWN_PAIRS in errors:
        noisy = [metric.cells[c].name for g in metric.comparisons.groups for c in g.spreads.noisy]
        shown = "; ".join(noisy[:NAMED]) + f" and {len(noisy) - NAMED} more" * (len(noisy) > NAMED)
        notes.append(Note(
            f"error: (own spread): {shown} scatter{'s' * (len(noisy) == 1)} more over seeds than "
            "the others: each such interval, and each against such a baseline, rests on "
            f"{ErrorTerm.OWN_PAIRS.text} alone (Bonferroni)"
        ))  # fmt: skip
    return notes


def _margin_notes(metric: MetricRecord) -> list[Note]:
    if metric.margin is None:
        return []
    shown = f"±{metric.margin:g}"
    if metric.log_scale:
        bound = math.log1p(metric.margin)
        shown = f"{share_text(-bound)} to {share_text(bound)}"
    return [Note(
        f"margin {shown}, fixed beforehand; equivalent: the 90 % interval of that one comparison "
        "lies inside it (two one-sided tests, not adjusted for the number of comparisons)"
    )]  # fmt: skip


def _is_certain(comparisons: Comparisons) -> bool:
    """Whether what is compared has no residual spread at all."""
    known = any(not math.isnan(found.difference) for found in comparisons.each)
    return known and any(group.residual_sd == 0 for group in comparisons.groups)


def _what_never_varies(cells: Sequence[CellRecord]) -> str:
    """Of results without any residual spread: whether runs do not vary, or differences do not."""
    if any(cell.value.sd > ROUNDING * abs(cell.value.mean) for cell in cells):
        what = "differences do not vary at all between seeds: do the cells train what they say?"
    else:
        what = "runs do not vary at all between seeds: does the trainable use its seed?"
    return f"{what} Intervals and p values say nothing here"


def _interval_text(metric: MetricRecord) -> str:
    sd = metric.comparisons.residual_sd
    shown = share_text(sd).lstrip("+") if metric.log_scale else rounded(sd, sd)
    return (
        "differences to the baseline paired by seed; intervals hold simultaneously (Dunnett, "
        f"{ErrorTerm.POOLED} sd {shown}, df {metric.comparisons.df:g})"
    )


def _resolution_text(metric: MetricRecord) -> str:
    show = (
        (lambda value: share_text(value).lstrip("+"))
        if metric.log_scale
        else (lambda value: rounded(value, value))
    )
    return (
        f"differences below about {show(metric.resolution)} are noise to this study; it finds "
        f"one of {show(metric.detectable)} four times in five"
    )


def _again_note(again: AATest, log_scale: bool) -> Note:
    show = share_text if log_scale else interval_text
    shown = show(again.difference, again.low, again.high)
    if again.verdict.is_different:
        return _caution(
            f"A/A: the baseline differs from itself on other seeds by {shown}: something other "
            "than chance differs, or this is the one time in twenty"
        )
    told = f"A/A: the baseline on other seeds differs from itself by {shown}"
    return Note(f"{told}: {again.verdict.text}")
