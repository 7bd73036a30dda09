"""The memory that a config needs, estimated beforehand; no torch, so that a plan can say it."""

import math
import os
from pathlib import Path

from trainables.flow.config.data import DEFAULT_DIM, DEFAULT_ROWS, SOURCES, DataConfig
from trainables.flow.config.run import FlowConfig
from trainables.flow.config.shapes import RowShape, unpadded_shapes
from trainables.flow.data.errors import DataError

MOST_BYTES = 2**40
"""Limit for a run's network and batch: more than machines have that train such networks."""
STATE_BYTES = 20
"""Per parameter, in float32: the weight, its gradient, its average, two moments."""
MOST_REPEATS = 10
"""How often a batch may repeat each row, if it is larger than the training part."""
LARGE_BATCH = 4096
"""Batches up to this size may repeat rows freely: the smallest data have a few rows."""
ROW_BYTES, NUMBER_BYTES = 100, 48
"""For drawing and splitting rows: per row its number, order and group, per value its copies in two
precisions."""
_LIMITS = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")


def check_rows(config: DataConfig) -> None:
    """Checks that drawn rows fit into this machine's memory.

    Raises:
        DataError: If they do not.
    """
    if "rows" not in SOURCES[config.source].keys:
        return
    rows, dim = config.rows or DEFAULT_ROWS, config.dim or DEFAULT_DIM
    needed, there = rows * (ROW_BYTES + dim * NUMBER_BYTES), memory_bytes()
    if needed > there:
        wide = f" x data.dim {dim:,}" if config.source == "gaussians" else ""
        raise DataError(
            f"data.rows {rows:,}{wide} need {_gib(needed)} to be drawn, and this machine has "
            f"{_gib(there)}: draw fewer",
            "data.rows",
            "data.dim",
        )


def check_run(config: FlowConfig, num_rows: int, rows: RowShape) -> None:
    """Checks that a network and its batches are small enough to be trained.

    Args:
        config: A run's config.
        num_rows: Rows that it trains on.
        rows: Shape of one.

    Raises:
        DataError: If they are not.
    """
    if config.batch_size > max(MOST_REPEATS * num_rows, LARGE_BATCH):
        raise DataError(
            f"batch_size {config.batch_size:,} is more than {MOST_REPEATS} times the {num_rows:,} "
            f"rows that are trained on: set batch_size: {num_rows} or less",
            "batch_size",
        )
    shapes = unpadded_shapes(config, rows).values()
    network = STATE_BYTES * sum(math.prod(shape) for shape in shapes)
    batch = 4 * config.batch_size * sum(shape[-1] for shape in shapes if len(shape) > 1)
    sizes = ("hidden_dim", "num_layers", "scale")
    for what, keys, needed in (
        ("hidden_dim and num_layers", sizes, network), ("batch_size", ("batch_size",), batch),
    ):  # fmt: skip
        if needed > MOST_BYTES:
            raise DataError(f"{what}: training would need {_gib(needed)} of memory, more than "
                            f"{_gib(MOST_BYTES)}: make it smaller", *keys)  # fmt: skip


def memory_bytes() -> float:
    """What this process may use: the machine's memory, or its container's limit."""
    try:
        physical = float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return math.inf
    return min([physical, *map(_limit, _LIMITS)])


def _limit(path: Path) -> float:
    try:
        return float(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no limit: "max"
        return math.inf


def _gib(num_bytes: float) -> str:
    return f"{num_bytes / 2**30:,.0f} GiB"
