"""Which rows are for training, for validation and for the test."""

import numpy as np

from trainables.flow.config.data import PARTS, TEST_SHARE, VALIDATION_SHARE
from trainables.flow.data.errors import DataError, Floats, Numbers, first_numbers
from trainables.flow.data.rows import Rows

Parts = tuple[Numbers, Numbers, Numbers]
"""Row numbers for training (all of them), validation and test."""
ODDLY_COMMON = 0.25
"""A row repeated more often than this share of the validation part is kept for training."""


def split(rows: Rows, split_seed: int) -> Parts:
    """The parts of rows: those that their source gives, and the others split off its training rows.

    Identical rows that are split go to one part. All parts are shuffled: whoever takes the first
    rows of one takes any.
    """
    rng = np.random.default_rng(split_seed)
    given = rows.counts
    train, *drawn = _drawn(
        rows.flat[: given["train"]],
        0.0 if "validation" in given else VALIDATION_SHARE,
        0.0 if "test" in given else TEST_SHARE,
        rng,
    )
    own = {name: rng.permutation(numbers) for name, numbers in _places(rows).items()}
    validation, test = (own.get(n, part) for n, part in zip(PARTS[1:], drawn, strict=True))
    return train, validation, test


def overlaps(rows: Rows, *keys: str) -> list[str]:
    """What is to be said of rows of given parts that are among the given training rows, too.

    Args:
        rows: All rows.
        *keys: The config keys that give them.

    Raises:
        DataError: If all rows of a part are.
    """
    if len(rows.counts) == 1:
        return []
    group, _ = identical(rows.flat)
    notes: list[str] = []
    for name, places in _places(rows).items():
        found = np.flatnonzero(np.isin(group[places], group[: rows.counts["train"]]))
        if not len(found):
            continue
        if len(found) == len(places):
            raise DataError(f"all {len(places):,} {name} rows are training rows, too", *keys)
        notes.append(
            f"{len(found):,} of {len(places):,} {name} rows are training rows, too: metrics of "
            f"that part are partly of rows that were trained on ({first_numbers(found)})"
        )
    return notes


def identical(flat: Floats) -> tuple[Numbers, Numbers]:
    """The number of each row's group of identical rows, and the size of each group."""
    whole = np.ascontiguousarray(flat + np.float32(0))  # -0.0 and 0.0 are one value
    keys = whole.view(np.dtype((np.void, whole.shape[1] * whole.itemsize))).ravel()
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return group, counts


def _places(rows: Rows) -> dict[str, Numbers]:
    """The row numbers of each part that the source gives beside the training part."""
    ends = np.cumsum(list(rows.counts.values()))
    starts = zip(list(rows.counts)[1:], ends, ends[1:], strict=False)
    return {name: np.arange(start, end) for name, start, end in starts}


def _drawn(
    flat: Floats, validation_share: float, test_share: float, rng: np.random.Generator
) -> Parts:
    """Row numbers of a random split; identical rows stay together.

    Oddly common rows come last, the commonest at the very end, so that they are trained on.
    """
    group, counts = identical(flat)
    rank = rng.permutation(len(counts))[group]
    num_validation, num_test = int(validation_share * len(flat)), int(test_share * len(flat))
    common = counts[group] > max(1, ODDLY_COMMON * int(VALIDATION_SHARE * len(flat)))
    order = np.lexsort((rank, np.where(common, counts[group], 0)))
    first = _boundary(rank[order], num_validation)
    second = _boundary(rank[order], first + num_test)
    validation, test, train = np.split(order, [first, second])
    # Identical rows are adjacent here: shuffled, so that nested subsets take them one by one.
    return rng.permutation(train), validation, test


def _boundary(groups: Numbers, at: int) -> int:
    """The first boundary between groups at or after `at`."""
    while 0 < at < len(groups) and groups[at] == groups[at - 1]:
        at += 1
    return at
