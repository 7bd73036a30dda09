"""What the cells of a plan are compared with, for people."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.plan.plan import Plan
from ablate.spec.design import Cell
from ablate.spec.models import text
from ablate.text import printable

ELSE_EQUAL = "all else equal"
"""Of a baseline that is another cell for each."""


@dataclass(frozen=True)
class Against:
    """What each cell is compared with, and whether one phrase says it of all."""

    each: Sequence[str]
    """Of each cell the levels of its baseline that it does not have itself: `aug=none`; empty of
    cells that are compared with none."""
    all_alike: str
    """`aug=none, net=mlp` of one baseline, `aug=none, all else equal` of several;
    empty where cells are compared with unlike ones."""


def against(plan: Plan) -> Against:
    """What each cell is compared with."""
    pairs = list(zip(plan.cells, plan.references, strict=True))
    each = [
        "" if cell.index == other else _unlike(cell, plan.cells[other]) for cell, other in pairs
    ]
    told = {other for number, (_, other) in enumerate(pairs) if number != other}
    phrases = {phrase for phrase in each if phrase}
    if plan.study.compares_pairs or not told:
        return Against([""] * len(each), "")
    if len(told) == 1:
        return Against(each, plan.cells[min(told)].name)
    return Against(each, f"{phrases.pop()}, {ELSE_EQUAL}" if len(phrases) == 1 else "")


def compared_text(plan: Plan) -> str:
    """`each cell against flow=icfm, net=narrow`, and why where the study does not say so itself.

    Empty where cells are compared with unlike ones, or in pairs.
    """
    told = against(plan).all_alike
    return told and f"each cell against {told}{_unsaid(plan)}"


def _unsaid(plan: Plan) -> str:
    """What a baseline was completed by."""
    study = plan.study
    unnamed = [printable(name) for name in study.factors if name not in study.baseline]
    if plan.origin or len(plan.blocks) > 1 or not unnamed or study.design == "cells":
        return ""
    if not study.baseline:
        return f" (first level{'s' * (len(unnamed) > 1)}: no baseline is named)"
    is_whole = study.design == "one_at_a_time"
    return f" ({' and '.join(unnamed)} at the first level: not named)" * is_whole


def _unlike(cell: Cell, other: Cell) -> str:
    levels = [
        f"{printable(name)}={text(label)}"
        for name, label in other.labels.items()
        if name not in cell.labels or text(cell.labels[name]) != text(label)
    ]
    # Factors that apply to the cell alone leave nothing else to name.
    return ", ".join(levels) if levels and other.block == cell.block else other.name
