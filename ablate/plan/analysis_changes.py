"""What one analysis says otherwise than another one, and which verdicts that touches."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from ablate.plan.analysis_plan import AnalysedCell, AnalysisPlan
from ablate.spec.seeds import SeedRule
from ablate.text import some


class Topic(StrEnum):
    """What two analyses may differ in."""

    METRIC = "metric"
    DIRECTION = "direction"
    REPORT_METRIC = "report metric"
    VALUE = "value"
    VERDICTS = "verdicts"
    PAIRS = "comparison of pairs"
    MARGIN = "margin"
    SCALE = "log scale"
    SEED = "seed"
    SEED_RULE = "rule for seeds"
    SPLITS = "split_seed"
    PAIRING = "pairing"
    CELL = "cell"
    TRAINING = "training"
    BASELINE = "baseline"
    COMPARISON = "comparison"


class ChangeKind(StrEnum):
    """How something differs from what it was."""

    ADDED = "added"
    DROPPED = "dropped"
    CHANGED = "changed"


_HARMLESS = {
    (Topic.CELL, ChangeKind.ADDED),
    (Topic.COMPARISON, ChangeKind.ADDED),
    (Topic.SEED, ChangeKind.ADDED),
    (Topic.REPORT_METRIC, ChangeKind.DROPPED),
}
"""What leaves the verdicts that there were as they were planned: the family grows with it."""


class Change(NamedTuple):
    """One difference between two analyses."""

    topic: Topic
    kind: ChangeKind
    subject: str = ""
    """The cell (what it trains) or the metric that it is about; of others nothing."""
    name: str = ""
    """The same for people."""
    was: str = ""
    now: str = ""

    @property
    def is_exploratory(self) -> bool:
        """Whether the verdicts that it touches are no longer those that were planned."""
        return (self.topic, self.kind) not in _HARMLESS

    def touches(self, metric: str, cell: str, is_main: bool) -> bool:
        """Whether the verdict on a cell depends on it.

        Args:
            metric: The metric that the verdict is about.
            cell: What the cell trains.
            is_main: Whether that is the study's own metric.
        """
        match self.topic:
            case Topic.METRIC | Topic.MARGIN:
                return is_main
            case Topic.DIRECTION | Topic.REPORT_METRIC:
                return metric == self.subject
            case Topic.BASELINE:
                return cell == self.subject
            case _:  # who is compared, with how many others, on which seeds
                return True


class Deviation(NamedTuple):
    """How today's analysis differs from the one that was fixed, and how late that came."""

    change: Change
    num_results: int
    """Results that were there by then."""


def differences(before: AnalysisPlan, after: AnalysisPlan) -> list[Change]:
    """What one analysis says otherwise than another one; nothing where both come to the same."""
    return [
        *_of_metrics(before, after),
        *_of_value(Topic.VALUE, str(before.value), str(after.value)),
        *_of_value(Topic.VERDICTS, before.verdicts, after.verdicts),
        *_of_value(Topic.PAIRS, *(_switch(plan.compares_pairs) for plan in (before, after))),
        *_of_value(Topic.MARGIN, _number(before.margin), _number(after.margin)),
        *_of_value(Topic.SCALE, *(_switch(plan.log_scale) for plan in (before, after))),
        *_of_value(Topic.PAIRING, before.pairing, after.pairing),
        *_of_value(Topic.SEED_RULE, _rule(before.seed_rule), _rule(after.seed_rule)),
        *_of_value(Topic.SPLITS, before.split_seed or "", after.split_seed or ""),
        *_of_seeds(before, after),
        *_of_cells(before, after),
    ]


def _of_metrics(before: AnalysisPlan, after: AnalysisPlan) -> Iterator[Change]:
    yield from _of_value(Topic.METRIC, before.metric, after.metric)
    for name in after.report_metrics:
        if name not in before.metrics:
            yield Change(Topic.REPORT_METRIC, ChangeKind.ADDED, name, name)
    for name in before.report_metrics:
        if name not in after.metrics:
            yield Change(Topic.REPORT_METRIC, ChangeKind.DROPPED, name, name)
    for name in after.metrics:
        was, now = before.modes.get(name), after.modes[name]
        if was not in (None, now):
            yield Change(Topic.DIRECTION, ChangeKind.CHANGED, name, name, str(was), now)


def _of_value(topic: Topic, was: str, now: str) -> Iterator[Change]:
    if was != now:
        kind = (
            ChangeKind.CHANGED if was and now else ChangeKind.ADDED if now else ChangeKind.DROPPED
        )
        yield Change(topic, kind, was=was, now=now)


