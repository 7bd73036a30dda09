"""Where the runs of a study stand: a row a cell, a column a seed."""

from collections.abc import Sequence
from typing import Any

from ablate.identity import canonical_json
from ablate.run_row import RunRow
from ablate.spec.models import AA_SEED_OFFSET, text
from ablate.text import printable


class Layout:
    """Places of cells and seeds, in the order in which rows name them first.

    Args:
        factors: The study's factors, whose levels tell cells apart.
    """

    def __init__(self, factors: Sequence[str] = ()) -> None:
        self.factors = factors
        self.cells: list[str] = []
        """For people."""
        self._cells: dict[tuple[str, ...], int] = {}
        self._seeds: dict[int, int] = {}

    @property
    def seeds(self) -> list[int]:
        """The seeds, of cells that are no A/A."""
        return list(self._seeds)

    def cell(self, row: RunRow) -> int:
        """The place of a run's cell; a new one, if it is the first of it."""
        key = self._key(row)
        if key not in self._cells:
            self._cells[key] = len(self._cells)
            self.cells.append(self._name(row))
        return self._cells[key]

    def is_in(self, row: RunRow, cell: int) -> bool:
        """Whether a run belongs to the cell at a place."""
        return self._cells.get(self._key(row)) == cell

    def seed(self, row: RunRow) -> int:
        """The place of a run's seed; those of the A/A cell stand below the others'."""
        seed = (row.seed or 0) - AA_SEED_OFFSET * (row.block == "again")
        return self._seeds.setdefault(seed, len(self._seeds))

    def _labels(self, row: RunRow) -> dict[str, Any]:
        return {name: row[name] for name in self.factors if row.get(name) is not None}

    def _key(self, row: RunRow) -> tuple[str, ...]:
        return (row.block or "", *map(canonical_json, self._labels(row).items()))

    def _name(self, row: RunRow) -> str:
        levels = (f"{printable(name)}={text(v)}" for name, v in self._labels(row).items())
        name = ", ".join(levels) or "base"
        if row.block == "again":
            return f"{name} again"
        return f"{printable(row.block)}: {name}" if row.block else name
