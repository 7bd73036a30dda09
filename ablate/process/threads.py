"""How many threads a trial's sums are spread over."""

import os
import sys


def settle_threads(num_threads: int) -> None:
    """Gives torch, loaded or not yet, a number of threads: the bits of sums depend on it.

    It comes before the trainable's own code, which may then choose another number.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(num_threads)
        return
    os.environ["OMP_NUM_THREADS"] = str(num_threads)
    os.environ.setdefault("MKL_DYNAMIC", "FALSE")  # else it takes at most one a core
