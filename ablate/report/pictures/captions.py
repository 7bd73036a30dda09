"""What is said of pictures: how many of how many, which run, which weights, what they look like."""

from collections.abc import Collection, Iterable

import numpy as np

from ablate.numbers import rounded
from ablate.report.pictures.grids import Limits
from ablate.report.pictures.median_runs import MedianRun
from ablate.report.pictures.shown import Floats
from ablate.samples.kept import KeptData, KeptSamples

HOW_TO_MAKE = "ablate evaluate STUDY_DIR --samples"
HOW_TO_SEE = "ablate report STUDY_DIR"


def samples_caption(
    run: MedianRun, kept: KeptSamples, num_shown: int, told: str, *remarks: str
) -> str:
    """`64 of 256 samples, run vp-wide-s3 (median of 5 by fid), best weights at step 400, ...`.

    Args:
        run: Whose they are.
        kept: The samples.
        num_shown: How many are to be seen.
        told: The study's metric, and which value of it.
        remarks: What else is to be said of them; empty ones are not.
    """
    many = many_text(num_shown, len(kept.rows))
    weights = f"{kept.weights} weights at step {kept.step}"
    sentence = ", ".join([many, run_text(run, told), weights, kept.solver])
    return "; ".join(filter(None, [sentence, *remarks]))


def run_text(run: MedianRun, told: str) -> str:
    """`run vp-wide-s3 (median of 5 by fid, final weights)`."""
    which = f"median of {run.num} by {told}" if run.num > 1 else f"the only one with {told}"
    return f"run {run.run_name} ({which if run.seed is None else f'seed {run.seed}'})"


def runs_text(runs: Iterable[MedianRun], told: str) -> str:
    """`each cell's median run by fid`, or of which seed it is where seeds split the data."""
    seed = next((run.seed for run in runs if run.seed is not None), None)
    return (
        f"each cell's median run by {told}" if seed is None else f"each cell's run of seed {seed}"
    )


def group_title(nums: Collection[tuple[int, int]], runs: Iterable[MedianRun], told: str) -> str:
    """`64 of 256 samples of each cell's median run by fid, final weights`.

    Args:
        nums: Of each cell, how many samples are shown and how many there are.
        runs: Whose they are.
        told: The study's metric, and which value of it.
    """
    alike = {*nums}
    many = many_text(*alike.pop()) if len(alike) == 1 else "Samples"
    return f"{many} of {runs_text(runs, told)}"


def weights_text(kept: Iterable[KeptSamples], value_text: str, chosen_by: str) -> str:
    """Says where table and pictures are of different weights; empty where they are not.

    Args:
        kept: The samples of a group.
        value_text: Which value of a run counts in the table: `final weights`.
        chosen_by: By what the best weights are chosen: `lowest val_loss`.
    """
    weights, table = {each.weights for each in kept}, value_text.partition(" ")[0]
    others = weights - {table}
    if not others or not value_text.startswith(("best weights", "final weights")):
        return ""
    by = {"best": f" ({chosen_by})"} if chosen_by else {}
    these = "these pictures" if others == weights else "some of these pictures"
    ones = " and ".join(f"the {one} ones{by.get(one, '')}" for one in sorted(others))
    return f"The table is of the {table} weights{by.get(table, '')}, {these} of {ones}."


def seed_text(runs: Iterable[MedianRun]) -> str:
    """Says why all cells show one seed, where they do."""
    seed = next((run.seed for run in runs if run.seed is not None), None)
    if seed is None:
        return ""
    return (
        f"Each seed splits the data anew, so all cells show seed {seed}, that of the first one's "
        "median run."
    )


def many_text(num_shown: int, num: int, what: str = "samples") -> str:
    """`64 of 256 samples`, `256 samples`."""
    return f"{num_shown} of {num} {what}" if num_shown < num else f"{num} {what}"


def rows_alt(name: str, rows: Floats, *remarks: str) -> str:
    """`256 samples of vp-wide: mean 4.9, spread 6.0; 3 not finite`."""
    return "; ".join(filter(None, [f"{name}: {spread_text(rows)}", *remarks]))


def spread_text(rows: Floats) -> str:
    """Mean and standard deviation of all numbers, of points in a plane of each axis."""
    if rows.shape[1] == 2:
        axes = [_spread(rows[:, axis]) for axis in (0, 1)]
        if all(axes):
            means, spreads = (f"({', '.join(texts)})" for texts in zip(*axes, strict=True))
            return f"mean {means}, spread {spreads}"
    elif found := _spread(rows):
        return f"mean {found[0]}, spread {found[1]}"
    return "no finite number"


def unfinite_text(rows: Floats, what: str) -> str:
    """`3 not finite, left blank`; empty where all are."""
    num = int((~np.isfinite(rows).all(axis=1)).sum())
    return f"{num} not finite, {what}" if num else ""


def clipped_text(rows: Floats, limits: Limits) -> str:
    """The share of numbers that the limits do not reach; empty for none."""
    known = rows[np.isfinite(rows)]
    num = int(((known < limits.low) | (known > limits.high)).sum())
    if not num:
        return ""
    share = 100 * num / known.size
    return f"{'under 1' if share < 1 else f'{share:.0f}'} % of the values beyond the limits"


def outside_text(num: int, what: str = "") -> str:
    """`4 outside the axes`, `1 test row outside the axes`; empty for none."""
    of = f" {what}{'s' * (num > 1)}" if what else ""
    return f"{num}{of} outside the axes" if num else ""


def nearest_text(nearest: Floats | None, of_data: Floats | None = None) -> str:
    """The median distance to the nearest training row: copies of training rows are near to them.

    Args:
        nearest: Of samples, or of the data's test rows.
        of_data: Of test rows, where they are told beside samples: cells' training rows differ.
    """
    median, beside = _median(nearest), _median(of_data)
    if not median:
        return ""
    return f"nearest training row at {median} (median{f'; test rows at {beside}' * bool(beside)})"


def data_caption(num_shown: int, data: KeptData, *remarks: str) -> str:
    """`64 of 100 test rows; nearest training row at 17.3 (median)`."""
    many = many_text(num_shown, len(data.rows), "test rows")
    return "; ".join(filter(None, [many, *remarks]))


def left_out_text(shown: int, left_out: int) -> str:
    """How many cells of how many have pictures; empty for all."""
    if not left_out:
        return ""
    return (
        f"Of {shown} of {shown + left_out} cells: baselines, and then the first in the order of "
        "the table."
    )


def _median(distances: Floats | None) -> str:
    known = distances[np.isfinite(distances)] if distances is not None else np.zeros(0)
    if not known.size:
        return ""
    median = float(np.median(known))
    return rounded(median, median / 10)


def _spread(values: Floats) -> tuple[str, str] | None:
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return None
    mean, spread = float(known.mean()), float(known.std())
    return rounded(mean, spread), rounded(spread, spread)