def _of_seeds(before: AnalysisPlan, after: AnalysisPlan) -> Iterator[Change]:
    if before.seed_rule or after.seed_rule:
        return  # it is the rule that says which there are
    for kind, one, other in (
        (ChangeKind.ADDED, before, after), (ChangeKind.DROPPED, after, before),
    ):  # fmt: skip
        for seed in other.seeds_of_others:
            if seed in one.seeds and seed not in one.seeds_of_others:
                yield Change(Topic.SEED, kind, name=f"{seed} (of other cells than baselines)")
    for seed in after.seeds:
        if seed not in before.seeds:
            yield Change(Topic.SEED, ChangeKind.ADDED, name=str(seed))
    for seed in before.seeds:
        if seed not in after.seeds:
            yield Change(Topic.SEED, ChangeKind.DROPPED, name=str(seed))


def _of_cells(before: AnalysisPlan, after: AnalysisPlan) -> Iterator[Change]:
    old, new = before.by_training, after.by_training
    gone = {cell.name for cell in before.cells if cell.trains not in new}
    come = {cell.name for cell in after.cells if cell.trains not in old}
    for cell in before.cells:
        if cell.trains not in new:
            is_changed = cell.name in come
            topic = Topic.TRAINING if is_changed else Topic.CELL
            kind = ChangeKind.CHANGED if is_changed else ChangeKind.DROPPED
            yield Change(topic, kind, cell.trains, cell.name)
    for cell in after.cells:
        if cell.trains in old:
            yield from _of_cell(old[cell.trains], cell, before, after)
        elif cell.name not in gone:
            yield Change(Topic.CELL, ChangeKind.ADDED, cell.trains, cell.name)


def _of_cell(
    was: AnalysedCell, now: AnalysedCell, before: AnalysisPlan, after: AnalysisPlan
) -> Iterator[Change]:
    if was.reference != now.reference:
        old, new = _baseline_of(was, before), _baseline_of(now, after)
        if old != new or was.reference in after.by_training:  # else its training was changed
            yield Change(Topic.BASELINE, ChangeKind.CHANGED, now.trains, now.name, old, new)
    if was.is_compared != now.is_compared and not (was.is_baseline or now.is_baseline):
        kind = ChangeKind.ADDED if now.is_compared else ChangeKind.DROPPED
        yield Change(Topic.COMPARISON, kind, now.trains, now.name)


def _baseline_of(cell: AnalysedCell, plan: AnalysisPlan) -> str:
    """What a cell is compared with, for people."""
    if cell.is_baseline:
        return "a baseline itself"
    return plan.by_training[cell.reference].name if cell.reference else "nothing"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _switch(is_on: bool) -> str:
    return "on" if is_on else "off"


def _rule(rule: SeedRule | None) -> str:
    if rule is None:
        return ""
    return f"{rule.min} to {rule.max} until {rule.until.half_width:g}"


def results_text(num_results: int) -> str:
    """`after 18 results`."""
    if num_results == 0:
        return "before the first result"
    return f"after {num_results} result{'s' if num_results != 1 else ''}"


def there_text(num_results: int) -> str:
    """`18 results were there`."""
    return f"{num_results} {'result was' if num_results == 1 else 'results were'} there"


def changes_text(changes: Sequence[Change], num_results: int) -> list[str]:
    """Changes for people, those of one kind together: `seeds 1, 2 dropped after 18 results`."""
    alike: dict[Change, list[str]] = {}
    for change in changes:
        alike.setdefault(change._replace(subject="", name=""), []).append(change.name)
    return [_told(change, list(filter(None, names)), num_results)
            for change, names in alike.items()]  # fmt: skip


def deviations_text(deviations: Sequence[Deviation]) -> list[str]:
    """Deviations for people, the earliest first."""
    numbers = sorted({deviation.num_results for deviation in deviations})
    return [
        told
        for number in numbers
        for told in changes_text([d.change for d in deviations if d.num_results == number], number)
    ]


_OF = (Topic.DIRECTION, Topic.TRAINING, Topic.BASELINE, Topic.COMPARISON)


def _told(change: Change, names: Sequence[str], num_results: int) -> str:
    topic, was, now = change.topic, change.was or "none", change.now or "none"
    several = "s" * (len(names) > 1 and topic not in _OF)
    named = f"{' of' * (topic in _OF)} {some(names, between='; ')}" if names else ""
    values = f" ({was} -> {now})" if was != now else ""
    return f"{topic}{several}{named} {change.kind} {results_text(num_results)}{values}"
