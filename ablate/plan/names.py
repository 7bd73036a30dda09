"""The names of runs, for people: made of levels and the seed, unique in a study."""

from collections.abc import Iterable, Mapping

from ablate.spec.design import Cell
from ablate.study_dir import MAX_NAME, file_name


def run_name(cell: Cell, seed: int) -> str:
    """`mlp-otcfm-s42`; numbers, booleans and null with their key: `mlp-lr=0.001-s42`."""
    parts = [
        level.label if isinstance(level.label, str) else f"{name.split('.')[-1]}={level.text}"
        for name, level in cell.levels.items()
    ]
    if cell.block:
        parts.insert(0, cell.block)
    return "-".join([*map(file_name, parts), f"s{seed}"])


def unique_names(runs: Iterable[tuple[str, str]], names: Mapping[str, str]) -> list[str]:
    """Names of runs that are unique in the study; those that are in the ledger stay.

    Args:
        runs: Ids, and the names that the runs would have.
        names: Those in the ledger, by run id.
    """
    taken = set(names.values())
    unique: list[str] = []
    for run_id, made in runs:
        name = names.get(run_id)
        if name is None:
            name = made
            if name in taken or len(name) > MAX_NAME:
                name = f"{name[: MAX_NAME - 10]}-{run_id[:8]}"
            taken.add(name)
        unique.append(name)
    return unique
