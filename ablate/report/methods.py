"""`methods.tex`: the paragraph that checklists of conferences ask for, of this very study."""

import math
from collections.abc import Iterator, Sequence

from ablate.analysis.records import MetricRecord, StudyRecord
from ablate.report.comparisons import no_partner_text
from ablate.report.cost import device_time
from ablate.report.latex import comments, tex
from ablate.report.notes import OWN_SPREAD
from ablate.report.pair_table import pair_table
from ablate.report.tables import effects_table, metric_table
from ablate.report.text_table import TextTable
from ablate.run_row import Status
from ablate.stats.error_terms import ErrorTerm
from ablate.stats.verdicts import Comparison

MOST_SEEDS_NAMED = 10


def methods(record: StudyRecord) -> str:
    """What was varied, repeated, compared and spent; each sentence is true of this study.

    What the record does not hold is asked for in comments.
    """
    paragraphs = {
        "Experiments": _experiments(record),
        "What varies between runs": _variation(record),
        "Comparisons": _comparisons(record),
        "Compute": _compute(record),
        "Software": _software(record),
    }
    lines = comments(["made from the record of the study: change what is said, not what is true"])
    for title, told in paragraphs.items():
        sentences = [_sentence(text) for text in told]
        if sentences:
            lines += ["", rf"\paragraph{{{title}.}}", *sentences]
    return "\n".join([*lines, *comments([*_to_add(record)]), ""])


def _sentence(text: str) -> str:
    """A text as people read it, as a sentence of LaTeX."""
    text = " ".join(text.split())
    text = text.removeprefix(f"{OWN_SPREAD}: ")
    text = text if text.startswith("p value") else text[:1].upper() + text[1:]
    return tex(text if text.endswith((".", "?", "!")) else f"{text}.")


def _experiments(record: StudyRecord) -> Iterator[str]:
    cells = record.metric.cells
    yield f"The study's design: {record.design}"
    baselines = [cell.name for cell in cells if cell.is_baseline]
    partners = no_partner_text(record.metric)
    if len(cells) > 1 and record.metric.pairs is not None:
        yield "All cells are compared with each other; none is a baseline"
    elif len(cells) > 1 and len(baselines) == 1:
        yield f"Its baseline is {baselines[0]}{partners}"
    elif len(cells) > 1 and record.metric.against:
        yield f"Each cell is compared with {record.metric.against}{partners}"
    elif len(cells) > 1:
        yield f"Each cell has one of {len(baselines)} baselines: {'; '.join(baselines[:6])}" + (
            " and others" * (len(baselines) > 6) + partners
        )
    yield from _seeds(record)
    judged = [metric for metric in record.metrics if metric.is_judged]
    if judged:
        yield f"Verdicts are about {'; '.join(metric.directed for metric in judged)}"
    others = [metric for metric in record.metrics if not metric.is_judged]
    if others:
        yield f"Also reported: {'; '.join(metric.directed for metric in others)}"


def _seeds(record: StudyRecord) -> Iterator[str]:
    seeds = record.seeds
    named = ", ".join(map(str, seeds[:MOST_SEEDS_NAMED])) + ", ..." * (
        len(seeds) > MOST_SEEDS_NAMED
    )
    planned = sorted({cell.num_planned for cell in record.metric.cells})
    if len(planned) > 1:
        yield (
            f"cells have {planned[0]} to {planned[-1]} of {len(seeds)} seeds ({named}), see the "
            "table: those with more tell how much runs vary"
        )
    elif len(seeds) == 1:
        yield f"each cell was planned with one seed ({named}): no spread over seeds is known"
    else:
        yield f"each cell was planned with {len(seeds)} seeds ({named}), the same for all"
    yield from _missing(record)
    yield from record.notes


def _missing(record: StudyRecord) -> Iterator[str]:
    total = len(record.runs)
    lost = {
        status: sum(run.status is status for run in record.runs)
        for status in (Status.FAILED, Status.DIVERGED)
    }
    waiting = sum(not run.status.has_ended for run in record.runs)
    told = [f"{number} {status}" for status, number in lost.items() if number]
    told += [f"{waiting} had not ended"] * bool(waiting)
    if told:
        yield f"of {total} planned runs {', '.join(told)}; means are of the others"
    unmeasured = sum(run.status is Status.OK for run in record.missing)
    if unmeasured:
        yield f"{_num(unmeasured, 'finished run')} measured no finite {record.metric.name}"


def _variation(record: StudyRecord) -> Iterator[str]:
    if record.scope:
        yield f"scope of {record.metric.name}: {record.scope}"
    for metric in record.further:
        if unlike := metric.scope.unlike(record.metric.scope):
            yield f"that of {metric.name} differs: {unlike}"
    if record.environment.data:
        several = len(record.environment.data) > 1
        yield f"Fingerprint{'s' * several} of the data: {'; '.join(record.environment.data)}"
    if len(record.seeds) > 1:
        yield "± is the sample standard deviation over seeds (n - 1)"


