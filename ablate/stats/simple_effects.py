"""What a factor does within each level of the factors that it interacts with. Pure functions.

Where two factors interact, the mean of one over the other is the effect of neither: mixup may help
with 500 rows, hurt with all, and do nothing on average. Simple effects: Kirk 2013, Experimental
Design (4th ed.), section 9.6.

Whether they are shown is chosen by the test of the interaction, on the same runs. It costs little:

- Where no factors interact, they are shown in at most 5 % of studies (Holm over all pairs), and
  each such table says besides that factors interact: no study is wrong that was not wrong already.
- Where factors do interact, the comparisons of a factor are one family whose intervals hold all at
  once, whether they are shown or not; what is shown of a family that holds, holds too.
- Where the test misses an interaction, its factors' means over each other are compared, which are
  what the table calls them; where it finds one too many, they are of smaller means, and more.

`benchmarks/calibration_factors.py` has the rates, also of interactions near the threshold, where
which family is looked at depends most on chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablate.stats.effects import Effects, are_uneven, tells_groups
from ablate.stats.groups import Groups
from ablate.stats.level_tests import level_tests
from ablate.stats.marginal_means import Codes, adjusted_means, cell_effects
from ablate.stats.pooling import ALPHA
from ablate.stats.units import unit_of
from ablate.stats.verdicts import Comparisons, Mode

Values = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class SimpleEffects:
    """A factor within each combination of levels of other factors, over the rest of them.

    Its entries are those of its levels in those of the combinations that have the baseline's level
    and another one: the combinations in their order, in each the levels.
    """

    factor: int
    within: tuple[int, ...]
    """The factors that it interacts with."""
    levels: Places
    """(num_entries,)."""
    places: Places
    """(num_entries, num_within), levels of those factors; -1 where one does not apply."""
    references: Places
    """(num_entries,), the entry of the baseline's level with the same place."""
    entries: Places
    """(num_cells,), the entry that each cell is part of; -1 for none."""
    means: Values
    """(num_entries,), adjusted for the other factors, over an average seed."""
    table: Values
    """(num_entries, num_seeds), the same seed by seed; nan where not estimable."""
    comparisons: Comparisons
    """Each entry with its reference: all of them one family. The residual is what entries and seeds
    leave, and a split plot's where seeds change what one of the factors does."""
    uneven: bool
    """Whether entries are means of so different numbers of runs that each is judged by itself."""

    @property
    def has_noisy_level(self) -> bool:
        """Whether entries are judged by own pairs since one scatters more than the others."""
        return any(group.spreads.noisy for group in self.comparisons.groups) and not self.uneven


def interacting(effects: Effects) -> list[tuple[int, ...]]:
    """Of each factor those that it interacts with."""
    pairs = [pair.factors for pair in effects.interactions if pair.p < ALPHA]
    return [
        tuple(sum(pair) - main.factor for pair in pairs if main.factor in pair)
        for main in effects.mains
    ]


def simple_effects(
    values: Values, codes: Codes, factor: int, within: Sequence[int], baseline_level: int,
    mode: Mode, margin: float | None = None, *, first_seeds: int | None = None,
    groups: Groups | None = None, widening: float = 1.0, is_paired: bool = True,
) -> SimpleEffects | None:  # fmt: skip
    """Compares a factor's levels within each combination of levels of others.

    Args:
        values: (num_cells, num_seeds), nan where a run is missing.
        codes: (num_cells, num_factors), the level of each factor; -1 where it does not apply.
        factor: The column of the factor.
        within: Those of the factors within whose levels it is compared.
        baseline_level: The level that the others are compared with.
        mode: Whether lower (`min`) or higher values are better.
        margin: Differences smaller than this do not matter.
        first_seeds: As for `factor_effects`, as all that follow.
        groups: (num_cells,).
        widening: What standard errors are multiplied by.
        is_paired: Whether runs of one seed have something in common.

    Returns:
        None where no combination has the baseline's level and another one.
    """
    unit = unit_of(values)
    scaled, margin = values / unit, None if margin is None else margin / unit
    keys, references, entries = _entries(codes[:, [*within, factor]], baseline_level)
    if not len(keys):
        return None
    others = np.delete(codes, [factor, *within], axis=1)
    tests = level_tests(scaled, first_seeds, widening, is_paired)
    found = tests.estimate(entries, len(keys), others)
    uneven = is_paired and are_uneven(scaled, entries, len(keys))
    own = uneven or (groups is not None and tells_groups(groups, entries))
    comparisons = tests.compared(found, references, mode, margin, own, keys)
    alike = np.zeros(len(codes), dtype=np.intp) if groups is None else groups
    cells = cell_effects(scaled, alike, is_paired)
    return SimpleEffects(
        factor=factor,
        within=tuple(within),
        levels=keys[:, -1],
        places=keys[:, :-1],
        references=references,
        entries=entries,
        means=adjusted_means(cells[:, None], entries, len(keys), others)[:, 0] * unit,
        table=adjusted_means(scaled, entries, len(keys), others) * unit,
        comparisons=comparisons.in_units(unit),
        uneven=uneven,
    )


def _entries(codes: Codes, baseline_level: int) -> tuple[Places, Places, Places]:
    """The combinations that can be compared, their references, and each cell's place among them.

    Args:
        codes: (num_cells, num_within + 1), the factor itself the last one.
        baseline_level: Its level that the others are compared with.
    """
    applies = codes[codes[:, -1] >= 0]
    keys = np.unique(applies, axis=0)
    levels_at: dict[tuple[int, ...], set[int]] = {}
    for *place, level in keys.tolist():
        levels_at.setdefault(tuple(place), set()).add(level)
    kept = [
        (*place, level)
        for *place, level in keys.tolist()
        if baseline_level in (at := levels_at[tuple(place)]) and len(at) > 1
    ]
    number = {key: n for n, key in enumerate(kept)}
    references = [number[*key[:-1], baseline_level] for key in kept]
    entries = [number.get(tuple(code), -1) for code in codes.tolist()]
    shape = (len(kept), codes.shape[1])
    return (
        np.array(kept, dtype=np.intp).reshape(shape),
        np.array(references, dtype=np.intp),
        np.array(entries, dtype=np.intp),
    )
