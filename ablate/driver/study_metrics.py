"""The metrics that a study adds to its trainables', as the check of its data has found them."""

from collections.abc import Iterator, Mapping
from typing import Any

from ablate.errors import Problem
from ablate.plan.plan import Plan
from ablate.spec.study_metrics import keep_metrics
from ablate.study_dir import StudyPaths
from ablate.trainable.contract import MetricSpec
from ablate.trainable.registry import TrainableEntry

Facts = Mapping[str, Mapping[str, Any]]
"""What `check_data` returned, by run id."""


def keep_found_metrics(plan: Plan, facts: Facts) -> None:
    """Keeps them in the study directory: a report does not ask their code."""
    bases = {cell.entry.name: cell.base for cell in plan.cells}
    found = {entry: (bases[entry.name], specs) for entry, specs in _found(plan, facts).items()}
    keep_metrics(StudyPaths(plan.study.directory), found)


def unfound_metrics(plan: Plan, facts: Facts) -> Iterator[Problem]:
    """Metrics that the study names and that were believed, but that are not measured."""
    study, found = plan.study, _found(plan, facts)
    places = [("metric", study.metric)]
    places += [(f"report_metrics[{n}]", name) for n, name in enumerate(study.report_metrics)]
    for key, name in places:
        for entry, specs in found.items():
            model = entry.config_model()
            if name in dict(model.of_study) and name not in specs:
                choices = tuple({**model.own_metrics, **specs})
                yield Problem(key, "the trainable reports no such metric", name, choices)
                break


def _found(plan: Plan, facts: Facts) -> dict[TrainableEntry, dict[str, MetricSpec]]:
    """By trainable, those of all its runs that have been checked.

    Of those that the study names it has said more than the check knows: its `mode`, say.
    """
    found: dict[TrainableEntry, dict[str, MetricSpec]] = {}
    for run in plan.runs:
        if "metrics" in facts.get(run.run_id, {}):
            entry, specs = run.cell.entry, facts[run.run_id]["metrics"]
            said = run.cell.model.of_study
            known = {name: spec for name, spec in said if name in specs}
            found.setdefault(entry, {}).update({**specs, **known})
    return found
