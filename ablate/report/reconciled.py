"""Why a cell differs of which every factor that makes the difference is within noise."""

from collections.abc import Iterator, Sequence

from ablate.analysis.records import BlockRecord, CellRecord, MetricRecord, Note
from ablate.stats.effects import Effects
from ablate.stats.error_terms import ErrorTerm
from ablate.stats.verdicts import VerdictKind
from ablate.text import some


def reconciled_notes(block: BlockRecord, metric: MetricRecord) -> Iterator[Note]:
    """What a cell's interval rests on and holds for, and what a factor's, where the two differ."""
    cells = [number for number in range(len(block.members)) if _only_as_cell(metric, block, number)]
    effects = block.effects
    if not cells or effects is None:
        return
    found = [metric.cells[block.members[number]] for number in cells]
    factors = sorted({f for number in cells for f in _differing_factors(metric, block, number)})
    told = [name for factor in factors for name in _within_noise(block, effects, factor, cells)]
    verb, names = "is" if len(told) == 1 else "are", " and ".join(told)
    errors = " or ".join(dict.fromkeys(cell.comparison.error.text for cell in found))
    of_factors = ErrorTerm.FACTOR_BY_SEED if metric.is_paired else ErrorTerm.RUNS
    df = max(effect.error_df for effect in effects.mains if effect.factor in factors)
    yield Note(
        f"{some([cell.name for cell in found], between='; ')}: different as cells, though {names} "
        f"over all other factors {verb} within noise: a cell's interval rests on {errors} (df "
        f"{min(cell.comparison.df for cell in found):.3g}) and holds for its own settings, a "
        f"factor's on {of_factors.text} (df {df}) and holds over all settings"
    )


def _within_noise(
    block: BlockRecord, effects: Effects, factor: int, cells: Sequence[int]
) -> list[str]:
    """A factor by its name; if another level of it differs, the cells' levels: `flow=target`."""
    each = effects.mains[factor].comparisons.each
    if not any(comparison.verdict.is_different for comparison in each):
        return [block.factors[factor]]
    base = block.baseline_levels[factor]
    levels = sorted({block.codes[number][factor] for number in cells} - {base})
    return [f"{block.factors[factor]}={block.levels[factor][level]}" for level in levels]


def is_only_as_cell(metric: MetricRecord, cell: CellRecord) -> bool:
    """Whether a cell differs from its baseline by factors that are all within noise."""
    return any(
        metric.cells[member] is cell and _only_as_cell(metric, block, number)
        for block in metric.blocks
        for number, member in enumerate(block.members)
    )


def _only_as_cell(metric: MetricRecord, block: BlockRecord, number: int) -> bool:
    cell = metric.cells[block.members[number]]
    factors = _differing_factors(metric, block, number)
    if block.effects is None or not cell.comparison.verdict.is_different or not factors:
        return False
    if any(factor in block.within for factor in factors):
        return False  # what the factors do together is told as such
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
    applies = all(min(pair) >= 0 for pair in pairs)
    return [f for f, (a, b) in enumerate(pairs) if a != b] if applies else []
