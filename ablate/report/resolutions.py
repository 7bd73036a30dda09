"""What a study could find of factors and of equivalence, in words below its tables."""

import math

from ablate.analysis.families import df_behind
from ablate.analysis.records import BlockRecord, MetricRecord, Note
from ablate.analysis.resolution import resolution_text, share_of_studies
from ablate.report.level_rows import partners_text
from ablate.stats.verdicts import Comparisons

FEW_DF = 5
"""Below, t is more than 30 % wider than with many: 2.6 with 5, 4.3 with 2, 1.96 at best."""


def factor_resolution_notes(block: BlockRecord, metric: MetricRecord) -> list[Note]:
    """The differences of levels that a study finds, with each factor's degrees of freedom."""
    if block.effects is None:
        return []
    told = [
        _named(block, factor)
        + f" {resolution_text(least, _df(block.compared(factor)), metric.log_scale)}"
        for factor, least in enumerate(block.detectable)
        if least > 0 and not block.effect(factor).uneven
    ]
    if not told:
        return []
    few = any(_df(block.compared(factor)) < FEW_DF for factor in range(len(block.factors)))
    advice = "; few degrees of freedom: more seeds help, more cells do not" * few
    return [Note(f"differences found four times in five: {', '.join(told)}{advice}")]


def _df(comparisons: Comparisons) -> float:
    return df_behind(comparisons.each, comparisons.df)


def _named(block: BlockRecord, factor: int) -> str:
    """`aug within size`, or `net`."""
    partners = partners_text(block, factor)
    return block.factors[factor] + (f" within {partners}" if partners else "")


def equivalence_notes(metric: MetricRecord) -> list[Note]:
    """How often a study finds equivalent what is."""
    if math.isnan(metric.equivalence_power):
        return []
    share = share_of_studies(metric.equivalence_power)
    what = "cell" if metric.pairs is None else "pair"
    return [Note(f"a {what} that does not differ at all is found equivalent in {share} of studies")]
