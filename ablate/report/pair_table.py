"""The table of all pairs of cells, and what it says in words."""

from collections.abc import Sequence

from ablate.analysis.records import MetricRecord, Note
from ablate.numbers import p_text
from ablate.report.comparisons import NO_VERDICT_TEXT, difference_text, pairing_text
from ablate.report.text_table import TableRow, TextTable, comparison_titles
from ablate.stats.all_pairs import AllPairs, Pair
from ablate.stats.verdicts import VerdictKind
from ablate.text import printable

SHOWN = 60
"""Pairs in the table, those with the smallest p."""
NAMED = 6
"""Pairs that are named one by one in words."""
LETTERS = "letters"
"""Title of the column in the table of cells."""


def pair_table(metric: MetricRecord, pairs: AllPairs) -> TextTable:
    """A row a pair, the better mean to the left."""
    surest = {(pair.one, pair.other) for pair in _surest(pairs.pairs, SHOWN)}
    shown = [pair for pair in pairs.pairs if (pair.one, pair.other) in surest]
    return TextTable(
        title=f"{printable(metric.name)}: all pairs",
        labels=("cell", "against"),
        numbers=comparison_titles(metric),
        rows=[_row(metric, pair) for pair in shown],
        notes=_notes(metric, pairs, len(shown)),
    )


def pair_answers(metric: MetricRecord, pairs: AllPairs) -> list[str]:
    """The pairs that differ, the surest first, and how many do not."""
    found = [pair for pair in pairs.pairs if pair.comparison.verdict.is_different]
    told = [_sentence(metric, pair) for pair in _surest(found, NAMED)]
    if len(found) > NAMED:
        told.append(f"and {len(found) - NAMED} more pairs differ: see the table")
    for kind, words in (
        (VerdictKind.EQUIVALENT, "equivalent, within the margin"),
        (VerdictKind.WITHIN_NOISE, "within noise: this study cannot tell the two apart"),
    ):
        num = sum(pair.comparison.verdict.kind is kind for pair in pairs.pairs)
        if num:
            told.append(f"{num} of {len(pairs.pairs)} pairs: {words}")
    return told


def _surest(pairs: Sequence[Pair], num: int) -> Sequence[Pair]:
    def p(pair: Pair) -> tuple[bool, float]:
        found = pair.comparison.p
        return (found != found, found)

    return sorted(pairs, key=p)[:num]


def _sentence(metric: MetricRecord, pair: Pair) -> str:
    found = pair.comparison
    than = "from" if found.verdict.kind is VerdictKind.DIFFERS else "than"
    one, other = (metric.cells[cell].name for cell in (pair.one, pair.other))
    margin = ", but within the margin" * found.verdict.within_margin
    return (
        f"{one}: {found.verdict.kind} {than} {other}{margin}, "
        f"{difference_text(found, metric.log_scale)}, adjusted p {p_text(found.p)}"
    )


def _row(metric: MetricRecord, pair: Pair) -> TableRow:
    found = pair.comparison
    return TableRow(
        labels=[metric.cells[cell].name for cell in (pair.one, pair.other)],
        numbers=[difference_text(found, metric.log_scale), p_text(found.p)],
        verdict=found.verdict,
        own_spread=not found.pooled,
    )


def _notes(metric: MetricRecord, pairs: AllPairs, num_shown: int) -> list[Note]:
    of = f", of all {metric.num_families} metrics," if metric.num_families > 1 else ""
    notes = [
        Note(
            f"all {len(pairs.pairs)} pairs are one family, {pairing_text(metric.is_paired)}: "
            f"intervals and p hold simultaneously{of} (Tukey-Kramer, df {pairs.df}); nothing is "
            "compared with a baseline"
        )
    ]
    if num_shown < len(pairs.pairs):
        left = len(pairs.pairs) - num_shown
        which = ", none with a smaller p: see the letters" * metric.is_judged
        notes.append(Note(f"and {left} more pairs{which}"))
    if not metric.is_judged:
        notes.append(Note(NO_VERDICT_TEXT))
    return notes
