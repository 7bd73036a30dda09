"""Factors and levels that changed nothing, in words: asked back, since no noise is so equal."""

from collections.abc import Iterator, Sequence

from ablate.analysis.records import MetricRecord, Note, SameNumbers
from ablate.text import printable, some

NAMED = 3
"""Levels, or other metrics, that are named one by one."""


def same_text(found: SameNumbers, metric: str) -> str:
    """`depth: the same numbers for 1 and 2`, and where, if not everywhere.

    Args:
        found: The fact.
        metric: The metric, named where others differ.
    """
    what = f"the same {printable(metric)}" if found.differing else "the same numbers"
    told = f"{found.factor}: {what} for " if found.factor else f"{what} for "
    return told + _and(found.levels) + f" at {found.at}" * bool(found.at)


def same_question(found: SameNumbers, metric: str, is_foreign: bool = False) -> str:
    """The same with the seeds, and the question that it raises, if other metrics don't answer it.

    Args:
        found: The fact.
        metric: The metric.
        is_foreign: Whether somebody else made the results.
    """
    seeds = f"seed {found.seeds[0]}" if len(found.seeds) == 1 else "every seed"
    differing = some([printable(name) for name in found.differing], NAMED)
    beside = f" ({differing} differ{'s' * (len(found.differing) == 1)})" * bool(differing)
    told = f"{same_text(found, metric)} on {seeds}{beside}"
    return told if found.takes_effect else f"{told}: {_question(found, is_foreign)}"


def same_notes(metric: MetricRecord) -> Iterator[Note]:
    """A caution for each; what is the same training, or takes effect elsewhere, is just told."""
    for found in metric.same:
        text = same_question(found, metric.name, metric.is_foreign)
        yield Note(text, is_caution=not (found.are_twins or found.takes_effect))


def _question(found: SameNumbers, is_foreign: bool) -> str:
    if found.are_twins:
        return "they are the same training under several names"
    if is_foreign:
        return "is it one run under several names, or does the factor do nothing?"
    if not found.factor:
        return "does the trainable read what they differ in?"
    what = "does the trainable read it" if found.is_whole else "does it take effect"
    return f"{what}{' there' * bool(found.at)}?"


def _and(levels: Sequence[str]) -> str:
    """`1`, `1 and 2`, `1, 2 and 3`, `1, 2, 3 and 4 more`."""
    left = len(levels) - NAMED
    last = f"{left} more" if left > 1 else levels[-1]
    shown = levels[:NAMED] if left > 1 else levels[:-1]
    return f"{', '.join(shown)} and {last}"
