"""Has the trainable check the data of runs, and tells what is wrong at the config's keys."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ablate.dotted import flatten, value_at
from ablate.driver.study_metrics import unfound_metrics
from ablate.errors import Problem, file_of, reason_of
from ablate.plan.plan import Plan, Run
from ablate.process.gc_pause import gc_paused
from ablate.spec.refused_cells import with_cells, with_places
from ablate.trainable.contract import ConfigError

UNKNOWN = "the data"
"""What a mistake is told of where nobody says which keys have the wrong values."""


@gc_paused()
def check_data(plan: Plan, runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Checks the data of runs.

    Returns:
        What the trainable's preflight returns, by run id: `data_fingerprint`, `num_parameters`.

    Raises:
        InputError: With the mistakes of each data set, once.
    """
    checks = {entry.name: entry.preflight() for entry in plan.entries}
    runs = [run for run in runs if checks[run.cell.entry.name] is not None]
    by_data: dict[tuple[int, int | None], dict[str, Any]] = {}
    mistakes = _Mistakes(plan)
    for run in runs:
        key = run.cell.index, plan.split_of(run)
        if key in by_data:
            continue
        by_data[key] = {}
        preflight = checks[run.cell.entry.name]
        assert preflight is not None
        try:
            facts = dict(preflight(plan.launch_config(run)) or {})
            if facts.get("data_fingerprint") is not None:
                facts["data_fingerprint"] = str(facts["data_fingerprint"])
            by_data[key] = facts
        except (ValueError, OSError) as error:
            mistakes.add(run, error)
    if mistakes.runs:
        raise plan.study.refusal(mistakes.problems)
    found = {run.run_id: by_data[run.cell.index, plan.split_of(run)] for run in runs}
    if problems := list(unfound_metrics(plan, found)):
        raise plan.study.refusal(problems)
    return found


@dataclass(frozen=True)
class _Mistakes:
    """What is wrong with the data of a plan's runs."""

    plan: Plan
    runs: dict[Problem, dict[int, Run]] = field(default_factory=dict[Problem, dict[int, Run]])
    """Those that have a mistake, by the index of their cell."""

    def add(self, run: Run, error: ValueError | OSError) -> None:
        """Notes a mistake; what is told of the same keys is the same."""
        told = self._problem(run, error)
        alike = [one for one in self.runs if (one.key, one.others) == (told.key, told.others)]
        if told.key == UNKNOWN:
            alike = [one for one in alike if one.message == told.message]
        self.runs.setdefault(next(iter(alike), told), {})[run.cell.index] = run

    @property
    def problems(self) -> list[Problem]:
        """Each mistake, with the cells that have it."""
        return [
            with_cells(
                problem,
                [(self.plan.design_of(run.cell), run.cell) for run in runs.values()],
                len(self.plan.cells),
            )
            for problem, runs in self.runs.items()
        ]

    def _problem(self, run: Run, error: ValueError | OSError) -> Problem:
        message = str(error)
        if isinstance(error, OSError) and file_of(error):
            message = f"{file_of(error)}: {reason_of(error)}"
        keys = self._keys_of(run, error)
        if not keys:
            return Problem(UNKNOWN, message)
        written = run.cell.written_config()
        there = [key for key in keys if value_at(written, key) is not None]
        return with_places(
            Problem("", message), self.plan.design_of(run.cell), run.cell, there or keys[:1]
        )

    def _keys_of(self, run: Run, error: ValueError | OSError) -> Sequence[str]:
        """The config keys that an error is about: those that it names, or whose file it names."""
        if isinstance(error, ConfigError):
            return error.keys
        file = file_of(error) if isinstance(error, OSError) else ""
        config = flatten(self.plan.launch_config(run))
        named = [key for key, value in config if file and value == file]
        return named or sorted(run.cell.model.paths)
