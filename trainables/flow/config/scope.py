"""What the metrics of a run are measured of, for people: free of torch."""

from typing import TYPE_CHECKING

from trainables.flow.config.data import (
    SOURCES,
    TEST_SHARE,
    TRAINING_SHARE,
    VALIDATION_SHARE,
)
from trainables.flow.config.metrics import METRICS, OWN
from trainables.flow.config.own_metrics import measured_by

if TYPE_CHECKING:
    from trainables.flow.config.data import DataConfig
    from trainables.flow.config.run import FlowConfig


def scope(config: "FlowConfig", metric: str) -> dict[str, str]:
    """What a metric is measured of, by part.

    Args:
        config: A run's config.
        metric: The metric; of one that is unknown nothing is said but of data and seeds.
    """
    split = f"{config.data.split_seed}, the same for all seeds"
    parts = {"data": _data(config.data), "split_seed": split}
    row = METRICS.get(metric)
    if row is None and measured_by(config.metrics, metric):
        row = OWN
    if row is not None:
        parts["measured on"] = _measured_on(row.measured_on, config.data)
    if row is not None and row.of == "model":
        parts["solver"] = f"{row.solver or config.solver}, {config.solver_steps} steps"
    if row is not None and row.of != "training":
        parts["weights"] = "moving average (best: lowest val_loss)"
    parts["seeds"] = "vary initialisation, batches and noise"
    return parts


def held_out(config: "FlowConfig", metric: str) -> float | None:
    """Rows of the part that a metric is measured on, for each row trained on.

    Two training parts share as many of their rows as the part is of all: of a loss over it, that is
    what Nadeau & Bengio's ratio comes to, correlation / (1 - correlation).

    Args:
        config: A run's config.
        metric: The metric; of one that is unknown the test part counts.

    Returns:
        The ratio; None where that part may be the same in all splits: a function of one's own, or
        `data.test`, gives it.
    """
    row, data = METRICS.get(metric), config.data
    of = "model" if row is None else row.of
    if data.is_own or (data.test is not None and of == "model"):
        return None
    if of == "training":
        return _training_share(data) / (1 - _training_share(data))
    return (VALIDATION_SHARE if of == "validation" else TEST_SHARE) / _trained_share(data)


def _training_share(data: "DataConfig") -> float:
    """The training part as a share of the rows that are split."""
    return TRAINING_SHARE if data.test is None else 1 - VALIDATION_SHARE


def _trained_share(data: "DataConfig") -> float:
    """Training rows as a share of all; the whole training part where nobody knows how many."""
    row = SOURCES[data.source]
    num = row.num_rows if "rows" not in row.keys else data.rows or row.keys["rows"]
    if num is None or not isinstance(data.size, int):
        return _training_share(data)
    return min(_training_share(data), data.size / num)


def _measured_on(told: str, data: "DataConfig") -> str:
    """What a metric is measured on, where the test part's rows are no share of all rows."""
    if data.is_own:
        return told.replace(" of all rows)", f" of all rows, unless {data.source} gives it)")
    own = f"(rows of {data.test})"
    return told if data.test is None else told.replace(_OF_ALL, own)


def _data(data: "DataConfig") -> str:
    """`digits, all training rows`."""
    told = [data.source, *([data.path] if data.path is not None else [])]
    told += [f"{key} {value}" for key, value in data.args.items()]
    told += [f"test part {data.test}"] if data.test is not None else []
    for key, meant in SOURCES[data.source].keys.items():
        if key in ("rows", "dim"):
            value = getattr(data, key)
            told.append(f"{meant if value is None else value:,} {_NAMES[key]}")
    size = data.size if isinstance(data.size, str) else f"{data.size:,}"
    return ", ".join([*told, f"{size} training rows"])


_OF_ALL = f"({100 * TEST_SHARE:.0f} % of all rows)"
_NAMES = {"rows": "rows", "dim": "dimensions"}
