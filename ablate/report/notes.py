"""What stands below the tables of a report: how they are to be read, and what they cannot say."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ablate.analysis.records import BlockRecord, CellRecord, MetricRecord, Note
from ablate.numbers import interval_text, rounded, share_text, size_text
from ablate.plan.analysis_changes import Deviation, deviations_text
from ablate.plan.plan import alone_note
from ablate.report.comparisons import (
    NO_VERDICT_TEXT,
    lost_runs_notes,
    pair_p_text,
    pairing_text,
)
from ablate.report.cost import costlier_text
from ablate.report.level_rows import level_rows, partners_text
from ablate.report.resolutions import equivalence_notes
from ablate.report.same_numbers import same_notes
from ablate.stats.aa_test import AATest
from ablate.stats.effects import Effects
from ablate.stats.error_terms import ErrorTerm
from ablate.stats.units import ROUNDING
from ablate.stats.verdicts import Cause, Comparison, Comparisons

NAMED = 6
"""Cells that are named one by one."""
OWN_SPREAD = "(own spread)"
"""Before what is said of a spread of their own, as rows have it."""
ALPHA = 0.05
"""Of what is said of factors, each by itself, and of their pairs."""


def effect_notes(block: BlockRecord, effects: Effects, is_paired: bool = True) -> list[Note]:
    """Below a table of what factors do."""
    against = f"its own scatter over seeds ({ErrorTerm.FACTOR_BY_SEED})"
    against = against if is_paired else f"{ErrorTerm.RUNS.text}, which are unpaired"
    notes = [
        Note(
            f"each factor is tested by itself, against {against}"
            f", and p adjusted over its levels{_false_share(effects)}"
        )
    ]
    notes += _within_notes_of(block)
    for number, pair in enumerate(effects.interactions):
        one, other = (block.factors[number] for number in pair.factors)
        if pair.across_groups:
            notes.append(Note(f"{one} x {other}: not tested, its levels measure different things"))
        elif not pair.estimable:
            notes.append(Note(f"{one} x {other}: cannot be estimated from these runs"))
        elif pair.p < ALPHA:
            told = f"what {one} does depends on {other}"
            p = pair_p_text(block, number)
            notes.append(_caution(f"{one} x {other} interact (adj. p {p}): {told}"))
    notes += [
        Note(
            f"{block.factors[effect.factor]}: its levels are means of very different numbers of "
            "runs; each is judged by its own pairs with the baseline's level (Bonferroni)"
        )
        for effect in effects.mains
        if block.effect(effect.factor).uneven
    ]
    notes += _level_error_notes(block, effects)
    notes += _level_mean_notes(block)
    certain = [name for n, name in enumerate(block.factors) if _is_certain(block.compared(n))]
    if certain:
        told = f"no scatter over seeds of {', '.join(certain)}: intervals and p values say nothing"
        notes.append(_caution(f"{told} there"))
    for name in (name for name in block.factors if name in block.conditions):
        told = f"other factors apply only at some levels of {name}: its effect holds theirs"
        notes.append(_caution(f"{told}, averaged"))
    return notes


def _within_notes_of(block: BlockRecord) -> Iterator[Note]:
    """How factors are compared that interact with others."""
    for factor in sorted(block.within):
        num = sum(not math.isnan(found.low) for found in block.compared(factor).each)
        name, partners = block.factors[factor], partners_text(block, factor)
        yield Note(
            f"{name} at each level of {partners}, averaged over the rest: "
            + (f"its {num} intervals hold together" if num != 1 else "its interval holds")
            + " with 95 %; the error is the scatter that these means and seeds do not explain"
        )


def _caution(text: str) -> Note:
    return Note(text, is_caution=True)


def _false_share(effects: Effects) -> str:
    """How many tables have a wrong verdict: that of any of several tests at 5 %.

    All pairs together are one more of them.
    """
    num = len(effects.mains)
    if num < 2:
        return ""
    has_pairs = any(not math.isnan(pair.p) for pair in effects.interactions)
    percent = 100 * (1 - (1 - ALPHA) ** (num + has_pairs))
    told = f"{num} factors" + " and their interactions" * has_pairs
    return f": of such tables with {told} about {percent:.0f} % have a wrong verdict"


def _floor_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    if metric.floor is not None:
        low, high = (rounded(bound) for bound in metric.floor)
        bounds = low if low == high else f"{low} to {high}"
        yield Note(f"floor, training data against test data: {bounds}")


def _unmeasured_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    unmeasured = sum(cell.comparison.verdict.cause is Cause.NOT_MEASURED for cell in metric.cells)
    if unmeasured:
        yield _caution(f"{unmeasured} cells have finished runs that did not measure it")


def _alone_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    if metric.alone and whole:
        yield Note(alone_note([cell.name for cell in metric.alone]))


def _resolution_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    if metric.resolution > 0:
        if whole and metric.pairs is None:
            yield Note(_interval_text(metric))
        yield Note(_resolution_text(metric))


def _split_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    if metric.widening > 1:
        yield Note(
            "splits vary with the seed: intervals are over splits, which overlap (Nadeau & Bengio "
            f"2003: x{metric.widening:.2f})"
        )


def _within_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    if metric.spread_within:
        yield Note(metric.spread_within)


def _spread_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    if whole and metric.resolution > 0 and metric.comparisons.spread_check:
        yield Note(metric.comparisons.spread_check)


def _error_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    """What the intervals of cells rest on, where it is not one residual of all of them."""
    errors = {cell.comparison.error for cell in metric.cells}
    groups = [group for group in metric.comparisons.groups if group.residual_sd > 0]
    if len(groups) > 1:
        sds = [group.residual_sd for group in groups]
        show = share_text if metric.log_scale else rounded
        low, high = (show(sd).lstrip("+") for sd in (min(sds), max(sds)))
        yield Note(
            f"{len(groups)} groups of cells measure different things: each has its own seed "
            f"effects and residual (sd {low} to {high}), intervals hold over all (Sidak)"
        )
    if ErrorTerm.SPLIT_PLOT in errors:
        factors = " and ".join(metric.seed_factors)
        do, them = ("does", "it") if len(metric.seed_factors) == 1 else ("do", "them")
        yield Note(
            f"seeds seem to change what {factors} {do}, so cells that differ in {them} from "
            f"their baseline rest on {ErrorTerm.SPLIT_PLOT.text} (split plot, df by "
            "Satterthwaite), the others on the residual alone"
        )
    for error in sorted(error for error in errors if not error.is_shared):
        welch = "Welch, " * (error is ErrorTerm.OWN_RUNS)
        noisy = [metric.cells[c].name for g in metric.comparisons.groups for c in g.spreads.noisy]
        names = "; ".join(noisy[:NAMED]) + f" and {len(noisy) - NAMED} more" * (len(noisy) > NAMED)
        yield Note(
            f"{OWN_SPREAD}: {'cell' if len(noisy) == 1 else 'cells'} {names} "
            f"seem{'s' * (len(noisy) == 1)} to scatter more over seeds than "
            "the others: each such interval, and each against such a baseline, rests on "
            f"{error.text} alone ({welch}Bonferroni)"
        )


def _level_error_notes(block: BlockRecord, effects: Effects) -> Iterator[Note]:
    """What the intervals of levels rest on, where it is not factor x seed."""
    factors = range(len(block.factors))
    errors = {one.error for factor in factors for one in block.compared(factor).each}
    noisy = [block.factors[e.factor] for e in effects.mains
             if block.effect(e.factor).has_noisy_level]  # fmt: skip
    if noisy and ErrorTerm.OWN_RUNS in errors:
        yield Note(
            f"{OWN_SPREAD}: cells scatter unlike each other; levels are compared by "
            "Welch's test, each cell with a variance of its own"
        )
    elif noisy:
        yield Note(
            f"{OWN_SPREAD}: a level of {', '.join(noisy)} seems to scatter more over seeds "
            f"than the others; what it is compared with rests on {ErrorTerm.OWN_PAIRS.text} alone"
        )
    yield from _unseen_level_notes(block, effects)
    for effect in effects.mains:
        if effect.across_groups:
            yield _caution(
                f"levels of {block.factors[effect.factor]} measure different things: each is "
                "judged by its own runs, means over them are mostly those of the largest values"
            )


def _level_mean_notes(block: BlockRecord) -> Iterator[Note]:
    """What the means of levels are where their differences are not those beside them."""
    rows = [row for factor in range(len(block.factors)) for row in level_rows(block, factor)]
    compared = [row for row in rows if row.comparison.difference == row.comparison.difference]
    if not all(row.is_difference_of_means for row in compared):
        yield Note(
            "runs are missing: a level's mean is by least squares of cells and seeds, over its "
            "cells alike; a difference compares levels seed by seed, so it is not quite that of "
            "the means"
        )


def _unseen_level_notes(block: BlockRecord, effects: Effects) -> Iterator[Note]:
    """What a level that scatters more than the others can mean where nobody would see it."""
    wrong = {
        block.factors[effect.factor]: group.spreads.wrong_unseen
        for effect in effects.mains
        for group in block.compared(effect.factor).groups
        if group.spreads.wrong_unseen and not (effect.uneven or effect.across_groups)
    }
    if wrong:
        yield Note(
            f"intervals of {', '.join(wrong)} assume that seeds change all levels alike: one 3 to "
            f"5 times as noisy makes up to {100 * max(wrong.values()):.0f} % of such families wrong"
        )


def _certainty_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    if _is_certain(metric.comparisons):
        yield _caution(_what_never_varies(metric.cells))


def _reading_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    """What bold, letters and missing verdicts mean."""
    if metric.pairs is not None and metric.is_judged:
        yield Note(
            "cells that share a letter are not told apart; none is a baseline, see all pairs"
        )
    if any(cell.may_be_best for cell in metric.cells):
        of = f" for all {metric.num_families} metrics together" * (metric.num_families > 1)
        told = f"Hsu's comparisons with the best, 95 %{of}"
        yield Note(f"bold: not significantly worse than the best ({told})", is_of_bold=True)
    if any(cell.comparison.verdict.cause is Cause.FURTHER_METRIC for cell in metric.cells):
        yield Note(NO_VERDICT_TEXT)


def _cost_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    if text := costlier_text(metric.cells):
        yield _caution(text)


def _again_notes(metric: MetricRecord, whole: bool) -> Iterator[Note]:
    if metric.again is not None:
        yield _again_note(metric.again, metric.log_scale)


def margin_notes(metric: MetricRecord, family: str = "the table") -> list[Note]:
    """What a margin of equivalence means, where there is one."""
    if metric.margin is None:
        return []
    shown = f"±{metric.margin:g}"
    if metric.log_scale:
        bound = math.log1p(metric.margin)
        shown = f"{share_text(-bound)} to {share_text(bound)}"
    told = f"at 5 % for all comparisons of {family} together (Bonferroni)"
    inside = "inside it by two one-sided tests"
    return [Note(f"margin {shown}{_since_when(metric)}; equivalent: {inside}, {told}")]


def exploratory_notes(deviations: Sequence[Deviation]) -> list[Note]:
    """What was changed after results were there, each once."""
    return [
        _caution(f"exploratory: {line}")
        for line in deviations_text(list(dict.fromkeys(deviations)))
    ]


def _exploratory_cells(metric: MetricRecord, whole: bool) -> list[Note]:
    return exploratory_notes([d for cell in metric.cells for d in cell.exploratory])


def _since_when(metric: MetricRecord) -> str:
    if metric.is_foreign:
        return ", given when the results were there"
    return f", {metric.margin_fixing.text}" if metric.margin_fixing else ""


def _is_certain(comparisons: Comparisons) -> bool:
    """Whether what is compared has no residual spread at all."""
    known = any(
        not math.isnan(found.difference) and found.verdict.cause is not Cause.SAME_NUMBERS
        for found in comparisons.each
    )
    return known and comparisons.residual_sd == 0


def _what_never_varies(cells: Sequence[CellRecord]) -> str:
    """Of results without any residual spread: whether runs do not vary, or differences do not."""
    if any(cell.value.sd > ROUNDING * abs(cell.value.mean) for cell in cells):
        what = "differences do not vary at all between seeds: do the cells train what they say?"
    else:
        what = "runs do not vary at all between seeds: does the trainable use its seed?"
    return f"{what} Intervals and p values say nothing here"


def _interval_text(metric: MetricRecord) -> str:
    sd = metric.comparisons.residual_sd
    return (
        f"differences to the baseline {pairing_text(metric.is_paired)}; intervals hold "
        "simultaneously and p are "
        f"adjusted over {compared_text(metric)} ({_method_text(metric)}, {ErrorTerm.POOLED} sd "
        f"{size_text(sd, metric.log_scale)}, df {metric.comparisons.df:g})"
    )


def compared_text(metric: MetricRecord) -> str:
    """What is one family: `the 8 comparisons`."""
    number = sum(not math.isnan(cell.comparison.low) for cell in metric.cells)
    of = f" of each of {metric.num_families} metrics" * (metric.num_families > 1)
    return f"the {number} comparisons{of}" if number != 1 else f"the one comparison{of}"


def _method_text(metric: MetricRecord) -> str:
    """By what they hold at once: more than one method where cells are not all alike."""
    judged = [cell for cell in metric.cells if not math.isnan(cell.comparison.low)]
    families = {cell.reference for cell in judged}
    errors = {cell.comparison.error for cell in judged}
    methods = ["Dunnett"] * any(error.is_shared for error in errors)
    methods += ["Bonferroni for own pairs"] * (ErrorTerm.OWN_PAIRS in errors)
    methods += ["Welch and Bonferroni for own runs"] * (ErrorTerm.OWN_RUNS in errors)
    methods += [f"Sidak over {len(families)} baselines"] * (len(families) > 1)
    methods += ["Bonferroni over metrics"] * (metric.num_families > 1)
    return ", ".join(methods)


def _resolution_text(metric: MetricRecord) -> str:
    least, found = (
        size_text(size, metric.log_scale) for size in (metric.resolution, metric.detectable)
    )
    told = f"observed differences below about {least} are not significant"
    is_alike = all(one.error is ErrorTerm.POOLED for one in _judged(metric))
    # Where intervals rest on further errors, what the pooled residual alone would find is less.
    if not is_alike or metric.detectable <= metric.resolution:
        return told
    return f"{told}; one of {found} is found four times in five"


def _judged(metric: MetricRecord) -> list[Comparison]:
    """The comparisons that have intervals: with baselines, or in pairs."""
    cells = [cell.comparison for cell in metric.cells]
    found = cells if metric.pairs is None else [pair.comparison for pair in metric.pairs.pairs]
    return [one for one in found if not math.isnan(one.low)]


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


NOTES: Mapping[str, Callable[[MetricRecord, bool], Iterable[Note]]] = {
    "exploratory": _exploratory_cells,
    "same": lambda metric, whole: same_notes(metric),
    "floor": _floor_notes,
    "unmeasured": _unmeasured_notes,
    "alone": _alone_notes,
    "resolution": _resolution_notes,
    "splits": _split_notes,
    "within": _within_notes,
    "error": _error_notes,
    "spread": _spread_notes,
    "margin": lambda metric, whole: margin_notes(metric),
    "equivalence": lambda metric, whole: equivalence_notes(metric),
    "cost": _cost_notes,
    "reading": _reading_notes,
    "certainty": _certainty_notes,
    "aa": _again_notes,
    "lost": lambda metric, whole: lost_runs_notes(metric),
    "cautions": lambda metric, whole: map(_caution, metric.cautions),
}
"""What stands below a metric's table: how it is to be read, and what the study cannot see.

Each gets the metric, and whether it is the study's own: of further ones it may say less.
"""
