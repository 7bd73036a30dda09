"""Random splits as replicates: they overlap, so intervals over them are wider. Pure functions."""

import math


def widening(num_splits: int, held_out: float) -> float:
    """By what standard errors over so many random splits of one data set grow.

    The variance of a mean over n of them is (1/n + n_test/n_train) sigma^2, not sigma^2 / n, since
    all share rows: Nadeau & Bengio 2003 (Machine Learning 52, 239-281), section 3.

    Args:
        num_splits: n.
        held_out: n_test / n_train, rows measured on for each row trained on; 0 where all replicates
            are independent.
    """
    return math.sqrt(1 + num_splits * held_out)