def _comparisons(record: StudyRecord) -> Iterator[str]:
    """How verdicts come about; what the tables' own notes say is said in their words."""
    metric = record.metric
    pairs = metric.pairs
    compared = [cell.comparison for cell in metric.cells]
    compared = compared if pairs is None else [pair.comparison for pair in pairs.pairs]
    judged = [found for found in compared if not math.isnan(found.low)]
    if not judged:
        if len(metric.cells) > 1:
            yield "No interval could be made from these runs: means are compared by eye alone"
        return
    pooled = [found for found in judged if found.pooled]
    if pooled:
        yield from _pooled(metric, pooled)
    if len(pooled) < len(judged):
        own = "own paired differences (t intervals" if metric.is_paired else "own runs (Welch"
        yield (
            f"{_num(len(judged) - len(pooled), 'comparison')} of cells whose spread differs from "
            f"the others' rest on their {own}, Bonferroni)"
        )
    found = "better and worse are" if metric.ranked else "different are"
    yield (
        "p values are adjusted for the number of these comparisons; "
        f"{found} the {'cells' if pairs is None else 'pairs'} whose interval excludes zero"
    )
    tables = [metric_table(record, metric), *([pair_table(metric, pairs)] if pairs else [])]
    for table in (*tables, *_effects(metric)):
        yield from (note.line for note in table.notes)
    if any(not further.is_judged for further in record.further):
        yield "Each further metric is a family by itself: nothing is adjusted over metrics"


def _pooled(metric: MetricRecord, pooled: Sequence[Comparison]) -> Iterator[str]:
    of = f"logarithms of {metric.name}" if metric.log_scale else metric.name
    num = len(pooled)
    shared = "one residual variance"
    if any(found.error is not ErrorTerm.POOLED for found in pooled) or (
        metric.pairs is None and len(metric.comparisons.groups) > 1
    ):
        shared = "the residual variances named below"
    layout = "by least squares in the layout of cells and seeds (runs of one seed are paired)"
    layout = layout if metric.is_paired else "as those of means (runs are unpaired)"
    if metric.pairs is not None:
        yield (
            f"{_num(num, 'difference')} of {of} between two cells, estimated {layout} with "
            f"{shared}, {'has' if num == 1 else 'have'} simultaneous 95 % intervals (Tukey-Kramer)"
        )
        return
    baseline, method = "the", "Dunnett"
    if metric.has_baselines:
        baseline, method = "its", "Dunnett; over several baselines Sidak"
    yield (
        f"{_num(num, 'difference')} of {of} between a cell and {baseline} baseline, estimated "
        f"{layout} with {shared}, have simultaneous 95 % intervals ({method})"
    )


def _effects(metric: MetricRecord) -> list[TextTable]:
    return [effects_table(block, block.effects, metric) for block in metric.blocks if block.effects]


def _compute(record: StudyRecord) -> Iterator[str]:
    compute = record.compute
    if compute is None or not compute.num_timed:
        return
    devices = "; ".join(record.environment.devices)
    on = f" (device: {devices})" if devices else ""
    failed = sum(run.status.has_failed for run in record.runs)
    of = f"all {compute.num_begun} runs together" + f", the {failed} failed included" * bool(failed)
    if compute.num_timed < compute.num_begun:
        of = f"in the {compute.num_timed} of {compute.num_begun} runs whose time is known"
    each = f"{compute.per_trial:g} {compute.device}{'s' * (compute.per_trial > 1)}"
    yield f"Training took {device_time(compute.seconds, compute)}{on}, {each} a trial, {of}"
    yield (
        "That is training as the report counts it: earlier tries, runs that are no longer planned "
        "and evaluations made later are not in it"
    )


def _software(record: StudyRecord) -> Iterator[str]:
    made = record.environment
    if made.versions:
        yield f"Versions: {'; '.join(made.versions)}"
    if made.code:
        yield f"Code: {'; '.join(made.code)}"
    if made.started and made.ended:
        yield f"Made from {made.started:%Y-%m-%d} to {made.ended:%Y-%m-%d}"


def _to_add(record: StudyRecord) -> Iterator[str]:
    """What checklists ask for and the record does not hold."""
    if not record.metric.scope.parts:
        yield "to add: data, split, test part, and what a seed varies"
    if record.compute is None or not record.compute.num_timed:
        yield "to add: what the runs cost, and on which devices"
    elif not record.environment.devices:
        yield "to add: on which devices the runs were made"
    if not record.environment.versions:
        yield "to add: versions of the software"


def _num(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
