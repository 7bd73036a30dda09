"""Cells that would train the same thing under two names."""

from collections.abc import Sequence
from typing import Any

from ablate.identity import canonical_json
from ablate.spec.design import Cell


def twins_of(cells: Sequence[Cell], trainings: Sequence[Any]) -> list[tuple[Cell, Cell]]:
    """Cells that would train the same thing under two names: the first of them, and another.

    Args:
        cells: The cells.
        trainings: What each cell trains; equal for the same training.
    """
    seen: dict[str, Cell] = {}
    both = [
        (seen.setdefault(canonical_json(training), cell), cell)
        for cell, training in zip(cells, trainings, strict=True)
    ]
    return [(first, cell) for first, cell in both if first is not cell]


def twin_notes(twins: Sequence[tuple[Cell, Cell]]) -> list[str]:
    """Notes on cells that would train the same thing under two names."""
    return [
        f"{one.name} and {other.name} train the same thing under two names" for one, other in twins
    ]
