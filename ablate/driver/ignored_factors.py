"""Says while a study runs that a factor changes nothing, once the first runs show it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from ablate.analysis.likeness import Likeness, Place, places_of
from ablate.analysis.same_numbers import at_one_place
from ablate.driver.execute import Caller
from ablate.events import Event, RunEnded
from ablate.ledger.ledger import Ledger
from ablate.plan.plan import Plan, Run
from ablate.plan.twins import twins_of
from ablate.process.screen import Text
from ablate.report.same_numbers import same_question
from ablate.run_row import Status
from ablate.spec.design import Cell


def watching(
    plan: Plan, preflight_facts: Mapping[str, Mapping[str, Any]], ledger: Ledger, caller: Caller
) -> Caller:
    """The caller with such a listener, where it can find anything: not in the steps of a smoke."""
    if plan.is_smoke:
        return caller

    def say(line: str) -> None:
        caller.console.print(Text(line), soft_wrap=True)

    watch = IgnoredFactors(plan, ledger, twins_in(plan, preflight_facts), say)
    return replace(caller, listeners=[*caller.listeners, watch])


def twins_in(
    plan: Plan, preflight_facts: Mapping[str, Mapping[str, Any]]
) -> list[tuple[Cell, Cell]]:
    """Cells of which the data show that they train the same thing.

    Args:
        plan: The plan.
        preflight_facts: What is known of its data, by run id.
    """
    by_split: dict[int | None, dict[int, Any]] = {}
    for run in plan.runs:
        facts = preflight_facts.get(run.run_id, {})
        if "same_training" in facts:
            by_split.setdefault(plan.split_of(run), {})[run.cell.index] = facts["same_training"]
    twins: list[tuple[Cell, Cell]] = []
    for trainings in by_split.values():  # runs of one cell differ in their split
        cells = [cell for cell in plan.cells if cell.index in trainings]
        twins += twins_of(cells, [trainings[cell.index] for cell in cells])
    return twins


class IgnoredFactors:
    """A listener that compares a run that ended with those that differ from it in one factor.

    Args:
        plan: The study's.
        ledger: Has heard of each event before.
        twins: Cells that are known to train the same thing, and have been told.
        say: Called with a line a factor.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        twins: Sequence[tuple[Cell, Cell]],
        say: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._first = {other.index: one.index for one, other in twins}
        self._say = say
        self._told: set[str] = set()

    def on_event(self, event: Event) -> None:
        """Looks at the runs of the same seed that differ in one factor."""
        if not isinstance(event, RunEnded) or event.status is not Status.OK:
            return
        run = self._plan.by_id.get(event.run_id)
        for place in () if run is None else self._places.get(run.cell.index, ()):
            if run and place.factor.name not in self._told:
                self._look(place, run)

    def tick(self) -> None:
        """Nothing is due."""

    @cached_property
    def _places(self) -> dict[int, list[Place]]:
        """By cell."""
        found: dict[int, list[Place]] = {}
        for place in places_of(self._plan):
            for cell in place.cells.values():
                found.setdefault(cell, []).append(place)
        return found

    def _look(self, place: Place, run: Run) -> None:
        metric = self._plan.study.metric
        likeness = Likeness(self._plan, self._ledger.rows, metric)
        [own] = [level for level, cell in place.cells.items() if cell == run.cell.index]
        for level, cell in place.cells.items():
            if level == own or self._are_twins(cell, run.cell.index):
                continue
            alike = likeness.of(cell, run.cell.index)
            if alike is not None:
                self._told.add(place.factor.name)
                found = at_one_place(self._plan, place, sorted((level, own)), alike)
                self._say(f"caution: {same_question(found, metric)}")
                return

    def _are_twins(self, one: int, other: int) -> bool:
        is_told = self._first.get(one, one) == self._first.get(other, other)
        return is_told or self._plan.are_twins([one, other])
