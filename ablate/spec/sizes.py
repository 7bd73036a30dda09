"""Limits the size of a study, counted before its cells are made."""

import math
import os
from collections.abc import Iterator

from ablate.errors import Problem
from ablate.spec.combinations import num_combinations
from ablate.spec.models import Study
from ablate.spec.seeds import SeedRule

MAX_CELLS = 100_000
"""Most cells of a study, unless the environment sets another limit."""
VARIABLE = "ABLATE_MAX_CELLS"
RUNS_A_CELL = 10
"""On average, in a study of the maximal size: runs are what fills plan and ledger."""


def size_problems(study: Study) -> Iterator[Problem]:
    """Why a study, whose factors are well-formed, has too many cells or runs for a plan."""
    most = _max_cells()
    if isinstance(most, Problem):
        yield most
        return
    places = [("", study), *((f"blocks[{n}].", block) for n, block in enumerate(study.blocks))]
    total = 0
    for place, block in places:
        if place or block.factors or not study.blocks:
            count, is_all = num_combinations(block, block.factor_list, most)
            total += count
            if count > most:
                count_text = f"{'' if is_all else 'more than '}{_number(count)}"
                yield _too_many(place, block.design, count_text, most)
                return
    if total > most:
        yield _too_many("", "blocks", f"{total:,}", most)
        return
    num_seeds = len(study.seeds_of(is_baseline=False))
    num_seeds = study.seeds.max if isinstance(study.seeds, SeedRule) else num_seeds
    runs = total * num_seeds
    if num_seeds > RUNS_A_CELL and runs > most * RUNS_A_CELL:
        yield Problem(
            "seeds", f"{total:,} cells x {num_seeds:,} seeds are {runs:,} runs, more than the "
            f"{most * RUNS_A_CELL:,} of a study",
            fix=f"have fewer seeds or cells, or set {VARIABLE} above {most:,}",
        )  # fmt: skip


def _too_many(place: str, design: str, count: str, most: int) -> Problem:
    message = f"{count} cells, more than the {most:,} of a study"
    raised = f"set {VARIABLE} in the environment"
    if design == "grid":
        fix = f"write {place}design: one_at_a_time, have fewer levels, or {raised}"
        return Problem(f"{place}factors", f"the grid has {message}", fix=fix)
    key = {"cells": "cells", "one_at_a_time": "factors"}.get(design, design)
    return Problem(f"{place}{key}", f"has {message}", fix=f"have fewer, or {raised}")


def _number(count: int) -> str:
    """A count for people: `1,000,000`, or `about 10^903`."""
    if count < 10**18:
        return f"{count:,}"
    return f"about 10^{round(count.bit_length() * math.log10(2))}"


def _max_cells() -> int | Problem:
    written = os.environ.get(VARIABLE, "").strip()
    if not written:
        return MAX_CELLS
    if written.isascii() and written.isdecimal() and len(written) < 19 and int(written) > 0:
        return int(written)
    return Problem(VARIABLE, "in the environment is not a number of cells", written,
                   fix=f"unset it, or write a whole number such as {MAX_CELLS}")  # fmt: skip
