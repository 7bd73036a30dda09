"""The answer of a study in words, before any table."""

from collections.abc import Sequence

from ablate.analysis.records import BlockRecord, CellRecord, MetricRecord, StudyRecord
from ablate.numbers import p_text
from ablate.report.comparisons import AT_WORST, difference_text, pair_p_text, worst_text
from ablate.report.cost import price_of_better, price_of_level
from ablate.report.notes import ALPHA
from ablate.report.pair_table import pair_answers
from ablate.stats.effects import MainEffect
from ablate.stats.error_terms import ErrorTerm
from ablate.stats.verdicts import Cause, Comparison, Verdict, VerdictKind

NOTHING = "There is nothing to compare: the study has one cell."
NAMED = 6
"""Cells that are named one by one."""


def answers(record: StudyRecord) -> list[str]:
    """What the study found about its metric: what differs, what does not, what cannot be said."""
    metric = record.metric
    if not metric.is_judged:
        return [f"No verdict on {metric.name}: a further metric, the table has its intervals."]
    if metric.pairs is not None:
        return [*pair_answers(metric, metric.pairs), *_open(metric.cells)] or [NOTHING]
    compared = [cell for cell in metric.cells if not cell.is_baseline]
    told = [
        *_effect_answers(record, metric),
        *_differing(metric, compared),
        *_reconciled(metric),
        *_alike(metric, compared),
        *_without_baseline(metric, compared),
        *_open(metric.cells),
    ]
    if not told and compared:
        return ["No comparison was planned (compare:): the table has the means."]
    return told or [NOTHING]


def _effect_answers(record: StudyRecord, metric: MetricRecord) -> list[str]:
    """Factors over all the others, where a study has several."""
    told: list[str] = []
    for block in metric.blocks:
        for effect in block.effects.mains if block.effects else ():
            if block.factors[effect.factor] in block.conditions:
                continue  # its effect holds those of the factors that depend on it
            told += _level_answers(block, effect, metric)
        told += _interacting(block)
    return told


def _level_answers(block: BlockRecord, effect: MainEffect, metric: MetricRecord) -> list[str]:
    """The levels of a factor that differ from the baseline's."""
    told: list[str] = []
    comparisons, log_scale = effect.comparisons.each, metric.log_scale
    lost = block.at_worst.mains[effect.factor].comparisons.each if block.at_worst else ()
    levels = block.levels[effect.factor]
    worst_cases = lost or [None] * len(levels)
    for number, (found, level, worst) in enumerate(
        zip(comparisons, levels, worst_cases, strict=True)
    ):
        if found.verdict.is_different:
            than = "from" if found.verdict.kind is VerdictKind.DIFFERS else "than"
            against = f" {than} {_baseline_level(block, effect.factor)}"
            told.append(
                f"{block.factors[effect.factor]}={level}, over all other factors: "
                f"{_verdict(found.verdict, against)}, {difference_text(found, log_scale)}, "
                f"adjusted p {p_text(found.p)}"
                f"{_at(price_of_level(block, metric.cells, effect, number))}"
                f"{block.remark(found.verdict, effect.factor, number)}"
                f"{_at_worst(found, worst, log_scale)}"
            )
    return told


def _interacting(block: BlockRecord) -> list[str]:
    told: list[str] = []
    for number, pair in enumerate(block.effects.interactions if block.effects else ()):
        if pair.p < ALPHA:
            one, other = (block.factors[number] for number in pair.factors)
            told.append(
                f"{one} and {other} interact (adjusted p {pair_p_text(block, number)}): what "
                f"{one} does depends on {other}{' (exploratory)' * bool(block.exploratory)}"
            )
    return told


def _baseline_level(block: BlockRecord, factor: int) -> str:
    return f"{block.factors[factor]}={block.levels[factor][block.baseline_levels[factor]]}"


def _differing(metric: MetricRecord, cells: Sequence[CellRecord]) -> list[str]:
    """The cells that are better or worse, the best first."""
    found = [c for c in cells if c.comparison.verdict.is_different]
    sign = 1 if metric.mode == "min" else -1
    worst = dict(zip((cell.name for cell in metric.cells), metric.at_worst, strict=False))
    found.sort(key=lambda cell: sign * cell.comparison.difference)
    told = [
        f"{cell.name}: {_verdict(cell.comparison.verdict, _reference(metric, cell))}, "
        f"{difference_text(cell.comparison, metric.log_scale)}, "
        f"adjusted p {p_text(cell.comparison.p)}{_at(price_of_better(cell))}{cell.remark}"
        f"{_at_worst(cell.comparison, worst.get(cell.name), metric.log_scale)}"
        for cell in found[:NAMED]
    ]
    if len(found) > NAMED:
        told.append(f"and {len(found) - NAMED} more cells differ from the baseline: see the table")
    return told


def _at(price: str) -> str:
    return f", at {price}" if price else ""


