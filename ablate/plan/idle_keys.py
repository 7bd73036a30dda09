"""Keys of a study's base that do nothing in any of its cells."""

from collections.abc import Iterator, Sequence

from ablate.spec.design import Cell


def idle_notes(cells: Sequence[Cell]) -> Iterator[str]:
    """Says which keys are set and used nowhere: each was meant for something.

    Args:
        cells: All cells of a plan; those of one trainable come to the same keys.
    """
    for name in dict.fromkeys(cell.entry.name for cell in cells):
        own = [cell for cell in cells if cell.entry.name == name]
        idle = set(own[0].base) & set(own[0].model.idle_keys(own[0].validated))
        for cell in own[1:]:
            if not idle:
                break
            idle &= {*cell.model.idle_keys(cell.validated), *(idle - cell.config.keys())}
        for key in sorted(idle):
            yield f"base.{key} = {own[0].config[key]!r} does nothing: no cell uses it"
