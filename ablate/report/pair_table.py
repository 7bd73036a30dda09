"""The table of all pairs of cells, and what it says in words."""

from collections.abc import Sequence

from ablate.analysis.fixing import remark
from ablate.analysis.records import MetricRecord, Note
from ablate.numbers import p_text
from ablate.report.comparisons import (
    AT_WORST,
    NO_VERDICT_TEXT,
    difference_text,
    judged_text,
    pairing_text,
)
from ablate.report.text_table import TableRow, TextTable, adjusted_tip, comparison_titles
from ablate.stats.all_pairs import AllPairs, Pair
from ablate.stats.verdicts import VerdictKind

SHOWN = 60
"""Pairs in the table, those with the smallest p."""
NAMED = 3
"""Pairs that are named one by one in words."""
LETTERS = "letters"
"""Title of the column in the table of cells."""


def pair_table(metric: MetricRecord, pairs: AllPairs) -> TextTable:
    """A row a pair, the better mean to the left."""
    surest = {(pair.one, pair.other) for pair in _surest(pairs.pairs, SHOWN)}
    shown = [pair for pair in pairs.pairs if (pair.one, pair.other) in surest]
    return TextTable(
        title=f"{metric.told}: all pairs",
        labels=("cell", "against"),
        numbers=comparison_titles(metric),
        rows=[_row(metric, pair) for pair in shown],
        notes=[*_notes(metric, pairs, len(shown)), *_worst_notes(metric, shown)],
        tips=adjusted_tip(f"all {len(pairs.pairs)} pairs"),
    )


def pair_answers(metric: MetricRecord, pairs: AllPairs) -> list[str]:
    """The pairs that differ, the surest first, and how many do not."""
    found = [pair for pair in pairs.pairs if pair.comparison.verdict.is_different]
    told = [_sentence(metric, pair, len(pairs.pairs)) for pair in _surest(found, NAMED)]
    if len(found) > NAMED:
        told.append(f"and {len(found) - NAMED} more pairs differ: see the table")
    for kind, words in (
        (VerdictKind.EQUIVALENT, "equivalent, within the margin"),
        (VerdictKind.WITHIN_NOISE, "within noise: this study cannot tell the two apart"),
    ):
        for is_partial, ended in ((False, ""), (True, ", of the runs that ended")):
            verdicts = [pair.comparison.verdict for pair in pairs.pairs]
            num = sum(v.kind is kind and v.of_those_that_ended is is_partial for v in verdicts)
            if num:
                told.append(f"{num} of {len(pairs.pairs)} pairs: {words}{ended}")
    return told


def _surest(pairs: Sequence[Pair], num: int) -> Sequence[Pair]:
    def p(pair: Pair) -> tuple[bool, float]:
        found = pair.comparison.p
        return (found != found, found)

    return sorted(pairs, key=p)[:num]


def _sentence(metric: MetricRecord, pair: Pair, num_pairs: int) -> str:
    found = pair.comparison
    than = "from" if found.verdict.kind is VerdictKind.DIFFERS else "than"
    one, other = (metric.cells[cell].name for cell in (pair.one, pair.other))
    ended = ", of the runs that ended" * found.verdict.of_those_that_ended
    margin = ", but within the margin" * found.verdict.within_margin
    worst = _worst_of(metric, pair)
    at_worst = f"; {AT_WORST}: {_worst_text(metric, worst)}" if worst else ""
    return (
        f"{one}: {found.verdict.kind} {than} {other}{ended}{margin}, "
        f"{difference_text(found, metric.log_scale)}, p {p_text(found.p)} "
        f"(adjusted over {num_pairs} pairs){_remark(metric, pair)}{at_worst}"
    )


def _remark(metric: MetricRecord, pair: Pair) -> str:
    """What is to be said with a pair's verdict, as with that of a cell."""
    cells = [metric.cells[cell] for cell in (pair.one, pair.other)]
    added = [cell.added_after for cell in cells if cell.added_after is not None]
    exploratory = [deviation for cell in cells for deviation in cell.exploratory]
    return remark(pair.comparison.verdict, exploratory, max(added, default=None))


def _worst_of(metric: MetricRecord, pair: Pair) -> Pair | None:
    """What becomes of a pair that lost runs by itself where they count as the worst."""
    if metric.pairs_at_worst is None or not pair.comparison.verdict.of_those_that_ended:
        return None
    cells = {pair.one, pair.other}
    return next((p for p in metric.pairs_at_worst.pairs if {p.one, p.other} == cells), None)


def _worst_text(metric: MetricRecord, worst: Pair) -> str:
    """`gain=1 against gain=2: better, +1.2 [+0.9, +1.5]`; the better one may be another."""
    one, other = (metric.cells[cell].name for cell in (worst.one, worst.other))
    return f"{one} against {other}: {judged_text(worst.comparison, metric.log_scale)}"


def _worst_notes(metric: MetricRecord, shown: Sequence[Pair]) -> list[Note]:
    told = [_worst_text(metric, worst) for pair in shown if (worst := _worst_of(metric, pair))]
    more = f"; and {len(told) - NAMED} more" * (len(told) > NAMED)
    text = f"{AT_WORST}: {'; '.join(told[:NAMED])}{more}"
    return [Note(text, is_caution=True)] * bool(told)


def _row(metric: MetricRecord, pair: Pair) -> TableRow:
    found = pair.comparison
    return TableRow(
        labels=[metric.cells[cell].name for cell in (pair.one, pair.other)],
        numbers=[difference_text(found, metric.log_scale), p_text(found.p)],
        verdict=found.verdict,
        own_spread=not found.pooled,
        remark=_remark(metric, pair),
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