def _reconciled(metric: MetricRecord) -> list[str]:
    """Why cells differ of which every factor that makes the difference is within noise."""
    told: list[str] = []
    of_factors = ErrorTerm.FACTOR_BY_SEED if metric.is_paired else ErrorTerm.RUNS
    for block in metric.blocks:
        cells = [
            number for number in range(len(block.members)) if _only_as_cell(metric, block, number)
        ]
        if not cells or block.effects is None:
            continue
        found = [metric.cells[block.members[number]] for number in cells]
        factors = sorted({f for number in cells for f in _differing_factors(metric, block, number)})
        names = " and ".join(block.factors[factor] for factor in factors)
        errors = " or ".join(dict.fromkeys(cell.comparison.error.text for cell in found))
        df = max(effect.error_df for effect in block.effects.mains if effect.factor in factors)
        told.append(
            f"{_names([cell.name for cell in found])}: different as cells, though {names} over all "
            f"other factors is within noise: a cell's interval rests on {errors} (df "
            f"{min(cell.comparison.df for cell in found):.3g}) and holds for its own settings, a "
            "factor's on "
            f"{of_factors.text} (df {df}) and holds over all settings"
        )
    return told


def _only_as_cell(metric: MetricRecord, block: BlockRecord, number: int) -> bool:
    """Whether a member differs from its baseline by factors that are all within noise."""
    cell = metric.cells[block.members[number]]
    factors = _differing_factors(metric, block, number)
    if block.effects is None or not cell.comparison.verdict.is_different or not factors:
        return False
    levels = block.codes[number]
    return all(
        block.effects.mains[f].comparisons.each[levels[f]].verdict.kind is VerdictKind.WITHIN_NOISE
        for f in factors
    )


def _differing_factors(metric: MetricRecord, block: BlockRecord, number: int) -> list[int]:
    """The factors in which a member differs from its baseline; none where one does not apply."""
    reference = metric.cells[block.members[number]].reference
    if reference not in block.members:
        return []
    one, other = block.codes[number], block.codes[block.members.index(reference)]
    pairs = list(zip(one, other, strict=True))
    return [f for f, (a, b) in enumerate(pairs) if a != b] if min(map(min, pairs)) >= 0 else []


def _verdict(verdict: Verdict, against: str) -> str:
    """`better than a=1, but within the margin`."""
    margin = ", but within the margin" * verdict.within_margin
    return f"{verdict.kind}{against}{_ended(verdict.of_those_that_ended)}{margin}"


def _ended(is_partial: bool) -> str:
    return ", of the runs that ended" * is_partial


def _at_worst(found: Comparison, worst: Comparison | None, log_scale: bool) -> str:
    """What becomes of a verdict of the runs that ended where the lost ones count as the worst."""
    if worst is None or not found.verdict.of_those_that_ended:
        return ""
    return f"; {AT_WORST}: {worst_text(worst, log_scale)}"


def _has_baselines(metric: MetricRecord) -> bool:
    return len({cell.reference for cell in metric.cells}) > 1


def _reference(metric: MetricRecord, cell: CellRecord) -> str:
    """What a cell is compared with, where there are several baselines."""
    if not _has_baselines(metric):
        return ""
    return f" against {metric.cells[cell.reference].name}"


def _alike(metric: MetricRecord, cells: Sequence[CellRecord]) -> list[str]:
    told: list[str] = []
    for kind, words in (
        (VerdictKind.EQUIVALENT, "equivalent to the baseline{}, within the margin"),
        (
            VerdictKind.WITHIN_NOISE,
            "within noise of the baseline{}: this study cannot tell it apart",
        ),
    ):
        for is_partial in (False, True):
            found = [
                c.name + c.remark for c in cells if _is_so(c.comparison.verdict, kind, is_partial)
            ]
            if found:
                told.append(f"{_names(found)}: {words.format(_ended(is_partial))}")
    return told


def _is_so(verdict: Verdict, kind: VerdictKind, is_partial: bool) -> bool:
    return verdict.kind is kind and verdict.of_those_that_ended == is_partial


def _without_baseline(metric: MetricRecord, cells: Sequence[CellRecord]) -> list[str]:
    """The cells whose baseline has no result."""
    names: dict[int, list[str]] = {}
    for cell in cells:
        if cell.comparison.verdict.cause is Cause.NO_BASELINE:
            names.setdefault(cell.reference, []).append(cell.name)
    told: list[str] = []
    for reference, found in names.items():
        baseline = metric.cells[reference]
        which = baseline.name if _has_baselines(metric) else "the baseline"
        told.append(
            f"{_names(found)}: nothing to compare with: {which} has 0 of {baseline.num_planned} "
            "results"
        )
    return told


def _open(cells: Sequence[CellRecord]) -> list[str]:
    """What cannot be said, and why."""
    told: list[str] = []
    for cause in (Cause.TOO_FEW_SEEDS, Cause.NOT_MEASURED, Cause.FAILED):
        found = [cell.name for cell in cells if cell.comparison.verdict.cause is cause]
        if found:
            told.append(f"{_names(found)}: {cause}")
    return told


def _names(names: Sequence[str]) -> str:
    shown = "; ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
