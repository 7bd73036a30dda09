"""`paper.tex`: one table of metrics x cells, as papers print it."""

import math
import re
from collections.abc import Sequence
from itertools import groupby

from ablate.analysis.records import CellRecord, MetricRecord, StudyRecord
from ablate.numbers import rounded, spread_text
from ablate.report.comparisons import no_partner_text
from ablate.report.cost import FLAGGED, costlier_text, price_of_better, unit_of
from ablate.report.latex import comments, tex
from ablate.report.paper_layout import Column, Entry, label_column, layout, number_column
from ablate.report.text_table import NOT_APPLICABLE
from ablate.run_row import Status

MOST_FACTORS = 6
"""Columns of labels; with more factors than that a cell's name is its label."""
ABSENT = Entry("--", 2)
UNITS = {"hour": "h", "minute": "min", "second": "s"}


def paper(record: StudyRecord) -> str:
    r"""The table of a study: a row a cell, a column a metric, then parameters and cost.

    It needs `\usepackage{booktabs}` and nothing else. What is too wide for a page is set smaller,
    then in panels one below the other; what is too long goes on in further tables.
    """
    numbers = [_metric_column(record, metric) for metric in record.metrics]
    numbers += [column for column in (_parameters(record), _costs(record)) if column]
    tables = layout(
        _labels(record),
        numbers,
        breaks=_breaks(record),
        caption=_caption(record),
        name=re.sub("[^A-Za-z0-9]+", "-", record.name),
        notes=_notes(record),
    )
    return "\n".join([*comments(["needs \\usepackage{booktabs}"]), *tables, ""])


def _labels(record: StudyRecord) -> list[Column]:
    cells = record.metric.cells
    named = ["block"] * any(cell.block for cell in cells)
    texts = [[cell.block for cell in cells]] * len(named)
    if 0 < len(record.factors) <= MOST_FACTORS:
        named += record.factors
        texts += [[cell.labels.get(f, NOT_APPLICABLE) for cell in cells] for f in record.factors]
    else:
        named, texts = [*named, "cell"], [*texts, [cell.name for cell in cells]]
    marks = [[r"$^{\dagger}$" if cell.is_baseline else "" for cell in cells]]
    marks += [[""] * len(cells)] * (len(named) - 1)
    return [
        label_column(name, column, mark, len(named))
        for name, column, mark in zip(named, texts, marks, strict=True)
    ]


def _breaks(record: StudyRecord) -> list[int]:
    """Rows at which another block begins."""
    starts, at = [0], 0
    for _, group in groupby(record.metric.cells, key=lambda cell: cell.block):
        at += len(list(group))
        starts.append(at)
    return starts[1:-1]


def _metric_column(record: StudyRecord, metric: MetricRecord) -> Column:
    arrow = {"min": r"\downarrow", "max": r"\uparrow"}[metric.mode] if metric.ranked else ""
    entries = [_entry(cell, len(record.seeds)) for cell in metric.cells]
    return number_column(metric.name, entries, arrow)


def _entry(cell: CellRecord, num_seeds: int) -> Entry:
    r"""`$\mathbf{0.587 \pm 0.013}$`, with the number of runs where it is not that of the seeds."""
    value = cell.value
    if not value.num:
        return ABSENT
    shown, width = _spread(value.mean, value.sd)
    shown = rf"\mathbf{{{shown}}}" if cell.may_be_best else shown
    mark = r"{}^{\ddagger}" if price_of_better(cell) else ""
    few = value.num != num_seeds
    count = rf"\,(n{{=}}{value.num})" if few else ""
    # The sign is narrower than its blanks are counted, bold digits are wider than others.
    width += (0 if cell.may_be_best else -2) + bool(mark) + 5 * few
    return Entry(f"${shown}{mark}{count}$", width)


def _spread(mean: float, sd: float) -> tuple[str, int]:
    """Mean and standard deviation as mathematics, and about how many characters they are."""
    text = spread_text(mean, sd)
    if "e" not in text:
        return text.replace("±", r"\pm"), len(text)
    power = math.floor(math.log10(max(abs(mean), 0.0 if math.isnan(sd) else sd)))
    text = spread_text(mean / 10.0**power, sd / 10.0**power)
    shown = f"({text})" if "±" in text else text
    shown = shown.replace("±", r"\pm")
    return rf"{shown} \times 10^{{{power}}}", len(text) + 8


def _parameters(record: StudyRecord) -> Column | None:
    known = [cell.cost.num_parameters for cell in record.metric.cells]
    if not any(known):
        return None
    texts = [_count_text(number) if number else "" for number in known]
    return number_column("params", [Entry(t, len(t)) if t else ABSENT for t in texts])


def _count_text(number: int) -> str:
    """`512`, `16.6k`, `1.07M`."""
    for size, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return str(number)


def _costs(record: StudyRecord) -> Column | None:
    """Device time of a run on average."""
    if record.compute is None:
        return None
    spent = [cell.cost.seconds * record.compute.per_trial for cell in record.metric.cells]
    known = [seconds for seconds in spent if not math.isnan(seconds)]
    if not known:
        return None
    unit, size = unit_of(max(known))
    texts = ["" if math.isnan(s) else rounded(s / size, s / size) for s in spent]
    title = f"{record.compute.device.split()[0]} {UNITS[unit]}"
    return number_column(title, [Entry(t, len(t)) if t else ABSENT for t in texts])


def _caption(record: StudyRecord) -> str:
    question = " ".join((record.question or record.name).split())
    question += "" if question.endswith((".", "?", "!")) else "."
    return " ".join([tex(question), *_legend(record)])


def _legend(record: StudyRecord) -> list[str]:
    """What stands in the table, sentence by sentence, of what does stand there."""
    cells = [cell for metric in record.metrics for cell in metric.cells]
    num = len(record.seeds)
    told = [rf"Mean $\pm$ standard deviation over {num} seeds" if num > 1 else "Of one seed"]
    if any(0 < cell.value.num != num for cell in cells):
        told[0] += ", or as many as are given as $n$"
    if any(not cell.value.num for cell in cells):
        told.append("--: no result")
    told.append(_values_text(record.metrics))
    arrows = {"min": r"$\downarrow$ lower is better", "max": r"$\uparrow$ higher is better"}
    modes = dict.fromkeys(metric.mode for metric in record.metrics if metric.ranked)
    told += [", ".join(arrows[mode] for mode in modes)] if modes else []
    if any(cell.may_be_best for cell in cells):
        families = record.metric.num_families
        of = f"all {families} metrics together" if families > 1 else "each metric"
        told.append(
            r"Bold: may be the best, no other being found better (Hsu's multiple comparisons with "
            rf"the best, 95\,\% for {of})"
        )
    if any(cell.is_baseline for cell in cells):
        metric = record.metric
        alike = metric.against if metric.has_baselines else ""
        against = f": each cell against {alike}{no_partner_text(metric)}" * bool(alike)
        told.append(rf"$\dagger$ baseline{tex(against)}")
    if any(price_of_better(cell) for cell in cells):
        told.append(
            rf"$\ddagger$ better than its baseline, at over {100 * (FLAGGED - 1):.0f}\,\% more "
            "training time or parameters"
        )
    return [f"{sentence}." for sentence in told]


def _values_text(metrics: Sequence[MetricRecord]) -> str:
    """Which value of a run the numbers are: `Final weights`; metric by metric where they differ."""
    values = list(dict.fromkeys(metric.value_text for metric in metrics))
    if len(values) == 1:
        return tex(values[0][:1].upper() + values[0][1:])
    return "; ".join(tex(metric.told) for metric in metrics)


def _notes(record: StudyRecord) -> list[str]:
    """What stands below the table."""
    told = [f"Scope: {tex(record.scope)}."] if record.scope else []
    costly = {
        cell.name: cell
        for metric in record.metrics
        for cell in metric.cells
        if price_of_better(cell)
    }
    told += [rf"$\ddagger$ {tex(costlier_text([*costly.values()]))}."] if costly else []
    waiting = sum(not run.status.has_ended for run in record.runs)
    for kind in (Status.FAILED, Status.DIVERGED):
        if num := sum(run.status is kind for run in record.runs):
            told.append(f"Without a result, {kind}: {num} of {len(record.runs)} runs.")
    if waiting:
        told.append(f"Still to come, of {len(record.runs)} runs: {waiting}.")
    return told
